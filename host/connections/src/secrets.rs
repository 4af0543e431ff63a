//! The secrets of a connection: read as operators store them, and tried before the first webhook comes.

use std::collections::HashMap;

use rapport_config::{ConnectionConfig, SECRET_BYTES_MIN};
use rapport_egress::{Client, MASKED_BYTES_MIN};
use rapport_model::hosts;
use rapport_model::secret::Use;
use rapport_sandbox::{Manifest, Secret, SecretKind, Secrets};
use ring::digest::{SHA256, digest};

use crate::connections::ConnectionError;
use crate::credentials::{BASIC, PATH_TOKEN};

/// The resolved secrets of a connection.
#[derive(Default)]
pub struct SecretValues(HashMap<String, Vec<Secret>>);

impl SecretValues {
    /// By name, the newest version first. What an editor or a shell put around a text is left out. Empty secrets are
    /// dropped: an empty key would let anyone forge a signature.
    pub fn new(mut values: HashMap<String, Vec<Secret>>) -> Self {
        for versions in values.values_mut() {
            for version in versions.iter_mut() {
                *version = Secret::configured(version.reveal());
            }
            versions.retain(|version| !version.reveal().is_empty());
        }
        values.retain(|_, versions| !versions.is_empty());
        Self(values)
    }

    /// Every version of every secret, with its name.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().flat_map(|(name, versions)| versions.iter().map(move |version| (name.as_str(), version.reveal())))
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }

    /// Leaves out what is bound to sending: `verify` must not tell anything about it.
    pub(crate) fn keep_for_verifying(&mut self, manifest: &Manifest) {
        self.0.retain(|name, _| verifies(manifest, name));
    }

    /// Leaves out what cannot be used, and says why. One good version is enough: a mistake in a new one does not stop a
    /// connection while the old one is in use.
    ///
    /// # Errors
    /// A secret has no version that can be used.
    pub(crate) fn tried(
        &mut self,
        connection: &str,
        manifest: &Manifest,
    ) -> Result<Vec<ConnectionError>, ConnectionError> {
        let mut left_out = Vec::new();
        let mut names: Vec<String> = self.0.keys().cloned().collect();
        names.sort();
        for name in names {
            let versions = self.0.remove(&name).unwrap_or_default();
            let number_of = versions.len();
            let mut good = Vec::with_capacity(number_of);
            for (place, version) in versions.into_iter().enumerate() {
                match problem(&name, &version, manifest) {
                    None => good.push(version),
                    Some(problem) => left_out.push(ConnectionError::Secret {
                        connection: connection.to_owned(),
                        secret: name.clone(),
                        which: which(place, number_of),
                        problem,
                    }),
                }
            }
            if good.is_empty() {
                return Err(left_out.pop().expect("it had a version, and that is not good"));
            }
            self.0.insert(name, good);
        }
        Ok(left_out)
    }
}

impl Secrets for SecretValues {
    fn versions(&self, name: &str) -> Option<&[Secret]> {
        self.0.get(name).map(Vec::as_slice)
    }
}

/// Whether a secret is for webhooks. One that the manifest does not name is.
pub(crate) fn verifies(manifest: &Manifest, name: &str) -> bool {
    !manifest.secrets.get(name).is_some_and(|known| known.used.is_for_sending())
}

/// Which version of a secret is meant, where there are several.
fn which(place: usize, number_of: usize) -> String {
    if number_of == 1 { String::new() } else { format!(" (version {} of {number_of})", place + 1) }
}

