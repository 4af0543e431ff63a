//! Lambda's event source mapping: what reads the table's stream and hands it to the fold, until it is folded.

use std::net::SocketAddr;
use std::time::Duration;

use rapport_store::stream::RECORD_KINDS;
use serde_json::{Value, json};

use super::deployment::Ran;
use super::events::batch;
use super::http::send;
use super::table::TABLE;

/// Records of a batch at most, as the template says.
const BATCH_SIZE: usize = 100;
/// How long it waits before it looks at an empty stream again, or gives a batch back that was not folded.
const PAUSE: Duration = Duration::from_millis(20);

/// The stream of the database at `address`, read as its raw records: they are what Lambda puts into an event.
pub struct Mapping {
    address: SocketAddr,
    /// Where reading goes on, by shard; none: the shard has ended.
    iterators: Vec<Option<String>>,
}

impl Mapping {
    /// One that begins with the oldest record.
    pub async fn of(address: SocketAddr) -> Self {
        let table = ask(address, "DynamoDB_20120810.DescribeTable", json!({"TableName": TABLE})).await;
        let arn = &table["Table"]["LatestStreamArn"];
        let described = ask(address, "DynamoDBStreams_20120810.DescribeStream", json!({"StreamArn": arn})).await;
        let mut iterators = Vec::new();
        for shard in described["StreamDescription"]["Shards"].as_array().unwrap() {
            let request = json!({"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"});
            let answer = ask(address, "DynamoDBStreams_20120810.GetShardIterator", request).await;
            iterators.push(answer["ShardIterator"].as_str().map(str::to_owned));
        }
        Self { address, iterators }
    }

    /// Hands everything that the stream gets to the fold, for ever.
    pub async fn run(mut self, fold: Ran) {
        loop {
            let records = self.next().await;
            for batch_of_some in records.chunks(BATCH_SIZE) {
                hand_over(&fold, batch_of_some).await;
            }
            if records.is_empty() {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// The next records that the mapping's filter lets through.
    async fn next(&mut self) -> Vec<Value> {
        let mut found = Vec::new();
        for place in &mut self.iterators {
            let Some(iterator) = place.take() else { continue };
            let request = json!({"ShardIterator": iterator});
            let mut answer = ask(self.address, "DynamoDBStreams_20120810.GetRecords", request).await;
            *place = answer["NextShardIterator"].as_str().map(str::to_owned);
            found.extend(answer["Records"].as_array_mut().map(std::mem::take).unwrap_or_default());
        }
        found.retain(is_of_interest);
        found
    }
}

/// The pattern of the template: what the fold is told of, if it is new.
fn is_of_interest(record: &Value) -> bool {
    let key = |name: &str| record["dynamodb"]["Keys"][name]["S"].as_str().unwrap_or_default();
    let is_told = RECORD_KINDS.iter().any(|kind| key("sk").starts_with(kind));
    record["eventName"] == "INSERT" && key("pk").starts_with("main#E#") && is_told
}

/// Gives the records to the fold until it has folded all: from the first that it names, or from the first if it failed.
async fn hand_over(fold: &Ran, mut records: &[Value]) {
    loop {
        let failed = match fold.function.invoke(&batch(records.iter().cloned())).await {
            Ok(answer) => answer["batchItemFailures"][0]["itemIdentifier"].clone(),
            Err(_) => records[0]["dynamodb"]["SequenceNumber"].clone(),
        };
        if failed.is_null() {
            return;
        }
        let first = records.iter().position(|record| record["dynamodb"]["SequenceNumber"] == failed);
        records = &records[first.expect("a failure names a record of its batch")..];
        tokio::time::sleep(PAUSE).await;
    }
}

/// One request of the DynamoDB protocol.
async fn ask(address: SocketAddr, target: &str, request: Value) -> Value {
    let headers = [
        ("x-amz-target", target),
        ("content-type", "application/x-amz-json-1.0"),
        ("x-amz-date", "20261122T000000Z"),
        ("authorization", SIGNED),
    ];
    let answer = send(address, "POST", "/", &headers, request.to_string().as_bytes()).await.unwrap();
    assert_eq!(answer.status, 200, "{target}: {answer:?}");
    answer.json()
}

/// The embedded database looks whether there is a signature, and not into it.
const SIGNED: &str =
    "AWS4-HMAC-SHA256 Credential=test/20261122/local/dynamodb/aws4_request, SignedHeaders=host, Signature=00";
