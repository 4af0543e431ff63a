//! What the host can say of a webhook before its connector is called, by the `[verify]` of the manifest.
//!
//! Header fields decide first: without one well-formed proof nothing of the body is read. Then the body runs through the
//! MACs while it arrives. The connector verifies again; a gate only keeps out what it would refuse, and never lets in more.

mod url;

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ring::digest::{self, SHA256};
use ring::signature::UnparsedPublicKey;
use serde_json::Value as Json;

use crate::artefact::unhex;
use crate::mac::{MacContext, MacKey};
use crate::manifest::{Encoding, Manifest, Piece, Proof, Scheme};
use crate::secrets::{Secret, Secrets};
use crate::verify::{are_equal, is_same_token, mac_keys, not_empty, verifier};

/// Proofs of one header field that are looked at: senders keep two or three keys at a time.
const CANDIDATES_MAX: usize = 16;
/// Fields of a form that is signed field by field. More is refused before it costs time: no provider sends a tenth of it.
const FORM_FIELDS_MAX: usize = 1_000;

/// The proofs of one connection, ready to be checked.
pub struct Gate {
    open: Vec<String>,
    ready: Vec<Ready>,
}

/// A proof with its keys.
struct Ready {
    proof: Proof,
    keys: Keys,
}

enum Keys {
    Mac(Vec<MacKey>),
    Digest(Vec<Secret>),
    Signature(Vec<UnparsedPublicKey<Vec<u8>>>),
    Token(Vec<Secret>),
}

/// What the header fields say.
pub enum Entry {
    /// The connector alone decides.
    Open,
    /// A token was right.
    Proven,
    /// The body has to be read.
    Pending(Pending),
}

/// Not the provider's: whatever proof was declared, none is there or right. Says for the operator why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unproven(pub String);

/// A webhook whose body is still arriving.
pub struct Pending(Vec<Running>);

/// One proof that may still turn out right.
struct Running {
    /// Its place in the gate.
    place: usize,
    tags: Vec<Vec<u8>>,
    work: Work,
}

enum Work {
    /// One context for each key and each spelling of what stands before the body; and what stands behind it.
    Mac(Vec<MacContext>, Vec<u8>),
    Digest(Vec<digest::Context>, Vec<u8>),
    /// What stands before and behind the body, which has to be there as a whole.
    Whole(Vec<Vec<u8>>, Vec<u8>),
}

impl Gate {
    /// The gate of a connection; none where its manifest declares no proof that applies to it.
    pub fn new(manifest: &Manifest, config: &Json, secrets: &dyn Secrets) -> Option<Self> {
        let mut applying = manifest.verify.proofs.iter().filter(|proof| proof.when.applies(config)).peekable();
        applying.peek()?;
        let ready = |proof: &Proof| {
            let keys = Keys::of(proof, secrets.versions(&proof.secret)?)?;
            Some(Ready { proof: proof.clone(), keys })
        };
        let ready = applying.filter_map(ready).collect();
        Some(Self { open: manifest.verify.open.clone(), ready })
    }

    /// What a request's head proves.
    ///
    /// # Errors
    /// [`Unproven`]: nothing of its body need be read.
    pub fn enter(&self, method: &str, url: &str, headers: &[(String, String)]) -> Result<Entry, Unproven> {
        if self.open.iter().any(|open| open == method) {
            return Ok(Entry::Open);
        }
        let (mut running, mut wrong) = (Vec::new(), None);
        for (place, ready) in self.ready.iter().enumerate() {
            let Some(value) = only(headers, &ready.proof.header) else { continue };
            match ready.enter(place, value, method, url, headers) {
                Found::Nothing => wrong = wrong.or(Some(ready)),
                Found::Token => return Ok(Entry::Proven),
                Found::Running(one) => running.push(one),
            }
        }
        if running.is_empty() {
            Err(Unproven(self.nothing_found(wrong, headers)))
        } else {
            Ok(Entry::Pending(Pending(running)))
        }
    }

