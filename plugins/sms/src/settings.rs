//! The settings of a connection, as `connector.toml` describes them.

use rapport_sdk::lenient;
use serde::Deserialize;

/// The settings.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "kebab-case")]
pub struct Settings {
    account_sids: Option<Vec<lenient::Id>>,
}

impl Settings {
    /// Whether events of this account belong to the connection. One that is not named is the one whose token signed.
    pub fn takes(&self, account_sid: Option<&str>) -> bool {
        let is_listed = |sids: &Vec<lenient::Id>, sid: &str| sids.iter().any(|id| id.0.eq_ignore_ascii_case(sid));
        match (&self.account_sids, account_sid) {
            (Some(sids), Some(sid)) => is_listed(sids, sid),
            _ => true,
        }
    }
}
