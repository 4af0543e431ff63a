//! Events: one conditional write makes one durable, once.
//!
//! Each event of a webhook is its own conditional `PutItem`, several at a time. `BatchWriteItem` would save round trips
//! but has no conditions: it would overwrite an event (and the webhook stored with it) when a provider bundles a
//! redelivery differently, and could not count duplicates. Write units are the same.

mod host_made;
mod read;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Put as PutAction, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem,
};
use rapport_model::sending::intent::Origin;
use rapport_model::{Eid, Event, EventKey, Timestamp};
use tokio::task::JoinSet;

use crate::blobs::{INLINE_BYTES_MAX, REFERENCE, is_of_one_item};
use crate::codec::{self, Checked, RawWebhook};
use crate::error::{StoreError, is_lost_transaction, is_unmet_condition, unavailable};
use crate::identity::ATTEMPTS_MAX;
use crate::items::{Item, Reader, json, n, s};
use crate::keys;
use crate::on_heap::OnHeap;
use crate::table::{Table, is_condition_failure};

/// Puts in flight at once for one webhook: enough to hide the latency of a batch, few enough to share the connections.
const CONCURRENT_PUTS_MAX: usize = 16;

/// The attribute of an event that names the event that its webhook is kept with, where that is another endpoint's.
pub(crate) const HOLDER: &str = "raw";
/// The attribute of an event that names the blob of its webhook, where that is too large to stand with it.
pub(crate) const WEBHOOK: &str = "web";
/// The attribute of an event of a message of ours with whose message it is.
pub(crate) const ORIGIN: &str = "own";
/// The attribute of an intent, and of the events of its parts, with when it was made, by our clock: an erasure takes both by that.
pub(crate) const OWN_SINCE: &str = "cre";
/// Bytes of a body that no compression makes small enough to stand in an item.
const NEVER_INLINE_BYTES: usize = 1 << 20;

/// An event on its way into the log.
#[derive(Clone, Debug)]
pub struct NewEvent {
    pub eid: Eid,
    pub key: EventKey,
    pub event: Event,
    /// Which configured connection brought it.
    pub connection: String,
    /// SHA-256 of the connector that read it, in hex.
    pub connector_digest: String,
    /// Our clock. Never part of a key.
    pub received_at: Timestamp,
}

/// An event in the log.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredEvent {
    pub eid: Eid,
    pub key: EventKey,
    pub event: Event,
    pub connection: String,
    pub connector_digest: String,
    pub received_at: Timestamp,
    /// Of a message that we sent.
    pub origin: Option<Origin>,
}

/// An item of the log whose event cannot be read, now or ever: what stands in its place.
#[derive(Clone, Debug, PartialEq)]
pub struct UnreadableEvent {
    pub eid: Eid,
    pub key: EventKey,
    /// Empty where not even that can be read.
    pub connection: String,
    /// 0 where not even that can be read.
    pub received_at: Timestamp,
    /// Bytes of its payload as it is stored, as far as it is known.
    pub bytes: u64,
    pub why: Why,
}

/// Why an event cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Its payload is nothing that this version reads.
    Corrupt,
    /// Its payload is gone from the blob store.
    MissingBlob,
}

impl Why {
    /// A word for the API and the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Corrupt => "corrupt",
            Self::MissingBlob => "missing-blob",
        }
    }
}

/// What an item of the log is when it is read.
#[derive(Clone, Debug, PartialEq)]
pub enum Logged {
    Event(Box<StoredEvent>),
    Unreadable(UnreadableEvent),
}

/// An item of the log that is not read yet: compressed, or in the blob store.
#[derive(Clone, Debug)]
pub struct Found {
    pub eid: Eid,
    pub key: EventKey,
    item: Item,
}

impl Found {
    pub(crate) fn item(&self) -> &Item {
        &self.item
    }
}

