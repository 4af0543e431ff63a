//! The function that takes what AWS delivers, driven as Lambda drives it: batches of a queue and of a stream.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::connectors::repository;
use crate::support::deployment::{Ran, World};
use crate::support::events::{Door, text_webhook};
use crate::support::{Text, is_event};

const QUEUE: &str = "arn:aws:sqs:eu-west-1:111122223333:rapport-feed";
const STREAM: &str = "arn:aws:kinesis:eu-west-1:111122223333:stream/changes";
const TOPIC: &str = "arn:aws:sns:eu-west-1:111122223333:mail";
/// More requests than an outage of a test has.
const ALL: u32 = 1_000;

const CONFIG: &str = r#"
tenant-key = "secret:tenant-key"
[api]
keys = ["secret:api-key"]
[connections.crm]
connector = "salesforce"
config = { organization-id = "00D000000000001" }
feed = { from = ["aws.partner/salesforce.com/00D000000000001EAA/0YLD00000008LlAAI", "arn:aws:kinesis:eu-west-1:111122223333:stream/changes"] }
[connections.mail]
connector = "email"
config = { provider = "ses" }
feed = { from = ["arn:aws:sns:eu-west-1:111122223333:mail"], buckets = ["acme-mail"] }
"#;

async fn world() -> World {
    World::with(&["salesforce", "email"], CONFIG).await
}

/// A change event of a fixture, with another number in its transaction.
fn change(number: u32) -> String {
    let path = repository().join("plugins/salesforce/fixtures/inbound/change-contact.http");
    let request = rapport_sdk::testing::parse_request(&std::fs::read(path).unwrap()).unwrap();
    let mut event: Value = serde_json::from_slice(&request.body).unwrap();
    event["detail"]["payload"]["ChangeEventHeader"]["sequenceNumber"] = json!(number);
    event.to_string()
}

/// What SNS puts into a queue when a receipt rule has put a mail into a bucket.
fn mail_notification(bucket: &str, key: &str) -> String {
    let mail = json!({"timestamp": "2026-11-23T01:00:00.000Z", "source": "ada@example.com", "messageId": key,
        "destination": ["help@acme.example"]});
    let pass = json!({"status": "PASS"});
    let receipt = json!({"timestamp": "2026-11-23T01:00:00.000Z", "recipients": ["help@acme.example"],
        "spfVerdict": pass, "dkimVerdict": pass, "dmarcVerdict": pass,
        "action": {"type": "S3", "topicArn": TOPIC, "bucketName": bucket, "objectKey": format!("in/{key}")}});
    let message = json!({"notificationType": "Received", "mail": mail, "receipt": receipt});
    json!({"Type": "Notification", "MessageId": format!("n-{key}"), "TopicArn": TOPIC, "Message": message.to_string(),
        "Timestamp": "2026-11-23T01:00:01.000Z"})
    .to_string()
}

const MAIL: &str = "From: Ada Lovelace <ada@example.com>\r\nTo: help@acme.example\r\nSubject: Order 4711\r\n\
    Message-ID: <m-1@example.com>\r\nDate: Mon, 23 Nov 2026 01:00:00 +0000\r\n\r\nWhere is my order?\r\n";

/// A batch of a queue; the names of its messages are `m-0`, `m-1`, ….
fn batch(messages: &[&str]) -> Value {
    let message = |(index, body): (usize, &&str)| {
        json!({"messageId": format!("m-{index}"), "receiptHandle": "r", "body": body, "attributes": {},
            "messageAttributes": {}, "eventSource": "aws:sqs", "eventSourceARN": QUEUE, "awsRegion": "eu-west-1"})
    };
    json!({"Records": messages.iter().enumerate().map(message).collect::<Vec<_>>()})
}

