//! `[secrets]` of a manifest: which secrets a connector needs, what each of them is, and its one use.
//!
//! ```toml
//! [secrets]
//! app-secret = { kind = "hmac", what = "Signs every delivery. Dashboard › App secret." }
//! verify-token = { kind = "token", own = true, optional = true, what = "Answers the challenge. Any text of your own." }
//! other = "A text alone says what it is, and the host can check nothing but that it is not empty"
//! access-token = { use = "bearer", what = "Sends messages. Dashboard › System users › Token." }
//! ```
//!
//! Without `use` a secret verifies webhooks. The other uses are in `used.rs`.

use std::collections::BTreeMap;
use std::fmt;

use rapport_model::secret::Use;
use toml::{Table, Value};

use super::used::{self, USE_KEYS};
use super::{optional_text, refuse_unknown, unknown_word, wrong};
use crate::error::ManifestError;
use crate::keys::{self, KeyKind, KeyProblem};
use crate::secrets::Secret;

/// A secret that a connector asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretUse {
    /// `what`: what an operator has to put there.
    pub what: String,
    /// `kind`: what it is checked as when the connection is set up; none: it only must not be empty.
    pub kind: Option<SecretKind>,
    /// `own`: the operator makes it up, so it can be too short.
    pub own: bool,
    /// `optional`: webhooks can be verified without it, or nothing is sent with it.
    pub optional: bool,
    /// `use`: the one thing that it may be used for.
    pub used: Use,
}

/// What a secret is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretKind {
    /// The key of a MAC, as text, or as `whsec_` and base64.
    Hmac,
    /// The key of a MAC as the Standard Webhooks specification writes it: what stands behind `whsec_` has to be base64.
    Whsec,
    /// A text that comes with each webhook.
    Token,
    /// `user:password` of HTTP Basic.
    Basic,
    /// A public key of Ed25519.
    Ed25519,
    /// A public key of ECDSA on P-256.
    EcdsaP256,
    /// A public key of RSA.
    Rsa,
}

impl SecretKind {
    const ALL: [(&'static str, Self); 7] = [
        ("hmac", Self::Hmac),
        ("whsec", Self::Whsec),
        ("token", Self::Token),
        ("basic", Self::Basic),
        ("ed25519", Self::Ed25519),
        ("ecdsa-p256", Self::EcdsaP256),
        ("rsa", Self::Rsa),
    ];

    /// Tries a configured secret: whether a webhook could ever be verified by it.
    ///
    /// # Errors
    /// What is wrong with it, without a word of it.
    pub fn try_out(self, secret: &Secret) -> Result<(), KeyProblem> {
        let bytes = secret.reveal();
        if bytes.is_empty() {
            return Err(KeyProblem::Empty);
        }
        match self {
            Self::Hmac | Self::Token => Ok(()),
            Self::Whsec => {
                let has_prefix = bytes.starts_with(b"whsec_") || bytes.starts_with(b"v1,whsec_");
                let is_cut = has_prefix && keys::mac_key(bytes).is_none();
                if is_cut { Err(KeyProblem::NoSecretAfterPrefix) } else { Ok(()) }
            }
            Self::Basic if bytes.contains(&b':') => Ok(()),
            Self::Basic => Err(KeyProblem::NoPair),
            Self::Ed25519 => keys::try_out(bytes, KeyKind::Ed25519),
            Self::EcdsaP256 => keys::try_out(bytes, KeyKind::EcdsaP256),
            Self::Rsa => keys::try_out(bytes, KeyKind::Rsa),
        }
    }
}

impl fmt::Display for SecretUse {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.what)
    }
}

const KEYS: [&str; 5] = ["what", "kind", "own", "optional", "use"];

pub(super) fn secrets(table: Table) -> Result<BTreeMap<String, SecretUse>, ManifestError> {
    table.into_iter().map(|(name, value)| Ok((name.clone(), secret(&name, value)?))).collect()
}

fn secret(name: &str, value: Value) -> Result<SecretUse, ManifestError> {
    let key = format!("secrets.{name}");
    let expected =
        "what an operator has to put there: a text, or a table with `what`, `kind`, `own`, `optional` and `use`";
    let mut table = match value {
        Value::String(what) => {
            return Ok(SecretUse { what, kind: None, own: false, optional: false, used: Use::Verify });
        }
        Value::Table(table) => table,
        other => return Err(wrong(&key, expected, &other)),
    };
    refuse_unknown(&table, &format!("{key}."), &KEYS)?;
    let what = optional_text(&mut table, "what")?;
    let what = what.ok_or_else(|| wrong(&key, "a `what`", &Value::Table(Table::new())))?;
    let used = used::used(&key, &mut table)?;
    if let Use::Oauth2(_) = used {
        refuse_unknown(&table, &format!("{key}."), &USE_KEYS)?;
        return Ok(SecretUse { what, kind: None, own: false, optional: true, used });
    }
    let kind = optional_text(&mut table, "kind")?;
    let kind = kind.map(|word| kind_of(&format!("{key}.kind"), word)).transpose()?;
    let own = flag(&mut table, &key, "own")?;
    let optional = flag(&mut table, &key, "optional")?;
    Ok(SecretUse { what, kind, own, optional: optional || used.is_for_sending(), used })
}

fn kind_of(key: &str, word: String) -> Result<SecretKind, ManifestError> {
    let found = SecretKind::ALL.into_iter().find(|(name, _)| *name == word).map(|(_, kind)| kind);
    found.ok_or_else(|| unknown_word(key, &word, &SecretKind::ALL.map(|(name, _)| name)))
}

fn flag(table: &mut Table, key: &str, name: &str) -> Result<bool, ManifestError> {
    match table.remove(name) {
        None => Ok(false),
        Some(Value::Boolean(yes)) => Ok(yes),
        Some(other) => Err(wrong(&format!("{key}.{name}"), "`true` or `false`", &other)),
    }
}
