//! Wakes of one process: a channel, delays, and as many turns at once as an account may have.
//!
//! A wake is lost with its process. So at its start the process looks for what is unfinished, and looks again when the markers of
//! the process before are over.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use rapport_model::Timestamp;
use rapport_model::sending::lock::{LEASE_MS, MARGIN_MS};
use rapport_store::StoreError;
use rapport_store::outbox::intents::Conversation;
use rapport_store::outbox::wake::{Wakes, Waking};
use rapport_telemetry::TurnFailed;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use crate::worker::{Ended, Worker};

/// Turns of one account at once: a slow provider cannot take all.
pub const TURNS_OF_AN_ACCOUNT_MAX: usize = 8;
/// Turns of one process at once.
pub const TURNS_MAX: usize = 32;
/// Milliseconds until a turn that failed is made again; and once more when a marker of it may be over.
const RETRY_MS: u64 = 2_000;
/// Milliseconds until a turn is made again whose failure does not pass by itself, such as a lock that cannot be read.
const WRONG_MS: u64 = 600_000;
/// Milliseconds between two looks at what is due at a minute.
const TICK_MS: u64 = 20_000;

/// The near end of the channel.
#[derive(Clone, Debug)]
pub struct LocalWakes(UnboundedSender<(Conversation, Timestamp)>);

/// The far end.
#[derive(Debug)]
pub struct Woken(UnboundedReceiver<(Conversation, Timestamp)>);

/// A channel for wakes of this process.
pub fn local() -> (LocalWakes, Woken) {
    let (sender, receiver) = unbounded_channel();
    (LocalWakes(sender), Woken(receiver))
}

impl Wakes for LocalWakes {
    fn wake<'a>(&'a self, of: &'a Conversation, at: Timestamp) -> Waking<'a> {
        // Nobody listens any more: the process ends.
        let _ = self.0.send((of.clone(), at));
        Box::pin(async { Ok(()) })
    }
}

/// What waits, and what runs. Pure.
#[derive(Debug, Default)]
struct Agenda {
    waits: BTreeSet<(Timestamp, Conversation)>,
    runs: HashSet<Conversation>,
    by_account: HashMap<String, usize>,
}

impl Agenda {
    fn add(&mut self, of: Conversation, at: Timestamp) {
        self.waits.insert((at, of));
    }

    /// The next that may run now. A conversation has one turn at a time.
    fn take(&mut self, now: Timestamp) -> Option<Conversation> {
        if self.runs.len() >= TURNS_MAX {
            return None;
        }
        let due = self.waits.iter().take_while(|(at, _)| *at <= now);
        let may_run = |of: &Conversation| {
            let turns = self.by_account.get(&of.account).copied().unwrap_or_default();
            turns < TURNS_OF_AN_ACCOUNT_MAX && !self.runs.contains(of)
        };
        let (_, next) = due.clone().find(|(_, of)| may_run(of))?;
        let next = next.clone();
        // All wakes that are due by now are this one.
        let same: Vec<_> = due.filter(|(_, of)| *of == next).cloned().collect();
        for key in &same {
            self.waits.remove(key);
        }
        *self.by_account.entry(next.account.clone()).or_default() += 1;
        self.runs.insert(next.clone());
        Some(next)
    }

    fn done(&mut self, of: &Conversation) {
        self.runs.remove(of);
        if let Some(turns) = self.by_account.get_mut(&of.account) {
            *turns -= 1;
            if *turns == 0 {
                self.by_account.remove(&of.account);
            }
        }
    }

    /// When the next wake is due that is not due yet.
    fn next(&self, now: Timestamp) -> Option<Timestamp> {
        self.waits.iter().map(|(at, _)| *at).find(|at| *at > now)
    }
}

/// Works for ever: refills from the table, then takes wakes as they come. Never ends, except by a panic or when it is dropped.
pub async fn work(worker: Worker, woken: Woken) {
    work_at(worker, woken, 1).await;
}

