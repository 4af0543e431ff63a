//! The settings of a connection, as `connector.toml` describes them.

use rapport_sdk::lenient;
use serde::Deserialize;

/// The settings.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "kebab-case")]
pub struct Settings {
    phone_number_ids: Option<Vec<lenient::Id>>,
}

impl Settings {
    /// Whether events of this phone number belong to the connection.
    pub fn takes(&self, phone_number_id: &str) -> bool {
        self.phone_number_ids.as_ref().is_none_or(|ids| ids.iter().any(|id| id.0 == phone_number_id))
    }
}
