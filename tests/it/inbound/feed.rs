//! What AWS delivers in the place of a provider's webhook: whose it is, who vouches for it, and that none of it is lost.

use std::fs;

use rapport_config::{ConnectionConfig, FeedConfig};
use rapport_connections::Connection;
use rapport_inbound::feed::{AwsDelivery, FeedError, FeedOutcome};
use rapport_inbound::replay::Replayed;
use rapport_store::objects::{ObjectError, Objects};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Data, Service, connection_as_written, fed, gateway_with, hostile, is_event, written};

const QUEUE: &str = "arn:aws:sqs:eu-west-1:111122223333:rapport-feed";
const TOPIC: &str = "arn:aws:sns:eu-west-1:111122223333:mail";
const SOURCE: &str = "aws.partner/example.com/changes";
/// A connector that verifies nothing, of a provider that signs nothing, and takes what AWS delivers.
const LINES: &str = "unsigned = 'a test of it'\nfeed = 'a test of it'";
const WITH_OBJECTS: &str =
    "[limits]\nbody-kib = 4\n[feed]\nfrom = 'a test of it'\nobject = { bucket = '/at/bucket', key = '/at/key' }";

fn message(id: &str) -> Value {
    json!({"id": id, "from": "someone", "at": 1_790_668_800_000_u64, "text": "hello"})
}

fn from(origins: &[&str], buckets: &[&str]) -> Option<FeedConfig> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    Some(FeedConfig { from: words(origins), buckets: words(buckets) })
}

fn connection(name: &str, lines: &str, config: Value, feed: Option<FeedConfig>) -> Connection {
    fed(name, lines, ConnectionConfig { feed, ..written(config) }, &[]).unwrap()
}

/// What SNS puts into a queue.
fn notification(message: &Value) -> String {
    json!({"Type": "Notification", "MessageId": "n-1", "TopicArn": TOPIC, "Message": message.to_string()}).to_string()
}

/// As the connector's good webhooks are, with what makes EventBridge's events.
fn event(id: &str) -> String {
    let mut event = message(id);
    event["source"] = json!(SOURCE);
    event["detail-type"] = json!("Change");
    event["detail"] = json!({});
    event.to_string()
}

#[tokio::test]
async fn a_delivery_goes_to_every_connection_of_its_origin_and_twice_is_once() {
    let service = Service::start([
        connection("events", LINES, json!({}), from(&[SOURCE], &[])),
        connection("both", LINES, json!({}), from(&[SOURCE, TOPIC], &[])),
        connection("neither", LINES, json!({}), from(&[QUEUE], &[])),
    ])
    .await;
    let feed = async |message: &str| service.gateway.feed(&AwsDelivery::of_message(message, QUEUE), "r-1").await;
    for _ in 0..2 {
        feed(&event("m-1")).await.unwrap();
        feed(&notification(&message("m-2"))).await.unwrap();
    }
    service.settle().await;
    let profile = service.look_up("hostile", "someone").await.unwrap();
    // The key of an event is its channel, account and id: two connections of one connector see one event.
    let timeline = service.timeline(&profile, 50).await;
    let ids: Vec<_> = timeline.iter().map(|event| event["message"]["id"].clone()).collect();
    assert_eq!(ids.len(), 2, "{timeline:?}");
    let parked = service.gateway.table.parked("neither").await.unwrap();
    assert!(parked.is_empty());
}

#[tokio::test]
async fn what_no_connection_takes_is_not_taken() {
    let service = Service::start([connection("events", LINES, json!({}), from(&[SOURCE], &[]))]).await;
    let before = service.data.items().await;
    let refused = service.gateway.feed(&AwsDelivery::of_message(&notification(&message("m-1")), QUEUE), "r").await;
    let said = refused.unwrap_err().to_string();
    assert!(said.starts_with(&format!("no connection takes what comes from `{TOPIC}`; fix: name it")), "{said}");
    let unknown = service.gateway.feed_to("nobody", &AwsDelivery::of_message("{}", QUEUE), "r").await;
    assert!(matches!(unknown, Err(FeedError::NoConnection)));
    assert_eq!(service.data.items().await, before);
}

#[tokio::test]
async fn a_connection_of_deliveries_only_is_closed_to_everybody_else() {
    let service = Service::start([connection("events", LINES, json!({}), from(&[SOURCE], &[]))]).await;
    let before = service.data.items().await;
    for headers in [vec![], vec![("x-amz-sns-topic-arn", TOPIC), ("x-amz-sns-message-type", "Notification")]] {
        let answer = service.send("POST", "/hooks/events", &headers, event("m-1").as_bytes()).await;
        assert_eq!(answer.status, 401, "{answer:?}");
    }
    for target in ["/hooks/events/token", "/hooks/events/arn:aws:sqs:eu-west-1:111122223333:rapport-feed"] {
        assert_eq!(service.send("POST", target, &[], event("m-1").as_bytes()).await.status, 401);
    }
    assert_eq!(service.data.items().await, before);
}

