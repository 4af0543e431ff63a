//! What follows from events: the same whatever the order they come in, however often, and by whichever way.

use std::collections::BTreeSet;

use rapport_model::event::{Attestation, Author, Body, Contact, Identifier, Message, Part};
use rapport_model::identity::{Evidence, Held, MEMBERS_MAX, Named, Rule, Source, named};
use rapport_model::profile::Profile;
use rapport_model::{Eid, Event, EventKey, ProfileId, Timestamp};
use rapport_projections::fold::{fold_batch, rebuild};
use rapport_store::events::NewEvent;
use rapport_store::identity::{EdgeState, Outcome, Party};
use rapport_store::stream::Inserted;
use rapport_store::{StoreError, Table};

use crate::support::{
    Data, Item, NOW, Service, Text, all_at_once, fold_all, gateway, new_event, readable, recorded, wa_eu,
};

/// Recorded webhooks about one customer that between them move everything a fold can move: messages of both sides,
/// edits, reactions, statuses, consents, control, another name, user id and number.
const ADA: [&str; 12] = [
    "app-echoes",
    "escaped-bytes",
    "handover",
    "history",
    "numbers-for-strings",
    "own-number-in-messages",
    "preferences",
    "standby-nested",
    "status-sent-delivered-read",
    "text",
    "user-id-and-number",
    "user-id-only",
];

#[tokio::test]
async fn records_that_come_again_change_nothing() {
    let data = Data::new().await;
    let records = put_and_read(&data, ada(&data.table)).await;
    let table = &data.table;
    fold_batch(table, &records, NOW).await.unwrap();
    let once = data.items().await;

    let half = records.len() / 2;
    for again in [&records[..], &records[..half], &records[half..], &records[half - 1..=half], &records[..1]] {
        fold_batch(table, again, NOW).await.unwrap();
        assert_eq!(without_write_counts(data.items().await), without_write_counts(once.clone()));
    }
}

#[tokio::test]
async fn it_does_not_matter_where_the_stream_is_cut() {
    let whole = Data::new().await;
    let records = put_and_read(&whole, ada(&whole.table)).await;
    fold_batch(&whole.table, &records, NOW).await.unwrap();
    let expected = without_places(whole.items().await);

    // One at a time; and each batch together with the one before it, as after a crash that lost the position.
    for (length, overlap) in [(1, 0), (3, 2), (7, 6)] {
        let data = Data::new().await;
        let records = put_and_read(&data, ada(&data.table)).await;
        for start in (0..records.len()).step_by(length - overlap) {
            let end = records.len().min(start + length);
            fold_batch(&data.table, &records[start..end], NOW).await.unwrap();
        }
        assert_eq!(without_places(data.items().await), expected, "in batches of {length} that share {overlap}");
    }
}

