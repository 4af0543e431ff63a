//! Two processes that run the real worker, and what happens to them.
//!
//! A process is this very test binary, asked for the one test below that is a worker and no test: so it has the code that is
//! tested, and no program has to be built besides.

use std::io::BufRead;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rapport_config::Config;
use rapport_connections::{Asked, Connection, Connections, ConnectorHost, NotRun};
use rapport_egress::{Egress, Network as Reach};
use rapport_model::sending::{MessageId, Turn};
use rapport_outbound::connectors::{Away, Leaving, Work};
use rapport_outbound::{Connectors, Host, Limits, Outbound, Reply, Versions, Worker, wakes};
use rapport_sandbox::{Options, PublicKey, Sandbox};
use rapport_store::embedded::Embedded;
use rapport_store::outbox::intents::Conversation;
use rapport_store::outbox::wake::{self, Wakes, Waking};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use super::business::World;
use super::{EPOCH_VARIABLE, SPEED_VARIABLE, clock, now, sleep};
use crate::store::interleavings::Random;
use crate::support;

/// How many there are.
pub const WORKERS: usize = 2;
/// What a process of a worker needs: address of the database, folder, address of the network, seed.
const TASK_VARIABLE: &str = "RAPPORT_LEDGER_TASK";
/// Out of so many requests, one is frozen between the marker and the socket.
const FROZEN_AT_SOCKET_OF: usize = 40;
/// What a worker says before each request, and before it freezes.
const LEAVES: &str = "@leaves";
const FREEZES: &str = "@freezes";
/// What it is told when the trouble is over. Any other line is a wake.
const CALM: &str = "calm";

/// The place of one process. Another comes when it is killed.
struct Place {
    process: Mutex<Option<Child>>,
    /// Lines for its process.
    lines: Mutex<Option<UnboundedSender<String>>>,
    /// The work of each request that it began.
    sent: Mutex<Vec<String>>,
}

/// What happened to them.
#[derive(Default)]
struct Happened {
    killed: AtomicU64,
    frozen: AtomicU64,
    frozen_at_socket: AtomicU64,
}

struct Shared {
    places: Vec<Place>,
    happened: Happened,
    task: String,
    seed: u64,
    started: AtomicU64,
}

/// See the module's documentation. They end when this is dropped.
#[derive(Clone)]
pub struct Workers(Arc<Shared>);

/// Tells a worker of the other processes.
pub struct FarWakes(pub Mutex<Option<Workers>>, pub Mutex<Random>);

impl Wakes for FarWakes {
    fn wake<'a>(&'a self, of: &'a Conversation, at: u64) -> Waking<'a> {
        let nth = self.1.lock().unwrap().below(WORKERS + 1);
        if let Some(workers) = &*self.0.lock().unwrap() {
            let line = format!("{at} {}", wake::write(of));
            // Sometimes both: a wake comes at least once.
            (0..WORKERS).filter(|n| nth == WORKERS || *n == nth).for_each(|n| workers.tell(n, &line));
        }
        Box::pin(async { Ok(()) })
    }
}

impl Workers {
    pub async fn start(world: &World) -> Self {
        let place = || Place { process: Mutex::default(), lines: Mutex::default(), sent: Mutex::default() };
        let shared = Shared {
            places: (0..WORKERS).map(|_| place()).collect(),
            happened: Happened::default(),
            task: format!(
                "{} {} {} {}",
                world.data.embedded.address(),
                world.data.folder().display(),
                world.network.address,
                world.public
            ),
            seed: world.seed,
            started: AtomicU64::new(0),
        };
        let workers = Self(Arc::new(shared));
        (0..WORKERS).for_each(|nth| workers.spawn(nth));
        *world.wakes.0.lock().unwrap() = Some(workers.clone());
        workers
    }

