//! `[verify]`, `[redact]` and `[replay]`: what the host can do about a webhook without its connector.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use toml::{Table, Value};

use rapport_model::spelling::{fix_for_unknown_word, json_of_toml};

use super::{SecretUse, optional_text, refuse_unknown, take_table, unknown_word, wrong};
use crate::error::ManifestError;
use crate::verify::{DigestAlgorithm, MacAlgorithm, SignatureAlgorithm};

const VERIFY_KEYS: [&str; 2] = ["open", "proofs"];
const PROOF_KEYS: [&str; 8] = ["scheme", "secret", "header", "prefix", "separator", "encoding", "over", "when"];
const REDACT_KEYS: [&str; 5] = ["headers", "query", "json", "xml", "form"];
const REPLAY_KEYS: [&str; 2] = ["exception", "when"];
const SCHEMES: [(&str, Scheme); 8] = [
    ("hmac-sha1", Scheme::Mac(MacAlgorithm::HmacSha1)),
    ("hmac-sha256", Scheme::Mac(MacAlgorithm::HmacSha256)),
    ("hmac-sha512", Scheme::Mac(MacAlgorithm::HmacSha512)),
    ("sha256", Scheme::Digest(DigestAlgorithm::Sha256)),
    ("ed25519", Scheme::Signature(SignatureAlgorithm::Ed25519)),
    ("ecdsa-p256-sha256", Scheme::Signature(SignatureAlgorithm::EcdsaP256Sha256Der)),
    ("rsa-sha256", Scheme::Signature(SignatureAlgorithm::RsaPkcs1Sha256)),
    ("token", Scheme::Token),
];

/// What proves a webhook before its connector is called: one of [`proofs`](Self::proofs) is enough. Empty: the connector
/// alone decides.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verify {
    /// `open`: methods that are left to the connector, in upper case: a challenge comes before anything is signed.
    pub open: Vec<String>,
    /// `proofs`
    pub proofs: Vec<Proof>,
}

/// One way in which a provider proves that a webhook is its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Proof {
    /// `scheme`: how it is computed.
    pub scheme: Scheme,
    /// `secret`: the name of the secret or public key that it is checked with.
    pub secret: String,
    /// `header`: where it stands, in lower case.
    pub header: String,
    /// `prefix`: what stands before it there.
    pub prefix: String,
    /// `separator`: what stands between several of them; none: there is one.
    pub separator: Option<String>,
    /// `encoding`: how it is written. Of a token nothing.
    pub encoding: Encoding,
    /// `over`: what is signed, in this order. Of a token nothing.
    pub over: Vec<Piece>,
    /// `when`: configurations for which it holds; empty: all.
    pub when: When,
}

/// Keys of a connection's configuration with the values for which something holds; empty: always.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct When(pub BTreeMap<String, Vec<Json>>);

impl When {
    /// Whether it holds for a connection with this configuration.
    pub fn applies(&self, config: &Json) -> bool {
        self.0.iter().all(|(key, values)| config.get(key).is_some_and(|value| values.contains(value)))
    }
}

/// How a proof is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// A keyed hash.
    Mac(MacAlgorithm),
    /// The hash of the secret followed by what is signed.
    Digest(DigestAlgorithm),
    /// A public-key signature.
    Signature(SignatureAlgorithm),
    /// The secret itself.
    Token,
}

/// How a proof is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Two hexadecimal digits a byte, in either case.
    Hex,
    /// RFC 4648, either alphabet, padded or not.
    Base64,
}

/// A piece of what is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// `"body"`: its bytes.
    Body,
    /// `"form"`: the names and values of the body as a form, decoded, sorted by bytes, each pair once, with nothing between.
    Form,
    /// `"method"`: in upper case.
    Method,
    /// `"url"`: the public URL as it was called.
    Url,
    /// `"url-spellings"`: the same, with or without the scheme's own port, its query as it came or as others escape it.
    UrlSpellings,
    /// `{ url-unescaped = ":/" }`: as it came, or with the percent escapes of these characters decoded.
    UrlUnescaped(String),
    /// `{ header = "x-time" }`: a header field's value.
    Header(String),
    /// `{ text = "." }`: as it is.
    Text(String),
}

