//! Events: one conditional write makes one durable, once.
//!
//! Each event of a webhook is its own conditional `PutItem`, several at a time. `BatchWriteItem` would save round trips
//! but has no conditions: it would overwrite an event (and the webhook stored with it) when a provider bundles a
//! redelivery differently, and could not count duplicates. Write units are the same.

use std::io;
use std::ops::Bound;

use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Put as PutAction, ReturnConsumedCapacity, TransactWriteItem,
};
use rapport_model::endpoint::first_of_millisecond;
use rapport_model::event::{Author, Body};
use rapport_model::{Eid, Event, EventKey, Timestamp};
use tokio::task::JoinSet;

use crate::blobs::INLINE_BYTES_MAX;
use crate::codec::{self, RawWebhook};
use crate::error::{StoreError, unavailable};
use crate::items::{Item, Reader, n, s};
use crate::keys;
use crate::table::{Order, Range, Table, is_condition_failure};

/// Puts in flight at once for one webhook: enough to hide the latency of a batch, few enough to share the connections.
const CONCURRENT_PUTS_MAX: usize = 16;

/// The attribute of an event that names the event that its webhook is kept with, where that is another endpoint's.
pub(crate) const HOLDER: &str = "raw";
/// The attribute of an event that names the blob of its webhook, where that is too large to stand with it.
pub(crate) const WEBHOOK: &str = "web";
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
    /// The webhook, with its first event only, and there only if it is small: [`Table::webhook_of`] finds every one.
    pub raw: Option<RawWebhook>,
    /// The blob of a large one.
    pub webhook_blob: Option<String>,
}

/// What an event is in its item.
struct Payload {
    frame: (&'static str, AttributeValue),
    webhook_blob: Option<String>,
}

/// What putting events did.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Put {
    pub new: usize,
    pub duplicates: usize,
    /// Write units, as DynamoDB counted them (`ReturnConsumedCapacity`).
    pub write_units: f64,
}

impl Table {
    /// Makes the events of one webhook durable. When this returns, all of them are, each exactly once, and the webhook
    /// is kept with the first of them.
    ///
    /// # Errors
    /// Some event may not be durable: do not acknowledge. Putting all of them again is harmless.
    pub async fn put_events(&self, events: Vec<NewEvent>, webhook: RawWebhook) -> Result<Put, StoreError> {
        let mut total = Put::default();
        let holder = holder(&events);
        // Of several endpoints the first one's event goes alone: it holds the webhook, and the others name it. Whoever
        // erases one of the others must find it there.
        let goes_first = holder.is_some();
        let mut first_new: Option<(usize, Eid, EventKey)> = None;
        let mut raw = Some(webhook.clone());
        let mut running = JoinSet::new();
        let mut waiting = events.into_iter().enumerate();
        loop {
            while running.len() < CONCURRENT_PUTS_MAX
                && let Some((place, event)) = waiting.next()
            {
                let (table, raw) = (self.clone(), raw.take());
                let name = (place, event.eid.clone(), event.key.clone());
                let holder = holder.clone().filter(|(eid, _)| *eid != event.eid);
                running.spawn(async move { Ok::<_, StoreError>((name, table.put_event(event, raw, holder).await?)) });
                if goes_first && place == 0 {
                    break;
                }
            }
            let Some(done) = running.join_next().await else { break };
            let (name, put) = done.expect("putting an event does not panic")?;
            total.new += put.new;
            total.duplicates += put.duplicates;
            total.write_units += put.write_units;
            if put.new > 0 && first_new.as_ref().is_none_or(|first| name.0 < first.0) {
                first_new = Some(name);
            }
        }
        // The provider bundled a redelivery differently: the first event has another webhook, so this one stands alone.
        // One of several customers is not kept then: nobody who erases one of them would find it.
        if !goes_first
            && let Some((place, eid, key)) = first_new
            && place > 0
            && total.duplicates > 0
        {
            self.put_webhook_beside(&eid, &key, &webhook).await?;
        }
        Ok(total)
    }

