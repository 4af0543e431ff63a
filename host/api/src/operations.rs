//! What is asked and done by whoever looks after the service.
//!
//! | what | file |
//! |---|---|
//! | other rules of identity, tried out | [`rules`] |
//! | an endpoint that leads nowhere is brought back to its profile | [`repair`] |
//! | who called, and with which keys one may | `audit` |

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
