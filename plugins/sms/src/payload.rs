//! What Twilio sends: named fields, in a form or in the `data` of a CloudEvent. Each may be missing, or of another type.

use std::collections::BTreeMap;

use rapport_sdk::event::json;
use rapport_sdk::{Extensions, lenient};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The fields of one message or status, under the names that they have in a form.
///
/// Forms and CloudEvents differ in the case of the first letter only (`MessageSid`, `messageSid`), so both are read
/// alike.
#[derive(Default)]
pub struct Fields {
    texts: Vec<(String, String)>,
    /// Values that are no text and no number, as JSON. A form has none.
    nested: Vec<(String, String)>,
}

impl Fields {
    /// The fields of a form, without U+0000.
    pub fn of_form(pairs: Vec<(String, String)>) -> Self {
        let texts = pairs.into_iter().map(|(name, value)| (name, without_nul(value))).collect();
        Fields { texts, nested: Vec::new() }
    }

    /// The fields of a JSON object; none if it is no object.
    pub fn of_object(raw: &RawValue) -> Option<Self> {
        let object: BTreeMap<String, &RawValue> = lenient::read(raw)?;
        let mut fields = Fields::default();
        for (name, raw) in object {
            let name = capitalised(&name);
            match scalar(raw) {
                Some(text) => fields.texts.push((name, text)),
                None if raw.get() != "null" => fields.nested.push((name, raw.get().to_owned())),
                None => {}
            }
        }
        Some(fields)
    }

    /// Adds what stands around the fields, unless they say it themselves.
    pub fn or(mut self, name: &str, value: Option<String>) -> Self {
        if self.id(name).is_none() {
            self.texts.retain(|(found, _)| found != name);
            self.texts.extend(value.map(|value| (name.to_owned(), value)));
        }
        self
    }

    /// A text, unless it is empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        let field = self.texts.iter().find(|(found, value)| found == name && !value.is_empty());
        field.map(|(_, value)| value.as_str())
    }

    /// A word, number or address: no white space around it, and not empty.
    pub fn id(&self, name: &str) -> Option<&str> {
        self.text(name).map(lenient::trim).filter(|text| !text.is_empty())
    }

    /// The first of several fields that is there.
    pub fn any(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.id(name))
    }

    /// Whether a field is there, even if it is empty.
    pub fn has(&self, name: &str) -> bool {
        self.texts.iter().any(|(found, _)| found == name)
    }

    pub fn flag(&self, name: &str) -> bool {
        let is_set = |value: &str| value.eq_ignore_ascii_case("true") || value == "1";
        self.id(name).is_some_and(is_set) || self.nested(name).is_some_and(is_set)
    }

    pub fn number(&self, name: &str) -> Option<f64> {
        self.id(name)?.parse().ok().filter(|number: &f64| number.is_finite())
    }

    /// A list or object, as JSON.
    pub fn nested(&self, name: &str) -> Option<&str> {
        self.nested.iter().find(|(found, _)| found == name).map(|(_, json)| json.as_str())
    }

    /// The numbered fields whose names begin with `name`, by number: `MediaUrl0`, `MediaUrl1`, … with any holes.
    pub fn numbered(&self, name: &str) -> Vec<(u32, &str)> {
        let numbered = |(found, value): &'_ (String, String)| {
            let digits = found.strip_prefix(name)?;
            let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
            let number = if is_number { digits.parse().ok()? } else { return None };
            (!value.trim().is_empty()).then_some(number)
        };
        let mut values: Vec<(u32, &str)> =
            self.texts.iter().filter_map(|field| Some((numbered(field)?, field.1.trim()))).collect();
        values.sort_by_key(|(number, _)| *number);
        values.dedup_by_key(|(number, _)| *number);
        values
    }

    /// Those of these fields that are there, as a JSON object under the names given beside them; none if none is.
    pub fn object(&self, names: &[(&str, &str)]) -> Option<String> {
        let found: BTreeMap<&str, &str> =
            names.iter().filter_map(|(name, key)| Some((*key, self.text(name)?))).collect();
        (!found.is_empty()).then(|| json(&found))
    }

    /// All text fields, as a JSON object.
    pub fn all(&self) -> String {
        let all: BTreeMap<&str, &str> =
            self.texts.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        json(&all)
    }

    /// Adds a text to the extensions of an event.
    pub fn extend(&self, extensions: &mut Extensions, key: &str, names: &[&str]) {
        extensions.extend(self.any(names).map(|value| (key.into(), json(value))));
    }

    /// Adds JSON to the extensions of an event: a list, an object, or a text that holds JSON. Any other text is kept as a
    /// JSON string.
    pub fn extend_json(&self, extensions: &mut Extensions, key: &str, name: &str) {
        let value = match (self.nested(name), self.id(name)) {
            (Some(nested), _) => nested.to_owned(),
            (None, Some(text)) => document(text).unwrap_or_else(|| json(text)),
            (None, None) => return,
        };
        extensions.push((key.into(), value));
    }
}

