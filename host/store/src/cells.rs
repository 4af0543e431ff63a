//! Cells: items that each keep the newest word on one thing. An older word changes nothing, so writing twice, or in any
//! order, ends in the same state; the same word again is written, so that a rebuild mends what an older fold got wrong.

use rapport_model::fold::{ConsentCell, DeliveryCell, ReachCell, TraitCell};
use rapport_model::identity::Named;
use rapport_model::{Eid, Timestamp};

use crate::error::{StoreError, unavailable};
use crate::items::{json, n, s};
use crate::keys;
use crate::table::{Table, is_condition_failure, is_conflict};

/// Whether a conditional write changed anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    Yes,
    /// What is stored was newer, or the same.
    No,
}

/// Attempts to write an endpoint whose pointer a transaction is rewriting, which takes some milliseconds.
const CONFLICTS_MAX: u32 = 8;

/// A cell's place and content: it takes the place of one whose `order` is lower.
struct Cell {
    pk: String,
    sk: String,
    order: aws_sdk_dynamodb::types::AttributeValue,
    value: aws_sdk_dynamodb::types::AttributeValue,
}

impl Table {
    /// Records that an endpoint exists, under which address, and since when at the latest.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; writing it again is harmless.
    pub async fn put_endpoint(&self, named: &Named, at: Timestamp) -> Result<Written, StoreError> {
        let mut update = self
            .dynamodb()
            .update_item()
            .table_name(self.name())
            .key("pk", s(self.endpoint_pk(&named.eid)))
            .key("sk", s(keys::ENDPOINT))
            // What was erased comes back with a later word only.
            .condition_expression(
                "(attribute_not_exists(seen) OR seen > :at OR seen <= era) AND (attribute_not_exists(era) OR era < :at)",
            )
            .expression_attribute_values(":at", n(at))
            .expression_attribute_values(":scheme", s(&named.key.scheme))
            .expression_attribute_values(":value", s(&named.key.value))
            .expression_attribute_values(":asis", s(&named.identifier.value))
            .expression_attribute_values(":version", n(rapport_model::canonical::CANONICALISER_VERSION));
        let mut set = "SET seen = :at, scheme = :scheme, addr = :value, asis = :asis, cv = :version".to_owned();
        if let Some(scope) = &named.key.scope {
            set.push_str(", scp = :scope");
            update = update.expression_attribute_values(":scope", s(scope));
        }
        let update = update.update_expression(set);
        for attempt in 0..CONFLICTS_MAX {
            match update.clone().send().await {
                Err(error) if is_conflict(&error) => self.back_off(attempt).await,
                answer => return written(answer),
            }
        }
        Err(StoreError::Contended { operation: "put endpoint", attempts: CONFLICTS_MAX })
    }

    /// Puts a trait, unless a newer event said otherwise.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; writing it again is harmless.
    pub async fn put_trait(&self, eid: &Eid, cell: &TraitCell) -> Result<Written, StoreError> {
        self.put_cell(Cell {
            pk: self.endpoint_pk(eid),
            sk: format!("{}{}", keys::TRAITS, cell.name),
            order: s(cell.source.as_str()),
            value: json(cell),
        })
        .await
    }

    /// Puts a consent, unless a newer event said otherwise.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; writing it again is harmless.
    pub async fn put_consent(&self, eid: &Eid, cell: &ConsentCell) -> Result<Written, StoreError> {
        self.put_cell(Cell {
            pk: self.endpoint_pk(eid),
            sk: format!("{}{}", keys::CONSENTS, cell.purpose),
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
            .item("cell", cell.value)
            .condition_expression("attribute_not_exists(ord) OR ord <= :ord")
            .expression_attribute_values(":ord", cell.order);
        written(put.send().await)
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
