//! What is about a customer and has no event of its own: kept as it came.

use rapport_sdk::prelude::*;
use serde_json::value::RawValue;

use super::scene::Scene;
use crate::{Batch, verbatim};

/// Whether the customer's account with the business is linked from now on.
pub(super) fn account_linking(raw: &RawValue, scene: &Scene, batch: &mut Batch) {
    keep("account-linking", raw, scene, batch);
}

pub(super) fn thread_control_requested(raw: &RawValue, scene: &Scene, batch: &mut Batch) {
    keep("thread-control-requested", raw, scene, batch);
}

pub(super) fn app_roles(raw: &RawValue, scene: &Scene, batch: &mut Batch) {
    keep("app-roles", raw, scene, batch);
}

pub(super) fn policy_enforcement(raw: &RawValue, scene: &Scene, batch: &mut Batch) {
    keep("policy-enforcement", raw, scene, batch);
}

/// A whole element of a kind that is not known.
pub(super) fn unknown(raw: &RawValue, scene: &Scene, batch: &mut Batch) {
    keep("messaging", raw, scene, batch);
}

fn keep(name: &str, raw: &RawValue, scene: &Scene, batch: &mut Batch) {
    let Some(id) = scene.id_of(name, None) else { return batch.malformed(scene.array, "it has no time") };
    batch.push(scene.event(id, EventBody::Other((name.into(), verbatim(raw)))));
}
