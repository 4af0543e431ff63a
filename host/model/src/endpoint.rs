//! Endpoints and the keys made of them: who an event belongs to, and what it is called in the table.
//!
//! Every key is a pure function of the payload, so a redelivery finds the item that it made before; and none holds
//! personal data, so keys, logs and streams may be read by anybody.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::Timestamp;

/// One address of one customer on one channel, in canonical form (`canonical::canonicalise`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EndpointKey {
    pub scheme: String,
    pub scope: Option<String>,
    pub value: String,
}

/// How well it is known that an identifier's events come from the person who has the address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// The channel proves who sends: the person has the address.
    #[default]
    Proven,
    /// The sender is not checked, as with SMS or unauthenticated mail. Such events are filed at an endpoint of their own,
    /// apart from the proven one.
    Claimed,
    /// Somebody typed or imported the identifier, for example into a form. Such events are also filed at an endpoint of their
    /// own: if the texts from a number are a person's, the forms that name it need not be.
    Said,
}

impl Basis {
    pub const ALL: [Self; 3] = [Self::Proven, Self::Claimed, Self::Said];
}

/// The secret behind endpoint ids. Whoever has it can tell which item belongs to a given phone number.
#[derive(Clone)]
pub struct TenantKey(hmac::Key);

/// Bytes. Below 128 bits of key an endpoint id could be searched for its phone number.
pub const TENANT_KEY_BYTES_MIN: usize = 16;

