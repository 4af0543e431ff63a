//! Amazon SES: mail through a receipt rule's SNS action, and what became of mail that was sent.

use rapport_sdk::event;
use rapport_sdk::prelude::*;
use serde_json::value::RawValue;

use crate::authentication;
use crate::inbound::Scene;
use crate::mail::{Envelope, Mail};
use crate::payload::{SesMail, SesNotification, SesReceipt, SesVerdict};
use crate::{address, instant, message, mime, payload, ses_event, sns};

const EXTENSION: &str = "com.amazonaws.ses";
/// The server that SES writes into the `Authentication-Results` it puts on top.
const SERVER: &str = "amazonses.com";

/// What SES and SNS say of no mail at all, at the beginning of the text.
const SET_UP: &[&str] = &[
    // When a topic is chosen for events, or for a receipt rule.
    "Successfully validated SNS topic",
    // The object in a new bucket, where somebody hands that on.
    "AMAZON_SES_SETUP_NOTIFICATION",
];

pub fn read(webhook: &Webhook, scene: &Scene) -> Result<Vec<Event>, Rejection> {
    let json = lenient::document(&webhook.body);
    let envelope = sns::verified(&json, webhook, scene)?;
    match envelope.r#type.as_deref() {
        Some("Notification") => notification(&envelope, scene),
        Some("UnsubscribeConfirmation") => {
            log::warn("SNS no longer delivers this topic here; fix: subscribe this URL again if that was not meant");
            Ok(Vec::new())
        }
        // Whoever is to call back is told by `confirm`.
        _ => Ok(Vec::new()),
    }
}

pub fn confirm(body: &[u8], scene: &Scene) -> Option<String> {
    sns::confirmation(&lenient::document(body), scene)
}

fn notification(envelope: &payload::Envelope, scene: &Scene) -> Result<Vec<Event>, Rejection> {
    let text = envelope.message.as_deref().unwrap_or_default();
    if SET_UP.iter().any(|beginning| text.trim_start().starts_with(beginning)) {
        return Ok(Vec::new());
    }
    let json = lenient::document(text.as_bytes());
    let raw: &RawValue = serde_json::from_str(&json).map_err(|error| {
        Rejection::Malformed(format!("expected a `Message` of SES in JSON, {}", lenient::explain(&error)))
    })?;
    let mut notification: SesNotification =
        lenient::read(raw).ok_or_else(|| Rejection::Malformed("expected a `Message` that is a JSON object".into()))?;
    notification.published_at = envelope.timestamp.as_deref().and_then(instant::parse);
    let kind = notification.notification_type.as_deref().or(notification.event_type.as_deref());
    match kind {
        Some("Received") => received(notification, scene),
        Some("AmazonSnsSubscriptionSucceeded") => Ok(Vec::new()),
        Some(kind) => ses_event::read(kind, raw, &notification, scene),
        None => Err(Rejection::Malformed("expected a `notificationType` or an `eventType`, found neither".into())),
    }
}

fn received(notification: SesNotification, scene: &Scene) -> Result<Vec<Event>, Rejection> {
    let Some(content) = notification.content.as_deref().filter(|content| !content.is_empty()) else {
        return Err(Rejection::Unsupported(
            "expected the mail in `content`, found only its head; fix: use the SNS action of the receipt rule, until mail \
             in S3 can be read"
                .into(),
        ));
    };
    let published_at = notification.published_at;
    let (about, receipt) = (notification.mail.unwrap_or_default(), notification.receipt.unwrap_or_default());
    let raw = bytes(content, &receipt);
    let mut mail = mime::read(&raw).ok_or_else(|| Rejection::Malformed("expected a mail in `content`".into()))?;
    mail.received_at = about.timestamp.as_deref().and_then(instant::parse).or(published_at);
    mail.provider_id = about.message_id.as_deref().map(str::to_owned);
    mail.envelope = envelope(&about, &receipt);
    mail.is_authenticated = is_authenticated(&mail, &receipt);
    mail.extension = Some((EXTENSION, extension(&about, &receipt)));
    message::events(mail, scene)
}

/// The mail as it came: base64 where the rule says so, or where nothing else can be meant.
fn bytes(content: &str, receipt: &SesReceipt) -> Vec<u8> {
    let encoding = receipt.action.as_ref().and_then(|action| action.encoding.as_deref()).unwrap_or_default();
    let has_head = content.contains(':');
    if encoding.eq_ignore_ascii_case("base64") || !has_head {
        let digits: String = content.split_ascii_whitespace().collect();
        if let Some(bytes) = base64::decode(&digits) {
            return bytes;
        }
    }
    content.as_bytes().to_vec()
}

fn envelope(about: &SesMail, receipt: &SesReceipt) -> Envelope {
    let texts = |list: &[&RawValue]| list.iter().filter_map(|raw| lenient::read::<String>(raw)).collect::<Vec<_>>();
    let recipients = texts(&receipt.recipients);
    let recipients = if recipients.is_empty() { texts(&about.destination) } else { recipients };
    Envelope { sender: about.source.as_deref().map(str::to_owned), recipients }
}

fn is_authenticated(mail: &Mail, receipt: &SesReceipt) -> bool {
    let is_pass = |verdict: &Option<SesVerdict>| status(verdict).is_some_and(authentication::is_pass);
    if is_pass(&receipt.dmarc_verdict) {
        return authentication::has_one_author(mail);
    }
    let sender = mail.envelope.sender.as_deref().and_then(address::bare).map(address::domain).unwrap_or_default();
    let by_spf = is_pass(&receipt.spf_verdict) && authentication::proves(mail, sender);
    let signers = authentication::dkim_domains(&mail.headers, SERVER);
    let by_dkim = is_pass(&receipt.dkim_verdict) && signers.iter().any(|domain| authentication::proves(mail, domain));
    // A domain that publishes a policy, and whose mail fails it, says that this mail is not its own.
    let fails = status(&receipt.dmarc_verdict).is_some_and(|status| status.eq_ignore_ascii_case("fail"));
    !fails && (by_spf || by_dkim)
}

fn status<'v>(verdict: &'v Option<SesVerdict>) -> Option<&'v str> {
    verdict.as_ref()?.status.as_deref()
}

fn extension(about: &SesMail, receipt: &SesReceipt) -> String {
    let fields = [
        ("message_id", about.message_id.as_deref()),
        ("spf", status(&receipt.spf_verdict)),
        ("dkim", status(&receipt.dkim_verdict)),
        ("dmarc", status(&receipt.dmarc_verdict)),
        ("spam", status(&receipt.spam_verdict)),
        ("virus", status(&receipt.virus_verdict)),
    ];
    let found: std::collections::BTreeMap<_, _> =
        fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    event::json(&found)
}
