//! The challenge that Meta sends when a webhook is subscribed.

use rapport_sdk::prelude::*;

const VERIFY_TOKEN: &str = "verify-token";

/// Meta sends about ten digits. Anything much longer is nobody's challenge.
const CHALLENGE_BYTES_MAX: usize = 256;

/// Answers `GET ?hub.mode=subscribe&hub.verify_token=…&hub.challenge=…` with the challenge and nothing else.
///
/// Only plain characters go back, as plain text: whoever can guess the token must not get a page of theirs served.
pub(crate) fn answer(webhook: &Webhook) -> Receipt {
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
