//! The way of one request. Salesforce signs nothing: the host has asked for the token in the URL, or the feed of events
//! for AWS's word, before it calls. Which of the two kinds it is says the body.

use rapport_sdk::prelude::*;
use serde::Deserialize;

use crate::{change, id, soap};

/// The settings of a connection, as `connector.toml` describes them.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Settings {
    organization_id: String,
}

/// What a reader needs besides the body.
pub struct Scene {
    /// The organization, in 18 characters: account of the events, and scope of the identifiers.
    pub organization: String,
}

impl Scene {
    /// Whether an id that a message says is this organization's. One that it does not say is for the reader to judge.
    pub fn is_ours(&self, organization: &str) -> bool {
        id::canonical(organization) == self.organization
    }
}

pub fn receive(cx: &Context, webhook: &Webhook) -> Result<Receipt, Rejection> {
    if webhook.method != "POST" {
        return Err(Rejection::Unsupported(format!("expected POST, found `{}`", webhook.method)));
    }
    let settings: Settings = serde_json::from_str(&cx.config)
        .map_err(|error| Rejection::Unsupported(format!("the connection's `config` does not fit: {error}")))?;
    let scene = Scene { organization: id::canonical(&settings.organization_id) };
    let body = webhook.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&webhook.body).trim_ascii_start();
    match body.first() {
        Some(b'<') => soap::read(body, &scene),
        Some(b'{' | b'[') => change::read(body, &scene),
        _ => Err(Rejection::Malformed(
            "expected an outbound message (XML) or change events (JSON), found neither".into(),
        )),
    }
}

/// Why nothing is taken from another organization's message.
pub fn foreign() -> Rejection {
    Rejection::Ignored("expected the organization of `organization-id`, found another one".into())
}
