//! One message: who said it where, what it answers, and what it holds.

use rapport_meta::{Batch, verbatim};
use rapport_sdk::number;
use rapport_sdk::prelude::*;
use serde_json::value::RawValue;

use crate::content;
use crate::identity::{Person, Side, is_number};
use crate::payload::{self, Message as Envelope};
use crate::scene::Scene;
use crate::{interactive, reference, system};

/// Where a message stands in the webhook, and what that says of it.
#[derive(Clone, Copy)]
pub struct Source<'s> {
    pub array: &'s str,
    pub sender: Sender,
    /// The customer whose thread of the history it is in.
    pub thread: Option<&'s str>,
}

/// Who wrote the messages of an array.
#[derive(Clone, Copy)]
pub enum Sender {
    /// The customer, unless `from` is the business's own number: what it sends may come back as a message.
    ByNumber,
    Business(Author),
}

/// A message whose envelope is complete.
pub struct Incoming<'a> {
    pub id: &'a str,
    pub at: u64,
    pub author: Author,
    pub side: Side<'a>,
    pub envelope: &'a Envelope<'a>,
    /// The object in which the field that `type` names is found.
    pub raw: &'a RawValue,
}

/// What an event says, and what it says beyond the contract.
pub type Said = (EventBody, Extensions);

type Reader = fn(&Incoming, &RawValue) -> Option<Said>;

/// The types that are no message but say something about one, in the order of Meta's reference, October 2026.
const NEWS: &[(&str, Reader)] = &[
    // The customer tapped a button, chose from a list, sent a flow, or allowed calls: only the last is news.
    ("interactive", interactive::permission),
    // An emoji was put on a message, or taken back.
    ("reaction", reaction),
    // A message got other words.
    ("edit", edit),
    // A message was deleted for everyone.
    ("revoke", revoke),
    // The customer opened the chat for the first time and wrote nothing yet.
    ("request_welcome", request_welcome),
];

/// Extension: the catalogue product that a customer asks about.
const REFERRED_PRODUCT: &str = "com.whatsapp.referred-product";

/// Reads an element of `messages`, `message_echoes` or a history thread.
pub fn read(raw: &RawValue, source: &Source, scene: &Scene, batch: &mut Batch) {
    let Some(outer) = lenient::read::<Envelope>(raw) else {
        return batch.malformed(source.array, "it is not an object");
    };
    match outer.message.filter(|_| outer.kind.is_none()) {
        None => read_envelope(&outer, raw, source, scene, batch),
        Some(wrapped) => match lenient::read::<Envelope>(wrapped) {
            None => batch.malformed(source.array, "its `message` is not an object"),
            Some(inner) => {
                let timestamp = outer.timestamp.or(inner.timestamp);
                let envelope = Envelope { id: outer.id, timestamp, to: outer.to.or(inner.to), ..inner };
                read_envelope(&envelope, wrapped, source, scene, batch);
            }
        },
    }
}

fn read_envelope(envelope: &Envelope, raw: &RawValue, source: &Source, scene: &Scene, batch: &mut Batch) {
    let Some(id) = envelope.id.as_deref() else { return batch.malformed(source.array, "it has no `id`") };
    let Some(at) = envelope.timestamp else { return batch.malformed(source.array, "it has no `timestamp`") };
    let author = author(envelope, source, scene);
    let person = person(envelope, author, source.thread).without_business(scene).pair(scene);
    let incoming = Incoming { id, at, author, side: Side::new(envelope.group_id.as_deref(), person), envelope, raw };
    if envelope.kind.as_deref() == Some("system") {
        return system::read(&incoming, scene, batch);
    }
    let Some(contact) = incoming.side.contact(scene.account) else {
        return batch.malformed(source.array, "it has no sender or recipient but the business");
    };
    let (body, extensions) = said(&incoming);
    let event = Event { id: id.into(), at, account: scene.account.into(), contact, body, extensions };
    batch.push(incoming.side.mark(event));
}

fn author(envelope: &Envelope, source: &Source, scene: &Scene) -> Author {
    match source.sender {
        Sender::Business(author) => author,
        Sender::ByNumber if is_of_business(envelope, source, scene) => Author::Agent,
        Sender::ByNumber => Author::Customer,
    }
}