    async fn put_event(
        &self,
        new: NewEvent,
        raw: Option<RawWebhook>,
        holder: Option<(Eid, EventKey)>,
    ) -> Result<Put, StoreError> {
        let mut item = self.event_item(new, raw).await?;
        if let Some((eid, key)) = holder {
            item.insert(HOLDER.to_owned(), s(format!("{eid} {key}")));
        }
        let put = self
            .dynamodb()
            .put_item()
            .table_name(self.name())
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        match put {
            Ok(answer) => {
                let write_units = answer.consumed_capacity.and_then(|capacity| capacity.capacity_units);
                Ok(Put { new: 1, duplicates: 0, write_units: write_units.unwrap_or_default() })
            }
            // The write unit of a failed condition is not reported, but it is billed.
            Err(error) if is_condition_failure(&error) => Ok(Put { new: 0, duplicates: 1, write_units: 1.0 }),
            Err(error) => Err(unavailable("PutItem")(error)),
        }
    }

    /// Keeps a webhook under the first event that only it brought.
    async fn put_webhook_beside(&self, eid: &Eid, key: &EventKey, webhook: &RawWebhook) -> Result<(), StoreError> {
        let (name, value) = self.inline_or_blob(codec::pack_webhook(webhook)).await?;
        let pk = s(self.endpoint_pk(eid));
        let put = PutAction::builder().table_name(self.name()).item("pk", pk.clone());
        let put = put.item("sk", s(keys::webhook_sk(key))).item(name, value).build().expect("table and item are given");
        // An event that was erased before came again, and is gone again by now: so is its webhook.
        let check = ConditionCheck::builder().table_name(self.name()).key("pk", pk).key("sk", s(keys::event_sk(key)));
        let check = check.condition_expression("attribute_exists(pk)").build().expect("all required parts are given");
        let items = vec![
            TransactWriteItem::builder().put(put).build(),
            TransactWriteItem::builder().condition_check(check).build(),
        ];
        self.send(items).await.map(drop)
    }