/// The JSON that a text holds, made safe to keep.
pub fn document(text: &str) -> Option<String> {
    let text = lenient::document(text.as_bytes());
    serde_json::from_str::<&RawValue>(&text).ok().map(|raw| raw.get().to_owned())
}

/// An event of Event Streams (CloudEvents 1.0).
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct CloudEvent<'a> {
    #[serde(rename = "type", deserialize_with = "lenient::id")]
    pub kind: Option<String>,
    #[serde(deserialize_with = "lenient::id")]
    pub source: Option<String>,
    #[serde(deserialize_with = "lenient::id")]
    pub time: Option<String>,
    #[serde(borrow)]
    pub data: Option<&'a RawValue>,
}

/// A string, or a number as its digits.
fn scalar(raw: &RawValue) -> Option<String> {
    match raw.get().as_bytes().first()? {
        b'"' => serde_json::from_str(raw.get()).ok().map(without_nul),
        b'-' | b'0'..=b'9' => Some(raw.get().to_owned()),
        _ => None,
    }
}

fn without_nul(text: String) -> String {
    lenient::without_nul(text).into_owned()
}

fn capitalised(name: &str) -> String {
    let mut capitalised = name.to_owned();
    if let Some(first) = capitalised.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    capitalised
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(form: &str) -> Fields {
        Fields::of_form(rapport_sdk::form::pairs(form))
    }

    #[test]
    fn a_form_and_an_object_are_read_alike() {
        let raw: &RawValue =
            serde_json::from_str(r#"{"messageSid":"SM1","numMedia":2,"body":"a\u00e4","to":null,"from":{"x":1}}"#)
                .unwrap();
        let object = Fields::of_object(raw).unwrap();
        let form = fields("MessageSid=SM1&NumMedia=2&Body=a%C3%A4&To=");
        for name in ["MessageSid", "NumMedia", "Body", "To", "From", "Nothing"] {
            assert_eq!(object.id(name), form.id(name), "{name}");
        }
        assert_eq!(object.nested("From"), Some(r#"{"x":1}"#));
        assert!(Fields::of_object(RawValue::NULL).is_none());
    }

    #[test]
    fn numbered_fields_may_have_holes_and_stand_in_any_order() {
        let form =
            fields("MediaUrl10=k&MediaUrl2=c&MediaUrl0=a&MediaUrl=x&MediaUrl1=&MediaUrlX=y&MediaUrl99999999999=z");
        assert_eq!(form.numbered("MediaUrl"), [(0, "a"), (2, "c"), (10, "k")]);
    }

    #[test]
    fn a_nul_is_replaced_and_not_left_out() {
        assert_eq!(fields("Body=a%00b").text("Body"), Some("a\u{fffd}b"));
        assert_ne!(fields("From=%2B1650%00").id("From"), Some("+1650"));
    }
}
