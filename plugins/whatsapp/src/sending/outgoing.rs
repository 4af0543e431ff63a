//! One message: its parts become messages of WhatsApp, one request each, in their order.

use std::ops::Range;

use rapport_sdk::event::json as document;
use rapport_sdk::prelude::*;
use serde_json::{Map, Value, json};

use super::limits::{MESSAGES_MAX, TEXT_CHARACTERS_MAX};
use super::media::{self, Ids};
use super::recipient::Recipient;
use super::refusal::{is_limit_of_customer, stopped_marketing};
use super::way::{self, Way};
use super::{card, choices, taken, template};

/// Extension of a message to send: whether WhatsApp shows what a link in a text leads to.
const PREVIEW: &str = "com.whatsapp.preview-url";
/// Extension of a message to send: what stands on the button that opens a list.
const LIST_BUTTON: &str = "com.whatsapp.list-button";
/// Extension of an outcome: Meta's `message_status`, if it does more than to send the message.
const MESSAGE_STATUS: &str = "com.whatsapp.message-status";

/// Extension of an outcome that says whose limit it is. A limit of one customer holds only this conversation.
const LIMIT: &str = "rapport.limit";

/// Types of Meta's reference that a part `other` may have: what the contract has no part for, such as a flow.
const TYPES: [&str; 10] =
    ["audio", "contacts", "document", "image", "interactive", "location", "sticker", "template", "text", "video"];

/// One message of WhatsApp, and the parts that it is made of.
struct Draft {
    parts: Range<usize>,
    kind: String,
    content: Value,
}

/// Sends a message. All of it is read before anything leaves: what cannot be sent fails as a whole.
pub fn send(message: &Outgoing, way: &Way, steps: &mut Steps<'_>) -> Result<(), Stop> {
    let to = Recipient::of(&message.route.to)?;
    way.require(&message.route.account)?;
    let drafts = drafts(message, way, &Ids::new())?;
    let ids = media::upload(message, way, steps)?;
    let drafts = if ids.is_empty() { drafts } else { self::drafts(message, way, &ids)? };
    for (index, draft) in drafts.into_iter().enumerate() {
        let mut body = way::message(&to);
        if let Some(answered) = message.in_reply_to.as_deref().filter(|_| index == 0) {
            body.insert("context".into(), json!({ "message_id": answered }));
        }
        body.insert("biz_opaque_callback_data".into(), message.reference.as_str().into());
        let is_text = draft.kind == "text";
        let body = way::with_content(body, &draft.kind, draft.content);
        let answer = steps.perform(way.says(&message.route.account, &body)?)?;
        match way.taken(&answer, is_text) {
            Ok(taken) => take(message, draft.parts, taken, steps)?,
            Err(failure) => {
                if let Some(code) = stopped_marketing(&failure) {
                    steps.tell(taken::stopped(message, &answer, code));
                }
                if is_limit_of_customer(&answer) {
                    steps.so_far.extensions.push((LIMIT.into(), document("pair")));
                }
                return Err(failure.into());
            }
        }
    }
    Ok(())
}

fn take(message: &Outgoing, mut parts: Range<usize>, taken: taken::Taken, steps: &mut Steps<'_>) -> Result<(), Stop> {
    let linked = taken.contact.map(|contact| taken::linked(contact, &message.route.account));
    if let Some(event) = linked.filter(|event| !steps.so_far.events.iter().any(|told| told.id == event.id)) {
        steps.tell(event);
    }
    if let Some(status) = taken.status {
        steps.so_far.extensions.retain(|(key, _)| key != MESSAGE_STATUS);
        steps.so_far.extensions.push((MESSAGE_STATUS.into(), document(&status)));
    }
    parts.try_for_each(|part| steps.accept(part, taken.id.as_str()))
}

/// The messages that the parts become.
fn drafts(message: &Outgoing, way: &Way, ids: &Ids) -> Result<Vec<Draft>, Failure> {
    let mut drafts = Vec::new();
    let mut at = 0;
    while at < message.parts.len() {
        let (kind, content, count) = draft(message, at, way, ids)?;
        drafts.push(Draft { parts: at..at + count, kind, content });
        at += count;
    }
    match drafts.len() {
        0 => Err(Failure::UnsupportedContent("a message without parts; fix: give it a text".into())),
        1..=MESSAGES_MAX => Ok(drafts),
        count => Err(Failure::UnsupportedContent(format!(
            "the parts become {count} messages, at most {MESSAGES_MAX} are sent at once; fix: send fewer parts"
        ))),
    }
}

