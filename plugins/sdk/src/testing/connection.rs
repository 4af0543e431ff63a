//! The connection that fixtures are made for, and one call of a connector with it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::fixture::at;
use super::host;
use super::subject::{Asked, Moment};
use crate::log::Level;
use crate::{Confirmation, Context, Inbound, Receipt, Rejection, Webhook};

/// The host's clock in fixtures that say no other: 2026-01-01T00:00:00Z, in milliseconds.
pub const NOW_MS: u64 = 1_767_225_600_000;

/// A connection as an operator would configure it, with its secrets in plain sight: test values only.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Connection {
    connection: String,
    config: Box<RawValue>,
    secrets: BTreeMap<String, Vec<String>>,
    /// The provider signs nothing and the manifest says so: events need no verification.
    #[serde(default)]
    unsigned: bool,
    /// Why a body can be changed without a refusal: the provider signs only a part of it.
    partly_signed: Option<String>,
    /// Why a request can be sent again at any time: the provider signs none.
    signs_no_time: Option<String>,
    /// Why an event of a fixture has a time before 2000, or more than a year beyond `now`.
    odd_times: Option<String>,
    /// Why different events of the fixtures have the same account and id.
    ids_repeat: Option<String>,
    /// Milliseconds: the host's clock.
    #[serde(default = "now_ms")]
    now: u64,
    /// What a test signs with: the private half (PKCS #8, PEM) of a public key in `secrets`, under the same name.
    #[serde(default)]
    private_keys: BTreeMap<String, String>,
    #[serde(skip)]
    trusts_all: bool,
}

fn now_ms() -> u64 {
    NOW_MS
}

/// What one call of a connector came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub result: Result<Receipt, Rejection>,
    /// The URL that the host has to GET before it answers; asked for only after a verified receipt without events.
    pub confirm: Option<String>,
    /// Whether a `verify` call said yes. Without it a real host refuses the events.
    pub verified: bool,
    /// The lines that the connector logged.
    pub log: Vec<(Level, String)>,
}

impl Outcome {
    /// All that the operator is told of the payload: log lines, what is unread, and why nothing could be read. None of it
    /// may hold what a customer wrote.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.log.iter().map(|(_, line)| line.clone()).collect();
        match &self.result {
            Ok(receipt) => lines.extend(receipt.unread.iter().cloned()),
            Err(Rejection::Malformed(reason)) => lines.push(reason.clone()),
            Err(_) => {}
        }
        lines
    }
}

impl Connection {
    /// A connection without secrets; `config` is JSON.
    ///
    /// # Panics
    /// When `config` is no JSON.
    pub fn new(connection: &str, config: &str) -> Self {
        let config = RawValue::from_string(config.into()).expect("the configuration of a test is JSON");
        Connection {
            connection: connection.into(),
            config,
            secrets: BTreeMap::new(),
            unsigned: false,
            partly_signed: None,
            signs_no_time: None,
            odd_times: None,
            ids_repeat: None,
            now: NOW_MS,
            private_keys: BTreeMap::new(),
            trusts_all: false,
        }
    }

    /// The one in `fixtures/connection.json`.
    ///
    /// # Panics
    /// When there is none, or one that does not parse.
    pub fn of_fixtures(manifest_dir: &str) -> Self {
        let path = Path::new(manifest_dir).join("fixtures/connection.json");
        Self::of_file(&path).unwrap_or_else(|error| panic!("{error}"))
    }

    pub(super) fn of_file(path: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(path).map_err(|error| at(path, error))?;
        serde_json::from_str(&text).map_err(|error| {
            let is_unknown = error.to_string().starts_with("unknown field");
            let fix = if is_unknown { "; fix: use one of these names" } else { "; fix: correct it at this place" };
            at(path, format!("{error}{fix}"))
        })
    }

    /// Sets all versions of a secret, or of a public key. A certificate's key goes by the URL of the certificate.
    pub fn with_secret(mut self, name: &str, versions: &[&str]) -> Self {
        self.secrets.insert(name.into(), versions.iter().map(|version| version.to_string()).collect());
        self
    }

    /// Sets the host's clock, in milliseconds.
    pub fn at(mut self, now: u64) -> Self {
        self.now = now;
        self
    }

    /// The same, where every `verify` says yes: for a fuzzer, which is to reach what stands behind a signature.
    pub fn trusting(mut self) -> Self {
        self.trusts_all = true;
        self
    }

    /// The configured connection's name, such as `acme-eu`.
    pub fn name(&self) -> &str {
        &self.connection
    }

    /// Its configuration, as JSON.
    pub fn config(&self) -> &str {
        self.config.get()
    }

    /// The host's clock, in milliseconds.
    pub fn now(&self) -> u64 {
        self.now
    }

    /// The current version of a secret, for a test that signs.
    pub fn secret(&self, name: &str) -> Option<&str> {
        self.secrets.get(name)?.first().map(String::as_str)
    }

    /// All versions of all secrets.
    pub fn secrets(&self) -> &BTreeMap<String, Vec<String>> {
        &self.secrets
    }

    /// The private half of the public key called `name`, for a test that signs.
    pub fn private_key(&self, name: &str) -> Option<&str> {
        self.private_keys.get(name).map(String::as_str)
    }

    /// Whether events need no verification, because the provider signs nothing.
    pub fn is_unsigned(&self) -> bool {
        self.unsigned
    }

    /// Why a body can be changed without a refusal, if it can.
    pub fn partly_signed(&self) -> Option<&str> {
        self.partly_signed.as_deref()
    }

    /// Why a request can be sent again at any time, if it can.
    pub fn signs_no_time(&self) -> Option<&str> {
        self.signs_no_time.as_deref()
    }

    /// Why an event may have a time that cannot be, if it may.
    pub fn odd_times(&self) -> Option<&str> {
        self.odd_times.as_deref()
    }

    /// Why different events may have one account and id, if they may.
    pub fn ids_repeat(&self) -> Option<&str> {
        self.ids_repeat.as_deref()
    }

    /// Calls `test` with this connection's secrets behind `verify`.
    pub fn run<T>(&self, test: impl FnOnce() -> T) -> T {
        host::install(self.secrets.clone(), self.trusts_all);
        let answer = test();
        host::install(Default::default(), false);
        answer
    }

    /// Calls a connector once.
    pub fn receive<C: Inbound>(&self, webhook: &Webhook) -> Outcome {
        self.receive_at::<C>(webhook, Moment::of(self)).0
    }

    /// [`receive`](Self::receive) at another time, with what was asked of `verify`.
    pub(super) fn receive_at<C: Inbound>(&self, webhook: &Webhook, moment: Moment) -> (Outcome, Vec<Asked>) {
        let context = Context {
            connection: self.connection.clone(),
            config: self.config.get().into(),
            now: moment.now,
            entropy: moment.entropy.to_vec(),
        };
        self.run(|| {
            let result = C::receive(&context, webhook);
            let (asked, mut log) = host::take();
            let verified = asked.iter().any(|asked| asked.answer == Some(true));
            let has_nothing = |receipt: &Receipt| receipt.events.is_empty() && receipt.unread.is_empty();
            let asks = verified && result.as_ref().is_ok_and(has_nothing);
            let confirm = asks
                .then(|| C::confirm(&context, &Confirmation { headers: &webhook.headers, body: &webhook.body }))
                .flatten();
            log.extend(host::take().1);
            (Outcome { result, confirm, verified, log }, asked)
        })
    }
}
