//! What AWS delivers in the place of SNS: the message of a topic of SNS, an event of EventBridge, a record of a stream,
//! each with the mail beside it where that lies in S3. AWS vouches for it, so nothing is verified.

use rapport_sdk::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::attachment;
use crate::multipart::Form;
use crate::payload::Text;
use crate::scene::Scene;
use crate::ses::{self, Carried, Way};

/// EventBridge's words for SES's events, and SES's own. November 2026.
const DETAIL_TYPES: &[(&str, &str)] = &[
    ("Email Sent", "Send"),
    ("Email Delivered", "Delivery"),
    ("Email Bounced", "Bounce"),
    ("Email Complaint Received", "Complaint"),
    ("Email Rejected", "Reject"),
    ("Email Opened", "Open"),
    ("Email Clicked", "Click"),
    ("Email Rendering Failed", "Rendering Failure"),
    ("Email Delivery Delayed", "DeliveryDelay"),
    ("Email Subscribed", "Subscription"),
];

/// How those of SES's events begin that are about no mail: its advice, and whether the account may send.
const OF_NO_MAIL: &[&str] = &["Advisor Recommendation Status", "Sending Status"];

pub fn read(webhook: &Webhook, scene: &Scene) -> Result<Receipt, Rejection> {
    require_topic(webhook, scene)?;
    let content_type = webhook.header("content-type").and_then(attachment::mime_type);
    if content_type.as_deref() != Some("multipart/form-data") {
        return message(&webhook.body, None, scene);
    }
    let form = Form::read(webhook).map_err(Rejection::Malformed)?;
    let notification = form.bytes("message").ok_or_else(|| {
        Rejection::Malformed("expected a notification in the field `message` of the form, found none".into())
    })?;
    message(notification, form.bytes("object"), scene)
}

fn message(notification: &[u8], object: Option<&[u8]>, scene: &Scene) -> Result<Receipt, Rejection> {
    let text = lenient::document(notification);
    ses::notification(&Carried { text: &text, published_at: None, object, way: Way::Feed }, scene)
}

/// Whoever names topics takes nothing of others, whichever the feed has.
fn require_topic(webhook: &Webhook, scene: &Scene) -> Result<(), Rejection> {
    let ours = &scene.settings.topic_arns;
    match webhook.header("x-amz-sns-topic-arn") {
        Some(topic) if !ours.is_empty() && !ours.iter().any(|arn| arn == topic) => Err(Rejection::Ignored(
            "expected a topic of `topic-arns`, found another one; fix: add its ARN, or take it out of `feed.from`"
                .into(),
        )),
        _ => Ok(()),
    }
}

/// What is around a notification of SES.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Wrapping<'a> {
    /// Of EventBridge.
    #[serde(borrow, rename = "detail-type", deserialize_with = "lenient::id")]
    detail_type: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    time: Text<'a>,
    #[serde(borrow)]
    detail: Option<&'a RawValue>,
    /// Of the Lambda action of a receipt rule.
    #[serde(borrow, rename = "Records", deserialize_with = "lenient::list")]
    records: Vec<&'a RawValue>,
}

/// A notification of SES without what EventBridge or Lambda put around it.
pub struct Unwrapped<'a> {
    pub raw: &'a RawValue,
    /// What it is, where it may not say so itself.
    pub kind: Option<&'static str>,
    /// EventBridge's time.
    pub time: Text<'a>,
    pub about: About,
    /// Records beside the first, which is all that SES sends.
    pub more: usize,
}

/// What an event of EventBridge that says no kind of its own is about.
#[derive(Clone, Copy, PartialEq)]
pub enum About {
    Mail,
    /// One of SES's, of which nobody has to be told here.
    NoMail,
    /// Another service's, or one of tomorrow.
    Unknown,
}

pub fn unwrapped(raw: &RawValue) -> Unwrapped<'_> {
    let wrapping: Wrapping = lenient::read(raw).unwrap_or_default();
    if let (Some(detail_type), Some(detail)) = (wrapping.detail_type.as_deref(), wrapping.detail) {
        let kind = DETAIL_TYPES.iter().find(|(name, _)| *name == detail_type).map(|(_, kind)| *kind);
        let about = match kind {
            Some(_) => About::Mail,
            None if OF_NO_MAIL.iter().any(|beginning| detail_type.starts_with(beginning)) => About::NoMail,
            None => About::Unknown,
        };
        return Unwrapped { raw: detail, kind, time: wrapping.time, about, more: 0 };
    }
    let head = wrapping.records.first().and_then(|record| lenient::field(record, "ses"));
    let (raw, kind) = head.map_or((raw, None), |head| (head, Some("Received")));
    Unwrapped { raw, kind, time: None, about: About::Mail, more: wrapping.records.len().saturating_sub(1) }
}
