//! The real worker under every interleaving that a seed makes: workers that die at any await, requests to the table that are
//! refused or lose their answers, a clock that jumps, a takeover, a cancel, reports of the provider in any order.
//!
//! The connector and the provider are in this thread, so that a seed decides everything. The provider has a ledger.

use std::collections::{BTreeMap, BTreeSet};
use std::future::{Future, poll_fn};
use std::ops::{Bound, ControlFlow};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Poll;

use rapport_connections::{Asked, NotRun};
use rapport_model::event::{Attestation, Author, Body, Contact, Covered, Delivery, DeliveryState, Identifier, Part};
use rapport_model::exchange::{
    Answer, Authorization, Content, Exchange, Method, Piece, Request, RequestBody, Response, TransportError,
};
use rapport_model::sending::intent::{Birth, Draft, Intent, State};
use rapport_model::sending::lock::{Fence, Holder};
use rapport_model::sending::rate::Rate;
use rapport_model::sending::reference::Reference;
use rapport_model::sending::{Accepted, Failure, IntentId, Kind, Next, Operation, Outcome, Route, Turn};
use rapport_model::{Eid, EndpointKey, Event, EventKey};
use rapport_outbound::connectors::{Away, Leaving, Work};
use rapport_outbound::{Connectors, Ended, Limits, Outbound, Reply, Versions, Worker};
use rapport_projections::settlement::settle;
use rapport_store::blobs::Blobs;
use rapport_store::events::StoredEvent;
use rapport_store::outbox::intents::Conversation;
use rapport_store::outbox::lock::Cancelled;
use rapport_store::outbox::wake::{Wakes, Waking};
use rapport_store::{Mistake, Table};
use tempfile::TempDir;

use crate::store::interleavings::Random;
use crate::support::NOW;
use crate::support::engine::{Engine, Fate, interleave, table_of};

/// Runs of `cargo test`; `.ci/run` makes more by the variable of the identity protocol's.
const RUNS: u64 = 40;
const RUNS_VARIABLE: &str = "RAPPORT_INTERLEAVINGS";
/// Runs within which a mistake must be caught.
const RUNS_TO_CATCH: u64 = 150;
/// Turns that one worker makes while there is trouble.
const TURNS: usize = 4;
/// Milliseconds. Two clocks differ by less.
const LEASE_AND_MARGIN_MS: u64 = 23_000;

#[test]
fn no_interleaving_sends_twice_or_loses_a_message() {
    let runs = std::env::var(RUNS_VARIABLE).map_or(RUNS, |text| text.parse::<u64>().unwrap() / 10);
    let (mut left, mut unknown) = (0, 0);
    for seed in 0..runs {
        let done = run(seed, None);
        assert_eq!(done.wrong, None, "seed {seed}");
        (left, unknown) = (left + done.left, unknown + done.settled);
    }
    println!("{runs} interleavings, {left} requests left, {unknown} unknown messages were settled");
    assert!(left > 2 * runs && unknown > runs / 10, "too little happened: {left}, {unknown}");
}

#[test]
fn a_condition_that_is_left_out_ends_wrong_in_some_interleaving() {
    // Each with the run from which it is looked for.
    let mistakes = [
        (Mistake::NoRereadUnderMarker, 10),
        (Mistake::ReplacesUnendedMarker, 0),
        (Mistake::NoDeadlineCheck, 0),
        (Mistake::RepeatsAfterTimeout, 0),
        (Mistake::RecordBeforeEvent, 0),
        (Mistake::EventKeyFromAnswerTime, 0),
        (Mistake::ReclaimWithoutOwnMarker, 90),
        (Mistake::ReclaimRepeats, 0),
        (Mistake::OlderDueNotFirst, 0),
        (Mistake::StatusSettlesOnlyUnknown, 25),
        (Mistake::MarkerIgnoresLiveMarker, 0),
        (Mistake::ReplacesUnseenMarker, 8),
        (Mistake::MarkerIgnoresFence, 8),
        (Mistake::MarkerIgnoresTurn, 0),
        (Mistake::CancelLooksAtStateOnly, 0),
        (Mistake::CancelLooksAtLockOnly, 0),
    ];
    let mut missed = Vec::new();
    for (mistake, first) in mistakes {
        let found = (first..first + RUNS_TO_CATCH).find_map(|seed| Some((seed, run(seed, Some(mistake)).wrong?)));
        println!("{mistake:?}: {found:?}");
        missed.extend(found.is_none().then_some(mistake));
    }
    assert!(missed.is_empty(), "{missed:?} were made, and nothing went wrong");
}

