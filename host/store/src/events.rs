//! Events: one conditional write makes one durable, once.
//!
//! Each event of a webhook is its own conditional `PutItem`, several at a time. `BatchWriteItem` would save round trips
//! but has no conditions: it would overwrite an event (and the webhook stored with it) when a provider bundles a
//! redelivery differently, and could not count duplicates. Write units are the same.

use std::ops::Bound;

use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use rapport_model::endpoint::first_of_millisecond;
use rapport_model::event::{Author, Body};
use rapport_model::{Eid, Event, EventKey, Timestamp};
use tokio::task::JoinSet;

use crate::blobs::INLINE_BYTES_MAX;
use crate::codec::{self, RawWebhook};
use crate::error::{StoreError, unavailable};
use crate::items::{Item, Reader, b, n, s};
use crate::keys;
use crate::table::{Order, Range, Table, is_condition_failure};

/// Puts in flight at once for one webhook: enough to hide the latency of a batch, few enough to share the connections.
const CONCURRENT_PUTS_MAX: usize = 16;

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
    /// The webhook, with its first event only.
    pub raw: Option<RawWebhook>,
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
    pub raw: Option<RawWebhook>,
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
    /// Makes events durable. When this returns, all of them are, each exactly once.
    ///
    /// # Errors
    /// Some event may not be durable: do not acknowledge. Putting all of them again is harmless.
    pub async fn put_events(&self, events: Vec<NewEvent>) -> Result<Put, StoreError> {
        let mut total = Put::default();
        let mut add = |put: Put| {
            total.new += put.new;
            total.duplicates += put.duplicates;
            total.write_units += put.write_units;
        };
        let mut running = JoinSet::new();
        for event in events {
            if running.len() >= CONCURRENT_PUTS_MAX
                && let Some(done) = running.join_next().await
            {
                add(done.expect("putting an event does not panic")?);
            }
            let table = self.clone();
            running.spawn(async move { table.put_event(event).await });
        }
        while let Some(done) = running.join_next().await {
            add(done.expect("putting an event does not panic")?);
        }
        Ok(total)
    }

    async fn put_event(&self, new: NewEvent) -> Result<Put, StoreError> {
        let item = self.event_item(new).await?;
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

    async fn event_item(&self, new: NewEvent) -> Result<Item, StoreError> {
        let frame = codec::pack(&new.event, new.raw.as_ref());
        let mut item = Item::from([
            ("pk".to_owned(), s(self.endpoint_pk(&new.eid))),
            ("sk".to_owned(), s(keys::event_sk(&new.key))),
            ("con".to_owned(), s(new.connection)),
            ("dig".to_owned(), s(new.connector_digest)),
            ("rcv".to_owned(), n(new.received_at)),
        ]);
        if frame.len() <= INLINE_BYTES_MAX {
            item.insert("b".to_owned(), b(frame));
        } else {
            item.insert("blob".to_owned(), s(self.0.blobs.put(frame).await?));
        }
        Ok(item)
    }

    /// The event of an item of the log, its payload fetched from the blob store where it is there.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when the item is no event.
    pub async fn read_event(&self, item: &Item) -> Result<StoredEvent, StoreError> {
        let reader = Reader(item);
        let eid = keys::eid_of_pk(self.tenant(), reader.text("pk")?).and_then(Eid::parse);
        let key = keys::event_key_of_sk(reader.text("sk")?);
        let (event, raw) = match (reader.bytes_opt("b"), reader.text_opt("blob")) {
            (Some(frame), _) => codec::unpack(frame),
            (None, Some(key)) => codec::unpack(&self.0.blobs.get(key).await?),
            (None, None) => Err("it has neither `b` nor `blob`".to_owned()),
        }
        .map_err(|detail| reader.corrupt(detail))?;
        Ok(StoredEvent {
            eid: eid.ok_or_else(|| reader.corrupt("`pk` names no endpoint"))?,
            key: key.ok_or_else(|| reader.corrupt("`sk` is no event key"))?,
            event,
            connection: reader.text("con")?.to_owned(),
            connector_digest: reader.text("dig")?.to_owned(),
            received_at: reader.number("rcv")?,
            raw,
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
