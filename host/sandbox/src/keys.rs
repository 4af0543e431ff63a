//! Configured keys, in the forms in which providers publish them and operators store them: one decoder for all.
//!
//! What stands in an environment variable, a file or a secret store has often been through a form, an editor or a shell:
//! a line end behind it, a byte order mark before it, lines that end in CRLF or in the two characters `\n`, base64 without
//! its padding or of the URL-safe alphabet. None of that changes which key is meant.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use rapport_model::secret::trimmed;
use ring::agreement;
use ring::rand::SystemRandom;

use crate::artefact::unhex;

/// The kind of a public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyKind {
    Ed25519,
    EcdsaP256,
    Rsa,
}

/// What is wrong with a configured key. It says nothing of the key itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyProblem {
    #[error("is empty")]
    Empty,
    #[error("is no `user:password`")]
    NoPair,
    #[error("begins with `whsec_` and goes on with no base64, so it was perhaps cut off")]
    NoSecretAfterPrefix,
    #[error("is a private key; fix: the public one is wanted, and whoever saw this one can sign")]
    Private,
    #[error(
        "is a certificate or another PEM than `PUBLIC KEY`; fix: `openssl x509 -pubkey -noout` gets the key out of one"
    )]
    OtherPem,
    #[error("is a PEM without its last line, so it was perhaps cut off")]
    Unclosed,
    #[error("is not a key; expected PEM, base64, hexadecimal or DER")]
    NoKey,
    #[error("is a key of another kind than {0}")]
    OtherKind(&'static str),
    #[error("is an RSA key of fewer than 2,048 or more than 8,192 bits")]
    RsaBits,
    #[error("is not a point of the curve P-256")]
    NoPoint,
}

impl KeyKind {
    fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "Ed25519",
            Self::EcdsaP256 => "ECDSA P-256",
            Self::Rsa => "RSA",
        }
    }
}

/// Base64 of either alphabet, with or without padding, in as many lines as it likes.
pub(crate) fn base64_bytes(text: &str) -> Option<Vec<u8>> {
    const ANY: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    let one_alphabet = text.chars().filter(|one| !one.is_whitespace()).map(|one| match one {
        '-' => '+',
        '_' => '/',
        other => other,
    });
    let text: String = one_alphabet.collect();
    ANY.decode(text.trim_end_matches('=')).ok().filter(|bytes| !bytes.is_empty())
}

/// The bytes behind `whsec_` and base64, which is how the Standard Webhooks specification writes the key of a MAC; some
/// senders put the version before it, `v1,whsec_`.
pub(crate) fn mac_key(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    base64_bytes(text.strip_prefix("v1,").unwrap_or(text).strip_prefix("whsec_")?)
}

/// What `ring` verifies with: 32 bytes (Ed25519), an uncompressed point (P-256), or a PKCS #1 `RSAPublicKey`.
///
/// Accepts a PEM `PUBLIC KEY` or `RSA PUBLIC KEY`, the same as base64 without the frame, or as DER; for Ed25519 also the bare
/// 32 bytes, and for P-256 the bare point of 65, as they are, in hexadecimal or in base64; `whpk_` and `v1a,` before it are
/// left out (Standard Webhooks).
///
/// # Errors
/// It is in none of these forms, or a key of another kind.
pub(crate) fn public_key(configured: &[u8], kind: KeyKind) -> Result<Vec<u8>, KeyProblem> {
    if configured.is_empty() {
        return Err(KeyProblem::Empty);
    }
    // As it is first: the last byte of a bare key may be one that ends a line. A file may have one more.
    let without_end = configured.strip_suffix(b"\n").unwrap_or(configured);
    let without_end = without_end.strip_suffix(b"\r").unwrap_or(without_end);
    if let Some(found) = of_bytes(configured, kind).or_else(|| of_bytes(without_end, kind)) {
        return found;
    }
    let Ok(text) = std::str::from_utf8(trimmed(configured)) else { return Err(KeyProblem::NoKey) };
    if text.is_empty() {
        return Err(KeyProblem::Empty);
    }
    // As a variable holds several lines, and in quotes as a file of variables holds it.
    let text = text.trim_matches(['"', '\'']).replace("\\r", "").replace("\\n", "\n");
    let text = text.trim();
    let text = text.strip_prefix("v1a,").unwrap_or(text);
    let text = text.strip_prefix("whpk_").unwrap_or(text);
    let bytes = match without_frame(text)? {
        inner if inner.len() != text.len() => base64_bytes(inner),
        bare => unhex(bare).or_else(|| base64_bytes(bare)),
    };
    of_bytes(&bytes.ok_or(KeyProblem::NoKey)?, kind).unwrap_or(Err(KeyProblem::NoKey))
}

/// The key in these bytes; none: they are no key at all.
fn of_bytes(bytes: &[u8], kind: KeyKind) -> Option<Result<Vec<u8>, KeyProblem>> {
    let key = match spki(bytes) {
        Some((algorithm, key)) if algorithm == algorithm_of(kind) => key,
        Some(_) => return Some(Err(KeyProblem::OtherKind(kind.name()))),
        None => match kind {
            KeyKind::Ed25519 if bytes.len() == ED25519_BYTES => bytes,
            KeyKind::EcdsaP256 if bytes.len() == POINT_BYTES && bytes[0] == UNCOMPRESSED => bytes,
            KeyKind::Rsa if modulus(bytes).is_some() => bytes,
            _ => return None,
        },
    };
    Some(Ok(key.to_vec()))
}

