//! The connector as a whole: its fixtures, what every connector has to keep, and the signatures that providers publish.

use rapport_sdk::prelude::*;
use rapport_sdk::testing::{self, Connection};

use crate::Email;

mod corpus;
mod ways;

const HERE: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn the_connector_keeps_the_rules_of_the_house() {
    testing::check::<Email>(HERE);
}

fn post(headers: &[(&str, &str)], body: &str) -> Webhook {
    Webhook {
        method: "POST".into(),
        url: "https://rapport.example/hooks/mail".into(),
        headers: headers.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
        body: body.into(),
    }
}

fn is_refused(result: &Result<Receipt, Rejection>) -> bool {
    matches!(result, Err(Rejection::Unauthenticated(_)))
}

/// Twilio publishes this request with the tests of all its libraries (`sendgrid-nodejs`, `sendgrid-go`, …).
mod sendgrid {
    use super::*;

    const KEY: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g==";
    const SIGNATURE: &str =
        "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM=";
    const TIMESTAMP: &str = "1600112502";
    const BODY: &str = "[{\"email\":\"hello@world.com\",\"event\":\"dropped\",\"reason\":\"Bounced Address\",\
        \"sg_event_id\":\"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA\",\
        \"sg_message_id\":\"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0\",\
        \"smtp-id\":\"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>\",\"timestamp\":1600112492}]\r\n";

    const NOW: u64 = 1_600_112_502_000;

    fn receive(signature: &str, timestamp: &str, body: &str) -> testing::Outcome {
        receive_at(NOW, signature, timestamp, body)
    }

