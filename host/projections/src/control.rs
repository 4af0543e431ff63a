//! The second step of what moves the lock of a conversation: whoever put the event may have died before it wrote the lock.
//!
//! The lock knows the last events that moved it, so a repetition moves nothing. A conversation without a lock is one in which
//! nobody sends: most are, and nothing is written for them. A command is repeated in any case.

use rapport_model::event::{Body, ConsentState};
use rapport_model::sending::Lock;
use rapport_model::sending::control::{is_of_now, taken_by};
use rapport_model::sending::lock::Word;
use rapport_model::{Timestamp, cells};
use rapport_store::events::StoredEvent;
use rapport_store::outbox::intents::Conversation;
use rapport_store::{Mistake, StoreError, Table};

/// Writes what an event does to the lock, if it is not written.
pub(crate) async fn repeat(table: &Table, stored: &StoredEvent, now: Timestamp) -> Result<(), StoreError> {
    let StoredEvent { eid, key, event, received_at, origin, .. } = stored;
    let holder = taken_by(event).filter(|_| origin.is_none() && is_of_now(event, *received_at));
    let consent = cells::consent(key, event, table.rules());
    if (holder.is_none() && consent.is_none()) || table.makes(Mistake::FoldLeavesControl) {
        return Ok(());
    }
    let of = Conversation { eid: eid.clone(), account: event.account.clone() };
    let lock = table.lock(&of).await?;
    // No connector made it: a client of the API gave it.
    let is_command = stored.connector_digest.is_empty() && matches!(event.body, Body::Control(_));
    if lock == Lock::default() && !is_command {
        return Ok(());
    }
    if let Some(holder) = holder {
        table.move_known_control(&of, lock.clone(), key, &holder, now).await?;
    }
    let Some(consent) = consent else { return Ok(()) };
    let known = lock.words.get(&consent.purpose);
    let is_news = match known {
        Some(word) => word.event < *key,
        // A grant changes nothing where nothing was withdrawn.
        None => consent.state == ConsentState::Withdrawn,
    };
    if is_news {
        table.put_word(&of, &consent.purpose, &Word { event: key.clone(), state: consent.state }).await?;
    }
    Ok(())
}
