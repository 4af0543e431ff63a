//! A connector's component in the sandbox, as a subject of the suite.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use rapport_model::hosts::HostPattern;
use rapport_sandbox::{
    CPU_MS_MAX, Call, CallError, Certificate, Check, CheckKind, Connector, Context, Entry, FailureKind, Gate, Level,
    Log, Manifest, Metering, Options, Received, Rejection, Sandbox, Secret, Secrets, Unproven, Usage, Webhook,
    with_manifest,
};
use rapport_sdk::testing::{self as kit, Answer, Asked, Connection, Kind, Moment, Question, Subject};
use rapport_sdk::{log, verify};
use serde_json::{Value, json};

use crate::connector::thousands;

/// Instructions that stand for a millisecond of CPU time where a call is judged by their number. Measured without
/// counting, on two shared cores: 5 to 7 million.
const INSTRUCTIONS_A_MS: u64 = 4_000_000;

/// A component, loaded as in production, and into a sandbox that counts instructions.
pub struct Sandboxed {
    pub(super) connector: Connector,
    /// With as much CPU time as there is, because counting takes some.
    pub(super) counted: Connector,
    /// Instructions that a call may take.
    granted: u64,
}

impl Sandboxed {
    /// Compiles and loads a component.
    ///
    /// # Errors
    /// It is no connector, or larger than its manifest says.
    pub fn new(component: &[u8], id: &str) -> Result<Self> {
        let connector = Sandbox::new(Options::default())?.load_component(component, id)?;
        let patient = with_manifest(component, &patient(connector.manifest()))?;
        let counting = Sandbox::new(Options { metering: Metering::Fuel, ..Options::default() })?;
        let counted = counting.load_component(&patient, id)?;
        let granted = connector.manifest().limits.cpu_ms * INSTRUCTIONS_A_MS;
        Ok(Self { connector, counted, granted })
    }

    /// Whether it has an `inbound`.
    pub fn receives(&self) -> bool {
        self.connector.receives()
    }

    /// Whether it has a `sending`.
    pub fn sends(&self) -> bool {
        self.connector.sends()
    }

    /// Whether it has a `polling`.
    pub fn polls(&self) -> bool {
        self.connector.polls()
    }

    /// Why so many instructions are too many.
    pub(super) fn too_much(&self, fuel: u64) -> Option<String> {
        (fuel > self.granted).then(|| {
            format!(
                "{} instructions, `cpu-ms` grants {}; fix: do less in one call, or raise it in connector.toml",
                thousands(fuel),
                thousands(self.granted)
            )
        })
    }

    /// A connector that is loaded already. Its instructions are not counted.
    pub fn loaded(connector: Connector) -> Self {
        Self { counted: connector.clone(), connector, granted: u64::MAX }
    }
}

/// The manifest with the longest CPU time, and only with what decides over a call.
fn patient(manifest: &Manifest) -> String {
    let limits = &manifest.limits;
    let names = |hosts: &[HostPattern]| -> Vec<String> { hosts.iter().map(ToString::to_string).collect() };
    format!(
        "id = {:?}\nname = \"-\"\nversion = \"0\"\ncontract = {:?}\n[limits]\ncpu-ms = {CPU_MS_MAX}\nmemory-mib = {}\n\
         output-kib = {}\ncomponent-kib = {}\n[hosts]\ncertificates = {:?}\nconfirmations = {:?}\n",
        manifest.id,
        manifest.contract,
        limits.memory_mib,
        limits.output_kib,
        limits.component_kib,
        names(&manifest.hosts.certificates),
        names(&manifest.hosts.confirmations),
    )
}

impl Subject for Sandboxed {
    fn receive(&self, connection: &Connection, webhook: &rapport_sdk::Webhook, moment: Moment) -> Answer {
        call(&self.connector, connection, webhook, moment)
    }

    fn measure(&self, connection: &Connection, webhook: &rapport_sdk::Webhook, moment: Moment) -> Answer {
        let mut answer = call(&self.counted, connection, webhook, moment);
        let is_fault = matches!(answer.kind, Kind::Fault { .. });
        if let Some(detail) = answer.usage.fuel.and_then(|fuel| self.too_much(fuel)).filter(|_| !is_fault) {
            answer.kind = Kind::Fault { kind: FailureKind::Deadline.name().to_owned(), detail };
        }
        answer
    }

