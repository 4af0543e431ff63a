//! Whether Twilio sent a request, and what exactly it signed.
//!
//! `X-Twilio-Signature` is base64 of HMAC-SHA1 over the URL and, for a form, every name and value in it: names sorted by
//! bytes, the values of a repeated name sorted and each once, blank ones included. A JSON body is signed through its
//! SHA-256, which stands in the signed URL as `bodySHA256`. Nothing separates names from values, so what is read later
//! is only what was signed here.
//!
//! Source: Twilio's "Webhooks Security" and the request validators of its seven SDKs, November 2026.

use rapport_sdk::encoding::percent;
use rapport_sdk::prelude::*;
use sha2::{Digest, Sha256};

const AUTH_TOKEN: &str = "auth-token";
const SIGNATURE: &str = "x-twilio-signature";
const BODY_HASH: &str = "bodySHA256";

/// Bytes of an HMAC-SHA1.
const TAG_BYTES: usize = 20;
/// Twilio sends about thirty fields, and two for each medium. More than this is refused before it costs time.
const FIELDS_MAX: usize = 1_000;

/// What a genuine request carries.
pub enum Proven {
    /// Name and value, sorted, each pair once: of the body, or of the query of a GET.
    Form(Vec<(String, String)>),
    /// The body is a JSON document.
    Document,
}

/// Goes on only if Twilio signed this request.
pub fn authenticate(webhook: &Webhook) -> Result<Proven, Rejection> {
    let tag = tag(webhook)?;
    let url = Url::of(&webhook.url);
    if webhook.method == "GET" {
        require_mac(&url, &[], &tag)?;
        return Ok(Proven::Form(fields(url.query)?));
    }
    match url.body_hash()? {
        Some(expected) => {
            require_mac(&url, &[], &tag)?;
            require_hash(&webhook.body, &expected)?;
            if is_json(&webhook.body) {
                return Ok(Proven::Document);
            }
            Ok(Proven::Form(fields(&String::from_utf8_lossy(&webhook.body))?))
        }
        None => {
            let fields = fields(&String::from_utf8_lossy(&webhook.body))?;
            require_mac(&url, &fields, &tag)?;
            Ok(Proven::Form(fields))
        }
    }
}

fn tag(webhook: &Webhook) -> Result<Vec<u8>, Rejection> {
    let signature = webhook.header_once(SIGNATURE)?;
    base64::decode(signature).filter(|tag| tag.len() == TAG_BYTES).ok_or_else(|| {
        Rejection::Unauthenticated(format!(
            "expected header `{SIGNATURE}` to be base64 of {TAG_BYTES} bytes, found {} bytes of another form; fix: let \
             nothing between Twilio and this host rewrite header fields",
            signature.len()
        ))
    })
}

/// The fields of a form as they are signed: decoded, sorted, no pair twice.
fn fields(form: &str) -> Result<Vec<(String, String)>, Rejection> {
    let separators = form.bytes().filter(|byte| *byte == b'&').count();
    if separators >= FIELDS_MAX {
        return Err(Rejection::Unauthenticated(format!(
            "expected at most {FIELDS_MAX} fields, found {}; fix: nothing, Twilio sends fewer",
            separators + 1
        )));
    }
    let mut fields = form::pairs(form);
    fields.sort_unstable();
    fields.dedup();
    Ok(fields)
}

fn require_mac(url: &Url, fields: &[(String, String)], tag: &[u8]) -> Result<(), Rejection> {
    let signed: String = fields.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]).collect();
    for spelling in url.spellings() {
        let data = spelling + &signed;
        match verify::mac(MacAlgorithm::HmacSha1, AUTH_TOKEN, data.as_bytes(), tag) {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            // Asked once more in the form that turns an unanswered question into a rejection.
            Err(_) => return verify::require_mac(MacAlgorithm::HmacSha1, AUTH_TOKEN, data.as_bytes(), tag),
        }
    }
    Err(Rejection::Unauthenticated(format!(
        "expected the HMAC-SHA1 of this URL and its fields under secret `{AUTH_TOKEN}`, found another one; fix: set \
         `{AUTH_TOKEN}` to the primary Auth Token of the account that sends, and let this host's public URL be the one \
         that Twilio calls"
    )))
}

