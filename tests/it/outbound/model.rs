//! Draft.

mod api;
mod check;
mod fold;
mod intent;
mod items;
mod lock;
mod mutants;
mod outside;
mod provider;
mod run;
mod send;
mod worker;
mod world;

use std::time::Instant;

use mutants::Mutant;
use run::run;

/// Runs of `cargo test`: some two seconds without optimisation.
const RUNS: u64 = 2_000;
/// Another number of runs.
const RUNS_VARIABLE: &str = "RAPPORT_SENDS_MODEL";
/// Runs within which every mutant must be found.
const RUNS_TO_FIND: u64 = 20_000;

#[test]
fn the_protocol_holds() {
    let runs = std::env::var(RUNS_VARIABLE).map_or(RUNS, |text| text.parse().unwrap());
    let started = Instant::now();
    let (mut left, mut steps) = (0, 0);
    for seed in 0..runs {
        let done = run(seed, None);
        assert_eq!(done.wrong, None, "seed {seed}");
        (left, steps) = (left + done.left, steps + done.steps);
    }
    println!("{runs} runs in {:?}: {left} requests, {steps} steps", started.elapsed());
    assert!(left > runs, "too little happened: {left} requests");
}

#[test]
fn every_mutant_is_found() {
    let found = |mutant: Mutant| (0..RUNS_TO_FIND).find_map(|seed| Some((seed, run(seed, Some(mutant)).wrong?)));
    let mut missed = Vec::new();
    for mutant in Mutant::ALL {
        match found(*mutant) {
            Some((seed, why)) => println!("{mutant:?}: run {}: {}", seed + 1, why),
            None => missed.push(mutant),
        }
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
}

#[test]
fn survey() {
    let runs = std::env::var(RUNS_VARIABLE).map_or(RUNS, |text| text.parse().unwrap());
    let from: u64 = std::env::var("FROM").map_or(0, |text| text.parse().unwrap());
    let mut all = std::collections::BTreeMap::new();
    for seed in from..from + runs {
        if let Some(why) = run(seed, None).wrong {
            let key: String = why.chars().take(90).filter(|c| !c.is_ascii_digit()).collect();
            let entry = all.entry(key).or_insert((0, seed, why));
            entry.0 += 1;
        }
    }
    for (_, (n, seed, why)) in &all { println!("{n} {seed} {why}"); }
    if let Ok(seed) = std::env::var("SEED") { println!("{}", run::story(seed.parse().unwrap(), None)); println!("{:?}", run(seed.parse().unwrap(), None).wrong); }
}
