//! An object of unknown shape as names and values: `{"ticket": {"requester": {"Email": …}}}` has `ticket.requester.email`.

use std::fmt;

use rapport_sdk::prelude::*;
use serde::Deserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use rapport_sdk::instant;

/// Fields of one payload: a template that lists every placeholder of Zendesk's has some 150. One with more is not read at
/// all: whoever fills it up could choose which fields are seen.
const FIELDS_MAX: usize = 500;
/// Fields in lists and deep objects, such as a ticket's comments with all that is known of them.
const HIDDEN_MAX: usize = 5_000;
/// Objects and lists in each other that are searched for fields at all.
const LEVELS_MAX: usize = 16;
/// Letters of a name that count. None that is looked for has as many.
const NAME_CHARS_MAX: usize = 64;
/// Objects in objects: `ticket.requester.organization.name` is four.
const DEPTH_MAX: usize = 4;

/// The fields in order of arrival. Names that differ only in their spelling are one: the first counts.
pub struct Fields<'a> {
    found: Vec<(String, &'a RawValue)>,
    /// In lists, and deeper than is looked for anything: only to know who else is named.
    hidden: Vec<(String, &'a RawValue)>,
}

impl<'a> Fields<'a> {
    /// None: it has more fields, or deeper ones, than a template has.
    pub fn of(object: &'a RawValue) -> Option<Self> {
        let mut fields = Self { found: Vec::new(), hidden: Vec::new() };
        fields.add(object, "", 1)?;
        Some(fields)
    }

    fn add(&mut self, object: &'a RawValue, prefix: &str, level: usize) -> Option<()> {
        for (name, value) in entries(object)? {
            let name = format!("{prefix}{}", spelled(&name));
            if value.get().starts_with('{') && level < DEPTH_MAX {
                self.add(value, &format!("{name}."), level + 1)?;
            } else {
                self.push(name.clone(), value, level <= DEPTH_MAX)?;
                self.hide(value, &name, level.max(DEPTH_MAX) + 1)?;
            }
        }
        Some(())
    }

    /// Adds the fields of what is in a list, or of an object too deep.
    fn hide(&mut self, value: &'a RawValue, name: &str, level: usize) -> Option<()> {
        match value.get().as_bytes().first() {
            Some(b'{' | b'[') if level > LEVELS_MAX => None,
            Some(b'{') => self.add(value, &format!("{name}."), level),
            Some(b'[') => {
                let elements = lenient::batch(value.get(), HIDDEN_MAX).ok()?;
                elements.into_iter().try_for_each(|element| self.hide(element, name, level + 1))
            }
            _ => Some(()),
        }
    }

    fn push(&mut self, name: String, value: &'a RawValue, is_found: bool) -> Option<()> {
        let fields = if is_found { &mut self.found } else { &mut self.hidden };
        fields.push((name, value));
        (self.found.len() <= FIELDS_MAX && self.hidden.len() <= HIDDEN_MAX).then_some(())
    }

    /// The names of an object's own fields, in one spelling. None: it has more than a template has.
    pub fn tops(object: &RawValue) -> Option<Vec<String>> {
        Some(entries(object)?.iter().map(|(name, _)| spelled(name)).collect())
    }

    /// Every text that stands under one of these names, wherever.
    pub fn all(&self, names: &[&str]) -> Vec<(String, &'a RawValue)> {
        let is_one = |found: &str| {
            names.iter().any(|name| {
                let is_inside =
                    || name.contains('.') && found.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'));
                found == *name || is_inside()
            })
        };
        self.found.iter().filter(|(found, _)| is_one(found)).filter_map(|(_, value)| said(value)).collect()
    }

    /// Every text that stands under one of these names, even in a list, and under those names that are said of the requester
    /// alone in whatever object: a customer's words can begin an object around the fields that follow.
    pub fn anywhere(&self, names: &[&str]) -> Vec<(String, &'a RawValue)> {
        const OF_REQUESTER: [&str; 3] = ["requester", "ticket_requester", "customer"];
        let is_telling = |name: &str| name.contains('.') || OF_REQUESTER.iter().any(|word| name.starts_with(word));
        let is_one = |found: &str| {
            names.iter().any(|name| {
                let is_inside = || is_telling(name) && found.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'));
                found == *name || is_inside()
            })
        };
        let all = self.found.iter().chain(&self.hidden);
        all.filter(|(found, _)| is_one(found)).filter_map(|(_, value)| said(value)).collect()
    }

    /// The value of the first of these names that has one.
    pub fn raw(&self, names: &[&str]) -> Option<&'a RawValue> {
        names.iter().find_map(|name| self.value(name))
    }

    /// The text of the first of these names that has one. A placeholder that Zendesk did not fill in is none.
    pub fn text(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| {
            let text = lenient::read::<lenient::Id>(self.value(name)?)?.0;
            let is_said = !(text.contains("{{") && text.contains("}}"));
            is_said.then(|| lenient::trim(&text).to_owned())
        })
    }

    /// The instant of the first of these names that has one, in milliseconds.
    pub fn time(&self, names: &[&str]) -> Option<u64> {
        names.iter().find_map(|name| {
            let text = self.text(&[name])?;
            let number =
                || text.bytes().all(|byte| byte.is_ascii_digit()).then(|| lenient::time(self.value(name)?).ok()?)?;
            instant::parse(&text).or_else(number)
        })
    }

    /// What stands under a name; under one of several words also inside of another object: `ticket.id` is also that of
    /// `data.ticket.id`. A single word says too little for that.
    fn value(&self, name: &str) -> Option<&'a RawValue> {
        let is_inside =
            |found: &str| name.contains('.') && found.strip_suffix(name).is_some_and(|wrapper| wrapper.ends_with('.'));
        let exact = self.found.iter().find(|(found, _)| found == name);
        exact.or_else(|| self.found.iter().find(|(found, _)| is_inside(found))).map(|(_, value)| *value)
    }
}

