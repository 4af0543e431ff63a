//! The connector as a whole: its fixtures, the rules of every connector, and what is its own: settings.

use rapport_sdk::prelude::*;
use rapport_sdk::testing::{self, Connection, Fixture};

use crate::StandardWebhooks;

const HERE: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn the_connector_keeps_the_rules_of_the_house() {
    testing::check::<StandardWebhooks>(HERE);
}

#[test]
fn every_event_says_whose_it_is_and_no_two_are_one() {
    for fixture in testing::inbound_fixtures(HERE) {
        let Ok(receipt) = fixture.connection.receive::<StandardWebhooks>(&fixture.webhook).result else { continue };
        for (index, event) in receipt.events.iter().enumerate() {
            assert!(!event.contact.identifiers.is_empty() && !event.id.is_empty(), "{}", fixture.name);
            assert!(receipt.events[..index].iter().all(|other| other.id != event.id), "{}", fixture.name);
        }
    }
}

#[test]
fn a_redelivery_has_another_time_and_signature_and_is_the_same_event() {
    let events = |name: &str| {
        let fixture = fixture(name);
        fixture.connection.receive::<StandardWebhooks>(&fixture.webhook).result.unwrap().events
    };
    assert_ne!(fixture("message").webhook.headers, fixture("message-again").webhook.headers);
    assert_eq!(events("message"), events("message-again"));
}

#[test]
fn settings_that_do_not_fit_park_the_webhook() {
    let whole = Connection::of_fixtures(HERE);
    let secret = whole.secret("secret").unwrap();
    for config in ["{}", "[]", r#"{"mappings":7}"#, r#"{"mappings":[{"event":"poem"}]}"#] {
        let connection = Connection::new("sw-eu", config).with_secret("secret", &[secret]).at(whole.now());
        let outcome = connection.receive::<StandardWebhooks>(&fixture("message").webhook);
        assert!(matches!(outcome.result, Err(Rejection::Unsupported(_))), "{config}: {outcome:?}");
        assert!(outcome.verified, "{config}");
    }
}

#[test]
fn a_log_line_or_a_rejection_names_no_customer() {
    let mut lines = 0;
    for fixture in testing::inbound_fixtures(HERE) {
        let outcome = fixture.connection.receive::<StandardWebhooks>(&fixture.webhook);
        let reason = outcome.result.as_ref().err().map(|rejection| format!("{rejection:?}"));
        for line in outcome.log.into_iter().map(|(_, line)| line).chain(reason) {
            lines += 1;
            for private in ["ada@", "Ada", "4711", "555", "Hello", "oak", "signing-key"] {
                assert!(!line.contains(private), "{}: {line}", fixture.name);
            }
        }
    }
    assert!(lines > 15, "{lines}");
}

fn fixture(name: &str) -> Fixture {
    testing::inbound_fixtures(HERE).into_iter().find(|fixture| fixture.name == name).unwrap()
}

/// `fixtures/inbound/resend`: one webhook for each that Resend's description has.
#[test]
fn nothing_that_resend_describes_is_parked() {
    let described = testing::inbound_fixtures(HERE).into_iter();
    let mut played = 0;
    for fixture in described.filter(|fixture| fixture.name.starts_with("resend/")) {
        let receipt = fixture.connection.receive::<StandardWebhooks>(&fixture.webhook).result.unwrap();
        assert_eq!(receipt.unread, Vec::<String>::new(), "{}", fixture.name);
        let is_ignored = fixture.name.contains("/domain-") || fixture.name.ends_with("/contact-deleted");
        assert_eq!(receipt.events.is_empty(), is_ignored, "{}", fixture.name);
        played += 1;
    }
    assert_eq!(played, 17);
}
