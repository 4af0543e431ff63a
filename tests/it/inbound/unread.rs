//! Elements of a webhook that its connector could not read: their siblings are stored, and the webhook is parked besides.

use rapport_inbound::replay::Replayed;
use rapport_model::event::{
    Attestation, Body, Contact, Covered, Delivery, DeliveryState, Event, Identifier, ProviderError,
};
use serde_json::{Value, json};

use crate::support::{Data, Service, fixture, fold_all, hostile, new_event, wa_eu};

fn item(id: Option<&str>, n: u64) -> Value {
    let mut item = json!({"at": 1_790_668_800_000u64 + n, "from": "someone", "text": format!("text {n}")});
    if let Some(id) = id {
        item["id"] = id.into();
    }
    item
}

fn shop() -> rapport_connections::Connection {
    hostile("shop", json!({"by-body": true}))
}

async fn ids(service: &Service) -> Vec<Value> {
    let Some(profile) = service.look_up("hostile", "someone").await else { return Vec::new() };
    service.timeline(&profile, 50).await.into_iter().map(|event| event["id"].clone()).collect()
}

#[tokio::test]
async fn good_siblings_are_stored_and_the_webhook_is_parked_besides_once() {
    let service = Service::start([shop()]).await;
    let items = [item(Some("m-1"), 1), item(None, 2), item(Some("m-3"), 3)];
    let body = json!({"behaviour": "partly", "when": "after", "items": items});
    for _ in 0..3 {
        assert_eq!(service.deliver_to("shop", &body).await.status, 200);
    }
    service.settle().await;
    assert_eq!(ids(&service).await, ["m-3", "m-1"]);
    let parked = service.data.table.parked("shop").await.unwrap();
    assert_eq!(parked.len(), 1, "a redelivery is not a second copy");
    assert_eq!(parked[0].reason, "unread");
    assert!(parked[0].detail.starts_with(r"items[1]: it has no `id`\nxxx"), "{}", parked[0].detail);
    assert_eq!(parked[0].webhook.as_ref().unwrap().body, body.to_string().as_bytes());
}

#[tokio::test]
async fn a_webhook_of_which_nothing_could_be_read_is_parked_and_its_answer_goes_out() {
    let service = Service::start([shop()]).await;
    let body = |behaviour: &str| json!({"behaviour": behaviour, "when": "after", "items": [item(None, 1), 7]});
    assert_eq!(service.deliver_to("shop", &body("partly")).await.status, 200);
    let answer = service.deliver_to("shop", &body("unread-with-answer")).await;
    assert_eq!((answer.status, answer.body.as_slice()), (200, b"taken".as_slice()));
    let parked = service.data.table.parked("shop").await.unwrap();
    assert_eq!(parked.iter().map(|parked| parked.reason.as_str()).collect::<Vec<_>>(), ["unread"; 2]);
    assert!(service.look_up("hostile", "someone").await.is_none());
}

#[tokio::test]
async fn nothing_is_parked_for_a_connector_that_had_not_verified() {
    let service = Service::start([shop()]).await;
    let before = service.data.items().await;
    for behaviour in ["partly", "unread-with-answer"] {
        let body = json!({"behaviour": behaviour, "items": [item(None, 1)]});
        assert_eq!(service.deliver_to("shop", &body).await.status, 500);
    }
    assert_eq!(service.data.items().await, before);
}

#[tokio::test]
async fn a_replay_leaves_it_parked_until_all_of_it_is_read() {
    let partly = hostile("shop", json!({"behaviour": "partly", "when": "after"}));
    let service = Service::start([partly]).await;
    let mut body = item(Some("m-0"), 0);
    body["items"] = json!([item(Some("m-1"), 1), item(None, 2)]);
    assert_eq!(service.deliver_to("shop", &body).await.status, 200);
    let parked = service.data.table.parked("shop").await.unwrap();
    let replayed = service.gateway.replay(&parked[0].id).await.unwrap();
    assert!(matches!(&replayed, Replayed::StillParked { reason, .. } if reason == "unread"), "{replayed:?}");
    assert_eq!(service.data.table.parked("shop").await.unwrap(), parked, "it stays as it was");
    service.settle().await;
    assert_eq!(ids(&service).await, ["m-1"], "its event was there already");

    // The next version of the connector reads all of it.
    let fixed = Service::over(service.data.clone(), [hostile("shop", json!({}))]).await;
    let replayed = fixed.gateway.replay(&parked[0].id).await.unwrap();
    assert_eq!(replayed, Replayed::Stored { events: 1 });
    assert_eq!(fixed.data.table.parked("shop").await.unwrap(), []);
}

