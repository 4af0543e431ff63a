//! Messages are taken once, and control moves before the answer, over HTTP.

use std::sync::atomic::{AtomicU32, Ordering};

use rapport_api::api_keys::{ApiKey, ApiKeys};
use rapport_config::scope::Scopes;
use rapport_model::event::Author;
use rapport_model::sending::intent::Started;
use rapport_model::sending::lock::{Ask, Holder, Marker};
use rapport_model::sending::{MessageId, sent};
use rapport_sandbox::Secret;
use rapport_store::events::NewEvent;
use rapport_store::objects::Objects;
use rapport_store::outbox::intents::{Changed, Conversation};
use rapport_store::outbox::lock::Marked;
use serde_json::{Value, json};

use crate::support::{API_KEY, Answer, Data, NOW, Service, Text, gateway_of, hostile, wa_eu};

const ADA: &str = "+16505551234";
const BOT_KEY: &str = "the key of a bot";

/// A service to which Ada wrote once; it has a key that is only automation.
pub(super) async fn written_to() -> (Service, Value) {
    let key = |name: &str, authors: &[Author], secret: &str| {
        let key = ApiKey { name: name.to_owned(), may: Scopes::all(), authors: authors.into(), not_after: None };
        (key, vec![Secret::new(secret.as_bytes())])
    };
    let all = [Author::Agent, Author::Automation];
    let keys = ApiKeys::new([key("test", &all, API_KEY), key("bot", &[Author::Automation], BOT_KEY)]).unwrap();
    let data = Data::new().await;
    let gateway = gateway_of(data.table.clone(), [wa_eu()], Objects::default(), (keys, || NOW));
    let service = Service::of(gateway, data).await;
    service.deliver(&Text::new("16505551234", 1).webhook()).await;
    service.settle().await;
    let profile = service.look_up("phone", ADA).await.unwrap();
    (service, profile["id"].clone())
}

pub(super) async fn post_as(service: &Service, key: &str, target: &str, idempotency: &str, body: &Value) -> Answer {
    let authorization = format!("Bearer {key}");
    let mut headers = vec![("authorization", authorization.as_str()), ("content-type", "application/json")];
    if !idempotency.is_empty() {
        headers.push(("idempotency-key", idempotency));
    }
    let body = if body.is_null() { String::new() } else { body.to_string() };
    service.send("POST", target, &headers, body.as_bytes()).await
}

/// Sends as an agent, each time with a key of its own.
pub(super) async fn send(service: &Service, body: &Value) -> Answer {
    static KEYS: AtomicU32 = AtomicU32::new(0);
    let key = format!("key {}", KEYS.fetch_add(1, Ordering::Relaxed));
    post_as(service, API_KEY, "/v1/messages", &key, body).await
}

pub(super) async fn sent(service: &Service, body: &Value) -> Value {
    let answer = send(service, body).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    answer.json()
}

pub(super) fn notice(profile: &Value) -> Value {
    json!({"to": {"profile": profile}, "parts": [{"text": "Your parcel comes today."}], "kind": "notice", "author": "agent"})
}

#[track_caller]
pub(super) fn is_refused(answer: &Answer, status: u16, kind: &str, field: &str) {
    let problem = answer.json();
    assert_eq!(answer.status, status, "{problem}");
    assert_eq!(problem["type"], format!("urn:rapport:problem:{kind}"), "{problem}");
    assert_eq!(problem["field"].as_str().unwrap_or_default(), field, "{problem}");
}

pub(super) fn id_of(message: &Value) -> MessageId {
    MessageId::parse(message["id"].as_str().unwrap()).unwrap()
}

pub(super) fn conversation_of(message: &Value) -> Conversation {
    Conversation { eid: id_of(message).eid, account: message["account"].as_str().unwrap().to_owned() }
}