/// What happened in a run.
struct Done {
    wrong: Option<String>,
    left: u64,
    settled: u64,
}

/// What all tasks of a run share.
struct World {
    engine: Engine,
    table: Table,
    of: Conversation,
    /// A conversation that nobody has: reading its lock is a step in which others may act.
    nowhere: Conversation,
    now: AtomicU64,
    is_calm: AtomicBool,
    facts: Mutex<Facts>,
}

struct Facts {
    random: Random,
    /// Steps so far.
    tick: u64,
    /// Parts that the provider has, in their order, and when each came.
    ledger: Vec<(IntentId, u32)>,
    /// Reports that the provider has not made yet.
    reports: Vec<String>,
    /// When a takeover was answered.
    taken: Option<u64>,
    cancelled: BTreeSet<IntentId>,
    answered: BTreeMap<EventKey, BTreeSet<IntentId>>,
    bots: BTreeMap<IntentId, EventKey>,
    wrong: Option<String>,
    settled: u64,
}

impl World {
    fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap()
    }

    fn now(&self) -> u64 {
        self.now.load(Ordering::Relaxed)
    }

    fn below(&self, bound: usize) -> usize {
        self.facts().random.below(bound)
    }

    fn chance(&self, percent: usize) -> bool {
        !self.is_calm.load(Ordering::Relaxed) && self.below(100) < percent
    }

    fn fail(&self, why: String) {
        self.facts().wrong.get_or_insert(why);
    }

    /// A step in which others may act.
    async fn step(&self) {
        let _ = self.table.lock(&self.nowhere).await;
    }

    /// Runs a future that may die at any of its awaits.
    async fn mortal<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let mut future = pin!(future);
        poll_fn(|context| if self.chance(1) { Poll::Ready(None) } else { future.as_mut().poll(context).map(Some) })
            .await
    }

    async fn work(&self, worker: Worker) {
        for _ in 0..TURNS {
            let ended = self.mortal(worker.turn(&self.of)).await;
            let is_calm = self.is_calm.load(Ordering::Relaxed);
            if is_calm && matches!(ended, Some(Ok(Ended::Rested(None)))) {
                return;
            }
            self.step().await;
        }
    }

    /// Lets others act for a while.
    async fn wait(&self) {
        for _ in 0..self.below(40) {
            self.step().await;
        }
    }

    async fn take(&self) {
        self.wait().await;
        let by = self.table.tenant_key().event_key(NOW + 77, "shop", "take").unwrap();
        while self.table.move_control(&self.of, &by, &Holder::Agent(None), self.now()).await.is_err() {}
        let mut facts = self.facts();
        facts.taken = Some(facts.tick);
    }

    async fn cancel(&self, id: &IntentId) {
        for _ in 0..4 {
            self.wait().await;
            let Ok(Some(intent)) = self.table.intent(&self.of.eid, id).await else { continue };
            if let Ok(Cancelled::Done(_)) = self.table.cancel_intent(&intent).await {
                self.facts().cancelled.insert(id.clone());
            }
        }
    }

    /// The provider reports what it has, in any order, and the fold settles.
    async fn report(&self, all: bool) {
        for _ in 0..12 {
            let report = {
                let mut facts = self.facts();
                let many = facts.reports.len();
                (many > 0).then(|| {
                    let nth = facts.random.below(many);
                    facts.reports.swap_remove(nth)
                })
            };
            match report {
                Some(reference) => {
                    let event = self.status(&reference);
                    while settle(&self.table, &event, self.now()).await.is_err() {}
                }
                None if all => return,
                None => self.step().await,
            }
        }
    }

    fn status(&self, reference: &str) -> StoredEvent {
        let at = self.now();
        let covers = Covered::Reference(reference.to_owned());
        let event = Event {
            id: format!("status of {reference}"),
            at,
            account: "shop".into(),
            contact: Contact::default(),
            body: Body::Delivery(Delivery::new(covers, DeliveryState::Delivered)),
            extensions: Default::default(),
        };
        let key = self.table.tenant_key().event_key(at, "shop", &event.id).unwrap();
        StoredEvent {
            eid: self.of.eid.clone(),
            key,
            event,
            connection: "courier".into(),
            connector_digest: String::new(),
            received_at: at,
            origin: None,
        }
    }

    /// Until when the marker of an intent is honoured, past the gate.
    fn deadline(&self, intent: &IntentId) -> Option<u64> {
        let item = self.engine.item(&format!("main#E#{}", self.of.eid), &format!("Y#{}", self.of.account))?;
        let is_its = item["oi"]["S"] == intent.as_str();
        is_its.then(|| item["od"]["N"].as_str().unwrap().parse().unwrap())
    }

    /// A request reaches the provider.
    fn take_part(&self, reference: &str) {
        let Reference { intent, part, .. } = Reference::read(reference, self.table.tenant_key()).unwrap();
        if self.deadline(&intent).is_some_and(|deadline| self.now() > deadline) {
            self.fail(format!("{intent} left after its deadline"));
        }
        let place = (intent.clone(), part);
        if self.facts().ledger.contains(&place) {
            self.fail(format!("{place:?} was sent twice"));
        }
        if self.facts().cancelled.contains(&intent) {
            self.fail(format!("{place:?} left after its cancel was confirmed"));
        }
        let mut facts = self.facts();
        if let Some(turn) = facts.bots.get(&intent).cloned() {
            let by = facts.answered.entry(turn).or_default();
            by.insert(intent);
            if by.len() > 1 {
                let why = format!("a turn was answered by {by:?}");
                facts.wrong.get_or_insert(why);
            }
        }
        facts.ledger.push(place);
        facts.reports.push(reference.to_owned());
    }
}

