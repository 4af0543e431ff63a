//! A DynamoDB in this very thread, one request at a time, in an order that a test decides.
//!
//! The real store code speaks through the real SDK to the real engine; only the socket between them is not there. Every
//! request waits at a gate, until a scheduler lets it through, and may be refused or lose its answer on the way.

use std::collections::BTreeMap;
use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region, StalledStreamProtectionConfig};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use dynoxide::Database;
use rapport_model::TenantKey;
use rapport_store::blobs::Blobs;
use rapport_store::{Access, Claim, Entropy, Table};
use serde_json::{Value, json};

use super::table::TABLE;

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fate {
    Done,
    /// It is refused, as another transaction holds an item.
    Conflict,
    /// It is refused, as there are too many.
    Throttled,
    /// It never arrives.
    Lost,
    /// It is done, and its answer never arrives.
    AnswerLost,
}

/// A request at the gate.
struct Waiting {
    operation: String,
    body: String,
    answer: Option<HttpResponse>,
    waker: Option<Waker>,
}

/// What one request consumed, as the database counts it (`ReturnConsumedCapacity`).
#[derive(Clone, Debug, PartialEq)]
pub struct Consumed {
    pub operation: String,
    /// The sort key of its first item.
    pub sk: String,
    pub units: f64,
}

#[derive(Default)]
struct State {
    waiting: BTreeMap<u64, Waiting>,
    next: u64,
    /// Keys of items that were written, since somebody last asked.
    written: Vec<(String, String)>,
    /// What requests consumed, since somebody last asked.
    consumed: Vec<Consumed>,
    /// While it is open, requests are done as they come.
    is_open: bool,
}

/// See the module's documentation.
#[derive(Clone)]
pub struct Engine {
    database: Database,
    state: Arc<Mutex<State>>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Engine")
    }
}

impl Engine {
    /// An empty table in memory, without a stream: nobody reads it.
    pub fn new() -> Self {
        let database = Database::memory().unwrap();
        let key = |name: &str, kind: &str| json!({"AttributeName": name, "KeyType": kind});
        let attribute = |name: &str| json!({"AttributeName": name, "AttributeType": "S"});
        let request = json!({
            "TableName": TABLE,
            "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [key("pk", "HASH"), key("sk", "RANGE")],
            "AttributeDefinitions": [attribute("pk"), attribute("sk")],
        });
        database.create_table(serde_json::from_value(request).unwrap()).unwrap();
        let state = State { is_open: true, ..State::default() };
        Self { database, state: Arc::new(Mutex::new(state)) }
    }

