//! A way to the database on which things go wrong, as they do between a function and DynamoDB.
//!
//! It reads whole requests and answers, so it knows what it breaks: a request that never arrived, or one whose answer is
//! lost after it was done. What happens to the `n`th request follows from the seed.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The table's capacity is used up.
    Throughput,
    /// The account's requests are.
    Throttling,
    /// Another transaction has the item, or says so.
    Conflict,
    /// DynamoDB's own failure.
    Internal,
    /// The connection ends before the request is done.
    Reset,
    /// It is done, and the connection ends before its answer.
    LostAnswer,
    /// It is done, and the connection ends within its answer.
    CutAnswer,
}

/// The order in which they come, over and over: those that leave it open what was done twice as often.
const ORDER: [Fault; 10] = [
    Fault::LostAnswer,
    Fault::Conflict,
    Fault::Reset,
    Fault::CutAnswer,
    Fault::Throughput,
    Fault::LostAnswer,
    Fault::Internal,
    Fault::Conflict,
    Fault::CutAnswer,
    Fault::Throttling,
];

/// How bad it is.
#[derive(Clone, Copy)]
pub struct Weather {
    /// Of 1,000 requests, how many meet a fault.
    pub per_mille: u64,
    /// Of every [`EPISODE`] requests, how many are throttled one after the other: retries do not get over it.
    pub throttled: u64,
}

/// A proxy between a function and its table. It ends when it is dropped.
pub struct Faults {
    pub address: SocketAddr,
    state: Arc<State>,
    _tasks: JoinSet<()>,
}

struct State {
    target: SocketAddr,
    weather: Weather,
    course: Mutex<Course>,
}

/// What happened until now, and with it what happens next.
struct Course {
    random: u64,
    requests: u64,
    /// The place in [`ORDER`].
    next: usize,
    fired: BTreeMap<Fault, u64>,
    /// By operation.
    asked: BTreeMap<String, u64>,
}

/// Nothing goes wrong.
pub const CLEAR: Weather = Weather { per_mille: 0, throttled: 0 };

/// Requests from one episode of throttling to the next.
const EPISODE: u64 = 100;

impl Faults {
    /// A proxy in front of `target`. What happens to the `n`th request follows from the seed.
    pub async fn between(target: SocketAddr, weather: Weather, seed: u64) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let course =
            Mutex::new(Course { random: seed, requests: 0, next: 0, fired: BTreeMap::new(), asked: BTreeMap::new() });
        let state = Arc::new(State { target, weather, course });
        let mut tasks = JoinSet::new();
        let of_connections = Arc::clone(&state);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&of_connections)));
            }
        });
        Self { address, state, _tasks: tasks }
    }

    /// Which operations were asked for, and how often.
    pub fn asked(&self) -> BTreeMap<String, u64> {
        self.state.course.lock().unwrap().asked.clone()
    }

    /// What happened, and how often.
    pub fn fired(&self) -> BTreeMap<Fault, u64> {
        self.state.course.lock().unwrap().fired.clone()
    }
}

impl State {
    /// What happens to the next request.
    fn next(&self, operation: &str) -> Option<Fault> {
        let mut course = self.course.lock().unwrap();
        course.requests += 1;
        *course.asked.entry(operation.to_owned()).or_default() += 1;
        let fault = match EPISODE - course.requests % EPISODE <= self.weather.throttled {
            true => Fault::Throughput,
            false if random(&mut course.random) % 1_000 >= self.weather.per_mille => return None,
            false => {
                // Only writes conflict.
                let fits = |fault: &Fault| *fault != Fault::Conflict || WRITES.contains(&operation);
                let (at, fault) =
                    (course.next..).map(|at| (at, ORDER[at % ORDER.len()])).find(|(_, fault)| fits(fault))?;
                course.next = at + 1;
                fault
            }
        };
        *course.fired.entry(fault).or_default() += 1;
        Some(fault)
    }
}

