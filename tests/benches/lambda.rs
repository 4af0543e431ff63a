//! What a function of `bootstrap` costs: its cold start against the least function that there can be, in the same run and
//! in turns; a warm webhook; memory.
//!
//! `cargo bench -p rapport-tests --bench lambda -- [--rounds 20] [--webhooks 1000]`. It builds both binaries with
//! `--profile lambda`, or takes them from RAPPORT_BOOTSTRAP and RAPPORT_HELLO.
//!
//! An event waits in a Runtime API on loopback when the process starts, as in Lambda. Measured from before the process
//! is made: until it asks for the event, which ends the init phase; until it has answered the `GET` of a challenge, which
//! takes a loaded connector and a secret; until it has answered the first signed webhook with 200, which takes a write to
//! the embedded DynamoDB besides. The hello-world answers the same events with a text. Binaries are in the page cache, and
//! AWS is on loopback without TLS: in a region the handshakes come on top, and are waited for, not computed. Only the
//! ratios of one run mean anything.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot be set up says why and ends")]

#[allow(dead_code, unused_imports, reason = "the benchmark needs a part of what the tests have")]
#[path = "../it"]
mod it {
    pub mod connectors;
    pub mod support;
}

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use it::{connectors, support};
use serde_json::Value;
use support::deployment::{Ran, World};
use support::events::{Door, Sent, text_webhook};
use support::runtime_api::Function;
use support::{Text, fixture};

/// Events before warm ones are measured.
const WARM_UP: usize = 200;
/// Milliseconds until an event's deadline.
const TIMEOUT_MS: i64 = 10_000;

fn main() {
    let (rounds, webhooks) = (argument("--rounds", 20), argument("--webhooks", 1_000));
    let programs = Programs::find();
    println!("bootstrap: {} bytes, hello: {} bytes", size(&programs.bootstrap), size(&programs.hello));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        cold(&programs, rounds).await;
        warm(&programs, webhooks).await;
    });
}

/// What follows a word of the command line.
fn argument(name: &str, otherwise: usize) -> usize {
    let mut arguments = std::env::args().skip_while(|argument| argument != name).skip(1);
    arguments.next().map_or(otherwise, |number| number.parse().unwrap_or_else(|_| panic!("{name}: `{number}`")))
}

struct Programs {
    bootstrap: PathBuf,
    hello: PathBuf,
}

impl Programs {
    /// Each is built alone: together, each would get the features that the other wants of a crate.
    fn find() -> Self {
        let given = |name: &str| std::env::var_os(name).map(PathBuf::from);
        Self {
            bootstrap: given("RAPPORT_BOOTSTRAP").unwrap_or_else(|| build("rapport-lambda", "bootstrap")),
            hello: given("RAPPORT_HELLO").unwrap_or_else(|| build("rapport-hello", "hello")),
        }
    }
}

fn build(package: &str, name: &str) -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["build", "--profile", "lambda", "--message-format", "json", "-p", package, "--bin", name];
    let mut build = Command::new(cargo);
    build.args(arguments).current_dir(connectors::repository()).stderr(std::process::Stdio::inherit());
    let output = build.output().unwrap();
    assert!(output.status.success(), "`{name}` was not built");
    let messages = String::from_utf8(output.stdout).unwrap();
    let message = |line: &str| serde_json::from_str::<Value>(line).ok();
    let made = messages.lines().filter_map(message).find(|message| message["target"]["name"] == name);
    made.and_then(|made| made["executable"].as_str().map(PathBuf::from)).expect("cargo says what it has made")
}

fn size(program: &Path) -> u64 {
    std::fs::metadata(program).unwrap().len()
}

/// A process's first moments.
#[derive(Default)]
struct Starts {
    next: Vec<Duration>,
    challenge: Vec<Duration>,
    webhook: Vec<Duration>,
}

async fn cold(programs: &Programs, rounds: usize) {
    let all = connectors::plugins().iter().map(|(folder, _)| folder.file_name().unwrap().to_str().unwrap());
    let all: Vec<&str> = std::iter::once("whatsapp").chain(all.filter(|id| *id != "whatsapp")).collect();
    let mut worlds = Vec::new();
    for count in [1, 5, all.len()].into_iter().filter(|count| *count <= all.len()) {
        if worlds.last().is_none_or(|(last, _)| *last < count) {
            worlds.push((count, World::with(&all[..count], &config(&all[..count])).await));
        }
    }
    let mut hello = Starts::default();
    let mut of_worlds: Vec<Starts> = worlds.iter().map(|_| Starts::default()).collect();
    for round in 0..rounds as u64 {
        start(&programs.hello, &worlds[0].1, round, &mut hello).await;
        for ((_, world), starts) in worlds.iter().zip(&mut of_worlds) {
            start(&programs.bootstrap, world, round, starts).await;
        }
    }
    println!("\ncold start, milliseconds: median (least) and the median's ratio to hello; {rounds} rounds");
    println!("{:24}{:>22}{:>22}{:>26}", "", "asks for an event", "challenge answered", "webhook stored, answered");
    print_starts("hello", &mut hello, None);
    for ((count, _), starts) in worlds.iter().zip(&mut of_worlds) {
        let what = format!("bootstrap, {count} connector{}", if *count == 1 { "" } else { "s" });
        print_starts(&what, starts, Some(&hello));
    }
}

