//! A message in Zendesk's messaging. The payload names the writer and the conversation, not the ticket's requester: the
//! conversation is the address, and whoever is its end user belongs to it.

use rapport_sdk::prelude::*;

use crate::envelope::{Envelope, ticket_address};
use crate::payload::{Actor, Change, ChatMessage};

const CONVERSATION: &str = "zendesk.conversation";
/// A user of messaging has another id than the same person as a user of Support.
const MESSAGING_USER: &str = "zendesk.messaging";

pub fn read(envelope: &Envelope) -> Result<Vec<Event>, Rejection> {
    let change: Change = envelope.root.event.and_then(lenient::read).unwrap_or_default();
    let ticket = detail_id(envelope);
    let address = match (&change.conversation_id, &ticket) {
        (Some(id), _) => Identifier::provider(CONVERSATION, id.as_ref()).within(envelope.account),
        (None, Some(ticket)) => ticket_address(envelope.account, ticket),
        (None, None) => {
            return Err(Rejection::Malformed("expected a conversation: `event.conversation_id`, found none".into()));
        }
    };
    let actor = change.actor.unwrap_or_default();
    let author = author(&actor);
    let mut contact = Contact::new(vec![address]);
    if author == Author::Customer {
        let user = actor.id.as_deref().map(|id| Identifier::provider(MESSAGING_USER, id).within(envelope.account));
        contact.identifiers.extend(user);
        contact = contact.named(actor.name.as_deref());
    }
    let Some(raw) = change.message else { return Ok(vec![envelope.event(contact, envelope.other("messaging"))]) };
    let found: ChatMessage = lenient::read(raw).unwrap_or_default();
    let part = match found.body.as_deref() {
        Some(body) => Part::Text(body.into()),
        None => Part::Other(("message".into(), raw.get().into())),
    };
    let mut message = Message::new(found.id.as_deref().unwrap_or(&envelope.id), author, vec![part]);
    message.thread = ticket;
    Ok(vec![envelope.event(contact, EventBody::Message(message))])
}

/// `detail` holds nothing but the id of the ticket.
fn detail_id(envelope: &Envelope) -> Option<String> {
    let detail: ChatMessage = envelope.root.detail.and_then(lenient::read).unwrap_or_default();
    detail.id.as_deref().or(envelope.subject_id()).map(str::to_owned)
}

/// `end_user`, `agent`, `system`; Zendesk's own machines have ids that begin with `zd:`.
fn author(actor: &Actor) -> Author {
    let is_machine = actor.id.as_deref().is_some_and(|id| id.starts_with("zd:"));
    match actor.kind.as_deref().map(str::to_ascii_lowercase).as_deref() {
        _ if is_machine => Author::Automation,
        Some("agent" | "admin") => Author::Agent,
        Some("end_user" | "end-user" | "user" | "customer") => Author::Customer,
        _ => Author::Automation,
    }
}
