//! The connector as a whole: its fixtures, the rules of every connector, and what is Amazon Connect's own.

use rapport_sdk::prelude::*;
use rapport_sdk::testing::{self, Connection, Fixture};

use crate::AmazonConnect;

const HERE: &str = env!("CARGO_MANIFEST_DIR");
const INSTANCE: &str = "0a9f2c31-6d5e-4c0b-9a55-7d1f3a2b4c5d";

fn fixture(name: &str) -> Fixture {
    testing::inbound_fixtures(HERE).into_iter().find(|fixture| fixture.name == name).unwrap()
}

fn receive(name: &str, config: &str) -> Result<Receipt, Rejection> {
    Connection::new("contact-centre", config).receive::<AmazonConnect>(&fixture(name).webhook).result
}

fn events(name: &str) -> Vec<Event> {
    Connection::of_fixtures(HERE).receive::<AmazonConnect>(&fixture(name).webhook).result.unwrap().events
}

#[test]
fn the_connector_keeps_the_rules_of_the_house() {
    testing::check::<AmazonConnect>(HERE);
}

#[test]
fn nobody_but_aws_is_believed() {
    for name in ["call-inbound", "event-initiated"] {
        for url in ["https://rapport.example/hooks/contact-centre", "https://rapport.example/?arn:aws:kinesis", ""] {
            let webhook = Webhook { url: url.into(), ..fixture(name).webhook };
            let result = Connection::of_fixtures(HERE).receive::<AmazonConnect>(&webhook).result;
            assert!(matches!(result, Err(Rejection::Unauthenticated(_))), "{url}: {result:?}");
        }
    }
}

#[test]
fn a_version_of_a_record_is_an_event_of_its_own_only_if_it_says_something_new() {
    let keys: Vec<(String, u64)> =
        events("versions-of-one-record").into_iter().map(|event| (event.id, event.at)).collect();
    let of_call: Vec<&str> = keys.iter().filter(|(id, _)| id.contains(":voice:")).map(|(id, _)| id.as_str()).collect();
    let of_survey: Vec<&str> = keys.iter().filter(|(id, _)| id.contains(":NPS:")).map(|(id, _)| id.as_str()).collect();
    assert_eq!((of_call.len(), of_survey.len()), (5, 2));
    // Another analysis; then the recording; then an answer; then another answer, and an address.
    assert_eq!(of_call[0], of_call[1]);
    assert_ne!(of_call[1], of_call[2]);
    assert_eq!(of_call[2], of_call[3]);
    assert_ne!(of_call[3], of_call[4]);
    assert_ne!(of_survey[0], of_survey[1]);
    assert!(keys.iter().all(|(_, at)| *at == keys[0].1), "{keys:?}");
}

#[test]
fn an_answer_that_was_changed_is_the_same_response() {
    let responses: Vec<(String, f64)> = events("versions-of-one-record")
        .into_iter()
        .filter_map(|event| match event.body {
            EventBody::Feedback(feedback) => Some((feedback.response_id, feedback.score)),
            _ => None,
        })
        .collect();
    assert_eq!(responses.len(), 2);
    assert_eq!((&responses[0].0, responses[0].1, responses[1].1), (&responses[1].0, 9.0, 3.0));
}

#[test]
fn records_are_found_however_they_are_joined() {
    assert_eq!(events("several-on-end").len(), 3);
    assert_eq!(events("several-on-end"), events("several-in-lines"));
}

#[test]
fn the_settings_say_which_instances_are_taken() {
    let of = |id: &str| format!(r#"{{"instance-ids":["other","{id}"]}}"#);
    for name in ["call-inbound", "event-initiated"] {
        for id in [INSTANCE, &format!("arn:aws:connect:eu-west-1:111122223333:instance/{INSTANCE}")] {
            let receipt = receive(name, &of(id)).unwrap();
            assert_eq!((receipt.events.len(), receipt.events[0].account.as_str()), (1, INSTANCE));
        }
        assert!(matches!(receive(name, &of("another")), Err(Rejection::Ignored(_))), "{name}");
    }
    assert!(matches!(receive("instance-missing", &of(INSTANCE)), Err(Rejection::Ignored(_))));
    assert_eq!(receive("instance-missing", "{}").unwrap().events[0].account, "contact-centre");
}

#[test]
fn attributes_are_nothing_but_attributes_without_settings() {
    for name in ["survey", "identifiers-of-attributes", "call-with-message-left"] {
        let receipt = receive(name, "{}").unwrap();
        let [event] = receipt.events.as_slice() else { panic!("{receipt:?}") };
        assert_eq!(event.contact.identifiers.len(), 1, "{name}");
        assert!(matches!(&event.body, EventBody::Call(call) if call.state != CallState::Voicemail), "{name}");
        assert!(event.extensions.iter().any(|(key, _)| key == "com.amazonaws.connect.attributes"), "{name}");
    }
}

#[test]
fn nothing_of_a_record_links_a_caller_to_what_an_attribute_says() {
    let identifiers = events("identifiers-of-attributes")[0].contact.identifiers.clone();
    let vouched: Vec<_> = identifiers
        .iter()
        .filter(|identifier| matches!(identifier.attestation, Attestation::Provider | Attestation::Signature))
        .collect();
    assert_eq!((identifiers.len(), vouched.len()), (4, 0), "also the number is only claimed");
}

#[test]
fn settings_that_do_not_fit_park_the_record() {
    for config in [r#"{"surveys":{}}"#, r#"{"identifiers":{"a":7}}"#, r#"{"instance-ids":"i"}"#] {
        let result = receive("call-inbound", config);
        assert!(matches!(result, Err(Rejection::Unsupported(_))), "{config}: {result:?}");
    }
}

#[test]
fn a_survey_of_an_own_metric_needs_a_scale() {
    let survey =
        |scale: &str| receive("survey", &format!(r#"{{"surveys":[{{"attribute":"mood","metric":"mood"{scale}}}]}}"#));
    assert_eq!(survey("").unwrap().events.len(), 1);
    assert_eq!(survey(r#","scale":[1,3]"#).unwrap().events.len(), 2);
    assert_eq!(survey(r#","scale":[1,2]"#).unwrap().events.len(), 1);
}

#[test]
fn a_mebibyte_of_records_is_read_up_to_its_maximum() {
    let one = String::from_utf8(fixture("call-of-few-fields").webhook.body).unwrap();
    let deliver = |count: usize| {
        let webhook = Webhook { body: one.repeat(count).into_bytes(), ..fixture("call-inbound").webhook };
        Connection::of_fixtures(HERE).receive::<AmazonConnect>(&webhook).result
    };
    assert_eq!(deliver(1_000).unwrap().events.len(), 1_000);
    assert!(matches!(deliver(1_001), Err(Rejection::Malformed(_))));
}

#[test]
fn a_log_line_names_no_customer() {
    let connection = Connection::of_fixtures(HERE);
    let mut lines = 0;
    for fixture in testing::inbound_fixtures(HERE) {
        for line in connection.receive::<AmazonConnect>(&fixture.webhook).lines() {
            lines += 1;
            for private in ["Ada", "ada@", "Grace", "grace", "555", "crm-", "5e0b4b1a", "0a9f2c31", "http"] {
                assert!(!line.contains(private), "{}: {line}", fixture.name);
            }
        }
    }
    assert!(lines > 5, "{lines}");
}
