//! The connector as a whole: its fixtures, the rules of every connector, and what is Typeform's own.

use rapport_sdk::prelude::*;
use rapport_sdk::testing::{self, Connection};

use crate::Typeform;

const HERE: &str = env!("CARGO_MANIFEST_DIR");

/// Computed with OpenSSL: `printf %s "$BODY" | openssl dgst -sha256 -hmac 'a secret of tests' -binary | base64`.
const BODY: &str = r#"{"event_type":"form_response","form_response":{"form_id":"lT4Z3j","token":"a3a12ec6","submitted_at":"2026-10-01T08:03:12Z"}}"#;
const SIGNATURE: &str = "D8Nr0jZfMJG+d3rtw36lMKSvoEJgLW6CbPCjnHsYr3U=";

fn webhook(signature: &str, body: &str) -> Webhook {
    Webhook {
        method: "POST".into(),
        url: "https://rapport.example/hooks/surveys".into(),
        headers: vec![("typeform-signature".into(), signature.into())],
        body: body.into(),
    }
}

#[test]
fn the_connector_keeps_the_rules_of_the_house() {
    testing::check::<Typeform>(HERE);
}

#[test]
fn a_signature_of_another_program_is_right_and_no_other_is() {
    let connection = Connection::new("surveys", "{}").with_secret("secret", &["a secret of tests"]);
    let receive = |signature: &str, body: &str| connection.receive::<Typeform>(&webhook(signature, body)).result;
    assert_eq!(receive(&format!("sha256={SIGNATURE}"), BODY).unwrap().events.len(), 1);
    for signature in [SIGNATURE, "", "sha256=", &format!("sha1={SIGNATURE}"), &format!("sha256={SIGNATURE}A")] {
        assert!(matches!(receive(signature, BODY), Err(Rejection::Unauthenticated(_))), "{signature}");
    }
    let other = BODY.replace("lT4Z3j", "lT4Z3k");
    assert!(matches!(receive(&format!("sha256={SIGNATURE}"), &other), Err(Rejection::Unauthenticated(_))));
}

#[test]
fn a_missing_secret_is_named_and_nothing_is_accepted() {
    let connection = Connection::new("surveys", "{}");
    let outcome = connection.receive::<Typeform>(&webhook(&format!("sha256={SIGNATURE}"), BODY));
    let Err(Rejection::Unauthenticated(reason)) = outcome.result else { panic!("{outcome:?}") };
    assert!(reason.contains("secret `secret` is not set on this connection"), "{reason}");
}

#[test]
fn the_settings_say_which_hidden_fields_are_identifiers() {
    let schemes = |config: &str| {
        let connection = Connection::new("surveys-eu", config).with_secret("secret", &["test-typeform-secret"]);
        let fixture = testing::inbound_fixtures(HERE).into_iter().find(|fixture| fixture.name == "nps").unwrap();
        let receipt = connection.receive::<Typeform>(&fixture.webhook).result.unwrap();
        let identifiers = receipt.events[0].contact.identifiers.clone();
        identifiers.into_iter().map(|identifier| (identifier.scheme, identifier.value)).collect::<Vec<_>>()
    };
    let owned = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect::<Vec<_>>();
    assert_eq!(schemes("{}"), owned(&[("email", "ada@example.com"), ("typeform.user", "u-1815")]));
    assert_eq!(schemes(r#"{"identifiers":{}}"#), owned(&[("typeform.response", "a3a12ec67a1365927098a606107fac15")]));
    assert_eq!(schemes(r#"{"identifiers":{"user_id":"shop.customer"}}"#), owned(&[("shop.customer", "u-1815")]));
}

#[test]
fn settings_that_do_not_fit_park_the_webhook() {
    for config in [r#"{"questions":[]}"#, r#"{"about":1}"#] {
        let connection = Connection::new("surveys", config).with_secret("secret", &["a secret of tests"]);
        let result = connection.receive::<Typeform>(&webhook(&format!("sha256={SIGNATURE}"), BODY)).result;
        assert!(matches!(result, Err(Rejection::Unsupported(_))), "{config}: {result:?}");
    }
}

#[test]
fn a_log_line_names_no_customer() {
    let connection = Connection::of_fixtures(HERE);
    let mut lines = 0;
    for fixture in testing::inbound_fixtures(HERE) {
        for line in connection.receive::<Typeform>(&fixture.webhook).lines() {
            lines += 1;
            for private in ["Ada", "ada", "grace", "555", "4711", "a3a12", "@", "http"] {
                assert!(!line.contains(private), "{}: {line}", fixture.name);
            }
        }
    }
    assert!(lines > 5, "{lines}");
}
