//! Erases a person, on request or because a provider demands it. A redelivered webhook does not bring the person back.
//!
//! What is erased, what stays and why it does not come back: [`rapport_store::erasure`].

pub(crate) mod routes;

use std::collections::BTreeMap;

use rapport_model::event::Attestation;
use rapport_model::identity::Author;
use rapport_model::profile::rfc3339;
use rapport_model::{Eid, EventKey, Timestamp};
use rapport_projections::rebuild_after_erasure::proceed;
use rapport_store::StoreError;
use rapport_store::erasure::{
    Demand, DemandState, Erasure, PARKED_NAMED_MAX, ParkedDecision, ParkedOutcome, Requester,
};
use rapport_store::identity::{Decision, ReviewCursor};
use rapport_telemetry::PersonErased;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::people::People;
use crate::people::links::Attribution;
use crate::people::review::Decided;
use crate::people::views::{LinkEnd, ends};

/// The receipt of an erasure: what it has deleted so far, and what remains. It holds no personal data.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Receipt")]
pub struct ErasureReceipt {
    pub id: String,
    pub state: State,
    /// When it was requested: RFC 3339, Rapport's clock.
    #[schemars(extend("format" = "date-time"))]
    pub requested_at: String,
    /// Who requested it; null: it was not recorded.
    pub requested_by: Option<RequestedBy>,
    /// If set, only what this connection said about one identifier is erased; null: the whole person is erased.
    pub connection: Option<String>,
    /// When it was complete; null: it is not complete yet.
    #[schemars(extend("format" = "date-time"))]
    pub completed_at: Option<String>,
    /// Everything up to this instant is erased: by Rapport's clock, for one connection by its provider's clock. Later events
    /// begin a new profile.
    #[schemars(extend("format" = "date-time"))]
    pub up_to: String,
    /// The number of addresses that the person had.
    pub endpoints: usize,
    /// The number of deleted items, by kind.
    pub removed: BTreeMap<String, u64>,
    /// Parked webhooks that are, or may be, the person's.
    pub parked: ParkedWebhooks,
    /// Other systems that Rapport told to erase the person. Always empty today: tell them yourself.
    pub told: Vec<String>,
    /// What the erasure does not delete, and why.
    pub remains: Vec<Remains>,
}

/// Who requested an erasure: a person through the API, or a provider.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RequestedBy {
    /// The name of the API key that requested it; null: a provider did.
    pub key: Option<String>,
    /// The person, as the caller named them in `by`.
    pub by: Option<String>,
    /// Why the person requested it.
    pub reason: Option<String>,
    /// The connection of the provider that requested it; null: a person did.
    pub connection: Option<String>,
    /// The `sequence` of the provider's event; null: a person requested it.
    pub event: Option<EventKey>,
    /// Who vouches for the identifier in that event; null: a person requested it.
    pub attestation: Option<Attestation>,
}

/// Ids of parked webhooks, as `rapport parked list` prints them. They contain no personal data.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct ParkedWebhooks {
    /// They belonged to the person, or a person decided to delete them.
    pub deleted: Vec<String>,
    /// They may belong to the person, or to other people. `POST /v1/erasures/{id}/parked` decides. They expire after 30 days.
    pub undecided: Vec<String>,
    /// A person decided to keep them.
    pub kept: Vec<String>,
    /// The number of further ones that are not named here.
    pub unnamed: u64,
}

/// Decisions about parked webhooks that may be the person's.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({"delete": ["chat-eu.3.1764600000000-1f0c2a9b3d4e5f60"], "keep": []}))]
pub struct ParkedDecisions {
    /// The person's: delete them.
    #[serde(default)]
    #[schemars(length(max = PARKED_NAMED_MAX))]
    pub delete: Vec<String>,
    /// Not the person's: keep them, so that they can be replayed.
    #[serde(default)]
    #[schemars(length(max = PARKED_NAMED_MAX))]
    pub keep: Vec<String>,
}

/// A provider's demand to erase a person. What its connection said about the identifier is already erased; the decision is
/// about the rest of the person.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ErasureDemand {
    /// The id of the demand, which is the id of the endpoint that it names.
    pub id: String,
    pub endpoint: LinkEnd,
    pub state: ErasureDemandState,
    pub connection: String,
    /// The `sequence` of the event with the demand.
    pub event: EventKey,
    /// Who vouches that the identifier belongs to the person.
    pub attestation: Attestation,
    /// When the provider demanded it: RFC 3339, the provider's clock.
    #[schemars(extend("format" = "date-time"))]
    pub at: String,
    /// When Rapport recorded it: RFC 3339, Rapport's clock.
    #[schemars(extend("format" = "date-time"))]
    pub recorded_at: String,
    /// The decision; null: it is open.
    pub decided: Option<Decided>,
}

/// The state of a demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ErasureDemandState {
    Open,
    Accepted,
    Dismissed,
}

/// A page of demands.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct DemandPage {
    pub items: Vec<ErasureDemand>,
    /// The cursor of the next page; null: this is the last page.
    pub next: Option<String>,
}

/// The state of an erasure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ErasureState")]
pub enum State {
    /// It is not complete: repeat the call, or call `POST /v1/erasures/{id}`.
    Running,
    Completed,
}

/// Something that an erasure does not delete, and why.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Remains {
    pub what: &'static str,
    pub why: &'static str,
}

