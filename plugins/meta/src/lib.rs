//! What the webhooks of Meta's channels share: how a delivery is proven and opened, and the Messenger Platform's events.
//!
//! A library for the connectors of one family, and no connector. [`receive`] is the way of a request of any channel;
//! [`messaging`] reads what Messenger and Instagram have in common. A channel's own words stay in its folder.
//!
//! Source: Meta's documentation of webhooks and of the Messenger Platform, read in October and November 2026.

mod batch;
mod challenge;
mod delivery;
pub mod messaging;
pub mod provider_error;
mod signature;

use std::borrow::Cow;

pub use batch::{Accounts, Batch};
pub use delivery::{Change, Object, entries, entries_of_each, receive, settings};
use serde_json::value::RawValue;

/// A text of a payload, borrowed from it where it can be.
pub type Text<'a> = Option<Cow<'a, str>>;

/// The JSON of `raw` as it came.
pub fn verbatim(raw: &RawValue) -> String {
    raw.get().to_owned()
}
