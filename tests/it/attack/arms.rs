//! The connections under attack: one for each configuration of the fixtures of each connector, and how its provider sends.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rapport_cli::connector::test::Sandboxed;
use rapport_config::{ConnectionConfig, FeedConfig};
use rapport_connections::{Connection, SecretValues};
use rapport_sandbox::{Connector, Secret};
use rapport_sdk::Webhook;
use rapport_sdk::testing::{self as kit, Answer, Fixture, Kind};
use serde_json::Value;

use super::strikes;
use crate::connectors::plugins;
use crate::support::{NOW, load};

/// How the service calls itself, see `support::gateway_with`.
const PUBLIC_URL: &str = "https://rapport.example";
/// Where deliveries of AWS come through.
const QUEUE: &str = "arn:aws:sqs:eu-west-1:111122223333:rapport-feed";
/// Milliseconds. A time of a fixture that is no further from its clock is one that a signature is judged by.
const FRESH_MS: u64 = 600_000;
/// Elements of a batch that is only looked at: does the connector read each of them?
const PROBE: usize = 5;
/// Bytes of the largest fixture that is made a batch of.
const TEMPLATE_BYTES_MAX: usize = 6_000;

/// A connection under attack.
pub struct Arm {
    pub plugin: String,
    /// In the configuration of the service.
    pub name: String,
    connection: kit::Connection,
    connector: Connector,
    written: ConnectionConfig,
    subject: Sandboxed,
    pub fixtures: Vec<Fixture>,
    /// Texts of the configuration: whose accounts the webhooks are of. Nothing may change them, or all is ignored.
    pub kept: BTreeSet<String>,
    /// Fixtures and the array in each (a JSON pointer, RFC 6901) of which every element is an event.
    pub batches: Vec<(usize, String)>,
}

/// A signed webhook, and what its connector makes of it.
pub struct Signed {
    pub webhook: Webhook,
    /// Its events, in the form of `*.events.json`.
    pub events: Vec<Value>,
    /// Whether something in it could not be read.
    pub is_whole: bool,
}

impl Arm {
    /// One for each configuration of each connector.
    pub fn all() -> Vec<Self> {
        let mut arms = Vec::new();
        for (folder, component) in plugins() {
            let plugin = folder.file_name().unwrap().to_str().unwrap();
            let connector = load(component, plugin);
            let mut groups: BTreeMap<String, Vec<Fixture>> = BTreeMap::new();
            for fixture in kit::inbound_fixtures(folder.to_str().unwrap()) {
                let of = &fixture.connection;
                // A certificate would have to be fetched. The same provider's deliveries come through AWS as well.
                if of.secrets().keys().any(|name| name.starts_with("https://")) {
                    continue;
                }
                let group = format!("{} {} {:?}", of.name(), of.config(), of.secrets());
                groups.entry(group).or_default().push(fixture);
            }
            for (number, fixtures) in groups.into_values().enumerate() {
                let name = format!("{plugin}-{number}");
                let connection = fixtures[0].connection.clone().at(NOW);
                let feed = fixtures.iter().any(|fixture| fixture.webhook.is_fed());
                let feed = feed.then(|| FeedConfig { from: vec![QUEUE.to_owned()], buckets: Vec::new() });
                let config: Value = serde_json::from_str(connection.config()).unwrap();
                let mut kept = BTreeSet::new();
                strikes::texts(&config, &mut kept);
                let written = ConnectionConfig {
                    connector: String::new(),
                    config,
                    secrets: [].into(),
                    feed,
                    sending: Default::default(),
                };
                let subject = Sandboxed::loaded(connector.clone());
                let batches = Vec::new();
                let connector = connector.clone();
                let plugin = plugin.to_owned();
                let mut arm = Self { plugin, name, connection, connector, written, subject, fixtures, kept, batches };
                arm.fixtures.retain(|fixture| fixture.webhook.method == "POST" && !fixture.webhook.body.is_empty());
                // Only what its provider could have sent, and what has somebody in it.
                let mut fixtures = std::mem::take(&mut arm.fixtures);
                fixtures.retain(|fixture| {
                    arm.sign(fixture, fixture.webhook.body.clone()).is_some_and(|signed| !signed.events.is_empty())
                });
                arm.fixtures = fixtures;
                arm.batches = arm.batches();
                if !arm.fixtures.is_empty() {
                    arms.push(arm);
                }
            }
        }
        arms
    }

