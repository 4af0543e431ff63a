//! What an operator writes: connections, keys, where secrets are. TOML; unknown keys are errors that name the nearest
//! known one; a secret is only ever a reference.

mod api;
mod feed;
mod identity;
mod sending;

use std::collections::BTreeMap;

use rapport_model::identity::Rules;
use rapport_model::spelling::{fix_for_unknown_key, json_of_toml};
use serde_json::Value as Json;
use toml::{Table, Value};

pub use api::{API_KEYS_MAX, ApiKeyConfig, UNNAMED};
pub use feed::FeedConfig;
pub use sending::SendingConfig;

/// Connections. Each holds its connector and its secrets in memory.
pub const CONNECTIONS_MAX: usize = 1_000;
/// Bytes. A connection's name is part of URLs, keys and logs.
pub const CONNECTION_NAME_BYTES_MAX: usize = 64;

/// Bytes. The shortest secret that is compared as it comes and that the operator makes up: an API key, a token in a URL, a
/// Basic password. 16 bytes of `openssl rand -hex` are 64 random bits, more than can be tried over a network.
pub const SECRET_BYTES_MIN: usize = 16;

/// A configuration file, read but not resolved: it holds no secret.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// How providers reach us; none: the address that the service listens on.
    pub public_url: Option<String>,
    /// The key behind endpoint ids; none: made once and kept in the data folder.
    pub tenant_key: Option<SecretRef>,
    /// In the order of their names.
    pub api_keys: Vec<ApiKeyConfig>,
    /// Whether the keys are written as before they had names.
    unnamed_keys: bool,
    pub connections: BTreeMap<String, ConnectionConfig>,
    /// By which rules evidence makes profiles.
    pub identity: Rules,
}

impl Config {
    /// Every reference to a secret, with the name of its use for messages.
    pub fn secret_refs(&self) -> impl Iterator<Item = (String, &SecretRef)> {
        let tenant_key = self.tenant_key.iter().map(|reference| ("`tenant-key`".to_owned(), reference));
        let api_keys =
            self.api_keys.iter().flat_map(|key| key.secrets.iter().map(move |reference| (key.used_as(), reference)));
        let of_connections = self.connections.iter().flat_map(|(name, connection)| {
            let named = connection.secrets.iter().flat_map(|(secret, all)| all.iter().map(move |one| (secret, one)));
            named.map(move |(secret, reference)| (format!("connection `{name}`: secret `{secret}`"), reference))
        });
        tenant_key.chain(api_keys).chain(of_connections)
    }

    /// What still works and should be written otherwise, each with the fix.
    pub fn warnings(&self) -> Vec<String> {
        let unnamed = self.unnamed_keys.then(|| {
            format!(
                "`[api] keys = […]` is one key named `{UNNAMED}` that may do everything; fix: name it, and say what it may \
                 do: `[api.keys.NAME]` with `secret = \"env:…\"` and `may = [\"read\"]`"
            )
        });
        unnamed.into_iter().chain(self.public_url.as_deref().and_then(twice_hooks)).collect()
    }
}

/// A public URL with the path that is added to it.
fn twice_hooks(url: &str) -> Option<String> {
    let right = url.strip_suffix("/hooks")?;
    Some(format!(
        "`public-url` ends in `/hooks`, and `/hooks/<connection>` is added to it; fix: write `public-url = \"{right}\"`"
    ))
}

/// One configured connector.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectionConfig {
    /// A folder of `plugins/`, or a path to a component.
    pub connector: String,
    /// Valid against the connector's JSON Schema; never a secret.
    pub config: Json,
    /// By the name that the connector calls them; several versions are a rotation.
    pub secrets: BTreeMap<String, Vec<SecretRef>>,
    /// What AWS delivers to it; none: its webhooks come over HTTP alone.
    pub feed: Option<FeedConfig>,
    /// Where its requests go, and what they are granted.
    pub sending: SendingConfig,
}

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretRef {
    /// An environment variable: `env:NAME`.
    Env(String),
    /// A file, without the newline at its end: `file:PATH`.
    File(String),
    /// An entry of the deployment's secret store: `secret:NAME`.
    Store(String),
}

