//! Events that are batches: the answer names what has to come again, and Lambda hands in no more than that.

use lambda_runtime::{Context, Diagnostic};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};
use tracing::Instrument;

use crate::http::{Contained, contained};

/// The whole batch has to come again, and why.
pub(crate) struct NoBatch(pub String);

/// A message of a queue.
#[derive(Deserialize)]
pub(crate) struct Message {
    /// Its name for Lambda.
    #[serde(rename = "messageId")]
    pub name: String,
    pub body: String,
}

/// The messages of a queue's batch.
///
/// # Errors
/// It is of another service. Where it stopped is said, and not what was there.
pub(crate) fn messages(payload: &RawValue) -> Result<Vec<Message>, NoBatch> {
    #[derive(Deserialize)]
    struct Batch {
        #[serde(rename = "Records")]
        records: Vec<Message>,
    }
    let batch: Result<Batch, _> = serde_json::from_str(payload.get());
    batch.map(|batch| batch.records).map_err(|error| {
        NoBatch(format!(
            "the event is not a batch of SQS (column {}); fix: map only a queue of the workers to this function",
            error.column()
        ))
    })
}

/// Does the work of one batch, which gives the names of what was not done.
///
/// # Errors
/// Lambda hands in the whole batch again: there was no telling what of it was done.
pub(crate) async fn answer(
    context: &Context,
    work: impl Future<Output = Result<Vec<String>, NoBatch>> + Send + 'static,
) -> Result<Box<RawValue>, Diagnostic> {
    let span = rapport_telemetry::batch(&context.request_id);
    let failed = |error_type: &str, error_message: String| Diagnostic {
        error_type: format!("Rapport.{error_type}"),
        error_message,
    };
    let not_done = match contained(work, context).instrument(span).await {
        Ok(Ok(not_done)) => not_done,
        Ok(Err(NoBatch(detail))) => return Err(failed("NoBatch", detail)),
        Err(Contained::Panicked) => {
            return Err(failed("Panic", "the function panicked; the log says where".to_owned()));
        }
        Err(Contained::TooSlow) => {
            return Err(failed("Deadline", "the batch was not done before the function's deadline".to_owned()));
        }
    };
    let failures: Vec<_> = not_done.iter().map(|name| json!({"itemIdentifier": name})).collect();
    Ok(to_raw_value(&json!({"batchItemFailures": failures})).expect("a JSON value is JSON"))
}
