//! The way of one request. Salesforce signs nothing: the host has asked for the token in the URL, or the feed of events
//! for AWS's word, before it calls. Which of the two kinds it is says the body.

use rapport_sdk::prelude::*;

use crate::scene::Scene;
use crate::settings::Settings;
use crate::{change, id, soap};

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
