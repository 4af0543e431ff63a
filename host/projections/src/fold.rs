//! Events move what is known: conversation heads, traits, consents, delivery states and identity.
//!
//! Driven by the stream, at least once. Everything but the head is idempotent and done first; the head is written last,
//! with its guard, so a crash between leads to the same steps again and a record is counted once.
//!
//! One endpoint's failure does not stop the others: a conversation that cannot be folded is set aside
//! ([`rapport_store::unfolded`]). [`aside`] tries it again, by folding its endpoint from the log.

pub mod aside;
mod handover;
pub mod identity;

use std::collections::{BTreeMap, BTreeSet};

use rapport_model::conversation::{Head, Waiting};
use rapport_model::identity::{Named, WEAK_MAX, claims, named};
use rapport_model::sending::Kind;
use rapport_model::{Basis, Eid, EventKey, Timestamp, cells};
use rapport_store::events::{Logged, StoredEvent, UnreadableEvent};
use rapport_store::heads::GuardedHead;
use rapport_store::stream::{self, Inserted};
use rapport_store::{StoreError, Table, Written};

use crate::{control, rebuild_after_erasure, settlement};

/// Attempts to write one head. Another writer is a rebuild or a second consumer; both end.
const HEAD_ATTEMPTS_MAX: u32 = 8;
/// Conversations in a row for which storage fails. After that it is down, and the rest is not tried.
const AWAY_AFTER: u32 = 3;
/// Milliseconds. How long a record waits for a temporary error to pass, and with it those behind it in the stream. If only
/// one conversation fails for longer, it is set aside and tried again automatically. If storage is down for longer, nothing is
/// set aside, and all wait.
const PATIENCE_MS: u64 = 2 * 60 * 1000;

/// Folds records in stream order. Gives how many endpoints it had to set aside.
///
/// # Errors
/// [`NotFolded`] from some record on: storage is away. Nothing is lost: the same records, handed in again, are folded once.
pub async fn fold_batch(table: &Table, batch: &[Inserted], now: Timestamp) -> Result<usize, NotFolded> {
    let (mut failed, mut aside, mut away) = (None, 0, 0);
    for conversation in conversations(batch) {
        let records: Vec<&Inserted> = conversation.iter().map(|(_, record)| *record).collect();
        let eid = &records[0].stored.eid;
        let error = match aside::contained(fold_conversation(table, &records, now)).await {
            Ok(()) => {
                away = 0;
                continue;
            }
            Err(failure) => match failure.to_wait_for(now.saturating_sub(records[0].stored.received_at)) {
                Some(error) => error,
                None => match aside::set_aside(table, eid, &failure, now).await {
                    Ok(()) => {
                        (aside, away) = (aside + 1, 0);
                        continue;
                    }
                    // Storage takes no record aside either: it is away, so the rest need not be tried.
                    Err(error) => {
                        away = if error.is_passing() { AWAY_AFTER } else { away };
                        error
                    }
                },
            },
        };
        failed.get_or_insert(NotFolded { first: conversation[0].0, error });
        away += 1;
        if away >= AWAY_AFTER {
            break;
        }
    }
    failed.map_or(Ok(aside), Err)
}

/// Decides about events whose payload cannot be had now. Gives which of them to wait for, and how many endpoints were set
/// aside since they have waited for too long.
pub async fn waiting(table: &Table, events: Vec<stream::Waiting>, now: Timestamp) -> (Option<NotFolded>, usize) {
    let (mut failed, mut aside) = (None, 0);
    for (first, stream::Waiting { eid, received_at, error }) in events.into_iter().enumerate() {
        let failure = aside::Failure::Store(error);
        let error = match failure.to_wait_for(now.saturating_sub(received_at)) {
            Some(error) => error,
            None => match aside::set_aside(table, &eid, &failure, now).await {
                Ok(()) => {
                    aside += 1;
                    continue;
                }
                Err(error) => error,
            },
        };
        failed.get_or_insert(NotFolded { first, error });
    }
    (failed, aside)
}

