//! A person is forgotten: on request, or since a provider says so; and stays forgotten.
//!
//! What is erased, what stays and why it does not come back: [`rapport_store::erasure`].

use rapport_model::event::Body;
use rapport_model::identity::named;
use rapport_model::profile::rfc3339;
use rapport_model::{Eid, Timestamp};
use rapport_store::erasure::{Erasure, UpTo};
use rapport_store::stream::Inserted;
use rapport_store::{StoreError, Table};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

use crate::Gateway;
use crate::fold::rebuild;

/// What an erasure did, or has done so far. It holds no personal data.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Receipt {
    pub id: String,
    pub state: State,
    /// RFC 3339, our clock.
    pub requested_at: String,
    /// Null while it goes on.
    pub completed_at: Option<String>,
    /// What was said up to here is gone, by the provider's clock; what was said later is a new contact.
    pub up_to: String,
    /// How many addresses the person had.
    pub endpoints: usize,
    /// How many items of each kind are gone.
    pub removed: BTreeMap<String, u64>,
    /// Other systems that were told to erase the person. None can be told so far: they are to be told by hand.
    pub told: Vec<String>,
    pub remains: Vec<Remains>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ErasureState")]
pub enum State {
    /// It is to be continued: by the same call, or by one to its own address.
    Running,
    Completed,
}

/// Something that an erasure leaves, and why.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Remains {
    pub what: &'static str,
    pub why: &'static str,
}

const REMAINS: &[(&str, &str)] = &[
    (
        "for each address a keyed hash of it, up to when it is erased, and an empty profile",
        "so that what a provider delivers again is dropped; it holds no personal data",
    ),
    (
        "for at most 8 days, keyed hashes of events that came without a time, and when they came",
        "so that one that is delivered again is known as old; they hold no personal data",
    ),
    (
        "parked webhooks that do not name the person in plain text, for at most 30 days",
        "nobody can read them yet; a replay drops what was erased",
    ),
    (
        "what other people's events say of the person, and keyed hashes in their conversations and identity logs",
        "it belongs to those people",
    ),
    (
        "backups, versions of a bucket and the table's stream, for as long as they are set to be kept",
        "they cannot be changed; the stream keeps a day",
    ),
    (
        "what AWS has still to deliver: messages of a queue, records of a stream, objects of buckets that are not ours",
        "they are not this service's; what is older is dropped when it is delivered, unless it says no time",
    ),
];

impl From<&Erasure> for Receipt {
    fn from(erasure: &Erasure) -> Self {
        Self {
            id: erasure.id.clone(),
            state: if erasure.completed_at.is_some() { State::Completed } else { State::Running },
            requested_at: rfc3339(erasure.requested_at),
            completed_at: erasure.completed_at.map(rfc3339),
            up_to: rfc3339(erasure.up_to),
            endpoints: erasure.endpoints,
            removed: erasure.removed.clone(),
            told: Vec::new(),
            remains: REMAINS.iter().map(|(what, why)| Remains { what, why }).collect(),
        }
    }
}

impl Gateway {
    /// Erases the whole person of an endpoint: as much as one call may. Calling again continues, and in the end gives the
    /// receipt again. None: the endpoint was never seen.
    ///
    /// # Errors
    /// Storage failed: call again.
    ///
    /// `eid` is the address's own; who only claims to have it is erased, too.
    pub async fn erase(&self, eid: &Eid) -> Result<Option<Receipt>, StoreError> {
        let now = (self.now)();
        let eid = &self.seen_of(eid).await?;
        let Some(mut erasure) = self.table.begin_erasure(eid, UpTo::Now(now), now).await? else { return Ok(None) };
        self.proceed(&mut erasure, now).await?;
        Ok(Some(Receipt::from(&erasure)))
    }

    /// Continues an erasure by its id, and gives what it has done; none of that id.
    ///
    /// # Errors
    /// Storage failed: call again.
    pub async fn continue_erasure(&self, id: &str) -> Result<Option<Receipt>, StoreError> {
        let Some(mut erasure) = self.table.erasure(id).await? else { return Ok(None) };
        self.proceed(&mut erasure, (self.now)()).await?;
        Ok(Some(Receipt::from(&erasure)))
    }

    async fn proceed(&self, erasure: &mut Erasure, now: Timestamp) -> Result<(), StoreError> {
        let connections: Vec<String> = self.connections.names().map(str::to_owned).collect();
        proceed(&self.table, erasure, &connections, now).await?;
        let (id, removed) = (erasure.id.as_str(), erasure.removed.values().sum::<u64>());
        tracing::info!(erasure = id, removed, completed = erasure.completed_at.is_some(), "a person is erased");
        Ok(())
    }
}

/// As much of an erasure as one call may do. `connections` are those whose parked webhooks are searched.
///
/// # Errors
/// Storage failed: call again.
pub async fn proceed(
    table: &Table,
    erasure: &mut Erasure,
    connections: &[String],
    now: Timestamp,
) -> Result<(), StoreError> {
    if erasure.completed_at.is_some() {
        return Ok(());
    }
    table.continue_erasure(erasure, connections, now).await?;
    let Some(survivors) = erasure.to_rebuild() else { return Ok(()) };
    for eid in survivors {
        rebuild(table, eid, now).await?;
    }
    table.complete_erasure(erasure, now).await
}

/// Erases whomever a provider says it has erased, up to when it says so. Gives whether it did: then heads are to be read
/// anew.
pub(crate) async fn on_request(
    table: &Table,
    records: &[&Inserted],
    erased_at: Timestamp,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let requests = records.iter().map(|record| &record.stored);
    let requests = requests.filter(|stored| matches!(stored.event.body, Body::ContactErased));
    let Some(last) = requests.filter(|stored| stored.event.at > erased_at).max_by_key(|stored| stored.event.at) else {
        return Ok(false);
    };
    let at = UpTo::Said(last.event.at);
    let connections = [last.connection.clone()];
    let Some(mut erasure) = table.begin_erasure(&last.eid, at, now).await? else { return Ok(false) };
    while erasure.completed_at.is_none() {
        proceed(table, &mut erasure, &connections, now).await?;
    }
    tracing::info!(erasure = erasure.id, "a person is erased, as the provider says");
    Ok(true)
}

/// The records that are not erased. The others were delivered again since: they are deleted.
pub(crate) async fn keep<'a>(
    table: &Table,
    records: &[&'a Inserted],
    erased_at: Timestamp,
) -> Result<Vec<&'a Inserted>, StoreError> {
    let (kept, again): (Vec<&Inserted>, Vec<&Inserted>) =
        records.iter().copied().partition(|record| record.stored.event.at > erased_at);
    if let Some(first) = again.first() {
        let eid = &first.stored.eid;
        table.sweep(eid, erased_at).await?;
        let named =
            again.iter().flat_map(|record| named(table.tenant_key(), table.rules(), &record.stored.event.contact));
        let others: BTreeSet<Eid> = named.map(|named| named.eid).filter(|other| other != eid).collect();
        for other in others {
            table.forget_unused(&other, erased_at).await?;
        }
        tracing::info!(events = again.len(), "what was erased came again, and was deleted");
    }
    Ok(kept)
}
