//! What somebody wrote, changed or took back: everything that is a `Message`.

use rapport_sdk::prelude::*;
use serde_json::value::RawValue;

use crate::content::{self, Content};
use crate::party::{GROUP, Party};
use crate::payload::{Card, Fields, verbatim};
use crate::update::{Found, Scene};

/// Extensions: the account whose conversation a bot was lent, the album that a picture belongs to, the words, the story
/// or the message of another conversation that are answered, and where in the text there are links, names and forms.
/// What has no name here is called `org.telegram.` and its field with hyphens.
const BUSINESS_CONNECTION: &str = "org.telegram.business-connection";
const ALBUM: &str = "org.telegram.album";
const QUOTE: &str = "org.telegram.quote";
const STORY: &str = "org.telegram.story";
const EXTERNAL_REPLY: &str = "org.telegram.external-reply";
const ENTITIES: &str = "org.telegram.entities";

/// Fields that say that a message was first written elsewhere: the last of them before 2024.
const FORWARDED: [&str; 4] = ["forward_origin", "forward_from", "forward_from_chat", "forward_date"];

/// Fields that are kept as extensions.
const KEPT: &[(&str, &str)] = &[
    ("business_connection_id", BUSINESS_CONNECTION),
    ("media_group_id", ALBUM),
    ("quote", QUOTE),
    ("reply_to_story", STORY),
    ("external_reply", EXTERNAL_REPLY),
    ("entities", ENTITIES),
    ("caption_entities", ENTITIES),
    // Who wrote it elsewhere, and through which bot.
    ("forward_origin", "org.telegram.forward-origin"),
    ("via_bot", "org.telegram.via-bot"),
    ("author_signature", "org.telegram.author-signature"),
    // By which query a guest bot answers, and who called it.
    ("guest_query_id", "org.telegram.guest-query-id"),
    ("guest_bot_caller_chat", "org.telegram.guest-bot-caller-chat"),
    // Which task of a list, or option of a poll, is answered.
    ("reply_to_checklist_task_id", "org.telegram.reply-to-checklist-task-id"),
    ("reply_to_poll_option_id", "org.telegram.reply-to-poll-option-id"),
    // Nobody was there when it was sent: an automatic greeting or answer.
    ("is_from_offline", "org.telegram.is-from-offline"),
    // What was paid for it, and the terms of a post that is suggested.
    ("is_paid_post", "org.telegram.is-paid-post"),
    ("paid_star_count", "org.telegram.paid-star-count"),
    ("suggested_post_info", "org.telegram.suggested-post-info"),
    ("effect_id", "org.telegram.effect-id"),
    ("sender_tag", "org.telegram.sender-tag"),
];

/// The fields of `Message` that are read, or say only how it is shown: with [`KEPT`], the files and what a message can be,
/// all of them (Bot API 10.1).
#[cfg(test)]
pub const READ_OR_SHOWN: &[&str] = &[
    "message_id",
    "message_thread_id",
    "direct_messages_topic",
    "from",
    "sender_chat",
    "sender_business_bot",
    "date",
    "chat",
    "is_topic_message",
    "is_automatic_forward",
    "reply_to_message",
    "guest_bot_caller_user",
    "edit_date",
    "text",
    "caption",
    "venue",
    "location",
    "contact",
    "web_app_data",
    "migrate_to_chat_id",
    "migrate_from_chat_id",
    // How it is shown, and how often its sender boosted the chat.
    "sender_boost_count",
    "has_protected_content",
    "link_preview_options",
    "show_caption_above_media",
    "has_media_spoiler",
    // The buttons below it: a tap says which.
    "reply_markup",
];

/// Whether a field of `Message` is kept as an extension.
#[cfg(test)]
pub fn is_kept(name: &str) -> bool {
    KEPT.iter().any(|(kept, _)| *kept == name)
}

pub fn received(fields: &Fields, scene: &Scene) -> Found {
    let mut party = Party::of(fields).ok_or("it names no chat and nobody")?;
    let id = id_of(fields).ok_or("it has no `message_id`")?;
    let at = fields.time("date");
    if let Some(replacement) = migration(fields, &party) {
        return Ok(vec![scene.event(at, &party, EventBody::IdentifierReplaced(replacement))]);
    }
    let Content { parts, extensions } = match content::read(fields) {
        content::Read::Parts(content) => content,
        // A line in the conversation that nobody wrote.
        content::Read::Service(name, raw) => {
            return Ok(vec![scene.event(at, &party, EventBody::Other((name.into(), verbatim(raw))))]);
        }
    };
    party.contact.identifiers.extend(own_number(fields, &party));
    let mut message = Message::new(id, party.acts, parts);
    message.in_reply_to = answered(fields);
    message.thread = thread(fields).filter(|_| party.is_group);
    message.referral = referral(fields, &party);
    message.forwarded = FORWARDED.iter().any(|name| fields.get(name).is_some());
    let mut event = scene.event(at, &party, EventBody::Message(message));
    event.extensions.extend(extensions);
    event.extensions.extend(kept(fields));
    Ok(vec![event])
}