/// The hash to compare with stands in the URL, which was verified before.
fn require_hash(body: &[u8], expected: &str) -> Result<(), Rejection> {
    let found = Sha256::digest(body);
    if hex::decode(expected).is_some_and(|expected| expected == found.as_slice()) {
        return Ok(());
    }
    Err(Rejection::Unauthenticated(format!(
        "expected a body whose SHA-256 is the `{BODY_HASH}` of the URL, found another one; fix: hand the request on \
         byte for byte"
    )))
}

fn is_json(body: &[u8]) -> bool {
    body.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|byte| matches!(byte, b'{' | b'['))
}

/// A URL in the pieces that signers disagree on. The fragment is left out: it is Twilio's own connection override.
struct Url<'a> {
    /// `https://`, or nothing.
    scheme: &'a str,
    /// With the user name and password, if there are any.
    host: &'a str,
    /// With its colon, or nothing.
    port: &'a str,
    /// The path, and the `?` if there is one.
    path: &'a str,
    query: &'a str,
}

impl<'a> Url<'a> {
    fn of(url: &'a str) -> Self {
        let url = url.split_once('#').map_or(url, |(url, _)| url);
        let (scheme, rest) = url.split_at(url.find("://").map_or(0, |start| start + 3));
        let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (path, query) = rest.split_at(rest.find('?').map_or(rest.len(), |start| start + 1));
        let colon =
            authority.rfind(':').filter(|colon| authority[*colon + 1..].bytes().all(|byte| byte.is_ascii_digit()));
        let (host, port) = authority.split_at(colon.unwrap_or(authority.len()));
        Url { scheme, host, port, path, query }
    }

    /// The one `bodySHA256` of the query.
    fn body_hash(&self) -> Result<Option<String>, Rejection> {
        let mut hashes = form::pairs(self.query).into_iter().filter(|(name, _)| name == BODY_HASH);
        let first = hashes.next().map(|(_, value)| value);
        match hashes.count() {
            0 => Ok(first),
            more => Err(Rejection::Unauthenticated(format!(
                "expected one `{BODY_HASH}` in the query, found {}; fix: take it out of the URL that Twilio was given",
                more + 1
            ))),
        }
    }

    /// The URLs that Twilio may have signed for this one, the likeliest first: at most six.
    ///
    /// Its products disagree on the port (left out, or the scheme's own added) and on how a query is escaped. The
    /// validators of its SDKs try the same.
    fn spellings(&self) -> Vec<String> {
        let other_port = match (self.port, self.scheme) {
            ("", "http://") => ":80",
            ("", _) => ":443",
            _ => "",
        };
        let mut spellings = Vec::with_capacity(6);
        let queries = [self.query.to_owned(), self.query.replace('\'', "%27"), reescaped(self.query)];
        for query in &queries {
            for port in [self.port, other_port] {
                let spelling = [self.scheme, self.host, port, self.path, query].concat();
                if !spellings.contains(&spelling) {
                    spellings.push(spelling);
                }
            }
        }
        spellings
    }
}

/// A query as the JavaScript function `encodeURIComponent` escapes it, which leaves `!'()*` alone.
fn reescaped(query: &str) -> String {
    let mut reescaped = form::pairs(query)
        .iter()
        .map(|(name, value)| format!("{}={}", percent::encode(name), percent::encode(value)))
        .collect::<Vec<_>>()
        .join("&");
    for (escape, character) in [("%21", "!"), ("%27", "'"), ("%28", "("), ("%29", ")"), ("%2A", "*")] {
        reescaped = reescaped.replace(escape, character);
    }
    reescaped
}

#[cfg(test)]
mod tests;
