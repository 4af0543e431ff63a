use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

use super::*;

struct Fixed(BTreeMap<&'static str, Vec<Secret>>);

impl Secrets for Fixed {
    fn versions(&self, name: &str) -> Option<&[Secret]> {
        self.0.get(name).map(Vec::as_slice)
    }
}

#[derive(Clone, Copy)]
struct Signed<'a> {
    data: &'a [u8],
    proof: &'a [u8],
}

fn ask(secrets: &dyn Secrets, kind: CheckKind, key: &str, signed: Signed<'_>) -> Result<bool, KeyError> {
    answer(secrets, &Check { kind, key, data: signed.data, proof: signed.proof, answer: None })
}

fn token(secrets: &dyn Secrets, key: &str, candidate: &str) -> Result<bool, KeyError> {
    ask(secrets, CheckKind::Token, key, Signed { data: candidate.as_bytes(), proof: b"" })
}

fn one(value: &[u8]) -> Fixed {
    several(&[value])
}

fn several(values: &[&[u8]]) -> Fixed {
    Fixed(BTreeMap::from([("key", values.iter().map(|value| Secret::new(*value)).collect())]))
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn base64(text: &str) -> Vec<u8> {
    STANDARD.decode(text.replace('\n', "")).unwrap()
}

#[test]
fn the_published_hmac_vectors_verify() {
    let hi = (&[0x0b; 20][..], &b"Hi There"[..]);
    let jefe = (&b"Jefe"[..], &b"what do ya want for nothing?"[..]);
    let vectors = [
        // RFC 2202 §3, cases 1 and 2.
        (MacAlgorithm::HmacSha1, hi, "b617318655057264e28bc0b6fb378c8ef146be00"),
        (MacAlgorithm::HmacSha1, jefe, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
        // RFC 4231 §4.2 and §4.3.
        (MacAlgorithm::HmacSha256, hi, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        (MacAlgorithm::HmacSha256, jefe, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        (
            MacAlgorithm::HmacSha512,
            hi,
            "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde\
             daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854",
        ),
    ];
    for (algorithm, (key, data), tag) in vectors {
        let tag = unhex(tag);
        let check = |data, proof| ask(&one(key), CheckKind::Mac(algorithm), "key", Signed { data, proof });
        assert_eq!(check(data, &tag), Ok(true), "{algorithm:?}");
        assert_eq!(check(b"other", &tag), Ok(false), "{algorithm:?}");
        assert_eq!(check(data, &tag[..tag.len() - 1]), Ok(false), "a shortened tag proves less");
        assert_eq!(check(data, b""), Ok(false));
    }
}

#[test]
fn the_published_ed25519_vector_verifies_in_every_form_of_the_key() {
    // RFC 8032 §7.1, test 2.
    let raw = unhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
    let proof = unhex(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
         085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    );
    let spki = [&unhex("302a300506032b6570032100")[..], &raw].concat();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(&spki));
    let hex = b"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
    for key in
        [&raw[..], hex, STANDARD.encode(&raw).as_bytes(), &spki, STANDARD.encode(&spki).as_bytes(), pem.as_bytes()]
    {
        let check = |data, proof| {
            ask(&one(key), CheckKind::Signature(SignatureAlgorithm::Ed25519), "key", Signed { data, proof })
        };
        assert_eq!(check(b"\x72", &proof), Ok(true));
        assert_eq!(check(b"\x73", &proof), Ok(false));
        assert_eq!(check(b"\x72", &proof[1..]), Ok(false));
    }
}

// Made with OpenSSL 3.0 for these tests: `openssl dgst -sign` of MESSAGE.
const MESSAGE: &[u8] = b"signed by openssl";
const P256: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEHerKUTp70TOCJVS/6cagu2NXz1yB
pyoXi4DAAWLIWwts3adiQP5VR7tqJ/sOrR5M3z5AV5wLXaEAAx0M27mWtQ==
-----END PUBLIC KEY-----";
const P256_SHA256: &str =
    "MEUCIQD9KNzdFSyqKTeQf9+rYK/L8AiL/dVFx3ZZecp4Oir2eAIgfI9WaCIp3nYV1LB3iRha78/633nmpbDRDee8l18H8hk=";
const RSA: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAwwlrXXzfKhx9wSzTF+nf
6bIk5ZGUrR1Itmd65iT/eVzmUAUuxbeVFddqQFFgTxVJcDMT16j4Lb2OEuV4Pffj
sGQO82HqSLTO1nX8NHaDB5CW9/12Z/N/Ms1EXLfmk8XnowyFQYL54z9ZiGFYY79t
PiiGXbBcXpMit8Kb1/3sjFindo3wdwyNVj8MCo0LVLjaFg1fdLdAVRoylaV26lfL
6nThxgC2oqqq4/arGJKn1jGlJ4VAb04dub/SHIxyAPBd+G5t/TQPLZGoYFg2TZgv
g8bT7r8SoW5VAdvSCGF/hJl6osKXiDPXTHa0g0xa3mCAFo3NOnDmOaovA61PHV8s
+wIDAQAB
-----END PUBLIC KEY-----";
const RSA_SHA256: &str =
    "eA9NYuen16gJvHopcnBXpYh9LS5nyA4zLZGkK++dCLCfgbq39quCKHk2/64tm30l7tuvUoktvjgqiW9Td7PRKIiGunrecz6SaU0a
mZpHgkD1FjZ8WGAdoA6ZjmzrXK1b5loNv2qT2iqz9+QhZTn7Ya4bJmZPbTRD4wtyU8vRTZP8F7vJgTaovj0nCOeSdAl6Kywp2ZAe
9bEeouOMzVHi/PUxv1goGpmFtRZFh3kvDH6870uQhNxIfG4XxnWLB9+pUuVCphcury7dLECBwHph15udZqwEtceysaWTmyNMHbBC
dUIJGAe+rNNdCAr8iS2u5WWkJRD2BvmRUeUnnmgS5w==";
const RSA_SHA1: &str =
    "tRMWt/ouQMzLHkZ4PBydtTn5/g0+uarntdficw4uVeOzcUD7BKwOp8Ct/SHP6DOrCn65y+StJ8AXKohu9LxWMUuXeDoK/Zkuqv4U
TK6d5sc0LvplKSURGnJRN5sLQycddJ8eJGClmDL0+VR6M/HSeQUMUZvSuLgEv0T3Fkm6bjsTo2TB1Lmrn75UB3eKuH1HX44h5g4v
PkOEUA3WVyvSISErG6B3U+pZw43/MH+QZgv0NqV3I4xrKIE14lcjLZuWln88BbWWzzhIjPFrCL5t661Co2lHtxiETWfisO8eS/o3
w+IfLxCWTc1PTf5r55J7EZ1NLhqB4fJzUKI74p0XbQ==";

#[test]
fn signatures_of_openssl_verify_and_only_by_their_own_algorithm() {
    let proofs = [
        (SignatureAlgorithm::EcdsaP256Sha256Der, P256, P256_SHA256),
        (SignatureAlgorithm::RsaPkcs1Sha256, RSA, RSA_SHA256),
        (SignatureAlgorithm::RsaPkcs1Sha1, RSA, RSA_SHA1),
    ];
    for (algorithm, key, proof) in proofs {
        let proof = base64(proof);
        let check = |key: &str, data, proof| {
            ask(&one(key.as_bytes()), CheckKind::Signature(algorithm), "key", Signed { data, proof })
        };
        assert_eq!(check(key, MESSAGE, &proof), Ok(true), "{algorithm:?}");
        assert_eq!(check(key, b"signed by openssl.", &proof), Ok(false), "{algorithm:?}");
        let mut flipped = proof.clone();
        flipped[20] ^= 1;
        assert_eq!(check(key, MESSAGE, &flipped), Ok(false), "{algorithm:?}");
        // Some providers publish the key without the PEM frame.
        let bare: String = key.lines().filter(|line| !line.starts_with("-----")).collect();
        assert_eq!(check(&bare, MESSAGE, &proof), Ok(true), "{algorithm:?}");
    }
    let signed = Signed { data: MESSAGE, proof: &base64(RSA_SHA1) };
    let crossed = ask(&one(RSA.as_bytes()), CheckKind::Signature(SignatureAlgorithm::RsaPkcs1Sha256), "key", signed);
    assert_eq!(crossed, Ok(false));
}

#[test]
fn a_digest_is_the_hash_of_secret_and_data() {
    // FIPS 180-2, appendix B.1: SHA-256 of "abc".
    let proof = unhex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    let kind = CheckKind::Digest(DigestAlgorithm::Sha256);
    assert_eq!(ask(&one(b"ab"), kind, "key", Signed { data: b"c", proof: &proof }), Ok(true));
    assert_eq!(ask(&several(&[b"x", b"a"]), kind, "key", Signed { data: b"bc", proof: &proof }), Ok(true));
    assert_eq!(ask(&one(b"ab"), kind, "key", Signed { data: b"d", proof: &proof }), Ok(false));
    assert_eq!(ask(&one(b"ab"), kind, "key", Signed { data: b"c", proof: &proof[..31] }), Ok(false));
    assert_eq!(ask(&one(b""), kind, "key", Signed { data: b"abc", proof: &proof }), Err(KeyError::Malformed));
}

#[test]
fn a_certificate_is_known_unknown_or_unavailable() {
    struct Known(Certificate);
    impl Secrets for Known {
        fn versions(&self, _: &str) -> Option<&[Secret]> {
            None
        }
        fn certificate(&self, _: &str) -> Certificate {
            self.0.clone()
        }
    }
    let proof = base64(RSA_SHA256);
    let algorithm = SignatureAlgorithm::RsaPkcs1Sha256;
    let kind = CheckKind::Signature(algorithm);
    let check = Check { kind, key: "https://a.example.com/a.pem", data: MESSAGE, proof: &proof, answer: None };
    let answer = |certificate| answer_by_certificate(&Known(certificate), algorithm, &check);
    assert_eq!(answer(Certificate::Key(RSA.as_bytes().to_vec())), Ok(true));
    assert_eq!(answer(Certificate::Key(P256.as_bytes().to_vec())), Err(KeyError::Unavailable));
    assert_eq!(answer(Certificate::Unavailable), Err(KeyError::Unavailable));
    assert_eq!(answer(Certificate::NotFetched), Err(KeyError::NotFetched));
}

#[test]
fn a_key_of_another_kind_is_malformed() {
    let of = |key: &str, algorithm| {
        ask(&one(key.as_bytes()), CheckKind::Signature(algorithm), "key", Signed { data: MESSAGE, proof: b"" })
    };
    assert_eq!(of(RSA, SignatureAlgorithm::EcdsaP256Sha256Der), Err(KeyError::Malformed));
    assert_eq!(of(P256, SignatureAlgorithm::RsaPkcs1Sha256), Err(KeyError::Malformed));
    assert_eq!(of(P256, SignatureAlgorithm::Ed25519), Err(KeyError::Malformed));
    assert_eq!(of("not a key", SignatureAlgorithm::Ed25519), Err(KeyError::Malformed));
    let certificate = RSA.replace("PUBLIC KEY", "CERTIFICATE");
    assert_eq!(of(&certificate, SignatureAlgorithm::RsaPkcs1Sha256), Err(KeyError::Malformed));
}

#[test]
fn a_token_is_equal_or_not() {
    let secrets = one(b"correct horse");
    assert_eq!(token(&secrets, "key", "correct horse"), Ok(true));
    assert_eq!(token(&secrets, "key", "correct hors"), Ok(false));
    assert_eq!(token(&secrets, "key", ""), Ok(false));
}

#[test]
fn every_version_of_a_secret_is_tried() {
    let secrets = several(&[b"new", b"old"]);
    assert_eq!(token(&secrets, "key", "new"), Ok(true));
    assert_eq!(token(&secrets, "key", "old"), Ok(true));
    assert_eq!(token(&secrets, "key", "older"), Ok(false));
}

#[test]
fn an_unknown_name_is_unknown_and_an_empty_secret_is_malformed() {
    assert_eq!(token(&one(b"x"), "other", "x"), Err(KeyError::Unknown));
    assert_eq!(token(&several(&[]), "key", "x"), Err(KeyError::Unknown));
    assert_eq!(token(&one(b""), "key", ""), Err(KeyError::Malformed));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b""), b"data");
    let signed = Signed { data: b"data", proof: tag.as_ref() };
    assert_eq!(ask(&one(b""), CheckKind::Mac(MacAlgorithm::HmacSha256), "key", signed), Err(KeyError::Malformed));
    assert_eq!(ask(&several(&[b"", b"real"]), CheckKind::Mac(MacAlgorithm::HmacSha256), "key", signed), Ok(false));
}

#[test]
fn a_secret_does_not_print_itself() {
    assert_eq!(format!("{:?}", [Secret::new(*b"hunter2")]), "[[secret]]");
}
