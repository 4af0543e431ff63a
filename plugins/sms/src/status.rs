//! How far a message of the business has come.

use rapport_sdk::prelude::*;

use crate::identity::{Direction, Parties};
use crate::payload::Fields;
use crate::{instant, message, opt_out, provider_error};

/// Twilio's words for the state of a message, in the order in which they follow each other, October 2026.
const STATES: &[(&str, DeliveryState)] = &[
    // To be sent at a time that the business chose.
    ("scheduled", DeliveryState::Queued),
    // A Messaging Service took it and has not chosen a sender yet.
    ("accepted", DeliveryState::Queued),
    // It has a sender and waits.
    ("queued", DeliveryState::Queued),
    // On its way to the carrier or channel.
    ("sending", DeliveryState::Queued),
    // The nearest carrier or the channel took it.
    ("sent", DeliveryState::Sent),
    // The carrier or channel says that it arrived.
    ("delivered", DeliveryState::Delivered),
    // Shown to the customer; WhatsApp and RCS only.
    ("read", DeliveryState::Read),
];

/// The words for a failure: before it was sent, and after.
const FAILURES: &[&str] = &["failed", "undelivered"];

/// The words for a message of the customer, which comes in as a message.
const RECEIVED: &str = "received";
const RECEIVING: &str = "receiving";

/// A status in a form or an event.
#[derive(Debug, PartialEq)]
pub struct Report {
    /// Twilio's word, in lower case.
    pub word: String,
    pub direction: Direction,
}

impl Report {
    /// What a form reports; none if it is a message that came in.
    ///
    /// A status callback has `MessageStatus`, an old one `SmsStatus` only, which is `received` in every message that
    /// comes in. A channel reports that a message was read in `EventType`, too.
    pub fn of(fields: &Fields) -> Option<Self> {
        let lower = |name: &str| fields.id(name).map(str::to_ascii_lowercase);
        let event_type = lower("EventType").filter(|word| is_known(word));
        let (message_status, sms_status) = (lower("MessageStatus"), lower("SmsStatus"));
        let has_content = fields.has("Body") || fields.has("NumMedia");
        let is_message = match (message_status.as_deref(), sms_status.as_deref()) {
            (Some(RECEIVED), _) => has_content,
            (None, Some(RECEIVED)) => true,
            (None, None) => event_type.is_none(),
            _ => false,
        };
        if is_message {
            return None;
        }
        let is_read = event_type.as_deref() == Some("read");
        let word = event_type.clone().filter(|_| is_read).or(message_status).or(sms_status).or(event_type)?;
        let is_inbound = word == RECEIVED || word == RECEIVING;
        Some(Report { direction: if is_inbound { Direction::Inbound } else { Direction::Outbound }, word })
    }
}

fn is_known(word: &str) -> bool {
    FAILURES.contains(&word) || STATES.iter().any(|(known, _)| *known == word)
}

/// The status, and what a refusal says of the customer's consent.
pub fn read(id: &str, report: &Report, fields: &Fields, connection: &str) -> Result<Vec<Event>, &'static str> {
    let parties =
        Parties::of(fields, report.direction, connection).ok_or("it names no recipient, so it cannot be attributed")?;
    let at = instant::at(fields, instant::OF_STATUS);
    let word = report.word.as_str();
    let delivery = Delivery::new(Covered::Message(id.into()), state(word, fields));
    let body = EventBody::Delivery(delivery);
    let mut event = Event::new(format!("{id}:{word}"), at, &parties.account, parties.contact.clone(), body);
    event.extensions = message::extensions(fields);
    let mut events = vec![event];
    if FAILURES.contains(&word) {
        events.extend(opt_out::by_error(id, at, fields, &parties));
    }
    Ok(events)
}

/// `canceled`, `partially_delivered` and words to come are kept as they are.
fn state(word: &str, fields: &Fields) -> DeliveryState {
    if FAILURES.contains(&word) {
        return DeliveryState::Failed(provider_error::of(fields));
    }
    let known = STATES.iter().find(|(name, _)| *name == word);
    known.map_or_else(|| DeliveryState::Other(word.into()), |(_, state)| state.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(form: &str) -> Option<String> {
        Report::of(&Fields::of_form(form::pairs(form))).map(|report| report.word)
    }

    #[test]
    fn a_message_that_came_in_is_no_status() {
        for form in
            ["Body=x", "", "SmsStatus=received", "MessageStatus=received&Body=", "SmsStatus=received&EventType=x"]
        {
            assert_eq!(word(form), None, "{form}");
        }
        for (form, expected) in [
            ("MessageStatus=delivered&SmsStatus=delivered", "delivered"),
            ("MessageStatus=DELIVERED", "delivered"),
            ("SmsStatus=sent", "sent"),
            ("MessageStatus=delivered&EventType=READ", "read"),
            ("EventType=READ", "read"),
            ("MessageStatus=undelivered&EventType=UNDELIVERED", "undelivered"),
            ("MessageStatus=received", "received"),
            ("MessageStatus=receiving&Body=x", "receiving"),
            ("MessageStatus=delivered&Body=x", "delivered"),
        ] {
            assert_eq!(word(form).as_deref(), Some(expected), "{form}");
        }
    }

    /// `message_enum_status` of Twilio's OpenAPI description (twilio/twilio-oai, `spec/json/twilio_api_v2010.json`, commit
    /// `d50069b`, MIT licence). It describes sending only, and no callback.
    #[test]
    fn every_status_that_twilio_describes_is_a_report_or_a_message() {
        for word in [
            "queued",
            "sending",
            "sent",
            "failed",
            "delivered",
            "undelivered",
            "receiving",
            "received",
            "accepted",
            "scheduled",
            "read",
            "partially_delivered",
            "canceled",
        ] {
            let form = format!("MessageSid=SM1&From=%2B15005550006&To=%2B16505551234&MessageStatus={word}");
            let fields = Fields::of_form(form::pairs(&form));
            let report = Report::of(&fields).unwrap();
            let events = read("SM1", &report, &fields, "sms").unwrap();
            assert!(matches!(&events[0].body, EventBody::Delivery(_)), "{word}");
        }
    }

    #[test]
    fn every_word_has_its_state() {
        let state = |word: &str| state(word, &Fields::default());
        assert_eq!(state("scheduled"), DeliveryState::Queued);
        assert_eq!(state("read"), DeliveryState::Read);
        assert!(matches!(state("undelivered"), DeliveryState::Failed(_)));
        assert_eq!(state("canceled"), DeliveryState::Other("canceled".into()));
    }
}
