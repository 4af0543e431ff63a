//! Who the customer is, by the places that a mapping names.

use rapport_sdk::prelude::*;
use rapport_sdk::time_zone;
use serde_json::value::RawValue;

use crate::pointer;
use crate::settings::{Identity, Mapping};

/// The customer of a mapping; none if the body has none of their addresses.
pub fn find(body: &RawValue, mapping: &Mapping) -> Option<Contact> {
    let mut identifiers: Vec<Identifier> = Vec::new();
    for identifier in mapping.identifiers.iter().filter_map(|identity| address(body, identity)) {
        // Several places can hold one address.
        if !identifiers.contains(&identifier) {
            identifiers.push(identifier);
        }
    }
    if identifiers.is_empty() {
        return None;
    }
    let parts: Vec<String> = mapping.display_name.iter().filter_map(|place| pointer::text(body, place)).collect();
    let mut contact = Contact::new(identifiers).named(Some(parts.join(" ")).filter(|name| !name.is_empty()));
    contact.locale = mapping.locale.as_deref().and_then(|place| pointer::text(body, place));
    let zone = mapping.time_zone.as_deref().and_then(|place| pointer::text(body, place));
    contact.time_zone = zone.and_then(|zone| time_zone::iana(&zone)).map(str::to_owned);
    let found = |(name, place): (&String, &String)| Some((name.clone(), pointer::find(body, place)?.get().to_owned()));
    contact.traits = mapping.traits.iter().filter_map(found).collect();
    Some(contact)
}

fn address(body: &RawValue, identity: &Identity) -> Option<Identifier> {
    let text = pointer::text(body, &identity.value)?;
    // `Ada Lovelace <ada@example.com>` is for the host to read.
    let identifier = Identifier::attested(identity.attestation.into(), &identity.scheme, text);
    Some(match &identity.scope {
        Some(scope) => identifier.within(scope),
        None => identifier,
    })
}
