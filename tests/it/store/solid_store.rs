//! What was acknowledged can be read, folded and erased later, whatever it is; and one bad item is one bad item.

use std::collections::BTreeSet;
use std::ops::Bound;

use rapport_model::cells::ConsentCell;
use rapport_model::conversation::{Head, NAMES_MAX};
use rapport_model::event::{Attestation, Body, ConsentState, DeliveryState, ProviderError};
use rapport_model::identity::WEAK_MAX;
use rapport_model::identity::named;
use rapport_model::{Eid, EventKey};
use rapport_projections::fold::aside::{take_up, take_up_due};
use rapport_projections::fold::{fold_batch, unreadable};
use rapport_store::blobs::INLINE_BYTES_MAX;
use rapport_store::events::{Logged, NewEvent, Why};
use rapport_store::heads::{AHEAD_MAX, GuardedHead};
use rapport_store::identity::SUGGESTIONS_MAX;
use rapport_store::parked::NewParked;
use rapport_store::stream::StreamReader;
use rapport_store::{RawWebhook, Table};
use serde_json::{Value, json};

use crate::people::erasure::{identifier, said};
use crate::support::deployment::World;
use crate::support::events::{Door, Sent, batch, records, text_webhook};
use crate::support::{
    API_KEY, Data, Item, NOW, Service, TABLE, Text, client, connection, fold_all, gateway, is_event, wa_eu,
};

/// Bytes that a Lambda function may answer (AWS: 6 MB, as the runtime counts them).
const LAMBDA_BYTES_MAX: usize = 6_291_556;
/// Bytes that no item of ours comes near to: DynamoDB takes 400 KB.
const ITEM_BYTES_MAX: usize = 350_000;
const ADA: &[(&str, &str)] = &[("whatsapp", "16505551234")];
const BOB: &[(&str, &str)] = &[("whatsapp", "16505550000")];

fn webhook() -> RawWebhook {
    RawWebhook { method: "POST".into(), url: String::new(), headers: vec![], body: vec![] }
}

/// Text that no compression makes smaller.
fn noise(bytes: usize) -> String {
    let mut state = 7u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b' ' + (state % 94) as u8)
    };
    (0..bytes).map(|_| next()).collect()
}

fn nested(levels: usize) -> String {
    format!("{}\"name\"{}", "[".repeat(levels), "]".repeat(levels))
}

fn telegram() -> rapport_connections::Connection {
    connection("tg-eu", "telegram", &json!({}), &[("secret-token", vec!["test_secret_token-1"])])
}

