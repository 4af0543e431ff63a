//! Values that a provider uses once, for signatures that do not cover the body: the first body that comes with one has it.
//!
//! The claim is one conditional put, before any event of the webhook is stored. A webhook that is parked makes none: only
//! its connector knows the value, and could not read it. A redelivery has the same body and finds
//! its own claim; so does one after a crash between the claim and the events, or after the answer to the claim was lost.
//! Another body finds somebody else's. Neither the value nor the body is in the item, only HMACs of them.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use rapport_model::Timestamp;

use crate::error::{StoreError, unavailable};
use crate::items::{Reader, n, s};
use crate::keys;
use crate::on_heap::OnHeap;
use crate::table::{TTL, Table};

/// Days that a claim is kept: longer than any signature without a body counts, and than any provider delivers again.
pub const KEPT_DAYS: u64 = 8;

const SORT_KEY: &str = "@";

/// Whose a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NonceOwner {
    /// This body's: now, or since an earlier delivery of it.
    Ours,
    /// Another body's, which came first.
    Taken,
}

impl Table {
    /// Claims `nonce` of a connection for `body`.
    ///
    /// # Errors
    /// [`StoreError`]: it may be claimed; claim it again, which is harmless.
    pub async fn claim_nonce(
        &self,
        connection: &str,
        nonce: &str,
        body: &[u8],
        now: Timestamp,
    ) -> Result<NonceOwner, StoreError> {
        let tenant_key = self.tenant_key();
        let pk = keys::nonce_pk(self.tenant(), &tenant_key.nonce_key(connection, nonce));
        let ours = tenant_key.body_key(connection, body);
        let put = self
            .dynamodb()
            .put_item()
            .table_name(self.name())
            .item("pk", s(&pk))
            .item("sk", s(SORT_KEY))
            .item("body", s(&ours))
            .item(TTL, n(now / 1000 + KEPT_DAYS * 24 * 3600))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .on_heap()
            .await;
        let Err(error) = put else { return Ok(NonceOwner::Ours) };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(failure)) => {
                let item = failure.item().ok_or_else(|| StoreError::corrupt(pk, "not returned"))?;
                Ok(if Reader(item).text("body")? == ours { NonceOwner::Ours } else { NonceOwner::Taken })
            }
            _ => Err(unavailable("PutItem")(error)),
        }
    }
}
