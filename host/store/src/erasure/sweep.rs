//! What an endpoint said, and the webhooks that said it.
//!
//! Nothing here reads an event: what goes is told by its key, by when it was received, and by the connection that brought
//! it. So what cannot be read goes like the rest.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, DeleteRequest, WriteRequest};
use rapport_model::cells::{DeliveryCell, delivery};
use rapport_model::conversation::Head;
use rapport_model::identity::{Source, claims, named};
use rapport_model::{Eid, EventKey, Timestamp};
use rapport_telemetry::EventEmptied;
use serde_json::Value;

use crate::blobs::{INLINE, REFERENCE};
use crate::codec;
use crate::erasure::{AHEAD_MS_MAX, Erased, Erasure};
use crate::error::{StoreError, unavailable};
use crate::events::{HOLDER, OWN_SINCE, StoredEvent, WEBHOOK};
use crate::identity::ATTEMPTS_MAX;
use crate::items::{Item, Reader, n, s};
use crate::keys;
use crate::on_heap::OnHeap;
use crate::outbox::HISTORY_BLOB;
use crate::table::{Page, Range, Table, is_condition_failure, is_conflict};

/// Items read at once: four requests' worth of deletions.
const PAGE_ITEMS: i32 = 100;
/// Deletions in one `BatchWriteItem`, by the API.
const BATCH_WRITE_MAX: usize = 25;

/// Events first: a webhook is put beside an event only while that is there.
const PASSES: [(&str, &str); 2] = [(keys::EVENTS, "V$"), (" ", keys::END)];

/// Which events go. What follows of an endpoint's events goes with them, and is folded anew of those that stay.
pub(super) enum EventsToErase<'a> {
    /// Said or received by then. Messages to send, and events of those that were sent, go by when they were made.
    Whole { up_to: Timestamp, closed_at: Timestamp },
    /// Said by a connection up to then. What claims to be of the future went by the time of the demand.
    Connection { name: &'a str, up_to: Timestamp, demanded_at: Timestamp, closed_at: Timestamp },
    /// What is marked as erased, and was delivered again.
    Again(&'a Erased),
}

impl EventsToErase<'_> {
    /// Whether an event goes.
    fn takes(&self, key: &EventKey, reader: &Reader<'_>) -> bool {
        let (at, received_at) = (key.at(), reader.number_opt("rcv").unwrap_or_default());
        let connection = reader.text_opt("con").unwrap_or_default();
        match self {
            Self::Whole { up_to, .. } => at <= *up_to || received_at <= *up_to || self.takes_intent(reader),
            Self::Connection { name, up_to, demanded_at, .. } => {
                let is_absurd = received_at <= *demanded_at && at > demanded_at + AHEAD_MS_MAX;
                connection == *name && (at <= *up_to || is_absurd) || self.takes_intent(reader)
            }
            Self::Again(erased) => erased.hides(at, connection),
        }
    }

    /// Whether a message to send goes, or the event of one that was sent: both say when the message was made.
    fn takes_intent(&self, reader: &Reader<'_>) -> bool {
        let Some(created_at) = reader.number_opt(OWN_SINCE) else { return false };
        let connection = reader.text_opt("con").unwrap_or_default();
        match self {
            Self::Whole { closed_at, .. } => created_at <= *closed_at,
            Self::Connection { name, closed_at, .. } => connection == *name && created_at <= *closed_at,
            Self::Again(erased) => created_at <= erased.up_to,
        }
    }
}

