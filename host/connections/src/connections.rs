//! The connections of a process: each a connector with its configuration and secrets, ready to be called.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rapport_config::{ConnectionConfig, FeedConfig};
use rapport_model::hosts;
use rapport_model::spelling::fix_for_unknown_key;
use rapport_sandbox::{Connector, Gate, Manifest, Secret};
use rapport_telemetry::{ConnectionOpen, SecretVersionLeftOut};
use serde_json::Value as Json;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::credentials::{self, BASIC, PATH_TOKEN, Vouching};
use crate::redaction::Known;
use crate::refusals::Refusals;
use crate::secrets::{SecretValues, verifies};
use crate::sending::{self, Sender, all_values};

/// Calls of one connection that run at once, of the sandbox's 16: a connector that loops cannot take the others' turns.
const CALLS_AT_ONCE_MAX: usize = 4;
/// Calls of one connection that wait for their turn. At 30 µs a call this is 10 ms of work; beyond, the provider is told
/// to come back.
const CALLS_WAITING_MAX: usize = 512;

/// A connector, configured.
pub struct Connection {
    pub name: String,
    pub connector: Connector,
    /// JSON text, valid against the connector's schema.
    pub config: String,
    /// What webhooks are verified with. Those for sending are in `sender`.
    pub secrets: Arc<SecretValues>,
    /// What its requests are sent with.
    pub sender: Sender,
    pub vouching: Vouching,
    /// What AWS may deliver to it.
    pub feed: Option<FeedConfig>,
    /// Versions of its secrets that cannot be used, while others can.
    pub left_out: Vec<ConnectionError>,
    /// What proves its webhooks before its connector is called. `None`: the connector alone decides.
    pub gate: Option<Gate>,
    /// What nothing of it that is stored may hold.
    pub known_secrets: Known,
    pub refusals: Refusals,
    turns: Semaphore,
    waiting: AtomicUsize,
}

/// Why a connection cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    #[error("connection `{connection}`: unknown key `{key}` in `config`; fix: {fix}")]
    UnknownConfigKey { connection: String, key: String, fix: String },
    #[error("connection `{connection}`: `config{at}`: {problem}; fix: see the README of connector `{connector}`")]
    Config { connection: String, connector: String, at: String, problem: String },
    #[error(
        "connector `{connector}`: `[config]` is not a valid JSON Schema: {problem}; fix: correct it in its connector.toml"
    )]
    Schema { connector: String, problem: String },
    #[error("connection `{connection}`: secret `{secret}` is not one of connector `{connector}`; fix: {fix}")]
    UnknownSecret { connection: String, connector: String, secret: String, fix: String },
    #[error("connection `{connection}`: secret `{secret}`{which} {problem}")]
    Secret { connection: String, secret: String, which: String, problem: String },
    #[error(
        "connection `{connection}`: connector `{connector}` cannot verify its webhooks ({reason}); fix: give the \
         connection a secret `{PATH_TOKEN}` and the provider the URL /hooks/{connection}/<token>, or a secret `{BASIC}` \
         (`user:password`) if the provider sends HTTP Basic credentials{or_feed}"
    )]
    Unsigned { connection: String, connector: String, reason: String, or_feed: &'static str },
    #[error(
        "connection `{connection}`: connector `{connector}` takes nothing that AWS delivers; fix: remove `feed`, or name \
         a connector whose connector.toml has one"
    )]
    NoFeed { connection: String, connector: String },
    #[error(
        "connection `{connection}`: connector `{connector}` is handed no objects of S3; fix: remove `feed.buckets`"
    )]
    NoObjects { connection: String, connector: String },
    #[error("connection `{connection}`: connector `{connector}` sends nothing; fix: remove `sending`")]
    SendsNothing { connection: String, connector: String },
    #[error(
        "connection `{connection}`: connector `{connector}` does not ask for `{what}`; fix: remove it from `sending.aws`"
    )]
    Aws { connection: String, connector: String, what: String },
}

