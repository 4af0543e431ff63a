//! What happened to a user. Agents and administrators are users, too; they are no customers.

use rapport_sdk::prelude::*;

use crate::envelope::{Envelope, user};
use crate::payload::{Change, User, text};
use crate::time_zone;

/// Trait of a field that changed: `com.zendesk.` and its name.
const TRAIT: &str = "com.zendesk.";

/// Reads a `user.*`.
pub fn read(envelope: &Envelope) -> Result<Vec<Event>, Rejection> {
    let detail: User = envelope.root.detail.and_then(lenient::read).unwrap_or_default();
    let change: Change = envelope.root.event.and_then(lenient::read).unwrap_or_default();
    let Some(id) = detail.id.as_deref().or(envelope.subject_id()) else {
        return Err(Rejection::Malformed("expected a user: `detail.id`, or `subject`, found neither".into()));
    };
    if is_staff(&detail) {
        log::info("skipped an event about a member of the staff");
        return Ok(Vec::new());
    }
    let contact = contact(envelope, id, &detail);
    Ok(vec![match envelope.action {
        "created" => envelope.event(contact, EventBody::ContactUpdated),
        "permanently_deleted" => envelope.event(contact, EventBody::ContactErased),
        "merged" => merged(envelope, id, &change, contact),
        "identity_created" | "identity_changed" => identity(envelope, &change, contact),
        action => match action.strip_suffix("_changed") {
            Some(field) if change.current.is_some() => changed(envelope, field, &change, contact),
            _ => envelope.event(contact, envelope.other("user")),
        },
    }])
}

/// Zendesk's roles are `end-user`, `agent` and `admin`; some events write them with an underscore.
fn is_staff(user: &User) -> bool {
    user.role.as_deref().is_some_and(|role| !role.replace('_', "-").eq_ignore_ascii_case("end-user"))
}

/// What a help desk keeps of a person proves nothing: its addresses link nobody.
fn contact(envelope: &Envelope, id: &str, detail: &User) -> Contact {
    let mut contact = Contact::new(vec![user(envelope.account, id)]).named(detail.name.as_deref());
    add_address(&mut contact, "email", detail.email.as_deref());
    add_address(&mut contact, "phone", detail.phone.as_deref());
    for (name, value) in [("external_id", &detail.external_id), ("organization_id", &detail.organization_id)] {
        // `0` is none.
        if let Some(value) = value.as_deref().filter(|value| *value != "0") {
            contact = contact.with_trait(&format!("{TRAIT}{name}"), value);
        }
    }
    contact
}

fn add_address(contact: &mut Contact, scheme: &str, value: Option<&str>) {
    let value = value.map(str::trim).filter(|value| !value.is_empty());
    let is_new =
        |value: &&str| !contact.identifiers.iter().any(|known| known.scheme == scheme && known.value == *value);
    if let Some(value) = value.filter(is_new) {
        contact.identifiers.push(Identifier::attested(Attestation::Imported, scheme, value));
    }
}

/// A field that says who somebody is becomes that; every field is a trait.
fn changed(envelope: &Envelope, field: &str, change: &Change, mut contact: Contact) -> Event {
    let value = text(change.current);
    match field {
        "name" => contact.display_name = value,
        "time_zone" => contact.time_zone = value.and_then(|zone| time_zone::iana(&zone)),
        "locale" | "language" => contact.locale = value,
        _ => {}
    }
    let custom = change_field(envelope);
    let name = custom.map_or_else(|| format!("{TRAIT}{field}"), |id| format!("{TRAIT}custom_field.{id}"));
    if let Some(current) = change.current {
        // A field of `detail` that changed stands in both.
        contact.traits.retain(|(known, _)| *known != name);
        contact.traits.push((name, current.get().into()));
    }
    envelope.event(contact, EventBody::ContactUpdated)
}

/// The custom field that changed.
fn change_field(envelope: &Envelope) -> Option<String> {
    let event = envelope.root.event.filter(|_| envelope.action == "custom_field_changed")?;
    text(lenient::field(lenient::field(event, "field")?, "id"))
}

/// An address that the user has now.
fn identity(envelope: &Envelope, change: &Change, mut contact: Contact) -> Event {
    let current = change.current.and_then(lenient::read::<crate::payload::Identity>);
    let found = change.identity.as_ref().or(current.as_ref());
    let scheme = match found.and_then(|found| found.kind.as_deref()) {
        Some("email") => Some("email"),
        Some("phone_number" | "phone") => Some("phone"),
        _ => None,
    };
    let Some(scheme) = scheme else { return envelope.event(contact, envelope.other("user")) };
    let value = found.and_then(|found| found.value.as_deref());
    if value.is_none() {
        envelope.add_unread("event.identity", "it has no `value`");
    }
    add_address(&mut contact, scheme, value);
    envelope.event(contact, EventBody::ContactUpdated)
}

/// Two users are one: both ids are Zendesk's own.
fn merged(envelope: &Envelope, id: &str, change: &Change, contact: Contact) -> Event {
    let other = change.user.as_ref().and_then(|other| other.id.as_deref()).filter(|other| *other != id);
    let Some(other) = other else { return envelope.event(contact, envelope.other("user")) };
    let replacement = Replacement { old: user(envelope.account, id), new: user(envelope.account, other) };
    envelope.event(contact, EventBody::IdentifierReplaced(replacement))
}
