//! What linking, unlinking and a page of a timeline cost, by how many events lie behind the two endpoints: nothing moves,
//! so it should be the same. Prints medians, and the write units of each operation. In memory, without a socket.
//!
//! `cargo bench -p rapport-tests --bench identity -- 1 1000 1000000`; without numbers 1, 100, 10,000 and 100,000.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot be set up says why and ends")]

#[allow(dead_code, reason = "the benchmark lets every request through")]
#[path = "../it/support/engine.rs"]
mod engine;
#[allow(dead_code, reason = "the benchmark needs the table's name")]
#[path = "../it/support/table.rs"]
mod table;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use engine::Engine;
use rapport_api::people::People;
use rapport_model::event::{Attestation, Author, Body, Contact, Identifier, Message, Part};
use rapport_model::identity::{Closing, EdgeId, Evidence, Named, Pair, Rule, Source};
use rapport_model::{Basis, EndpointKey, Event, ProfileId, TenantKey};
use rapport_store::blobs::Blobs;
use rapport_store::events::NewEvent;
use rapport_store::identity::Party;
use rapport_store::{Access, Claim, Entropy, RawWebhook, Table};

/// Times that each operation is done.
const ROUNDS: usize = 60;
/// Events of a page.
const PAGE: usize = 50;
/// Items of a `BatchWriteItem`. Source: DynamoDB's quotas.
const BATCH: usize = 25;
const NOW: u64 = 1_790_668_800_000;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let given: Vec<usize> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let sizes = if given.is_empty() { vec![1, 100, 10_000, 100_000] } else { given };
    println!("{:>10}{:>12}{:>12}{:>14}   microseconds, medians of {ROUNDS}", "events", "link", "unlink", "page of 50");
    for events in sizes {
        let world = World::with(events).await;
        let [link, unlink, page] = world.measure().await;
        println!("{events:>10}{:>12}{:>12}{:>14}", micros(link), micros(unlink), micros(page));
    }
    let world = World::with(1).await;
    println!("\nwrite units, by items written, 2 each in a transaction:");
    for (what, items) in world.items_written().await {
        println!("{what:>30}: {} items, {} units", items, items * 2);
    }
}

fn micros(time: Duration) -> u128 {
    time.as_micros()
}

struct World {
    engine: Engine,
    people: People,
    ends: [Party; 2],
}

impl World {
    /// Two people, with half of the events each.
    async fn with(events: usize) -> Self {
        let engine = Engine::new();
        let table = table_of(&engine).await;
        let mut ends = Vec::new();
        for (index, value) in ["16505551234", "16505559999"].into_iter().enumerate() {
            let key = EndpointKey { scheme: "whatsapp".into(), scope: None, value: value.into() };
            let named = Named { eid: table.eid(&key), key, identifier: identifier(value), basis: Basis::Proven };
            table.put_endpoint(&named, NOW, NOW).await.unwrap();
            fill(&engine, &table, &named, events.div_ceil(2) * usize::from(index == 0) + events / 2 * index).await;
            ends.push(Party::from(&named));
        }
        let people = People { table, connections: Arc::new([]), now: || NOW };
        Self { engine, people, ends: ends.try_into().ok().unwrap() }
    }

    async fn measure(&self) -> [Duration; 3] {
        let mut times: [Vec<Duration>; 3] = Default::default();
        for round in 0..ROUNDS as u64 {
            let began = Instant::now();
            self.link(round).await;
            times[0].push(began.elapsed());
            let began = Instant::now();
            let pid = ProfileId::implied(&self.ends[0].eid);
            let page = self.people.timeline(&pid, PAGE, None).await.unwrap().unwrap();
            times[2].push(began.elapsed());
            assert!(!page.items.is_empty());
            let began = Instant::now();
            self.unlink(round).await;
            times[1].push(began.elapsed());
        }
        times.map(|mut times| {
            times.sort();
            times[times.len() / 2]
        })
    }

