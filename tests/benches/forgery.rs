//! What a forged webhook costs: from its bytes in memory to the verdict, without HTTP around it.
//!
//! The manifests are those of the tree, and the declared proofs theirs. `genuine` is the same gate for what is let in.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot be set up says why and ends")]

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use divan::{Bencher, black_box};
use rapport_sandbox::{Entry, Gate, Manifest, Secret, Secrets};
use serde_json::json;

fn main() {
    divan::main();
}

const CASES: [&str; 7] = ["whatsapp", "sms", "telegram", "hubspot", "zendesk", "standard-webhooks", "typeform"];

struct Fixed(HashMap<String, Vec<Secret>>);

impl Secrets for Fixed {
    fn versions(&self, name: &str) -> Option<&[Secret]> {
        self.0.get(name).map(Vec::as_slice)
    }
}

struct Forged {
    gate: Gate,
    method: &'static str,
    url: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// A kilobyte with a proof of the right form that is none.
fn forged(connector: &str) -> Forged {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("plugins").join(connector);
    let manifest = Manifest::parse(&fs::read_to_string(folder.join("connector.toml")).unwrap()).unwrap();
    let secret = |name: &String| (name.clone(), vec![Secret::new(*b"a secret of thirty-two bytes ...")]);
    // A public key that is none is left out, as where nobody set it.
    let secrets = Fixed(manifest.secrets.keys().map(secret).collect());
    let gate = Gate::new(&manifest, &json!({}), &secrets).unwrap();
    let (hex, sha256, sha1) = ("0".repeat(64), format!("{}=", "A".repeat(43)), format!("{}=", "A".repeat(27)));
    let proof: Vec<(&str, String)> = match connector {
        "whatsapp" => vec![("x-hub-signature-256", format!("sha256={hex}"))],
        "sms" => vec![("x-twilio-signature", sha1)],
        "telegram" => vec![("x-telegram-bot-api-secret-token", "another token".to_owned())],
        "hubspot" => {
            vec![("x-hubspot-signature-v3", sha256), ("x-hubspot-request-timestamp", "1767225600000".to_owned())]
        }
        "zendesk" => vec![
            ("x-zendesk-webhook-signature", sha256),
            ("x-zendesk-webhook-signature-timestamp", "2026-01-01T00:00:00Z".to_owned()),
        ],
        "standard-webhooks" => vec![
            ("webhook-id", "msg_1".to_owned()),
            ("webhook-timestamp", "1767225600".to_owned()),
            ("webhook-signature", format!("v1,{sha256}")),
        ],
        "typeform" => vec![("typeform-signature", format!("sha256={sha256}"))],
        other => panic!("`{other}`"),
    };
    let usual = [("content-type", "application/json"), ("user-agent", "a provider"), ("accept", "*/*")];
    let usual = usual.map(|(name, value)| (name, value.to_owned()));
    let headers = usual.into_iter().chain(proof).map(|(name, value)| (name.to_owned(), value)).collect();
    let body = match connector {
        "sms" => (0..30).map(|n| format!("Field{n}=value+{n}%20of+some+length&")).collect::<String>().into_bytes(),
        _ => vec![b'a'; 1024],
    };
    Forged { gate, method: "POST", url: format!("https://hooks.example.com/hooks/{connector}"), headers, body }
}

/// From the bytes to the refusal.
fn is_refused(Forged { gate, method, url, headers, body }: &Forged) -> bool {
    match gate.enter(method, url, headers) {
        Ok(Entry::Pending(mut pending)) => {
            pending.update(gate, body);
            pending.finish(gate, body).is_err()
        }
        Ok(_) => false,
        Err(_) => true,
    }
}

#[divan::bench(args = CASES, sample_count = 1000)]
fn with_a_wrong_proof(bencher: Bencher<'_, '_>, connector: &str) {
    let forged = forged(connector);
    bencher.bench_local(|| assert!(is_refused(black_box(&forged))));
}

#[divan::bench(args = CASES, sample_count = 1000)]
fn without_a_proof(bencher: Bencher<'_, '_>, connector: &str) {
    let mut forged = forged(connector);
    forged.headers.truncate(3);
    bencher.bench_local(|| assert!(is_refused(black_box(&forged))));
}
