//! The connector as a whole: its fixtures, the rules of every connector, and what is Salesforce's own.

use rapport_sdk::prelude::*;
use rapport_sdk::testing::{self, Connection, Fixture};

use crate::Salesforce;

const HERE: &str = env!("CARGO_MANIFEST_DIR");

fn fixture(name: &str) -> Fixture {
    testing::inbound_fixtures(HERE).into_iter().find(|fixture| fixture.name == name).unwrap()
}

#[test]
fn the_connector_keeps_the_rules_of_the_house() {
    testing::check::<Salesforce>(HERE);
}

#[test]
fn an_outbound_message_is_acknowledged_only_with_a_receipt() {
    let connection = Connection::of_fixtures(HERE);
    let (mut acknowledged, mut refused) = (0, 0);
    for fixture in testing::inbound_fixtures(HERE).into_iter().filter(|fixture| fixture.name.starts_with("message-")) {
        match connection.receive::<Salesforce>(&fixture.webhook).result {
            Ok(receipt) => {
                let response = receipt.response.unwrap();
                assert_eq!(response.status, 200);
                assert_eq!(response.headers, [("content-type".to_owned(), "text/xml; charset=utf-8".to_owned())]);
                let body = String::from_utf8(response.body).unwrap();
                assert!(body.contains("<Ack>true</Ack></notificationsResponse>"), "{body}");
                acknowledged += 1;
            }
            Err(_) => refused += 1,
        }
    }
    assert!(acknowledged > 20 && refused > 5, "{acknowledged} {refused}");
}

#[test]
fn a_session_is_kept_nowhere() {
    let fixture = fixture("message-with-session");
    assert!(String::from_utf8_lossy(&fixture.webhook.body).contains("secret.session"));
    let outcome = Connection::of_fixtures(HERE).receive::<Salesforce>(&fixture.webhook);
    assert_eq!(outcome.result.as_ref().unwrap().events.len(), 1);
    assert!(!testing::render_outcome(&outcome).contains("secret.session"));
}

#[test]
fn an_organization_is_the_same_with_15_and_with_18_characters() {
    let receive = |name: &str, organization: &str| {
        let config = format!("{{\"organization-id\":\"{organization}\"}}");
        Connection::new("crm", &config).receive::<Salesforce>(&fixture(name).webhook).result
    };
    for name in ["message-contact", "message-with-short-ids", "change-contact"] {
        let short = receive(name, "00D000000000001").unwrap();
        assert_eq!(short, receive(name, "00D000000000001EAA").unwrap(), "{name}");
        assert_eq!(short.events[0].account, "00D000000000001EAA");
        assert!(matches!(receive(name, "00D000000000002"), Err(Rejection::Ignored(_))), "{name}");
    }
    assert!(matches!(receive("message-contact", "00d000000000001"), Err(Rejection::Ignored(_))));
}

#[test]
fn a_connection_without_an_organization_takes_nothing() {
    let result = Connection::new("crm", "{}").receive::<Salesforce>(&fixture("message-contact").webhook).result;
    assert!(matches!(result, Err(Rejection::Unsupported(_))), "{result:?}");
}

#[test]
fn both_kinds_of_message_give_a_contact_the_same_address() {
    let connection = Connection::of_fixtures(HERE);
    let addresses =
        ["message-contact", "change-contact", "message-person-account", "change-case-created"].map(|name| {
            let receipt = connection.receive::<Salesforce>(&fixture(name).webhook).result.unwrap();
            receipt.events[0].contact.identifiers[0].clone()
        });
    assert!(addresses.iter().all(|address| *address == addresses[0]), "{addresses:?}");
}

#[test]
fn a_message_of_many_notifications_is_read_up_to_its_maximum() {
    let mut webhook = fixture("message-contact").webhook;
    let text = String::from_utf8(webhook.body).unwrap();
    let start = text.find("<Notification>").unwrap();
    let end = text.find("</Notification>").unwrap() + "</Notification>".len();
    let many: String =
        (0..101).map(|index| text[start..end].replace("04l000000000001AAA", &format!("04l{index:012}"))).collect();
    webhook.body = format!("{}{many}{}", &text[..start], &text[end..]).into_bytes();
    let receipt = Connection::of_fixtures(HERE).receive::<Salesforce>(&webhook).result.unwrap();
    assert_eq!(receipt.events.len(), 100);
}

#[test]
fn fields_beyond_those_that_a_record_can_have_are_told() {
    let connection = Connection::of_fixtures(HERE);
    let mut webhook = fixture("message-contact").webhook;
    let many: String = (0..500).map(|index| format!("<sf:A{index}__c>1</sf:A{index}__c>")).collect();
    let text = String::from_utf8(webhook.body).unwrap().replace("</sObject>", &format!("{many}</sObject>"));
    webhook.body = text.into_bytes();
    let receipt = connection.receive::<Salesforce>(&webhook).result.unwrap();
    assert_eq!(
        (receipt.events.len(), receipt.unread),
        (1, vec!["Notification[0]: it has more than 500 fields".into()])
    );

    let mut webhook = fixture("change-contact").webhook;
    let many: String = (0..500).map(|index| format!(r#","A{index}__c":1"#)).collect();
    let text = String::from_utf8(webhook.body).unwrap();
    let header = text.find("\"ChangeEventHeader\"").unwrap();
    webhook.body = format!("{}{},{}", &text[..header], &many[1..], &text[header..]).into_bytes();
    let receipt = connection.receive::<Salesforce>(&webhook).result.unwrap();
    assert_eq!((receipt.events.len(), receipt.unread), (1, vec!["[0]: it has more than 500 fields".into()]));
}

#[test]
fn a_log_line_names_no_customer() {
    let connection = Connection::of_fixtures(HERE);
    let mut lines = 0;
    for fixture in testing::inbound_fixtures(HERE) {
        for line in connection.receive::<Salesforce>(&fixture.webhook).lines() {
            lines += 1;
            for private in ["Ada", "ada@", "Grace", "555", "003D", "500D", "00D0", "http"] {
                assert!(!line.contains(private), "{}: {line}", fixture.name);
            }
        }
    }
    assert!(lines > 3, "{lines}");
}

#[test]
fn what_a_relay_delivers_is_the_same_event_by_a_feed_and_over_http() {
    let connection = Connection::of_fixtures(HERE);
    for name in
        ["change-contact", "change-contact-delete", "change-case-closed", "change-of-several-records", "platform-event"]
    {
        let fed = fixture(&format!("fed-{name}"));
        assert!(fed.webhook.is_fed());
        let events = |fixture: &Fixture| connection.receive::<Salesforce>(&fixture.webhook).result.unwrap().events;
        assert!(!events(&fed).is_empty());
        assert_eq!(events(&fed), events(&fixture(name)), "{name}");
    }
}

#[test]
fn a_platform_event_that_is_relayed_again_has_the_same_id() {
    let connection = Connection::of_fixtures(HERE);
    let ids = ["fed-platform-event-of-relay", "fed-platform-event-relayed-again"]
        .map(|name| connection.receive::<Salesforce>(&fixture(name).webhook).result.unwrap().events[0].id.clone());
    assert_eq!(ids, ["0b3c2f1e-5d7a-4a43-9a57-3e0f2a6c1d22"; 2]);
}
