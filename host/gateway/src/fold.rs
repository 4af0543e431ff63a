//! Events move what is known: conversation heads, traits, consents, delivery states and identity.
//!
//! Driven by the stream, at least once. Everything but the head is idempotent and done first; the head is written last,
//! with its guard, so a crash between leads to the same steps again and a record is counted once.

mod handover;
pub(crate) mod identity;

use std::collections::BTreeSet;

use rapport_model::conversation::{Head, Waiting};
use rapport_model::identity::{Named, claims, named};
use rapport_model::{Basis, Eid, fold};
use rapport_store::events::StoredEvent;
use rapport_store::stream::Inserted;
use rapport_store::{StoreError, Table, Written};

use crate::erasure;

/// Attempts to write one head. Another writer is a rebuild or a second consumer; both end.
const HEAD_ATTEMPTS_MAX: u32 = 8;

/// Folds records in stream order.
///
/// # Errors
/// [`NotFolded`] from some record on. Nothing is lost: the same records, handed in again, are folded once.
pub async fn fold_batch(table: &Table, batch: &[Inserted], now: u64) -> Result<(), NotFolded> {
    let mut failed = None;
    for conversation in conversations(batch) {
        let records: Vec<&Inserted> = conversation.iter().map(|(_, record)| *record).collect();
        if let Err(error) = fold_conversation(table, &records, now).await {
            // A conversation that others write to does not hold up the rest; without storage the rest need not be tried.
            let is_away = matches!(error, StoreError::Unavailable { .. });
            failed.get_or_insert(NotFolded { first: conversation[0].0, error });
            if is_away {
                break;
            }
        }
    }
    failed.map_or(Ok(()), Err)
}

/// Some records of a batch were not folded.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct NotFolded {
    /// The position of the first one in the batch. Others after it may have been folded; to fold them again is harmless.
    pub first: usize,
    /// Why the first one was not.
    #[source]
    pub error: StoreError,
}

impl From<NotFolded> for StoreError {
    fn from(failed: NotFolded) -> Self {
        failed.error
    }
}

/// Records with their positions by conversation, each in stream order: one head is read and written once for all of
/// them. In the order of their first records.
fn conversations(batch: &[Inserted]) -> Vec<Vec<(usize, &Inserted)>> {
    let mut grouped: Vec<Vec<(usize, &Inserted)>> = Vec::new();
    for (position, record) in batch.iter().enumerate() {
        let same = |group: &Vec<(usize, &Inserted)>| {
            let first = &group[0].1.stored;
            first.eid == record.stored.eid && first.event.account == record.stored.event.account
        };
        match grouped.iter_mut().find(|group| same(group)) {
            Some(group) => group.push((position, record)),
            None => grouped.push(vec![(position, record)]),
        }
    }
    grouped
}

async fn fold_conversation(table: &Table, records: &[&Inserted], now: u64) -> Result<(), StoreError> {
    let (eid, account) = (&records[0].stored.eid, &records[0].stored.event.account);
    for _ in 0..HEAD_ATTEMPTS_MAX {
        let mut guarded = table.head(eid, account).await?;
        let was_settled = guarded.is_settled();
        if !was_settled {
            (guarded.erased_at, guarded.left_at) = table.marks(eid).await?;
        }
        if erasure::on_request(table, records, guarded.erased_at, now).await? {
            continue;
        }
        let kept = erasure::keep(table, records, guarded.erased_at).await?;
        let kept = handover::keep(table, kept, &guarded).await?;
        handover::take_notice(table, &kept, now).await?;
        if kept.is_empty() {
            return Ok(());
        }
        for Inserted { sequence, stored } in kept {
            if guarded.wants(sequence, &stored.key) {
                let linked = apply_cells(table, stored, &mut guarded.head, now).await?;
                apply_head(table, stored, &mut guarded.head, &linked).await?;
            }
            guarded.pass(sequence, &stored.key, stored.received_at);
        }
        if table.put_head(eid, account, &guarded).await? == Written::Yes {
            // Whoever erased the endpoint before there was a head to delete did not see this one.
            if was_settled {
                return Ok(());
            }
            let (erased_at, left_at) = table.marks(eid).await?;
            if left_at != guarded.left_at {
                handover::give_up(table, eid, left_at, now).await?;
            }
            if erased_at <= guarded.erased_at {
                return Ok(());
            }
            table.sweep(eid, erased_at).await?;
        }
    }
    Err(StoreError::Contended { operation: "fold", attempts: HEAD_ATTEMPTS_MAX })
}

/// Recomputes everything that follows from an endpoint's events, from the events alone.
///
/// What streaming made and what this makes is the same; it is for a fold that had a mistake, or a stream that was lost.
///
/// # Errors
/// Nothing is lost: do it again.
pub async fn rebuild(table: &Table, eid: &Eid, now: u64) -> Result<(), StoreError> {
    let mut accounts = BTreeSet::new();
    let mut keep = |stored: StoredEvent| {
        accounts.insert(stored.event.account);
    };
    table.each_event(eid, &mut keep).await?;
    for account in accounts {
        rebuild_conversation(table, eid, &account, now).await?;
    }
    Ok(())
}

