//! What a provider answers, as far as a connector gets it.

use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::{HeaderMap, Response as Incoming1};
use rapport_model::exchange::{Answer, Kept, Response};
use ring::digest::{self, SHA256};

use crate::blobs::Blobs;
use crate::body::hex;
use crate::limits::{KEPT_BYTES_MAX, RESPONSE_BYTES_MAX, SHOWN_FIELD_BYTES_MAX, SHOWN_FIELDS_MAX};
use crate::mask::Mask;

/// The header field that marks a body of which the end is missing. Its value is how many bytes are there.
pub const CUT: &str = "rapport-body-cut-at";

/// Header fields that a connector gets, besides those whose name says that they are about a rate, a quota or an id of the
/// request. A `*` stands for any characters.
pub const SHOWN_FIELDS: [&str; 24] = [
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-length",
    "content-type",
    "date",
    "etag",
    "last-modified",
    "link",
    "location",
    "retry-after",
    "www-authenticate",
    "*ratelimit*",
    "*rate-limit*",
    "*-usage",
    "*-limit-info",
    "*request-id",
    "*requestid",
    "*trace-id",
    "*correlation-id",
    "*message-id",
    "*idempotency*",
    "x-amzn-errortype",
    "x-error-code",
];

/// A response, and whether its body's end is missing.
pub(crate) type Read = Response;

/// Why there is none.
pub(crate) enum Trouble {
    TooLarge(u16),
    Broken(String),
}

/// Reads a response. A 2xx body goes to the blob store if it is to be kept; the end of a long error is left out.
pub(crate) async fn read(
    response: Incoming1<Incoming>,
    keep: bool,
    blobs: &dyn Blobs,
    mask: &Mask,
) -> Result<Read, Trouble> {
    let (head, body) = response.into_parts();
    let status = head.status.as_u16();
    let mut headers = shown(&head.headers, mask);
    if keep && head.status.is_success() {
        let kept = kept(status, &head.headers, body, blobs).await?;
        return Ok(Response { status, headers, body: Answer::Kept(kept) });
    }
    let (bytes, is_cut) = bytes_of(body).await?;
    if is_cut && head.status.is_success() {
        return Err(Trouble::TooLarge(status));
    }
    if is_cut {
        headers.push((CUT.to_owned(), bytes.len().to_string()));
    }
    Ok(Response { status, headers, body: Answer::Bytes(mask.bytes(bytes)) })
}

/// As many bytes as a connector may get, and whether there are more.
async fn bytes_of(mut body: Incoming) -> Result<(Vec<u8>, bool), Trouble> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Trouble::Broken(error.to_string()))?;
        let Ok(data) = frame.into_data() else { continue };
        let room = RESPONSE_BYTES_MAX - bytes.len();
        bytes.extend_from_slice(&data[..data.len().min(room)]);
        if data.len() > room {
            return Ok((bytes, true));
        }
    }
    Ok((bytes, false))
}

async fn kept(status: u16, headers: &HeaderMap, mut body: Incoming, blobs: &dyn Blobs) -> Result<Kept, Trouble> {
    if body.size_hint().lower() > KEPT_BYTES_MAX {
        return Err(Trouble::TooLarge(status));
    }
    let mut keeping = blobs.keep().await.map_err(Trouble::Broken)?;
    let (mut context, mut bytes) = (digest::Context::new(&SHA256), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Trouble::Broken(error.to_string()))?;
        let Ok(data) = frame.into_data() else { continue };
        bytes += data.len() as u64;
        if bytes > KEPT_BYTES_MAX {
            return Err(Trouble::TooLarge(status));
        }
        context.update(&data);
        keeping.write(&data).await.map_err(Trouble::Broken)?;
    }
    let blob = keeping.finish().await.map_err(Trouble::Broken)?;
    let mime_type = headers.get("content-type").and_then(|value| value.to_str().ok()).map(str::to_owned);
    Ok(Kept { blob, bytes, mime_type, sha256: hex(context.finish().as_ref()) })
}

fn shown(headers: &HeaderMap, mask: &Mask) -> Vec<(String, String)> {
    let fields = headers.iter().filter(|(name, _)| SHOWN_FIELDS.iter().any(|pattern| fits(pattern, name.as_str())));
    let texts = fields.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let short = texts.filter(|(_, value)| value.len() <= SHOWN_FIELD_BYTES_MAX);
    short.take(SHOWN_FIELDS_MAX).map(|(name, value)| (name.to_owned(), mask.text(value))).collect()
}

fn fits(pattern: &str, name: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(end), None) => name.ends_with(end),
        (Some(_), Some(_)) => name.contains(pattern.trim_matches('*')),
        _ => name == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connector_gets_the_fields_that_say_something_about_its_request() {
        let is_shown = |name: &str| SHOWN_FIELDS.iter().any(|pattern| fits(pattern, name));
        for name in
            ["retry-after", "x-ratelimit-remaining", "ratelimit-reset", "x-amzn-requestid", "x-message-id", "location"]
        {
            assert!(is_shown(name), "{name}");
        }
        for name in
            ["set-cookie", "server", "rapport-body-cut-at", "x-request-id-of-us", "authorization", "contenttype"]
        {
            assert!(!is_shown(name), "{name}");
        }
    }
}
