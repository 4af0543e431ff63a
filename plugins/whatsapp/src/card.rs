//! Cards of an address book that a customer sent: `contacts[]` of a message.

use rapport_meta::verbatim;
use rapport_sdk::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::content::Content;
use crate::identity::{PHONE, USER};

#[derive(Deserialize, Default)]
#[serde(default)]
struct Card {
    #[serde(deserialize_with = "lenient::object")]
    name: Option<Name>,
    #[serde(deserialize_with = "lenient::objects")]
    phones: Vec<Phone>,
    #[serde(deserialize_with = "lenient::objects")]
    emails: Vec<Email>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Name {
    #[serde(deserialize_with = "lenient::id")]
    formatted_name: Option<String>,
    #[serde(deserialize_with = "lenient::id")]
    first_name: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Phone {
    #[serde(deserialize_with = "lenient::id")]
    phone: Option<String>,
    #[serde(deserialize_with = "lenient::id")]
    wa_id: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Email {
    #[serde(deserialize_with = "lenient::id")]
    email: Option<String>,
}

/// Adds one part a card. A card is hearsay about somebody else, so its addresses are the customer's word.
pub fn read(raw: &RawValue, content: &mut Content) -> Option<()> {
    let cards: Vec<&RawValue> = serde_json::from_str(raw.get()).ok()?;
    for raw in &cards {
        content.parts.push(match lenient::read::<Card>(raw) {
            Some(card) => Part::ContactCard(contact(card)),
            None => Part::Other(("contacts".into(), verbatim(raw))),
        });
    }
    (!cards.is_empty()).then_some(())
}

fn contact(card: Card) -> Contact {
    let said = |scheme: &str, value: String| Identifier::attested(Attestation::Customer, scheme, value);
    let mut identifiers = Vec::new();
    for phone in card.phones {
        let number = phone.phone.or_else(|| phone.wa_id.as_ref().map(|wa_id| format!("+{wa_id}")));
        identifiers.extend(number.map(|number| said(PHONE, number)));
        identifiers.extend(phone.wa_id.map(|wa_id| said(USER, wa_id)));
    }
    identifiers.extend(card.emails.into_iter().filter_map(|email| email.email).map(|email| said("email", email)));
    Contact::new(identifiers).named(card.name.and_then(|name| name.formatted_name.or(name.first_name)))
}