/// What an event is in its item.
struct Payload {
    frame: (&'static str, AttributeValue),
    webhook_blob: Option<String>,
}

/// What putting events did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Put {
    pub new: usize,
    pub duplicates: usize,
    /// Write units, as DynamoDB counted them (`ReturnConsumedCapacity`).
    pub write_units: f64,
    /// Events that can never be stored, by their position, and why: nothing of them is durable.
    pub refused: Vec<(usize, String)>,
}

/// What one put did.
#[derive(Default)]
struct PutOne {
    new: usize,
    duplicates: usize,
    write_units: f64,
    refused: Option<String>,
    /// It was there before, with another webhook than this one or with none.
    came_otherwise: bool,
}

/// An event of a webhook, where it stands in it, and its JSON.
struct Checkable {
    place: usize,
    new: NewEvent,
    json: Checked,
}

impl Table {
    /// Makes the events of one webhook durable. When this returns, all of them are, each exactly once, and the webhook
    /// is kept with the first of them; but for those that storage can never take, which are named in [`Put::refused`].
    ///
    /// # Errors
    /// Some event may not be durable: do not acknowledge. Putting all of them again is harmless.
    pub async fn put_events(&self, events: Vec<NewEvent>, webhook: RawWebhook) -> Result<Put, StoreError> {
        let mut total = Put::default();
        let mut checked = Vec::with_capacity(events.len());
        for (place, new) in events.into_iter().enumerate() {
            match codec::checked(&new.event) {
                Ok(json) => checked.push(Checkable { place, new, json }),
                Err(detail) => total.refused.push((place, detail)),
            }
        }
        let first_place = checked.first().map_or(0, |first| first.place);
        let holder = holder(&checked);
        // Of several endpoints the first one's event goes alone: it holds the webhook, and the others name it. Whoever
        // erases one of the others must find it there.
        let goes_first = holder.is_some();
        let mut first_new: Option<(usize, Eid, EventKey)> = None;
        let mut raw = Some(webhook.clone());
        let mut running = JoinSet::new();
        let mut waiting = checked.into_iter();
        loop {
            while running.len() < CONCURRENT_PUTS_MAX
                && let Some(event) = waiting.next()
            {
                let (table, raw) = (self.clone(), raw.take());
                let name = (event.place, event.new.eid.clone(), event.new.key.clone());
                let is_first = event.place == first_place;
                let holder = holder.clone().filter(|(eid, _)| *eid != event.new.eid);
                running.spawn(async move { Ok::<_, StoreError>((name, table.put_event(event, raw, holder).await?)) });
                if goes_first && is_first {
                    break;
                }
            }
            let Some(done) = running.join_next().await else { break };
            let (name, put) = done.expect("putting an event does not panic")?;
            total.refused.extend(put.refused.map(|detail| (name.0, detail)));
            total.new += put.new;
            total.duplicates += put.duplicates;
            total.write_units += put.write_units;
            // The first event may have this webhook, and the one that is there names another: whoever is erased with it has to
            // find what they said in this one, too. Also if the first is no news: an earlier try may have put it.
            if let Some((holder, first)) = holder.as_ref().filter(|(eid, _)| *eid != name.1 && put.came_otherwise) {
                total.write_units += self.put_webhook_elsewhere((&name.1, &name.2), (holder, first)).await?;
            }
            if put.new > 0 && first_new.as_ref().is_none_or(|first| name.0 < first.0) {
                first_new = Some(name);
            }
        }
        // The provider bundled a redelivery differently: the first event has another webhook, so this one stands alone.
        // One of several customers is not kept then: nobody who erases one of them would find it.
        if !goes_first
            && let Some((place, eid, key)) = first_new
            && place > first_place
            && total.duplicates > 0
        {
            self.put_webhook_beside(&eid, &key, &webhook).await?;
        }
        Ok(total)
    }

    async fn put_event(
        &self,
        event: Checkable,
        raw: Option<RawWebhook>,
        holder: Option<(Eid, EventKey)>,
    ) -> Result<PutOne, StoreError> {
        self.put_item_of(event, raw, (holder, None)).await
    }

