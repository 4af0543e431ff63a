//! A batch of the table's stream: folded, or told from which record on it was not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lambda_runtime::{Diagnostic, LambdaEvent};
use rapport_model::Eid;
use rapport_projections::fold::{self, NotFolded, aside, fold_batch};
use rapport_projections::settlement;
use rapport_store::events::UnreadableEvent;
use rapport_store::heads::Sequence;
use rapport_store::lambda_stream::Record;
use rapport_store::stream::{InsertedIntent, WAITING_MAX, Waiting};
use rapport_store::{StoreError, Table};
use rapport_telemetry::{BatchFolded, FoldWaits, NotFollowed, NotTakenUp, PayloadNotReadable, RecordNotReadable};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};

use crate::batch::{self, NoBatch};
use crate::service::Service;
use crate::wakes::WakesOrNotes;

/// Folds a batch. Its answer names the first record that was not folded; Lambda hands in that one and all after it again,
/// and what was folded among them is recognised.
///
/// # Errors
/// The event is no batch of a stream, or the service is not ready: Lambda hands in the whole batch again.
pub async fn answer(service: Arc<Service>, event: LambdaEvent<Box<RawValue>>) -> Result<Box<RawValue>, Diagnostic> {
    let LambdaEvent { payload, context } = event;
    if let Ok(Asked { fold }) = serde_json::from_str(payload.get()) {
        return operate(&service, fold).await;
    }
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
            "the event is not a batch of a DynamoDB stream (column {}); fix: map only the table's stream to this function",
            error.column()
        ))
    })?;
    let running = service.running().await.map_err(|error| NoBatch(error.to_string()))?;
    let (table, now) = (&running.inbound.table, (running.inbound.now)());
    let read = read(table, &batch.records).await;
    let unreadable = read.unreadable.len() + read.unreadable_records;
    let (numbers, events): (Vec<String>, Vec<_>) = read.events.into_iter().unzip();
    let (waiting_numbers, waiting): (Vec<String>, Vec<_>) = read.waiting.into_iter().unzip();
    let (waits, mut set_aside) = fold::waiting(table, waiting, now).await;
    let waits = waits.map(|NotFolded { first, error }| {
        PayloadNotReadable { error: &error }.emit();
        waiting_numbers[first].clone()
    });
    // What was not looked at comes again, and at least with the last that was.
    let waits = waits.or_else(|| waiting_numbers.last().filter(|_| read.is_cut).cloned());
    // Whose events cannot be read is on the list before their records have passed.
    let wakes = WakesOrNotes { queue: &running.wakes, table, now };
    let waits = earlier(waits, follow(table, &read.intents, &wakes, now).await);
    let first_not_folded = match fold::unreadable(table, &read.unreadable, now).await {
        Ok(aside) => {
            set_aside += aside;
            match fold_batch(table, &events, now).await {
                Ok(aside) => {
                    set_aside += aside;
                    waits
                }
                Err(NotFolded { first, error }) => {
                    FoldWaits { error: &error }.emit();
                    earlier(Some(numbers[first].clone()), waits)
                }
            }
        }
        Err(error) => return Err(NoBatch(error.to_string())),
    };
    if first_not_folded.is_none() {
        take_up(table, now).await;
    }
    let (records, folded) = (batch.records.len(), first_not_folded.is_none());
    let newest = events.iter().map(|inserted| inserted.stored.received_at).max();
    let lag_ms = newest.map(|received_at| now.saturating_sub(received_at));
    let (events, gone) = (events.len(), read.gone);
    BatchFolded { records, events, unreadable, gone, set_aside, folded, lag_ms }.emit();
    Ok(first_not_folded)
}

/// Whichever is first in the stream: all after it come again.
fn earlier(one: Option<String>, other: Option<String>) -> Option<String> {
    one.into_iter().chain(other).min_by_key(|number| Sequence::new(number))
}

/// Wakes a worker for each message that was put: whoever put it may have died before. Gives the first record that storage does not
/// let follow now. What is wrong with one for good holds up nobody: its own conversation is woken by what comes next in it.
async fn follow(
    table: &Table,
    intents: &[(String, InsertedIntent)],
    wakes: &WakesOrNotes<'_>,
    now: u64,
) -> Option<String> {
    let mut first = None;
    for (number, put) in intents {
        let Err(error) = settlement::follow(table, put, wakes, now).await else { continue };
        NotFollowed { intent: put.id.as_str(), error: &error }.emit();
        if error.is_passing() {
            first = earlier(first, Some(number.clone()));
        }
    }
    first
}

