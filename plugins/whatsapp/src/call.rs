//! Voice calls: `calls[]`, and the statuses of type `call`.

use rapport_meta::{Batch, Text};
use rapport_sdk::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::identity::Person;
use crate::reference::CALLBACK_DATA;
use crate::scene::Scene;
use crate::status::ERRORS;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    event: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    direction: Text<'a>,
    /// `COMPLETED`, or in an array of one as Meta's reference writes it.
    #[serde(borrow)]
    status: Option<&'a RawValue>,
    /// Why it failed.
    #[serde(borrow, deserialize_with = "lenient::list")]
    errors: Vec<&'a RawValue>,
    #[serde(deserialize_with = "lenient::time")]
    timestamp: Option<u64>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    from: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    from_user_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    from_parent_user_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    to: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    to_user_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    to_parent_user_id: Text<'a>,
    #[serde(deserialize_with = "lenient::integer")]
    duration: Option<u64>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    biz_opaque_callback_data: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    cta_payload: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    deeplink_payload: Text<'a>,
}

/// Extension: what the business put behind the button or link that started the call.
const CALL: &str = "com.whatsapp.call";

/// Meta's words for the ringing of a call that the business made, October 2026.
const STATES: &[(&str, CallState)] = &[("RINGING", CallState::Ringing), ("ACCEPTED", CallState::Answered)];

/// Reads an element of `calls`.
pub fn read(raw: &RawValue, scene: &Scene, batch: &mut Batch) {
    let Some(call) = lenient::read::<Payload>(raw) else { return batch.malformed("calls", "it is not an object") };
    let Some(id) = call.id.as_deref() else { return batch.malformed("calls", "it has no `id`") };
    let Some(word) = call.event.as_deref() else { return batch.malformed("calls", "it has no `event`") };
    let Some(at) = call.timestamp else { return batch.malformed("calls", "it has no `timestamp`") };
    let initiator = call.initiator(scene);
    let person = match initiator {
        Author::Customer => Person::new(&[&call.from_user_id, &call.from_parent_user_id, &call.from]),
        _ => Person::new(&[&call.to_user_id, &call.to_parent_user_id, &call.to]),
    };
    let Some(contact) = person.without_business(scene).pair(scene).contact() else {
        return batch.malformed("calls", "it names no user");
    };
    let body = EventBody::Call(Call {
        id: id.into(),
        state: call.state(word),
        initiator,
        duration: call.duration.and_then(|seconds| u32::try_from(seconds).ok()),
        recording: None,
    });
    let mut event = Event::new(format!("{id}:{word}"), at, scene.account, contact, body);
    event.extensions = call.extensions();
    batch.push(event);
}

/// What a status of type `call` says. There is one only for calls that the business made.
pub fn state_of(id: &str, word: &str) -> EventBody {
    let known = STATES.iter().find(|(name, _)| *name == word);
    let state = known.map_or_else(|| CallState::Other(word.to_ascii_lowercase()), |(_, state)| state.clone());
    EventBody::Call(Call { id: id.into(), state, initiator: Author::Agent, duration: None, recording: None })
}

impl Payload<'_> {
    /// `direction`, or who the sender is where an early payload has none.
    fn initiator(&self, scene: &Scene) -> Author {
        match self.direction.as_deref() {
            Some("USER_INITIATED") => Author::Customer,
            Some("BUSINESS_INITIATED") => Author::Agent,
            _ if self.from.as_deref().is_some_and(|from| scene.is_business(from)) => Author::Agent,
            _ => Author::Customer,
        }
    }

    fn status(&self) -> Option<String> {
        let raw = self.status?;
        let sole = lenient::list(&mut serde_json::Deserializer::from_str(raw.get())).unwrap_or_default();
        let word = if raw.get().starts_with('[') { *sole.first()? } else { raw };
        lenient::read::<lenient::Id>(word).map(|word| word.0)
    }

    /// A call that nobody answered terminates with `FAILED`.
    fn state(&self, event: &str) -> CallState {
        match (event, self.status().as_deref()) {
            ("connect", _) => CallState::Ringing,
            ("terminate", Some("FAILED")) => CallState::Missed,
            ("terminate", Some("COMPLETED") | None) => CallState::Ended,
            ("terminate", Some(status)) => CallState::Other(status.to_ascii_lowercase()),
            (other, _) => CallState::Other(other.to_ascii_lowercase()),
        }
    }

    fn extensions(&self) -> Extensions {
        #[derive(Serialize)]
        struct Origin<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            cta_payload: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            deeplink_payload: Option<&'a str>,
        }
        let (cta_payload, deeplink_payload) = (self.cta_payload.as_deref(), self.deeplink_payload.as_deref());
        let mut extensions = Extensions::new();
        if cta_payload.is_some() || deeplink_payload.is_some() {
            extensions.push((CALL.into(), rapport_sdk::event::json(&Origin { cta_payload, deeplink_payload })));
        }
        if let Some(data) = &self.biz_opaque_callback_data {
            extensions.push((CALLBACK_DATA.into(), rapport_sdk::event::json(data)));
        }
        if !self.errors.is_empty() {
            extensions.push((ERRORS.into(), rapport_sdk::event::json(&self.errors)));
        }
        extensions
    }
}
