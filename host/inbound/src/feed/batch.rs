//! What Lambda hands to a function for a queue or a stream: a batch of deliveries, each with its name.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::AwsDelivery;

/// What is no batch of a queue or a stream.
#[derive(Debug, thiserror::Error)]
#[error(
    "the event is not a batch of SQS or Kinesis ({0}); fix: map only the feed's queue and streams to this function"
)]
pub struct NoBatch(String);

#[derive(Deserialize)]
struct Batch {
    #[serde(rename = "Records")]
    records: Vec<Record>,
}

/// A message of SQS, or a record of Kinesis.
#[derive(Deserialize)]
struct Record {
    /// The ARN of the queue or stream.
    #[serde(rename = "eventSourceARN")]
    through: String,
    #[serde(rename = "messageId")]
    message_id: Option<String>,
    body: Option<String>,
    kinesis: Option<Kinesis>,
}

#[derive(Deserialize)]
struct Kinesis {
    #[serde(rename = "sequenceNumber")]
    sequence_number: String,
    /// In base64.
    data: String,
}

/// The deliveries of a batch by the names that Lambda has for them: message ids, or sequence numbers.
///
/// # Errors
/// [`NoBatch`]: it is of another service. Where it stopped is said, and not what was there: it may be personal.
pub fn batch(json: &str) -> Result<Vec<(String, AwsDelivery)>, NoBatch> {
    let batch: Batch = serde_json::from_str(json).map_err(|error| NoBatch(format!("column {}", error.column())))?;
    let named = batch.records.into_iter().enumerate();
    named.map(|(index, record)| record.named().ok_or_else(|| NoBatch(format!("record {index}")))).collect()
}

impl Record {
    fn named(self) -> Option<(String, AwsDelivery)> {
        match self {
            Self { through, message_id: Some(name), body: Some(body), .. } => {
                Some((name, AwsDelivery::of_message(&body, &through)))
            }
            Self { through, kinesis: Some(Kinesis { sequence_number, data }), .. } => {
                Some((sequence_number, AwsDelivery::of_record(STANDARD.decode(data).ok()?, &through)))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn messages_and_records_are_named_as_lambda_names_them() {
        let queue = "arn:aws:sqs:eu-west-1:111122223333:feed";
        let stream = "arn:aws:kinesis:eu-west-1:111122223333:stream/calls";
        let event = json!({"Records": [
            {"messageId": "m-1", "body": "{}", "eventSource": "aws:sqs", "eventSourceARN": queue, "attributes": {}},
            {"kinesis": {"sequenceNumber": "49", "data": "eyJhIjoxfQ=="}, "eventSource": "aws:kinesis", "eventSourceARN": stream},
        ]});
        let found = batch(&event.to_string()).unwrap();
        assert_eq!((found[0].0.as_str(), found[0].1.origin.as_str(), &found[0].1.body[..]), ("m-1", queue, &b"{}"[..]));
        assert_eq!(
            (found[1].0.as_str(), found[1].1.origin.as_str(), &found[1].1.body[..]),
            ("49", stream, &b"{\"a\":1}"[..])
        );
    }

    #[test]
    fn another_event_is_refused_and_not_repeated() {
        for (event, place) in [
            (json!({"source": "somebody"}), "column"),
            (json!({"Records": [{"eventSource": "aws:s3", "eventSourceARN": "arn:aws:s3:::somebody"}]}), "record 0"),
            (
                json!({"Records": [{"kinesis": {"sequenceNumber": "1", "data": "somebody"}, "eventSourceARN": "a"}]}),
                "record 0",
            ),
            (json!([]), "column"),
        ] {
            // A name of eight letters is also valid base64.
            let event = event.to_string().replace("\"data\":\"somebody\"", "\"data\":\"%\"");
            let refusal = batch(&event).unwrap_err().to_string();
            assert!(refusal.contains(place) && !refusal.contains("somebody"), "{refusal}");
        }
    }
}