/// The connector and the way out, of one worker.
struct Fake {
    world: Arc<World>,
    /// When this worker last read the lock: its marker is younger.
    asked: AtomicU64,
}

impl Connectors for Fake {
    fn versions(&self, _: &str) -> Result<Versions, Away> {
        let tick = self.world.facts().tick;
        self.asked.store(tick, Ordering::Relaxed);
        Ok(Versions { connector: "c".into(), configuration: "k".into() })
    }

    fn limits(&self, _: &str) -> Limits {
        Limits { rate: Rate { tokens: 1_000, per_ms: 1_000, burst: 1_000 }, pair_ms: 0 }
    }

    fn run<'a>(&'a self, _: &'a str, asked: Asked) -> Work<'a, Result<Turn, NotRun>> {
        Box::pin(async move {
            let Operation::Send(message) = &asked.operation else { return Err(NotRun::Busy) };
            let mut so_far = Outcome::default();
            for part in 0..message.parts.len() {
                let next = match asked.history.get(part) {
                    None => Next::Perform(vec![request(&message.reference)]),
                    Some(Ok(Response { status: 200, .. })) => {
                        so_far.accepted.push(Accepted { part: part as u32, id: format!("m{part}") });
                        continue;
                    }
                    Some(Ok(Response { status: 429, .. })) => Next::Failed(Failure::RateLimited(Some(500))),
                    Some(_) => Next::Failed(Failure::Other("no".into())),
                };
                return Ok(Turn { so_far, next });
            }
            Ok(Turn { so_far, next: Next::Done })
        })
    }

    fn perform<'a>(&'a self, leaving: Leaving<'a>) -> Work<'a, Reply> {
        Box::pin(async move {
            let (world, began) = (&self.world, self.world.now());
            let [Piece::Text(reference)] = leaving.request.url.as_slice() else { panic!("{:?}", leaving.request) };
            world.step().await;
            // Its timer: after it the socket is closed.
            if world.now() > began + leaving.limit_ms {
                return Ok(Err(TransportError::Connect));
            }
            if world.chance(12) {
                return if world.chance(50) { Ok(Err(TransportError::Dns)) } else { answer(429) };
            }
            let asked = self.asked.load(Ordering::Relaxed);
            let read = Reference::read(reference, world.table.tenant_key()).unwrap();
            let is_bot = world.facts().bots.contains_key(&read.intent);
            if is_bot && world.facts().taken.is_some_and(|tick| tick < asked) {
                world.fail(format!("{read:?} left after a takeover"));
            }
            world.take_part(reference);
            world.step().await;
            if world.now() > began + leaving.limit_ms {
                return Ok(Err(TransportError::Timeout));
            }
            if !world.chance(20) {
                return answer(200);
            }
            if world.chance(50) { Ok(Err(TransportError::Interrupted)) } else { answer(500) }
        })
    }
}

pub(super) fn answer(status: u16) -> Reply {
    let exchange: Exchange = Ok(Response { status, headers: vec![], body: Answer::Bytes(vec![]) });
    Ok(exchange)
}

