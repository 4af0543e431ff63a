//! The ledger proof: two real worker processes, a network that does its worst, and a provider that keeps a ledger of what it
//! processed.
//!
//! | part | where |
//! |---|---|
//! | API, webhooks and fold, on loopback; customers, agents and bots that use them | [`business`] |
//! | two processes that run the real worker; they are killed and frozen | [`workers`] |
//! | a proxy that cuts, delays, doubles, answers 429 or 500; the provider and its ledger; its signed webhooks | [`network`] |
//! | what must hold in the end | [`check`] |
//!
//! All have one table, the embedded DynamoDB on loopback, and one clock, which goes [`Clock::speed`] times as fast as the
//! machine's: a marker's lease of 20 s passes in 2.
//!
//! **Whose duplicate it is.** A worker makes a connection for each request, so the proxy gives each connection a number and adds
//! it to what it passes on. A request that the network doubles has its number twice in the ledger. A message that *we* send twice
//! has two numbers.
//!
//! `RAPPORT_LEDGER_SENDS`, `RAPPORT_LEDGER_SPEED` and `RAPPORT_LEDGER_SEED` make it longer, slower or different. In real time:
//! `RAPPORT_LEDGER_SENDS=50 RAPPORT_LEDGER_SPEED=1`.

mod business;
mod check;
mod network;
mod workers;

use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rapport_model::profile::rfc3339;
use rapport_model::sending::intent::State;
use serde_json::json;

use crate::support::{NOW, eventually_within};
use business::World;
use network::Fate;

/// Messages of `cargo test`.
const SENDS: u64 = 120;
const SENDS_VARIABLE: &str = "RAPPORT_LEDGER_SENDS";
/// Times the machine's speed. The margin of 2 s is 200 ms then, which a busy machine keeps.
const SPEED: u64 = 10;
const SPEED_VARIABLE: &str = "RAPPORT_LEDGER_SPEED";
const SEED: u64 = 1;
const SEED_VARIABLE: &str = "RAPPORT_LEDGER_SEED";
/// When the clock of the proof began, in milliseconds of the machine's; the processes of workers are told.
const EPOCH_VARIABLE: &str = "RAPPORT_LEDGER_EPOCH";

/// The clock of the proof: of all processes.
#[derive(Clone, Copy)]
struct Clock {
    epoch: u64,
    speed: u64,
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

fn machine_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

fn clock() -> Clock {
    static CLOCK: OnceLock<Clock> = OnceLock::new();
    *CLOCK.get_or_init(|| Clock {
        epoch: variable(EPOCH_VARIABLE).unwrap_or_else(machine_ms),
        speed: variable(SPEED_VARIABLE).unwrap_or(SPEED),
    })
}

/// Milliseconds by the clock of the proof.
fn now() -> u64 {
    let Clock { epoch, speed } = clock();
    NOW + machine_ms().saturating_sub(epoch) * speed
}

/// Waits by the clock of the proof.
async fn sleep(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms / clock().speed)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_sent_twice_whatever_the_network_and_the_machines_do() {
    let sends = variable(SENDS_VARIABLE).unwrap_or(SENDS);
    let seed = variable(SEED_VARIABLE).unwrap_or(SEED);
    let conversations = if sends < SENDS { sends.div_ceil(5) } else { sends / 20 };
    let began = std::time::Instant::now();
    let world = World::new(seed).await;
    let workers = workers::Workers::start(&world).await;
    let trouble = workers.trouble(seed);
    world.talk(conversations, sends.div_ceil(conversations)).await;
    trouble.abort();
    let _ = trouble.await;
    world.network.calm();
    workers.calm().await;
    world.rest().await;
    let told = check::check(&world).await;
    println!(
        "{sends} messages over {conversations} conversations, seed {seed}, clock x{}, {:?}\n{}\n{told}",
        clock().speed,
        began.elapsed(),
        workers.told()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_killed_between_marker_and_answer_sends_once_and_a_status_settles_it() {
    let world = World::new(SEED).await;
    world.network.calm();
    world.network.next(Fate::TakeAndHang);
    let workers = workers::Workers::start(&world).await;
    let of = world.meet(0).await;
    let message = world.post(&of, &world.notice(&of, &["hello"])).await.expect("it is taken");
    eventually_within(Duration::from_secs(20), "the provider has it", async || {
        (world.network.ledger().len() == 1).then_some(())
    })
    .await;
    let by = workers.who_sends(&message).await;
    workers.kill(by).await;

    let state = async || world.intent(&message).await.state.clone();
    assert_eq!(state().await, State::Pending, "its marker is live, and the other worker waits");
    let is_unknown = async || matches!(state().await, State::Unknown { .. }).then_some(());
    eventually_within(Duration::from_secs(60), "it is unknown", is_unknown).await;
    sleep(30_000).await;
    assert!(matches!(state().await, State::Unknown { .. }), "nobody sends it again by themselves");
    assert_eq!(world.network.ledger().len(), 1);

    world.report(&world.network.ledger()[0], "delivered").await;
    eventually_within(Duration::from_secs(20), "it is settled", async || (state().await == State::Sent).then_some(()))
        .await;
    assert_eq!(world.network.ledger().len(), 1);
    assert_eq!(world.timeline_of(&message).await, [0], "one event");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_or_an_echo_before_our_own_record_or_after_it_is_one_event_by_its_author() {
    let world = World::new(SEED).await;
    world.network.calm();
    let _workers = workers::Workers::start(&world).await;
    // An empty word is an echo.
    let orders = [(true, ""), (true, "delivered"), (false, ""), (false, "delivered")];
    for (number, (is_first, word)) in orders.into_iter().enumerate() {
        let of = world.meet(number as u64).await;
        world.network.next(if is_first { Fate::Held } else { Fate::Pass });
        let message = world.post(&of, &world.notice(&of, &["hello"])).await.expect("it is taken");
        let is_sent = async || (world.intent(&message).await.state == State::Sent).then_some(());
        let entry = eventually_within(Duration::from_secs(60), "the provider has it", async || {
            world.network.ledger().get(number).cloned()
        })
        .await;
        if is_first {
            world.report(&entry, word).await;
            eventually_within(Duration::from_secs(60), "the fold settles it", is_sent).await;
            world.network.release();
        } else {
            eventually_within(Duration::from_secs(60), "its worker records it", is_sent).await;
            world.report(&entry, word).await;
        }
        // The worker has its answer, and the fold has the report.
        sleep(5_000).await;
        assert_eq!(world.timeline_of(&message).await, [0], "one event: {is_first}, `{word}`");
    }
    world.rest().await;
    println!("{}", check::check(&world).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_post_that_is_repeated_after_its_message_has_expired_gives_the_same_message() {
    let world = World::new(SEED).await;
    let of = world.meet(0).await;
    let mut notice = world.notice(&of, &["hello"]);
    notice["expires_at"] = json!(rfc3339(now() + 5_000));
    let post = async || world.call("POST", "/v1/messages", "the key of one message", &notice).await;
    let first = post().await;
    assert_eq!(first.status, 202, "{first:?}");
    sleep(6_000).await;
    let again = post().await;
    assert_eq!((again.status, &again.json()["id"]), (202, &first.json()["id"]), "{again:?}");
}
