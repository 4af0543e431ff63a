//! Events: one conditional write makes one durable, once.
//!
//! Each event of a webhook is its own conditional `PutItem`, several at a time. `BatchWriteItem` would save round trips
//! but has no conditions: it would overwrite an event (and the webhook stored with it) when a provider bundles a
//! redelivery differently, and could not count duplicates. Write units are the same.

use std::ops::Bound;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Put as PutAction, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem,
};
use rapport_model::endpoint::first_of_millisecond;
use rapport_model::event::{Author, Body};
use rapport_model::sending::intent::Origin;
use rapport_model::{Eid, Event, EventKey, Timestamp};
use rapport_telemetry::{EventNotReadable, PayloadGone};
use tokio::task::JoinSet;

use crate::blobs::{INLINE_BYTES_MAX, REFERENCE, is_of_one_item};
use crate::codec::{self, Checked, RawWebhook};
use crate::error::{StoreError, is_lost_transaction, is_unmet_condition, unavailable};
use crate::identity::ATTEMPTS_MAX;
use crate::items::{Item, Reader, json, n, s};
use crate::keys;
use crate::on_heap::OnHeap;
use crate::table::{Order, Range, Table, is_condition_failure};

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

    /// Puts the event of a command that a client of the API gave. No webhook brought it.
    ///
    /// # Errors
    /// [`StoreError`]: it may be there; put it again, which is harmless. [`StoreError::Refused`]: it never will be.
    pub async fn put_command(&self, new: NewEvent) -> Result<(), StoreError> {
        let put = self.put_without_webhook(new, None).await?;
        match put.refused.into_iter().next() {
            Some((_, detail)) => Err(StoreError::Refused { operation: "put a command", detail }),
            None => Ok(()),
        }
    }

    /// Puts an event of a message of ours. No webhook brought it.
    pub(crate) async fn put_own_event(&self, new: NewEvent, origin: &Origin) -> Result<Put, StoreError> {
        self.put_without_webhook(new, Some(origin)).await
    }

    async fn put_without_webhook(&self, new: NewEvent, origin: Option<&Origin>) -> Result<Put, StoreError> {
        let json = match codec::checked(&new.event) {
            Ok(json) => json,
            Err(detail) => return Ok(Put { refused: vec![(0, detail)], ..Put::default() }),
        };
        let event = Checkable { place: 0, new, json };
        let put = self.put_item_of(event, None, (None, origin)).await?;
        let PutOne { new, duplicates, write_units, refused, .. } = put;
        Ok(Put { new, duplicates, write_units, refused: refused.into_iter().map(|detail| (0, detail)).collect() })
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

    /// The webhook that an event came in, if it was kept with this event and is there still.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Blob`] or [`StoreError::Corrupt`].
    pub async fn webhook_of(&self, stored: &StoredEvent) -> Result<Option<RawWebhook>, StoreError> {
        if let Some(item) = self.get(self.endpoint_pk(&stored.eid), keys::event_sk(&stored.key)).await? {
            let reader = Reader(&item);
            if let Some(key) = reader.text_opt(WEBHOOK) {
                let frame = self.access.blobs.get(key).await?;
                let webhook = frame.map(|frame| codec::unpack_webhook(&frame)).transpose();
                return webhook.map_err(|detail| StoreError::corrupt(format!("blob {key}"), detail));
            }
            let frame = match self.frame_of(&reader).await {
                Err(StoreError::Missing { .. }) => return Ok(None),
                frame => frame?,
            };
            if let Some(raw) = codec::unpack_raw(&frame).map_err(|detail| reader.corrupt(detail))? {
                return Ok(Some(raw));
            }
        }
        let item = self.get(self.endpoint_pk(&stored.eid), keys::webhook_sk(&stored.key)).await?;
        let Some(item) = item else { return Ok(None) };
        let frame = match self.frame_of(&Reader(&item)).await {
            Err(StoreError::Missing { .. }) => return Ok(None),
            frame => frame?,
        };
        codec::unpack_webhook(&frame).map(Some).map_err(|detail| Reader(&item).corrupt(detail))
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

    /// The event of an item of the log, its payload fetched from the blob store where it is there. The webhook that may be
    /// with it is not unpacked.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when the item is no event; [`StoreError::Missing`] when its payload is gone;
    /// [`StoreError::Blob`] when the blob store does not say.
    pub async fn read_event(&self, item: &Item) -> Result<StoredEvent, StoreError> {
        let reader = Reader(item);
        let (eid, key) = self.place_of(&reader)?;
        let frame = self.frame_of(&reader).await?;
        Ok(StoredEvent {
            eid,
            key,
            event: codec::unpack_event(&frame).map_err(|detail| reader.corrupt(detail))?,
            connection: reader.text("con")?.to_owned(),
            connector_digest: reader.text("dig")?.to_owned(),
            received_at: reader.number("rcv")?,
            origin: item.contains_key(ORIGIN).then(|| reader.json(ORIGIN)).transpose()?,
        })
    }

    /// The same, with a placeholder for what cannot be read now or ever.
    ///
    /// # Errors
    /// [`StoreError::Blob`]: the blob store does not say. [`StoreError::Corrupt`]: the item is not even in the log.
    pub async fn read_logged(&self, item: &Item) -> Result<Logged, StoreError> {
        let reader = Reader(item);
        let why = match self.read_event(item).await {
            Ok(stored) => return Ok(Logged::Event(Box::new(stored))),
            Err(error @ StoreError::Corrupt { .. }) => {
                EventNotReadable { error: &error }.emit();
                Why::Corrupt
            }
            Err(error @ StoreError::Missing { .. }) => {
                PayloadGone { error: &error }.emit();
                Why::MissingBlob
            }
            Err(error) => return Err(error),
        };
        let (eid, key) = self.place_of(&reader)?;
        Ok(Logged::Unreadable(UnreadableEvent {
            eid,
            key,
            connection: reader.text_opt("con").unwrap_or_default().to_owned(),
            received_at: reader.number_opt("rcv").unwrap_or_default(),
            bytes: reader.bytes_opt(crate::blobs::INLINE).map_or(0, |frame| frame.len() as u64),
            why,
        }))
    }

    /// The endpoint and the key of an item of the log.
    pub(crate) fn place_of(&self, reader: &Reader<'_>) -> Result<(Eid, EventKey), StoreError> {
        let eid = keys::eid_of_pk(self.tenant(), reader.text("pk")?).and_then(Eid::parse);
        let key = keys::event_key_of_sk(reader.text("sk")?);
        Ok((
            eid.ok_or_else(|| reader.corrupt("`pk` names no endpoint"))?,
            key.ok_or_else(|| reader.corrupt("`sk` is not an event key"))?,
        ))
    }

    /// One item of the log; none: it is not there.
    ///
    /// # Errors
    /// As [`Table::read_logged`].
    pub async fn logged(&self, eid: &Eid, key: &EventKey) -> Result<Option<Logged>, StoreError> {
        match self.get(self.endpoint_pk(eid), keys::event_sk(key)).await? {
            Some(item) => self.read_logged(&item).await.map(Some),
            None => Ok(None),
        }
    }

    /// What was found, read.
    ///
    /// # Errors
    /// As [`Table::read_logged`].
    pub async fn open_found(&self, found: &Found) -> Result<Logged, StoreError> {
        self.read_logged(&found.item).await
    }

    /// The newest items of an endpoint's log up to a sort position (or before it), newest first, unread; at most `limit`.
    /// Fewer than that: there are no more.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn newest_found(&self, eid: &Eid, to: Bound<&EventKey>, limit: usize) -> Result<Vec<Found>, StoreError> {
        let pk = self.endpoint_pk(eid);
        let (last, except) = match to {
            Bound::Unbounded => (keys::after(keys::EVENTS), None),
            Bound::Included(key) => (keys::event_sk(key), None),
            Bound::Excluded(key) => (keys::event_sk(key), Some(key)),
        };
        let mut found = Vec::new();
        let mut start = None;
        loop {
            let range = Range {
                order: Order::Descending,
                limit: Some(i32::try_from(limit + 1 - found.len()).unwrap_or(i32::MAX)),
                start,
                ..Range::new(&pk, keys::EVENTS, &last)
            };
            let page = self.page(range).await?;
            for item in page.items {
                // Nothing else of ours stands between the two keys.
                let Ok((eid, key)) = self.place_of(&Reader(&item)) else { continue };
                if Some(&key) != except {
                    found.push(Found { eid, key, item });
                }
            }
            start = page.next;
            if start.is_none() || found.len() >= limit {
                found.truncate(limit);
                return Ok(found);
            }
        }
    }

    /// The newest events of an endpoint that can be read, newest first, of its newest `limit` items.
    ///
    /// # Errors
    /// As [`Table::read_logged`].
    pub async fn newest_events(
        &self,
        eid: &Eid,
        to: Bound<&EventKey>,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let mut events = Vec::new();
        for found in self.newest_found(eid, to, limit).await? {
            if let Logged::Event(stored) = self.open_found(&found).await? {
                events.push(*stored);
            }
        }
        Ok(events)
    }

    /// A page of an endpoint's log, oldest first, after a place; empty: there is nothing behind it. Each item is read when
    /// it is asked for, so a page holds no more than what is compressed.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn found_after(&self, eid: &Eid, after: Option<&EventKey>) -> Result<Vec<Found>, StoreError> {
        let (pk, to) = (self.endpoint_pk(eid), keys::after(keys::EVENTS));
        let mut start =
            after.map(|key| Item::from([("pk".to_owned(), s(&pk)), ("sk".to_owned(), s(keys::event_sk(key)))]));
        loop {
            let page = self.page(Range { start, ..Range::new(&pk, keys::EVENTS, &to) }).await?;
            let place = |item: Item| self.place_of(&Reader(&item)).ok().map(|(eid, key)| Found { eid, key, item });
            let found: Vec<Found> = page.items.into_iter().filter_map(place).collect();
            start = page.next;
            if start.is_none() || !found.is_empty() {
                return Ok(found);
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
        let to = keys::after(keys::EVENTS);
        let mut start = None;
        loop {
            let page = self.page(Range { start, ..Range::new(&pk, &from, &to) }).await?;
            for item in &page.items {
                // What cannot be read is nobody's message.
                let Logged::Event(stored) = self.read_logged(item).await? else { continue };
                let event = stored.event;
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
