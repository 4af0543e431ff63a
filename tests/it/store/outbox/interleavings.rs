//! The sending protocol on the real table, under every interleaving that a seed makes: workers that die, a takeover and a
//! cancel, requests to the table that are refused or lose their answers, a clock that jumps. The worker here is the shortest
//! that keeps the protocol; it sends to a ledger.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;

use rapport_model::event::Author;
use rapport_model::sending::intent::{Choice, Draft, End, Intent, Pin as Pinned, Report, State, choose};
use rapport_model::sending::lock::{Ask, Fence, Found, Holder, Marker, Refusal, Seen, found};
use rapport_model::sending::{Accepted, IntentId};
use rapport_store::outbox::intents::{Changed, StoredIntent};
use rapport_store::outbox::lock::{Cancelled, Marked};
use rapport_store::{Mistake, StoreError, Table};

use super::Outbox;
use crate::store::interleavings::Random;
use crate::support::NOW;
use crate::support::engine::{Fate, interleave};

/// Runs of `cargo test`; `.ci/run` makes more by the variable of the identity protocol's.
const RUNS: u64 = 150;
const RUNS_VARIABLE: &str = "RAPPORT_INTERLEAVINGS";
/// Runs within which a mistake must be caught.
const RUNS_TO_CATCH: u64 = 400;
/// Looks of one worker at its conversation.
const LOOKS: usize = 14;

#[test]
fn no_interleaving_sends_twice_or_over_a_takeover_or_a_cancel() {
    let runs = std::env::var(RUNS_VARIABLE).map_or(RUNS, |text| text.parse::<u64>().unwrap() / 10);
    let mut left = 0;
    for seed in 0..runs {
        let (wrong, sent) = run(seed, None);
        assert_eq!(wrong, None, "seed {seed}");
        left += sent;
    }
    println!("{runs} interleavings, {left} requests left");
    assert!(left > runs, "too little happened: {left}");
}

#[test]
fn a_condition_that_is_left_out_ends_wrong_in_some_interleaving() {
    let mistakes = [
        Mistake::MarkerIgnoresLiveMarker,
        Mistake::ReplacesUnseenMarker,
        Mistake::MarkerIgnoresFence,
        Mistake::MarkerIgnoresTurn,
        Mistake::CancelLooksAtStateOnly,
        Mistake::CancelLooksAtLockOnly,
    ];
    for mistake in mistakes {
        let wrong = (0..RUNS_TO_CATCH).find_map(|seed| run(seed, Some(mistake)).0);
        println!("{mistake:?}: {wrong:?}");
        assert!(wrong.is_some(), "{mistake:?} was made, and nothing went wrong");
    }
}

struct World<'a> {
    outbox: &'a Outbox,
    table: Table,
    random: RefCell<Random>,
    now: Cell<u64>,
    /// Steps so far.
    tick: Cell<u64>,
    ledger: RefCell<Vec<(IntentId, u32)>>,
    /// When a takeover was answered.
    taken: Cell<Option<u64>>,
    cancelled: RefCell<BTreeSet<IntentId>>,
    /// Which intents answered which turn.
    answered: RefCell<BTreeMap<String, BTreeSet<IntentId>>>,
    wrong: RefCell<Option<String>>,
    is_calm: Cell<bool>,
}

/// The worker dies.
struct Died;

impl From<StoreError> for Died {
    fn from(_: StoreError) -> Self {
        Self
    }
}

enum Look {
    Again,
    Rest,
}