    /// Why no proof can be right: `wrong` is one whose header field is there once.
    fn nothing_found(&self, wrong: Option<&Ready>, given: &[(String, String)]) -> String {
        if self.ready.is_empty() {
            return "no secret is set that could prove a webhook; fix: set those that the connector's page names"
                .into();
        }
        if let Some(wrong) = wrong {
            return wrong.why_not(given);
        }
        let mut headers: Vec<&str> = self.ready.iter().map(|ready| ready.proof.header.as_str()).collect();
        headers.dedup();
        let repeated = headers.iter().map(|header| (*header, count(given, header))).find(|(_, count)| *count > 1);
        let (header, found) = match repeated {
            Some((header, count)) => (header.to_owned(), count.to_string()),
            None => (headers.join("` or `"), "none".to_owned()),
        };
        format!("expected header `{header}` exactly once, found {found}; fix: {LET_THROUGH} add or drop header fields")
    }
}

impl Keys {
    /// None: no version can be used.
    fn of(proof: &Proof, versions: &[Secret]) -> Option<Self> {
        let usable = || versions.iter().filter(|version| not_empty(version).is_some());
        let is_some = match proof.scheme {
            Scheme::Mac(algorithm) => {
                Self::Mac(usable().filter_map(|version| mac_keys(algorithm, version)).flatten().collect())
            }
            Scheme::Digest(_) => Self::Digest(usable().cloned().collect()),
            Scheme::Signature(algorithm) => {
                Self::Signature(usable().filter_map(|version| verifier(algorithm, version.reveal())).collect())
            }
            Scheme::Token => Self::Token(usable().cloned().collect()),
        };
        let count = match &is_some {
            Self::Mac(keys) => keys.len(),
            Self::Digest(keys) | Self::Token(keys) => keys.len(),
            Self::Signature(keys) => keys.len(),
        };
        (count > 0).then_some(is_some)
    }
}

/// How the fix begins for whatever stands between.
const LET_THROUGH: &str = "let nothing between the provider and this host";

fn count(headers: &[(String, String)], name: &str) -> usize {
    headers.iter().filter(|(found, _)| found == name).count()
}

enum Found {
    Nothing,
    Token,
    Running(Running),
}

impl Ready {
    fn enter(&self, place: usize, value: &str, method: &str, url: &str, headers: &[(String, String)]) -> Found {
        let Proof { prefix, separator, encoding, over, .. } = &self.proof;
        let written = match separator {
            Some(separator) => value.split(separator.as_str()).take(CANDIDATES_MAX * 2).collect(),
            None => vec![value],
        };
        if let Keys::Token(versions) = &self.keys {
            let is_right = |token: &str| {
                let token = token.strip_prefix(prefix.as_str()).unwrap_or_default().as_bytes();
                versions.iter().fold(false, |known, version| known | is_same_token(version.reveal(), token))
            };
            return if written.into_iter().any(is_right) { Found::Token } else { Found::Nothing };
        }
        let tag = |text: &str| decoded(*encoding, text.trim().strip_prefix(prefix.as_str())?);
        let tags: Vec<Vec<u8>> =
            written.into_iter().filter_map(tag).filter(|tag| self.fits(tag)).take(CANDIDATES_MAX).collect();
        if tags.is_empty() {
            return Found::Nothing;
        }
        let body_at = over.iter().position(|piece| matches!(piece, Piece::Body | Piece::Form)).unwrap_or(over.len());
        let has_form = over.get(body_at) == Some(&Piece::Form);
        let before = glued(&over[..body_at], method, url, headers);
        let behind = glued(over.get(body_at + 1..).unwrap_or_default(), method, url, headers);
        // What a header says stands for all spellings of what is before it; behind the body there is one.
        let (Some(before), Some(behind)) = (before, behind.and_then(|spellings| spellings.into_iter().next())) else {
            return Found::Nothing;
        };
        let work = match &self.keys {
            Keys::Mac(keys) if !has_form => {
                let started = |(key, before): (&MacKey, &Vec<u8>)| {
                    let mut context = key.begin();
                    context.update(before);
                    context
                };
                let pairs = keys.iter().flat_map(|key| before.iter().map(move |before| (key, before)));
                Work::Mac(pairs.map(started).collect(), behind)
            }
            Keys::Digest(secrets) if !has_form => {
                let started = |(secret, before): (&Secret, &Vec<u8>)| {
                    let mut context = digest::Context::new(&SHA256);
                    context.update(secret.reveal());
                    context.update(before);
                    context
                };
                let pairs = secrets.iter().flat_map(|secret| before.iter().map(move |before| (secret, before)));
                Work::Digest(pairs.map(started).collect(), behind)
            }
            _ => Work::Whole(before, behind),
        };
        Found::Running(Running { place, tags, work })
    }

