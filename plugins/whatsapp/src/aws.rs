//! AWS End User Messaging Social: the same entries, in AWS's wrapping.
//!
//! The SNS topic of a WhatsApp Business Account gets one message for each element of Meta's `entry`, as JSON in a text.
//! Nothing of it is read here but the wrapping, so that it becomes the very events that Meta's own webhook becomes.
//!
//! Source: AWS End User Messaging Social's "Message and event format" and "Monitoring with Amazon EventBridge", read in
//! November 2026.

use rapport_meta::{Batch, Text};
use rapport_sdk::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::inbound::{self, ACCOUNTS};
use crate::payload::Entry;
use crate::settings::Settings;

/// AWS delivers one message at a time, and Meta at most this many updates in one webhook: more are nobody's batch.
const DELIVERIES_MAX: usize = 1_000;

/// Extension: the ARN of the business's number, by which AWS sends messages and hands out media.
const PHONE_NUMBER: &str = "com.amazonaws.social-messaging.phone-number";

/// What AWS delivers, in whichever wrapping. Each field may be missing, or of another type.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Delivery<'a> {
    /// Of an EventBridge event: what it is about, and what else is said here.
    #[serde(borrow, rename = "detail-type", deserialize_with = "lenient::id")]
    detail_type: Text<'a>,
    #[serde(borrow)]
    detail: Option<&'a RawValue>,
    /// Meta's entry: JSON in a text, or already an object.
    #[serde(borrow, rename = "whatsAppWebhookEntry")]
    entry: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "lenient::object")]
    context: Option<Context<'a>>,
    /// Of AWS's own account of a status.
    #[serde(borrow, rename = "originationPhoneNumberId", deserialize_with = "lenient::id")]
    phone_number_id: Text<'a>,
}

/// AWS's names for the account and its numbers, of which only the numbers are of use.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Context<'a> {
    #[serde(borrow, rename = "MetaPhoneNumberIds", deserialize_with = "lenient::objects")]
    phone_numbers: Vec<PhoneNumber<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct PhoneNumber<'a> {
    #[serde(borrow, rename = "metaPhoneNumberId", deserialize_with = "lenient::id")]
    id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    arn: Text<'a>,
}

/// The fields of which one tells what Meta sent.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Sent<'a> {
    #[serde(borrow)]
    object: Option<&'a RawValue>,
    #[serde(borrow)]
    entry: Option<&'a RawValue>,
    #[serde(borrow)]
    changes: Option<&'a RawValue>,
}

/// Reads what AWS vouches for: a message of the topic, an EventBridge event with it as `detail`, what Meta itself would
/// have sent, or an array of these.
pub fn receive(json: &str, settings: &Settings) -> Result<Receipt, Rejection> {
    let mut feed = Feed { settings, batch: Batch::new(&ACCOUNTS), index: None, refused: None };
    let deliveries = lenient::batch(json, DELIVERIES_MAX).map_err(Rejection::Malformed)?;
    let is_batch = deliveries.len() > 1;
    for (index, raw) in deliveries.into_iter().enumerate() {
        feed.index = is_batch.then_some(index);
        feed.read(raw);
    }
    feed.finish()
}

struct Feed<'s> {
    settings: &'s Settings,
    batch: Batch,
    /// Which of several deliveries is being read.
    index: Option<usize>,
    /// Why the first of those that were not even opened was not.
    refused: Option<Rejection>,
}

impl Feed<'_> {
    fn read(&mut self, raw: &RawValue) {
        let Some(outer) = lenient::read::<Delivery>(raw) else {
            return self.batch.malformed("deliveries", "it is not an object");
        };
        let detail = outer.detail.and_then(|detail| Some((detail, lenient::read::<Delivery>(detail)?)));
        let (raw, delivery) = detail.unwrap_or((raw, Delivery { detail_type: None, ..outer }));
        let Some(entry) = delivery.entry else { return self.unwrapped(raw, &delivery, outer.detail_type.as_deref()) };
        let start = self.batch.position();
        match serde_json::from_str::<String>(entry.get()) {
            // The text was JSON of its own before it became a text, with its own lone surrogates.
            Ok(text) => self.sent(&lenient::document(text.as_bytes())),
            Err(_) => self.sent(entry.get()),
        }
        let numbers = delivery.context.map(|context| context.phone_numbers).unwrap_or_default();
        self.batch.replace_since(start, |event| with_arn(event, &numbers));
    }

    /// What has no `whatsAppWebhookEntry`: Meta's own, or an event in which AWS names no customer.
    fn unwrapped(&mut self, raw: &RawValue, delivery: &Delivery, detail_type: Option<&str>) {
        if lenient::read::<Sent>(raw).is_some_and(|sent| sent.is_known()) {
            return self.sent(raw.get());
        }
        if delivery.phone_number_id.as_deref().is_some_and(|id| !self.settings.takes(id)) {
            return self.batch.count_foreign();
        }
        let expected = "expected a `whatsAppWebhookEntry`";
        let rejection = match detail_type {
            None => Rejection::Malformed(format!("{expected}, `entry` or `changes`, found none of them")),
            Some(kind) => Rejection::Unsupported(format!(
                "{expected}, found `{kind}`, which names no customer; fix: take the SNS topic of the WhatsApp Business \
                 Account (AWS End User Messaging Social › Event destination), which gets everything"
            )),
        };
        self.refuse(rejection, None);
    }

    /// One of Meta's entries or its whole delivery, or several.
    fn sent(&mut self, json: &str) {
        let Ok(elements) = lenient::batch(json, DELIVERIES_MAX) else {
            return self.batch.malformed("whatsAppWebhookEntry", "it is no JSON object");
        };
        let is_batch = elements.len() > 1;
        for (index, raw) in elements.into_iter().enumerate() {
            let element = is_batch.then_some(index);
            let sent: Sent = lenient::read(raw).unwrap_or_default();
            if sent.entry.is_some() || sent.object.is_some() {
                let result = inbound::delivery(raw.get(), self.settings, &mut self.batch);
                result.unwrap_or_else(|rejection| self.refuse(rejection, element));
            } else {
                let entry: Entry = lenient::read(raw).unwrap_or_default();
                inbound::entry(&entry, self.settings, &mut self.batch);
            }
        }
    }

    /// `element` is the one of several in one `whatsAppWebhookEntry`.
    fn refuse(&mut self, rejection: Rejection, element: Option<usize>) {
        let delivery = self.index.map(|index| format!("deliveries[{index}]"));
        let element = element.map(|index| format!("whatsAppWebhookEntry[{index}]"));
        let place: Vec<String> = delivery.into_iter().chain(element).collect();
        match &rejection {
            Rejection::Malformed(reason) | Rejection::Unsupported(reason) if !place.is_empty() => {
                self.batch.malformed(&place.join("."), reason);
            }
            _ => log::warn("skipped a delivery that says nothing of a customer on WhatsApp"),
        }
        self.refused.get_or_insert(rejection);
    }

    fn finish(self) -> Result<Receipt, Rejection> {
        match self.refused {
            Some(rejection) if self.batch.position() == 0 => Err(rejection),
            _ => self.batch.finish(),
        }
    }
}

impl Sent<'_> {
    fn is_known(&self) -> bool {
        self.object.is_some() || self.entry.is_some() || self.changes.is_some()
    }
}

fn with_arn(event: Event, numbers: &[PhoneNumber]) -> Event {
    let number = numbers.iter().find(|number| number.id.as_deref() == Some(event.account.as_str()));
    match number.and_then(|number| number.arn.as_deref()) {
        Some(arn) => event.extended(PHONE_NUMBER, arn),
        None => event,
    }
}