    async fn put_item_of(
        &self,
        event: Checkable,
        raw: Option<RawWebhook>,
        (holder, origin): (Option<(Eid, EventKey)>, Option<&Origin>),
    ) -> Result<PutOne, StoreError> {
        let mut item = self.event_item(event, raw).await?;
        if let Some(origin) = origin {
            item.insert(ORIGIN.to_owned(), json(origin));
            item.insert(OWN_SINCE.to_owned(), n(origin.created_at));
        }
        let blobs = blobs_of(&item);
        let raw = holder.map(|(eid, key)| format!("{eid} {key}"));
        if let Some(raw) = &raw {
            item.insert(HOLDER.to_owned(), s(raw));
        }
        let put = self
            .dynamodb()
            .put_item()
            .table_name(self.name())
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .on_heap()
            .await;
        match put {
            Ok(answer) => {
                let write_units = answer.consumed_capacity.and_then(|capacity| capacity.capacity_units);
                Ok(PutOne { new: 1, write_units: write_units.unwrap_or_default(), ..PutOne::default() })
            }
            Err(error) if is_condition_failure(&error) => {
                // It is there with what it was put with; what else was stored for it now is nobody's.
                let came_otherwise =
                    there(&error).is_some_and(|there| Reader(there).text_opt(HOLDER) != raw.as_deref());
                if let Some(there) = there(&error).filter(|_| !blobs.is_empty()) {
                    let kept = blobs_of(there);
                    let left: Vec<String> = blobs.into_iter().filter(|blob| !kept.contains(blob)).collect();
                    self.delete_blobs(&left).await?;
                }
                // The write unit of a failed condition is not reported, but it is billed.
                Ok(PutOne { duplicates: 1, write_units: 1.0, came_otherwise, ..PutOne::default() })
            }
            Err(error) => match unavailable("PutItem")(error) {
                error if error.is_passing() => Err(error),
                error => {
                    self.delete_blobs(&blobs).await?;
                    Ok(PutOne { refused: Some(error.class()), ..PutOne::default() })
                }
            },
        }
    }

    /// Names the event that has a webhook of this one. Doing it again is harmless. Gives the write units.
    async fn put_webhook_elsewhere(
        &self,
        (eid, key): (&Eid, &EventKey),
        (holder, first): (&Eid, &EventKey),
    ) -> Result<f64, StoreError> {
        let put = self.dynamodb().put_item().table_name(self.name());
        let put = put
            .item("pk", s(self.endpoint_pk(eid)))
            .item("sk", s(keys::webhook_elsewhere_sk(key, first)))
            .item(HOLDER, s(format!("{holder} {first}")))
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        let answer = put.send().on_heap().await.map_err(unavailable("PutItem"))?;
        Ok(answer.consumed_capacity.and_then(|capacity| capacity.capacity_units).unwrap_or_default())
    }

    async fn delete_blobs(&self, blobs: &[String]) -> Result<(), StoreError> {
        for blob in blobs {
            if is_of_one_item(blob) {
                self.access.blobs.delete(blob).await?;
            }
        }
        Ok(())
    }

    /// Keeps a webhook under the first event that only it brought.
    async fn put_webhook_beside(&self, eid: &Eid, key: &EventKey, webhook: &RawWebhook) -> Result<(), StoreError> {
        let (pk, sk) = (self.endpoint_pk(eid), keys::webhook_sk(key));
        let (name, value) = self.inline_or_blob((&pk, &sk), codec::pack_webhook(webhook)).await?;
        let blob = value.as_s().ok().cloned();
        let pk = s(pk);
        let put = PutAction::builder().table_name(self.name()).item("pk", pk.clone());
        let put = put.item("sk", s(sk)).item(name, value).build().expect("table and item are given");
        // An event that was erased before came again, and is gone again by now: so is its webhook.
        let check = ConditionCheck::builder().table_name(self.name()).key("pk", pk).key("sk", s(keys::event_sk(key)));
        let check = check.condition_expression("attribute_exists(pk)").build().expect("all required parts are given");
        let items = vec![
            TransactWriteItem::builder().put(put).build(),
            TransactWriteItem::builder().condition_check(check).build(),
        ];
        for attempt in 0..ATTEMPTS_MAX {
            let sent =
                self.dynamodb().transact_write_items().set_transact_items(Some(items.clone())).send().on_heap().await;
            match sent {
                Ok(_) => return Ok(()),
                // The event is gone. Whoever puts may not read, so the transaction has to say it.
                Err(error) if error.as_service_error().is_some_and(is_unmet_condition) => {
                    return self.delete_blobs(blob.as_slice()).await;
                }
                // Another transaction had one of the two.
                Err(error) if is_lost_transaction(&error) => self.back_off(attempt).await,
                Err(error) => return Err(unavailable("TransactWriteItems")(error)),
            }
        }
        Err(StoreError::Contended { operation: "keep a webhook", attempts: ATTEMPTS_MAX })
    }

