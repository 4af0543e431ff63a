//! `connector.toml`: what a connector is called, what it needs, and what its configuration looks like.

mod feed;
mod proof;
mod secret;
mod sending;
mod used;

use std::collections::BTreeMap;

use rapport_model::hosts::{HostPattern, PathPattern, allows};
use rapport_model::spelling::{fix_for_unknown_key, fix_for_unknown_word, json_entry};
use serde_json::Value as Json;
use toml::{Table, Value};

use crate::component::{MANIFEST_SECTION, custom_section};
use crate::error::{LoadError, ManifestError};
pub use feed::{Feed, ObjectPlace};
pub use proof::{Encoding, Piece, Proof, Redact, Replay, Scheme, Verify, When};
pub use rapport_model::sending::policy::Window;
pub use secret::{SecretKind, SecretUse};
pub use sending::Sending;

use crate::limits::{BODY_KIB_MAX, COMPONENT_KIB_MAX, CPU_MS_MAX, Limits, MEMORY_MIB_MAX, OUTPUT_KIB_MAX};

/// The contract that this host speaks, as a manifest writes it.
const CONTRACT: &str = "0.2";
/// Characters of a connector's id: it is a folder, a file name and part of storage keys.
const ID_CHARACTERS_MAX: usize = 40;

/// A connector's manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// `id`: the connector's name in configuration, files and metrics, such as `acme-chat`.
    pub id: String,
    /// `name`: what people call it.
    pub name: String,
    /// `version`: the connector's own.
    pub version: String,
    /// `contract`: the version of the contract it was written for.
    pub contract: String,
    /// `signature`: what vouches for a webhook, in a few words, such as `HMAC-SHA256 of the body`.
    pub signature: Option<String>,
    /// `level`: what its tests and its page show.
    pub level: Option<Quality>,
    /// `unsigned`: why events are taken from webhooks that nothing verified; none: they are refused.
    pub unsigned: Option<Unsigned>,
    /// `feed`: what AWS delivers in the place of a provider's webhook; none: nothing.
    pub feed: Option<Feed>,
    /// `[limits]`: what one call may use.
    pub limits: Limits,
    /// `[hosts]`: which hosts a call may have the host ask.
    pub hosts: Hosts,
    /// `[aws]`: services of AWS that requests are signed for, as signatures name them, each with its actions.
    pub aws: BTreeMap<String, Vec<String>>,
    /// `[sending]`: how fast, and for how long, the provider lets a business write.
    pub sending: Sending,
    /// `[verify]`: what proves a webhook before the connector is called; without proofs the connector alone decides.
    pub verify: Verify,
    /// `[redact]`: what is taken out of a webhook before it is stored, besides the connection's own secrets.
    pub redact: Redact,
    /// `[replay]`: why a signature may be used again at any time; empty: it may not.
    pub replay: Vec<Replay>,
    /// `[secrets]`: the names it asks for, each with what it is.
    pub secrets: BTreeMap<String, SecretUse>,
    /// `[config]`: the JSON Schema of a connection's configuration; `{}` allows any.
    pub config: Json,
}

/// Providers that sign nothing. A connection of one proves its webhooks by credentials that the host checks.
#[derive(Clone, Debug, PartialEq)]
pub struct Unsigned {
    /// Why nothing is verified, for whoever reviews the connector.
    pub reason: String,
    /// Configurations for which it holds; empty: all.
    pub when: When,
}

impl Unsigned {
    /// Whether it holds for a connection with this configuration.
    pub fn applies(&self, config: &Json) -> bool {
        self.when.applies(config)
    }
}

/// What a connector may have the host ask. It cannot ask anything itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts {
    /// `certificates`: where the certificates are that `verify` checks signatures with.
    pub certificates: Vec<HostPattern>,
    /// `certificate-paths`: which paths they have there; empty: any.
    pub certificate_paths: Vec<PathPattern>,
    /// `confirmations`: where subscriptions are confirmed.
    pub confirmations: Vec<HostPattern>,
    /// `api`: where its requests go. What is written with `*`, the operator has to name.
    pub api: Vec<HostPattern>,
}

