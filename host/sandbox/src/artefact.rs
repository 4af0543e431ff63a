//! The artefact: a connector compiled ahead of time, signed, in one file.
//!
//! Deserialising compiled code is running it, so nothing of an artefact is used before its signature is checked. It is
//! made by whoever deploys (`rapport package`), with a key that the host is told to trust.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `rapport` and the format, 1 |
//! | 32 | the Ed25519 public key that signed |
//! | 64 | its signature of all that follows |
//! | 32 | SHA-256 of the component |
//! | 4 + n | the engine's name: length as little-endian `u32`, then text |
//! | 4 + n | the processor's name, the same way |
//! | 4 + n | the connector's id, the same way |
//! | 4 + n | the text of the manifest, the same way; empty: there is none |
//! | rest | the compiled code |

use std::fmt;

use ring::digest::{SHA256, digest};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::component::expect_component;
use crate::engine::{Target, engine_name};
use crate::error::{ArtefactError, LoadError};
use crate::manifest::{Manifest, text_in};

const MAGIC: &[u8; 7] = b"rapport";
const FORMAT: u8 = 1;
const KEY_BYTES: usize = 32;
const SIGNATURE_BYTES: usize = 64;
const DIGEST_BYTES: usize = 32;

/// Writes the artefact of `component`, whose manifest it takes over, and of `compiled`, which
/// [`Sandbox::compile`](crate::Sandbox::compile) made of it. A component without a manifest is called `id`.
///
/// # Errors
/// The component or its manifest is wrong, or `compiled` is not compiled code.
pub fn pack(component: &[u8], compiled: &[u8], id: &str, key: &SigningKey) -> Result<Vec<u8>, LoadError> {
    expect_component(component)?;
    let manifest = text_in(component)?.unwrap_or_default();
    let id = Manifest::from_component(component)?.map_or_else(|| id.to_owned(), |manifest| manifest.id);
    let target = target_of(compiled).ok_or(ArtefactError::UnknownTarget)?;

    let mut signed = digest(&SHA256, component).as_ref().to_vec();
    for text in [engine_name(), target.name(), &id, manifest] {
        let length =
            u32::try_from(text.len()).map_err(|_| LoadError::Invalid("its manifest is larger than 4 GiB".into()))?;
        signed.extend_from_slice(&length.to_le_bytes());
        signed.extend_from_slice(text.as_bytes());
    }
    signed.extend_from_slice(compiled);

    let head = [&MAGIC[..], &[FORMAT], &key.public().0, key.0.sign(&signed).as_ref()].concat();
    Ok([head, signed].concat())
}

/// An artefact whose signature is good, made for this engine and processor.
#[derive(Debug)]
pub(crate) struct Artefact<'a> {
    pub(crate) digest: [u8; DIGEST_BYTES],
    pub(crate) id: &'a str,
    /// Empty: there is none.
    pub(crate) manifest: &'a str,
    pub(crate) compiled: &'a [u8],
}

/// Checks, in this order: form, key, signature, engine, processor.
pub(crate) fn open<'a>(bytes: &'a [u8], trusted: &[PublicKey]) -> Result<Artefact<'a>, ArtefactError> {
    let mut reader = Reader { rest: bytes, whole: bytes.len() };
    match bytes.strip_prefix(MAGIC).and_then(|rest| rest.first()) {
        Some(&FORMAT) => reader.rest = &bytes[MAGIC.len() + 1..],
        Some(&other) => return Err(ArtefactError::Format(other)),
        None => return Err(ArtefactError::Unsigned),
    }
    let key = PublicKey(reader.array()?);
    let signature: [u8; SIGNATURE_BYTES] = reader.array()?;
    if !trusted.contains(&key) {
        return Err(ArtefactError::UntrustedKey(key.to_string()));
    }
    if UnparsedPublicKey::new(&ED25519, key.0).verify(reader.rest, &signature).is_err() {
        return Err(ArtefactError::Altered(key.to_string()));
    }

    let digest = reader.array()?;
    let (engine, target) = (reader.text()?, reader.text()?);
    if engine != engine_name() {
        return Err(ArtefactError::OtherEngine { found: engine.into(), expected: engine_name().into() });
    }
    if target != std::env::consts::ARCH {
        return Err(ArtefactError::OtherTarget { found: target.into(), expected: std::env::consts::ARCH.into() });
    }
    Ok(Artefact { digest, id: reader.text()?, manifest: reader.text()?, compiled: reader.rest })
}

/// The Ed25519 key that signs artefacts. Prints as `[secret]`.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// The key made of 32 random bytes, which are all that has to be kept.
    pub fn from_seed(seed: &[u8; KEY_BYTES]) -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(seed).expect("every 32 bytes are the seed of an Ed25519 key"))
    }

    /// What a host has to trust.
    pub fn public(&self) -> PublicKey {
        let mut key = [0; KEY_BYTES];
        key.copy_from_slice(self.0.public_key().as_ref());
        PublicKey(key)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[secret]")
    }
}

/// A key whose artefacts a host loads. Written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(pub [u8; KEY_BYTES]);

impl PublicKey {
    /// Reads 64 hexadecimal digits; `None`: something else.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = unhex(text.trim())?;
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// Bytes as hexadecimal digits in lower case.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        text.extend([byte >> 4, byte & 15].map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])));
        text
    })
}

/// The bytes of hexadecimal digits in either case; `None`: an odd number, or something else.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    text.as_bytes().chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?)).collect()
}

/// Compiled code is an ELF file; byte 18 begins its `e_machine`.
fn target_of(compiled: &[u8]) -> Option<Target> {
    let machine = compiled.strip_prefix(b"\x7fELF").and_then(|rest| rest.get(14..16))?;
    match u16::from_le_bytes([machine[0], machine[1]]) {
        62 => Some(Target::X86_64),
        183 => Some(Target::Aarch64),
        _ => None,
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    whole: usize,
}

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> Result<&'a [u8], ArtefactError> {
        let (bytes, rest) = self.rest.split_at_checked(count).ok_or(ArtefactError::Truncated(self.whole))?;
        self.rest = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ArtefactError> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N)?);
        Ok(array)
    }

    fn text(&mut self) -> Result<&'a str, ArtefactError> {
        let length = u32::from_le_bytes(self.array()?) as usize;
        std::str::from_utf8(self.bytes(length)?).map_err(|_| ArtefactError::Truncated(self.whole))
    }
}
