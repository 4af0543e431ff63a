//! A provider's public key as operators paste it: PEM, base64 or hex, of a SubjectPublicKeyInfo or of the bare key.

use crate::encoding::{base64, hex};

/// The bytes that `ring` takes: 32 for Ed25519, a point for ECDSA, an `RSAPublicKey` for RSA.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let bytes = der(text)?;
    Some(bare_key(&bytes).map(<[u8]>::to_vec).unwrap_or(bytes))
}

/// The bytes of a key in PEM, base64 or hex.
pub fn der(text: &str) -> Option<Vec<u8>> {
    let text: String = text.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
    hex::decode(&text).or_else(|| base64::decode(&text))
}

/// The key inside a SubjectPublicKeyInfo (RFC 5280): a sequence of the algorithm and a bit string.
fn bare_key(der: &[u8]) -> Option<&[u8]> {
    let (info, after) = value(der, 0x30)?;
    let (_, key) = value(info, 0x30)?;
    let (bits, rest) = value(key, 0x03)?;
    (after.is_empty() && rest.is_empty()).then(|| bits.strip_prefix(&[0])).flatten()
}

/// The value of the DER element with `tag` that begins `der`, and what follows the element.
fn value(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (length, rest) = match der.strip_prefix(&[tag])? {
        [length @ ..=0x7f, rest @ ..] => (usize::from(*length), rest),
        [0x81, length, rest @ ..] => (usize::from(*length), rest),
        [0x82, high, low, rest @ ..] => (usize::from(*high) << 8 | usize::from(*low), rest),
        _ => return None,
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Connection;
    use crate::verify::{self, KeySource, SignatureAlgorithm, VerifyError};

    /// RFC 8032, section 7.1, test 1: the signature of nothing.
    const KEY: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    const SIGNATURE: &str = "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b";

    #[test]
    fn a_key_is_read_bare_or_wrapped() {
        let key = hex::decode(KEY).unwrap();
        let wrapped = [&hex::decode("302a300506032b6570032100").unwrap()[..], &key].concat();
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", base64::encode(&wrapped));
        let connection = Connection::new("acme", "{}").with_secret("bare", &[KEY]).with_secret("pem", &[&pem]);
        connection.with_secret("bad", &["no key"]).run(|| {
            let check = |name: &str, data: &[u8]| {
                let key = KeySource::Named(name.into());
                verify::signature(SignatureAlgorithm::Ed25519, &key, data, &hex::decode(SIGNATURE).unwrap())
            };
            assert_eq!(check("bare", b""), Ok(true));
            assert_eq!(check("pem", b""), Ok(true));
            assert_eq!(check("pem", b"x"), Ok(false));
            assert_eq!(check("bad", b""), Err(VerifyError::MalformedKey("bad".into())));
        });
    }
}