#[tokio::test]
async fn a_connector_that_takes_nothing_from_aws_is_given_nothing() {
    let service = Service::start([hostile("webhooks", json!({}))]).await;
    let refused = service.gateway.feed_to("webhooks", &AwsDelivery::of_message("{}", QUEUE), "r").await;
    assert!(matches!(refused, Err(FeedError::NoFeed(_))), "{refused:?}");

    let refusal = |lines: &str, feed| {
        let written = ConnectionConfig { feed, ..written(json!({})) };
        fed("a", lines, written, &[]).err().unwrap().to_string()
    };
    let said = refusal("unsigned = 'x'", from(&[SOURCE], &[]));
    assert!(said.contains("takes nothing that AWS delivers; fix: remove `feed`"), "{said}");
    let said = refusal(LINES, from(&[SOURCE], &["bucket"]));
    assert!(said.contains("is handed no objects of S3; fix: remove `feed.buckets`"), "{said}");
    let said = refusal(LINES, None);
    assert!(said.contains("fix: give the connection a secret `path-token`"), "{said}");
    assert!(said.ends_with("; or say in `feed` from where AWS delivers its events"), "{said}");
}

#[tokio::test]
async fn what_its_connector_cannot_handle_is_kept_whole_and_can_be_replayed() {
    let config = json!({"by-body": true});
    let service = Service::start([connection("events", LINES, config, from(&[TOPIC], &[]))]).await;
    for behaviour in ["trap", "malformed", "loop", "good"] {
        let mut body = message("m-1");
        body["behaviour"] = json!(behaviour);
        let delivery = AwsDelivery::of_message(&notification(&body), QUEUE);
        let fed = service.gateway.feed_to("events", &delivery, "r").await;
        // A connector that finds a delivery unproven is wrong about it, and the queue keeps it for a fixed one.
        let is_expected = match behaviour {
            "good" => matches!(fed, Err(FeedError::Refused { .. })),
            _ => matches!(fed, Ok(FeedOutcome::Parked { .. })),
        };
        assert!(is_expected, "{behaviour}: {fed:?}");
        if behaviour != "good" {
            let parked = service.gateway.table.parked("events").await.unwrap().remove(0);
            let webhook = parked.webhook.unwrap();
            assert_eq!(webhook.body, body.to_string().into_bytes());
            assert_eq!((webhook.method.as_str(), webhook.url.as_str()), ("POST", QUEUE));
            let replayed = service.gateway.replay(&parked.id).await.unwrap();
            assert!(matches!(replayed, Replayed::StillParked { .. }), "{replayed:?}");
            service.gateway.table.unpark(&parked.id).await.unwrap();
        }
    }
}

