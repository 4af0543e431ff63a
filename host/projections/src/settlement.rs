//! The provider's own word settles a message: a report or an echo with our reference, and the event that a worker put before it
//! died. And the net under the API: an intent that was put wakes a worker, whoever put it.
//!
//! It settles what is unknown, and also what is under way, because its worker may die. Worker and settlement make the same event
//! under the same key, so the timeline has it once.

use rapport_model::event::{Author, Body, Covered, DeliveryState, Message};
use rapport_model::sending::control::control_key;
use rapport_model::sending::intent::{Cause, Intent, Started, State};
use rapport_model::sending::lock::{Holder, Lock};
use rapport_model::sending::reference::Reference;
use rapport_model::sending::{Failure, policy, sent};
use rapport_model::{Eid, EventKey, Timestamp};
use rapport_store::events::{NewEvent, StoredEvent};
use rapport_store::outbox::intents::{Changed, Conversation, StoredIntent};
use rapport_store::outbox::lock::Cancelled;
use rapport_store::outbox::wake::Wakes;
use rapport_store::stream::InsertedIntent;
use rapport_store::{Mistake, StoreError, Table};
use rapport_telemetry::{MessageNotSent, MessageSettled};

/// Looks for the marker or the record that says when a part was started. Between two reads it may move.
const LOOKS: usize = 5;

/// What a provider says of a part of a message of ours.
#[derive(Clone, Debug, PartialEq)]
pub struct Word {
    pub reference: Reference,
    pub says: Says,
}

/// See [`Word`].
#[derive(Clone, Debug, PartialEq)]
pub enum Says {
    /// It has the part, under this id.
    Has(String),
    /// It refused the part.
    Refused(Cause),
}

/// What an event says of a part of a message of ours. `None`: nothing.
pub fn word(table: &Table, stored: &StoredEvent) -> Option<Word> {
    if let (Some(origin), Body::Message(message)) = (&stored.origin, &stored.event.body) {
        if table.makes(Mistake::OwnEventSettlesNothing) {
            return None;
        }
        let reference = Reference { eid: stored.eid.clone(), intent: origin.intent.clone(), part: origin.part };
        return Some(Word { reference, says: Says::Has(message.id.clone()) });
    }
    let read = |text: &String| Reference::read(text, table.tenant_key());
    match &stored.event.body {
        Body::Delivery(delivery) => {
            let named = match &delivery.covers {
                Covered::Reference(reference) => Some(reference),
                _ => delivery.reference.as_ref(),
            };
            let reference = read(named?)?;
            let says = match &delivery.state {
                DeliveryState::Queued | DeliveryState::Sent | DeliveryState::Delivered | DeliveryState::Read => {
                    Says::Has(match &delivery.covers {
                        Covered::Message(id) => id.clone(),
                        _ => reference.write(table.tenant_key()),
                    })
                }
                DeliveryState::Failed(error) => Says::Refused(Cause::from(&Failure::Provider(error.clone()))),
                DeliveryState::Other(_) => return None,
            };
            Some(Word { reference, says })
        }
        Body::Message(Message { author, id, reference: Some(reference), .. }) if *author != Author::Customer => {
            Some(Word { reference: read(reference)?, says: Says::Has(id.clone()) })
        }
        _ => None,
    }
}

/// Settles what an event speaks of, if it speaks of a message of ours that is not settled.
///
/// # Errors
/// Storage failed; hand the event in again, which is harmless.
pub async fn settle(table: &Table, stored: &StoredEvent, now: Timestamp) -> Result<(), StoreError> {
    let Some(Word { reference, says }) = word(table, stored) else { return Ok(()) };
    let of = Conversation { eid: reference.eid.clone(), account: stored.event.account.clone() };
    if !table.lock(&of).await?.concerns(&reference.intent) {
        return Ok(());
    }
    match says {
        Says::Has(id) => confirm(table, &of, (&reference, &id), (stored.event.at, now)).await,
        Says::Refused(why) => {
            let Some(intent) = table.intent(&of.eid, &reference.intent).await? else { return Ok(()) };
            let denied = table.change_intent(&intent, |intent| intent.denied(reference.part, &why)).await?;
            settled(table, &of, denied).await
        }
    }
}