pub fn edited(fields: &Fields, scene: &Scene) -> Found {
    let party = Party::of(fields).ok_or("it names no chat and nobody")?;
    let message_id = id_of(fields).ok_or("it has no `message_id`")?;
    let content::Read::Parts(Content { parts, extensions }) = content::read(fields) else {
        log::debug("skipped a change of a line that nobody wrote");
        return Ok(Vec::new());
    };
    let at = fields.time("edit_date").or_else(|| fields.time("date"));
    let mut event = scene.event(at, &party, EventBody::MessageEdited(Edit { message_id, parts }));
    event.extensions.extend(extensions);
    event.extensions.extend(kept(fields));
    Ok(vec![event])
}

/// Taken back by either side of a conversation that the bot was lent. When is not said.
pub fn deleted(fields: &Fields, scene: &Scene) -> Found {
    let party = Party::of(fields).ok_or("it names no chat")?;
    let ids = scene.ids(fields, "message_ids");
    if ids.is_empty() {
        return Err("it names no message");
    }
    let event = |id: &String| {
        let body = EventBody::MessageDeleted(within_chat(fields, id)?);
        let mut event = scene.part(id, None, &party, body);
        event.extensions.extend(kept(fields));
        Some(event)
    };
    Ok(ids.iter().filter_map(event).collect())
}

/// A message's id is unique in its chat only, and of a conversation that the bot was lent in that connection only.
pub fn id_of(fields: &Fields) -> Option<String> {
    within_chat(fields, &number_of(fields)?)
}

/// A message that vanishes has the number 0. Its other number is given to another one later, so its date is added.
fn number_of(fields: &Fields) -> Option<String> {
    let number = fields.id("message_id");
    let vanishing = || Some(format!("ephemeral:{}:{}", fields.id("ephemeral_message_id")?, fields.id("date")?));
    number.clone().filter(|number| number != "0").or_else(vanishing).or(number)
}

/// A topic of a group; of the messages to a channel, which have a topic for each writer, that one.
fn thread(fields: &Fields) -> Option<String> {
    let of_writer = || fields.read::<Fields>("direct_messages_topic")?.id("topic_id");
    fields.id("message_thread_id").or_else(of_writer)
}

fn within_chat(fields: &Fields, id: &str) -> Option<String> {
    let chat = fields.read::<Fields>("chat").and_then(|chat| chat.id("id")).or_else(|| {
        let from = fields.read::<Fields>("from")?;
        from.id("id")
    })?;
    Some(match fields.id("business_connection_id") {
        Some(connection) => format!("{connection}:{chat}:{id}"),
        None => format!("{chat}:{id}"),
    })
}

/// In a topic of a group every message answers the one that opened the topic, which says nothing.
fn answered(fields: &Fields) -> Option<String> {
    let answered: Fields = fields.read("reply_to_message")?;
    let id = number_of(&answered)?;
    let opens_topic =
        answered.get("forum_topic_created").is_some() || fields.id("message_thread_id").as_ref() == Some(&id);
    let is_topic = fields.get("is_topic_message").is_some_and(|raw| raw.get() == "true");
    (!(is_topic && opens_topic)).then(|| within_chat(fields, &id)).flatten()
}

/// `/start` and what the business put into its link.
fn referral(fields: &Fields, party: &Party) -> Option<Referral> {
    let text = fields.text("text").filter(|_| !party.is_group)?;
    let (command, id) = text.trim().split_once(char::is_whitespace)?;
    let is_start = command == "/start" || command.starts_with("/start@");
    let id = Some(id.trim()).filter(|id| is_start && !id.is_empty())?;
    Some(Referral { source: "start".into(), id: Some(id.into()), url: None, details: None })
}

/// The number of whoever shares their own card: Telegram says whose account it belongs to. A card of anybody else, or
/// without that, is hearsay.
fn own_number(fields: &Fields, party: &Party) -> Option<Identifier> {
    let card: Card = fields.read("contact").filter(|_| !party.is_group && party.acts == Author::Customer)?;
    let sender = fields.read::<Fields>("from")?.id("id")?;
    let number = card.phone_number.filter(|_| card.user_id.as_ref() == Some(&sender))?;
    Some(Identifier::provider("phone", content::international(&number)))
}

/// A group that became a supergroup has another id from then on. Both say so.
fn migration(fields: &Fields, party: &Party) -> Option<Replacement> {
    let here = || party.contact.identifiers.first().cloned();
    let other = |name: &str| fields.id(name).map(|id| Identifier::provider(GROUP, id));
    match (other("migrate_to_chat_id"), other("migrate_from_chat_id")) {
        (Some(new), _) => Some(Replacement { old: here()?, new }),
        (None, Some(old)) => Some(Replacement { old, new: here()? }),
        (None, None) => None,
    }
}

fn kept(fields: &Fields) -> Extensions {
    let found = KEPT.iter().filter_map(|(name, key)| Some((*key, fields.get(name)?)));
    found.map(|(key, raw): (&str, &RawValue)| (key.to_owned(), verbatim(raw))).collect()
}
