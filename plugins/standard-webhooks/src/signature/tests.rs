//! The published vectors of the specification's reference libraries and of Svix, and what is like them and wrong.

use rapport_sdk::testing::{self, Connection};

use super::*;

/// Signed by the reference libraries: `TestSymmetricWebhookSign` and `TestAsymmetricWebhookSign` of the Go one, and the
/// same `v1` in those of JavaScript, Python, Rust, Java, Ruby, PHP and C#.
const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const SECONDS: &str = "1614265330";
const BODY: &str = r#"{"test": 2432232314}"#;
const WHSEC: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const V1: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
const V1A: &str = "v1a,tQ9V2XOqn7jL/DQenEFpqIugdBVtiMmER5mhSkXBNwM0mkATuDe6KYYUuxqtaiHeYGb7KaaBRdM5WqyeFiL8Ag==";
/// The public half of that test's private key, by OpenSSL.
const WHPK: &str = "ZlN4eg7dSSqi0moX9hQUk3orrOouK3QVQSlJa248c/g=";
const NOW_MS: u64 = 1_614_265_330_000;

/// Other signatures that the reference libraries' tests put beside the right one.
const WRONG: [&str; 3] = [
    "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc=",
    "v2,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc=",
    "v1a,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc=",
];

/// The key of what the tests sign themselves.
const KEY: &str = "a key that is a text, too";

fn webhook(headers: &[(&str, &str)], body: &str) -> Webhook {
    let headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    Webhook { method: "POST".into(), url: "https://a.test/".into(), headers, body: body.into() }
}

fn delivery(signature: &str) -> Webhook {
    webhook(&[(SPECIFIED.id, ID), (SPECIFIED.timestamp, SECONDS), (SPECIFIED.signature, signature)], BODY)
}

fn signed(id: &str, seconds: &str, body: &str) -> String {
    let tag = testing::sign(MacAlgorithm::HmacSha256, KEY, format!("{id}.{seconds}.{body}").as_bytes());
    format!("v1,{}", base64::encode(&tag))
}

/// What the reason is, if it is refused.
fn refused(webhook: &Webhook) -> Option<String> {
    let connection = Connection::new("a", "{}").with_secret(SECRET, &["old", KEY]).with_secret(PUBLIC_KEY, &[WHPK]);
    refused_by(&connection, webhook)
}

fn refused_by(connection: &Connection, webhook: &Webhook) -> Option<String> {
    match connection.run(|| require(webhook, NOW_MS, 300).map(str::to_owned)) {
        Ok(id) => {
            assert_eq!(Some(id.as_str()), webhook.header(SPECIFIED.id).or(webhook.header(SVIX.id)));
            None
        }
        Err(Rejection::Unauthenticated(reason)) => Some(reason),
        Err(other) => panic!("{other:?}"),
    }
}

/// Whether a delivery is taken under a `whsec_` key, at the time that it says itself.
fn is_signed_with(whsec: &str, webhook: &Webhook) -> bool {
    let now_ms = Signed::of(webhook).unwrap().signed_ms;
    let connection = Connection::new("a", "{}").with_secret(SECRET, &["old", whsec]);
    connection.run(|| require(webhook, now_ms, 300).is_ok())
}

#[test]
fn the_published_macs_are_taken() {
    assert!(is_signed_with(WHSEC, &delivery(V1)));
    assert!(!is_signed_with(WHSEC, &delivery(WRONG[0])));
    assert!(!is_signed_with(
        WHSEC,
        &webhook(&[(SPECIFIED.id, "msg"), (SPECIFIED.timestamp, SECONDS), (SPECIFIED.signature, V1)], BODY)
    ));
    assert!(!is_signed_with("whsec_plJ3nmyCDGBKInavdOK15jsl", &delivery(V1)));
    // Svix's "Verifying webhooks manually".
    let headers = [
        (SVIX.id, "msg_loFOjxBNrRLzqYUf"),
        (SVIX.timestamp, "1731705121"),
        (SVIX.signature, "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="),
    ];
    let body = r#"{"event_type":"ping","data":{"success":true}}"#;
    assert!(is_signed_with("whsec_plJ3nmyCDGBKInavdOK15jsl", &webhook(&headers, body)));
    assert!(!is_signed_with("whsec_plJ3nmyCDGBKInavdOK15jsl", &webhook(&headers, &format!("{body}\n"))));
}

#[test]
fn the_published_signature_is_taken_alone_and_among_others() {
    assert_eq!(refused(&delivery(V1A)), None);
    let several = format!("{} {} {V1A} {}", WRONG[0], WRONG[1], WRONG[2]);
    assert_eq!(refused(&delivery(&several)), None);
    for wrong in WRONG {
        assert!(refused(&delivery(wrong)).is_some(), "{wrong}");
    }
    let other = webhook(&[(SPECIFIED.id, ID), (SPECIFIED.timestamp, "1614265331"), (SPECIFIED.signature, V1A)], BODY);
    assert!(refused(&other).is_some());
    assert!(refused(&delivery(&V1A.replace("v1a", "v1"))).is_some(), "a signature is no MAC");
}