/// The same, by a clock that goes `speed` times as fast as the machine's.
pub async fn work_at(worker: Worker, Woken(mut woken): Woken, speed: u64) {
    let mut agenda = Agenda::default();
    let mut turns: JoinSet<(Conversation, Result<Ended, StoreError>)> = JoinSet::new();
    refill(&worker, &mut agenda).await;
    let mut ticks = tokio::time::interval(Duration::from_millis(TICK_MS / speed));
    loop {
        let now = worker.now();
        while let Some(of) = agenda.take(now) {
            let worker = worker.clone();
            turns.spawn(async move {
                let ended = worker.turn(&of).await;
                (of, ended)
            });
        }
        let wait = agenda.next(now).map_or(TICK_MS, |at| at.saturating_sub(now));
        tokio::select! {
            Some((of, at)) = woken.recv() => agenda.add(of, at),
            Some(ended) = turns.join_next() => match ended {
                Ok((of, ended)) => {
                    agenda.done(&of);
                    again(&mut agenda, of, ended, worker.now());
                }
                // A turn panicked: which one is not known, so everything that is unfinished is looked at.
                Err(_) => {
                    agenda = Agenda { runs: HashSet::new(), by_account: HashMap::new(), ..agenda };
                    refill(&worker, &mut agenda).await;
                }
            },
            _ = ticks.tick() => {
                if let Err(error) = worker.tick(worker.now()).await {
                    TurnFailed { error: &error }.emit();
                }
            }
            () = tokio::time::sleep(Duration::from_millis((wait / speed).max(1))) => {}
        }
    }
}

/// What follows from a turn.
fn again(agenda: &mut Agenda, of: Conversation, ended: Result<Ended, StoreError>, now: Timestamp) {
    match ended {
        Ok(Ended::Rested(_) | Ended::Unfinished) => {}
        // Its holder may be a turn of this process that failed: nobody else looks after it.
        Ok(Ended::Dropped { until }) => agenda.add(of, until),
        Err(error) => {
            TurnFailed { error: &error }.emit();
            if !error.is_passing() {
                return agenda.add(of, now + WRONG_MS);
            }
            agenda.add(of.clone(), now + RETRY_MS);
            agenda.add(of, now + LEASE_MS + MARGIN_MS);
        }
    }
}

/// A wake for what is unfinished, and one for when the markers of the process before are over.
async fn refill(worker: &Worker, agenda: &mut Agenda) {
    loop {
        match worker.table().unfinished().await {
            Ok(all) => {
                let now = worker.now();
                for of in all {
                    agenda.add(of.clone(), now);
                    agenda.add(of, now + LEASE_MS + MARGIN_MS + 1_000);
                }
                return;
            }
            Err(error) => {
                TurnFailed { error: &error }.emit();
                tokio::time::sleep(Duration::from_millis(RETRY_MS)).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rapport_model::Eid;

    fn of(n: u8, account: &str) -> Conversation {
        Conversation { eid: Eid::parse(&format!("{}{n:02}", "A".repeat(20))).unwrap(), account: account.to_owned() }
    }

    #[test]
    fn a_conversation_has_one_turn_at_a_time_and_wakes_for_now_are_one() {
        let mut agenda = Agenda::default();
        agenda.add(of(1, "a"), 10);
        agenda.add(of(1, "a"), 20);
        agenda.add(of(1, "a"), 40);
        assert_eq!(agenda.take(5), None);
        assert_eq!(agenda.next(5), Some(10));
        assert_eq!(agenda.take(30), Some(of(1, "a")));
        assert_eq!(agenda.take(50), None, "its turn runs");
        agenda.done(&of(1, "a"));
        assert_eq!(agenda.take(50), Some(of(1, "a")));
        agenda.done(&of(1, "a"));
        assert_eq!((agenda.take(50), agenda.next(50)), (None, None));
    }

    #[test]
    fn one_account_does_not_take_all_turns() {
        let mut agenda = Agenda::default();
        (0..20).for_each(|n| agenda.add(of(n, "slow"), u64::from(n)));
        agenda.add(of(50, "other"), 90);
        let taken = std::iter::from_fn(|| agenda.take(100)).collect::<Vec<_>>();
        assert_eq!(taken.iter().filter(|of| of.account == "slow").count(), TURNS_OF_AN_ACCOUNT_MAX);
        assert!(taken.contains(&of(50, "other")));
        agenda.done(&of(0, "slow"));
        assert!(agenda.take(100).is_some());
    }
}