async fn confirm(
    table: &Table,
    of: &Conversation,
    (reference, id): (&Reference, &str),
    (reported_at, now): (Timestamp, Timestamp),
) -> Result<(), StoreError> {
    let part = reference.part;
    for look in 1..=LOOKS {
        let read = table.intent(&of.eid, &reference.intent).await?;
        let waits = |intent: &StoredIntent| {
            let is_under_way = intent.is_open() && !table.makes(Mistake::StatusSettlesOnlyUnknown);
            intent.part() == part && (is_under_way || matches!(intent.state, State::Unknown { .. }))
        };
        let Some(intent) = read.filter(waits) else { return Ok(()) };
        let started = match intent.started.clone() {
            Some(started) => Some(started),
            None => {
                let out = table.lock(of).await?.out;
                out.filter(|out| (&out.intent, out.part) == (&intent.id, part)).map(|out| out.started)
            }
        };
        let Some(started) = started else {
            // The provider has it, although nothing is known to have left: its word counts. The intent first gets a start, once,
            // so that all who make the event of this part make the same one.
            if look + 1 >= LOOKS && intent.confirmed(part, id).is_some() {
                let at = reported_at.min(intent.birth.expires_at).max(intent.birth.created_at);
                table.change_intent(&intent, |intent| intent.noted(part, Started { at, answers: None })).await?;
            }
            continue;
        };
        put_event(table, &intent, (part, id), &started, now).await?;
        let confirmed = table.change_intent(&intent, |intent| intent.confirmed(part, id)).await?;
        return settled(table, of, confirmed).await;
    }
    Ok(())
}

async fn put_event(
    table: &Table,
    intent: &Intent,
    (part, id): (u32, &str),
    started: &Started,
    now: Timestamp,
) -> Result<(), StoreError> {
    let made = sent::event(intent, part..part + 1, Some(id), started, table.tenant_key());
    let Some((key, event)) = made else { return Ok(()) };
    let (eid, connection) = (intent.birth.eid.clone(), intent.birth.connection.clone());
    let event = NewEvent { eid, key, event, connection, connector_digest: String::new(), received_at: now };
    table.put_sent(event, &intent.origin(part, started)).await.map(drop)
}

/// Takes an intent that is settled off the lock's list.
async fn settled(table: &Table, of: &Conversation, changed: Changed) -> Result<(), StoreError> {
    let Changed::Done(now) = changed else { return Ok(()) };
    if !now.is_open() {
        let (connection, intent) = (now.birth.connection.as_str(), now.id.as_str());
        MessageSettled { connection, intent, state: now.state.word() }.emit();
        table.settle_intent(of, &now.id).await?;
    }
    Ok(())
}

/// Ends what waits for a former holder of an address: it would reach whoever has the address now. Control moves too, so that no reply
/// starts that was written to the former holder. `by`: the event that says so.
///
/// # Errors
/// Storage failed; do it again, which is harmless.
pub async fn end_of_holder(table: &Table, eid: &Eid, by: &EventKey, now: Timestamp) -> Result<(), StoreError> {
    for account in table.locked_accounts(eid).await? {
        let of = Conversation { eid: eid.clone(), account };
        table.move_control(&of, by, &Holder::Nobody, now).await?;
    }
    let policy::Refused { rule, help } = policy::changed_hands();
    for intent in table.open_of_endpoint(eid).await? {
        // What is under way, or may be, its worker ends: it looks at the address before each part.
        if let Cancelled::Done(ended) = table.stop_intent(&intent, |intent| intent.refused(rule, &help)).await? {
            let (connection, intent) = (ended.birth.connection.as_str(), ended.id.as_str());
            MessageNotSent { connection, intent, state: ended.state.word(), why: rule }.emit();
        }
    }
    Ok(())
}

/// The net under the API, for one intent that was put: an agent's reply takes control, and a worker is woken. Whoever put it may
/// have died before it did so.
///
/// # Errors
/// Storage or the queue failed; hand it in again, which is harmless.
pub async fn follow(table: &Table, put: &InsertedIntent, wakes: &dyn Wakes, now: Timestamp) -> Result<(), StoreError> {
    let InsertedIntent { of, id } = put;
    let intent = match table.intent(&of.eid, id).await {
        Ok(Some(intent)) => intent,
        Ok(None) => return Ok(()),
        // The worker sets it aside.
        Err(StoreError::Corrupt { .. } | StoreError::Missing { .. }) => return wakes.wake(of, now).await,
        Err(error) => return Err(error),
    };
    let lock = table.lock(of).await?;
    let erased_up_to = table.erased(&of.eid).await?.up_to;
    if intent.birth.created_at <= lock.closed.max(erased_up_to) {
        // It was put after the erasure of its person.
        return table.delete_intent(&intent).await;
    }
    take_control(table, of, (&intent, lock), now).await?;
    if intent.is_open() { wakes.wake(of, intent.due_at).await } else { Ok(()) }
}

/// An agent's reply takes control of the conversation, once. API and fold do the same, under the same key; both have read the lock.
///
/// # Errors
/// Storage failed; do it again, which is harmless.
pub async fn take_control(
    table: &Table,
    of: &Conversation,
    (intent, lock): (&Intent, Lock),
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(key) = control_key(intent, table.tenant_key()) else { return Ok(()) };
    let by = intent.draft.by.clone();
    table.move_known_control(of, lock, &key, &Holder::Agent(Some(by)), now).await.map(drop)
}
