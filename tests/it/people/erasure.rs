//! A person is forgotten: over all channels, whatever fails or happens meanwhile, and whatever is delivered again.

use std::future::Future;
use std::ops::ControlFlow;
use std::path::Path;
use std::pin::Pin;

use rapport_model::event::{Attestation, Author, Body, Contact, Identifier, Message, Part};
use rapport_model::{Eid, Event, TenantKey};
use rapport_projections::fold::fold_batch;
use rapport_projections::rebuild_after_erasure::proceed;
use rapport_store::blobs::Blobs;
use rapport_store::erasure::{Erasure, ITEMS_A_CALL_MAX};
use rapport_store::events::NewEvent;
use rapport_store::heads::Sequence;
use rapport_store::parked::NewParked;
use rapport_store::stream::Inserted;
use rapport_store::{Access, Claim, Entropy, RawWebhook, StoreError, Table};
use serde_json::{Value, json};

use crate::support::api::Api;
use crate::support::engine::{Engine, Fate, interleave};
use crate::support::{Data, Item, NOW, Service, TABLE, new_event, rounds, wa_eu};

mod clocks;
mod demands;
mod parked;
mod ways;

/// What is known of Ada alone: nothing may have it when she is forgotten.
const TRACES: [&str; 5] = ["16505551234", "ada@example.org", "perhaps@example.org", "Lovelace", "engine"];
const ADA: &[(&str, &str)] = &[("whatsapp", "16505551234"), ("phone", "+16505551234")];
const ADA_WRITES: &[(&str, &str)] = &[("email", "Ada@example.org"), ("phone", "+16505551234")];
const BOB: &[(&str, &str)] = &[("whatsapp", "16505559999")];

#[tokio::test]
async fn erasing_by_email_removes_the_history_of_every_channel_and_a_redelivery_stays_gone() {
    let service = Service::start([wa_eu()]).await;
    let table = &service.data.table;
    deliver_all(table).await;
    service.settle().await;
    let profile = service.look_up("email", "ada@example.org").await.unwrap();
    assert_eq!(service.timeline(&profile, 2).await.len(), 5, "WhatsApp and e-mail are one person");
    for trace in TRACES {
        assert!(!traces(&service.data, &[trace]).await.is_empty(), "{trace} is there before");
    }

    let request = json!({"identifier": {"scheme": "email", "value": "ADA@example.org"}});
    let answer = service.post("/v1/erasures", &request).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let receipt = answer.json();
    assert_eq!((&receipt["state"], &receipt["endpoints"]), (&json!("completed"), &json!(3)), "{receipt}");
    let removed = json!({
        "addresses": 3, "blobs": 1, "conversations": 2, "events": 5, "identity_log": 2, "links": 2, "parked_webhooks": 1,
        "suggestions": 1, "traits": 1,
    });
    assert_eq!(receipt["removed"], removed);
    assert_eq!(traces(&service.data, &TRACES).await, [] as [String; 0]);
    assert_eq!(service.post("/v1/erasures", &request).await.json(), receipt, "asked again, it says the same");
    let id = receipt["id"].as_str().unwrap();
    assert_eq!(service.read(&format!("/v1/erasures/{id}")).await, receipt);
    let gone = profile["id"].as_str().unwrap();
    assert_eq!(service.get(&format!("/v1/profiles/{gone}")).await.status, 404);

    deliver_all(table).await;
    assert_eq!(service.look_up("whatsapp", "16505551234").await, None, "not even before it is folded");
    service.settle().await;
    let parked = table.parked("wa-eu").await.unwrap();
    assert_eq!(parked.len(), 1, "a webhook that is parked again is to be replayed, which drops it");
    table.unpark(&parked[0].id).await.unwrap();
    assert_eq!(traces(&service.data, &TRACES).await, [] as [String; 0]);
    let bob = service.look_up("whatsapp", "16505559999").await.unwrap();
    assert_eq!(service.timeline(&bob, 10).await.len(), 1, "whoever shared a webhook with her keeps his words");

    service.data.put(said(table, "new", NOW + 1, ADA, "hello again")).await;
    service.settle().await;
    let fresh = service.look_up("whatsapp", "16505551234").await.unwrap();
    assert_eq!(fresh["counters"]["events"], 1);
    let schemes: Vec<&Value> = fresh["identifiers"].as_array().unwrap().iter().map(|one| &one["scheme"]).collect();
    assert_eq!(schemes, ["phone", "whatsapp"], "the link to the e-mail is forgotten");
}