    fn spawn(&self, nth: usize) {
        let number = self.0.started.fetch_add(1, Ordering::Relaxed);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["outbound::ledger::workers::a_worker_and_no_test", "--exact", "--ignored", "--nocapture"])
            .env(TASK_VARIABLE, format!("{} {}", self.0.task, self.0.seed * 1_000 + number))
            .env(EPOCH_VARIABLE, clock().epoch.to_string())
            .env(SPEED_VARIABLE, clock().speed.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (mut stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (lines, mut next) = unbounded_channel::<String>();
        tokio::spawn(async move {
            while let Some(line) = next.recv().await {
                if stdin.write_all(format!("{line}\n").as_bytes()).await.is_err() {
                    return;
                }
            }
        });
        let (workers, pid) = (self.clone(), child.id().unwrap());
        tokio::spawn(async move {
            let mut lines = BufReader::new(stdout).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                workers.heard(nth, pid, &line);
            }
        });
        let place = &self.0.places[nth];
        *place.lines.lock().unwrap() = Some(lines);
        *place.process.lock().unwrap() = Some(child);
    }

    fn heard(&self, nth: usize, pid: u32, line: &str) {
        if let Some(work) = line.strip_prefix(LEAVES) {
            self.0.places[nth].sent.lock().unwrap().push(work.trim().to_owned());
        } else if line.starts_with(FREEZES) {
            let many = self.0.happened.frozen_at_socket.fetch_add(1, Ordering::Relaxed);
            let wait = Random::new(self.0.seed + many).below(45_000) as u64;
            tokio::spawn(async move {
                sleep(wait.max(1_000)).await;
                // It may not have stopped yet: it is told until it has gone on.
                for _ in 0..20 {
                    signal(pid, "-CONT").await;
                    sleep(2_000).await;
                }
            });
        }
    }

    fn tell(&self, nth: usize, line: &str) {
        if let Some(lines) = &*self.0.places[nth].lines.lock().unwrap() {
            let _ = lines.send(line.to_owned());
        }
    }

    fn pid(&self, nth: usize) -> Option<u32> {
        self.0.places[nth].process.lock().unwrap().as_ref().and_then(Child::id)
    }

    /// Kills a worker as no handler sees.
    pub async fn kill(&self, nth: usize) {
        let child = self.0.places[nth].process.lock().unwrap().take();
        if let Some(mut child) = child {
            child.kill().await.unwrap();
        }
        self.0.happened.killed.fetch_add(1, Ordering::Relaxed);
    }

    /// Which worker began the request of a message.
    pub async fn who_sends(&self, message: &MessageId) -> usize {
        let is_it = |place: &Place| place.sent.lock().unwrap().iter().any(|work| work == message.intent.as_str());
        support::eventually("somebody sends it", async || self.0.places.iter().position(is_it)).await
    }

    /// Kills and freezes them, until it is aborted.
    pub fn trouble(&self, seed: u64) -> JoinHandle<()> {
        let workers = self.clone();
        tokio::spawn(async move {
            let mut random = Random::new(seed + 7);
            loop {
                sleep(5_000 + random.below(20_000) as u64).await;
                let nth = random.below(WORKERS);
                if random.below(100) < 45 {
                    workers.kill(nth).await;
                    sleep(random.below(3_000) as u64).await;
                    workers.spawn(nth);
                } else if let Some(pid) = workers.pid(nth) {
                    workers.0.happened.frozen.fetch_add(1, Ordering::Relaxed);
                    signal(pid, "-STOP").await;
                    let wait = random.below(45_000) as u64;
                    tokio::spawn(async move {
                        sleep(wait).await;
                        signal(pid, "-CONT").await;
                    });
                }
            }
        })
    }

    /// Ends the trouble: whoever stands still goes on, and whoever is not there comes back.
    pub async fn calm(&self) {
        for nth in 0..WORKERS {
            match self.pid(nth) {
                Some(pid) => signal(pid, "-CONT").await,
                None => self.spawn(nth),
            }
            self.tell(nth, CALM);
        }
    }

