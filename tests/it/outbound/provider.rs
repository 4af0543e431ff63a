//! A provider on loopback with a ledger: what it has taken, in the order in which it came.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What it does with a request.
#[derive(Clone, Debug)]
pub enum Act {
    /// Takes it, and says so.
    Take,
    /// Takes it, and the connection breaks.
    TakeAndBreak,
    /// Takes it, and answers this status.
    TakeAndAnswer(u16),
    /// Takes it, and never answers.
    TakeAndHang,
    /// Does not take it, and answers this status with these header fields.
    Refuse(u16, &'static str),
}

/// One message that it has.
#[derive(Clone, Debug, PartialEq)]
pub struct Taken {
    pub id: String,
    pub reference: String,
    pub text: String,
}

#[derive(Default)]
struct State {
    acts: VecDeque<Act>,
    ledger: Vec<Taken>,
    /// The first line of each request, and its body.
    requests: Vec<(String, Vec<u8>)>,
}

/// See the module's documentation.
pub struct Provider {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    _tasks: JoinSet<()>,
}

impl Provider {
    /// Takes everything, until it is told otherwise.
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let mut tasks = JoinSet::new();
        let shared = Arc::clone(&state);
        tasks.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self { address, state, _tasks: tasks }
    }

    /// What it does with the next requests for messages; after them it takes everything.
    pub fn next(&self, acts: impl IntoIterator<Item = Act>) {
        self.state.lock().unwrap().acts.extend(acts);
    }

    pub fn ledger(&self) -> Vec<Taken> {
        self.state.lock().unwrap().ledger.clone()
    }

    /// The texts in the ledger, in their order.
    pub fn texts(&self) -> Vec<String> {
        self.ledger().into_iter().map(|taken| taken.text).collect()
    }

    /// The first line of each request.
    pub fn requests(&self) -> Vec<String> {
        self.state.lock().unwrap().requests.iter().map(|(line, _)| line.clone()).collect()
    }

    /// Waits until its ledger has so many.
    pub async fn has(&self, many: usize) {
        for _ in 0..2_000 {
            if self.ledger().len() >= many {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the provider has {:?}, not {many}", self.ledger());
    }
}

async fn serve(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    let Some((line, body)) = read(&mut stream).await else { return };
    state.lock().unwrap().requests.push((line.clone(), body.clone()));
    if line.starts_with("GET /v1/media/") {
        return answer(&mut stream, 200, "content-type: image/png\r\n", b"png").await;
    }
    if line.starts_with("POST /v1/media ") {
        return answer(&mut stream, 200, "", br#"{"id":"media-1"}"#).await;
    }
    if line.starts_with("POST /v1/read ") {
        return answer(&mut stream, 200, "", b"{}").await;
    }
    let act = state.lock().unwrap().acts.pop_front().unwrap_or(Act::Take);
    if let Act::Refuse(status, fields) = act {
        return answer(&mut stream, status, fields, br#"{"error":"no"}"#).await;
    }
    let id = take(&state, &body);
    match act {
        Act::TakeAndBreak => {}
        Act::TakeAndHang => tokio::time::sleep(Duration::from_secs(600)).await,
        Act::TakeAndAnswer(status) => answer(&mut stream, status, "", b"{}").await,
        Act::Take | Act::Refuse(..) => {
            answer(&mut stream, 200, "content-type: application/json\r\n", json!({"id": id}).to_string().as_bytes())
                .await;
        }
    }
}

fn take(state: &Mutex<State>, body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).unwrap();
    let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
    let mut state = state.lock().unwrap();
    let id = format!("m{}", state.ledger.len() + 1);
    let taken = Taken { id: id.clone(), reference: text("reference"), text: text("text") };
    state.ledger.push(taken);
    id
}

/// The first line and the body of a request.
pub(super) async fn read(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    while bytes.len() < end + length.unwrap_or(0) {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    Some((head.lines().next()?.to_owned(), bytes.split_off(end)))
}

pub(super) async fn answer(stream: &mut TcpStream, status: u16, fields: &str, body: &[u8]) {
    let head = format!("HTTP/1.1 {status} X\r\n{fields}content-length: {}\r\nconnection: close\r\n\r\n", body.len());
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(body).await;
    let _ = stream.shutdown().await;
}
