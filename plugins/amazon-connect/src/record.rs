//! What a contact record becomes. Amazon writes one when a contact is over, and again whenever it learns more: the
//! event's id holds a fingerprint of what is said, so that only news make a new event.

use rapport_sdk::prelude::*;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::payload::Record;
use crate::person::{self, Place};
use crate::settings::Settings;
use crate::{call, fingerprint, survey};
use rapport_sdk::instant;

/// What Amazon Connect's own events begin with.
pub const NAME: &str = "com.amazonaws.connect";
/// Extension: what else a contact says of itself.
const CONTACT: &str = "com.amazonaws.connect.contact";
/// Extension: the contact attributes, as the flows wrote them.
const ATTRIBUTES: &str = "com.amazonaws.connect.attributes";

/// What a task came to, by `DisconnectReason`, from the contact record data model, November 2026.
const TASK_STATES: &[(&str, TicketState)] = &[
    ("AGENT_COMPLETED", TicketState::Solved),
    // The agent marked it as complete.
    ("AGENT_DISCONNECT", TicketState::Solved),
    ("CONTACT_FLOW_DISCONNECT", TicketState::Closed),
    ("API", TicketState::Closed),
    ("OTHER", TicketState::Closed),
];

/// The events of one record: the contact's end, and each answer to a survey.
///
/// # Errors
/// What keeps it from being any.
pub fn events(record: &Record, raw: &RawValue, place: &Place) -> Result<Vec<Event>, Rejection> {
    let missing = || Rejection::Malformed("expected a contact record with a `ContactId`, found none".into());
    let id = record.contact_id.as_deref().ok_or_else(missing)?;
    if record.initiation_method.as_deref() == Some("MONITOR") {
        return Err(Rejection::Ignored("a supervisor listened to a contact, which is nothing of the customer".into()));
    }
    let contact = person::anybody(record, place).ok_or_else(missing)?;
    let body = body(record, raw, id, place.settings);
    let news = news(record, &contact, &body);
    let teller = Teller { record, place, contact };
    let kind = kind(record);
    let mut events = vec![teller.event(format!("{id}:{kind}:{news}"), body)];
    for answer in survey::answers(record, &place.settings.surveys) {
        events.push(teller.event(answer.id, EventBody::Feedback(answer.feedback)));
    }
    Ok(events)
}

/// The channel in our spelling: `voice`, `chat`; of a channel of tomorrow its word.
pub fn kind(record: &Record) -> String {
    let channel = record.channel.as_deref().unwrap_or_default();
    let word = slug(channel);
    if word.is_empty() { "contact".into() } else { word }
}

/// A word of Amazon's as a part of a name: `CONTACT_DATA_UPDATED` is `contact-data-updated`.
pub fn slug(word: &str) -> String {
    let letter = |character: char| if character.is_ascii_alphanumeric() { character.to_ascii_lowercase() } else { '-' };
    word.chars().take(WORD_CHARACTERS_MAX).map(letter).collect::<String>().trim_matches('-').to_owned()
}

/// Characters of the longest word that becomes a part of a name.
const WORD_CHARACTERS_MAX: usize = 64;

/// What the extensions of an event say of its contact.
pub fn extended(event: Event, record: &Record) -> Event {
    let event = event.extended(CONTACT, &Details::of(record));
    let attributes = record.attributes.filter(|raw| raw.get().starts_with('{'));
    match attributes {
        Some(attributes) => event.extended(ATTRIBUTES, attributes),
        None => event,
    }
}

/// A task as a case.
pub fn ticket(record: &Record, id: &str, state: TicketState) -> Ticket {
    let detail = |name: &str| {
        let text: lenient::Id = lenient::read(lenient::field(record.contact_details?, name)?)?;
        Some(text.0)
    };
    let subject = record.name.clone().or_else(|| detail("Name")).or_else(|| detail("name"));
    Ticket { id: id.to_owned(), state, subject, url: None }
}

fn body(record: &Record, raw: &RawValue, id: &str, settings: &Settings) -> EventBody {
    match kind(record).as_str() {
        "voice" => EventBody::Call(call::ended(record, id, settings)),
        "task" => EventBody::Ticket(ticket(record, id, task_state(record))),
        kind => EventBody::Other((format!("{NAME}.{kind}"), rapport_sdk::event::json(raw))),
    }
}