    /// The webhook that an event came in, if it was kept with this event.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::Corrupt`].
    pub async fn webhook_of(&self, stored: &StoredEvent) -> Result<Option<RawWebhook>, StoreError> {
        if stored.raw.is_some() {
            return Ok(stored.raw.clone());
        }
        if let Some(key) = &stored.webhook_blob {
            let frame = match self.access.blobs.get(key).await {
                Ok(frame) => frame,
                // Erased, with another copy of it that somebody parked.
                Err(StoreError::Blob { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            };
            let webhook = codec::unpack_webhook(&frame);
            return webhook.map(Some).map_err(|detail| StoreError::corrupt(format!("blob {key}"), detail));
        }
        let item = self.get(self.endpoint_pk(&stored.eid), keys::webhook_sk(&stored.key)).await?;
        let Some(item) = item else { return Ok(None) };
        let frame = self.frame_of(&Reader(&item)).await?;
        codec::unpack_webhook(&frame).map(Some).map_err(|detail| Reader(&item).corrupt(detail))
    }

    async fn event_item(&self, new: NewEvent, raw: Option<RawWebhook>) -> Result<Item, StoreError> {
        let Payload { frame: (name, payload), webhook_blob } = self.payload(&new.event, raw).await?;
        let mut item = Item::from([
            ("pk".to_owned(), s(self.endpoint_pk(&new.eid))),
            ("sk".to_owned(), s(keys::event_sk(&new.key))),
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
    async fn payload(&self, event: &Event, raw: Option<RawWebhook>) -> Result<Payload, StoreError> {
        let fits = |frame: &Vec<u8>| frame.len() <= INLINE_BYTES_MAX;
        let is_huge = |raw: &RawWebhook| raw.body.len() > NEVER_INLINE_BYTES;
        let together = (!raw.as_ref().is_some_and(is_huge)).then(|| codec::pack(event, raw.as_ref()));
        let Some(raw) = raw.filter(|_| !together.as_ref().is_some_and(fits)) else {
            let frame = together.expect("without a huge webhook there is one frame");
            return Ok(Payload { frame: self.inline_or_blob(frame).await?, webhook_blob: None });
        };
        let alone = codec::pack(event, None);
        if let Some(frame) = together.filter(|_| !fits(&alone)) {
            return Ok(Payload { frame: self.inline_or_blob(frame).await?, webhook_blob: None });
        }
        let webhook_blob = Some(self.access.blobs.put(codec::pack_webhook(&raw)).await?);
        Ok(Payload { frame: self.inline_or_blob(alone).await?, webhook_blob })
    }

    /// The event of an item of the log, its payload fetched from the blob store where it is there.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when the item is no event.
    pub async fn read_event(&self, item: &Item) -> Result<StoredEvent, StoreError> {
        let reader = Reader(item);
        let eid = keys::eid_of_pk(self.tenant(), reader.text("pk")?).and_then(Eid::parse);
        let key = keys::event_key_of_sk(reader.text("sk")?);
        let frame = self.frame_of(&reader).await?;
        let (event, raw) = codec::unpack(&frame).map_err(|detail| reader.corrupt(detail))?;
        Ok(StoredEvent {
            eid: eid.ok_or_else(|| reader.corrupt("`pk` names no endpoint"))?,
            key: key.ok_or_else(|| reader.corrupt("`sk` is no event key"))?,
            event,
            connection: reader.text("con")?.to_owned(),
            connector_digest: reader.text("dig")?.to_owned(),
            received_at: reader.number("rcv")?,
            raw,
            webhook_blob: reader.text_opt(WEBHOOK).map(str::to_owned),
        })
    }

    /// The newest events of an endpoint up to a sort position (or before it), newest first; at most `limit`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::Corrupt`].
    pub async fn newest_events(
        &self,
        eid: &Eid,
        to: Bound<&EventKey>,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let pk = self.endpoint_pk(eid);
        let (last, except) = match to {
            Bound::Unbounded => (format!("{}{}", keys::EVENTS, keys::END), None),
            Bound::Included(key) => (keys::event_sk(key), None),
            Bound::Excluded(key) => (keys::event_sk(key), Some(key)),
        };
        let mut events = Vec::new();
        let mut start = None;
        loop {
            let range = Range {
                order: Order::Descending,
                limit: Some(i32::try_from(limit + 1 - events.len()).unwrap_or(i32::MAX)),
                start,
                ..Range::new(&pk, keys::EVENTS, &last)
            };
            let page = self.page(range).await?;
            for item in &page.items {
                let event = self.read_event(item).await?;
                if Some(&event.key) != except {
                    events.push(event);
                }
            }
            start = page.next;
            if start.is_none() || events.len() >= limit {
                events.truncate(limit);
                return Ok(events);
            }
        }
    }

    /// Every event of an endpoint, oldest first, handed over page by page.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::Corrupt`].
    pub async fn each_event(&self, eid: &Eid, mut take: impl FnMut(StoredEvent)) -> Result<(), StoreError> {
        let pk = self.endpoint_pk(eid);
        let to = format!("{}{}", keys::EVENTS, keys::END);
        let mut start = None;
        loop {
            let page = self.page(Range { start, ..Range::new(&pk, keys::EVENTS, &to) }).await?;
            for item in &page.items {
                take(self.read_event(item).await?);
            }
            start = page.next;
            if start.is_none() {
                return Ok(());
            }
        }
    }

    /// When the customer first wrote to `account` after an instant, by the log.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::Corrupt`].
    pub async fn first_customer_message_after(
        &self,
        eid: &Eid,
        account: &str,
        after: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let pk = self.endpoint_pk(eid);
        let from = format!("{}{}", keys::EVENTS, first_of_millisecond(after + 1));
        let to = format!("{}{}", keys::EVENTS, keys::END);
        let mut start = None;
        loop {
            let page = self.page(Range { start, ..Range::new(&pk, &from, &to) }).await?;
            for item in &page.items {
                let event = self.read_event(item).await?.event;
                let by_customer = matches!(&event.body, Body::Message(m) if m.author == Author::Customer);
                if by_customer && event.account == account {
                    return Ok(Some(event.at));
                }
            }
            start = page.next;
            if start.is_none() {
                return Ok(None);
            }
        }
    }
}

/// Where the webhook of these events is kept, if they are of several endpoints. Also where it was kept with the first
/// event before: in an earlier delivery, of which the others were not stored any more.
fn holder(events: &[NewEvent]) -> Option<(Eid, EventKey)> {
    let first = events.first()?;
    events.iter().any(|event| event.eid != first.eid).then(|| (first.eid.clone(), first.key.clone()))
}