impl Hosts {
    /// Whether the certificate at this URL may be used.
    pub fn allow_certificate(&self, url: &str) -> bool {
        let paths = &self.certificate_paths;
        allows(&self.certificates, url) && (paths.is_empty() || paths.iter().any(|path| path.fits(url)))
    }
}

/// A step of the quality ladder in plugins/README.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quality {
    /// It verifies, and has a fixture for all it claims.
    Bronze,
    /// It covers statuses, changes of identity and echoes, and is indifferent to what it does not know.
    Silver,
    /// It sends, is tried against a live account and fuzzed.
    Gold,
}

impl Quality {
    const ALL: [Self; 3] = [Self::Bronze, Self::Silver, Self::Gold];

    /// Its word in a manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bronze => "bronze",
            Self::Silver => "silver",
            Self::Gold => "gold",
        }
    }
}

impl Manifest {
    /// Reads the text of a `connector.toml`.
    ///
    /// # Errors
    /// The first mistake, with its key and the fix.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let mut table: Table = text.parse().map_err(|error: toml::de::Error| syntax(&error))?;
        // First: of a misspelt key the right one would be told as missing.
        refuse_unknown(&table, "", &TOP_KEYS)?;
        let manifest = Self {
            id: id(required(&mut table, "id")?)?,
            name: required(&mut table, "name")?,
            version: required(&mut table, "version")?,
            contract: contract(required(&mut table, "contract")?)?,
            signature: optional_text(&mut table, "signature")?,
            level: optional_text(&mut table, "level")?.map(|word| level(&word)).transpose()?,
            unsigned: table.remove("unsigned").map(unsigned).transpose()?,
            feed: table.remove("feed").map(feed::feed).transpose()?,
            limits: limits(take_table(&mut table, "limits")?)?,
            hosts: hosts(take_table(&mut table, "hosts")?)?,
            aws: aws(take_table(&mut table, "aws")?)?,
            sending: sending::sending(take_table(&mut table, "sending")?)?,
            verify: proof::verify(take_table(&mut table, "verify")?)?,
            redact: proof::redact(take_table(&mut table, "redact")?)?,
            replay: table.remove("replay").map(proof::replay).transpose()?.unwrap_or_default(),
            secrets: secret::secrets(take_table(&mut table, "secrets")?)?,
            config: Json::Object(take_table(&mut table, "config")?.into_iter().map(json_entry).collect()),
        };
        proof::check_secrets(&manifest.verify, &manifest.secrets)?;
        Ok(manifest)
    }

    /// The manifest that a component carries, if it carries one.
    ///
    /// # Errors
    /// `component` is none, or its manifest is wrong.
    pub fn from_component(component: &[u8]) -> Result<Option<Self>, LoadError> {
        Ok(text_in(component)?.map(Self::parse).transpose()?)
    }

    /// What a component without a manifest gets: the default limits, no secret, any configuration.
    pub fn without(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            name: id.to_owned(),
            version: "0.0.0".into(),
            contract: CONTRACT.into(),
            signature: None,
            level: None,
            unsigned: None,
            feed: None,
            limits: Limits::default(),
            hosts: Hosts::default(),
            aws: BTreeMap::new(),
            sending: Sending::default(),
            verify: Verify::default(),
            redact: Redact::default(),
            replay: Vec::new(),
            secrets: BTreeMap::new(),
            config: Json::Object(serde_json::Map::new()),
        }
    }
}

/// The manifest of a component as text.
pub(crate) fn text_in(component: &[u8]) -> Result<Option<&str>, LoadError> {
    let Some(bytes) = custom_section(component, MANIFEST_SECTION)? else { return Ok(None) };
    let text = std::str::from_utf8(bytes).map_err(|_| ManifestError::Syntax("the text is not UTF-8".into()))?;
    Ok(Some(text))
}

