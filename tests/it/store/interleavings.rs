//! The identity protocol, as it is, under every interleaving that a seed makes: workers link, unlink, withdraw, replace,
//! flatten and erase the same few endpoints, each request waits for its turn, some are refused, some lose their answer.
//!
//! After every commit the table must say what the evidence says: profiles by pointers and forwards, the members of roots,
//! and the lists of conflicts are what [`partition`] makes of all edges. What the checker reads, it reads past the gate.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use rapport_model::event::{Attestation, Identifier};
use rapport_model::identity::{
    Closing, Edge, EdgeId, Evidence, Kind, Named, Pair, Partition, Rule, Rules, Source, Withdrawal, partition,
};
use rapport_model::{Basis, Eid, EndpointKey, ProfileId, TenantKey};
use rapport_projections::rebuild_after_erasure::proceed;
use rapport_store::blobs::Blobs;
use rapport_store::identity::Party;
use rapport_store::{Clause, StoreError, Table};
use serde_json::Value;

use crate::support::engine::{Engine, Fate, interleave, table_of};

/// Runs of `cargo test`: a few seconds. `.ci/run` makes 10,000.
const RUNS: u64 = 300;
/// Another number of runs.
const RUNS_VARIABLE: &str = "RAPPORT_INTERLEAVINGS";
/// Runs within which a protocol without one of its clauses must be caught.
const RUNS_TO_CATCH: u64 = 1_500;

/// By turns: four meet more often, three finish sooner.
const WORKERS: [u64; 2] = [3, 4];
const OPERATIONS: usize = 2;
const ENDPOINTS: usize = 4;
/// Times that an operation is done again after storage was away. An erasure makes a hundred requests, of which one in twenty
/// fails here; it goes on where it was saved.
const TRIES_MAX: usize = 300;
/// Runs of one database: it grows with each, and looks nothing up faster for that.
const RUNS_OF_ONE_ENGINE: u64 = 100;

#[test]
fn no_interleaving_ends_in_a_profile_that_the_evidence_does_not_make() {
    let runs = std::env::var(RUNS_VARIABLE).map_or(RUNS, |text| text.parse().unwrap());
    let started = Instant::now();
    let done = check_all(runs, None);
    println!("{runs} interleavings in {:?}: {done:?}", started.elapsed());
    assert_eq!(done.wrong, None);
    assert!(
        done.commits > 4 * runs && done.refused > runs / 2 && done.held > runs / 20,
        "too little happened: {done:?}"
    );
}

#[test]
fn without_a_version_that_moves_the_checker_finds_a_wrong_profile() {
    catch(Clause::VersionMoves);
}

#[test]
fn without_every_pointer_rewritten_the_checker_finds_a_wrong_profile() {
    catch(Clause::EveryPointer);
}

#[test]
fn without_the_proof_of_membership_the_checker_finds_a_wrong_profile() {
    catch(Clause::Proof);
}

fn catch(without: Clause) {
    let wrong = check_all(RUNS_TO_CATCH, Some(without)).wrong;
    println!("without {without:?}: {wrong:?}");
    assert!(wrong.is_some(), "{without:?} was left out, and nothing went wrong");
}

/// What happened in some runs.
#[derive(Debug, Default)]
struct Done {
    commits: u64,
    refused: u64,
    held: u64,
    parted: u64,
    /// The first seed that ended wrong, and how.
    wrong: Option<(u64, String)>,
}

/// Half of the seeds on each of two threads. The first that goes wrong ends both.
fn check_all(runs: u64, without: Option<Clause>) -> Done {
    let wrong = &AtomicBool::new(false);
    let halves = std::thread::scope(|scope| {
        let halves = [0, 1].map(|half| scope.spawn(move || check_some((half..runs).step_by(2), without, wrong)));
        // An endpoint that is found no more is wrong as well: whoever works on it gives up, loudly.
        let gave_up = || Done { wrong: Some((0, "a worker gave up".to_owned())), ..Done::default() };
        halves.map(|half| half.join().unwrap_or_else(|_| gave_up()))
    });
    halves.into_iter().reduce(Done::and).unwrap()
}

