//! A person is forgotten: on request, or since a provider says so; and stays forgotten.
//!
//! What is erased, what stays and why it does not come back: [`rapport_store::erasure`].

pub(crate) mod routes;

use std::collections::BTreeMap;

use rapport_model::event::Attestation;
use rapport_model::identity::Author;
use rapport_model::profile::rfc3339;
use rapport_model::{Eid, EventKey, Timestamp};
use rapport_projections::erasure::proceed;
use rapport_store::StoreError;
use rapport_store::erasure::{
    Demand, DemandState, Erasure, PARKED_NAMED_MAX, ParkedDecision, ParkedOutcome, Requester,
};
use rapport_store::identity::{Decision, ReviewCursor};
use rapport_telemetry::PersonErased;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::people::People;
use crate::people::links::Word;
use crate::people::review::Decided;
use crate::people::views::{LinkEnd, ends};

/// What an erasure did, or has done so far. It holds no personal data.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Receipt {
    pub id: String,
    pub state: State,
    /// RFC 3339, our clock.
    pub requested_at: String,
    /// Null: it was not recorded.
    pub requested_by: Option<RequestedBy>,
    /// Only what this connection said of one identifier is erased; null: the whole person is.
    pub connection: Option<String>,
    /// Null while it goes on.
    pub completed_at: Option<String>,
    /// What was said up to here is gone: by our clock, of one connection by its provider's. What was said later is a new
    /// contact.
    pub up_to: String,
    /// How many addresses the person had.
    pub endpoints: usize,
    /// How many items of each kind are gone.
    pub removed: BTreeMap<String, u64>,
    /// Webhooks that no connector could read, and that are or may be the person's.
    pub parked: ParkedWebhooks,
    /// Other systems that were told to erase the person. None can be told so far: they are to be told by hand.
    pub told: Vec<String>,
    pub remains: Vec<Remains>,
}

/// Whose word an erasure follows: a person's who used the API, or a provider's.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RequestedBy {
    /// The name of the API key by which it was asked for; null: a provider did.
    pub key: Option<String>,
    /// Who it was, as the holder of the key says, and why.
    pub by: Option<String>,
    pub reason: Option<String>,
    /// The connection and the sequence of its event, and who vouched for the identifier in it; null: a person asked.
    pub connection: Option<String>,
    pub event: Option<EventKey>,
    pub attestation: Option<Attestation>,
}

/// Ids as `rapport parked list` prints them; they name no person.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct ParkedWebhooks {
    /// Certainly the person's, or somebody decided so.
    pub deleted: Vec<String>,
    /// They may be the person's, and other people's: `POST /v1/erasures/{id}/parked` decides. They expire after 30 days.
    pub undecided: Vec<String>,
    /// Somebody decided that they stay.
    pub kept: Vec<String>,
    /// How many more there are than are named here.
    pub unnamed: u64,
}

/// What somebody decides about parked webhooks that may be a person's.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({"delete": ["chat-eu.3.1764600000000-1f0c2a9b3d4e5f60"], "keep": []}))]
pub struct ParkedDecisions {
    /// They are the person's: they are deleted.
    #[serde(default)]
    #[schemars(length(max = PARKED_NAMED_MAX))]
    pub delete: Vec<String>,
    /// They are not: they stay, to be replayed.
    #[serde(default)]
    #[schemars(length(max = PARKED_NAMED_MAX))]
    pub keep: Vec<String>,
}

/// A provider demands that a person be erased. What its connection said of the identifier is gone; this is about the rest.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ErasureDemand {
    /// The id of the endpoint that it names.
    pub id: String,
    pub endpoint: LinkEnd,
    pub state: DemandIs,
    pub connection: String,
    /// The sequence of the event that demands it.
    pub event: EventKey,
    /// Who vouches that the identifier is the person's.
    pub attestation: Attestation,
    /// RFC 3339, the provider's clock.
    pub at: String,
    /// RFC 3339, our clock.
    pub recorded_at: String,
    /// Null: nobody has.
    pub decided: Option<Decided>,
}

