//! The checks behind the contract's `verify`: every version of a secret is tried, whichever matches.

use ring::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use ring::{digest, hmac};

use crate::keys::{KeyKind, public_key};
use crate::secrets::{Secret, Secrets};

/// A keyed hash that providers sign with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum MacAlgorithm {
    HmacSha1,
    HmacSha256,
    HmacSha512,
}

/// A public-key signature that providers sign with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SignatureAlgorithm {
    Ed25519,
    EcdsaP256Sha256Der,
    RsaPkcs1Sha1,
    RsaPkcs1Sha256,
}

/// Why there is no yes or no. Both are mistakes in the connection's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyError {
    /// The connection has no secret of this name.
    Unknown,
    /// No version of it can be used: it is empty, or not a public key of this kind.
    Malformed,
}

/// Whether `tag` is the MAC of `data` under any version of the secret `name`.
pub(crate) fn mac(
    secrets: &dyn Secrets,
    algorithm: MacAlgorithm,
    name: &str,
    signed: Signed<'_>,
) -> Result<bool, KeyError> {
    let algorithm = match algorithm {
        MacAlgorithm::HmacSha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        MacAlgorithm::HmacSha256 => hmac::HMAC_SHA256,
        MacAlgorithm::HmacSha512 => hmac::HMAC_SHA512,
    };
    any(secrets, name, |secret| {
        let key = hmac::Key::new(algorithm, not_empty(secret)?);
        Some(hmac::verify(&key, signed.data, signed.proof).is_ok())
    })
}

/// Whether `signed.proof` is a signature of `signed.data` under any version of the public key `name`.
pub(crate) fn signature(
    secrets: &dyn Secrets,
    algorithm: SignatureAlgorithm,
    name: &str,
    signed: Signed<'_>,
) -> Result<bool, KeyError> {
    let (kind, algorithm): (_, &'static dyn VerificationAlgorithm) = match algorithm {
        SignatureAlgorithm::Ed25519 => (KeyKind::Ed25519, &signature::ED25519),
        SignatureAlgorithm::EcdsaP256Sha256Der => (KeyKind::EcdsaP256, &signature::ECDSA_P256_SHA256_ASN1),
        SignatureAlgorithm::RsaPkcs1Sha1 => (KeyKind::Rsa, &signature::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY),
        SignatureAlgorithm::RsaPkcs1Sha256 => (KeyKind::Rsa, &signature::RSA_PKCS1_2048_8192_SHA256),
    };
    any(secrets, name, |secret| {
        let key = UnparsedPublicKey::new(algorithm, public_key(secret.reveal(), kind)?);
        Some(key.verify(signed.data, signed.proof).is_ok())
    })
}

/// Whether `candidate` equals any version of the secret `name`.
pub(crate) fn token(secrets: &dyn Secrets, name: &str, candidate: &str) -> Result<bool, KeyError> {
    // Equal length first would tell the length: two hashes are as long as each other, and `hmac::verify` compares them
    // in constant time. Its key hides nothing; it is there because `ring` compares only MACs.
    let comparison = hmac::Key::new(hmac::HMAC_SHA256, b"rapport token comparison");
    let candidate = digest::digest(&digest::SHA256, candidate.as_bytes());
    any(secrets, name, |secret| {
        let expected = digest::digest(&digest::SHA256, not_empty(secret)?);
        let tag = hmac::sign(&comparison, expected.as_ref());
        Some(hmac::verify(&comparison, candidate.as_ref(), tag.as_ref()).is_ok())
    })
}

/// What was signed, and the MAC or signature that came with it.
#[derive(Clone, Copy)]
pub(crate) struct Signed<'a> {
    pub(crate) data: &'a [u8],
    pub(crate) proof: &'a [u8],
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
fn not_empty(secret: &Secret) -> Option<&[u8]> {
    Some(secret.reveal()).filter(|bytes| !bytes.is_empty())
}

#[cfg(test)]
mod tests;
