//! How far a message of the business has come: delivery events of SMS, MMS and RCS, and those of Amazon Pinpoint.

use std::collections::BTreeMap;

use rapport_sdk::event::json;
use rapport_sdk::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Origin, Refusal, Text, parties};
use crate::{instant, opt_out};

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Report<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    event_type: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    event_timestamp: Text<'a>,
    /// Whether nothing more will come; if it is not said, nothing more.
    #[serde(deserialize_with = "lenient::maybe")]
    is_final: Option<bool>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    origination_phone_number: Text<'a>,
    /// Missing in the events that EventBridge gets by itself.
    #[serde(borrow, deserialize_with = "lenient::id")]
    destination_phone_number: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    message_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    message_status: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    message_status_description: Text<'a>,
}

/// An event of a stream of Amazon Pinpoint.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Legacy<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    event_type: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    event_timestamp: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::object")]
    attributes: Option<Attributes<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Attributes<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    message_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    origination_phone_number: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    destination_phone_number: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    record_status: Text<'a>,
}

/// The products whose events are of messages, as `eventType` begins.
const PRODUCTS: &[&str] = &["TEXT_", "MEDIA_", "RCS_"];
const LEGACY_PRODUCT: &str = "_SMS.";
/// The customer received the message and answered with an opt-out keyword.
const LEGACY_OPT_OUT: &str = "OPTOUT";

/// Extensions: what the sender of the message wanted back, what it cost, and whose network it went to.
const CONTEXT: &str = "com.amazonaws.sms-voice.context";
const PRICE: (&str, &[&str]) =
    ("com.amazonaws.sms-voice.price", &["totalMessageParts", "totalMessagePrice", "totalCarrierFee"]);
const NETWORK: (&str, &[&str]) = ("com.amazonaws.sms-voice.network", &["isoCountryCode", "mcc", "mnc", "carrierName"]);

/// AWS's words for the state of a message, in the order in which they follow each other, November 2026.
const STATES: &[(&str, DeliveryState)] = &[
    // Waits at AWS.
    ("QUEUED", DeliveryState::Queued),
    // In the process of being delivered, in the words of three products.
    ("PENDING", DeliveryState::Sent),
    ("BUFFERED", DeliveryState::Sent),
    ("SENT", DeliveryState::Sent),
    // The carrier took it. In some countries that is all that AWS ever learns.
    ("ACCEPTED", DeliveryState::Sent),
    ("SUCCESSFUL", DeliveryState::Sent),
    ("SUCCESS", DeliveryState::Sent),
    // The phone took it.
    ("DELIVERED", DeliveryState::Delivered),
    // Shown to the customer; RCS only.
    ("READ", DeliveryState::Read),
];

/// The failures that time mends, each with what it means.
const RETRYABLE: &[(&str, &str)] = &[
    ("CARRIER_UNREACHABLE", "something went wrong for a while in the carrier's network"),
    ("UNREACHABLE", "the handset is switched off or out of reach"),
    ("TTL_EXPIRED", "the time in which it was to be delivered is over"),
    ("TTL_EXPIRATION_REVOKED", "the time in which it was to be delivered is over, and it was taken back"),
    ("UNKNOWN", "the carrier gave no reason, or said nothing for 72 hours"),
];

/// The failures that need another message, another recipient or a change of the account.
const FINAL: &[(&str, &str)] = &[
    ("BLOCKED", "the recipient's carrier or handset blocks the message"),
    ("CARRIER_BLOCKED", "the carrier blocked it as malicious or unwanted"),
    ("INVALID", "the recipient is not a valid phone number"),
    ("INVALID_MESSAGE", "the message's text cannot be delivered"),
    ("SPAM", "the carrier took it for spam"),
    ("PROTECT_BLOCKED", "the account's protect configuration blocked it"),
    ("OPTED_OUT", "the recipient opted out"),
    ("MAX_PRICE_EXCEEDED", "it costs more than the highest price allowed"),
    ("UNROUTABLE", "no route to the recipient"),
    ("FILE_INACCESSIBLE", "the file may not be read"),
    ("FILE_TYPE_UNSUPPORTED", "the file is of a type that MMS does not have"),
    ("FILE_SIZE_EXCEEDED", "the file is too large"),
    // RCS.
    ("UNDELIVERABLE", "the recipient's handset takes no RCS"),
    ("REJECTED", "against the platform's policy"),
    // Whatever the reason.
    ("FAILED", "failed without a reason"),
    ("FAILURE", "failed without a reason"),
    ("FAIL", "failed without a reason"),
];

