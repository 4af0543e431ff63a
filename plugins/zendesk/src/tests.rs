//! The connector as a whole: its fixtures, the rules of every connector, and what is Zendesk's own.

use rapport_sdk::prelude::*;
use rapport_sdk::testing::{self, Connection};

use crate::Zendesk;

const HERE: &str = env!("CARGO_MANIFEST_DIR");

/// Computed with OpenSSL:
/// `printf %s%s "$TIMESTAMP" "$BODY" | openssl dgst -sha256 -hmac 'a secret of tests' -binary | base64`.
const BODY: &str = r#"{"event":"ticket.updated","ticket_id":123,"status":"open"}"#;
const TIMESTAMP: &str = "2021-03-25T05:09:27Z";
const SIGNED_AT_MS: u64 = 1_616_648_967_000;
const SIGNATURE: &str = "fr/V81BIQwGI3ENHZl6ytC65NiYXY6Ytjjkl8/MWRos=";

/// The same under the secret that Zendesk publishes.
const PUBLISHED: &str = "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==";
const SIGNATURE_UNDER_PUBLISHED: &str = "4j8gb3TLYj2RlTF4Fw3PpBRN4fLNLdsJSmLiQ0D7ApY=";

fn webhook(signature: &str, timestamp: &str, body: &str) -> Webhook {
    let headers = [("x-zendesk-webhook-signature", signature), ("x-zendesk-webhook-signature-timestamp", timestamp)];
    Webhook {
        method: "POST".into(),
        url: "https://rapport.example/hooks/desk".into(),
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        body: body.into(),
    }
}

fn connection(secrets: &[&str]) -> Connection {
    Connection::new("desk", "{}").with_secret("signing-secret", secrets).at(SIGNED_AT_MS)
}

#[test]
fn the_connector_keeps_the_rules_of_the_house() {
    testing::check::<Zendesk>(HERE);
}

#[test]
fn a_signature_of_another_program_is_right_and_no_other_is() {
    let connection = connection(&["a secret of tests"]);
    let receive = |signature: &str, timestamp: &str, body: &str| {
        connection.receive::<Zendesk>(&webhook(signature, timestamp, body)).result
    };
    assert_eq!(receive(SIGNATURE, TIMESTAMP, BODY).unwrap().events.len(), 1);
    for (signature, timestamp, body) in [
        ("", TIMESTAMP, BODY),
        (SIGNATURE, "2021-03-25T05:09:28Z", BODY),
        (SIGNATURE, "", BODY),
        (SIGNATURE, TIMESTAMP, "{}"),
        (&SIGNATURE[1..], TIMESTAMP, BODY),
    ] {
        let result = receive(signature, timestamp, body);
        assert!(matches!(result, Err(Rejection::Unauthenticated(_))), "{signature} {timestamp}: {result:?}");
    }
}

#[test]
fn the_end_of_the_timestamp_cannot_be_moved_into_the_body_nor_back() {
    let connection = connection(&["a secret of tests"]);
    let moved = [
        (TIMESTAMP[..19].to_owned(), format!("Z{BODY}")),
        (format!("{TIMESTAMP}{}", &BODY[..1]), BODY[1..].to_owned()),
        (format!("{TIMESTAMP}{BODY}"), String::new()),
        (String::new(), format!("{TIMESTAMP}{BODY}")),
    ];
    for (timestamp, body) in moved {
        let outcome = connection.receive::<Zendesk>(&webhook(SIGNATURE, &timestamp, &body));
        assert!(matches!(outcome.result, Err(Rejection::Unauthenticated(_))), "{timestamp}: {outcome:?}");
    }
}

#[test]
fn the_secret_that_zendesk_publishes_is_refused_in_every_version() {
    for secrets in [&[PUBLISHED][..], &["a secret of tests", PUBLISHED], &[PUBLISHED, "a secret of tests"]] {
        for signature in [SIGNATURE, SIGNATURE_UNDER_PUBLISHED] {
            let outcome = connection(secrets).receive::<Zendesk>(&webhook(signature, TIMESTAMP, BODY));
            let Err(Rejection::Unauthenticated(reason)) = outcome.result else { panic!("{outcome:?}") };
            assert!(!reason.contains(PUBLISHED), "{reason}");
        }
    }
    let outcome = connection(&[PUBLISHED]).receive::<Zendesk>(&webhook(SIGNATURE_UNDER_PUBLISHED, TIMESTAMP, BODY));
    let Err(Rejection::Unauthenticated(reason)) = outcome.result else { panic!("{outcome:?}") };
    assert!(reason.contains("the one that Zendesk publishes for tests; fix: "), "{reason}");
}

#[test]
fn the_settings_say_how_old_a_delivery_may_be() {
    let hour_later = SIGNED_AT_MS + 60 * 60 * 1000;
    let receive = |config: &str| {
        let connection = Connection::new("desk", config).with_secret("signing-secret", &["a secret of tests"]);
        connection.at(hour_later).receive::<Zendesk>(&webhook(SIGNATURE, TIMESTAMP, BODY)).result
    };
    assert!(matches!(receive("{}"), Err(Rejection::Unauthenticated(_))));
    assert!(receive(r#"{"clocks-apart-minutes":60}"#).is_ok());
    assert!(matches!(receive(r#"{"clocks-apart-minutes":"long"}"#), Err(Rejection::Unsupported(_))));
}

#[test]
fn a_payload_without_an_account_is_of_the_account_of_the_settings() {
    let account = |config: &str| {
        let connection = Connection::new("desk", config).with_secret("signing-secret", &["a secret of tests"]);
        let result = connection.at(SIGNED_AT_MS).receive::<Zendesk>(&webhook(SIGNATURE, TIMESTAMP, BODY)).result;
        result.unwrap().events[0].account.clone()
    };
    assert_eq!(account("{}"), "desk");
    assert_eq!(account(r#"{"account-id":"22129848"}"#), "22129848");
}

#[test]
fn a_missing_secret_is_named_and_nothing_is_accepted() {
    let connection = Connection::new("desk", "{}").at(SIGNED_AT_MS);
    let outcome = connection.receive::<Zendesk>(&webhook(SIGNATURE, TIMESTAMP, BODY));
    let Err(Rejection::Unauthenticated(reason)) = outcome.result else { panic!("{outcome:?}") };
    assert!(reason.contains("secret `signing-secret` is not set on this connection"), "{reason}");
}

#[test]
fn a_log_line_names_no_customer() {
    let connection = Connection::of_fixtures(HERE);
    let mut lines = 0;
    for fixture in testing::inbound_fixtures(HERE) {
        for (_, line) in connection.receive::<Zendesk>(&fixture.webhook).log {
            lines += 1;
            for private in ["Ada", "ada@", "Grace", "555", "5158", "8447", "6596", "22129848", "http"] {
                assert!(!line.contains(private), "{}: {line}", fixture.name);
            }
        }
    }
    assert!(lines > 5, "{lines}");
}