/// Starts a program twice, for its first challenge and for its first webhook.
async fn start(program: &Path, world: &World, round: u64, starts: &mut Starts) {
    let (next, answered) = first(program, world, &challenge()).await;
    starts.next.push(next);
    starts.challenge.push(answered);
    let text = Text::new("16505551234", round);
    let (_, answered) = first(program, world, &text_webhook(&text).through(Door::HttpApi)).await;
    starts.webhook.push(answered);
}

/// How long a new process took until it asked for its first event, and until it had answered it.
async fn first(program: &Path, world: &World, event: &Value) -> (Duration, Duration) {
    let mut function = prepare(program, world).await;
    let answer = function.begin(event, TIMEOUT_MS);
    let started = function.run();
    assert_eq!(Ran::answer(answer.await.unwrap()).status, 200);
    let moments = function.moments();
    (moments.first_asked.unwrap() - started, moments.answered.unwrap() - started)
}

async fn prepare(program: &Path, world: &World) -> Function {
    let environment = world.environment("webhook", &[]);
    let environment: Vec<_> = environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    Function::prepare(program.to_path_buf(), &environment).await
}

fn challenge() -> Value {
    let recorded = fixture("challenge").webhook;
    let (_, query) = recorded.url.split_once('?').unwrap();
    Sent::new("GET", "/hooks/wa-eu", query).through(Door::HttpApi)
}

/// A connection of each connector; what the others would need is not asked of them before a webhook of theirs comes.
fn config(ids: &[&str]) -> String {
    let others = ids.iter().filter(|id| **id != "whatsapp");
    let others: String = others.map(|id| format!("[connections.{id}-eu]\nconnector = \"{id}\"\n")).collect();
    let (ours, _) = support::deployment::CONFIG.split_once("[connections.sms-eu]").expect("it is the last one");
    format!("{ours}{others}")
}

fn print_starts(what: &str, starts: &mut Starts, hello: Option<&Starts>) {
    let column = |times: &mut Vec<Duration>, hello: Option<&Vec<Duration>>| {
        times.sort();
        let median = ms(times[times.len() / 2]);
        let ratio = hello.map(|hello| format!(" {:.2} ×", median / ms(hello[hello.len() / 2]))).unwrap_or_default();
        format!("{median:.2} ({:.2}){ratio}", ms(times[0]))
    };
    let next = column(&mut starts.next, hello.map(|hello| &hello.next));
    let challenge = column(&mut starts.challenge, hello.map(|hello| &hello.challenge));
    let webhook = column(&mut starts.webhook, hello.map(|hello| &hello.webhook));
    println!("{what:24}{next:>22}{challenge:>22}{webhook:>26}");
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// One process and many webhooks, one after the other, each of them new.
async fn warm(programs: &Programs, webhooks: usize) {
    let world = World::new().await;
    println!("\nwarm, microseconds from event to answer");
    let mut hello = prepare(&programs.hello, &world).await;
    hello.run();
    print_latencies("hello", &mut latencies(&hello, 1_000, |_| challenge()).await);
    let mut function = prepare(&programs.bootstrap, &world).await;
    function.run();
    print_latencies("challenge", &mut latencies(&function, 1_000, |_| challenge()).await);
    let signed = |n: usize| {
        let customer = format!("1650{:07}", n % 1_000);
        text_webhook(&Text::new(&customer, n as u64)).through(Door::HttpApi)
    };
    let first = latencies(&function, 1_000, signed).await;
    let after_some = memory(&function);
    print_latencies("signed webhook, stored", &mut first.clone());
    print_write_units(&function);
    println!("memory after 1,000 webhooks: {after_some}");
    if webhooks > 1_000 {
        let rest = latencies(&function, webhooks - 1_000 - WARM_UP, |n| signed(n + 1_000 + WARM_UP)).await;
        print_latencies("the last 1,000 of them", &mut rest[rest.len().saturating_sub(1_000)..].to_vec());
        println!("memory after {webhooks} webhooks: {}", memory(&function));
    }
}

/// How long each of `count` events took, after some to warm up.
async fn latencies(function: &Function, count: usize, event: impl Fn(usize) -> Value) -> Vec<Duration> {
    let mut latencies = Vec::with_capacity(count);
    for n in 0..count + WARM_UP {
        let event = event(n);
        let begun = Instant::now();
        let answer = function.invoke(&event).await;
        latencies.push(function.moments().answered.unwrap() - begun);
        assert_eq!(Ran::answer(answer).status, 200);
    }
    latencies.split_off(WARM_UP)
}

fn print_latencies(what: &str, latencies: &mut [Duration]) {
    latencies.sort();
    let at = |part: f64| latencies[(latencies.len() as f64 * part) as usize].as_micros();
    println!("{what:24} p50 {:>6}  p99 {:>6}  least {:>6}  ({} events)", at(0.5), at(0.99), at(0.0), latencies.len());
}

/// DynamoDB's own count, as the function logs it.
fn print_write_units(function: &Function) {
    let log = function.log();
    let units = log.iter().filter_map(|line| line["write_units"].as_f64());
    let (sum, count) = units.fold((0.0, 0), |(sum, count), units| (sum + units, count + 1));
    println!("write units before an answer: {:.2} for each of {count} webhooks", sum / f64::from(count));
}

/// What the system says that the process holds, and held at most.
fn memory(function: &Function) -> String {
    let status = std::fs::read_to_string(format!("/proc/{}/status", function.process_id().unwrap())).unwrap();
    let lines = status.lines().filter(|line| line.starts_with("VmRSS") || line.starts_with("VmHWM"));
    lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join(", ")
}
