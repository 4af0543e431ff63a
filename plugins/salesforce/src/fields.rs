//! Which fields of a change count, and of a compound one which parts.
//!
//! Salesforce's Pub/Sub API sends every field of a record, and leaves empty what did not change; event relays and the
//! streaming API leave it out. What changed says the header alone. Source: "Change Event Header Fields" and "Change Event
//! Body Fields" of the Change Data Capture Developer Guide, read in November 2026.

use std::collections::BTreeMap;

use rapport_sdk::prelude::*;
use serde_json::value::RawValue;

use crate::payload::Header;
use crate::record::{FIELDS_MAX, Happened, PART, is_name};

/// What the header says of the fields. `MailingAddress.City` is a part of a compound one.
#[derive(Default)]
pub struct Changed {
    /// None: it does not say, or says it as a bitmap of the event's schema, which is not in the event.
    changed: Option<Vec<String>>,
    /// Whether there is a list of changed fields that cannot be read.
    is_encoded: bool,
    nulled: Vec<String>,
    /// Of these only a difference is said, so their value is not known.
    differing: Vec<String>,
}

impl Changed {
    pub fn of(header: &Header) -> Self {
        let names = |list: &[&RawValue]| -> Vec<String> {
            list.iter().filter_map(|raw| lenient::read::<lenient::Id>(raw)).map(|name| name.0).collect()
        };
        let changed: Option<Vec<&RawValue>> =
            header.changed_fields.and_then(|raw| serde_json::from_str(raw.get()).ok());
        let changed = changed.map(|list| names(&list)).filter(|names| !names.is_empty());
        // `0x400002`, `8-0x14`
        let is_encoded = changed.iter().flatten().any(|name| name.contains("0x") && !name.contains("__"));
        Self {
            changed: changed.filter(|_| !is_encoded),
            is_encoded,
            nulled: names(&header.nulled_fields),
            differing: names(&header.diff_fields),
        }
    }

    /// Whether an empty value of this field, or of this part, is news.
    fn is_emptied(&self, path: &str, happened: Happened) -> bool {
        let is_named = |names: &[String]| names.iter().any(|name| name == path);
        match (happened, &self.changed) {
            (Happened::Announced, _) => true,
            _ if is_named(&self.nulled) => true,
            (Happened::Updated, Some(changed)) => is_named(changed),
            // Without a list, only what changed is there.
            (Happened::Updated, None) => !self.is_encoded,
            // Whatever a new record has nothing of was never there.
            _ => false,
        }
    }
}

/// The fields that count, in the order of their names. A name's parts are fields, as in the record itself; any other
/// part that changed is `MailingAddress/City`. One that was emptied is null. `tell` is told of fields beyond what a record
/// can have.
pub fn fields(
    payload: &RawValue,
    happened: Happened,
    changed: &Changed,
    tell: &mut dyn FnMut(&str),
) -> Vec<(String, Json)> {
    let found: BTreeMap<String, &RawValue> = lenient::read(payload).unwrap_or_default();
    if found.len() > FIELDS_MAX || changed.nulled.len() > FIELDS_MAX {
        tell(&format!("it has more than {FIELDS_MAX} fields"));
    }
    let mut fields = Fields { said: Vec::new(), happened, changed };
    for (name, value) in found.into_iter().take(FIELDS_MAX) {
        if name == "ChangeEventHeader" || !is_name(&name) || changed.differing.contains(&name) {
            continue;
        }
        let parts: BTreeMap<String, &RawValue> =
            if value.get().starts_with('{') { lenient::read(value).unwrap_or_default() } else { BTreeMap::new() };
        if parts.is_empty() {
            fields.add(&name, name.clone(), value)
        } else {
            fields.add_compound(&name, &parts, value)
        }
    }
    for path in changed.nulled.iter().take(FIELDS_MAX) {
        fields.set(in_fields(path), "null".into());
    }
    fields.said
}

struct Fields<'a> {
    said: Vec<(String, Json)>,
    happened: Happened,
    changed: &'a Changed,
}