fn task_state(record: &Record) -> TicketState {
    match record.disconnect_reason.as_deref() {
        // The case goes on as another contact.
        _ if record.next_contact_id.is_some() => TicketState::Other("transferred".into()),
        Some(reason) => {
            let known = TASK_STATES.iter().find(|(word, _)| *word == reason).map(|(_, state)| state.clone());
            known.unwrap_or_else(|| TicketState::Other(reason.to_ascii_lowercase()))
        }
        None if record.disconnect_timestamp.is_some() => TicketState::Closed,
        None => TicketState::Opened,
    }
}

/// A fingerprint of what has to change for an event to be another one. A record as a whole changes with every version.
///
/// It is made of single values and not of the contract's types, which may get more fields.
fn news(record: &Record, contact: &Contact, body: &EventBody) -> String {
    let who: Vec<_> =
        contact.identifiers.iter().map(|found| (&found.scheme, &found.value, &found.attestation)).collect();
    match body {
        EventBody::Call(call) => {
            let recording = call.recording.as_ref().map(location);
            fingerprint::of(&(who, &call.state, &call.initiator, call.duration, recording))
        }
        EventBody::Ticket(ticket) => fingerprint::of(&(who, &ticket.state, &ticket.subject)),
        _ => {
            let talk = record.agent.as_ref().and_then(|agent| agent.agent_interaction_duration);
            let files: Vec<_> = record.recordings.iter().map(|file| &file.location).collect();
            fingerprint::of(&(who, &record.disconnect_reason, talk, files))
        }
    }
}

fn location(media: &Media) -> &str {
    match &media.source {
        MediaSource::Url(place) | MediaSource::ProviderId(place) | MediaSource::Blob(place) => place,
    }
}

/// What the events of one record share.
struct Teller<'a> {
    record: &'a Record<'a>,
    place: &'a Place<'a>,
    contact: Contact,
}

impl Teller<'_> {
    fn event(&self, id: String, body: EventBody) -> Event {
        let event = Event::new(id, self.at(), self.place.instance, self.contact.clone(), body);
        extended(event, self.record)
    }

    /// When the contact ended, which is the same in every version of its record.
    fn at(&self) -> u64 {
        let written = || self.record.last_update_timestamp.as_deref().and_then(instant::parse);
        self.record.disconnect_timestamp.or(self.record.initiation_timestamp).or_else(written).unwrap_or(0)
    }
}

/// A contact in Amazon's words.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Details<'a> {
    contact_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    initial_contact_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_contact_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_contact_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    related_contact_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subtype: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    initiation_method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disconnect_reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answering_machine_detection_status: Option<&'a str>,
    /// Milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    initiation_timestamp: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<&'a str>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_duration: Option<u64>,
    /// The business's own number or address.
    #[serde(skip_serializing_if = "Option::is_none")]
    system_endpoint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_update_timestamp: Option<&'a str>,
}

impl<'a> Details<'a> {
    fn of(record: &'a Record) -> Self {
        let (agent, queue) = (record.agent.as_ref(), record.queue.as_ref());
        Details {
            contact_id: record.contact_id.as_deref(),
            initial_contact_id: record.initial_contact_id.as_deref(),
            previous_contact_id: record.previous_contact_id.as_deref(),
            next_contact_id: record.next_contact_id.as_deref(),
            related_contact_id: record.related_contact_id.as_deref(),
            channel: record.channel.as_deref(),
            subtype: record.segment_attribute("connect:Subtype"),
            subject: record.segment_attribute("connect:EmailSubject"),
            initiation_method: record.initiation_method.as_deref(),
            disconnect_reason: record.disconnect_reason.as_deref(),
            answering_machine_detection_status: record.answering_machine_detection_status.as_deref(),
            initiation_timestamp: record.initiation_timestamp,
            agent: agent.and_then(|agent| agent.username.as_deref().or(agent.arn.as_deref())),
            queue: queue.and_then(|queue| queue.name.as_deref().or(queue.arn.as_deref())),
            queue_duration: queue.and_then(|queue| queue.duration),
            system_endpoint: record.system_endpoint.as_ref().and_then(|endpoint| endpoint.address.as_deref()),
            last_update_timestamp: record.last_update_timestamp.as_deref(),
        }
    }
}