    fn lets_in(&self, connection: &Connection, webhook: &rapport_sdk::Webhook) -> Option<bool> {
        Some(self.entered(connection, webhook)?.is_ok())
    }

    fn why_not(&self, connection: &Connection, webhook: &rapport_sdk::Webhook) -> Option<String> {
        let unproven = self.entered(connection, webhook)?.err()?;
        // The fix of the whole line is the author's; this one is an operator's.
        unproven.to_string().split("; fix: ").next().map(str::to_owned)
    }
}

impl Sandboxed {
    /// What the gate says of a webhook; none where the manifest declares no proof.
    fn entered(&self, connection: &Connection, webhook: &rapport_sdk::Webhook) -> Option<Result<(), Unproven>> {
        let config: Value = serde_json::from_str(connection.config()).ok()?;
        let gate = Gate::new(self.connector.manifest(), &config, &Keys::of(connection))?;
        Some(gate.enter(&webhook.method, &webhook.url, &webhook.headers).and_then(|entry| match entry {
            Entry::Open | Entry::Proven => Ok(()),
            Entry::Pending(mut pending) => {
                // In pieces, as a body arrives.
                webhook.body.chunks(PIECE_BYTES).for_each(|piece| pending.update(&gate, piece));
                pending.finish(&gate, &webhook.body)
            }
        }))
    }
}

/// Bytes of a body that a gate is given at a time.
const PIECE_BYTES: usize = 100;

fn call(connector: &Connector, connection: &Connection, webhook: &rapport_sdk::Webhook, moment: Moment) -> Answer {
    let keys = Arc::new(Keys::of(connection));
    let headers: Vec<(&str, &str)> =
        webhook.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let call = Call {
        context: Context {
            connection: connection.name(),
            config: connection.config(),
            now: moment.now,
            entropy: &moment.entropy,
        },
        webhook: Webhook { method: &webhook.method, url: &webhook.url, headers: &headers, body: &webhook.body },
        secrets: Arc::clone(&keys) as Arc<dyn Secrets>,
    };
    let answer = match connector.receive(&call) {
        Ok(received) => answered(connector, &call, received),
        Err(error) => failed(error),
    };
    Answer { asked: keys.asked(), ..answer }
}

fn answered(connector: &Connector, call: &Call<'_>, received: Received) -> Answer {
    let Received { outcome, verified, log, usage, .. } = received;
    let receipt = match outcome {
        Ok(receipt) => receipt,
        Err(rejection) => return rejected(rejection, verified, log, usage),
    };
    let has_nothing = receipt.events.is_empty() && receipt.unread.is_empty();
    let asks = verified && has_nothing && connector.confirms();
    let confirm = match asks.then(|| connector.confirm(call)).transpose() {
        Ok(confirm) => confirm.flatten(),
        Err(error) => return failed(error),
    };
    let response = receipt.response.map(|response| {
        let body = String::from_utf8_lossy(&response.body).into_owned();
        json!({"status": response.status, "headers": response.headers, "body": body})
    });
    let kind = Kind::Receipt(receipt.events.len());
    let mut outcome = json!({"response": response, "events": receipt.events});
    if let Some(url) = confirm {
        outcome["confirm"] = url.into();
    }
    if !receipt.unread.is_empty() {
        outcome["unread"] = json!(receipt.unread);
    }
    if let Some(nonce) = receipt.nonce {
        outcome["nonce"] = nonce.into();
    }
    answer(kind, Some(&outcome), verified, log, usage)
}

fn rejected(rejection: Rejection, verified: bool, log: Log, usage: Usage) -> Answer {
    let (kind, name, reason) = match rejection {
        Rejection::Unauthenticated(reason) => (Kind::Unauthenticated, "unauthenticated", reason),
        Rejection::Ignored(reason) => (Kind::Ignored, "ignored", reason),
        Rejection::Malformed(reason) => (Kind::Malformed, "malformed", reason),
        Rejection::Unsupported(reason) => (Kind::Unsupported, "unsupported", reason),
    };
    answer(kind, Some(&json!({"rejection": {name: reason}})), verified, log, usage)
}

