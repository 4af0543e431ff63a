//! What an operator asks and does.
//!
//! | what | file |
//! |---|---|
//! | try other identity rules | [`rules`] |
//! | repair endpoints that no longer lead to a profile | [`repair`] |
//! | who called the API, and the API keys | `audit` |

pub(crate) mod audit;
pub mod repair;
pub mod rules;

use std::sync::Arc;

use axum::extract::FromRef;
use rapport_model::Timestamp;
use rapport_store::Table;

use crate::people::People;
use crate::state::Api;

/// What these use cases share.
#[derive(Clone)]
pub struct Operations {
    pub table: Table,
    /// Our clock: milliseconds since the epoch.
    pub now: fn() -> Timestamp,
}

impl FromRef<Arc<Api>> for Operations {
    fn from_ref(api: &Arc<Api>) -> Self {
        let People { table, now, .. } = &api.people;
        Self { table: table.clone(), now: *now }
    }
}
