//! A tapped button: `callback_query`. When it was tapped is not said.

use rapport_sdk::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::message;
use crate::party::Party;
use crate::payload::{Fields, verbatim};
use crate::update::{Found, Scene};

#[derive(Deserialize, Default)]
#[serde(default)]
struct Keyboard<'a> {
    /// Rows of buttons.
    #[serde(borrow, deserialize_with = "lenient::list")]
    inline_keyboard: Vec<&'a RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Button {
    #[serde(deserialize_with = "lenient::id")]
    text: Option<String>,
    #[serde(deserialize_with = "lenient::id")]
    callback_data: Option<String>,
}

/// Extension: the game that is to be opened, and the message in somebody else's conversation that has the button.
const KEPT: &[(&str, &str)] =
    &[("game_short_name", "org.telegram.game"), ("inline_message_id", "org.telegram.inline-message")];

/// A tap is something the customer says, so it is a message. It answers the message with the button, if that is in a
/// conversation of the bot's. What the button stands for may be missing; that it was tapped is still said.
pub fn read(fields: &Fields, scene: &Scene) -> Found {
    let below: Option<Fields> = fields.read("message");
    let chat = below.as_ref().and_then(|below| below.read("chat"));
    let mut party = Party::between(chat, fields.read("from"), None).ok_or("it names nobody")?;
    if party.is_group {
        // Below a post of a channel, too, which only the business can write.
        party.acts = Author::Customer;
    }
    let id = fields.id("id").ok_or("it has no `id`")?;
    let Some(data) = fields.text("data").or_else(|| fields.id("game_short_name")) else {
        return Ok(vec![scene.event(None, &party, EventBody::Activity(("callback_query".into(), fields.json())))]);
    };
    let title = below.as_ref().and_then(|below| title(below, &data)).unwrap_or_else(|| data.clone());
    let part = Part::Chosen(Choice { id: data, title });
    let mut message = Message::new(id, party.acts, vec![part]);
    message.in_reply_to = below.as_ref().and_then(message::id_of);
    message.thread = below.as_ref().and_then(|below| below.id("message_thread_id")).filter(|_| party.is_group);
    let mut event = scene.event(None, &party, EventBody::Message(message));
    let kept = KEPT.iter().filter_map(|(name, key)| Some(((*key).to_owned(), verbatim(fields.get(name)?))));
    event.extensions.extend(kept);
    Ok(vec![event])
}

/// What stands on the button.
fn title(below: &Fields, data: &str) -> Option<String> {
    let keyboard: Keyboard = below.read("reply_markup")?;
    let rows = keyboard
        .inline_keyboard
        .into_iter()
        .filter_map(|row| lenient::each::<_, Button>(&mut serde_json::Deserializer::from_str(row.get())).ok());
    let mut buttons = rows.flatten();
    buttons.find(|button| button.callback_data.as_deref() == Some(data))?.text
}
