//! The checks behind the contract's `verify`: every version of a secret is tried, whichever matches.

use ring::digest;
use ring::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use subtle::ConstantTimeEq;

use crate::keys::{KeyKind, mac_key, public_key};
use crate::mac::MacKey;
use crate::secrets::{Certificate, Secret, Secrets};

/// A keyed hash that providers sign with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MacAlgorithm {
    /// HMAC (RFC 2104) over SHA-1.
    HmacSha1,
    /// HMAC over SHA-256.
    HmacSha256,
    /// HMAC over SHA-512.
    HmacSha512,
}

/// A hash that providers sign with where they use no MAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigestAlgorithm {
    /// SHA-256 of the secret followed by the data.
    Sha256,
}

/// A public-key signature that providers sign with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureAlgorithm {
    /// RFC 8032.
    Ed25519,
    /// ECDSA on P-256 with SHA-256, the signature in DER.
    EcdsaP256Sha256Der,
    /// RSASSA-PKCS1-v1_5 with SHA-1, for providers that offer nothing newer.
    RsaPkcs1Sha1,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RsaPkcs1Sha256,
}

/// What a connector asked of `verify`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckKind {
    /// `mac`
    Mac(MacAlgorithm),
    /// `digest`
    Digest(DigestAlgorithm),
    /// `signature`
    Signature(SignatureAlgorithm),
    /// `token`
    Token,
}

/// One question that a connector asked of `verify`.
#[derive(Clone, Copy, Debug)]
pub struct Check<'a> {
    /// Which function.
    pub kind: CheckKind,
    /// The name of the secret, or the URL of the certificate.
    pub key: &'a str,
    /// What is said to be signed; of a token the candidate.
    pub data: &'a [u8],
    /// The MAC, digest or signature; of a token nothing.
    pub proof: &'a [u8],
    /// None: there was no yes or no.
    pub answer: Option<bool>,
}

impl Check<'_> {
    /// What was asked, without what it was asked about: `mac:app-secret`.
    pub fn name(&self) -> String {
        let kind = match self.kind {
            CheckKind::Mac(_) => "mac",
            CheckKind::Digest(_) => "digest",
            CheckKind::Signature(_) => "signature",
            CheckKind::Token => "token",
        };
        format!("{kind}:{}", self.key)
    }
}

/// Why there is no yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyError {
    /// The connection has no secret of this name.
    Unknown,
    /// No version of it can be used: it is empty, or not a public key of this kind.
    Malformed,
    /// The certificate could not be fetched.
    Unavailable,
    /// The certificate was not fetched yet.
    NotFetched,
}

/// Whether the proof fits the data under any version of the secret or public key that the question names.
pub(crate) fn answer(secrets: &dyn Secrets, check: &Check<'_>) -> Result<bool, KeyError> {
    match check.kind {
        CheckKind::Mac(algorithm) => mac(secrets, algorithm, check),
        CheckKind::Digest(DigestAlgorithm::Sha256) => digest(secrets, check),
        CheckKind::Signature(algorithm) => signature(secrets, algorithm, check),
        CheckKind::Token => token(secrets, check),
    }
}

/// Whether the proof is a signature under the key of the certificate at the URL that the question names.
pub(crate) fn answer_by_certificate(
    secrets: &dyn Secrets,
    algorithm: SignatureAlgorithm,
    check: &Check<'_>,
) -> Result<bool, KeyError> {
    let key = match secrets.certificate(check.key) {
        Certificate::Key(key) => key,
        Certificate::Unavailable => return Err(KeyError::Unavailable),
        Certificate::NotFetched => return Err(KeyError::NotFetched),
    };
    let key = verifier(algorithm, &key).ok_or(KeyError::Unavailable)?;
    Ok(key.verify(check.data, check.proof).is_ok())
}

