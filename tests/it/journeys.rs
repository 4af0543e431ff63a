//! A webhook's whole way: from a provider's request to a profile that somebody reads.

use std::net::SocketAddr;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rapport_inbound::replay::Replayed;
use rapport_model::ProfileId;
use rapport_sdk::testing::Connection;
use serde_json::{Value, json};

use crate::connectors::repository;
use crate::support::{
    Answer, Service, Text, all_at_once, app_secret, deliver, eventually, fixture, hostile, unsigned, wa_eu,
};

const ADA: &str = "16505551234";

#[tokio::test]
async fn a_signed_text_is_in_the_timeline_of_one_profile() {
    let service = Service::start([wa_eu()]).await;
    let answer = service.deliver(&fixture("text").webhook.body).await;
    assert_eq!((answer.status, answer.body.len()), (200, 0));

    let first_seen = eventually("the profile", async || service.look_up("whatsapp", ADA).await).await;
    service.settle().await;
    let profile = service.look_up("whatsapp", ADA).await.unwrap();
    assert_eq!(service.look_up("phone", "+1 (650) 555-1234").await.unwrap(), profile);
    // It may have gone into another one since: then that one is answered, and where it is.
    let by_first_id = service.get(&profile_path(&first_seen)).await;
    assert!([200, 301].contains(&by_first_id.status), "{by_first_id:?}");
    assert_eq!(by_first_id.json(), profile, "an id that was given once is good for ever");

    let id = profile["id"].as_str().unwrap();
    insta::assert_snapshot!("text_profile", pretty(&service.read(&format!("/v1/profiles/{id}")).await));
    insta::assert_snapshot!("text_timeline", pretty(&service.read(&format!("/v1/profiles/{id}/timeline")).await));
    insta::assert_snapshot!("text_table", service.data.readable().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_webhook_a_hundred_times_at_once_is_one_event() {
    let service = Service::start([wa_eu()]).await;
    let body = fixture("text").webhook.body;
    let answers = at_once(service.address, vec![body; 100]).await;
    assert_eq!(statuses(&answers), [200; 100]);

    service.settle().await;
    let profile = service.look_up("whatsapp", ADA).await.unwrap();
    assert_eq!(service.timeline(&profile, 50).await.len(), 1);
    assert_eq!(profile["counters"], json!({"messages_received": 1, "events": 1}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_bit_anywhere_in_the_body_is_refused_and_leaves_nothing() {
    let service = Service::start([wa_eu()]).await;
    let fixture = fixture("text");
    let header = |name: &str| fixture.webhook.headers.iter().find(|(found, _)| found == name).unwrap().1.clone();
    let signature = header("x-hub-signature-256");
    let before = service.data.items().await;
    for (index, bit) in (0..fixture.webhook.body.len()).step_by(7).zip((0..8).cycle()) {
        let mut body = fixture.webhook.body.clone();
        body[index] ^= 1 << bit;
        let answer = service.send("POST", "/hooks/wa-eu", &[("x-hub-signature-256", &signature)], &body).await;
        assert_eq!(answer.status, 401, "bit {bit} of byte {index}");
    }
    assert_eq!(service.data.items().await, before);
}

#[tokio::test]
async fn malformed_but_signed_is_parked_whole_and_a_replay_says_why_it_stays() {
    let service = Service::start([wa_eu()]).await;
    let body = b"{\"object\":\"whatsapp_business_account\",\"entry\":[\xff\0 and so on";
    assert_eq!(service.deliver(body).await.status, 200);
    service.settle().await;

    let parked = service.data.table.parked("wa-eu").await.unwrap();
    assert_eq!(parked.len(), 1);
    let webhook = parked[0].webhook.as_ref().unwrap();
    assert_eq!((parked[0].reason.as_str(), webhook.body.as_slice()), ("malformed", body.as_slice()));
    let before = service.data.items().await;
    let events = before.iter().filter(|item| item["sk"].as_s().unwrap().starts_with("V#"));
    assert_eq!(events.count(), 0);

    let replayed = service.gateway.replay(&parked[0].id).await.unwrap();
    let Replayed::StillParked { reason, detail } = replayed else { panic!("{replayed:?}") };
    assert_eq!((reason, detail), (parked[0].reason.clone(), parked[0].detail.clone()));
    assert_eq!(service.data.items().await, before);
    insta::assert_snapshot!("parked_table", service.data.readable().await);
}

#[tokio::test]
async fn what_a_broken_connector_left_is_replayed_through_a_good_one() {
    let broken = Service::start([hostile("shop", json!({"behaviour": "trap", "when": "after"}))]).await;
    for n in 0..3 {
        let body = json!({"id": format!("m-{n}"), "from": "someone", "at": 1_790_668_800_000u64 + n, "text": "hello"});
        assert_eq!(broken.deliver_to("shop", &body).await.status, 200);
    }
    let fixed = Service::over(broken.data.clone(), [hostile("shop", json!({}))]).await;
    let parked = fixed.data.table.parked("shop").await.unwrap();
    let reasons: Vec<_> = parked.iter().map(|parked| parked.reason.as_str()).collect();
    assert_eq!(reasons, ["trap"; 3]);
    assert_eq!(fixed.look_up("hostile", "someone").await, None);

    for parked in &parked {
        let replayed = fixed.gateway.replay(&parked.id).await.unwrap();
        assert_eq!(replayed, Replayed::Stored { events: 1 });
    }
    fixed.settle().await;
    let profile = fixed.look_up("hostile", "someone").await.unwrap();
    let ids: Vec<Value> = fixed.timeline(&profile, 50).await.into_iter().map(|event| event["id"].clone()).collect();
    assert_eq!(ids, ["m-2", "m-1", "m-0"]);
    assert_eq!(fixed.data.table.parked("shop").await.unwrap(), []);
    let again = fixed.gateway.replay(&parked[0].id).await.unwrap();
    assert_eq!(again, Replayed::Unknown);
}

/// Three entries of two changes each, with messages, statuses, reactions and a field that nobody knows.
#[tokio::test]
async fn everything_known_in_a_batch_is_stored() {
    let service = Service::start([wa_eu()]).await;
    let batch = fixture("batch");
    assert_eq!(service.deliver(&batch.webhook.body).await.status, 200);
    service.settle().await;
    let profile = service.look_up("whatsapp", ADA).await.unwrap();

    let expected: Value = serde_json::from_str(&batch.expected().unwrap()).unwrap();
    let ids = |events: &[Value]| {
        let mut ids: Vec<String> = events.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect();
        ids.sort();
        ids
    };
    let expected = ids(expected["events"].as_array().unwrap());
    assert_eq!(expected.len(), 11);
    assert_eq!(ids(&service.timeline(&profile, 5).await), expected);
    let counters = json!({"messages_received": 6, "deliveries": 3, "reactions": 2, "events": 11});
    assert_eq!(profile["counters"], counters);
    assert_eq!(service.data.table.parked("wa-eu").await.unwrap(), []);
}

/// The first delivery brought one message; the second brings it again, and another one.
#[tokio::test]
async fn a_redelivery_that_is_bundled_differently_keeps_its_webhook() {
    let service = Service::start([wa_eu()]).await;
    let (known, new) = (Text::new(ADA, 1), Text::new(ADA, 2));
    assert_eq!(service.deliver(&known.webhook()).await.status, 200);
    let mut bundle: Value = serde_json::from_slice(&known.webhook()).unwrap();
    let other: Value = serde_json::from_slice(&new.webhook()).unwrap();
    bundle["entry"].as_array_mut().unwrap().push(other["entry"][0].clone());
    let bundle = serde_json::to_vec(&bundle).unwrap();
    assert_eq!(service.deliver(&bundle).await.status, 200);

    let profile = eventually("the profile", async || service.look_up("whatsapp", ADA).await).await;
    let eid = ProfileId::parse(profile["id"].as_str().unwrap()).unwrap().birth_endpoint().unwrap();
    let root = service.data.table.find(&eid).await.unwrap();
    let mut kept = Vec::new();
    for eid in root.members {
        for stored in service.data.table.newest_events(&eid, Bound::Unbounded, 10).await.unwrap() {
            kept.push((stored.event.id.clone(), service.data.table.webhook_of(&stored).await.unwrap().unwrap().body));
        }
    }
    assert_eq!(kept, [(new.id.clone(), bundle), (known.id.clone(), known.webhook())]);
}

/// How each kind of misbehaviour is called when it is parked.
const MISBEHAVIOURS: [(&str, &str); 4] =
    [("loop", "deadline"), ("allocate", "memory"), ("huge-output", "output-too-large"), ("trap", "trap")];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hostile_connector_harms_nobody_but_itself() {
    let service = Service::start([wa_eu(), hostile("shop", json!({"by-body": true}))]).await;
    let stop = Arc::new(AtomicBool::new(false));
    let good = tokio::spawn(good_webhooks(service.address, Arc::clone(&stop)));

    for (behaviour, _) in MISBEHAVIOURS {
        let body = json!({"behaviour": behaviour, "when": "before", "id": behaviour, "from": "someone"});
        assert_eq!(service.deliver_to("shop", &body).await.status, 500, "{behaviour}");
    }
    let unverified = json!({"behaviour": "unverified-events", "id": "u", "from": "someone", "at": 1, "text": "x"});
    assert_eq!(service.deliver_to("shop", &unverified).await.status, 500);
    let table = service.data.readable().await;
    assert!(!table.contains("shop") && !table.contains("hostile"), "nothing is left of what was not verified");

    for (behaviour, reason) in MISBEHAVIOURS {
        let body = json!({"behaviour": behaviour, "when": "after", "id": behaviour, "from": "someone"});
        let answer = service.deliver_to("shop", &body).await;
        assert_eq!(answer.status, 200, "{behaviour}: {answer:?}");
        let parked = service.data.table.parked("shop").await.unwrap();
        let mine = parked.iter().find(|parked| parked.webhook.as_ref().unwrap().body == body.to_string().as_bytes());
        assert_eq!(mine.map(|parked| parked.reason.as_str()), Some(reason), "{behaviour}");
    }
    assert_eq!(service.data.table.parked("shop").await.unwrap().len(), MISBEHAVIOURS.len());

    stop.store(true, Ordering::Relaxed);
    let good = good.await.unwrap();
    assert!(good.len() > 5, "{good:?}");
    assert!(good.iter().all(|status| *status == 200), "{good:?}");
}

/// The first message names only the user id, the second also the number, the third only the number.
#[tokio::test]
async fn a_customer_is_one_profile_by_user_id_and_by_number() {
    let service = Service::start([wa_eu()]).await;
    let names = ["user-id-only", "user-id-and-number", "text"];
    for name in names {
        assert_eq!(service.deliver(&fixture(name).webhook.body).await.status, 200);
    }
    service.settle().await;
    let profile = service.look_up("whatsapp", ADA).await.unwrap();
    for (scheme, value) in [("whatsapp", "US.13491208655302741918"), ("phone", "+16505551234")] {
        assert_eq!(service.look_up(scheme, value).await.as_ref(), Some(&profile), "{scheme} {value}");
    }
    let mut expected: Vec<String> = names.iter().map(|name| first_id(&fixture(name).expected().unwrap())).collect();
    let mut found: Vec<String> = service.timeline(&profile, 2).await.iter().map(|event| text(&event["id"])).collect();
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
    insta::assert_snapshot!("user_id_and_number_profile", pretty(&service.read(&profile_path(&profile)).await));
}

#[tokio::test]
async fn what_the_business_sent_says_how_far_it_got() {
    let service = Service::start([wa_eu()]).await;
    let sent = fixture("own-number-in-messages");
    let message = first_id(&sent.expected().unwrap());
    assert_eq!(service.deliver(&sent.webhook.body).await.status, 200);
    service.settle().await;
    let state = async || {
        let profile = service.look_up("whatsapp", ADA).await.unwrap();
        let timeline = service.timeline(&profile, 50).await;
        timeline.into_iter().find(|event| event["id"] == *message).unwrap()["deliverystate"].clone()
    };
    assert_eq!(state().await, Value::Null);
    // Read overtakes delivered, as it does on the way from Meta.
    for (status, expected) in [("sent", "sent"), ("read", "read"), ("delivered", "read"), ("sent", "read")] {
        assert_eq!(service.deliver(&status_webhook(&message, status)).await.status, 200);
        service.settle().await;
        assert_eq!(state().await, expected, "after `{status}`");
    }
}

#[tokio::test]
async fn a_provider_that_signs_nothing_is_known_by_the_token_in_its_url() {
    let token = "7b1f0c5e2a9d4c83";
    let service = Service::start([unsigned("open", token), wa_eu()]).await;
    let before = service.data.items().await;
    let body = json!({"id": "m-1", "from": "someone", "at": 1_790_668_800_000u64, "text": "hello"}).to_string();
    let post = async |target: &str| service.send("POST", target, &[], body.as_bytes()).await.status;
    for wrong in ["/hooks/open", "/hooks/open/", "/hooks/open/7b1f0c5e2a9d4c8", "/hooks/open/7b1f0c5e2a9d4c83/"] {
        assert!(matches!(post(wrong).await, 401 | 404), "{wrong}");
    }
    assert_eq!(post(&format!("/hooks/wa-eu/{token}")).await, 401, "a token is not a way around a signature");
    assert_eq!(service.data.items().await, before);

    assert_eq!(post(&format!("/hooks/open/{token}?x=1")).await, 200);
    assert_eq!(post("/hooks/open/the%20token%20of%20last%20month").await, 200, "a rotation");
    service.settle().await;
    let profile = service.look_up("hostile", "someone").await.unwrap();
    assert_eq!(service.timeline(&profile, 50).await.len(), 1);
    let table = service.data.readable().await;
    assert!(!table.contains(token), "the token is a secret");
    assert!(table.contains("https://rapport.example/hooks/open?x=1"));
}

#[test]
fn the_fixtures_secret_is_the_one_of_these_tests() {
    let connection = Connection::of_fixtures(repository().join("plugins/whatsapp").to_str().unwrap());
    assert_eq!(connection.secret("app-secret"), Some(app_secret()));
}

async fn at_once(address: SocketAddr, bodies: Vec<Vec<u8>>) -> Vec<Answer> {
    all_at_once(bodies, |body: Vec<u8>| async move { deliver(address, &body).await.unwrap() }).await
}

/// One text after the other until it is told to stop, each of another customer: their statuses.
async fn good_webhooks(address: SocketAddr, stop: Arc<AtomicBool>) -> Vec<u16> {
    let mut statuses = Vec::new();
    for n in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let body = Text::new(&format!("1650555{n:04}"), n).webhook();
        statuses.push(deliver(address, &body).await.unwrap().status);
    }
    statuses
}

fn statuses(answers: &[Answer]) -> Vec<u16> {
    answers.iter().map(|answer| answer.status).collect()
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn profile_path(profile: &Value) -> String {
    format!("/v1/profiles/{}", profile["id"].as_str().unwrap())
}

fn first_id(expected: &str) -> String {
    let expected: Value = serde_json::from_str(expected).unwrap();
    text(&expected["events"][0]["id"])
}

fn status_webhook(message: &str, status: &str) -> Vec<u8> {
    let value = json!({
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550783881", "phone_number_id": "106540352242922"},
        "statuses": [{"id": message, "status": status, "timestamp": "1790668803", "recipient_id": ADA}],
    });
    let entry = json!({"id": "102290129340398", "changes": [{"value": value, "field": "messages"}]});
    serde_json::to_vec(&json!({"object": "whatsapp_business_account", "entry": [entry]})).unwrap()
}
