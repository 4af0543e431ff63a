//! Secrets, seen by the host only: a connector names one and is told yes or no.

use crate::verify::Check;

pub use rapport_model::secret::Secret;

/// Where a call finds the secrets and public keys of its connection.
pub trait Secrets: Send + Sync {
    /// Every version of the secret `name` that may be used now, newest first; `None`: the connection has none.
    ///
    /// Called during a call of a connector, so it must not block: read them from their store beforehand. Several
    /// versions are a rotation in progress; all of them are tried, whichever matches.
    fn versions(&self, name: &str) -> Option<&[Secret]>;

    /// What is known of the certificate at a URL that the manifest allows. Must not block either.
    fn certificate(&self, url: &str) -> Certificate {
        let _ = url;
        Certificate::NotFetched
    }

    /// Whether this was answered with yes when the webhook came, which is read again now: then it is yes.
    fn was_proven(&self, check: &Check<'_>) -> bool {
        let _ = check;
        false
    }

    /// Called after each check, with its answer; for a test kit, which has to sign what it changes.
    fn checked(&self, check: &Check<'_>) {
        let _ = check;
    }
}

/// What is known of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// Nothing yet: the call ends as [`FailureKind::NotFetched`](crate::FailureKind::NotFetched) with the URL. Fetch it,
    /// then make the call again; a connector is a pure function, so nothing has happened.
    NotFetched,
    /// Its public key, as a `SubjectPublicKeyInfo` in DER or PEM.
    Key(Vec<u8>),
    /// It could not be fetched, or is none that is valid now.
    Unavailable,
}

/// Of a call in which nothing is to be verified.
pub(crate) struct NoSecrets;

impl Secrets for NoSecrets {
    fn versions(&self, _: &str) -> Option<&[Secret]> {
        None
    }

    fn certificate(&self, _: &str) -> Certificate {
        Certificate::Unavailable
    }
}
