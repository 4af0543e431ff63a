//! The settings of a connection, as `[config]` of connector.toml describes them. The host has checked them by that.

use serde::Deserialize;

/// The settings. A key that is in `[config]` and not here is an error, so that neither can be misspelt.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Empty: every one.
    workspaces: Vec<String>,
}

impl Settings {
    /// Whether webhooks of a workspace belong to the connection.
    pub fn takes(&self, workspace: &str) -> bool {
        self.workspaces.is_empty() || self.workspaces.iter().any(|known| known == workspace)
    }
}
