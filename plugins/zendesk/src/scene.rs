//! What every reader needs besides the body.

use std::cell::RefCell;

use rapport_sdk::prelude::*;

use crate::settings::Settings;

/// What a reader needs besides the body.
pub struct Scene<'a> {
    pub settings: &'a Settings,
    /// The account of a payload that does not say its own.
    pub connection: &'a str,
    /// When Zendesk signed the request, as it wrote it.
    pub signed_at: &'a str,
    /// What could not be read.
    pub unread: RefCell<Unread>,
}
