//! Amazon SES: mail that a receipt rule puts into SNS or into S3, and what became of mail that was sent.

use std::borrow::Cow;

use rapport_sdk::event;
use rapport_sdk::prelude::*;
use serde_json::value::RawValue;

use crate::authentication;
use crate::feed::{About, Unwrapped};
use crate::mail::{Envelope, Mail};
use crate::payload::{SesMail, SesNotification, SesReceipt, SesVerdict};
use crate::scene::Scene;
use crate::{address, feed, instant, message, mime, ses_event, sns};

const EXTENSION: &str = "com.amazonaws.ses";
/// The server that SES writes into the `Authentication-Results` it puts on top.
const SERVER: &str = "amazonses.com";

/// What SES writes to find out whether it may: into a topic, and the id and the key of a mail in a bucket.
const TOPIC_SET_UP: &str = "Successfully validated SNS topic";
const BUCKET_SET_UP: &str = "AMAZON_SES_SETUP_NOTIFICATION";

/// A notification of SES, and what came along with it.
pub struct Carried<'c> {
    pub text: &'c str,
    /// When SNS published it, the same in every attempt to deliver it: for a notification that says no time.
    pub published_at: Option<u64>,
    /// The mail, from the bucket that the notification names.
    pub object: Option<&'c [u8]>,
    pub way: Way,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Way {
    Http,
    Feed,
}

pub fn read(webhook: &Webhook, scene: &Scene) -> Result<Receipt, Rejection> {
    if webhook.is_fed() {
        return feed::read(webhook, scene);
    }
    let json = lenient::document(&webhook.body);
    let envelope = sns::verified(&json, webhook, scene)?;
    match envelope.r#type.as_deref() {
        Some("Notification") => {
            let text = lenient::document(envelope.message.as_deref().unwrap_or_default().as_bytes());
            let published_at = envelope.timestamp.as_deref().and_then(instant::parse);
            notification(&Carried { text: &text, published_at, object: None, way: Way::Http }, scene)
        }
        Some("UnsubscribeConfirmation") => {
            log::warn("SNS no longer delivers this topic here; fix: subscribe this URL again if that was not meant");
            Ok(Receipt::events(Vec::new()))
        }
        // Whoever is to call back is told by `confirm`.
        _ => Ok(Receipt::events(Vec::new())),
    }
}

pub fn confirm(body: &[u8], scene: &Scene) -> Option<String> {
    sns::confirmation(&lenient::document(body), scene)
}

/// The events of one notification, in whatever it came.
///
/// # Errors
/// `Unsupported` for a mail that is not in it; `Malformed` for what is no notification.
pub fn notification(carried: &Carried, scene: &Scene) -> Result<Receipt, Rejection> {
    let text = carried.text.trim_start();
    if [TOPIC_SET_UP, BUCKET_SET_UP].iter().any(|beginning| text.starts_with(beginning)) {
        return Ok(Receipt::events(Vec::new()));
    }
    let raw: &RawValue = serde_json::from_str(text).map_err(|error| {
        Rejection::Malformed(format!("expected a `Message` of SES in JSON, {}", lenient::explain(&error)))
    })?;
    let found = feed::unwrapped(raw);
    let more = found.more;
    let mut receipt = of_one(found, carried, scene)?;
    receipt.unread.extend((1..=more).map(|index| format!("Records[{index}]: only the first record is read")));
    Ok(receipt)
}

fn of_one(found: Unwrapped, carried: &Carried, scene: &Scene) -> Result<Receipt, Rejection> {
    let mut notification: SesNotification = lenient::read(found.raw)
        .ok_or_else(|| Rejection::Malformed("expected a `Message` that is a JSON object".into()))?;
    notification.published_at = found.time.as_deref().and_then(instant::parse).or(carried.published_at);
    let named = notification.notification_type.as_deref().or(notification.event_type.as_deref());
    match named.or(found.kind) {
        Some("Received") => received(notification, carried, scene),
        Some("AmazonSnsSubscriptionSucceeded") => Ok(Receipt::events(Vec::new())),
        Some(kind) => ses_event::read(kind, found.raw, &notification, scene),
        None if found.about == About::NoMail => Ok(Receipt::events(Vec::new())),
        None if found.about == About::Unknown => Err(Rejection::Unsupported(
            "expected an event of SES about a mail, found another one; fix: let the rule of EventBridge match only the \
             `source` `aws.ses` and a `detail-type` that begins with `Email`"
                .into(),
        )),
        None => Err(Rejection::Malformed("expected a `notificationType` or an `eventType`, found neither".into())),
    }
}

