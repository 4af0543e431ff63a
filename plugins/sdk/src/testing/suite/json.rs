//! Changes of a JSON document that a check makes.

use serde_json::{Value, json};

use crate::Webhook;
use crate::lenient;

/// A field that no provider has, and that no connector may mind.
pub(super) const STRANGER: &str = "rapport-stranger";

/// The body as JSON, if it is an object or an array.
pub(super) fn document(webhook: &Webhook) -> Option<Value> {
    let value: Value = serde_json::from_str(&lenient::document(&webhook.body)).ok()?;
    (value.is_object() || value.is_array()).then_some(value)
}

/// The request with another document as its body.
pub(super) fn with_document(webhook: &Webhook, document: &Value) -> Webhook {
    Webhook { body: document.to_string().into_bytes(), ..webhook.clone() }
}

/// Adds a stranger's field to every object. It has a name that many providers use, with a value of another type.
pub(super) fn add_stranger(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(add_stranger);
            fields.insert(STRANGER.into(), json!({"id": ["x", null], "type": "text"}));
        }
        Value::Array(elements) => elements.iter_mut().for_each(add_stranger),
        _ => {}
    }
}

/// Takes the stranger's fields out of an answer, in which raw parts repeat them.
pub(super) fn remove_stranger(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove(STRANGER);
            fields.values_mut().for_each(remove_stranger);
        }
        Value::Array(elements) => elements.iter_mut().for_each(remove_stranger),
        _ => {}
    }
}

/// The JSON pointers (RFC 6901) of everything in `value`.
pub(super) fn pointers(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect(value, String::new(), &mut found);
    found
}

fn collect(value: &Value, at: String, found: &mut Vec<String>) {
    let below = |name: String| format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| collect(value, below(name.clone()), found)),
        Value::Array(elements) => {
            elements.iter().enumerate().for_each(|(index, value)| collect(value, below(index.to_string()), found));
        }
        _ => {}
    }
    if !at.is_empty() {
        found.push(at);
    }
}
