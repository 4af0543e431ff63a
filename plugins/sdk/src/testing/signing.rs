//! Signs a request that a check has changed, for a connector of which nothing is known but what it asks of `verify`.
//!
//! The changed request is tried once. What the connector hands to `verify` says which bytes the provider signs, with
//! which secret, and what the old proof was; the right proof takes the place of the old one wherever it is written.

use ring::digest;
use ring::rand::SystemRandom;
use ring::signature::{self as scheme, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair};

use super::connection::Connection;
use super::host::sign;
use super::public_key::der;
use super::subject::{Answer, Asked, Kind, Moment, Question, Subject};
use crate::Webhook;
use crate::encoding::{base64, hex, percent};
use crate::verify::{DigestAlgorithm, SignatureAlgorithm};

/// How often a request is signed: a provider that puts one signature inside of another needs two.
const ROUNDS_MAX: usize = 3;
/// Bytes of the shortest proof that is searched for. A shorter one may stand anywhere by chance.
const PROOF_BYTES_MIN: usize = 8;

/// A request that was signed anew.
pub(super) struct Signed {
    /// What became of it with its old signature.
    pub(super) unsigned: Answer,
    /// What becomes of it now; none: it cannot be signed.
    pub(super) answer: Option<Answer>,
    /// The request with its new signature.
    webhook: Webhook,
}

/// `changed`, a request made of the recorded `original`, as its provider would have sent it: signed with the secrets, or
/// the private keys, of the connection. With it what the connector makes of it; none: it cannot be signed, or it is one
/// that the connector refuses however it is signed.
pub fn sign_again(
    subject: &dyn Subject,
    connection: &Connection,
    original: &Webhook,
    changed: Webhook,
) -> Option<(Webhook, Answer)> {
    let ask = |webhook: &Webhook| subject.receive(connection, webhook, Moment::of(connection));
    let signed = receive_signed(&ask, connection, original, changed);
    signed.answer.map(|answer| (signed.webhook, answer))
}

/// Signs `changed`, a request made of `original`, and gives what `ask` makes of it.
pub(super) fn receive_signed(
    ask: &dyn Fn(&Webhook) -> Answer,
    connection: &Connection,
    original: &Webhook,
    mut changed: Webhook,
) -> Signed {
    follow_body(original, &mut changed);
    let is_vouched = connection.is_unsigned() || original.is_fed();
    let unsigned = ask(&changed);
    let mut answer = unsigned.clone();
    for _ in 0..ROUNDS_MAX {
        let is_taken = answer.is_genuine() || (is_vouched && answer.kind != Kind::Unauthenticated);
        if is_taken || matches!(answer.kind, Kind::Fault { .. }) {
            return Signed { unsigned, answer: Some(answer), webhook: changed };
        }
        let mut replaced = false;
        for asked in answer.asked.iter().filter(|asked| asked.answer == Some(false)) {
            let Some(proof) = proof(connection, asked) else { continue };
            replaced |= replace(&mut changed, &asked.proof, &proof);
        }
        if !replaced {
            break;
        }
        answer = ask(&changed);
    }
    let answer = answer.is_genuine().then_some(answer);
    Signed { unsigned, answer, webhook: changed }
}

/// Why a request that the connector refuses has no proof that fits: it is written in another form than the connector reads,
/// or it is not there.
pub(super) fn diagnose(connection: &Connection, webhook: &Webhook, asked: &[Asked], connector: &str) -> Option<String> {
    let asked = asked.iter().find(|asked| asked.answer == Some(false))?;
    let right = proof(connection, asked)?;
    let bytes = asked.proof.len();
    Some(match place_of(webhook, &right) {
        Some((place, form)) => format!(
            "the right signature stands in {place} in {form}, and the connector gave {bytes} other bytes to `verify`; fix: \
             decode it with `{form}::decode`"
        ),
        None => format!(
            "the request holds no signature that secret `{}` of connection.json makes of the {} bytes that the connector \
             gave to `verify`; fix: `rapport connector sign {connector}` signs the fixtures",
            asked.key,
            asked.data.len()
        ),
    })
}

/// Where a proof is written, and in which form.
fn place_of(webhook: &Webhook, proof: &[u8]) -> Option<(String, &'static str)> {
    let body = String::from_utf8_lossy(&webhook.body);
    let headers = webhook.headers.iter().map(|(name, value)| (format!("header `{name}`"), value.as_str()));
    let places = headers.chain([("the URL".to_owned(), webhook.url.as_str()), ("the body".to_owned(), &*body)]);
    let forms = [("hex", hex::encode(proof)), ("base64", base64::encode(proof)), ("base64", base64::encode_url(proof))];
    places.into_iter().find_map(|(place, text)| {
        let holds = |written: &str| text.contains(written.trim_end_matches('='));
        let is_hex = |form: &str, written: &str| form == "hex" && text.to_ascii_lowercase().contains(written);
        let form = forms.iter().find(|(form, written)| holds(written) || is_hex(form, written))?;
        Some((place, form.0))
    })
}