impl TenantKey {
    /// A key of at least [`TENANT_KEY_BYTES_MIN`] bytes; none when it is shorter.
    pub fn new(secret: &[u8]) -> Option<Self> {
        (secret.len() >= TENANT_KEY_BYTES_MIN).then(|| Self(hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }

    /// The id of an endpoint: HMAC-SHA256 over scheme, scope and value, cut to 128 bits.
    ///
    /// They are kept apart by a NUL. Where scope or value has one itself, their lengths stand before them, and a word that no
    /// scheme can be before those: no two keys are hashed alike, and ids in tables that exist stay what they are.
    pub fn eid(&self, key: &EndpointKey) -> Eid {
        let mut mac = hmac::Context::with_key(&self.0);
        let scope = key.scope.as_deref().unwrap_or_default();
        if scope.contains('\0') || key.value.contains('\0') {
            mac.update(b"rapport endpoint\0");
            for part in [key.scheme.as_str(), scope, key.value.as_str()] {
                mac.update(&(part.len() as u64).to_be_bytes());
                mac.update(part.as_bytes());
            }
        } else {
            mac.update(key.scheme.as_bytes());
            mac.update(&[0]);
            mac.update(scope.as_bytes());
            mac.update(&[0]);
            mac.update(key.value.as_bytes());
        }
        Eid(URL_SAFE_NO_PAD.encode(&mac.sign().as_ref()[..16]))
    }

    /// The id of the same address on another basis. A function of the proven one's id, so that whoever has that finds the
    /// others.
    pub fn on_basis(&self, proven: &Eid, basis: Basis) -> Eid {
        // No scheme has a space, so no address makes the same bytes.
        let label: &[u8] = match basis {
            Basis::Proven => return proven.clone(),
            Basis::Claimed => b"rapport claimed endpoint\0",
            Basis::Said => b"rapport said endpoint\0",
        };
        let mut mac = hmac::Context::with_key(&self.0);
        mac.update(label);
        mac.update(proven.0.as_bytes());
        Eid(URL_SAFE_NO_PAD.encode(&mac.sign().as_ref()[..16]))
    }

    /// The id of an address as of whoever has it since it was given up at that instant.
    pub fn since(&self, first: &Eid, at: Timestamp) -> Eid {
        let mut mac = hmac::Context::with_key(&self.0);
        mac.update(b"rapport endpoint since\0");
        mac.update(first.0.as_bytes());
        mac.update(&at.to_be_bytes());
        Eid(URL_SAFE_NO_PAD.encode(&mac.sign().as_ref()[..16]))
    }

    /// The id of an address on this basis.
    pub fn eid_of(&self, key: &EndpointKey, basis: Basis) -> Eid {
        self.on_basis(&self.eid(key), basis)
    }

    /// The key of the event `id` of `account` at `at`; none when `at` is beyond [`TIMESTAMP_MAX`].
    pub fn event_key(&self, at: Timestamp, account: &str, id: &str) -> Option<EventKey> {
        (at <= TIMESTAMP_MAX).then(|| {
            let mut text = first_of_millisecond(at);
            text.push_str(self.message_key(account, id).as_str());
            EventKey(text)
        })
    }

    /// The key of the message `id` of `account`.
    pub fn message_key(&self, account: &str, id: &str) -> MessageKey {
        let mut mac = hmac::Context::with_key(&self.0);
        mac.update(b"rapport event\0");
        // The length keeps ("ab", "c") and ("a", "bc") apart.
        mac.update(&(account.len() as u64).to_be_bytes());
        mac.update(account.as_bytes());
        mac.update(id.as_bytes());
        let hash = mac.sign();
        let number = u128::from_be_bytes(std::array::from_fn(|i| if i < 6 { 0 } else { hash.as_ref()[i - 6] }));
        MessageKey(crockford(number, 16))
    }

    /// The randomness of one call of a connector: unpredictable without the key, and the same again when the call is
    /// replayed.
    pub fn entropy(&self, connection: &str, body: &[u8]) -> [u8; 32] {
        let mut mac = hmac::Context::with_key(&self.0);
        mac.update(b"rapport entropy\0");
        mac.update(connection.as_bytes());
        mac.update(&[0]);
        mac.update(body);
        mac.sign().as_ref().try_into().expect("SHA-256 has 32 bytes")
    }

    /// The name of a value that a provider of this connection uses once: HMAC-SHA256, cut to 128 bits.
    pub fn nonce_key(&self, connection: &str, nonce: &str) -> String {
        self.named(b"rapport nonce\0", connection, nonce.as_bytes())
    }

    /// Tells a body from every other one of the connection, and gives nothing of it away: HMAC-SHA256, cut to 128 bits.
    pub fn body_key(&self, connection: &str, body: &[u8]) -> String {
        self.named(b"rapport body\0", connection, body)
    }

    /// The name of a client's idempotency key: HMAC-SHA256 over the name of its API key and the key, cut to 128 bits.
    pub fn claim_key(&self, api_key: &str, idempotency_key: &str) -> String {
        self.named(b"rapport claim\0", api_key, idempotency_key.as_bytes())
    }

    /// Tells the canonical body of a request from every other one of the API key, and gives nothing of it away.
    pub fn claimed_body(&self, api_key: &str, body: &[u8]) -> String {
        self.named(b"rapport claimed body\0", api_key, body)
    }

    /// What authenticates a reference of ours: 8 characters of HMAC-SHA256.
    pub(crate) fn reference_mac(&self, named: &str) -> String {
        let mut mac = hmac::Context::with_key(&self.0);
        mac.update(b"rapport reference\0");
        mac.update(named.as_bytes());
        URL_SAFE_NO_PAD.encode(&mac.sign().as_ref()[..6])
    }

    /// `domain` ends with a zero byte, and no name of a connection or of an API key holds one.
    fn named(&self, domain: &[u8], connection: &str, bytes: &[u8]) -> String {
        let mut mac = hmac::Context::with_key(&self.0);
        mac.update(domain);
        mac.update(connection.as_bytes());
        mac.update(&[0]);
        mac.update(bytes);
        URL_SAFE_NO_PAD.encode(&mac.sign().as_ref()[..16])
    }

    /// Names what is too large for an item, by the item that it is of and by what it holds: 64 characters of hexadecimal.
    pub fn blob_hash(&self, item: &str, bytes: &[u8]) -> String {
        let mut hash = self.blob_hashing(item);
        hash.update(bytes);
        hash.finish()
    }

    /// The same, of bytes that come one after the other.
    pub fn blob_hashing(&self, item: &str) -> BlobHash {
        let mut mac = hmac::Context::with_key(&self.0);
        mac.update(b"rapport blob\0");
        mac.update(&(item.len() as u64).to_be_bytes());
        mac.update(item.as_bytes());
        BlobHash(mac)
    }

    /// Tells two tenant keys apart without giving either away.
    pub fn fingerprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(&hmac::sign(&self.0, b"rapport tenant key fingerprint").as_ref()[..16])
    }
}

/// The id of an endpoint: 22 characters of base64url.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Eid(String);

impl Eid {
    /// An id read back from a key of the table or from the API; none when it cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        is_id(text).then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Eid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Whether `text` is 128 bits of base64url.
pub(crate) fn is_id(text: &str) -> bool {
    text.len() == 22 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// Milliseconds: what 48 bits hold, the year 10889. A ULID has no room for more.
pub const TIMESTAMP_MAX: Timestamp = (1 << 48) - 1;

/// The key of an event: a ULID of the provider's milliseconds and 80 bits of HMAC over (account, event id).
///
/// It sorts by the provider's time. Every redelivery has the same key. The HMAC has the tenant's key, because an event's id
/// may be made from an address, which could be guessed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct EventKey(String);

impl EventKey {
    /// A key read back from the table or from a cursor; none when it cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        is_ulid(text).then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The provider's milliseconds: the first ten characters.
    pub fn at(&self) -> Timestamp {
        milliseconds_of(&self.0)
    }

    /// The last 16 characters: 80 bits of hash, without the time.
    pub fn hash(&self) -> &str {
        &self.0[10..]
    }
}

impl fmt::Display for EventKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// The name of a message, whoever speaks of it and whenever: 80 bits of HMAC over (account, message id).
///
/// A status, an edit or a reaction knows its message's id but not its time; this is the part of the message's key that
/// it can compute.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageKey(String);

impl MessageKey {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Ten characters that sort before every event of this millisecond and after every earlier one.
pub fn first_of_millisecond(at: Timestamp) -> String {
    crockford(u128::from(at), 10)
}

const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Whether `text` is a ULID.
pub(crate) fn is_ulid(text: &str) -> bool {
    text.len() == 26 && text.bytes().all(|byte| CROCKFORD.contains(&byte))
}

/// The milliseconds of a ULID: its first ten characters.
pub(crate) fn milliseconds_of(ulid: &str) -> Timestamp {
    let digit = |byte: u8| CROCKFORD.iter().position(|known| *known == byte).unwrap_or_default() as u64;
    ulid.bytes().take(10).fold(0, |at, byte| at << 5 | digit(byte))
}

pub(crate) fn crockford(number: u128, digits: u32) -> String {
    (0..digits).rev().map(|place| char::from(CROCKFORD[(number >> (5 * place)) as usize & 31])).collect()
}

/// The name of a blob whose bytes are still coming.
pub struct BlobHash(hmac::Context);

impl BlobHash {
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The name, if nothing more comes.
    pub fn name(&self) -> String {
        Self(self.0.clone()).finish()
    }

    pub fn finish(self) -> String {
        self.0.sign().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_id_depends_on_key_scheme_scope_and_value() {
        let tenant = TenantKey::new(&[7; 32]).unwrap();
        let key = |scheme: &str, scope: Option<&str>, value: &str| {
            tenant.eid(&EndpointKey { scheme: scheme.into(), scope: scope.map(Into::into), value: value.into() })
        };
        let eid = key("phone", None, "+16505551234");
        assert!(is_id(eid.as_str()));
        assert_eq!(eid, key("phone", None, "+16505551234"));
        assert_ne!(eid, key("sms", None, "+16505551234"));
        assert_ne!(eid, key("phone", Some("x"), "+16505551234"));
        let other = TenantKey::new(&[8; 32]).unwrap();
        assert_ne!(eid, other.eid(&EndpointKey { scheme: "phone".into(), scope: None, value: "+16505551234".into() }));
        assert!(TenantKey::new(&[7; 15]).is_none());
        let [proven, claimed, said] = Basis::ALL.map(|basis| tenant.on_basis(&eid, basis));
        assert!(proven == eid && claimed != eid && said != eid && claimed != said && is_id(said.as_str()));
        assert_ne!(said, other.on_basis(&eid, Basis::Said), "nobody finds one from the other without the key");
    }

    #[test]
    fn a_nul_in_scope_or_value_moves_nothing_from_one_into_the_other() {
        let tenant = TenantKey::new(&[7; 32]).unwrap();
        let eid = |scope: &str, value: &str| {
            tenant.eid(&EndpointKey { scheme: "chat".into(), scope: Some(scope.into()), value: value.into() })
        };
        assert_ne!(eid("a\0b", "c"), eid("a", "b\0c"));
        assert_ne!(eid("a", "\0c"), eid("a\0", "c"));
        // As version 0.1 made it.
        let known = tenant.eid(&EndpointKey { scheme: "phone".into(), scope: None, value: "+16505551234".into() });
        assert_eq!(known.as_str(), "2DgiGkqrZrhGR8pvcy22wg");
    }

    #[test]
    fn an_event_key_is_a_ulid_that_sorts_by_time() {
        let tenant = TenantKey::new(&[7; 32]).unwrap();
        let early = tenant.event_key(1_700_000_000_000, "acc", "b").unwrap();
        let late = tenant.event_key(1_700_000_000_001, "acc", "a").unwrap();
        assert!(early < late);
        assert_eq!(early.as_str().len(), 26);
        assert_eq!(&early.as_str()[..10], "01HF7YAT00"); // as every ULID of that millisecond
        assert_eq!((early.at(), late.at()), (1_700_000_000_000, 1_700_000_000_001));
        assert_eq!(tenant.event_key(TIMESTAMP_MAX, "a", "b").unwrap().at(), TIMESTAMP_MAX);
        assert_eq!(early.hash(), tenant.message_key("acc", "b").as_str());
        assert_eq!(EventKey::parse(early.as_str()), Some(early));
        assert!(tenant.event_key(TIMESTAMP_MAX + 1, "a", "b").is_none());
        assert!(tenant.event_key(TIMESTAMP_MAX, "a", "b").is_some());
    }

    #[test]
    fn a_message_key_keeps_account_id_and_tenant_apart() {
        let tenant = TenantKey::new(&[7; 32]).unwrap();
        let other = TenantKey::new(&[8; 32]).unwrap();
        assert_ne!(tenant.message_key("ab", "c"), tenant.message_key("a", "bc"));
        assert_ne!(
            tenant.message_key("a", "b"),
            other.message_key("a", "b"),
            "a guess cannot be tested without the key"
        );
    }
}