#[tokio::test]
async fn a_message_is_stored_once_however_often_it_is_posted() {
    let (service, profile) = written_to().await;
    let body = notice(&profile);
    let answer = post_as(&service, API_KEY, "/v1/messages", "order 4711", &body).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let message = answer.json();
    assert_eq!(
        (&message["state"], &message["kind"], &message["author"]),
        (&json!("pending"), &json!("notice"), &json!("agent"))
    );
    assert_eq!((&message["connection"], &message["account"]), (&json!("wa-eu"), &json!("106540352242922")));
    assert_eq!(
        (&message["by"], &message["purpose"], &message["parts"]),
        (&json!("test"), &json!("service"), &json!(1))
    );
    let location = format!("/v1/messages/{}", message["id"].as_str().unwrap());
    assert_eq!(answer.header("location"), Some(&location[..]));
    assert_eq!(service.read(&location).await, message);

    let again = post_as(&service, API_KEY, "/v1/messages", "order 4711", &body).await;
    assert_eq!((again.status, again.json()), (202, message.clone()));
    let other =
        json!({"to": {"profile": profile}, "parts": [{"text": "Another."}], "kind": "notice", "author": "agent"});
    is_refused(
        &post_as(&service, API_KEY, "/v1/messages", "order 4711", &other).await,
        409,
        "idempotency-key-in-use",
        "Idempotency-Key",
    );
    let intents = service.data.table.intents(&id_of(&message).eid, None, 10).await.unwrap();
    assert_eq!(intents.items.len(), 1, "one message");
    assert_eq!(intents.items[0].draft.route.to.value, "16505551234", "as the provider wrote it");
    is_refused(&post_as(&service, API_KEY, "/v1/messages", "", &body).await, 400, "bad-request", "Idempotency-Key");
}

#[tokio::test]
async fn what_is_wrong_with_a_message_is_named_by_its_field() {
    let (service, profile) = written_to().await;
    let with = |name: &str, value: Value| {
        let mut body = notice(&profile);
        body[name] = value;
        body
    };
    let nobody = json!({"profile": "pAAAAAAAAAAAAAAAAAAAAAA"});
    let refusals = [
        (with("to", nobody), 404, "not-found", "to.profile"),
        (with("to", json!({"identifier": {"scheme": "phone", "value": "+1 650 555 9999"}})), 409, "no-route", "to"),
        (with("connection", json!("nobody")), 400, "bad-request", "connection"),
        (with("parts", json!([])), 400, "bad-request", "parts"),
        (with("purpose", json!("Service!")), 400, "bad-request", "purpose"),
        (with("fence", json!("1")), 400, "bad-request", "fence"),
        (with("turn", json!("01HF7YAT00ZZZZZZZZZZZZZZZZ")), 400, "bad-request", "turn"),
        (with("not_before", json!("tomorrow")), 400, "bad-request", "not_before"),
        (with("not_before", json!("2027-09-29T08:00:00Z")), 400, "bad-request", "not_before"),
        (with("expires_at", json!("2026-09-28T08:00:00Z")), 400, "bad-request", "expires_at"),
        (with("expires_at", json!("2026-10-28T08:00:00Z")), 400, "bad-request", "expires_at"),
        (with("after", json!("x")), 400, "bad-request", "after"),
        (with("after", json!("AAAAAAAAAAAAAAAAAAAAAA.01HF7YAT00ZZZZZZZZZZZZZZZZ")), 400, "bad-request", "after"),
        (with("sender", json!("ada")), 400, "bad-request", "sender"),
    ];
    for (body, status, kind, field) in refusals {
        is_refused(&send(&service, &body).await, status, kind, field);
    }
    let mut neither = notice(&profile);
    neither.as_object_mut().unwrap().remove("author");
    is_refused(&send(&service, &neither).await, 400, "bad-request", "author");
    is_refused(&post_as(&service, BOT_KEY, "/v1/messages", "a", &notice(&profile)).await, 403, "forbidden", "author");
    assert_eq!(
        post_as(&service, BOT_KEY, "/v1/messages", "b", &neither).await.status,
        202,
        "it can only be automation"
    );
}

#[tokio::test]
async fn an_address_that_nobody_wrote_from_is_known_once_it_is_written_to() {
    let (service, _) = written_to().await;
    let body = json!({
        "to": {"identifier": {"scheme": "phone", "value": "+1 650 555 9999"}},
        "connection": "wa-eu", "account": "106540352242922",
        "parts": [{"template": {"name": "hello", "locale": "en"}}], "kind": "notice", "author": "automation",
    });
    let message = sent(&service, &body).await;
    let found = service.look_up("phone", "+16505559999").await.expect("it is known");
    assert_eq!(found["identifiers"][0]["value"], "+16505559999");
    let stored = service.data.table.intents(&id_of(&message).eid, None, 10).await.unwrap();
    assert_eq!(stored.items[0].draft.route.to.value, "+16505559999", "a number has one spelling");
}