impl Connection {
    /// Checks a connection's configuration against its connector's manifest.
    ///
    /// # Errors
    /// The first thing that does not fit, named, with the fix.
    pub fn new(
        name: &str,
        connector: Connector,
        written: &ConnectionConfig,
        mut secrets: SecretValues,
    ) -> Result<Self, ConnectionError> {
        let vouching = vouching(name, connector.manifest(), written, &secrets)?;
        for (key, who) in open_to(&connector.manifest().config, &written.config) {
            ConnectionOpen { connection: name, who, key }.emit();
        }
        let left_out = secrets.tried(name, connector.manifest())?;
        let known_secrets =
            Known::of(&SecretValues::new(all_values(connector.manifest(), &secrets).into_iter().collect()));
        let sender = Sender::new(name, connector.manifest(), &written.sending, &secrets)?;
        secrets.keep_for_verifying(connector.manifest());
        for error in &left_out {
            SecretVersionLeftOut { error }.emit();
        }
        Ok(Self {
            name: name.to_owned(),
            left_out,
            config: written.config.to_string(),
            gate: Gate::new(connector.manifest(), &written.config, &secrets),
            known_secrets,
            sender,
            refusals: Refusals::default(),
            connector,
            secrets: Arc::new(secrets),
            vouching,
            feed: written.feed.clone(),
            turns: Semaphore::new(CALLS_AT_ONCE_MAX),
            waiting: AtomicUsize::new(0),
        })
    }

    /// A hash of what the operator wrote for its connector, in hexadecimal: an attempt of a message is pinned to it.
    pub fn configuration_digest(&self) -> String {
        let hash = ring::digest::digest(&ring::digest::SHA256, self.config.as_bytes());
        hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Waits for this connection's turn. `None` if too many already wait.
    pub async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        let waiting = Waiting::join(&self.waiting)?;
        let permit = self.turns.acquire().await.ok();
        drop(waiting);
        permit
    }
}

/// One place in the queue; left when dropped, also by a caller who gave up.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn join(queue: &'a AtomicUsize) -> Option<Self> {
        let place = Self(queue);
        (queue.fetch_add(1, Ordering::Relaxed) < CALLS_WAITING_MAX).then_some(place)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Refuses a secret that nothing reads: its name is likely misspelt. A connector that names none may ask for any.
fn check_names(connection: &str, manifest: &Manifest, secrets: &SecretValues) -> Result<(), ConnectionError> {
    if manifest.secrets.is_empty() && manifest.unsigned.is_none() {
        return Ok(());
    }
    let credentials = [PATH_TOKEN, BASIC].into_iter().filter(|_| manifest.unsigned.is_some());
    let known: Vec<&str> = manifest.secrets.keys().map(String::as_str).chain(credentials).collect();
    let is_known = |name: &str| known.contains(&name) || hosts::allows(&manifest.hosts.certificates, name);
    match secrets.names().find(|name| !is_known(name)) {
        None => Ok(()),
        Some(secret) => Err(ConnectionError::UnknownSecret {
            connection: connection.to_owned(),
            connector: manifest.id.clone(),
            secret: secret.clone(),
            fix: fix_for_unknown_key(secret, &known),
        }),
    }
}

/// Checks what an operator wrote of a connection, without a connector or a secret at hand.
///
/// # Errors
/// What [`Connection::new`] would say.
pub fn check(name: &str, manifest: &Manifest, written: &ConnectionConfig) -> Result<(), ConnectionError> {
    // Which secrets there are matters, not what they are.
    let any = |secret: &String| (secret.clone(), vec![Secret::new(*b"*")]);
    let secrets = SecretValues::new(written.secrets.keys().map(any).collect());
    vouching(name, manifest, written, &secrets).map(drop)
}