/// What is wrong with a configuration.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum ConfigError {
    #[error("not TOML: {0}")]
    Syntax(String),
    #[error("unknown key `{key}`; fix: {fix}")]
    UnknownKey { key: String, fix: String },
    /// What was found may be the secret itself: it is not repeated.
    #[error("`{key}`: expected {REFERENCE}, found something else; fix: {fix}")]
    Secret { key: String, fix: &'static str },
    #[error("`{key}`: expected {expected}, found {found}")]
    Value { key: String, expected: &'static str, found: String },
    #[error("`{key}`: unknown word `{word}`; fix: {fix}")]
    UnknownWord { key: String, word: String, fix: String },
    #[error("`{key}` and `{other}` exclude each other; fix: {fix}")]
    Both { key: String, other: String, fix: &'static str },
    #[error("`{key}` is missing; fix: {fix}")]
    Missing { key: String, fix: &'static str },
    #[error(
        "found {found} connections; one process takes at most {CONNECTIONS_MAX}; fix: split them over several deployments"
    )]
    TooMany { found: usize },
    #[error(
        "found {found} API keys; at most {API_KEYS_MAX} are allowed, because each request is compared with all; fix: remove unused keys"
    )]
    TooManyKeys { found: usize },
}

const REFERENCE: &str = "a reference to a secret, `env:NAME`, `file:PATH` or `secret:NAME`";

impl Config {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// The first mistake, named by its key, with what would be right. Never the text of something that may be a secret.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let table: Table =
            text.parse().map_err(|error: toml::de::Error| ConfigError::Syntax(error.message().to_owned()))?;
        let mut top = Keys::of(table, "");
        top.only(&["public-url", "tenant-key", "api", "connections", "identity"])?;
        let api = api::api(top.table("api")?)?;
        let mut config = Self {
            public_url: top.text("public-url")?.map(|url| public_url(&url)).transpose()?,
            tenant_key: top.text("tenant-key")?.map(|text| secret_ref("tenant-key", &text)).transpose()?,
            api_keys: api.keys,
            unnamed_keys: api.is_unnamed,
            connections: connections(top.table("connections")?)?,
            identity: identity::rules(top.table("identity")?)?,
        };
        for connection in config.connections.values() {
            identity::own_addresses(&connection.config, &mut config.identity.own);
        }
        Ok(config)
    }
}

/// Reads rules of identity that did not come in a file.
///
/// # Errors
/// As [`Config::parse`].
pub fn rules_of(given: &impl serde::Serialize) -> Result<Rules, ConfigError> {
    let table = Table::try_from(given).map_err(|error| ConfigError::Syntax(error.to_string()))?;
    identity::rules(Some(Keys::of(table, "")))
}

fn connections(table: Option<Keys>) -> Result<BTreeMap<String, ConnectionConfig>, ConfigError> {
    let Some(table) = table else { return Ok(BTreeMap::new()) };
    if table.rest.len() > CONNECTIONS_MAX {
        return Err(ConfigError::TooMany { found: table.rest.len() });
    }
    let names: Vec<String> = table.rest.keys().cloned().collect();
    let mut table = table;
    let mut connections = BTreeMap::new();
    for name in names {
        if !is_connection_name(&name) {
            let expected = "a name of letters, digits, `-` and `_`, at most 64 of them";
            return Err(ConfigError::Value { key: format!("connections.{name}"), expected, found: "another".into() });
        }
        let keys = table.table(&name)?.expect("the name was taken from this table");
        connections.insert(name, connection(keys)?);
    }
    Ok(connections)
}

const CONNECTION: [&str; 5] = ["connector", "config", "secrets", "feed", "sending"];

fn connection(mut keys: Keys) -> Result<ConnectionConfig, ConfigError> {
    keys.only(&CONNECTION)?;
    let connector = keys.text("connector")?;
    let fix = "name a folder of plugins/, such as `connector = \"whatsapp\"`, or a path to a component";
    let connector = connector.ok_or_else(|| ConfigError::Missing { key: keys.path("connector"), fix })?;
    let config = keys.table("config")?.map_or_else(Table::new, |config| config.rest);
    let mut secrets = BTreeMap::new();
    if let Some(mut table) = keys.table("secrets")? {
        let names: Vec<String> = table.rest.keys().cloned().collect();
        for name in names {
            let references = table.secrets(&name)?;
            secrets.insert(name, references);
        }
    }
    let feed = keys.table("feed")?.map(feed::feed).transpose()?;
    let sending = keys.table("sending")?.map(sending::sending).transpose()?.unwrap_or_default();
    Ok(ConnectionConfig { connector, config: json_of_toml(Value::Table(config)), secrets, feed, sending })
}

