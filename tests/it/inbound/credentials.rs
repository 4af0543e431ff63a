//! Providers that sign nothing, or not everything, and those that say no time.

use rapport_sdk::encoding::base64;
use serde_json::{Value, json};

use crate::support::{NOW, Service, unverified};

const ALWAYS: &str = "unsigned = 'a test of it'";
const OF_SOME: &str = "[unsigned]\nreason = 'a test of it'\nwhen = { provider = ['open'] }\n[secrets]\nkey = 'x'";

fn message(at: u64) -> Vec<u8> {
    json!({"id": "m-1", "from": "someone", "at": at, "text": "hello"}).to_string().into_bytes()
}

fn basic(pair: &str) -> String {
    format!("Basic {}", base64::encode(pair.as_bytes()))
}

#[tokio::test]
async fn basic_credentials_stand_in_for_a_signature() {
    let secrets = [("basic", vec!["postman:s3cret-of-16-bytes", "postman:that of last month"])];
    let service = Service::start([unverified("open", ALWAYS, json!({}), &secrets).unwrap()]).await;
    let before = service.data.items().await;
    let post = async |target: &str, fields: &[&str]| {
        let headers: Vec<_> = fields.iter().map(|value| ("authorization", *value)).collect();
        service.send("POST", target, &headers, &message(1_790_668_800_000)).await.status
    };
    let good = basic("postman:s3cret-of-16-bytes");
    for wrong in [
        &basic("postman:s3cret-of-16-byte"),
        &basic("postman:"),
        &basic(""),
        "Basic",
        "Bearer s3cret-of-16-bytes",
        "postman:s3cret-of-16-bytes",
    ] {
        assert_eq!(post("/hooks/open", &[wrong]).await, 401, "{wrong}");
    }
    assert_eq!(post("/hooks/open", &[]).await, 401);
    assert_eq!(post("/hooks/open", &[&good, &good]).await, 401, "two fields: which of them counts?");
    assert_eq!(post("/hooks/open/s3cret-of-16-bytes", &[&good]).await, 401, "no token belongs there");
    assert_eq!(service.data.items().await, before);

    assert_eq!(post("/hooks/open", &[&good]).await, 200);
    assert_eq!(post("/hooks/open", &[&basic("postman:that of last month")]).await, 200, "a rotation");
    service.settle().await;
    let profile = service.look_up("hostile", "someone").await.unwrap();
    assert_eq!(service.timeline(&profile, 50).await.len(), 1);
    let table = service.data.readable().await;
    assert!(!table.contains(&good[6..]) && !table.contains("s3cret"), "credentials are not kept");
}

#[tokio::test]
async fn either_of_two_kinds_of_credentials_is_enough() {
    let secrets = [("basic", vec!["a:b-of-16-bytes-ok"]), ("path-token", vec!["t0ken-of-16-bytes"])];
    let service = Service::start([unverified("open", ALWAYS, json!({}), &secrets).unwrap()]).await;
    let body = message(1_790_668_800_000);
    let good = basic("a:b-of-16-bytes-ok");
    for (target, headers, status) in [
        ("/hooks/open/t0ken-of-16-bytes", vec![], 200),
        ("/hooks/open", vec![("authorization", good.as_str())], 200),
        ("/hooks/open/other", vec![("authorization", good.as_str())], 200),
        ("/hooks/open", vec![], 401),
        ("/hooks/open/other", vec![], 401),
    ] {
        assert_eq!(service.send("POST", target, &headers, &body).await.status, status, "{target} {headers:?}");
    }
}

