//! What AWS delivered, taken out of what it travelled in.

use serde::Deserialize;
use serde_json::value::RawValue;

/// One event, notification or record, as a connector may be given it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsDelivery {
    /// Where it is from: the source of an EventBridge event, the ARN of an SNS topic, or else [`through`](Self::through).
    pub origin: String,
    /// The ARN of the queue, stream or function that it came through.
    pub through: String,
    /// As SNS gives them to raw deliveries, in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl AwsDelivery {
    /// A message of a queue, from SNS, EventBridge or any other sender that the queue's policy allows.
    pub fn of_message(message: &str, through: &str) -> Self {
        let through = through.to_owned();
        if let Some(Envelope { topic_arn, message_id, message, .. }) = Envelope::of(message) {
            let mut headers = vec![content_type(&message)];
            let fields = [
                ("x-amz-sns-message-type", NOTIFICATION.to_owned()),
                ("x-amz-sns-message-id", message_id),
                ("x-amz-sns-topic-arn", topic_arn.clone()),
                ("x-amz-sns-rawdelivery", "true".to_owned()),
            ];
            headers.extend(fields.map(|(name, value)| (name.to_owned(), value)));
            return Self { origin: topic_arn, through, headers, body: message.into_bytes() };
        }
        let origin = source(message).unwrap_or_else(|| through.clone());
        Self { origin, through, headers: vec![content_type(message)], body: message.into() }
    }

    /// A record of a stream.
    pub fn of_record(data: Vec<u8>, stream: &str) -> Self {
        let headers = vec![content_type(std::str::from_utf8(&data).unwrap_or_default())];
        Self { origin: stream.to_owned(), through: stream.to_owned(), headers, body: data }
    }
}

const NOTIFICATION: &str = "Notification";

/// What SNS wraps a message in, on its way to a queue.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Envelope {
    r#type: String,
    message_id: String,
    topic_arn: String,
    message: String,
}

impl Envelope {
    fn of(text: &str) -> Option<Self> {
        let envelope: Self = serde_json::from_str(text).ok()?;
        let is_topic = envelope.topic_arn.split(':').nth(2) == Some("sns");
        (envelope.r#type == NOTIFICATION && is_topic).then_some(envelope)
    }
}

/// The source of an EventBridge event.
fn source(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Event<'a> {
        source: String,
        #[serde(rename = "detail-type")]
        _kind: String,
        #[serde(rename = "detail", borrow)]
        _detail: &'a RawValue,
    }
    serde_json::from_str::<Event<'_>>(text).ok().map(|event| event.source)
}

fn content_type(text: &str) -> (String, String) {
    let is_json = text.trim_start().starts_with(['{', '[']);
    let value = if is_json { "application/json" } else { "application/octet-stream" };
    ("content-type".to_owned(), value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const QUEUE: &str = "arn:aws:sqs:eu-west-1:111122223333:feed";
    const TOPIC: &str = "arn:aws:sns:eu-west-1:111122223333:mail";

    fn of(message: &serde_json::Value) -> AwsDelivery {
        AwsDelivery::of_message(&message.to_string(), QUEUE)
    }

    #[test]
    fn a_notification_comes_out_of_its_envelope_as_a_raw_delivery() {
        let envelope = json!({"Type": "Notification", "MessageId": "m-1", "TopicArn": TOPIC, "Message": "{\"a\":1}",
            "Timestamp": "2026-11-23T00:00:00Z", "Signature": "x", "Subject": null});
        let delivery = of(&envelope);
        assert_eq!((delivery.origin.as_str(), delivery.through.as_str()), (TOPIC, QUEUE));
        assert_eq!(delivery.body, br#"{"a":1}"#);
        let header =
            |name: &str| delivery.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str());
        assert_eq!(header("x-amz-sns-topic-arn"), Some(TOPIC));
        assert_eq!(header("x-amz-sns-message-id"), Some("m-1"));
        assert_eq!(header("content-type"), Some("application/json"));
        let text = AwsDelivery { headers: vec![content_type("hello")], ..delivery };
        assert_eq!(text.headers[0].1, "application/octet-stream");
    }

    #[test]
    fn an_event_stays_as_it_is() {
        let event =
            json!({"source": "aws.partner/example.com/00D", "detail-type": "Change", "detail": {"b": 1, "a": 2}});
        let delivery = of(&event);
        assert_eq!(delivery.origin, "aws.partner/example.com/00D");
        assert_eq!(delivery.body, event.to_string().into_bytes());
    }

    #[test]
    fn what_is_neither_is_from_the_queue_itself() {
        for message in [
            json!({"Type": "Notification", "MessageId": "m", "TopicArn": QUEUE, "Message": "{}"}),
            json!({"Type": "SubscriptionConfirmation", "MessageId": "m", "TopicArn": TOPIC, "Message": "{}"}),
            json!({"source": "aws.a", "detail": {}}),
            json!({"source": 7, "detail-type": "a", "detail": {}}),
            json!([]),
        ] {
            let delivery = of(&message);
            assert_eq!((delivery.origin.as_str(), delivery.body), (QUEUE, message.to_string().into_bytes()));
        }
        let record = AwsDelivery::of_record(vec![0xff], "arn:aws:kinesis:eu-west-1:111122223333:stream/calls");
        assert_eq!(record.origin, record.through);
    }
}
