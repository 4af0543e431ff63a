//! What a signed artefact says of itself. It is read, never loaded: loading compiled code is running it.

use anyhow::{Context, Result, bail};
use rapport_sandbox::{Manifest, PublicKey};
use ring::signature::{ED25519, UnparsedPublicKey};

/// The form that this release reads; its layout stands in `rapport_sandbox::artefact`.
const MAGIC: &[u8] = b"rapport\x01";
const KEY_BYTES: usize = 32;
const SIGNATURE_BYTES: usize = 64;
const DIGEST_BYTES: usize = 32;

/// The head of an artefact.
#[derive(Clone, Debug)]
pub struct ArtefactHeader {
    /// Who says to have signed it, in hexadecimal.
    pub key: String,
    /// Whether that key's owner did.
    pub is_signed: bool,
    /// SHA-256 of the component, in hexadecimal.
    pub digest: String,
    /// The engine that it was compiled for.
    pub engine: String,
    /// The processor that it was compiled for.
    pub processor: String,
    /// None: it carries none.
    pub manifest: Option<Manifest>,
}

/// Whether these bytes begin as an artefact does.
pub(super) fn is_artefact(bytes: &[u8]) -> bool {
    bytes.starts_with(b"rapport")
}

impl ArtefactHeader {
    /// Of an artefact's bytes.
    ///
    /// # Errors
    /// It is of another release, or cut off.
    pub fn of(bytes: &[u8]) -> Result<Self> {
        let Some(mut rest) = bytes.strip_prefix(MAGIC) else {
            bail!("it is an artefact of another release; fix: package the connector again with this one");
        };
        let key: [u8; KEY_BYTES] = take(&mut rest, KEY_BYTES)?.try_into()?;
        let signature = take(&mut rest, SIGNATURE_BYTES)?;
        let is_signed = UnparsedPublicKey::new(&ED25519, key).verify(rest, signature).is_ok();
        let digest = super::hex(take(&mut rest, DIGEST_BYTES)?);
        let (engine, processor) = (text(&mut rest)?, text(&mut rest)?);
        let _id = text(&mut rest)?;
        let manifest = text(&mut rest)?;
        let manifest = if manifest.is_empty() { None } else { Some(Manifest::parse(&manifest)?) };
        Ok(Self { key: PublicKey(key).to_string(), is_signed, digest, engine, processor, manifest })
    }
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(length).context("the artefact is cut off; fix: package it again")?;
    *rest = after;
    Ok(taken)
}

fn text(rest: &mut &[u8]) -> Result<String> {
    let length = u32::from_le_bytes(take(rest, 4)?.try_into()?);
    Ok(str::from_utf8(take(rest, usize::try_from(length)?)?).context("the artefact's head is not text")?.to_owned())
}
