//! `feed`: what AWS delivers in the place of a provider's webhook.

use serde_json::Value as Json;
use toml::{Table, Value};

use super::{optional_text, refuse_unknown, take_table, wrong};
use crate::error::ManifestError;

const FEED_KEYS: [&str; 2] = ["from", "object"];
const OBJECT_KEYS: [&str; 2] = ["bucket", "key"];

/// What AWS delivers: events of EventBridge, notifications of SNS, records of Kinesis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    /// `from`: what it takes, for whoever sets it up.
    pub from: String,
    /// `object`: where a notification says which object of S3 holds what it is about; none: it says so nowhere.
    pub object: Option<ObjectPlace>,
}

/// Where in a notification, a JSON document, the place of an object stands: JSON Pointers (RFC 6901).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectPlace {
    pub bucket: String,
    pub key: String,
}

impl ObjectPlace {
    /// The bucket and the key that a notification names, if it names both.
    pub fn in_notification(&self, notification: &Json) -> Option<(String, String)> {
        let text = |pointer: &str| notification.pointer(pointer)?.as_str().filter(|text| !text.is_empty());
        Some((text(&self.bucket)?.to_owned(), text(&self.key)?.to_owned()))
    }
}

/// Some words, or a table of them and of the object's place.
pub(super) fn feed(value: Value) -> Result<Feed, ManifestError> {
    match value {
        Value::String(from) if !from.trim().is_empty() => Ok(Feed { from, object: None }),
        Value::Table(mut table) => {
            refuse_unknown(&table, "feed.", &FEED_KEYS)?;
            let from = optional_text(&mut table, "from")?;
            let from = from.ok_or_else(|| wrong("feed", "`from`, what it takes", &Value::String(String::new())))?;
            let object = take_table(&mut table, "object")?;
            let object = (!object.is_empty()).then(|| place(object)).transpose()?;
            Ok(Feed { from, object })
        }
        other => Err(wrong("feed", "what AWS delivers, as text or as a table with `from`", &other)),
    }
}

fn place(mut table: Table) -> Result<ObjectPlace, ManifestError> {
    refuse_unknown(&table, "feed.object.", &OBJECT_KEYS)?;
    let mut pointer = |key: &str| match table.remove(key) {
        Some(Value::String(pointer)) if pointer.starts_with('/') => Ok(pointer),
        other => {
            let found = other.unwrap_or_else(|| Value::String(String::new()));
            Err(wrong(&format!("feed.object.{key}"), "a JSON Pointer such as `/detail/object/key`", &found))
        }
    };
    let [bucket, key] = OBJECT_KEYS;
    Ok(ObjectPlace { bucket: pointer(bucket)?, key: pointer(key)? })
}