async fn erase(service: &Service, scheme: &str, value: &str) -> Value {
    let answer = service.post("/v1/erasures", &json!({"identifier": {"scheme": scheme, "value": value}})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// Every page of an export, each of which fits an answer.
async fn exported(service: &Service, profile: &Value) -> Vec<Value> {
    let target = format!("/v1/profiles/{}/export", profile["id"].as_str().unwrap());
    let (mut events, mut cursor) = (Vec::new(), String::new());
    loop {
        let answer = service.get(&format!("{target}?cursor={cursor}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.body.len() < LAMBDA_BYTES_MAX, "{}", answer.body.len());
        let page = answer.json();
        events.extend(page["events"].as_array().unwrap().iter().cloned());
        match page["next"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => return events,
        }
    }
}

/// Events of the log, by whom they are of.
fn events_in(items: &[Item]) -> usize {
    items.iter().filter(|item| is_event(item)).count()
}

#[tokio::test]
async fn what_is_nested_deep_is_read_exported_and_erased() {
    let service = Service::start([wa_eu(), telegram()]).await;
    let depths = [1, 48, 49, 100, 122, 123, 124, 125, 127, 128, 500];
    for (n, depth) in depths.into_iter().enumerate() {
        let update = json!({"update_id": 843_219_000 + n, "message": {
            "message_id": 900 + n,
            "from": {"id": 5_000_000_123u64, "is_bot": false, "first_name": "Ada"},
            "chat": {"id": 5_000_000_123u64, "first_name": "Ada", "type": "private"},
            "date": 1_790_668_800 + n,
            "web_app_data": {"button_text": "b", "data": nested(depth)},
        }});
        let headers =
            [("x-telegram-bot-api-secret-token", "test_secret_token-1"), ("content-type", "application/json")];
        let answer = service.send("POST", "/hooks/tg-eu", &headers, update.to_string().as_bytes()).await;
        assert_eq!(answer.status, 200, "{depth}: {answer:?}");
        assert_eq!(service.deliver(&flow(n, &nested(depth))).await.status, 200, "{depth}");
    }
    service.settle().await;
    for (scheme, value) in [("telegram", "5000000123"), ("whatsapp", "16505551234")] {
        let profile = service.look_up(scheme, value).await.unwrap();
        assert_eq!(profile["counters"]["messages_received"], depths.len(), "{scheme}");
        let timeline = service.timeline(&profile, 4).await;
        assert_eq!(timeline.len(), depths.len());
        assert!(timeline.iter().all(|event| event["type"] == "rapport.message.v1"));
        let deep = timeline.iter().filter(|event| event.to_string().contains("[[[[[[[[[[[[[[")).count();
        assert_eq!(deep, depths.len() - 1, "nothing of it is lost");
        assert_eq!(exported(&service, &profile).await.len(), depths.len());
        assert_eq!(erase(&service, scheme, value).await["state"], "completed");
        assert_eq!(service.look_up(scheme, value).await, None);
    }
    assert_eq!(events_in(&service.data.items().await), 0);
    assert_eq!(service.data.table.parked("tg-eu").await.unwrap(), []);
}

/// A WhatsApp Flow's answer, whose JSON the customer's own client writes.
fn flow(n: usize, response: &str) -> Vec<u8> {
    let reply = json!({"name": "flow", "body": "Sent", "response_json": format!("{{\"a\":{response}}}")});
    let message = json!({
        "from": "16505551234", "id": format!("wamid.flow.{n}"), "timestamp": (1_790_668_800 + n).to_string(),
        "type": "interactive", "interactive": {"type": "nfm_reply", "nfm_reply": reply},
    });
    let value = json!({
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550783881", "phone_number_id": "106540352242922"},
        "contacts": [{"profile": {"name": "Ada"}, "wa_id": "16505551234"}],
        "messages": [message],
    });
    let entry = json!({"id": "102290129340398", "changes": [{"value": value, "field": "messages"}]});
    serde_json::to_vec(&json!({"object": "whatsapp_business_account", "entry": [entry]})).unwrap()
}

/// An item as release 0.1 wrote it: an event that it could not read again.
async fn put_unreadable(data: &Data, like: &Item, key: &EventKey) {
    let deep = format!(
        r#"{{"id":"old","at":1,"account":"account","contact":{{"identifiers":[],"display_name":null,"locale":null,"time_zone":null,"traits":{{}}}},"activity":["a",{}],"extensions":{{}}}}"#,
        nested(126)
    );
    let frame = zstd::bulk::compress(format!("{deep}\n").as_bytes(), 6).unwrap();
    let mut put = client(data.embedded.address()).put_item().table_name(TABLE);
    for (name, value) in like.iter().filter(|(name, _)| !matches!(name.as_str(), "sk" | "b" | "blob")) {
        put = put.item(name, value.clone());
    }
    let put = put.item("sk", aws_sdk_dynamodb::types::AttributeValue::S(format!("V#{key}")));
    let frame = aws_sdk_dynamodb::primitives::Blob::new(frame);
    put.item("b", aws_sdk_dynamodb::types::AttributeValue::B(frame)).send().await.unwrap();
}

#[tokio::test]
async fn what_an_older_version_stored_and_nobody_can_read_stops_nobody() {
    let service = Service::start([wa_eu()]).await;
    let data = &service.data;
    for n in 1..=3 {
        assert_eq!(service.deliver(&Text::new("16505551234", n).webhook()).await.status, 200);
    }
    service.settle().await;
    let items = data.items().await;
    let like = items.iter().find(|item| is_event(item)).unwrap();
    let key = data.table.tenant_key().event_key(1_790_668_802_500, "account", "old").unwrap();
    put_unreadable(data, like, &key).await;
    service.settle().await;

    // It is known, and everybody else's goes on.
    let eid = Eid::parse(like["pk"].as_s().unwrap().rsplit('#').next().unwrap()).unwrap();
    let aside = data.table.unfolded(10, None).await.unwrap().items;
    assert_eq!((aside.len(), &aside[0].eid), (1, &eid));
    assert_eq!((aside[0].reason.as_str(), aside[0].again_at), ("unreadable event: corrupt", None));
    assert_eq!(service.deliver(&Text::new("16505550000", 9).webhook()).await.status, 200);
    assert_eq!(service.deliver(&Text::new("16505551234", 4).webhook()).await.status, 200);
    service.settle().await;
    assert!(service.look_up("whatsapp", "16505550000").await.is_some());
    assert!(!take_up(&data.table, &aside[0], NOW).await.unwrap(), "nobody can read it yet");
    assert_eq!(data.table.unfolded(10, None).await.unwrap().items[0].failures, 2);

    let profile = service.look_up("whatsapp", "16505551234").await.unwrap();
    assert_eq!(profile["counters"]["messages_received"], 4);
    for limit in [1, 2, 50] {
        let timeline = service.timeline(&profile, limit).await;
        assert_eq!(timeline.len(), 5, "pages of {limit}");
        let placeholder = timeline.iter().find(|event| event["type"] == "rapport.unreadable.v1").unwrap();
        assert_eq!((&placeholder["data"]["reason"], &placeholder["sequence"]), (&json!("corrupt"), &json!(key)));
        assert_eq!(placeholder["time"], "2026-09-29T08:00:02.5Z");
    }
    assert_eq!(exported(&service, &profile).await.len(), 5);

    let receipt = erase(&service, "whatsapp", "16505551234").await;
    assert_eq!(receipt["removed"]["events"], 5, "{receipt}");
    let of_ada = |item: &&Item| is_event(item) && item["pk"] == like["pk"];
    assert_eq!(data.items().await.iter().filter(of_ada).count(), 0);
}

#[tokio::test]
async fn an_event_that_cannot_be_read_again_is_refused_and_its_siblings_are_stored() {
    let data = Data::new().await;
    let mut events: Vec<NewEvent> = (0..4).map(|n| said(&data.table, &n.to_string(), NOW + n, ADA, "hello")).collect();
    let deep = (0..126).fold(json!("a name"), |inner, _| json!([inner]));
    events[0].event.body = Body::Activity("deep".into(), deep);
    events[2].event.extensions.insert("large".into(), json!("\u{1}".repeat(3 << 20)));
    let raw = RawWebhook { body: b"body".to_vec(), ..webhook() };
    let put = data.table.put_events(events, raw.clone()).await.unwrap();
    assert_eq!(put.new, 2);
    let refused: Vec<usize> = put.refused.iter().map(|(at, _)| *at).collect();
    assert_eq!(refused, [0, 2]);
    assert!(put.refused[0].1.contains("nested too deep") && put.refused[1].1.contains("bytes"), "{:?}", put.refused);
    let stored = data.table.newest_events(&said(&data.table, "1", 1, ADA, "").eid, Bound::Unbounded, 9).await.unwrap();
    assert_eq!(stored.len(), 2);
    let first = stored.last().unwrap();
    assert_eq!(data.table.webhook_of(first).await.unwrap(), Some(raw), "it is kept with the first that is stored");
}

/// A form that everybody may fill in with somebody's address and thousands of other names.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_names_at_one_person_stop_nobody_and_leave_a_list_that_can_be_read() {
    let data = Data::new().await;
    let table = &data.table;
    let mut events: Vec<NewEvent> = Vec::new();
    for n in 0..NAMES_MAX as u64 / 2 {
        let mut event = said(table, &n.to_string(), NOW - 100_000 + n, &[("email", "victim@example.com")], "hi");
        event.event.contact.identifiers[0].attestation = Attestation::Customer;
        for extra in 0..8 {
            let value = format!("{n}-{extra}");
            event.event.contact.identifiers.push(identifier("user", &value, Attestation::Customer));
        }
        events.push(event);
    }
    events.push(said(table, "bob", NOW, BOB, "I am Bob"));
    for event in events {
        data.put(event).await;
    }
    fold_all(table, &mut data.stream().await).await;
    let gateway = gateway(table.clone(), []);
    let known = async |scheme: &str, value: &str| gateway.people().look_up(scheme, None, value).await.unwrap().unwrap();
    assert!(known("whatsapp", "16505550000").await.is_some());
    let victim = known("email", "victim@example.com").await.unwrap();
    assert_eq!(victim.counters["messages_received"], NAMES_MAX as u64 / 2);
    let mut few = 0;
    for extra in 0..8 {
        few += usize::from(known("user", &format!("0-{extra}")).await.is_some());
    }
    assert!((1..=WEAK_MAX).contains(&few), "a few of each count: {few}");
    let open = table.suggestions(1_000, None).await.unwrap().items.len();
    assert_eq!(open, SUGGESTIONS_MAX);
    let items = data.items().await;
    let heads = items.iter().filter(|item| item.contains_key("head"));
    let names = |item: &Item| {
        let head: Head = serde_json::from_str(item["head"].as_s().unwrap()).unwrap();
        head.names.len()
    };
    assert_eq!(heads.map(names).max(), Some(NAMES_MAX));
    assert!(items.iter().map(size_of).max() < Some(ITEM_BYTES_MAX));
    assert_eq!(table.unfolded(1, None).await.unwrap().items, []);
}

/// A head of before there was a limit: DynamoDB refuses it for ever.
#[tokio::test]
async fn a_conversation_that_storage_refuses_is_set_aside_and_taken_up_again_and_the_others_go_on() {
    let data = Data::new().await;
    let table = &data.table;
    data.put(said(table, "1", NOW - 9_000, ADA, "first")).await;
    let mut reader = data.stream().await;
    fold_all(table, &mut reader).await;
    grow_head(&data).await;

    let more = [("whatsapp", "16505551234"), ("phone", "+16505551234")];
    data.put(said(table, "2", NOW - 8_000, &more, "second")).await;
    data.put(said(table, "3", NOW - 7_000, BOB, "I am Bob")).await;
    fold_all(table, &mut reader).await;
    let gateway = gateway(table.clone(), []);
    assert!(
        gateway.people().look_up("whatsapp", None, "16505550000").await.unwrap().unwrap().is_some(),
        "Bob is known"
    );
    let aside = table.unfolded(10, None).await.unwrap().items;
    assert_eq!(aside.len(), 1);
    assert_eq!((aside[0].reason.as_str(), aside[0].again_at), ("refused: PutItem", None));
    assert!(!take_up_due(table, NOW + 1_000_000).await.unwrap(), "it waits for somebody");

    assert!(take_up(table, &aside[0], NOW).await.unwrap());
    assert_eq!(table.unfolded(10, None).await.unwrap().items, []);
    let ada = gateway.people().look_up("whatsapp", None, "16505551234").await.unwrap().unwrap().unwrap();
    assert_eq!(ada.counters["messages_received"], 2, "both, and each once");
    data.put(said(table, "4", NOW - 6_000, ADA, "third")).await;
    fold_all(table, &mut reader).await;
    let ada = gateway.people().look_up("whatsapp", None, "16505551234").await.unwrap().unwrap().unwrap();
    assert_eq!(ada.counters["messages_received"], 3);
}

/// Makes the one head as large as an item may be, so that not a byte more fits.
async fn grow_head(data: &Data) {
    let items = data.items().await;
    let head = items.iter().find(|item| item.contains_key("head")).unwrap();
    let mut grown: Value = serde_json::from_str(head["head"].as_s().unwrap()).unwrap();
    let room = 400 * 1024 - size_of(head) - 20;
    grown["words"]["locale"] = json!({"name": "locale", "value": "x".repeat(room - 200), "source": "01HF7YAT00AAAAAAAAAAAAAAAA", "at": 1, "attestation": "provider"});
    let mut put = client(data.embedded.address()).put_item().table_name(TABLE);
    for (name, value) in head.iter().filter(|(name, _)| *name != "head") {
        put = put.item(name, value.clone());
    }
    let text = aws_sdk_dynamodb::types::AttributeValue::S(grown.to_string());
    put.item("head", text).send().await.unwrap();
}

#[tokio::test]
async fn an_erasure_while_the_fold_lags_leaves_the_fold_nothing_to_wait_for() {
    let data = Data::new().await;
    let table = &data.table;
    data.put(said(table, "1", NOW - 9_000, ADA, "hello")).await;
    let mut reader = data.stream().await;
    fold_all(table, &mut reader).await;
    // Large, so in a blob, and not folded yet.
    data.put(said(table, "2", NOW - 8_000, ADA, &noise(4 * INLINE_BYTES_MAX))).await;
    data.put(said(table, "3", NOW - 7_000, BOB, "I am Bob")).await;
    let gateway = gateway(table.clone(), []);
    let eid = said(table, "1", NOW, ADA, "").eid;
    let receipt = gateway.people().erase(&eid, asked()).await.unwrap().unwrap();
    assert_eq!((receipt.removed["events"], receipt.removed["blobs"]), (2, 1));

    let batches = reader.next().await.unwrap();
    assert_eq!(batches.iter().map(|batch| batch.gone).sum::<usize>(), 1, "the item itself was asked");
    assert!(batches.iter().all(|batch| batch.unreadable.is_empty()));
    for batch in &batches {
        fold_batch(table, &batch.events, NOW).await.unwrap();
        reader.handled(batch).await.unwrap();
    }
    assert!(gateway.people().look_up("whatsapp", None, "16505550000").await.unwrap().unwrap().is_some());
    assert!(gateway.people().look_up("whatsapp", None, "16505551234").await.unwrap().unwrap().is_none());
    assert_eq!(table.unfolded(10, None).await.unwrap().items, []);
}

#[tokio::test]
async fn a_page_fits_an_answer_whatever_is_on_it_and_everything_can_be_had() {
    let service = Service::start([wa_eu()]).await;
    let table = &service.data.table;
    let who =
        |n: u64| if n.is_multiple_of(2) { ADA } else { &[("telegram", "5000000123"), ("whatsapp", "16505551234")] };
    let mut events: Vec<NewEvent> =
        (0..55).map(|n| said(table, &n.to_string(), NOW - 1_000 - n, who(n), &noise(147_000))).collect();
    let control = "\u{1}".repeat(1_100_000);
    events.push(said(table, "control", NOW - 500, ADA, &control));
    for event in events {
        service.data.put(event).await;
    }
    service.settle().await;
    let profile = service.look_up("whatsapp", "16505551234").await.unwrap();
    let id = profile["id"].as_str().unwrap();
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let answer = service.get(&format!("/v1/profiles/{id}/timeline?cursor={cursor}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.body.len() < LAMBDA_BYTES_MAX, "{}", answer.body.len());
        let page = answer.json();
        seen.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    let ids: BTreeSet<&str> = seen.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert_eq!((seen.len(), ids.len()), (56, 56), "each once");
    assert_eq!(exported(&service, &profile).await.len(), 56);

    let cut = &seen[0];
    assert_eq!((&cut["id"], cut["elidedbytes"].as_u64() > Some(6_600_000)), (&json!("control"), true));
    let text = cut["data"]["message"]["parts"][0]["text"].as_str().unwrap();
    assert!(text.ends_with(" bytes left out]"), "it says how much is missing");
    let (mut whole, mut next) = (String::new(), Some(0));
    while let Some(offset) = next {
        let answer = service.get(&format!("{}?offset={offset}", cut["elided"].as_str().unwrap())).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.body.len() < LAMBDA_BYTES_MAX, "{}", answer.body.len());
        let part = answer.json();
        assert_eq!(part["bytes"], cut["elidedbytes"]);
        whole.push_str(part["text"].as_str().unwrap());
        next = part["next"].as_u64();
    }
    let whole: Value = serde_json::from_str(&whole).unwrap();
    assert_eq!(whole["data"]["message"]["parts"][0]["text"], control.as_str());
    let unknown = format!("/v1/events/{}.{}", "a".repeat(22), "0".repeat(26));
    assert_eq!(service.get(&unknown).await.status, 404);
}

#[tokio::test]
async fn the_same_large_webhook_parked_twice_is_two_and_one_may_go() {
    let data = Data::new().await;
    let table = &data.table;
    let raw = RawWebhook { body: noise(4 * INLINE_BYTES_MAX).into_bytes(), ..webhook() };
    let park = async |connection: &str| {
        let new = NewParked {
            connection: connection.into(),
            received_at: NOW,
            reason: "malformed",
            detail: "x".repeat(2 << 20),
            connector_digest: String::new(),
            proven: BTreeSet::new(),
            webhook: raw.clone(),
            owners: Default::default(),
        };
        table.park(new).await.unwrap()
    };
    let (one, two) = (park("shop").await, park("other").await);
    assert!(data.items().await.iter().map(size_of).max() < Some(ITEM_BYTES_MAX), "however much is to be said");
    table.unpark(&one).await.unwrap();
    assert_eq!(table.parked("shop").await.unwrap(), []);
    let left = table.parked("other").await.unwrap();
    assert_eq!((left.len(), left[0].webhook.as_ref()), (1, Some(&raw)));
    // What is not there any more is on the list all the same, and can be taken off it.
    std::fs::remove_dir_all(data.blobs()).unwrap();
    assert_eq!(table.parked("other").await.unwrap()[0].webhook, None);
    table.unpark(&two).await.unwrap();
    assert_eq!(table.parked("other").await.unwrap(), []);
}

#[tokio::test]
async fn a_payload_that_is_gone_has_a_placeholder_and_its_person_is_erased() {
    let service = Service::start([wa_eu()]).await;
    let table = &service.data.table;
    service.data.put(said(table, "1", NOW - 9_000, ADA, "hello")).await;
    let large = said(table, "2", NOW - 8_000, ADA, &noise(4 * INLINE_BYTES_MAX));
    service.data.put(large.clone()).await;
    service.settle().await;
    std::fs::remove_dir_all(service.data.blobs()).unwrap();
    let logged = table.logged(&large.eid, &large.key).await.unwrap().unwrap();
    assert!(matches!(logged, Logged::Unreadable(ref event) if event.why == Why::MissingBlob), "{logged:?}");
    let profile = service.look_up("whatsapp", "16505551234").await.unwrap();
    let timeline = service.timeline(&profile, 1).await;
    assert_eq!((timeline.len(), &timeline[0]["data"]["reason"]), (2, &json!("missing-blob")));
    assert_eq!(exported(&service, &profile).await.len(), 2);
    assert_eq!(erase(&service, "whatsapp", "16505551234").await["removed"]["events"], 2);
}

#[tokio::test]
async fn a_redelivery_with_other_bytes_leaves_no_blob_that_nothing_names() {
    let data = Data::new().await;
    let event = said(&data.table, "1", NOW, ADA, "hello");
    for n in 0..3 {
        let raw = RawWebhook { body: format!("{n}{}", noise(4 * INLINE_BYTES_MAX)).into_bytes(), ..webhook() };
        data.table.put_events(vec![event.clone()], raw).await.unwrap();
    }
    let files = |folder: std::path::PathBuf| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let blobs = files(data.blobs()).flat_map(files).count();
    assert_eq!(blobs, 1, "the one of the first delivery");
}

#[tokio::test]
async fn a_purpose_in_any_script_is_seen() {
    let data = Data::new().await;
    let table = &data.table;
    let named = named(table.tenant_key(), table.rules(), &said(table, "1", NOW, ADA, "").event.contact).remove(0);
    table.put_endpoint(&named, NOW, NOW).await.unwrap();
    for purpose in ["~newsletter", "маркетинг", "\u{10ffff}", "marketing"] {
        let source = table.tenant_key().event_key(NOW, "a", purpose).unwrap();
        let (purpose, state) = (purpose.to_owned(), ConsentState::Withdrawn);
        let cell = ConsentCell { purpose, state, evidence: None, source, at: NOW, attestation: None, strength: None };
        table.put_consent(&named.eid, &cell).await.unwrap();
        table.put_head(&named.eid, "~счёт", &GuardedHead::default()).await.unwrap();
    }
    let state = table.endpoint(&named.eid).await.unwrap().unwrap();
    assert_eq!((state.consents.len(), state.heads.len()), (4, 1));
    assert_eq!(table.heads(&named.eid).await.unwrap().len(), 1);
}

/// Every item that grows, as large as its limits let it.
#[tokio::test]
async fn no_item_comes_near_what_dynamodb_takes() {
    let data = Data::new().await;
    let table = &data.table;
    let id = |n: usize| Eid::parse(&format!("{n:022}")).unwrap();
    let key = |id: &str| table.tenant_key().event_key(NOW, "a", id).unwrap();
    let long = noise(3 << 20);
    let mut event = said(table, &"i".repeat(1_024), NOW, ADA, &long);
    event.event.account = "a".repeat(256);
    event.event.contact.display_name = Some("n".repeat(1_000));
    event.event.contact.locale = Some("l".repeat(1_000));
    event.event.contact.time_zone = Some("z".repeat(1_000));
    for n in 0..100 {
        event.event.contact.traits.insert(format!("{n:0128}"), json!("v".repeat(1_000)));
    }
    data.put(event.clone()).await;
    fold_all(table, &mut data.stream().await).await;

    let mut head = Head::default();
    for n in 0..2 * NAMES_MAX {
        let names = [id(n)];
        let _ = head.apply(&event.key, &event.event, &names, &names, table.rules());
    }
    let counted: Vec<_> = (0..2 * AHEAD_MAX).map(|n| (key(&n.to_string()), NOW + n as u64)).collect();
    let largest = GuardedHead::default().rebuilt(head, &counted);
    table.put_head(&id(1), &"a".repeat(256), &largest).await.unwrap();

    let failed = DeliveryState::Failed(ProviderError {
        code: long.clone(),
        title: long.clone(),
        detail: Some(json!({"text": long})),
        retryable: false,
    });
    for (n, body) in [
        Body::Delivery(rapport_model::event::Delivery::new(rapport_model::event::Covered::Message("m".into()), failed)),
        Body::Consent(rapport_model::event::Consent {
            purpose: "marketing".into(),
            state: ConsentState::Granted,
            evidence: Some(json!({"page": long})),
        }),
    ]
    .into_iter()
    .enumerate()
    {
        let mut event = said(table, &format!("cell {n}"), NOW + 1 + n as u64, ADA, "");
        event.event.body = body;
        data.put(event).await;
    }
    table.set_aside(&id(2), &long, NOW, |_| None).await.unwrap();
    fold_all(table, &mut data.stream().await).await;
    let items = data.items().await;
    for kind in ["@", "A#", "C#", "K#", "T#", "V#"] {
        let of_kind = items.iter().filter(|item| item["sk"].as_s().unwrap().starts_with(kind));
        let largest = of_kind.map(size_of).max().unwrap_or_else(|| panic!("no item of {kind}"));
        println!("{kind} {largest}");
        assert!(largest < ITEM_BYTES_MAX, "{kind}: {largest}");
    }
    assert!(items.iter().map(size_of).max() < Some(ITEM_BYTES_MAX));
    assert_eq!(table.unfolded(9, None).await.unwrap().items.len(), 1);
}

/// As DynamoDB counts it: names and values in UTF-8.
fn size_of(item: &Item) -> usize {
    let value = |value: &aws_sdk_dynamodb::types::AttributeValue| match value {
        aws_sdk_dynamodb::types::AttributeValue::S(text) => text.len(),
        aws_sdk_dynamodb::types::AttributeValue::N(number) => number.len(),
        aws_sdk_dynamodb::types::AttributeValue::B(bytes) => bytes.as_ref().len(),
        aws_sdk_dynamodb::types::AttributeValue::Ss(texts) => texts.iter().map(|text| text.len() + 1).sum(),
        other => panic!("{other:?}"),
    };
    item.iter().map(|(name, attribute)| name.len() + value(attribute)).sum()
}

/// What meets an error that passes is tried again by itself, later each time, and then waits for somebody.
#[tokio::test]
async fn what_passes_is_tried_again_by_itself() {
    let data = Data::new().await;
    let table = &data.table;
    data.put(said(table, "1", NOW, ADA, "hello")).await;
    let eid = said(table, "1", NOW, ADA, "").eid;
    table.set_aside(&eid, "contended: find", NOW, |failures| Some(NOW + 1_000 * failures)).await.unwrap();
    assert!(!take_up_due(table, NOW + 999).await.unwrap(), "not yet");
    assert!(take_up_due(table, NOW + 1_000).await.unwrap());
    assert_eq!(table.unfolded(9, None).await.unwrap().items, []);
    let ada =
        gateway(table.clone(), []).people().look_up("whatsapp", None, "16505551234").await.unwrap().unwrap().unwrap();
    assert_eq!(ada.counters["messages_received"], 1);
    // The record that had passed, or that comes after all, is counted once.
    fold_all(table, &mut data.stream().await).await;
    let ada =
        gateway(table.clone(), []).people().look_up("whatsapp", None, "16505551234").await.unwrap().unwrap().unwrap();
    assert_eq!(ada.counters["messages_received"], 1);
}

/// On AWS: an object that is not there, one that may not be read, and a bucket that does not answer.
#[tokio::test]
async fn a_missing_object_is_not_a_bucket_that_is_away() {
    let world = World::new().await;
    let webhook = world.start("webhook").await;
    let large = |n: u64| Text { text: noise(4 * INLINE_BYTES_MAX), ..Text::new("16505551234", n) };
    for text in [large(1), Text::new("16505550000", 2)] {
        assert_eq!(webhook.ask(&text_webhook(&text).through(Door::HttpApi)).await.status, 200);
    }
    let fold = world.start("fold").await;
    let all = records(&world.data.items().await);
    assert_eq!(fold.function.invoke(&batch([])).await.unwrap(), json!({"batchItemFailures": []}), "it is ready");
    let of_large = all.iter().find(|record| record["dynamodb"]["NewImage"].get("blob").is_some()).unwrap();
    let waits = json!({"batchItemFailures": [{"itemIdentifier": of_large["dynamodb"]["SequenceNumber"]}]});

    world.services.deny(1);
    assert_eq!(fold.function.invoke(&batch([of_large.clone()])).await.unwrap(), waits, "an operator's to mend");
    // As many as one request of it is tried.
    world.services.fail(6);
    assert_eq!(fold.function.invoke(&batch([of_large.clone()])).await.unwrap(), waits, "away");
    world.services.forget();
    let answer = fold.function.invoke(&batch(all)).await.unwrap();
    assert_eq!(answer, json!({"batchItemFailures": []}), "gone for good");
    assert_eq!(fold.lines("set aside: not folded").len(), 1);
    assert_eq!(world.messages_of("16505550000").await, 1, "the others go on");

    let api = world.start("api").await;
    let ask = async |method: &str, path: &str, query: &str, body: &str| {
        let mut sent = Sent { body: body.as_bytes().to_vec(), ..Sent::new(method, path, query) };
        sent = sent.with_header("authorization", &format!("Bearer {API_KEY}"));
        api.ask(&sent.with_header("content-type", "application/json").through(Door::HttpApi)).await
    };
    assert_eq!(webhook.ask(&text_webhook(&Text::new("16505551234", 3)).through(Door::HttpApi)).await.status, 200);
    let again = records(&world.data.items().await);
    fold.function.invoke(&batch(again)).await.unwrap();
    let profile = world.profile("whatsapp", "16505551234").await.unwrap();
    let path = format!("/v1/profiles/{}/timeline", profile["id"].as_str().unwrap());
    let timeline = ask("GET", &path, "", "").await;
    assert_eq!(timeline.status, 200, "{timeline:?}");
    assert_eq!(timeline.json()["items"][1]["data"]["reason"], "missing-blob");
    world.services.deny(1);
    assert_eq!(ask("GET", &path, "", "").await.status, 503, "it may be there");
    let request = r#"{"identifier": {"scheme": "whatsapp", "value": "16505551234"}}"#;
    let erased = ask("POST", "/v1/erasures", "", request).await;
    assert_eq!(erased.status, 200, "{erased:?}");
}

/// A look at a stream of which some events cannot be read: everybody else's are folded.
#[tokio::test]
async fn whose_events_cannot_be_read_is_on_the_list_once() {
    let data = Data::new().await;
    let table: &Table = &data.table;
    let mut reader: StreamReader = data.stream().await;
    for n in 0..3 {
        data.put(said(table, &n.to_string(), NOW + n, ADA, &noise(4 * INLINE_BYTES_MAX))).await;
    }
    data.put(said(table, "bob", NOW, BOB, "I am Bob")).await;
    std::fs::remove_dir_all(data.blobs()).unwrap();
    for batch in reader.next().await.unwrap() {
        assert_eq!(unreadable(table, &batch.unreadable, NOW).await.unwrap(), 1);
        fold_batch(table, &batch.events, NOW).await.unwrap();
    }
    let aside = table.unfolded(9, None).await.unwrap().items;
    assert_eq!((aside.len(), aside[0].reason.as_str()), (1, "unreadable event: missing-blob"));
    let bob = gateway(table.clone(), []).people().look_up("whatsapp", None, "16505550000").await.unwrap().unwrap();
    assert!(bob.is_some());
}

/// Whoever asks for an erasure.
fn asked() -> rapport_api::people::links::Attribution {
    rapport_api::people::links::Attribution { who: "ada".into(), reason: "she asked".into() }
}
