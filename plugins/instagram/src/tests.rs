//! The connector as a whole: its fixtures, the rules of every connector, and what is Instagram's own.

use rapport_sdk::prelude::*;
use rapport_sdk::testing::{self, Connection, Fixture};

use crate::Instagram;

const HERE: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn the_connector_keeps_the_rules_of_the_house() {
    testing::check::<Instagram>(HERE);
}

#[test]
fn every_event_says_whose_it_is_and_no_two_are_one() {
    let connection = Connection::of_fixtures(HERE);
    for fixture in testing::inbound_fixtures(HERE) {
        let Ok(receipt) = connection.receive::<Instagram>(&fixture.webhook).result else { continue };
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
        for line in connection.receive::<Instagram>(&fixture.webhook).lines() {
            lines += 1;
            for private in ["91605512345", "ada", "aWdf", "Hello", "http", "178", "oak"] {
                assert!(!line.contains(private), "{}: {line}", fixture.name);
            }
        }
    }
    assert!(lines > 15, "{lines}");
}

#[test]
fn a_missing_secret_is_named_and_nothing_is_accepted() {
    let outcome = Connection::new("ig-eu", "{}").receive::<Instagram>(&fixture("text").webhook);
    let Err(Rejection::Unauthenticated(reason)) = outcome.result else { panic!("{outcome:?}") };
    assert!(reason.contains("secret `app-secret` is not set on this connection"), "{reason}");
    let outcome = Connection::new("ig-eu", "{}").receive::<Instagram>(&fixture("challenge").webhook);
    let response = outcome.result.unwrap().response.unwrap();
    assert_eq!(response.status, 403);
    assert!(String::from_utf8(response.body).unwrap().contains("secret `verify-token` is not set"));
}

#[test]
fn settings_that_do_not_fit_park_the_webhook() {
    let receive = |config: &str| received("text", config).result;
    assert!(matches!(receive("{}"), Ok(receipt) if receipt.events.len() == 1));
    assert!(matches!(receive(r#"{"account-ids":[17841405822304914]}"#), Ok(receipt) if receipt.events.len() == 1));
    assert!(matches!(receive(r#"{"account-ids":["1"]}"#), Err(Rejection::Ignored(_))));
    assert!(matches!(receive(r#"{"account-ids":"1"}"#), Err(Rejection::Unsupported(_))));
    assert!(matches!(receive(r#"{"app-ids":"1"}"#), Err(Rejection::Unsupported(_))));
}

#[test]
fn without_app_ids_an_echo_is_by_an_agent() {
    let author = |config: &str| match received("echo-of-own-app", config).result.unwrap().events.remove(0).body {
        EventBody::Message(message) => message.author,
        other => panic!("{other:?}"),
    };
    assert_eq!(author(r#"{"app-ids":["1517776481860111"]}"#), Author::Automation);
    assert_eq!(author("{}"), Author::Agent);
}

#[test]
fn both_envelopes_say_the_same() {
    let body = |name: &str| received(name, "{}").result.unwrap().events.remove(0).body;
    assert_eq!(body("changes-read"), body("read"));
    assert_eq!(body("changes-reaction"), body("reaction"));
    assert_eq!(body("changes-deleted"), body("deleted"));
}

fn fixture(name: &str) -> Fixture {
    testing::inbound_fixtures(HERE).into_iter().find(|fixture| fixture.name == name).unwrap()
}

/// A fixture as another configuration of its connection takes it.
fn received(name: &str, config: &str) -> testing::Outcome {
    let secret = Connection::of_fixtures(HERE).secret("app-secret").unwrap().to_owned();
    let connection = Connection::new("ig-eu", config).with_secret("app-secret", &[&secret]);
    connection.receive::<Instagram>(&fixture(name).webhook)
}
