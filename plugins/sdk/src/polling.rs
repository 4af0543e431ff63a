//! Polling: for a provider that calls no webhook.

use crate::Context;
pub use crate::bindings::polling::exports::rapport::connector::polling::{Batch, Step};
use crate::http::Exchange;

/// Pulls what is new. Implement it on the connector's unit struct, then name `polling` in [`export!`](crate::export).
pub trait Polling {
    /// Called again from the start after each step; `history` holds what came of all requests so far, in order.
    /// [`steps::poll`](crate::steps::poll) keeps the place in it. `cursor` is what the last batch said.
    ///
    /// Pure: the same arguments give the same step, for ever.
    fn poll(cx: &Context, cursor: Option<&str>, history: &[Exchange]) -> Step;
}
