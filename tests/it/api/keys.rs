//! Who may call the API, what of it is recorded, and which configured keys are refused.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use rapport_api::api_keys::{ApiKey, ApiKeys};
use rapport_config as config;
use rapport_config::scope::{Scope, Scopes};
use rapport_sandbox::Secret;
use rapport_store::audit::{Day, Phase, Record};
use rapport_store::blobs::Blobs;
use rapport_store::embedded::Embedded;
use rapport_store::objects::Objects;
use serde_json::{Value, json};

use crate::support::{
    API_KEY, Answer, Data, NOW, POWERLESS_KEY, Service, Text, api_keys, connection, document, gateway_of, send,
    table_of, unverified, wa_eu,
};

const ADA: &str = "+16505551234";

/// One operation of the API, as its document has it.
struct Operation {
    method: String,
    target: String,
    id: String,
    scope: Scope,
    statuses: Vec<String>,
}

fn operations() -> Vec<Operation> {
    let document = document();
    let paths = document["paths"].as_object().unwrap().iter().filter(|(path, _)| path.starts_with("/v1/"));
    let all = paths.flat_map(|(path, item)| {
        let target = path.replace("{id}", "pAAAAAAAAAAAAAAAAAAAAAA");
        item.as_object().unwrap().iter().map(move |(method, page)| {
            let scope = page["x-scope"].as_str().unwrap_or_else(|| panic!("{method} {target} names no scope"));
            assert_eq!(page["security"], json!([{"key": [scope]}]));
            Operation {
                method: method.to_uppercase(),
                target: target.clone(),
                id: page["x-audit-name"].as_str().unwrap().to_owned(),
                scope: Scope::parse(scope).unwrap(),
                statuses: page["responses"].as_object().unwrap().keys().cloned().collect(),
            }
        })
    });
    all.collect()
}

async fn service_with(keys: ApiKeys) -> Service {
    let data = Data::new().await;
    let gateway = gateway_of(data.table.clone(), [wa_eu()], Objects::default(), (keys, || NOW));
    Service::of(gateway, data).await
}

async fn call(service: &Service, key: &str, method: &str, target: &str, body: &Value) -> Answer {
    let authorization = format!("Bearer {key}");
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    let body = if body.is_null() { String::new() } else { body.to_string() };
    service.send(method, target, &headers, body.as_bytes()).await
}

#[tokio::test]
async fn a_key_may_do_what_its_scopes_say_and_nothing_else_on_every_route() {
    let named = Scope::ALL.map(|scope| (scope, format!("only-{scope}"), format!("the key that may only {scope}")));
    let without = Scope::ALL.map(|scope| (scope, format!("all-but-{scope}"), format!("the key that may not {scope}")));
    let others = |scope: Scope| Scope::ALL.into_iter().filter(|one| *one != scope).fold(Scopes::none(), Scopes::and);
    let only = named.iter().map(|(scope, name, secret)| (&name[..], &secret[..], Scopes::none().and(*scope)));
    let all_but = without.iter().map(|(scope, name, secret)| (&name[..], &secret[..], others(*scope)));
    let service = service_with(api_keys(&only.chain(all_but).collect::<Vec<_>>())).await;
    let mut seen = Vec::new();
    for operation in operations() {
        let Operation { method, target, id, scope, statuses } = &operation;
        for status in ["401", "403", "429", "503"] {
            assert!(statuses.iter().any(|one| one == status), "{id} documents no {status}");
        }
        for (of, name, secret) in &without {
            let answer = call(&service, secret, method, target, &Value::Null).await;
            if of == scope {
                assert_eq!(answer.status, 403, "{id} with `{name}`: {answer:?}");
                let detail = answer.json()["detail"].as_str().unwrap().to_owned();
                let names = detail.contains(&format!("`{name}`")) && detail.contains(&format!("it needs `{scope}`"));
                assert!(names && detail.contains("fix: "), "{detail}");
            } else {
                assert!(!matches!(answer.status, 401 | 403 | 405 | 429), "{id} with `{name}`: {answer:?}");
            }
        }
        for (of, name, secret) in &named {
            let status = call(&service, secret, method, target, &Value::Null).await.status;
            assert_eq!(status == 403, of != scope, "{id} with `{name}`: {status}");
        }
        seen.push(*scope);
    }
    let unused: Vec<Scope> = Scope::ALL.into_iter().filter(|scope| !seen.contains(scope)).collect();
    assert_eq!(unused, [], "every scope opens something");
}