/// Whether the business wrote a message: it says so, its sender is the business's number in any spelling, or it has a
/// recipient, which a customer's message has not. Of a thread of the history, the id says who the customer is: whoever
/// else writes there is the business, also from a number that it had before.
fn is_of_business(envelope: &Envelope, source: &Source, scene: &Scene) -> bool {
    if envelope.history_context.as_ref().is_some_and(|context| context.from_me) {
        return true;
    }
    if let Some(from) = envelope.from.as_deref().filter(|from| is_number(from)) {
        match source.thread.filter(|thread| is_number(thread)) {
            _ if scene.is_business(from) => return true,
            Some(thread) => return !number::is_same_line(thread, from),
            None => {}
        }
    }
    let to = [&envelope.to, &envelope.recipient, &envelope.to_user_id, &envelope.to_parent_user_id];
    to.into_iter().flatten().any(|to| !scene.is_business(to))
}

/// The customer, who is the sender of what a customer wrote and the recipient of everything else.
fn person<'a>(envelope: &'a Envelope, author: Author, thread: Option<&'a str>) -> Person<'a> {
    let mut person = match author {
        Author::Customer => Person::new(&[&envelope.from_user_id, &envelope.from_parent_user_id, &envelope.from]),
        Author::Agent | Author::Automation => {
            Person::new(&[&envelope.to_user_id, &envelope.to_parent_user_id, &envelope.to, &envelope.recipient])
        }
    };
    person.learn(thread);
    person
}

fn said(incoming: &Incoming) -> Said {
    let kind = incoming.envelope.kind.as_deref();
    let reader = NEWS.iter().find(|(name, _)| Some(*name) == kind);
    let news = reader.and_then(|(name, read)| {
        let content = lenient::field(incoming.raw, name).unwrap_or(RawValue::NULL);
        read(incoming, content)
    });
    news.unwrap_or_else(|| message(incoming))
}

fn message(incoming: &Incoming) -> Said {
    let envelope = incoming.envelope;
    let mut content = content::read(envelope, incoming.raw);
    let context = envelope.context.as_ref();
    if let Some(product) = context.and_then(|context| context.referred_product) {
        content.extensions.push((REFERRED_PRODUCT.into(), verbatim(product)));
    }
    let reference = reference::of(&envelope.biz_opaque_callback_data).filter(|_| incoming.author != Author::Customer);
    let message = Message {
        reference: reference.map(str::to_owned),
        in_reply_to: context.and_then(|context| context.id.as_deref()).map(str::to_owned),
        thread: incoming.side.thread(),
        referral: envelope.referral.and_then(referral),
        forwarded: context.is_some_and(|context| context.forwarded || context.frequently_forwarded),
        ..Message::new(incoming.id, incoming.author, content.parts)
    };
    (EventBody::Message(message), content.extensions)
}

fn referral(raw: &RawValue) -> Option<Referral> {
    let referral: payload::Referral = lenient::read(raw)?;
    Some(Referral {
        source: referral.source_type.unwrap_or_else(|| "unknown".into()),
        id: referral.source_id,
        url: referral.source_url,
        details: Some(verbatim(raw)),
    })
}

fn reaction(incoming: &Incoming, raw: &RawValue) -> Option<Said> {
    let reaction: payload::Reaction = lenient::read(raw)?;
    let message_id = reaction.message_id?;
    Some((EventBody::Reaction(Reaction { message_id, author: incoming.author, emoji: reaction.emoji }), Vec::new()))
}

fn edit(_: &Incoming, raw: &RawValue) -> Option<Said> {
    let edit: payload::Edit = lenient::read(raw)?;
    let (message_id, raw_message) = (edit.original_message_id?, edit.message?);
    let content = content::read(&lenient::read(raw_message)?, raw_message);
    Some((EventBody::MessageEdited(Edit { message_id, parts: content.parts }), content.extensions))
}

fn revoke(_: &Incoming, raw: &RawValue) -> Option<Said> {
    let edit: payload::Edit = lenient::read(raw)?;
    Some((EventBody::MessageDeleted(edit.original_message_id?), Vec::new()))
}

fn request_welcome(_: &Incoming, raw: &RawValue) -> Option<Said> {
    Some((EventBody::Other(("request-welcome".into(), verbatim(raw))), Vec::new()))
}