#[tokio::test]
async fn a_long_history_is_erased_call_by_call_and_says_where_to_go_on() {
    let api = Api::new().await;
    let events = ITEMS_A_CALL_MAX + 300;
    for hundred in 0..events / 100 {
        let new = (0..100).map(|n| {
            let n = hundred * 100 + n;
            said(&api.table, &format!("m-{n}"), NOW - 1_000_000 + n, &ADA[..1], "hello")
        });
        let webhook = RawWebhook { method: "POST".into(), url: String::new(), headers: vec![], body: b"{}".to_vec() };
        api.table.put_events(new.collect(), webhook).await.unwrap();
    }
    api.seen("whatsapp", "16505551234").await;
    let request = json!({"identifier": {"scheme": "whatsapp", "value": "16505551234"}});
    let mut reply = api.call("POST", "/v1/erasures", Some(request)).await;
    assert_eq!((reply.status, &reply.body["state"]), (202, &json!("running")), "{reply:?}");
    let so_far = reply.body["removed"]["events"].as_u64().unwrap();
    assert!((1..events).contains(&so_far), "{so_far}");
    let place = reply.headers["location"].clone();
    assert_eq!(api.expect(200, ("GET", &place), None).await, reply.body, "the receipt so far");
    for _ in 0..3 {
        if reply.status == 202 {
            reply = api.call("POST", &place, None).await;
        }
    }
    assert_eq!((reply.status, &reply.body["state"]), (200, &json!("completed")), "{reply:?}");
    assert_eq!(reply.body["removed"]["events"], events);
    let gone = api.call("GET", "/v1/profiles/lookup?scheme=whatsapp&value=16505551234", None).await;
    assert_eq!(gone.status, 404, "{gone:?}");
}

#[tokio::test]
async fn what_nobody_can_be_erased_by_is_refused() {
    let service = Service::start([wa_eu()]).await;
    let identifier = |scheme: &str, value: &str| json!({"identifier": {"scheme": scheme, "value": value}});
    for (status, body) in [
        (404, identifier("phone", "+16505551234")),
        (400, identifier("phone", "")),
        (400, json!({"identifier": {"scheme": "phone"}})),
        (400, json!({"identifier": {"scheme": "phone", "value": "+1", "name": "Ada"}})),
        (400, json!("ada@example.org")),
    ] {
        let answer = service.post("/v1/erasures", &body).await;
        assert_eq!(answer.status, status, "{body}: {answer:?}");
        assert!(!answer.json()["detail"].as_str().unwrap().contains("Ada"), "a refusal repeats nothing personal");
    }
    assert_eq!(service.get("/v1/erasures/x0").await.status, 404);
    assert_eq!(service.post("/v1/erasures/x0", &json!({})).await.status, 404);
}

/// Each call looks through as many parked webhooks as it has time for, and the next one goes on.
#[tokio::test]
async fn an_erasure_among_thousands_of_parked_webhooks_goes_on_call_by_call() {
    let service = Service::start([wa_eu()]).await;
    let table = &service.data.table;
    service.data.put(said(table, "1", NOW - 5_000, ADA, "an engine")).await;
    service.settle().await;
    for n in 0..600 {
        let body =
            format!("{{\"from\": \"{}\", \"n\": {n}}}", if n % 100 == 7 { "16505551234" } else { "16505559999" });
        let webhook =
            RawWebhook { method: "POST".into(), url: String::new(), headers: vec![], body: body.into_bytes() };
        let parked = NewParked {
            connection: "wa-eu".into(),
            received_at: NOW + n,
            reason: "trap",
            detail: String::new(),
            connector_digest: String::new(),
            proven: Default::default(),
            owners: Default::default(),
            webhook,
        };
        table.park(parked).await.unwrap();
    }
    let request = json!({"identifier": {"scheme": "whatsapp", "value": "16505551234"}});
    let mut statuses = Vec::new();
    let receipt = loop {
        let answer = service.post("/v1/erasures", &request).await;
        statuses.push(answer.status);
        match answer.status {
            202 if statuses.len() < 20 => {}
            200 => break answer.json(),
            _ => panic!("{statuses:?}: {answer:?}"),
        }
    };
    assert!(statuses.len() > 1, "one call looked through all of them");
    let parked = &receipt["parked"];
    let found = parked["deleted"].as_array().unwrap().len() + parked["undecided"].as_array().unwrap().len();
    assert_eq!(found, 6, "{parked}");
}

