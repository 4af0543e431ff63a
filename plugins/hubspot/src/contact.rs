//! What happens to a contact record: made, changed, merged, deleted, restored, erased.

use rapport_sdk::prelude::*;

use crate::batch::Batch;
use crate::change::{Change, kebab};
use crate::payload::ids;
use crate::property;

#[derive(Clone, Copy)]
enum Reading {
    Updated,
    Property,
    Merged,
    Erased,
    Other(&'static str),
}

/// HubSpot's words for what can happen to a contact, in the order of its subscription types, October 2026.
const ACTIONS: &[(&str, Reading)] = &[
    // A record was made.
    ("creation", Reading::Updated),
    // The same in HubSpot's published OpenAPI description.
    ("create", Reading::Updated),
    // A record was moved to the bin, where it can be restored: no demand of the person.
    ("deletion", Reading::Other("com.hubspot.contact-deleted")),
    // Several records became one.
    ("merge", Reading::Merged),
    // One property has another value.
    ("propertyChange", Reading::Property),
    // A record came back from the bin.
    ("restore", Reading::Other("com.hubspot.contact-restored")),
    // Deleted for good, because the law demands it.
    ("privacyDeletion", Reading::Erased),
];

pub fn read(change: &Change, action: &str, batch: &mut Batch) {
    let known = ACTIONS.iter().find(|(name, _)| name.eq_ignore_ascii_case(action));
    if let Some((_, Reading::Merged)) = known {
        return merge(change, batch);
    }
    let Some(id) = change.found.object_id.as_deref() else { return batch.malformed("it has no `objectId`") };
    let contact = change.contact(id);
    batch.push(match known.map(|(_, reading)| *reading) {
        Some(Reading::Property) => {
            let (contact, body) = property::read(change, contact);
            let name = change.found.property_name.as_deref().unwrap_or_default();
            change.explain(change.event(&[id, name], contact, body))
        }
        Some(Reading::Erased) => change.explain(change.event(&[id], contact, EventBody::ContactErased)),
        Some(Reading::Other(name)) => change.event(&[id], contact, change.other(name)),
        Some(Reading::Updated | Reading::Merged) => {
            change.explain(change.event(&[id], contact, EventBody::ContactUpdated))
        }
        None => {
            log::info("kept an unknown change of a contact as it came");
            change.event(&[id], contact, change.other(&format!("com.hubspot.contact.{}", kebab(action))))
        }
    });
}

/// One event for each record that is no more. The survivor is the new record, where the merge made one.
fn merge(change: &Change, batch: &mut Batch) {
    let found = change.found;
    let primary = found.primary_object_id.as_deref();
    let Some(survivor) = found.new_object_id.as_deref().or(primary).or(found.object_id.as_deref()) else {
        return batch.malformed("it is a merge without `newObjectId`, `primaryObjectId` and `objectId`");
    };
    let mut gone = Vec::new();
    for (index, id) in found.merged_object_ids.map(ids).unwrap_or_default().into_iter().enumerate() {
        match id {
            Some(id) => gone.push(id),
            None => batch.malformed(&format!("`mergedObjectIds[{index}]` is not an id")),
        }
    }
    gone.extend(primary.map(str::to_owned));
    let mut told: Vec<String> = vec![survivor.to_owned()];
    for old in gone {
        if told.contains(&old) {
            continue;
        }
        // The ids are HubSpot's own, and so is the word that one of them took the other's place.
        let replacement = Replacement { old: change.record(&old), new: change.record(survivor) };
        let body = EventBody::IdentifierReplaced(replacement);
        batch.push(change.explain(change.event(&[survivor, &old], change.contact(survivor), body)));
        told.push(old);
    }
    if told.len() == 1 {
        let body = change.other("com.hubspot.contact-merged");
        batch.push(change.event(&[survivor], change.contact(survivor), body));
    }
}
