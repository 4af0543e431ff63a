//! A thread of HubSpot's conversations inbox. The payload says which thread, not whose: the thread is an address of its
//! own, so that nobody is taken for it.

use rapport_sdk::prelude::*;

use crate::batch::Batch;
use crate::change::{Change, kebab};

const THREAD: &str = "hubspot.thread";

/// Reads a `conversation.*`: `creation`, `deletion`, `privacyDeletion`, `propertyChange`, `newMessage`.
pub fn read(change: &Change, action: &str, batch: &mut Batch) {
    let found = change.found;
    let Some(id) = found.object_id.as_deref() else { return batch.malformed("it has no `objectId`") };
    let thread = Contact::new(vec![Identifier::provider(THREAD, id).within(change.portal)]);
    if action.eq_ignore_ascii_case("privacyDeletion") {
        return batch.push(change.explain(change.event(&[id], thread, EventBody::ContactErased)));
    }
    let mut parts = vec![id];
    parts.extend(found.property_name.as_deref());
    parts.extend(found.message_id.as_deref());
    let body = change.other(&format!("com.hubspot.conversation.{}", kebab(action)));
    batch.push(change.event(&parts, thread, body));
}