/// What claims to be an address goes with it, even if nobody has looked at it yet: it is acknowledged, and would be there
/// a moment later.
#[tokio::test]
async fn what_claims_to_be_an_erased_number_goes_whether_it_is_folded_or_not() {
    let number = [("phone", "+16505551234")];
    let request = json!({"identifier": {"scheme": "phone", "value": "+16505551234"}});
    let unproven = [Attestation::Claimed, Attestation::Imported];
    // Who is there and folded, and who is there and not folded: the owner, or somebody who claims to be them.
    for folded in [&[Attestation::Provider][..], &unproven[..1], &unproven[1..], &[]] {
        for late in unproven {
            let service = Service::start([wa_eu()]).await;
            let table = &service.data.table;
            let words = |id: &str, attestation| {
                let mut event = said(table, id, NOW - 5_000, &number, "an engine").event;
                event.contact.identifiers[0].attestation = attestation;
                new_event(table, event)
            };
            for attestation in folded {
                service.data.put(words("folded", *attestation)).await;
            }
            service.settle().await;
            service.data.put(words("late", late)).await;
            let answer = service.post("/v1/erasures", &request).await;
            assert_eq!(answer.status, 200, "{folded:?}, {late:?}: {answer:?}");
            service.settle().await;
            // A redelivery.
            service.data.put(words("late", late)).await;
            service.settle().await;
            assert_eq!(
                traces(&service.data, &["16505551234", "engine"]).await,
                [] as [String; 0],
                "{folded:?}, {late:?}"
            );
        }
    }
}

/// A mailbox that many customers give is in conflict with most of them. Its owner can be erased none the less.
#[tokio::test]
async fn a_mailbox_in_conflict_with_more_people_than_one_change_can_hold_is_erased() {
    let service = Service::start([wa_eu()]).await;
    let table = &service.data.table;
    for n in 0..110 {
        let (user, phone) = (format!("user-{n}"), format!("+165055500{n:02}"));
        let who = [("chat", user.as_str()), ("phone", phone.as_str()), ("email", "ada@example.org")];
        service.data.put(said(table, &format!("m-{n}"), NOW - 5_000 + n, &who, "an engine")).await;
    }
    service.settle().await;
    let request = json!({"identifier": {"scheme": "email", "value": "ada@example.org"}});
    let mut answer = service.post("/v1/erasures", &request).await;
    for _ in 0..20 {
        if answer.status == 202 {
            answer = service.post("/v1/erasures", &request).await;
        }
    }
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(service.look_up("email", "ada@example.org").await, None);
    let others = [service.look_up("chat", "user-0").await, service.look_up("chat", "user-109").await];
    assert!(others.iter().any(Option::is_some), "whoever was not one person with the mailbox stays");
}

