//! What must hold when everything has come to rest.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use rapport_model::event::Body;
use rapport_model::sending::IntentId;
use rapport_model::sending::intent::State;
use rapport_model::sending::lock::LEASE_MS;
use rapport_model::sending::reference::Reference;
use rapport_store::outbox::intents::StoredIntent;

use super::business::{Posted, World};
use super::network::{Entry, Fate};

/// One request in the ledger, and which part of which message it was.
struct Request {
    entry: Entry,
    intent: IntentId,
    part: u32,
}

/// One message, and everything that is known of it.
struct Message {
    posted: Posted,
    intent: StoredIntent,
    /// When its parts were started, by the events on the timeline or the record.
    started: BTreeMap<u32, u64>,
    /// Parts that stand on the timeline, and who their events say wrote them.
    told: Vec<u32>,
    by: BTreeSet<(String, String)>,
}

/// Checks all promises; gives a table for a reader.
pub async fn check(world: &World) -> String {
    let messages = messages(world).await;
    let tenant = world.table().tenant_key();
    let requests: Vec<Request> = world
        .network
        .ledger()
        .into_iter()
        .map(|entry| {
            let Reference { intent, part, .. } =
                Reference::read(&entry.reference, tenant).expect("a reference of ours");
            Request { entry, intent, part }
        })
        .collect();
    let breaches = [
        sent_twice(&requests),
        not_ended(&messages, &requests),
        not_settled(world, &messages),
        out_of_order(&messages, &requests),
        over_a_person(world, &messages, &requests),
        told_wrong(&messages),
    ];
    let breaches: Vec<String> = breaches.into_iter().flatten().collect();
    let told = table(world, &messages, &requests);
    assert!(breaches.is_empty(), "{} breaches:\n{}\n{told}", breaches.len(), breaches.join("\n"));
    told
}

async fn messages(world: &World) -> BTreeMap<IntentId, Message> {
    let posted = world.done.lock().unwrap().posted.clone();
    let mut messages = BTreeMap::new();
    let mut timelines = BTreeMap::new();
    for posted in posted {
        let eid = posted.id.eid.clone();
        if !timelines.contains_key(&eid) {
            let events = world.table().newest_events(&eid, std::ops::Bound::Unbounded, 10_000).await.unwrap();
            timelines.insert(eid.clone(), events);
        }
        let intent = world.intent(&posted.id).await;
        let ours = timelines[&eid].iter().filter_map(|stored| Some((stored.origin.as_ref()?, stored.event.at)));
        let ours: Vec<(u32, u64)> =
            ours.filter(|(origin, _)| origin.intent == intent.id).map(|(origin, at)| (origin.part, at)).collect();
        let origins = timelines[&eid].iter().filter_map(|stored| Some((stored.origin.as_ref()?, stored)));
        let origins = origins.filter(|(origin, _)| origin.intent == intent.id);
        let by = origins.map(|(origin, stored)| match &stored.event.body {
            Body::Message(message) => (origin.by.clone(), format!("{:?}", message.author)),
            other => panic!("{other:?}"),
        });
        let by = by.collect();
        let mut started: BTreeMap<u32, u64> = ours.iter().copied().collect();
        if let Some(start) = &intent.started {
            started.insert(intent.part(), start.at);
        }
        let mut told: Vec<u32> = ours.into_iter().map(|(part, _)| part).collect();
        told.sort_unstable();
        messages.insert(intent.id.clone(), Message { posted, intent, started, told, by });
    }
    messages
}

/// One part, under two numbers of connections: we sent it twice.
fn sent_twice(requests: &[Request]) -> Vec<String> {
    let mut attempts: BTreeMap<(&IntentId, u32), BTreeSet<u64>> = BTreeMap::new();
    for request in requests {
        attempts.entry((&request.intent, request.part)).or_default().insert(request.entry.attempt);
    }
    let twice = attempts.into_iter().filter(|(_, attempts)| attempts.len() > 1);
    twice.map(|(part, attempts)| format!("{part:?} was sent by attempts {attempts:?}")).collect()
}

/// Parts of a message that the provider has.
fn parts_of(requests: &[Request], id: &IntentId) -> BTreeSet<u32> {
    requests.iter().filter(|request| request.intent == *id).map(|request| request.part).collect()
}

fn not_ended(messages: &BTreeMap<IntentId, Message>, requests: &[Request]) -> Vec<String> {
    let mut breaches = Vec::new();
    for (id, message) in messages {
        let has = parts_of(requests, id).len();
        let wrong = match &message.intent.state {
            State::Pending | State::Sending => true,
            State::Sent => has != message.posted.parts,
            State::Cut { accepted, .. } => has < *accepted as usize,
            State::Refused { .. } | State::Cancelled | State::Expired | State::Failed(_) => has > 0,
            State::Unknown { .. } => has < message.intent.accepted.len(),
        };
        if wrong {
            breaches.push(format!(
                "{id} is {:?}, and the provider has {has} parts of {}",
                message.intent.state, message.posted.parts
            ));
        }
    }
    breaches
}

fn not_settled(world: &World, messages: &BTreeMap<IntentId, Message>) -> Vec<String> {
    let tenant = world.table().tenant_key();
    let unknown = messages.values().filter(|message| matches!(message.intent.state, State::Unknown { .. }));
    let reported = unknown.filter(|message| {
        let intent = &message.intent;
        world.network.has_reported(&intent.reference(intent.part()).write(tenant))
    });
    reported.map(|message| format!("{} is unknown, although it was reported", message.intent.id)).collect()
}

