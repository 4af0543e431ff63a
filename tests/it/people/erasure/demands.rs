//! A provider that demands an erasure erases what its own connection said, and nobody else's words.

use rapport_model::event::{Attestation, Body};
use rapport_store::events::NewEvent;
use serde_json::{Value, json};

use super::{ADA, said, traces};
use crate::support::{NOW, Service, wa_eu};

const HELP_DESK: &[(&str, &str)] = &[("desk.user", "user-4711")];

/// A clean-up of the help desk's users, one of whom an agent has linked with somebody who writes on another channel.
#[tokio::test]
async fn a_user_who_is_deleted_at_the_help_desk_keeps_what_was_said_elsewhere() {
    let service = Service::start([wa_eu()]).await;
    let table = &service.data.table;
    let desk = |id: &str, at: u64| NewEvent { connection: "desk".into(), ..said(table, id, at, HELP_DESK, "a ticket") };
    service.data.put(said(table, "1", NOW - 50, ADA, "an engine")).await;
    service.data.put(desk("2", NOW - 40)).await;
    service.settle().await;
    let link = json!({
        "a": {"scheme": "desk.user", "value": "user-4711"},
        "b": {"scheme": "whatsapp", "value": "16505551234"},
        "reason": "she said so",
    });
    assert_eq!(service.post("/v1/links", &link).await.status, 201);

    let mut erased = desk("3", NOW - 30);
    erased.event.body = Body::ContactErased;
    service.data.put(erased).await;
    service.settle().await;
    let profile = service.look_up("whatsapp", "16505551234").await.expect("she is still there");
    let ids = ids(&service, &profile).await;
    assert_eq!(ids, ["1"], "what the help desk said is gone, and nothing else");
    assert_eq!(traces(&service.data, &["ticket"]).await, [] as [String; 0]);

    // Its events, delivered again, stay gone; what it says of a new matter is new.
    service.data.put(desk("2", NOW - 40)).await;
    service.data.put(desk("4", NOW - 20)).await;
    service.settle().await;
    assert_eq!(self::ids(&service, &profile).await, ["4", "1"]);

    let demands = service.read("/v1/erasure-demands").await;
    let [demand] = demands["items"].as_array().unwrap().as_slice() else { panic!("{demands:#}") };
    assert_eq!((&demand["connection"], &demand["attestation"]), (&json!("desk"), &json!("provider")));
    let accept = format!("/v1/erasure-demands/{}/accept", demand["id"].as_str().unwrap());
    let receipt = service.post(&accept, &json!({"by": "agent 7", "reason": "she asked, too"})).await.json();
    assert_eq!(receipt["state"], "completed", "{receipt:#}");
    assert_eq!(service.look_up("whatsapp", "16505551234").await, None);
    assert_eq!(service.read("/v1/erasure-demands").await["items"], json!([]));
}

/// A shop forgets a user who had signed up with somebody else's address: the victim keeps everything that others said.
#[tokio::test]
async fn who_signs_up_with_a_victims_address_and_leaves_takes_nothing_of_the_victim_along() {
    let service = Service::start([wa_eu()]).await;
    let table = &service.data.table;
    let victim: &[(&str, &str)] = &[("email", "victim@example.org"), ("phone", "+16505551234")];
    service.data.put(said(table, "1", NOW - 50, victim, "my letter")).await;
    let shop = |id: &str, at: u64, body: Option<Body>| {
        let mut new = said(table, id, at, &victim[..1], "I signed up");
        new.event.contact.identifiers[0].attestation = Attestation::Imported;
        new.event.contact.traits.insert("shop.level".into(), json!("gold"));
        new.event.body = body.unwrap_or(new.event.body);
        NewEvent { connection: "shop".into(), ..new }
    };
    service.data.put(shop("2", NOW - 40, None)).await;
    service.data.put(shop("3", NOW - 30, Some(Body::ContactErased))).await;
    service.settle().await;
    let profile = service.look_up("email", "victim@example.org").await.expect("the victim is still there");
    assert_eq!(ids(&service, &profile).await, ["1"]);
    assert!(service.look_up("phone", "+16505551234").await.is_some());
    assert_eq!(profile["identifiers"].as_array().unwrap().len(), 2, "{profile:#}");
    assert!(profile["traits"].get("shop.level").is_none(), "{profile:#}");
    assert_eq!(profile["counters"]["messages_received"], 1);
}

/// Of somebody of whom nothing else is known, nothing is left, and nothing waits.
#[tokio::test]
async fn of_whom_only_the_connection_spoke_nothing_is_left() {
    let service = Service::start([wa_eu()]).await;
    let table = &service.data.table;
    service.data.put(said(table, "1", NOW - 50, &ADA[..1], "an engine")).await;
    service.settle().await;
    let mut erased = said(table, "2", NOW - 40, &ADA[..1], "");
    erased.event.body = Body::ContactErased;
    service.data.put(erased).await;
    service.settle().await;
    assert_eq!(service.look_up("whatsapp", "16505551234").await, None);
    assert_eq!(traces(&service.data, &["16505551234", "engine"]).await, [] as [String; 0]);
    assert_eq!(service.read("/v1/erasure-demands").await["items"], json!([]));
}

async fn ids(service: &Service, profile: &Value) -> Vec<String> {
    let timeline = service.timeline(profile, 10).await;
    timeline.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}
