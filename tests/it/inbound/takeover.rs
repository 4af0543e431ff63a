//! Somebody who answers in the provider's inbox takes the conversation, and a word that stops messages stops them, before the
//! provider is answered. Our own echo does neither.

use rapport_model::EndpointKey;
use rapport_model::event::ConsentState;
use rapport_model::sending::IntentId;
use rapport_model::sending::lock::{Holder, Lock};
use rapport_model::sending::reference::Reference;
use rapport_store::outbox::intents::Conversation;
use serde_json::{Value, json};

use crate::support::{NOW, Service, hostile};

async fn shop() -> Service {
    Service::start([hostile("shop", json!({"by-body": true}))]).await
}

fn conversation(service: &Service) -> Conversation {
    let key = EndpointKey { scheme: "hostile".into(), scope: None, value: "someone".into() };
    Conversation { eid: service.data.table.eid(&key), account: "hostile".into() }
}

async fn lock(service: &Service) -> Lock {
    service.data.table.lock(&conversation(service)).await.unwrap()
}

fn said(id: &str, more: Value) -> Value {
    let mut body = json!({"behaviour": "good", "id": id, "at": NOW - 5_000, "from": "someone", "text": "hello"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

async fn deliver(service: &Service, body: &Value) {
    let answer = service.deliver_to("shop", body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn a_foreign_message_takes_the_conversation_once_before_it_is_answered() {
    let service = shop().await;
    deliver(&service, &said("m-1", json!({}))).await;
    assert_eq!(lock(&service).await, Lock::default(), "a customer's message writes no lock");
    deliver(&service, &said("m-2", json!({"author": "agent"}))).await;
    let taken = lock(&service).await;
    assert_eq!(taken.holder, Holder::Agent(None));
    deliver(&service, &said("m-2", json!({"author": "agent"}))).await;
    service.settle().await;
    assert_eq!(lock(&service).await, taken, "neither a redelivery nor the fold moves it again");
    let history = json!({"author": "agent", "at": NOW - 30 * 3_600_000});
    deliver(&service, &said("m-0", history)).await;
    service.settle().await;
    assert_eq!(lock(&service).await, taken, "a history says nothing of who answers now");
}

#[tokio::test]
async fn our_own_echo_is_a_report_and_takes_nothing() {
    let service = shop().await;
    deliver(&service, &said("m-1", json!({}))).await;
    let eid = conversation(&service).eid;
    let intent = IntentId::new(NOW, 7).unwrap();
    let ours = Reference { eid, intent, part: 0 }.write(service.data.table.tenant_key());
    deliver(&service, &said("m-2", json!({"author": "agent", "reference": ours}))).await;
    assert_eq!(lock(&service).await, Lock::default());
    service.settle().await;
    let profile = service.look_up("hostile", "someone").await.unwrap();
    let events = service.timeline(&profile, 10).await;
    let report = events.iter().find(|event| event["type"] == "rapport.delivery.v1").expect("a report");
    let data = &report["data"]["delivery"];
    assert_eq!(
        (&data["covers"], &data["state"], &data["reference"]),
        (&json!({"message": "m-2"}), &json!("sent"), &json!(ours))
    );
    let messages = events.iter().filter(|event| event["type"] == "rapport.message.v1").count();
    assert_eq!(messages, 1, "the customer's: {events:?}");

    let forged = ours.replace("r1", "r2");
    deliver(&service, &said("m-3", json!({"author": "agent", "reference": forged}))).await;
    assert_eq!(lock(&service).await.holder, Holder::Agent(None), "a reference that nobody of us made");
}

#[tokio::test]
async fn a_word_that_stops_messages_stops_them_before_it_is_answered() {
    let service = shop().await;
    deliver(&service, &said("c-1", json!({"behaviour": "stop", "when": "after", "purpose": "marketing"}))).await;
    let stopped = lock(&service).await;
    assert!(stopped.is_stopped("marketing") && !stopped.is_stopped("service"), "{stopped:?}");
    assert_eq!(stopped.words["marketing"].state, ConsentState::Withdrawn);
    service.settle().await;
    assert_eq!(lock(&service).await, stopped);
}
