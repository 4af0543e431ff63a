//! The connector as a whole: its fixtures, the rules of every connector, and what its settings do.

use rapport_sdk::prelude::*;
use rapport_sdk::testing::{self, Connection};

use crate::WhatsApp;

const HERE: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn the_connector_keeps_the_rules_of_the_house() {
    testing::check::<WhatsApp>(HERE);
}

#[test]
fn what_it_sends_keeps_the_rules_of_the_house() {
    testing::outbound::check_sending::<WhatsApp>(HERE);
}

#[test]
fn a_log_line_names_no_customer() {
    let connection = Connection::of_fixtures(HERE);
    let mut lines = 0;
    for fixture in testing::inbound_fixtures(HERE) {
        for line in connection.receive::<WhatsApp>(&fixture.webhook).lines() {
            lines += 1;
            for private in ["16505551234", "4915112345678", "Ada", "Grace", "US.", "wamid", "Hello", "http"] {
                assert!(!line.contains(private), "{}: {line}", fixture.name);
            }
        }
    }
    assert!(lines > 20, "{lines}");
}

/// What the header fields and the ARN of a fixture of AWS are used for with another body.
fn fed(body: String) -> Webhook {
    let text = testing::inbound_fixtures(HERE).into_iter().find(|fixture| fixture.name == "aws/text").unwrap();
    Webhook { body: body.into_bytes(), ..text.webhook }
}

#[test]
fn by_way_of_aws_everything_becomes_the_same_events() {
    let connection = Connection::of_fixtures(HERE);
    let mut compared = 0;
    for fixture in testing::inbound_fixtures(HERE).iter().filter(|fixture| !fixture.webhook.is_fed()) {
        let Ok(Receipt { events, .. }) = connection.receive::<WhatsApp>(&fixture.webhook).result else { continue };
        if events.is_empty() {
            continue;
        }
        let json = lenient::document(&fixture.webhook.body);
        let entries = lenient::field(serde_json::from_str(&json).unwrap(), "entry").unwrap();
        let entries: Vec<&serde_json::value::RawValue> = serde_json::from_str(entries.get()).unwrap();
        let wrapped = |entry: &&serde_json::value::RawValue| {
            format!(r#"{{"context":{{}},"whatsAppWebhookEntry":{}}}"#, serde_json::to_string(entry.get()).unwrap())
        };
        let messages: Vec<String> = entries.iter().map(wrapped).collect();
        let ours = connection.receive::<WhatsApp>(&fed(format!("[{}]", messages.join(",")))).result.unwrap();
        assert_eq!(ours.events, events, "{}", fixture.name);
        compared += 1;
    }
    assert!(compared > 40, "{compared}");
}

/// `fixtures/inbound/published`: what Meta's own description shows.
#[test]
fn nothing_that_meta_publishes_is_parked() {
    let published =
        testing::inbound_fixtures(HERE).into_iter().filter(|fixture| fixture.name.starts_with("published/"));
    let mut played = 0;
    for fixture in published {
        let receipt = fixture.connection.receive::<WhatsApp>(&fixture.webhook).result.unwrap();
        assert_eq!(receipt.unread, Vec::<String>::new(), "{}", fixture.name);
        // Groups themselves are no customers.
        assert_eq!(receipt.events.is_empty(), fixture.name.starts_with("published/group-"), "{}", fixture.name);
        played += 1;
    }
    assert_eq!(played, 16);
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