    async fn event_item(&self, event: Checkable, raw: Option<RawWebhook>) -> Result<Item, StoreError> {
        let Checkable { new, json, .. } = event;
        let (pk, sk) = (self.endpoint_pk(&new.eid), keys::event_sk(&new.key));
        let Payload { frame: (name, payload), webhook_blob } = self.payload((&pk, &sk), &json, raw).await?;
        let mut item = Item::from([
            ("pk".to_owned(), s(pk)),
            ("sk".to_owned(), s(sk)),
            ("con".to_owned(), s(new.connection)),
            ("dig".to_owned(), s(new.connector_digest)),
            ("rcv".to_owned(), n(new.received_at)),
            (name.to_owned(), payload),
        ]);
        item.extend(webhook_blob.map(|key| (WEBHOOK.to_owned(), s(key))));
        Ok(item)
    }

    /// An event and its webhook: in one frame if that fits the item. If only the event does, the webhook is a blob, so that
    /// whoever reads the event, and that is nearly everybody, need not fetch what it came in. If neither does, both are one
    /// blob, unless the webhook is huge.
    async fn payload(
        &self,
        item: (&str, &str),
        event: &Checked,
        raw: Option<RawWebhook>,
    ) -> Result<Payload, StoreError> {
        let fits = |frame: &Vec<u8>| frame.len() <= INLINE_BYTES_MAX;
        let is_huge = |raw: &RawWebhook| raw.body.len() > NEVER_INLINE_BYTES;
        let together = (!raw.as_ref().is_some_and(is_huge)).then(|| codec::pack(event, raw.as_ref()));
        let Some(raw) = raw.filter(|_| !together.as_ref().is_some_and(fits)) else {
            let frame = together.expect("without a huge webhook there is one frame");
            return Ok(Payload { frame: self.inline_or_blob(item, frame).await?, webhook_blob: None });
        };
        let alone = codec::pack(event, None);
        if let Some(frame) = together.filter(|_| !fits(&alone)) {
            return Ok(Payload { frame: self.inline_or_blob(item, frame).await?, webhook_blob: None });
        }
        let webhook_blob = Some(self.put_blob(item, codec::pack_webhook(&raw)).await?);
        Ok(Payload { frame: self.inline_or_blob(item, alone).await?, webhook_blob })
    }
}

/// Where the webhook of these events is kept, if they are of several endpoints. Also where it was kept with the first
/// event before: in an earlier delivery, of which the others were not stored any more.
fn holder(events: &[Checkable]) -> Option<(Eid, EventKey)> {
    let first = &events.first()?.new;
    events.iter().any(|event| event.new.eid != first.eid).then(|| (first.eid.clone(), first.key.clone()))
}

/// The names of an item's blobs.
fn blobs_of(item: &Item) -> Vec<String> {
    let reader = Reader(item);
    [reader.text_opt(REFERENCE), reader.text_opt(WEBHOOK)].into_iter().flatten().map(str::to_owned).collect()
}

/// The item that a put met.
fn there<R>(error: &SdkError<PutItemError, R>) -> Option<&Item> {
    match error.as_service_error() {
        Some(PutItemError::ConditionalCheckFailedException(failure)) => failure.item(),
        _ => None,
    }
}
