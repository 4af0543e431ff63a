//! What an event subscription sends: an envelope around what happened, and who reads it.

use std::cell::RefCell;

use rapport_sdk::prelude::*;
use serde_json::value::RawValue;

use crate::payload::Root;
use crate::scene::Scene;
use crate::{messaging, survey, ticket, user};
use rapport_sdk::instant;

const USER: &str = "zendesk.user";
const TICKET: &str = "zendesk.ticket";

/// A type that is longer is none of Zendesk's and does not go into the log.
const KIND_BYTES_MAX: usize = 80;

/// An event with all that every reader needs.
pub struct Envelope<'a> {
    pub raw: &'a RawValue,
    pub root: &'a Root<'a>,
    pub account: &'a str,
    /// What happened: `comment_added`.
    pub action: &'a str,
    /// Zendesk's id of the event.
    pub id: String,
    /// Milliseconds by Zendesk's clock; 0: it said no time.
    pub at: u64,
    unread: &'a RefCell<Unread>,
}

/// Reads an event of this type, such as `ticket.comment_added`. What is about no customer is no event.
pub fn read(raw: &RawValue, root: &Root, kind: &str, scene: &Scene) -> Result<Vec<Event>, Rejection> {
    let (object, action) = kind.split_once('.').unwrap_or((kind, ""));
    let envelope = Envelope {
        raw,
        root,
        account: account(root.account_id.as_deref(), scene),
        action,
        id: id(root, kind)?,
        at: root.time.as_deref().and_then(instant::parse).unwrap_or(0),
        unread: &scene.unread,
    };
    match object {
        "ticket" => ticket::read(&envelope),
        "messaging_ticket" => messaging::read(&envelope),
        "user" => user::read(&envelope),
        _ if survey::is_response(root) => survey::read(&envelope),
        _ => {
            skip(kind);
            Ok(Vec::new())
        }
    }
}

/// The account that the payload says, else the settings, else the connection's own name.
pub fn account<'a>(said: Option<&'a str>, scene: &Scene<'a>) -> &'a str {
    said.or(scene.settings.account_id.as_deref()).unwrap_or(scene.connection)
}

/// The address of a Zendesk user: the support desk itself says who wrote or asked.
pub fn user(account: &str, id: &str) -> Identifier {
    Identifier::provider(USER, id).within(account)
}

/// The address of a ticket of which the payload does not say whose it is.
pub fn ticket_address(account: &str, id: &str) -> Identifier {
    Identifier::provider(TICKET, id).within(account)
}

impl Envelope<'_> {
    /// Tells of an element that could not be read beside others.
    pub fn add_unread(&self, place: &str, reason: &str) {
        self.unread.borrow_mut().add(place, reason);
    }

    pub fn event(&self, contact: Contact, body: EventBody) -> Event {
        Event::new(self.id.clone(), self.at, self.account, contact, body)
    }

    /// An event that has no body of its own in the contract: a name of ours, the payload as it came.
    pub fn other(&self, object: &str) -> EventBody {
        EventBody::Other((format!("com.zendesk.{object}.{}", kebab(self.action)), self.raw.get().into()))
    }

    /// The id at the end of `subject`: of `zen:ticket:5158` it is `5158`.
    pub fn subject_id(&self) -> Option<&str> {
        let subject = self.root.subject.as_deref()?;
        let (_, id) = subject.rsplit_once(':')?;
        (subject.starts_with("zen:") && !id.is_empty()).then_some(id)
    }
}

/// Where Zendesk gives an event no id, all that tells two apart.
fn id(root: &Root, kind: &str) -> Result<String, Rejection> {
    if let Some(id) = root.id.as_deref() {
        return Ok(id.to_owned());
    }
    let (Some(subject), Some(time)) = (root.subject.as_deref(), root.time.as_deref()) else {
        return Err(Rejection::Malformed("expected an `id`, or a `subject` and a `time`, found none of them".into()));
    };
    Ok(format!("{kind}:{subject}:{time}"))
}

fn skip(kind: &str) {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let is_nameable = kind.len() <= KIND_BYTES_MAX && kind.bytes().all(is_word);
    log::info(&format!(
        "skipped an event of type `{}`, which is about no customer",
        if is_nameable { kind } else { "other" }
    ));
}

/// A word of Zendesk's in our spelling: `group_assignment_changed` is `group-assignment-changed`.
pub fn kebab(word: &str) -> String {
    let letters = word.chars().take(KIND_BYTES_MAX);
    letters.map(|letter| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' }).collect()
}
