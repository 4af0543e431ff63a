//! The shapes that the provider sends, with only the fields that are used. Each may be missing, or of another type.

use rapport_sdk::lenient;
use serde::Deserialize;
use serde_json::value::RawValue;

/// A delivery.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Root<'a> {
    /// The business side.
    #[serde(deserialize_with = "lenient::id")]
    pub workspace: Option<String>,
    /// Unread, so that one of another form costs nothing but itself.
    #[serde(borrow, deserialize_with = "lenient::list")]
    pub messages: Vec<&'a RawValue>,
}

/// One element of `messages`.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Item {
    #[serde(deserialize_with = "lenient::id")]
    pub id: Option<String>,
    /// Seconds or milliseconds; read as milliseconds.
    #[serde(deserialize_with = "lenient::time")]
    pub sent_at: Option<u64>,
    #[serde(deserialize_with = "lenient::id")]
    pub user: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    pub name: Option<String>,
    #[serde(rename = "type", deserialize_with = "lenient::text")]
    pub kind: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    pub text: Option<String>,
}
