//! The settings of a connection, as `connector.toml` describes them.

use rapport_sdk::lenient;
use serde::Deserialize;

/// The settings.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "kebab-case")]
pub struct Settings {
    portal_ids: Option<Vec<lenient::Id>>,
    pub allow_v1: bool,
}

impl Settings {
    /// Whether events of this HubSpot account belong to the connection.
    pub fn takes(&self, portal_id: &str) -> bool {
        self.portal_ids.as_ref().is_none_or(|ids| ids.iter().any(|id| id.0 == portal_id))
    }
}