    async fn items_written(&self) -> Vec<(&'static str, usize)> {
        let mut written = Vec::new();
        self.engine.take_written();
        self.link(1).await;
        written.push(("link of two profiles", self.engine.take_written().len()));
        self.link(1).await;
        written.push(("the same again", self.engine.take_written().len()));
        self.unlink(1).await;
        written.push(("unlink into two", self.engine.take_written().len()));
        written
    }

    async fn link(&self, round: u64) {
        let source = Source::Person { who: "a benchmark".into(), why: "to see how long it takes".into() };
        let at = NOW + round;
        let evidence = Evidence { rule: Rule::Manual, source, at, last: at, old: None, now: at };
        let [a, b] = &self.ends;
        self.people.table.prove(a, b, &evidence).await.unwrap().unwrap();
    }

    async fn unlink(&self, round: u64) {
        let pair = Pair::new(&self.ends[0].eid, &self.ends[1].eid).unwrap();
        let closing = Closing { who: "a benchmark".into(), why: String::new(), at: NOW + round };
        self.people.table.unlink(&EdgeId { pair, rule: Rule::Manual }, &closing).await.unwrap().unwrap();
    }
}

async fn table_of(engine: &Engine) -> Table {
    let drawn = AtomicU64::new(1);
    let streams = aws_sdk_dynamodbstreams::Config::builder()
        .behavior_version(aws_sdk_dynamodbstreams::config::BehaviorVersion::latest())
        .region(aws_sdk_dynamodbstreams::config::Region::from_static("local"))
        .http_client(engine.clone())
        .build();
    let access = Access {
        dynamodb: engine.client(),
        streams: aws_sdk_dynamodbstreams::Client::from_conf(streams),
        table: table::TABLE.to_owned(),
        tenant: "main".to_owned(),
        tenant_key: TenantKey::new(&[7; 32]).unwrap(),
        blobs: Blobs::in_folder(std::env::temp_dir()),
        entropy: Entropy::of(move || u128::from(drawn.fetch_add(1, Ordering::Relaxed)) << 20),
    };
    Table::attach(access, None, Claim::IfFree).await.unwrap()
}

fn identifier(value: &str) -> Identifier {
    Identifier { scheme: "whatsapp".into(), scope: None, value: value.into(), attestation: Attestation::Provider }
}

/// Puts one event as the host does, and as many more items like it, each a millisecond later.
async fn fill(engine: &Engine, table: &Table, named: &Named, events: usize) {
    if events == 0 {
        return;
    }
    let event = event(&named.key.value);
    let key = |n: usize| table.tenant_key().event_key(event.at + n as u64, &event.account, &n.to_string()).unwrap();
    let new = NewEvent {
        eid: named.eid.clone(),
        key: key(0),
        event: event.clone(),
        connection: "wa-eu".into(),
        connector_digest: "0123456789abcdef".repeat(4),
        received_at: NOW,
    };
    let webhook = RawWebhook { method: "POST".into(), url: String::new(), headers: Vec::new(), body: b"{}".to_vec() };
    table.put_events(vec![new], webhook).await.unwrap();
    let client = engine.client();
    let pk = AttributeValue::S(format!("main#E#{}", named.eid));
    let first = client.get_item().table_name(table::TABLE).key("pk", pk);
    let first = first.key("sk", AttributeValue::S(format!("V#{}", key(0)))).send().await.unwrap().item.unwrap();
    let all: Vec<usize> = (1..events).collect();
    for batch in all.chunks(BATCH) {
        let put = |n: &usize| {
            let mut item = first.clone();
            item.insert("sk".into(), AttributeValue::S(format!("V#{}", key(*n))));
            WriteRequest::builder().put_request(PutRequest::builder().set_item(Some(item)).build().unwrap()).build()
        };
        let puts = batch.iter().map(put).collect();
        client.batch_write_item().request_items(table::TABLE, puts).send().await.unwrap();
    }
}

fn event(value: &str) -> Event {
    Event {
        id: "0".into(),
        at: NOW,
        account: "106540352242922".into(),
        contact: Contact { identifiers: vec![identifier(value)], ..Contact::default() },
        body: Body::Message(Message::new(
            "0",
            Author::Customer,
            vec![Part::Text("Hello, where is my order 4711?".into())],
        )),
        extensions: Default::default(),
    }
}
