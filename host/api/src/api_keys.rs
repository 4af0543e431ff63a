//! The keys of the API, ready to be compared: digests of their secrets, never the secrets.

use std::collections::HashMap;

use rapport_config::scope::Scopes;
use rapport_config::{ApiKeyConfig, SECRET_BYTES_MIN};
use rapport_model::Timestamp;
use rapport_model::event::Author;
use rapport_model::secret::Secret;
use ring::digest::{SHA256, digest};

/// One key of the API, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// What the log, the audit and every decision call it.
    pub name: String,
    pub may: Scopes,
    /// As whom it may send.
    pub authors: Vec<Author>,
    /// When it expires, by our clock.
    pub not_after: Option<Timestamp>,
}

/// All keys that open `/v1`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ApiKeys {
    keys: Vec<ApiKey>,
    /// Of each version of each secret, its key's place.
    digests: Vec<([u8; 32], usize)>,
}

/// Why a key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiKeyError {
    #[error(
        "API key `{0}` is shorter than {SECRET_BYTES_MIN} bytes, so it could be guessed; fix: `openssl rand -hex 32` makes one"
    )]
    Weak(String),
    #[error("API keys `{0}` and `{1}` have the same secret; fix: give each its own, so that it can be told who called")]
    Twice(String, String),
}

impl ApiKeys {
    /// Keys with all versions of their secrets.
    ///
    /// # Errors
    /// A secret is too short, or two keys share one.
    pub fn new(keys: impl IntoIterator<Item = (ApiKey, Vec<Secret>)>) -> Result<Self, ApiKeyError> {
        let mut made = Self::default();
        let mut places: HashMap<[u8; 32], usize> = HashMap::new();
        for (key, versions) in keys {
            let place = made.keys.len();
            for version in versions {
                let version = Secret::configured(version.reveal());
                if version.reveal().len() < SECRET_BYTES_MIN {
                    return Err(ApiKeyError::Weak(key.name));
                }
                let digest = digest_of(version.reveal());
                match places.insert(digest, place) {
                    Some(other) if other != place => {
                        return Err(ApiKeyError::Twice(made.keys[other].name.clone(), key.name));
                    }
                    _ => made.digests.push((digest, place)),
                }
            }
            made.keys.push(key);
        }
        Ok(made)
    }

    /// Whether no key is configured.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// All keys, in the order of the configuration.
    pub fn all(&self) -> &[ApiKey] {
        &self.keys
    }

    /// The key with this secret, also if it is expired. Every digest is compared to its end, so that the time does not show
    /// which one is similar.
    pub fn find(&self, candidate: &[u8]) -> Option<&ApiKey> {
        let candidate = digest_of(candidate);
        let mut found = None;
        for (digest, place) in &self.digests {
            let differences = digest.iter().zip(&candidate).fold(0, |differences, (a, b)| differences | (a ^ b));
            found = if std::hint::black_box(differences) == 0 { Some(*place) } else { found };
        }
        found.map(|place| &self.keys[place])
    }
}

impl ApiKey {
    /// The key as a configuration describes it.
    pub fn of(written: &ApiKeyConfig) -> Self {
        let ApiKeyConfig { name, may, authors, not_after, .. } = written;
        Self { name: name.clone(), may: *may, authors: authors.clone(), not_after: *not_after }
    }

    /// Whether it is expired.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.not_after.is_some_and(|end| end <= now)
    }
}

fn digest_of(bytes: &[u8]) -> [u8; 32] {
    let digest = digest(&SHA256, bytes);
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, versions: &[&str]) -> (ApiKey, Vec<Secret>) {
        let key = ApiKey { name: name.to_owned(), may: Scopes::all(), authors: Vec::new(), not_after: None };
        (key, versions.iter().map(|version| Secret::new(version.as_bytes())).collect())
    }

    #[test]
    fn every_version_of_a_key_opens_under_its_name() {
        let keys = [key("a", &["the first key of a", "the second key of a"]), key("b", &["the only key of b"])];
        let keys = ApiKeys::new(keys).unwrap();
        let name = |candidate: &str| keys.find(candidate.as_bytes()).map(|key| key.name.as_str());
        assert_eq!(name("the first key of a"), Some("a"));
        assert_eq!(name("the second key of a"), Some("a"));
        assert_eq!(name("the only key of b"), Some("b"));
        for wrong in ["", "the first key of", "the first key of a ", "THE FIRST KEY OF A"] {
            assert_eq!(name(wrong), None);
        }
    }

    #[test]
    fn a_short_secret_and_one_that_two_keys_share_are_refused_by_the_keys_names() {
        let refusal = |keys: Vec<(ApiKey, Vec<Secret>)>| ApiKeys::new(keys).unwrap_err().to_string();
        let short = refusal(vec![key("a", &["sixteen bytes ok", "fifteen bytes!!"])]);
        assert!(short.starts_with("API key `a` is shorter than 16 bytes") && short.contains("fix: "), "{short}");
        assert!(!short.contains("fifteen"));
        let twice = refusal(vec![key("a", &["one and the same"]), key("b", &["one and the same"])]);
        assert!(twice.starts_with("API keys `a` and `b` have the same secret; fix: "), "{twice}");
        assert!(ApiKeys::new([key("a", &["one and the same", "one and the same"])]).is_ok());
    }
}
