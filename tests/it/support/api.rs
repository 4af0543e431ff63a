//! The API without a socket: the real router over the real store and an engine in this thread.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use rapport_model::event::{Attestation, Identifier};
use rapport_model::identity::{Evidence, Named, Rule, Source};
use rapport_model::{Basis, EndpointKey, TenantKey};
use rapport_store::blobs::Blobs;
use rapport_store::identity::Party;
use rapport_store::{Access, Claim, Entropy, Table};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::engine::Engine;
use super::{API_KEY, NOW, TABLE, gateway_at};

/// Bytes of an answer: as many as a Lambda function may answer.
const ANSWER_BYTES_MAX: usize = 6 << 20;

/// A clock that moves a millisecond with each look, for all tests together.
fn tick() -> u64 {
    static TICKS: AtomicU64 = AtomicU64::new(0);
    NOW + TICKS.fetch_add(1, Ordering::Relaxed)
}

/// See the module's documentation.
pub struct Api {
    pub table: Table,
    pub engine: Engine,
    router: Router,
}

/// An answer of the router.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Value,
}

impl Api {
    /// Over an empty table.
    pub async fn new() -> Self {
        let engine = Engine::new();
        let table = table(&engine).await;
        Self { router: gateway_at(table.clone(), [], tick).router(), table, engine }
    }

    /// A request as it is.
    pub async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let header = |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
            (name.as_str().to_owned(), value.to_str().unwrap().to_owned())
        };
        let headers = response.headers().iter().map(header).collect();
        let bytes = to_bytes(response.into_body(), ANSWER_BYTES_MAX).await.unwrap();
        Reply { status, headers, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) }
    }

    /// A request with the API key, and with a body of JSON if there is any.
    pub async fn call(&self, method: &str, target: &str, body: Option<Value>) -> Reply {
        let request =
            Request::builder().method(method).uri(target).header("authorization", format!("Bearer {API_KEY}"));
        let request = match body {
            Some(body) => request.header("content-type", "application/json").body(Body::from(body.to_string())),
            None => request.body(Body::empty()),
        };
        self.send(request.unwrap()).await
    }

    /// The body of an answer that must be of this status.
    pub async fn expect(&self, status: u16, (method, target): (&str, &str), body: Option<Value>) -> Value {
        let reply = self.call(method, target, body).await;
        assert_eq!(reply.status, status, "{method} {target}: {reply:?}");
        reply.body
    }

    /// The profile of an identifier.
    pub async fn look_up(&self, scheme: &str, value: &str) -> Value {
        let target = format!("/v1/profiles/lookup?scheme={scheme}&value={}", escaped(value));
        self.expect(200, ("GET", &target), None).await
    }

    /// Makes an endpoint known, as an event does.
    pub async fn seen(&self, scheme: &str, value: &str) -> Party {
        let key = EndpointKey { scheme: scheme.into(), scope: None, value: value.into() };
        let attestation = Attestation::Provider;
        let identifier = Identifier { scheme: scheme.into(), scope: None, value: value.into(), attestation };
        let named = Named { eid: self.table.eid(&key), key, identifier, basis: Basis::Proven };
        self.table.put_endpoint(&named, NOW, NOW).await.unwrap();
        Party::from(&named)
    }

    /// An event that names both.
    pub async fn said(&self, a: &Party, b: &Party, attestation: Attestation) {
        let evidence = self.evidence(a, b, attestation);
        match attestation {
            Attestation::Provider | Attestation::Signature => drop(self.table.prove(a, b, &evidence).await.unwrap()),
            _ => drop(self.table.suggest(a, b, &evidence).await.unwrap()),
        }
    }

    fn evidence(&self, a: &Party, b: &Party, attestation: Attestation) -> Evidence {
        let key = self.table.tenant_key().event_key(NOW, a.eid.as_str(), b.eid.as_str()).unwrap();
        let source = Source::Event { key, attestation };
        Evidence { rule: Rule::SamePayload, source, at: NOW, last: NOW, old: None, now: NOW }
    }
}

/// An identifier of a request.
pub fn identifier(scheme: &str, value: &str) -> Value {
    json!({"scheme": scheme, "value": value})
}

/// Everything but letters and digits as `%XX`.
pub fn escaped(text: &str) -> String {
    let escape =
        |byte: u8| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(escape).collect()
}

async fn table(engine: &Engine) -> Table {
    let drawn = AtomicU64::new(1);
    let streams = aws_sdk_dynamodbstreams::Config::builder()
        .behavior_version(aws_sdk_dynamodbstreams::config::BehaviorVersion::latest())
        .region(aws_sdk_dynamodbstreams::config::Region::from_static("local"))
        .http_client(engine.clone())
        .build();
    let access = Access {
        dynamodb: engine.client(),
        streams: aws_sdk_dynamodbstreams::Client::from_conf(streams),
        table: TABLE.to_owned(),
        tenant: "main".to_owned(),
        tenant_key: TenantKey::new(&[7; 32]).unwrap(),
        blobs: Blobs::in_folder(std::env::temp_dir()),
        entropy: Entropy::of(move || u128::from(drawn.fetch_add(1, Ordering::Relaxed)) << 20),
    };
    engine.open_the_gate();
    Table::attach(access, None, Claim::IfFree).await.unwrap()
}
