//! The connector as a whole: its fixtures, the rules of every connector, and what is HubSpot's own.

use rapport_sdk::prelude::*;
use rapport_sdk::testing::{self, Connection, Fixture};
use serde_json::Value;

use crate::HubSpot;

const HERE: &str = env!("CARGO_MANIFEST_DIR");

/// Signed requests, all of the same URL, have this time.
const NOW: &str = "1767225600000";

#[test]
fn the_connector_keeps_the_rules_of_the_house() {
    testing::check::<HubSpot>(HERE);
}

#[test]
fn the_number_of_the_attempt_changes_nothing() {
    let connection = Connection::of_fixtures(HERE);
    let mut checked = 0;
    for (fixture, mut body) in accepted_bodies(&connection) {
        let before = connection.receive::<HubSpot>(&signed(&connection, &fixture, &body)).result;
        for element in body.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
            element.insert("attemptNumber".into(), 9.into());
            checked += 1;
        }
        let after = connection.receive::<HubSpot>(&signed(&connection, &fixture, &body)).result;
        assert_eq!(before, after, "{}", fixture.name);
    }
    assert!(checked > 60, "{checked}");
}

#[test]
fn no_two_events_of_the_fixtures_have_one_id_and_different_contents() {
    let connection = Connection::of_fixtures(HERE);
    let mut seen: Vec<Event> = Vec::new();
    for (fixture, body) in accepted_bodies(&connection) {
        let Ok(receipt) = connection.receive::<HubSpot>(&signed(&connection, &fixture, &body)).result else { continue };
        for event in receipt.events {
            let same = seen.iter().find(|other| other.id == event.id && other.account == event.account);
            assert!(same.is_none_or(|other| *other == event), "{}: {}", fixture.name, event.id);
            seen.push(event);
        }
    }
    assert!(seen.len() > 60, "{}", seen.len());
}

#[test]
fn an_element_cut_anywhere_leaves_its_siblings_as_they_are() {
    let connection = Connection::of_fixtures(HERE);
    let (fixture, body) = accepted_bodies(&connection).into_iter().find(|(f, _)| f.name == "batch-empty").unwrap();
    assert_eq!(body, serde_json::json!([]));
    let good =
        serde_json::json!({"subscriptionType": "contact.creation", "portalId": 62515, "eventId": 1, "objectId": 2});
    let fields: Vec<String> = good.as_object().unwrap().keys().cloned().collect();
    for field in fields {
        let mut cut = good.clone();
        cut.as_object_mut().unwrap().remove(&field);
        let batch = serde_json::json!([cut, good, cut]);
        let outcome = connection.receive::<HubSpot>(&signed(&connection, &fixture, &batch));
        assert_eq!(outcome.result.unwrap().events.len(), 1, "without `{field}`");
    }
}

#[test]
fn a_log_line_names_no_customer() {
    let connection = Connection::of_fixtures(HERE);
    let mut lines = 0;
    for fixture in testing::inbound_fixtures(HERE) {
        for line in connection.receive::<HubSpot>(&fixture.webhook).lines() {
            lines += 1;
            for private in ["555", "Ada", "ada", "grace", "1246965", "9336126552", "62515", "@", "http", "38162"] {
                assert!(!line.contains(private), "{}: {line}", fixture.name);
            }
        }
    }
    assert!(lines > 20, "{lines}");
}

#[test]
fn a_missing_secret_is_named_and_nothing_is_accepted() {
    let connection = Connection::new("crm-eu", "{}");
    let names = ["contact-creation"];
    for fixture in testing::inbound_fixtures(HERE).into_iter().filter(|fixture| names.contains(&fixture.name.as_str()))
    {
        let outcome = connection.receive::<HubSpot>(&fixture.webhook);
        let Err(Rejection::Unauthenticated(reason)) = outcome.result else { panic!("{outcome:?}") };
        assert!(reason.contains("secret `client-secret` is not set on this connection"), "{reason}");
    }
}

