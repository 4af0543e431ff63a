//! The ways in which providers sign, each by a connector of a few lines.

use ring::rand::SystemRandom;
use ring::signature::KeyPair;
use serde_json::Value;

use super::*;
use crate::prelude::*;
use crate::testing::{Moment, Native, Subject, parse_request};

const SECRET: &str = "a-secret-of-tests";

/// Defines a connector that takes what is signed over these bytes.
macro_rules! signed {
    ($name:ident($webhook:ident) $body:block) => {
        struct $name;

        impl Inbound for $name {
            fn receive(_: &Context, $webhook: &Webhook) -> Result<Receipt, Rejection> {
                $body?;
                Ok(Receipt::respond(200, "text/plain", "taken"))
            }
        }
    };
}

fn header(webhook: &Webhook, prefix: &str) -> Vec<u8> {
    let text = webhook.header("x-signature").unwrap_or_default();
    let text = text.strip_prefix(prefix).unwrap_or(text);
    hex::decode(text).or_else(|| base64::decode(text)).unwrap_or_default()
}

signed! { UrlAndFields(webhook) {
    let mut fields = form::pairs(str::from_utf8(&webhook.body).unwrap_or_default());
    fields.sort();
    let data = fields.iter().fold(webhook.url.clone(), |data, (name, value)| data + name + value);
    verify::require_mac(MacAlgorithm::HmacSha1, "key", data.as_bytes(), &header(webhook, ""))
} }

signed! { TimeAndBody(webhook) {
    let data = [b"v0:", webhook.header("x-time").unwrap_or_default().as_bytes(), b":", &webhook.body].concat();
    verify::require_mac(MacAlgorithm::HmacSha256, "key", &data, &header(webhook, "v0="))
} }

signed! { HashInQuery(webhook) {
    let digest = webhook.query("digest").and_then(|text| base64::decode(&text)).unwrap_or_default();
    verify::require_digest(DigestAlgorithm::Sha256, "key", &webhook.body, &digest)
} }

signed! { InBody(webhook) {
    let body: Value = serde_json::from_slice(&webhook.body).unwrap_or_default();
    let signature = body["Signature"].as_str().and_then(base64::decode).unwrap_or_default();
    let data = format!("Message\n{}\n", body["Message"].as_str().unwrap_or_default());
    let key = KeySource::CertificateUrl("https://certificates.test/1.pem".into());
    verify::require_signature(SignatureAlgorithm::EcdsaP256Sha256Der, &key, data.as_bytes(), &signature)
} }

signed! { Edwards(webhook) {
    let key = KeySource::Named("public".into());
    verify::require_signature(SignatureAlgorithm::Ed25519, &key, &webhook.body, &header(webhook, ""))
} }

signed! { Token(webhook) {
    let token = webhook.header("authorization").unwrap_or_default().trim_start_matches("Bearer ");
    let (data, tag) = token.rsplit_once('.').unwrap_or_default();
    let tag = base64::decode(tag).unwrap_or_default();
    match verify::require_mac(MacAlgorithm::HmacSha256, "key", data.as_bytes(), &tag) {
        Ok(()) => {
            let claims = data.split_once('.').and_then(|(_, claims)| base64::decode(claims)).unwrap_or_default();
            let hash = hex::encode(digest::digest(&digest::SHA256, &webhook.body).as_ref());
            let fits = String::from_utf8_lossy(&claims).contains(&hash);
            if fits { Ok(()) } else { Err(Rejection::Unauthenticated("another body".into())) }
        }
        refused => refused,
    }
} }

#[test]
fn a_mac_over_url_and_fields_is_made_anew() {
    assert!(resigns::<UrlAndFields>("x-signature: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\na=1&b=2", "a=1&c=%2B"));
}

#[test]
fn a_mac_over_a_time_and_the_body_is_made_anew_in_its_own_spelling() {
    let hex = "00".repeat(32);
    assert!(resigns::<TimeAndBody>(&format!("x-time: 1\nx-signature: v0={hex}\n\n{{}}"), "[]"));
}

#[test]
fn a_hash_in_the_query_is_made_anew() {
    assert!(resigns::<HashInQuery>("x: y\n\n{}", "[1]"));
}

#[test]
fn a_signature_in_the_body_is_made_anew_with_the_private_key() {
    let body = r#"{"Message":"a","Signature":"AAAAAAAAAAAAAAAA"}"#;
    assert!(resigns::<InBody>(&format!("x: y\n\n{body}"), &body.replace(":\"a\"", ":\"b\"")));
}

#[test]
fn a_signature_in_a_header_field_is_made_anew_with_the_private_key() {
    assert!(resigns::<Edwards>(&format!("x-signature: {}\n\n{{}}", "A".repeat(86)), "[]"));
}

#[test]
fn a_token_that_holds_the_hash_of_the_body_is_made_anew() {
    let hash = hex::encode(digest::digest(&digest::SHA256, b"{}").as_ref());
    let claims = base64::encode_url(format!("{{\"payload_hash\":\"{hash}\"}}").as_bytes());
    let token = format!("{}.{claims}.{}", base64::encode_url(b"{}"), "A".repeat(43));
    assert!(resigns::<Token>(&format!("authorization: Bearer {token}\n\n{{}}"), "[1]"));
}

#[test]
fn without_a_private_key_there_is_no_signature() {
    let connection = Connection::new("kit", "{}").with_secret("public", &["00".repeat(32).as_str()]);
    assert!(!resigns_with::<Edwards>(&connection, &format!("x-signature: {}\n\n{{}}", "A".repeat(86)), "[]"));
}

fn resigns<C: Inbound>(request: &str, body: &str) -> bool {
    let random = SystemRandom::new();
    let edwards = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
    let curve = EcdsaKeyPair::generate_pkcs8(&scheme::ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
    let pem = |der: &[u8]| format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", base64::encode(der));
    let public = Ed25519KeyPair::from_pkcs8(edwards.as_ref()).unwrap();
    let point = EcdsaKeyPair::from_pkcs8(&scheme::ECDSA_P256_SHA256_ASN1_SIGNING, curve.as_ref(), &random).unwrap();
    let url = "https://certificates.test/1.pem";
    let connection = serde_json::json!({
        "connection": "kit", "config": {},
        "secrets": {
            "key": [SECRET],
            "public": [hex::encode(public.public_key().as_ref())],
            url: [hex::encode(point.public_key().as_ref())],
        },
        "private-keys": {"public": pem(edwards.as_ref()), url: pem(curve.as_ref())},
    });
    resigns_with::<C>(&serde_json::from_value(connection).unwrap(), request, body)
}

fn resigns_with<C: Inbound>(connection: &Connection, request: &str, body: &str) -> bool {
    let digest = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA%3D";
    let request = format!("POST /hooks/kit?digest={digest} HTTP/1.1\nhost: kit.test\n{request}");
    let original = parse_request(request.as_bytes()).unwrap();
    let changed = Webhook { body: body.into(), ..original.clone() };
    let ask = |webhook: &Webhook| Native::<C>::new().receive(connection, webhook, Moment::of(connection));
    let signed = receive_signed(&ask, connection, &original, changed);
    assert_eq!(signed.unsigned.kind, Kind::Unauthenticated);
    signed.answer.is_some_and(|answer| answer.kind == Kind::Receipt(0))
}
