//! AWS End User Messaging SMS (once Amazon Pinpoint SMS and Voice): what AWS delivers in the place of webhooks.
//!
//! `two_way` reads what a customer sent to a number or an RCS agent, `report` what became of a message of the business.
//! AWS vouches for both, so nothing here is verified.
//!
//! Source: AWS End User Messaging SMS's user guide ("Two-way SMS payload", "Event types", "Example event data", "RCS
//! message events", "Receiving inbound RCS media", "Monitoring with EventBridge", "Required opt-out keywords"), Amazon
//! Pinpoint's developer guide ("SMS events"), and the payloads of public projects, read in November 2026.

mod rcs;
mod report;
mod two_way;

use std::borrow::Cow;

use rapport_sdk::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::identity::{Channel, Parties};

/// A text of a payload, borrowed from it where it can be.
type Text<'a> = Option<Cow<'a, str>>;

/// AWS delivers one at a time, and each is three events at most: more than this is nobody's batch.
const ELEMENTS_MAX: usize = 1_000;

/// The header field with the id of an SNS notification.
const NOTIFICATION_ID: &str = "x-amz-sns-message-id";

/// What RCS agents are called, in the place of a number.
const RCS_AGENT: &str = "rcs-";

/// Digits from which on a number is no short code and no number without its country.
const DIGITS_MIN: usize = 11;

/// Events of EventBridge that are about no customer, by their `detail-type`.
const SKIPPED: &[&str] = &[
    // The registration of a number or a sender id moved on.
    "Registration Status Change",
    // Somebody changed a setting, as CloudTrail tells it.
    "AWS API Call via CloudTrail",
    "AWS Console Action via CloudTrail",
    "AWS Service Event via CloudTrail",
];

/// Why an element became no event.
enum Refusal {
    /// It is not what AWS documents.
    Malformed(&'static str),
    /// It is documented, and not for this connector: a whole sentence.
    Unsupported(String),
}

/// The fields that tell what an element is.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Element<'a> {
    /// Of an EventBridge event: what it is about, when it was, and what else is said here.
    #[serde(borrow, rename = "detail-type", deserialize_with = "lenient::id")]
    detail_type: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    time: Text<'a>,
    #[serde(borrow)]
    detail: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    event_type: Text<'a>,
    /// The same of an event of Amazon Pinpoint.
    #[serde(borrow, rename = "event_type", deserialize_with = "lenient::id")]
    legacy_event_type: Text<'a>,
    #[serde(borrow)]
    origination_number: Option<&'a RawValue>,
    #[serde(borrow)]
    inbound_message_id: Option<&'a RawValue>,
}

/// What stands around an element.
struct Origin<'a> {
    /// The connection, in whose account it is where no number is named.
    connection: &'a str,
    /// Identifies it where it has no id of its own.
    notification: Option<&'a str>,
    /// When it was, where it does not say so itself.
    time: Option<&'a str>,
}

/// Reads a notification, an EventBridge event, a record of a stream, or an array of these.
pub fn receive(cx: &Context, webhook: &Webhook) -> Result<Receipt, Rejection> {
    let json = lenient::document(&webhook.body);
    let elements = lenient::batch(&json, ELEMENTS_MAX).map_err(Rejection::Malformed)?;
    let notification = webhook.header(NOTIFICATION_ID).filter(|_| elements.len() == 1);
    let mut batch = Batch::default();
    for (index, raw) in elements.into_iter().enumerate() {
        batch.add(index, read(raw, &Origin { connection: &cx.connection, notification, time: None }));
    }
    batch.finish()
}

fn read(raw: &RawValue, origin: &Origin) -> Result<Vec<Event>, Refusal> {
    let outer: Element = lenient::read(raw).ok_or(Refusal::Malformed("it is not an object"))?;
    if outer.detail_type.as_deref().is_some_and(|kind| SKIPPED.contains(&kind)) {
        log::debug("skipped an event that is about no customer");
        return Ok(Vec::new());
    }
    let origin = Origin { time: outer.time.as_deref(), ..*origin };
    let detail = outer.detail.and_then(|detail| Some((detail, lenient::read::<Element>(detail)?)));
    let (raw, element) = detail.unwrap_or((raw, Element { time: None, ..outer }));
    if element.legacy_event_type.is_some() {
        return report::read_legacy(raw, &origin);
    }
    if let Some(kind) = element.event_type.as_deref() {
        return report::read(kind, raw, &origin);
    }
    if element.origination_number.is_some() || element.inbound_message_id.is_some() {
        return two_way::read(raw, &origin);
    }
    Err(Refusal::Malformed("it has neither an `originationNumber` nor an `eventType`"))
}