/// What is taken out of a webhook before it is stored, besides the connection's own secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redact {
    /// `headers`: header fields, in lower case.
    pub headers: Vec<String>,
    /// `query`: parameters of the URL.
    pub query: Vec<String>,
    /// `json`: JSON Pointers (RFC 6901) into the body.
    pub json: Vec<String>,
    /// `xml`: elements of the body, whatever their prefix.
    pub xml: Vec<String>,
    /// `form`: fields of the body.
    pub form: Vec<String>,
}

impl Redact {
    /// Whether it names nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Why a provider's signature may be used again at any time: it signs none.
#[derive(Clone, Debug, PartialEq)]
pub struct Replay {
    /// `exception`: the reason, and what stands against a repeated webhook.
    pub exception: String,
    /// `when`: configurations for which it holds; empty: all.
    pub when: When,
}

pub(super) fn verify(mut table: Table) -> Result<Verify, ManifestError> {
    let open = texts(&mut table, "verify.", "open")?.into_iter().map(|method| method.to_ascii_uppercase()).collect();
    let proofs = match table.remove("proofs") {
        None => Vec::new(),
        Some(Value::Array(proofs)) => proofs.into_iter().map(proof).collect::<Result<_, _>>()?,
        Some(other) => return Err(wrong("verify.proofs", "a list of tables", &other)),
    };
    refuse_unknown(&table, "verify.", &VERIFY_KEYS)?;
    Ok(Verify { open, proofs })
}

/// A proof is checked with a secret that an operator is told to set.
pub(super) fn check_secrets(verify: &Verify, secrets: &BTreeMap<String, SecretUse>) -> Result<(), ManifestError> {
    let known: Vec<&str> = secrets.keys().map(String::as_str).collect();
    let Some(proof) = verify.proofs.iter().find(|proof| !secrets.contains_key(&proof.secret)) else { return Ok(()) };
    let (key, name) = ("verify.proofs.secret".to_owned(), &proof.secret);
    let fix = if known.is_empty() {
        format!("add `{name}` there, and say what it is")
    } else {
        fix_for_unknown_word(name, &known)
    };
    Err(ManifestError::UnknownWord { key, problem: format!("`{name}` is not under `[secrets]`"), fix })
}

fn proof(value: Value) -> Result<Proof, ManifestError> {
    let Value::Table(mut table) = value else { return Err(wrong("verify.proofs", "a list of tables", &value)) };
    refuse_unknown(&table, "verify.proofs.", &PROOF_KEYS)?;
    let text = |table: &mut Table, key: &str| match table.remove(key) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text),
        other => {
            let found = other.unwrap_or_else(|| Value::String(String::new()));
            Err(wrong(&format!("verify.proofs.{key}"), "some text", &found))
        }
    };
    let word = text(&mut table, "scheme")?;
    let scheme = SCHEMES
        .iter()
        .find(|(name, _)| *name == word)
        .map(|(_, scheme)| *scheme)
        .ok_or_else(|| unknown_word("verify.proofs.scheme", &word, &SCHEMES.map(|(name, _)| name)))?;
    let (secret, header) = (text(&mut table, "secret")?, text(&mut table, "header")?.to_ascii_lowercase());
    let prefix = optional_text(&mut table, "prefix")?.unwrap_or_default();
    let separator = match table.remove("separator") {
        None => None,
        Some(Value::String(separator)) if !separator.is_empty() => Some(separator),
        Some(other) => return Err(wrong("verify.proofs.separator", "some text", &other)),
    };
    let is_token = scheme == Scheme::Token;
    let encoding = match table.remove("encoding") {
        None if is_token => Encoding::Hex,
        Some(Value::String(word)) if word == "hex" && !is_token => Encoding::Hex,
        Some(Value::String(word)) if word == "base64" && !is_token => Encoding::Base64,
        Some(Value::String(word)) if !is_token => {
            return Err(unknown_word("verify.proofs.encoding", &word, &["hex", "base64"]));
        }
        other => {
            let expected = if is_token { "nothing: a token is text" } else { "`hex` or `base64`" };
            let found = other.unwrap_or_else(|| Value::String(String::new()));
            return Err(wrong("verify.proofs.encoding", expected, &found));
        }
    };
    let over = match table.remove("over") {
        None if is_token => Vec::new(),
        Some(Value::Array(pieces)) if !pieces.is_empty() && !is_token => {
            pieces.into_iter().map(piece).collect::<Result<Vec<_>, _>>()?
        }
        other => {
            let expected = if is_token { "nothing: a token signs nothing" } else { "a list of what is signed" };
            let found = other.unwrap_or_else(|| Value::Array(Vec::new()));
            return Err(wrong("verify.proofs.over", expected, &found));
        }
    };
    if over.iter().filter(|piece| matches!(piece, Piece::Body | Piece::Form)).count() > 1 {
        return Err(wrong("verify.proofs.over", "the body once", &Value::String("it twice".into())));
    }
    let when = when(&mut table, "verify.proofs.")?;
    Ok(Proof { scheme, secret, header, prefix, separator, encoding, over, when })
}

