//! The settings of a connection, as `connector.toml` describes them.

use serde::Deserialize;

/// The settings.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Settings {
    pub organization_id: String,
}
