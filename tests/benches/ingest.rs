//! What the way into the log costs: one event with its webhook through `Table::put_events`, against a bare `PutItem` of the
//! very same item. Both through the AWS SDK into an embedded DynamoDB, durable on disk: a new one each, and as many samples,
//! because it takes longer for every record that its stream already holds.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot be set up says why and ends")]

#[allow(dead_code, reason = "the benchmark needs the client and the items")]
#[path = "../it/support/table.rs"]
mod table;

use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use divan::Bencher;
use rapport_model::canonical::canonicalise;
use rapport_model::event::{Attestation, Author, Body, Contact, Identifier, Message, Part};
use rapport_model::{Event, TenantKey};
use rapport_store::blobs::Blobs;
use rapport_store::embedded::Embedded;
use rapport_store::events::NewEvent;
use rapport_store::{RawWebhook, Table};
use table::Item;
use tempfile::TempDir;
use tokio::runtime::Runtime;

fn main() {
    divan::main();
}

#[divan::bench(name = "bare PutItem", sample_count = 300)]
fn bare(bencher: Bencher<'_, '_>) {
    let database = Database::start();
    let item = database.stored_item();
    bencher
        .with_inputs(|| {
            let mut item = item.clone();
            item.insert("sk".to_owned(), AttributeValue::S(format!("V#{:026}", next())));
            item
        })
        .bench_values(|item| {
            let put = database.client.put_item().table_name(table::TABLE).set_item(Some(item.into_iter().collect()));
            database.runtime.block_on(put.send()).unwrap()
        });
}

#[divan::bench(name = "put_events of one event with its webhook", sample_count = 300)]
fn ingest(bencher: Bencher<'_, '_>) {
    let database = Database::start();
    bencher.with_inputs(|| database.text(next())).bench_values(|(event, webhook)| {
        let put = database.runtime.block_on(database.table.put_events(vec![event], webhook)).unwrap();
        assert_eq!(put.new, 1);
        put
    });
}

struct Database {
    runtime: Runtime,
    embedded: Embedded,
    table: Table,
    client: Client,
    _folder: TempDir,
}

impl Database {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let folder = TempDir::new().unwrap();
        let embedded = Embedded::start(&folder.path().join("rapport.db")).unwrap();
        let tenant_key = TenantKey::new(&[7; 32]).expect("32 bytes are long enough");
        let blobs = Blobs::in_folder(folder.path().join("blobs"));
        let table = runtime.block_on(embedded.table(tenant_key, blobs)).unwrap();
        Self { runtime, embedded, table, client: table::client(embedded.address()), _folder: folder }
    }

    /// What `put_events` makes of a text.
    fn stored_item(&self) -> Item {
        let (event, webhook) = self.text(next());
        self.runtime.block_on(self.table.put_events(vec![event], webhook)).unwrap();
        let items = self.runtime.block_on(table::items(self.embedded.address()));
        items.into_iter().find(|item| table::text(item, "sk").starts_with("V#")).expect("the event was put")
    }

    /// The `n`th text of one customer.
    fn text(&self, n: u64) -> (NewEvent, RawWebhook) {
        let event = event(n);
        let endpoint = canonicalise(&event.contact.identifiers[0]).unwrap();
        let new = NewEvent {
            eid: self.table.eid(&endpoint),
            key: self.table.tenant_key().event_key(event.at, &event.account, &event.id).expect("the time is in range"),
            event,
            connection: "wa-eu".to_owned(),
            connector_digest: "0123456789abcdef".repeat(4),
            received_at: 1_790_668_805_000,
        };
        (new, webhook())
    }
}

fn next() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

fn event(n: u64) -> Event {
    let identifier = |scheme: &str, value: &str| Identifier {
        scheme: scheme.to_owned(),
        scope: None,
        value: value.to_owned(),
        attestation: Attestation::Provider,
    };
    let id = format!("wamid.HBgLMTY1MDU1NTEyMzQVAgASGBQ{n:013}=");
    let message =
        Message::new(id.clone(), Author::Customer, vec![Part::Text("Hello, where is my order 4711?".to_owned())]);
    Event {
        id,
        at: 1_790_668_800_000 + n,
        account: "106540352242922".to_owned(),
        contact: Contact {
            identifiers: vec![identifier("whatsapp", "16505551234"), identifier("phone", "+16505551234")],
            display_name: Some("Ada Lovelace".to_owned()),
            ..Contact::default()
        },
        body: Body::Message(message),
        extensions: Default::default(),
    }
}

fn webhook() -> RawWebhook {
    let recorded = include_bytes!("../../plugins/whatsapp/fixtures/inbound/text.http");
    let webhook = rapport_sdk::testing::parse_request(recorded).expect("the fixture is a request");
    let signed = |(name, _): &(String, String)| matches!(name.as_str(), "content-type" | "x-hub-signature-256");
    RawWebhook {
        method: webhook.method,
        url: "https://rapport.example/hooks/wa-eu".to_owned(),
        headers: webhook.headers.into_iter().filter(signed).collect(),
        body: webhook.body,
    }
}