/// Whether a name can stand in a URL and a key as it is.
pub fn is_connection_name(name: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=CONNECTION_NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(word)
}

fn public_url(text: &str) -> Result<String, ConfigError> {
    let url = text.trim_end_matches('/');
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).unwrap_or_default();
    if host.is_empty() || host.contains(['?', '#', ' ']) {
        let expected = "a URL such as `https://hooks.example.com`";
        return Err(ConfigError::Value { key: "public-url".into(), expected, found: format!("`{text}`") });
    }
    Ok(url.to_owned())
}

/// What to write in the place of a secret itself, or of a variable as a shell would write it.
fn fix_for_secret(text: &str) -> &'static str {
    if text.starts_with('$') {
        "write `env:NAME`, the variable's name without `$`"
    } else {
        "put the secret into an environment variable, and write `env:NAME`"
    }
}

fn secret_ref(key: &str, text: &str) -> Result<SecretRef, ConfigError> {
    match text.split_once(':') {
        Some(("env", name)) if !name.is_empty() => Ok(SecretRef::Env(name.to_owned())),
        Some(("file", path)) if !path.is_empty() => Ok(SecretRef::File(path.to_owned())),
        Some(("secret", name)) if !name.is_empty() => Ok(SecretRef::Store(name.to_owned())),
        _ => Err(ConfigError::Secret { key: key.to_owned(), fix: fix_for_secret(text) }),
    }
}

/// A TOML table whose keys are taken out one by one. A key that is not known is told first: of a misspelt one the right one
/// would be told as missing.
struct Keys {
    rest: Table,
    prefix: String,
}

impl Keys {
    fn of(rest: Table, prefix: &str) -> Self {
        Self { rest, prefix: prefix.to_owned() }
    }

    fn path(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    fn wrong(&self, key: &str, expected: &'static str, found: &Value) -> ConfigError {
        ConfigError::Value { key: self.path(key), expected, found: found.type_str().to_owned() }
    }

    fn text(&mut self, key: &str) -> Result<Option<String>, ConfigError> {
        match self.rest.remove(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(key, "text", &other)),
        }
    }

    fn table(&mut self, key: &str) -> Result<Option<Keys>, ConfigError> {
        match self.rest.remove(key) {
            None => Ok(None),
            Some(Value::Table(table)) => Ok(Some(Keys::of(table, &format!("{}{key}.", self.prefix)))),
            Some(other) => Err(self.wrong(key, "a table", &other)),
        }
    }

    /// One reference, or a list of them: the newest version first.
    fn secrets(&mut self, key: &str) -> Result<Vec<SecretRef>, ConfigError> {
        let path = self.path(key);
        let list = match self.rest.remove(key) {
            None => return Ok(Vec::new()),
            Some(Value::Array(list)) => list,
            Some(one) => vec![one],
        };
        list.iter()
            .map(|value| match value {
                Value::String(text) => secret_ref(&path, text),
                _ => Err(ConfigError::Secret { key: path.clone(), fix: fix_for_secret("") }),
            })
            .collect()
    }

    /// A list of texts.
    fn words(&mut self, key: &str) -> Result<Option<Vec<String>>, ConfigError> {
        let expected = "a list of texts";
        match self.rest.remove(key) {
            None => Ok(None),
            Some(Value::Array(list)) => list
                .into_iter()
                .map(|word| match word {
                    Value::String(word) => Ok(word),
                    other => Err(self.wrong(key, expected, &other)),
                })
                .collect::<Result<_, _>>()
                .map(Some),
            Some(other) => Err(self.wrong(key, expected, &other)),
        }
    }

