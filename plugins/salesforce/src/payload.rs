//! The shape of change events and platform events, with only the fields that are used. Each may be missing, or of
//! another type. Outbound messages are XML and read by `soap`.

use rapport_sdk::lenient;
use serde::Deserialize;
use serde_json::value::RawValue;

/// An event with its envelope, whichever it is.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Envelope<'a> {
    /// EventBridge's own id of the event.
    #[serde(deserialize_with = "lenient::id")]
    pub id: Option<String>,
    #[serde(rename = "detail-type", deserialize_with = "lenient::id")]
    pub detail_type: Option<String>,
    #[serde(deserialize_with = "lenient::id")]
    pub source: Option<String>,
    #[serde(deserialize_with = "lenient::id")]
    pub time: Option<String>,
    /// `/data/ContactChangeEvent`
    #[serde(deserialize_with = "lenient::id")]
    pub channel: Option<String>,
    #[serde(borrow)]
    pub detail: Option<&'a RawValue>,
    #[serde(borrow)]
    pub data: Option<&'a RawValue>,
}

/// What the envelope holds.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Message<'a> {
    #[serde(borrow)]
    pub payload: Option<&'a RawValue>,
    #[serde(deserialize_with = "lenient::object")]
    pub event: Option<EventIds>,
    /// Salesforce's own id of the event, which an event relay writes in the place of `event`.
    #[serde(deserialize_with = "lenient::id")]
    pub id: Option<String>,
}

/// How the event bus of Salesforce itself knows an event.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct EventIds {
    #[serde(rename = "EventUuid", deserialize_with = "lenient::id")]
    pub uuid: Option<String>,
    #[serde(rename = "replayId", deserialize_with = "lenient::id")]
    pub replay_id: Option<String>,
}

/// `ChangeEventHeader`
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub struct Header<'a> {
    #[serde(deserialize_with = "lenient::id")]
    pub entity_name: Option<String>,
    /// An array, but a sole id is read, too.
    #[serde(borrow)]
    pub record_ids: Option<&'a RawValue>,
    #[serde(deserialize_with = "lenient::id")]
    pub change_type: Option<String>,
    #[serde(deserialize_with = "lenient::id")]
    pub change_origin: Option<String>,
    #[serde(deserialize_with = "lenient::id")]
    pub transaction_key: Option<String>,
    #[serde(deserialize_with = "lenient::id")]
    pub sequence_number: Option<String>,
    #[serde(deserialize_with = "lenient::time")]
    pub commit_timestamp: Option<u64>,
    #[serde(deserialize_with = "lenient::id")]
    pub commit_number: Option<String>,
    #[serde(deserialize_with = "lenient::id")]
    pub commit_user: Option<String>,
    #[serde(borrow)]
    pub changed_fields: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "lenient::list")]
    pub nulled_fields: Vec<&'a RawValue>,
    #[serde(borrow, deserialize_with = "lenient::list")]
    pub diff_fields: Vec<&'a RawValue>,
}