/// The words for pieces of what is signed.
const PIECES: [&str; 5] = ["body", "form", "method", "url", "url-spellings"];

fn piece(value: Value) -> Result<Piece, ManifestError> {
    let expected =
        "`body`, `form`, `method`, `url`, `url-spellings`, or a table of `header`, `text` or `url-unescaped`";
    match &value {
        Value::String(word) if !PIECES.contains(&word.as_str()) => {
            return Err(unknown_word("verify.proofs.over", word, &PIECES));
        }
        Value::String(word) => match word.as_str() {
            "body" => Some(Piece::Body),
            "form" => Some(Piece::Form),
            "method" => Some(Piece::Method),
            "url" => Some(Piece::Url),
            "url-spellings" => Some(Piece::UrlSpellings),
            _ => None,
        },
        Value::Table(table) if table.len() == 1 => {
            let text = |key: &str| table.get(key).and_then(Value::as_str).map(str::to_owned);
            let header = text("header").map(|name| Piece::Header(name.to_ascii_lowercase()));
            header.or_else(|| text("text").map(Piece::Text)).or_else(|| text("url-unescaped").map(Piece::UrlUnescaped))
        }
        _ => None,
    }
    .ok_or_else(|| wrong("verify.proofs.over", expected, &value))
}

pub(super) fn redact(mut table: Table) -> Result<Redact, ManifestError> {
    let lower = |names: Vec<String>| names.into_iter().map(|name| name.to_ascii_lowercase()).collect();
    let redact = Redact {
        headers: lower(texts(&mut table, "redact.", "headers")?),
        query: texts(&mut table, "redact.", "query")?,
        json: texts(&mut table, "redact.", "json")?,
        xml: texts(&mut table, "redact.", "xml")?,
        form: texts(&mut table, "redact.", "form")?,
    };
    if let Some(pointer) = redact.json.iter().find(|pointer| !pointer.starts_with('/')) {
        return Err(wrong("redact.json", "JSON Pointers such as `/signature/token`", &Value::String(pointer.clone())));
    }
    refuse_unknown(&table, "redact.", &REDACT_KEYS)?;
    Ok(redact)
}

/// A table, or a list of them where a connector has several providers.
pub(super) fn replay(value: Value) -> Result<Vec<Replay>, ManifestError> {
    let tables = match value {
        Value::Table(table) => vec![Value::Table(table)],
        Value::Array(tables) => tables,
        other => return Err(wrong("replay", "a table with `exception`", &other)),
    };
    let one = |value: Value| {
        let Value::Table(mut table) = value else { return Err(wrong("replay", "a table with `exception`", &value)) };
        refuse_unknown(&table, "replay.", &REPLAY_KEYS)?;
        let exception = optional_text(&mut table, "exception")?;
        let empty = || Value::String(String::new());
        let exception = exception.ok_or_else(|| wrong("replay.exception", "why no time is signed", &empty()))?;
        let when = when(&mut table, "replay.")?;
        Ok(Replay { exception, when })
    };
    tables.into_iter().map(one).collect()
}

/// The key `when` of a table.
pub(super) fn when(table: &mut Table, prefix: &str) -> Result<When, ManifestError> {
    let when = take_table(table, "when")?.into_iter().map(|(key, values)| match values {
        Value::Array(values) if !values.is_empty() => Ok((key, values.into_iter().map(json_of_toml).collect())),
        other => Err(wrong(&format!("{prefix}when.{key}"), "a list of values", &other)),
    });
    when.collect::<Result<_, _>>().map(When)
}

fn texts(table: &mut Table, prefix: &str, key: &str) -> Result<Vec<String>, ManifestError> {
    let wrong = |value: &Value| wrong(&format!("{prefix}{key}"), "a list of texts", value);
    match table.remove(key) {
        None => Ok(Vec::new()),
        Some(Value::Array(values)) => {
            let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
            values.iter().map(|value| text(value).ok_or_else(|| wrong(value))).collect()
        }
        Some(other) => Err(wrong(&other)),
    }
}