/// Cells and links are written before the head. A crash between is a fold whose head was never written.
#[tokio::test]
async fn a_crash_between_cells_and_head_is_made_good() {
    let whole = Data::new().await;
    let records = put_and_read(&whole, ada(&whole.table)).await;
    fold_batch(&whole.table, &records, NOW).await.unwrap();
    let expected = without_places(whole.items().await);

    let data = Data::new().await;
    let records = put_and_read(&data, ada(&data.table)).await;
    fold_batch(&data.table, &records, NOW).await.unwrap();
    for item in data.items().await.iter().filter(|item| item.contains_key("head")) {
        data.delete(item).await;
    }
    fold_batch(&data.table, &records, NOW).await.unwrap();
    assert_eq!(without_places(data.items().await), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_order_of_arrival_changes_nothing() {
    let in_order = Data::new().await;
    let log = ada(&in_order.table);
    arrive(&in_order, &log, 1).await;
    let expected = comparable(profile_of(&in_order, "whatsapp", "16505551234").await);
    assert_eq!(expected["counters"]["events"], log.len());

    for seed in 1..=12 {
        let data = Data::new().await;
        let mut log = ada(&data.table);
        shuffle(&mut log, seed);
        arrive(&data, &log, seed).await;
        let found = comparable(profile_of(&data, "whatsapp", "16505551234").await);
        assert_eq!(found, expected, "in the order of seed {seed}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_makes_what_streaming_made() {
    for seed in 1..=4 {
        let data = Data::new().await;
        let mut log = ada(&data.table);
        shuffle(&mut log, seed);
        arrive(&data, &log, seed).await;
        let streamed = data.items().await;
        for eid in endpoints(&log) {
            rebuild(&data.table, &eid, NOW).await.unwrap();
        }
        assert_eq!(without_places(data.items().await), without_places(streamed), "seed {seed}");
    }
}

#[tokio::test]
async fn a_rebuild_mends_what_was_lost() {
    let data = Data::new().await;
    let log = ada(&data.table);
    arrive(&data, &log, 1).await;
    let before = data.items().await;
    let derived = |item: &&Item| item.contains_key("head") || item.contains_key("cell");
    for item in before.iter().filter(derived) {
        data.delete(item).await;
    }
    for eid in endpoints(&log) {
        rebuild(&data.table, &eid, NOW).await.unwrap();
    }
    assert_eq!(without_places(data.items().await), without_places(before));
}

#[tokio::test]
async fn a_rebuild_and_the_records_after_it_count_each_event_once() {
    let data = Data::new().await;
    let log = ada(&data.table);
    let (folded, to_come) = log.split_at(log.len() / 2);
    let mut reader = data.stream().await;
    for event in folded {
        data.put(event.clone()).await;
    }
    fold_all(&data.table, &mut reader).await;
    for event in to_come {
        data.put(event.clone()).await;
    }
    for eid in endpoints(&log) {
        rebuild(&data.table, &eid, NOW).await.unwrap();
    }
    let rebuilt = profile_of(&data, "whatsapp", "16505551234").await;
    assert_eq!(rebuilt.counters["events"], log.len() as u64);

    fold_all(&data.table, &mut reader).await;
    assert_eq!(profile_of(&data, "whatsapp", "16505551234").await, rebuilt);
}

/// A rebuild that read the log before the fold moved on must not put back what it had read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rebuilds_while_events_arrive_lose_none() {
    const EVENTS: u64 = 60;
    let data = Data::new().await;
    let table = data.table.clone();
    let eid = text(&table, 0).eid;
    let rebuilding = tokio::spawn({
        let (table, eid) = (table.clone(), eid.clone());
        async move {
            loop {
                match rebuild(&table, &eid, NOW).await {
                    Ok(_) | Err(StoreError::Contended { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }
    });
    let mut reader = data.stream().await;
    for n in 0..EVENTS {
        data.put(text(&table, n)).await;
        for batch in reader.next().await.unwrap() {
            while let Err(error) = fold_batch(&table, &batch.events, NOW).await {
                assert!(matches!(error.error, StoreError::Contended { .. }), "{error}");
            }
        }
    }
    rebuilding.abort();
    let _ = rebuilding.await;
    fold_all(&table, &mut reader).await;
    let profile = profile_of(&data, "whatsapp", "16505551234").await;
    assert_eq!(profile.counters["messages_received"], EVENTS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_at_once_that_name_the_same_five_make_one_profile() {
    let data = Data::new().await;
    let contact = contact(&["a", "b", "c", "d", "e"]);
    let parties: Vec<Party> =
        named(data.table.tenant_key(), data.table.rules(), &contact).iter().map(Party::from).collect();
    let eids: Vec<Eid> = parties.iter().map(|party| party.eid.clone()).collect();
    for named in named(data.table.tenant_key(), data.table.rules(), &contact) {
        data.table.put_endpoint(&named, NOW, NOW).await.unwrap();
    }
    let table = data.table.clone();
    let linked = all_at_once(0..50usize, |task| {
        let (table, parties) = (table.clone(), parties.clone());
        async move {
            let event = table.tenant_key().event_key(NOW, "a", &task.to_string()).unwrap();
            // Each task links all pairs, and each begins somewhere else.
            let pairs = (0..parties.len()).flat_map(|a| (a + 1..parties.len()).map(move |b| (a, b)));
            let mut pairs: Vec<_> = pairs.collect();
            pairs.rotate_left(task % 10);
            for (a, b) in pairs {
                table.prove(&parties[a], &parties[b], &evidence(&event)).await?;
            }
            Ok::<(), StoreError>(())
        }
    });
    for result in linked.await {
        result.unwrap();
    }
    let roots = [data.table.find(&eids[0]).await.unwrap(), data.table.find(&eids[4]).await.unwrap()];
    assert_eq!(roots[0], roots[1]);
    assert_eq!(roots[0].members, eids.iter().cloned().collect());
    let items = data.items().await;
    let count = |prefix: &str| items.iter().filter(|item| sk(item).starts_with(prefix)).count();
    assert_eq!(count("L#"), 10, "an edge for each pair");
    assert_eq!(count("M#"), 4, "five became one by four merges");
    for eid in &eids {
        let by_old_id = data.table.find_profile(&ProfileId::implied(eid)).await.unwrap();
        assert_eq!(by_old_id.as_ref(), Some(&roots[0]));
    }
}

#[tokio::test]
async fn the_elder_profile_survives_and_the_younger_one_s_id_still_answers() {
    let data = Data::new().await;
    let table = &data.table;
    let mut pids = Vec::new();
    let all = named(table.tenant_key(), table.rules(), &contact(&["young", "old", "middle"]));
    for (named, seen) in all.iter().zip([300, 100, 200]) {
        table.put_endpoint(named, seen, seen).await.unwrap();
        pids.push(table.find(&named.eid).await.unwrap().pid);
    }
    let event = table.tenant_key().event_key(NOW, "a", "1").unwrap();
    let link = async |a: usize, b: usize| link(table, &all[a], &all[b], &event).await;
    let merged = async |a: usize, b: usize| link(a, b).await.merged;
    assert_eq!(merged(0, 2).await, [(pids[0].clone(), pids[2].clone())]);
    assert_eq!(merged(0, 1).await, [(pids[2].clone(), pids[1].clone())], "over two forwards");
    let known = link(0, 1).await;
    assert_eq!((known.is_new, known.state), (false, EdgeState::Joins));
    let confirmed = link(1, 2).await;
    assert_eq!((confirmed.is_new, confirmed.state, confirmed.merged), (true, EdgeState::Joins, vec![]));
    for (named, pid) in all.iter().zip(&pids) {
        assert_eq!(table.find(&named.eid).await.unwrap().pid, pids[1]);
        assert_eq!(table.find_profile(pid).await.unwrap().unwrap().pid, pids[1]);
    }
    insta::assert_snapshot!("merged_table", data.readable().await);
}

/// So many addresses are no person: what would be the next one stays outside, and nobody is lost.
#[tokio::test]
async fn a_profile_that_grows_too_large_stops_linking() {
    let data = Data::new().await;
    let table = &data.table;
    let names: Vec<String> = (0..=MEMBERS_MAX).map(|n| format!("n-{n}")).collect();
    let contact = contact(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let all = named(table.tenant_key(), table.rules(), &contact);
    let event = table.tenant_key().event_key(NOW, "a", "1").unwrap();
    let link = async |n: usize| {
        let at = NOW + n as u64;
        let evidence = Evidence { at, last: at, ..evidence(&event) };
        table.prove(&Party::from(&all[0]), &Party::from(&all[n]), &evidence).await.unwrap().unwrap()
    };
    for n in 1..MEMBERS_MAX {
        assert_eq!(link(n).await.merged.len(), 1);
    }
    let outside = &all[MEMBERS_MAX].eid;
    let held = link(MEMBERS_MAX).await;
    assert_eq!((held.state, held.merged), (EdgeState::Held(Held::Size), vec![]));
    let root = table.find(&all[0].eid).await.unwrap();
    assert_eq!(root.members.len(), MEMBERS_MAX);
    assert_eq!(table.find(&all[MEMBERS_MAX - 1].eid).await.unwrap(), root);
    assert_eq!(table.find(outside).await.unwrap().members.len(), 1);
}

/// Identifiers that were linked by one event's first identifier are not thereby linked with another's.
#[tokio::test]
async fn evidence_for_one_identifier_is_not_taken_for_another_s() {
    let data = Data::new().await;
    let event = |id: &str, at: Timestamp, identifiers: Vec<Identifier>| {
        let contact = Contact { identifiers, ..Contact::default() };
        new_event(&data.table, message(id, at, Author::Customer, contact))
    };
    let weak = Identifier { attestation: Attestation::Imported, ..identifier("own") };
    arrive(&data, &[event("1", 1, vec![identifier("own"), identifier("b")])], 1).await;
    arrive(&data, &[event("2", 2, vec![weak, identifier("a"), identifier("b")])], 1).await;
    let profile = profile_of(&data, "test", "own").await;
    let mut values: Vec<_> = profile.identifiers.iter().map(|identifier| identifier.value.as_str()).collect();
    values.sort();
    assert_eq!(values, ["a", "b", "own"]);
}

/// The same message may come twice under two times, such as live and in a history; both are shown.
#[tokio::test]
async fn a_message_that_was_recorded_twice_does_not_break_the_timeline() {
    let data = Data::new().await;
    let contact = contact(&["someone"]);
    let events = [1, 2].map(|at| new_event(&data.table, message("m", at, Author::Agent, contact.clone())));
    arrive(&data, &events, 1).await;
    let gateway = gateway(data.table.clone(), []);
    let profile = profile_of(&data, "test", "someone").await;
    let timeline = gateway.people().timeline(&profile.id, 50, None).await.unwrap().unwrap();
    assert_eq!(timeline.items.len(), 2);
}

#[tokio::test]
async fn an_address_is_written_as_it_was_first_whatever_came_first() {
    let spelled = |value: &str| Identifier { scheme: "phone".into(), value: value.into(), ..identifier("") };
    for order in [[0, 1], [1, 0]] {
        let data = Data::new().await;
        let event = |at: Timestamp, value: &str| {
            let contact = Contact { identifiers: vec![spelled(value)], ..Contact::default() };
            new_event(&data.table, message(&at.to_string(), at, Author::Customer, contact))
        };
        let events = [event(1, "+1 650 555 1234"), event(2, "+16505551234")];
        for index in order {
            arrive(&data, &events[index..=index], 1).await;
        }
        let profile = profile_of(&data, "phone", "+16505551234").await;
        assert_eq!(profile.identifiers[0].raw, "+1 650 555 1234", "in the order {order:?}");
    }
}

#[tokio::test]
async fn a_text_webhook_costs_one_write_unit() {
    let data = Data::new().await;
    let (events, webhook) = recorded(&data.table, "text");
    let put = data.table.put_events(events.clone(), webhook.clone()).await.unwrap();
    assert_eq!((put.new, put.duplicates, put.write_units), (1, 0, 1.0));
    let again = data.table.put_events(events, webhook).await.unwrap();
    assert_eq!((again.new, again.duplicates), (0, 1));
}

/// DynamoDB bills a write by the KiB of its item: names and values together.
#[tokio::test]
async fn a_text_of_three_hundred_characters_fits_one_write_unit() {
    for characters in [20, 100, 300] {
        let service = Service::start([wa_eu()]).await;
        let words = "Hello, I ordered two lamps on Monday and only one of them came with the post this morning; where is the \
                     other? My number is 4711 and the parcel's label says Rotterdam. The box was open at one corner but \
                     nothing else seems to be missing, so please just send the second lamp to the same address again. Ada";
        let text = Text { text: words.chars().take(characters).collect(), ..Text::new("16505551234", 1) };
        assert_eq!(service.deliver(&text.webhook()).await.status, 200);
        let items = service.data.items().await;
        let item = items.iter().find(|item| sk(item).starts_with("V#")).unwrap();
        let bytes = size(item);
        println!("a text of {characters} characters: {bytes} bytes");
        assert!(bytes <= 1024, "{characters} characters: {bytes} bytes");
    }
}

/// An item's size by DynamoDB's rule: UTF-8 bytes of names and values, a number by its digits.
fn size(item: &Item) -> usize {
    use aws_sdk_dynamodb::types::AttributeValue::{B, N, S};
    let value = |value: &_| match value {
        S(text) => text.len(),
        B(bytes) => bytes.as_ref().len(),
        N(number) => number.len().div_ceil(2) + 1,
        other => panic!("{other:?}"),
    };
    item.iter().map(|(name, attribute)| name.len() + value(attribute)).sum()
}

/// Every event of [`ADA`], each once, by time.
fn ada(table: &Table) -> Vec<NewEvent> {
    let mut log: Vec<NewEvent> = ADA.iter().flat_map(|name| recorded(table, name).0).collect();
    log.sort_by(|a, b| a.key.cmp(&b.key));
    log.dedup_by(|a, b| a.key == b.key);
    assert!(log.len() > 25, "{}", log.len());
    log
}

/// Puts events and gives their records, in stream order.
async fn put_and_read(data: &Data, events: Vec<NewEvent>) -> Vec<Inserted> {
    for event in events {
        data.put(event).await;
    }
    let mut reader = data.stream().await;
    let mut records = Vec::new();
    loop {
        let batches = reader.next().await.unwrap();
        if batches.is_empty() {
            return records;
        }
        records.extend(batches.into_iter().flat_map(|batch| batch.events));
    }
}

/// Puts events in this order, and folds now and then.
async fn arrive(data: &Data, events: &[NewEvent], seed: u64) {
    let mut random = Random(seed);
    let mut reader = data.stream().await;
    for event in events {
        data.put(event.clone()).await;
        if random.below(3) == 0 {
            fold_all(&data.table, &mut reader).await;
        }
    }
    fold_all(&data.table, &mut reader).await;
}

async fn profile_of(data: &Data, scheme: &str, value: &str) -> Profile {
    let gateway = gateway(data.table.clone(), []);
    gateway.people().look_up(scheme, None, value).await.unwrap().unwrap().unwrap()
}

/// A profile without its id: which of two survives a merge depends on which was known to be older at that time.
fn comparable(profile: Profile) -> serde_json::Value {
    let mut profile = serde_json::to_value(profile).unwrap();
    profile.as_object_mut().unwrap().remove("id");
    profile
}

/// Items without what says how a head came about instead of what it is.
fn without_places(items: Vec<Item>) -> String {
    let guard = |name: &String| matches!(name.as_str(), "seq" | "rcv" | "ver" | "ahead" | "until");
    let strip = |item: Item| -> Item {
        let is_head = item.contains_key("head");
        item.into_iter().filter(|(name, _)| !(is_head && guard(name))).collect()
    };
    readable(&items.into_iter().map(strip).collect::<Vec<_>>())
}

/// Items without how often a head was written.
fn without_write_counts(items: Vec<Item>) -> Vec<Item> {
    let strip = |mut item: Item| {
        if item.contains_key("head") {
            item.remove("ver");
        }
        item
    };
    items.into_iter().map(strip).collect()
}

fn sk(item: &Item) -> &str {
    item["sk"].as_s().unwrap()
}

fn endpoints(log: &[NewEvent]) -> Vec<Eid> {
    log.iter().map(|event| event.eid.clone()).collect::<BTreeSet<_>>().into_iter().collect()
}

async fn link(table: &Table, a: &Named, b: &Named, event: &EventKey) -> Outcome {
    table.prove(&Party::from(a), &Party::from(b), &evidence(event)).await.unwrap().unwrap()
}

fn evidence(event: &EventKey) -> Evidence {
    let source = Source::Event { key: event.clone(), attestation: Attestation::Provider };
    Evidence { rule: Rule::SamePayload, source, at: NOW, last: NOW, old: None, now: NOW }
}

fn identifier(value: &str) -> Identifier {
    let attestation = Attestation::Provider;
    Identifier { scheme: "test".to_owned(), scope: None, value: value.to_owned(), attestation }
}

fn contact(values: &[&str]) -> Contact {
    Contact { identifiers: values.iter().map(|value| identifier(value)).collect(), ..Contact::default() }
}

fn message(id: &str, at: Timestamp, author: Author, contact: Contact) -> Event {
    let body = Message::new(id.to_owned(), author, vec![Part::Text("hello".to_owned())]);
    Event {
        id: id.to_owned(),
        at,
        account: "account".to_owned(),
        contact,
        body: Body::Message(body),
        extensions: Default::default(),
    }
}

/// A text of Ada's number alone.
fn text(table: &Table, n: u64) -> NewEvent {
    let identifier = |scheme: &str, value: &str| Identifier { scheme: scheme.into(), ..identifier(value) };
    let identifiers = vec![identifier("whatsapp", "16505551234"), identifier("phone", "+16505551234")];
    let contact = Contact { identifiers, ..Contact::default() };
    new_event(table, message(&format!("n-{n}"), 1_790_668_800_000 + n, Author::Customer, contact))
}

/// A small generator (xorshift, Marsaglia 2003), so that a seed in a failure repeats it.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    for last in (1..items.len()).rev() {
        items.swap(last, random.below(last + 1));
    }
}