pub(super) fn request(reference: &str) -> Request {
    Request {
        method: Method::Post,
        url: vec![Piece::Text(reference.to_owned())],
        headers: vec![],
        authorization: Authorization::None,
        signed: vec![],
        body: RequestBody::Content(Content::Bytes(vec![])),
        repeatable: false,
        keep: false,
        extensions: Default::default(),
    }
}

/// Nobody hears of wakes here: workers look by themselves.
pub(super) struct Unheard;

impl Wakes for Unheard {
    fn wake<'a>(&'a self, _: &'a Conversation, _: u64) -> Waking<'a> {
        Box::pin(async { Ok(()) })
    }
}

fn worker(world: &Arc<World>) -> Worker {
    let fake = Fake { world: Arc::clone(world), asked: AtomicU64::new(0) };
    let clock = Arc::clone(world);
    let outbound = Outbound::new(world.table.clone(), Arc::new(fake), Arc::new(Unheard), move || clock.now());
    Worker::new(Arc::new(outbound))
}

/// Two answers of a bot to one turn, an agent's message of two parts, a notice.
pub(super) fn intents(table: &Table, eid: &Eid) -> Vec<Intent> {
    let turn = table.tenant_key().event_key(NOW, "shop", "turn").unwrap();
    let to = Identifier {
        scheme: "phone".into(),
        scope: None,
        value: "+16505551234".into(),
        attestation: Attestation::Agent,
    };
    let intent = |n: u64, parts: &[&str], author: Author, kind: Kind| {
        let birth = Birth {
            eid: eid.clone(),
            account: "shop".into(),
            connection: "courier".into(),
            created_at: NOW,
            expires_at: NOW + 24 * 3_600_000,
        };
        let is_bot = author == Author::Automation;
        let draft = Draft {
            route: Route { to: to.clone(), account: "shop".into() },
            author,
            by: if is_bot { "bot" } else { "desk" }.into(),
            purpose: "service".into(),
            kind,
            subject: None,
            parts: parts.iter().map(|text| Part::Text((*text).to_owned())).collect(),
            in_reply_to: None,
            references: vec![],
            copies: vec![],
            thread: None,
            comment: None,
            extensions: Default::default(),
            client_ref: None,
            fence: is_bot.then(Fence::default),
            turn: is_bot.then(|| turn.clone()),
            resends: None,
        };
        Intent::new(IntentId::new(NOW + n, u128::from(n)).unwrap(), birth, draft, NOW)
    };
    vec![
        intent(0, &["a"], Author::Automation, Kind::Reply),
        intent(1, &["b"], Author::Automation, Kind::Reply),
        intent(2, &["c", "d"], Author::Agent, Kind::Reply),
        intent(3, &["e"], Author::Agent, Kind::Notice),
    ]
}

fn run(seed: u64, mistake: Option<Mistake>) -> Done {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    let (engine, folder) = (Engine::new(), TempDir::new().unwrap());
    let table = runtime.block_on(table_of(&engine, "main".to_owned(), Blobs::in_folder(folder.path())));
    let eid_of = |value: &str| table.eid(&EndpointKey { scheme: "phone".into(), scope: None, value: value.into() });
    let of = Conversation { eid: eid_of("+16505551234"), account: "shop".into() };
    let nowhere = Conversation { eid: eid_of("+16505550000"), account: "shop".into() };
    let intents = intents(&table, &of.eid);
    let table = mistake.map_or(table.clone(), |mistake| table.with_mistake(mistake));
    for intent in &intents {
        runtime.block_on(table.put_intent(intent)).unwrap();
    }
    let bots = intents.iter().filter(|intent| intent.draft.is_automatic_reply());
    let bots = bots.map(|intent| (intent.id.clone(), intent.draft.turn.clone().unwrap())).collect();
    let facts = Facts {
        random: Random::new(seed),
        tick: 0,
        ledger: vec![],
        reports: vec![],
        taken: None,
        cancelled: BTreeSet::new(),
        answered: BTreeMap::new(),
        bots,
        wrong: None,
        settled: 0,
    };
    let world = Arc::new(World {
        engine: engine.clone(),
        table,
        of,
        nowhere,
        now: AtomicU64::new(NOW + 10),
        is_calm: AtomicBool::new(false),
        facts: Mutex::new(facts),
    });
    let cancelled = intents[Random::new(seed + 1).below(4)].id.clone();
    let mut tasks: Vec<Pin<Box<dyn Future<Output = ()> + '_>>> = vec![
        Box::pin(world.work(worker(&world))),
        Box::pin(world.work(worker(&world))),
        Box::pin(world.work(worker(&world))),
        Box::pin(world.cancel(&cancelled)),
        Box::pin(world.report(false)),
    ];
    if seed.is_multiple_of(2) {
        tasks.push(Box::pin(world.take()));
    }
    play(&engine, &world, tasks);
    world.is_calm.store(true, Ordering::Relaxed);
    for _ in 0..6 {
        world.now.fetch_add(LEASE_AND_MARGIN_MS, Ordering::Relaxed);
        play(&engine, &world, vec![Box::pin(world.work(worker(&world)))]);
    }
    engine.open_the_gate();
    runtime.block_on(check(&world, &intents));
    let facts = world.facts();
    Done { wrong: facts.wrong.clone(), left: facts.ledger.len() as u64, settled: facts.settled }
}

