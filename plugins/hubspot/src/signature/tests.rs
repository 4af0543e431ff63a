//! The examples of HubSpot's documentation ("Validating requests") and of its client libraries for Node.js, PHP (the
//! same) and Python, read in October 2026; each is refused with any of its parts changed.

use rapport_sdk::prelude::*;
use rapport_sdk::testing::{self, Connection};

use super::{Scheme, decoded, require};

const SECRET: &str = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy";
const URL: &str = "https://www.example.com/webhook_uri";
const CREATION: &str = r#"[{"eventId":1,"subscriptionId":12345,"portalId":62515,"occurredAt":1564113600000,"subscriptionType":"contact.creation","attemptNumber":0,"objectId":123,"changeSource":"CRM","changeFlag":"NEW","appId":54321}]"#;
const EXAMPLE: &str = r#"{"example_field":"example_value"}"#;
const EXAMPLE_OF_PYTHON: &str = "{'example_field':'example_value'}";
const V1_OF_CREATION: &str = "232db2615f3d666fe21a8ec971ac7b5402d33b9a925784df3ca654d05f4817de";

/// What stands in the test of the Python library: milliseconds, four hours into 1970.
const TIMESTAMP: u64 = 15_000_000;

fn older<'a>(version: &'a str, signature: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![("x-hubspot-signature-version", version), ("x-hubspot-signature", signature)]
}

fn v3<'a>(signature: &'a str, timestamp: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![("x-hubspot-signature-v3", signature), ("x-hubspot-request-timestamp", timestamp)]
}

fn webhook(method: &str, body: &str, headers: &[(&str, &str)]) -> Webhook {
    Webhook {
        method: method.into(),
        url: URL.into(),
        headers: headers.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
        body: body.into(),
    }
}

fn outcome(webhook: &Webhook, secret: &str, now: u64) -> Result<Scheme, Rejection> {
    let context = Context { connection: "x".into(), config: "{}".into(), now, entropy: vec![0; 32] };
    Connection::new("x", "{}").with_secret("client-secret", &[secret]).run(|| require(&context, webhook, true))
}

fn assert_refused(webhook: &Webhook, secret: &str, now: u64) {
    let found = outcome(webhook, secret, now);
    let Err(Rejection::Unauthenticated(reason)) = &found else { panic!("{found:?}: {webhook:?}") };
    assert!(reason.contains("; fix: "), "{reason}");
    assert!(!reason.contains(SECRET), "{reason}");
}

#[test]
fn the_published_examples_are_accepted_and_refused_with_any_part_changed() {
    let v2_of_get = "eee2dddcc73c94d699f5e395f4b9d454a069a6855fbfa152e91e88823087200e";
    let v2_of_post = "9569219f8ba981ffa6f6f16aa0f48637d35d728c7e4d93d0d52efaa512af7900";
    let v1_of_python = "69fc6631a867edd4f9e9e627fc5c1148e3fbdd8b21837b6d2b8901c1fa57f750";
    let v2_of_python = "4fe4e3a7d3cf09db53be39d0a58130e2aaba074ec123a9e355b876a689a1c383";
    let v3_of_python = "HPW73RUtKmcYoEDADG0s6MmGFWUzWJKAW07r8RDgcQw=";
    let examples = [
        (Scheme::V1, webhook("POST", CREATION, &older("v1", V1_OF_CREATION))),
        (Scheme::V2, webhook("GET", "", &older("v2", v2_of_get))),
        (Scheme::V2, webhook("POST", EXAMPLE, &older("v2", v2_of_post))),
        (Scheme::V1, webhook("POST", EXAMPLE_OF_PYTHON, &older("v1", v1_of_python))),
        (Scheme::V2, webhook("POST", EXAMPLE_OF_PYTHON, &older("v2", v2_of_python))),
        (Scheme::V3, webhook("POST", EXAMPLE_OF_PYTHON, &v3(v3_of_python, "15000000"))),
    ];
    for (scheme, example) in examples {
        assert_eq!(outcome(&example, SECRET, TIMESTAMP), Ok(scheme));
        assert_refused(&example, "another secret", TIMESTAMP);
        assert_refused(&Webhook { body: [&example.body[..], b" "].concat(), ..example.clone() }, SECRET, TIMESTAMP);
        if scheme != Scheme::V1 {
            assert_refused(&Webhook { method: "PUT".into(), ..example.clone() }, SECRET, TIMESTAMP);
            assert_refused(&Webhook { url: format!("{URL}/"), ..example.clone() }, SECRET, TIMESTAMP);
        }
        for index in 0..example.headers.len() {
            let mut changed = example.clone();
            let first = changed.headers[index].1.remove(0);
            assert_refused(&changed, SECRET, TIMESTAMP);
            changed.headers[index].1.insert(0, if first == '8' { '9' } else { '8' });
            assert_refused(&changed, SECRET, TIMESTAMP);
            let mut repeated = example.clone();
            repeated.headers.push(example.headers[index].clone());
            assert_refused(&repeated, SECRET, TIMESTAMP);
        }
    }
}