/// The two ends of a message; none if nothing names the customer.
///
/// The account is the business's number, short code, sender id or RCS agent: what a customer writes to and is written to
/// from.
fn parties(customer: Option<&str>, business: Option<&str>, origin: &Origin) -> Option<Parties> {
    let customer = customer.map(str::trim).filter(|number| !number.is_empty())?;
    let business = business.map_or(origin.connection, str::trim);
    // What comes to an RCS agent names the customer's number without its plus, and no short code writes to one.
    let (channel, digits_min) = if is_rcs(business) { (Channel::Rcs, 7) } else { (Channel::Sms, DIGITS_MIN) };
    Some(Parties::of_number(&with_plus(customer, digits_min), &with_plus(business, DIGITS_MIN), channel))
}

/// A number in E.164 (ITU-T: at most 15 digits, no zero first) as AWS documents it, though it came without the plus.
fn with_plus(number: &str, digits_min: usize) -> Cow<'_, str> {
    let is_digits = number.bytes().all(|byte| byte.is_ascii_digit()) && !number.starts_with('0');
    if is_digits && (digits_min..=15).contains(&number.len()) {
        Cow::Owned(format!("+{number}"))
    } else {
        Cow::Borrowed(number)
    }
}

fn is_rcs(business: &str) -> bool {
    business.starts_with(RCS_AGENT)
}

/// The events of one delivery, and why the first of its elements that became none did not.
#[derive(Default)]
struct Batch {
    events: Vec<Event>,
    malformed: Option<&'static str>,
    unsupported: Option<String>,
    unread: Unread,
}

impl Batch {
    fn add(&mut self, index: usize, read: Result<Vec<Event>, Refusal>) {
        let place = format!("[{index}]");
        match read {
            Ok(events) => self.events.extend(events),
            Err(Refusal::Malformed(reason)) => {
                self.unread.add(&place, reason);
                self.malformed.get_or_insert(reason);
            }
            Err(Refusal::Unsupported(sentence)) => {
                self.unread.add(&place, &sentence);
                self.unsupported.get_or_insert(sentence);
            }
        }
    }

    fn finish(self) -> Result<Receipt, Rejection> {
        match (self.malformed, self.unsupported) {
            (Some(reason), _) if self.events.is_empty() => Err(Rejection::Malformed(format!(
                "expected a message or its status, found one that is not whole: {reason}"
            ))),
            (None, Some(sentence)) if self.events.is_empty() => Err(Rejection::Unsupported(sentence)),
            _ => Ok(Receipt::events(self.events).with_unread(self.unread.into_lines())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_ends_are_written_as_for_any_other_provider() {
        let origin = Origin { connection: "sms-aws", notification: None, time: None };
        let ends = |customer, business| {
            let parties = parties(customer, business, &origin)?;
            let identifiers = parties.contact.identifiers.into_iter();
            let spelled: Vec<String> = identifiers.map(|id| format!("{}={}", id.scheme, id.value)).collect();
            Some((parties.account, spelled.join(" ")))
        };
        let number = "sms=+16505551234 phone=+16505551234";
        for (customer, business, account, identifiers) in [
            ("+16505551234", "+12125550101", "+12125550101", number),
            (" 16505551234", "12125550101 ", "+12125550101", number),
            ("16505551234", "rcs-1", "rcs-1", number),
            ("4530123456", "rcs-1", "rcs-1", "sms=+4530123456 phone=+4530123456"),
            ("4530123456", "24273", "24273", "sms=4530123456"),
            ("07700900123", "ACME", "ACME", "sms=07700900123"),
        ] {
            let found = ends(Some(customer), Some(business));
            assert_eq!(found, Some((account.to_owned(), identifiers.to_owned())), "{customer} {business}");
        }
        assert_eq!(ends(Some("+16505551234"), None).unwrap().0, "sms-aws");
        assert_eq!(ends(None, Some("24273")), None);
        assert_eq!(ends(Some(" "), Some("24273")), None);
    }
}