/// Reads an event of an event destination, or the `detail` of one of EventBridge.
pub fn read(kind: &str, raw: &RawValue, origin: &Origin) -> Result<Vec<Event>, Refusal> {
    let Some(word) = PRODUCTS.iter().find_map(|product| kind.strip_prefix(product)) else {
        return Err(Refusal::Unsupported(format!(
            "expected an event of SMS, MMS or RCS, found `{kind}`; fix: let the event destination send `TEXT_ALL`, \
             `MEDIA_ALL` and `RCS_ALL` only"
        )));
    };
    let report: Report = lenient::read(raw).ok_or(Refusal::Malformed("it is not an object"))?;
    let mut events = events(word, &report, origin)?;
    if let Some(event) = events.first_mut() {
        let context = lenient::field(raw, "context");
        event.extensions.extend(context.map(|context| (CONTEXT.into(), context.get().to_owned())));
        event.extensions.extend([PRICE, NETWORK].into_iter().filter_map(|(key, names)| picked(raw, key, names)));
    }
    Ok(events)
}

/// Reads an event of a stream of Amazon Pinpoint.
pub fn read_legacy(raw: &RawValue, origin: &Origin) -> Result<Vec<Event>, Refusal> {
    let legacy: Legacy = lenient::read(raw).ok_or(Refusal::Malformed("it is not an object"))?;
    let kind = legacy.event_type.unwrap_or_default().to_ascii_uppercase();
    let Some(word) = kind.strip_prefix(LEGACY_PRODUCT) else {
        return Err(Refusal::Unsupported(format!(
            "expected an event `_SMS.…` of Amazon Pinpoint, found `{kind}`; fix: let only those come here"
        )));
    };
    let attributes = legacy.attributes.ok_or(Refusal::Malformed("it has no `attributes`"))?;
    let report = Report {
        event_timestamp: legacy.event_timestamp,
        is_final: Some(word != "BUFFERED"),
        origination_phone_number: attributes.origination_phone_number,
        destination_phone_number: attributes.destination_phone_number,
        message_id: attributes.message_id,
        message_status: attributes.record_status,
        ..Report::default()
    };
    events(word, &report, origin)
}

/// The status, and what it says of the customer's consent. `kind` is the word in the event's type.
fn events(kind: &str, report: &Report, origin: &Origin) -> Result<Vec<Event>, Refusal> {
    let id = report.message_id.as_deref().ok_or(Refusal::Malformed("it has no `messageId`"))?;
    let (customer, business) = (&report.destination_phone_number, &report.origination_phone_number);
    let Some(parties) = parties(customer.as_deref(), business.as_deref(), origin) else {
        return Err(Refusal::Unsupported(
            "expected a `destinationPhoneNumber`, found none, so it is about nobody known; fix: take the SNS topic of \
             an event destination, whose events name it, and not EventBridge"
                .into(),
        ));
    };
    let times = [report.event_timestamp.as_deref(), origin.time];
    let at = times.into_iter().flatten().find_map(instant::parse).unwrap_or(0);
    if kind == LEGACY_OPT_OUT {
        let evidence = json(&BTreeMap::from([("event_type", format!("{LEGACY_PRODUCT}{kind}"))]));
        return Ok(opt_out::to_all(&format!("{id}:consent"), at, &parties, ConsentState::Withdrawn, Some(evidence)));
    }
    let word = word(kind, report);
    let state = state(&word, report);
    let name = word.to_ascii_lowercase();
    // A failure that is not final may become final later: that is another event.
    let is_interim = is_failure(&word) && !matches!(state, DeliveryState::Failed(_));
    let event_id = if is_interim { format!("{id}:{name}:interim") } else { format!("{id}:{name}") };
    let body = EventBody::Delivery(Delivery::new(Covered::Message(id.into()), state));
    let mut events = vec![Event::new(event_id, at, &parties.account, parties.contact.clone(), body)];
    if is_opted_out(&word, report) {
        let (id, state) = (format!("{id}:opted_out"), ConsentState::Withdrawn);
        events.extend(opt_out::to_all(&id, at, &parties, state, Some(detail(report))));
    }
    Ok(events)
}

