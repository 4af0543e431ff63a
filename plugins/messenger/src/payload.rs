//! The shapes around what the platform's own reader takes: an entry of a Page, and the settings of a connection.

use rapport_sdk::lenient;
use serde::Deserialize;

pub use rapport_meta::messaging::Entry;

/// The settings of a connection, as `connector.toml` describes them.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "kebab-case")]
pub struct Settings {
    pub page_ids: Option<Vec<lenient::Id>>,
    pub app_ids: Vec<lenient::Id>,
}
