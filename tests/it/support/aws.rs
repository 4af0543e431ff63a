//! The AWS services that are asked by hand, as far as they are asked: a secret of Secrets Manager, objects of S3, messages to a queue
//! of SQS, keys of a role by STS.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// All services behind one address. They end when this is dropped.
pub struct Services {
    pub address: SocketAddr,
    kept: Arc<Kept>,
    _task: JoinSet<()>,
}

struct Kept {
    /// The one secret's text.
    secret: Mutex<String>,
    /// By path.
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
    /// What each request was, in order: to a service, or to an object.
    asked: Mutex<Vec<String>>,
    /// How many of the next requests fail.
    failing: Mutex<u32>,
    /// How many of the next requests for an object are refused.
    denying: Mutex<u32>,
    /// How long an object takes.
    pace: Mutex<Duration>,
    /// Messages to the queue, as they were sent.
    queue: Mutex<Vec<Value>>,
    /// How many of the next messages to the queue fail.
    blocking: Mutex<u32>,
}

/// The URL of the one queue.
pub const QUEUE: &str = "https://sqs.eu-west-1.amazonaws.com/111122223333/rapport-wakes";
/// The one role that may be assumed.
pub const SIGNING_ROLE: &str = "arn:aws:iam::111122223333:role/rapport-signing";

impl Services {
    pub async fn start(secret: &Value) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let kept = Arc::new(Kept {
            secret: Mutex::new(secret.to_string()),
            objects: Mutex::default(),
            asked: Mutex::default(),
            failing: Mutex::default(),
            denying: Mutex::default(),
            pace: Mutex::default(),
            queue: Mutex::default(),
            blocking: Mutex::default(),
        });
        let routes = Router::new().fallback(answer).with_state(Arc::clone(&kept));
        let mut task = JoinSet::new();
        task.spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { address, kept, _task: task }
    }

    pub fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        self.kept.objects.lock().unwrap().clone()
    }

    /// Somebody else puts an object: its path is bucket and key, as in a URL.
    pub fn put_object(&self, path: &str, bytes: &[u8]) {
        self.kept.objects.lock().unwrap().insert(path.to_owned(), bytes.to_vec());
    }

    pub fn put_secret(&self, secret: &Value) {
        *self.kept.secret.lock().unwrap() = secret.to_string();
    }

    /// Takes the messages that wait in the queue: `MessageBody`, `DelaySeconds`, `MessageGroupId`, `QueueUrl`.
    pub fn take_queue(&self) -> Vec<Value> {
        std::mem::take(&mut *self.kept.queue.lock().unwrap())
    }

    /// Answers as many messages to the queue with 503.
    pub fn block_queue(&self, requests: u32) {
        *self.kept.blocking.lock().unwrap() = requests;
    }

    pub fn asked(&self) -> Vec<String> {
        self.kept.asked.lock().unwrap().clone()
    }

    /// Takes this long for every object that is read.
    pub fn take(&self, pace: Duration) {
        *self.kept.pace.lock().unwrap() = pace;
    }

    /// Refuses as many requests for objects, as S3 does without the permission.
    pub fn deny(&self, requests: u32) {
        *self.kept.denying.lock().unwrap() = requests;
    }

    /// Somebody deletes every object.
    pub fn forget(&self) {
        self.kept.objects.lock().unwrap().clear();
    }

    /// Answers as many requests with 503.
    pub fn fail(&self, requests: u32) {
        *self.kept.failing.lock().unwrap() = requests;
    }
}

/// Whether there is one left; then there is one less.
fn counted_down(left: &Mutex<u32>) -> bool {
    let mut left = left.lock().unwrap();
    let is_one = *left > 0;
    *left = left.saturating_sub(1);
    is_one
}

