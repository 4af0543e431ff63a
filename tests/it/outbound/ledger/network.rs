//! What lies between a worker and its provider, and the provider.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::super::provider::{answer, read};
use super::{now, sleep};
use crate::store::interleavings::Random;

/// What the network does with one request, and what the provider answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fate {
    Pass,
    /// The connection breaks before a byte is read.
    Unread,
    /// It is read, and never passed on.
    CutBefore,
    /// The provider processes it, and its answer is lost.
    CutAfter,
    /// It is passed on late: after the worker's timer, too.
    Late,
    /// Its answer comes late: after the worker's timer, too.
    AnswerLate,
    /// The provider gets it twice.
    Double,
    /// The provider takes nothing for a while.
    Limit,
    /// The provider refuses it for good.
    Refuse,
    /// The provider processes it, and answers 500.
    Broken,
    /// The provider processes it, and never answers.
    TakeAndHang,
    /// The provider processes it, and its answer waits until [`Network::release`].
    Held,
}

/// Out of so many requests, how many each fate gets.
const OF: usize = 100;
const FATES: [(Fate, usize); 9] = [
    (Fate::Unread, 2),
    (Fate::CutBefore, 3),
    (Fate::CutAfter, 4),
    (Fate::Late, 4),
    (Fate::AnswerLate, 4),
    (Fate::Double, 6),
    (Fate::Limit, 3),
    (Fate::Refuse, 2),
    (Fate::Broken, 4),
];
/// Milliseconds by which a late request or answer is late at most: longer than a lease.
const LATE_MS_MAX: usize = 25_000;
/// Out of a hundred processed messages, of how many the provider never reports anything.
const SILENT_PERCENT: usize = 15;

/// One request that the provider processed.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The number of the worker's connection: of one attempt.
    pub attempt: u64,
    /// When the request left the worker, by the clock of the proof.
    pub left_at: u64,
    pub reference: String,
    pub to: String,
    /// The provider's id of the message.
    pub id: String,
}

#[derive(Default)]
struct State {
    ledger: Vec<Entry>,
    next: VecDeque<Fate>,
    /// By the number of the connection.
    fates: BTreeMap<u64, Fate>,
    /// References of which a report was answered 200.
    reported: HashSet<String>,
}

/// See the module's documentation.
pub struct Network {
    /// Where workers find what they take for the provider.
    pub address: SocketAddr,
    state: Mutex<State>,
    random: Mutex<Random>,
    is_calm: AtomicBool,
    attempts: AtomicU64,
    held: Notify,
    provider: SocketAddr,
    /// Messages of which the provider is to report.
    reports: UnboundedSender<Entry>,
}

