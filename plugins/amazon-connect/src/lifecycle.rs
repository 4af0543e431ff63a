//! What a contact event becomes: how far a contact has come, while it is under way. As a rule Amazon says in it what
//! happened and not with whom.

use rapport_sdk::prelude::*;

use crate::payload::{Envelope, Record};
use crate::person::{self, Place};
use crate::record::{self, NAME};
use crate::{call, record::slug};

/// The event of one contact event, whose `detail` is `record`.
///
/// # Errors
/// What keeps it from being one, such as that it names nobody.
pub fn event(envelope: &Envelope, record: &Record, place: &Place) -> Result<Event, Rejection> {
    let malformed = |what: &str| Rejection::Malformed(format!("expected a contact event with `{what}`, found none"));
    let contact_id = record.contact_id.as_deref().ok_or_else(|| malformed("contactId"))?;
    let kind = record.event_type.as_deref().ok_or_else(|| malformed("eventType"))?.to_ascii_uppercase();
    let contact = person::named(record, place).ok_or_else(|| {
        Rejection::Ignored("a contact event names nobody, as most do not; the contact record will".into())
    })?;
    let at = happened_at(record, &kind).or(envelope.time);
    let word = slug(&kind);
    let id = match &envelope.id {
        Some(id) => format!("{contact_id}:{word}:{id}"),
        None => format!("{contact_id}:{word}:{}", at.unwrap_or_default()),
    };
    let body = body(envelope, record, (contact_id, &kind), place);
    Ok(record::extended(Event::new(id, at.unwrap_or(0), place.instance, contact, body), record))
}

/// By the timestamp of what happened, which has milliseconds; the envelope's has seconds.
fn happened_at(record: &Record, kind: &str) -> Option<u64> {
    let agent = || record.agent.as_ref()?.connected_to_agent_timestamp;
    match kind {
        "INITIATED" => record.initiation_timestamp,
        "CONNECTED_TO_SYSTEM" => record.connected_to_system_timestamp,
        "QUEUED" => record.queue.as_ref()?.enqueue_timestamp,
        "CONNECTED_TO_AGENT" => agent().or(record.connected_to_agent_timestamp),
        "DISCONNECTED" => record.disconnect_timestamp,
        _ => None,
    }
}

fn body(envelope: &Envelope, record: &Record, (id, kind): (&str, &str), place: &Place) -> EventBody {
    let other = || {
        let detail = envelope.detail.map_or_else(|| "null".into(), rapport_sdk::event::json);
        EventBody::Other((format!("{NAME}.{}", slug(kind)), detail))
    };
    match record::kind(record).as_str() {
        "voice" if kind == "DISCONNECTED" => EventBody::Call(call::ended(record, id, place.settings)),
        "voice" => match call_state(record, kind) {
            Some(state) => {
                let initiator = call::initiator(record);
                EventBody::Call(Call { id: id.to_owned(), state, initiator, duration: None, recording: None })
            }
            None => other(),
        },
        "task" => task_state(kind).map_or_else(other, |state| EventBody::Ticket(record::ticket(record, id, state))),
        "chat" if kind == "CONNECTED_TO_AGENT" => EventBody::Control(Control::held_by(Controller::Agent)),
        _ => other(),
    }
}

fn call_state(record: &Record, kind: &str) -> Option<CallState> {
    let is_incoming = call::initiator(record) == Author::Customer;
    match kind {
        "INITIATED" => Some(CallState::Ringing),
        "CONNECTED_TO_AGENT" => Some(CallState::Answered),
        // The customer, or a machine, took a call of the business. One that came in is with the menu.
        "CONNECTED_TO_SYSTEM" if !is_incoming => Some(CallState::Answered),
        "CONNECTED_TO_SYSTEM" | "QUEUED" => Some(CallState::Other(kind.to_ascii_lowercase())),
        _ => None,
    }
}

fn task_state(kind: &str) -> Option<TicketState> {
    match kind {
        "INITIATED" => Some(TicketState::Opened),
        "PAUSED" => Some(TicketState::Pending),
        "DISCONNECTED" => Some(TicketState::Closed),
        "QUEUED" | "CONNECTED_TO_AGENT" | "RESUMED" => Some(TicketState::Other(kind.to_ascii_lowercase())),
        _ => None,
    }
}
