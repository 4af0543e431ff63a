//! An address gets a new holder: later events at it belong to another person. See [`rapport_store::handover`].

use std::collections::BTreeSet;

use rapport_model::event::Body;
use rapport_model::identity::{Claims, Rule, claims};
use rapport_model::{Eid, EventKey, Timestamp};
use rapport_store::events::{Logged, StoredEvent};
use rapport_store::heads::GuardedHead;
use rapport_store::stream::Inserted;
use rapport_store::{StoreError, Table, Written};
use rapport_telemetry::EventHandedOver;

use super::{names, rebuild};
use crate::settlement;

/// Attempts to write into one head that its address was given up. The only other writer is a fold of one batch.
const MARK_ATTEMPTS_MAX: u32 = 8;

/// The records of the first holder of the address. The others are handed over, and arrive again as records of the new holder.
pub(super) async fn keep<'a>(
    table: &Table,
    records: Vec<&'a Inserted>,
    head: &GuardedHead,
) -> Result<Vec<&'a Inserted>, StoreError> {
    let is_ours = |record: &&Inserted| head.is_of_the_first(record.stored.event.at);
    let (ours, theirs): (Vec<_>, Vec<_>) = records.into_iter().partition(is_ours);
    for Inserted { stored, .. } in theirs {
        hand_over(table, &stored.eid, &stored.key, stored.event.at).await?;
    }
    Ok(ours)
}

async fn hand_over(table: &Table, eid: &Eid, key: &EventKey, at: Timestamp) -> Result<(), StoreError> {
    let holder = table.holder_at(eid, at).await?;
    if holder == *eid {
        return Ok(());
    }
    EventHandedOver {}.emit();
    table.hand_over(eid, key, &holder).await
}

/// Notes which addresses these records say gave way, and hands over what happened at them since.
pub(super) async fn take_notice(table: &Table, records: &[&Inserted], now: Timestamp) -> Result<(), StoreError> {
    for Inserted { stored, .. } in records {
        if let Some(old) = given_up(table, stored).await? {
            table.leave(&old, stored.event.at).await?;
            let first = table.marks(&old).await?.1;
            give_up(table, &old, first, now).await?;
            settlement::end_of_holder(table, &old, &stored.key, now).await?;
            // The previous holder, if not the first one: events since then may have been handed over to them.
            let holder = table.holder_at(&old, stored.event.at).await?;
            if holder != old {
                table.leave_of(&holder, &old, stored.event.at).await?;
                give_up(table, &holder, stored.event.at, now).await?;
                settlement::end_of_holder(table, &holder, &stored.key, now).await?;
            }
        }
    }
    Ok(())
}

/// The address that an event says gave way to another one.
async fn given_up(table: &Table, stored: &StoredEvent) -> Result<Option<Eid>, StoreError> {
    if !matches!(stored.event.body, Body::IdentifierReplaced(_)) {
        return Ok(None);
    }
    let names = names(table, stored);
    let links = claims(table.tenant_key(), &stored.event, &names, table.rules()).links;
    let replaced = links.into_iter().find(|claim| claim.rule == Rule::Replaced);
    // Merged records of another system do not get a new holder.
    let old = replaced.map(|claim| claim.a).filter(|old| !old.key.scheme.contains('.'));
    Ok(old.map(|old| old.eid))
}

/// Of a replacement, who had the addresses then.
pub(super) async fn resolve(table: &Table, claims: &mut Claims, at: Timestamp) -> Result<(), StoreError> {
    for claim in claims.links.iter_mut().filter(|claim| claim.rule == Rule::Replaced) {
        for end in [&mut claim.a, &mut claim.b] {
            end.eid = table.holder_at(&end.eid, at).await?;
        }
    }
    Ok(())
}

/// Hands over what happened at an endpoint since its address gave way, and computes anew what followed of it.
pub(super) async fn give_up(table: &Table, eid: &Eid, at: Timestamp, now: Timestamp) -> Result<(), StoreError> {
    let mut later: Vec<(EventKey, Timestamp)> = Vec::new();
    let mut accounts = BTreeSet::new();
    let mut after = None;
    loop {
        let page = table.found_after(eid, after.as_ref()).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.key.clone());
        for found in page.iter() {
            match table.open_found(found).await? {
                Logged::Event(stored) if stored.event.at > at => later.push((stored.key, stored.event.at)),
                Logged::Event(stored) => drop(accounts.insert(stored.event.account)),
                // What cannot be read stays where it is, unless its key says that it is of later.
                Logged::Unreadable(event) if event.key.at() > at => later.push((event.key.clone(), event.key.at())),
                Logged::Unreadable(_) => {}
            }
        }
    }
    // Later events about the address, here or elsewhere, are about its new holder: they prove their links again.
    let others = table.forget_links_since(eid, at, now).await?;
    for (account, _) in table.heads(eid).await? {
        if accounts.contains(&account) {
            mark_given_up(table, eid, &account, at).await?
        } else {
            table.forget_head(eid, &account).await?
        }
    }
    if !later.is_empty() {
        table.remove_statements_since(eid, at).await?;
        rebuild(table, eid, now).await?;
    }
    for other in &others {
        rebuild(table, &other.eid, now).await?;
        // One that was on the list before stays there: it is tried again by itself.
        if other.failures == 1 {
            table.remove_unfolded(other).await?;
        }
    }
    // The events go last: as long as one is here, all this is done again.
    for (key, happened_at) in later {
        hand_over(table, eid, &key, happened_at).await?;
    }
    Ok(())
}

/// Writes into a head when its address was given up, so that a concurrent fold reads the head again.
async fn mark_given_up(table: &Table, eid: &Eid, account: &str, at: Timestamp) -> Result<(), StoreError> {
    for _ in 0..MARK_ATTEMPTS_MAX {
        let mut guarded = table.head(eid, account).await?;
        if guarded.left_at == at {
            return Ok(());
        }
        guarded.left_at = at;
        if table.put_head(eid, account, &guarded).await? == Written::Yes {
            return Ok(());
        }
    }
    Err(StoreError::Contended { operation: "give up", attempts: MARK_ATTEMPTS_MAX })
}