async fn answer(State(kept): State<Arc<Kept>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let target = header("x-amz-target");
    kept.asked.lock().unwrap().push(format!("{method} {uri}{target}"));
    let authorization = header("authorization");
    let is_form = header("content-type") == "application/x-www-form-urlencoded";
    let service = match target.split_once('.') {
        Some(("AmazonSQS", _)) => "sqs",
        Some(_) => "secretsmanager",
        None if is_form => "sts",
        None => "s3",
    };
    let signed = format!("/eu-west-1/{service}/aws4_request, SignedHeaders=");
    if !authorization.contains(&signed) || header("x-amz-security-token") != "token" {
        return (StatusCode::FORBIDDEN, "not signed").into_response();
    }
    if counted_down(&kept.failing) {
        return (StatusCode::SERVICE_UNAVAILABLE, "<Error><Code>SlowDown</Code></Error>").into_response();
    }
    match (method, target) {
        (Method::POST, "secretsmanager.GetSecretValue") => secret(&kept, &body),
        (Method::POST, "AmazonSQS.SendMessage") => message(&kept, &body),
        (Method::POST, "") if is_form => role(&body),
        (Method::PUT, "") => {
            kept.objects.lock().unwrap().insert(uri.path().to_owned(), body.to_vec());
            StatusCode::OK.into_response()
        }
        (Method::DELETE, "") => {
            kept.objects.lock().unwrap().remove(uri.path());
            StatusCode::NO_CONTENT.into_response()
        }
        (Method::GET, "") if counted_down(&kept.denying) => {
            (StatusCode::FORBIDDEN, "<Error><Code>AccessDenied</Code></Error>").into_response()
        }
        (Method::GET, "") => {
            let pace = *kept.pace.lock().unwrap();
            tokio::time::sleep(pace).await;
            object(&kept, &uri)
        }
        _ => StatusCode::BAD_REQUEST.into_response(),
    }
}

fn object(kept: &Kept, uri: &Uri) -> Response {
    match kept.objects.lock().unwrap().get(uri.path()) {
        Some(object) => object.clone().into_response(),
        None => (StatusCode::NOT_FOUND, "<Error><Code>NoSuchKey</Code></Error>").into_response(),
    }
}

fn secret(kept: &Kept, body: &[u8]) -> Response {
    let asked: Value = serde_json::from_slice(body).unwrap_or_default();
    if asked["SecretId"] != "rapport-secrets" {
        let refusal = json!({"__type": "ResourceNotFoundException", "Message": "can't find the specified secret"});
        return (StatusCode::BAD_REQUEST, axum::Json(refusal)).into_response();
    }
    axum::Json(json!({"Name": "rapport-secrets", "SecretString": *kept.secret.lock().unwrap()})).into_response()
}

fn message(kept: &Kept, body: &[u8]) -> Response {
    let message: Value = serde_json::from_slice(body).unwrap_or_default();
    if counted_down(&kept.blocking) {
        return (StatusCode::SERVICE_UNAVAILABLE, axum::Json(json!({"__type": "ServiceUnavailable"}))).into_response();
    }
    if message["QueueUrl"] != QUEUE {
        let refusal = json!({"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "it does not exist"});
        return (StatusCode::BAD_REQUEST, axum::Json(refusal)).into_response();
    }
    kept.queue.lock().unwrap().push(message);
    axum::Json(json!({"MessageId": "m", "MD5OfMessageBody": "-"})).into_response()
}

fn role(body: &[u8]) -> Response {
    let asked = String::from_utf8_lossy(body);
    if !asked.contains(&SIGNING_ROLE.replace(':', "%3A").replace('/', "%2F")) {
        let refusal = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>";
        return (StatusCode::FORBIDDEN, refusal).into_response();
    }
    let keys = "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIASIGNING</AccessKeyId>\
        <SecretAccessKey>signing-secret</SecretAccessKey><SessionToken>signing-token</SessionToken>\
        </Credentials></AssumeRoleResult></AssumeRoleResponse>";
    keys.into_response()
}
