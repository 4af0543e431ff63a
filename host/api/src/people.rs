//! Questions and decisions about people.
//!
//! | what | file |
//! |---|---|
//! | who a customer is and what was said | [`answer`] |
//! | links that people make and undo, and why two identifiers are one person | [`links`] |
//! | suggestions and conflicts that wait for a person's decision | [`review`] |
//! | the erasure of a person | [`erasure`] |
//! | the export of everything about a person | [`export`] |

pub mod answer;
pub mod erasure;
pub mod export;
pub mod links;
mod merged_logs;
pub mod review;
mod shortened_event;
pub mod views;

use std::sync::Arc;

use axum::extract::FromRef;
use rapport_model::Timestamp;
use rapport_store::Table;

use crate::state::Api;

/// What these use cases share.
#[derive(Clone)]
pub struct People {
    pub table: Table,
    /// Whose parked webhooks an erasure searches.
    pub connections: Arc<[String]>,
    /// Our clock: milliseconds since the epoch.
    pub now: fn() -> Timestamp,
}

impl FromRef<Arc<Api>> for People {
    fn from_ref(api: &Arc<Api>) -> Self {
        api.people.clone()
    }
}
