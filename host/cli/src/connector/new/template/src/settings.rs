//! The settings of a connection, as `[config]` of connector.toml describes them. The host has checked them by that.

use serde::Deserialize;

/// The settings.
#[derive(Deserialize, Default)]
#[serde(default)]
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
