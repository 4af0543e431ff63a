//! The connector as a whole: its fixtures, what nobody may change, and what a stranger's field may not change.

use rapport_sdk::prelude::*;
use rapport_sdk::testing::{self, Connection, Fixture};

use crate::Sms;

const HERE: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn the_connector_keeps_the_rules_of_the_house() {
    testing::check::<Sms>(HERE);
}

#[test]
fn a_field_of_tomorrow_in_a_form_changes_nothing() {
    let connection = Connection::of_fixtures(HERE);
    let mut checked = 0;
    for fixture in verified(&connection).iter().filter(|fixture| is_form(fixture)) {
        let before = connection.receive::<Sms>(&fixture.webhook).result;
        // Of a message that cannot be understood all fields are kept.
        if format!("{before:?}").contains("Part::Other") {
            continue;
        }
        let changed = with_form(&connection, fixture, |fields| fields.push(("AFieldOfTomorrow".into(), "1".into())));
        assert_eq!(before, connection.receive::<Sms>(&changed).result, "{}", fixture.name);
        checked += 1;
    }
    assert!(checked > 50, "{checked}");
}

#[test]
fn any_value_in_any_field_of_a_form_is_no_crash() {
    let connection = Connection::of_fixtures(HERE);
    for fixture in verified(&connection).iter().filter(|fixture| is_form(fixture)) {
        let count = form::pairs(std::str::from_utf8(&fixture.webhook.body).unwrap()).len();
        for index in 0..count {
            for wrong in ["", " ", ":", "whatsapp:", "é:", "-1", "1e999", "{}", "\u{0}", "é"] {
                let changed = with_form(&connection, fixture, |fields| fields[index].1 = wrong.into());
                let outcome = connection.receive::<Sms>(&changed);
                let is_known = !matches!(outcome.result, Err(Rejection::Unauthenticated(_)));
                assert!(is_known, "{}: field {index}", fixture.name);
                let events = outcome.result.map(|receipt| receipt.events).unwrap_or_default();
                assert!(events.iter().all(has_a_place), "{}: field {index} {wrong:?}", fixture.name);
            }
        }
    }
}

#[test]
fn a_log_line_or_a_rejection_names_no_customer() {
    let connection = Connection::of_fixtures(HERE);
    let mut lines = 0;
    for fixture in testing::inbound_fixtures(HERE) {
        let outcome = connection.receive::<Sms>(&fixture.webhook);
        let reason = outcome.result.as_ref().err().map(|rejection| format!("{rejection:?}"));
        for line in outcome.log.into_iter().map(|(_, line)| line).chain(reason) {
            lines += 1;
            for private in
                ["1650", "2125", "my-rcs", "Ada", "Grace", "US.", "SM0", "AC0", "Hello", "http", "test-auth-token"]
            {
                assert!(!line.contains(private), "{}: {line}", fixture.name);
            }
        }
    }
    assert!(lines > 20, "{lines}");
}

#[test]
fn a_missing_secret_is_named_and_nothing_is_accepted() {
    let connection = Connection::new("sms-eu", "{}");
    let outcome = connection.receive::<Sms>(&fixture("text").webhook);
    let Err(Rejection::Unauthenticated(reason)) = outcome.result else { panic!("{outcome:?}") };
    assert!(reason.contains("secret `auth-token` is not set on this connection"), "{reason}");
}

#[test]
fn settings_decide_whose_webhooks_are_taken() {
    let text = fixture("text");
    let receive = |config: &str, name: &str| {
        let connection = Connection::new("sms-eu", config).with_secret("auth-token", &["test-auth-token"]);
        connection.receive::<Sms>(&fixture(name).webhook).result
    };
    let account = form::pairs(std::str::from_utf8(&text.webhook.body).unwrap());
    let account = &account.iter().find(|(name, _)| name == "AccountSid").unwrap().1;
    assert!(matches!(receive("{}", "text"), Ok(receipt) if receipt.events.len() == 1));
    let listed = format!(r#"{{"account-sids":["{account}"]}}"#);
    assert!(matches!(receive(&listed, "text"), Ok(receipt) if receipt.events.len() == 1));
    assert!(matches!(receive(&listed, "text-minimal"), Ok(receipt) if receipt.events.len() == 1));
    assert!(matches!(receive(r#"{"account-sids":["AC1"]}"#, "text"), Err(Rejection::Ignored(_))));
    assert!(matches!(receive(r#"{"account-sids":"AC1"}"#, "text"), Err(Rejection::Unsupported(_))));
}

#[test]
fn a_form_is_always_answered_with_an_empty_response() {
    let connection = Connection::of_fixtures(HERE);
    for fixture in verified(&connection) {
        let Ok(receipt) = connection.receive::<Sms>(&fixture.webhook).result else { continue };
        let response = receipt.response.map(|response| String::from_utf8(response.body).unwrap());
        let expected = fixture
            .webhook
            .query("bodySHA256")
            .is_none()
            .then_some(r#"<?xml version="1.0" encoding="UTF-8"?><Response/>"#);
        assert_eq!(response.as_deref(), expected, "{}", fixture.name);
    }
}

fn fixture(name: &str) -> Fixture {
    testing::inbound_fixtures(HERE).into_iter().find(|fixture| fixture.name == name).unwrap()
}

/// The fixtures that Twilio signed.
fn verified(connection: &Connection) -> Vec<Fixture> {
    let is_verified = |fixture: &Fixture| {
        let outcome = connection.receive::<Sms>(&fixture.webhook);
        outcome.verified && !matches!(outcome.result, Err(Rejection::Unauthenticated(_)))
    };
    testing::inbound_fixtures(HERE).into_iter().filter(is_verified).collect()
}

/// Whether the body is a form that is signed field by field.
fn is_form(fixture: &Fixture) -> bool {
    fixture.webhook.method == "POST" && fixture.webhook.query("bodySHA256").is_none()
}

fn has_a_place(event: &Event) -> bool {
    let first = event.contact.identifiers.first();
    !event.id.is_empty() && !event.account.is_empty() && first.is_some_and(|id| !id.value.trim().is_empty())
}

fn with_form(connection: &Connection, fixture: &Fixture, change: impl FnOnce(&mut Vec<(String, String)>)) -> Webhook {
    let mut fields = form::pairs(&String::from_utf8_lossy(&fixture.webhook.body));
    change(&mut fields);
    let body = form::encode(&fields);
    fields.sort();
    fields.dedup();
    let signed: String = fields.into_iter().map(|(name, value)| name + &value).collect();
    let token = connection.secret("auth-token").unwrap();
    let tag = testing::sign(MacAlgorithm::HmacSha1, token, (fixture.webhook.url.clone() + &signed).as_bytes());
    let mut webhook = Webhook { body: body.into_bytes(), ..fixture.webhook.clone() };
    webhook.headers.retain(|(name, _)| name != "x-twilio-signature");
    webhook.headers.push(("x-twilio-signature".into(), base64::encode(&tag)));
    webhook
}
