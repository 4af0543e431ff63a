//! What the routes of the API share. One for each process.

use crate::api_keys::ApiKeys;
use crate::authorisation::CallerState;
use crate::people::People;

/// The API.
pub struct Api {
    pub people: People,
    pub keys: ApiKeys,
    /// What is remembered of who called.
    pub callers: CallerState,
}