#[tokio::test]
async fn an_object_comes_along_from_an_allowed_bucket_only_and_only_if_it_fits() {
    let folder = TempDir::new().unwrap();
    for (bucket, key, bytes) in
        [("allowed", "in/mail", 1_000), ("allowed", "in/large", 5_000), ("other", "in/mail", 10)]
    {
        let path = folder.path().join(bucket).join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, vec![b'x'; bytes]).unwrap();
    }
    let data = Data::new().await;
    // The form is no JSON, so this connector can make nothing of it but keep it.
    let config = json!({"behaviour": "malformed"});
    let connections = [connection("mail", WITH_OBJECTS, config, from(&[TOPIC], &["allowed"]))];
    let gateway = gateway_with(data.table.clone(), connections, Objects::in_folder(folder.path()));
    let feed = async |bucket: &str, key: &str| {
        let body = json!({"at": {"bucket": bucket, "key": key}});
        gateway.feed(&AwsDelivery::of_message(&notification(&body), QUEUE), "r").await
    };
    let before = data.items().await;
    assert!(matches!(feed("other", "in/mail").await, Err(FeedError::BucketNotAllowed(bucket)) if bucket == "other"));
    let object = async |key: &str| match feed("allowed", key).await {
        Err(FeedError::Object { source, .. }) => source,
        other => panic!("{other:?}"),
    };
    assert!(matches!(object("in/none").await, ObjectError::Missing));
    assert!(matches!(object("in/large").await, ObjectError::TooLarge { bytes: 5_000, max: 4_096 }));
    assert!(matches!(object("../other/in/mail").await, ObjectError::Key));
    assert_eq!(data.items().await, before, "nothing is left of what was not taken");

    feed("allowed", "in/mail").await.unwrap();
    let webhook = data.table.parked("mail").await.unwrap().remove(0).webhook.unwrap();
    let body = String::from_utf8(webhook.body).unwrap();
    assert!(body.contains(r#"name="message""#) && body.contains(r#"{"at":{"bucket":"allowed","key":"in/mail"}}"#));
    assert!(body.contains(r#"name="object""#) && body.contains(&"x".repeat(1_000)));
    let (name, value) = &webhook.headers[0];
    assert!(name == "content-type" && value.starts_with("multipart/form-data; boundary="), "{value}");
}

/// A mail with one file, and how SNS tells of it.
fn mail(bytes: usize) -> (Vec<u8>, Value) {
    let head = "From: Ada Lovelace <ada@example.com>\r\nTo: help@acme.example\r\nSubject: Order 4711\r\n\
        Message-ID: <m-1@example.com>\r\nDate: Mon, 23 Nov 2026 01:00:00 +0000\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nWhere is my order?\r\n\
        --b\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\
        Content-Disposition: attachment; filename=\"order.pdf\"\r\n\r\n";
    let mut mail = head.as_bytes().to_vec();
    // Lines that repeat only after a megabyte, as a file's do.
    let line = |number: usize| format!("{:076}\r\n", (number * 7_919) % 13_007);
    mail.extend((0..bytes / 78).flat_map(|number| line(number).into_bytes()));
    mail.extend_from_slice(b"--b--\r\n");
    let pass = json!({"status": "PASS"});
    let notification = json!({
        "notificationType": "Received",
        "mail": {"timestamp": "2026-11-23T01:00:00.000Z", "source": "ada@example.com", "messageId": "abc"},
        "receipt": {"recipients": ["help@acme.example"], "spfVerdict": pass, "dkimVerdict": pass, "dmarcVerdict": pass,
            "action": {"type": "S3", "bucketName": "acme-mail", "objectKey": "in/abc"}},
    });
    (mail, notification)
}

#[tokio::test]
async fn a_mail_of_forty_megabytes_is_in_the_profile_and_goes_with_it() {
    let folder = TempDir::new().unwrap();
    let (mail, message) = mail(40_000_000);
    fs::create_dir_all(folder.path().join("acme-mail/in")).unwrap();
    fs::write(folder.path().join("acme-mail/in/abc"), &mail).unwrap();
    let data = Data::new().await;
    let feed = from(&[TOPIC], &["acme-mail"]);
    let written = ConnectionConfig { feed, ..written(json!({"provider": "ses"})) };
    let connections = [connection_as_written("mail", "email", &written)];
    let gateway = gateway_with(data.table.clone(), connections, Objects::in_folder(folder.path()));
    let service = Service::of(gateway, data).await;
    service.gateway.feed(&AwsDelivery::of_message(&notification(&message), QUEUE), "r").await.unwrap();
    service.settle().await;
    let profile = service.look_up("email", "ada@example.com").await.unwrap();
    assert_eq!(profile["counters"]["messages_received"], 1);
    let timeline = service.timeline(&profile, 50).await;
    assert!(timeline[0].to_string().contains("order.pdf"), "{}", timeline[0]);

    // Whoever reads the event does not fetch the mail; it is there all the same, whole, in a blob of its own.
    let events = service.data.items().await.into_iter().filter(is_event).collect::<Vec<_>>();
    assert!(events[0].contains_key("b") && events[0].contains_key("web"), "{:?}", events[0].keys());
    let stored = service.data.table.read_event(&events[0].clone().into_iter().collect()).await.unwrap();
    let webhook = service.data.table.webhook_of(&stored).await.unwrap().unwrap();
    assert!(webhook.body.len() > mail.len() && webhook.body.windows(mail.len()).any(|window| window == mail));

    let request = json!({"identifier": {"scheme": "email", "value": "ada@example.com"}});
    let receipt = service.post("/v1/erasures", &request).await;
    assert_eq!(receipt.status, 200, "{receipt:?}");
    let blobs = walk(&service.data.blobs());
    assert!(blobs.is_empty(), "{blobs:?}");
}

/// Every file below a folder.
fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[tokio::test]
async fn a_delivery_larger_than_its_connector_takes_is_not_taken() {
    let service = Service::start([connection("mail", WITH_OBJECTS, json!({}), from(&[TOPIC], &[]))]).await;
    let mut body = message("m-1");
    body["text"] = json!("x".repeat(5_000));
    let refused = service.gateway.feed(&AwsDelivery::of_message(&notification(&body), QUEUE), "r").await;
    let said = refused.unwrap_err().to_string();
    assert!(said.contains("connector `unsigned` takes 4096; fix: raise `body-kib`"), "{said}");
}
