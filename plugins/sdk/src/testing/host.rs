//! The host's side of `verify` and `log`, for one thread, with the secrets of a test.

use std::cell::RefCell;
use std::collections::BTreeMap;

use ring::signature::{self as scheme, UnparsedPublicKey, VerificationAlgorithm};
use ring::{digest as hash, hmac};

use super::public_key;
use super::subject::{Asked, Question};
use crate::encoding::base64;
use crate::log::Level;
use crate::verify::{DigestAlgorithm, KeySource, MacAlgorithm, SignatureAlgorithm, VerifyError};

type Secrets = BTreeMap<String, Vec<String>>;

#[derive(Default)]
struct Host {
    secrets: Secrets,
    asked: Vec<Asked>,
    log: Vec<(Level, String)>,
    /// Every check says yes.
    trusts_all: bool,
}

thread_local! {
    static HOST: RefCell<Host> = RefCell::default();
}

/// The MAC of `data`, for a test that signs what it sends.
pub fn sign(algorithm: MacAlgorithm, secret: &str, data: &[u8]) -> Vec<u8> {
    let key = encoded_key(secret).unwrap_or_else(|| secret.into());
    hmac::sign(&mac_key(algorithm, &key), data).as_ref().to_vec()
}

/// Starts afresh with these secrets.
pub(super) fn install(secrets: Secrets, trusts_all: bool) {
    HOST.set(Host { secrets, trusts_all, ..Host::default() });
}

/// What was asked of `verify` since [`install`], and what was logged.
pub(super) fn take() -> (Vec<Asked>, Vec<(Level, String)>) {
    HOST.with_borrow_mut(|host| (std::mem::take(&mut host.asked), std::mem::take(&mut host.log)))
}

pub(crate) fn log(level: Level, message: &str) {
    HOST.with_borrow_mut(|host| host.log.push((level, message.to_owned())));
}

pub(crate) fn mac(algorithm: MacAlgorithm, secret: &str, data: &[u8], tag: &[u8]) -> Result<bool, VerifyError> {
    ask(Question::Mac(algorithm), secret, (data, tag), |version| {
        let is_right = |key: &[u8]| hmac::verify(&mac_key(algorithm, key), data, tag).is_ok();
        Ok(is_right(version.as_bytes()) || encoded_key(version).is_some_and(|key| is_right(&key)))
    })
}

/// Both sides are hashed under one key and compared by `ring` in constant time, so that not even the length shows.
pub(crate) fn token(secret: &str, candidate: &str) -> Result<bool, VerifyError> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"equality of two tokens");
    let tag = hmac::sign(&key, candidate.as_bytes());
    ask(Question::Token, secret, (candidate.as_bytes(), &[]), |version| {
        Ok(hmac::verify(&key, version.as_bytes(), tag.as_ref()).is_ok())
    })
}

/// The two hashes are compared as MACs under one key, which `ring` does in constant time.
pub(crate) fn digest(
    algorithm: DigestAlgorithm,
    secret: &str,
    data: &[u8],
    digest: &[u8],
) -> Result<bool, VerifyError> {
    let DigestAlgorithm::Sha256 = algorithm;
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"equality of two hashes");
    let tag = hmac::sign(&key, digest);
    ask(Question::Digest(algorithm), secret, (data, digest), |version| {
        let expected = hash::digest(&hash::SHA256, &[version.as_bytes(), data].concat());
        Ok(hmac::verify(&key, expected.as_ref(), tag.as_ref()).is_ok())
    })
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
    let (KeySource::Named(name) | KeySource::CertificateUrl(name)) = key;
    let answer = ask(Question::Signature(algorithm), name, (data, signature), |version| {
        let key = public_key::decode(version).ok_or_else(|| VerifyError::MalformedKey(name.clone()))?;
        Ok(UnparsedPublicKey::new(scheme, key).verify(data, signature).is_ok())
    });
    match (answer, key) {
        // The certificates that there are are the ones that a manifest would allow.
        (Err(VerifyError::UnknownKey(url)), KeySource::CertificateUrl(_)) => Err(VerifyError::UrlDenied(url)),
        (answer, _) => answer,
    }
}

/// Tries every version of a secret, and keeps the question with its answer.
fn ask(
    question: Question,
    key: &str,
    (data, proof): (&[u8], &[u8]),
    matches: impl Fn(&str) -> Result<bool, VerifyError>,
) -> Result<bool, VerifyError> {
    HOST.with_borrow_mut(|host| {
        let answer = if host.trusts_all { Ok(true) } else { host.any_version(key, matches) };
        let (data, proof) = (data.to_vec(), proof.to_vec());
        host.asked.push(Asked { question, key: key.to_owned(), data, proof, answer: answer.as_ref().ok().copied() });
        answer
    })
}

impl Host {
    fn any_version(
        &self,
        name: &str,
        matches: impl Fn(&str) -> Result<bool, VerifyError>,
    ) -> Result<bool, VerifyError> {
        let versions = self.secrets.get(name).ok_or_else(|| VerifyError::UnknownKey(name.to_owned()))?;
        for version in versions {
            if matches(version)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The bytes behind `whsec_` and base64, which is how the Standard Webhooks specification writes the key of a MAC. The
/// host tries them and the text.
fn encoded_key(secret: &str) -> Option<Vec<u8>> {
    base64::decode(secret.strip_prefix("whsec_")?).filter(|key| !key.is_empty())
}

fn mac_key(algorithm: MacAlgorithm, key: &[u8]) -> hmac::Key {
    let algorithm = match algorithm {
        MacAlgorithm::HmacSha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        MacAlgorithm::HmacSha256 => hmac::HMAC_SHA256,
        MacAlgorithm::HmacSha512 => hmac::HMAC_SHA512,
    };
    hmac::Key::new(algorithm, key)
}