#[tokio::test]
async fn a_bot_that_comes_too_late_is_refused_and_one_that_reads_first_is_not() {
    let (service, profile) = written_to().await;
    let endpoint = sent(&service, &notice(&profile)).await["conversation"]["endpoint"].as_str().unwrap().to_owned();
    let read = async || service.read(&format!("/v1/conversations/{endpoint}")).await;
    let before = read().await;
    assert_eq!((&before["holder"]["role"], &before["under_way"]), (&json!("nobody"), &Value::Null));
    let reply = |control: &Value| {
        json!({
            "to": {"conversation": {"endpoint": endpoint}}, "parts": [{"text": "Hello."}], "kind": "reply",
            "fence": control["fence"], "turn": control["turn"],
        })
    };
    let post = async |key: &str, body: &Value| post_as(&service, BOT_KEY, "/v1/messages", key, body).await;
    for missing in ["fence", "turn"] {
        let mut body = reply(&before);
        body.as_object_mut().unwrap().remove(missing);
        is_refused(&post("missing", &body).await, 400, "bad-request", missing);
    }

    let conversation = before["conversation"]["id"].as_str().unwrap();
    let taken = post_as(&service, API_KEY, &format!("/v1/conversations/{conversation}/take"), "", &Value::Null).await;
    assert_eq!((taken.status, &taken.json()["holder"]["role"]), (200, &json!("agent")), "{taken:?}");
    is_refused(&post("late", &reply(&before)).await, 409, "stale-control", "");
    is_refused(&post("knows", &reply(&read().await)).await, 409, "stale-control", "");
    let back = format!("/v1/conversations/{endpoint}/hand-back");
    is_refused(&post_as(&service, BOT_KEY, &back, "", &Value::Null).await, 403, "forbidden", "author");
    assert_eq!(post_as(&service, API_KEY, &back, "", &Value::Null).await.status, 200);

    let now = read().await;
    assert!(now["fence"] != before["fence"] && now["holder"]["role"] == "automation", "{now}");
    let answered = post("in time", &reply(&now)).await;
    assert_eq!(answered.status, 202, "{answered:?}");
    // Its worker starts it.
    let message = answered.json();
    let (of, id) = (conversation_of(&message), id_of(&message));
    let intent = service.data.table.intent(&id.eid, &id.intent).await.unwrap().unwrap();
    let lock = service.data.table.lock(&of).await.unwrap();
    let ask = Ask::of(&intent, service.data.table.draw_token(), NOW);
    assert!(matches!(service.data.table.put_marker(&of, &lock, &ask).await.unwrap(), Marked::Won(_)));
    let under_way = read().await;
    assert_eq!(under_way["under_way"]["message"], message["id"], "{under_way}");
    is_refused(&post("second", &reply(&now)).await, 409, "stale-turn", "");
    assert_eq!(
        post("in time", &reply(&now)).await.json()["id"],
        message["id"],
        "the same request does not answer twice"
    );
    let cancel = format!("/v1/messages/{}/cancel", message["id"].as_str().unwrap());
    let refused = post_as(&service, API_KEY, &cancel, "", &Value::Null).await;
    is_refused(&refused, 409, "wrong-state", "");
    assert_eq!(refused.json()["state"], "pending");
    // It has its answer. The marker stays until its deadline, and nothing is on its way.
    service.data.table.change_intent(&intent, |intent| intent.confirmed(0, "p-1")).await.unwrap();
    assert_eq!(read().await["under_way"], Value::Null);

    service.settle().await;
    let events = service.timeline(&json!({"id": profile}), 10).await;
    let controls: Vec<&Value> = events.iter().filter(|one| one["type"] == "rapport.control.v1").collect();
    assert_eq!(controls.len(), 2, "{controls:?}");
    assert_eq!(
        service.data.table.lock(&of).await.unwrap().fence.to_string(),
        now["fence"],
        "the fold moves it no second time"
    );
}

#[tokio::test]
async fn an_agents_reply_takes_the_conversation() {
    let (service, profile) = written_to().await;
    let mut reply = notice(&profile);
    reply["kind"] = json!("reply");
    let message = sent(&service, &reply).await;
    let lock = service.data.table.lock(&conversation_of(&message)).await.unwrap();
    assert_eq!(lock.holder, Holder::Agent(Some("test".into())));
    assert_eq!(lock.moved.len(), 1);
    let location = format!("/v1/messages/{}", message["id"].as_str().unwrap());
    let cancelled = post_as(&service, API_KEY, &format!("{location}/cancel"), "", &Value::Null).await;
    assert_eq!((cancelled.status, &cancelled.json()["state"]), (200, &json!("cancelled")));
    let twice = post_as(&service, API_KEY, &format!("{location}/cancel"), "", &Value::Null).await;
    assert_eq!((twice.status, twice.json()), (200, cancelled.json()));
    let again = post_as(&service, API_KEY, &format!("{location}/resend"), "", &Value::Null).await;
    is_refused(&again, 409, "wrong-state", "");
    assert_eq!(again.json()["state"], "cancelled");
}

