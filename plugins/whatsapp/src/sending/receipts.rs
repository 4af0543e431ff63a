//! What a business says about a message: a reaction, that it was read, that somebody is writing.

use rapport_sdk::prelude::*;
use rapport_sdk::sending::{Reacting, Typing};
use serde_json::{Map, Value, json};

use super::recipient::Recipient;
use super::way::{self, Way};

/// Puts an emoji on a message, or takes it back: Meta's word for that is an empty one.
pub fn react(reacting: &Reacting, way: &Way, steps: &mut Steps<'_>) -> Result<(), Stop> {
    let OfMessage { route, message } = &reacting.message;
    let emoji = reacting.emoji.as_deref().unwrap_or_default();
    let reaction = json!({ "message_id": message, "emoji": emoji });
    let body = way::with_content(way::message(&Recipient::of(&route.to)?), "reaction", reaction);
    let answer = steps.perform(way.says(&route.account, &body)?)?;
    let taken = way.taken(&answer, false)?;
    steps.accept(0, taken.id)
}

/// Tells the customer that their message was read. Twice is as good as once.
pub fn mark_read(read: &OfMessage, way: &Way, steps: &mut Steps<'_>) -> Result<(), Stop> {
    let request = way.says(&read.route.account, &Value::Object(mark(&read.message)))?.repeatable();
    way.success(steps.perform(request)?)?;
    Ok(())
}

/// Shows that somebody is writing, for 25 seconds or until a message comes. It also marks the customer's message as read:
/// WhatsApp has only this way, and none to say that the writing ended.
pub fn typing(typing: &Typing, way: &Way, steps: &mut Steps<'_>) -> Result<(), Stop> {
    if !typing.on {
        return Ok(());
    }
    let Some(message) = typing.message.as_deref() else {
        let why = "WhatsApp shows typing below a message of the customer; fix: name their last one";
        return Err(Failure::UnsupportedContent(why.into()).into());
    };
    let mut body = mark(message);
    body.insert("typing_indicator".into(), json!({ "type": "text" }));
    let request = way.says(&typing.route.account, &Value::Object(body))?.repeatable();
    way.success(steps.perform(request)?)?;
    Ok(())
}

fn mark(message: &str) -> Map<String, Value> {
    let fields = [("messaging_product", "whatsapp"), ("status", "read"), ("message_id", message)];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
}
