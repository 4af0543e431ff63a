//! Repairs endpoints that no longer lead to a profile.

pub(crate) mod routes;

use rapport_model::{Eid, ProfileId};
use rapport_store::StoreError;
use rapport_store::identity::{Repair, RepairCursor};
use schemars::JsonSchema;
use serde::Serialize;

use crate::operations::Operations;

/// Items of the table that one step looks at when the caller does not say.
pub const ITEMS_DEFAULT: usize = 500;
/// Items of the table that one step looks at. Each endpoint among them takes two reads or three, one after the other: some
/// ten seconds of the 29 that an HTTP API waits.
pub const ITEMS_MAX: usize = 1_000;

/// The result of one step of a repair.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct RepairStep {
    /// The number of endpoints that were checked.
    pub tried: u64,
    /// The endpoints that lead to their profiles again.
    pub mended: Vec<MendedEndpoint>,
    /// The endpoints that could not be repaired. An operator has to look at them.
    pub left: Vec<LeftEndpoint>,
    /// The cursor of the next step; null: this was the last step.
    pub next: Option<String>,
}

/// An endpoint that leads to its profile again.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct MendedEndpoint {
    pub endpoint: Eid,
    pub profile: ProfileId,
}

/// An endpoint that could not be repaired.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct LeftEndpoint {
    pub endpoint: Eid,
    pub reason: String,
}

impl From<Repair> for RepairStep {
    fn from(repair: Repair) -> Self {
        let mended = repair
            .mended
            .into_iter()
            .map(|mended| MendedEndpoint { endpoint: mended.endpoint, profile: mended.profile });
        let left = repair.left.into_iter().map(|(endpoint, reason)| LeftEndpoint { endpoint, reason });
        Self {
            tried: repair.tried,
            mended: mended.collect(),
            left: left.collect(),
            next: repair.next.map(|next| next.to_string()),
        }
    }
}

impl Operations {
    /// One step of a repair: the next `items` items of the table. The service may be in use.
    ///
    /// # Errors
    /// Storage failed: do the same step again.
    pub async fn repair(&self, items: usize, from: Option<&RepairCursor>) -> Result<RepairStep, StoreError> {
        self.table.repair(items, from, (self.now)()).await.map(RepairStep::from)
    }
}