/// The message that begins with part `at`: its type, its content, and how many parts are in it.
fn draft(message: &Outgoing, at: usize, way: &Way, ids: &Ids) -> Result<(String, Value, usize), Failure> {
    let unsupported = |why: &str| Err(Failure::UnsupportedContent(format!("parts[{at}]: {why}")));
    let one = |kind: &str, content: Value| Ok((kind.to_owned(), content, 1));
    match &message.parts[at..] {
        // A file before a template is its header.
        [Part::Media(media), Part::Template(template), ..] => {
            let kind = media::kind(media, at)?;
            let file = media::object(media, kind, at, ids);
            let header = json!({ "type": kind.word, kind.word: file });
            Ok(("template".into(), template::content(template, Some(header), at + 1)?, 2))
        }
        [Part::Text(text), Part::Choices(choices), ..] => {
            let button = extension(message, LIST_BUTTON).unwrap_or_else(|| way.settings.list_button().to_owned());
            Ok(("interactive".into(), choices::content(text, choices, &button, at + 1)?, 2))
        }
        [Part::Media(media), rest @ ..] => {
            let kind = media::kind(media, at)?;
            let mut file = media::object(media, kind, at, ids);
            let count = 1 + usize::from(caption(&mut file, kind, rest));
            Ok((kind.word.into(), Value::Object(file), count))
        }
        [Part::Text(text), ..] => one("text", words(message, text, at)?),
        [Part::Place(place), ..] => one("location", location(place)),
        [Part::ContactCard(contact), ..] => one("contacts", card::content(contact, at)?),
        [Part::Template(template), ..] => one("template", template::content(template, None, at)?),
        [Part::Other((kind, object)), ..] => match serde_json::from_str(object) {
            Ok(content) if TYPES.contains(&kind.as_str()) => one(kind, content),
            Ok(_) => unsupported(&format!("WhatsApp does not send `{kind}`; fix: one of {}", TYPES.join(", "))),
            Err(_) => unsupported(&format!("`{kind}` is not JSON; fix: Meta's object of that name")),
        },
        [Part::Choices(_), ..] => unsupported("choices stand below a text; fix: a text part before them"),
        [Part::Html(_), ..] => unsupported("WhatsApp does not show HTML; fix: send it as text"),
        [Part::Chosen(_), ..] => unsupported("only a customer chooses; fix: offer `choices`, or send a text"),
        [Part::Form(_), ..] => unsupported("only a customer fills in a form; fix: send a text"),
        [] => unsupported("there is no such part"),
    }
}

/// Adds the text after a file as its caption, unless choices stand below it.
fn caption(file: &mut Map<String, Value>, kind: &media::Kind, rest: &[Part]) -> bool {
    let text = match rest {
        [Part::Text(_), Part::Choices(_), ..] => return false,
        [Part::Text(text), ..] if media::takes_caption(kind, text) => text,
        _ => return false,
    };
    file.insert("caption".into(), text.as_str().into());
    true
}

fn words(message: &Outgoing, text: &str, at: usize) -> Result<Value, Failure> {
    let found = text.chars().count();
    if text.trim().is_empty() {
        return Err(Failure::UnsupportedContent(format!("parts[{at}]: an empty text; fix: leave it out")));
    }
    if found > TEXT_CHARACTERS_MAX {
        let why = format!(
            "parts[{at}]: a text of {found} characters, at most {TEXT_CHARACTERS_MAX} are taken; fix: split it into parts"
        );
        return Err(Failure::UnsupportedContent(why));
    }
    Ok(json!({ "body": text, "preview_url": extension(message, PREVIEW).unwrap_or(false) }))
}

/// Meta's examples write degrees as text.
fn location(place: &Place) -> Value {
    let mut location = Map::new();
    location.insert("latitude".into(), place.latitude.to_string().into());
    location.insert("longitude".into(), place.longitude.to_string().into());
    let words = [("name", &place.name), ("address", &place.address)];
    location.extend(words.into_iter().filter_map(|(key, word)| Some((key.to_owned(), word.as_deref()?.into()))));
    Value::Object(location)
}

fn extension<T: serde::de::DeserializeOwned>(message: &Outgoing, key: &str) -> Option<T> {
    let (_, value) = message.extensions.iter().find(|(name, _)| name == key)?;
    serde_json::from_str(value).ok()
}
