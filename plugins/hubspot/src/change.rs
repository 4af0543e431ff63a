//! One element of the batch: what changed, in which account, and who reads it.

use rapport_sdk::prelude::*;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::batch::Batch;
use crate::payload::{Notification, Text, element};
use crate::settings::Settings;
use crate::{association, contact, conversation};

const CONTACT: &str = "hubspot";

/// HubSpot's object type of contacts. Others are 0-2 company, 0-3 deal, 0-5 ticket, 0-7 product, 0-8 line item.
const CONTACT_TYPE_ID: &str = "0-1";

/// Extension of an event whose body says nothing of how it came about.
const CHANGE: &str = "com.hubspot.change";

/// An element with all that every event needs.
pub struct Change<'a> {
    pub raw: &'a RawValue,
    pub found: &'a Notification<'a>,
    pub portal: &'a str,
    /// `contact.propertyChange`
    pub kind: &'a str,
    /// 0: HubSpot said no time.
    pub at: u64,
}

pub fn read(raw: &RawValue, settings: &Settings, batch: &mut Batch) {
    let Some(found) = lenient::read::<Notification>(raw) else { return batch.malformed("it is not an object") };
    let Some(kind) = found.subscription_type.as_deref().or(found.event_type.as_deref()) else {
        return batch.malformed("it has no `subscriptionType`");
    };
    let Some(portal) = found.portal_id.as_deref() else { return batch.malformed("it has no `portalId`") };
    if !settings.takes(portal) {
        return batch.count_foreign();
    }
    batch.count_ours();
    if found.occurred_at.is_none() && found.event_id.is_none() {
        return batch.malformed("it has no `occurredAt` and no `eventId`");
    }
    let change = Change { raw, found: &found, portal, kind, at: found.occurred_at.unwrap_or(0) };
    let (object, action) = kind.rsplit_once('.').unwrap_or(("", kind));
    if object.eq_ignore_ascii_case("conversation") {
        conversation::read(&change, action, batch);
    } else if action.eq_ignore_ascii_case("associationChange") {
        association::read(&change, object, batch);
    } else if is_contact(&found.object_type_id, object) {
        contact::read(&change, action, batch);
    } else {
        batch.skip(kind);
    }
}

/// Whether an object is a contact: by its type, which the generic `object.*` names only there, else by its name.
pub fn is_contact(type_id: &Text, name: &str) -> bool {
    let is_name = |name: &str| name.eq_ignore_ascii_case("contact");
    type_id.as_deref().map_or_else(|| is_name(name), |id| id == CONTACT_TYPE_ID || is_name(id))
}

impl Change<'_> {
    /// An event about `contact`. `parts` are what tells it from others of the same element and the same instant.
    ///
    /// HubSpot's `eventId` is not unique by itself, and `attemptNumber` is another one on each redelivery.
    pub fn event(&self, parts: &[&str], contact: Contact, body: EventBody) -> Event {
        let text = |field: &Text| field.as_deref().unwrap_or_default().to_owned();
        let (subscription, event) = (text(&self.found.subscription_id), text(&self.found.event_id));
        let mut id = format!("{}:{subscription}:{event}:{}:{}", self.portal, self.at, self.kind);
        for part in parts {
            id.push(':');
            id.push_str(part);
        }
        Event::new(id, self.at, self.portal, contact, body)
    }

    /// The contact record with this id.
    pub fn contact(&self, object_id: &str) -> Contact {
        Contact::new(vec![self.record(object_id)])
    }

    /// The address of a contact record: HubSpot's own id, in a webhook that it signed. What stands in the record proves
    /// nobody's identity.
    pub fn record(&self, object_id: &str) -> Identifier {
        Identifier::provider(CONTACT, object_id).within(self.portal)
    }

    /// An event that has no body of its own in the contract: a name of ours, the element as it came.
    pub fn other(&self, name: &str) -> EventBody {
        EventBody::Other((name.into(), element(self.raw)))
    }

    /// Adds how the change came about.
    pub fn explain(&self, event: Event) -> Event {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Details<'d> {
            subscription_type: &'d str,
            #[serde(skip_serializing_if = "Option::is_none")]
            property_name: Option<&'d str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            change_source: Option<&'d str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            source_id: Option<&'d str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            change_flag: Option<&'d str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            number_of_properties_moved: Option<u64>,
        }
        let found = self.found;
        let details = Details {
            subscription_type: self.kind,
            property_name: found.property_name.as_deref(),
            change_source: found.change_source.as_deref(),
            source_id: found.source_id.as_deref(),
            change_flag: found.change_flag.as_deref(),
            number_of_properties_moved: found.number_of_properties_moved,
        };
        event.extended(CHANGE, &details)
    }
}

/// A provider's word in our spelling: `newMessage` is `new-message`.
pub fn kebab(word: &str) -> String {
    /// Longer than any of HubSpot's words.
    const LENGTH_MAX: usize = 64;
    let mut kebab = String::new();
    for character in word.chars().take(LENGTH_MAX) {
        let is_letter = character.is_ascii_alphanumeric();
        if (character.is_ascii_uppercase() || !is_letter) && !kebab.is_empty() && !kebab.ends_with('-') {
            kebab.push('-');
        }
        kebab.extend(is_letter.then(|| character.to_ascii_lowercase()));
    }
    kebab
}
