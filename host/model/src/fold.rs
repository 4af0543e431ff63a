//! What follows from one event besides the conversation's head: cells that each keep the newest word on one thing.
//!
//! A cell is won by the greatest event key, so applying cells twice or in any order ends in the same state.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::conversation::rank;
use crate::endpoint::{EventKey, TenantKey};
use crate::event::{Attestation, Body, Consent, ConsentState, Covered, DeliveryState, Event, Timestamp};

/// Bytes. A trait is a word about a person, not a document: larger ones stay in the event and make no cell.
pub const TRAIT_BYTES_MAX: usize = 1024;
/// Cells. What one event may say of one person's traits; the rest stays in the event.
pub const TRAITS_MAX: usize = 50;
/// Bytes. Names of traits and purposes are parts of keys.
pub const NAME_BYTES_MAX: usize = 128;

/// One trait of one endpoint: the newest word on it and where it came from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TraitCell {
    pub name: String,
    pub value: Value,
    /// The event that said so.
    pub source: EventKey,
    pub at: Timestamp,
    pub attestation: Attestation,
}

/// One endpoint's consent to one purpose.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConsentCell {
    pub purpose: String,
    pub state: ConsentState,
    pub evidence: Option<Value>,
    pub source: EventKey,
    pub at: Timestamp,
}

/// How far one message got, by one report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeliveryCell {
    pub message: String,
    pub rank: u8,
    pub state: DeliveryState,
    pub at: Timestamp,
}

/// What a contact says of itself in the contract's own fields: `display_name`, `locale`, `time_zone`.
///
/// Nearly every message repeats them, so they live in the conversation's head, which is written anyway.
pub fn contact_words(key: &EventKey, event: &Event) -> Vec<TraitCell> {
    let contact = &event.contact;
    let words =
        [("display_name", &contact.display_name), ("locale", &contact.locale), ("time_zone", &contact.time_zone)];
    let words = words.into_iter().filter_map(|(name, value)| Some((name, Value::from(value.clone()?))));
    cells(key, event, words)
}

/// The provider's own traits of an event's contact: a cell each.
pub fn traits(key: &EventKey, event: &Event) -> Vec<TraitCell> {
    cells(key, event, event.contact.traits.iter().map(|(name, value)| (name.as_str(), value.clone())))
}

fn cells<'a>(key: &EventKey, event: &Event, said: impl Iterator<Item = (&'a str, Value)>) -> Vec<TraitCell> {
    let attestation = event.contact.identifiers.first().map_or(Attestation::Imported, |first| first.attestation);
    said.filter(|(name, value)| is_cell_name(name) && value.to_string().len() <= TRAIT_BYTES_MAX)
        .take(TRAITS_MAX)
        .map(|(name, value)| TraitCell { name: name.to_owned(), value, source: key.clone(), at: event.at, attestation })
        .collect()
}

/// The consent that an event states.
pub fn consent(key: &EventKey, event: &Event) -> Option<ConsentCell> {
    let Body::Consent(Consent { purpose, state, evidence }) = &event.body else { return None };
    is_cell_name(purpose).then(|| ConsentCell {
        purpose: purpose.clone(),
        state: *state,
        evidence: evidence.clone(),
        source: key.clone(),
        at: event.at,
    })
}

/// How far an event says that one message got. Reports "up to an instant" move the head instead.
pub fn delivery(tenant: &TenantKey, event: &Event) -> Option<DeliveryCell> {
    let Body::Delivery(delivery) = &event.body else { return None };
    let Covered::Message(message) = &delivery.covers else { return None };
    Some(DeliveryCell {
        message: tenant.message_key(&event.account, message).as_str().to_owned(),
        rank: rank(&delivery.state),
        state: delivery.state.clone(),
        at: event.at,
    })
}

fn is_cell_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= NAME_BYTES_MAX
}