fn mac(secrets: &dyn Secrets, algorithm: MacAlgorithm, check: &Check<'_>) -> Result<bool, KeyError> {
    any(secrets, check.key, |secret| {
        let keys = mac_keys(algorithm, secret)?;
        Some(keys.iter().any(|key| key.verifies(check.data, check.proof)))
    })
}

/// The keys that a secret may stand for: its text, and the bytes that it encodes.
pub(crate) fn mac_keys(algorithm: MacAlgorithm, secret: &Secret) -> Option<Vec<MacKey>> {
    // The text is tried as well: some senders write a key so and sign with its text.
    let text = not_empty(secret)?;
    let encoded = mac_key(text);
    let bytes = std::iter::once(text).chain(encoded.as_deref());
    Some(bytes.filter_map(|key| MacKey::new(algorithm, key)).collect())
}

fn digest(secrets: &dyn Secrets, check: &Check<'_>) -> Result<bool, KeyError> {
    any(secrets, check.key, |secret| {
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(not_empty(secret)?);
        hash.update(check.data);
        Some(are_equal(hash.finish().as_ref(), check.proof))
    })
}

fn signature(secrets: &dyn Secrets, algorithm: SignatureAlgorithm, check: &Check<'_>) -> Result<bool, KeyError> {
    any(secrets, check.key, |secret| {
        let key = verifier(algorithm, secret.reveal())?;
        Some(key.verify(check.data, check.proof).is_ok())
    })
}

pub(crate) fn verifier(algorithm: SignatureAlgorithm, key: &[u8]) -> Option<UnparsedPublicKey<Vec<u8>>> {
    let (kind, algorithm): (_, &'static dyn VerificationAlgorithm) = match algorithm {
        SignatureAlgorithm::Ed25519 => (KeyKind::Ed25519, &signature::ED25519),
        SignatureAlgorithm::EcdsaP256Sha256Der => (KeyKind::EcdsaP256, &signature::ECDSA_P256_SHA256_ASN1),
        SignatureAlgorithm::RsaPkcs1Sha1 => (KeyKind::Rsa, &signature::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY),
        SignatureAlgorithm::RsaPkcs1Sha256 => (KeyKind::Rsa, &signature::RSA_PKCS1_2048_8192_SHA256),
    };
    Some(UnparsedPublicKey::new(algorithm, public_key(key, kind).ok()?))
}

fn token(secrets: &dyn Secrets, check: &Check<'_>) -> Result<bool, KeyError> {
    any(secrets, check.key, |secret| Some(is_same_token(not_empty(secret)?, check.data)))
}

/// Whether a token is the secret. Their hashes are compared: comparing the texts would tell the length of the secret.
pub(crate) fn is_same_token(secret: &[u8], candidate: &[u8]) -> bool {
    let hash = |text| digest::digest(&digest::SHA256, text);
    are_equal(hash(secret).as_ref(), hash(candidate).as_ref())
}

/// Equality in a time that tells nothing but whether the lengths are the same.
pub(crate) fn are_equal(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

/// Tries every version, without an early exit that would tell which one matched. `None` of a check: malformed. One
/// good version is enough, so that a mistake in a new one does not stop a connection while the old one is in use.
fn any(secrets: &dyn Secrets, name: &str, check: impl Fn(&Secret) -> Option<bool>) -> Result<bool, KeyError> {
    let versions = secrets.versions(name).filter(|versions| !versions.is_empty()).ok_or(KeyError::Unknown)?;
    let answers: Vec<Option<bool>> = versions.iter().map(check).collect();
    if answers.iter().all(Option::is_none) {
        return Err(KeyError::Malformed);
    }
    Ok(answers.contains(&Some(true)))
}

/// An empty key is a mistake of configuration under which anyone can make a valid MAC.
pub(crate) fn not_empty(secret: &Secret) -> Option<&[u8]> {
    Some(secret.reveal()).filter(|bytes| !bytes.is_empty())
}

#[cfg(test)]
mod tests;
