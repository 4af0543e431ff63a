//! Who holds a conversation: `messaging_handovers`.

use rapport_meta::{Batch, Text, verbatim};
use rapport_sdk::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::identity::Person;
use crate::scene::Scene;

/// The value of the field; the user is the sender, the business number the recipient.
///
/// Source: payloads in open-source integrations, September 2026; Meta's reference has no sample.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload<'a> {
    #[serde(deserialize_with = "lenient::time")]
    timestamp: Option<u64>,
    #[serde(borrow, deserialize_with = "lenient::object")]
    sender: Option<User<'a>>,
    #[serde(borrow)]
    control_passed: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct User<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    user_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    wa_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    phone_number: Text<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ControlPassed<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    new_owner_role: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    previous_owner_role: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    previous_owner_app_role: Text<'a>,
}

/// Extension: all that Meta says of the handover, such as the previous owner and a note.
const HANDOVER: &str = "com.whatsapp.handover";

/// The roles of Meta's Business Agent and of the people it passes a conversation to, September 2026.
const OWNERS: &[(&str, Controller)] = &[
    // Meta's Business Agent.
    ("ai_agent", Controller::Automation),
    ("meta_business_agent", Controller::Automation),
    // The business's own inbox.
    ("escalation", Controller::Agent),
    ("business_app", Controller::Agent),
];

/// Reads the value of `messaging_handovers`.
pub fn read(raw: &RawValue, scene: &Scene, batch: &mut Batch) {
    let found: Payload = lenient::read(raw).unwrap_or_default();
    let user = found.sender.unwrap_or_default();
    let person = Person::new(&[&user.user_id, &user.wa_id, &user.phone_number]).without_business(scene).pair(scene);
    let owner = found.control_passed.and_then(|passed| new_owner(&lenient::read(passed)?));
    let (Some(key), Some(contact), Some(at), Some(owner)) = (person.key(), person.contact(), found.timestamp, owner)
    else {
        return batch.malformed("changes", "its `value` does not say who holds which conversation when");
    };
    let event = Event::new(
        format!("handover:{key}:{at}"),
        at,
        scene.account,
        contact,
        EventBody::Control(Control::held_by(owner)),
    );
    let details = found.control_passed.map(verbatim);
    batch.push(Event { extensions: details.map(|details| (HANDOVER.into(), details)).into_iter().collect(), ..event });
}

/// The new owner, or whoever the previous owner was not: a conversation has two sides.
fn new_owner(passed: &ControlPassed) -> Option<Controller> {
    let role_of = |word: &Text| OWNERS.iter().find(|(name, _)| word.as_deref() == Some(name)).map(|(_, owner)| *owner);
    if passed.new_owner_role.is_some() {
        return Some(role_of(&passed.new_owner_role).unwrap_or(Controller::OtherApp));
    }
    match role_of(&passed.previous_owner_role).or_else(|| role_of(&passed.previous_owner_app_role))? {
        Controller::Automation => Some(Controller::Agent),
        Controller::Agent => Some(Controller::Automation),
        Controller::OtherApp => None,
    }
}
