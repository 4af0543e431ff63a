//! A provider demands that a person be erased. What its connection said is erased at once; the rest of the person waits for
//! somebody's decision, since a clean-up of one system's users is no wish of a person to be forgotten by all.

use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use rapport_model::event::Attestation;
use rapport_model::{Eid, EventKey, Timestamp};
use rapport_telemetry::{DemandLeftOut, ErasureDemanded};
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::events::StoredEvent;
use crate::identity::{ATTEMPTS_MAX, Decision, ReviewCursor, ReviewPage};
use crate::items::{Reader, json, n, s};
use crate::keys;
use crate::table::Table;

/// The name of the list of open ones.
const LIST: &str = "erasure";

/// A provider's demand to erase a person. Each endpoint has one: the last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Demand {
    /// Whom it names.
    pub endpoint: Eid,
    pub state: DemandState,
    pub connection: String,
    /// Who vouches that the endpoint is the person's.
    pub attestation: Attestation,
    pub event: EventKey,
    /// The provider's clock.
    pub at: Timestamp,
    /// Our clock.
    pub recorded_at: Timestamp,
    /// Who decided; none while it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided: Option<Decision>,
}

/// Where a demand is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DemandState {
    Open,
    /// The whole person is erased, or is being erased.
    Accepted,
    /// The rest of the person stays. It can still be accepted.
    Dismissed,
}

impl Demand {
    pub(super) fn new(stored: &StoredEvent, attestation: Attestation, now: Timestamp) -> Self {
        Self {
            endpoint: stored.eid.clone(),
            state: DemandState::Open,
            connection: stored.connection.clone(),
            attestation,
            event: stored.key.clone(),
            at: stored.event.at,
            recorded_at: now,
            decided: None,
        }
    }
}

impl Table {
    /// The last demand of an endpoint; none: there was none, or the person is erased.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::Corrupt`].
    pub async fn demand(&self, endpoint: &Eid) -> Result<Option<Demand>, StoreError> {
        let item = self.get(self.endpoint_pk(endpoint), keys::DEMAND.to_owned()).await?;
        item.map(|item| Reader(&item).json("demand")).transpose()
    }

    /// Open demands, in no order that means anything.
    ///
    /// # Errors
    /// As [`Table::find`].
    pub async fn demands(&self, limit: usize, cursor: Option<&ReviewCursor>) -> Result<ReviewPage<Demand>, StoreError> {
        let page = self.listed(LIST, limit, cursor).await?;
        let mut items = Vec::new();
        for item in &page.items {
            let Some(eid) = Eid::parse(Reader(item).text("sk")?) else { continue };
            match self.demand(&eid).await {
                // One that cannot be read hides no other.
                Err(error) if !error.is_passing() => DemandLeftOut { endpoint: &eid, error: &error }.emit(),
                demand => items.extend(demand?.filter(|demand| demand.state == DemandState::Open)),
            }
        }
        Ok(ReviewPage { items, next: page.next })
    }

    /// Writes down what somebody decides about a demand; none: there is no such demand. One that was dismissed can still be
    /// accepted. Doing it again is harmless.
    ///
    /// # Errors
    /// [`StoreError::Contended`], [`StoreError::Unavailable`].
    pub async fn decide_demand(
        &self,
        endpoint: &Eid,
        state: DemandState,
        decision: &Decision,
    ) -> Result<Option<Demand>, StoreError> {
        for attempt in 0..ATTEMPTS_MAX {
            let Some(known) = self.demand(endpoint).await? else { return Ok(None) };
            if known.state == state || known.state == DemandState::Accepted {
                return Ok(Some(known));
            }
            let decided = Demand { state, decided: Some(decision.clone()), ..known.clone() };
            let writes = vec![self.put_demand(&decided, Some(&known)), self.delete_from_list(LIST, endpoint.as_str())];
            if self.send(writes).await? {
                return Ok(Some(decided));
            }
            self.back_off(attempt).await;
        }
        Err(StoreError::Contended { operation: "decide", attempts: ATTEMPTS_MAX })
    }

    /// Lists a demand, if there is more of the person than what its connection said.
    pub(super) async fn ask_for_the_rest(&self, demand: &Demand) -> Result<(), StoreError> {
        let eid = &demand.endpoint;
        let is_more = self.find(eid).await?.members.len() > 1 || self.has_events(eid).await?;
        for attempt in 0..ATTEMPTS_MAX {
            let known = self.demand(eid).await?;
            if !is_more || known.as_ref().is_some_and(|known| known.event == demand.event) {
                return Ok(());
            }
            let listed = Put::builder()
                .table_name(self.name())
                .item("pk", s(keys::review_pk(self.tenant(), LIST, keys::review_shard(eid.as_str()))))
                .item("sk", s(eid.as_str()))
                .item("since", n(demand.recorded_at))
                .build()
                .expect("table and item are given");
            let listed = TransactWriteItem::builder().put(listed).build();
            if self.send(vec![self.put_demand(demand, known.as_ref()), listed]).await? {
                let (connection, attestation) = (demand.connection.as_str(), demand.attestation.name());
                ErasureDemanded { connection, attestation }.emit();
                return Ok(());
            }
            self.back_off(attempt).await;
        }
        Err(StoreError::Contended { operation: "demand", attempts: ATTEMPTS_MAX })
    }

    fn put_demand(&self, demand: &Demand, known: Option<&Demand>) -> TransactWriteItem {
        let put = Put::builder()
            .table_name(self.name())
            .item("pk", s(self.endpoint_pk(&demand.endpoint)))
            .item("sk", s(keys::DEMAND))
            .item("demand", json(demand));
        let put = match known {
            None => put.condition_expression("attribute_not_exists(pk)"),
            Some(known) => {
                put.condition_expression("demand = :known").expression_attribute_values(":known", json(known))
            }
        };
        TransactWriteItem::builder().put(put.build().expect("table and item are given")).build()
    }
}
