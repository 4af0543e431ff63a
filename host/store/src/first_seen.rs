//! When an event was first seen, of a provider that says no time.
//!
//! The time is part of an event's key, so a redelivery has to find the time that the first delivery was given. The first
//! one claims it in an item of its own; then the event is put under it. After a crash between the two, a redelivery finds
//! the claim and puts the same event. Two write units; a transaction of both items would cost four.
//!
//! A claim has no end. Whoever captured a form that signs no time could else send it again when the claim is gone, and it
//! would be a new event of today, also of somebody who was erased since. It holds a hash and a time, and no personal data.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure};
use rapport_model::{Eid, EventKey, Timestamp};

use crate::error::{StoreError, unavailable};
use crate::items::{Reader, n, s};
use crate::keys;
use crate::on_heap::OnHeap;
use crate::table::Table;

/// The time of an event whose provider says none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FirstSeen {
    pub at: Timestamp,
    /// Write units, as DynamoDB counted them.
    pub write_units: f64,
}

impl Table {
    /// When the event of this key, whatever its time, was first seen: `now`, unless it was before. Only the key's hash
    /// counts.
    ///
    /// # Errors
    /// [`StoreError`]: nothing may have been remembered; ask again.
    pub async fn first_seen(&self, eid: &Eid, key: &EventKey, now: Timestamp) -> Result<FirstSeen, StoreError> {
        let put = self
            .dynamodb()
            .put_item()
            .table_name(self.name())
            .item("pk", s(self.endpoint_pk(eid)))
            .item("sk", s(keys::first_seen_sk(key)))
            .item("at", n(now))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .on_heap()
            .await;
        let error = match put {
            Ok(answer) => {
                let write_units = answer.consumed_capacity.and_then(|capacity| capacity.capacity_units);
                return Ok(FirstSeen { at: now, write_units: write_units.unwrap_or_default() });
            }
            Err(error) => error,
        };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(failure)) => {
                let item =
                    failure.item().ok_or_else(|| StoreError::corrupt(keys::first_seen_sk(key), "not returned"))?;
                // The write unit of a failed condition is not reported, but it is billed.
                Ok(FirstSeen { at: Reader(item).number("at")?, write_units: 1.0 })
            }
            _ => Err(unavailable("PutItem")(error)),
        }
    }
}
