//! What every reader needs besides the body.

use rapport_sdk::prelude::*;

use crate::id;

/// What a reader needs besides the body.
pub struct Scene {
    /// The organization, in 18 characters: account of the events, and scope of the identifiers.
    pub organization: String,
}

impl Scene {
    /// Whether an id that a message says is this organization's. One that it does not say is for the reader to judge.
    pub fn is_ours(&self, organization: &str) -> bool {
        id::canonical(organization) == self.organization
    }
}

/// Why nothing is taken from another organization's message.
pub fn foreign() -> Rejection {
    Rejection::Ignored("expected the organization of `organization-id`, found another one".into())
}
