//! What an endpoint said, and the webhooks that said it.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::{AttributeValue, DeleteRequest, WriteRequest};
use rapport_model::conversation::Head;
use rapport_model::endpoint::first_of_millisecond;
use rapport_model::fold::DeliveryCell;
use rapport_model::{Eid, EventKey, Timestamp};

use crate::blobs::{INLINE, REFERENCE};
use crate::cells::Written;
use crate::codec;
use crate::erasure::Erasure;
use crate::error::{StoreError, unavailable};
use crate::events::{HOLDER, WEBHOOK};
use crate::identity::ATTEMPTS_MAX;
use crate::items::{Item, Reader, n, s};
use crate::keys;
use crate::table::{Page, Range, Table, is_condition_failure, is_conflict};

/// Items read at once: four requests' worth of deletions.
const PAGE_ITEMS: i32 = 100;
/// Deletions in one `BatchWriteItem`, by the API.
const BATCH_WRITE_MAX: usize = 25;
/// Characters. A shorter identifier would be found in webhooks that have nothing to do with it.
const TELLING_MIN: usize = 6;

/// Events first: a webhook is put beside an event only while that is there.
const PASSES: [(&str, &str); 2] = [(keys::EVENTS, "V$"), (" ", keys::END)];

impl Table {
    /// Deletes what an endpoint said up to an instant, and what follows of it. Gives how much of which kind.
    ///
    /// For what is delivered again after an erasure. Doing it again is harmless.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Blob`], [`StoreError::Corrupt`]: do it again.
    pub async fn sweep(&self, eid: &Eid, up_to: Timestamp) -> Result<BTreeMap<String, u64>, StoreError> {
        let mut removed = BTreeMap::new();
        for (from, to) in PASSES {
            let mut start = None;
            loop {
                let page = self.sweepable(eid, (from, to), start).await?;
                let old = Old { up_to, received: 0, members: std::slice::from_ref(eid) };
                let (gone, counts) = old.select(&page.items)?;
                self.delete_all(&gone, &old).await?;
                counts.into_iter().for_each(|(kind, count)| *removed.entry(kind.to_owned()).or_default() += count);
                start = page.next;
                if start.is_none() {
                    break;
                }
            }
        }
        Ok(removed)
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
        for (from, to) in PASSES {
            let mut start = None;
            loop {
                if *left == 0 {
                    return Ok(());
                }
                let page = self.sweepable(eid, (from, to), start).await?;
                let members = erasure.members.clone();
                let old = Old { up_to: erasure.up_to, received: erasure.here_by, members: &members };
                let (gone, _) = old.select(&page.items)?;
                self.count_page(erasure, &format!("{eid} {from}"), &gone).await?;
                self.delete_all(&gone, &old).await?;
                *left = left.saturating_sub(gone.len() as u64);
                start = page.next;
                if start.is_none() {
                    break;
                }
            }
        }
        self.forget_address(erasure, eid).await?;
        let (pk, to) = (self.endpoint_pk(eid), keys::after(keys::EVENTS));
        let range = Range { limit: Some(1), ..Range::new(&pk, keys::EVENTS, &to) };
        if !self.page(range).await?.items.is_empty() {
            erasure.survivors.push(eid.clone());
        }
        erasure.done += 1;
        erasure.counted = Default::default();
        self.save(erasure).await
    }

    async fn forget_address(&self, erasure: &mut Erasure, eid: &Eid) -> Result<(), StoreError> {
        let item = self.get(self.endpoint_pk(eid), keys::ENDPOINT.to_owned()).await?;
        let is_old = item.and_then(|item| Reader(&item).number_opt("seen")).is_some_and(|seen| seen <= erasure.up_to);
        let scope = (format!("{eid} @"), String::new());
        if is_old && erasure.counted != scope {
            erasure.count("addresses", 1);
            erasure.counted = scope;
            self.save(erasure).await?;
        }
        self.wipe(eid, erasure.up_to).await.map(drop)
    }

    /// The newest event of some endpoints: the provider's clock.
    pub(super) async fn newest_of(&self, members: &[Eid]) -> Result<Timestamp, StoreError> {
        // By the keys alone: what cannot be read is erased all the same.
        let mut newest = 0;
        for eid in members {
            let found = self.newest_found(eid, std::ops::Bound::Unbounded, 1).await?;
            newest = found.iter().map(|found| found.key.at()).fold(newest, Timestamp::max);
        }
        Ok(newest)
    }

