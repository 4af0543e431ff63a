//! The two AWS services that are asked by hand, as far as they are asked: a secret of Secrets Manager, objects of S3.

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

/// Both services behind one address. They end when this is dropped.
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
}

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
    let service = if target.is_empty() { "s3" } else { "secretsmanager" };
    let signed = format!("/eu-west-1/{service}/aws4_request, SignedHeaders=");
    if !authorization.contains(&signed) || header("x-amz-security-token") != "token" {
        return (StatusCode::FORBIDDEN, "not signed").into_response();
    }
    if counted_down(&kept.failing) {
        return (StatusCode::SERVICE_UNAVAILABLE, "<Error><Code>SlowDown</Code></Error>").into_response();
    }
    match (method, target) {
        (Method::POST, "secretsmanager.GetSecretValue") => secret(&kept, &body),
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
