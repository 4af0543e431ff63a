//! A file that an event named: first its URL, which lives five minutes, then its bytes, which go to the host's blob store.
//!
//! Source: Meta's "Media", read in November 2026.

use rapport_sdk::prelude::*;
use rapport_sdk::sending::Fetching;
use serde::Deserialize;

use super::limits::{MEDIA_URLS_MAX, URL_BYTES_MAX};
use super::way::{TOKEN, Way};

#[derive(Deserialize)]
struct Found {
    url: String,
    #[serde(default, deserialize_with = "lenient::id")]
    sha256: Option<String>,
}

/// Fetches a file. A URL that is no longer valid begins again.
pub fn fetch(fetching: &Fetching, way: &Way, steps: &mut Steps<'_>) -> Result<(), Stop> {
    let MediaSource::ProviderId(id) = &fetching.source else {
        let why = "a file of WhatsApp is fetched by its id; fix: name the id of the event";
        return Err(Failure::UnsupportedContent(why.into()).into());
    };
    way.require_graph("AWS puts a file into a bucket of its own", "`GetWhatsAppMessageMedia` with that bucket")?;
    way.require(&fetching.account)?;
    for _ in 0..MEDIA_URLS_MAX {
        let about = Request::get(way.graph()).segment(id).query("phone_number_id", &fetching.account).bearer(TOKEN);
        let found: Found = way.success(steps.perform(about)?)?.json()?;
        if !is_url(&found.url) {
            let title = "Meta gave no URL for the file that begins with `https://`";
            return Err(Failure::Provider(ProviderError::new("answer/unreadable", title)).into());
        }
        let answer = steps.perform(Request::get(&found.url).bearer(TOKEN).keep())?;
        if matches!(answer.status(), 404 | 410) {
            continue;
        }
        let kept = way.success(answer)?.kept()?;
        if let Some(expected) = found.sha256.as_deref().and_then(digest)
            && hex::decode(&kept.sha256).is_some_and(|found| found != expected)
        {
            let title = "the file has another SHA-256 than Meta says";
            return Err(Failure::Provider(ProviderError::new("answer/digest", title).retryable()).into());
        }
        steps.so_far.media = Some(kept.clone());
        return Ok(());
    }
    let title = format!("the URL of the file was no longer valid, {MEDIA_URLS_MAX} times");
    Err(Failure::Provider(ProviderError::new("media/expired", title).retryable()).into())
}

/// Whether a text can be the URL of a request as it is.
fn is_url(text: &str) -> bool {
    let host = text.strip_prefix("https://").and_then(|rest| rest.split(['/', '?']).next()).unwrap_or_default();
    let is_of_host = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':');
    let is_of_url = |byte: u8| byte.is_ascii_graphic() && !b"#\\\"<>".contains(&byte);
    let is_short = text.len() <= URL_BYTES_MAX;
    is_short && !host.is_empty() && host.bytes().all(is_of_host) && text.bytes().all(is_of_url)
}

/// The 32 bytes of a SHA-256, which Meta writes in hexadecimal or in base64; none: it is written in another way.
fn digest(text: &str) -> Option<Vec<u8>> {
    let is_whole = |bytes: &Vec<u8>| bytes.len() == 32;
    hex::decode(text).filter(is_whole).or_else(|| base64::decode(text).filter(is_whole))
}
