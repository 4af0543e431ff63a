//! The settings of a connection, as `connector.toml` describes them.

use std::collections::BTreeMap;

use rapport_sdk::lenient;
use serde::Deserialize;

/// The version of Meta's Graph API that requests go to. Meta serves each for about two years.
///
/// Source: Meta's "Graph API changelog", read in November 2026.
const GRAPH_VERSION: &str = "v25.0";
/// What stands on the button that opens a list, if nobody says it.
const LIST_BUTTON: &str = "Options";

/// The settings.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "kebab-case")]
pub struct Settings {
    phone_number_ids: Option<Vec<lenient::Id>>,
    graph_version: Option<String>,
    business_account_id: Option<lenient::Id>,
    list_button: Option<String>,
    pub aws: Option<Aws>,
}

/// Sending by way of AWS End User Messaging Social.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Aws {
    pub region: String,
    /// AWS's id or ARN of each phone number, by Meta's id.
    pub phone_numbers: BTreeMap<String, String>,
    /// AWS's id or ARN of the WhatsApp Business Account.
    pub business_account: Option<String>,
}

impl Settings {
    /// Whether this phone number belongs to the connection.
    pub fn takes(&self, phone_number_id: &str) -> bool {
        self.phone_number_ids.as_ref().is_none_or(|ids| ids.iter().any(|id| id.0 == phone_number_id))
    }

    /// Such as `v25.0`.
    pub fn graph_version(&self) -> &str {
        self.graph_version.as_deref().unwrap_or(GRAPH_VERSION)
    }

    /// The id of the WhatsApp Business Account.
    pub fn business_account_id(&self) -> Option<&str> {
        self.business_account_id.as_ref().map(|id| id.0.as_str())
    }

    /// What stands on the button that opens a list.
    pub fn list_button(&self) -> &str {
        self.list_button.as_deref().unwrap_or(LIST_BUTTON)
    }
}
