//! What `rapport package` writes beside the connectors and the function reads: which file is which connector.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use serde::{Deserialize, Serialize};

use crate::config::{Config, SecretRef};

/// The form of this file that is written and read.
pub const FORMAT: u32 = 1;
/// Its name in a package.
pub const FILE: &str = "package.json";
/// The operator's configuration in a package.
pub const CONFIG_FILE: &str = "rapport.toml";

/// The contents of a package. It is not signed, and nothing in it is believed: which keys are trusted comes from the
/// deployment, and each artefact is signed itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    pub format: u32,
    /// The version of the `rapport` that wrote it.
    pub rapport: String,
    /// The engine that the connectors are compiled for.
    pub engine: String,
    /// `x86_64` or `arm64`, as Lambda calls them.
    pub arch: String,
    /// By the words of `connector` in the configuration.
    pub connectors: BTreeMap<String, PackagedConnector>,
    /// The public key that signed the artefacts: 64 hexadecimal digits.
    pub signer: String,
}

/// One connector of a package. Digests are SHA-256 in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackagedConnector {
    pub id: String,
    pub version: String,
    /// Where its artefact is, from the top of the package.
    pub file: String,
    pub component_sha256: String,
    pub artefact_sha256: String,
    /// Of the artefact.
    pub bytes: u64,
    /// Whether it sends messages.
    #[serde(default)]
    pub sends: bool,
}

/// What is wrong with a package.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    #[error("`{FILE}` is not what `rapport package` writes: {0}; fix: make the package again")]
    Syntax(#[from] serde_json::Error),
    #[error(
        "`{FILE}` is of format {0}, and this version reads {FORMAT}; fix: make the package with this version's `rapport`"
    )]
    Format(u32),
    #[error("`{FILE}`: `{0}` leads out of the package; fix: make the package again")]
    Path(String),
}

/// A configuration that a function could not use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    #[error("`tenant-key` is missing; fix: set `tenant-key = \"secret:tenant-key\"`")]
    NoTenantKey,
    #[error(
        "{used_as} is a reference to this machine's environment or files, and a function has none; fix: name an entry of \
         the deployment's secret, `secret:NAME`"
    )]
    NotHere { used_as: String },
    #[error(
        "`connections.{connection}.sending.base-url` is for `rapport dev`, the demo and tests, because a deployment sends to \
         providers only; fix: remove it from the configuration of the deployment"
    )]
    StandIn { connection: String },
}

/// Checks that every secret of a configuration is one that a function can have, and that it sends to providers.
///
/// # Errors
/// The first secret or key that a deployment cannot have.
pub fn check_references(config: &Config) -> Result<(), ReferenceError> {
    if config.tenant_key.is_none() {
        return Err(ReferenceError::NoTenantKey);
    }
    let mut connections = config.connections.iter();
    if let Some((connection, _)) = connections.find(|(_, written)| written.sending.base_url.is_some()) {
        return Err(ReferenceError::StandIn { connection: connection.clone() });
    }
    match config.secret_refs().find(|(_, reference)| !matches!(reference, SecretRef::Store(_))) {
        Some((used_as, _)) => Err(ReferenceError::NotHere { used_as }),
        None => Ok(()),
    }
}

impl Package {
    /// Reads the text of a `package.json`.
    ///
    /// # Errors
    /// [`PackageError`]
    pub fn parse(text: &str) -> Result<Self, PackageError> {
        #[derive(Deserialize)]
        struct Form {
            format: u32,
        }
        // First, since another format may have other fields.
        let Form { format } = serde_json::from_str(text)?;
        if format != FORMAT {
            return Err(PackageError::Format(format));
        }
        let package: Self = serde_json::from_str(text)?;
        let leads_out = |file: &str| !Path::new(file).components().all(|part| matches!(part, Component::Normal(_)));
        match package.connectors.values().find(|connector| leads_out(&connector.file)) {
            Some(connector) => Err(PackageError::Path(connector.file.clone())),
            None => Ok(package),
        }
    }

    /// The text of a `package.json`: the same for the same package.
    pub fn to_text(&self) -> String {
        let text = serde_json::to_string_pretty(self).expect("a struct with text keys is JSON");
        format!("{text}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(file: &str) -> Package {
        let connector = PackagedConnector {
            id: "a".into(),
            version: "0.1.0".into(),
            file: file.into(),
            component_sha256: "00".into(),
            artefact_sha256: "11".into(),
            bytes: 7,
            sends: false,
        };
        Package {
            format: FORMAT,
            rapport: "0.1.0".into(),
            engine: "48".into(),
            arch: "arm64".into(),
            connectors: BTreeMap::from([("a".to_owned(), connector)]),
            signer: "ff".into(),
        }
    }

    #[test]
    fn a_package_is_read_as_it_was_written() {
        let package = package("connectors/a.artefact");
        assert_eq!(Package::parse(&package.to_text()).unwrap(), package);
    }

    #[test]
    fn another_format_and_a_way_out_are_refused() {
        assert!(Package::parse(r#"{"format": 2}"#).unwrap_err().to_string().contains("format 2"));
        assert!(matches!(Package::parse("[]"), Err(PackageError::Syntax(_))));
        for file in ["../a", "/a", "a/../../b"] {
            assert!(matches!(Package::parse(&package(file).to_text()), Err(PackageError::Path(_))), "{file}");
        }
    }

    #[test]
    fn references_to_a_machine_are_refused() {
        let refusal = |text: &str| check_references(&Config::parse(text).unwrap()).err().map(|error| error.to_string());
        assert!(refusal("").unwrap().starts_with("`tenant-key` is missing; fix: "));
        assert!(refusal("tenant-key = 'file:/x'").unwrap().starts_with("`tenant-key` is a reference to this machine"));
        let config = |reference: &str| {
            format!(
                "tenant-key = 'secret:t'\n[connections.a]\nconnector = 'a'\nsecrets = {{ signing = '{reference}' }}"
            )
        };
        assert_eq!(refusal(&config("secret:signing")), None);
        let of_connection = refusal(&config("env:SIGNING")).unwrap();
        assert!(of_connection.starts_with("connection `a`: secret `signing` is a reference"), "{of_connection}");
    }

    #[test]
    fn a_deployment_has_no_stand_in() {
        let refusal = |line: &str| {
            let start = "tenant-key = 'secret:t'\n[connections.a]\nconnector = 'a'\n[connections.a.sending]\n";
            check_references(&Config::parse(&format!("{start}{line}")).unwrap()).err().map(|error| error.to_string())
        };
        let stand_in = refusal("base-url = 'http://127.0.0.1:9000'").unwrap();
        assert!(stand_in.starts_with("`connections.a.sending.base-url` is for `rapport dev`"), "{stand_in}");
        assert_eq!(refusal("live = true"), None);
    }
}
