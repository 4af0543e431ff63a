//! Events by their ids, and what their metrics are broken down by.

use crate::event::Described;
use crate::log_events::ALL;

/// What a metric is broken down by, if the line has these fields. A reason is one of a dozen words.
pub const DIMENSIONS: &[&str] = &["connection", "reason"];

/// The event with this id.
pub fn described(id: &str) -> Option<&'static Described> {
    ALL.iter().find(|event| event.id == id)
}