const WRITES: [&str; 5] = ["PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "BatchWriteItem"];

/// SplitMix64.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// One connection of the client's, request by request, until either side has enough.
async fn serve(mut client: TcpStream, state: Arc<State>) {
    let mut read = Vec::new();
    while let Ok(request) = message(&mut client, &mut read).await {
        let operation = operation(&request);
        let fault = state.next(&operation);
        let lost = match fault {
            None => pass(&mut client, &state, &request).await,
            Some(Fault::Reset) => Err(lost()),
            Some(Fault::LostAnswer) => forward(state.target, &request).await.and(Err(lost())),
            Some(Fault::CutAnswer) => cut(&mut client, &state, &request).await,
            Some(refusal) => client.write_all(&refused(refusal, &operation, &request)).await,
        };
        if lost.is_err() {
            // A reset, and no end as of a server that is done.
            let _ = client.set_zero_linger();
            return;
        }
    }
}

async fn pass(client: &mut TcpStream, state: &State, request: &[u8]) -> Result<()> {
    let answer = forward(state.target, request).await?;
    client.write_all(&answer).await
}

async fn cut(client: &mut TcpStream, state: &State, request: &[u8]) -> Result<()> {
    let answer = forward(state.target, request).await?;
    let body = head_length(&answer).unwrap_or_default();
    client.write_all(&answer[..body + (answer.len() - body) / 2]).await?;
    client.flush().await?;
    Err(lost())
}

fn lost() -> Error {
    ErrorKind::ConnectionReset.into()
}

/// Hands a request on and waits for its whole answer.
async fn forward(target: SocketAddr, request: &[u8]) -> Result<Vec<u8>> {
    let mut server = TcpStream::connect(target).await?;
    server.write_all(request).await?;
    message(&mut server, &mut Vec::new()).await
}

/// The next whole message; what came of the one after it stays in `read`.
async fn message(stream: &mut TcpStream, read: &mut Vec<u8>) -> Result<Vec<u8>> {
    loop {
        let length = head_length(read).map(|head| head + body_length(&read[..head]));
        if let Some(length) = length.filter(|length| read.len() >= *length) {
            let rest = read.split_off(length);
            return Ok(std::mem::replace(read, rest));
        }
        if stream.read_buf(read).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
    }
}

fn head_length(message: &[u8]) -> Option<usize> {
    message.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

fn body_length(head: &[u8]) -> usize {
    field(head, "content-length").and_then(|length| length.parse().ok()).unwrap_or_default()
}

fn operation(request: &[u8]) -> String {
    let target = field(request, "x-amz-target").unwrap_or_default();
    target.rsplit('.').next().unwrap_or_default().to_owned()
}

fn field(message: &[u8], name: &str) -> Option<String> {
    let head = &message[..head_length(message)?];
    let head = str::from_utf8(head).ok()?;
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    fields.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned()).next()
}

/// An error in DynamoDB's words.
fn refused(fault: Fault, operation: &str, request: &[u8]) -> Vec<u8> {
    let dynamodb = "com.amazonaws.dynamodb.v20120810";
    let (status, body) = match fault {
        Fault::Throttling => {
            let text = "Rate exceeded";
            (400, json!({"__type": "com.amazon.coral.availability#ThrottlingException", "message": text}))
        }
        Fault::Conflict if operation == "TransactWriteItems" => (400, cancelled(dynamodb, request)),
        Fault::Conflict => {
            let text = "Transaction is ongoing for the item";
            (400, json!({"__type": format!("{dynamodb}#TransactionConflictException"), "message": text}))
        }
        Fault::Internal => {
            let text = "The request processing has failed because of an unknown error, exception or failure.";
            (500, json!({"__type": format!("{dynamodb}#InternalServerError"), "message": text}))
        }
        _ => {
            let text = "The level of configured provisioned throughput for the table was exceeded.";
            (400, json!({"__type": format!("{dynamodb}#ProvisionedThroughputExceededException"), "message": text}))
        }
    };
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 {status} Refused\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body.into_bytes()].concat()
}

/// A transaction of which one item is another transaction's.
fn cancelled(dynamodb: &str, request: &[u8]) -> Value {
    let body = &request[head_length(request).unwrap_or_default()..];
    let transaction: Value = serde_json::from_slice(body).unwrap_or_default();
    let items = transaction["TransactItems"].as_array().map_or(1, Vec::len);
    let codes: Vec<&str> = (0..items).map(|item| if item == 0 { "TransactionConflict" } else { "None" }).collect();
    let reasons: Vec<Value> = codes.iter().map(|code| json!({"Code": code})).collect();
    let text = "Transaction cancelled, please refer cancellation reasons for specific reasons";
    json!({
        "__type": format!("{dynamodb}#TransactionCanceledException"),
        "Message": format!("{text} [{}]", codes.join(", ")),
        "CancellationReasons": reasons,
    })
}
