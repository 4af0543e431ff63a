//! What somebody wrote, or unsent: `message`.

use rapport_sdk::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::scene::{Scene, Side};
use super::{attachment, referral};
use crate::{Batch, Text, verbatim};

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    mid: Text<'a>,
    #[serde(deserialize_with = "lenient::text")]
    text: Option<String>,
    #[serde(borrow, deserialize_with = "lenient::list")]
    attachments: Vec<&'a RawValue>,
    /// Beside `attachments` in payloads of before 2020.
    #[serde(borrow, deserialize_with = "lenient::id")]
    sticker_id: Text<'a>,
    #[serde(borrow)]
    quick_reply: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "lenient::object")]
    reply_to: Option<ReplyTo<'a>>,
    #[serde(borrow)]
    referral: Option<&'a RawValue>,
    #[serde(deserialize_with = "lenient::flag")]
    is_echo: bool,
    #[serde(deserialize_with = "lenient::flag")]
    is_deleted: bool,
    #[serde(deserialize_with = "lenient::flag")]
    is_unsupported: bool,
    #[serde(borrow, deserialize_with = "lenient::id")]
    app_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    metadata: Text<'a>,
    #[serde(borrow)]
    nlp: Option<&'a RawValue>,
    #[serde(borrow)]
    commands: Option<&'a RawValue>,
    #[serde(borrow)]
    tags: Option<&'a RawValue>,
    /// A line that Meta shows in the thread and nobody wrote. Seen in 2026, not documented.
    #[serde(borrow, deserialize_with = "lenient::id")]
    admin_text: Text<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ReplyTo<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    mid: Text<'a>,
    /// A story of the business that the customer answers.
    #[serde(borrow)]
    story: Option<&'a RawValue>,
}

/// Extensions: the app that sent an echo and what it wanted back, what Meta's language tools and commands found, what
/// the chat plug-in says of the message, the story that it answers.
const APP_ID: &str = "app-id";
const METADATA: &str = "metadata";
const NLP: &str = "nlp";
const COMMANDS: &str = "commands";
const TAGS: &str = "tags";
const STORY: &str = "story";

pub(super) fn read(raw: &RawValue, scene: &Scene, batch: &mut Batch) {
    let Some(payload) = lenient::read::<Payload>(raw) else {
        return batch.malformed(scene.array, "its `message` is not an object");
    };
    let id = payload.mid.as_deref().map(str::to_owned);
    if id.is_none() && payload.admin_text.is_some() {
        let Some(id) = scene.id_of("admin-text", None) else { return batch.malformed(scene.array, "it has no time") };
        return batch.push(scene.event(id, EventBody::Other(("admin-text".into(), verbatim(raw)))));
    }
    let Some(id) = id.or_else(|| scene.id_of("message", None)) else {
        return batch.malformed(scene.array, "its `message` has no `mid`, and it has no time");
    };
    if payload.is_deleted {
        return batch.push(scene.event(format!("{id}:deleted"), EventBody::MessageDeleted(id)));
    }
    let content = content(&payload, raw, scene);
    let author = author(&payload, scene);
    let message = Message {
        in_reply_to: payload.reply_to.as_ref().and_then(|reply| reply.mid.as_deref()).map(str::to_owned),
        referral: payload.referral.and_then(referral::of),
        ..Message::new(id.clone(), author, content.parts)
    };
    let mut event = scene.event(id, EventBody::Message(message));
    event.extensions = extensions(&payload, scene);
    event.extensions.extend(content.extensions);
    batch.push(event);
}

/// Who wrote: what one of the connection's own apps sent is automation; an inbox and the apps of others are people.
fn author(payload: &Payload, scene: &Scene) -> Author {
    let is_own = payload.app_id.as_deref().is_some_and(|app| scene.connection.is_own(app));
    match (payload.is_echo, scene.acts) {
        (false, Side::Customer) => Author::Customer,
        _ if is_own => Author::Automation,
        _ => Author::Agent,
    }
}

fn content(payload: &Payload, raw: &RawValue, scene: &Scene) -> attachment::Content {
    let mut content = attachment::Content::default();
    let text = payload.text.as_deref().unwrap_or_default();
    match payload.quick_reply.and_then(|raw| chosen(raw, text)) {
        Some(choice) => content.parts.push(Part::Chosen(choice)),
        None if !text.is_empty() => content.parts.push(Part::Text(text.to_owned())),
        None => {}
    }
    let sole_sticker = payload.sticker_id.as_deref().filter(|_| payload.attachments.len() == 1);
    let around = attachment::Around { channel: scene.connection.channel, text, sole_sticker };
    for attachment in &payload.attachments {
        attachment::read(attachment, &around, &mut content);
    }
    if payload.is_unsupported || content.parts.is_empty() {
        content.parts.push(Part::Other(("unsupported".into(), verbatim(raw))));
    }
    content.finish(scene)
}

/// A quick reply: its title is the text of the message.
fn chosen(raw: &RawValue, text: &str) -> Option<Choice> {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct QuickReply {
        #[serde(deserialize_with = "lenient::id")]
        payload: Option<String>,
    }
    let title = Some(text).filter(|text| !text.is_empty()).map(str::to_owned);
    let payload = lenient::read::<QuickReply>(raw)?.payload;
    Some(Choice { id: payload.clone().or_else(|| title.clone())?, title: title.or(payload)? })
}

fn extensions(payload: &Payload, scene: &Scene) -> Extensions {
    let story = payload.reply_to.as_ref().and_then(|reply| reply.story);
    let texts = [(APP_ID, &payload.app_id), (METADATA, &payload.metadata)];
    let texts = texts.into_iter().filter_map(|(name, text)| Some((name, rapport_sdk::event::json(text.as_ref()?))));
    let raws = [(NLP, payload.nlp), (COMMANDS, payload.commands), (TAGS, payload.tags), (STORY, story)];
    let raws = raws.into_iter().filter_map(|(name, raw)| Some((name, verbatim(raw?))));
    texts.chain(raws).map(|(name, json)| (scene.extension(name), json)).collect()
}