fn play(engine: &Engine, world: &World, tasks: Vec<Pin<Box<dyn Future<Output = ()> + '_>>>) {
    engine.close_the_gate();
    interleave(engine, tasks, |waiting| {
        let is_calm = world.is_calm.load(Ordering::Relaxed);
        let mut facts = world.facts();
        let (number, operation) = &waiting[facts.random.below(waiting.len())];
        let is_write = operation != "GetItem" && operation != "Query";
        let fate = match facts.random.below(100) {
            _ if is_calm => Fate::Done,
            0..=2 if is_write => Fate::Conflict,
            3 if is_write => Fate::Lost,
            4..=6 if is_write => Fate::AnswerLost,
            7 => Fate::Throttled,
            _ => Fate::Done,
        };
        let jump = match facts.random.below(60) {
            _ if is_calm => 1,
            0 => 21_000,
            _ => facts.random.below(300) as u64,
        };
        world.now.fetch_add(jump, Ordering::Relaxed);
        facts.tick += 1;
        drop(facts);
        engine.decide(*number, fate);
        ControlFlow::Continue(())
    });
}

/// What must hold when all have come to rest.
async fn check(world: &World, intents: &[Intent]) {
    let read = async |intent: &Intent| world.table.intent(&world.of.eid, &intent.id).await.unwrap().unwrap();
    for intent in intents {
        let now = read(intent).await;
        let has = world.facts().ledger.iter().filter(|(id, _)| *id == intent.id).count();
        match &now.state {
            State::Pending | State::Sending => world.fail(format!("{} never ended", intent.id)),
            State::Sent if has != intent.draft.parts.len() => world.fail(format!("{} is sent: {has} parts", intent.id)),
            State::Cut { accepted, .. } if has != *accepted as usize => {
                world.fail(format!("{} is cut after {accepted}: {has} parts", intent.id));
            }
            State::Unknown { .. } => world.facts().settled += u64::from(has > 0),
            State::Refused { .. } | State::Cancelled | State::Expired | State::Failed(_) if has > 0 => {
                world.fail(format!("{} is {:?}, and the provider has {has} parts", intent.id, now.state));
            }
            _ => {}
        }
    }
    let order: Vec<&IntentId> = intents.iter().map(|intent| &intent.id).collect();
    let places: Vec<_> =
        world.facts().ledger.iter().map(|(id, _)| order.iter().position(|other| *other == id)).collect();
    if !places.is_sorted() {
        world.fail(format!("the order was not kept: {places:?}"));
    }
    // The fold takes our own events, too, and the provider reports what it has not reported. Then nothing that it has stays
    // unknown.
    let parts = world.facts().ledger.clone();
    for event in world.table.newest_events(&world.of.eid, Bound::Unbounded, 100).await.unwrap() {
        settle(&world.table, &event, world.now()).await.unwrap();
    }
    let late = std::mem::take(&mut world.facts().reports);
    for reference in late {
        settle(&world.table, &world.status(&reference), world.now()).await.unwrap();
    }
    for intent in intents {
        let now = read(intent).await;
        let has = world.facts().ledger.iter().filter(|(id, _)| *id == intent.id).count();
        if matches!(now.state, State::Unknown { .. }) && has > now.accepted.len() {
            world.fail(format!("{} stays unknown, although its parts were reported", intent.id));
        }
    }
    let events = world.table.newest_events(&world.of.eid, Bound::Unbounded, 100).await.unwrap();
    let mut told: Vec<(IntentId, u32)> =
        events.into_iter().filter_map(|stored| stored.origin.map(|origin| (origin.intent, origin.part))).collect();
    let mut has = parts;
    told.sort();
    has.sort();
    if told != has {
        world.fail(format!("the timeline has {told:?}, the provider {has:?}"));
    }
}