async fn rebuild_conversation(table: &Table, eid: &Eid, account: &str, now: u64) -> Result<(), StoreError> {
    for _ in 0..HEAD_ATTEMPTS_MAX {
        // Read before the log: what is folded after it loses this write, and what was folded before it is in the log.
        let mut old = table.head(eid, account).await?;
        (old.erased_at, old.left_at) = table.marks(eid).await?;
        let mut events: Vec<StoredEvent> = Vec::new();
        let mut keep = |stored: StoredEvent| {
            let is_ours = stored.event.at > old.erased_at && old.is_of_the_first(stored.event.at);
            if stored.event.account == account && is_ours {
                events.push(stored);
            }
        };
        table.each_event(eid, &mut keep).await?;
        let mut head = Head::default();
        for stored in &events {
            let linked = apply_cells(table, stored, &mut head, now).await?;
            apply_head(table, stored, &mut head, &linked).await?;
        }
        let counted: Vec<_> = events.iter().map(|stored| (stored.key.clone(), stored.received_at)).collect();
        if table.put_head(eid, account, &old.rebuilt(head, &counted)).await? == Written::Yes {
            return Ok(());
        }
    }
    Err(StoreError::Contended { operation: "rebuild", attempts: HEAD_ATTEMPTS_MAX })
}

/// Endpoints, evidence, traits, consents, delivery states and what is said of the address, of one event. Gives the other identifiers whose links with
/// this endpoint are recorded.
async fn apply_cells(table: &Table, stored: &StoredEvent, head: &mut Head, now: u64) -> Result<Vec<Eid>, StoreError> {
    let StoredEvent { eid, key, event, .. } = stored;
    let rules = table.rules();
    let mut endpoints = names(table, stored);
    let mut claims = claims(table.tenant_key(), event, &endpoints, rules);
    handover::resolve(table, &mut claims, event.at).await?;
    endpoints.extend(claims.links.iter().flat_map(|claim| [claim.a.clone(), claim.b.clone()]));
    endpoints.extend(claims.withdrawn.iter().flat_map(|(a, b)| [a.clone(), b.clone()]));
    for endpoint in endpoints.iter().filter(|endpoint| is_news(endpoint, eid, head, event.at)) {
        table.put_endpoint(endpoint, event.at).await?;
        identity::suggest_counterparts(table, endpoint, (key, event.at), now).await?;
    }
    let linked = identity::apply(table, stored, &claims, head, now).await?;
    for cell in fold::traits(key, event, rules) {
        table.put_trait(eid, &cell).await?;
    }
    if let Some(cell) = fold::consent(key, event, rules) {
        table.put_consent(eid, &cell).await?;
    }
    if let Some(cell) = fold::delivery(table.tenant_key(), event) {
        table.put_delivery(eid, &cell).await?;
    }
    if let Some(cell) = fold::reach(key, event) {
        table.put_reach(eid, &cell).await?;
    }
    Ok(linked)
}

/// The identifiers of an event. Whose its first one is, is where it stands: rules may have changed since it came, and an
/// address may have changed hands.
fn names(table: &Table, stored: &StoredEvent) -> Vec<Named> {
    let mut names = named(table.tenant_key(), table.rules(), &stored.event.contact);
    if let Some(first) = names.first_mut().filter(|first| first.eid != stored.eid) {
        let is_apart = |basis: &Basis| table.tenant_key().eid_of(&first.key, *basis) == stored.eid;
        first.basis = Basis::ALL.into_iter().find(is_apart).unwrap_or_default();
        first.eid = stored.eid.clone();
    }
    names
}

/// Whether the head does not know already that this endpoint was there at this time.
fn is_news(endpoint: &Named, own: &Eid, head: &Head, at: u64) -> bool {
    let since = match endpoint.eid == *own {
        true => (!head.counters.is_empty()).then_some(head.first_at),
        false => head.names.get(&endpoint.eid).map(|(first, _)| *first),
    };
    since.is_none_or(|since| at < since)
}

async fn apply_head(table: &Table, stored: &StoredEvent, head: &mut Head, linked: &[Eid]) -> Result<(), StoreError> {
    let StoredEvent { eid, key, event, .. } = stored;
    let names: Vec<Eid> =
        names(table, stored).into_iter().map(|named| named.eid).filter(|named| named != eid).collect();
    if let Waiting::FirstCustomerMessageAfter(after) = head.apply(key, event, &names, linked, table.rules()) {
        head.wait_since(table.first_customer_message_after(eid, &event.account, after).await?);
    }
    Ok(())
}