    /// The connection as a service has it.
    pub fn configured(&self) -> Connection {
        let secret = |versions: &Vec<String>| versions.iter().map(|one| Secret::new(one.as_bytes())).collect();
        let secrets = self.connection.secrets().iter().map(|(name, all)| (name.clone(), secret(all)));
        let secrets = SecretValues::new(secrets.collect::<HashMap<_, _>>());
        Connection::new(&self.name, self.connector.clone(), &self.written, secrets).unwrap()
    }

    /// The fixture with another body, sent now to this service, and signed. None: no signature makes it genuine.
    pub fn sign(&self, fixture: &Fixture, body: Vec<u8>) -> Option<Signed> {
        let mut changed = Webhook { body, ..fixture.webhook.clone() };
        let then = fixture.connection.now();
        for (_, value) in &mut changed.headers {
            *value = retimed(value, then);
        }
        if let Ok(text) = str::from_utf8(&changed.body)
            && !text.trim_start().starts_with(['{', '['])
        {
            changed.body = retimed(text, then).into_bytes();
        }
        if !changed.is_fed() {
            let query = changed.url.split_once('?').map(|(_, query)| format!("?{query}")).unwrap_or_default();
            changed.url = format!("{PUBLIC_URL}/hooks/{}{query}", self.name);
        }
        let (webhook, answer) = kit::sign_again(&self.subject, &self.connection, &fixture.webhook, changed)?;
        let Answer { kind: Kind::Receipt(_), text, .. } = answer else {
            let is_taken = !matches!(answer.kind, Kind::Unauthenticated);
            return is_taken.then_some(Signed { webhook, events: Vec::new(), is_whole: false });
        };
        let outcome: Value = serde_json::from_str(&text).unwrap();
        let events = outcome["events"].as_array().cloned().unwrap_or_default();
        Some(Signed { webhook, events, is_whole: outcome.get("unread").is_none() })
    }

    /// Header fields that stand beside a webhook, with the credentials that this connection asks for.
    pub fn headers(&self, webhook: &Webhook) -> Vec<(String, String)> {
        let is_ours = |name: &str| matches!(name, "host" | "content-length");
        let mut headers: Vec<_> = webhook.headers.iter().filter(|(name, _)| !is_ours(name)).cloned().collect();
        if let Some(pair) = self.connection.secret("basic") {
            headers.retain(|(name, _)| name != "authorization");
            headers.push(("authorization".to_owned(), format!("Basic {}", STANDARD.encode(pair))));
        }
        headers
    }

    /// Where it is sent to.
    pub fn target(&self, webhook: &Webhook) -> String {
        let query = webhook.url.split_once('?').map(|(_, query)| format!("?{query}")).unwrap_or_default();
        let token = self.connection.secret("path-token").map(|token| format!("/{token}")).unwrap_or_default();
        format!("/hooks/{}{token}{query}", self.name)
    }

    /// Arrays of which the connector reads each element as an event of its own.
    fn batches(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        for (number, fixture) in self.fixtures.iter().enumerate() {
            if fixture.webhook.body.len() > TEMPLATE_BYTES_MAX {
                continue;
            }
            let Some(document) = strikes::document(&fixture.webhook.body) else { continue };
            let mut arrays = Vec::new();
            strikes::arrays(&document, String::new(), &mut arrays);
            for pointer in arrays {
                let mut batch = document.clone();
                strikes::multiply(&mut batch, &pointer, PROBE, &self.kept, &mut |n| (n as u64 % 5, 900_000 + n as u64));
                let signed = self.sign(fixture, batch.to_string().into_bytes());
                if signed.is_some_and(|signed| signed.events.len() >= PROBE) {
                    found.push((number, pointer));
                    break;
                }
            }
        }
        found
    }
}

/// A text whose instants near `then` are near our clock: seconds, milliseconds, and RFC 3339 in full.
fn retimed(text: &str, then: u64) -> String {
    // 2026-09-29T08:00:05Z is `NOW`.
    if text.len() >= 20 && text.len() <= 35 && text.as_bytes()[4] == b'-' && text.as_bytes()[10] == b'T' {
        return "2026-09-29T08:00:05Z".to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|one: char| one.is_ascii_digit()) {
        let end = rest[start..].find(|one: char| !one.is_ascii_digit()).map_or(rest.len(), |end| start + end);
        out.push_str(&rest[..start]);
        let digits = &rest[start..end];
        let number: Option<u64> = digits.parse().ok();
        match (digits.len(), number) {
            (10, Some(number)) if number.abs_diff(then / 1000) < FRESH_MS / 1000 => {
                out.push_str(&(NOW / 1000).to_string());
            }
            (13, Some(number)) if number.abs_diff(then) < FRESH_MS => out.push_str(&NOW.to_string()),
            _ => out.push_str(digits),
        }
        rest = &rest[end..];
    }
    out + rest
}