#[tokio::test]
async fn nothing_under_v1_may_be_kept_by_a_cache() {
    let service = Service::start([wa_eu()]).await;
    service.deliver(&Text::new("16505551234", 1).webhook()).await;
    service.settle().await;
    let found = service.look_up("phone", ADA).await.unwrap();
    let profile = found["id"].as_str().unwrap().to_owned();
    let mut answers = Vec::new();
    for Operation { method, target, .. } in operations() {
        let target = target.replace("pAAAAAAAAAAAAAAAAAAAAAA", &profile);
        for key in [API_KEY, POWERLESS_KEY, "not a key of anybody", ""] {
            answers.push(call(&service, key, &method, &target, &Value::Null).await);
        }
    }
    for (method, target) in [("GET", "/v1/nothing"), ("PUT", "/v1/links"), ("GET", "/v1/profiles/%FF")] {
        answers.push(call(&service, API_KEY, method, target, &Value::Null).await);
    }
    let target = "/v1/profiles/lookup?scheme=phone&value=%2B16505551234";
    answers.push(call(&service, API_KEY, "GET", target, &Value::Null).await);
    for answer in &answers {
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
    }
    let statuses: Vec<u16> = [200, 400, 401, 403, 404, 405].into();
    assert!(statuses.iter().all(|status| answers.iter().any(|answer| answer.status == *status)));
}

#[tokio::test]
async fn every_call_with_a_key_is_recorded_by_ids_with_the_key_and_whom_it_names() {
    let service = Service::start([wa_eu()]).await;
    service.deliver(&Text::new("16505551234", 1).webhook()).await;
    service.settle().await;
    let profile = service.look_up("phone", ADA).await.unwrap()["id"].as_str().unwrap().to_owned();
    let link = json!({
        "a": {"scheme": "phone", "value": ADA}, "b": {"scheme": "email", "value": "ada@example.com"},
        "reason": "she said so", "by": "agent 7",
    });
    assert_eq!(service.post("/v1/links", &link).await.status, 201);
    for Operation { method, target, .. } in operations() {
        for key in [API_KEY, POWERLESS_KEY] {
            call(&service, key, &method, &target, &Value::Null).await;
        }
    }
    for target in ["/v1/nothing", "/v1/profiles/ada@example.com", "/v1/profiles/%2B16505551234/timeline"] {
        service.get(target).await;
    }
    call(&service, "not a key of anybody", "GET", "/v1/conflicts", &Value::Null).await;

    let records = audit(&service, "").await;
    let of = |route: &str| records.iter().filter(|one| one["route"] == route).cloned().collect::<Vec<Value>>();
    let looked_up = of("get-profiles-lookup");
    let first = looked_up.iter().find(|one| one["status"] == 200).unwrap();
    assert_eq!((&first["key"], &first["subjects"]), (&json!("test"), &json!([profile])));
    assert!(first["request_id"].as_str().unwrap().len() == 24 && first["took_ms"].is_u64(), "{first}");
    let linked = of("post-links");
    let done = linked.iter().find(|one| one["status"] == 201).unwrap();
    assert_eq!((&done["key"], &done["by"], &done["phase"]), (&json!("test"), &json!("agent 7"), &json!("answered")));
    let same = |one: &&Value| one["request_id"] == done["request_id"] && one["phase"] == "begun";
    assert!(linked.iter().any(|one| same(&one) && one["status"].is_null()), "before it was done: {linked:?}");
    for Operation { id, scope, method, .. } in operations() {
        let all = of(&id);
        assert!(all.iter().any(|one| one["key"] == "test" && one["status"].is_u64()), "{id}: {all:?}");
        assert!(all.iter().any(|one| one["key"] == "powerless" && one["status"] == 403), "{id}: {all:?}");
        let changes = method != "GET" && scope != Scope::Read;
        let begun = all.iter().any(|one| one["phase"] == "begun" && one["key"] == "test");
        assert_eq!(begun, changes, "{id}: {all:?}");
        assert!(!all.iter().any(|one| one["phase"] == "begun" && one["key"] == "powerless"), "{id}: nothing began");
    }
    assert!(of("none").iter().any(|one| one["status"] == 404));
    let whole = Value::from(records).to_string();
    for personal in ["6505551234", "ada@", "she said so", "Ada"] {
        assert!(!whole.contains(personal), "{personal}: {whole}");
    }
    let of_powerless = audit(&service, "&key=powerless").await;
    assert!(!of_powerless.is_empty() && of_powerless.iter().all(|one| one["key"] == "powerless"));
}

