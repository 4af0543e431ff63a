//! What became of the bot: `my_chat_member`.

use rapport_sdk::prelude::*;

use crate::party::Party;
use crate::payload::Fields;
use crate::update::{Found, Scene};

/// All that a customer can allow or forbid: whoever blocks the bot gets nothing from it any more.
const ALL: &[&str] = &["service", "marketing"];

/// What a customer's change of the bot's status says, in Telegram's words. Another status says nothing.
const STATES: &[(&str, ConsentState)] = &[
    // Blocked, or the customer's account is gone.
    ("kicked", ConsentState::Withdrawn),
    // Taken off the block list, or started again.
    ("member", ConsentState::Granted),
];

/// In a private chat consent, in a group news of the group.
pub fn own(fields: &Fields, scene: &Scene) -> Found {
    let party = Party::of(fields).ok_or("it names nobody")?;
    let at = fields.time("date");
    let status = |name: &str| fields.read::<Fields>(name).and_then(|member| member.id("status"));
    let (before, after) = (status("old_chat_member"), status("new_chat_member"));
    let evidence = evidence(before.as_deref(), after.as_deref());
    let state = STATES.iter().find(|(status, _)| Some(*status) == after.as_deref()).map(|(_, state)| *state);
    match state.filter(|_| !party.is_group && before != after) {
        Some(state) => {
            let consent = |purpose: &str| Consent { purpose: purpose.into(), state, evidence: Some(evidence.clone()) };
            let event = |purpose: &&str| scene.part(purpose, at, &party, EventBody::Consent(consent(purpose)));
            Ok(ALL.iter().map(event).collect())
        }
        None => Ok(vec![scene.event(at, &party, EventBody::Other(("my_chat_member".into(), evidence)))]),
    }
}

fn evidence(before: Option<&str>, after: Option<&str>) -> String {
    rapport_sdk::event::json(&serde_json::json!({ "old_status": before, "new_status": after }))
}
