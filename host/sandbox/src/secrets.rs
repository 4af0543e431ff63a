//! Secrets, seen by the host only: a connector names one and is told yes or no.

use std::fmt;

/// Where a call finds the secrets and public keys of its connection.
pub trait Secrets: Send + Sync {
    /// Every version of the secret `name` that may be used now, newest first; `None`: the connection has none.
    ///
    /// Called during a call of a connector, so it must not block: read them from their store beforehand. Several
    /// versions are a rotation in progress; all of them are tried, whichever matches.
    fn versions(&self, name: &str) -> Option<&[Secret]>;
}

/// One version of a secret. Prints as `[secret]`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<[u8]>);

impl Secret {
    /// Takes the bytes as they are: no trimming, no decoding.
    pub fn new(bytes: impl Into<Box<[u8]>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes themselves. Never log, format or send them.
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[secret]")
    }
}
