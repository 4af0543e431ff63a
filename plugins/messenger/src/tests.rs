//! The connector as a whole: its fixtures, the rules of every connector, and what is Messenger's own.

use rapport_sdk::prelude::*;
use rapport_sdk::testing::{self, Connection, Fixture};
use serde_json::Value;

use crate::Messenger;

const HERE: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn the_connector_keeps_the_rules_of_the_house() {
    testing::check::<Messenger>(HERE);
}

#[test]
fn the_siblings_of_a_wrong_element_come_through() {
    let connection = Connection::of_fixtures(HERE);
    let fixture = fixture("several-pages");
    let body: Value = serde_json::from_slice(&fixture.webhook.body).unwrap();
    for pointer in pointers(&body["entry"][0]["messaging"][0]) {
        let mut changed = body.clone();
        *changed["entry"][0]["messaging"][0].pointer_mut(&pointer).unwrap() = serde_json::json!([{}]);
        let outcome = connection.receive::<Messenger>(&signed(&connection, &fixture, &changed));
        let events = outcome.result.unwrap().events;
        assert!(["m_2", "m_3"].iter().all(|id| events.iter().any(|event| event.id == *id)), "{pointer}");
    }
}

#[test]
fn every_event_says_whose_it_is_and_no_two_are_one() {
    let connection = Connection::of_fixtures(HERE);
    for fixture in testing::inbound_fixtures(HERE) {
        let Ok(receipt) = connection.receive::<Messenger>(&fixture.webhook).result else { continue };
        for (index, event) in receipt.events.iter().enumerate() {
            let address = &event.contact.identifiers[0];
            assert_eq!(address.scope.as_deref(), Some(event.account.as_str()), "{}", fixture.name);
            assert_ne!(address.value, event.account, "{}: the business is not a customer", fixture.name);
            assert!(event.id.len() <= 1024 && !event.id.is_empty(), "{}", fixture.name);
            assert!(receipt.events[..index].iter().all(|other| other.id != event.id), "{}", fixture.name);
        }
    }
}

#[test]
fn a_log_line_names_no_customer() {
    let connection = Connection::of_fixtures(HERE);
    let mut lines = 0;
    for fixture in testing::inbound_fixtures(HERE) {
        for line in connection.receive::<Messenger>(&fixture.webhook).lines() {
            lines += 1;
            for private in ["6161616161616161", "7171717171717171", "Ada", "m_", "Hello", "http", "555-01", "682498"] {
                assert!(!line.contains(private), "{}: {line}", fixture.name);
            }
        }
    }
    assert!(lines > 15, "{lines}");
}

#[test]
fn a_missing_secret_is_named_and_nothing_is_accepted() {
    let outcome = Connection::new("fb-eu", "{}").receive::<Messenger>(&fixture("text").webhook);
    let Err(Rejection::Unauthenticated(reason)) = outcome.result else { panic!("{outcome:?}") };
    assert!(reason.contains("secret `app-secret` is not set on this connection"), "{reason}");
    let outcome = Connection::new("fb-eu", "{}").receive::<Messenger>(&fixture("challenge").webhook);
    let response = outcome.result.unwrap().response.unwrap();
    assert_eq!(response.status, 403);
    assert!(String::from_utf8(response.body).unwrap().contains("secret `verify-token` is not set"));
}

#[test]
fn settings_that_do_not_fit_park_the_webhook() {
    let receive = |config: &str| received("text", config).result;
    assert!(matches!(receive("{}"), Ok(receipt) if receipt.events.len() == 1));
    assert!(matches!(receive(r#"{"page-ids":[682498302938465]}"#), Ok(receipt) if receipt.events.len() == 1));
    assert!(matches!(receive(r#"{"page-ids":["1"]}"#), Err(Rejection::Ignored(_))));
    assert!(matches!(receive(r#"{"page-ids":"1"}"#), Err(Rejection::Unsupported(_))));
    assert!(matches!(receive(r#"{"app-ids":"1"}"#), Err(Rejection::Unsupported(_))));
}

#[test]
fn without_app_ids_an_echo_is_by_an_agent_and_a_passed_conversation_is_ours() {
    let body = |name: &str, config: &str| received(name, config).result.unwrap().events.remove(0).body;
    let author = |config: &str| match body("echo-of-own-app", config) {
        EventBody::Message(message) => message.author,
        other => panic!("{other:?}"),
    };
    assert_eq!(author(r#"{"app-ids":["1517776481860111"]}"#), Author::Automation);
    assert_eq!(author("{}"), Author::Agent);
    let cases = [
        ("handover-to-own-app", Controller::Automation),
        ("handover-to-other-app", Controller::Automation),
        ("handover-to-inbox", Controller::Agent),
        ("control-taken", Controller::OtherApp),
        ("control-taken-by-inbox", Controller::Agent),
    ];
    for (name, controller) in cases {
        assert_eq!(body(name, "{}"), EventBody::Control(Control::held_by(controller)), "{name}");
    }
}

fn fixture(name: &str) -> Fixture {
    testing::inbound_fixtures(HERE).into_iter().find(|fixture| fixture.name == name).unwrap()
}

/// A fixture as another configuration of its connection takes it.
fn received(name: &str, config: &str) -> testing::Outcome {
    let secret = Connection::of_fixtures(HERE).secret("app-secret").unwrap().to_owned();
    let connection = Connection::new("fb-eu", config).with_secret("app-secret", &[&secret]);
    connection.receive::<Messenger>(&fixture(name).webhook)
}

fn signed(connection: &Connection, fixture: &Fixture, body: &Value) -> Webhook {
    let body = serde_json::to_vec(body).unwrap();
    let tag = testing::sign(MacAlgorithm::HmacSha256, connection.secret("app-secret").unwrap(), &body);
    let mut webhook = Webhook { body, ..fixture.webhook.clone() };
    webhook.headers.retain(|(name, _)| name != "x-hub-signature-256");
    webhook.headers.push(("x-hub-signature-256".into(), format!("sha256={}", hex::encode(&tag))));
    webhook
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
