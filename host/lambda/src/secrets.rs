//! The deployment's secrets: one JSON object in Secrets Manager, `{"name": "text", "rotated": ["new", "old"]}`.

use std::collections::{BTreeMap, HashMap};

use rapport_gateway::config::{Config, ConnectionConfig, SecretRef};
use rapport_gateway::connections::SecretValues;
use rapport_gateway::package::ReferenceError;
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
        "the secret of `RAPPORT_SECRETS` is not a JSON object of names and texts (or lists of texts, the newest first); \
         fix: put one such as {{\"tenant-key\": \"…\", \"api-key\": \"…\"}}"
    )]
    Syntax,
    #[error("{used_as}: `secret:{name}` is not in the secret of `RAPPORT_SECRETS`; fix: add it there, with a text")]
    Missing { used_as: String, name: String },
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    #[error("`tenant-key` is shorter than 16 bytes; fix: `openssl rand -hex 32` makes one")]
    ShortTenantKey,
}

impl SecretTexts {
    /// Reads the text of the one secret.
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
        let secrets = |texts: Vec<String>| texts.into_iter().map(|text| Secret::new(text.into_bytes())).collect();
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
    /// One is missing.
    pub fn api_keys(&self, config: &Config) -> Result<Vec<Secret>, SecretsError> {
        let resolved = config.api_keys.iter().map(|reference| self.resolve(reference, || "`api.keys`".to_owned()));
        Ok(resolved.collect::<Result<Vec<_>, _>>()?.concat())
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
        match versions.is_empty() || versions.iter().any(|version| version.reveal().is_empty()) {
            true => Err(SecretsError::Missing { used_as: used_as(), name: name.clone() }),
            false => Ok(versions.to_vec()),
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
        let texts = r#"{"tenant-key": "0123456789abcdef", "api": "k", "signing": ["new", "old"]}"#;
        let texts = SecretTexts::parse(texts).unwrap();
        assert!(texts.tenant_key(&config).is_ok());
        assert_eq!(texts.api_keys(&config).unwrap(), [Secret::new(*b"k")]);
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
        let short = SecretTexts::parse(r#"{"tenant-key": "short"}"#).unwrap();
        assert_eq!(short.tenant_key(&config).err(), Some(SecretsError::ShortTenantKey));
    }
}
