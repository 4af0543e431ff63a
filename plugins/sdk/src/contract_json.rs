//! The contract's records as JSON: how its `json` strings and its lists of pairs are written, and natively read.
//!
//! A `json` string that is not JSON is written as a JSON string, so that a mistake of a connector can be seen in the
//! output and never breaks it; the host makes the same choice.

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

/// What natively reads the JSON back into WIT's `json`.
#[cfg(not(target_arch = "wasm32"))]
use {
    serde::{Deserialize, Deserializer},
    serde_json::Value,
};

/// `json`
pub(crate) mod text {
    use super::*;

    pub fn serialize<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
        Json(text).serialize(serializer)
    }

    #[cfg(not(target_arch = "wasm32"))]
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
        Ok(Value::deserialize(deserializer)?.to_string())
    }
}

/// `option<json>`
pub(crate) mod option {
    use super::*;

    pub fn serialize<S: Serializer>(text: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
        text.as_deref().map(Json).serialize(serializer)
    }

    #[cfg(not(target_arch = "wasm32"))]
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
        Ok(Option::<Value>::deserialize(deserializer)?.map(|value| value.to_string()))
    }
}

/// `list<json>`
pub(crate) mod list {
    use super::*;
    use serde::ser::SerializeSeq;

    pub fn serialize<S: Serializer>(texts: &[String], serializer: S) -> Result<S::Ok, S::Error> {
        let mut sequence = serializer.serialize_seq(Some(texts.len()))?;
        for text in texts {
            sequence.serialize_element(&Json(text))?;
        }
        sequence.end()
    }

    #[cfg(not(target_arch = "wasm32"))]
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
        Ok(Vec::<Value>::deserialize(deserializer)?.iter().map(Value::to_string).collect())
    }
}

/// `extensions`
pub(crate) mod object {
    use super::*;
    use serde::ser::SerializeMap;

    pub fn serialize<S: Serializer>(pairs: &[(String, String)], serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(pairs.len()))?;
        for (name, text) in pairs {
            map.serialize_entry(name, &Json(text))?;
        }
        map.end()
    }

    #[cfg(not(target_arch = "wasm32"))]
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, String)>, D::Error> {
        let object = serde_json::Map::deserialize(deserializer)?;
        Ok(object.into_iter().map(|(name, value)| (name, value.to_string())).collect())
    }
}

/// `tuple<string, json>`
pub(crate) mod named {
    use super::*;
    use serde::ser::SerializeTuple;

    pub fn serialize<S: Serializer>((name, text): &(String, String), serializer: S) -> Result<S::Ok, S::Error> {
        let mut pair = serializer.serialize_tuple(2)?;
        pair.serialize_element(name)?;
        pair.serialize_element(&Json(text))?;
        pair.end()
    }

    #[cfg(not(target_arch = "wasm32"))]
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(String, String), D::Error> {
        let (name, value) = <(String, Value)>::deserialize(deserializer)?;
        Ok((name, value.to_string()))
    }
}

/// `control`: the holder's word alone, where nothing else is said.
pub(crate) mod control {
    use super::*;
    use crate::Control;

    pub fn serialize<S: Serializer>(control: &Control, serializer: S) -> Result<S::Ok, S::Error> {
        match control {
            Control { holder, role: None, by: None } => holder.serialize(serializer),
            _ => control.serialize(serializer),
        }
    }

    #[cfg(not(target_arch = "wasm32"))]
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Control, D::Error> {
        use serde::de::Error;

        let value = Value::deserialize(deserializer)?;
        let read = if value.is_string() {
            serde_json::from_value(value).map(Control::held_by)
        } else {
            serde_json::from_value(value)
        };
        read.map_err(D::Error::custom)
    }
}
