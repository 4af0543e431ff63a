//! Whether HubSpot sent this. Of its three signatures, the newest that a request carries decides alone: whoever forges
//! a v3 must not be asked for a v1 instead.
//!
//! | Scheme | Header | Encoding | What is signed |
//! |---|---|---|---|
//! | v3 | `X-HubSpot-Signature-v3` | base64 | HMAC-SHA256 of method, URI, body, `X-HubSpot-Request-Timestamp` |
//! | v2 | `X-HubSpot-Signature` | hex | SHA-256 of client secret, method, URI, body |
//! | v1 | `X-HubSpot-Signature` | hex | SHA-256 of client secret, body |
//!
//! The older two sign no time, and v1 not even the URL: whoever captured a delivery could take its v3 away and send it again
//! for ever. So they count only where `allow-v1` says so. CRM webhooks carry v1 and v3 at once. Source: HubSpot's "Validating requests", read in October 2026.

use rapport_sdk::prelude::*;

const CLIENT_SECRET: &str = "client-secret";
const V3: &str = "x-hubspot-signature-v3";
const TIMESTAMP: &str = "x-hubspot-request-timestamp";
const OLDER: &str = "x-hubspot-signature";
const VERSION: &str = "x-hubspot-signature-version";

/// The escapes that HubSpot's documentation wants decoded before a URI is hashed.
const DECODED: &[(&str, char)] = &[
    ("3A", ':'),
    ("2F", '/'),
    ("3F", '?'),
    ("40", '@'),
    ("21", '!'),
    ("24", '$'),
    ("27", '\''),
    ("28", '('),
    ("29", ')'),
    ("2A", '*'),
    ("2C", ','),
    ("3B", ';'),
];

/// What vouches for a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scheme {
    V1,
    V2,
    V3,
}

/// Goes on only if HubSpot signed this request, and says how.
pub fn require(cx: &Context, webhook: &Webhook, allow_v1: bool) -> Result<Scheme, Rejection> {
    if webhook.header(V3).is_some() {
        return require_v3(cx, webhook).map(|()| Scheme::V3);
    }
    if webhook.header(OLDER).is_none() {
        return Err(unauthenticated(format!(
            "expected header `{V3}`, or `{OLDER}`, found neither; fix: let nothing between HubSpot and this host drop \
             header fields"
        )));
    }
    if !allow_v1 {
        return Err(unauthenticated(format!(
            "expected header `{V3}`, found only an older signature, which signs no time and so can be sent again; fix: let \
             nothing between HubSpot and this host drop header fields, or say `allow-v1 = true` in the connection's `config`"
        )));
    }
    require_older(webhook)
}

fn require_v3(cx: &Context, webhook: &Webhook) -> Result<(), Rejection> {
    let signature = webhook.header_once(V3)?;
    let timestamp = webhook.header_once(TIMESTAMP)?;
    require_recent(timestamp, cx.now)?;
    let Some(tag) = base64::decode(signature).filter(|tag| tag.len() == 32) else {
        return Err(garbled(V3, "base64 of 32 bytes", signature));
    };
    // HubSpot's own client libraries hash the URI as it came, its documentation some of its escapes decoded.
    let as_documented = decoded(&webhook.url);
    if as_documented != webhook.url && matches!(matches_v3(webhook, &webhook.url, timestamp, &tag), Ok(true)) {
        return Ok(());
    }
    settle(matches_v3(webhook, &as_documented, timestamp, &tag), "method, URL, body and timestamp")
}

fn matches_v3(webhook: &Webhook, url: &str, timestamp: &str, tag: &[u8]) -> Result<bool, verify::VerifyError> {
    let source = [webhook.method.as_bytes(), url.as_bytes(), &webhook.body, timestamp.as_bytes()].concat();
    verify::mac(MacAlgorithm::HmacSha256, CLIENT_SECRET, &source, tag)
}

/// Which of the two older schemes it is says a header; without it v1, as in HubSpot's client libraries.
fn require_older(webhook: &Webhook) -> Result<Scheme, Rejection> {
    let signature = webhook.header_once(OLDER)?;
    let version = match webhook.header(VERSION) {
        Some(_) => webhook.header_once(VERSION)?,
        None => "v1",
    };
    let scheme = match version.to_ascii_lowercase().as_str() {
        "v1" => Scheme::V1,
        "v2" => Scheme::V2,
        _ => {
            return Err(unauthenticated(format!(
                "expected header `{VERSION}` to be `v1` or `v2` where there is no `{V3}`, found another; fix: let \
                 nothing between HubSpot and this host drop or rewrite header fields"
            )));
        }
    };
    let Some(digest) = hex::decode(signature).filter(|digest| digest.len() == 32) else {
        return Err(garbled(OLDER, "64 hex digits", signature));
    };
    let (source, parts) = match scheme {
        Scheme::V2 => {
            ([webhook.method.as_bytes(), webhook.url.as_bytes(), &webhook.body].concat(), "method, URL and body")
        }
        _ => (webhook.body.clone(), "body"),
    };
    settle(verify::digest(DigestAlgorithm::Sha256, CLIENT_SECRET, &source, &digest), parts)?;
    Ok(scheme)
}

/// Goes on only if the timestamp, milliseconds in plain digits, is near `now`: HubSpot wants older requests refused.
fn require_recent(timestamp: &str, now: u64) -> Result<(), Rejection> {
    let signed =
        verify::milliseconds(timestamp).ok_or_else(|| garbled(TIMESTAMP, "milliseconds in digits", timestamp))?;
    verify::require_fresh(&format!("header `{TIMESTAMP}`"), signed, now, verify::Window::FIVE_MINUTES, None)
}

/// What the host answered, as a rejection that says the fix.
fn settle(answer: Result<bool, verify::VerifyError>, parts: &str) -> Result<(), Rejection> {
    match answer {
        Ok(true) => Ok(()),
        Ok(false) => Err(unauthenticated(format!(
            "expected HubSpot's signature of the {parts} under secret `{CLIENT_SECRET}`, found another one; fix: set \
             `{CLIENT_SECRET}` to the client secret of the app, make this host's public URL the target URL that is \
             entered in HubSpot, and hand the request on byte for byte"
        ))),
        Err(error @ verify::VerifyError::Unavailable(_)) => Err(Rejection::Unsupported(verify::explain(&error))),
        Err(error) => Err(unauthenticated(verify::explain(&error))),
    }
}

fn garbled(header: &str, expected: &str, found: &str) -> Rejection {
    unauthenticated(format!(
        "expected header `{header}` to be {expected}, found {} bytes of another form; fix: let nothing between HubSpot \
         and this host rewrite header fields",
        found.len()
    ))
}

fn unauthenticated(reason: String) -> Rejection {
    Rejection::Unauthenticated(reason)
}

/// `url` with the documented escapes decoded, each once.
fn decoded(url: &str) -> String {
    let mut decoded = String::with_capacity(url.len());
    let mut rest = url;
    while let Some(index) = rest.find('%') {
        let (before, escape) = rest.split_at(index);
        decoded.push_str(before);
        let code = escape.get(1..3);
        match DECODED.iter().find(|(known, _)| code.is_some_and(|code| code.eq_ignore_ascii_case(known))) {
            Some((_, character)) => {
                decoded.push(*character);
                rest = &escape[3..];
            }
            None => {
                decoded.push('%');
                rest = &escape[1..];
            }
        }
    }
    decoded.push_str(rest);
    decoded
}

#[cfg(test)]
mod tests;
