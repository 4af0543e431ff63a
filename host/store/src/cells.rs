//! Cells: items that each keep the newest of the strongest words on one thing. An older or a weaker word changes nothing,
//! so writing twice, or in any order, ends in the same state; the same word again is written, so that a rebuild mends what an
//! older fold got wrong.

use rapport_model::cells::{ConsentCell, DeliveryCell, ReachCell, TraitCell};
use rapport_model::identity::Named;
use rapport_model::trust::Strength;
use rapport_model::{Basis, Eid, Timestamp};

use crate::error::{StoreError, unavailable};
use crate::items::{json, n, s};
use crate::keys;
use crate::on_heap::OnHeap;
use crate::table::{Mistake, Table, is_condition_failure, is_conflict};

/// Whether a conditional write changed anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    Yes,
    /// What is stored was newer, or the same.
    No,
}

/// Attempts to write an endpoint whose pointer a transaction is rewriting, which takes some milliseconds.
const CONFLICTS_MAX: u32 = 8;

/// The attribute that says that an endpoint is an address which nobody proved to have, and on whose word it is there.
pub(crate) const UNPROVEN: &str = "unp";
/// The attribute that says how much a cell's word weighs.
const WEIGHT: &str = "wgt";

/// A cell's place and content: it takes the place of one whose word weighs less, or as much and whose `order` is lower.
struct Cell {
    pk: String,
    sk: String,
    weight: Strength,
    order: aws_sdk_dynamodb::types::AttributeValue,
    value: aws_sdk_dynamodb::types::AttributeValue,
}

impl Table {
    /// Records that an endpoint exists, in somebody else's words than the customer's: of one that is erased, and that the customer
    /// has not named since, they change nothing.
    ///
    /// # Errors
    /// As of [`Table::put_endpoint`].
    pub async fn note_endpoint(
        &self,
        named: &Named,
        at: Timestamp,
        received_at: Timestamp,
    ) -> Result<Written, StoreError> {
        let revives = self.makes(Mistake::StatusRevivesEndpoint);
        self.write_endpoint(named, (at, received_at), revives).await
    }

    /// Records that an endpoint exists, under which address, and since when at the latest; `received_at` is when that came
    /// to be known, by our clock. One that is erased is known again.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; writing it again is harmless.
    pub async fn put_endpoint(
        &self,
        named: &Named,
        at: Timestamp,
        received_at: Timestamp,
    ) -> Result<Written, StoreError> {
        self.write_endpoint(named, (at, received_at), true).await
    }

    async fn write_endpoint(
        &self,
        named: &Named,
        (at, received_at): (Timestamp, Timestamp),
        revives: bool,
    ) -> Result<Written, StoreError> {
        // What was erased comes back with a later word only, and only with the customer's own.
        let later =
            "(attribute_not_exists(seen) OR seen > :at OR seen <= era) AND (attribute_not_exists(era) OR era < :at)";
        let known = format!("{later} AND (attribute_not_exists(era) OR seen > era)");
        let mut update = self
            .dynamodb()
            .update_item()
            .table_name(self.name())
            .key("pk", s(self.endpoint_pk(&named.eid)))
            .key("sk", s(keys::ENDPOINT))
            .condition_expression(if revives { later.to_owned() } else { known })
            .expression_attribute_values(":at", n(at))
            .expression_attribute_values(":rcv", n(received_at))
            .expression_attribute_values(":scheme", s(&named.key.scheme))
            .expression_attribute_values(":value", s(&named.key.value))
            .expression_attribute_values(":asis", s(&named.identifier.value))
            .expression_attribute_values(":version", n(rapport_model::canonical::CANONICALISER_VERSION));
        let mut set =
            "SET seen = :at, rcv = :rcv, scheme = :scheme, addr = :value, asis = :asis, cv = :version".to_owned();
        if let Some(scope) = &named.key.scope {
            set.push_str(", scp = :scope");
            update = update.expression_attribute_values(":scope", s(scope));
        }
        if named.basis != Basis::Proven {
            set.push_str(", unp = :unproven");
            update = update.expression_attribute_values(":unproven", s(named.identifier.attestation.name()));
        }
        let update = update.update_expression(set);
        for attempt in 0..CONFLICTS_MAX {
            match update.clone().send().on_heap().await {
                Err(error) if is_conflict(&error) => self.back_off(attempt).await,
                answer => return written(answer),
            }
        }
        Err(StoreError::Contended { operation: "put endpoint", attempts: CONFLICTS_MAX })
    }

    /// Puts a trait, unless a newer event or a stronger word said otherwise.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; writing it again is harmless.
    pub async fn put_trait(&self, eid: &Eid, cell: &TraitCell) -> Result<Written, StoreError> {
        self.put_cell(Cell {
            pk: self.endpoint_pk(eid),
            sk: format!("{}{}", keys::TRAITS, cell.name),
            weight: cell.strength(),
            order: s(cell.source.as_str()),
            value: json(cell),
        })
        .await
    }

    /// Puts a consent, unless a newer event or a stronger word said otherwise.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; writing it again is harmless.
    pub async fn put_consent(&self, eid: &Eid, cell: &ConsentCell) -> Result<Written, StoreError> {
        self.put_cell(Cell {
            pk: self.endpoint_pk(eid),
            sk: format!("{}{}", keys::CONSENTS, cell.purpose),
            weight: cell.strength(),
            order: s(cell.source.as_str()),
            value: json(cell),
        })
        .await
    }

    /// Puts how far a message got, unless it got further already.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; writing it again is harmless.
    pub async fn put_delivery(&self, eid: &Eid, cell: &DeliveryCell) -> Result<Written, StoreError> {
        self.put_cell(Cell {
            pk: self.endpoint_pk(eid),
            sk: keys::delivery_sk(&cell.message),
            weight: Strength::Proven,
            order: n(cell.rank),
            value: json(cell),
        })
        .await
    }

    /// Puts what was reported about the address itself, unless a newer event said otherwise.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; writing it again is harmless.
    pub async fn put_reach(&self, eid: &Eid, cell: &ReachCell) -> Result<Written, StoreError> {
        self.put_cell(Cell {
            pk: self.endpoint_pk(eid),
            sk: keys::REACH.to_owned(),
            weight: Strength::Proven,
            order: s(cell.source.as_str()),
            value: json(cell),
        })
        .await
    }

    async fn put_cell(&self, cell: Cell) -> Result<Written, StoreError> {
        let put = self
            .dynamodb()
            .put_item()
            .table_name(self.name())
            .item("pk", s(cell.pk))
            .item("sk", s(cell.sk))
            .item("ord", cell.order.clone())
            .item(WEIGHT, n(cell.weight as u8))
            .item("cell", cell.value)
            // One without a weight was written when all weighed the same.
            .condition_expression(
                "attribute_not_exists(ord) OR wgt < :weight OR \
                 ((attribute_not_exists(wgt) OR wgt = :weight) AND ord <= :ord)",
            )
            .expression_attribute_values(":weight", n(cell.weight as u8))
            .expression_attribute_values(":ord", cell.order);
        written(put.send().on_heap().await)
    }
}

fn written<O, E>(
    answer: Result<O, aws_sdk_dynamodb::error::SdkError<E, aws_sdk_dynamodb::config::http::HttpResponse>>,
) -> Result<Written, StoreError>
where
    E: aws_sdk_dynamodb::error::ProvideErrorMetadata + std::error::Error + 'static,
{
    match answer {
        Ok(_) => Ok(Written::Yes),
        Err(error) if is_condition_failure(&error) => Ok(Written::No),
        Err(error) => Err(unavailable("conditional write")(error)),
    }
}
