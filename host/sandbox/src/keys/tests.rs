use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};

use super::*;

#[test]
fn hostile_der_is_no_key() {
    for der in [&b"\x30"[..], b"\x30\x80", b"\x30\x82\xff", b"\x30\x84\xff\xff\xff\xff", b"\x30\x05\x30\x7f\x00"] {
        for kind in [KeyKind::Rsa, KeyKind::Ed25519, KeyKind::EcdsaP256] {
            assert_eq!(public_key(der, kind), Err(KeyProblem::NoKey));
        }
    }
    assert_eq!(public_key(b"", KeyKind::Rsa), Err(KeyProblem::Empty));
    assert_eq!(public_key(b"\xef\xbb\xbf \r\n", KeyKind::Rsa), Err(KeyProblem::Empty));
}

/// A `SubjectPublicKeyInfo`.
fn info(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
    let bits = [&[0][..], key].concat();
    sequence(&[sequence(algorithm), tagged(BIT_STRING, &bits)].concat())
}

fn sequence(content: &[u8]) -> Vec<u8> {
    tagged(SEQUENCE, content)
}

fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = match u8::try_from(content.len()) {
        Ok(short) if short < 0x80 => vec![short],
        _ => vec![0x82, (content.len() >> 8) as u8, content.len() as u8],
    };
    [&[tag][..], &length, content].concat()
}

fn pem(der: &[u8], line_end: &str) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    ["-----BEGIN PUBLIC KEY-----", &lines.join(line_end), "-----END PUBLIC KEY-----", ""].join(line_end)
}

/// Every spelling of a key that somebody has stored.
fn spellings(der: &[u8]) -> Vec<Vec<u8>> {
    let base64 = [STANDARD.encode(der), STANDARD_NO_PAD.encode(der), URL_SAFE.encode(der), URL_SAFE_NO_PAD.encode(der)];
    let whole = STANDARD.encode(der);
    let lines: Vec<_> = whole.as_bytes().chunks(20).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    let pems = [pem(der, "\n"), pem(der, "\r\n"), pem(der, "\\n"), pem(der, "\\r\\n"), pem(der, "")];
    let texts: Vec<String> = base64.into_iter().chain(pems).chain([lines.join("\n"), lines.join("\r\n")]).collect();
    let around =
        [("", ""), ("", "\n"), ("", "\r\n"), (" \t", "  "), ("\u{feff}", ""), ("\u{feff}", "\r\n"), ("\"", "\"")];
    let texts =
        texts.iter().flat_map(|text| around.map(|(before, after)| format!("{before}{text}{after}").into_bytes()));
    texts.chain([der.to_vec(), [der, b"\n"].concat()]).collect()
}

fn keys() -> [(KeyKind, Vec<u8>, Vec<u8>); 3] {
    let ed25519 = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap().public_key().as_ref().to_vec();
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref(), &random).unwrap();
    let point = pair.public_key().as_ref().to_vec();
    // A modulus of 2,048 bits, and the exponent of nearly every key.
    let numbers = [tagged(INTEGER, &[&[0, 0xc5][..], &[0x5a; 255]].concat()), tagged(INTEGER, &[1, 0, 1])].concat();
    let rsa = sequence(&numbers);
    [KeyKind::Ed25519, KeyKind::EcdsaP256, KeyKind::Rsa].map(|kind| {
        let key = match kind {
            KeyKind::Ed25519 => &ed25519,
            KeyKind::EcdsaP256 => &point,
            KeyKind::Rsa => &rsa,
        };
        (kind, key.clone(), info(algorithm_of(kind), key))
    })
}

