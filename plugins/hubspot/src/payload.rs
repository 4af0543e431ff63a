//! The shape that HubSpot sends, with only the fields that are used. Each may be missing, or of another type.
//!
//! All subscription types share it: which fields are there depends on `subscriptionType`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use rapport_sdk::lenient;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

pub type Text<'a> = Option<Cow<'a, str>>;

/// One element of the batch.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub struct Notification<'a> {
    /// HubSpot's id of the event; "not guaranteed to be unique".
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub event_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub subscription_id: Text<'a>,
    /// The HubSpot account.
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub portal_id: Text<'a>,
    #[serde(deserialize_with = "lenient::time")]
    pub occurred_at: Option<u64>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub subscription_type: Text<'a>,
    /// The same under its name in the subscriptions API.
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub event_type: Text<'a>,
    /// The record, or the thread of a conversation.
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub object_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub object_type_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub change_source: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub source_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub change_flag: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub property_name: Text<'a>,
    /// None: the field is not there. Null, like an empty text, is a value that was taken out.
    #[serde(borrow, deserialize_with = "unread")]
    pub property_value: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub primary_object_id: Text<'a>,
    /// An array of ids; see [`ids`].
    #[serde(borrow)]
    pub merged_object_ids: Option<&'a RawValue>,
    /// The record that a merge made, where it made a new one.
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub new_object_id: Text<'a>,
    #[serde(deserialize_with = "lenient::integer")]
    pub number_of_properties_moved: Option<u64>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub association_type: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub association_type_id: Text<'a>,
    #[serde(deserialize_with = "lenient::flag")]
    pub association_removed: bool,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub from_object_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub to_object_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub from_object_type_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub to_object_type_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub message_id: Text<'a>,
}

/// The ids in an array, or the one that stands in its place; none in the place of what is no id.
pub fn ids(raw: &RawValue) -> Vec<Option<String>> {
    let elements = if raw.get().starts_with('[') {
        serde_json::from_str::<Vec<&RawValue>>(raw.get()).unwrap_or_default()
    } else {
        vec![raw]
    };
    elements.into_iter().map(|raw| lenient::read::<lenient::Id>(raw).map(|id| id.0)).collect()
}

/// The element as it came, but for the number of the attempt, which a redelivery changes.
pub fn element(raw: &RawValue) -> String {
    let mut fields: BTreeMap<String, &RawValue> = lenient::read(raw).unwrap_or_default();
    fields.remove("attemptNumber");
    rapport_sdk::event::json(&fields)
}

/// A value of any type, null too.
fn unread<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}
