//! The sending protocol, as a model that runs: an intent becomes a message at the provider, at most once.
//!
//! Read this page before the code of the sender. The model came first. A seed makes one run: workers, the API, the fold,
//! webhooks, a customer, agents, a bot, a deploy and an erasure act in an order that the seed draws. Workers crash and stand
//! still between any two steps. Calls of the table fail or lose their answers. The provider refuses, limits, does not answer,
//! and reports in any order. After every step, and when everything has come to rest, [`check`] compares with the promises.
//!
//! # Promises
//! 1. **Never twice.** The provider takes a part of an intent once, unless its request can be repeated. A request whose answer
//!    is lost makes the intent `unknown`. A report of the provider settles it. "Send again" is a person's decision, once.
//! 2. **Never over a person.** A bot's reply starts only under the fence that it read, and answers only a turn that nobody has
//!    answered. What was answered or acknowledged before the start marker counts.
//! 3. **Never against the customer's word.** After a stop is acknowledged, nothing starts that needs consent.
//! 4. **In order** among intents that are due. Who waits for longer than a minute is overtaken.
//! 5. **Nothing is lost.** Every intent ends as sent, failed, refused, cancelled, expired, cut or unknown. Every accepted part
//!    has one event. After an erasure nothing is left but the lock's fence, its instant and the stop.
//!
//! # Items
//! One step touches one item ([`items`]): a conditional `UpdateItem`, a put if absent, or a consistent read. Two writes are
//! transactions on intent and lock: a cancel, and the end or restart of an intent by somebody who does not hold its marker.
//!
//! | Item | Holds |
//! |---|---|
//! | claim | by idempotency key: the intent's id, and the time in it |
//! | intent `O#` | draft, state, attempt, version, upload, number of accepted parts, start of a part that may have left |
//! | lock `Y#` | marker, fence, controller, keys of control events, answered turn, pair rate, unsettled intents, stop, erasure |
//! | rate | no start of the connection before |
//! | event `V#` | key of time and id, so that a repeated put changes nothing |
//! | wake | names the conversation; comes at least once, or is lost with its process |
//!
//! # One turn of a worker ([`worker`], [`send`])
//! 1. Receive a wake and hide it for longer than a turn and a marker together. Delete it last. One process with a channel looks
//!    for unfinished intents when it starts, and again when the markers of the dead process are over.
//! 2. Read the lock. If it has a marker, read its intent. Ended, or its part recorded: the marker can be replaced. Live: drop
//!    the wake, because its holder looks again. Past its deadline: put the own token in its place, *then* end the intent.
//! 3. Read the open intents. Take the oldest that is due. Expired: end it. Other version: start over if no part is accepted,
//!    else end it as cut. Upload without a marker. Look at the rate.
//! 4. **Marker**: draw a token, fix the deadline, update the lock. Conditions: not closed, and the intent is younger than the
//!    last erasure; no marker, or the one that was read as ended; pair rate; stop; a bot's fence, controller and turn. The own
//!    token is success, with the deadline that is written. Closed: delete the intent.
//! 5. **Read again under the marker**: the same part of the same attempt is still the oldest that is due, and has not expired.
//!    Otherwise release the marker.
//! 6. Less than 3 s until 2 s before the deadline: release, and come again. Send one request, under a timer.
//! 7. Accepted: put the event, *then* record the part. Refused: record, release. Not sent: write the limit, let the intent wait,
//!    release. No answer: `unknown`; a repeatable part starts again as a new attempt and keeps its first start. A release
//!    without a request gives the turn back.
//! 8. Look again, until nothing is due.
//!
//! # Everybody else
//! * **API** ([`api`]): draw the time of the id, look whether the lock is closed, claim, put the intent, move control if an
//!   agent replies, wake. The fold repeats the wake and the move.
//! * **Control**: event, lock, answer. The lock keeps the keys of the last eight control events, so API, webhook and fold move
//!   the fence once for each.
//! * **Webhooks** ([`outside`]): a foreign echo and a stop go the same way: event, lock, 200. Our own echo is a report.
//! * **Fold** ([`fold`]): a report and our own event settle an intent that is unsettled, also if it is under way. A late answer
//!   ends an `unknown` intent as sent or cut. The customer's own words alone open a closed lock.
//! * **Cancel**: refused while the marker names a part that is not recorded, or if a repeatable part may have left.
//! * **Erasure**: close the lock, once for each erasure; draw the instant after that; wait for a marker of an older intent;
//!   delete intents, then events. A report or event is dropped by the time in its reference. Until the instant is written, the
//!   fold waits with the customer's words.
//!
//! Each condition is a [`Mutant`](mutants::Mutant), with what goes wrong without it. The test finds every one of them.
//!
//! # What is left
//! * A worker that stands still *between its timer and the socket* for longer than the margin may send after its deadline.
//! * What arrives between the marker and the socket does not stop the message. A takeover's answer shows the marker.
//! * A worker that dies or stands still with a marker makes its part unknown, although nothing may have left.
//! * A reply can be refused for a turn whose worker died before it gave the turn back.
//! * A customer who writes while the erasure draws its instant is erased with what was said until then.
//!
//! # What is not modelled
//! One conversation, one endpoint. Consent of the person on other endpoints, quiet hours, frequency caps, breakers, dead letters,
//! and ids of two API servers whose clocks differ. Clocks of workers differ by a second.