/// A name in one spelling: `ticketId`, `Ticket ID` and `zd_ticket_id` are `ticket_id`.
fn spelled(name: &str) -> String {
    let mut spelled = String::with_capacity(name.len());
    let mut was_lower = false;
    for character in name.chars().take(NAME_CHARS_MAX) {
        if character.is_ascii_uppercase() && was_lower {
            spelled.push('_');
        }
        was_lower = character.is_ascii_lowercase() || character.is_ascii_digit();
        spelled.push(if character.is_ascii_alphanumeric() || character == '.' {
            character.to_ascii_lowercase()
        } else {
            '_'
        });
    }
    let bare = spelled.strip_prefix("zendesk_").or_else(|| spelled.strip_prefix("zd_"));
    bare.map_or_else(|| spelled.clone(), str::to_owned)
}

/// What a field says. A placeholder that Zendesk did not fill in says nothing.
fn said(value: &RawValue) -> Option<(String, &RawValue)> {
    let text = lenient::trim(&lenient::read::<lenient::Id>(value)?.0).to_owned();
    let is_unfilled = text.contains("{{") && text.contains("}}");
    (!text.is_empty() && !is_unfilled).then_some((text, value))
}

/// The fields of an object; none if there are too many.
fn entries(object: &RawValue) -> Option<Vec<(String, &RawValue)>> {
    serde_json::Deserializer::from_str(object.get()).deserialize_map(Entries).ok()
}

/// Reads an object into a list.
struct Entries;

impl<'a> Visitor<'a> for Entries {
    type Value = Vec<(String, &'a RawValue)>;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "an object of at most {FIELDS_MAX} fields")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = Vec::new();
        while let Some(entry) = map.next_entry()? {
            if found.len() == FIELDS_MAX {
                return Err(A::Error::invalid_length(FIELDS_MAX + 1, &self));
            }
            found.push(entry);
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_in_one_spelling() {
        for (name, expected) in [
            ("ticketId", "ticket_id"),
            ("Ticket ID", "ticket_id"),
            ("zd_ticket_id", "ticket_id"),
            ("ticket.id", "ticket.id"),
            ("latest-comment", "latest_comment"),
            ("ID", "id"),
            ("é", "_"),
        ] {
            assert_eq!(spelled(name), expected);
        }
    }

    #[test]
    fn nested_fields_are_found_and_the_first_of_two_counts() {
        let json = r#"{"ticket":{"id":7,"requester":{"Email":"a@example.com"}},"id":8,"id":9,"x":"{{ticket.x}}","t":"1767225600","data":{"comment":{"id":1}}}"#;
        let raw: &RawValue = serde_json::from_str(json).unwrap();
        let fields = Fields::of(raw).unwrap();
        assert_eq!(fields.text(&["ticket_id", "ticket.id"]).as_deref(), Some("7"));
        assert_eq!(fields.text(&["id"]).as_deref(), Some("8"));
        assert_eq!(fields.text(&["ticket.requester.email"]).as_deref(), Some("a@example.com"));
        assert_eq!(fields.text(&["x"]), None);
        assert_eq!(fields.text(&["comment.id"]).as_deref(), Some("1"));
        assert_eq!((fields.text(&["nt.id"]), fields.text(&["email"])), (None, None));
        assert_eq!(fields.time(&["x", "t"]), Some(1_767_225_600_000));
    }

    #[test]
    fn of_more_fields_than_a_template_has_none_is_read() {
        let object = |fields: usize| {
            let fields: Vec<String> = (0..fields).map(|index| format!("\"a{index}\":1")).collect();
            format!("{{{}}}", fields.join(","))
        };
        let read = |json: &str| {
            let raw: &RawValue = serde_json::from_str(json).unwrap();
            (Fields::of(raw).is_some(), Fields::tops(raw).is_some())
        };
        assert_eq!(read(&object(FIELDS_MAX)), (true, true));
        assert_eq!(read(&object(FIELDS_MAX + 1)), (false, false));
        let (most, rest) = (object(FIELDS_MAX - 1), object(2));
        assert_eq!(read(&format!("{{\"a\":{most},\"b\":{rest}}}")), (false, true));
        assert_eq!(read(&format!("{{\"a\":[{}1]}}", "1,".repeat(HIDDEN_MAX))), (false, true));
        let tower = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!((read(&tower(8)), read(&tower(20))), ((true, true), (false, true)));
        // Long names around many fields take no room.
        let names = "\"".to_owned() + &"x".repeat(50_000) + "\"";
        assert_eq!(read(&format!("{{{names}:{{{names}:[{}{{}}]}}}}", "{\"a\":1},".repeat(4_000))), (true, true));
    }
}
