//! An emoji on a message: `reaction`.

use rapport_sdk::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::scene::Scene;
use crate::{Batch, Text};

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    mid: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    action: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    emoji: Text<'a>,
    /// The name of the reaction.
    #[serde(borrow, deserialize_with = "lenient::id")]
    reaction: Text<'a>,
}

/// Meta's names of reactions, for payloads without the emoji, in the order of its reference. `other` has none.
const EMOJIS: &[(&str, &str)] = &[
    ("smile", "😆"),
    ("angry", "😠"),
    ("sad", "😢"),
    ("wow", "😮"),
    ("love", "❤️"),
    ("like", "👍"),
    ("dislike", "👎"),
];

/// Extension: the name of a reaction.
const REACTION: &str = "reaction";

pub(super) fn read(raw: &RawValue, scene: &Scene, batch: &mut Batch) {
    let payload: Payload = lenient::read(raw).unwrap_or_default();
    let Some(mid) = payload.mid.as_deref() else { return batch.malformed(scene.array, "its reaction has no `mid`") };
    let emoji = if payload.action.as_deref() == Some("unreact") { None } else { payload.emoji() };
    let action = if emoji.is_some() { "react" } else { "unreact" };
    let Some(id) = scene.id_of(action, Some(mid)) else { return batch.malformed(scene.array, "it has no time") };
    let reaction = Reaction { message_id: mid.into(), author: scene.author(), emoji };
    let event = scene.event(id, EventBody::Reaction(reaction));
    batch.push(match &payload.reaction {
        Some(name) => event.extended(&scene.extension(REACTION), name),
        None => event,
    });
}

impl Payload<'_> {
    fn emoji(&self) -> Option<String> {
        let name = self.reaction.as_deref();
        let of_name = EMOJIS.iter().find(|(known, _)| Some(*known) == name).map(|(_, emoji)| *emoji);
        self.emoji.as_deref().or(of_name).or(name).map(str::to_owned)
    }
}