mod api;
mod check;
mod fold;
mod intent;
mod items;
mod lock;
pub mod mutants;
mod outside;
mod provider;
mod run;
mod send;
mod worker;
mod world;

use std::time::Instant;

use mutants::Mutant;
use run::{run, story};

/// Runs of `cargo test`: some two seconds without optimisation.
const RUNS: u64 = 10_000;
/// Another number of runs.
const RUNS_VARIABLE: &str = "RAPPORT_SENDS_MODEL";
/// Runs within which a mutant must be found.
const RUNS_TO_FIND: u64 = 6_000;
/// Runs to find again a rare one that a change of the model has moved.
const RUNS_TO_FIND_AGAIN: u64 = 200_000;

#[test]
fn the_protocol_holds() {
    let runs = std::env::var(RUNS_VARIABLE).map_or(RUNS, |text| text.parse().unwrap());
    let started = Instant::now();
    let (mut left, mut steps) = (0, 0);
    for seed in 0..runs {
        let done = run(seed, None);
        assert!(done.wrong.is_none(), "seed {seed}: {:?}\n{}", done.wrong, story(seed, None));
        (left, steps) = (left + done.left, steps + done.steps);
    }
    println!("{runs} runs in {:?}: {left} requests, {steps} steps", started.elapsed());
    assert!(left > 2 * runs, "too little happened: {left} requests");
}

#[test]
fn every_mutant_is_found() {
    let mut missed = Vec::new();
    for mutant in Mutant::ALL {
        match find(*mutant) {
            Some((runs, why)) => println!("{mutant:?}: after {runs} runs: {}", why.split(": ").next().unwrap()),
            None => missed.push(mutant),
        }
    }
    println!("{} mutants", Mutant::ALL.len());
    assert!(missed.is_empty(), "not found: {missed:?}");
}

/// After how many runs a mutant is found, and how.
fn find(mutant: Mutant) -> Option<(u64, String)> {
    let first = mutant.first_run();
    let within =
        |runs: std::ops::Range<u64>| runs.clone().find_map(|seed| Some((seed + 1, run(seed, Some(mutant)).wrong?)));
    within(first..first + RUNS_TO_FIND).or_else(|| {
        let found = within(0..if first > 0 { RUNS_TO_FIND_AGAIN } else { 0 })?;
        println!("{mutant:?} has moved to run {}; fix: `Mutant::first_run`", found.0 - 1);
        Some(found)
    })
}

#[test]
fn a_run_can_be_told() {
    let (seed, why) = find(Mutant::RepeatsAfterTimeout).unwrap();
    let told = story(seed - 1, Some(Mutant::RepeatsAfterTimeout));
    assert!(told.contains("Maybe"), "{why}\n{told}");
}
