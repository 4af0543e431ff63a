//! A batch of a queue or a Kinesis stream: each message given to its connections, or told that it was not.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lambda_runtime::{Context, Diagnostic, LambdaEvent};
use rapport_inbound::feed;
use rapport_telemetry::BatchTaken;
use serde_json::value::RawValue;

use crate::batch::{self, NoBatch};
use crate::http::time_left;
use crate::service::Service;

/// Takes a batch. Its answer names what was not taken: a queue hands that in again, a stream all from the first of it on,
/// and what was taken among them is recognised.
///
/// # Errors
/// The event is no batch of a queue or a stream, or the service is not ready: Lambda hands in the whole batch again.
pub async fn answer(service: Arc<Service>, event: LambdaEvent<Box<RawValue>>) -> Result<Box<RawValue>, Diagnostic> {
    let LambdaEvent { payload, context } = event;
    let work = {
        let context = context.clone();
        async move { take(&service, &payload, &context).await }
    };
    batch::answer(&context, work).await
}

/// Gives the names of what was not taken.
async fn take(service: &Service, payload: &RawValue, context: &Context) -> Result<Vec<String>, NoBatch> {
    let named = feed::batch(payload.get()).map_err(|error| NoBatch(error.to_string()))?;
    let running = service.running().await.map_err(|error| NoBatch(error.to_string()))?;
    let deliveries = named.len();
    let (mut not_taken, mut longest) = (Vec::new(), Duration::ZERO);
    for (name, delivery) in named {
        // At the deadline nothing of the batch would count as taken, and each attempt brings a message nearer to the dead
        // letters. One more that takes as long as any before fits twice.
        if time_left(context) < 2 * longest {
            not_taken.push(name);
            continue;
        }
        let began = Instant::now();
        // Why is in the log already.
        if running.inbound.feed(&delivery, &context.request_id).await.is_err() {
            not_taken.push(name);
        }
        longest = longest.max(began.elapsed());
    }
    BatchTaken { deliveries, not_taken: not_taken.len() }.emit();
    Ok(not_taken)
}
