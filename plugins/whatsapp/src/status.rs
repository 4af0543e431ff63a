//! What became of a message that the business sent: `statuses[]`.

use rapport_meta::{Batch, Text, provider_error, verbatim};
use rapport_sdk::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::call;
use crate::identity::{Person, Side};
use crate::provider_error::{RETRYABLE, STOPPED_MARKETING};
use crate::reference::{self, CALLBACK_DATA};
use crate::scene::Scene;

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Status<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub status: Text<'a>,
    #[serde(deserialize_with = "lenient::time")]
    pub timestamp: Option<u64>,
    #[serde(borrow, rename = "type", deserialize_with = "lenient::id")]
    kind: Text<'a>,
    /// A user's number, or the id of a group.
    #[serde(borrow, deserialize_with = "lenient::id")]
    recipient_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    recipient_type: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    recipient_user_id: Text<'a>,
    /// Meta's documentation spells the next one in two ways.
    #[serde(borrow, deserialize_with = "lenient::id")]
    recipient_parent_user_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    parent_recipient_user_id: Text<'a>,
    /// The member of a group, likewise in two spellings.
    #[serde(borrow, deserialize_with = "lenient::id")]
    recipient_participant_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    participant_recipient_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    recipient_participant_user_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    recipient_participant_parent_user_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    biz_opaque_callback_data: Text<'a>,
    #[serde(borrow)]
    conversation: Option<&'a RawValue>,
    #[serde(borrow)]
    pricing: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "lenient::list")]
    errors: Vec<&'a RawValue>,
}

/// Extensions: what the message cost, and the conversation it was billed to.
const PRICING: &str = "com.whatsapp.pricing";
const CONVERSATION: &str = "com.whatsapp.conversation";
/// Extension: what Meta says went wrong, where the event itself does not say all of it.
pub const ERRORS: &str = "com.whatsapp.errors";

/// Meta's words for the state of a message, in the order in which they follow each other, October 2026.
const STATES: &[(&str, DeliveryState)] = &[
    // Accepted by WhatsApp, not yet on a device.
    ("sent", DeliveryState::Sent),
    // On a device; skipped if the chat is open.
    ("delivered", DeliveryState::Delivered),
    // Shown to the user.
    ("read", DeliveryState::Read),
];

/// Reads an element of `statuses`, which is about a message or about a call.
pub fn read(raw: &RawValue, scene: &Scene, batch: &mut Batch) {
    let Some(status) = lenient::read::<Status>(raw) else { return batch.malformed("statuses", "it is not an object") };
    let Some(id) = status.id.as_deref() else { return batch.malformed("statuses", "it has no `id`") };
    let Some(word) = status.status.as_deref() else { return batch.malformed("statuses", "it has no `status`") };
    let Some(at) = status.timestamp else { return batch.malformed("statuses", "it has no `timestamp`") };
    let side = status.side(scene);
    let Some(contact) = side.contact(scene.account) else {
        return batch.malformed("statuses", "it names no recipient, so it cannot be attributed");
    };
    if status.kind.as_deref() == Some("call") || id.starts_with("wacid.") {
        let body = call::state_of(id, word);
        let event = Event::new(format!("{id}:{word}"), at, scene.account, contact, body);
        return batch.push(Event { extensions: status.extensions_of_call(), ..event });
    }
    let delivery = Delivery::new(Covered::Message(id.into()), state(word, &status.errors));
    let delivery = delivery.with_reference(reference::of(&status.biz_opaque_callback_data));
    let event_id = match &side {
        Side::Group { participant, .. } => match participant.key() {
            Some(participant) => format!("{id}:{word}:{participant}"),
            None => format!("{id}:{word}"),
        },
        Side::Person(_) => format!("{id}:{word}"),
    };
    let stopped = provider_error::find(&status.errors, STOPPED_MARKETING).filter(|_| !side.is_group());
    let withdrawal = stopped.map(|error| {
        let (purpose, evidence) = ("marketing".into(), Some(verbatim(error)));
        let body = EventBody::Consent(Consent { purpose, state: ConsentState::Withdrawn, evidence });
        Event::new(format!("{id}:{STOPPED_MARKETING}"), at, scene.account, contact.clone(), body)
    });
    let mut event = Event::new(event_id, at, scene.account, contact, EventBody::Delivery(delivery));
    event.extensions = status.extensions();
    batch.push(side.mark(event));
    withdrawal.into_iter().for_each(|event| batch.push(event));
}

impl<'a> Status<'a> {
    fn side<'s>(&'s self, scene: &Scene<'s, '_>) -> Side<'s> {
        let participant = Person::new(&[
            &self.recipient_participant_user_id,
            &self.recipient_participant_parent_user_id,
            &self.recipient_participant_id,
            &self.participant_recipient_id,
        ]);
        let is_group = self.recipient_type.as_deref() == Some("group") || participant.is_known();
        if let Some(group) = self.recipient_id.as_deref().filter(|_| is_group) {
            return Side::new(Some(group), participant.pair(scene));
        }
        let person = Person::new(&[
            &self.recipient_user_id,
            &self.recipient_parent_user_id,
            &self.parent_recipient_user_id,
            &self.recipient_id,
        ]);
        Side::new(None, person.without_business(scene).pair(scene))
    }

    fn extensions_of_call(&self) -> Extensions {
        let errors = (!self.errors.is_empty()).then(|| (ERRORS.to_owned(), rapport_sdk::event::json(&self.errors)));
        let data = self.biz_opaque_callback_data.as_ref();
        let data = data.map(|data| (CALLBACK_DATA.to_owned(), rapport_sdk::event::json(data)));
        errors.into_iter().chain(data).collect()
    }

    /// A failed message says its first error itself.
    fn extensions(&self) -> Extensions {
        let is_told = self.errors.is_empty() || (self.errors.len() == 1 && self.status.as_deref() == Some("failed"));
        let raw = [(PRICING, self.pricing), (CONVERSATION, self.conversation)];
        let mut extensions: Extensions =
            raw.into_iter().filter_map(|(key, raw)| Some((key.into(), verbatim(raw?)))).collect();
        if let Some(data) = &self.biz_opaque_callback_data {
            extensions.push((CALLBACK_DATA.into(), rapport_sdk::event::json(data)));
        }
        if !is_told {
            extensions.push((ERRORS.into(), rapport_sdk::event::json(&self.errors)));
        }
        extensions
    }
}

/// `played` (a voice message was listened to), `deleted`, `warning` and words to come are kept as they are.
fn state(word: &str, errors: &[&RawValue]) -> DeliveryState {
    if word == "failed" {
        return DeliveryState::Failed(provider_error::first(errors, RETRYABLE));
    }
    let known = STATES.iter().find(|(name, _)| *name == word);
    known.map_or_else(|| DeliveryState::Other(word.into()), |(_, state)| state.clone())
}
