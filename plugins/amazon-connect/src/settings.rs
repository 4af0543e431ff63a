//! The settings of a connection, as `connector.toml` describes them.

use std::collections::BTreeMap;

use rapport_sdk::prelude::*;
use serde::Deserialize;

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "kebab-case")]
pub struct Settings {
    /// Ids or ARNs; none: every instance.
    pub instance_ids: Vec<String>,
    /// By the name of the attribute.
    pub identifiers: BTreeMap<String, Source>,
    pub surveys: Vec<Survey>,
    pub voicemail_attribute: Option<String>,
}

/// What an attribute identifies.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum Source {
    Scheme(String),
    Attested {
        scheme: String,
        #[serde(default)]
        attestation: Word,
    },
}

/// Who wrote an attribute.
#[derive(Clone, Copy, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// The business proved it itself, by a login or a PIN.
    Signature,
    #[default]
    Imported,
    Agent,
    Customer,
}

/// What the operator says of one question.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Survey {
    pub attribute: String,
    pub metric: String,
    pub scale: Option<(f64, f64)>,
    pub comment_attribute: Option<String>,
}

impl Settings {
    /// The settings of the connection.
    pub fn of(cx: &Context) -> Result<Self, Rejection> {
        serde_json::from_str(&cx.config)
            .map_err(|error| Rejection::Unsupported(format!("the connection's `config` does not fit: {error}")))
    }

    /// Whether the contacts of an instance are taken. One that is not known is not one that was asked for.
    pub fn takes(&self, instance: Option<&str>) -> bool {
        let is_it = |wanted: &String| instance.is_some_and(|found| last_segment(wanted) == found);
        self.instance_ids.is_empty() || self.instance_ids.iter().any(is_it)
    }
}

impl Source {
    pub fn scheme(&self) -> &str {
        match self {
            Source::Scheme(scheme) | Source::Attested { scheme, .. } => scheme,
        }
    }

    pub fn attestation(&self) -> Attestation {
        let word = match self {
            Source::Scheme(_) => Word::Imported,
            Source::Attested { attestation, .. } => *attestation,
        };
        match word {
            Word::Imported => Attestation::Imported,
            Word::Agent => Attestation::Agent,
            Word::Customer => Attestation::Customer,
            Word::Signature => Attestation::Signature,
        }
    }
}

/// The id at the end of an ARN, or the id that it is.
fn last_segment(wanted: &str) -> &str {
    wanted.rsplit('/').next().unwrap_or(wanted)
}
