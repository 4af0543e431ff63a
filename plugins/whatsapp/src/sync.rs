//! The address book of the WhatsApp Business app: `state_sync[]` of `smb_app_state_sync`.

use rapport_meta::{Batch, Text};
use rapport_sdk::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::identity::{PHONE, USER};
use crate::scene::Scene;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload<'a> {
    #[serde(borrow, rename = "type", deserialize_with = "lenient::id")]
    kind: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    action: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::object")]
    contact: Option<Entry<'a>>,
    #[serde(deserialize_with = "lenient::object")]
    metadata: Option<Metadata>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Entry<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    phone_number: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    user_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    full_name: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    first_name: Text<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Metadata {
    #[serde(deserialize_with = "lenient::time")]
    timestamp: Option<u64>,
}

/// Reads an element of `state_sync`. What an address book says is an import: it names people, and proves nothing.
pub fn read(raw: &RawValue, scene: &Scene, batch: &mut Batch) {
    let Some(found) = lenient::read::<Payload>(raw) else {
        return batch.malformed("state_sync", "it is not an object");
    };
    match (found.kind.as_deref(), found.action.as_deref()) {
        (Some("contact"), Some("remove")) => return log::debug("skipped a contact removed from the address book"),
        (Some("contact") | None, _) => {}
        (Some(_), _) => return log::info("skipped a `state_sync` element that is not a contact"),
    }
    let Some(entry) = found.contact else { return batch.malformed("state_sync", "it has no `contact`") };
    if entry.phone_number.as_deref().is_some_and(|number| scene.is_business(number)) {
        return log::debug("skipped the business itself in its address book");
    }
    let number = entry.phone_number.as_deref().map(international);
    let Some(key) = number.as_deref().or(entry.user_id.as_deref()) else {
        return batch.malformed("state_sync", "its `contact` has no `phone_number`");
    };
    let Some(at) = found.metadata.and_then(|metadata| metadata.timestamp) else {
        return batch.malformed("state_sync", "it has no `metadata.timestamp`");
    };
    let id = format!("contact:{key}:{}:{at}", found.action.as_deref().unwrap_or("add"));
    let addresses = [(PHONE, number.as_deref()), (USER, entry.user_id.as_deref())];
    let identifiers = addresses
        .into_iter()
        .filter_map(|(scheme, value)| Some(Identifier::attested(Attestation::Imported, scheme, value?)))
        .collect();
    let contact = Contact::new(identifiers).named(entry.full_name.or(entry.first_name));
    batch.push(Event::new(id, at, scene.account, contact, EventBody::ContactUpdated));
}

/// `phone_number` comes as the digits of an international number, sometimes with its plus.
fn international(number: &str) -> String {
    let is_bare = number.bytes().all(|byte| byte.is_ascii_digit());
    if is_bare { format!("+{number}") } else { number.to_owned() }
}
