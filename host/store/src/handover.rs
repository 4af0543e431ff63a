//! Addresses that change hands: a number that its customer gave up, and that somebody else has now.
//!
//! A provider says at which instant an address gave way to another one. From then on it is somebody else's, whoever that is:
//! an endpoint of its own ([`TenantKey::since`]). An event's key and place are functions of its payload, so that a redelivery
//! meets itself; so an event of the new holder arrives at the old holder's endpoint, and the fold hands it over. It is
//! deleted there, and one that is delivered again is handed over again, which changes nothing. Whether the event or the
//! provider's word came first makes no difference: whoever writes the word hands over what is there, and a fold that did not
//! know of it yet loses its head.
//!
//! What is handed over takes the links and suggestions with it that it proved. It leaves its webhook behind: it cannot be
//! read again by a newer connector.
//!
//! [`TenantKey::since`]: rapport_model::TenantKey::since

use aws_sdk_dynamodb::types::AttributeValue;
use rapport_model::{Eid, EventKey, Timestamp};
use rapport_telemetry::TooManyHandovers;

use crate::blobs::{REFERENCE, is_of_one_item};
use crate::erasure::Erased;
use crate::error::{StoreError, unavailable};
use crate::identity::ATTEMPTS_MAX;
use crate::items::{Item, Reader, n, s};
use crate::keys;
use crate::on_heap::OnHeap;
use crate::table::{Table, is_condition_failure, is_conflict};

/// The attribute of an endpoint's item with the instants at which its address gave way.
const LEFT: &str = "lft";
/// The attribute of a later holder's item with the endpoint of the address itself, which knows who came after.
const ADDRESS: &str = "adr";
/// Hand-overs of one address. A number changes hands every few years.
pub const HANDOVERS_MAX: usize = 50;

/// When an address gave way, by the provider's clock; ascending.
pub(crate) fn left(item: &Item) -> Vec<Timestamp> {
    let set = item.get(LEFT).and_then(|value| value.as_ns().ok());
    let mut times: Vec<Timestamp> = set.into_iter().flatten().filter_map(|text| text.parse().ok()).collect();
    times.sort_unstable();
    times
}

