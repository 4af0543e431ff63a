//! The settings of a connection, as `connector.toml` describes them.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The settings.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "kebab-case")]
pub struct Settings {
    /// Hidden field to scheme; none: the usual three.
    pub identifiers: Option<BTreeMap<String, String>>,
    pub about: Option<String>,
    pub questions: BTreeMap<String, Question>,
}

/// What the operator says of one question.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Question {
    pub metric: Option<String>,
    pub scale: Option<(f64, f64)>,
    pub comment: Option<String>,
}