fn check_some(seeds: impl Iterator<Item = u64>, without: Option<Clause>, wrong: &AtomicBool) -> Done {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    let mut done = Done::default();
    let mut engine = Engine::new();
    for (number, seed) in (0..).zip(seeds) {
        if number % RUNS_OF_ONE_ENGINE == 0 {
            engine = Engine::new();
        }
        let table = runtime.block_on(table(&engine, seed, without));
        done = done.and(run(&engine, &table, seed));
        wrong.fetch_or(done.wrong.is_some(), Ordering::Relaxed);
        if wrong.load(Ordering::Relaxed) {
            break;
        }
    }
    done
}

impl Done {
    fn and(self, other: Self) -> Self {
        Self {
            commits: self.commits + other.commits,
            refused: self.refused + other.refused,
            held: self.held + other.held,
            parted: self.parted + other.parted,
            wrong: self.wrong.or(other.wrong),
        }
    }
}

/// One run: workers and a scheduler, all of one seed.
fn run(engine: &Engine, table: &Table, seed: u64) -> Done {
    let world = World::new(table);
    engine.close_the_gate();
    let mut done = Done::default();
    let mut mirror = Mirror::default();
    engine.take_written();
    let tasks: Vec<Pin<Box<dyn Future<Output = ()> + '_>>> = (0..WORKERS[(seed / 2 % 2) as usize])
        .map(|worker| {
            Box::pin(work(table, &world, Random::new(seed * 100 + worker))) as Pin<Box<dyn Future<Output = ()>>>
        })
        .collect();
    let mut random = Random::new(seed);
    interleave(engine, tasks, |waiting| {
        let (number, operation) = &waiting[random.below(waiting.len())];
        let fate = fate(operation, &mut random);
        done.refused += u64::from(fate != Fate::Done);
        engine.decide(*number, fate);
        let written = engine.take_written();
        if !written.is_empty() {
            done.commits += 1;
            mirror.read(engine, &written);
            let expected = world.partition(&mirror);
            done.held += u64::from(!expected.held.is_empty());
            done.wrong = mirror.check(&world, &expected).err().map(|why| (seed, why));
        }
        if done.wrong.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    done.parted += mirror.roots.values().filter(|root| root.birth.is_some()).count() as u64;
    done
}

/// Most requests are done; some are refused, some are lost, of some the answer is.
fn fate(operation: &str, random: &mut Random) -> Fate {
    let is_write = operation != "GetItem" && operation != "Query";
    match random.below(100) {
        0..=4 if is_write => Fate::Conflict,
        5 if is_write => Fate::Lost,
        6..=7 if is_write => Fate::AnswerLost,
        8 => Fate::Throttled,
        _ => Fate::Done,
    }
}

/// One worker: a few operations, each done again until storage has taken it.
async fn work(table: &Table, world: &World, mut random: Random) {
    for _ in 0..OPERATIONS {
        let operation = world.operation(&mut random);
        for attempt in 0.. {
            assert!(attempt < TRIES_MAX, "storage never took {operation:?}");
            match world.perform(table, &operation).await {
                Ok(()) => break,
                Err(StoreError::Unavailable { .. } | StoreError::Contended { .. }) => {}
                Err(error) => panic!("{operation:?}: {error}"),
            }
        }
    }
}

#[derive(Debug)]
enum Operation {
    Prove(usize, usize, Evidence),
    Withdraw(usize, usize, Withdrawal),
    Unlink(EdgeId, Closing),
    Flatten(usize),
    /// The whole person, with what was said up to an instant.
    Erase(usize, u64),
}

/// A few endpoints: two users, of whom one person has one, and addresses. A profile has three of them at most.
struct World {
    parties: Vec<Party>,
    named: Vec<Named>,
    key: TenantKey,
    rules: Rules,
}

fn rules() -> Rules {
    Rules { members_max: 3, ..Rules::default() }
}

impl World {
    fn new(table: &Table) -> Self {
        let named = |n: usize| {
            let (scheme, value) = (["user", "user", "phone", "chat"][n].to_owned(), n.to_string());
            let identifier = Identifier {
                scheme: scheme.clone(),
                scope: None,
                value: value.clone(),
                attestation: Attestation::Provider,
            };
            let key = EndpointKey { scheme, scope: None, value };
            Named { eid: table.eid(&key), key, identifier, basis: Basis::Proven }
        };
        let named: Vec<Named> = (0..ENDPOINTS).map(named).collect();
        let party = |named: &Named| Party { eid: named.eid.clone(), kind: Kind::of(&named.key) };
        Self { parties: named.iter().map(party).collect(), named, key: tenant_key(), rules: rules() }
    }

    fn operation(&self, random: &mut Random) -> Operation {
        let a = random.below(ENDPOINTS);
        let b = (a + 1 + random.below(ENDPOINTS - 1)) % ENDPOINTS;
        let at = 1 + random.below(6) as u64;
        let event = self.key.event_key(at, "a", &format!("{a}.{b}")).unwrap();
        let pair = Pair::new(&self.parties[a].eid, &self.parties[b].eid).unwrap();
        let said = || Source::Event { key: event.clone(), attestation: Attestation::Provider };
        let person = || Source::Person { who: "ada".into(), why: "she asked".to_owned() };
        let prove = |rule, source, old| Operation::Prove(a, b, Evidence { rule, source, at, last: at, old, now: 100 });
        match random.below(100) {
            0..=54 => prove(Rule::SamePayload, said(), None),
            55..=59 => prove(Rule::Replaced, said(), Some(self.parties[a].eid.clone())),
            60..=64 => prove(Rule::Manual, person(), None),
            65..=71 => Operation::Withdraw(a, b, Withdrawal { at, event }),
            72..=89 => {
                let rule = [Rule::SamePayload, Rule::SamePayload, Rule::SamePayload, Rule::Manual][random.below(4)];
                let closing = Closing { who: "ada".into(), why: "a mistake".to_owned(), at: 100 };
                Operation::Unlink(EdgeId { pair, rule }, closing)
            }
            90..=93 => Operation::Erase(a, at),
            _ => Operation::Flatten(a),
        }
    }

    async fn perform(&self, table: &Table, operation: &Operation) -> Result<(), StoreError> {
        let party = |n: &usize| &self.parties[*n];
        match operation {
            Operation::Prove(a, b, evidence) => table.prove(party(a), party(b), evidence).await.map(drop),
            Operation::Withdraw(a, b, withdrawal) => {
                table.withdraw(party(a), party(b), withdrawal, 100).await.map(drop)
            }
            Operation::Unlink(id, closing) => table.unlink(id, closing).await.map(drop),
            Operation::Flatten(a) => table.flatten(&party(a).eid).await,
            Operation::Erase(a, up_to) => self.erase(table, *a, *up_to).await,
        }
    }

    /// Somebody who is seen after any erasure, and known under the same kind before and after it.
    async fn erase(&self, table: &Table, a: usize, up_to: u64) -> Result<(), StoreError> {
        table.put_endpoint(&self.named[a], 9, 9).await?;
        let Some(mut erasure) = table.begin_erasure(&self.named[a].eid, None, up_to).await? else { return Ok(()) };
        proceed(table, &mut erasure, &[], up_to).await
    }

    fn partition(&self, mirror: &Mirror) -> Partition {
        let kinds = self.parties.iter().map(|party| (party.eid.clone(), party.kind.clone())).collect();
        let edges: Vec<Edge> = mirror.edges.values().cloned().collect();
        partition(&kinds, &edges, &self.rules)
    }
}

/// What the table holds, kept up by reading what each commit has written.
#[derive(Default)]
struct Mirror {
    pointers: BTreeMap<Eid, ProfileId>,
    roots: BTreeMap<ProfileId, MirroredRoot>,
    edges: BTreeMap<String, Edge>,
    conflicts: BTreeSet<EdgeId>,
}

#[derive(Default)]
struct MirroredRoot {
    into: Option<ProfileId>,
    birth: Option<Eid>,
    members: BTreeSet<Eid>,
    held: BTreeSet<EdgeId>,
}

impl Mirror {
    fn read(&mut self, engine: &Engine, written: &[(String, String)]) {
        for (pk, sk) in written {
            let item = engine.item(pk, sk);
            let (_, kind) = pk.split_once('#').unwrap();
            let (kind, id) = kind.split_once('#').unwrap();
            let text = |name: &str| item.as_ref().and_then(|item| item[name]["S"].as_str());
            let set = |name: &str| -> Vec<&str> {
                let list = item.as_ref().and_then(|item| item[name]["SS"].as_array());
                list.into_iter().flatten().filter_map(Value::as_str).collect()
            };
            match (kind, sk.as_str()) {
                ("E", "@") => {
                    let eid = Eid::parse(id).unwrap();
                    // One that was never linked, and is marked as erased, has none.
                    if let Some(to) = text("ptr") {
                        self.pointers.insert(eid, ProfileId::parse(to).unwrap());
                    }
                }
                ("E", sk) if sk.starts_with("L#") && item.is_none() => {
                    let (high, rule) = sk[2..].split_once('#').unwrap();
                    self.edges.remove(&format!("{id}.{high}.{rule}"));
                }
                ("E", sk) if sk.starts_with("L#") => {
                    let edge: Edge = serde_json::from_str(text("edge").unwrap()).unwrap();
                    self.edges.insert(edge.id.to_string(), edge);
                }
                ("P", "@") => {
                    let root = MirroredRoot {
                        into: text("fwd").map(|into| ProfileId::parse(into).unwrap()),
                        birth: text("birth").map(|birth| Eid::parse(birth).unwrap()),
                        members: set("mem").iter().map(|member| Eid::parse(&member[..22]).unwrap()).collect(),
                        held: set("held").iter().map(|held| EdgeId::parse(held).unwrap()).collect(),
                    };
                    self.roots.insert(ProfileId::parse(id).unwrap(), root);
                }
                ("G", sk) if id.starts_with("conflict") => {
                    let id = EdgeId::parse(sk).unwrap();
                    let _ = if item.is_some() { self.conflicts.insert(id) } else { self.conflicts.remove(&id) };
                }
                _ => {}
            }
        }
    }

    fn check(&self, world: &World, expected: &Partition) -> Result<(), String> {
        let mut profiles: BTreeMap<ProfileId, BTreeSet<Eid>> = BTreeMap::new();
        for party in &world.parties {
            profiles.entry(self.lead(&party.eid)).or_default().insert(party.eid.clone());
        }
        let found: BTreeSet<&BTreeSet<Eid>> = profiles.values().collect();
        if found != expected.components.iter().collect() {
            return Err(format!("profiles: {profiles:?}, by the evidence {:?}", expected.components));
        }
        let conflicts: BTreeSet<EdgeId> =
            expected.held.iter().filter(|(_, held)| held.is_conflict()).map(|(id, _)| id.clone()).collect();
        for (pid, endpoints) in &profiles {
            let Some(root) = self.roots.get(pid) else { continue };
            if root.members != *endpoints {
                return Err(format!("{pid} is of {endpoints:?}, its root says {:?}", root.members));
            }
            let is_its = |id: &&EdgeId| endpoints.contains(id.pair.low()) || endpoints.contains(id.pair.high());
            if root.held != conflicts.iter().filter(is_its).cloned().collect() {
                return Err(format!("{pid} holds {:?} of {conflicts:?}", root.held));
            }
            let birth = root.birth.clone().or_else(|| pid.birth_endpoint());
            if birth.is_none_or(|birth| !endpoints.contains(&birth)) {
                return Err(format!("{pid} has lost its birth endpoint"));
            }
        }
        if self.conflicts != conflicts {
            return Err(format!("{:?} are listed, {conflicts:?} are held", self.conflicts));
        }
        Ok(())
    }

    /// The profile to which an endpoint's pointer and the forwards lead.
    fn lead(&self, eid: &Eid) -> ProfileId {
        let mut pid = self.pointers.get(eid).cloned().unwrap_or_else(|| ProfileId::implied(eid));
        while let Some(into) = self.roots.get(&pid).and_then(|root| root.into.clone()) {
            pid = into;
        }
        pid
    }
}

fn tenant_key() -> TenantKey {
    TenantKey::new(&[7; 32]).unwrap()
}

/// The store over an engine, under the rules of this test.
async fn table(engine: &Engine, seed: u64, without: Option<Clause>) -> Table {
    let table = table_of(engine, format!("t{seed}"), Blobs::in_folder(std::env::temp_dir())).await.under(rules());
    match without {
        Some(clause) => table.without(clause),
        None => table,
    }
}

/// A small generator (SplitMix64, Steele 2014), so that a seed in a failure repeats it.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }
}
