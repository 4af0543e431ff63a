//! Reading the log: an event with its webhook, and pages of an endpoint's events.

use std::ops::Bound;

use rapport_model::endpoint::first_of_millisecond;
use rapport_model::event::{Author, Body};
use rapport_model::{Eid, EventKey, Timestamp};
use rapport_telemetry::{EventNotReadable, PayloadGone};

use crate::codec::{self, RawWebhook};
use crate::error::StoreError;
use crate::events::{Found, Logged, ORIGIN, StoredEvent, UnreadableEvent, WEBHOOK, Why};
use crate::items::{Item, Reader, s};
use crate::keys;
use crate::table::{Order, Range, Table};

impl Table {
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