fn failed(error: CallError) -> Answer {
    let kind = Kind::Fault { kind: error.kind.name().to_owned(), detail: error.detail };
    answer(kind, None, error.verified, error.log, error.usage)
}

fn answer(kind: Kind, outcome: Option<&Value>, verified: bool, log: Log, usage: Usage) -> Answer {
    Answer {
        kind,
        text: outcome.map(Value::to_string).unwrap_or_default(),
        verified,
        log: log.lines.into_iter().map(|line| (level(line.level), line.message)).collect(),
        not_json: Vec::new(),
        asked: Vec::new(),
        usage: kit::Usage { fuel: usage.fuel, peak_memory_bytes: Some(usage.peak_memory_bytes) },
    }
}

fn level(level: Level) -> log::Level {
    match level {
        Level::Debug => log::Level::Debug,
        Level::Info => log::Level::Info,
        Level::Warn => log::Level::Warn,
        Level::Error => log::Level::Error,
    }
}

/// The secrets of a connection, and a record of what was asked of them.
struct Keys {
    secrets: HashMap<String, Vec<Secret>>,
    asked: Mutex<Vec<Asked>>,
}

impl Keys {
    fn of(connection: &Connection) -> Self {
        let versions = |versions: &[String]| versions.iter().map(|version| Secret::new(version.as_bytes())).collect();
        let secrets =
            connection.secrets().iter().map(|(name, values)| (name.clone(), versions(values.as_slice()))).collect();
        Self { secrets, asked: Mutex::default() }
    }

    fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Secrets for Keys {
    fn versions(&self, name: &str) -> Option<&[Secret]> {
        self.secrets.get(name).map(Vec::as_slice)
    }

    /// The public key that the fixtures give for a URL. Behind every other URL that the manifest allows is a certificate
    /// of somebody else, where a fixture has any.
    fn certificate(&self, url: &str) -> Certificate {
        let key = |secrets: &Vec<Secret>| secrets.first().map(|secret| secret.reveal().to_vec());
        if let Some(key) = self.secrets.get(url).and_then(key) {
            return Certificate::Key(key);
        }
        let any = self.secrets.iter().find(|(name, _)| name.starts_with("https://"));
        any.and_then(|(_, secrets)| key(secrets))
            .and_then(|key| somebody_elses(&key))
            .unwrap_or(Certificate::Unavailable)
    }

    fn checked(&self, check: &Check<'_>) {
        let asked = Asked {
            question: question(check.kind),
            key: check.key.to_owned(),
            data: check.data.to_vec(),
            proof: check.proof.to_vec(),
            answer: check.answer,
        };
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
    }
}

/// A key of the same kind and size that fits no signature: one bit in its middle is another one.
fn somebody_elses(key: &[u8]) -> Option<Certificate> {
    let mut key = kit::key_bytes(str::from_utf8(key).ok()?)?;
    let middle = key.len() / 2;
    *key.get_mut(middle)? ^= 1;
    Some(Certificate::Key(key))
}

fn question(kind: CheckKind) -> Question {
    use rapport_sandbox::{DigestAlgorithm, MacAlgorithm, SignatureAlgorithm};
    match kind {
        CheckKind::Mac(MacAlgorithm::HmacSha1) => Question::Mac(verify::MacAlgorithm::HmacSha1),
        CheckKind::Mac(MacAlgorithm::HmacSha256) => Question::Mac(verify::MacAlgorithm::HmacSha256),
        CheckKind::Mac(MacAlgorithm::HmacSha512) => Question::Mac(verify::MacAlgorithm::HmacSha512),
        CheckKind::Digest(DigestAlgorithm::Sha256) => Question::Digest(verify::DigestAlgorithm::Sha256),
        CheckKind::Signature(algorithm) => Question::Signature(match algorithm {
            SignatureAlgorithm::Ed25519 => verify::SignatureAlgorithm::Ed25519,
            SignatureAlgorithm::EcdsaP256Sha256Der => verify::SignatureAlgorithm::EcdsaP256Sha256Der,
            SignatureAlgorithm::RsaPkcs1Sha1 => verify::SignatureAlgorithm::RsaPkcs1Sha1,
            SignatureAlgorithm::RsaPkcs1Sha256 => verify::SignatureAlgorithm::RsaPkcs1Sha256,
        }),
        CheckKind::Token => Question::Token,
    }
}
