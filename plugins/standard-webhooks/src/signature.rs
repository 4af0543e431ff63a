//! Whether the sender sent this.
//!
//! `webhook-signature` is a list of signatures with a space between two, `v1,` and the base64 of an HMAC-SHA256 or `v1a,`
//! and that of an Ed25519 signature, of which one has to be right: a sender that changes its key signs with both. What
//! is signed is `<webhook-id>.<webhook-timestamp>.` and the body. Svix sends the same under `svix-`.
//!
//! Source: the Standard Webhooks specification 1.0.0 and Svix's "Verifying webhooks manually", read in November 2026.

use rapport_sdk::prelude::*;

/// The key of `v1`.
const SECRET: &str = "secret";
/// The key of `v1a`. Not the same name: a public key as the key of a MAC would let everybody in who knows it.
const PUBLIC_KEY: &str = "public-key";

/// Signatures of one delivery that are looked at. Senders keep two or three keys at a time, and the host answers 32
/// questions a call.
const SIGNATURES_MAX: usize = 16;

/// The names of the header fields.
struct Headers {
    id: &'static str,
    timestamp: &'static str,
    signature: &'static str,
}

const SPECIFIED: Headers = Headers { id: "webhook-id", timestamp: "webhook-timestamp", signature: "webhook-signature" };
/// What they were called before there was a specification, and are by whoever sends through Svix.
const SVIX: Headers = Headers { id: "svix-id", timestamp: "svix-timestamp", signature: "svix-signature" };

/// Goes on with the id of the delivery only if it was signed with the connection's key, and not long ago.
pub fn require(webhook: &Webhook, now_ms: u64, tolerance_seconds: u64) -> Result<&str, Rejection> {
    let signed = Signed::of(webhook)?;
    signed.require_fresh(now_ms, tolerance_seconds)?;
    signed.require_genuine()?;
    Ok(signed.id)
}

/// What a delivery says of itself.
struct Signed<'w> {
    headers: &'static Headers,
    id: &'w str,
    signed_ms: u64,
    data: Vec<u8>,
    proofs: Vec<Proof>,
}

#[derive(Debug, PartialEq, Eq)]
enum Proof {
    Mac(Vec<u8>),
    Signature(Vec<u8>),
}

impl<'w> Signed<'w> {
    fn of(webhook: &'w Webhook) -> Result<Self, Rejection> {
        let is_specified = webhook.header(SPECIFIED.signature).is_some() || webhook.header(SVIX.signature).is_none();
        let headers = if is_specified { &SPECIFIED } else { &SVIX };
        let id = webhook.header_once(headers.id)?;
        let timestamp = webhook.header_once(headers.timestamp)?;
        let signature = webhook.header_once(headers.signature)?;
        if id.is_empty() {
            return Err(refusal(format!("expected header `{}` to hold an id, found nothing", headers.id)));
        }
        // Id and time are joined by a point: with another one in the id, two deliveries would be signed alike.
        if id.contains('.') {
            return Err(Rejection::Unauthenticated(format!(
                "expected header `{}` without a `.`, which stands between the parts that are signed, found one; fix: let the \
                 sender make ids of letters, digits, `-` and `_`, as the specification does",
                headers.id
            )));
        }
        let Some(signed_ms) = verify::seconds(timestamp) else {
            return Err(refusal(format!("expected header `{}` to be whole seconds", headers.timestamp)));
        };
        let proofs: Vec<Proof> = signature.split(' ').filter_map(Proof::of).take(SIGNATURES_MAX).collect();
        if proofs.is_empty() {
            return Err(refusal(format!(
                "expected header `{}` to be `v1,` or `v1a,` and base64, several with a space between, found none",
                headers.signature
            )));
        }
        let data = [id.as_bytes(), b".", timestamp.as_bytes(), b".", &webhook.body].concat();
        Ok(Self { headers, id, signed_ms, data, proofs })
    }

    /// A captured delivery can be sent again for as long as this allows.
    fn require_fresh(&self, now_ms: u64, tolerance_seconds: u64) -> Result<(), Rejection> {
        let field = format!("header `{}`", self.headers.timestamp);
        let window = verify::Window::both_ways(tolerance_seconds.saturating_mul(1000));
        verify::require_fresh(&field, self.signed_ms, now_ms, window, Some("tolerance-seconds"))
    }

    fn require_genuine(&self) -> Result<(), Rejection> {
        let answers: Vec<_> = self.proofs.iter().map(|proof| proof.verify(&self.data)).collect();
        if answers.contains(&Ok(true)) {
            return Ok(());
        }
        // A key that is not set explains a refusal only if no other key was tried.
        let unanswered = answers.iter().find_map(|answer| answer.as_ref().err());
        let reason = match unanswered.filter(|_| !answers.contains(&Ok(false))) {
            Some(error) => verify::explain(error),
            None => format!(
                "expected a signature of this request under `{SECRET}` or `{PUBLIC_KEY}`, found others: {}; fix: set \
                 `{SECRET}` to the sender's `whsec_…`, and hand the request on byte for byte",
                answers.len()
            ),
        };
        Err(Rejection::Unauthenticated(reason))
    }
}

impl Proof {
    /// None for a version of tomorrow, and for what is no base64.
    fn of(text: &str) -> Option<Self> {
        let (version, proof) = text.split_once(',')?;
        let bytes = base64::decode(proof).filter(|bytes| !bytes.is_empty())?;
        match version {
            "v1" => Some(Proof::Mac(bytes)),
            "v1a" => Some(Proof::Signature(bytes)),
            _ => None,
        }
    }

    fn verify(&self, data: &[u8]) -> Result<bool, verify::VerifyError> {
        match self {
            Proof::Mac(tag) => verify::mac(MacAlgorithm::HmacSha256, SECRET, data, tag),
            Proof::Signature(bytes) => {
                let key = KeySource::Named(PUBLIC_KEY.into());
                verify::signature(SignatureAlgorithm::Ed25519, &key, data, bytes)
            }
        }
    }
}

fn refusal(what: String) -> Rejection {
    Rejection::Unauthenticated(format!(
        "{what}; fix: let nothing between the sender and this host rewrite header fields"
    ))
}

#[cfg(test)]
mod tests;