const TOP_KEYS: [&str; 17] = [
    "id",
    "name",
    "version",
    "contract",
    "signature",
    "level",
    "unsigned",
    "feed",
    "limits",
    "hosts",
    "aws",
    "sending",
    "verify",
    "redact",
    "replay",
    "secrets",
    "config",
];
const LIMIT_KEYS: [&str; 5] = ["memory-mib", "cpu-ms", "output-kib", "body-kib", "component-kib"];
const UNSIGNED_KEYS: [&str; 2] = ["reason", "when"];
const HOSTS_KEYS: [&str; 4] = ["certificates", "certificate-paths", "confirmations", "api"];

fn id(id: String) -> Result<String, ManifestError> {
    let fits = id.len() <= ID_CHARACTERS_MAX
        && id.starts_with(|first: char| first.is_ascii_lowercase())
        && id.chars().all(|character| matches!(character, 'a'..='z' | '0'..='9' | '-'));
    if fits {
        return Ok(id);
    }
    let expected = format!("a letter, then letters, digits and `-`, all in lower case, at most {ID_CHARACTERS_MAX}");
    Err(ManifestError::Value { key: "id".into(), expected, found: format!("`{id}`") })
}

fn contract(contract: String) -> Result<String, ManifestError> {
    if contract == CONTRACT || contract.strip_prefix(CONTRACT).is_some_and(|rest| rest.starts_with('.')) {
        return Ok(contract);
    }
    let expected = format!("`{CONTRACT}`, the contract of this release");
    Err(ManifestError::Value { key: "contract".into(), expected, found: format!("`{contract}`") })
}

fn level(word: &str) -> Result<Quality, ManifestError> {
    let level = Quality::ALL.into_iter().find(|level| level.name() == word);
    level.ok_or_else(|| unknown_word("level", word, &Quality::ALL.map(Quality::name)))
}

fn limits(mut table: Table) -> Result<Limits, ManifestError> {
    let default = Limits::default();
    let [memory, cpu, output, body, component] = LIMIT_KEYS;
    let limits = Limits {
        memory_mib: limit(&mut table, memory, MEMORY_MIB_MAX)?.unwrap_or(default.memory_mib),
        cpu_ms: limit(&mut table, cpu, CPU_MS_MAX)?.unwrap_or(default.cpu_ms),
        output_kib: limit(&mut table, output, OUTPUT_KIB_MAX)?.unwrap_or(default.output_kib),
        body_kib: limit(&mut table, body, BODY_KIB_MAX)?.unwrap_or(default.body_kib),
        component_kib: limit(&mut table, component, COMPONENT_KIB_MAX)?.unwrap_or(default.component_kib),
    };
    refuse_unknown(&table, "limits.", &LIMIT_KEYS)?;
    Ok(limits)
}

fn limit(table: &mut Table, key: &'static str, max: u64) -> Result<Option<u64>, ManifestError> {
    let Some(value) = table.remove(key) else { return Ok(None) };
    match value.as_integer().and_then(|value| u64::try_from(value).ok()) {
        Some(found) if found > max => Err(ManifestError::OverMaximum { key, found, max }),
        Some(found) if found > 0 => Ok(Some(found)),
        _ => Err(wrong(&format!("limits.{key}"), "a whole number of at least 1", &value)),
    }
}

/// A reason as text, or a table of the reason and the configurations for which it holds.
fn unsigned(value: Value) -> Result<Unsigned, ManifestError> {
    match value {
        Value::String(reason) if !reason.trim().is_empty() => Ok(Unsigned { reason, when: When::default() }),
        Value::Table(mut table) => {
            refuse_unknown(&table, "unsigned.", &UNSIGNED_KEYS)?;
            let reason = optional_text(&mut table, "reason")?;
            let reason = reason.ok_or_else(|| wrong("unsigned", "a `reason`", &Value::String(String::new())))?;
            let when = proof::when(&mut table, "unsigned.")?;
            Ok(Unsigned { reason, when })
        }
        other => Err(wrong("unsigned", "why nothing is verified, as text or as a table with a `reason`", &other)),
    }
}

