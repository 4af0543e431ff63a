//! What the routes of the API share. One for each process.

use std::sync::Arc;

use rapport_store::outbox::wake::Wakes;

use crate::api_keys::ApiKeys;
use crate::authorisation::CallerState;
use crate::people::People;

/// The API.
pub struct Api {
    pub people: People,
    pub keys: ApiKeys,
    /// Names of the connections that can send.
    pub senders: Arc<[String]>,
    /// Whom a message to send wakes.
    pub wakes: Arc<dyn Wakes>,
    /// What is remembered of who called.
    pub callers: CallerState,
}