#[test]
fn every_spelling_of_a_public_key_is_the_same_key() {
    for (kind, key, der) in keys() {
        for spelling in spellings(&der).into_iter().chain(spellings(&key)) {
            let shown = String::from_utf8_lossy(&spelling).into_owned();
            // A frame says what is in it; a bare key in a frame of another structure is no PEM that anybody writes.
            if shown.contains("BEGIN") && kind != KeyKind::Rsa && spellings(&key).contains(&spelling) {
                continue;
            }
            assert_eq!(public_key(&spelling, kind), Ok(key.clone()), "{kind:?}: {shown:?}");
        }
        let hex: String = key.iter().map(|byte| format!("{byte:02X}")).collect();
        for text in [hex.clone(), format!("{hex}\r\n"), hex.to_lowercase()] {
            assert_eq!(public_key(text.as_bytes(), kind), Ok(key.clone()), "{kind:?}: {text}");
        }
    }
    let (kind, key, _) = &keys()[0];
    for text in ["whpk_", "v1a,whpk_"].map(|before| format!("{before}{}\n", STANDARD_NO_PAD.encode(key))) {
        assert_eq!(public_key(text.as_bytes(), *kind), Ok(key.clone()), "{text}");
    }
}

#[test]
fn what_is_no_key_of_its_kind_says_why_and_nothing_of_itself() {
    let [ed25519, ecdsa, rsa] = keys();
    let problem = |text: &[u8], kind| public_key(text, kind).unwrap_err();
    assert_eq!(problem(&ed25519.2, KeyKind::Rsa), KeyProblem::OtherKind("RSA"));
    assert_eq!(problem(pem(&rsa.2, "\n").as_bytes(), KeyKind::EcdsaP256), KeyProblem::OtherKind("ECDSA P-256"));
    assert_eq!(problem(STANDARD.encode(&ecdsa.2).as_bytes(), KeyKind::Ed25519), KeyProblem::OtherKind("Ed25519"));
    let cut = pem(&rsa.2, "\n");
    assert_eq!(problem(&cut.as_bytes()[..100], KeyKind::Rsa), KeyProblem::Unclosed);
    for kind in ["PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY"] {
        let text = format!("-----BEGIN {kind}-----\nAAAA\n-----END {kind}-----\n");
        assert_eq!(problem(text.as_bytes(), KeyKind::Rsa), KeyProblem::Private);
    }
    assert_eq!(problem(b"-----BEGIN CERTIFICATE-----\nAAAA\n", KeyKind::Rsa), KeyProblem::OtherPem);
    for text in ["not a key", "!!!!", "AAAA"] {
        assert_eq!(problem(text.as_bytes(), KeyKind::Ed25519), KeyProblem::NoKey, "{text}");
    }
    let mut off = ecdsa.1.clone();
    off[40] ^= 1;
    assert_eq!(try_out(&off, KeyKind::EcdsaP256), Err(KeyProblem::NoPoint));
    let small = sequence(&[tagged(INTEGER, &[0x5a; 128]), tagged(INTEGER, &[1, 0, 1])].concat());
    assert_eq!(try_out(&info(algorithm_of(KeyKind::Rsa), &small), KeyKind::Rsa), Err(KeyProblem::RsaBits));
    for (kind, key, der) in keys() {
        assert_eq!([try_out(&key, kind), try_out(&der, kind)], [Ok(()), Ok(())]);
    }
}

#[test]
fn the_key_of_a_mac_behind_its_prefix_is_read_in_every_spelling() {
    // Bytes whose base64 has padding and both characters in which the alphabets differ.
    let key = [0xfb, 0xff, 0xbe, 0x01];
    let all = [STANDARD.encode(key), STANDARD_NO_PAD.encode(key), URL_SAFE.encode(key), URL_SAFE_NO_PAD.encode(key)];
    for text in &all {
        for text in [format!("whsec_{text}"), format!("v1,whsec_{text}"), format!("whsec_{text}\n")] {
            assert_eq!(mac_key(text.as_bytes()).as_deref(), Some(&key[..]), "{text}");
        }
    }
    for none in ["whsec_", "whsec_!!", "secret", &all[0]] {
        assert_eq!(mac_key(none.as_bytes()), None, "{none}");
    }
}