/// Where a demand is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "ErasureDemandState")]
pub enum DemandIs {
    Open,
    Accepted,
    Dismissed,
}

/// A page of demands.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct DemandPage {
    pub items: Vec<ErasureDemand>,
    /// Where the next page begins; null: this was the last.
    pub next: Option<String>,
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
        "for each address a keyed hash of it, up to when it is erased, an empty profile, and into which profile its first one went",
        "so that what a provider delivers again is dropped, and others are found whose profiles went the same way; it holds no personal data",
    ),
    (
        "keyed hashes of events that came without a time or with one that is later than the erasure, and when they came",
        "so that one that is delivered again is known as old; they hold no personal data",
    ),
    (
        "parked webhooks that may be the person's (`parked.undecided`), until somebody decides or they expire after 30 days; others of which nothing tells whose they are",
        "nobody can read them yet, and they may be other people's; a replay drops what was erased",
    ),
    (
        "what other people's events say of the person, and keyed hashes in their conversations and identity logs",
        "it belongs to those people",
    ),
    (
        "backups, versions of a bucket and the table's stream, for as long as they are set to be kept",
        "they cannot be changed; on AWS the stream keeps a day, `rapport dev` keeps it until the data folder is deleted",
    ),
    (
        "what AWS has still to deliver: messages of a queue, records of a stream, objects of buckets that are not ours",
        "they are not this service's; what is older is dropped when it is delivered",
    ),
];

impl From<&Erasure> for Receipt {
    fn from(erasure: &Erasure) -> Self {
        let mut parked = ParkedWebhooks { unnamed: erasure.parked_unnamed, ..ParkedWebhooks::default() };
        for one in &erasure.parked {
            let list = match one.outcome {
                ParkedOutcome::Deleted => &mut parked.deleted,
                ParkedOutcome::Undecided => &mut parked.undecided,
                ParkedOutcome::Kept => &mut parked.kept,
            };
            list.push(one.id.clone());
        }
        Self {
            id: erasure.id.clone(),
            state: if erasure.completed_at.is_some() { State::Completed } else { State::Running },
            requested_at: rfc3339(erasure.requested_at),
            requested_by: erasure.requested_by.as_ref().map(RequestedBy::from),
            connection: erasure.connection.clone(),
            completed_at: erasure.completed_at.map(rfc3339),
            up_to: rfc3339(erasure.up_to),
            endpoints: erasure.endpoints,
            removed: erasure.removed.clone(),
            parked,
            told: Vec::new(),
            remains: REMAINS.iter().map(|(what, why)| Remains { what, why }).collect(),
        }
    }
}

impl From<&Requester> for RequestedBy {
    fn from(requester: &Requester) -> Self {
        match requester.clone() {
            Requester::Person { who: Author { key, by }, why } => {
                Self { key, by, reason: Some(why), connection: None, event: None, attestation: None }
            }
            Requester::Event { event, connection, attestation } => Self {
                key: None,
                by: None,
                reason: None,
                connection: Some(connection),
                event: Some(event),
                attestation: Some(attestation),
            },
        }
    }
}

