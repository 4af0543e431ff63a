//! Webhooks that nobody could read: what is certainly the person's goes, what may be is listed, what is others' stays.

use rapport_model::event::Attestation;
use rapport_store::parked::NewParked;
use rapport_store::{RawWebhook, Table};
use serde_json::{Value, json};

use super::{ADA, BOB, identifier, said};
use crate::support::{NOW, Service, wa_eu};

#[tokio::test]
async fn a_word_that_somebody_chose_as_an_identifier_deletes_nobodys_webhooks() {
    let service = Service::start([wa_eu()]).await;
    let table = &service.data.table;
    let body = r#"{"object": "page", "type": "notification", "id": "106540352242922", "time": 1764600, "from": "16505559999"}"#;
    park(table, "application/json", body).await;
    let all = service.gateway.table.parked("wa-eu").await.unwrap();
    for (n, word) in ["\"object\"", "object", "notification", "1764600", "106540352242922", "https:"].iter().enumerate()
    {
        let mut new = said(table, &format!("{n}"), NOW - 10, &[("user", word)], "forget me");
        new.event.contact.identifiers[0].attestation = Attestation::Customer;
        new.connection = "form".to_owned();
        service.data.put(new).await;
        service.settle().await;
        let request = json!({"identifier": {"scheme": "user", "value": word}});
        let receipt = service.post("/v1/erasures", &request).await.json();
        assert_eq!(receipt["state"], "completed", "{receipt:#}");
        assert_eq!(receipt["parked"], json!({"deleted": [], "undecided": [], "kept": [], "unnamed": 0}), "{word}");
    }
    assert_eq!(table.parked("wa-eu").await.unwrap(), all);
}

#[tokio::test]
async fn what_may_be_the_persons_waits_for_a_decision() {
    let service = Service::start([wa_eu()]).await;
    let table = &service.data.table;
    let mut new = said(table, "1", NOW - 10, ADA, "hello");
    new.event.contact.identifiers.push(identifier("email", "ada@example.org", Attestation::Provider));
    service.data.put(new).await;
    service.data.put(said(table, "2", NOW - 10, BOB, "hello")).await;
    service.settle().await;
    let certain = park(table, "application/json", r#"{"messages": [{"from": "16505551234"}]}"#).await;
    let shared = r#"{"messages": [{"from": "16505551234"}, {"from": "16505559999"}]}"#;
    let shared = park(table, "application/json", shared).await;
    let text = park(table, "application/json", r#"{"from": "16505559999", "text": "ask ada@example.org"}"#).await;
    let others = park(table, "application/json", r#"{"from": "16505559999", "text": "ask 116505551234"}"#).await;
    let broken = park(table, "application/json", "{\"from\": ").await;

    let request = json!({"identifier": {"scheme": "email", "value": "ada@example.org"}});
    let receipt = service.post("/v1/erasures", &request).await.json();
    assert_eq!((&receipt["state"], &receipt["removed"]["parked_webhooks"]), (&json!("completed"), &json!(1)));
    assert_eq!(receipt["parked"]["deleted"], json!([certain]));
    assert_eq!(sorted(&receipt["parked"]["undecided"]), sorted(&json!([shared, text])));
    assert_eq!(left(table).await, sorted(&json!([shared, text, others, broken])));

    let place = format!("/v1/erasures/{}/parked", receipt["id"].as_str().unwrap());
    let unknown = service.post(&place, &json!({"delete": [others]})).await;
    assert_eq!((unknown.status, &unknown.json()["field"]), (400, &json!("delete")), "{unknown:?}");
    let decided = service.post(&place, &json!({"delete": [text], "keep": [shared]})).await;
    assert_eq!(decided.status, 200, "{decided:?}");
    let parked = &decided.json()["parked"];
    assert_eq!((&parked["kept"], &parked["undecided"]), (&json!([shared]), &json!([])));
    assert_eq!(sorted(&parked["deleted"]), sorted(&json!([certain, text])));
    assert_eq!(left(table).await, sorted(&json!([shared, others, broken])));
    assert_eq!(service.post("/v1/erasures/x0/parked", &json!({})).await.status, 404);
}

/// What its connector read of a webhook says whose it is, if nothing else in it may be somebody else's.
#[tokio::test]
async fn what_a_connector_read_of_a_webhook_says_whose_it_is() {
    let service = Service::start([wa_eu()]).await;
    let table = &service.data.table;
    let ada = said(table, "1", NOW - 10, ADA, "hello");
    let bob = said(table, "2", NOW - 10, BOB, "hello");
    service.data.put(ada.clone()).await;
    service.settle().await;
    let park_of = async |owners: &[&rapport_store::events::NewEvent], body: &str| {
        let owners = owners.iter().map(|event| event.eid.clone()).collect();
        let id = table.park(NewParked { owners, ..new(table, "application/json", body) }).await.unwrap();
        id.to_string()
    };
    let hers = park_of(&[&ada], r#"{"sender": "16505551234", "unknown": 1}"#).await;
    let shared = park_of(&[&ada, &bob], r#"{"a": "16505551234", "b": "16505559999"}"#).await;
    let unnamed = park_of(&[&ada], r#"{"opaque": "abc"}"#).await;
    let his = park_of(&[&bob], r#"{"opaque": "def"}"#).await;
    let request = json!({"identifier": {"scheme": "whatsapp", "value": "16505551234"}});
    let receipt = service.post("/v1/erasures", &request).await.json();
    assert_eq!(receipt["parked"]["deleted"], json!([hers]), "{receipt:#}");
    assert_eq!(sorted(&receipt["parked"]["undecided"]), sorted(&json!([shared, unnamed])));
    assert_eq!(left(table).await, sorted(&json!([shared, unnamed, his])));
}

fn new(_: &Table, content_type: &str, body: &str) -> NewParked {
    NewParked {
        connection: "wa-eu".into(),
        received_at: NOW,
        reason: "trap",
        detail: String::new(),
        connector_digest: String::new(),
        owners: Default::default(),
        proven: Default::default(),
        webhook: RawWebhook {
            method: "POST".into(),
            url: "https://rapport.example/hooks/wa-eu".into(),
            headers: vec![("content-type".into(), content_type.into())],
            body: body.as_bytes().to_vec(),
        },
    }
}

async fn park(table: &Table, content_type: &str, body: &str) -> String {
    table.park(new(table, content_type, body)).await.unwrap().to_string()
}

async fn left(table: &Table) -> Vec<String> {
    let parked = table.parked("wa-eu").await.unwrap();
    sorted(&json!(parked.iter().map(|parked| parked.id.to_string()).collect::<Vec<_>>()))
}

fn sorted(list: &Value) -> Vec<String> {
    let mut all: Vec<String> = list.as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect();
    all.sort();
    all
}