/// Tries one endpoint that was set aside and is due: at most so often, since each look costs a read.
async fn take_up(table: &Table, now: u64) {
    static LOOKED_AT: AtomicU64 = AtomicU64::new(0);
    if now.saturating_sub(LOOKED_AT.load(Ordering::Relaxed)) < LOOK_EVERY_MS {
        return;
    }
    LOOKED_AT.store(now, Ordering::Relaxed);
    if let Err(error) = aside::take_up_due(table, now).await {
        NotTakenUp { error: &error }.emit();
    }
}

/// Milliseconds from one look at what was set aside to the next, in one environment.
const LOOK_EVERY_MS: u64 = 1_000;

/// What an operator asks of the function, by `aws lambda invoke`: `{"fold": "list"}`, `{"fold": {"retry": ["<id>"]}}`.
#[derive(Deserialize)]
struct Asked {
    fold: Operation,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Operation {
    /// The first hundred that are set aside.
    List,
    /// Takes these up again; without one, as many as there is time for.
    Retry(Vec<String>),
}

/// Endpoints that one call of an operator lists or takes up.
const OPERATED_MAX: usize = 100;

async fn operate(service: &Service, operation: Operation) -> Result<Box<RawValue>, Diagnostic> {
    let failed = |error: String| Diagnostic { error_type: "Rapport.Fold".to_owned(), error_message: error };
    let running = service.running().await.map_err(|error| failed(error.to_string()))?;
    let (table, now) = (&running.inbound.table, (running.inbound.now)());
    let mut wanted = table.unfolded(OPERATED_MAX, None).await.map_err(|error| failed(error.to_string()))?.items;
    let answer = match operation {
        Operation::List => json!({"set_aside": wanted}),
        Operation::Retry(ids) => {
            let ids: Vec<Eid> = ids.iter().filter_map(|id| Eid::parse(id)).collect();
            if !ids.is_empty() {
                wanted = Vec::with_capacity(ids.len());
                for eid in ids {
                    wanted.extend(table.unfolded_one(&eid).await.map_err(|error| failed(error.to_string()))?);
                }
            }
            let (mut folded, mut still) = (Vec::new(), Vec::new());
            for unfolded in wanted {
                if aside::take_up(table, &unfolded, now).await.map_err(|error| failed(error.to_string()))? {
                    folded.push(unfolded.eid)
                } else {
                    still.push(unfolded.eid)
                }
            }
            json!({"folded": folded, "set_aside": still})
        }
    };
    to_raw_value(&answer).map_err(|error| failed(error.to_string()))
}

/// What there is to fold of a batch.
#[derive(Default)]
struct Read {
    /// With their numbers.
    events: Vec<(String, rapport_store::stream::Inserted)>,
    /// With their numbers: what later records of the same endpoints are not among the events.
    waiting: Vec<(String, Waiting)>,
    unreadable: Vec<UnreadableEvent>,
    /// With their numbers.
    intents: Vec<(String, InsertedIntent)>,
    /// Whether it ends early since so many wait.
    is_cut: bool,
    /// Records that could not be read at all.
    unreadable_records: usize,
    /// Events that were erased since.
    gone: usize,
}

async fn read(table: &Table, records: &[&RawValue]) -> Read {
    let mut read = Read::default();
    for record in records {
        match table.read_record(record).await {
            Ok(Record::Event { inserted, .. })
                if read.waiting.iter().any(|(_, waiting)| waiting.eid == inserted.stored.eid) => {}
            Ok(Record::Event { number, inserted }) => read.events.push((number, *inserted)),
            Ok(Record::Other) => {}
            Ok(Record::Intent { number, inserted }) => read.intents.push((number, inserted)),
            Ok(Record::Gone) => read.gone += 1,
            Ok(Record::Unreadable(event)) => read.unreadable.push(event),
            Ok(Record::Odd(error)) => log_unreadable(&mut read, &error),
            Err(waiting) => {
                read.waiting.push(waiting);
                if read.waiting.len() >= WAITING_MAX {
                    read.is_cut = true;
                    break;
                }
            }
        }
    }
    read
}

/// It would be as unreadable when it came again, and hold up all others.
fn log_unreadable(read: &mut Read, error: &StoreError) {
    RecordNotReadable { error }.emit();
    read.unreadable_records += 1;
}