#[test]
fn a_request_without_a_version_is_v1_and_a_wrong_v3_is_never_saved_by_it() {
    let mut example = webhook("POST", CREATION, &[("x-hubspot-signature", V1_OF_CREATION)]);
    assert_eq!(outcome(&example, SECRET, TIMESTAMP), Ok(Scheme::V1));
    example.headers.push(("x-hubspot-signature-v3".into(), "HPW73RUtKmcYoEDADG0s6MmGFWUzWJKAW07r8RDgcQw=".into()));
    assert_refused(&example, SECRET, TIMESTAMP);
    example.headers.push(("x-hubspot-request-timestamp".into(), "15000000".into()));
    assert_refused(&example, SECRET, TIMESTAMP);
}

#[test]
fn the_window_is_five_minutes_in_either_direction() {
    let example = |timestamp: &str| {
        let source = format!("POST{URL}{EXAMPLE}{timestamp}");
        let tag = testing::sign(MacAlgorithm::HmacSha256, SECRET, source.as_bytes());
        webhook("POST", EXAMPLE, &v3(&base64::encode(&tag), timestamp))
    };
    let at = example("1767225600000");
    for now in [1_767_225_300_000, 1_767_225_600_000, 1_767_225_900_000] {
        assert_eq!(outcome(&at, SECRET, now), Ok(Scheme::V3));
    }
    for now in [0, 1_767_225_299_999, 1_767_225_900_001, u64::MAX] {
        assert_refused(&at, SECRET, now);
    }
    for timestamp in ["", "+1767225600000", "-1", "1767225600000.0", "1e12", "soon", "99999999999999999999"] {
        assert_refused(&example(timestamp), SECRET, 1_767_225_600_000);
    }
}

#[test]
fn only_the_documented_escapes_are_decoded_and_each_once() {
    assert_eq!(decoded("https://a.test/?x=%3A%2F%3F%40%21%24%27%28%29%2A%2C%3B"), "https://a.test/?x=:/?@!$'()*,;");
    assert_eq!(decoded("%3a%2f%20%26%253A%"), ":/%20%26%253A%");
    assert_eq!(decoded("%é%4"), "%é%4");
    assert_eq!(decoded("https://a.test/plain"), "https://a.test/plain");
}

#[test]
fn a_missing_secret_is_named() {
    let context = Context { connection: "x".into(), config: "{}".into(), now: TIMESTAMP, entropy: vec![0; 32] };
    let v3_of_python = "HPW73RUtKmcYoEDADG0s6MmGFWUzWJKAW07r8RDgcQw=";
    for headers in [older("v1", V1_OF_CREATION), older("v2", V1_OF_CREATION), v3(v3_of_python, "15000000")] {
        let found = Connection::new("x", "{}").run(|| require(&context, &webhook("POST", CREATION, &headers), true));
        let Err(Rejection::Unauthenticated(reason)) = found else { panic!("{found:?}") };
        assert!(reason.contains("secret `client-secret` is not set on this connection"), "{reason}");
    }
}