    /// Why the value of the header field, which is there once, cannot be right.
    fn why_not(&self, given: &[(String, String)]) -> String {
        let Proof { header, secret, prefix, over, .. } = &self.proof;
        if matches!(self.keys, Keys::Token(_)) {
            return format!(
                "the token in header `{header}` does not match secret `{secret}`; fix: set the secret to what the provider sends"
            );
        }
        let signed = over.iter().filter_map(|piece| match piece {
            Piece::Header(name) => Some(name),
            _ => None,
        });
        if let Some(name) = { signed }.find(|name| count(given, name) != 1) {
            let found = match count(given, name) {
                0 => "none".to_owned(),
                count => count.to_string(),
            };
            return format!(
                "expected header `{name}`, which is signed, exactly once, found {found}; fix: {LET_THROUGH} add or drop header \
                 fields"
            );
        }
        let prefix = if prefix.is_empty() { String::new() } else { format!("`{prefix}` and ") };
        format!(
            "expected header `{header}` to be {prefix}{}, found something else; fix: {LET_THROUGH} rewrite header fields",
            self.form()
        )
    }

    /// The form of a proof behind its prefix.
    fn form(&self) -> String {
        let bytes = match &self.keys {
            Keys::Mac(keys) => keys.first().map(MacKey::tag_bytes),
            Keys::Digest(_) => Some(SHA256.output_len()),
            Keys::Signature(_) | Keys::Token(_) => None,
        };
        match (self.proof.encoding, bytes) {
            (Encoding::Hex, Some(bytes)) => format!("{} hex digits", bytes * 2),
            (Encoding::Hex, None) => "hex digits".to_owned(),
            (Encoding::Base64, Some(bytes)) => format!("base64 of {bytes} bytes"),
            (Encoding::Base64, None) => "base64".to_owned(),
        }
    }

    /// Whether a proof has the length that its scheme gives it.
    fn fits(&self, tag: &[u8]) -> bool {
        match &self.keys {
            Keys::Mac(keys) => keys.first().is_some_and(|key| key.tag_bytes() == tag.len()),
            Keys::Digest(_) => tag.len() == SHA256.output_len(),
            Keys::Signature(_) | Keys::Token(_) => !tag.is_empty(),
        }
    }

    /// Whether one of the proofs is that of the whole of what is signed.
    fn is_right(&self, tags: &[Vec<u8>], before: &[Vec<u8>], behind: &[u8], body: &[u8]) -> bool {
        let body = if self.proof.over.contains(&Piece::Form) {
            let Some(signed) = url::signed_fields(body, FORM_FIELDS_MAX) else { return false };
            Cow::Owned(signed)
        } else if self.proof.over.contains(&Piece::Body) {
            Cow::Borrowed(body)
        } else {
            Cow::Borrowed(&b""[..])
        };
        before.iter().any(|before| {
            let parts = [before.as_slice(), &body, behind];
            match &self.keys {
                Keys::Mac(keys) => keys.iter().any(|key| {
                    let mut context = key.begin();
                    parts.iter().for_each(|part| context.update(part));
                    is_one_of(tags, &context.finish())
                }),
                Keys::Digest(secrets) => secrets.iter().any(|secret| {
                    let mut context = digest::Context::new(&SHA256);
                    context.update(secret.reveal());
                    parts.iter().for_each(|part| context.update(part));
                    is_one_of(tags, context.finish().as_ref())
                }),
                Keys::Signature(keys) => {
                    let signed = parts.concat();
                    keys.iter().any(|key| tags.iter().any(|tag| key.verify(&signed, tag).is_ok()))
                }
                Keys::Token(_) => false,
            }
        })
    }
}

