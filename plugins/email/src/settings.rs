//! The settings of a connection, as `connector.toml` describes them.

use serde::Deserialize;

/// The settings.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Settings {
    pub provider: Provider,
    #[serde(default)]
    pub topic_arns: Vec<String>,
    #[serde(default)]
    pub addresses: Vec<String>,
    /// Whether Mailgun's spam filter is on for the domain, and with it its own verdict on SPF.
    #[serde(default)]
    pub spam_filter: bool,
}

#[derive(Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    Ses,
    Sendgrid,
    Mailgun,
    Postmark,
}