fn hosts(mut table: Table) -> Result<Hosts, ManifestError> {
    let [certificates, paths, confirmations, api] = HOSTS_KEYS;
    let hosts = Hosts {
        certificates: patterns(&mut table, certificates)?,
        certificate_paths: path_patterns(&mut table, paths)?,
        confirmations: patterns(&mut table, confirmations)?,
        api: patterns(&mut table, api)?,
    };
    refuse_unknown(&table, "hosts.", &HOSTS_KEYS)?;
    Ok(hosts)
}

/// Services, each with a list of its actions.
fn aws(table: Table) -> Result<BTreeMap<String, Vec<String>>, ManifestError> {
    let is_word =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let actions = |value: &Value| -> Option<Vec<String>> {
        let words = value.as_array().filter(|words| !words.is_empty())?.iter();
        words.map(|word| word.as_str().filter(|word| is_word(word)).map(str::to_owned)).collect()
    };
    let service = |(service, value): (String, Value)| match actions(&value).filter(|_| is_word(&service)) {
        Some(actions) => Ok((service, actions)),
        None => Err(wrong(&format!("aws.{service}"), "a list of actions such as `[\"SendEmail\"]`", &value)),
    };
    table.into_iter().map(service).collect()
}

fn patterns(table: &mut Table, key: &str) -> Result<Vec<HostPattern>, ManifestError> {
    let expected = "host names such as `api.example.com`; `*` is one label, and none of the last two";
    let wrong = |value: &Value| wrong(&format!("hosts.{key}"), expected, value);
    match table.remove(key) {
        None => Ok(Vec::new()),
        Some(Value::Array(values)) => {
            values.iter().map(|value| value.as_str().and_then(HostPattern::parse).ok_or_else(|| wrong(value))).collect()
        }
        Some(other) => Err(wrong(&other)),
    }
}

fn path_patterns(table: &mut Table, key: &str) -> Result<Vec<PathPattern>, ManifestError> {
    let expected = "paths such as `/certificate-{hex}.pem`; `{hex}` is hexadecimal digits in lower case";
    let wrong = |value: &Value| wrong(&format!("hosts.{key}"), expected, value);
    match table.remove(key) {
        None => Ok(Vec::new()),
        Some(Value::Array(values)) => {
            values.iter().map(|value| value.as_str().and_then(PathPattern::parse).ok_or_else(|| wrong(value))).collect()
        }
        Some(other) => Err(wrong(&other)),
    }
}

fn required(table: &mut Table, key: &'static str) -> Result<String, ManifestError> {
    optional_text(table, key)?.ok_or(ManifestError::Missing(key))
}

fn optional_text(table: &mut Table, key: &str) -> Result<Option<String>, ManifestError> {
    match table.remove(key) {
        None => Ok(None),
        Some(Value::String(text)) if !text.trim().is_empty() => Ok(Some(text)),
        Some(other) => Err(wrong(key, "some text", &other)),
    }
}

fn take_table(table: &mut Table, key: &str) -> Result<Table, ManifestError> {
    match table.remove(key) {
        None => Ok(Table::new()),
        Some(Value::Table(inner)) => Ok(inner),
        Some(other) => Err(wrong(key, "a table", &other)),
    }
}

fn refuse_unknown(rest: &Table, prefix: &str, known: &[&str]) -> Result<(), ManifestError> {
    let Some(key) = rest.keys().find(|key| !known.contains(&key.as_str())) else { return Ok(()) };
    Err(ManifestError::UnknownKey { key: format!("{prefix}{key}"), fix: fix_for_unknown_key(key, known) })
}

fn syntax(error: &toml::de::Error) -> ManifestError {
    ManifestError::Syntax(error.to_string().trim().replace('\n', "\n  "))
}

fn unknown_word(key: &str, word: &str, known: &[&str]) -> ManifestError {
    let (key, problem) = (key.to_owned(), format!("unknown word `{word}`"));
    ManifestError::UnknownWord { key, problem, fix: fix_for_unknown_word(word, known) }
}

fn wrong(key: &str, expected: &str, found: &Value) -> ManifestError {
    ManifestError::Value { key: key.to_owned(), expected: expected.to_owned(), found: format!("`{found}`") }
}

#[cfg(test)]
mod tests;