    /// Deletes the parked webhooks whose text has an address of these endpoints. Gives how many.
    pub(super) async fn forget_parked(&self, members: &[Eid], connections: &[String]) -> Result<u64, StoreError> {
        let mut telling = Vec::new();
        for eid in members {
            let Some(item) = self.get(self.endpoint_pk(eid), keys::ENDPOINT.to_owned()).await? else { continue };
            let reader = Reader(&item);
            telling.extend([reader.text_opt("addr"), reader.text_opt("asis")].into_iter().flatten().map(telling_part));
        }
        telling.retain(|text| text.len() >= TELLING_MIN);
        let mut removed = 0;
        for pk in connections
            .iter()
            .flat_map(|name| (0..keys::PARKED_SHARDS).map(|shard| keys::parked_pk(self.tenant(), name, shard)))
        {
            let mut start = None;
            loop {
                let range = Range { start, limit: Some(PAGE_ITEMS), ..Range::new(&pk, "0", keys::END) };
                let page = self.page(range).await?;
                for item in &page.items {
                    removed += u64::from(self.forget_if_named(item, &telling).await?);
                }
                start = page.next;
                if start.is_none() {
                    break;
                }
            }
        }
        Ok(removed)
    }

    async fn forget_if_named(&self, item: &Item, telling: &[String]) -> Result<bool, StoreError> {
        let reader = Reader(item);
        let frame = match self.frame_of(&reader).await {
            Ok(frame) => frame,
            // Its blob was deleted with another copy of it.
            Err(StoreError::Missing { .. }) => Vec::new().into(),
            Err(error) => return Err(error),
        };
        let names = match codec::unpack_webhook(&frame) {
            Ok(webhook) => {
                let text = format!(
                    "{}\n{}\n{}",
                    webhook.url,
                    reader.text_opt("detail").unwrap_or_default(),
                    String::from_utf8_lossy(&webhook.body)
                );
                let text = percent_decoded(&text).to_lowercase();
                telling.iter().any(|part| text.contains(part))
            }
            Err(_) => frame.is_empty(),
        };
        if names {
            let old = Old { up_to: 0, received: 0, members: &[] };
            self.delete_all(&[item], &old).await?;
        }
        Ok(names)
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
    async fn delete_all(&self, gone: &[&Item], old: &Old<'_>) -> Result<(), StoreError> {
        let mut batch = Vec::new();
        for item in gone {
            let reader = Reader(item);
            if let Some((eid, key)) = reader.text_opt(HOLDER).and_then(holder)
                && !old.members.contains(&eid)
            {
                self.redact(&eid, &key).await?;
            }
            for blob in blobs_of(&reader) {
                self.access.blobs.delete(blob).await?;
            }
            // Of a head that cannot be read nobody knows whom it names.
            if let Some(Ok(head)) = item.contains_key("head").then(|| reader.json::<Head>("head")) {
                for name in head.names.keys().filter(|name| !old.members.contains(name)) {
                    self.forget_unused(name, old.up_to).await?;
                }
            }
            match reader.number_opt("ver") {
                Some(version) => self.delete_if_unchanged(&reader, version).await?,
                None => batch.push((reader.text("pk")?.to_owned(), reader.text("sk")?.to_owned())),
            }
        }
        for batch in batch.chunks(BATCH_WRITE_MAX) {
            self.delete_batch(batch).await?;
        }
        Ok(())
    }

    /// A head that was written meanwhile is a new one's, or of a fold that will find out: it stays.
    async fn delete_if_unchanged(&self, reader: &Reader<'_>, version: u64) -> Result<(), StoreError> {
        let delete = self
            .dynamodb()
            .delete_item()
            .table_name(self.name())
            .key("pk", s(reader.text("pk")?))
            .key("sk", s(reader.text("sk")?))
            .condition_expression("ver = :ver")
            .expression_attribute_values(":ver", n(version));
        match delete.send().await {
            Err(error) if !is_condition_failure(&error) => Err(unavailable("DeleteItem")(error)),
            _ => Ok(()),
        }
    }

    async fn delete_batch(&self, batch: &[(String, String)]) -> Result<(), StoreError> {
        let request = |(pk, sk): &(String, String)| {
            let delete = DeleteRequest::builder().key("pk", s(pk)).key("sk", s(sk)).build().expect("the key is given");
            WriteRequest::builder().delete_request(delete).build()
        };
        let mut pending = HashMap::from([(self.name().to_owned(), batch.iter().map(request).collect::<Vec<_>>())]);
        for attempt in 0..ATTEMPTS_MAX {
            let sent = self.dynamodb().batch_write_item().set_request_items(Some(pending)).send().await;
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
                tracing::error!(error = %reader.corrupt(detail), "what cannot be read was taken out of an event");
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
        match update.send().await {
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
        match update.send().await {
            Err(error) if !is_condition_failure(&error) => Err(unavailable("UpdateItem")(error)),
            _ => self.access.blobs.delete(blob).await,
        }
    }

    /// Takes the address out of an endpoint, unless it was seen again since.
    async fn wipe(&self, eid: &Eid, up_to: Timestamp) -> Result<Written, StoreError> {
        let update = self
            .dynamodb()
            .update_item()
            .table_name(self.name())
            .key("pk", s(self.endpoint_pk(eid)))
            .key("sk", s(keys::ENDPOINT))
            .update_expression("REMOVE seen, scheme, scp, addr, asis, cv, unp")
            .condition_expression("seen <= :up_to")
            .expression_attribute_values(":up_to", n(up_to));
        for attempt in 0..ATTEMPTS_MAX {
            match update.clone().send().await {
                Ok(_) => return Ok(Written::Yes),
                Err(error) if is_condition_failure(&error) => return Ok(Written::No),
                Err(error) if is_conflict(&error) => self.back_off(attempt).await,
                Err(error) => return Err(unavailable("UpdateItem")(error)),
            }
        }
        Err(StoreError::Contended { operation: "wipe", attempts: ATTEMPTS_MAX })
    }
}

/// The blobs of an item.
fn blobs_of<'i>(reader: &Reader<'i>) -> impl Iterator<Item = &'i str> {
    [reader.text_opt(REFERENCE), reader.text_opt(WEBHOOK)].into_iter().flatten()
}

/// What counts as said before.
struct Old<'a> {
    /// The provider's clock.
    up_to: Timestamp,
    /// Our clock: an event that was here by then goes, whatever time it claims; 0 for none.
    received: Timestamp,
    /// Whose partitions go as a whole.
    members: &'a [Eid],
}