/// The first of `messageStatus`, which is more exact for RCS, and the type's word that is known.
fn word(kind: &str, report: &Report) -> String {
    let status = report.message_status.as_deref().map(|word| word.trim().to_ascii_uppercase());
    let kind = kind.to_ascii_uppercase();
    let is_known = |word: &str| is_failure(word) || STATES.iter().any(|(known, _)| *known == word);
    match status {
        Some(status) if is_known(&status) || !is_known(&kind) => status,
        _ => kind,
    }
}

/// `FALLEN_BACK_TO_SMS`, `TTL_EXPIRATION_REVOKE_FAILED` and words to come are kept as they are.
fn state(word: &str, report: &Report) -> DeliveryState {
    if is_failure(word) && report.is_final != Some(false) {
        return DeliveryState::Failed(error(word, report));
    }
    let known = STATES.iter().find(|(name, _)| *name == word);
    known.map_or_else(|| DeliveryState::Other(word.to_ascii_lowercase()), |(_, state)| state.clone())
}

fn error(word: &str, report: &Report) -> ProviderError {
    let find = |table: &'static [(&str, &'static str)]| table.iter().find(|(known, _)| *known == word);
    let retryable = find(RETRYABLE);
    let known = retryable.or_else(|| find(FINAL)).map(|(_, meaning)| *meaning);
    let said = report.message_status_description.as_deref();
    ProviderError {
        code: word.into(),
        title: said.or(known).unwrap_or("failed without a reason").into(),
        detail: Some(detail(report)),
        retryable: retryable.is_some(),
    }
}

fn is_failure(word: &str) -> bool {
    RETRYABLE.iter().chain(FINAL).any(|(known, _)| *known == word)
}

/// A refusal to send to somebody on the opt-out list is told in words: `Phone number is opted out`.
fn is_opted_out(word: &str, report: &Report) -> bool {
    let told = report.message_status_description.as_deref().map(str::to_ascii_lowercase);
    is_failure(word) && (word == "OPTED_OUT" || told.is_some_and(|told| told.contains("opted out")))
}

/// What AWS said.
fn detail(report: &Report) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Detail<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        event_type: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        message_status: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        message_status_description: Option<&'a str>,
    }
    json(&Detail {
        event_type: report.event_type.as_deref(),
        message_status: report.message_status.as_deref(),
        message_status_description: report.message_status_description.as_deref(),
    })
}

