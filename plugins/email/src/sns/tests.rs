#![allow(clippy::unwrap_used)]

use rapport_sdk::prelude::*;
use rapport_sdk::testing::{Connection, Fixture, inbound_fixtures};
use serde_json::{Value, json};

use crate::Email;

const HERE: &str = env!("CARGO_MANIFEST_DIR");

fn fixture(name: &str) -> Fixture {
    inbound_fixtures(HERE).into_iter().find(|fixture| fixture.name == name).unwrap()
}

/// What becomes of a fixture after a change of its envelope.
fn outcome(name: &str, change: impl FnOnce(&mut Value)) -> Result<Receipt, Rejection> {
    let mut fixture = fixture(name);
    let mut envelope: Value = serde_json::from_slice(&fixture.webhook.body).unwrap();
    change(&mut envelope);
    fixture.webhook.body = serde_json::to_vec(&envelope).unwrap();
    fixture.connection.receive::<Email>(&fixture.webhook).result
}

fn is_refused(result: &Result<Receipt, Rejection>) -> bool {
    matches!(result, Err(Rejection::Unauthenticated(_)))
}

#[test]
fn both_versions_of_the_signature_are_verified_and_neither_passes_for_the_other() {
    for (name, other) in [("ses/text", "1"), ("ses/text-signed-with-sha1", "2")] {
        assert!(outcome(name, |_| {}).is_ok(), "{name}");
        assert!(is_refused(&outcome(name, |envelope| envelope["SignatureVersion"] = json!(other))), "{name}");
    }
}

#[test]
fn every_signed_field_counts() {
    for field in ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"] {
        assert!(is_refused(&outcome("ses/text", |envelope| envelope[field] = json!("x"))), "{field}");
    }
    for field in ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"] {
        assert!(is_refused(&outcome("ses/subscription", |envelope| envelope[field] = json!("x"))), "{field}");
    }
    let without_subject = |envelope: &mut Value| drop(envelope.as_object_mut().unwrap().remove("Subject"));
    assert!(is_refused(&outcome("ses/text", without_subject)));
}

#[test]
fn what_is_not_signed_changes_nothing() {
    let expected = outcome("ses/reply", |_| {});
    assert!(expected.is_ok());
    assert_eq!(outcome("ses/reply", |envelope| envelope["UnsubscribeURL"] = json!("https://evil.example/")), expected);
    assert_eq!(outcome("ses/reply", |envelope| envelope["Subject"] = Value::Null), expected);
    let as_lambda_writes = |envelope: &mut Value| {
        let url = envelope.as_object_mut().unwrap().remove("SigningCertURL").unwrap();
        envelope["SigningCertUrl"] = url;
    };
    assert_eq!(outcome("ses/reply", as_lambda_writes), expected);
}

#[test]
fn only_a_certificate_of_the_topics_own_region_is_asked_for() {
    for url in [
        "http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem",
        "https://sns.eu-west-1.amazonaws.com.evil.example/x.pem",
        "https://sns.eu-west-1.amazonaws.com:444/x.pem",
        "https://sns.eu-west-1.amazonaws.com@evil.example/x.pem",
        "https://user@sns.eu-west-1.amazonaws.com/x.pem",
        "https://sns.eu-west-1.amazonaws.com/x.pem?y",
        "https://sns.eu-west-1.amazonaws.com/x",
        "https://sns.eu-west-1.amazonaws.com",
        "https://sns.eu-west-2.amazonaws.com/x.pem",
        "https://sns.eu-west-1.amazonaws.com.cn/x.pem",
        "https://evil.example/x.pem",
        "",
    ] {
        let result = outcome("ses/text", |envelope| envelope["SigningCertURL"] = json!(url));
        let Err(Rejection::Unauthenticated(reason)) = result else { panic!("{url}") };
        assert!(reason.contains("SigningCertURL"), "{url}: {reason}");
    }
}

#[test]
fn a_message_counts_for_an_hour() {
    let text = fixture("ses/text");
    let at = |now: u64| text.connection.clone().at(now).receive::<Email>(&text.webhook).result;
    let sent = 1_767_225_600_000;
    assert!(at(sent + super::WINDOW.past_ms).is_ok());
    assert!(is_refused(&at(sent + super::WINDOW.past_ms + 1)));
    assert!(at(sent - super::WINDOW.ahead_ms).is_ok());
    assert!(is_refused(&at(sent - super::WINDOW.ahead_ms - 1)));
}

#[test]
fn only_the_confirmation_of_an_own_topic_at_its_own_region_is_called() {
    let arn = "arn:aws:sns:eu-west-1:123456789012:mail";
    let scene = crate::scene::Scene {
        settings: serde_json::from_value(json!({"provider": "ses", "topic-arns": [arn]})).unwrap(),
        connection: "mail",
        now: 0,
    };
    let confirm = |url: &str, kind: &str, topic: &str| {
        let body = json!({"Type": kind, "TopicArn": topic, "SubscribeURL": url}).to_string();
        super::confirmation(&body, &scene)
    };
    let kind = "SubscriptionConfirmation";
    let right = format!("https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={arn}&Token=2");
    assert_eq!(confirm(&right, kind, arn), Some(right.clone()));
    assert_eq!(confirm(&right, "Notification", arn), None);
    assert_eq!(confirm(&right, kind, "arn:aws:sns:eu-west-1:999999999999:mail"), None);
    for (from, to) in [
        ("https://", "http://"),
        ("amazonaws.com/", "amazonaws.com.evil.example/"),
        ("amazonaws.com/", "amazonaws.com:8443/"),
        ("//sns", "//user@sns"),
        ("eu-west-1.amazonaws", "us-east-1.amazonaws"),
        ("ConfirmSubscription", "Unsubscribe"),
        ("123456789012", "999999999999"),
        ("&Token", "&Action=Publish&Token"),
        ("/?", "/x?"),
    ] {
        assert_eq!(confirm(&right.replacen(from, to, 1), kind, arn), None, "{to}");
    }
}

#[test]
fn a_certificate_that_cannot_be_had_is_a_refusal() {
    let text = fixture("ses/text");
    let bare = Connection::new("mail", text.connection.config());
    assert!(is_refused(&bare.receive::<Email>(&text.webhook).result));
}