/// What is wrong with a version of a secret. `None` if no mistake can be seen.
fn problem(name: &str, version: &Secret, manifest: &Manifest) -> Option<String> {
    let known = manifest.secrets.get(name);
    let kind = match name {
        BASIC => Some(SecretKind::Basic),
        PATH_TOKEN => Some(SecretKind::Token),
        _ => known.and_then(|known| known.kind),
    };
    if known.is_none() && hosts::allows(&manifest.hosts.certificates, name) {
        // The public key of a certificate may be of either kind that certificates have.
        let tried = [SecretKind::Rsa, SecretKind::EcdsaP256].map(|kind| kind.try_out(version));
        return tried.iter().all(Result::is_err).then(|| "is not a public key of RSA or ECDSA P-256".to_owned());
    }
    if let Some(Err(problem)) = kind.map(|kind| kind.try_out(version)) {
        return Some(problem.to_string());
    }
    if let Some(known) = known.filter(|known| known.used.is_for_sending()) {
        return problem_of_sending(version, &known.used);
    }
    let is_own = matches!(name, BASIC | PATH_TOKEN) || known.is_some_and(|known| known.own);
    let guessed = match name {
        BASIC => version.reveal().splitn(2, |byte| *byte == b':').nth(1).unwrap_or_default(),
        _ => version.reveal(),
    };
    let what = if name == BASIC { "has a password" } else { "is" };
    (is_own && guessed.len() < SECRET_BYTES_MIN).then(|| {
        format!("{what} shorter than {SECRET_BYTES_MIN} bytes, so it could be guessed; fix: `openssl rand -hex 16` makes one")
    })
}

/// What is wrong with a secret that something is sent with. `None` if no mistake can be seen.
fn problem_of_sending(version: &Secret, used: &Use) -> Option<String> {
    let bytes = version.reveal();
    match used {
        Use::Oauth2(used) => return Client::read(version, used).err(),
        Use::Header(_) | Use::Path(_) | Use::Bearer if !bytes.iter().all(|byte| matches!(byte, b' '..=b'~')) => {
            return Some(
                "is not visible ASCII, so no header and no URL can hold it; fix: store its text alone".to_owned(),
            );
        }
        _ => {}
    }
    (bytes.len() < MASKED_BYTES_MIN).then(|| {
        format!(
            "is shorter than {MASKED_BYTES_MIN} bytes, so it could not be told apart from other text in what the provider \
             answers; fix: check that it is whole"
        )
    })
}

/// A missing secret without which no webhook of the connection can be verified. `None` if there is none missing.
pub fn lacking(name: &str, manifest: &Manifest, written: &ConnectionConfig) -> Option<String> {
    let is_set = |secret: &&String| written.secrets.get(*secret).is_some_and(|versions| !versions.is_empty());
    let vouched = [PATH_TOKEN, BASIC].iter().any(|secret| written.secrets.contains_key(*secret));
    let mut verifying = manifest.secrets.iter().filter(|(secret, _)| verifies(manifest, secret)).peekable();
    if written.feed.is_some() || vouched || verifying.peek().is_none() {
        return None;
    }
    let verifying: Vec<_> = verifying.collect();
    let needed = verifying.iter().copied().find(|(secret, known)| !known.optional && !is_set(secret));
    // Where each is optional there are several ways to verify; with certificates there is one without a secret.
    let none_is_set = manifest.hosts.certificates.is_empty() && !verifying.iter().any(|(secret, _)| is_set(secret));
    let first = needed.or_else(|| verifying.first().copied().filter(|_| none_is_set));
    first.map(|(secret, known)| {
        format!(
            "connection `{name}`: secret `{secret}` is not set, so webhooks that need it will be 401; fix: set it under \
             `secrets` ({})",
            known.what
        )
    })
}

/// Whether two secrets are the same, in a time that depends on neither. An empty one is never the same as anything.
pub(crate) fn same_secret(secret: &[u8], candidate: &[u8]) -> bool {
    let (secret_hash, candidate_hash) = (digest(&SHA256, secret), digest(&SHA256, candidate));
    let pairs = secret_hash.as_ref().iter().zip(candidate_hash.as_ref());
    let differences = pairs.fold(0, |differences, (a, b)| differences | (a ^ b));
    std::hint::black_box(differences) == 0 && !secret.is_empty()
}