impl World<'_> {
    fn fail(&self, why: String) {
        self.wrong.borrow_mut().get_or_insert(why);
    }

    fn chance(&self, percent: usize) -> bool {
        !self.is_calm.get() && self.random.borrow_mut().below(100) < percent
    }

    fn may_die(&self) -> Result<(), Died> {
        if self.chance(2) { Err(Died) } else { Ok(()) }
    }

    async fn work(&self) {
        for _ in 0..LOOKS {
            if let Ok(Look::Rest) = self.look().await
                && self.is_calm.get()
            {
                return;
            }
        }
    }

    async fn look(&self) -> Result<Look, Died> {
        let (table, of) = (&self.table, &self.outbox.of);
        let lock = table.lock(of).await?;
        let seen = match &lock.out {
            None => None,
            Some(out) => {
                let intent = table.intent(&of.eid, &out.intent).await?;
                match found(out, intent.as_ref().map(|stored| &stored.intent), self.now.get()) {
                    Found::Ended(seen) => Some(seen),
                    Found::Live => return Ok(Look::Rest),
                    Found::Overdue => {
                        self.reclaim(out, intent.expect("an overdue one is there")).await?;
                        return Ok(Look::Again);
                    }
                }
            }
        };
        let open = table.open_intents(of, self.now.get()).await?;
        let Choice::Next(next) = choose(open.iter().map(|stored| &stored.intent), self.now.get()) else {
            return Ok(Look::Rest);
        };
        let intent = open.iter().find(|stored| stored.id == next.id).cloned().expect("it is one of them");
        self.start(&intent, &lock, seen).await
    }

    async fn reclaim(&self, out: &Marker, intent: StoredIntent) -> Result<(), Died> {
        let (table, of) = (&self.table, &self.outbox.of);
        let own = table.draw_token();
        if table.take_over_marker(of, &out.token, &own, self.now.get()).await? {
            self.may_die()?;
            let now = self.now.get();
            table.change_intent(&intent, |current| current.reclaimed(out, None, now)).await?;
        }
        Ok(())
    }

    async fn start(
        &self,
        intent: &StoredIntent,
        lock: &rapport_model::sending::Lock,
        seen: Option<Seen>,
    ) -> Result<Look, Died> {
        let (table, of) = (&self.table, &self.outbox.of);
        let asked = self.tick.get();
        let ask = Ask { seen, ..Ask::of(intent, table.draw_token(), self.now.get()) };
        let marker = match table.put_marker(of, lock, &ask).await? {
            Marked::Won(marker) => marker,
            Marked::Refused(refusal @ (Refusal::StaleFence | Refusal::StaleTurn)) => {
                table.change_intent(intent, |now| now.refused(refusal.rule(), "read again")).await?;
                return Ok(Look::Again);
            }
            Marked::Refused(_) | Marked::Again => return Ok(Look::Again),
        };
        self.may_die()?;
        let open = table.open_intents(of, self.now.get()).await?;
        let is_next = matches!(choose(open.iter().map(|stored| &stored.intent), self.now.get()), Choice::Next(next)
            if (&next.id, next.part(), next.step, next.attempt) == (&intent.id, intent.part(), intent.step, intent.attempt));
        if !is_next || marker.time_left(self.now.get()).is_none() {
            table.release_marker(of, &marker.token, false).await?;
            return Ok(Look::Again);
        }
        let report = self.request(intent, &marker, asked);
        self.may_die()?;
        match report {
            Some(report) => drop(table.change_intent(intent, |now| now.recorded(&report)).await?),
            None => {
                let words = ("timeout", None);
                let changed =
                    table.change_intent(intent, |now| now.undetermined(marker.step, marker.started.clone(), words));
                drop(changed.await?);
            }
        }
        Ok(Look::Again)
    }

    /// The provider takes it; sometimes nobody hears so.
    fn request(&self, intent: &StoredIntent, marker: &Marker, asked: u64) -> Option<Report> {
        let part = (intent.id.clone(), marker.part);
        if self.ledger.borrow().contains(&part) {
            self.fail(format!("{part:?} was sent twice"));
        }
        if intent.draft.is_automatic_reply() {
            if self.taken.get().is_some_and(|tick| tick < asked) {
                self.fail(format!("{part:?} left after a takeover"));
            }
            let turn = intent.draft.turn.as_ref().unwrap().to_string();
            let mut answered = self.answered.borrow_mut();
            let by = answered.entry(turn).or_default();
            by.insert(intent.id.clone());
            if by.len() > 1 {
                self.fail(format!("a turn was answered by {by:?}"));
            }
        }
        if self.cancelled.borrow().contains(&intent.id) {
            self.fail(format!("{part:?} left after its cancel was confirmed"));
        }
        self.ledger.borrow_mut().push(part);
        if self.chance(15) {
            return None;
        }
        let accepted: Vec<Accepted> = (0..=marker.part).map(|part| Accepted { part, id: format!("m{part}") }).collect();
        let is_last = accepted.len() == intent.draft.parts.len();
        Some(Report {
            attempt: intent.attempt,
            step: marker.step,
            pin: Pinned { now: NOW, connector: "c".into(), configuration: "k".into() },
            exchanges: vec![],
            is_bound: true,
            accepted,
            end: is_last.then_some(End::Done),
        })
    }

    async fn take(&self) {
        let by = self.outbox.event_key(77);
        while self.table.move_control(&self.outbox.of, &by, &Holder::Agent(None), self.now.get()).await.is_err() {}
        self.taken.set(Some(self.tick.get()));
    }

    async fn cancel(&self, id: &IntentId) {
        for _ in 0..4 {
            let Ok(Some(intent)) = self.table.intent(&self.outbox.of.eid, id).await else { continue };
            if let Ok(Cancelled::Done(_)) = self.table.cancel_intent(&intent).await {
                self.cancelled.borrow_mut().insert(id.clone());
            }
        }
    }
}

/// Two answers of a bot to one turn, an agent's message of two parts, a notice.
fn intents(outbox: &Outbox) -> Vec<Intent> {
    let bot = |draft: &Draft| Draft {
        author: Author::Automation,
        by: "bot".into(),
        fence: Some(Fence::default()),
        turn: Some(outbox.event_key(5)),
        ..draft.clone()
    };
    let mut intents: Vec<Intent> =
        [&["a"][..], &["b"], &["c", "d"], &["e"]].iter().zip(0..).map(|(parts, n)| outbox.intent(n, parts)).collect();
    intents[0].draft = bot(&intents[0].draft);
    intents[1].draft = bot(&intents[1].draft);
    intents[3].draft.kind = rapport_model::sending::Kind::Notice;
    intents
}