#[tokio::test]
async fn of_a_connector_with_signing_and_other_providers_each_connection_is_judged_by_its_own() {
    let token = [("path-token", vec!["t0ken-of-16-bytes"])];
    let key = [("key", vec!["k"])];
    let connection =
        |name, provider, secrets| unverified(name, OF_SOME, json!({"provider": provider}), secrets).unwrap();
    let service = Service::start([
        connection("open", "open", &token[..]),
        connection("open-with-key", "open", &key[..]),
        connection("signing", "signing", &key[..]),
        connection("signing-with-token", "signing", &token[..]),
    ])
    .await;
    let post = async |target: &str| service.send("POST", target, &[], &message(1_790_668_800_000)).await.status;
    assert_eq!(post("/hooks/open").await, 401);
    assert_eq!(post("/hooks/open-with-key").await, 401, "it can verify by the key, but this one is not signed");
    assert_eq!(post("/hooks/signing").await, 500, "its connector has to verify, and does not");
    assert_eq!(post("/hooks/signing-with-token").await, 401, "a token is asked for where one is set");
    assert_eq!(post("/hooks/signing-with-token/t0ken-of-16-bytes").await, 500, "and is not a way around a signature");
    assert_eq!(post("/hooks/open/t0ken-of-16-bytes").await, 200);
}

#[test]
fn a_connection_that_nothing_could_verify_is_refused_with_the_fix() {
    for (lines, secrets) in [(ALWAYS, vec![]), (OF_SOME, vec![]), (ALWAYS, vec![("path-token", vec![""])])] {
        let refused = unverified("open", lines, json!({"provider": "open"}), &secrets).err().unwrap().to_string();
        assert!(refused.contains("a test of it"), "{refused}");
        assert!(refused.contains("fix: give the connection a secret `path-token`"), "{refused}");
        assert!(refused.contains("a secret `basic` (`user:password`)"), "{refused}");
    }
    let refused = unverified("open", OF_SOME, json!({}), &[("pathtoken", vec!["x"])]).err().unwrap().to_string();
    assert!(refused.contains("secret `pathtoken`") && refused.contains("write `path-token`"), "{refused}");
    let signing = "[secrets]\nkey = 'x'";
    let refused = unverified("open", signing, json!({}), &[("path-token", vec!["x"])]).err().unwrap().to_string();
    assert!(refused.contains("secret `path-token` is not one of"), "{refused}");
}

#[tokio::test]
async fn a_body_may_be_as_large_as_the_manifest_says() {
    let secrets = [("path-token", vec!["t0ken-of-16-bytes"])];
    let small = format!("{ALWAYS}\n[limits]\nbody-kib = 2");
    let large = format!("{ALWAYS}\n[limits]\nbody-kib = 2048");
    let service = Service::start([
        unverified("small", &small, json!({}), &secrets).unwrap(),
        unverified("large", &large, json!({}), &secrets).unwrap(),
    ])
    .await;
    let padded = |bytes: usize| {
        let mut body = message(1_790_668_800_000);
        body.resize(bytes, b' ');
        body
    };
    let post = async |name: &str, bytes| {
        service.send("POST", &format!("/hooks/{name}/t0ken-of-16-bytes"), &[], &padded(bytes)).await.status
    };
    assert_eq!(post("small", 2048).await, 200);
    assert_eq!(post("small", 2049).await, 413);
    assert_eq!(post("large", 2 << 20).await, 200);
    assert_eq!(post("large", (2 << 20) + 1).await, 413);
    assert_eq!(post("none", (1 << 20) + 1).await, 401, "nothing of it is read");
}

#[tokio::test]
async fn an_event_without_a_time_has_that_of_its_first_delivery() {
    let secrets = [("path-token", vec!["t0ken-of-16-bytes"])];
    let connection = || unverified("open", ALWAYS, json!({}), &secrets).unwrap();
    let service = Service::start([connection()]).await;
    let post =
        async |service: &Service| service.send("POST", "/hooks/open/t0ken-of-16-bytes", &[], &message(0)).await.status;
    for _ in 0..3 {
        assert_eq!(post(&service).await, 200);
    }
    // A redelivery on another day, to another process.
    let table = service.data.table.clone();
    let later = crate::support::gateway_at(table, [connection()], || NOW + 24 * 3600 * 1000);
    let later = Service::of(later, std::sync::Arc::clone(&service.data)).await;
    assert_eq!(post(&later).await, 200);

    service.settle().await;
    let profile = service.look_up("hostile", "someone").await.unwrap();
    let timeline = service.timeline(&profile, 50).await;
    let times: Vec<&Value> = timeline.iter().map(|event| &event["time"]).collect();
    assert_eq!(times, ["2026-09-29T08:00:05Z"], "{NOW} ms");
}