/// Whether a request left after the deadline of its marker: its worker stood still between its timer and the socket.
fn is_late(messages: &BTreeMap<IntentId, Message>, request: &Request) -> bool {
    let started = messages[&request.intent].started.get(&request.part);
    started.is_some_and(|started| request.entry.left_at > started + LEASE_MS)
}

/// Requests in the order in which they left, each once, by conversation: older messages first, and parts in their order.
fn out_of_order(messages: &BTreeMap<IntentId, Message>, requests: &[Request]) -> Vec<String> {
    let mut first: BTreeMap<u64, &Request> = BTreeMap::new();
    for request in requests.iter().filter(|request| !is_late(messages, request)) {
        first.entry(request.entry.attempt).or_insert(request);
    }
    let mut newest: BTreeMap<u64, (&IntentId, u32)> = BTreeMap::new();
    let mut breaches = Vec::new();
    for request in first.into_values() {
        let place = (&request.intent, request.part);
        let before = newest.insert(messages[&request.intent].posted.conversation, place);
        if before.is_some_and(|before| before > place) {
            breaches.push(format!("{place:?} left after {before:?}"));
        }
    }
    breaches
}

/// A bot's reply that starts after somebody took the conversation, or leaves after it and was not shown.
fn over_a_person(world: &World, messages: &BTreeMap<IntentId, Message>, requests: &[Request]) -> Vec<String> {
    let done = world.done.lock().unwrap();
    let mut breaches = Vec::new();
    for request in requests.iter().filter(|request| messages[&request.intent].posted.is_bot) {
        let Message { posted, started, .. } = &messages[&request.intent];
        let before = done.taken.iter().filter(|taken| taken.conversation == posted.conversation);
        for taken in before.filter(|taken| taken.place > posted.place) {
            let starts_after = started.get(&request.part).is_some_and(|started| *started > taken.answered_at);
            let is_shown = taken.shown.as_ref().is_none_or(|shown| shown.as_deref() == Some(&posted.id.to_string()));
            let leaves_after = request.entry.left_at > taken.answered_at && !is_late(messages, request);
            if starts_after || (leaves_after && !is_shown) {
                breaches.push(format!("{} left over a person: {:?} after {taken:?}", posted.id, request.entry));
            }
        }
    }
    let cancelled = done.cancelled.iter().filter(|id| !parts_of(requests, &id.intent).is_empty());
    breaches.extend(cancelled.map(|id| format!("{id} left after its cancel")));
    breaches
}

/// Every part that is known to be accepted has one event, by the author that it has.
fn told_wrong(messages: &BTreeMap<IntentId, Message>) -> Vec<String> {
    let wrong = messages.values().filter(|message| {
        let accepted: Vec<u32> = message.intent.accepted.iter().map(|accepted| accepted.part).collect();
        let author = (message.intent.draft.by.clone(), format!("{:?}", message.intent.draft.author));
        message.told != accepted || message.by.iter().any(|by| *by != author)
    });
    wrong
        .map(|message| {
            let Message { posted, intent, told, by, .. } = message;
            format!("{}: the timeline has {told:?} by {by:?}, accepted is {:?}", posted.id, intent.accepted)
        })
        .collect()
}

fn table(world: &World, messages: &BTreeMap<IntentId, Message>, requests: &[Request]) -> String {
    let mut states: BTreeMap<String, usize> = BTreeMap::new();
    let mut lost = 0;
    for (id, message) in messages {
        *states.entry(message.intent.state.word().to_owned()).or_default() += 1;
        let is_unknown = matches!(message.intent.state, State::Unknown { .. });
        lost += usize::from(is_unknown && parts_of(requests, id).len() > message.intent.accepted.len());
    }
    let fates = world.network.fates();
    let mut of_fate: BTreeMap<String, usize> = BTreeMap::new();
    for fate in fates.values() {
        *of_fate.entry(format!("{fate:?}")).or_default() += 1;
    }
    let numbers: BTreeSet<u64> = requests.iter().map(|request| request.entry.attempt).collect();
    let is_lost =
        |request: &&Request| matches!(fates[&request.entry.attempt], Fate::CutAfter | Fate::Broken | Fate::TakeAndHang);
    let is_accepted = |request: &&Request| {
        messages[&request.intent].intent.accepted.iter().any(|accepted| accepted.part == request.part)
    };
    let settled = requests.iter().filter(is_lost).filter(is_accepted).count();
    let late = requests.iter().filter(|request| is_late(messages, request)).count();
    let done = world.done.lock().unwrap();
    let mut text = String::new();
    let _ = writeln!(
        text,
        "states: {states:?}; parts whose answer was lost and that a report settled: {settled}; unknown that the provider has and did not report: {lost}"
    );
    let _ = writeln!(text, "network: {of_fate:?}");
    let _ = writeln!(
        text,
        "ledger: {} processed, {} of them doubled by the network, {late} left after their deadline",
        requests.len(),
        requests.len() - numbers.len()
    );
    let _ = write!(
        text,
        "takeovers: {}, cancels: {}, stale replies that the API refused: {}",
        done.taken.len(),
        done.cancelled.len(),
        done.stale
    );
    text
}
