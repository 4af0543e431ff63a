//! A contact and a company, a deal, a ticket or another contact were associated, or are no more.

use crate::batch::Batch;
use crate::change::{Change, is_contact};
use crate::payload::Text;

/// Reads an `associationChange` of an `object`. If neither side is a contact, nobody is concerned.
pub fn read(change: &Change, object: &str, batch: &mut Batch) {
    let found = change.found;
    let text = |field: &'_ Text| field.as_deref().unwrap_or_default().to_owned();
    let (from, to) = sides(change, object);
    let id = match (from, to) {
        (true, _) => found.from_object_id.as_deref().or(found.object_id.as_deref()),
        (false, true) => found.to_object_id.as_deref(),
        (false, false) => return batch.skip(change.kind),
    };
    let Some(id) = id else { return batch.malformed("it is an association without the id of its contact") };
    let association = found.association_type_id.as_deref().or(found.association_type.as_deref()).unwrap_or_default();
    let removed = if found.association_removed { "removed" } else { "added" };
    let parts = [&text(&found.from_object_id), &text(&found.to_object_id), association, removed];
    let body = change.other("com.hubspot.contact-association-changed");
    batch.push(change.event(&parts, change.contact(id), body));
}

/// Whether the first and the second object are contacts: by their types, else by `CONTACT_TO_COMPANY`, else the first
/// by the name of the subscription.
fn sides(change: &Change, object: &str) -> (bool, bool) {
    let found = change.found;
    let names = found.association_type.as_deref().and_then(|names| names.split_once("_TO_"));
    let (from, to) = names.unwrap_or((object, ""));
    (is_contact(&found.from_object_type_id, from), is_contact(&found.to_object_type_id, to))
}