/// Whether signatures can be verified by a configured key: read, and tried. For when a connection is set up, since trying a
/// point costs as much as a signature.
pub(crate) fn try_out(configured: &[u8], kind: KeyKind) -> Result<(), KeyProblem> {
    usable(&public_key(configured, kind)?, kind)
}

/// Whether a signature could ever be right under this key.
fn usable(key: &[u8], kind: KeyKind) -> Result<(), KeyProblem> {
    match kind {
        KeyKind::Ed25519 if key.len() == ED25519_BYTES => Ok(()),
        KeyKind::Ed25519 => Err(KeyProblem::NoKey),
        KeyKind::EcdsaP256 => is_point(key).then_some(()).ok_or(KeyProblem::NoPoint),
        KeyKind::Rsa => {
            let bits = modulus(key).ok_or(KeyProblem::NoKey)?.len() * 8;
            // What `ring` verifies with (`RSA_PKCS1_2048_8192_…`), by whole octets.
            (2_048..=8_192).contains(&bits).then_some(()).ok_or(KeyProblem::RsaBits)
        }
    }
}

const ED25519_BYTES: usize = 32;
const POINT_BYTES: usize = 65;
/// The first octet of a point with both coordinates (SEC 1 §2.3.3).
const UNCOMPRESSED: u8 = 4;

/// Whether a point is on the curve: `ring` checks that when a key is agreed upon, and at no other place that is open to us.
fn is_point(point: &[u8]) -> bool {
    let ours = agreement::EphemeralPrivateKey::generate(&agreement::ECDH_P256, &SystemRandom::new());
    let theirs = agreement::UnparsedPublicKey::new(&agreement::ECDH_P256, point);
    ours.is_ok_and(|ours| agreement::agree_ephemeral(ours, &theirs, |_| ()).is_ok())
}

/// The base64 inside a PEM of a public key, or all of a text without a frame.
fn without_frame(text: &str) -> Result<&str, KeyProblem> {
    let Some(begin) = text.find("-----BEGIN ") else { return Ok(text) };
    let rest = &text[begin + "-----BEGIN ".len()..];
    let (label, rest) = rest.split_once("-----").ok_or(KeyProblem::Unclosed)?;
    match label {
        "PUBLIC KEY" | "RSA PUBLIC KEY" => {
            rest.split_once("-----END ").map(|(inner, _)| inner).ok_or(KeyProblem::Unclosed)
        }
        label if label.ends_with("PRIVATE KEY") => Err(KeyProblem::Private),
        _ => Err(KeyProblem::OtherPem),
    }
}

/// Algorithm and key of a `SubjectPublicKeyInfo` (RFC 5280 §4.1.2.7).
fn spki(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (spki, after) = element(der, SEQUENCE)?;
    let (algorithm, rest) = element(spki, SEQUENCE)?;
    let (bits, end) = element(rest, BIT_STRING)?;
    // The first octet of a BIT STRING counts its unused bits; a key has none.
    let (&0, key) = bits.split_first()? else { return None };
    // A line end behind it is a file's.
    let whole = after.iter().all(u8::is_ascii_whitespace) && end.is_empty();
    whole.then_some((algorithm, key))
}

/// The modulus of a PKCS #1 `RSAPublicKey` (RFC 8017 §A.1.1), without leading zeros.
fn modulus(der: &[u8]) -> Option<&[u8]> {
    let (key, after) = element(der, SEQUENCE)?;
    let (modulus, rest) = element(key, INTEGER)?;
    let (_, end) = element(rest, INTEGER)?;
    let zeros = modulus.iter().take_while(|octet| **octet == 0).count();
    (after.is_empty() && end.is_empty()).then_some(&modulus[zeros..])
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;

/// The DER of the `AlgorithmIdentifier`, object identifier and parameters.
fn algorithm_of(kind: KeyKind) -> &'static [u8] {
    match kind {
        // 1.3.101.112, RFC 8410.
        KeyKind::Ed25519 => &[0x06, 0x03, 0x2b, 0x65, 0x70],
        // 1.2.840.10045.2.1 with 1.2.840.10045.3.1.7 (prime256v1), RFC 5480.
        KeyKind::EcdsaP256 => &[
            0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01,
            0x07,
        ],
        // 1.2.840.113549.1.1.1 with NULL, RFC 3279.
        KeyKind::Rsa => &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00],
    }
}

/// Splits off one DER element with this tag: its content, and what follows.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    if found != tag {
        return None;
    }
    let mut length = usize::from(first);
    if first & 0x80 != 0 {
        let digits = usize::from(first & 0x7f);
        // A key of 64 KiB does not exist, so more than two octets of length are no key.
        if !(1..=2).contains(&digits) || rest.len() < digits {
            return None;
        }
        length = rest[..digits].iter().fold(0, |length, octet| length << 8 | usize::from(*octet));
        rest = &rest[digits..];
    }
    (length <= rest.len()).then(|| rest.split_at(length))
}

#[cfg(test)]
mod tests;
