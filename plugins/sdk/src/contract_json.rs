//! The contract's records as JSON: how its `json` strings and its lists of pairs are written.
//!
//! A `json` string that is not JSON is written as a JSON string, so that a mistake of a connector can be seen in the
//! output and never breaks it; the host makes the same choice.

use serde::ser::{SerializeMap, SerializeSeq, SerializeTuple};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// A WIT `json` as the JSON that it holds.
struct Json<'a>(&'a str);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match serde_json::from_str::<&RawValue>(self.0) {
            Ok(raw) => raw.serialize(serializer),
            Err(_) => self.0.serialize(serializer),
        }
    }
}

pub(crate) fn json<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    Json(text).serialize(serializer)
}

pub(crate) fn option<S: Serializer>(text: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    text.as_deref().map(Json).serialize(serializer)
}

pub(crate) fn list<S: Serializer>(texts: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    let mut sequence = serializer.serialize_seq(Some(texts.len()))?;
    for text in texts {
        sequence.serialize_element(&Json(text))?;
    }
    sequence.end()
}

pub(crate) fn object<S: Serializer>(pairs: &[(String, String)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(pairs.len()))?;
    for (name, text) in pairs {
        map.serialize_entry(name, &Json(text))?;
    }
    map.end()
}

pub(crate) fn named<S: Serializer>((name, text): &(String, String), serializer: S) -> Result<S::Ok, S::Error> {
    let mut pair = serializer.serialize_tuple(2)?;
    pair.serialize_element(name)?;
    pair.serialize_element(&Json(text))?;
    pair.end()
}
