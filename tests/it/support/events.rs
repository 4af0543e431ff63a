//! Events in the shapes that AWS publishes.

use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde_json::{Map, Value, json};

use super::{Item, Text, app_secret, hex, is_event};

/// How a request reaches the function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    FunctionUrl,
    /// An HTTP API at its own address, in its default stage.
    HttpApi,
    /// In the stage `prod`, at its own address.
    Stage,
    /// In the stage `prod`, behind a domain of the operator's.
    Domain,
}

/// A request as the provider sends it.
#[derive(Clone)]
pub struct Sent {
    pub method: String,
    pub path: String,
    pub query: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub coding: Coding,
}

/// How the event holds the body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    Text,
    Base64,
}

impl Sent {
    pub fn new(method: &str, path: &str, query: &str) -> Self {
        let (method, path, query) = (method.to_owned(), path.to_owned(), query.to_owned());
        Self { method, path, query, headers: vec![], body: vec![], coding: Coding::Text }
    }

    /// API Gateway encodes what it does not take for text.
    pub fn in_base64(self) -> Self {
        Self { coding: Coding::Base64, ..self }
    }

    /// The event that the function gets.
    pub fn through(self, door: Door) -> Value {
        let (id, domain, stage) = match door {
            Door::FunctionUrl => ("urlid", "urlid.lambda-url.eu-west-1.on.aws", "$default"),
            Door::HttpApi => ("abcdefghij", "abcdefghij.execute-api.eu-west-1.amazonaws.com", "$default"),
            Door::Stage => ("abcdefghij", "abcdefghij.execute-api.eu-west-1.amazonaws.com", "prod"),
            Door::Domain => ("abcdefghij", "hooks.example.com", "prod"),
        };
        let path = if stage == "prod" { format!("/prod{}", self.path) } else { self.path };
        let (headers, cookies) = fields(domain, self.headers);
        let (body, is_encoded) = match String::from_utf8(self.body) {
            Ok(text) if self.coding == Coding::Text => (text, false),
            Ok(text) => (STANDARD.encode(text), true),
            Err(bytes) => (STANDARD.encode(bytes.as_bytes()), true),
        };
        json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": self.query,
            "headers": headers,
            "cookies": cookies,
            "requestContext": {
                "accountId": "anonymous",
                "apiId": id,
                "domainName": domain,
                "domainPrefix": domain.split('.').next().unwrap(),
                "http": {
                    "method": self.method,
                    "path": path,
                    "protocol": "HTTP/1.1",
                    "sourceIp": "192.0.2.1",
                    "userAgent": "test",
                },
                "requestId": "JKJaXmPLvHcESHA=",
                "routeKey": "$default",
                "stage": stage,
                "time": "10/Mar/2026:05:16:23 +0000",
                "timeEpoch": 1_773_119_783_000_u64,
            },
            "body": body,
            "isBase64Encoded": is_encoded,
        })
    }

    /// What stands in a request line.
    pub fn target(&self) -> String {
        if self.query.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, self.query) }
    }

    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// Header fields as payload 2.0 has them: names in lower case, repeated ones joined, cookies apart.
fn fields(domain: &str, sent: Vec<(String, String)>) -> (Map<String, Value>, Vec<String>) {
    let mut fields =
        Map::from_iter([("host".to_owned(), json!(domain)), ("x-forwarded-proto".to_owned(), json!("https"))]);
    let mut cookies = Vec::new();
    for (name, value) in sent {
        match (name.to_lowercase(), fields.get(&name.to_lowercase())) {
            (name, _) if name == "cookie" => cookies.extend(value.split("; ").map(str::to_owned)),
            (name, Some(earlier)) => {
                let joined = format!("{},{value}", earlier.as_str().unwrap());
                fields.insert(name, json!(joined));
            }
            (name, None) => drop(fields.insert(name, json!(value))),
        }
    }
    (fields, cookies)
}

/// A customer's text, signed as Meta does.
pub fn text_webhook(text: &Text) -> Sent {
    signed(&text.webhook(), app_secret())
}

/// A body for the connection `wa-eu`, signed as Meta does with a secret.
pub fn signed(body: &[u8], secret: &str) -> Sent {
    let signature = hex(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), body);
    let sent = Sent { body: body.to_vec(), ..Sent::new("POST", "/hooks/wa-eu", "") };
    sent.with_header("content-type", "application/json")
        .with_header("x-hub-signature-256", &format!("sha256={signature}"))
}

/// The events of a table as the stream would bring them.
pub fn records(items: &[Item]) -> Vec<Value> {
    let numbered = items.iter().filter(|item| is_event(item)).zip(1..);
    let numbers = |n: u32| format!("{}{n:04}", "49590338271490256608559692538361571095921575989136588898");
    numbered.map(|(item, n)| record(&numbers(n)[30..], &image(item))).collect()
}

/// The messages to send of a table, likewise.
pub fn records_of_intents(items: &[Item]) -> Vec<Value> {
    let is_intent = |item: &&Item| super::text(item, "sk").starts_with("O#");
    items.iter().filter(is_intent).zip(1..).map(|(item, n)| record(&format!("7{n:04}"), &image(item))).collect()
}

/// One `INSERT`.
pub fn record(number: &str, image: &Value) -> Value {
    json!({
        "eventID": format!("id-{number}"),
        "eventName": "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "eu-west-1",
        "dynamodb": {
            "ApproximateCreationDateTime": 1_773_119_783.0,
            "Keys": {"pk": image["pk"], "sk": image["sk"]},
            "NewImage": image,
            "SequenceNumber": number,
            "SizeBytes": 26,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
        "eventSourceARN": "arn:aws:dynamodb:eu-west-1:123456789012:table/rapport/stream/2026-03-10T00:00:00.000",
    })
}

pub fn batch(records: impl IntoIterator<Item = Value>) -> Value {
    json!({"Records": records.into_iter().collect::<Vec<_>>()})
}

fn image(item: &Item) -> Value {
    let attribute = |(name, value): (&String, &AttributeValue)| {
        let value = match value {
            AttributeValue::S(text) => json!({"S": text}),
            AttributeValue::N(number) => json!({"N": number}),
            AttributeValue::B(bytes) => json!({"B": STANDARD.encode(bytes.as_ref())}),
            other => panic!("attribute `{name}` of an event: {other:?}"),
        };
        (name.clone(), value)
    };
    Value::Object(item.iter().map(attribute).collect())
}
