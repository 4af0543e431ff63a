//! How a customer came: `referral`, by itself or in what they said.

use rapport_sdk::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::scene::Scene;
use crate::{Batch, verbatim};

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload {
    /// What the business put into its link.
    #[serde(rename = "ref", deserialize_with = "lenient::id")]
    reference: Option<String>,
    /// `ADS`, `SHORTLINK`, `CUSTOMER_CHAT_PLUGIN`, …
    #[serde(deserialize_with = "lenient::id")]
    source: Option<String>,
    #[serde(rename = "type", deserialize_with = "lenient::id")]
    kind: Option<String>,
    #[serde(deserialize_with = "lenient::id")]
    ad_id: Option<String>,
    /// The page that the chat plug-in is on.
    #[serde(deserialize_with = "lenient::id")]
    referer_uri: Option<String>,
    /// What is in the business's shop, and the message is about.
    #[serde(deserialize_with = "lenient::object")]
    product: Option<Product>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Product {
    #[serde(deserialize_with = "lenient::id")]
    id: Option<String>,
}

/// A referral by itself: the customer followed a link into a conversation and wrote nothing. No message, an activity.
pub(super) fn read(raw: &RawValue, scene: &Scene, batch: &mut Batch) {
    let Some(referral) = of(raw) else { return batch.malformed(scene.array, "its `referral` is not an object") };
    let Some(id) = scene.id_of("referral", referral.id.as_deref()) else {
        return batch.malformed(scene.array, "it has no time");
    };
    batch.push(scene.event(id, EventBody::Activity(("referral".into(), verbatim(raw)))));
}

/// The referral of a message; none if it is no object.
pub(super) fn of(raw: &RawValue) -> Option<Referral> {
    let payload: Payload = lenient::read(raw)?;
    let unsaid = if payload.product.is_some() { "product" } else { "unknown" };
    Some(Referral {
        source: payload.source.or(payload.kind).unwrap_or_else(|| unsaid.into()),
        id: payload.ad_id.or(payload.reference).or(payload.product.and_then(|product| product.id)),
        url: payload.referer_uri,
        details: Some(verbatim(raw)),
    })
}