    /// What happened to them, for a reader.
    pub fn told(&self) -> String {
        let Happened { killed, frozen, frozen_at_socket } = &self.0.happened;
        format!(
            "workers: {} killed, {} frozen, {} frozen between marker and socket",
            killed.load(Ordering::Relaxed),
            frozen.load(Ordering::Relaxed),
            frozen_at_socket.load(Ordering::Relaxed)
        )
    }
}

/// Sends a signal to a process of ours. It may have ended.
async fn signal(pid: u32, name: &str) {
    let _ = Command::new("kill").args([name, &pid.to_string()]).stderr(Stdio::null()).status().await;
}

/// The real connectors, behind a door at which a process stands still: the marker is written, the socket is not open.
struct Door {
    host: Host,
    random: Mutex<Option<Random>>,
}

impl Connectors for Door {
    fn versions(&self, connection: &str) -> Result<Versions, Away> {
        self.host.versions(connection)
    }

    fn limits(&self, connection: &str) -> Limits {
        self.host.limits(connection)
    }

    fn run<'a>(&'a self, connection: &'a str, asked: Asked) -> Work<'a, Result<Turn, NotRun>> {
        self.host.run(connection, asked)
    }

    fn perform<'a>(&'a self, leaving: Leaving<'a>) -> Work<'a, Reply> {
        println!("{LEAVES} {}", leaving.work);
        let freezes = self.random.lock().unwrap().as_mut().is_some_and(|random| random.below(FROZEN_AT_SOCKET_OF) == 0);
        if freezes {
            println!("{FREEZES}");
            let pid = std::process::id().to_string();
            let _ = std::process::Command::new("kill").args(["-STOP", &pid]).status();
        }
        // Timers go by the machine's clock.
        self.host.perform(Leaving { limit_ms: leaving.limit_ms / clock().speed, ..leaving })
    }
}

#[test]
#[ignore = "run by `Workers::spawn`"]
fn a_worker_and_no_test() {
    let Ok(task) = std::env::var(TASK_VARIABLE) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(work(&task));
}

async fn work(task: &str) {
    let [database, folder, network, public, seed] = task.split(' ').collect::<Vec<_>>()[..] else { panic!("{task}") };
    let folder = std::path::Path::new(folder);
    let table = support::open(Embedded::at(database.parse().unwrap()), folder).await;
    let written = format!(
        "[connections.wa-eu]\nconnector = 'whatsapp'\n[connections.wa-eu.sending]\nbase-url = 'http://{network}'\n"
    );
    let written = Config::parse(&written).unwrap().connections.remove("wa-eu").unwrap();
    let sandbox = Sandbox::new(Options::default()).unwrap();
    let trusted = [PublicKey::parse(public).unwrap()];
    let connector = sandbox.load_file(&folder.join(super::business::ARTEFACT), &trusted).unwrap();
    let secrets = [("app-secret", vec![support::app_secret()]), ("access-token", vec!["a token for tests"])];
    let connection = Connection::new("wa-eu", connector, &written, support::secret_values(&secrets)).unwrap();
    let host = ConnectorHost {
        connections: Connections::new([connection]),
        certificates: Arc::default(),
        egress: Egress::new(Reach::Public),
        tenant_key: table.tenant_key().clone(),
        now,
    };
    let host = Host { host: Arc::new(host), table: table.clone(), aws: None, public_url: None };
    let door = Arc::new(Door { host, random: Mutex::new(Some(Random::new(seed.parse().unwrap()))) });
    let (near, woken) = wakes::local();
    let outbound = Outbound::new(table, Arc::clone(&door) as _, Arc::new(near.clone()), now);
    let worker = Worker::new(Arc::new(outbound));
    std::thread::spawn(move || listen(&near, &door));
    wakes::work_at(worker, woken, clock().speed).await;
}

/// Takes wakes of the other processes, and ends with them.
fn listen(near: &wakes::LocalWakes, door: &Door) {
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        match line.split_once(' ') {
            Some((at, body)) => drop(near.wake(&wake::read(body).unwrap(), at.parse().unwrap())),
            None => *door.random.lock().unwrap() = None,
        }
    }
    std::process::exit(0);
}