/// A provider's erasure counts from when it says so, for what its connection said of the identifier that it names: what came
/// before goes, whenever it arrives. The rest of the person waits for a decision.
#[tokio::test]
async fn a_provider_that_erases_a_contact_erases_what_its_connection_said_of_it_up_to_then() {
    let service = Service::start([wa_eu()]).await;
    let table = &service.data.table;
    deliver_all(table).await;
    service.settle().await;
    let erased = Event { body: Body::ContactErased, ..said(table, "erased", NOW - 500, ADA_WRITES, "").event };
    service.data.put(new_event(table, erased)).await;
    service.data.put(said(table, "since", NOW - 400, ADA_WRITES, "a new matter")).await;
    service.settle().await;
    deliver_all(table).await;
    service.settle().await;
    let profile = service.look_up("email", "ada@example.org").await.unwrap();
    let timeline = service.timeline(&profile, 10).await;
    let ids: Vec<&str> = timeline.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["since", "5", "3", "1"], "her mails of before are gone, and what she said on WhatsApp stays");

    let demands = service.read("/v1/erasure-demands").await;
    let [demand] = demands["items"].as_array().unwrap().as_slice() else { panic!("{demands:#}") };
    assert_eq!((&demand["state"], &demand["endpoint"]["scheme"]), (&json!("open"), &json!("email")));
    let id = demand["id"].as_str().unwrap();
    let dismissed = service.post(&format!("/v1/erasure-demands/{id}/dismiss"), &json!({"by": "ada"})).await;
    assert_eq!((dismissed.status, &dismissed.json()["state"]), (200, &json!("dismissed")), "{dismissed:?}");
    assert_eq!(service.read("/v1/erasure-demands").await["items"], json!([]));
    assert_eq!(service.timeline(&profile, 10).await.len(), 4, "nothing is lost until somebody decides");
    let accepted = service.post(&format!("/v1/erasure-demands/{id}/accept"), &json!({"by": "ada"})).await;
    assert_eq!((accepted.status, &accepted.json()["state"]), (200, &json!("completed")), "{accepted:?}");
    assert_eq!(service.look_up("whatsapp", "16505551234").await, None, "what was dismissed can still be accepted");
    assert_eq!(traces(&service.data, &TRACES).await, [] as [String; 0]);
    assert_eq!(service.post(&format!("/v1/erasure-demands/{id}/accept"), &json!({})).await.status, 404);
}

/// Every other request of an erasure fails once in `.ci/run`, every eleventh otherwise, before or after it was done: called again it ends in the same receipt.
#[test]
fn an_erasure_that_fails_anywhere_is_finished_by_calling_again() {
    let (undisturbed, requests) = erased_with_failure(usize::MAX, Fate::Done);
    assert!(requests > 50, "{requests}");
    let step = usize::try_from(rounds(11, 2)).unwrap();
    let fates = [Fate::Lost, Fate::AnswerLost, Fate::Throttled].into_iter().cycle();
    for (place, fate) in (0..requests).step_by(step).zip(fates) {
        let (erasure, _) = erased_with_failure(place, fate);
        assert_eq!(erasure.removed, undisturbed.removed, "request {place}: {fate:?}");
    }
}

/// Folds and an erasure of the same person, request by request in an order that a seed decides; some requests fail.
#[test]
fn whatever_is_folded_while_a_person_is_erased_does_not_stay() {
    for seed in 0..rounds(20, 100) {
        let world = World::new(seed);
        let eid = world.events[0].eid.clone();
        let mut folded = world.records();
        let coming = folded.split_off(seed as usize % 3);
        world.runtime.block_on(async { fold_batch(&world.table, &folded, NOW).await.unwrap() });
        world.engine.close_the_gate();
        let table = &world.table;
        // Before anything is folded there is nobody to erase: it is asked for until there is.
        let erasing = async { while !matches!(erase(table, &eid).await, Ok(Some(_))) {} };
        let folding = async { while fold_batch(table, &coming, NOW).await.is_err() {} };
        let tasks: Vec<Pin<Box<dyn Future<Output = ()> + '_>>> = vec![Box::pin(erasing), Box::pin(folding)];
        let entered = world.runtime.enter();
        let mut random = seed;
        interleave(&world.engine, tasks, |waiting| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (number, _) = waiting[(random >> 33) as usize % waiting.len()];
            world.engine.decide(number, Fate::Done);
            ControlFlow::Continue(())
        });
        drop(entered);
        world.engine.open_the_gate();
        let left = world.left();
        assert!(left.is_empty(), "seed {seed}: {left:#?}");
        world.runtime.block_on(async { fold_batch(&world.table, &world.records(), NOW).await.unwrap() });
        assert_eq!(world.left(), left, "seed {seed}: what comes again changes nothing");
    }
}

