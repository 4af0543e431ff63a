//! What was answered 200 is there, even if the process was killed the moment after.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::connectors;
use crate::support::dev::Dev;
use crate::support::{API_KEY, Text, app_secret, deliver, eventually, send};

const WEBHOOKS: u64 = 2_000;
const CUSTOMERS: u64 = 40;
const IN_FLIGHT: usize = 16;
/// Answers after which the process is killed, while the others are on their way.
const KILLED_AFTER: u64 = WEBHOOKS / 2;

const CONFIG: &str = r#"
[api.keys.test]
secret = "file:api-key"
may = ["read"]
[connections.wa-eu]
connector = "whatsapp.wasm"
secrets = { app-secret = "file:app-secret" }
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_under_load_loses_nothing_that_was_acknowledged_and_doubles_nothing() {
    let folder = TempDir::new().unwrap();
    prepare(folder.path());
    let load = Arc::new(Load::default());

    let mut first = Dev::start(folder.path()).await;
    let senders = send_all(&load, first.address);
    eventually("half of the answers", async || (load.answered() >= KILLED_AFTER).then_some(())).await;
    first.kill().await;
    senders.join_all().await;
    assert!(load.answered() < WEBHOOKS, "the kill came too late to interrupt anything");

    let second = Dev::start(folder.path()).await;
    send_all(&load, second.address).join_all().await;

    let sent = 0..load.next.load(Ordering::Relaxed).min(WEBHOOKS);
    let mut sent_by_customer: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for text in sent.map(nth) {
        sent_by_customer.entry(text.from).or_default().insert(text.id);
    }
    let answered = load.answered.lock().unwrap().clone();
    let mut found = 0;
    for (customer, sent) in sent_by_customer {
        let timeline = timeline(second.address, &customer).await;
        let ids: BTreeSet<String> = timeline.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(ids.len(), timeline.len(), "each is there once");
        assert!(ids.is_subset(&sent), "nothing is there that was not sent");
        let lost: Vec<_> = answered.intersection(&sent).filter(|id| !ids.contains(*id)).collect();
        assert_eq!(lost, Vec::<&String>::new(), "answered 200 and lost");
        let counted = async || {
            let profile = profile(second.address, &customer).await?;
            (profile["counters"]["messages_received"] == ids.len()).then_some(())
        };
        eventually("each is counted once", counted).await;
        found += ids.len();
    }
    println!("{} answered 200, {found} found", answered.len());
}

/// What is still to be sent, and what was answered.
#[derive(Default)]
struct Load {
    next: AtomicU64,
    answered: std::sync::Mutex<BTreeSet<String>>,
}

impl Load {
    fn answered(&self) -> u64 {
        self.answered.lock().unwrap().len() as u64
    }
}

/// The `n`th webhook of the load.
fn nth(n: u64) -> Text {
    Text::new(&format!("1650555{:04}", n % CUSTOMERS), n)
}

/// Sends what is left, until nothing is or nobody answers.
fn send_all(load: &Arc<Load>, address: SocketAddr) -> JoinSet<()> {
    let mut senders = JoinSet::new();
    for _ in 0..IN_FLIGHT {
        let load = Arc::clone(load);
        senders.spawn(async move {
            loop {
                let n = load.next.fetch_add(1, Ordering::Relaxed);
                if n >= WEBHOOKS {
                    return;
                }
                let text = nth(n);
                match deliver(address, &text.webhook()).await {
                    Ok(answer) => {
                        assert_eq!(answer.status, 200, "{answer:?}");
                        load.answered.lock().unwrap().insert(text.id);
                    }
                    Err(_) => return,
                }
            }
        });
    }
    senders
}

async fn timeline(address: SocketAddr, customer: &str) -> Vec<Value> {
    let profile = eventually("the profile", async || profile(address, customer).await).await;
    let target = format!("/v1/profiles/{}/timeline?limit=200", profile["id"].as_str().unwrap());
    let page = read(address, &target).await.unwrap();
    assert_eq!(page["next"], Value::Null);
    page["items"].as_array().unwrap().clone()
}

async fn profile(address: SocketAddr, customer: &str) -> Option<Value> {
    read(address, &format!("/v1/profiles/lookup?scheme=whatsapp&value={customer}")).await
}

async fn read(address: SocketAddr, target: &str) -> Option<Value> {
    let authorization = format!("Bearer {API_KEY}");
    let answer = send(address, "GET", target, &[("authorization", &authorization)], b"").await.unwrap();
    (answer.status == 200).then(|| answer.json())
}

fn prepare(folder: &Path) {
    let write = |name: &str, bytes: &[u8]| fs::write(folder.join(name), bytes).unwrap();
    write("rapport.toml", CONFIG.as_bytes());
    write("whatsapp.wasm", connectors::whatsapp());
    write("app-secret", app_secret().as_bytes());
    write("api-key", API_KEY.as_bytes());
}
