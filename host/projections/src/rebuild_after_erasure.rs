//! The steps of an erasure that follow events: rebuild what stays, do what a provider demands, drop what is delivered again.
//! What is erased, what stays and why it does not come back: [`rapport_store::erasure`].

use std::collections::{BTreeMap, BTreeSet};

use rapport_model::cells::{self, is_of_the_customer};
use rapport_model::event::{Body, ConsentState, Covered};
use rapport_model::identity::named;
use rapport_model::sending::reference::Reference;
use rapport_model::{Eid, Timestamp};
use rapport_store::erasure::{ADDRESS, Erased, Erasure, Suppression};
use rapport_store::events::StoredEvent;
use rapport_store::stream::Inserted;
use rapport_store::{Mistake, StoreError, Table};
use rapport_telemetry::{ConnectionErased, ErasedAgain, NotFoldedAnew};

use crate::fold::rebuild;

/// As much of an erasure as one call may do. `connections` are those whose parked webhooks are searched.
///
/// # Errors
/// Storage failed: call again. [`StoreError::Remains`]: it cannot be completed.
pub async fn proceed(
    table: &Table,
    erasure: &mut Erasure,
    connections: &[String],
    now: Timestamp,
) -> Result<(), StoreError> {
    while erasure.completed_at.is_none() {
        table.continue_erasure(erasure, connections, now).await?;
        let Some(survivors) = erasure.to_rebuild() else { return Ok(()) };
        for eid in survivors {
            match rebuild(table, eid, now).await {
                // It would be as wrong the next time, and what is erased is gone.
                Err(error) if !error.is_passing() => {
                    NotFoldedAnew { endpoint: &eid, error: &error }.emit();
                }
                done => drop(done?),
            }
        }
        table.complete_erasure(erasure, now).await?;
    }
    Ok(())
}

/// Calls of an erasure that a fold makes at once: 20,000 items, within a function's time. If there are more, the endpoint is
/// set aside, and the next attempt continues where this one stopped.
const CALLS_OF_A_FOLD_MAX: u32 = 4;

/// Erases what a connection said about a person whom its provider demands to erase, up to the demand. Returns whether it
/// erased anything: then heads must be read again.
pub(crate) async fn on_demand(table: &Table, records: &[&Inserted], now: Timestamp) -> Result<bool, StoreError> {
    let demands = records.iter().map(|record| &record.stored);
    let demands = demands.filter(|stored| matches!(stored.event.body, Body::ContactErased));
    // The last demand of each connection covers the earlier ones.
    let mut last: BTreeMap<&str, &StoredEvent> = BTreeMap::new();
    for stored in demands {
        let known = last.entry(stored.connection.as_str()).or_insert(stored);
        if known.event.at < stored.event.at {
            *known = stored;
        }
    }
    let mut did = false;
    for (connection, stored) in last {
        let Some(mut erasure) = table.begin_erasure_of_connection(stored, now).await? else { continue };
        for _ in 0..CALLS_OF_A_FOLD_MAX {
            if erasure.completed_at.is_none() {
                proceed(table, &mut erasure, &[connection.to_owned()], now).await?;
            }
        }
        if erasure.completed_at.is_none() {
            return Err(StoreError::Contended { operation: "erase", attempts: CALLS_OF_A_FOLD_MAX });
        }
        ConnectionErased { erasure: &erasure.id, connection }.emit();
        did = true;
    }
    Ok(did)
}

/// The records that are not erased. The others were delivered again since: they are deleted.
pub(crate) async fn keep<'a>(
    table: &Table,
    records: &[&'a Inserted],
    erased: &Erased,
    now: Timestamp,
) -> Result<Vec<&'a Inserted>, StoreError> {
    let (mut kept, mut again) = (Vec::new(), Vec::new());
    let mut is_known = false;
    for record in records {
        let is_erased = table.is_erased(erased, &record.stored).await?
            || !is_known && is_about_what_is_erased(table, erased, &record.stored).await?;
        is_known |= !is_erased && is_of_the_customer(&record.stored.event);
        if is_erased { again.push(*record) } else { kept.push(*record) }
    }
    let mut is_odd = false;
    for record in &again {
        is_odd |= table.forget_again(&record.stored, now).await?;
        let eid = &record.stored.eid;
        let until = erased.by.get(&record.stored.connection).copied().unwrap_or_default().max(erased.up_to);
        let named = named(table.tenant_key(), table.rules(), &record.stored.event.contact);
        let others: BTreeSet<Eid> = named.into_iter().map(|named| named.eid).filter(|other| other != eid).collect();
        for other in others {
            table.forget_unused(&other, until).await?;
        }
    }
    if let Some(first) = again.first() {
        ErasedAgain { events: again.len() }.emit();
        // A fold that was under way has left something, which may have taken the place of something older.
        if is_odd {
            begin_anew(table, &first.stored.eid, now).await?;
        }
    }
    Ok(kept)
}

/// Whether an event that came after an erasure is about what is erased: the event of a message of ours that is gone, or
/// somebody else's word about an endpoint that the customer has not written from since. A withdrawn consent is remembered.
async fn is_about_what_is_erased(table: &Table, erased: &Erased, stored: &StoredEvent) -> Result<bool, StoreError> {
    if erased.up_to == 0 || is_of_the_customer(&stored.event) || table.makes(Mistake::LateEventStays) {
        return Ok(false);
    }
    if let Some(reference) = named_by(table, stored) {
        return Ok(table.intent(&reference.eid, &reference.intent).await?.is_none());
    }
    if table.was_seen_since(&stored.eid).await? {
        return Ok(false);
    }
    suppress(table, stored).await?;
    Ok(true)
}

/// The part of a message of ours that an event is of, or reports about.
fn named_by(table: &Table, stored: &StoredEvent) -> Option<Reference> {
    if let Some(origin) = &stored.origin {
        return Some(Reference { eid: stored.eid.clone(), intent: origin.intent.clone(), part: origin.part });
    }
    let Body::Delivery(delivery) = &stored.event.body else { return None };
    let covered = match &delivery.covers {
        Covered::Reference(reference) => Some(reference),
        _ => None,
    };
    Reference::read(delivery.reference.as_ref().or(covered)?, table.tenant_key())
}

/// Remembers at the endpoint, for longer than the person is known, that a purpose is not wanted, or that the address takes
/// nothing; or that this is taken back.
pub(crate) async fn suppress(table: &Table, stored: &StoredEvent) -> Result<(), StoreError> {
    let StoredEvent { eid, key, event, .. } = stored;
    if let Some(cell) = cells::consent(key, event, table.rules()) {
        let is_on = cell.state == ConsentState::Withdrawn;
        table.put_suppression(eid, &cell.purpose, &Suppression { event: key.clone(), is_on }).await?;
    }
    if let Some(cell) = cells::reach(key, event) {
        let is_on = cell.failure.is_some_and(|failure| !failure.retryable);
        table.put_suppression(eid, ADDRESS, &Suppression { event: key.clone(), is_on }).await?;
    }
    Ok(())
}

/// Folds an endpoint from its log, after all that was folded before is deleted: something of it is erased.
pub(crate) async fn begin_anew(table: &Table, eid: &Eid, now: Timestamp) -> Result<(), StoreError> {
    let erased = table.erased(eid).await?;
    table.sweep(eid, &erased).await?;
    rebuild(table, eid, now).await.map(drop)
}