const REMAINS: &[(&str, &str)] = &[
    (
        "for each address: a keyed hash, the time up to which it is erased, an empty profile, and the profile that its first profile was merged into",
        "so that redelivered events are dropped, and other people whose profiles were merged the same way are still found; it holds no personal data",
    ),
    (
        "for each address: the purposes that it does not want, and whether it takes messages at all; for each conversation: a number that says how often control moved, when it was closed, and keyed ids of messages that are deleted",
        "so that a person who said stop is not written to when somebody imports them again, and no message of before is sent; it holds no personal data",
    ),
    (
        "keyed hashes of idempotency keys of `POST /v1/messages`, for 30 days, and keyed ids of conversations that are due to be looked at",
        "so that a repeated request sends nothing twice; they hold no personal data",
    ),
    (
        "keyed hashes of events that have no time or a time after the erasure, and when Rapport received them",
        "so that a redelivery of such an event is recognised as old; they hold no personal data",
    ),
    (
        "parked webhooks that may be the person's (`parked.undecided`), until a person decides or they expire after 30 days; and parked webhooks that do not show whose they are",
        "no connector could read them, and they may belong to other people; a replay drops what was erased",
    ),
    (
        "what other people's events say about the person, and keyed hashes in those people's conversations and identity logs",
        "it belongs to those people",
    ),
    (
        "backups, versions of a bucket and the table's stream, for as long as you configured",
        "they cannot be changed; on AWS the stream keeps one day, `rapport dev` keeps it until you delete the data folder",
    ),
    (
        "what AWS has not delivered yet: messages in a queue, records in a stream, objects in buckets that Rapport does not own",
        "it is outside this service; if it is older than the erasure, it is dropped on delivery",
    ),
];

impl From<&Erasure> for ErasureReceipt {
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
    /// Erases the whole person of an endpoint: as much as one call may. A repeated call continues, and returns the receipt
    /// again at the end. `None` if the endpoint was never seen.
    ///
    /// # Errors
    /// Storage failed: call again.
    ///
    /// `eid` is the proven endpoint of the address. The endpoints that only claim the address are also erased.
    pub async fn erase(&self, eid: &Eid, attribution: Attribution) -> Result<Option<ErasureReceipt>, StoreError> {
        let now = (self.now)();
        let whom = self.whom_to_erase(eid).await?;
        let requester = Requester::Person { who: attribution.who, why: attribution.reason };
        let begun = self.table.begin_erasure_of_address((&whom, eid), Some(requester), now).await?;
        let Some(mut erasure) = begun else { return Ok(None) };
        self.proceed(&mut erasure, now).await?;
        Ok(Some(ErasureReceipt::from(&erasure)))
    }

    /// Continues an erasure by its id, and returns its receipt. `None` if no erasure has this id.
    ///
    /// # Errors
    /// Storage failed: call again.
    pub async fn continue_erasure(&self, id: &str) -> Result<Option<ErasureReceipt>, StoreError> {
        let Some(mut erasure) = self.table.erasure(id).await? else { return Ok(None) };
        self.proceed(&mut erasure, (self.now)()).await?;
        Ok(Some(ErasureReceipt::from(&erasure)))
    }

    /// Decides about parked webhooks that may be the person's. Returns the receipt, and the given ids that it does not name.
    /// `None` if no erasure has this id.
    ///
    /// # Errors
    /// Storage failed: call again.
    pub async fn decide_parked(
        &self,
        id: &str,
        decisions: &ParkedDecisions,
    ) -> Result<Option<(ErasureReceipt, Vec<String>)>, StoreError> {
        let Some(mut erasure) = self.table.erasure(id).await? else { return Ok(None) };
        let delete = decisions.delete.iter().map(|id| (id.clone(), ParkedDecision::Delete));
        let keep = decisions.keep.iter().map(|id| (id.clone(), ParkedDecision::Keep));
        let unknown = self.table.decide_parked(&mut erasure, &delete.chain(keep).collect::<Vec<_>>()).await?;
        Ok(Some((ErasureReceipt::from(&erasure), unknown)))
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

    /// Accepts a provider's demand: erases the whole person. `None` if there is no such demand, or nothing is left of the
    /// person.
    ///
    /// # Errors
    /// Storage failed: call again.
    pub async fn accept_demand(
        &self,
        endpoint: &Eid,
        attribution: Attribution,
    ) -> Result<Option<ErasureReceipt>, StoreError> {
        let decision = Decision { who: attribution.who.clone(), why: attribution.reason.clone(), at: (self.now)() };
        if self.table.decide_demand(endpoint, DemandState::Accepted, &decision).await?.is_some() {
            // The demand names an endpoint. The present holder of its address may be another person.
            let requester = Requester::Person { who: attribution.who, why: attribution.reason };
            let now = (self.now)();
            let begun = self.table.begin_erasure(endpoint, Some(requester), now).await?;
            let Some(mut erasure) = begun else { return Ok(None) };
            self.proceed(&mut erasure, now).await?;
            return Ok(Some(ErasureReceipt::from(&erasure)));
        }
        // The demand is deleted with the person. A repeated call may find no demand while the erasure still runs.
        let Some(erasure) = self.table.erasure_under_way(endpoint).await? else { return Ok(None) };
        self.continue_erasure(&erasure.id).await
    }

    /// Dismisses a provider's demand: the rest of the person stays. `None` if there is no such demand.
    ///
    /// # Errors
    /// Storage failed.
    pub async fn dismiss_demand(
        &self,
        endpoint: &Eid,
        attribution: Attribution,
    ) -> Result<Option<ErasureDemand>, StoreError> {
        let decision = Decision { who: attribution.who, why: attribution.reason, at: (self.now)() };
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
                DemandState::Open => ErasureDemandState::Open,
                DemandState::Accepted => ErasureDemandState::Accepted,
                DemandState::Dismissed => ErasureDemandState::Dismissed,
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