impl Pending {
    /// The next bytes of the body.
    pub fn update(&mut self, gate: &Gate, bytes: &[u8]) {
        for running in &mut self.0 {
            // Of what is not over the body nothing is computed.
            if !gate.ready[running.place].proof.over.contains(&Piece::Body) {
                continue;
            }
            match &mut running.work {
                Work::Mac(contexts, _) => contexts.iter_mut().for_each(|context| context.update(bytes)),
                Work::Digest(contexts, _) => contexts.iter_mut().for_each(|context| context.update(bytes)),
                Work::Whole(..) => {}
            }
        }
    }

    /// Whether the whole body, all of which went through [`update`](Self::update), is the provider's.
    ///
    /// # Errors
    /// [`Unproven`]
    pub fn finish(self, gate: &Gate, body: &[u8]) -> Result<(), Unproven> {
        let proven = self.0.into_iter().any(|Running { place, tags, work }| match work {
            Work::Mac(contexts, behind) => contexts.into_iter().any(|mut context| {
                context.update(&behind);
                is_one_of(&tags, &context.finish())
            }),
            Work::Digest(contexts, behind) => contexts.into_iter().any(|mut context| {
                context.update(&behind);
                is_one_of(&tags, context.finish().as_ref())
            }),
            Work::Whole(before, behind) => gate.ready[place].is_right(&tags, &before, &behind, body),
        });
        proven.then_some(()).ok_or_else(|| {
            let mut secrets: Vec<&str> = gate.ready.iter().map(|ready| ready.proof.secret.as_str()).collect();
            secrets.dedup();
            Unproven(format!(
                "the signature does not match secret `{}`; fix: set the secret to what the provider signs with, set \
                 `public-url` to the URL that the provider calls, and let nothing change the body",
                secrets.join("` or `")
            ))
        })
    }
}

/// Every tag is compared, so that the time does not tell which one is near.
fn is_one_of(tags: &[Vec<u8>], right: &[u8]) -> bool {
    tags.iter().fold(false, |found, tag| found | are_equal(right, tag))
}

/// Pieces in a row, in every spelling; none where a header field is not there once.
fn glued(pieces: &[Piece], method: &str, called: &str, headers: &[(String, String)]) -> Option<Vec<Vec<u8>>> {
    let mut spellings: Vec<Vec<u8>> = vec![Vec::new()];
    for piece in pieces {
        let texts: Vec<Cow<'_, str>> = match piece {
            Piece::Body | Piece::Form => vec![],
            Piece::Method => vec![method.into()],
            Piece::Url => vec![called.into()],
            Piece::UrlSpellings => url::spellings(called).into_iter().map(Cow::Owned).collect(),
            Piece::UrlUnescaped(escaped) => url::unescaped(called, escaped),
            Piece::Header(name) => vec![only(headers, name)?.into()],
            Piece::Text(text) => vec![text.as_str().into()],
        };
        spellings = match texts.as_slice() {
            [text] => spellings
                .into_iter()
                .map(|mut spelling| {
                    spelling.extend_from_slice(text.as_bytes());
                    spelling
                })
                .collect(),
            texts => spellings
                .iter()
                .flat_map(|spelling| texts.iter().map(|text| [spelling, text.as_bytes()].concat()))
                .collect(),
        };
    }
    Some(spellings)
}

/// The value of a header field that is there exactly once.
fn only<'h>(headers: &'h [(String, String)], name: &str) -> Option<&'h str> {
    let mut values = headers.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_str());
    values.next().filter(|_| values.next().is_none())
}

const EITHER_PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, EITHER_PADDING);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, EITHER_PADDING);

fn decoded(encoding: Encoding, text: &str) -> Option<Vec<u8>> {
    match encoding {
        Encoding::Hex => unhex(text),
        Encoding::Base64 if text.contains(['-', '_']) => URL_SAFE.decode(text.replace('+', "-").replace('/', "_")).ok(),
        Encoding::Base64 => STANDARD.decode(text).ok(),
    }
}

#[cfg(test)]
mod tests;
