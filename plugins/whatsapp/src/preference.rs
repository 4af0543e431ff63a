//! A user stops or resumes marketing messages: `user_preferences[]`.

use rapport_meta::{Batch, Text, verbatim};
use rapport_sdk::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::identity::Person;
use crate::scene::Scene;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    user_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    parent_user_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    wa_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    category: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    value: Text<'a>,
    #[serde(deserialize_with = "lenient::time")]
    timestamp: Option<u64>,
}

/// Meta's words for a preference, October 2026.
const STATES: &[(&str, ConsentState)] = &[
    // "Stop" or "Not interested" under a marketing message.
    ("stop", ConsentState::Withdrawn),
    // Taken back.
    ("resume", ConsentState::Granted),
    // Signed up through a sign-up message.
    ("signup", ConsentState::Granted),
];

/// Reads an element of `user_preferences`. It has no id of its own, so one is made of all that tells two apart.
pub fn read(raw: &RawValue, scene: &Scene, batch: &mut Batch) {
    let Some(found) = lenient::read::<Payload>(raw) else {
        return batch.malformed("user_preferences", "it is not an object");
    };
    let person = Person::new(&[&found.user_id, &found.parent_user_id, &found.wa_id]);
    let (Some(key), Some(contact)) = (person.key(), person.pair(scene).contact()) else {
        return batch.malformed("user_preferences", "it names no user");
    };
    let (Some(category), Some(value)) = (found.category.as_deref(), found.value.as_deref()) else {
        return batch.malformed("user_preferences", "it has no `category` or no `value`");
    };
    let Some(at) = found.timestamp else { return batch.malformed("user_preferences", "it has no `timestamp`") };
    let body = match STATES.iter().find(|(name, _)| *name == value) {
        Some((_, state)) => {
            EventBody::Consent(Consent { purpose: purpose(category), state: *state, evidence: Some(verbatim(raw)) })
        }
        None => EventBody::Other(("user-preference".into(), verbatim(raw))),
    };
    let id = format!("preference:{key}:{category}:{value}:{at}");
    batch.push(Event::new(id, at, scene.account, contact, body));
}

fn purpose(category: &str) -> String {
    if category == "marketing_messages" { "marketing".into() } else { category.into() }
}