/// Sets aside whose events cannot be read. Gives how many endpoints that are.
///
/// # Errors
/// Storage does not take it: hand the records in again.
pub async fn unreadable(table: &Table, events: &[UnreadableEvent], now: Timestamp) -> Result<usize, StoreError> {
    let mut whose = BTreeSet::new();
    for UnreadableEvent { eid, why, .. } in events {
        if whose.insert(eid) {
            aside::set_aside(table, eid, &aside::Failure::Unreadable(*why), now).await?;
        }
    }
    Ok(whose.len())
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

async fn fold_conversation(table: &Table, records: &[&Inserted], now: Timestamp) -> Result<(), StoreError> {
    let (eid, account) = (&records[0].stored.eid, &records[0].stored.event.account);
    for _ in 0..HEAD_ATTEMPTS_MAX {
        let mut guarded = table.head(eid, account).await?;
        let was_settled = guarded.is_settled();
        if !was_settled {
            (guarded.erased, guarded.left_at) = table.marks(eid).await?;
        }
        // First find out whose each record is. What the next holder of the address says is not erased with the previous
        // holder, and does not erase them.
        let ours = handover::keep(table, records.to_vec(), &guarded).await?;
        if rebuild_after_erasure::on_demand(table, &ours, now).await? {
            continue;
        }
        let kept = rebuild_after_erasure::keep(table, &ours, &guarded.erased, now).await?;
        handover::take_notice(table, &kept, now).await?;
        if kept.is_empty() {
            return Ok(());
        }
        for Inserted { stored, .. } in &kept {
            settlement::settle(table, stored, now).await?;
            control::repeat(table, stored, now).await?;
        }
        for Inserted { sequence, stored } in kept {
            if guarded.wants(sequence, &stored.key) {
                let linked = apply_cells(table, stored, &mut guarded.head, now).await?;
                apply_head(table, stored, &mut guarded.head, &linked).await?;
            }
            guarded.pass(sequence, &stored.key, stored.received_at);
        }
        if table.put_head(eid, account, &guarded).await? == Written::Yes {
            // An erasure that ran before this head existed did not delete it.
            if was_settled {
                return Ok(());
            }
            let (erased, left_at) = table.marks(eid).await?;
            if left_at != guarded.left_at {
                handover::give_up(table, eid, left_at, now).await?;
            }
            if erased.is_within(&guarded.erased) {
                return Ok(());
            }
            rebuild_after_erasure::begin_anew(table, eid, now).await?;
        }
    }
    Err(StoreError::Contended { operation: "fold", attempts: HEAD_ATTEMPTS_MAX })
}

/// Recomputes everything that follows from an endpoint's events, from the events alone. Gives how many of them cannot be
/// read: what they say is missing.
///
/// What streaming made and what this makes is the same; it is for a fold that had a mistake, or a stream that was lost.
/// One event is unpacked at a time, however long the log is.
///
/// # Errors
/// Nothing is lost: do it again.
pub async fn rebuild(table: &Table, eid: &Eid, now: Timestamp) -> Result<usize, StoreError> {
    let mut done: BTreeSet<String> = BTreeSet::new();
    for _ in 0..HEAD_ATTEMPTS_MAX {
        // Read before the log: what is folded after it loses this write, and what was folded before it is in the log.
        let mut old: BTreeMap<String, GuardedHead> = table.readable_heads(eid).await?.into_iter().collect();
        let (erased, left_at) = table.marks(eid).await?;
        let is_the_firsts = |at: Timestamp| left_at == 0 || at <= left_at;
        let (mut rebuilt, mut unreadable) = (BTreeMap::<String, Rebuilt>::new(), 0);
        let mut after = None;
        loop {
            let page = table.found_after(eid, after.as_ref()).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.key.clone());
            for found in &page {
                match table.open_found(found).await? {
                    Logged::Unreadable(_) => unreadable += 1,
                    Logged::Event(stored) if done.contains(&stored.event.account) => {}
                    Logged::Event(stored) if !is_the_firsts(stored.event.at) => {}
                    Logged::Event(stored) if table.is_erased(&erased, &stored).await? => {}
                    Logged::Event(stored) => {
                        let account = stored.event.account.clone();
                        let begun = || Rebuilt::beside(old.get(&account));
                        rebuilt.entry(account.clone()).or_insert_with(begun).take(table, &stored, now).await?;
                    }
                }
            }
        }
        let mut is_done = true;
        for (account, Rebuilt { head, counted }) in rebuilt {
            let mut guarded = old.remove(&account).unwrap_or_default();
            (guarded.erased, guarded.left_at) = (erased.clone(), left_at);
            match table.put_head(eid, &account, &guarded.rebuilt(head, &counted)).await? {
                Written::Yes => drop(done.insert(account)),
                Written::No => is_done = false,
            }
        }
        if is_done {
            return Ok(unreadable);
        }
    }
    Err(StoreError::Contended { operation: "rebuild", attempts: HEAD_ATTEMPTS_MAX })
}

/// A head that is folded anew, and the events in it.
struct Rebuilt {
    head: Head,
    counted: Vec<(EventKey, Timestamp)>,
}

