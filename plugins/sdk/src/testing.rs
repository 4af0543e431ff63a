//! Running a connector natively against recorded requests, with this module in the place of the host.
//!
//! ```ignore
//! #[test]
//! fn fixtures() {
//!     rapport_sdk::testing::check_fixtures::<Acme>(env!("CARGO_MANIFEST_DIR"));
//! }
//! ```
//!
//! `fixtures/connection.json` says which connection the fixtures are for; `fixtures/inbound/<case>.http` is a request
//! as it came over the wire and `<case>.events.json` beside it what the connector makes of it. `BLESS=1 cargo test`
//! writes the second from the first; read what it wrote.

mod fixture;
pub(crate) mod host;
mod public_key;
mod render;

use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::value::RawValue;

pub use fixture::{Fixture, inbound_fixtures, parse_request};
pub use host::sign;
pub use render::{pretty, render};

use crate::log::Level;
use crate::{Context, Inbound, Receipt, Rejection, Webhook};

/// A connection as an operator would configure it, with its secrets in plain sight: test values only.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connection {
    connection: String,
    config: Box<RawValue>,
    secrets: std::collections::BTreeMap<String, Vec<String>>,
    /// The provider signs nothing and the manifest says so: events need no verification.
    #[serde(default)]
    unsigned: bool,
}

/// What one call of a connector came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub result: Result<Receipt, Rejection>,
    /// Whether a `verify` call said yes. Without it a real host refuses the events.
    pub verified: bool,
    /// The lines that the connector logged.
    pub log: Vec<(Level, String)>,
}

impl Connection {
    /// A connection without secrets; `config` is JSON.
    ///
    /// # Panics
    /// When `config` is no JSON.
    pub fn new(connection: &str, config: &str) -> Self {
        let config = RawValue::from_string(config.into()).expect("the configuration of a test is JSON");
        Connection { connection: connection.into(), config, secrets: Default::default(), unsigned: false }
    }

    /// The one in `fixtures/connection.json`.
    ///
    /// # Panics
    /// When there is none, or one that does not parse.
    pub fn of_fixtures(manifest_dir: &str) -> Self {
        let path = Path::new(manifest_dir).join("fixtures/connection.json");
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Sets all versions of a secret, or of a public key. A certificate's key goes by the URL of the certificate.
    pub fn with_secret(mut self, name: &str, versions: &[&str]) -> Self {
        self.secrets.insert(name.into(), versions.iter().map(|version| version.to_string()).collect());
        self
    }

    /// The current version of a secret, for a test that signs.
    pub fn secret(&self, name: &str) -> Option<&str> {
        self.secrets.get(name)?.first().map(String::as_str)
    }

    /// Calls `test` with this connection's secrets behind `verify`.
    pub fn run<T>(&self, test: impl FnOnce() -> T) -> T {
        host::install(self.secrets.clone());
        let answer = test();
        host::install(Default::default());
        answer
    }

    /// Calls a connector once.
    pub fn receive<C: Inbound>(&self, webhook: &Webhook) -> Outcome {
        self.receive_at::<C>(webhook, 1_767_225_600_000)
    }

    fn receive_at<C: Inbound>(&self, webhook: &Webhook, now: u64) -> Outcome {
        let context = Context {
            connection: self.connection.clone(),
            config: self.config.get().into(),
            now,
            entropy: now.to_be_bytes().repeat(4),
        };
        self.run(|| {
            let result = C::receive(&context, webhook);
            let (verified, log) = host::take();
            Outcome { result, verified, log }
        })
    }
}

/// Checks every fixture of a connector, and reports all that differ.
///
/// Beyond the comparison, events without a verification are a mistake, unless the connection is `"unsigned": true`.
///
/// # Panics
/// When a fixture differs from what stands beside it, does not parse, or stands alone.
pub fn check_fixtures<C: Inbound>(manifest_dir: &str) {
    let connection = Connection::of_fixtures(manifest_dir);
    let bless = std::env::var_os("BLESS").is_some_and(|value| value == "1");
    let mut mistakes = fixture::orphans(manifest_dir);
    for fixture in inbound_fixtures(manifest_dir) {
        let outcome = connection.receive::<C>(&fixture.webhook);
        let has_events = outcome.result.as_ref().is_ok_and(|receipt| !receipt.events.is_empty());
        if has_events && !outcome.verified && !connection.unsigned {
            mistakes.push(format!("{}: events without a verification, which the host refuses", fixture.name));
        }
        let found = render(&outcome.result);
        if bless {
            fixture.bless(&found);
        } else {
            mistakes.extend(fixture.difference(&found));
        }
    }
    assert!(mistakes.is_empty(), "\n{}\n\n`BLESS=1 cargo test` accepts all of these\n", mistakes.join("\n"));
}

/// Checks that nobody can change a signed request, and that nothing but the request decides what becomes of it.
///
/// For every fixture with a verified POST: each flipped bit of the body and each shorter body is `Unauthenticated`; a
/// redelivery at another time gives the same outcome; so does another order of the header fields.
///
/// # Panics
/// When one of these does not hold, or when no fixture is a verified POST.
pub fn check_tampering<C: Inbound>(manifest_dir: &str) {
    let connection = Connection::of_fixtures(manifest_dir);
    let mut mistakes = Vec::new();
    let mut checked = 0;
    for fixture in inbound_fixtures(manifest_dir) {
        let outcome = connection.receive::<C>(&fixture.webhook);
        if fixture.webhook.method != "POST" || !outcome.verified {
            continue;
        }
        checked += 1;
        if connection.receive_at::<C>(&fixture.webhook, 1).result != outcome.result {
            mistakes.push(format!("{}: the time of a redelivery changes the outcome", fixture.name));
        }
        let mut reordered = fixture.webhook.clone();
        reordered.headers.reverse();
        if connection.receive::<C>(&reordered).result != outcome.result {
            mistakes.push(format!("{}: the order of the header fields changes the outcome", fixture.name));
        }
        mistakes.extend(accepted_forgery::<C>(&connection, &fixture));
    }
    assert!(checked > 0, "no fixture is a verified POST");
    assert!(mistakes.is_empty(), "\n{}\n", mistakes.join("\n"));
}

/// The first changed body that is not refused.
fn accepted_forgery<C: Inbound>(connection: &Connection, fixture: &Fixture) -> Option<String> {
    let accepted =
        |webhook: &Webhook| !matches!(connection.receive::<C>(webhook).result, Err(Rejection::Unauthenticated(_)));
    let mut forged = fixture.webhook.clone();
    for index in 0..forged.body.len() {
        for bit in 0..8 {
            forged.body[index] ^= 1 << bit;
            if accepted(&forged) {
                return Some(format!("{}: accepted with bit {bit} of byte {index} flipped", fixture.name));
            }
            forged.body[index] ^= 1 << bit;
        }
    }
    while forged.body.pop().is_some() {
        if accepted(&forged) {
            return Some(format!("{}: accepted when cut to {} bytes", fixture.name, forged.body.len()));
        }
    }
    None
}
