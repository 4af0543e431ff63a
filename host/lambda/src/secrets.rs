//! The deployment's secrets: JSON objects in Secrets Manager, `{"name": "text", "rotated": ["new", "old"]}`. A function reads
//! those that its role may read, and resolves only what it is for.

use std::collections::{BTreeMap, HashMap};

use rapport_api::api_keys::{ApiKey, ApiKeyError, ApiKeys};
use rapport_config::package::ReferenceError;
use rapport_config::{Config, ConnectionConfig, SecretRef};
use rapport_connections::SecretValues;
use rapport_model::TenantKey;
use rapport_sandbox::Secret;
use serde::Deserialize;

/// All secrets by name, the newest version of each first. Does not print.
#[derive(PartialEq, Eq)]
pub struct SecretTexts(BTreeMap<String, Vec<Secret>>);

/// What is wrong with the secrets. Never with a word of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretsError {
    #[error(
        "a secret of `RAPPORT_SECRETS` is not a JSON object of names and texts (or lists of texts, the newest first); \
         fix: put one such as {{\"tenant-key\": \"…\", \"api-key\": \"…\"}}"
    )]
    Syntax,
    #[error(
        "{used_as}: `secret:{name}` is not in the secrets of `RAPPORT_SECRETS`; fix: add it to the one that this function reads"
    )]
    Missing { used_as: String, name: String },
    #[error(
        "`{0}` is in two secrets of `RAPPORT_SECRETS`; fix: take it out of one, so that it is clear which one is meant"
    )]
    Twice(String),
    #[error(transparent)]
    ApiKey(#[from] ApiKeyError),
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    #[error("`tenant-key` is shorter than 16 bytes; fix: `openssl rand -hex 32` makes one")]
    ShortTenantKey,
}

impl SecretTexts {
    /// Reads the texts of all secrets that this function may read.
    ///
    /// # Errors
    /// [`SecretsError::Syntax`], [`SecretsError::Twice`]
    pub fn parse_all<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, SecretsError> {
        let mut all = BTreeMap::new();
        for text in texts {
            for (name, versions) in Self::parse(text)?.0 {
                if all.insert(name.clone(), versions).is_some() {
                    return Err(SecretsError::Twice(name));
                }
            }
        }
        Ok(Self(all))
    }