/// The names that a function gives back.
async fn not_taken(function: &Ran, event: &Value) -> Vec<String> {
    let answer = function.function.invoke(event).await.unwrap();
    let failures = answer["batchItemFailures"].as_array().unwrap();
    failures.iter().map(|failure| failure["itemIdentifier"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_batch_is_in_the_table_and_what_was_not_taken_is_named() {
    let world = world().await;
    let function = world.start("feed").await;
    let foreign = json!({"source": "aws.ec2", "detail-type": "x", "detail": {}}).to_string();
    let messages = batch(&[&change(1), &foreign, &change(2), "no JSON at all"]);
    assert_eq!(not_taken(&function, &messages).await, ["m-1", "m-3"]);
    assert_eq!(world.events().await, 2);
    assert_eq!(not_taken(&function, &messages).await, ["m-1", "m-3"]);
    assert_eq!(world.events().await, 2, "a queue delivers twice now and then");
    let refused = function.lines("delivery not taken");
    assert!(refused[0]["error"].as_str().unwrap().starts_with("no connection takes what comes from `aws.ec2`; fix: "));
    assert_eq!(refused.len(), 4);
}

#[tokio::test]
async fn a_record_of_a_stream_is_one_more_delivery() {
    let world = world().await;
    let function = world.start("feed").await;
    let record = |number: u32, data: &str| {
        json!({"eventSource": "aws:kinesis", "eventSourceARN": STREAM, "eventID": format!("shard:{number}"),
            "kinesis": {"sequenceNumber": number.to_string(), "partitionKey": "p", "data": STANDARD.encode(data)}})
    };
    // A record that its connector cannot read is parked: it would hold up the shard, and be as unreadable again.
    let event = json!({"Records": [record(49, &change(1)), record(50, "{"), record(51, &change(2))]});
    assert_eq!(not_taken(&function, &event).await, [""; 0]);
    assert_eq!(world.events().await, 2);
    assert_eq!(function.lines("webhook parked").len(), 1);
}

#[tokio::test]
async fn what_storage_does_not_take_stays_in_the_queue() {
    let world = world().await;
    let function = world.start("feed").await;
    let messages = batch(&[&change(1), &change(2)]);
    assert_eq!(not_taken(&function, &batch(&[&change(3)])).await, [""; 0]);
    world.storage.close();
    assert_eq!(not_taken(&function, &messages).await, ["m-0", "m-1"]);
    assert_eq!(world.events().await, 1);
    world.storage.open();
    assert_eq!(not_taken(&function, &messages).await, [""; 0]);
    assert_eq!(world.events().await, 3);
}

#[tokio::test]
async fn a_mail_in_s3_is_read_from_there_and_belongs_to_whoever_sent_it() {
    let world = world().await;
    let function = world.start("feed").await;
    let (missing, other) = (mail_notification("acme-mail", "none"), mail_notification("other-mail", "abc123"));
    let mail = mail_notification("acme-mail", "abc123");
    world.services.put_object("/other-mail/in/abc123", MAIL.as_bytes());
    world.services.put_object("/acme-mail/in/abc123", MAIL.as_bytes());
    assert_eq!(not_taken(&function, &batch(&[&missing, &other])).await, ["m-0", "m-1"]);
    assert_eq!(world.data.items().await.iter().filter(|item| is_event(item)).count(), 0);
    assert!(!world.services.asked().iter().any(|asked| asked.contains("other-mail")), "it is not even asked for");

    world.services.fail(ALL);
    assert_eq!(not_taken(&function, &batch(&[&mail])).await, ["m-0"], "S3 is away");
    world.services.fail(0);
    assert_eq!(not_taken(&function, &batch(&[&mail, &mail])).await, [""; 0]);
    assert_eq!(world.events().await, 1);
    world.fold().await;
    let profile = world.profile("email", "ada@example.com").await.unwrap();
    assert_eq!(profile["counters"]["messages_received"], 1);
    assert_eq!(profile["traits"]["display_name"]["value"], "Ada Lovelace");
}

#[tokio::test]
async fn what_there_is_no_time_for_is_given_back_and_what_was_taken_is_not() {
    let world = world().await;
    let function = world.start("feed").await;
    world.services.take(Duration::from_secs(1));
    let mails: Vec<String> = (0..10).map(|number| mail_notification("acme-mail", &format!("abc{number}"))).collect();
    for number in 0..10 {
        let mail = MAIL.replace("m-1@", &format!("m-{number}@"));
        world.services.put_object(&format!("/acme-mail/in/abc{number}"), mail.as_bytes());
    }
    let messages = batch(&mails.iter().map(String::as_str).collect::<Vec<_>>());
    let answer = function.function.invoke_within(&messages, 6_000).await.expect("before the deadline");
    let given_back = answer["batchItemFailures"].as_array().unwrap().len();
    assert!((1..10).contains(&given_back), "{given_back} of 10");
    assert_eq!(world.events().await, 10 - given_back);
}

#[tokio::test]
async fn each_function_takes_its_own_events_only() {
    let world = world().await;
    let (feed, webhook, fold) = (world.start("feed").await, world.start("webhook").await, world.start("fold").await);
    let text = text_webhook(&Text::new("16505551234", 1)).through(Door::FunctionUrl);
    let refusal = async |function: &Ran, event: &Value| {
        let error = function.function.invoke(event).await.unwrap_err();
        format!("{}: {}", error["errorType"].as_str().unwrap(), error["errorMessage"].as_str().unwrap())
    };
    let said = refusal(&feed, &text).await;
    assert!(said.starts_with("Rapport.NoBatch: the event is not a batch of SQS or Kinesis (column "), "{said}");
    assert!(refusal(&webhook, &batch(&[&change(1)])).await.starts_with("Rapport.NoHttpEvent"));
    assert_eq!(not_taken(&fold, &batch(&[&change(1)])).await, [""; 0], "nothing of it is a record of the table");
    assert_eq!(world.events().await, 0);
}