impl Rebuilt {
    /// Begins one. A head that was full keeps its names: their addresses are recorded because of it, and an erasure of the
    /// person finds them by it.
    fn beside(old: Option<&GuardedHead>) -> Self {
        let mut head = Head::default();
        if let Some(old) = old.filter(|old| old.head.is_full()) {
            head.names = old.head.names.clone();
            head.linked = old.head.linked.clone();
        }
        Self { head, counted: Vec::new() }
    }

    async fn take(&mut self, table: &Table, stored: &StoredEvent, now: Timestamp) -> Result<(), StoreError> {
        let linked = apply_cells(table, stored, &mut self.head, now).await?;
        apply_head(table, stored, &mut self.head, &linked).await?;
        self.counted.push((stored.key.clone(), stored.received_at));
        Ok(())
    }
}

/// Endpoints, evidence, traits, consents, delivery states and what is said of the address, of one event. Gives the other
/// identifiers whose links with
/// this endpoint are recorded.
async fn apply_cells(table: &Table, stored: &StoredEvent, head: &mut Head, now: u64) -> Result<Vec<Eid>, StoreError> {
    let StoredEvent { eid, key, event, .. } = stored;
    let rules = table.rules();
    let mut endpoints = counted(table, stored, head);
    let mut claims = claims(table.tenant_key(), event, &endpoints, rules);
    handover::resolve(table, &mut claims, event.at).await?;
    let news = endpoints.iter().filter(|endpoint| is_news(endpoint, eid, head, event.at));
    let respelled = identity::respelled(table, news).await?;
    endpoints.extend(claims.links.iter().flat_map(|claim| [claim.a.clone(), claim.b.clone()]));
    endpoints.extend(claims.withdrawn.iter().flat_map(|(a, b)| [a.clone(), b.clone()]));
    for endpoint in endpoints.iter().filter(|endpoint| is_news(endpoint, eid, head, event.at)) {
        // Whoever is named beside a customer who writes is named by them.
        if cells::is_of_the_customer(event) {
            table.put_endpoint(endpoint, event.at, stored.received_at).await?
        } else {
            table.note_endpoint(endpoint, event.at, stored.received_at).await?
        };
        identity::suggest_counterparts(table, endpoint, (key, event.at), now).await?;
    }
    claims.links.extend(respelled);
    let linked = identity::apply(table, stored, &claims, head, now).await?;
    for cell in cells::traits(key, event, rules) {
        table.put_trait(eid, &cell).await?;
    }
    if let Some(cell) = cells::consent(key, event, rules) {
        table.put_consent(eid, &cell).await?;
    }
    if let Some(cell) = cells::delivery(table.tenant_key(), event) {
        table.put_delivery(eid, &cell).await?;
    }
    if let Some(cell) = cells::reach(key, event) {
        table.put_reach(eid, &cell).await?;
    }
    rebuild_after_erasure::suppress(table, stored).await?;
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

/// The identifiers of an event's contact that count: its own, those with an attestation that links, and a few with a weaker
/// one, as long as the head has room for them. An erasure could not find what the head does not remember.
fn counted(table: &Table, stored: &StoredEvent, head: &Head) -> Vec<Named> {
    let mut weak = 0;
    let counts = |named: &Named| {
        if named.eid == stored.eid || table.rules().linking.contains(&named.identifier.attestation) {
            return true;
        }
        weak += 1;
        weak <= WEAK_MAX && !head.is_full_for(&named.eid)
    };
    names(table, stored).into_iter().filter(counts).collect()
}

/// Whether the head does not know already that this endpoint was there at this time.
fn is_news(endpoint: &Named, own: &Eid, head: &Head, at: u64) -> bool {
    let since = if endpoint.eid == *own {
        (!head.counters.is_empty()).then_some(head.first_at)
    } else {
        head.names.get(&endpoint.eid).map(|(first, _)| *first)
    };
    since.is_none_or(|since| at < since)
}

async fn apply_head(table: &Table, stored: &StoredEvent, head: &mut Head, linked: &[Eid]) -> Result<(), StoreError> {
    let StoredEvent { eid, key, event, .. } = stored;
    let names = counted(table, stored, head).into_iter().map(|named| named.eid);
    let names: Vec<Eid> = names.filter(|named| named != eid).collect();
    let waiting = match &stored.origin {
        Some(origin) => {
            let answers = origin.answers.as_ref().filter(|_| origin.kind == Kind::Reply).map(EventKey::at);
            head.apply_sent((key, event), answers, (&names, linked), table.rules())
        }
        None => head.apply(key, event, &names, linked, table.rules()),
    };
    if let Waiting::FirstCustomerMessageAfter(after) = waiting {
        head.wait_since(table.first_customer_message_after(eid, &event.account, after).await?);
    }
    Ok(())
}