/// Who vouches for the webhooks of a connection that has these secrets.
fn vouching(
    name: &str,
    manifest: &Manifest,
    written: &ConnectionConfig,
    secrets: &SecretValues,
) -> Result<Vouching, ConnectionError> {
    let config = &written.config;
    check_config(name, &manifest.id, &manifest.config, config)?;
    check_names(name, manifest, secrets)?;
    check_feed(name, manifest, written.feed.as_ref())?;
    sending::check(name, manifest, &written.sending)?;
    match manifest.unsigned.as_ref().filter(|unsigned| unsigned.applies(config)) {
        None => Ok(Vouching::Connector),
        Some(_) if credentials::has_any(secrets) => Ok(Vouching::Credentials),
        // Another secret is one that its connector verifies with what the provider does sign.
        Some(_) if secrets.names().any(|name| verifies(manifest, name)) => Ok(Vouching::Nobody),
        // What comes by its URL all the same is refused.
        Some(_) if written.feed.is_some() => Ok(Vouching::Nobody),
        Some(unsigned) => {
            let (connection, connector) = (name.to_owned(), manifest.id.clone());
            let or_feed =
                manifest.feed.as_ref().map_or("", |_| "; or say in `feed` from where AWS delivers its events");
            Err(ConnectionError::Unsigned { connection, connector, reason: unsigned.reason.clone(), or_feed })
        }
    }
}

/// A keyword of a manifest's schema: from whom events are taken where the key is not given, in a few words. A signature says
/// which provider sent a webhook. If a connection is open to all, anybody who can make the provider sign can write into it.
const OPEN_TO: &str = "x-open-to";

/// The keys of a configuration that would narrow down whose events are taken, and are not given; each with who is taken.
pub fn open_to<'a>(schema: &'a Json, config: &Json) -> Vec<(&'a str, &'a str)> {
    let properties = schema["properties"].as_object().into_iter().flatten();
    let missing = properties.filter(|(key, _)| config.get(key.as_str()).is_none());
    missing.filter_map(|(key, property)| Some((key.as_str(), property.get(OPEN_TO)?.as_str()?))).collect()
}

fn check_feed(connection: &str, manifest: &Manifest, feed: Option<&FeedConfig>) -> Result<(), ConnectionError> {
    let Some(feed) = feed else { return Ok(()) };
    let (connection, connector) = (connection.to_owned(), manifest.id.clone());
    match &manifest.feed {
        None => Err(ConnectionError::NoFeed { connection, connector }),
        Some(takes) if takes.object.is_none() && !feed.buckets.is_empty() => {
            Err(ConnectionError::NoObjects { connection, connector })
        }
        Some(_) => Ok(()),
    }
}

fn check_config(connection: &str, connector: &str, schema: &Json, config: &Json) -> Result<(), ConnectionError> {
    let validator = jsonschema::validator_for(schema)
        .map_err(|error| ConnectionError::Schema { connector: connector.to_owned(), problem: error.to_string() })?;
    if let Some((key, fix)) = unknown_key(schema, config) {
        return Err(ConnectionError::UnknownConfigKey { connection: connection.to_owned(), key, fix });
    }
    match validator.iter_errors(config).next() {
        None => Ok(()),
        Some(error) => Err(ConnectionError::Config {
            connection: connection.to_owned(),
            connector: connector.to_owned(),
            at: error.instance_path().to_string(),
            problem: error.to_string(),
        }),
    }
}

/// The first key that a closed schema does not name, with the fix. It is told first: of a misspelt key the right one would be
/// told as missing.
fn unknown_key(schema: &Json, config: &Json) -> Option<(String, String)> {
    let is_closed =
        schema.get("additionalProperties") == Some(&Json::Bool(false)) && schema.get("patternProperties").is_none();
    let known: Vec<&str> =
        schema["properties"].as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect();
    let mut keys = config.as_object().into_iter().flatten().map(|(key, _)| key).filter(|_| is_closed);
    let key = keys.find(|key| !known.contains(&key.as_str()))?;
    Some((key.clone(), fix_for_unknown_key(key, &known)))
}

/// All connections by name: ready, or made when the first webhook comes.
#[derive(Default)]
pub struct Connections {
    all: BTreeMap<String, Mutex<Option<Arc<Connection>>>>,
    load: Option<Loader>,
    /// Webhooks to names that are no connection's.
    pub unknown: Refusals,
}