    fn receive_at(now: u64, signature: &str, timestamp: &str, body: &str) -> testing::Outcome {
        let connection = Connection::new("mail", r#"{"provider":"sendgrid"}"#).with_secret("event-public-key", &[KEY]);
        let connection = connection.at(now);
        let headers = [
            ("content-type", "application/json"),
            ("x-twilio-email-event-webhook-signature", signature),
            ("x-twilio-email-event-webhook-timestamp", timestamp),
        ];
        connection.receive::<Email>(&post(&headers, body))
    }

    #[test]
    fn the_published_signature_is_verified_and_no_other() {
        let outcome = receive(SIGNATURE, TIMESTAMP, BODY);
        assert!(outcome.verified && outcome.result.is_ok_and(|receipt| receipt.events.len() == 1));
        for (signature, timestamp, body) in [
            (SIGNATURE, "1600112503", BODY),
            (SIGNATURE, TIMESTAMP, BODY.trim_end()),
            (SIGNATURE, TIMESTAMP, &BODY.replace("dropped", "bounced")),
            (&SIGNATURE.replace("MEUCIGHQ", "MEUCIGHR"), TIMESTAMP, BODY),
            ("", TIMESTAMP, BODY),
        ] {
            assert!(is_refused(&receive(signature, timestamp, body).result), "{signature} {timestamp}");
        }
    }

    #[test]
    fn a_signature_counts_as_long_as_sendgrid_tries_again() {
        const HOUR: u64 = 60 * 60 * 1000;
        assert!(receive_at(NOW + 25 * HOUR, SIGNATURE, TIMESTAMP, BODY).result.is_ok());
        assert!(is_refused(&receive_at(NOW + 26 * HOUR, SIGNATURE, TIMESTAMP, BODY).result));
        assert!(is_refused(&receive_at(NOW - HOUR, SIGNATURE, TIMESTAMP, BODY).result));
    }

    #[test]
    fn without_a_key_it_is_the_host_that_decides_about_unsigned_events() {
        let connection = Connection::new("mail", r#"{"provider":"sendgrid"}"#);
        let unsigned = post(&[("content-type", "application/json")], BODY);
        let outcome = connection.receive::<Email>(&unsigned);
        assert!(!outcome.verified && outcome.result.is_ok_and(|receipt| receipt.events.len() == 1));
        // Whoever set a key wants signatures, and whoever signs wants them checked.
        assert!(is_refused(
            &connection.clone().with_secret("event-public-key", &[KEY]).receive::<Email>(&unsigned).result
        ));
        let signature = ("x-twilio-email-event-webhook-signature", SIGNATURE);
        let signed = post(&[signature, ("x-twilio-email-event-webhook-timestamp", TIMESTAMP)], BODY);
        let Err(Rejection::Unauthenticated(reason)) = connection.receive::<Email>(&signed).result else { panic!() };
        assert!(reason.contains("secret `event-public-key` is not set on this connection"), "{reason}");
    }
}

/// Mailgun's documentation shows signatures, but none with its key. This one is in the tests of Grafana OnCall.
mod mailgun {
    use super::*;

    const KEY: &str = "secret";
    const TIMESTAMP: &str = "1461261330";
    const TOKEN: &str = "06c96bafc3f42a66b9edd546347a2fe18dc23461fe80dc52f0";
    const SIGNATURE: &str = "dbb05e62be402448b36ffb81f6abfb888273c95617aa077b4da355b25bab3670";
    const NOW: u64 = 1_461_261_330_000;
    const OTHER: &str = "0000000000000000000000000000000000000000000000000000000000000000";

    fn receive(fields: [&str; 4], now: u64) -> Result<Receipt, Rejection> {
        let [timestamp, token, signature, parent] = fields;
        let body = serde_json::json!({
            "signature": {"timestamp": timestamp, "token": token, "signature": signature, "parent-signature": parent},
            "event-data": {"event": "opened", "timestamp": 1461261330.5, "id": "1", "recipient": "ada@example.com"}
        });
        let connection = Connection::new("mail", r#"{"provider":"mailgun"}"#).with_secret("signing-key", &[KEY]);
        connection.at(now).receive::<Email>(&post(&[("content-type", "application/json")], &body.to_string())).result
    }

    #[test]
    fn time_and_token_are_verified_together() {
        assert!(receive([TIMESTAMP, TOKEN, SIGNATURE, ""], NOW).is_ok_and(|receipt| receipt.events.len() == 1));
        for fields in [
            ["1461261331", TOKEN, SIGNATURE, ""],
            [TIMESTAMP, &TOKEN.replace("06", "07"), SIGNATURE, ""],
            [TIMESTAMP, TOKEN, &SIGNATURE[..62], ""],
            [TIMESTAMP, TOKEN, OTHER, ""],
            [TIMESTAMP, TOKEN, OTHER, OTHER],
            [TIMESTAMP, TOKEN, "", ""],
            ["", "", SIGNATURE, SIGNATURE],
        ] {
            assert!(is_refused(&receive(fields, NOW)), "{fields:?}");
        }
    }

    #[test]
    fn the_account_above_a_subaccount_may_have_signed() {
        assert!(receive([TIMESTAMP, TOKEN, OTHER, SIGNATURE], NOW).is_ok());
    }

    #[test]
    fn a_signature_counts_for_minutes_and_for_one_body() {
        const AGE: u64 = 15 * 60 * 1000;
        let at = |now| receive([TIMESTAMP, TOKEN, SIGNATURE, ""], now);
        assert!(at(NOW + AGE).is_ok() && at(NOW - 300_000).is_ok());
        assert!(is_refused(&at(NOW + AGE + 1000)) && is_refused(&at(NOW - 301_000)));
        assert!(is_refused(&receive([&format!("+{TIMESTAMP}"), TOKEN, SIGNATURE, ""], NOW)));
        // The host refuses another body with the same nonce.
        assert_eq!(at(NOW).ok().and_then(|receipt| receipt.nonce), Some(format!("{TIMESTAMP}{TOKEN}")));
    }
}

#[test]
fn mail_to_others_is_not_taken() {
    let text = fixture("postmark/text");
    let receive = |addresses: &str| {
        let config = format!(r#"{{"provider":"postmark","addresses":[{addresses}]}}"#);
        Connection::new("mail", &config).receive::<Email>(&text.webhook).result
    };
    let ours = "\"451D9B70CF9364D23FF6F9D51D870251569E+ahoy@Inbound.postmarkapp.com\"";
    assert!(receive(ours).is_ok_and(|receipt| receipt.events.len() == 1));
    assert!(matches!(receive("\"sales@shop.example\""), Err(Rejection::Ignored(_))));
}

#[test]
fn settings_that_do_not_fit_park_the_webhook() {
    let text = fixture("postmark/text");
    for config in ["{}", r#"{"provider":"pigeon"}"#, r#"{"provider":"postmark","addresses":"x"}"#, "[]"] {
        let result = Connection::new("mail", config).receive::<Email>(&text.webhook).result;
        assert!(matches!(result, Err(Rejection::Unsupported(_))), "{config}");
    }
}

#[test]
fn a_missing_secret_is_named_and_nothing_is_accepted() {
    let delivered = fixture("mailgun/event-delivered");
    let bare = Connection::new("mail", delivered.connection.config());
    let Err(Rejection::Unauthenticated(reason)) = bare.receive::<Email>(&delivered.webhook).result else { panic!() };
    assert!(reason.contains("secret `signing-key` is not set on this connection"), "{reason}");
}

#[test]
fn a_log_line_names_no_customer() {
    let mut lines = 0;
    for fixture in testing::inbound_fixtures(HERE) {
        for line in fixture.connection.receive::<Email>(&fixture.webhook).lines() {
            lines += 1;
            for private in ["example", "ada", "Ada", "grace", "@", "http", "Hello"] {
                assert!(!line.contains(private), "{}: {line}", fixture.name);
            }
        }
    }
    assert!(lines > 2, "{lines}");
}

#[test]
fn a_mail_is_one_event_on_each_of_its_ways() {
    let found = |name: &str| {
        let fixture = fixture(name);
        fixture.connection.receive::<Email>(&fixture.webhook).result
    };
    let mut cases = 0;
    for fed in testing::inbound_fixtures(HERE).iter().filter(|fixture| fixture.name.starts_with("ses-s3/")) {
        let case = fed.name.trim_start_matches("ses-s3/");
        let over_http = format!("ses/{case}");
        if testing::inbound_fixtures(HERE).iter().any(|fixture| fixture.name == over_http) {
            cases += 1;
            assert_eq!(found(&fed.name), found(&over_http), "{case}");
        }
    }
    assert!(cases >= 12, "{cases}");
    for (case, same) in [("sns-text", "text"), ("sns-attachments", "attachments"), ("sns-bounce", "event-bounce")] {
        assert_eq!(found(&format!("ses-feed/{case}")), found(&format!("ses/{same}")), "{case}");
    }
}

#[test]
fn what_is_missing_is_named_with_its_fix() {
    for (name, fix) in [
        ("ses-s3/object-missing", "`feed.buckets`"),
        ("ses-s3/object-missing-in-a-form", "`feed.buckets`"),
        ("ses-s3/head-for-lambda", "`feed.buckets`"),
        ("ses-s3/object-encrypted", "message encryption"),
        ("ses/mail-in-s3", "`feed.from`"),
        ("ses-feed/over-http", "`topic-arns`"),
        ("ses-topics/topic-of-others", "`topic-arns`"),
    ] {
        let fixture = fixture(name);
        let result = fixture.connection.receive::<Email>(&fixture.webhook).result;
        let Err(Rejection::Unsupported(reason) | Rejection::Unauthenticated(reason) | Rejection::Ignored(reason)) =
            result
        else {
            panic!("{name}: {result:?}")
        };
        assert!(reason.contains("fix: ") && reason.contains(fix), "{name}: {reason}");
    }
}

fn fixture(name: &str) -> testing::Fixture {
    testing::inbound_fixtures(HERE).into_iter().find(|fixture| fixture.name == name).expect("it is among the fixtures")
}

/// `fixtures/inbound/mailgun-published`: what Mailgun's own description shows.
#[test]
fn nothing_that_mailgun_publishes_is_parked() {
    let published = testing::inbound_fixtures(HERE).into_iter();
    let mut played = 0;
    for fixture in published.filter(|fixture| fixture.name.starts_with("mailgun-published/")) {
        let receipt = fixture.connection.receive::<Email>(&fixture.webhook).result.unwrap();
        assert_eq!(receipt.unread, Vec::<String>::new(), "{}", fixture.name);
        // A stored mail is brought by its own request.
        assert_eq!(receipt.events.is_empty(), fixture.name.ends_with("/stored"), "{}", fixture.name);
        played += 1;
    }
    assert_eq!(played, 9);
}
