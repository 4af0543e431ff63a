//! The connector as a whole: its fixtures, what nobody may change, and what a stranger's field may not change.

use rapport_sdk::prelude::*;
use rapport_sdk::testing::{self, Connection, Fixture};
use serde_json::Value;

use crate::WhatsApp;

const HERE: &str = env!("CARGO_MANIFEST_DIR");
const STRANGER: &str = "a_field_of_tomorrow";

#[test]
fn every_fixture_becomes_what_stands_beside_it() {
    testing::check_fixtures::<WhatsApp>(HERE);
}

#[test]
fn a_signed_request_cannot_be_changed_and_always_means_the_same() {
    testing::check_tampering::<WhatsApp>(HERE);
}

#[test]
fn a_field_of_tomorrow_in_any_object_changes_nothing() {
    let connection = Connection::of_fixtures(HERE);
    let mut checked = 0;
    for fixture in testing::inbound_fixtures(HERE) {
        let outcome = connection.receive::<WhatsApp>(&fixture.webhook);
        let Ok(mut body) = serde_json::from_str::<Value>(&lenient::document(&fixture.webhook.body)) else { continue };
        if !outcome.verified {
            continue;
        }
        let before = answer(&connection, &signed(&connection, &fixture, &body));
        add_stranger(&mut body);
        let after = answer(&connection, &signed(&connection, &fixture, &body));
        assert_eq!(before, after, "{}", fixture.name);
        checked += 1;
    }
    assert!(checked > 60, "{checked}");
}

#[test]
fn a_value_of_another_type_in_any_field_is_no_crash() {
    let connection = Connection::of_fixtures(HERE);
    for fixture in testing::inbound_fixtures(HERE) {
        let Ok(body) = serde_json::from_slice::<Value>(&fixture.webhook.body) else { continue };
        for pointer in pointers(&body) {
            for wrong in
                [Value::Null, Value::Bool(true), 7.into(), "x".into(), Value::Array(vec![]), serde_json::json!({})]
            {
                let mut changed = body.clone();
                *changed.pointer_mut(&pointer).unwrap() = wrong;
                let outcome = connection.receive::<WhatsApp>(&signed(&connection, &fixture, &changed));
                let is_known = !matches!(outcome.result, Err(Rejection::Unauthenticated(_)));
                assert!(is_known, "{}: {pointer}", fixture.name);
            }
        }
    }
}

#[test]
fn a_log_line_names_no_customer() {
    let connection = Connection::of_fixtures(HERE);
    let mut lines = 0;
    for fixture in testing::inbound_fixtures(HERE) {
        for (_, line) in connection.receive::<WhatsApp>(&fixture.webhook).log {
            lines += 1;
            for private in ["16505551234", "4915112345678", "Ada", "Grace", "US.", "wamid", "Hello", "http"] {
                assert!(!line.contains(private), "{}: {line}", fixture.name);
            }
        }
    }
    assert!(lines > 20, "{lines}");
}

#[test]
fn a_missing_secret_is_named_and_nothing_is_accepted() {
    let connection = Connection::new("wa-eu", "{}");
    for fixture in testing::inbound_fixtures(HERE).into_iter().filter(|fixture| fixture.name == "text") {
        let outcome = connection.receive::<WhatsApp>(&fixture.webhook);
        let Err(Rejection::Unauthenticated(reason)) = outcome.result else { panic!("{outcome:?}") };
        assert!(reason.contains("secret `app-secret` is not set on this connection"), "{reason}");
    }
}

#[test]
fn settings_that_do_not_fit_park_the_webhook() {
    let text = testing::inbound_fixtures(HERE).into_iter().find(|fixture| fixture.name == "text").unwrap();
    let secret = Connection::of_fixtures(HERE).secret("app-secret").unwrap().to_owned();
    let receive = |config: &str| {
        Connection::new("wa-eu", config).with_secret("app-secret", &[&secret]).receive::<WhatsApp>(&text.webhook).result
    };
    assert!(matches!(receive("{}"), Ok(receipt) if receipt.events.len() == 1));
    assert!(matches!(receive(r#"{"phone-number-ids":[106540352242922]}"#), Ok(receipt) if receipt.events.len() == 1));
    assert!(matches!(receive(r#"{"phone-number-ids":["1"]}"#), Err(Rejection::Ignored(_))));
    assert!(matches!(receive(r#"{"phone-number-ids":"1"}"#), Err(Rejection::Unsupported(_))));
}

/// What the connector answers, as a value without the stranger's fields, which a part that is kept raw repeats.
fn answer(connection: &Connection, webhook: &Webhook) -> Value {
    let rendered = testing::render(&connection.receive::<WhatsApp>(webhook).result);
    let mut answer = serde_json::from_str(&rendered).unwrap();
    remove_stranger(&mut answer);
    answer
}

fn signed(connection: &Connection, fixture: &Fixture, body: &Value) -> Webhook {
    let body = serde_json::to_vec(body).unwrap();
    let tag = testing::sign(MacAlgorithm::HmacSha256, connection.secret("app-secret").unwrap(), &body);
    let mut webhook = Webhook { body, ..fixture.webhook.clone() };
    webhook.headers.retain(|(name, _)| name != "x-hub-signature-256");
    webhook.headers.push(("x-hub-signature-256".into(), format!("sha256={}", hex::encode(&tag))));
    webhook
}

fn add_stranger(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(add_stranger);
            fields.insert(STRANGER.into(), serde_json::json!({"id": ["x", null], "type": "text"}));
        }
        Value::Array(elements) => elements.iter_mut().for_each(add_stranger),
        _ => {}
    }
}

fn remove_stranger(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove(STRANGER);
            fields.values_mut().for_each(remove_stranger);
        }
        Value::Array(elements) => elements.iter_mut().for_each(remove_stranger),
        _ => {}
    }
}

/// The JSON pointers of everything in `value`.
fn pointers(value: &Value) -> Vec<String> {
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(elements) => elements.iter().enumerate().map(|(i, value)| (i.to_string(), value)).collect(),
        _ => Vec::new(),
    };
    inner
        .into_iter()
        .flat_map(|(name, value)| {
            let below = pointers(value).into_iter().map(|pointer| format!("/{name}{pointer}")).collect::<Vec<_>>();
            std::iter::once(format!("/{name}")).chain(below)
        })
        .collect()
}
