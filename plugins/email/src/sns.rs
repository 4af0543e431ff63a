//! The envelope of Amazon SNS, in which everything of Amazon SES comes: whether it is genuine and of one of our topics.
//!
//! A signature proves only that some AWS account's topic sent it, and anybody can have a topic. So the topic is looked
//! at first, and the certificate and the confirmation have to be of that topic's own region.
//!
//! Source: AWS, "Verifying the signatures of Amazon SNS messages", November 2026.

use rapport_sdk::prelude::*;

use crate::instant;
use crate::payload::{Envelope, Text};
use crate::scene::Scene;

/// How old a message may be. AWS advises one hour, which is also how long its default retries last.
const WINDOW: verify::Window = verify::Window::of_age(60 * 60 * 1000);

/// Reads and verifies the envelope of a request.
///
/// # Errors
/// `Unauthenticated` for whatever is not a message of one of the connection's topics, signed by Amazon, of this hour.
pub fn verified<'a>(json: &'a str, webhook: &Webhook, scene: &Scene) -> Result<Envelope<'a>, Rejection> {
    if webhook.header("x-amz-sns-rawdelivery").is_some_and(|raw| raw.eq_ignore_ascii_case("true")) {
        return Err(refused(
            "expected an SNS envelope, found raw delivery, which is not signed; fix: turn off raw message \
                            delivery on the subscription",
        ));
    }
    let envelope = parse(json)?;
    let kind = envelope.r#type.as_deref().unwrap_or_default();
    if webhook.header("x-amz-sns-message-type").is_some_and(|header| header != kind) {
        return Err(refused(
            "expected header `x-amz-sns-message-type` to say the `Type` of the body, found another one",
        ));
    }
    let region = region(&envelope, scene)?;
    let algorithm = match envelope.signature_version.as_deref() {
        Some("1") => SignatureAlgorithm::RsaPkcs1Sha1,
        Some("2") => SignatureAlgorithm::RsaPkcs1Sha256,
        _ => return Err(refused("expected `SignatureVersion` 1 or 2, found another one")),
    };
    let certificate = envelope.signing_cert_url.as_deref().filter(|url| is_certificate(url, region));
    let certificate = certificate.ok_or_else(|| {
        refused("expected `SigningCertURL` to be a certificate at the SNS of the topic's region, found another URL")
    })?;
    // SNS breaks the lines of a signature of version 1.
    let digits: Option<String> = envelope.signature.as_deref().map(|text| text.split_ascii_whitespace().collect());
    let signature = digits.as_deref().and_then(base64::decode);
    let signature = signature.ok_or_else(|| refused("expected a `Signature` in base64, found none"))?;
    let signed =
        signed_text(&envelope).ok_or_else(|| refused("expected a `Type` that SNS documents, found another one"))?;
    verify::require_signature(
        algorithm,
        &KeySource::CertificateUrl(certificate.into()),
        signed.as_bytes(),
        &signature,
    )?;
    require_recent(&envelope, scene.now)?;
    Ok(envelope)
}

/// The URL to call back for a subscription to one of our topics.
pub fn confirmation(json: &str, scene: &Scene) -> Option<String> {
    let envelope = parse(json).ok()?;
    let region = region(&envelope, scene).ok()?;
    let url =
        envelope.subscribe_url.as_deref().filter(|_| envelope.r#type.as_deref() == Some("SubscriptionConfirmation"))?;
    let query = path(url, region)?.strip_prefix("/?")?;
    let pairs = form::pairs(query);
    let is = |name: &str, value: &str| {
        let mut found = pairs.iter().filter(|(found, _)| found == name);
        found.next().is_some_and(|(_, found)| found == value) && found.next().is_none()
    };
    let is_ours = is("Action", "ConfirmSubscription") && is("TopicArn", envelope.topic_arn.as_deref()?);
    is_ours.then(|| url.to_owned())
}

fn parse(json: &str) -> Result<Envelope<'_>, Rejection> {
    let is_object = json.trim_start().starts_with('{');
    let envelope = serde_json::from_str(json).ok().filter(|_| is_object);
    envelope.ok_or_else(|| {
        refused("expected an SNS envelope in JSON, found none; fix: subscribe this URL to a topic of SNS")
    })
}

/// The region of the envelope's topic, which has to be one of the connection's.
fn region<'e>(envelope: &'e Envelope, scene: &Scene) -> Result<&'e str, Rejection> {
    if scene.settings.topic_arns.is_empty() {
        return Err(refused(
            "expected `topic-arns` in the connection's `config`, found none; fix: name the topics that may deliver over \
             HTTPS",
        ));
    }
    let arn = envelope.topic_arn.as_deref().unwrap_or_default();
    if !scene.settings.topic_arns.iter().any(|ours| ours == arn) {
        return Err(refused(
            "expected a topic of `topic-arns`, found another one; fix: add its ARN, or unsubscribe this URL",
        ));
    }
    let mut fields = arn.split(':');
    let region = fields.nth(3).filter(|region| is_region(region));
    region.ok_or_else(|| refused("expected `topic-arns` to hold ARNs like `arn:aws:sns:eu-west-1:123456789012:name`"))
}

fn is_region(region: &str) -> bool {
    region.len() >= 3 && region.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn is_certificate(url: &str, region: &str) -> bool {
    path(url, region).is_some_and(|path| path.ends_with(".pem") && !path.contains(['?', '#', '%', '\\']))
}

/// What follows the host, if that is SNS in this region: no other port, no user, nothing in between.
fn path<'u>(url: &'u str, region: &str) -> Option<&'u str> {
    let rest = url.strip_prefix("https://sns.")?.strip_prefix(region)?;
    let suffix = if region.starts_with("cn-") { ".amazonaws.com.cn" } else { ".amazonaws.com" };
    rest.strip_prefix(suffix).filter(|path| path.starts_with('/'))
}

/// The fields that SNS signs, each name and value on a line of its own, in the order of their names.
fn signed_text(envelope: &Envelope) -> Option<String> {
    let subject = ("Subject", &envelope.subject);
    let url = ("SubscribeURL", &envelope.subscribe_url);
    let (message, id) = (("Message", &envelope.message), ("MessageId", &envelope.message_id));
    let (time, token) = (("Timestamp", &envelope.timestamp), ("Token", &envelope.token));
    let (topic, kind) = (("TopicArn", &envelope.topic_arn), ("Type", &envelope.r#type));
    let fields: Vec<(&str, &Text)> = match envelope.r#type.as_deref()? {
        // A subject of null or none is not signed.
        "Notification" => vec![message, id, subject, time, topic, kind],
        "SubscriptionConfirmation" | "UnsubscribeConfirmation" => vec![message, id, url, time, token, topic, kind],
        _ => return None,
    };
    let lines = fields.into_iter().filter_map(|(name, value)| Some(format!("{name}\n{}\n", value.as_deref()?)));
    Some(lines.collect())
}

fn require_recent(envelope: &Envelope, now: u64) -> Result<(), Rejection> {
    let at = envelope.timestamp.as_deref().and_then(instant::parse);
    let at = at.ok_or_else(|| refused("expected a `Timestamp`, found none"))?;
    verify::require_fresh("`Timestamp`", at, now, WINDOW, None)
}

fn refused(reason: &str) -> Rejection {
    Rejection::Unauthenticated(reason.into())
}

#[cfg(test)]
mod tests;