/// Every record of the day of the tests' clock, page by page.
async fn audit(service: &Service, more: &str) -> Vec<Value> {
    let (mut records, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = service.read(&format!("/v1/audit?day=2026-09-29&limit=20{more}{cursor}")).await;
        records.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return records,
        }
    }
}

#[tokio::test]
async fn a_record_of_the_audit_is_put_once_and_pages_hold_each_once_newest_first() {
    let data = Data::new().await;
    let record = |n: u64, status| Record {
        at: NOW + n / 3,
        request_id: format!("request-{n}"),
        key: if n.is_multiple_of(4) { "rare" } else { "usual" }.to_owned(),
        by: None,
        route: "get-links-id".to_owned(),
        phase: Phase::Answered,
        subjects: Vec::new(),
        status,
        took_ms: None,
    };
    for n in 0..50 {
        data.table.append_to_audit(&record(n, Some(200))).await.unwrap();
        data.table.append_to_audit(&record(n, Some(500))).await.unwrap();
    }
    data.table.append_to_audit(&Record { at: NOW + 86_400_000, ..record(99, None) }).await.unwrap();
    for (key, expected) in [(None, 50), (Some("rare"), 13), (Some("nobody"), 0)] {
        let (mut all, mut cursor, mut pages) = (Vec::new(), None, 0);
        loop {
            let page = data.table.audit(Day::of(NOW), key, 7, cursor.as_ref()).await.unwrap();
            assert!(page.records.len() <= 7);
            all.extend(page.records);
            pages += 1;
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!((all.len(), pages >= 7), (expected, true), "{key:?}");
        assert!(all.windows(2).all(|pair| pair[0].at >= pair[1].at), "newest first");
        assert!(all.iter().all(|record| record.status == Some(200)), "the first to be put stays as it was");
    }
}

#[tokio::test]
async fn what_cannot_be_recorded_is_neither_done_nor_given_out() {
    let data = Data::new().await;
    let refusing = Refusing::before(data.embedded.address()).await;
    let table = table_of(Embedded::at(refusing.address), Blobs::in_folder(data.blobs())).await;
    let service = Service::of(crate::support::gateway(table, [wa_eu()]), data).await;
    service.deliver(&Text::new("16505551234", 1).webhook()).await;
    service.settle().await;
    assert!(service.look_up("phone", ADA).await.is_some());
    let before = service.data.items().await;

    refusing.refuses.store(true, Ordering::Relaxed);
    let look_up = "/v1/profiles/lookup?scheme=phone&value=%2B16505551234";
    let answer = service.get(look_up).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{answer:?}");
    assert!(!answer.text().contains("6505551234"), "{answer:?}");
    let erasure = json!({"identifier": {"scheme": "phone", "value": ADA}});
    let link = json!({"a": erasure["identifier"], "b": {"scheme": "email", "value": "a@b.example"}, "reason": "x"});
    for (target, body) in [("/v1/erasures", &erasure), ("/v1/links", &link)] {
        let answer = service.post(target, body).await;
        assert_eq!(answer.status, 503, "{answer:?}");
        assert!(answer.text().contains("nothing was done"), "{answer:?}");
    }
    assert_eq!(service.data.items().await, before, "nothing was done");
    assert_eq!(service.deliver(&Text::new("16505551234", 2).webhook()).await.status, 200, "webhooks need no audit");

    refusing.refuses.store(false, Ordering::Relaxed);
    assert_eq!(service.get(look_up).await.status, 200);
    assert_eq!(service.post("/v1/links", &link).await.status, 201);
}

/// A way to the database on which writes to the audit can be refused.
struct Refusing {
    address: SocketAddr,
    refuses: Arc<AtomicBool>,
}

impl Refusing {
    async fn before(target: SocketAddr) -> Self {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let refuses = Arc::new(AtomicBool::new(false));
        let routes = Router::new().fallback(pass_on).with_state((target, Arc::clone(&refuses)));
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { address, refuses }
    }
}

async fn pass_on(
    State((target, refuses)): State<(SocketAddr, Arc<AtomicBool>)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if refuses.load(Ordering::Relaxed) && body.windows(7).any(|window| window == b"main#U#") {
        let refusal = json!({"__type": "com.amazonaws.dynamodb.v20120810#ValidationException", "message": "a test's"});
        return (StatusCode::BAD_REQUEST, axum::Json(refusal)).into_response();
    }
    let kept = headers.iter().filter(|(name, _)| !matches!(name.as_str(), "host" | "content-length" | "connection"));
    let kept: Vec<_> = kept.map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    let answer = send(target, "POST", "/", &kept, &body).await.unwrap();
    (StatusCode::from_u16(answer.status).unwrap(), [("content-type", "application/x-amz-json-1.0")], answer.body)
        .into_response()
}

#[tokio::test]
async fn keys_end_are_rotated_and_say_when_they_were_used() {
    let key =
        |name: &str, not_after| ApiKey { name: name.to_owned(), may: Scopes::all(), authors: Vec::new(), not_after };
    let versions = |texts: &[&str]| texts.iter().map(|text| Secret::new(text.as_bytes())).collect::<Vec<_>>();
    let keys = ApiKeys::new([
        (key("over", Some(NOW)), versions(&["the key that is over"])),
        (key("later", Some(NOW + 1)), versions(&["the key that is not over"])),
        (key("rotated", None), versions(&["the new one of the rotated", "the old one of the rotated"])),
        (key("unused", None), versions(&["the key that nobody uses"])),
    ]);
    let service = service_with(keys.unwrap()).await;
    let status = async |key: &str| call(&service, key, "GET", "/v1/conflicts", &Value::Null).await;
    let over = status("the key that is over").await;
    let detail = over.json()["detail"].as_str().unwrap().to_owned();
    assert_eq!(over.status, 401);
    assert!(detail.contains("`over`") && detail.contains("`not-after`") && detail.contains("fix: "), "{detail}");
    for good in ["the key that is not over", "the new one of the rotated", "the old one of the rotated"] {
        assert_eq!(status(good).await.status, 200, "{good}");
    }
    let keys = call(&service, "the key that is not over", "GET", "/v1/keys", &Value::Null).await.json();
    let used: Vec<(&str, &Value)> = keys["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| (key["name"].as_str().unwrap(), &key["last_used"]))
        .collect();
    let hour = json!("2026-09-29T08:00:00Z");
    assert_eq!(used, [("over", &Value::Null), ("later", &hour), ("rotated", &hour), ("unused", &Value::Null)]);
    assert!(!keys.to_string().contains("the key that"), "{keys}");
}

#[tokio::test]
async fn wrong_keys_are_slowed_down_and_never_a_right_one() {
    let service = Service::start([wa_eu()]).await;
    let began = Instant::now();
    let mut statuses = Vec::new();
    for _ in 0..16 {
        statuses.push(call(&service, "a key that is guessed", "GET", "/v1/conflicts", &Value::Null).await.status);
    }
    assert!(began.elapsed() >= Duration::from_millis(6 * 250), "{:?}", began.elapsed());
    assert!(statuses.iter().all(|status| *status == 401), "{statuses:?}");
    // From the same address, while many wait.
    let guesses: Vec<_> = (0..40)
        .map(|_| {
            let address = service.address;
            let guess =
                async move { send(address, "GET", "/v1/conflicts", &[("authorization", "Bearer guess")], b"").await };
            tokio::spawn(guess)
        })
        .collect();
    let right = Instant::now();
    assert_eq!(service.get("/v1/conflicts").await.status, 200);
    assert!(right.elapsed() < Duration::from_secs(2), "{:?}", right.elapsed());
    let mut too_many = 0;
    for guess in guesses {
        let answer = guess.await.unwrap().unwrap();
        assert!(matches!(answer.status, 401 | 429), "{answer:?}");
        if answer.status == 429 {
            assert_eq!(answer.header("retry-after"), Some("60"));
            too_many += 1;
        }
    }
    assert!(too_many > 0);
    assert_eq!(service.get("/v1/conflicts").await.status, 200);
}

#[tokio::test]
async fn an_identifier_may_come_in_the_body_and_a_lost_plus_is_named() {
    let service = Service::start([wa_eu()]).await;
    service.deliver(&Text::new("16505551234", 1).webhook()).await;
    service.settle().await;
    let by_query = service.look_up("phone", ADA).await.unwrap();
    let phone = json!({"scheme": "phone", "value": ADA});
    let by_body = service.post("/v1/profiles/lookup", &phone).await;
    assert_eq!((by_body.status, by_body.json()), (200, by_query.clone()));
    let ends = json!({"from": phone, "to": {"scheme": "whatsapp", "value": "16505551234"}});
    let explain = format!("/v1/profiles/{}/explain", by_query["id"].as_str().unwrap());
    let explained = service.post(&explain, &ends).await;
    assert_eq!((explained.status, explained.json()["connected"].clone()), (200, json!(true)), "{explained:?}");
    let by_id = json!({"from": explained.json()["from"]["endpoint"], "to": explained.json()["to"]["endpoint"]});
    assert_eq!(service.post(&explain, &by_id).await.json(), explained.json());
    for (body, field) in [
        (json!({"from": "nonsense", "to": phone}), "from"),
        (json!({"from": phone, "to": {"scheme": "phone"}}), "to"),
        (json!({"from": phone}), "to"),
    ] {
        let answer = service.post(&explain, &body).await;
        assert_eq!((answer.status, answer.json()["field"].as_str()), (400, Some(field)), "{answer:?}");
    }
    for (target, field, says) in [
        ("/v1/profiles/lookup?scheme=phone&value=+16505551234", "value", "write `%2B` for `+`"),
        ("/v1/profiles/lookup?scheme=phone&value=%2016505551234", "value", "write `%2B` for `+`"),
        ("/v1/profiles/lookup?scheme=&value=1", "scheme", "`scheme` is empty"),
        ("/v1/profiles/lookup?scheme=phone&value=", "value", "`value` is empty"),
        ("/v1/profiles/lookup?scheme=phone", "value", "`value` is missing"),
    ] {
        let answer = service.get(target).await;
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert_eq!((answer.status, answer.json()["field"].as_str()), (400, Some(field)), "{target}: {answer:?}");
        assert!(detail.contains(says), "{target}: {detail}");
    }
    let from = "%7B%22scheme%22:%22phone%22,%22value%22:%22+16505551234%22%7D";
    let answer = service.get(&format!("{explain}?from={from}&to={from}")).await;
    assert!(answer.text().contains("write `%2B` for `+`"), "{answer:?}");
}

#[test]
fn a_weak_secret_of_the_operator_s_own_is_refused_by_its_connection_and_name() {
    let unsigned = "unsigned = 'a test of it'";
    for (secret, weak, good) in [
        ("path-token", "fifteen bytes!!", "sixteen bytes ok"),
        ("basic", "a-long-user-name:fifteen bytes!!", "u:sixteen bytes ok"),
        ("basic", "no pair of user and password", "u:sixteen bytes ok"),
    ] {
        let refusal = unverified("open", unsigned, json!({}), &[(secret, vec![weak])]).err().unwrap().to_string();
        assert!(refusal.starts_with(&format!("connection `open`: secret `{secret}` ")), "{refusal}");
        assert!(!refusal.contains("fifteen") && !refusal.contains("no pair of"), "{refusal}");
        assert!(unverified("open", unsigned, json!({}), &[(secret, vec![good])]).is_ok());
        let rotated = unverified("open", unsigned, json!({}), &[(secret, vec![weak, good])]).unwrap();
        assert_eq!(rotated.left_out.len(), 1, "the good version stays in use");
        assert!(rotated.left_out[0].to_string().contains("(version 1 of 2)"), "{}", rotated.left_out[0]);
    }
    let own = "[secrets]\nkey = { kind = 'token', own = true, what = 'x' }\ntheirs = { kind = 'hmac', what = 'x' }";
    let refusal = unverified("a", own, json!({}), &[("key", vec!["short"])]).err().unwrap().to_string();
    assert!(refusal.contains("secret `key` is shorter than 16 bytes"), "{refusal}");
    assert!(unverified("a", own, json!({}), &[("theirs", vec!["short"])]).is_ok(), "a provider's is as it is");
}

/// A public key of P-256, as SendGrid's documentation shows them, and one of Ed25519.
const P256: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g==";

#[test]
fn a_configured_key_is_read_in_every_spelling_and_tried_when_it_is_configured() {
    let sendgrid = json!({"provider": "sendgrid"});
    let lines: Vec<&str> = vec![&P256[..64], &P256[64..]];
    let url_safe = P256.replace('+', "-").replace('/', "_");
    let spellings = [
        P256.to_owned(),
        format!("{P256}\n"),
        format!("{P256}\r\n"),
        format!("\u{feff}{P256}"),
        P256.trim_end_matches('=').to_owned(),
        url_safe.trim_end_matches('=').to_owned(),
        lines.join("\r\n"),
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n")),
        format!("-----BEGIN PUBLIC KEY-----\r\n{}\r\n-----END PUBLIC KEY-----", lines.join("\r\n")),
        format!("-----BEGIN PUBLIC KEY-----\\n{}\\n-----END PUBLIC KEY-----\\n", lines.join("\\n")),
    ];
    for spelling in &spellings {
        connection("mail", "email", &sendgrid, &[("event-public-key", vec![spelling])]);
    }
    let refusal = |plugin: &str, config: &Value, secret: &str, value: &str| {
        let refused = crate::support::try_connection("eu", plugin, config, &[(secret, vec![value])]);
        let refusal = refused.err().unwrap_or_else(|| panic!("{plugin}: {value:?} is taken")).to_string();
        assert!(refusal.starts_with(&format!("connection `eu`: secret `{secret}` ")), "{refusal}");
        refusal
    };
    for (value, says) in [
        (&P256[..60], "is not a key"),
        ("-----BEGIN PRIVATE KEY-----\nMIG\n-----END PRIVATE KEY-----", "is a private key"),
        ("-----BEGIN CERTIFICATE-----\nMIG\n-----END CERTIFICATE-----", "is a certificate"),
        ("-----BEGIN PUBLIC KEY-----\nMFkw", "cut off"),
        ("MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", "is a key of another kind than ECDSA P-256"),
    ] {
        let refusal = refusal("email", &sendgrid, "event-public-key", value);
        assert!(refusal.contains(says), "{refusal}");
    }
    let mapping = json!({"account": "a", "mappings": [{"types": ["user.created"], "event": "contact-updated", "identifiers": [
        {"scheme": "a.user", "value": "/data/id", "attestation": "signature"}
    ]}]});
    assert!(refusal("standard-webhooks", &mapping, "public-key", P256).contains("another kind than Ed25519"));
    assert!(refusal("standard-webhooks", &mapping, "secret", "whsec_!").contains("goes on with no base64"));
    let ed25519 =
        ["11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo", "whpk_11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"];
    for key in ed25519 {
        connection("sw", "standard-webhooks", &mapping, &[("public-key", vec![key])]);
    }
}

#[tokio::test]
async fn a_secret_that_a_file_holds_with_a_line_end_verifies_as_without() {
    let around = [("\u{feff}", "\r\n"), ("", "\n"), (" ", "\t")];
    for (before, after) in around {
        let secret = format!("{before}{}{after}", crate::support::app_secret());
        let config = json!({"phone-number-ids": ["106540352242922"]});
        let service =
            Service::start([connection("wa-eu", "whatsapp", &config, &[("app-secret", vec![&secret])])]).await;
        assert_eq!(service.deliver(&Text::new("16505551234", 1).webhook()).await.status, 200, "{secret:?}");
    }
}

#[test]
fn every_connector_says_what_kind_each_of_its_secrets_is() {
    for (folder, component) in crate::connectors::plugins() {
        let manifest = rapport_sandbox::Manifest::from_component(component).unwrap().unwrap();
        for (name, known) in &manifest.secrets {
            assert!(known.kind.is_some() || known.used.is_for_sending(), "{}: `{name}`", folder.display());
        }
        let written = config::ConnectionConfig {
            connector: manifest.id.clone(),
            config: json!({}),
            secrets: [].into(),
            feed: None,
            sending: Default::default(),
        };
        let lacking = rapport_connections::lacking("a", &manifest, &written);
        let needs_one = manifest.secrets.values().any(|known| !known.optional);
        assert!(!needs_one || lacking.is_some_and(|said| said.contains("is not set")), "{}", folder.display());
    }
}
