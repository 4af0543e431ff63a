//! The host's side of `verify` and `log`, for one thread, with the secrets of a test.

use std::cell::RefCell;
use std::collections::BTreeMap;

use ring::hmac;
use ring::signature::{self as scheme, UnparsedPublicKey, VerificationAlgorithm};

use super::public_key;
use crate::log::Level;
use crate::verify::{KeySource, MacAlgorithm, SignatureAlgorithm, VerifyError};

type Secrets = BTreeMap<String, Vec<String>>;

#[derive(Default)]
struct Host {
    secrets: Secrets,
    verified: bool,
    log: Vec<(Level, String)>,
}

thread_local! {
    static HOST: RefCell<Host> = RefCell::default();
}

/// The MAC of `data`, for a test that signs what it sends.
pub fn sign(algorithm: MacAlgorithm, secret: &str, data: &[u8]) -> Vec<u8> {
    hmac::sign(&mac_key(algorithm, secret), data).as_ref().to_vec()
}

/// Starts afresh with these secrets.
pub(super) fn install(secrets: Secrets) {
    HOST.set(Host { secrets, ..Host::default() });
}

/// Whether anything was verified since [`install`], and what was logged.
pub(super) fn take() -> (bool, Vec<(Level, String)>) {
    HOST.with_borrow_mut(|host| (std::mem::take(&mut host.verified), std::mem::take(&mut host.log)))
}

pub(crate) fn log(level: Level, message: &str) {
    HOST.with_borrow_mut(|host| host.log.push((level, message.to_owned())));
}

pub(crate) fn mac(algorithm: MacAlgorithm, secret: &str, data: &[u8], tag: &[u8]) -> Result<bool, VerifyError> {
    any_version(secret, |version| Ok(hmac::verify(&mac_key(algorithm, version), data, tag).is_ok()))
}

/// Both sides are hashed under one key and compared by `ring` in constant time, so that not even the length shows.
pub(crate) fn token(secret: &str, candidate: &str) -> Result<bool, VerifyError> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"equality of two tokens");
    let tag = hmac::sign(&key, candidate.as_bytes());
    any_version(secret, |version| Ok(hmac::verify(&key, version.as_bytes(), tag.as_ref()).is_ok()))
}

pub(crate) fn signature(
    algorithm: SignatureAlgorithm,
    key: &KeySource,
    data: &[u8],
    signature: &[u8],
) -> Result<bool, VerifyError> {
    let scheme: &'static dyn VerificationAlgorithm = match algorithm {
        SignatureAlgorithm::Ed25519 => &scheme::ED25519,
        SignatureAlgorithm::EcdsaP256Sha256Der => &scheme::ECDSA_P256_SHA256_ASN1,
        SignatureAlgorithm::RsaPkcs1Sha1 => &scheme::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
        SignatureAlgorithm::RsaPkcs1Sha256 => &scheme::RSA_PKCS1_2048_8192_SHA256,
    };
    let name = match key {
        KeySource::Named(name) | KeySource::CertificateUrl(name) => name,
    };
    any_version(name, |version| {
        let key = public_key::decode(version).ok_or_else(|| VerifyError::MalformedKey(name.clone()))?;
        Ok(UnparsedPublicKey::new(scheme, key).verify(data, signature).is_ok())
    })
}

fn any_version(name: &str, matches: impl Fn(&str) -> Result<bool, VerifyError>) -> Result<bool, VerifyError> {
    HOST.with_borrow_mut(|host| {
        let versions = host.secrets.get(name).ok_or_else(|| VerifyError::UnknownKey(name.to_owned()))?;
        for version in versions {
            if matches(version)? {
                host.verified = true;
                return Ok(true);
            }
        }
        Ok(false)
    })
}

fn mac_key(algorithm: MacAlgorithm, secret: &str) -> hmac::Key {
    let algorithm = match algorithm {
        MacAlgorithm::HmacSha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        MacAlgorithm::HmacSha256 => hmac::HMAC_SHA256,
        MacAlgorithm::HmacSha512 => hmac::HMAC_SHA512,
    };
    hmac::Key::new(algorithm, secret.as_bytes())
}
