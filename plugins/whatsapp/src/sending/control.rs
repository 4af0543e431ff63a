//! Who answers a thread: Meta's conversation routing.
//!
//! Meta does not send a webhook for a release, or to the app that takes a thread. The app that asked has to remember it.
//!
//! Source: Meta's "Conversation routing", October 2026.

use rapport_sdk::prelude::*;
use rapport_sdk::sending::ThreadControl;
use serde_json::{Map, Value, json};

use super::limits::METADATA_CHARACTERS_MAX;
use super::recipient::Recipient;
use super::way::{TOKEN, Way};

/// Takes, passes or releases a thread. Not repeatable: somebody else may have it by then.
pub fn change(action: &str, thread: &ThreadControl, way: &Way, steps: &mut Steps<'_>) -> Result<(), Stop> {
    way.require_graph("a thread changes no hands", "change it where it is answered")?;
    way.require(&thread.route.account)?;
    let mut body = Map::new();
    body.insert("messaging_product".into(), "whatsapp".into());
    Recipient::of(&thread.route.to)?.write(&mut body);
    body.insert("action".into(), action.into());
    if let Some(role) = thread.target.as_deref().filter(|_| action == "pass") {
        body.insert("control_pass".into(), json!({ "target_role": role }));
    }
    if let Some(metadata) = thread.metadata.as_deref() {
        let found = metadata.chars().count();
        if found > METADATA_CHARACTERS_MAX {
            let why = format!(
                "`metadata` has {found} characters, at most {METADATA_CHARACTERS_MAX} are taken; fix: shorten it"
            );
            return Err(Failure::UnsupportedContent(why).into());
        }
        body.insert("metadata".into(), metadata.into());
    }
    let request = Request::post(way.graph()).segment(&thread.route.account).path("/thread_control").bearer(TOKEN);
    way.success(steps.perform(request.json(&Value::Object(body)))?)?;
    Ok(())
}
