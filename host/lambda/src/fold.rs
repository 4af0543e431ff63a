//! A batch of the table's stream: folded, or told from which record on it was not.

use std::sync::Arc;

use lambda_runtime::{Diagnostic, LambdaEvent};
use rapport_gateway::fold::{NotFolded, fold_batch};
use rapport_store::lambda_stream::Record;
use rapport_store::{StoreError, Table};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::batch::{self, NoBatch};
use crate::service::Service;

/// Folds a batch. Its answer names the first record that was not folded; Lambda hands in that one and all after it again,
/// and what was folded among them is recognised.
///
/// # Errors
/// The event is no batch of a stream, or there is no gateway now: Lambda hands in the whole batch again.
pub async fn answer(service: Arc<Service>, event: LambdaEvent<Box<RawValue>>) -> Result<Box<RawValue>, Diagnostic> {
    let LambdaEvent { payload, context } = event;
    let work = async move { fold(&service, &payload).await.map(|first| first.into_iter().collect()) };
    batch::answer(&context, work).await
}

#[derive(Deserialize)]
struct Batch<'a> {
    #[serde(rename = "Records", borrow)]
    records: Vec<&'a RawValue>,
}

/// Gives the sequence number of the first record that was not folded.
async fn fold(service: &Service, payload: &RawValue) -> Result<Option<String>, NoBatch> {
    let batch: Batch<'_> = serde_json::from_str(payload.get()).map_err(|error| {
        NoBatch(format!(
            "the event is no batch of a DynamoDB stream (column {}); fix: map only the table's stream to this function",
            error.column()
        ))
    })?;
    let running = service.running().await.map_err(|error| NoBatch(error.to_string()))?;
    let (table, now) = (&running.gateway.table, (running.gateway.now)());
    let read = read(table, &batch.records).await;
    let events: Vec<_> = read.events.iter().map(|(_, inserted)| inserted.clone()).collect();
    let first_not_folded = match fold_batch(table, &events, now).await {
        Ok(()) => read.not_read,
        Err(NotFolded { first, error }) => {
            tracing::error!(%error, "the fold waits");
            Some(read.events[first].0.clone())
        }
    };
    let (records, folded) = (batch.records.len(), first_not_folded.is_none());
    let newest = events.iter().map(|inserted| inserted.stored.received_at).max();
    let lag_ms = newest.map(|received_at| now.saturating_sub(received_at));
    tracing::info!(records, events = events.len(), unreadable = read.unreadable, folded, lag_ms, "batch folded");
    Ok(first_not_folded)
}

/// What there is to fold of a batch.
#[derive(Default)]
struct Read {
    /// With their numbers.
    events: Vec<(String, rapport_store::stream::Inserted)>,
    /// The record at which storage was away. Nothing after it was read.
    not_read: Option<String>,
    unreadable: usize,
}

async fn read(table: &Table, records: &[&RawValue]) -> Read {
    let mut read = Read::default();
    for record in records {
        match table.read_record(record).await {
            Ok(Record::Event { number, inserted }) => read.events.push((number, *inserted)),
            Ok(Record::Other) => {}
            Ok(Record::Unreadable(error)) => unreadable(&mut read, &error),
            Err((number, error)) => {
                tracing::error!(%error, "an event's payload cannot be had; the fold waits");
                read.not_read = Some(number);
                break;
            }
        }
    }
    read
}

/// It would be as unreadable when it came again, and hold up all others.
fn unreadable(read: &mut Read, error: &StoreError) {
    tracing::error!(%error, "an event could not be folded; it stays in the log");
    read.unreadable += 1;
}
