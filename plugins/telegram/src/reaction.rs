//! Emojis on a message: `message_reaction`, which says what somebody's reactions were and what they are.

use rapport_sdk::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::message;
use crate::party::Party;
use crate::payload::{Fields, verbatim};
use crate::update::{Found, Scene};

#[derive(Deserialize, Default)]
#[serde(default)]
struct Reacted {
    #[serde(rename = "type", deserialize_with = "lenient::id")]
    kind: Option<String>,
    #[serde(deserialize_with = "lenient::id")]
    emoji: Option<String>,
    #[serde(deserialize_with = "lenient::id")]
    custom_emoji_id: Option<String>,
}

/// Extension: a reaction that is no emoji of Unicode's, as it came.
const REACTION: &str = "org.telegram.reaction";

/// One event for each reaction that is new. If none is, what is left of them stands; if nothing is left, all were taken
/// back.
pub fn read(fields: &Fields, scene: &Scene) -> Found {
    let party = Party::of(fields).ok_or("it names nobody")?;
    let message_id = message::id_of(fields).ok_or("it has no `message_id`")?;
    let (before, after) = (fields.list("old_reaction"), fields.list("new_reaction"));
    let is_new = |raw: &&&RawValue| !before.iter().any(|old| old.get() == raw.get());
    let mut stand: Vec<&RawValue> = after.iter().filter(is_new).copied().collect();
    if stand.is_empty() {
        stand = after;
    }
    let at = fields.time("date");
    let body = |emoji| EventBody::Reaction(Reaction { message_id: message_id.clone(), author: party.acts, emoji });
    let mut events = Vec::new();
    for raw in &stand {
        let reacted = lenient::read::<Reacted>(raw).and_then(|reacted| Some((reacted.is_custom(), reacted.sign()?)));
        let Some((is_custom, sign)) = reacted else {
            scene.add_unread("new_reaction", "one of its reactions does not say what it is");
            continue;
        };
        let mut event = scene.part(&sign, at, &party, body(Some(sign.clone())));
        event.extensions.extend(is_custom.then(|| (REACTION.to_owned(), verbatim(raw))));
        events.push(event);
    }
    match (events.is_empty(), stand.is_empty()) {
        (false, _) => Ok(events),
        (true, true) => Ok(vec![scene.event(at, &party, body(None))]),
        (true, false) => Err("none of its reactions says what it is"),
    }
}

impl Reacted {
    fn is_custom(&self) -> bool {
        self.emoji.is_none()
    }

    /// A paid reaction is a star; one of a set of stickers has only the id of its picture, one of tomorrow its type.
    fn sign(self) -> Option<String> {
        match self.kind.as_deref() {
            Some("paid") => Some("⭐".into()),
            _ => self.emoji.or(self.custom_emoji_id).or(self.kind),
        }
    }
}
