//! How far what the business sent has come: `delivery` and `read`.

use rapport_sdk::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::scene::{Scene, Side};
use crate::Batch;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload<'a> {
    /// The messages, which Meta does not always name.
    #[serde(borrow, deserialize_with = "lenient::list")]
    mids: Vec<&'a RawValue>,
    #[serde(deserialize_with = "lenient::id")]
    mid: Option<String>,
    /// Everything that was sent up to this instant.
    #[serde(deserialize_with = "lenient::time")]
    watermark: Option<u64>,
}

pub(super) fn delivery(raw: &RawValue, scene: &Scene, batch: &mut Batch) {
    report(raw, DeliveryState::Delivered, scene, batch);
}

pub(super) fn read(raw: &RawValue, scene: &Scene, batch: &mut Batch) {
    report(raw, DeliveryState::Read, scene, batch);
}

/// One event for each message, or one for all up to the watermark where no message is named.
fn report(raw: &RawValue, state: DeliveryState, scene: &Scene, batch: &mut Batch) {
    if scene.acts == Side::Business {
        return log::debug("skipped a receipt of the business for what the customer sent");
    }
    let word = if state == DeliveryState::Read { "read" } else { "delivered" };
    let payload: Payload = lenient::read(raw).unwrap_or_default();
    let watermark = payload.watermark.filter(|watermark| *watermark > 0);
    // A delivery may have no other time than its watermark.
    let at = scene.at.or(watermark).or(scene.entry_at).unwrap_or_default();
    let mut named = Vec::new();
    batch.each("mids", payload.mids, |raw, batch| match lenient::read::<lenient::Id>(raw) {
        Some(id) => named.push(id.0),
        None => batch.malformed("mids", "it is not an id of a message"),
    });
    let named = named.into_iter().chain(payload.mid);
    let mut reports: Vec<_> = named.map(|mid| (format!("{mid}:{word}"), Covered::Message(mid))).collect();
    if reports.is_empty() {
        let Some(watermark) = watermark else {
            return batch.malformed(scene.array, "its receipt names no message and has no `watermark`");
        };
        let key = &scene.contact.identifiers[0].value;
        reports.push((format!("{word}:{key}:{watermark}"), Covered::UpTo(watermark)));
    }
    for (id, covers) in reports {
        let delivery = Delivery::new(covers, state.clone());
        batch.push(Event { at, ..scene.event(id, EventBody::Delivery(delivery)) });
    }
}
