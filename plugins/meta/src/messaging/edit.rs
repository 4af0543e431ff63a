//! Other words for a message: `message_edit`.

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
    #[serde(deserialize_with = "lenient::text")]
    text: Option<String>,
    /// How often it was edited, now included.
    #[serde(deserialize_with = "lenient::integer")]
    num_edit: Option<u64>,
}

/// Instagram also sends the zeroth edit of a message, which is the message itself and has no text.
pub(super) fn read(raw: &RawValue, scene: &Scene, batch: &mut Batch) {
    let payload: Payload = lenient::read(raw).unwrap_or_default();
    let Some(mid) = payload.mid.as_deref() else { return batch.malformed(scene.array, "its edit has no `mid`") };
    let Some(text) = payload.text.filter(|_| payload.num_edit != Some(0)) else {
        return log::debug("skipped an edit that changes nothing");
    };
    let id = match payload.num_edit {
        Some(count) => format!("{mid}:edit:{count}"),
        None => format!("{mid}:edit:{}", scene.at()),
    };
    let edit = Edit { message_id: mid.into(), parts: vec![Part::Text(text)] };
    batch.push(scene.event(id, EventBody::MessageEdited(edit)));
}