impl Table {
    /// When the address of an endpoint gave way to another one; ascending, and empty as a rule.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn left(&self, eid: &Eid) -> Result<Vec<Timestamp>, StoreError> {
        let item = self.get(self.endpoint_pk(eid), keys::ENDPOINT.to_owned()).await?;
        Ok(item.as_ref().map(left).unwrap_or_default())
    }

    /// Whose an address was at an instant: the endpoint itself, or one of those who came after. A later holder that gave it
    /// up stands for the address, too.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], or [`StoreError::Corrupt`].
    pub async fn holder_at(&self, eid: &Eid, at: Timestamp) -> Result<Eid, StoreError> {
        let item = self.get(self.endpoint_pk(eid), keys::ENDPOINT.to_owned()).await?.unwrap_or_default();
        let reader = Reader(&item);
        let (address, times) = match reader.text_opt(ADDRESS) {
            Some(address) => {
                let address = Eid::parse(address).ok_or_else(|| reader.corrupt("`adr` is not an endpoint"))?;
                let times = self.left(&address).await?;
                (address, times)
            }
            None => (eid.clone(), left(&item)),
        };
        let before = times.into_iter().rfind(|left| *left < at);
        Ok(before.map_or_else(|| address.clone(), |left| self.tenant_key().since(&address, left)))
    }

    /// Records that a later holder gave its address up, too, and whose address that is. [`Table::leave`] of the address
    /// itself comes first. Doing it again is harmless.
    ///
    /// # Errors
    /// As of [`Table::leave`].
    pub async fn leave_of(&self, holder: &Eid, address: &Eid, at: Timestamp) -> Result<(), StoreError> {
        // In one write: an endpoint that was left and does not say of which address would be taken for an address.
        self.left_at(holder, Some(address), at).await
    }

    /// What of an endpoint is erased, and when its address first gave way; 0: never.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn marks(&self, eid: &Eid) -> Result<(Erased, Timestamp), StoreError> {
        let item = self.get(self.endpoint_pk(eid), keys::ENDPOINT.to_owned()).await?.unwrap_or_default();
        Ok((Erased::of(&Reader(&item)), left(&item).first().copied().unwrap_or_default()))
    }

    /// Records that an address gave way at an instant. Doing it again is harmless.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], or [`StoreError::Contended`] by a transaction: do it again.
    pub async fn leave(&self, eid: &Eid, at: Timestamp) -> Result<(), StoreError> {
        self.left_at(eid, None, at).await
    }

    async fn left_at(&self, eid: &Eid, address: Option<&Eid>, at: Timestamp) -> Result<(), StoreError> {
        let mut update = self
            .dynamodb()
            .update_item()
            .table_name(self.name())
            .key("pk", s(self.endpoint_pk(eid)))
            .key("sk", s(keys::ENDPOINT))
            .update_expression("ADD lft :at")
            .condition_expression("attribute_not_exists(lft) OR size(lft) < :max")
            .expression_attribute_values(":at", AttributeValue::Ns(vec![at.to_string()]))
            .expression_attribute_values(":max", n(HANDOVERS_MAX as u64));
        if let Some(address) = address {
            update = update
                .update_expression("ADD lft :at SET adr = :address")
                .expression_attribute_values(":address", s(address.as_str()));
        }
        for attempt in 0..ATTEMPTS_MAX {
            match update.clone().send().on_heap().await {
                Ok(_) => return Ok(()),
                Err(error) if is_condition_failure(&error) => {
                    TooManyHandovers { endpoint: eid }.emit();
                    return Ok(());
                }
                Err(error) if is_conflict(&error) => self.back_off(attempt).await,
                Err(error) => return Err(unavailable("UpdateItem")(error)),
            }
        }
        Err(StoreError::Contended { operation: "leave", attempts: ATTEMPTS_MAX })
    }

    /// Hands an event over to another endpoint, without its webhook: that may hold what is said of other people. Doing it again
    /// is harmless.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: the event is at one of the two, or at both; do it again.
    pub async fn hand_over(&self, eid: &Eid, key: &EventKey, to: &Eid) -> Result<(), StoreError> {
        self.redact(eid, key).await?;
        let Some(mut item) = self.get(self.endpoint_pk(eid), keys::event_sk(key)).await? else { return Ok(()) };
        let (pk, sk) = (self.endpoint_pk(to), keys::event_sk(key));
        // A blob is of one item, whose name it has: what is erased here must not take the new holder's.
        let blob = Reader(&item).text_opt(REFERENCE).map(str::to_owned);
        if blob.is_some() {
            match self.frame_of(&Reader(&item)).await {
                // It was moved before.
                Err(StoreError::Missing { .. }) => {}
                frame => {
                    let (name, value) = self.inline_or_blob((&pk, &sk), frame?.into_owned()).await?;
                    item.remove(REFERENCE);
                    item.insert(name.to_owned(), value);
                }
            }
        }
        item.insert("pk".to_owned(), s(pk));
        let put = self.dynamodb().put_item().table_name(self.name()).set_item(Some(item));
        match put.condition_expression("attribute_not_exists(pk)").send().on_heap().await {
            Err(error) if !is_condition_failure(&error) => return Err(unavailable("PutItem")(error)),
            _ => {}
        }
        if let Some(blob) = blob.filter(|blob| is_of_one_item(blob)) {
            self.access.blobs.delete(&blob).await?;
        }
        self.delete_item(self.endpoint_pk(eid), keys::event_sk(key)).await
    }

    /// Hands over every event of an endpoint whose key says that it is of after its address gave way.
    ///
    /// # Errors
    /// As of [`Table::hand_over`]: do it again.
    pub async fn hand_over_later(&self, eid: &Eid) -> Result<(), StoreError> {
        let Some(first) = self.left(eid).await?.first().copied() else { return Ok(()) };
        let mut after = None;
        loop {
            let page = self.found_after(eid, after.as_ref()).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.key.clone());
            for found in page.iter().filter(|found| found.key.at() > first) {
                let holder = self.holder_at(eid, found.key.at()).await?;
                if holder != *eid {
                    self.hand_over(eid, &found.key, &holder).await?;
                }
            }
        }
    }

    /// Takes what follows of later events out of an endpoint: traits, consents and reachability whose word is younger than an instant.
    /// What follows of the others is to be computed anew.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: do it again.
    pub async fn remove_statements_since(&self, eid: &Eid, at: Timestamp) -> Result<(), StoreError> {
        let pk = self.endpoint_pk(eid);
        let after = rapport_model::endpoint::first_of_millisecond(at + 1);
        for kind in [keys::TRAITS, keys::CONSENTS, keys::REACH] {
            for item in self.all(&pk, kind, &keys::after(kind)).await? {
                let reader = Reader(&item);
                if reader.text("ord")? >= after.as_str() {
                    self.delete_item(pk.clone(), reader.text("sk")?.to_owned()).await?;
                }
            }
        }
        Ok(())
    }

    /// Deletes the head of a conversation that is somebody else's.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: do it again.
    pub async fn forget_head(&self, eid: &Eid, account: &str) -> Result<(), StoreError> {
        self.delete_item(self.endpoint_pk(eid), keys::head_sk(account)).await
    }

    async fn delete_item(&self, pk: String, sk: String) -> Result<(), StoreError> {
        let delete = self.dynamodb().delete_item().table_name(self.name()).key("pk", s(pk)).key("sk", s(sk));
        delete.send().on_heap().await.map(drop).map_err(unavailable("DeleteItem"))
    }
}
