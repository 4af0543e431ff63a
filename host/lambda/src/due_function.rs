//! What is due, once a minute, and wakes that the queue gave up.

use std::sync::Arc;
use std::time::Duration;

use lambda_runtime::{Context, Diagnostic, LambdaEvent};
use rapport_outbound::{GivenUp, Worker};
use rapport_store::StoreError;
use rapport_store::outbox::wake;
use rapport_telemetry::{DueWoken, WakeNotEnded, WakeNotRead};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::task::JoinSet;

use crate::batch::{self, Message, NoBatch};
use crate::http::time_left;
use crate::service::{Service, now};

/// Milliseconds that are kept for what is under way when no more is begun.
const REST_MS: u64 = 10_000;

/// What the schedule hands in.
#[derive(Deserialize)]
struct Asked {
    due: What,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    Tick,
}

/// Wakes what is due; or ends what the dead letters of a batch were for, and names those that have to come again.
///
/// # Errors
/// The event is neither, the service is not ready, or storage or the queue failed: the next minute goes on.
pub async fn answer(service: Arc<Service>, event: LambdaEvent<Box<RawValue>>) -> Result<Box<RawValue>, Diagnostic> {
    let LambdaEvent { payload, context } = event;
    let is_tick = matches!(serde_json::from_str(payload.get()), Ok(Asked { due: What::Tick }));
    let work = {
        let context = context.clone();
        async move {
            let messages = if is_tick { Vec::new() } else { batch::messages(&payload)? };
            let running = service.running().await.map_err(|error| NoBatch(error.to_string()))?;
            if is_tick {
                let ticked = tick(&running.worker, &context).await;
                return ticked.map(|()| Vec::new()).map_err(|error| NoBatch(error.to_string()));
            }
            Ok(end_all(&running.worker, messages, &context).await)
        }
    };
    batch::answer(&context, work).await
}

/// Whether there is time for one more.
fn is_time(context: &Context) -> bool {
    time_left(context) > Duration::from_millis(REST_MS)
}

/// Wakes all that is due by now. What there is no time for is left to the next minute.
async fn tick(worker: &Worker, context: &Context) -> Result<(), StoreError> {
    let (mut woken, mut commands) = (0, 0);
    while is_time(context) {
        let ticked = worker.tick(now()).await?;
        woken += ticked.woken;
        commands = ticked.commands.len();
        // Commands come again until they are done.
        if ticked.woken == 0 {
            break;
        }
    }
    if woken + commands > 0 {
        DueWoken { woken, commands }.emit();
    }
    Ok(())
}

/// Ends the messages that made wakes fail; gives the names of the wakes that have to come again.
async fn end_all(worker: &Worker, messages: Vec<Message>, context: &Context) -> Vec<String> {
    let mut not_done = Vec::new();
    for Message { name, body } in messages {
        let is_done = is_time(context) && end(worker, &body).await;
        if !is_done {
            not_done.push(name);
        }
    }
    not_done
}

async fn end(worker: &Worker, body: &str) -> bool {
    let of = match wake::read(body) {
        Ok(of) => of,
        Err(error) => {
            WakeNotRead { error: &error }.emit();
            return false;
        }
    };
    let worker = worker.clone();
    // In a task of its own: what made the turns panic may make this panic, and the next wake is another's.
    let mut task = JoinSet::new();
    task.spawn(async move { worker.give_up(&of).await });
    match task.join_next().await {
        Some(Ok(Ok(GivenUp::Ended | GivenUp::Nothing))) => true,
        Some(Ok(Ok(GivenUp::UnderWay)) | Err(_)) | None => false,
        Some(Ok(Err(error))) => {
            WakeNotEnded { error: &error }.emit();
            false
        }
    }
}