/// Everything about Ada, and one message of Bob in the same webhook as hers.
async fn deliver_all(table: &Table) {
    let webhook = |text: &str| RawWebhook {
        method: "POST".into(),
        url: "https://rapport.example/hooks/wa-eu".into(),
        headers: vec![],
        body: text.as_bytes().to_vec(),
    };
    let long: String = (0..6_000u64).map(|n| format!("{:x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    let mut perhaps = said(table, "3", NOW - 3_000, ADA, "perhaps");
    let claimed = identifier("email", "perhaps@example.org", Attestation::Customer);
    perhaps.event.contact.identifiers.push(claimed);
    perhaps.event.contact.traits.insert("surname".into(), json!("Lovelace"));
    for (events, body) in [
        (vec![said(table, "1", NOW - 5_000, ADA, "an engine")], "Ada Lovelace: an engine"),
        (vec![said(table, "2", NOW - 4_000, ADA_WRITES, &long)], "ada@example.org: engine"),
        (vec![perhaps], "Ada Lovelace, 16505551234"),
        (
            vec![
                said(table, "4", NOW - 2_000, BOB, "good morning"),
                said(table, "5", NOW - 1_000, ADA, "an engine for Bob"),
            ],
            "good morning; Ada Lovelace, 16505551234: an engine for Bob",
        ),
        (vec![said(table, "6", NOW - 900, ADA_WRITES, "yours, Lovelace")], "yours, Lovelace"),
    ] {
        table.put_events(events, webhook(body)).await.unwrap();
    }
    let parked = NewParked {
        connection: "wa-eu".into(),
        received_at: NOW,
        reason: "trap",
        detail: String::new(),
        connector_digest: String::new(),
        proven: Default::default(),
        owners: Default::default(),
        webhook: webhook("{\"from\": \"16505551234\", \"text\": \"engine\"}"),
    };
    table.park(parked).await.unwrap();
}

/// Where any of these stands: in the table, packed or not, and in blobs.
async fn traces(data: &Data, needles: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for item in data.items().await {
        let text = plain(&item);
        found.extend(needles.iter().filter(|needle| text.contains(&needle.to_lowercase())).map(|_| text.clone()));
    }
    blobs(&data.blobs(), &mut |path, text| {
        let has = needles.iter().any(|needle| text.contains(&needle.to_lowercase()));
        found.extend(has.then(|| path.display().to_string()));
    });
    found
}

fn plain(item: &Item) -> String {
    let values = item.iter().map(|(name, value)| match value.as_b() {
        Ok(frame) => format!("{name}: {}", unpacked(frame.as_ref())),
        Err(_) => format!("{name}: {value:?}"),
    });
    values.collect::<Vec<_>>().join("\n").to_lowercase()
}

fn unpacked(frame: &[u8]) -> String {
    String::from_utf8_lossy(&zstd::bulk::decompress(frame, 16 << 20).unwrap()).into_owned()
}

fn blobs(folder: &Path, look: &mut impl FnMut(&Path, &str)) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            blobs(&path, look)
        } else {
            look(&path, &unpacked(&std::fs::read(&path).unwrap()).to_lowercase())
        }
    }
}

/// The stream's record of an event.
pub fn record(event: &NewEvent, number: u64) -> Inserted {
    let NewEvent { eid, key, event, connection, connector_digest, received_at } = event.clone();
    let stored =
        rapport_store::events::StoredEvent { eid, key, event, connection, connector_digest, received_at, origin: None };
    Inserted { sequence: Sequence::new(&number.to_string()), stored }
}

pub fn identifier(scheme: &str, value: &str, attestation: Attestation) -> Identifier {
    Identifier { scheme: scheme.into(), scope: None, value: value.into(), attestation }
}

pub fn said(table: &Table, id: &str, at: u64, who: &[(&str, &str)], text: &str) -> NewEvent {
    let identifiers = who.iter().map(|(scheme, value)| identifier(scheme, value, Attestation::Provider)).collect();
    let body = Message::new(id.to_owned(), Author::Customer, vec![Part::Text(text.to_owned())]);
    let event = Event {
        id: id.to_owned(),
        at,
        account: "account".to_owned(),
        contact: Contact { identifiers, ..Contact::default() },
        body: Body::Message(body),
        extensions: Default::default(),
    };
    new_event(table, event)
}

/// Erases until it is done, as often as storage is away.
async fn erase(table: &Table, eid: &Eid) -> Result<Option<Erasure>, StoreError> {
    let Some(mut erasure) = table.begin_erasure(eid, None, NOW).await? else { return Ok(None) };
    while erasure.completed_at.is_none() {
        proceed(table, &mut erasure, &["wa-eu".to_owned()], NOW).await?;
    }
    Ok(Some(erasure))
}

