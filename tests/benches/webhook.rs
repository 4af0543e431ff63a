//! What the sandbox costs: the same WhatsApp webhook verified, parsed and lifted natively, in a fresh instance and in a kept
//! one, and the load of a signed artefact. Only the ratios of one run mean anything.
//!
//! The native side runs under the SDK's own test host, which costs it under a microsecond. Production has no kept instance;
//! this one is there to show what a fresh one costs.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot be set up says why and ends")]

#[allow(dead_code, reason = "the benchmark needs one of the connectors")]
#[path = "../it/connectors.rs"]
mod connectors;

use std::sync::{Arc, OnceLock};

use divan::{Bencher, black_box};
use rapport_sandbox::artefact::pack;
use rapport_sandbox::{
    Call, CallError, Connector, Context, Options, Received, Sandbox, Secret, Secrets, SigningKey, Target, Webhook,
};
use rapport_sdk::testing::{self, Connection};
use rapport_sdk::verify::MacAlgorithm;
use rapport_whatsapp::WhatsApp;
use serde_json::{Value, json};

const APP_SECRET: &str = "test-app-secret";

fn main() {
    // Built, compiled and called once before anything is measured.
    in_sandbox(&text());
    divan::main();
}

#[divan::bench(name = "text, native", sample_count = 1000)]
fn text_native(bencher: Bencher<'_, '_>) {
    bench_native(bencher, text());
}

#[divan::bench(name = "text, fresh sandbox", sample_count = 1000)]
fn text_sandbox(bencher: Bencher<'_, '_>) {
    bench_sandbox(bencher, text());
}

#[divan::bench(name = "text, kept sandbox")]
fn text_kept(bencher: Bencher<'_, '_>) {
    bench_kept(bencher, text());
}

#[divan::bench(name = "50 messages, kept sandbox")]
fn batch_kept(bencher: Bencher<'_, '_>) {
    bench_kept(bencher, batch());
}

#[divan::bench(name = "50 messages, native", sample_count = 1000)]
fn batch_native(bencher: Bencher<'_, '_>) {
    bench_native(bencher, batch());
}

#[divan::bench(name = "50 messages, fresh sandbox", sample_count = 1000)]
fn batch_sandbox(bencher: Bencher<'_, '_>) {
    bench_sandbox(bencher, batch());
}

#[divan::bench(name = "load of a signed artefact")]
fn load(bencher: Bencher<'_, '_>) {
    let key = SigningKey::from_seed(&[7; 32]);
    let component = connectors::whatsapp();
    let compiled = sandbox().compile(component, Target::host().expect("a processor that connectors run on")).unwrap();
    let artefact = pack(component, &compiled, "whatsapp", &key).unwrap();
    let trusted = [key.public()];
    bencher.bench(|| sandbox().load(black_box(&artefact), &trusted).unwrap());
}

fn bench_native(bencher: Bencher<'_, '_>, webhook: rapport_sdk::Webhook) {
    let connection = Connection::new("wa-eu", "{}").with_secret("app-secret", &[APP_SECRET]);
    bencher.bench(|| {
        let outcome = connection.receive::<WhatsApp>(black_box(&webhook));
        assert!(outcome.verified && outcome.result.is_ok());
        outcome
    });
}

fn bench_sandbox(bencher: Bencher<'_, '_>, webhook: rapport_sdk::Webhook) {
    bencher.bench(|| in_sandbox(black_box(&webhook)));
}

fn bench_kept(bencher: Bencher<'_, '_>, webhook: rapport_sdk::Webhook) {
    let mut kept = with_call(&webhook, |call| connector().keep(call).unwrap());
    bencher.bench_local(|| good(with_call(black_box(&webhook), |call| kept.receive(call))));
}

fn in_sandbox(webhook: &rapport_sdk::Webhook) -> Received {
    good(with_call(webhook, |call| connector().receive(call)))
}

fn good(received: Result<Received, CallError>) -> Received {
    let received = received.unwrap();
    assert!(received.verified && received.outcome.is_ok());
    received
}

fn connector() -> &'static Connector {
    static CONNECTOR: OnceLock<Connector> = OnceLock::new();
    CONNECTOR.get_or_init(|| sandbox().load_component(connectors::whatsapp(), "whatsapp").unwrap())
}

fn with_call<T>(webhook: &rapport_sdk::Webhook, run: impl FnOnce(&Call<'_>) -> T) -> T {
    static SECRETS: OnceLock<Arc<OneSecret>> = OnceLock::new();
    let secrets = SECRETS.get_or_init(|| Arc::new(OneSecret([Secret::new(APP_SECRET.as_bytes())])));
    let headers: Vec<_> = webhook.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    run(&Call {
        context: Context { connection: "wa-eu", config: "{}", now: 1_790_668_805_000, entropy: &[0; 32] },
        webhook: Webhook { method: &webhook.method, url: &webhook.url, headers: &headers, body: &webhook.body },
        secrets: Arc::clone(secrets) as _,
    })
}

fn sandbox() -> &'static Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    SANDBOX.get_or_init(|| Sandbox::new(Options::default()).unwrap())
}

struct OneSecret([Secret; 1]);

impl Secrets for OneSecret {
    fn versions(&self, name: &str) -> Option<&[Secret]> {
        (name == "app-secret").then_some(&self.0)
    }
}

/// The recorded text.
fn text() -> rapport_sdk::Webhook {
    let folder = connectors::repository().join("plugins/whatsapp");
    let fixtures = testing::inbound_fixtures(folder.to_str().expect("this repository's path is UTF-8"));
    fixtures.into_iter().find(|fixture| fixture.name == "text").expect("the fixture `text`").webhook
}

/// The recorded text fifty times in one webhook, under fifty ids.
fn batch() -> rapport_sdk::Webhook {
    let mut webhook = text();
    let mut body: Value = serde_json::from_slice(&webhook.body).unwrap();
    let messages = body.pointer_mut("/entry/0/changes/0/value/messages").expect("the fixture has messages");
    let first = messages[0].clone();
    let numbered = |n: u64| {
        let mut message = first.clone();
        message["id"] = json!(format!("wamid.{n:04}"));
        message["timestamp"] = json!((1_790_668_800 + n).to_string());
        message
    };
    *messages = (0..50).map(numbered).collect();
    webhook.body = serde_json::to_vec(&body).unwrap();
    let tag = testing::sign(MacAlgorithm::HmacSha256, APP_SECRET, &webhook.body);
    webhook.headers.retain(|(name, _)| name != "x-hub-signature-256");
    let signature = format!("sha256={}", rapport_sdk::encoding::hex::encode(&tag));
    webhook.headers.push(("x-hub-signature-256".to_owned(), signature));
    webhook
}
