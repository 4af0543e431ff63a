//! The customer wants messages, or no more of them: `optin`.

use rapport_sdk::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::scene::Scene;
use crate::{Batch, Text, verbatim};

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload<'a> {
    #[serde(borrow, rename = "type", deserialize_with = "lenient::id")]
    kind: Text<'a>,
    /// What the business gave the plug-in.
    #[serde(borrow, rename = "ref", deserialize_with = "lenient::id")]
    reference: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    notification_messages_token: Text<'a>,
    /// What it is about: what the business gave the template, and what the customer saw.
    #[serde(borrow, deserialize_with = "lenient::id")]
    payload: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    title: Text<'a>,
    /// Only if the customer stops or resumes.
    #[serde(borrow, deserialize_with = "lenient::id")]
    notification_messages_status: Text<'a>,
}

/// What an opt-in of a type is consent to, November 2026. One without a type is a plug-in's: the customer wants to
/// talk, which is an activity.
const PURPOSES: &[(&str, &str)] = &[
    // Marketing messages, which were called recurring notifications.
    ("notification_messages", "marketing"),
    // One message about one topic.
    ("one_time_notif_req", "one-time-notification"),
];

/// `notification_messages_status`, written with a space or an underscore.
const STATES: &[(&str, ConsentState)] =
    &[("STOP NOTIFICATIONS", ConsentState::Withdrawn), ("RESUME NOTIFICATIONS", ConsentState::Granted)];

pub(super) fn read(raw: &RawValue, scene: &Scene, batch: &mut Batch) {
    let Some(payload) = lenient::read::<Payload>(raw) else {
        return batch.malformed(scene.array, "its `optin` is not an object");
    };
    let body = match payload.purpose() {
        Some(purpose) => consent(purpose, &payload, raw),
        None => EventBody::Activity(("opt-in".into(), verbatim(raw))),
    };
    let Some(id) = scene.id_of("optin", payload.detail().as_deref()) else {
        return batch.malformed(scene.array, "it has no time");
    };
    batch.push(scene.event(id, body));
}

/// Consent by the word of its status. A word that is not known is kept and decides nothing; no word is a new opt-in.
fn consent(purpose: &str, payload: &Payload, raw: &RawValue) -> EventBody {
    let word = payload.notification_messages_status.as_deref();
    let word = word.map(|word| word.trim().replace('_', " ").to_ascii_uppercase());
    let state = match &word {
        None => Some(ConsentState::Granted),
        Some(word) => STATES.iter().find(|(name, _)| name == word).map(|(_, state)| *state),
    };
    match state {
        Some(state) => EventBody::Consent(Consent { purpose: purpose.into(), state, evidence: Some(verbatim(raw)) }),
        None => EventBody::Other(("opt-in".into(), verbatim(raw))),
    }
}

impl Payload<'_> {
    fn purpose(&self) -> Option<&'static str> {
        let kind = self.kind.as_deref();
        let of_kind = PURPOSES.iter().find(|(name, _)| Some(*name) == kind).map(|(_, purpose)| *purpose);
        let is_marketing = self.notification_messages_token.is_some() || self.notification_messages_status.is_some();
        of_kind.or(is_marketing.then_some("marketing"))
    }

    /// What tells it from another one of the same instant: stopping is often for all topics at once.
    fn detail(&self) -> Option<String> {
        let status = self.notification_messages_status.as_ref().or(self.kind.as_ref());
        let topic = self.payload.as_ref().or(self.title.as_ref()).or(self.reference.as_ref());
        let words: Vec<_> = [status, topic].into_iter().flatten().map(AsRef::as_ref).collect();
        (!words.is_empty()).then(|| words.join(":"))
    }
}