impl Old<'_> {
    /// The items that go, and how many of which kind.
    fn select<'i>(&self, items: &'i [Item]) -> Result<(Vec<&'i Item>, BTreeMap<&'static str, u64>), StoreError> {
        let (mut gone, mut counts) = (Vec::new(), BTreeMap::new());
        for item in items {
            let reader = Reader(item);
            let sk = reader.text("sk")?;
            if self.has(&reader, sk)? {
                *counts.entry(kind_of(sk)).or_default() += 1;
                gone.push(item);
            }
        }
        Ok((gone, counts))
    }

    fn has(&self, reader: &Reader<'_>, sk: &str) -> Result<bool, StoreError> {
        // Sorts after every event up to then.
        let after = first_of_millisecond(self.up_to + 1);
        Ok(match sk.split_once('#').map_or(sk, |(kind, _)| kind) {
            "V" => {
                let is_of_before = sk[keys::EVENTS.len()..] < *after;
                is_of_before || reader.number_opt("rcv").unwrap_or_default() <= self.received
            }
            "R" => sk[keys::WEBHOOKS.len()..] < *after,
            // What cannot be read goes: it says nothing of when it is of.
            "A" | "D" | "K" => reader.text_opt("ord").is_none_or(|ord| ord < after.as_str()),
            "T" => reader.json::<DeliveryCell>("cell").map_or(true, |cell| cell.at <= self.up_to),
            "C" => reader.json::<Head>("head").map_or(true, |head| head.first_at <= self.up_to),
            // The endpoint itself keeps the mark; claims keep redeliveries from being given a new time; links go with
            // those that the identity protocol closes.
            "@" | "F" | "L" | "S" | "Z" => false,
            _ => true,
        })
    }
}

/// What a receipt calls an item.
fn kind_of(sk: &str) -> &'static str {
    match sk.split_once('#').map_or(sk, |(kind, _)| kind) {
        "V" => "events",
        "R" => "webhooks",
        "A" => "traits",
        "D" => "reachability",
        "K" => "consents",
        "T" => "deliveries",
        "C" => "conversations",
        _ => "other",
    }
}

/// The part of an address that every spelling of it has: of a number its digits, of the rest the lower case.
fn telling_part(text: &str) -> String {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let is_number = text.chars().all(|c| c.is_ascii_digit() || "+-() .".contains(c));
    if is_number { digits } else { text.to_lowercase() }
}

/// `%40` and the like as what they stand for.
fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let hex = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match (byte, hex(at + 1), hex(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(u8::try_from(high * 16 + low).unwrap_or_default());
                at += 3;
            }
            _ => {
                decoded.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn holder(text: &str) -> Option<(Eid, EventKey)> {
    let (eid, key) = text.split_once(' ')?;
    Some((Eid::parse(eid)?, EventKey::parse(key)?))
}