impl Network {
    /// Starts both; gives where the provider's reports wait for whoever delivers them.
    pub async fn start(seed: u64) -> (Arc<Self>, UnboundedReceiver<Entry>) {
        let (front, back) = (listen().await, listen().await);
        let (reports, waiting) = unbounded_channel();
        let network = Arc::new(Self {
            address: front.local_addr().unwrap(),
            state: Mutex::default(),
            random: Mutex::new(Random::new(seed)),
            is_calm: AtomicBool::new(false),
            attempts: AtomicU64::new(0),
            held: Notify::new(),
            provider: back.local_addr().unwrap(),
            reports,
        });
        let shared = Arc::clone(&network);
        tokio::spawn(async move {
            while let Ok((stream, _)) = front.accept().await {
                tokio::spawn(Arc::clone(&shared).pass(stream));
            }
        });
        let shared = Arc::clone(&network);
        tokio::spawn(async move {
            while let Ok((stream, _)) = back.accept().await {
                tokio::spawn(Arc::clone(&shared).process(stream));
            }
        });
        (network, waiting)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn below(&self, bound: usize) -> usize {
        self.random.lock().unwrap().below(bound)
    }

    /// From now on everything is passed on at once.
    pub fn calm(&self) {
        self.is_calm.store(true, Ordering::Relaxed);
    }

    /// Lets an answer go that is held.
    pub fn release(&self) {
        self.held.notify_one();
    }

    /// What happens to the next request.
    pub fn next(&self, fate: Fate) {
        self.state().next.push_back(fate);
    }

    pub fn ledger(&self) -> Vec<Entry> {
        self.state().ledger.clone()
    }

    pub fn fates(&self) -> BTreeMap<u64, Fate> {
        self.state().fates.clone()
    }

    pub fn reported(&self, reference: &str) {
        self.state().reported.insert(reference.to_owned());
    }

    /// Whether a report of a message was answered 200.
    pub fn has_reported(&self, reference: &str) -> bool {
        self.state().reported.contains(reference)
    }

    fn draw(&self) -> Fate {
        if let Some(fate) = self.state().next.pop_front() {
            return fate;
        }
        if self.is_calm.load(Ordering::Relaxed) {
            return Fate::Pass;
        }
        let mut left = self.below(OF);
        let drawn = FATES.iter().find(|(_, share)| {
            let is_it = left < *share;
            left = left.saturating_sub(*share);
            is_it
        });
        drawn.map_or(Fate::Pass, |(fate, _)| *fate)
    }

    /// One request of a worker.
    async fn pass(self: Arc<Self>, mut worker: TcpStream) {
        let fate = self.draw();
        if fate == Fate::Unread {
            let attempt = self.attempts.fetch_add(1, Ordering::Relaxed);
            self.state().fates.insert(attempt, fate);
            return;
        }
        let Some((_, body)) = read(&mut worker).await else { return };
        // The order in which requests leave: `state` is locked, so numbers and instants are in the same order.
        let (attempt, left_at) = {
            let mut state = self.state();
            let attempt = self.attempts.fetch_add(1, Ordering::Relaxed);
            state.fates.insert(attempt, fate);
            (attempt, now())
        };
        let wait = self.below(LATE_MS_MAX) as u64;
        match fate {
            Fate::CutBefore => {}
            Fate::Limit => {
                let refusal = br#"{"error":{"code":130429,"message":"Rate limit hit"}}"#;
                answer(&mut worker, 429, "content-type: application/json\r\nretry-after: 2\r\n", refusal).await;
            }
            Fate::Refuse => {
                let refusal = br#"{"error":{"code":131026,"message":"Message undeliverable"}}"#;
                answer(&mut worker, 400, "content-type: application/json\r\n", refusal).await;
            }
            Fate::Pass | Fate::Broken => self.carry(&mut worker, (attempt, left_at), &body, fate).await,
            Fate::CutAfter => self.lose((attempt, left_at), &body).await,
            Fate::TakeAndHang => {
                self.lose((attempt, left_at), &body).await;
                sleep(600_000).await;
            }
            Fate::Late => {
                sleep(wait).await;
                self.carry(&mut worker, (attempt, left_at), &body, fate).await;
            }
            Fate::AnswerLate => {
                let taken = self.ask((attempt, left_at), &body, fate).await;
                sleep(wait).await;
                let _ = worker.write_all(&taken).await;
            }
            Fate::Held => {
                let taken = self.ask((attempt, left_at), &body, fate).await;
                self.held.notified().await;
                let _ = worker.write_all(&taken).await;
            }
            Fate::Double => {
                self.lose((attempt, left_at), &body).await;
                self.carry(&mut worker, (attempt, left_at), &body, fate).await;
            }
            Fate::Unread => {}
        }
    }

    async fn carry(&self, worker: &mut TcpStream, marked: (u64, u64), body: &[u8], fate: Fate) {
        let taken = self.ask(marked, body, fate).await;
        let _ = worker.write_all(&taken).await;
        let _ = worker.shutdown().await;
    }

    async fn lose(&self, marked: (u64, u64), body: &[u8]) {
        self.ask(marked, body, Fate::Pass).await;
    }

    /// Passes a request on to the provider, marked with its number; gives the answer as it came.
    async fn ask(&self, (attempt, left_at): (u64, u64), body: &[u8], fate: Fate) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.provider).await.unwrap();
        let is_broken = u8::from(fate == Fate::Broken);
        let head = format!(
            "POST /{attempt}/{left_at}/{is_broken} HTTP/1.1\r\nhost: provider\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
        let mut taken = Vec::new();
        stream.read_to_end(&mut taken).await.unwrap();
        taken
    }

    /// The provider: processes a request, and answers.
    async fn process(self: Arc<Self>, mut stream: TcpStream) {
        let Some((line, body)) = read(&mut stream).await else { return };
        let numbers: Vec<u64> = line.split(['/', ' ']).filter_map(|word| word.parse().ok()).collect();
        let [attempt, left_at, is_broken] = numbers[..3] else { panic!("{line}") };
        let body: Value = serde_json::from_slice(&body).unwrap();
        let text = |key: &str| body[key].as_str().unwrap_or_else(|| panic!("no `{key}`: {body}")).to_owned();
        let entry = {
            let mut state = self.state();
            let id = format!("wamid.{}", state.ledger.len());
            let entry = Entry { attempt, left_at, reference: text("biz_opaque_callback_data"), to: text("to"), id };
            state.ledger.push(entry.clone());
            entry
        };
        let is_silent = self.below(100) < SILENT_PERCENT || self.is_calm.load(Ordering::Relaxed);
        if !is_silent {
            let _ = self.reports.send(entry.clone());
        }
        if is_broken == 1 {
            return answer(&mut stream, 500, "", br#"{"error":{"code":131000,"message":"Something went wrong"}}"#)
                .await;
        }
        let contact = json!({"input": entry.to, "wa_id": entry.to.trim_start_matches('+')});
        let taken = json!({"messaging_product": "whatsapp", "contacts": [contact], "messages": [{"id": entry.id}]});
        answer(&mut stream, 200, "content-type: application/json\r\n", taken.to_string().as_bytes()).await;
    }
}

async fn listen() -> TcpListener {
    TcpListener::bind(("127.0.0.1", 0)).await.unwrap()
}
