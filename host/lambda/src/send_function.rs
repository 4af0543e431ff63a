//! A batch of wakes: a turn for each conversation. What was not done is told, and comes again.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use lambda_runtime::{Context, Diagnostic, LambdaEvent};
use rapport_outbound::Worker;
use rapport_outbound::wakes::TURNS_OF_AN_ACCOUNT_MAX;
use rapport_outbound::worker::{LOOK_MS_MIN, TURN_MS_MAX};
use rapport_store::outbox::intents::Conversation;
use rapport_store::outbox::wake;
use rapport_telemetry::{TurnCut, TurnFailed, TurnsMade, WakeNotRead};
use serde_json::value::RawValue;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::batch::{self, NoBatch};
use crate::http::time_left;
use crate::service::{Service, now};

/// Milliseconds that are kept of a function's time for the answer, and for what hangs at the end of a turn.
const ANSWER_MS: u64 = 1_000;
/// Milliseconds until a conversation for which there was no time is looked at again. Another batch needs about as long.
const AGAIN_MS: u64 = 5_000;
/// Milliseconds until a turn is made again that storage let down. A marker that it may have left is over by then.
const RETRY_MS: u64 = 60_000;
/// Milliseconds that its new wake may take: half of what is kept for the answer.
const AGAIN_WITHIN_MS: u64 = ANSWER_MS / 2;

/// Makes the turns of a batch of wakes. Its answer names the wakes that have to come again: their turn failed for good or was cut, or
/// nobody can read them.
///
/// # Errors
/// The event is no batch of a queue, or the service is not ready: Lambda hands in the whole batch again.
pub async fn answer(service: Arc<Service>, event: LambdaEvent<Box<RawValue>>) -> Result<Box<RawValue>, Diagnostic> {
    let LambdaEvent { payload, context } = event;
    let work = {
        let context = context.clone();
        async move { take(&service, &payload, &context).await }
    };
    batch::answer(&context, work).await
}

async fn take(service: &Service, payload: &RawValue, context: &Context) -> Result<Vec<String>, NoBatch> {
    let messages = batch::messages(payload)?;
    let running = service.running().await.map_err(|error| NoBatch(error.to_string()))?;
    let wakes = messages.len();
    let mut given_back = Vec::new();
    // Several wakes of a conversation are one.
    let mut conversations: BTreeMap<Conversation, Vec<String>> = BTreeMap::new();
    for message in messages {
        match wake::read(&message.body) {
            Ok(of) => conversations.entry(of).or_default().push(message.name),
            Err(error) => {
                WakeNotRead { error: &error }.emit();
                given_back.push(message.name);
            }
        }
    }
    let turns = conversations.len();
    let time = time_left(context).saturating_sub(Duration::from_millis(ANSWER_MS));
    let not_done = turns_of(&running.worker, conversations.keys().cloned(), time).await;
    given_back.extend(not_done.iter().flat_map(|of| conversations[of].clone()));
    TurnsMade { wakes, turns, given_back: given_back.len() }.emit();
    Ok(given_back)
}

/// Makes a turn for each conversation, some at a time; gives those whose turn was not done. When this ends, nothing of them runs.
async fn turns_of(
    worker: &Worker,
    conversations: impl Iterator<Item = Conversation>,
    time: Duration,
) -> Vec<Conversation> {
    let until = Instant::now() + time;
    let (mut turns, mut of_tasks, mut not_done) = (JoinSet::new(), HashMap::new(), Vec::new());
    // One slow provider does not take all turns.
    let mut of_accounts: HashMap<String, Arc<Semaphore>> = HashMap::new();
    for of in conversations {
        let places = || Arc::new(Semaphore::new(TURNS_OF_AN_ACCOUNT_MAX));
        let places = Arc::clone(of_accounts.entry(of.account.clone()).or_insert_with(places));
        let task = turns.spawn(turn(worker.clone(), of.clone(), places, until));
        of_tasks.insert(task.id(), of);
    }
    while let Some(ended) = turns.join_next_with_id().await {
        let (task, is_done) = match ended {
            Ok((task, is_done)) => (task, is_done),
            // It is in the log already, and its own only.
            Err(panicked) => (panicked.id(), false),
        };
        not_done.extend(of_tasks.remove(&task).filter(|_| !is_done));
    }
    not_done
}

/// Puts a new wake in the place of one for which there was no time or no storage; whether that was done. Given back it would count as
/// an attempt, and after twenty of those its message would end, although nobody had tried to send it.
async fn later(worker: &Worker, of: &Conversation, wait_ms: u64) -> bool {
    let wake = worker.wake(of, now() + wait_ms);
    matches!(tokio::time::timeout(Duration::from_millis(AGAIN_WITHIN_MS), wake).await, Ok(Ok(())))
}

/// Whether a turn is done: its wake need not come again. What has to come again by itself has a wake of its own then.
async fn turn(worker: Worker, of: Conversation, places: Arc<Semaphore>, until: Instant) -> bool {
    let Ok(Ok(_place)) = tokio::time::timeout_at(until, places.acquire()).await else {
        return later(&worker, &of, AGAIN_MS).await;
    };
    let time = until.saturating_duration_since(Instant::now()).min(Duration::from_millis(TURN_MS_MAX));
    let time_ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    if time_ms < LOOK_MS_MIN {
        return later(&worker, &of, AGAIN_MS).await;
    }
    match tokio::time::timeout(time, worker.turn_for(&of, time_ms)).await {
        // Whoever has the marker looks again after it. If that one died, its own wake comes again.
        Ok(Ok(_)) => true,
        Ok(Err(error)) => {
            TurnFailed { error: &error }.emit();
            error.is_passing() && later(&worker, &of, RETRY_MS).await
        }
        // When its wake comes again, a marker that it may have left is over.
        Err(_) => {
            TurnCut {}.emit();
            false
        }
    }
}