    /// Reads the text of one secret.
    ///
    /// # Errors
    /// [`SecretsError::Syntax`]
    pub fn parse(text: &str) -> Result<Self, SecretsError> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Versions {
            One(String),
            Several(Vec<String>),
        }
        let all: BTreeMap<String, Versions> = serde_json::from_str(text).map_err(|_| SecretsError::Syntax)?;
        let versions = |versions| match versions {
            Versions::One(one) => vec![one],
            Versions::Several(several) => several,
        };
        let secrets = |texts: Vec<String>| texts.into_iter().map(|text| Secret::configured(text.as_bytes())).collect();
        Ok(Self(all.into_iter().map(|(name, all)| (name, secrets(versions(all)))).collect()))
    }

    /// The key behind endpoint ids.
    ///
    /// # Errors
    /// It is missing or too short.
    pub fn tenant_key(&self, config: &Config) -> Result<TenantKey, SecretsError> {
        let reference = config.tenant_key.as_ref().ok_or(ReferenceError::NoTenantKey)?;
        let versions = self.resolve(reference, || "`tenant-key`".to_owned())?;
        TenantKey::new(versions[0].reveal()).ok_or(SecretsError::ShortTenantKey)
    }

    /// The keys that open the API.
    ///
    /// # Errors
    /// One is missing, or too short.
    pub fn api_keys(&self, config: &Config) -> Result<ApiKeys, SecretsError> {
        let resolved = config.api_keys.iter().map(|key| {
            let versions = key.secrets.iter().map(|reference| self.resolve(reference, || key.used_as()));
            Ok((ApiKey::of(key), versions.collect::<Result<Vec<_>, SecretsError>>()?.concat()))
        });
        Ok(ApiKeys::new(resolved.collect::<Result<Vec<_>, SecretsError>>()?)?)
    }

    /// The secrets of a connection.
    ///
    /// # Errors
    /// One is missing.
    pub fn of_connection(&self, name: &str, connection: &ConnectionConfig) -> Result<SecretValues, SecretsError> {
        let mut values = HashMap::new();
        for (secret, references) in &connection.secrets {
            let used_as = || format!("connection `{name}`: secret `{secret}`");
            let resolved = references.iter().map(|reference| self.resolve(reference, used_as));
            values.insert(secret.clone(), resolved.collect::<Result<Vec<_>, _>>()?.concat());
        }
        Ok(SecretValues::new(values))
    }

    /// At least one version, and no empty one.
    fn resolve(&self, reference: &SecretRef, used_as: impl Fn() -> String) -> Result<Vec<Secret>, SecretsError> {
        let SecretRef::Store(name) = reference else {
            return Err(ReferenceError::NotHere { used_as: used_as() }.into());
        };
        let versions = self.0.get(name).map(Vec::as_slice).unwrap_or_default();
        if versions.is_empty() || versions.iter().any(|version| version.reveal().is_empty()) {
            Err(SecretsError::Missing { used_as: used_as(), name: name.clone() })
        } else {
            Ok(versions.to_vec())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rapport_sandbox::Secrets as _;

    const CONFIG: &str = r#"
tenant-key = "secret:tenant-key"
[api]
keys = ["secret:api"]
[connections.a]
connector = "a"
secrets = { signing = ["secret:signing"] }
"#;

    #[test]
    fn one_text_or_several_are_versions_of_a_secret() {
        let config = Config::parse(CONFIG).unwrap();
        let texts = r#"{"tenant-key": "0123456789abcdef", "api": "a key of 16 bytes", "signing": ["new", "old"]}"#;
        let texts = SecretTexts::parse(texts).unwrap();
        assert!(texts.tenant_key(&config).is_ok());
        let keys = texts.api_keys(&config).unwrap();
        assert_eq!(keys.find(b"a key of 16 bytes").unwrap().name, "default");
        let values = texts.of_connection("a", &config.connections["a"]).unwrap();
        assert_eq!(values.versions("signing").unwrap(), [Secret::new(*b"new"), Secret::new(*b"old")]);
    }

    #[test]
    fn what_is_wrong_is_named_and_no_secret_is_repeated() {
        let config = Config::parse(CONFIG).unwrap();
        for text in ["hunter2", r#"["hunter2"]"#, r#"{"a": 7, "b": "hunter2"}"#] {
            let error = SecretTexts::parse(text).err().unwrap();
            assert_eq!(error, SecretsError::Syntax);
            assert!(!error.to_string().contains("hunter2"));
        }
        for (texts, expected) in [
            ("{}", "connection `a`: secret `signing`: `secret:signing` is not in"),
            (r#"{"signing": []}"#, "connection `a`: secret `signing`: "),
            (r#"{"signing": ["a", ""]}"#, "connection `a`: secret `signing`: "),
        ] {
            let texts = SecretTexts::parse(texts).unwrap();
            let error = texts.of_connection("a", &config.connections["a"]).err().unwrap().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
        let weak = SecretTexts::parse(r#"{"api": "hunter2"}"#).unwrap().api_keys(&config).unwrap_err().to_string();
        assert!(weak.starts_with("API key `default` is shorter than 16 bytes") && !weak.contains("hunter2"), "{weak}");
        let twice = SecretTexts::parse_all([r#"{"a": "1", "b": "2"}"#, r#"{"b": "3"}"#]).err();
        assert_eq!(twice, Some(SecretsError::Twice("b".into())));
        let short = SecretTexts::parse(r#"{"tenant-key": "short"}"#).unwrap();
        assert_eq!(short.tenant_key(&config).err(), Some(SecretsError::ShortTenantKey));
    }
}