/// Makes a connection by its name. Blocks for as long as its connector takes to load, some milliseconds.
pub type Loader = Box<dyn Fn(&str) -> Result<Connection, NotLoaded> + Send + Sync>;

/// Why a connection could not be set up when it was needed. It is for the log: the sender of a webhook cannot fix it.
pub type NotLoaded = Box<dyn std::error::Error + Send + Sync>;

impl Connections {
    /// Connections that are ready.
    pub fn new(connections: impl IntoIterator<Item = Connection>) -> Self {
        let ready = |connection: Connection| (connection.name.clone(), Mutex::new(Some(Arc::new(connection))));
        Self { all: connections.into_iter().map(ready).collect(), ..Self::default() }
    }

    /// Connections that `load` makes, each when it is first asked for, so that a function that starts for a webhook loads
    /// one connector and not all.
    pub fn lazy(names: impl IntoIterator<Item = String>, load: Loader) -> Self {
        Self {
            all: names.into_iter().map(|name| (name, Mutex::default())).collect(),
            load: Some(load),
            ..Self::default()
        }
    }

    /// A connection. `None` if it is not configured.
    ///
    /// # Errors
    /// It could not be made; the next call tries again.
    pub fn get(&self, name: &str) -> Result<Option<Arc<Connection>>, NotLoaded> {
        let Some(place) = self.all.get(name) else { return Ok(None) };
        // Locked while it loads, so that concurrent callers wait for the same connection.
        let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
        if let (None, Some(load)) = (place.as_ref(), &self.load) {
            *place = Some(Arc::new(load(name)?));
        }
        Ok(place.clone())
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.all.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;

    #[test]
    fn a_connection_that_takes_from_anybody_is_told() {
        let schema = serde_json::json!({"properties": {"ids": {"x-open-to": "every account"}, "other": {}}});
        assert_eq!(open_to(&schema, &serde_json::json!({})), [("ids", "every account")]);
        assert_eq!(open_to(&schema, &serde_json::json!({"ids": ["1"]})), []);
        assert_eq!(open_to(&serde_json::json!({}), &serde_json::json!({})), []);
    }

    #[test]
    fn a_misspelt_key_of_the_config_is_told_with_the_nearest_one() {
        let schema = serde_json::json!({
            "type": "object", "additionalProperties": false, "required": ["ids"], "properties": {"ids": {"type": "array"}},
        });
        let refusal = |config: Json| check_config("a", "acme", &schema, &config).unwrap_err().to_string();
        let misspelt = refusal(serde_json::json!({"idz": []}));
        assert_eq!(misspelt, "connection `a`: unknown key `idz` in `config`; fix: write `ids`");
        let wrong = refusal(serde_json::json!({"ids": 1}));
        assert!(wrong.starts_with("connection `a`: `config/ids`: 1 is not of type"), "{wrong}");
        assert!(wrong.ends_with("fix: see the README of connector `acme`"), "{wrong}");
        assert!(check_config("a", "acme", &schema, &serde_json::json!({"ids": []})).is_ok());
    }

    #[test]
    fn a_connection_that_could_not_be_made_is_tried_again_and_others_never() {
        static TRIED: AtomicU32 = AtomicU32::new(0);
        let load = |name: &str| {
            TRIED.fetch_add(1, Ordering::Relaxed);
            Err(format!("{name} is broken").into())
        };
        let connections = Connections::lazy(["a".to_owned(), "b".to_owned()], Box::new(load));
        assert_eq!(TRIED.load(Ordering::Relaxed), 0);
        assert!(connections.get("c").unwrap().is_none());
        for tried in 1..3 {
            assert_eq!(connections.get("a").err().unwrap().to_string(), "a is broken");
            assert_eq!(TRIED.load(Ordering::Relaxed), tried);
        }
        assert_eq!(connections.names().collect::<Vec<_>>(), ["a", "b"]);
    }
}
