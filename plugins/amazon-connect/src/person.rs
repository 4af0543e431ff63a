//! Whose a contact is: the endpoint that the channel delivered, then what contact attributes say, then a customer id.

use rapport_sdk::prelude::*;

use crate::payload::{Endpoint, Record};
use crate::settings::Settings;

const PHONE: &str = "phone";
const EMAIL: &str = "email";
/// The id that a flow looked up, in the business's own words.
const CUSTOMER: &str = "amazon-connect.customer";
/// A chain of contacts of which nothing says whose it is.
const NOBODY: &str = "amazon-connect.contact";

/// Bytes of the longest identifier that the host takes. An attribute can be longer.
const IDENTIFIER_BYTES_MAX: usize = 512;

/// Digits of the shortest telephone number: an emergency call, a short code. `anonymous` has none.
const DIGITS_MIN: usize = 3;

/// What scope the identifiers of an instance have, and what the operator says of attributes.
pub struct Place<'a> {
    /// The account of the events.
    pub instance: &'a str,
    pub settings: &'a Settings,
}

/// The customer, whom something names.
pub fn named(record: &Record, place: &Place) -> Option<Contact> {
    let mut found: Vec<Identifier> = Vec::new();
    found.extend(record.customer_endpoint.as_ref().and_then(|endpoint| address(endpoint, record)));
    for identifier in attributes(record, place.settings) {
        if !found.iter().any(|known| known.scheme == identifier.scheme && known.value == identifier.value) {
            found.push(identifier);
        }
    }
    let customer = record.customer_id.as_deref().and_then(|id| usable(CUSTOMER, id));
    found.extend(customer.map(|id| Identifier::attested(Attestation::Imported, CUSTOMER, id).within(place.instance)));
    (!found.is_empty()).then(|| Contact::new(found))
}

/// The customer, or the chain of contacts in the place of one who is not named.
pub fn anybody(record: &Record, place: &Place) -> Option<Contact> {
    let nobody = || {
        let id = usable(NOBODY, record.first_id()?)?;
        Some(Contact::new(vec![Identifier::provider(NOBODY, id).within(place.instance)]))
    };
    named(record, place).or_else(nobody)
}

/// What the channel says of the customer. Other types of endpoints are the business's own, or nobody's.
fn address(endpoint: &Endpoint, record: &Record) -> Option<Identifier> {
    let scheme = match endpoint.kind.as_deref()?.to_ascii_uppercase().as_str() {
        "TELEPHONE_NUMBER" => PHONE,
        "EMAIL_ADDRESS" => EMAIL,
        _ => return None,
    };
    let value = usable(scheme, endpoint.address.as_deref()?)?;
    Some(Identifier::attested(attestation(record), scheme, value))
}

/// A telephone network delivers a caller's number, which it does not check. The sender of a mail is what its header says,
/// and a record does not tell whether that was proven. What goes out has the same word as what comes in, so that a
/// conversation stays whole. The endpoint of a task is what whoever made the task entered.
fn attestation(record: &Record) -> Attestation {
    let is_task = record.channel.as_deref().is_some_and(|channel| channel.eq_ignore_ascii_case("TASK"));
    if is_task { Attestation::Imported } else { Attestation::Claimed }
}

/// What the operator's attributes say, where a reply can go first.
fn attributes(record: &Record, settings: &Settings) -> Vec<Identifier> {
    let mut found: Vec<Identifier> = settings
        .identifiers
        .iter()
        .filter_map(|(name, source)| {
            let value = usable(source.scheme(), &record.attribute(name)?)?;
            Some(Identifier::attested(source.attestation(), source.scheme(), value))
        })
        .collect();
    found.sort_by_key(|identifier| match identifier.scheme.as_str() {
        EMAIL => 0,
        PHONE => 1,
        _ => 2,
    });
    found
}

/// A value that can be an address of this scheme.
fn usable(scheme: &str, value: &str) -> Option<String> {
    let value = lenient::trim(value);
    let is_address = match scheme {
        EMAIL => {
            let parts = value.rsplit_once('@');
            let is_whole = parts.is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
            is_whole && !value.contains(char::is_whitespace)
        }
        PHONE => value.bytes().filter(u8::is_ascii_digit).count() >= DIGITS_MIN,
        _ => !value.is_empty(),
    };
    (is_address && value.len() <= IDENTIFIER_BYTES_MAX).then(|| value.to_owned())
}
