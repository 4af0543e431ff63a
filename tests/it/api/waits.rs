//! Why a message has not left: a support person reads it, an operator mends it.

use std::sync::Arc;

use rapport_api::Api;
use rapport_store::objects::Objects;
use serde_json::{Value, json};

use super::sending::{conversation_of, notice, send, sent, start, written_to};
use crate::support::{Data, Gateway, NOW, Service, Text, gateway_of, usual_keys, wa_eu};

async fn why(service: &Service, message: &Value) -> (String, Value) {
    let read = service.read(&format!("/v1/messages/{}", message["id"].as_str().unwrap())).await;
    assert_eq!(read["state"], "pending", "{read}");
    (read["why"]["kind"].as_str().unwrap_or_default().to_owned(), read)
}

/// Two messages that are due at once: which one goes first is in their ids.
async fn two_in_order(service: &Service, profile: &Value) -> (Value, Value) {
    let mut two = [sent(service, &notice(profile)).await, sent(service, &notice(profile)).await];
    two.sort_by_key(|message| message["id"].as_str().unwrap().to_owned());
    two.into()
}

/// What nobody would send is not promised, and leaves nothing behind.
#[tokio::test]
async fn where_nobody_sends_a_message_is_refused_before_anything_is_stored() {
    let data = Data::new().await;
    let gateway = gateway_of(data.table.clone(), [wa_eu()], Objects::default(), (usual_keys(), || NOW));
    let Gateway { inbound, api } = Arc::into_inner(gateway).unwrap();
    let api = Api { senders: [].into(), ..Arc::into_inner(api).unwrap() };
    let service = Service::of(Arc::new(Gateway { inbound, api: Arc::new(api) }), Arc::clone(&data)).await;
    service.deliver(&Text::new("16505551234", 1).webhook()).await;
    service.settle().await;
    let profile = service.look_up("phone", "+16505551234").await.unwrap()["id"].clone();
    let kinds = |items: Vec<crate::support::table::Item>| {
        let is_of_sending = |item: &crate::support::table::Item| {
            let (pk, sk) = (crate::support::table::text(item, "pk"), crate::support::table::text(item, "sk"));
            pk.contains("#I#")
                || pk.contains("#W#")
                || pk.contains("#R#")
                || sk.starts_with("O#")
                || sk.starts_with("Y#")
        };
        items.iter().filter(|item| is_of_sending(item)).count()
    };
    let answer = send(&service, &notice(&profile)).await;
    assert_eq!(answer.status, 409, "{answer:?}");
    let problem = answer.json();
    assert!(problem["detail"].as_str().unwrap().contains("fix: "), "{problem}");
    assert_eq!(kinds(data.items().await), 0, "neither a claim nor a message nor a lock");

    // A connection that is not among those that send is refused too, although others send.
    let (service, profile) = written_to().await;
    let mut body = notice(&profile);
    body["connection"] = json!("reads-only");
    let answer = send(&service, &body).await;
    assert!(matches!(answer.status, 400 | 409), "{answer:?}");
    assert_eq!(kinds(service.data.items().await), 0, "neither a claim nor a message nor a lock");
}

#[tokio::test]
async fn a_message_says_what_it_waits_for() {
    let (service, profile) = written_to().await;
    let table = &service.data.table;
    let (first, second) = two_in_order(&service, &profile).await;
    assert_eq!(why(&service, &first).await.0, "");
    let (kind, read) = why(&service, &second).await;
    assert_eq!(kind, "turn", "{read}");
    assert!(read["why"]["detail"].as_str().unwrap().contains(first["id"].as_str().unwrap()), "{read}");

    let of = conversation_of(&first);
    table.hold_pair(&of, NOW + 6_000).await.unwrap();
    assert_eq!(why(&service, &first).await.0, "pair-rate");
    table.pause(("wa-eu", "send"), NOW + 30_000, NOW).await.unwrap();
    assert_eq!(why(&service, &first).await.0, "connection-limited");
    table.refuse_account("wa-eu", NOW + 600_000, NOW).await.unwrap();
    let (kind, read) = why(&service, &first).await;
    assert_eq!(kind, "connection-paused", "{read}");
    assert!(read["fix"].as_str().unwrap().contains("POST /v1/connections/wa-eu/resume"), "{read}");

    let mut later = notice(&profile);
    later["not_before"] = json!("2030-01-01T00:00:00Z");
    let answer = send(&service, &later).await;
    assert_eq!(answer.status, 400, "{answer:?}");
}

#[tokio::test]
async fn a_message_whose_request_is_under_way_says_so_and_the_next_one_waits_for_it() {
    let (service, profile) = written_to().await;
    let (first, second) = two_in_order(&service, &profile).await;
    start(&service, &first).await;
    assert_eq!(why(&service, &first).await.0, "under-way");
    assert_eq!(why(&service, &second).await.0, "turn");
}

#[tokio::test]
async fn a_paused_connection_is_shown_and_resumed_by_an_operator_and_the_audit_knows() {
    let (service, _) = written_to().await;
    let table = &service.data.table;
    let connection = service.read("/v1/connections/wa-eu").await;
    assert_eq!((&connection["state"], &connection["since"]), (&json!("sends"), &Value::Null), "{connection}");
    table.refuse_account("wa-eu", NOW + 600_000, NOW - 1).await.unwrap();
    let connection = service.read("/v1/connections/wa-eu").await;
    assert_eq!(connection["state"], "paused", "{connection}");
    assert!(connection["fix"].as_str().unwrap().contains("/resume"), "{connection}");
    let resumed = service.post("/v1/connections/wa-eu/resume", &Value::Null).await;
    assert_eq!((resumed.status, resumed.json()["state"].clone()), (200, json!("sends")), "{resumed:?}");
    assert_eq!(table.connection_standing("wa-eu", NOW).await.unwrap().resumed_at, NOW);
    let again = service.post("/v1/connections/wa-eu/resume", &Value::Null).await;
    assert_eq!(again.status, 200, "{again:?}");
    assert_eq!(service.post("/v1/connections/nobody/resume", &Value::Null).await.status, 404);
    let audit = service.read("/v1/audit").await;
    assert!(
        audit.to_string().contains("post-connections-name-resume") && audit.to_string().contains("wa-eu"),
        "{audit}"
    );
}