#[test]
fn a_right_mac_is_taken_under_both_families_of_names() {
    let right = signed(ID, SECONDS, BODY);
    assert_eq!(refused(&delivery(&right)), None);
    assert_eq!(refused(&delivery(&format!("{} {right}", WRONG[0]))), None);
    let of_svix =
        |signature: &str| webhook(&[(SVIX.id, ID), (SVIX.timestamp, SECONDS), (SVIX.signature, signature)], BODY);
    assert_eq!(refused(&of_svix(&right)), None);
    assert!(refused(&of_svix(WRONG[0])).is_some());
    // Whoever adds the fields of one family to those of the other gains nothing.
    let mut both = of_svix(&right);
    both.headers.push((SPECIFIED.signature.into(), WRONG[0].into()));
    assert!(refused(&both).is_some());
}

#[test]
fn what_is_missing_repeated_or_garbled_is_refused_with_the_fix() {
    let right = signed(ID, SECONDS, BODY);
    let whole = delivery(&right);
    for name in [SPECIFIED.id, SPECIFIED.timestamp, SPECIFIED.signature] {
        let mut without = whole.clone();
        without.headers.retain(|(found, _)| found != name);
        let mut twice = whole.clone();
        twice.headers.push((name.into(), whole.header(name).unwrap().into()));
        for webhook in [without, twice] {
            assert!(refused(&webhook).unwrap().contains("; fix: "), "{name}");
        }
    }
    let (bare, upper) = (&right[3..], right.replace("v1,", "V1,"));
    for garbled in ["", " ", "v1", "v1,", "v1a,", "v1,é", ",", bare, &upper, &right[..20], &format!("{right},{right}")]
    {
        assert!(refused(&delivery(garbled)).unwrap().contains("; fix: "), "{garbled}");
    }
    for seconds in ["", "0", "-1614265330", "1614265330.0", "1614265330 ", "16142653300", "now", "99999999999999999999"]
    {
        let signature = signed(ID, seconds, BODY);
        let headers = [(SPECIFIED.id, ID), (SPECIFIED.timestamp, seconds), (SPECIFIED.signature, signature.as_str())];
        assert!(refused(&webhook(&headers, BODY)).is_some(), "{seconds}");
    }
    // `a.1614265330` at 7 and `a` at `1614265330.7` would be signed alike.
    let id = format!("a.{SECONDS}");
    let pointed = signed(&id, SECONDS, BODY);
    let headers =
        [(SPECIFIED.id, id.as_str()), (SPECIFIED.timestamp, SECONDS), (SPECIFIED.signature, pointed.as_str())];
    assert!(refused(&webhook(&headers, BODY)).unwrap().contains("without a `.`"));
    let empty = signed("", SECONDS, BODY);
    let headers = [(SPECIFIED.id, ""), (SPECIFIED.timestamp, SECONDS), (SPECIFIED.signature, empty.as_str())];
    assert!(refused(&webhook(&headers, BODY)).is_some());
}

#[test]
fn a_delivery_is_taken_for_five_minutes() {
    for (seconds, is_taken) in [(-301, false), (-300, true), (300, true), (301, false)] {
        let seconds = (1_614_265_330_i64 + seconds).to_string();
        let signature = signed(ID, &seconds, BODY);
        let headers =
            [(SPECIFIED.id, ID), (SPECIFIED.timestamp, seconds.as_str()), (SPECIFIED.signature, signature.as_str())];
        assert_eq!(refused(&webhook(&headers, BODY)).is_none(), is_taken, "{seconds}");
    }
}

#[test]
fn a_public_key_is_never_the_key_of_a_mac_and_a_missing_key_is_named() {
    let with_public_key = Connection::new("a", "{}").with_secret(PUBLIC_KEY, &[WHPK]);
    let tag = testing::sign(MacAlgorithm::HmacSha256, WHPK, format!("{ID}.{SECONDS}.{BODY}").as_bytes());
    let forged = delivery(&format!("v1,{}", base64::encode(&tag)));
    let reason = refused_by(&with_public_key, &forged).unwrap();
    assert!(reason.contains("secret `secret` is not set on this connection"), "{reason}");
    let with_secret = Connection::new("a", "{}").with_secret(SECRET, &[KEY]);
    let reason = refused_by(&with_secret, &delivery(V1A)).unwrap();
    assert!(reason.contains("secret `public-key` is not set on this connection"), "{reason}");
    let reason = refused_by(&with_secret, &delivery(&format!("{V1A} {}", WRONG[0]))).unwrap();
    assert!(reason.contains("found others: 2") && !reason.contains(KEY), "{reason}");
    let with_prefix = Connection::new("a", "{}").with_secret(PUBLIC_KEY, &[&format!("whpk_{WHPK}")]);
    assert!(refused_by(&with_prefix, &delivery(V1A)).unwrap().contains("secret `public-key` is not a key"));
}

#[test]
fn a_long_list_of_signatures_costs_no_more_than_a_short_one() {
    let right = signed(ID, SECONDS, BODY);
    let others = |count: usize| vec![WRONG[0]; count].join(" ");
    assert_eq!(refused(&delivery(&format!("{} {right}", others(SIGNATURES_MAX - 1)))), None);
    assert!(refused(&delivery(&format!("{} {right}", others(SIGNATURES_MAX)))).is_some());
}