#[tokio::test]
async fn an_unknown_message_is_sent_again_once_and_only_by_an_agent() {
    let (service, profile) = written_to().await;
    let message = sent(&service, &notice(&profile)).await;
    let id = id_of(&message);
    let stored = service.data.table.intent(&id.eid, &id.intent).await.unwrap().unwrap();
    let started = Started { at: NOW, answers: None };
    let changed =
        service.data.table.change_intent(&stored, |intent| intent.undetermined(0, started.clone(), ("timeout", None)));
    assert!(matches!(changed.await.unwrap(), Changed::Done(_)));
    let location = format!("/v1/messages/{}", message["id"].as_str().unwrap());
    let unknown = service.read(&location).await;
    assert_eq!((&unknown["state"], &unknown["why"]["kind"]), (&json!("unknown"), &json!("timeout")));
    assert!(unknown["fix"].as_str().unwrap().contains("/resend"), "{unknown}");

    let resend = format!("{location}/resend");
    is_refused(&post_as(&service, BOT_KEY, &resend, "", &Value::Null).await, 403, "forbidden", "author");
    let new = post_as(&service, API_KEY, &resend, "", &Value::Null).await;
    assert_eq!((new.status, &new.json()["state"], &new.json()["resends"]), (202, &json!("pending"), &message["id"]));
    let twice = post_as(&service, API_KEY, &resend, "", &Value::Null).await;
    assert_eq!(twice.json()["id"], new.json()["id"], "two clicks are one message");
    assert_eq!(service.read(&location).await["resent_by"], new.json()["id"]);
}

#[tokio::test]
async fn nothing_is_sent_to_an_address_that_is_erased() {
    let (service, profile) = written_to().await;
    let message = sent(&service, &notice(&profile)).await;
    let erasure = json!({"identifier": {"scheme": "phone", "value": ADA}});
    let erased = service.post("/v1/erasures", &erasure).await;
    assert!(matches!(erased.status, 200..=202), "{erased:?}");
    let body = json!({
        "to": {"identifier": {"scheme": "phone", "value": ADA}}, "connection": "wa-eu", "account": message["account"],
        "parts": [{"text": "Come back!"}], "kind": "notice", "author": "agent",
    });
    is_refused(&send(&service, &body).await, 409, "erased", "to");
    assert!(service.look_up("phone", ADA).await.is_none(), "nobody is back");
    let gone = service.get(&format!("/v1/messages/{}", message["id"].as_str().unwrap())).await;
    assert_eq!(gone.status, 404, "{gone:?}");
}

/// Starts a message as its worker would.
pub(super) async fn start(service: &Service, message: &Value) -> Marker {
    let (of, id) = (conversation_of(message), id_of(message));
    let table = &service.data.table;
    let intent = table.intent(&id.eid, &id.intent).await.unwrap().unwrap();
    let mut ask = Ask::of(&intent, table.draw_token(), NOW);
    let newest = table.newest_events(&id.eid, std::ops::Bound::Unbounded, 1).await.unwrap();
    ask.started = Started { at: NOW, answers: newest.first().map(|newest| newest.key.clone()) };
    let lock = table.lock(&of).await.unwrap();
    match table.put_marker(&of, &lock, &ask).await.unwrap() {
        Marked::Won(marker) => marker,
        other => panic!("{other:?}"),
    }
}

/// Puts the event of a message that has left, and records it, as its worker would.
async fn record(service: &Service, message: &Value, marker: &Marker) {
    let (id, table) = (id_of(message), &service.data.table);
    let intent = table.intent(&id.eid, &id.intent).await.unwrap().unwrap();
    let made = sent::event(&intent, 0..1, Some("p-1"), &marker.started, table.tenant_key());
    let (key, event) = made.unwrap();
    let (eid, connection) = (id.eid.clone(), "shop".to_owned());
    let new = NewEvent { eid, key, event, connection, connector_digest: String::new(), received_at: NOW };
    table.put_sent(new, &intent.origin(0, &marker.started)).await.unwrap();
    table.change_intent(&intent, |intent| intent.confirmed(0, "p-1")).await.unwrap();
}

