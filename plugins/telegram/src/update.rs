//! What an update is about: one of its fields, whose name says what happened.

use std::cell::RefCell;

use rapport_sdk::prelude::*;
use serde_json::value::RawValue;

use crate::party::Party;
use crate::payload::{Fields, verbatim};
use crate::{callback, member, message, reaction};

/// Where an event belongs: to whose bot, and to which update.
pub struct Scene<'s> {
    pub account: &'s str,
    pub update: &'s str,
    unread: RefCell<Unread>,
}

impl<'s> Scene<'s> {
    pub fn new(account: &'s str, update: &'s str) -> Self {
        Scene { account, update, unread: RefCell::default() }
    }

    /// Tells of an element that cannot be read, beside others that can.
    pub fn add_unread(&self, place: &str, reason: &str) {
        self.unread.borrow_mut().add(place, reason);
    }

    /// The ids of a list; one that is none is told of.
    pub fn ids(&self, fields: &Fields, name: &str) -> Vec<String> {
        let mut ids = Vec::new();
        for (index, raw) in fields.list(name).into_iter().enumerate() {
            match lenient::read::<lenient::Id>(raw) {
                Some(id) => ids.push(id.0),
                None => self.add_unread(&format!("{name}[{index}]"), "it is not an id"),
            }
        }
        ids
    }

    /// The only event of an update.
    pub fn event(&self, at: Option<u64>, party: &Party, body: EventBody) -> Event {
        self.named(self.update.to_owned(), at, party, body)
    }

    /// One of several events of an update.
    pub fn part(&self, detail: &str, at: Option<u64>, party: &Party, body: EventBody) -> Event {
        self.named(format!("{}:{detail}", self.update), at, party, body)
    }

    fn named(&self, id: String, at: Option<u64>, party: &Party, body: EventBody) -> Event {
        let event = Event::new(id, at.unwrap_or_default(), self.account, party.contact.clone(), body);
        party.in_group(event)
    }
}

/// What was read of a field, or why it could not be.
pub type Found = Result<Vec<Event>, &'static str>;

type Reader = fn(&Fields, &Scene) -> Found;

enum Reading {
    Read(Reader),
    /// The customer did something that is no message.
    Activity,
    /// About a customer or a group, without an event of its own.
    Kept,
    /// About no customer.
    Skipped,
}

/// The fields of `Update` in the order of the Bot API, November 2026.
const KINDS: &[(&str, Reading)] = &[
    // Somebody wrote to the bot, or in a group that it is in.
    ("message", Reading::Read(message::received)),
    ("edited_message", Reading::Read(message::edited)),
    // A channel that the bot is in published.
    ("channel_post", Reading::Read(message::received)),
    ("edited_channel_post", Reading::Read(message::edited)),
    // Somebody lends the bot the conversations of their own account, or no more.
    ("business_connection", Reading::Skipped),
    // Said in such a conversation, by either side.
    ("business_message", Reading::Read(message::received)),
    ("edited_business_message", Reading::Read(message::edited)),
    ("deleted_business_messages", Reading::Read(message::deleted)),
    // The bot was called into a conversation that it is not in.
    ("guest_message", Reading::Read(message::received)),
    // Somebody does not want to wait for the end of what the bot writes.
    ("stopped_message_generation", Reading::Activity),
    // Somebody changed their reaction.
    ("message_reaction", Reading::Read(reaction::read)),
    // How many reactions there are, without names.
    ("message_reaction_count", Reading::Skipped),
    // Somebody types the bot's name and words in another conversation, and takes one of its answers.
    ("inline_query", Reading::Activity),
    ("chosen_inline_result", Reading::Activity),
    // A button below a message was tapped.
    ("callback_query", Reading::Read(callback::read)),
    // Steps of a payment.
    ("shipping_query", Reading::Activity),
    ("pre_checkout_query", Reading::Activity),
    ("purchased_paid_media", Reading::Activity),
    // How a poll stands, without names; and who voted for what.
    ("poll", Reading::Skipped),
    ("poll_answer", Reading::Activity),
    // The bot was blocked or started by somebody, or its place in a group changed.
    ("my_chat_member", Reading::Read(member::own)),
    // Somebody came into a group, left it or has other rights.
    ("chat_member", Reading::Kept),
    ("chat_join_request", Reading::Activity),
    ("chat_boost", Reading::Kept),
    ("removed_chat_boost", Reading::Kept),
    // Another bot that this one has made.
    ("managed_bot", Reading::Skipped),
    // Somebody's subscription to the bot began, ended or was not paid.
    ("subscription", Reading::Activity),
];

/// What an update holds, of which one field is there.
///
/// # Errors
/// `Malformed` if it is there and nothing of it can be used.
pub fn read(update: &Fields, scene: Scene) -> Result<Receipt, Rejection> {
    let mut events = Vec::new();
    for (name, raw) in update.iter() {
        let known = KINDS.iter().find(|(kind, _)| *kind == name);
        let found = match (known, Fields::of(raw)) {
            (Some((name, reading)), Some(fields)) => of_known(name, reading, raw, &fields, &scene),
            (Some(_), None) => Err("it is not an object"),
            (None, Some(fields)) => Ok(of_unknown(name, raw, &fields, &scene)),
            // The id of the update, or a field of tomorrow.
            (None, None) => Ok(Vec::new()),
        };
        match found {
            Ok(found) => events.extend(found),
            Err(reason) => scene.add_unread(name, reason),
        }
    }
    scene.unread.into_inner().receipt(events)
}

fn of_known(name: &str, reading: &Reading, raw: &RawValue, fields: &Fields, scene: &Scene) -> Found {
    let body = match reading {
        Reading::Read(read) => return read(fields, scene),
        Reading::Activity => EventBody::Activity((name.into(), verbatim(raw))),
        Reading::Kept => EventBody::Other((name.into(), verbatim(raw))),
        Reading::Skipped => {
            log::debug(&format!("skipped `{name}`, which is about no customer"));
            return Ok(Vec::new());
        }
    };
    let party = Party::of(fields).ok_or("it names nobody")?;
    Ok(vec![scene.event(fields.time("date"), &party, body)])
}

/// A kind of tomorrow is kept if it says whom it is about.
fn of_unknown(name: &str, raw: &RawValue, fields: &Fields, scene: &Scene) -> Vec<Event> {
    let body = || EventBody::Other((name.into(), verbatim(raw)));
    let event = |party| scene.event(fields.time("date"), &party, body());
    let found: Vec<Event> = Party::of(fields).map(event).into_iter().collect();
    let done = if found.is_empty() { "skipped" } else { "kept" };
    log::info(&format!("{done} an update of the unknown kind `{name}`"));
    found
}

/// Whether a field of `Update` has its place.
#[cfg(test)]
pub fn is_known(name: &str) -> bool {
    KINDS.iter().any(|(kind, _)| *kind == name)
}
