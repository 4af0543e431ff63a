//! Reading and writing the attributes of an item, with errors that name the item.

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

use crate::error::StoreError;

pub(crate) type Item = HashMap<String, AttributeValue>;

pub(crate) fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

pub(crate) fn n(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

pub(crate) fn b(bytes: Vec<u8>) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}

/// Typed access to an item's attributes.
pub(crate) struct Reader<'a>(pub &'a Item);

impl<'a> Reader<'a> {
    /// The item's own name, for messages.
    pub fn key(&self) -> String {
        let part = |name| self.0.get(name).and_then(|value| value.as_s().ok()).map_or("?", String::as_str);
        format!("{} {}", part("pk"), part("sk"))
    }

    pub fn text(&self, name: &'static str) -> Result<&'a str, StoreError> {
        self.text_opt(name).ok_or_else(|| self.missing(name))
    }

    pub fn text_opt(&self, name: &str) -> Option<&'a str> {
        self.0.get(name)?.as_s().ok().map(String::as_str)
    }

    pub fn number(&self, name: &'static str) -> Result<u64, StoreError> {
        self.number_opt(name).ok_or_else(|| self.missing(name))
    }

    pub fn number_opt(&self, name: &str) -> Option<u64> {
        self.0.get(name)?.as_n().ok()?.parse().ok()
    }

    pub fn bytes_opt(&self, name: &str) -> Option<&'a [u8]> {
        self.0.get(name)?.as_b().ok().map(|blob| blob.as_ref())
    }

    pub fn set(&self, name: &str) -> &'a [String] {
        self.0.get(name).and_then(|value| value.as_ss().ok()).map_or(&[], Vec::as_slice)
    }

    pub fn json<T: serde::de::DeserializeOwned>(&self, name: &'static str) -> Result<T, StoreError> {
        serde_json::from_str(self.text(name)?).map_err(|error| StoreError::corrupt(self.key(), error))
    }

    pub fn corrupt(&self, detail: impl ToString) -> StoreError {
        StoreError::corrupt(self.key(), detail)
    }

    fn missing(&self, name: &str) -> StoreError {
        self.corrupt(format!("attribute `{name}` is missing or of another type"))
    }
}

/// JSON for an attribute.
pub(crate) fn json<T: serde::Serialize>(value: &T) -> AttributeValue {
    s(serde_json::to_string(value).expect("our own types have string keys, and writing to a string cannot fail"))
}
