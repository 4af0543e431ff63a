//! A tapped button: `postback`.

use rapport_sdk::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::referral;
use super::scene::Scene;
use crate::{Batch, Text, verbatim};

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload<'a> {
    /// Since 2020; not in every postback.
    #[serde(borrow, deserialize_with = "lenient::id")]
    mid: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    title: Text<'a>,
    /// What the business gave the button. Not under `standby`.
    #[serde(borrow, deserialize_with = "lenient::id")]
    payload: Text<'a>,
    #[serde(borrow)]
    referral: Option<&'a RawValue>,
}

/// A tap is something the customer says, so it is a message.
pub(super) fn read(raw: &RawValue, scene: &Scene, batch: &mut Batch) {
    let Some(payload) = lenient::read::<Payload>(raw) else {
        return batch.malformed(scene.array, "its `postback` is not an object");
    };
    let (title, chosen) = (payload.title.as_deref(), payload.payload.as_deref());
    let id = payload.mid.as_deref().map(str::to_owned);
    let Some(id) = id.or_else(|| scene.id_of("postback", chosen.or(title))) else {
        return batch.malformed(scene.array, "its `postback` has no `mid`, and it has no time");
    };
    let part = match (chosen.or(title), title.or(chosen)) {
        (Some(id), Some(title)) => Part::Chosen(Choice { id: id.into(), title: title.into() }),
        _ => Part::Other(("postback".into(), verbatim(raw))),
    };
    let mut message = Message::new(id.clone(), scene.author(), vec![part]);
    message.referral = payload.referral.and_then(referral::of);
    batch.push(scene.event(id, EventBody::Message(message)));
}