#[test]
fn settings_that_do_not_fit_park_the_webhook_and_v1_has_to_be_allowed() {
    let receive = |name: &str, config: &str| {
        let fixture = testing::inbound_fixtures(HERE).into_iter().find(|fixture| fixture.name == name).unwrap();
        let connection = Connection::new("crm-eu", config).with_secret("client-secret", &["test-client-secret"]);
        connection.receive::<HubSpot>(&fixture.webhook).result
    };
    let is_one = |result: Result<Receipt, Rejection>| result.is_ok_and(|receipt| receipt.events.len() == 1);
    for config in ["{}", r#"{"portal-ids":[62515]}"#, r#"{"portal-ids":["62515"]}"#, r#"{"allow-v1":true}"#] {
        assert!(is_one(receive("contact-creation", config)), "{config}");
    }
    assert!(matches!(receive("contact-creation", r#"{"portal-ids":["1"]}"#), Err(Rejection::Ignored(_))));
    assert!(matches!(receive("contact-creation", r#"{"portal-ids":"1"}"#), Err(Rejection::Unsupported(_))));
    for name in ["older/signature-v1-only", "older/signature-v2-only", "older/signature-without-version"] {
        assert!(is_one(receive(name, r#"{"allow-v1":true}"#)), "{name}");
        for config in ["{}", r#"{"allow-v1":false}"#, r#"{"allow-v1":"yes"}"#] {
            let Err(Rejection::Unauthenticated(reason)) = receive(name, config) else { panic!("{name}") };
            assert!(reason.contains("allow-v1"), "{reason}");
        }
    }
}

/// The bodies that are JSON, of the requests that are HubSpot's.
fn accepted_bodies(connection: &Connection) -> Vec<(Fixture, Value)> {
    let mut accepted = Vec::new();
    for fixture in testing::inbound_fixtures(HERE) {
        let is_genuine = connection.receive::<HubSpot>(&fixture.webhook).verified;
        let body = serde_json::from_str(&lenient::document(&fixture.webhook.body));
        if let (true, Ok(body)) = (is_genuine, body) {
            accepted.push((fixture, body));
        }
    }
    accepted
}

fn signed(connection: &Connection, fixture: &Fixture, body: &Value) -> Webhook {
    let body = serde_json::to_vec(body).unwrap();
    let url = &fixture.webhook.url;
    let source = [b"POST", url.as_bytes(), &body, NOW.as_bytes()].concat();
    let tag = testing::sign(MacAlgorithm::HmacSha256, connection.secret("client-secret").unwrap(), &source);
    let headers = [("x-hubspot-signature-v3", base64::encode(&tag)), ("x-hubspot-request-timestamp", NOW.to_owned())];
    let headers = headers.map(|(name, value)| (name.to_owned(), value)).to_vec();
    Webhook { headers, body, ..fixture.webhook.clone() }
}

/// The subscription types of "Webhooks API", November 2026: objects with what can happen to them.
const DOCUMENTED: &[(&str, &[&str])] = &[
    (
        "contact",
        &["creation", "deletion", "merge", "associationChange", "restore", "privacyDeletion", "propertyChange"],
    ),
    ("conversation", &["creation", "deletion", "privacyDeletion", "propertyChange", "newMessage"]),
    // About no customer: their associations with a contact are.
    ("company", &["creation", "deletion", "merge", "restore", "propertyChange"]),
    ("deal", &["creation", "deletion", "merge", "restore", "propertyChange"]),
    ("ticket", &["creation", "deletion", "merge", "restore", "propertyChange"]),
    ("product", &["creation", "deletion", "merge", "restore", "propertyChange"]),
    ("line_item", &["creation", "deletion", "merge", "restore", "propertyChange"]),
    ("object", &["creation", "deletion", "merge", "restore", "propertyChange", "associationChange"]),
];

#[test]
fn no_subscription_that_hubspot_documents_is_parked() {
    let connection = Connection::of_fixtures(HERE);
    let (fixture, _) = accepted_bodies(&connection).into_iter().find(|(f, _)| f.name == "batch-empty").unwrap();
    for (object, actions) in DOCUMENTED {
        for action in *actions {
            let kind = format!("{object}.{action}");
            let element = serde_json::json!({
                "eventId": 1, "subscriptionId": 2, "portalId": 62515, "appId": 3, "occurredAt": 1_790_668_800_000_u64,
                "subscriptionType": kind, "attemptNumber": 0, "objectId": 4, "changeSource": "CRM", "changeFlag": "NEW",
                "propertyName": "firstname", "propertyValue": "Ada", "messageId": "5", "messageType": "MESSAGE",
                "primaryObjectId": 4, "mergedObjectIds": [6], "newObjectId": 7, "numberOfPropertiesMoved": 1,
                "associationType": "CONTACT_TO_COMPANY", "fromObjectId": 4, "toObjectId": 8,
                "associationRemoved": false, "isPrimaryAssociation": false,
            });
            let outcome = connection.receive::<HubSpot>(&signed(&connection, &fixture, &serde_json::json!([element])));
            let receipt = outcome.result.unwrap_or_else(|rejection| panic!("{kind}: {rejection:?}"));
            assert_eq!(receipt.unread, Vec::<String>::new(), "{kind}");
            let is_of_contact = matches!(*object, "contact" | "conversation") || *action == "associationChange";
            assert_eq!(!receipt.events.is_empty(), is_of_contact, "{kind}");
        }
    }
}