impl Fields<'_> {
    /// Adds a value, unless it is empty and that is no news.
    fn add(&mut self, path: &str, name: String, value: &RawValue) {
        if value.get() != "null" || self.changed.is_emptied(path, self.happened) {
            self.said.push((name, value.get().to_owned()));
        }
    }

    /// A compound field is whole in a record that is whole; of one that was updated, each part stands for itself.
    fn add_compound(&mut self, name: &str, parts: &BTreeMap<String, &RawValue>, value: &RawValue) {
        let usable = parts
            .iter()
            .filter(|(part, _)| is_name(part) && !self.changed.differing.contains(&format!("{name}.{part}")));
        let usable: Vec<(&String, &&RawValue)> = usable.collect();
        if name == "Name" || self.happened == Happened::Updated {
            for (part, value) in usable {
                let path = format!("{name}.{part}");
                self.add(&path, in_fields(&path), value);
            }
        } else if self.happened == Happened::Announced {
            self.said.push((name.to_owned(), value.get().to_owned()));
        } else {
            let said: BTreeMap<&String, &&RawValue> =
                usable.into_iter().filter(|(_, value)| value.get() != "null").collect();
            self.said.push((name.to_owned(), rapport_sdk::event::json(&said)));
        }
    }

    fn set(&mut self, name: String, value: Json) {
        match self.said.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.said.push((name, value)),
        }
    }
}

/// What a path of the header is called among the fields: `Name.FirstName` is the field `FirstName`, `MailingAddress.City` the
/// part `MailingAddress/City`.
fn in_fields(path: &str) -> String {
    path.strip_prefix("Name.").map_or_else(|| path.replacen('.', PART, 1), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(happened: Happened, header: &str, payload: &str) -> Vec<(String, String)> {
        let header: Box<RawValue> = serde_json::from_str(header).unwrap();
        let payload: Box<RawValue> = serde_json::from_str(payload).unwrap();
        fields(&payload, happened, &Changed::of(&lenient::read(&header).unwrap()), &mut |reason| panic!("{reason}"))
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(name, json)| ((*name).to_owned(), (*json).to_owned())).collect()
    }

    #[test]
    fn an_empty_field_that_did_not_change_is_no_news() {
        let all = r#"{"Name":null,"Email":null,"Title":null,"Website__c":"https://x.example","Enriched__c":"e"}"#;
        let header = r#"{"changedFields":["Website__c","LastModifiedDate"],"nulledFields":[]}"#;
        let expected = pairs(&[("Enriched__c", "\"e\""), ("Website__c", "\"https://x.example\"")]);
        assert_eq!(read(Happened::Updated, header, all), expected);
        assert_eq!(read(Happened::Updated, r#"{"changedFields":["0x400002","8-0x14"]}"#, all), expected, "a bitmap");
        assert_eq!(read(Happened::Created, "{}", all), expected, "a new record");
        let header = r#"{"changedFields":["Title","Website__c"],"nulledFields":["Email"]}"#;
        let emptied = read(Happened::Updated, header, all);
        assert_eq!(emptied.iter().filter(|(_, value)| value == "null").count(), 2, "{emptied:?}");
        assert_eq!(read(Happened::Updated, "{}", r#"{"Email":null}"#), pairs(&[("Email", "null")]), "without a list");
    }

    #[test]
    fn of_a_compound_field_the_parts_that_changed_count() {
        let header = r#"{"changedFields":["MailingAddress.City","Name.FirstName"]}"#;
        let payload =
            r#"{"MailingAddress":{"Street":null,"City":"Lyon"},"Name":{"FirstName":"Augusta","LastName":null}}"#;
        let expected = pairs(&[("MailingAddress/City", "\"Lyon\""), ("FirstName", "\"Augusta\"")]);
        assert_eq!(read(Happened::Updated, header, payload), expected);
        let header =
            r#"{"changedFields":["MailingAddress.City"],"nulledFields":["MailingAddress.City","Name.FirstName"]}"#;
        let expected = pairs(&[("MailingAddress/City", "null"), ("FirstName", "null")]);
        assert_eq!(read(Happened::Updated, header, r#"{"MailingAddress":null}"#), expected);
        assert_eq!(read(Happened::Updated, header, r#"{"MailingAddress":{"City":null}}"#), expected);
        let header = r#"{"changedFields":["MailingAddress.City"],"diffFields":["MailingAddress.Street"]}"#;
        let payload = r#"{"MailingAddress":{"Street":"--- +++","City":"Lyon"}}"#;
        assert_eq!(read(Happened::Updated, header, payload), pairs(&[("MailingAddress/City", "\"Lyon\"")]));
        let payload = r#"{"MailingAddress":{"Street":"1 Main","City":null}}"#;
        assert_eq!(read(Happened::Created, "{}", payload), pairs(&[("MailingAddress", r#"{"Street":"1 Main"}"#)]));
    }
}
