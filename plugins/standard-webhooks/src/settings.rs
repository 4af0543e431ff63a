//! The settings of a connection, as `connector.toml` describes them: they are the only shape that this connector knows.

use std::collections::BTreeMap;

use rapport_sdk::prelude::*;
use serde::Deserialize;
use serde_json::Value;

/// A place in the body (RFC 6901).
pub type Pointer = String;

/// The settings.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    pub account: Option<String>,
    #[serde(default = "at_type")]
    pub r#type: Pointer,
    #[serde(default = "five_minutes")]
    pub tolerance_seconds: u64,
    pub mappings: Vec<Mapping>,
}

fn at_type() -> Pointer {
    "/type".into()
}

/// Seconds: what the reference libraries allow, in either direction.
pub fn five_minutes() -> u64 {
    300
}

/// What an event of some types becomes.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Mapping {
    #[serde(default)]
    pub types: Vec<String>,
    #[serde(default)]
    pub when: BTreeMap<Pointer, Value>,
    pub event: Kind,
    pub id: Option<Pointer>,
    pub at: Option<Pointer>,
    #[serde(default)]
    pub identifiers: Vec<Identity>,
    #[serde(default)]
    pub display_name: Vec<Pointer>,
    pub locale: Option<Pointer>,
    pub time_zone: Option<Pointer>,
    #[serde(default)]
    pub traits: BTreeMap<String, Pointer>,
    pub author: Option<Writer>,
    pub text: Option<Pointer>,
    pub html: Option<Pointer>,
    #[serde(default)]
    pub media: Vec<Medium>,
    pub subject: Option<Pointer>,
    pub thread: Option<Pointer>,
    pub in_reply_to: Option<Pointer>,
    pub message_id: Option<Pointer>,
    pub delivery: Option<Progress>,
    pub code: Option<Pointer>,
    pub reason: Option<Pointer>,
    #[serde(default)]
    pub retryable: bool,
    pub metric: Option<String>,
    pub score: Option<Pointer>,
    pub scale: Option<(f64, f64)>,
    pub comment: Option<Pointer>,
    pub about: Option<Pointer>,
    pub response_id: Option<Pointer>,
    pub name: Option<String>,
    pub properties: Option<Pointer>,
    pub purpose: Option<String>,
    pub state: Option<State>,
}

/// The cases of the contract's events that a mapping can name.
#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Message,
    Delivery,
    Feedback,
    Activity,
    ContactUpdated,
    ContactErased,
    Consent,
    Ignore,
}

/// An address of the customer.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Identity {
    pub scheme: String,
    pub scope: Option<String>,
    pub value: Pointer,
    #[serde(default)]
    pub attestation: Vouch,
}

/// The contract's attestations.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Vouch {
    Provider,
    Signature,
    Agent,
    Claimed,
    Customer,
    #[default]
    Imported,
}

/// The contract's authors.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Writer {
    Customer,
    Agent,
    Automation,
}

/// The contract's states of consent.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    Granted,
    Withdrawn,
}

/// The contract's states of a delivery.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Progress {
    Queued,
    Sent,
    Delivered,
    Read,
    Failed,
}

/// A file of a message.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Medium {
    pub url: Pointer,
    pub mime_type: Option<Pointer>,
    pub file_name: Option<Pointer>,
}

impl From<Vouch> for Attestation {
    fn from(vouch: Vouch) -> Self {
        match vouch {
            Vouch::Provider => Attestation::Provider,
            Vouch::Signature => Attestation::Signature,
            Vouch::Agent => Attestation::Agent,
            Vouch::Claimed => Attestation::Claimed,
            Vouch::Customer => Attestation::Customer,
            Vouch::Imported => Attestation::Imported,
        }
    }
}

impl From<Writer> for Author {
    fn from(writer: Writer) -> Self {
        match writer {
            Writer::Customer => Author::Customer,
            Writer::Agent => Author::Agent,
            Writer::Automation => Author::Automation,
        }
    }
}

impl From<State> for ConsentState {
    fn from(state: State) -> Self {
        match state {
            State::Granted => ConsentState::Granted,
            State::Withdrawn => ConsentState::Withdrawn,
        }
    }
}
