//! The way of one request: Meta's subscription challenge, or a signed delivery.

use rapport_sdk::prelude::*;
use serde::Deserialize;

use crate::batch::Batch;
use crate::change;
use crate::payload::Root;

const APP_SECRET: &str = "app-secret";
const VERIFY_TOKEN: &str = "verify-token";
const SIGNATURE: &str = "x-hub-signature-256";
const OBJECT: &str = "whatsapp_business_account";

/// Meta sends about ten digits. Anything much longer is nobody's challenge.
const CHALLENGE_BYTES_MAX: usize = 256;

/// The settings of a connection, as `connector.toml` describes them.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "kebab-case")]
pub struct Settings {
    phone_number_ids: Option<Vec<lenient::Id>>,
}

impl Settings {
    /// Whether events of this phone number belong to the connection.
    pub fn takes(&self, phone_number_id: &str) -> bool {
        self.phone_number_ids.as_ref().is_none_or(|ids| ids.iter().any(|id| id.0 == phone_number_id))
    }
}

pub fn receive(cx: &Context, webhook: &Webhook) -> Result<Receipt, Rejection> {
    match webhook.method.as_str() {
        "GET" => Ok(challenge(webhook)),
        "POST" => delivery(cx, webhook),
        other => Err(Rejection::Unsupported(format!("expected GET or POST, found `{other}`"))),
    }
}

/// Answers `GET ?hub.mode=subscribe&hub.verify_token=…&hub.challenge=…` with the challenge and nothing else.
///
/// Only plain characters go back, as plain text: whoever can guess the token must not get a page of theirs served.
fn challenge(webhook: &Webhook) -> Receipt {
    if webhook.query("hub.mode").as_deref() != Some("subscribe") {
        return forbidden("expected `hub.mode=subscribe`; fix: add the webhook in the Meta app's dashboard");
    }
    let token = webhook.query("hub.verify_token").unwrap_or_default();
    match verify::token(VERIFY_TOKEN, &token) {
        Ok(true) => {}
        Ok(false) => {
            return forbidden(
                "`hub.verify_token` is not the secret `verify-token` of this connection; fix: set both to the same \
                 value",
            );
        }
        Err(error) => return forbidden(&verify::explain(&error)),
    }
    match webhook.query("hub.challenge").filter(|challenge| is_plain(challenge)) {
        Some(challenge) => Receipt::respond(200, "text/plain", challenge),
        None => forbidden("expected `hub.challenge` of up to 256 letters, digits, `-`, `_` and `.`"),
    }
}

fn is_plain(challenge: &str) -> bool {
    let is_plain_byte = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=CHALLENGE_BYTES_MAX).contains(&challenge.len()) && challenge.bytes().all(is_plain_byte)
}

fn forbidden(reason: &str) -> Receipt {
    Receipt::respond(403, "text/plain", reason)
}

fn delivery(cx: &Context, webhook: &Webhook) -> Result<Receipt, Rejection> {
    authenticate(webhook)?;
    let settings: Settings = serde_json::from_str(&cx.config)
        .map_err(|error| Rejection::Unsupported(format!("the connection's `config` does not fit: {error}")))?;
    let json = lenient::document(&webhook.body);
    let root: Root = serde_json::from_str(&json)
        .map_err(|error| Rejection::Malformed(format!("expected a JSON object: {error}")))?;
    match root.object.as_deref() {
        Some(OBJECT) => {}
        Some(other) => {
            let fix = "subscribe this URL to the WhatsApp Business Account object only";
            return Err(Rejection::Unsupported(format!("expected `object` `{OBJECT}`, found `{other}`; fix: {fix}")));
        }
        None => return Err(Rejection::Malformed("expected an `object`, found none".into())),
    }
    let mut batch = Batch::default();
    if root.entry.is_empty() {
        require_empty_entry(&json)?;
    }
    for entry in &root.entry {
        if entry.changes.is_empty() {
            batch.malformed("entry", "it has no `changes`");
        }
        for change in &entry.changes {
            change::read(change, &settings, &mut batch);
        }
    }
    batch.finish()
}

/// Goes on only if Meta signed exactly these bytes.
fn authenticate(webhook: &Webhook) -> Result<(), Rejection> {
    let signature = webhook.header_once(SIGNATURE)?;
    let digits = signature.strip_prefix("sha256=").filter(|digits| digits.len() == 64);
    let Some(tag) = digits.and_then(hex::decode) else {
        return Err(Rejection::Unauthenticated(format!(
            "expected header `{SIGNATURE}` to be `sha256=` and 64 hex digits, found {} bytes of another form; fix: let \
             nothing between Meta and this host rewrite header fields",
            signature.len()
        )));
    };
    verify::require_mac(MacAlgorithm::HmacSha256, APP_SECRET, &webhook.body, &tag)
}

/// `entry` was read leniently. If that left nothing, only an array that is empty is nothing.
fn require_empty_entry(json: &str) -> Result<(), Rejection> {
    #[derive(Deserialize)]
    struct Strict {
        entry: Vec<serde::de::IgnoredAny>,
    }
    match serde_json::from_str::<Strict>(json) {
        Ok(root) if root.entry.is_empty() => Ok(()),
        _ => Err(Rejection::Malformed("expected `entry` to be an array of objects".into())),
    }
}
