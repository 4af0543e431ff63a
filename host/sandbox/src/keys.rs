//! Public keys in the forms in which providers publish them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::artefact::unhex;

/// The kind of a public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyKind {
    Ed25519,
    EcdsaP256,
    Rsa,
}

/// What `ring` verifies with: 32 bytes (Ed25519), an uncompressed point (P-256), or a PKCS #1 `RSAPublicKey`.
///
/// Accepts a PEM `PUBLIC KEY`, the same as base64 without the frame, or as DER; for Ed25519 also the bare 32 bytes, as
/// they are, in hexadecimal or in base64. `None`: in none of these forms, or a key of another kind.
pub(crate) fn public_key(text: &[u8], kind: KeyKind) -> Option<Vec<u8>> {
    if let Some(key) = from_spki(text, kind) {
        return Some(key);
    }
    if kind == KeyKind::Ed25519 && text.len() == ED25519_BYTES {
        return Some(text.to_vec());
    }
    let text = std::str::from_utf8(text).ok()?;
    if kind == KeyKind::Ed25519
        && let Some(key) = unhex(text.trim()).filter(|key| key.len() == ED25519_BYTES)
    {
        return Some(key);
    }
    let bytes = STANDARD.decode(without_frame(text)?).ok()?;
    if kind == KeyKind::Ed25519 && bytes.len() == ED25519_BYTES {
        return Some(bytes);
    }
    from_spki(&bytes, kind)
}

const ED25519_BYTES: usize = 32;

/// The base64 inside a PEM `PUBLIC KEY`, or all of a text without a frame. Another frame holds another structure.
fn without_frame(text: &str) -> Option<String> {
    let inner = match text.split_once("-----BEGIN PUBLIC KEY-----") {
        Some((_, rest)) => rest.split_once("-----END PUBLIC KEY-----")?.0,
        None if text.contains("-----BEGIN") => return None,
        None => text,
    };
    Some(inner.chars().filter(|character| !character.is_ascii_whitespace()).collect())
}

/// The key in a `SubjectPublicKeyInfo` (RFC 5280 §4.1.2.7), if it is of this kind.
fn from_spki(der: &[u8], kind: KeyKind) -> Option<Vec<u8>> {
    let (spki, after) = element(der, SEQUENCE)?;
    let (algorithm, rest) = element(spki, SEQUENCE)?;
    let (bits, end) = element(rest, BIT_STRING)?;
    // The first octet of a BIT STRING counts its unused bits; a key has none.
    let (&0, key) = bits.split_first()? else { return None };
    let whole = after.is_empty() && end.is_empty();
    (whole && algorithm == algorithm_of(kind)).then(|| key.to_vec())
}

const SEQUENCE: u8 = 0x30;
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
mod tests {
    use super::*;

    #[test]
    fn hostile_der_is_no_key() {
        for der in
            [&b""[..], b"\x30", b"\x30\x80", b"\x30\x82\xff", b"\x30\x84\xff\xff\xff\xff", b"\x30\x05\x30\x7f\x00"]
        {
            assert_eq!(public_key(der, KeyKind::Rsa), None);
        }
    }

    #[test]
    fn a_bare_ed25519_key_is_taken_in_three_forms() {
        let key = [7u8; 32];
        let hex: String = key.iter().map(|byte| format!("{byte:02X}")).collect();
        for text in [&key[..], hex.as_bytes(), STANDARD.encode(key).as_bytes(), format!("{hex}\n").as_bytes()] {
            assert_eq!(public_key(text, KeyKind::Ed25519).as_deref(), Some(&key[..]));
        }
        assert_eq!(public_key(&key[1..], KeyKind::Ed25519), None);
        assert_eq!(public_key(hex.as_bytes(), KeyKind::EcdsaP256), None);
    }
}
