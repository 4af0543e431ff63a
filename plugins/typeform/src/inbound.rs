//! The way of one request: verify, parse, read the answers.

use rapport_sdk::prelude::*;

use crate::form::{Form, Stage};
use crate::payload::Root;
use crate::settings::Settings;
use crate::{score, submission};

const SECRET: &str = "secret";
const SIGNATURE: &str = "typeform-signature";

/// Bytes of an HMAC-SHA256.
const TAG_BYTES: usize = 32;

pub fn receive(cx: &Context, webhook: &Webhook) -> Result<Receipt, Rejection> {
    if webhook.method != "POST" {
        return Err(Rejection::Unsupported(format!("expected POST, found `{}`", webhook.method)));
    }
    require_signature(webhook)?;
    let settings: Settings = serde_json::from_str(&cx.config)
        .map_err(|error| Rejection::Unsupported(format!("the connection's `config` does not fit: {error}")))?;
    let json = lenient::document(&webhook.body);
    let root: Root = lenient::root(&json).map_err(Rejection::Malformed)?;
    let stage = stage(&root)?;
    let form = Form::of(root, stage, &settings)?;
    let mut events = vec![submission::event(&form)];
    events.extend(score::events(&form));
    Ok(Receipt::events(events).with_unread(form.unread.into_lines()))
}

/// `Typeform-Signature: sha256=<base64 of the HMAC-SHA256 of the body>`.
fn require_signature(webhook: &Webhook) -> Result<(), Rejection> {
    let header = webhook.header_once(SIGNATURE)?;
    let tag = header.trim().strip_prefix("sha256=").and_then(base64::decode).filter(|tag| tag.len() == TAG_BYTES);
    let Some(tag) = tag else {
        return Err(Rejection::Unauthenticated(format!(
            "expected header `{SIGNATURE}` to be `sha256=` and base64 of {TAG_BYTES} bytes, found {} bytes of another \
             form; fix: let nothing between Typeform and this host rewrite header fields",
            header.len()
        )));
    };
    verify::require_mac(MacAlgorithm::HmacSha256, SECRET, &webhook.body, &tag)
}

fn stage(root: &Root) -> Result<Stage, Rejection> {
    match root.event_type.as_deref() {
        // What has a response is one, also where the type is missing.
        None | Some("form_response") => Ok(Stage::Submitted),
        Some("form_response_partial") => Ok(Stage::Partial),
        Some(_) => Err(Rejection::Unsupported(
            "expected `event_type` to be `form_response` or `form_response_partial`, found another".into(),
        )),
    }
}
