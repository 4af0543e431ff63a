//! The settings of a connection, as `connector.toml` describes them.

use rapport_sdk::lenient;
use serde::Deserialize;

/// The settings.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "kebab-case")]
pub struct Settings {
    pub account_ids: Option<Vec<lenient::Id>>,
    pub app_ids: Vec<lenient::Id>,
}