#[tokio::test]
async fn the_timeline_shows_a_message_once_whichever_word_comes_first() {
    for echo_comes_first in [true, false] {
        let service = Service::start([hostile("shop", json!({"by-body": true}))]).await;
        let said = |id: &str, more: Value| {
            let mut body =
                json!({"behaviour": "good", "id": id, "at": NOW - 5_000, "from": "someone", "text": "hello"});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            body
        };
        assert_eq!(service.deliver_to("shop", &said("m-1", json!({}))).await.status, 200);
        service.settle().await;
        let before = service.look_up("hostile", "someone").await.unwrap();
        assert!(before["channels"][0]["waiting_since"].is_string(), "{before}");
        let body = json!({
            "to": {"profile": before["id"]}, "parts": [{"text": "Hello Ada."}], "kind": "reply", "author": "agent",
        });
        let message = sent(&service, &body).await;
        let marker = start(&service, &message).await;
        let id = id_of(&message);
        let intent = service.data.table.intent(&id.eid, &id.intent).await.unwrap().unwrap();
        let reference = intent.reference(0).write(service.data.table.tenant_key());
        let echo = said("p-1", json!({"author": "agent", "reference": reference, "at": NOW}));
        if !echo_comes_first {
            record(&service, &message, &marker).await;
        }
        assert_eq!(service.deliver_to("shop", &echo).await.status, 200);
        service.settle().await;
        let location = format!("/v1/messages/{}", message["id"].as_str().unwrap());
        let now = service.read(&location).await;
        assert_eq!((&now["state"], &now["accepted"]), (&json!("sent"), &json!([{"part": 0, "id": "p-1"}])), "{now}");
        record(&service, &message, &marker).await;
        service.settle().await;

        let events = service.timeline(&before, 10).await;
        let ours: Vec<&Value> = events.iter().filter(|event| event["data"]["message"]["author"] == "agent").collect();
        let [one] = ours[..] else { panic!("once: {events:?}") };
        let expected = json!({
            "message": message["id"], "part": 0, "by": "test", "purpose": "service", "kind": "reply",
            "answers": events.last().unwrap()["sequence"],
        });
        assert_eq!((&one["sent"], &one["deliverystate"]), (&expected, &json!("sent")), "{one}");
        let after = service.look_up("hostile", "someone").await.unwrap();
        assert_eq!(after["channels"][0]["waiting_since"], Value::Null, "{after}");
        let lock = service.data.table.lock(&conversation_of(&message)).await.unwrap();
        assert_eq!(lock.moved.len(), 1, "our own echo takes nothing: {lock:?}");
    }
}

#[tokio::test]
async fn an_erasure_is_running_while_a_message_is_under_way_and_then_nothing_is_left() {
    let service = Service::start([hostile("shop", json!({"by-body": true}))]).await;
    let said = |id: &str, more: Value| {
        let mut body = json!({"behaviour": "good", "id": id, "at": NOW - 5_000, "from": "someone", "text": "hello"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    for body in
        [said("m-1", json!({})), said("c-1", json!({"behaviour": "stop", "when": "after", "purpose": "marketing"}))]
    {
        assert_eq!(service.deliver_to("shop", &body).await.status, 200);
    }
    service.settle().await;
    let profile = service.look_up("hostile", "someone").await.unwrap();
    let body =
        json!({"to": {"profile": profile["id"]}, "parts": [{"text": "Hello."}], "kind": "notice", "author": "agent"});
    let message = sent(&service, &body).await;
    let marker = start(&service, &message).await;
    let (of, id) = (conversation_of(&message), id_of(&message));
    let intent = service.data.table.intent(&id.eid, &id.intent).await.unwrap().unwrap();
    let reference = intent.reference(0).write(service.data.table.tenant_key());

    let erasure = json!({"identifier": {"scheme": "hostile", "value": "someone"}});
    let running = service.post("/v1/erasures", &erasure).await;
    assert_eq!((running.status, &running.json()["state"]), (202, &json!("running")), "{running:?}");
    let location = running.header("location").unwrap().to_owned();
    assert_eq!(service.post(&location, &json!({})).await.status, 202, "it is still under way");
    record(&service, &message, &marker).await;
    service.data.table.release_marker(&of, &marker.token, true).await.unwrap();
    let done = service.post(&location, &json!({})).await;
    assert_eq!((done.status, &done.json()["state"]), (200, &json!("completed")), "{done:?}");

    let late = said("p-1", json!({"author": "agent", "reference": reference, "at": NOW}));
    assert_eq!(service.deliver_to("shop", &late).await.status, 200);
    service.settle().await;
    assert!(service.look_up("hostile", "someone").await.is_none(), "a late report brings nobody back");
    assert!(service.data.table.intents(&id.eid, None, 10).await.unwrap().items.is_empty());
    let events = service.data.table.newest_events(&id.eid, std::ops::Bound::Unbounded, 10).await.unwrap();
    assert!(events.is_empty(), "{events:?}");
    let lock = service.data.table.lock(&of).await.unwrap();
    assert!(lock.is_stopped("marketing"), "the opt-out survives: {lock:?}");
}