    fn only(&self, known: &[&str]) -> Result<(), ConfigError> {
        match self.rest.keys().find(|key| !known.contains(&key.as_str())) {
            None => Ok(()),
            Some(key) => Err(ConfigError::UnknownKey { key: self.path(key), fix: fix_for_unknown_key(key, known) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"
public-url = "https://hooks.example.com/"
tenant-key = "file:/run/tenant"
[api]
keys = ["env:RAPPORT_API_KEY"]
[connections.wa-eu]
connector = "whatsapp"
config = { phone-number-ids = ["106540352242922"] }
secrets = { app-secret = ["env:NEW", "env:OLD"], verify-token = "secret:wa-token" }
"#;

    fn refusal(text: &str) -> String {
        Config::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn a_whole_configuration_is_read() {
        let config = Config::parse(WHOLE).unwrap();
        assert_eq!(config.public_url.as_deref(), Some("https://hooks.example.com"));
        assert_eq!(config.tenant_key, Some(SecretRef::File("/run/tenant".into())));
        assert_eq!(config.api_keys[0].secrets, [SecretRef::Env("RAPPORT_API_KEY".into())]);
        let connection = &config.connections["wa-eu"];
        assert_eq!(connection.connector, "whatsapp");
        assert_eq!(connection.config, serde_json::json!({"phone-number-ids": ["106540352242922"]}));
        assert_eq!(connection.secrets["app-secret"].len(), 2, "a list means rotation");
        assert_eq!(connection.secrets["verify-token"], [SecretRef::Store("wa-token".into())]);
        assert_eq!(Config::parse("").unwrap(), Config::default());
    }

    #[test]
    fn a_public_url_with_the_path_of_webhooks_is_warned_of() {
        let warnings = |url: &str| Config::parse(&format!("public-url = '{url}'")).unwrap().warnings();
        assert_eq!(warnings("https://hooks.example.com/"), [""; 0]);
        let warned = warnings("https://example.com/hooks/");
        assert!(warned[0].ends_with("fix: write `public-url = \"https://example.com\"`"), "{warned:?}");
    }

    #[test]
    fn an_unknown_key_names_the_nearest_known_one() {
        assert_eq!(refusal("public_url = 'https://x'"), "unknown key `public_url`; fix: write `public-url`");
        assert_eq!(refusal("[api]\nkey = []"), "unknown key `api.key`; fix: write `keys`");
        assert_eq!(
            refusal("[connections.wa-eu]\nconector = 'x'"),
            "unknown key `connections.wa-eu.conector`; fix: write `connector`"
        );
        assert_eq!(
            refusal("[api.keys.crm]\nsecert = 'env:A'\nmay = ['read']"),
            "unknown key `api.keys.crm.secert`; fix: write `secret`"
        );
        assert_eq!(
            refusal("[connections.a]\nconnector = 'x'\nfeed = { form = ['x'] }"),
            "unknown key `connections.a.feed.form`; fix: write `from`"
        );
        assert_eq!(
            refusal("api_keys = 1\n[connections.a]"),
            "unknown key `api_keys`; fix: remove it; there are \
            `public-url`, `tenant-key`, `api`, `connections`, `identity`"
        );
        assert_eq!(
            refusal("[connections.a]\nconnector = 'x'\nsecret = {}"),
            "unknown key `connections.a.secret`; fix: write `secrets`"
        );
    }

    #[test]
    fn a_secret_in_the_file_is_refused_and_not_repeated() {
        for text in ["tenant-key = 'hunter2'", "[api]\nkeys = ['env:']", "[api]\nkeys = [7]"] {
            let refusal = refusal(text);
            assert!(refusal.contains("`env:NAME`, `file:PATH` or `secret:NAME`"), "{refusal}");
            assert!(!refusal.contains("hunter2"));
        }
        let plain = refusal("tenant-key = 'hunter2'");
        assert!(plain.ends_with("fix: put the secret into an environment variable, and write `env:NAME`"), "{plain}");
        let shell = refusal("tenant-key = '$TENANT'");
        assert!(shell.ends_with("fix: write `env:NAME`, the variable's name without `$`"), "{shell}");
    }

    #[test]
    fn what_is_missing_or_of_another_type_is_named() {
        assert!(refusal("[connections.a]").starts_with("`connections.a.connector` is missing; fix: name a folder"));
        assert_eq!(refusal("connections = 1"), "`connections`: expected a table, found integer");
        assert!(refusal("[connections.\"a b\"]\nconnector = 'x'").contains("expected a name of letters"));
        assert!(refusal("public-url = 'hooks.example.com'").contains("expected a URL"));
        assert!(refusal("a = ").starts_with("not TOML"));
    }
}
