//! What happened to a ticket.

use rapport_sdk::prelude::*;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::envelope::{Envelope, ticket_address, user};
use crate::payload::{Change, Ticket as Detail, text};
use crate::{comment, satisfaction, survey};
use rapport_sdk::instant;

/// Extension: the ticket as it stood after the event.
const TICKET: &str = "com.zendesk.ticket";

/// A ticket event with its ticket.
pub struct Case<'a> {
    pub envelope: &'a Envelope<'a>,
    pub id: String,
    pub detail: Detail<'a>,
    pub change: Change<'a>,
}

pub fn read(envelope: &Envelope) -> Result<Vec<Event>, Rejection> {
    let detail: Detail = envelope.root.detail.and_then(lenient::read).unwrap_or_default();
    let change: Change = envelope.root.event.and_then(lenient::read).unwrap_or_default();
    let Some(id) = detail.id.as_deref().or(envelope.subject_id()).map(str::to_owned) else {
        return Err(Rejection::Malformed("expected a ticket: `detail.id`, or `subject`, found neither".into()));
    };
    let case = Case { envelope, id, detail, change };
    match envelope.action {
        "created" => Ok(vec![case.state(TicketState::Opened)]),
        "status_changed" => Ok(vec![case.state(case.new_state())]),
        "comment_added" | "comment_created" => comment::added(&case),
        "comment_redacted" | "comment_made_private" => comment::taken_back(&case),
        "attachment_linked_to_comment" | "attachment_linked" => comment::attached(&case),
        "attachment_redacted_from_comment" | "attachment_redacted" => comment::detached(&case),
        _ if survey::is_response(envelope.root) => survey::read(envelope),
        action if action.contains("csat") || action.contains("satisfaction") => Ok(vec![satisfaction::read(&case)]),
        _ => Ok(vec![case.other()]),
    }
}

impl Case<'_> {
    /// When it happened; a messenger without a clock of its own still says when the ticket was changed last.
    fn at(&self) -> u64 {
        match self.envelope.at {
            0 => self.detail.updated_at.as_deref().and_then(instant::parse).unwrap_or(0),
            at => at,
        }
    }

    /// Who asked for help; where the payload does not say it, the ticket.
    pub fn requester(&self) -> Contact {
        let account = self.envelope.account;
        let requester = self.detail.requester_id.as_deref().map(|id| user(account, id));
        Contact::new(vec![requester.unwrap_or_else(|| ticket_address(account, &self.id))])
    }

    pub fn event(&self, contact: Contact, body: EventBody) -> Event {
        let mut event = self.envelope.event(contact, body);
        event.at = self.at();
        event
    }

    /// An event about the requester that the contract has no case for.
    pub fn other(&self) -> Event {
        self.event(self.requester(), self.envelope.other("ticket"))
    }

    fn state(&self, state: TicketState) -> Event {
        let subject = self.detail.subject.as_deref().map(str::to_owned);
        let ticket = Ticket { id: self.id.clone(), state, subject, url: None };
        let event = self.event(self.requester(), EventBody::Ticket(ticket));
        event.extended(TICKET, &self.standing())
    }

    /// Zendesk's words are `NEW`, `OPEN`, `PENDING`, `HOLD`, `SOLVED`, `CLOSED`.
    fn new_state(&self) -> TicketState {
        let current = text(self.change.current).or_else(|| self.detail.status.as_deref().map(str::to_owned));
        let previous = text(self.change.previous).unwrap_or_default();
        state(&current.unwrap_or_default(), &previous)
    }

    fn standing(&self) -> Standing<'_> {
        let detail = &self.detail;
        Standing {
            status: detail.status.as_deref(),
            previous_status: self.change.previous,
            priority: detail.priority.as_deref(),
            kind: detail.kind.as_deref(),
            channel: detail.via.as_ref().and_then(|via| via.channel.as_deref()),
            tags: detail.tags,
            external_id: detail.external_id.as_deref(),
            description: detail.description.as_deref().filter(|_| self.envelope.action == "created"),
        }
    }
}

#[derive(Serialize)]
struct Standing<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_status: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<&'a str>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
}

/// What a change of status is, from "About ticket statuses", November 2026. Whoever was solved or closed and works
/// again is reopened, whatever the new status is called.
pub fn state(current: &str, previous: &str) -> TicketState {
    let is_done = |word: &str| matches!(word.to_ascii_lowercase().as_str(), "solved" | "closed");
    match current.trim().to_ascii_lowercase().as_str() {
        "solved" => TicketState::Solved,
        "closed" => TicketState::Closed,
        // The business waits for the customer.
        "pending" => TicketState::Pending,
        _ if is_done(previous.trim()) => TicketState::Reopened,
        // Nobody has answered yet.
        "new" => TicketState::Opened,
        // An agent works on it (`open`), the business waits for somebody else (`hold`), a status of tomorrow.
        other => TicketState::Other(other.to_owned()),
    }
}