/// Changes what says of the body how long it is and which hash it has.
fn follow_body(original: &Webhook, changed: &mut Webhook) {
    let hash = |body: &[u8]| digest::digest(&digest::SHA256, body);
    let (old, new) = (hash(&original.body), hash(&changed.body));
    for (name, value) in &mut changed.headers {
        if name == "content-length" {
            *value = changed.body.len().to_string();
        }
        *value = in_token(value, old.as_ref(), new.as_ref()).unwrap_or_else(|| value.clone());
        replace_text(value, old.as_ref(), new.as_ref());
    }
    replace_text(&mut changed.url, old.as_ref(), new.as_ref());
}

/// A JSON Web Token (RFC 7519) whose claims hold the hash of the body, with the new hash.
fn in_token(value: &str, old: &[u8], new: &[u8]) -> Option<String> {
    let mut segments = value.split('.');
    let (head, claims, signature, None) = (segments.next()?, segments.next()?, segments.next()?, segments.next())
    else {
        return None;
    };
    let mut text = String::from_utf8(base64::decode(claims)?).ok()?;
    replace_text(&mut text, old, new).then(|| format!("{head}.{}.{signature}", base64::encode_url(text.as_bytes())))
}

/// The proof that `verify` wants; none where there is no key to make it with.
fn proof(connection: &Connection, asked: &Asked) -> Option<Vec<u8>> {
    match asked.question {
        Question::Mac(algorithm) => Some(sign(algorithm, connection.secret(&asked.key)?, &asked.data)),
        Question::Digest(DigestAlgorithm::Sha256) => {
            let data = [connection.secret(&asked.key)?.as_bytes(), &asked.data].concat();
            Some(digest::digest(&digest::SHA256, &data).as_ref().to_vec())
        }
        Question::Signature(algorithm) => signature(algorithm, connection.private_key(&asked.key)?, &asked.data),
        Question::Token => None,
    }
}

/// A signature under a private key in PKCS #8. `ring` makes none with SHA-1.
fn signature(algorithm: SignatureAlgorithm, key: &str, data: &[u8]) -> Option<Vec<u8>> {
    let key = der(key)?;
    let random = SystemRandom::new();
    match algorithm {
        SignatureAlgorithm::Ed25519 => {
            Some(Ed25519KeyPair::from_pkcs8_maybe_unchecked(&key).ok()?.sign(data).as_ref().to_vec())
        }
        SignatureAlgorithm::EcdsaP256Sha256Der => {
            let key = EcdsaKeyPair::from_pkcs8(&scheme::ECDSA_P256_SHA256_ASN1_SIGNING, &key, &random).ok()?;
            Some(key.sign(&random, data).ok()?.as_ref().to_vec())
        }
        SignatureAlgorithm::RsaPkcs1Sha256 => {
            let key = RsaKeyPair::from_pkcs8(&key).ok()?;
            let mut signature = vec![0; key.public().modulus_len()];
            key.sign(&scheme::RSA_PKCS1_SHA256, &random, data, &mut signature).ok()?;
            Some(signature)
        }
        SignatureAlgorithm::RsaPkcs1Sha1 => None,
    }
}

/// Puts `new` in the place of `old` in the header fields, in the URL and in the body, however it is written there.
fn replace(webhook: &mut Webhook, old: &[u8], new: &[u8]) -> bool {
    if old.len() < PROOF_BYTES_MIN {
        return false;
    }
    let escaped = (percent::encode(&base64::encode(old)), percent::encode(&base64::encode(new)));
    let in_url = webhook.url.contains(&escaped.0);
    if in_url {
        webhook.url = webhook.url.replace(&escaped.0, &escaped.1);
    }
    let mut replaced = in_url || replace_text(&mut webhook.url, old, new);
    for (_, value) in &mut webhook.headers {
        replaced |= replace_text(value, old, new);
    }
    replaced | replace_bytes(&mut webhook.body, old, new)
}

fn replace_text(text: &mut String, old: &[u8], new: &[u8]) -> bool {
    let written = spellings(old).into_iter().zip(spellings(new)).find(|(old, _)| text.contains(old.as_str()));
    if let Some((old, new)) = &written {
        *text = text.replace(old.as_str(), new);
    }
    written.is_some()
}

fn replace_bytes(bytes: &mut Vec<u8>, old: &[u8], new: &[u8]) -> bool {
    // The search in text is the quick one, which a mebibyte needs.
    if let Ok(text) = str::from_utf8(bytes) {
        let mut text = text.to_owned();
        let replaced = replace_text(&mut text, old, new);
        *bytes = text.into_bytes();
        return replaced;
    }
    for (old, new) in spellings(old).into_iter().zip(spellings(new)) {
        if let Some(start) = bytes.windows(old.len()).position(|window| window == old.as_bytes()) {
            bytes.splice(start..start + old.len(), new.into_bytes());
            return true;
        }
    }
    false
}

/// How providers write bytes; a longer form stands before one that it begins with.
fn spellings(bytes: &[u8]) -> Vec<String> {
    let (lower, standard, url) = (hex::encode(bytes), base64::encode(bytes), base64::encode_url(bytes));
    let padding = &standard[standard.trim_end_matches('=').len()..];
    let padded_url = format!("{url}{padding}");
    let bare = standard.trim_end_matches('=').to_owned();
    let in_json = standard.replace('/', "\\/");
    let (upper, in_form) = (lower.to_ascii_uppercase(), percent::encode(&standard));
    vec![lower, upper, standard, in_json, in_form, padded_url, bare, url]
}

#[cfg(test)]
mod tests;
