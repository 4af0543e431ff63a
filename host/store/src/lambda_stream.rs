//! The table's stream as Lambda hands it to a function: records in JSON, taken one by one, so that an odd one is odd alone.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use aws_sdk_dynamodb::types::AttributeValue;

use crate::error::StoreError;
use crate::events::{Logged, UnreadableEvent};
use crate::heads::Sequence;
use crate::items::{Item, b, n, s};
use crate::stream::{Inserted, InsertedIntent, Waiting};
use crate::table::Table;

/// What one record of a batch is.
#[derive(Debug)]
pub enum Record {
    /// An event was put.
    Event {
        /// The record's name for Lambda.
        number: String,
        /// Boxed: the other kinds are small.
        inserted: Box<Inserted>,
    },
    /// An intent was put: its conversation is to be looked at.
    Intent {
        /// The record's name for Lambda.
        number: String,
        inserted: InsertedIntent,
    },
    /// Something else happened in the table: nothing to do.
    Other,
    /// An event was put, and erased since: nothing to do.
    Gone,
    /// An event was put that cannot be read, and will not be readable when it comes again.
    Unreadable(UnreadableEvent),
    /// It is no record that can be read.
    Odd(StoreError),
}

impl Table {
    /// Reads one record of a batch.
    ///
    /// # Errors
    /// With the record's number: its event's payload is in the blob store, which does not answer, or the table does not. It
    /// is worth another try.
    pub async fn read_record(&self, json: &RawValue) -> Result<Record, (String, Waiting)> {
        let change = match Change::parse(json) {
            Ok(Some(change)) => change,
            Ok(None) => return Ok(Record::Other),
            Err(detail) => return Ok(Record::Odd(StoreError::corrupt("stream record", detail))),
        };
        let Change { number, image } = change;
        let image = match image.map_or(Ok(Item::new()), item) {
            Ok(image) if !self.is_event(&image) => {
                let inserted = self.inserted_intent(&image);
                return Ok(inserted.map_or(Record::Other, |inserted| Record::Intent { number, inserted }));
            }
            Ok(image) => image,
            Err(detail) => return Ok(Record::Odd(StoreError::corrupt(record_name(&number), detail))),
        };
        match self.read_inserted(&image).await {
            Ok(Some(Logged::Event(stored))) => {
                let inserted = Box::new(Inserted { sequence: Sequence::new(&number), stored: *stored });
                Ok(Record::Event { number, inserted })
            }
            Ok(Some(Logged::Unreadable(unreadable))) => Ok(Record::Unreadable(unreadable)),
            Ok(None) => Ok(Record::Gone),
            Err(waiting) => Err((number, waiting)),
        }
    }
}

/// An `INSERT`.
struct Change {
    number: String,
    image: Option<Map<String, Value>>,
}

impl Change {
    /// None: another kind of change.
    fn parse(json: &RawValue) -> Result<Option<Self>, String> {
        #[derive(Deserialize)]
        struct Record {
            #[serde(rename = "eventName")]
            name: String,
            dynamodb: StreamRecord,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct StreamRecord {
            sequence_number: String,
            new_image: Option<Map<String, Value>>,
        }
        // Where it stopped is said, and not what was there: it may be personal.
        let record: Record = serde_json::from_str(json.get())
            .map_err(|error| format!("no record of a DynamoDB stream, at column {}", error.column()))?;
        let StreamRecord { sequence_number: number, new_image: image } = record.dynamodb;
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("its `SequenceNumber` is not a number".to_owned());
        }
        Ok((record.name == "INSERT").then_some(Self { number, image }))
    }
}

fn record_name(number: &str) -> String {
    format!("stream record {number}")
}

/// An item of attributes in DynamoDB's JSON: `{"pk": {"S": "…"}}`.
fn item(image: Map<String, Value>) -> Result<Item, String> {
    image
        .into_iter()
        .map(|(name, attribute)| match value(&attribute) {
            Some(value) => Ok((name, value)),
            None => Err(format!("attribute `{name}` is of no type that an item of ours has")),
        })
        .collect()
}

fn value(attribute: &Value) -> Option<AttributeValue> {
    let (kind, value) = attribute.as_object().filter(|object| object.len() == 1)?.iter().next()?;
    match kind.as_str() {
        "S" => Some(s(value.as_str()?)),
        "N" => Some(n(value.as_str()?)),
        "B" => Some(b(STANDARD.decode(value.as_str()?).ok()?)),
        "SS" => {
            let texts = value.as_array()?.iter().map(|text| text.as_str().map(str::to_owned));
            Some(AttributeValue::Ss(texts.collect::<Option<_>>()?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(record: &Value) -> Result<Option<Change>, String> {
        Change::parse(&serde_json::value::to_raw_value(record).unwrap())
    }

    #[test]
    fn attributes_keep_their_types() {
        let image = json!({"pk": {"S": "a"}, "rcv": {"N": "12"}, "b": {"B": "AQI="}, "m": {"SS": ["x", "y"]}});
        let item = item(image.as_object().unwrap().clone()).unwrap();
        assert_eq!(item["rcv"], AttributeValue::N("12".into()));
        assert_eq!(item["b"].as_b().unwrap().as_ref(), [1, 2]);
        assert_eq!(item["m"].as_ss().unwrap().len(), 2);
        for odd in [json!({"S": 1}), json!({"B": "%"}), json!({"S": "a", "N": "1"}), json!({"L": []}), json!("a")] {
            assert_eq!(value(&odd), None, "{odd}");
        }
    }

    #[test]
    fn only_inserts_with_a_number_are_changes() {
        let record = |name: &str, number: Value| json!({"eventName": name, "dynamodb": {"SequenceNumber": number}});
        assert_eq!(parse(&record("INSERT", json!("12"))).unwrap().unwrap().number, "12");
        assert!(parse(&record("MODIFY", json!("12"))).unwrap().is_none());
        for odd in [record("INSERT", json!("")), record("INSERT", json!("1a")), record("INSERT", json!(1)), json!(7)] {
            assert!(parse(&odd).is_err(), "{odd}");
        }
        let secret = parse(&json!({"eventName": 7, "dynamodb": "somebody's name"})).err().unwrap();
        assert!(!secret.contains("somebody"), "{secret}");
    }
}