fn received(notification: SesNotification, carried: &Carried, scene: &Scene) -> Result<Receipt, Rejection> {
    let published_at = notification.published_at;
    let (about, receipt) = (notification.mail.unwrap_or_default(), notification.receipt.unwrap_or_default());
    if is_set_up(&about, &receipt) {
        return Ok(Receipt::events(Vec::new()));
    }
    let content = notification.content.as_deref().filter(|content| !content.is_empty());
    let raw = match (carried.object.filter(|object| !object.is_empty()), content) {
        (Some(object), _) => Cow::Borrowed(legible(object)?),
        (None, Some(content)) => Cow::Owned(bytes(content, &receipt)),
        (None, None) => return Err(headless(&receipt, carried.way)),
    };
    let mut mail = mime::read(&raw).ok_or_else(|| Rejection::Malformed("expected a mail in `content`".into()))?;
    mail.received_at = about.timestamp.as_deref().and_then(instant::parse).or(published_at);
    mail.provider_id = about.message_id.as_deref().map(str::to_owned);
    mail.envelope = envelope(&about, &receipt);
    mail.is_authenticated = is_authenticated(&mail, &receipt);
    mail.extension = Some((EXTENSION, extension(&about, &receipt)));
    message::events(mail, scene)
}

/// Whether this is the mail that SES itself writes into a new bucket.
fn is_set_up(about: &SesMail, receipt: &SesReceipt) -> bool {
    let key = receipt.action.as_ref().and_then(|action| action.object_key.as_deref());
    about.message_id.as_deref() == Some(BUCKET_SET_UP) || key.is_some_and(|key| key.ends_with(BUCKET_SET_UP))
}

/// The object, if it begins as mail does: with the name of a field.
fn legible(object: &[u8]) -> Result<&[u8], Rejection> {
    /// Longest line of a mail (RFC 5322).
    const LINE_BYTES_MAX: usize = 998;
    let line = object.trim_ascii_start().split(|byte| *byte == b'\n').next().unwrap_or_default();
    let end = line.iter().take(LINE_BYTES_MAX).position(|byte| *byte == b':');
    let is_field = end.is_some_and(|end| end > 0 && line[..end].iter().all(|byte| matches!(byte, b' '..=b'~')));
    is_field.then_some(object).ok_or_else(|| {
        Rejection::Unsupported(
            "expected a mail in the object, found something else; fix: turn off message encryption in the S3 action of \
             the receipt rule, and let the bucket encrypt by itself"
                .into(),
        )
    })
}

/// There is only the head of a mail, and how to get the rest.
fn headless(receipt: &SesReceipt, way: Way) -> Rejection {
    let is_in_s3 = receipt.action.as_ref().is_some_and(|action| action.bucket_name.is_some());
    let reason = match (way, is_in_s3) {
        (Way::Feed, true) => {
            "expected the mail from S3 beside its notification, found none; fix: add the bucket of the receipt rule to \
             `feed.buckets` of the connection, and let mails stay in it for days"
        }
        (Way::Feed, false) => {
            "expected the mail, found only its head; fix: let the S3 action of the receipt rule notify the topic, and add \
             its bucket to `feed.buckets` of the connection"
        }
        (Way::Http, _) => {
            "expected the mail in `content`, found only its head; fix: use the SNS action of the receipt rule, or, for \
             mail in S3, name the topic in `feed.from` and the bucket in `feed.buckets` of the connection"
        }
    };
    Rejection::Unsupported(reason.into())
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
