//! The settings of a connection, as `connector.toml` describes them.

use serde::Deserialize;

/// The settings.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "kebab-case")]
pub struct Settings {
    pub payload: Option<Payload>,
    pub account_id: Option<String>,
    pub clocks_apart_minutes: Option<u64>,
}

/// What a webhook was made for: in Zendesk it is one of both, for good.
///
/// Only the operator can say it. Zendesk escapes nothing that it puts into a template, so a customer can make the payload of
/// a trigger look like an event to the last name.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Payload {
    /// "Zendesk events": Zendesk writes each itself.
    Events,
    /// "Trigger or automation": the template of an administrator, and in it what customers wrote.
    Triggers,
}