/// Those of these fields that are there, as an extension; none if none is.
fn picked(raw: &RawValue, key: &str, names: &[&str]) -> Option<(String, String)> {
    let found: BTreeMap<&str, &RawValue> =
        names.iter().filter_map(|name| Some((*name, lenient::field(raw, name)?))).collect();
    (!found.is_empty()).then(|| (key.into(), json(&found)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every type that an event destination of SMS, MMS and RCS may send, from the `EventType` of its interface.
    const TYPES: &[&str] = &[
        "TEXT_SENT",
        "TEXT_PENDING",
        "TEXT_QUEUED",
        "TEXT_SUCCESSFUL",
        "TEXT_DELIVERED",
        "TEXT_INVALID",
        "TEXT_INVALID_MESSAGE",
        "TEXT_UNREACHABLE",
        "TEXT_CARRIER_UNREACHABLE",
        "TEXT_BLOCKED",
        "TEXT_CARRIER_BLOCKED",
        "TEXT_SPAM",
        "TEXT_UNKNOWN",
        "TEXT_TTL_EXPIRED",
        "TEXT_PROTECT_BLOCKED",
        "MEDIA_PENDING",
        "MEDIA_QUEUED",
        "MEDIA_SUCCESSFUL",
        "MEDIA_DELIVERED",
        "MEDIA_INVALID",
        "MEDIA_INVALID_MESSAGE",
        "MEDIA_UNREACHABLE",
        "MEDIA_CARRIER_UNREACHABLE",
        "MEDIA_BLOCKED",
        "MEDIA_CARRIER_BLOCKED",
        "MEDIA_SPAM",
        "MEDIA_UNKNOWN",
        "MEDIA_TTL_EXPIRED",
        "MEDIA_FILE_INACCESSIBLE",
        "MEDIA_FILE_TYPE_UNSUPPORTED",
        "MEDIA_FILE_SIZE_EXCEEDED",
        "RCS_QUEUED",
        "RCS_SENT",
        "RCS_DELIVERED",
        "RCS_READ",
        "RCS_FAILED",
        "RCS_TTL_EXPIRED",
        "RCS_PROTECT_BLOCKED",
    ];

    fn event(json: &str) -> Option<Event> {
        let origin = Origin { connection: "sms-aws", notification: None, time: None };
        let raw: &RawValue = serde_json::from_str(json).unwrap();
        let kind: Report = lenient::read(raw).unwrap();
        read(&kind.event_type.unwrap(), raw, &origin).ok()?.into_iter().next()
    }

    fn state_of(fields: &str) -> DeliveryState {
        let json = format!(r#"{{"messageId":"m","destinationPhoneNumber":"+16505551234",{fields}}}"#);
        let Some(Event { body: EventBody::Delivery(delivery), .. }) = event(&json) else { panic!("{json}") };
        delivery.state
    }

    #[test]
    fn every_documented_type_has_a_state() {
        for kind in TYPES {
            let state = state_of(&format!(r#""eventType":"{kind}""#));
            assert!(!matches!(state, DeliveryState::Other(_)), "{kind}");
            let is_good = ["SENT", "PENDING", "QUEUED", "SUCCESSFUL", "DELIVERED", "READ"]
                .iter()
                .any(|word| kind.split_once('_').is_some_and(|(_, found)| found == *word));
            assert_eq!(!matches!(state, DeliveryState::Failed(_)), is_good, "{kind}");
        }
    }

    #[test]
    fn the_status_counts_more_than_the_type_and_a_known_word_more_than_an_unknown_one() {
        for (fields, expected) in [
            (r#""eventType":"RCS_DELIVERED","messageStatus":"PENDING""#, DeliveryState::Sent),
            (r#""eventType":"TEXT_DELIVERED","messageStatus":"delivered ""#, DeliveryState::Delivered),
            (r#""eventType":"TEXT_DELIVERED","messageStatus":"FINE""#, DeliveryState::Delivered),
            (r#""eventType":"TEXT_FINE","messageStatus":"Well""#, DeliveryState::Other("well".into())),
            (r#""eventType":"TEXT_SPAM","isFinal":false"#, DeliveryState::Other("spam".into())),
        ] {
            assert_eq!(state_of(fields), expected, "{fields}");
        }
    }

    #[test]
    fn only_what_time_mends_is_retryable() {
        for (word, _) in RETRYABLE {
            assert!(error(word, &Report::default()).retryable, "{word}");
            assert!(!FINAL.iter().any(|(other, _)| other == word), "{word}");
        }
        for (word, meaning) in FINAL {
            let error = error(word, &Report::default());
            assert_eq!((error.retryable, error.title.as_str()), (false, *meaning), "{word}");
        }
    }
}
