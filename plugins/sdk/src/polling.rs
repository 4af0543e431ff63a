//! Polling: for a provider that calls no webhook.

use crate::Context;
pub use crate::bindings::polling::exports::rapport::connector::polling::{Batch, Failure, Step};
use crate::http::Exchange;
use crate::sending;

/// Pulls what is new. Implement it on the connector's unit struct, then name `polling` in [`export!`](crate::export).
pub trait Polling {
    /// Called again from the start after each step; `history` holds what came of all requests so far, in order.
    /// [`steps::poll`](crate::steps::poll) keeps the place in it. `cursor` is what the last batch said.
    ///
    /// Pure: the same arguments give the same step, for ever.
    fn poll(cx: &Context, cursor: Option<&str>, history: &[Exchange]) -> Step;
}

impl Batch {
    /// Nothing is new, and the next poll begins at `cursor`.
    pub fn nothing(cursor: Option<String>) -> Self {
        Batch { events: Vec::new(), unread: Vec::new(), cursor, again_in_ms: None }
    }
}

/// What failed a request of a poll. Only a read is repeated, so it does not matter whether it was processed.
impl From<sending::Failure> for Failure {
    fn from(failure: sending::Failure) -> Self {
        match failure {
            sending::Failure::RateLimited(ms) => Self::RateLimited(ms),
            sending::Failure::Account(error) => Self::Account(error),
            sending::Failure::Provider(error) | sending::Failure::Undetermined(error) => Self::Provider(error),
            other => Self::Other(other.describe()),
        }
    }
}
