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

const TRIGGERS: &str = r#"{"payload":"triggers"}"#;

fn connection(secrets: &[&str]) -> Connection {
    Connection::new("desk", TRIGGERS).with_secret("signing-secret", secrets).at(SIGNED_AT_MS)
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
    assert!(matches!(receive(TRIGGERS), Err(Rejection::Unauthenticated(_))));
    assert!(receive(r#"{"payload":"triggers","clocks-apart-minutes":60}"#).is_ok());
    assert!(matches!(receive(r#"{"clocks-apart-minutes":"long"}"#), Err(Rejection::Unsupported(_))));
}

#[test]
fn a_payload_without_an_account_is_of_the_account_of_the_settings() {
    let account = |config: &str| {
        let connection = Connection::new("desk", config).with_secret("signing-secret", &["a secret of tests"]);
        let result = connection.at(SIGNED_AT_MS).receive::<Zendesk>(&webhook(SIGNATURE, TIMESTAMP, BODY)).result;
        result.unwrap().events[0].account.clone()
    };
    assert_eq!(account(TRIGGERS), "desk");
    assert_eq!(account(r#"{"payload":"triggers","account-id":"22129848"}"#), "22129848");
}

/// What a customer writes into a comment, so that a template around it looks like an event to the last name.
const PASSES_FOR_AN_EVENT: &str = r#"x","type":"zen:event-type:ticket.comment_added","id":"1","event":{"comment":{"body":"I agree","author":{"id":"VICTIM","is_staff":false}}},"detail":{"id":"1","requester_id":"VICTIM"},"z":""#;

/// The outcome of a signed body.
fn of_body(config: &str, body: &str) -> Result<Receipt, Rejection> {
    let signature =
        testing::sign(MacAlgorithm::HmacSha256, "a secret of tests", format!("{TIMESTAMP}{body}").as_bytes());
    let connection = Connection::new("desk", config).with_secret("signing-secret", &["a secret of tests"]);
    connection.at(SIGNED_AT_MS).receive::<Zendesk>(&webhook(&base64::encode(&signature), TIMESTAMP, body)).result
}

#[test]
fn a_customer_s_words_in_a_template_are_no_event_of_zendesk_whatever_its_names() {
    let fillers: String = (0..600).map(|index| format!("\"f{index}\":1,")).collect();
    let filled = format!("{{\"message\":\"{}\",{fillers}\"ticket_id\":\"1\"}}", PASSES_FOR_AN_EVENT);
    let body = |name: &str| format!("{{\"{name}\":\"{PASSES_FOR_AN_EVENT}\"}}");
    for body in [body("text"), body("message"), body("note"), filled.clone()] {
        let result = of_body(TRIGGERS, &body);
        assert!(matches!(result, Err(Rejection::Malformed(_))), "{body}: {result:?}");
        let result = of_body("{}", &body);
        let Err(Rejection::Unsupported(reason)) = result else { panic!("{body}: {result:?}") };
        assert!(reason.contains("`payload = \"events\"`") && reason.contains("`payload = \"triggers\"`"), "{reason}");
    }
    // Where the operator said the wrong one, names still tell of most templates, however many stand before them.
    let result = of_body(r#"{"payload":"events"}"#, &filled);
    assert!(matches!(result, Err(Rejection::Malformed(_))), "{result:?}");
}

#[test]
fn fields_of_a_customer_s_cannot_push_the_requester_out_of_sight() {
    let fillers: String = (0..600).map(|index| format!("\"f{index}\":1,")).collect();
    let body = |fillers: &str| {
        format!(r#"{{"title":"x","requester_id":"VICTIM",{fillers}"z":"","ticket":{{"id":"1","requester_id":"7"}}}}"#)
    };
    for fillers in ["", &fillers] {
        let result = of_body(TRIGGERS, &body(fillers));
        assert!(matches!(result, Err(Rejection::Malformed(_))), "{result:?}");
    }
}

#[test]
fn a_customer_s_words_before_and_behind_the_requester_cannot_hide_them() {
    for (before, behind) in [
        (r#"x","requester_id":"VICTIM","z":{"a":""#, r#""},"y":""#),
        (r#"x","requester_id":"VICTIM","z":[{"a":""#, r#""}],"y":""#),
        (r#"x","requester_id":"VICTIM","z":{"z":{"z":{"z":{"z":{"a":""#, r#""}}}}},"y":""#),
    ] {
        let body = format!(r#"{{"title":"{before}","requester_id":"7","ticket_id":"1","description":"{behind}"}}"#);
        let result = of_body(TRIGGERS, &body);
        assert!(
            matches!(&result, Err(Rejection::Malformed(reason)) if reason.contains("one person")),
            "{body}: {result:?}"
        );
    }
    let several =
        r#"{"requester_id":"7","ticket_id":"1","status":"open","comments":[{"author":{"id":8}},{"author":{"id":9}}]}"#;
    assert!(of_body(TRIGGERS, several).is_ok());
}

#[test]
fn what_an_event_holds_beyond_what_is_read_is_told() {
    let unread = |kind: &str, event: &str| {
        let body = format!(
            r#"{{"id":"e1","time":"2026-01-01T00:00:00Z","type":"zen:event-type:{kind}","subject":"zen:ticket:1","detail":{{"id":"1","requester_id":"7"}},"event":{event}}}"#
        );
        let receipt = of_body(r#"{"payload":"events"}"#, &body).unwrap();
        (receipt.events.len(), receipt.unread)
    };
    let survey = |count: usize| {
        let answers = vec![r#"{"type":"rating_scale","rating":3}"#; count].join(",");
        unread(
            "csat.answered",
            &format!(r#"{{"survey_response":{{"id":"s","responder_id":"7","answers":[{answers}]}}}}"#),
        )
    };
    assert_eq!(survey(100), (100, vec![]));
    assert_eq!(survey(102), (100, vec!["answers: there are more ratings than 100".to_owned()]));
    let comment = r#"{"comment":{"id":"c","body":"x","author":{"id":"7"},"attachment":{"id":"f"}}}"#;
    let told = vec!["event.comment.attachment: it has no `content_url`".to_owned()];
    assert_eq!(unread("ticket.comment_added", comment), (1, told));
    let told = vec!["event.identity: it has no `value`".to_owned()];
    assert_eq!(unread("user.identity_created", r#"{"identity":{"type":"email"}}"#), (1, told));
}

#[test]
fn a_missing_secret_is_named_and_nothing_is_accepted() {
    let connection = Connection::new("desk", TRIGGERS).at(SIGNED_AT_MS);
    let outcome = connection.receive::<Zendesk>(&webhook(SIGNATURE, TIMESTAMP, BODY));
    let Err(Rejection::Unauthenticated(reason)) = outcome.result else { panic!("{outcome:?}") };
    assert!(reason.contains("secret `signing-secret` is not set on this connection"), "{reason}");
}

#[test]
fn a_log_line_names_no_customer() {
    let mut lines = 0;
    for fixture in testing::inbound_fixtures(HERE) {
        for line in fixture.connection.receive::<Zendesk>(&fixture.webhook).lines() {
            lines += 1;
            for private in ["Ada", "ada@", "Grace", "555", "5158", "8447", "6596", "22129848", "http"] {
                assert!(!line.contains(private), "{}: {line}", fixture.name);
            }
        }
    }
    assert!(lines > 5, "{lines}");
}

/// The events of "Event schema reference" that can be subscribed to, by what they are about, November 2026.
const DOCUMENTED: &[(&str, &[&str])] = &[
    (
        "ticket",
        &[
            "agent_assignment_changed",
            "attachment_linked_to_comment",
            "attachment_redacted_from_comment",
            "brand_changed",
            "comment_added",
            "comment_made_private",
            "comment_redacted",
            "created",
            "csat_score_changed",
            "custom_field_changed",
            "custom_status_changed",
            "description_changed",
            "email_ccs_changed",
            "external_id_changed",
            "followers_changed",
            "form_changed",
            "group_assignment_changed",
            "marked_as_spam",
            "merged",
            "organization_changed",
            "permanently_deleted",
            "priority_changed",
            "problem_link_changed",
            "requester_changed",
            "schedule_changed",
            "sla_policy_changed",
            "soft_deleted",
            "status_changed",
            "subject_changed",
            "submitter_changed",
            "tags_changed",
            "task_due_at_changed",
            "type_changed",
            "undeleted",
        ],
    ),
    (
        "user",
        &[
            "active_changed",
            "alias_changed",
            "created",
            "custom_field_changed",
            "custom_role_changed",
            "default_group_changed",
            "deleted",
            "details_changed",
            "external_id_changed",
            "group_membership_created",
            "group_membership_deleted",
            "identity_changed",
            "identity_created",
            "identity_deleted",
            "last_login_changed",
            "merged",
            "name_changed",
            "notes_changed",
            "only_private_comments_changed",
            "organization_membership_created",
            "organization_membership_deleted",
            "password_changed",
            "photo_changed",
            "role_changed",
            "suspended_changed",
            "tags_changed",
            "time_zone_changed",
        ],
    ),
    // About no customer.
    ("organization", &["created", "deleted", "name_changed", "tags_changed"]),
    ("article", &["published", "unpublished", "comment_created", "vote_created"]),
    ("community_post", &["created", "deleted", "comment_created"]),
    ("agent_availability", &["agent_status_changed"]),
];

/// Types whose `event` has to hold something: without it the payload is not the documented one.
const WITH_CONTENT: &[&str] = &["comment_added", "attachment_linked_to_comment"];

#[test]
fn no_event_that_zendesk_documents_is_parked() {
    let connection = Connection::of_fixtures(HERE);
    let secret = connection.secret("signing-secret").unwrap();
    let received = |name: &str, kind: &str| {
        let fixture = testing::inbound_fixtures(HERE).into_iter().find(|fixture| fixture.name == name).unwrap();
        let mut body: serde_json::Value = serde_json::from_slice(&fixture.webhook.body).unwrap();
        body["type"] = format!("zen:event-type:{kind}").into();
        let body = body.to_string();
        let mut webhook = fixture.webhook;
        let time = webhook.header("x-zendesk-webhook-signature-timestamp").unwrap().to_owned();
        let tag = testing::sign(MacAlgorithm::HmacSha256, secret, format!("{time}{body}").as_bytes());
        webhook.headers.retain(|(name, _)| name != "x-zendesk-webhook-signature");
        webhook.headers.push(("x-zendesk-webhook-signature".into(), base64::encode(&tag)));
        webhook.body = body.into_bytes();
        fixture.connection.receive::<Zendesk>(&webhook).result
    };
    for (object, actions) in DOCUMENTED {
        for action in actions.iter().filter(|action| !WITH_CONTENT.contains(action)) {
            let name = if *object == "user" { "user-name" } else { "ticket-priority-changed" };
            let kind = format!("{object}.{action}");
            let receipt = received(name, &kind).unwrap_or_else(|rejection| panic!("{kind}: {rejection:?}"));
            assert_eq!(receipt.unread, Vec::<String>::new(), "{kind}");
            assert_eq!(!receipt.events.is_empty(), matches!(*object, "ticket" | "user"), "{kind}");
        }
    }
}
