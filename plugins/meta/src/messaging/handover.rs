//! Who holds a conversation: `pass_thread_control` and `take_thread_control`.

use rapport_sdk::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::STANDBY;
use super::scene::Scene;
use crate::{Batch, Text, verbatim};

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    new_owner_app_id: Text<'a>,
}

/// Extension: all that Meta says of the handover, such as the previous owner and a note.
const HANDOVER: &str = "handover";

/// Meta tells the app that the conversation was passed to.
pub(super) fn passed(raw: &RawValue, scene: &Scene, batch: &mut Batch) {
    let payload: Payload = lenient::read(raw).unwrap_or_default();
    let is_told = scene.array != STANDBY && scene.connection.apps.is_empty();
    let owner = match payload.new_owner_app_id.as_deref() {
        Some(app) => owner(app, scene).or(is_told.then_some(Controller::Automation)),
        None => (scene.array != STANDBY).then_some(Controller::Automation),
    };
    report("pass", raw, owner, scene, batch);
}

/// Meta tells the app that the conversation was taken from.
pub(super) fn taken(raw: &RawValue, scene: &Scene, batch: &mut Batch) {
    let payload: Payload = lenient::read(raw).unwrap_or_default();
    let owner = payload.new_owner_app_id.as_deref().and_then(|app| owner(app, scene));
    report("take", raw, owner, scene, batch);
}

/// In an inbox people answer, in an app of the connection a machine does. None for an app of others.
fn owner(app: &str, scene: &Scene) -> Option<Controller> {
    if scene.connection.is_inbox(app) {
        return Some(Controller::Agent);
    }
    scene.connection.is_own(app).then_some(Controller::Automation)
}

fn report(kind: &str, raw: &RawValue, owner: Option<Controller>, scene: &Scene, batch: &mut Batch) {
    let Some(id) = scene.id_of("handover", Some(kind)) else { return batch.malformed(scene.array, "it has no time") };
    let mut event = scene.event(id, EventBody::Control(Control::held_by(owner.unwrap_or(Controller::OtherApp))));
    event.extensions.push((scene.extension(HANDOVER), verbatim(raw)));
    batch.push(event);
}