    /// A client of it. It asks once: what is refused comes back to whoever asked.
    pub fn client(&self) -> aws_sdk_dynamodb::Client {
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url("http://engine.invalid")
            .http_client(self.clone())
            // Nobody checks signatures here, and each costs as much as a request.
            .allow_no_auth()
            .auth_scheme_preference([aws_smithy_runtime_api::client::auth::AuthSchemeId::new("noAuth")])
            .region(Region::from_static("local"))
            .retry_config(RetryConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build();
        aws_sdk_dynamodb::Client::from_conf(config)
    }

    /// From now on every request waits.
    pub fn close_the_gate(&self) {
        self.state.lock().unwrap().is_open = false;
    }

    /// From now on none does.
    pub fn open_the_gate(&self) {
        self.state.lock().unwrap().is_open = true;
    }

    /// The requests that wait, oldest first, and what they ask for.
    pub fn waiting(&self) -> Vec<(u64, String)> {
        let state = self.state.lock().unwrap();
        let waiting = state.waiting.iter().filter(|(_, waiting)| waiting.answer.is_none());
        waiting.map(|(number, waiting)| (*number, waiting.operation.clone())).collect()
    }

    /// Lets one request through, or not.
    pub fn decide(&self, number: u64, fate: Fate) {
        let (operation, body) = {
            let mut state = self.state.lock().unwrap();
            let waiting = state.waiting.get_mut(&number).unwrap();
            (waiting.operation.clone(), std::mem::take(&mut waiting.body))
        };
        let answer = match fate {
            Fate::Done => self.perform(&operation, &body),
            Fate::Conflict => refusal(&operation),
            Fate::Throttled => answer(400, json!({"__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException"})),
            Fate::Lost => away(),
            Fate::AnswerLost => {
                self.perform(&operation, &body);
                away()
            }
        };
        let mut state = self.state.lock().unwrap();
        let waiting = state.waiting.get_mut(&number).unwrap();
        waiting.answer = Some(answer);
        if let Some(waker) = waiting.waker.take() {
            waker.wake();
        }
    }

    /// Keys of items that were written since the last time, each as (pk, sk).
    pub fn take_written(&self) -> Vec<(String, String)> {
        std::mem::take(&mut self.state.lock().unwrap().written)
    }

    /// An item as it is, past the gate.
    pub fn item(&self, pk: &str, sk: &str) -> Option<Value> {
        let request = json!({"TableName": TABLE, "Key": {"pk": {"S": pk}, "sk": {"S": sk}}});
        let response = self.database.get_item(serde_json::from_value(request).unwrap()).unwrap();
        serde_json::to_value(response).unwrap().get("Item").cloned()
    }

    /// Every item as it is, past the gate.
    pub fn items(&self) -> Vec<Value> {
        let request = json!({"TableName": TABLE});
        let response = self.database.scan(serde_json::from_value(request).unwrap()).unwrap();
        let response = serde_json::to_value(response).unwrap();
        assert!(response.get("LastEvaluatedKey").is_none_or(Value::is_null), "more than a page");
        response["Items"].as_array().unwrap().clone()
    }

    /// Changes an attribute of an item, as no one should.
    pub fn damage(&self, pk: &str, sk: &str, name: &str, value: &Value) {
        let request = json!({
            "TableName": TABLE,
            "Key": {"pk": {"S": pk}, "sk": {"S": sk}},
            "UpdateExpression": "SET #name = :value",
            "ExpressionAttributeNames": {"#name": name},
            "ExpressionAttributeValues": {":value": value},
        });
        self.database.update_item(serde_json::from_value(request).unwrap()).unwrap();
    }

    /// What requests consumed since the last time, in their order.
    pub fn take_consumed(&self) -> Vec<Consumed> {
        std::mem::take(&mut self.state.lock().unwrap().consumed)
    }

    /// Remembers what a request consumed.
    fn measure(&self, operation: &str, body: &str, response: &Value) {
        let request: Value = serde_json::from_str(body).unwrap();
        let first = request["TransactItems"][0].as_object().and_then(|item| item.values().next()).unwrap_or(&request);
        let key = first.get("Key").or(first.get("Item")).unwrap_or(&Value::Null);
        let sk = key["sk"]["S"].as_str().unwrap_or_default().to_owned();
        let all = [&response["ConsumedCapacity"]].into_iter();
        let all: Vec<&Value> =
            all.flat_map(|one| one.as_array().map_or_else(|| vec![one], |many| many.iter().collect())).collect();
        let units = all.iter().filter_map(|one| one["CapacityUnits"].as_f64()).sum();
        self.state.lock().unwrap().consumed.push(Consumed { operation: operation.to_owned(), sk, units });
    }

    fn perform(&self, operation: &str, body: &str) -> HttpResponse {
        let mut request: Value = serde_json::from_str(body).unwrap();
        request["ReturnConsumedCapacity"] = json!("TOTAL");
        let measured = request.to_string();
        macro_rules! call {
            ($method:ident) => {
                match serde_json::from_str(&measured) {
                    Ok(request) => self.database.$method(request).map(|done| serde_json::to_value(done).unwrap()),
                    Err(error) => panic!("{operation}: {error}"),
                }
            };
        }
        let done = match operation {
            "GetItem" => call!(get_item),
            "PutItem" => call!(put_item),
            "UpdateItem" => call!(update_item),
            "DeleteItem" => call!(delete_item),
            "Query" => call!(query),
            "Scan" => call!(scan),
            "BatchGetItem" => call!(batch_get_item),
            "BatchWriteItem" => call!(batch_write_item),
            "TransactWriteItems" => call!(transact_write_items),
            other => panic!("the engine does not know `{other}`"),
        };
        match done {
            Ok(response) => {
                self.note(operation, body);
                self.measure(operation, body, &response);
                answer(200, response)
            }
            Err(error) => answer(error.status_code(), serde_json::from_str(&error.to_json()).unwrap()),
        }
    }

    /// Remembers which items a request has written.
    fn note(&self, operation: &str, body: &str) {
        let request: Value = serde_json::from_str(body).unwrap();
        let key = |action: &Value| {
            let key = action.get("Key").or(action.get("Item")).unwrap();
            let part = |name: &str| key[name]["S"].as_str().unwrap().to_owned();
            (part("pk"), part("sk"))
        };
        let keys: Vec<(String, String)> = match operation {
            "PutItem" | "UpdateItem" | "DeleteItem" => vec![key(&request)],
            "TransactWriteItems" => {
                let items = request["TransactItems"].as_array().unwrap().iter();
                let actions = items.flat_map(|item| item.as_object().unwrap());
                actions.filter(|(name, _)| *name != "ConditionCheck").map(|(_, action)| key(action)).collect()
            }
            _ => return,
        };
        self.state.lock().unwrap().written.extend(keys);
    }
}

impl HttpClient for Engine {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Engine {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap();
        let operation = target.rsplit('.').next().unwrap().to_owned();
        let body = String::from_utf8(request.body().bytes().unwrap().to_vec()).unwrap();
        let is_open = self.state.lock().unwrap().is_open;
        if is_open {
            return HttpConnectorFuture::ready(Ok(self.perform(&operation, &body)));
        }
        let mut state = self.state.lock().unwrap();
        let number = state.next;
        state.next += 1;
        state.waiting.insert(number, Waiting { operation, body, answer: None, waker: None });
        HttpConnectorFuture::new(Passage { engine: self.clone(), number })
    }
}

/// The store over an engine, for a tenant of its own. Its randomness never repeats, and asks nobody to wait.
pub async fn table_of(engine: &Engine, tenant: String, blobs: Blobs) -> Table {
    // A multiple of every bound that a wait has; below the bits that tell ids apart.
    const NO_WAIT: u128 = 250 * 1024;
    let drawn = Arc::new(AtomicU64::new(1));
    let streams = aws_sdk_dynamodbstreams::Config::builder()
        .behavior_version(aws_sdk_dynamodbstreams::config::BehaviorVersion::latest())
        .region(aws_sdk_dynamodbstreams::config::Region::from_static("local"))
        .http_client(engine.clone())
        .build();
    let access = Access {
        dynamodb: engine.client(),
        streams: aws_sdk_dynamodbstreams::Client::from_conf(streams),
        table: TABLE.to_owned(),
        tenant,
        tenant_key: TenantKey::new(&[7; 32]).unwrap(),
        blobs,
        entropy: Entropy::of(move || u128::from(drawn.fetch_add(1, Ordering::Relaxed)) * NO_WAIT),
    };
    engine.open_the_gate();
    Table::attach(access, None, Claim::IfFree).await.unwrap()
}

/// A request's way through the gate.
struct Passage {
    engine: Engine,
    number: u64,
}

impl Future for Passage {
    type Output = Result<HttpResponse, aws_smithy_runtime_api::client::result::ConnectorError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.engine.state.lock().unwrap();
        let waiting = state.waiting.get_mut(&self.number).unwrap();
        match waiting.answer.take() {
            Some(answer) => {
                state.waiting.remove(&self.number);
                Poll::Ready(Ok(answer))
            }
            None => {
                waiting.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        self.engine.state.lock().unwrap().waiting.remove(&self.number);
    }
}

fn answer(status: u16, body: Value) -> HttpResponse {
    HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body.to_string()))
}

fn away() -> HttpResponse {
    answer(500, json!({"__type": "com.amazonaws.dynamodb.v20120810#InternalServerError", "message": "lost"}))
}

fn refusal(operation: &str) -> HttpResponse {
    let kind = match operation {
        "TransactWriteItems" => "TransactionCanceledException",
        _ => "TransactionConflictException",
    };
    answer(
        400,
        json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{kind}"), "message": "[TransactionConflict]"}),
    )
}

/// Runs tasks together, step by step, in an order that `choose` decides. Every task is polled until it waits at the gate;
/// then `choose` is given the waiting requests, and decides one of them, or breaks off. Ends when all tasks are done.
pub fn interleave(
    engine: &Engine,
    mut tasks: Vec<Pin<Box<dyn Future<Output = ()> + '_>>>,
    mut choose: impl FnMut(&[(u64, String)]) -> ControlFlow<()>,
) {
    let mut context = Context::from_waker(Waker::noop());
    loop {
        tasks.retain_mut(|task| task.as_mut().poll(&mut context).is_pending());
        if tasks.is_empty() {
            return;
        }
        let waiting = engine.waiting();
        assert!(!waiting.is_empty(), "a task waits for something other than the table");
        if choose(&waiting).is_break() {
            return;
        }
    }
}
