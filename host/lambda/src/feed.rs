//! A batch of a queue or a Kinesis stream: each message given to its connections, or told that it was not.

use std::sync::Arc;

use lambda_runtime::{Diagnostic, LambdaEvent};
use rapport_gateway::feed::batch;
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};
use tracing::Instrument;

use crate::http::{Contained, contained};
use crate::service::Service;

/// Takes a batch. Its answer names what was not taken: a queue hands that in again, a stream all from the first of it on,
/// and what was taken among them is recognised.
///
/// # Errors
/// The event is no batch of a queue or a stream, or there is no gateway now: Lambda hands in the whole batch again.
pub async fn answer(service: Arc<Service>, event: LambdaEvent<Box<RawValue>>) -> Result<Box<RawValue>, Diagnostic> {
    let LambdaEvent { payload, context } = event;
    let span = tracing::info_span!("batch", request_id = context.request_id);
    let request_id = context.request_id.clone();
    let work = async move { take(&service, &payload, &request_id).await };
    let failed = |error_type: &str, error_message: String| Diagnostic {
        error_type: format!("Rapport.{error_type}"),
        error_message,
    };
    let not_taken = match contained(work, &context).instrument(span).await {
        Ok(Ok(not_taken)) => not_taken,
        Ok(Err(NoBatch(detail))) => return Err(failed("NoBatch", detail)),
        Err(Contained::Panicked) => return Err(failed("Panic", "the feed panicked; the log says where".to_owned())),
        Err(Contained::TooSlow) => {
            return Err(failed("Deadline", "the batch was not taken before the function's deadline".to_owned()));
        }
    };
    let failures: Vec<_> = not_taken.iter().map(|name| json!({"itemIdentifier": name})).collect();
    Ok(to_raw_value(&json!({"batchItemFailures": failures})).expect("a JSON value is JSON"))
}

/// The whole batch has to come again, and why.
struct NoBatch(String);

/// Gives the names of what was not taken.
async fn take(service: &Service, payload: &RawValue, request_id: &str) -> Result<Vec<String>, NoBatch> {
    let named = batch(payload.get()).map_err(|error| NoBatch(error.to_string()))?;
    let running = service.running().await.map_err(|error| NoBatch(error.to_string()))?;
    let deliveries = named.len();
    let mut not_taken = Vec::new();
    for (name, delivery) in named {
        // Why is in the log already.
        if running.gateway.feed(&delivery, request_id).await.is_err() {
            not_taken.push(name);
        }
    }
    tracing::info!(deliveries, not_taken = not_taken.len(), "batch taken");
    Ok(not_taken)
}
