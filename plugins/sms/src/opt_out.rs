//! The customer stops messages, or starts them again.
//!
//! STOP stops every message from the number, so it withdraws consent to `service` and to `marketing`: whoever asks for
//! either must learn of it. START takes both back.

use rapport_sdk::prelude::*;

use crate::identity::{Channel, Parties};
use crate::payload::Fields;
use crate::provider_error;

/// All that a customer can allow or forbid on a number.
const ALL: &[&str] = &["service", "marketing"];

/// `OptOutType`, which Advanced Opt-Out of a Messaging Service sends. `HELP` is neither.
/// Source: Twilio's "Advanced Opt-Out", read in November 2026.
const TYPES: &[(&str, ConsentState)] = &[
    // Twilio sends nothing more from this service.
    ("STOP", ConsentState::Withdrawn),
    // Twilio sends again.
    ("START", ConsentState::Granted),
];

/// Words that Twilio takes for STOP and START on every number where nothing else was agreed, as the whole message.
/// `YES` is left out: it starts only after a STOP, and is more often an answer.
/// Source: Twilio's "Support for opt-out keywords", read in November 2026.
const KEYWORDS: &[(&str, ConsentState)] = &[
    ("STOP", ConsentState::Withdrawn),
    ("STOPALL", ConsentState::Withdrawn),
    ("UNSUBSCRIBE", ConsentState::Withdrawn),
    ("CANCEL", ConsentState::Withdrawn),
    ("END", ConsentState::Withdrawn),
    ("QUIT", ConsentState::Withdrawn),
    ("REVOKE", ConsentState::Withdrawn),
    ("OPTOUT", ConsentState::Withdrawn),
    ("START", ConsentState::Granted),
    ("UNSTOP", ConsentState::Granted),
];

/// The error that says that nothing from this sender arrives at the number any more, whatever it is.
const UNSUBSCRIBED: &str = "21610";
/// What takes it back: a report about the number itself, in a word of ours.
const SUBSCRIBED: &str = "subscribed";

/// Errors that say that the customer had stopped messages, and which.
const REFUSALS: &[(&str, &[&str])] = &[
    // The recipient replied STOP to this sender.
    (UNSUBSCRIBED, ALL),
    // The user stopped marketing messages of this business in WhatsApp.
    ("63050", &["marketing"]),
];

/// What a message says of consent: an event for each purpose, or none.
pub fn by_customer(id: &str, at: u64, fields: &Fields, parties: &Parties) -> Vec<Event> {
    let said = match fields.id("OptOutType") {
        Some(kind) => find(TYPES, kind),
        None if parties.channel == Channel::Sms => fields.id("Body").and_then(|body| find(KEYWORDS, body)),
        None => None,
    };
    let Some(state) = said else { return Vec::new() };
    let evidence = fields.object(&[("OptOutType", "OptOutType"), ("Body", "Body")]);
    let mut events = to_all(&format!("{id}:consent"), at, parties, state, evidence);
    if state == ConsentState::Granted {
        let state = DeliveryState::Other(SUBSCRIBED.into());
        events.push(of_address(&format!("{id}:{SUBSCRIBED}"), at, parties, state));
    }
    events
}

/// A report about the number itself: a message that is refused for it says nothing of the others.
fn of_address(id: &str, at: u64, parties: &Parties, state: DeliveryState) -> Event {
    let body = EventBody::Delivery(Delivery::new(Covered::Address, state));
    Event::new(id, at, &parties.account, parties.contact.clone(), body)
}

/// Consent to everything on a number, given or withdrawn: an event for each purpose, `<id>:<purpose>`.
pub fn to_all(id: &str, at: u64, parties: &Parties, state: ConsentState, evidence: Option<String>) -> Vec<Event> {
    let consent = |purpose: &&str| Consent { purpose: (*purpose).into(), state, evidence: evidence.clone() };
    ALL.iter().map(consent).map(|consent| event(id, at, parties, consent)).collect()
}

/// What an error says of consent.
pub fn by_error(id: &str, at: u64, fields: &Fields, parties: &Parties) -> Vec<Event> {
    let refusal = fields.id("ErrorCode").and_then(|code| REFUSALS.iter().find(|(refusal, _)| *refusal == code));
    let Some((code, purposes)) = refusal else { return Vec::new() };
    let evidence = fields.object(&[("ErrorCode", "ErrorCode"), ("ErrorMessage", "ErrorMessage")]);
    let state = ConsentState::Withdrawn;
    let consent = |purpose: &&str| Consent { purpose: (*purpose).into(), state, evidence: evidence.clone() };
    let mut events: Vec<Event> =
        purposes.iter().map(consent).map(|consent| event(&format!("{id}:{code}"), at, parties, consent)).collect();
    if *code == UNSUBSCRIBED {
        let state = DeliveryState::Failed(provider_error::of(fields));
        events.push(of_address(&format!("{id}:{code}:address"), at, parties, state));
    }
    events
}

fn event(id: &str, at: u64, parties: &Parties, consent: Consent) -> Event {
    let id = format!("{id}:{}", consent.purpose);
    Event::new(id, at, &parties.account, parties.contact.clone(), EventBody::Consent(consent))
}

/// What a word stands for, however it is written.
pub fn find(table: &[(&str, ConsentState)], word: &str) -> Option<ConsentState> {
    table.iter().find(|(known, _)| known.eq_ignore_ascii_case(word)).map(|(_, state)| *state)
}
