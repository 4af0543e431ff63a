//! Whether Zendesk sent this: `X-Zendesk-Webhook-Signature` is base64 of the HMAC-SHA256, under the signing secret as it
//! is written, of `X-Zendesk-Webhook-Signature-Timestamp` and the body.
//!
//! Source: Zendesk's "Verifying webhook authenticity", read in November 2026.

use rapport_sdk::prelude::*;

use crate::settings::Settings;
use rapport_sdk::instant;

const SECRET: &str = "signing-secret";
const SIGNATURE: &str = "x-zendesk-webhook-signature";
const TIMESTAMP: &str = "x-zendesk-webhook-signature-timestamp";

/// What Zendesk signs with while a webhook is tested that does not exist yet. It is in the documentation, so whoever
/// reads that could sign with it, too.
const PUBLISHED: &str = "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==";

/// Bytes of an HMAC-SHA256.
const TAG_BYTES: usize = 32;

/// Zendesk names no window; five minutes is what others of its kind want.
const CLOCKS_APART_MINUTES: u64 = 5;
const MINUTE_MS: u64 = 60_000;

/// Goes on only if Zendesk signed this request, and says when it did.
pub fn require<'a>(now: u64, settings: &Settings, webhook: &'a Webhook) -> Result<&'a str, Rejection> {
    let signature = webhook.header_once(SIGNATURE)?;
    let timestamp = webhook.header_once(TIMESTAMP)?;
    let Some(tag) = base64::decode(signature.trim()).filter(|tag| tag.len() == TAG_BYTES) else {
        return Err(garbled(SIGNATURE, "base64 of 32 bytes", signature));
    };
    let source = [timestamp.as_bytes(), &webhook.body].concat();
    verify::require_mac(MacAlgorithm::HmacSha256, SECRET, &source, &tag)?;
    refuse_published()?;
    // Nothing stands between the timestamp and the body, so the `Z` has to say where one ends and the other begins.
    let Some(at) = instant::parse(timestamp).filter(|_| timestamp.ends_with('Z')) else {
        return Err(garbled(TIMESTAMP, "an instant such as `2021-03-25T05:09:27Z`", timestamp));
    };
    let minutes = settings.clocks_apart_minutes.unwrap_or(CLOCKS_APART_MINUTES);
    let window = verify::Window::both_ways(minutes.saturating_mul(MINUTE_MS));
    verify::require_fresh(&format!("header `{TIMESTAMP}`"), at, now, window, Some("clocks-apart-minutes"))?;
    Ok(timestamp)
}

/// Every version of the secret counts, so one of them being public is enough to refuse everything. Asked last: the
/// answer is told only to somebody who knows the secret.
fn refuse_published() -> Result<(), Rejection> {
    match verify::token(SECRET, PUBLISHED) {
        Ok(false) => Ok(()),
        Ok(true) => Err(Rejection::Unauthenticated(format!(
            "expected a secret of this webhook alone, found that `{SECRET}` holds the one that Zendesk publishes for \
             tests; fix: create the webhook, and set `{SECRET}` to the secret that Zendesk reveals for it"
        ))),
        Err(error) => Err(Rejection::Unauthenticated(verify::explain(&error))),
    }
}

fn garbled(header: &str, expected: &str, found: &str) -> Rejection {
    Rejection::Unauthenticated(format!(
        "expected header `{header}` to be {expected}, found {} bytes of another form; fix: let nothing between Zendesk \
         and this host rewrite header fields",
        found.len()
    ))
}
