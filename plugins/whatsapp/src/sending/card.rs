//! Address cards: `contacts` of a message.

use rapport_sdk::number;
use rapport_sdk::prelude::*;
use serde_json::{Map, Value, json};

use crate::identity::{Form, PHONE, USER};

/// # Errors
/// `UnsupportedContent` for a card without a name, which Meta requires.
pub fn content(contact: &Contact, at: usize) -> Result<Value, Failure> {
    let Some(formatted) = contact.display_name.as_deref().filter(|name| !name.trim().is_empty()) else {
        let why = format!("parts[{at}]: a contact card needs a name; fix: `display_name`");
        return Err(Failure::UnsupportedContent(why));
    };
    let part = |key: &str| {
        let (_, json) = contact.traits.iter().find(|(name, _)| name == key)?;
        serde_json::from_str::<String>(json).ok()
    };
    let mut name = Map::new();
    name.insert("formatted_name".into(), formatted.into());
    // Meta requires one more part of the name.
    name.insert("first_name".into(), part(Contact::GIVEN_NAME).unwrap_or_else(|| formatted.to_owned()).into());
    if let Some(last) = part(Contact::FAMILY_NAME) {
        name.insert("last_name".into(), last.into());
    }
    let of = |scheme: &'static str| {
        contact.identifiers.iter().filter(move |id| id.scheme == scheme).map(|id| id.value.as_str())
    };
    let phones: Vec<Value> = of(PHONE).map(|number| phone(number, of(USER))).collect();
    let emails: Vec<Value> = of("email").map(|address| json!({ "email": address })).collect();
    let mut card = Map::new();
    card.insert("name".into(), Value::Object(name));
    let lists = [("phones", phones), ("emails", emails)];
    card.extend(
        lists.into_iter().filter(|(_, list)| !list.is_empty()).map(|(key, list)| (key.to_owned(), list.into())),
    );
    Ok(json!([card]))
}

/// A number, with its id on WhatsApp if the card says it: then the customer can write there.
fn phone<'a>(number: &str, mut ids: impl Iterator<Item = &'a str>) -> Value {
    match ids.find(|id| Form::of(id) == Form::Number && number::is_same_line(id, number)) {
        Some(wa_id) => json!({ "phone": number, "wa_id": wa_id }),
        None => json!({ "phone": number }),
    }
}
