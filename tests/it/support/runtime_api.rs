//! Lambda as a function sees it: a Runtime API on loopback, and the real `bootstrap` as a process that asks it.

use std::collections::HashMap;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{self, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::Value;
use tempfile::NamedTempFile;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// Milliseconds that an event may take, as the template says.
const TIMEOUT_MS: i64 = 10_000;

/// A function that runs, and the service that hands it events.
pub struct Function {
    program: PathBuf,
    /// None: it was not started yet.
    process: Option<Child>,
    environment: Vec<(String, String)>,
    api: Arc<Api>,
    /// A file and no pipe: what it logged before it answered is there when the answer is.
    log: NamedTempFile,
    _tasks: JoinSet<()>,
}

/// Its answer: a response, or the error that it reported.
pub type Outcome = Result<Value, Value>;

struct Api {
    events: mpsc::UnboundedSender<Invocation>,
    waiting: tokio::sync::Mutex<mpsc::UnboundedReceiver<Invocation>>,
    answers: Mutex<HashMap<String, oneshot::Sender<Outcome>>>,
    invocations: Mutex<u32>,
    moments: Mutex<Moments>,
}

/// When what was last seen of a function happened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Moments {
    /// It asked for its first event: it is initialised.
    pub first_asked: Option<Instant>,
    /// Its last answer came.
    pub answered: Option<Instant>,
}

struct Invocation {
    id: String,
    event: String,
    deadline_ms: u128,
}

impl Function {
    /// Starts `bootstrap` with this environment and what Lambda adds.
    pub async fn start(environment: &[(&str, &str)]) -> Self {
        let mut function = Self::prepare(binary(), environment).await;
        function.run();
        function
    }

    /// The service for a function that does not run yet: an event may be waiting when it does.
    pub async fn prepare(program: PathBuf, environment: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (events, waiting) = mpsc::unbounded_channel();
        let api = Arc::new(Api {
            events,
            waiting: tokio::sync::Mutex::new(waiting),
            answers: Mutex::default(),
            invocations: Mutex::default(),
            moments: Mutex::default(),
        });
        let routes = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/{kind}", post(answered))
            .with_state(Arc::clone(&api));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, routes).await.unwrap() });
        let environment = with_lambda_s_own(environment, address);
        let log = NamedTempFile::new().unwrap();
        Self { program, process: None, environment, api, log, _tasks: tasks }
    }

    /// Starts the process; gives the moment before.
    pub fn run(&mut self) -> Instant {
        *self.api.moments.lock().unwrap() = Moments::default();
        let started = Instant::now();
        self.process = Some(spawn(&self.program, &self.environment, &self.log));
        started
    }

    /// The process's id, while it runs.
    #[allow(dead_code, reason = "for benches/lambda.rs")]
    pub fn process_id(&self) -> Option<u32> {
        self.process.as_ref()?.id()
    }

    #[allow(dead_code, reason = "for benches/lambda.rs")]
    pub fn moments(&self) -> Moments {
        *self.api.moments.lock().unwrap()
    }

    /// Kills the process, as Lambda does at a time-out, and starts another.
    pub async fn restart(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().await.unwrap();
        }
        self.run();
    }

    /// Hands in an event and waits for the answer.
    pub async fn invoke(&self, event: &Value) -> Outcome {
        self.invoke_within(event, TIMEOUT_MS).await
    }

    /// The same with another deadline, counted from now.
    pub async fn invoke_within(&self, event: &Value, timeout_ms: i64) -> Outcome {
        let answer = self.begin(event, timeout_ms);
        tokio::time::timeout(Duration::from_secs(30), answer).await.expect("an answer").unwrap()
    }

    /// Hands in an event.
    pub fn begin(&self, event: &Value, timeout_ms: i64) -> oneshot::Receiver<Outcome> {
        let id = {
            let mut invocations = self.api.invocations.lock().unwrap();
            *invocations += 1;
            format!("invocation-{invocations}")
        };
        let (answer, answered) = oneshot::channel();
        self.api.answers.lock().unwrap().insert(id.clone(), answer);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let deadline_ms = now.saturating_add_signed(timeout_ms.into());
        self.api.events.send(Invocation { id, event: event.to_string(), deadline_ms }).unwrap();
        answered
    }

    /// The lines that it has logged until now. Every line of the log is a JSON object.
    pub fn log(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.log.path()).unwrap();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let line = |line| serde_json::from_str(line).unwrap_or_else(|_| Value::String(format!("no JSON: {line}")));
        whole.lines().map(line).collect()
    }
}

fn with_lambda_s_own(environment: &[(&str, &str)], api: SocketAddr) -> Vec<(String, String)> {
    let api = api.to_string();
    let own = [
        ("AWS_LAMBDA_RUNTIME_API", api.as_str()),
        ("AWS_LAMBDA_FUNCTION_NAME", "rapport-test"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "group"),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "stream"),
    ];
    let all = own.iter().chain(environment);
    all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn spawn(program: &path::Path, environment: &[(String, String)], log: &NamedTempFile) -> Child {
    let log = File::options().append(true).open(log.path()).unwrap();
    Command::new(program)
        .env_clear()
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdout(Stdio::null())
        .stderr(Stdio::from(log))
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// The binary beside these tests, as `cargo test` of the whole workspace makes it.
pub fn binary() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let path = tests.parent().and_then(path::Path::parent).unwrap().join("bootstrap");
    assert!(path.exists(), "`{}` is not there; fix: `cargo build -p rapport-lambda` makes it", path.display());
    path
}

async fn next(State(api): State<Arc<Api>>) -> Response {
    api.moments.lock().unwrap().first_asked.get_or_insert_with(Instant::now);
    let Some(Invocation { id, event, deadline_ms }) = api.waiting.lock().await.recv().await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let headers = [
        ("lambda-runtime-aws-request-id", id),
        ("lambda-runtime-deadline-ms", deadline_ms.to_string()),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-west-1:1:function:rapport-test".to_owned()),
        ("lambda-runtime-trace-id", "Root=1-0-0".to_owned()),
        ("content-type", "application/json".to_owned()),
    ];
    (headers, event).into_response()
}

async fn answered(State(api): State<Arc<Api>>, Path((id, kind)): Path<(String, String)>, body: String) -> StatusCode {
    api.moments.lock().unwrap().answered = Some(Instant::now());
    let body = serde_json::from_str(&body).unwrap_or(Value::String(body));
    let outcome = if kind == "response" { Ok(body) } else { Err(body) };
    if let Some(answer) = api.answers.lock().unwrap().remove(&id) {
        // Nobody waits any more where a test has killed the process.
        let _ = answer.send(outcome);
    }
    StatusCode::ACCEPTED
}