/// One erasure of which one request fails, then as many calls as it takes. Gives how many requests the first call made.
fn erased_with_failure(place: usize, fate: Fate) -> (Erasure, usize) {
    let world = World::new(1);
    let eid = world.events[0].eid.clone();
    let (table, engine) = (&world.table, &world.engine);
    world.runtime.block_on(async { fold_batch(table, &world.records(), NOW).await.unwrap() });
    engine.close_the_gate();
    let mut requests = 0;
    let mut first = None;
    {
        let _entered = world.runtime.enter();
        let task = async { first = Some(erase(table, &eid).await) };
        interleave(engine, vec![Box::pin(task)], |waiting| {
            for (number, _) in waiting {
                engine.decide(*number, if requests == place { fate } else { Fate::Done });
                requests += 1;
            }
            ControlFlow::Continue(())
        });
    }
    engine.open_the_gate();
    let erasure = match first.unwrap() {
        Ok(Some(erasure)) => erasure,
        _ => world.runtime.block_on(async { erase(table, &eid).await.unwrap().unwrap() }),
    };
    assert_eq!(world.engine_traces(), [] as [String; 0], "request {place}");
    assert!(erasure.completed_at.is_some());
    (erasure, requests)
}

/// A table in memory with some messages of Ada.
struct World {
    engine: Engine,
    table: Table,
    events: Vec<NewEvent>,
    runtime: tokio::runtime::Runtime,
}

impl World {
    fn new(seed: u64) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let engine = Engine::new();
        let table =
            runtime.block_on(async { Table::attach(access(&engine, seed), None, Claim::IfFree).await.unwrap() });
        let with_email: Vec<_> = [ADA, &[("email", "ada@example.org")]].concat();
        let events = vec![
            said(&table, "1", NOW - 5_000, ADA, "an engine"),
            said(&table, "2", NOW - 4_000, ADA, "an engine"),
            said(&table, "3", NOW - 3_000, &with_email, "Lovelace"),
            said(&table, "4", NOW - 2_000, ADA, "an engine"),
        ];
        let webhook = RawWebhook { method: "POST".into(), url: String::new(), headers: vec![], body: vec![] };
        runtime.block_on(async { table.put_events(events.clone(), webhook).await.unwrap() });
        Self { engine, table, events, runtime }
    }

    /// The stream's records of all events, as often as they are asked for.
    fn records(&self) -> Vec<Inserted> {
        (1..).zip(&self.events).map(|(n, event)| record(event, n)).collect()
    }

    /// Items that tell anything, and links.
    fn left(&self) -> Vec<String> {
        let is_link = |item: &&Value| {
            ["L#", "Z#", "S#", "M#"].iter().any(|kind| item["sk"]["S"].as_str().unwrap().starts_with(kind))
        };
        let items = self.engine.items();
        self.engine_traces().into_iter().chain(items.iter().filter(is_link).map(Value::to_string)).collect()
    }

    fn engine_traces(&self) -> Vec<String> {
        let text = |item: &Value| {
            let mut text = item.to_string();
            if let Some(frame) = item["b"]["B"].as_str() {
                use base64::Engine as _;
                text += &unpacked(&base64::engine::general_purpose::STANDARD.decode(frame).unwrap());
            }
            text
        };
        let items = self.engine.items();
        let texts = items.iter().map(text);
        texts.filter(|text| TRACES.iter().any(|trace| text.contains(trace))).collect()
    }
}

fn access(engine: &Engine, seed: u64) -> Access {
    // No wait; ids differ. See `interleavings`.
    const NO_WAIT: u128 = 250 * 1024;
    let drawn = std::sync::atomic::AtomicU64::new(1);
    let streams = aws_sdk_dynamodbstreams::Config::builder()
        .behavior_version(aws_sdk_dynamodbstreams::config::BehaviorVersion::latest())
        .region(aws_sdk_dynamodbstreams::config::Region::from_static("local"))
        .http_client(engine.clone())
        .build();
    Access {
        dynamodb: engine.client(),
        streams: aws_sdk_dynamodbstreams::Client::from_conf(streams),
        table: TABLE.to_owned(),
        tenant: format!("t{seed}"),
        tenant_key: TenantKey::new(&[7; 32]).unwrap(),
        blobs: Blobs::in_folder(std::env::temp_dir()),
        entropy: Entropy::of(move || u128::from(drawn.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) * NO_WAIT),
    }
}