#[tokio::test]
async fn what_a_connector_says_of_it_is_bounded() {
    let service = Service::start([shop()]).await;
    let body = json!({"behaviour": "partly", "when": "after", "copies": 1_000, "items": [item(Some("m-1"), 1), 7]});
    assert_eq!(service.deliver_to("shop", &body).await.status, 200);
    let parked = service.data.table.parked("shop").await.unwrap();
    let detail = &parked[0].detail;
    assert!(detail.len() < 5 * 1_024 && !detail.contains('\n'), "{}", detail.len());
    assert!(detail.ends_with("; …"), "{detail}");
}

#[tokio::test]
async fn an_event_without_a_place_is_told_beside_what_could_not_be_read() {
    let service = Service::start([shop()]).await;
    let items = [item(Some("m-1"), 1), item(Some(""), 2), item(None, 3)];
    let body = json!({"behaviour": "partly", "when": "after", "items": items});
    assert_eq!(service.deliver_to("shop", &body).await.status, 200);
    service.settle().await;
    assert_eq!(ids(&service).await, ["m-1"]);
    let parked = service.data.table.parked("shop").await.unwrap();
    assert_eq!((parked.len(), parked[0].reason.as_str()), (1, "unread"));
    assert!(parked[0].detail.ends_with("; event 1: `id` is empty"), "{}", parked[0].detail);
}

/// A number that refuses everything: of the address, not of one message, whatever order the reports come in.
#[tokio::test]
async fn what_is_reported_of_an_address_is_in_the_profile_exported_and_erased() {
    let data = Data::new().await;
    let mut stream = data.stream().await;
    let word = |id: &str, at: u64, state: DeliveryState| {
        let identifier = Identifier {
            scheme: "email".into(),
            scope: None,
            value: "ada@bounce.example".into(),
            attestation: Attestation::Provider,
        };
        let contact = Contact { identifiers: vec![identifier], ..Contact::default() };
        let body = Body::Delivery(Delivery::new(Covered::Address, state));
        let (id, account) = (id.to_owned(), "shop.example".to_owned());
        new_event(&data.table, Event { id, at, account, contact, body, extensions: Default::default() })
    };
    let failed = |code: &str| {
        let (code, title) = (code.to_owned(), "Not delivering to a previously bounced address".to_owned());
        DeliveryState::Failed(ProviderError { code, title, detail: None, retryable: false })
    };
    for event in [
        word("b-3", 3_000, failed("605")),
        word("b-1", 1_000, failed("550")),
        word("b-2", 2_000, DeliveryState::Delivered),
    ] {
        data.put(event).await;
        fold_all(&data.table, &mut stream).await;
    }
    let service = Service::over(data, []).await;
    let profile = service.look_up("email", "ada@bounce.example").await.unwrap();
    let reach = &profile["identifiers"][0]["reachability"];
    assert_eq!((&reach["state"], &reach["failure"]["code"]), (&json!("failed"), &json!("605")), "{reach}");
    assert_eq!((&reach["at"], &reach["account"]), (&json!("1970-01-01T00:00:03Z"), &json!("shop.example")));

    let id = profile["id"].as_str().unwrap();
    let export = service.read(&format!("/v1/profiles/{id}/export")).await;
    assert_eq!(&export["profile"]["identifiers"][0]["reachability"], reach);

    let identifier = json!({"identifier": {"scheme": "email", "value": "ada@bounce.example"}});
    let erased = service.post("/v1/erasures", &identifier).await;
    assert_eq!(erased.status, 200, "{erased:?}");
    assert_eq!(erased.json()["removed"]["reachability"], 1, "{erased:?}");
    let left = service.data.items().await;
    assert!(!left.iter().any(|item| item["sk"].as_s().unwrap().starts_with("D#")));
}
/// Through a connector of the house: one element of a batch of Meta's is garbage.
#[tokio::test]
async fn one_garbled_message_of_a_batch_costs_only_itself() {
    let service = Service::start([wa_eu()]).await;
    let mut body: Value = serde_json::from_slice(&fixture("text").webhook.body).unwrap();
    let messages = body["entry"][0]["changes"][0]["value"]["messages"].as_array_mut().unwrap();
    messages.insert(0, json!({"timestamp": "1790668800", "type": "text"}));
    messages.push(json!(["garbage"]));
    for _ in 0..2 {
        assert_eq!(service.deliver(body.to_string().as_bytes()).await.status, 200);
    }
    service.settle().await;
    let profile = service.look_up("whatsapp", "16505551234").await.unwrap();
    assert_eq!(service.timeline(&profile, 50).await.len(), 1);
    let parked = service.data.table.parked("wa-eu").await.unwrap();
    assert_eq!((parked.len(), parked[0].reason.as_str()), (1, "unread"));
    assert_eq!(
        parked[0].detail,
        "entry[0].changes[0].messages[0]: it has no `id`; entry[0].changes[0].messages[2]: it is not an object"
    );
}
