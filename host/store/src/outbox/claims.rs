//! Claims of idempotency keys: the first request with a key says which intent it makes, before anything else is written.
//!
//! A request that is repeated meets its own claim, also after a crash between claim and intent: it then puts the same intent.
//! Another body under the same key meets somebody else's. A claim names the intent, the endpoint by its keyed id, and holds
//! MACs of key and body: nothing personal.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use rapport_model::sending::IntentId;
use rapport_model::{Eid, Timestamp};

use crate::error::{StoreError, unavailable};
use crate::items::{Item, Reader, n, s};
use crate::keys;
use crate::on_heap::OnHeap;
use crate::table::{Mistake, TTL, Table};

/// Days that a claim is kept: longer than any client goes on with a request.
pub const KEPT_DAYS: u64 = 30;

const SORT_KEY: &str = "@";

/// What a request makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub intent: IntentId,
    pub eid: Eid,
    pub account: String,
    pub connection: String,
    /// Our clock, drawn before anybody looked whether the endpoint is erased.
    pub created_at: Timestamp,
}

/// Whose a key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// This request's: now, or since an earlier try. The claim as it is stored is what it makes.
    Ours(Claim),
    /// That of a request with another body.
    Conflict,
}

impl Table {
    /// Claims an idempotency key of an API key for the canonical body of a request.
    ///
    /// # Errors
    /// [`StoreError`]: it may be claimed; claim it again, which is harmless.
    pub async fn claim_intent(
        &self,
        (api_key, idempotency_key): (&str, &str),
        body: &[u8],
        claim: &Claim,
    ) -> Result<Claimed, StoreError> {
        if self.makes(Mistake::NoIdempotencyClaim) {
            return Ok(Claimed::Ours(claim.clone()));
        }
        let tenant_key = self.tenant_key();
        let pk = keys::claim_pk(self.tenant(), &tenant_key.claim_key(api_key, idempotency_key));
        let mac = tenant_key.claimed_body(api_key, body);
        let put = self
            .dynamodb()
            .put_item()
            .table_name(self.name())
            .item("pk", s(&pk))
            .item("sk", s(SORT_KEY))
            .item("id", s(claim.intent.as_str()))
            .item("eid", s(claim.eid.as_str()))
            .item("acc", s(&claim.account))
            .item("con", s(&claim.connection))
            .item("cre", n(claim.created_at))
            .item("mac", s(&mac))
            .item(TTL, n(claim.created_at / 1000 + KEPT_DAYS * 24 * 3600))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .on_heap()
            .await;
        let Err(error) = put else { return Ok(Claimed::Ours(claim.clone())) };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(failure)) => {
                let item = failure.item().ok_or_else(|| StoreError::corrupt(pk, "not returned"))?;
                claimed(item, &mac)
            }
            _ => Err(unavailable("PutItem")(error)),
        }
    }

    /// Whose an idempotency key is; `None`: nobody claimed it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::Corrupt`].
    pub async fn claimed_intent(
        &self,
        (api_key, idempotency_key): (&str, &str),
        body: &[u8],
    ) -> Result<Option<Claimed>, StoreError> {
        let tenant_key = self.tenant_key();
        let pk = keys::claim_pk(self.tenant(), &tenant_key.claim_key(api_key, idempotency_key));
        let item = self.get(pk, SORT_KEY.to_owned()).await?;
        item.map(|item| claimed(&item, &tenant_key.claimed_body(api_key, body))).transpose()
    }
}

fn claimed(item: &Item, mac: &str) -> Result<Claimed, StoreError> {
    match Reader(item).text("mac")? == mac {
        true => read(item).map(Claimed::Ours),
        false => Ok(Claimed::Conflict),
    }
}

fn read(item: &Item) -> Result<Claim, StoreError> {
    let reader = Reader(item);
    let intent =
        IntentId::parse(reader.text("id")?).ok_or_else(|| reader.corrupt("`id` is not the id of an intent"))?;
    let eid = Eid::parse(reader.text("eid")?).ok_or_else(|| reader.corrupt("`eid` is not an endpoint"))?;
    Ok(Claim {
        intent,
        eid,
        account: reader.text("acc")?.to_owned(),
        connection: reader.text("con")?.to_owned(),
        created_at: reader.number("cre")?,
    })
}
