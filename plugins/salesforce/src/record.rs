//! A record of Salesforce as either kind of message says it.

use std::collections::BTreeMap;

use rapport_sdk::prelude::*;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::id;
use crate::xml::local;

/// Fields of one record: Salesforce's maximum.
pub const FIELDS_MAX: usize = 500;

/// What stands between a compound field and a part of it that is said alone: `MailingAddress/City`.
pub const PART: &str = "/";

/// Whether a name can be one of Salesforce's: letters, digits and underscores, as in `Refund_Amount__c`.
pub fn is_name(name: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.starts_with(|first: char| first.is_ascii_alphabetic()) && name.bytes().all(is_part)
}

/// How a record came to be said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Happened {
    /// An outbound message says how a record is, not what became of it.
    Stands,
    Created,
    Updated,
    Deleted,
    Restored,
    /// A change whose fields Salesforce could not tell.
    Gap,
    /// A platform event: nothing happened to a record.
    Announced,
}

/// One record, or what changed of it.
pub struct Record {
    /// `Contact`, `Case`, `Refund__c`, …
    pub object: String,
    /// In 18 characters. Empty for a platform event.
    pub id: String,
    pub happened: Happened,
    /// Names in Salesforce's words, values as JSON.
    pub fields: Vec<(String, Json)>,
    /// Where the record is shown: `https://example.my.salesforce.com`.
    pub instance: Option<String>,
}

impl Record {
    /// The text of a field; an empty one and null are none.
    pub fn text(&self, name: &str) -> Option<String> {
        let (_, json) = self.fields.iter().find(|(found, _)| found == name)?;
        let raw: &RawValue = serde_json::from_str(json).ok()?;
        lenient::read::<lenient::Id>(raw).map(|text| lenient::trim(&text.0).to_owned())
    }

    /// Whether a field is there and says yes.
    pub fn is_set(&self, name: &str) -> bool {
        self.fields.iter().any(|(found, json)| found == name && matches!(json.as_str(), "true" | "\"true\"" | "\"1\""))
    }

    /// The id that a field refers to, in 18 characters.
    pub fn reference(&self, name: &str) -> Option<String> {
        self.text(name).filter(|text| id::is_id(text)).map(|text| id::canonical(&text))
    }

    /// The whole record as one JSON object.
    pub fn json(&self) -> Json {
        #[derive(Serialize)]
        #[serde(untagged)]
        enum Field<'a> {
            Whole(Box<RawValue>),
            Parts(BTreeMap<&'a str, Box<RawValue>>),
        }
        let mut fields: BTreeMap<&str, Field> = BTreeMap::new();
        for (name, json) in &self.fields {
            let Ok(value) = serde_json::from_str::<Box<RawValue>>(json) else { continue };
            match name.split_once(PART) {
                None => drop(fields.insert(name, Field::Whole(value))),
                Some((whole, part)) => match fields.entry(whole).or_insert_with(|| Field::Parts(BTreeMap::new())) {
                    Field::Parts(parts) => drop(parts.insert(part, value)),
                    Field::Whole(_) => {}
                },
            }
        }
        rapport_sdk::event::json(&fields)
    }

    /// The object in our spelling: `Refund_Request__c` is `refund-request`.
    pub fn kind(&self) -> String {
        let name = ["__c", "__e", "__ChangeEvent", "ChangeEvent"]
            .iter()
            .find_map(|end| self.object.strip_suffix(end))
            .unwrap_or(&self.object);
        let mut kind = String::new();
        let mut was_lower = false;
        for character in local(name).chars().take(80) {
            if character.is_ascii_uppercase() && was_lower && !kind.ends_with('-') {
                kind.push('-');
            }
            was_lower = character.is_ascii_lowercase() || character.is_ascii_digit();
            match character {
                letter if letter.is_ascii_alphanumeric() => kind.push(letter.to_ascii_lowercase()),
                _ if !kind.ends_with('-') && !kind.is_empty() => kind.push('-'),
                _ => {}
            }
        }
        kind.trim_end_matches('-').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_have_one_spelling() {
        for (object, expected) in [
            ("Contact", "contact"),
            ("CaseComment", "case-comment"),
            ("Refund_Request__c", "refund-request"),
            ("acme__Order__c", "acme-order"),
            ("Order_Placed__e", "order-placed"),
            ("ContactChangeEvent", "contact"),
            ("Refund__ChangeEvent", "refund"),
            ("é", ""),
        ] {
            let record = Record {
                object: object.into(),
                id: String::new(),
                happened: Happened::Stands,
                fields: Vec::new(),
                instance: None,
            };
            assert_eq!(record.kind(), expected);
        }
    }
}
