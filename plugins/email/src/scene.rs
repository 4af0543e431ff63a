//! What every reader of a request needs besides the request.

use crate::settings::Settings;

/// What a reader of a request needs besides the request.
pub struct Scene<'a> {
    pub settings: Settings,
    /// The account of an event whose provider does not say for whom it sent.
    pub connection: &'a str,
    pub now: u64,
}