impl Table {
    /// Deletes the events of an endpoint that are erased and were delivered again, and all that follows of any event of it:
    /// it has to be folded anew.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Blob`]: do it again.
    pub async fn sweep(&self, eid: &Eid, erased: &Erased) -> Result<(), StoreError> {
        self.hand_over_later(eid).await?;
        for (from, to) in PASSES {
            let mut start = None;
            loop {
                let page = self.sweepable(eid, (from, to), start).await?;
                let gone = self.select(eid, &page.items, &EventsToErase::Again(erased)).await?;
                self.delete_all(&gone, std::slice::from_ref(eid), erased.up_to).await?;
                start = page.next;
                if start.is_none() {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Deletes one event that was erased and came again, and what a fold under way made of it. Gives whether there was such:
    /// then the endpoint has to be folded anew, since an older word may have been replaced.
    ///
    /// # Errors
    /// As [`Table::sweep`].
    pub async fn forget_again(&self, stored: &StoredEvent, now: Timestamp) -> Result<bool, StoreError> {
        let StoredEvent { eid, key, event, .. } = stored;
        let pk = self.endpoint_pk(eid);
        let own = std::slice::from_ref(eid);
        for sk in [keys::event_sk(key), keys::webhook_sk(key)] {
            if let Some(item) = self.get(pk.clone(), sk).await? {
                self.delete_all(&[&item], own, 0).await?;
            }
        }
        let mut cells = Vec::new();
        for prefix in [keys::TRAITS, keys::CONSENTS, keys::REACH] {
            cells.extend(self.all(&pk, prefix, &keys::after(prefix)).await?);
        }
        cells.retain(|item| source_of(item).as_ref() == Some(key));
        if let Some(cell) = delivery(self.tenant_key(), event) {
            let known = self.get(pk.clone(), keys::delivery_sk(&cell.message)).await?;
            cells.extend(known.filter(|item| Reader(item).json::<DeliveryCell>("cell").is_ok_and(|of| of == cell)));
        }
        self.delete_all(&cells.iter().collect::<Vec<_>>(), own, 0).await?;
        let is_its = |source: &Source| matches!(source, Source::Event { key: of, .. } if of == key);
        let mut names = named(self.tenant_key(), self.rules(), &event.contact);
        // Whose an event's first identifier is, is where the event stands.
        names.iter_mut().take(1).for_each(|first| first.eid = eid.clone());
        let claims = claims(self.tenant_key(), event, &names, self.rules());
        for claim in claims.links.iter().chain(&claims.weak) {
            let Some(pair) = rapport_model::identity::Pair::new(&claim.a.eid, &claim.b.eid) else { continue };
            for edge in self.edges_of_pair(&pair).await? {
                if edge.edge.proof.as_ref().is_some_and(|proof| is_its(&proof.source)) {
                    self.remove_edge(&edge.edge.id, now).await?;
                }
            }
            if self.suggestion(&pair).await?.is_some_and(|suggestion| suggestion.source == *key) {
                self.remove_suggestion(&pair).await?;
            }
        }
        Ok(!cells.is_empty())
    }

    /// Forgets the address of an endpoint that nothing else is known of: only somebody who is erased has named it, on a
    /// word that does not link, or in an event that was under way. It is not marked: it may be somebody else's.
    ///
    /// # Errors
    /// As [`Table::sweep`].
    pub async fn forget_unused(&self, eid: &Eid, up_to: Timestamp) -> Result<(), StoreError> {
        let pk = self.endpoint_pk(eid);
        let range = Range { limit: Some(2), ..Range::new(&pk, " ", keys::END) };
        let is_unused = self.page(range).await?.items.len() < 2;
        if is_unused && self.find(eid).await?.members.len() == 1 {
            self.wipe(eid, up_to).await?;
        }
        Ok(())
    }

    /// Sweeps one endpoint of an erasure, until it is done or the call's share is used up.
    pub(super) async fn sweep_member(
        &self,
        erasure: &mut Erasure,
        eid: &Eid,
        left: &mut u64,
    ) -> Result<(), StoreError> {
        let connection = erasure.connection.clone();
        let to_erase = match &connection {
            None => EventsToErase::Whole { up_to: erasure.up_to, closed_at: erasure.closed_at },
            Some(name) => EventsToErase::Connection {
                name,
                up_to: erasure.up_to,
                demanded_at: erasure.requested_at,
                closed_at: erasure.closed_at,
            },
        };
        let members = erasure.members.clone();
        // What happened since the address gave way is somebody else's.
        self.hand_over_later(eid).await?;
        for (from, to) in PASSES {
            let mut start = None;
            loop {
                if *left == 0 {
                    return Ok(());
                }
                let page = self.sweepable(eid, (from, to), start).await?;
                let gone = self.select(eid, &page.items, &to_erase).await?;
                self.remember_ahead(eid, &gone, erasure).await?;
                self.count_page(erasure, &format!("{eid} {from}"), &gone).await?;
                self.delete_all(&gone, &members, erasure.requested_at).await?;
                // What stays was read, too.
                *left = left.saturating_sub(gone.len() as u64 + 1);
                start = page.next;
                if start.is_none() {
                    break;
                }
            }
        }
        if connection.is_none() {
            self.remove(self.listed_key("erasure", eid.as_str())).await?;
        }
        let has_events = self.has_events(eid).await?;
        if connection.is_none() || !has_events && self.pairs_of(eid).await?.is_empty() {
            self.forget_address(erasure, eid).await?;
        }
        if has_events {
            erasure.survives(eid);
        }
        erasure.done += 1;
        erasure.counted = Default::default();
        self.save(erasure).await
    }

    pub(super) async fn has_events(&self, eid: &Eid) -> Result<bool, StoreError> {
        let (pk, to) = (self.endpoint_pk(eid), keys::after(keys::EVENTS));
        let range = Range { limit: Some(1), ..Range::new(&pk, keys::EVENTS, &to) };
        Ok(!self.page(range).await?.items.is_empty())
    }

    async fn forget_address(&self, erasure: &mut Erasure, eid: &Eid) -> Result<(), StoreError> {
        let item = self.get(self.endpoint_pk(eid), keys::ENDPOINT.to_owned()).await?;
        let is_known = item.is_some_and(|item| item.contains_key("addr"));
        let scope = (format!("{eid} @"), String::new());
        if is_known && erasure.counted != scope {
            erasure.count("addresses", 1);
            erasure.counted = scope;
            self.save(erasure).await?;
        }
        self.wipe(eid, erasure.requested_at).await
    }

    /// The items of a page that go.
    async fn select<'i>(
        &self,
        eid: &Eid,
        items: &'i [Item],
        to_erase: &EventsToErase<'_>,
    ) -> Result<Vec<&'i Item>, StoreError> {
        let mut gone = Vec::new();
        for item in items {
            let reader = Reader(item);
            let sk = reader.text("sk")?;
            let goes = match sk.split_once('#').map_or(sk, |(kind, _)| kind) {
                "V" => match keys::event_key_of_sk(sk) {
                    Some(key) => to_erase.takes(&key, &reader) || self.is_gone_again(eid, &key, to_erase).await?,
                    None => true,
                },
                // A webhook goes with its event, which went in the pass before.
                "R" => match keys::event_key_of_webhook(sk) {
                    Some(key) => self.get(self.endpoint_pk(eid), keys::event_sk(&key)).await?.is_none(),
                    None => true,
                },
                "O" | "B" => to_erase.takes_intent(&reader),
                // The endpoint itself keeps the mark, and locks their fences; claims keep redeliveries from being given a new
                // time; links go with those that the identity protocol closes.
                "@" | "F" | "L" | "S" | "Y" | "Z" => false,
                // Of a demand that waits for somebody, only the erasure of the whole person has no more use.
                "Q" => matches!(to_erase, EventsToErase::Whole { .. }),
                _ => true,
            };
            if goes {
                gone.push(item);
            }
        }
        Ok(gone)
    }

    async fn is_gone_again(&self, eid: &Eid, key: &EventKey, to_erase: &EventsToErase<'_>) -> Result<bool, StoreError> {
        match to_erase {
            EventsToErase::Again(erased) if key.at() <= erased.ahead => self.is_gone(eid, key).await,
            _ => Ok(false),
        }
    }

    /// Remembers those of the events that go whose times are later than the erasure: nothing else tells them when they come
    /// again.
    async fn remember_ahead(&self, eid: &Eid, gone: &[&Item], erasure: &Erasure) -> Result<(), StoreError> {
        let keys = gone.iter().filter_map(|item| keys::event_key_of_sk(Reader(item).text_opt("sk")?));
        let ahead: Vec<EventKey> = keys.filter(|key| key.at() > erasure.up_to).collect();
        for key in &ahead {
            // By our clock also where a provider's word counts: until then none of them is delivered any more.
            self.remember_gone(eid, key, erasure.requested_at.min(erasure.up_to)).await?;
        }
        // What is later than any time that is believed is given that of its first delivery when it comes again.
        let believed = erasure.requested_at + AHEAD_MS_MAX;
        match ahead.iter().map(EventKey::at).filter(|at| *at <= believed).max() {
            Some(last) => self.mark_ahead(eid, last).await,
            None => Ok(()),
        }
    }

    async fn sweepable(
        &self,
        eid: &Eid,
        (from, to): (&str, &str),
        start: Option<HashMap<String, AttributeValue>>,
    ) -> Result<Page, StoreError> {
        let pk = self.endpoint_pk(eid);
        self.page(Range { start, limit: Some(PAGE_ITEMS), ..Range::new(&pk, from, to) }).await
    }

    /// Counts what is about to be deleted, but for what was counted before a crash.
    async fn count_page(&self, erasure: &mut Erasure, scope: &str, gone: &[&Item]) -> Result<(), StoreError> {
        let sk = |item: &&Item| Reader(item).text_opt("sk").unwrap_or_default().to_owned();
        let counted = if erasure.counted.0 == scope { erasure.counted.1.clone() } else { String::new() };
        let fresh: Vec<&&Item> = gone.iter().filter(|item| sk(item) > counted).collect();
        let Some(last) = fresh.last().map(|item| sk(item)) else { return Ok(()) };
        for item in &fresh {
            erasure.count(kind_of(&sk(item)), 1);
            erasure.count("blobs", blobs_of(&Reader(item)).count() as u64);
        }
        erasure.counted = (scope.to_owned(), last);
        self.save(erasure).await
    }

    /// Deletes items, their blobs first, and takes webhooks out of other people's events that were delivered in the same.
    /// Whom a head names and `members` are not is forgotten if nothing else is known of them.
    pub(crate) async fn delete_all(&self, gone: &[&Item], members: &[Eid], up_to: Timestamp) -> Result<(), StoreError> {
        let mut batch = Vec::new();
        for item in gone {
            let reader = Reader(item);
            if let Some((eid, key)) = reader.text_opt(HOLDER).and_then(holder)
                && !members.contains(&eid)
            {
                self.redact(&eid, &key).await?;
            }
            for blob in blobs_of(&reader) {
                self.access.blobs.delete(blob).await?;
            }
            // Of a head that cannot be read nobody knows whom it names.
            if let Some(Ok(head)) = item.contains_key("head").then(|| reader.json::<Head>("head")) {
                for name in head.names.keys().filter(|name| !members.contains(name)) {
                    self.forget_unused(name, up_to).await?;
                }
            }
            batch.push((reader.text("pk")?.to_owned(), reader.text("sk")?.to_owned()));
        }
        for batch in batch.chunks(BATCH_WRITE_MAX) {
            self.delete_batch(batch).await?;
        }
        Ok(())
    }

    async fn delete_batch(&self, batch: &[(String, String)]) -> Result<(), StoreError> {
        let request = |(pk, sk): &(String, String)| {
            let delete = DeleteRequest::builder().key("pk", s(pk)).key("sk", s(sk)).build().expect("the key is given");
            WriteRequest::builder().delete_request(delete).build()
        };
        let mut pending = HashMap::from([(self.name().to_owned(), batch.iter().map(request).collect::<Vec<_>>())]);
        for attempt in 0..ATTEMPTS_MAX {
            let sent = self.dynamodb().batch_write_item().set_request_items(Some(pending)).send().on_heap().await;
            pending = sent.map_err(unavailable("BatchWriteItem"))?.unprocessed_items.unwrap_or_default();
            if pending.is_empty() {
                return Ok(());
            }
            self.back_off(attempt).await;
        }
        Err(StoreError::Contended { operation: "delete", attempts: ATTEMPTS_MAX })
    }

    /// Takes the webhook out of an event of somebody else: the event stays, and cannot be read again by a newer connector.
    pub(crate) async fn redact(&self, eid: &Eid, key: &EventKey) -> Result<(), StoreError> {
        let Some(item) = self.get(self.endpoint_pk(eid), keys::event_sk(key)).await? else { return Ok(()) };
        let reader = Reader(&item);
        let frame = match self.frame_of(&reader).await {
            Err(StoreError::Missing { .. }) => return Ok(()),
            frame => frame?,
        };
        // The event's own line stays as it is, whether it can be read or not.
        let alone = match codec::without_webhook(&frame) {
            Ok(Some(alone)) => alone,
            Ok(None) => return self.forget_webhook_blob(&reader).await,
            // Nobody can read the event, and nobody can say what else is in there: it goes, and the item stays.
            Err(detail) => {
                EventEmptied { error: &reader.corrupt(detail) }.emit();
                Vec::new()
            }
        };
        let (pk, sk) = (reader.text("pk")?, reader.text("sk")?);
        let (name, value) = self.inline_or_blob((pk, sk), alone).await?;
        let other = if name == INLINE { REFERENCE } else { INLINE };
        let update = self
            .dynamodb()
            .update_item()
            .table_name(self.name())
            .key("pk", s(reader.text("pk")?))
            .key("sk", s(reader.text("sk")?))
            .update_expression("SET #to = :frame REMOVE #other, #webhook")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_names("#to", name)
            .expression_attribute_names("#other", other)
            .expression_attribute_names("#webhook", WEBHOOK)
            .expression_attribute_values(":frame", value.clone());
        match update.send().on_heap().await {
            Err(error) if is_condition_failure(&error) => {
                // Erased meanwhile: nothing leads to the new blob.
                if let (REFERENCE, Ok(blob)) = (name, value.as_s()) {
                    self.access.blobs.delete(blob).await?;
                }
            }
            answer => drop(answer.map_err(unavailable("UpdateItem"))?),
        }
        // Of the event's own, if it had one, there is a new one under the same condition: content has its own name.
        for blob in blobs_of(&reader).filter(|blob| value.as_s().ok().map(String::as_str) != Some(*blob)) {
            self.access.blobs.delete(blob).await?;
        }
        Ok(())
    }

    /// Of an event whose frame has no webhook, the blob that has it.
    async fn forget_webhook_blob(&self, reader: &Reader<'_>) -> Result<(), StoreError> {
        let Some(blob) = reader.text_opt(WEBHOOK) else { return Ok(()) };
        let update = self
            .dynamodb()
            .update_item()
            .table_name(self.name())
            .key("pk", s(reader.text("pk")?))
            .key("sk", s(reader.text("sk")?))
            .update_expression("REMOVE #webhook")
            .condition_expression("#webhook = :blob")
            .expression_attribute_names("#webhook", WEBHOOK)
            .expression_attribute_values(":blob", s(blob));
        match update.send().on_heap().await {
            Err(error) if !is_condition_failure(&error) => Err(unavailable("UpdateItem")(error)),
            _ => self.access.blobs.delete(blob).await,
        }
    }

    /// Takes the address out of an endpoint, unless it was named again since: by both clocks, as far as both are known.
    pub(super) async fn wipe(&self, eid: &Eid, up_to: Timestamp) -> Result<(), StoreError> {
        let update = self
            .dynamodb()
            .update_item()
            .table_name(self.name())
            .key("pk", s(self.endpoint_pk(eid)))
            .key("sk", s(keys::ENDPOINT))
            .update_expression("REMOVE seen, scheme, scp, addr, asis, cv, rcv, unp")
            .condition_expression(
                "attribute_exists(seen) AND (seen <= :up_to OR attribute_not_exists(rcv) OR rcv <= :up_to)",
            )
            .expression_attribute_values(":up_to", n(up_to));
        for attempt in 0..ATTEMPTS_MAX {
            match update.clone().send().on_heap().await {
                Ok(_) => return Ok(()),
                Err(error) if is_condition_failure(&error) => return Ok(()),
                Err(error) if is_conflict(&error) => self.back_off(attempt).await,
                Err(error) => return Err(unavailable("UpdateItem")(error)),
            }
        }
        Err(StoreError::Contended { operation: "wipe", attempts: ATTEMPTS_MAX })
    }
}

/// The event that a trait or a consent is of.
pub(super) fn source_of(item: &Item) -> Option<EventKey> {
    let cell: Value = Reader(item).json("cell").ok()?;
    EventKey::parse(cell.get("source")?.as_str()?)
}

/// The blobs of an item.
fn blobs_of<'i>(reader: &Reader<'i>) -> impl Iterator<Item = &'i str> {
    [reader.text_opt(REFERENCE), reader.text_opt(WEBHOOK), reader.text_opt(HISTORY_BLOB)].into_iter().flatten()
}

/// What a receipt calls an item.
fn kind_of(sk: &str) -> &'static str {
    match sk.split_once('#').map_or(sk, |(kind, _)| kind) {
        "V" => "events",
        "R" => "webhooks",
        "B" => "kept_bodies",
        "A" => "traits",
        "D" => "reachability",
        "K" => "consents",
        "T" => "deliveries",
        "C" => "conversations",
        "O" => "outgoing_messages",
        _ => "other",
    }
}

fn holder(text: &str) -> Option<(Eid, EventKey)> {
    let (eid, key) = text.split_once(' ')?;
    Some((Eid::parse(eid)?, EventKey::parse(key)?))
}