/// Gives what went wrong, and how many requests left.
fn run(seed: u64, mistake: Option<Mistake>) -> (Option<String>, u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    let outbox = runtime.block_on(Outbox::new());
    let table = outbox.table.clone();
    let table = mistake.map_or(table.clone(), |mistake| table.with_mistake(mistake));
    let intents = intents(&outbox);
    for intent in &intents {
        runtime.block_on(table.put_intent(intent)).unwrap();
    }
    let world = World {
        outbox: &outbox,
        table,
        random: RefCell::new(Random::new(seed)),
        now: Cell::new(NOW + 10),
        tick: Cell::new(0),
        ledger: RefCell::default(),
        taken: Cell::new(None),
        cancelled: RefCell::default(),
        answered: RefCell::default(),
        wrong: RefCell::default(),
        is_calm: Cell::new(false),
    };
    let cancelled = intents[Random::new(seed + 1).below(4)].id.clone();
    let mut tasks: Vec<Pin<Box<dyn Future<Output = ()> + '_>>> = vec![
        Box::pin(world.work()),
        Box::pin(world.work()),
        Box::pin(world.work()),
        Box::pin(world.cancel(&cancelled)),
    ];
    if seed.is_multiple_of(2) {
        tasks.push(Box::pin(world.take()));
    }
    play(&world, tasks);
    world.is_calm.set(true);
    for _ in 0..4 {
        world.now.set(world.now.get() + 25_000);
        play(&world, vec![Box::pin(world.work())]);
    }
    outbox.engine.open_the_gate();
    if world.wrong.borrow().is_none() {
        runtime.block_on(check(&world, &intents));
    }
    let left = world.ledger.borrow().len() as u64;
    (world.wrong.take(), left)
}

fn play(world: &World<'_>, tasks: Vec<Pin<Box<dyn Future<Output = ()> + '_>>>) {
    let engine = &world.outbox.engine;
    engine.close_the_gate();
    interleave(engine, tasks, |waiting| {
        let (number, fate) = {
            let mut random = world.random.borrow_mut();
            let (number, operation) = &waiting[random.below(waiting.len())];
            let is_write = operation != "GetItem" && operation != "Query";
            let fate = match random.below(100) {
                _ if world.is_calm.get() => Fate::Done,
                0..=2 if is_write => Fate::Conflict,
                3 if is_write => Fate::Lost,
                4..=6 if is_write => Fate::AnswerLost,
                7 => Fate::Throttled,
                _ => Fate::Done,
            };
            let jump = if random.below(60) == 0 { 21_000 } else { random.below(300) as u64 };
            world.now.set(world.now.get() + jump);
            (*number, fate)
        };
        world.tick.set(world.tick.get() + 1);
        engine.decide(number, fate);
        if world.wrong.borrow().is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
}

/// When everything has come to rest: the provider's word settles what is unknown, and every state is true.
async fn check(world: &World<'_>, intents: &[Intent]) {
    let (table, eid) = (&world.table, &world.outbox.of.eid);
    for intent in intents {
        let stored = table.intent(eid, &intent.id).await.unwrap().unwrap();
        let ledger: Vec<u32> =
            world.ledger.borrow().iter().filter(|(id, _)| *id == intent.id).map(|(_, part)| *part).collect();
        let part = stored.part();
        let stored = if ledger.contains(&part) {
            match table.change_intent(&stored, |now| now.confirmed(part, "m")).await.unwrap() {
                Changed::Done(done) | Changed::Late(done) => *done,
                Changed::Gone => panic!("nobody is erased"),
            }
        } else {
            stored
        };
        let parts = intent.draft.parts.len();
        let is_true = match &stored.state {
            State::Pending | State::Sending => false,
            State::Sent => ledger.len() == parts,
            State::Cut { accepted, .. } => ledger.len() == *accepted as usize && ledger.len() < parts,
            State::Unknown { .. } => !ledger.contains(&part),
            State::Failed(_) | State::Refused { .. } | State::Cancelled | State::Expired => ledger.is_empty(),
        };
        if !is_true {
            world.fail(format!("{} is {:?}, and the ledger has {ledger:?}", stored.id, stored.state));
        }
    }
    let order: Vec<&IntentId> = intents.iter().map(|intent| &intent.id).collect();
    let ledger = world.ledger.borrow();
    let places = ledger.iter().map(|(id, _)| order.iter().position(|other| *other == id));
    let places: Vec<_> = places.collect();
    if !places.is_sorted() {
        world.fail(format!("the order was not kept: {places:?}"));
    }
}
