//! The table as it is, past every crate under test: read with the AWS SDK alone.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Map, Value, json};

/// An item's attributes by name.
pub type Item = BTreeMap<String, AttributeValue>;

pub const TABLE: &str = "rapport-development";
/// Where the stream's reader keeps its place: how often it is written is nobody's business.
const CHECKPOINTS: &str = "main#N#fold";
/// How far the due minutes are read: the clock moves it.
const DUE_CURSOR: &str = "main#W#cursor";
/// Where it is recorded who called the API, which the test itself does.
const AUDIT: &str = "main#U#";

/// Every item by key; sets sorted.
pub async fn items(address: SocketAddr) -> Vec<Item> {
    let client = client(address);
    let mut items: Vec<Item> = Vec::new();
    let mut start = None;
    loop {
        let scan = client.scan().table_name(TABLE).consistent_read(true).set_exclusive_start_key(start);
        let page = scan.send().await.unwrap();
        items.extend(page.items.unwrap_or_default().into_iter().map(|item| item.into_iter().map(sorted).collect()));
        start = page.last_evaluated_key;
        if start.is_none() {
            break;
        }
    }
    items.retain(|item| {
        text(item, "pk") != CHECKPOINTS && text(item, "pk") != DUE_CURSOR && !text(item, "pk").starts_with(AUDIT)
    });
    items.sort_by_key(|item| (text(item, "pk").to_owned(), text(item, "sk").to_owned()));
    items
}

/// Deletes an item.
pub async fn delete(address: SocketAddr, item: &Item) {
    let delete = client(address).delete_item().table_name(TABLE);
    delete.key("pk", item["pk"].clone()).key("sk", item["sk"].clone()).send().await.unwrap();
}

/// Items as JSON for a snapshot. What differs between two runs that did the same is redacted: the hash of the built
/// connector, places in the stream, and how many writes a head took.
pub fn readable(items: &[Item]) -> String {
    serde_json::to_string_pretty(&items.iter().map(readable_item).collect::<Vec<_>>()).unwrap()
}

/// Whether an item is an event of the log.
pub fn is_event(item: &Item) -> bool {
    text(item, "sk").starts_with("V#")
}

pub fn text<'a>(item: &'a Item, name: &str) -> &'a str {
    item.get(name).and_then(|value| value.as_s().ok()).map_or("", String::as_str)
}

fn readable_item(item: &Item) -> Value {
    let is_head = item.contains_key("head");
    let attribute = |(name, value): (&String, &AttributeValue)| {
        let readable = match (name.as_str(), value) {
            ("dig", _) => json!("[digest]"),
            ("seq", _) => json!("[sequence]"),
            ("ver", _) if is_head => json!("[writes]"),
            ("head" | "cell" | "edge" | "log" | "sug", AttributeValue::S(text)) => serde_json::from_str(text).unwrap(),
            ("b", AttributeValue::B(frame)) => payload(frame.as_ref()),
            (_, AttributeValue::S(text)) => json!(text),
            (_, AttributeValue::N(number)) => serde_json::from_str(number).unwrap(),
            (_, AttributeValue::Ss(texts)) => json!(texts),
            (name, other) => panic!("attribute `{name}`: {other:?}"),
        };
        (name.clone(), readable)
    };
    Value::Object(item.iter().map(attribute).collect::<Map<_, _>>())
}

/// A compressed payload line by line, JSON as JSON.
fn payload(frame: &[u8]) -> Value {
    let bytes = zstd::bulk::decompress(frame, 16 << 20).unwrap();
    let lines = bytes.split(|byte| *byte == b'\n');
    let line = |line: &[u8]| serde_json::from_slice(line).unwrap_or_else(|_| json!(String::from_utf8_lossy(line)));
    Value::Array(lines.filter(|line| !line.is_empty()).map(line).collect())
}

fn sorted((name, value): (String, AttributeValue)) -> (String, AttributeValue) {
    match value {
        AttributeValue::Ss(mut texts) => {
            texts.sort();
            (name, AttributeValue::Ss(texts))
        }
        other => (name, other),
    }
}

pub fn client(address: SocketAddr) -> Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(format!("http://{address}"))
        .http_client(rapport_store::http_client::Plain::plain())
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .region(Region::from_static("local"))
        .build();
    Client::from_conf(config)
}
