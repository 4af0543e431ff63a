//! Keyed hashes, and the state of one under way.
//!
//! SHA-1 is not `ring`'s: that one is portable code, which takes three times as long where the processor has instructions
//! for it. A forged form is hashed once for each spelling of its URL, so it matters there.

use hmac::{Hmac, KeyInit, Mac};
use ring::hmac as sha2;
use sha1::Sha1;

use crate::verify::MacAlgorithm;

/// A key, ready to be used often.
#[derive(Clone)]
pub(crate) enum MacKey {
    Sha1(Hmac<Sha1>),
    Sha2(sha2::Key),
}

/// A hash under way.
pub(crate) enum MacContext {
    Sha1(Hmac<Sha1>),
    Sha2(sha2::Context),
}

impl MacKey {
    pub fn new(algorithm: MacAlgorithm, key: &[u8]) -> Option<Self> {
        Some(match algorithm {
            MacAlgorithm::HmacSha1 => Self::Sha1(Hmac::new_from_slice(key).ok()?),
            MacAlgorithm::HmacSha256 => Self::Sha2(sha2::Key::new(sha2::HMAC_SHA256, key)),
            MacAlgorithm::HmacSha512 => Self::Sha2(sha2::Key::new(sha2::HMAC_SHA512, key)),
        })
    }

    /// Bytes of a tag.
    pub fn tag_bytes(&self) -> usize {
        match self {
            Self::Sha1(_) => 20,
            Self::Sha2(key) => key.algorithm().digest_algorithm().output_len(),
        }
    }

    pub fn begin(&self) -> MacContext {
        match self {
            Self::Sha1(begun) => MacContext::Sha1(begun.clone()),
            Self::Sha2(key) => MacContext::Sha2(sha2::Context::with_key(key)),
        }
    }

    /// Whether this is the tag of these bytes, in a time that does not tell how near it is.
    pub fn verifies(&self, data: &[u8], tag: &[u8]) -> bool {
        match self {
            Self::Sha1(begun) => begun.clone().chain_update(data).verify_slice(tag).is_ok(),
            Self::Sha2(key) => sha2::verify(key, data, tag).is_ok(),
        }
    }
}

impl MacContext {
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha1(context) => Mac::update(context, bytes),
            Self::Sha2(context) => context.update(bytes),
        }
    }

    /// The tag. It is compared only with [`crate::verify::are_equal`].
    pub fn finish(self) -> Vec<u8> {
        match self {
            Self::Sha1(context) => context.finalize().into_bytes().to_vec(),
            Self::Sha2(context) => context.sign().as_ref().to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 2202 case 2 and RFC 4231 case 2.
    #[test]
    fn the_tags_are_those_of_the_rfcs() {
        let (key, data) = (b"Jefe", b"what do ya want for nothing?");
        for (algorithm, begins) in [
            (MacAlgorithm::HmacSha1, [0xef, 0xfc, 0xdf, 0x6a]),
            (MacAlgorithm::HmacSha256, [0x5b, 0xdc, 0xc1, 0x46]),
            (MacAlgorithm::HmacSha512, [0x16, 0x4b, 0x7a, 0x7b]),
        ] {
            let key = MacKey::new(algorithm, key).unwrap();
            let mut context = key.begin();
            data.chunks(5).for_each(|chunk| context.update(chunk));
            let tag = context.finish();
            assert_eq!((tag.len(), &tag[..4]), (key.tag_bytes(), &begins[..]), "{algorithm:?}");
            assert!(key.verifies(data, &tag));
            assert!(!key.verifies(data, &tag[1..]) && !key.verifies(&data[1..], &tag), "{algorithm:?}");
        }
    }
}