impl People {
    /// Erases the whole person of an endpoint: as much as one call may. Calling again continues, and in the end gives the
    /// receipt again. None: the endpoint was never seen.
    ///
    /// # Errors
    /// Storage failed: call again.
    ///
    /// `eid` is the address's own; who only claims to have it is erased, too.
    pub async fn erase(&self, eid: &Eid, word: Word) -> Result<Option<Receipt>, StoreError> {
        let now = (self.now)();
        let whom = self.whom_to_erase(eid).await?;
        let requester = Requester::Person { who: word.who, why: word.reason };
        let begun = self.table.begin_erasure_of_address((&whom, eid), Some(requester), now).await?;
        let Some(mut erasure) = begun else { return Ok(None) };
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

    /// Decides about parked webhooks that may be the person's. Gives the receipt, and the ids that it does not name; none of
    /// that erasure's id.
    ///
    /// # Errors
    /// Storage failed: call again.
    pub async fn decide_parked(
        &self,
        id: &str,
        decisions: &ParkedDecisions,
    ) -> Result<Option<(Receipt, Vec<String>)>, StoreError> {
        let Some(mut erasure) = self.table.erasure(id).await? else { return Ok(None) };
        let delete = decisions.delete.iter().map(|id| (id.clone(), ParkedDecision::Delete));
        let keep = decisions.keep.iter().map(|id| (id.clone(), ParkedDecision::Keep));
        let unknown = self.table.decide_parked(&mut erasure, &delete.chain(keep).collect::<Vec<_>>()).await?;
        Ok(Some((Receipt::from(&erasure), unknown)))
    }

    /// Open demands of providers.
    ///
    /// # Errors
    /// Storage failed.
    pub async fn demands(&self, limit: usize, cursor: Option<&ReviewCursor>) -> Result<DemandPage, StoreError> {
        let page = self.table.demands(limit, cursor).await?;
        let mut items = Vec::with_capacity(page.items.len());
        for demand in page.items {
            items.extend(self.demanded(demand).await?);
        }
        Ok(DemandPage { items, next: page.next.map(|next| next.to_string()) })
    }

    /// Erases the whole person whom a provider demands to erase, on somebody's word; none: there is no such demand, or
    /// nothing is left of the person.
    ///
    /// # Errors
    /// Storage failed: call again.
    pub async fn accept_demand(&self, endpoint: &Eid, word: Word) -> Result<Option<Receipt>, StoreError> {
        let decision = Decision { who: word.who.clone(), why: word.reason.clone(), at: (self.now)() };
        if self.table.decide_demand(endpoint, DemandState::Accepted, &decision).await?.is_some() {
            // The demand names an endpoint. Whoever has its address by now may be somebody else.
            let requester = Requester::Person { who: word.who, why: word.reason };
            let now = (self.now)();
            let begun = self.table.begin_erasure(endpoint, Some(requester), now).await?;
            let Some(mut erasure) = begun else { return Ok(None) };
            self.proceed(&mut erasure, now).await?;
            return Ok(Some(Receipt::from(&erasure)));
        }
        // The demand goes with the person: asked again, it may be gone while the rest still goes.
        let Some(erasure) = self.table.erasure_under_way(endpoint).await? else { return Ok(None) };
        self.continue_erasure(&erasure.id).await
    }

    /// Leaves the rest of a person as it is; none: there is no such demand.
    ///
    /// # Errors
    /// Storage failed.
    pub async fn dismiss_demand(&self, endpoint: &Eid, word: Word) -> Result<Option<ErasureDemand>, StoreError> {
        let decision = Decision { who: word.who, why: word.reason, at: (self.now)() };
        match self.table.decide_demand(endpoint, DemandState::Dismissed, &decision).await? {
            Some(demand) => self.demanded(demand).await,
            None => Ok(None),
        }
    }

    async fn demanded(&self, demand: Demand) -> Result<Option<ErasureDemand>, StoreError> {
        let Some((endpoint, _)) = ends(&self.table, [demand.endpoint.clone()]).await?.pop() else { return Ok(None) };
        let decided = demand.decided.map(|Decision { who: Author { key, by }, why, at }| Decided {
            key,
            by,
            reason: why,
            at: rfc3339(at),
        });
        Ok(Some(ErasureDemand {
            id: demand.endpoint.to_string(),
            endpoint,
            state: match demand.state {
                DemandState::Open => DemandIs::Open,
                DemandState::Accepted => DemandIs::Accepted,
                DemandState::Dismissed => DemandIs::Dismissed,
            },
            connection: demand.connection,
            event: demand.event,
            attestation: demand.attestation,
            at: rfc3339(demand.at),
            recorded_at: rfc3339(demand.recorded_at),
            decided,
        }))
    }

    async fn proceed(&self, erasure: &mut Erasure, now: Timestamp) -> Result<(), StoreError> {
        proceed(&self.table, erasure, &self.connections, now).await?;
        let (id, removed) = (erasure.id.as_str(), erasure.removed.values().sum::<u64>());
        PersonErased { erasure: id, removed, completed: erasure.completed_at.is_some() }.emit();
        Ok(())
    }
}
