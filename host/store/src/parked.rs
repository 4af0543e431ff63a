//! Parked webhooks: verified, answered 200, and not handled. Kept whole until a fixed connector replays them.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use rapport_model::{Eid, Timestamp};
use rapport_telemetry::ParkedNotReadable;
use ring::digest;

use crate::blobs::{INLINE_BYTES_MAX, REFERENCE, is_of_one_item};
use crate::codec::{self, RawWebhook};
use crate::error::{StoreError, unavailable};
use crate::items::{Item, Reader, n, s};
use crate::keys;
use crate::on_heap::OnHeap;
use crate::table::{TTL, Table};

/// Days. Long enough to notice, fix a connector and deploy it; providers themselves give up after at most seven.
const KEPT_DAYS: u64 = 30;

/// What `verify` had said yes to. What was parked before there were such names has none.
const PROVEN: &str = "proven";

/// Bytes of the hash that names a parked webhook: nobody finds two webhooks with one name.
const HASH_BYTES: usize = 16;

/// Bytes of a detail that are kept. It is a sentence for whoever repairs the connector; a connector may write 4 MB of it.
const DETAIL_BYTES_MAX: usize = 8 << 10;

/// A webhook that its connector could not handle, or not all of.
#[derive(Clone, Debug, PartialEq)]
pub struct Parked {
    pub id: ParkedId,
    pub connection: String,
    pub received_at: Timestamp,
    /// What went wrong, as a kind: `trap`, `deadline`, `malformed`, `unread`, …
    pub reason: String,
    pub detail: String,
    /// SHA-256 of the connector that failed, in hex.
    pub connector_digest: String,
    /// What `verify` had said yes to, which stands for the proofs when it is replayed.
    pub proven: BTreeSet<String>,
    /// Without its secrets. None: it cannot be read any more, and the log says why.
    pub webhook: Option<RawWebhook>,
}

/// Names a parked webhook: its connection, shard and place in it, as `<connection>.<shard>.<hash>`.
///
/// The hash is of the webhook, not of the delivery, so a redelivery takes the place of the copy that is parked already.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ParkedId {
    connection: String,
    shard: u8,
    place: String,
}

impl ParkedId {
    /// `is_inline`: the webhook fits into its item. A larger one is a blob, which a redelivery with another signature
    /// would leave behind; so of it every header field counts.
    fn new(connection: &str, webhook: &RawWebhook, is_inline: bool) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        let mut add = |part: &[u8]| {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        };
        add(webhook.method.as_bytes());
        add(webhook.url.as_bytes());
        add(&webhook.body);
        for (name, value) in webhook.headers.iter().filter(|(name, _)| !is_inline || !is_of_delivery(name)) {
            add(name.as_bytes());
            add(value.as_bytes());
        }
        let hash = context.finish();
        let place = hash.as_ref()[..HASH_BYTES].iter().map(|byte| format!("{byte:02x}")).collect();
        let shard = hash.as_ref()[0] % keys::PARKED_SHARDS;
        Self { connection: connection.to_owned(), shard, place }
    }

    pub(crate) fn of(connection: &str, shard: u8, place: &str) -> Self {
        Self { connection: connection.to_owned(), shard, place: place.to_owned() }
    }

    /// An id as it is printed; none when it cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        let (rest, place) = text.rsplit_once('.')?;
        let (connection, shard) = rest.rsplit_once('.')?;
        let shard = shard.parse().ok().filter(|shard| *shard < keys::PARKED_SHARDS)?;
        Some(Self { connection: connection.to_owned(), shard, place: place.to_owned() })
    }
}

/// Whether a header field is another one each time a provider delivers the same webhook: when and by which proof it was
/// sent. What else is in a header may tell two webhooks apart, such as the id of a notification.
fn is_of_delivery(name: &str) -> bool {
    ["signature", "timestamp"].iter().any(|word| name.contains(word))
}

impl std::fmt::Display for ParkedId {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}.{}.{}", self.connection, self.shard, self.place)
    }
}

/// A webhook to be parked.
#[derive(Clone, Debug)]
pub struct NewParked {
    pub connection: String,
    pub received_at: Timestamp,
    pub reason: &'static str,
    pub detail: String,
    pub connector_digest: String,
    pub proven: BTreeSet<String>,
    /// Whose events its connector read of it, as far as it got: who erases one of them finds it by that.
    pub owners: BTreeSet<Eid>,
    pub webhook: RawWebhook,
}

/// The attribute that names the endpoints whose events a parked webhook has.
pub(crate) const OWNERS: &str = "own";
/// Endpoints that are named there. A webhook with more is nobody's in particular: it waits for a decision.
const OWNERS_MAX: usize = 100;

impl Table {
    /// Parks a webhook durably. One that is parked already is parked once, with the newest reason, and kept for another
    /// 30 days.
    ///
    /// # Errors
    /// It may not be durable: do not acknowledge.
    pub async fn park(&self, new: NewParked) -> Result<ParkedId, StoreError> {
        let frame = codec::pack_webhook(&new.webhook);
        let id = ParkedId::new(&new.connection, &new.webhook, frame.len() <= INLINE_BYTES_MAX);
        let pk = self.parked_pk(&id);
        // The blob first: an item without it could not be read. Large or small, the item has the same few kilobytes.
        let (name, payload) = self.inline_or_blob((&pk, &id.place), frame).await?;
        let expires = new.received_at / 1000 + KEPT_DAYS * 24 * 3600;
        let put = self
            .dynamodb()
            .put_item()
            .table_name(self.name())
            .item("pk", s(pk))
            .item("sk", s(&id.place))
            .item("why", s(new.reason))
            .item("detail", s(cut(new.detail, DETAIL_BYTES_MAX)))
            .item("dig", s(new.connector_digest))
            .item("rcv", n(new.received_at))
            .item(TTL, n(expires));
        // There are no empty sets.
        let put = if new.proven.is_empty() {
            put
        } else {
            put.item(PROVEN, AttributeValue::Ss(new.proven.into_iter().collect()))
        };
        let put = put.item(name, payload);
        let owners: Vec<String> = new.owners.iter().take(OWNERS_MAX).map(Eid::to_string).collect();
        let put = if owners.is_empty() { put } else { put.item(OWNERS, AttributeValue::Ss(owners)) };
        put.send().on_heap().await.map_err(unavailable("PutItem"))?;
        Ok(id)
    }

    /// Every parked webhook of a connection, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::Corrupt`].
    pub async fn parked(&self, connection: &str) -> Result<Vec<Parked>, StoreError> {
        let mut parked = Vec::new();
        for shard in 0..keys::PARKED_SHARDS {
            let pk = keys::parked_pk(self.tenant(), connection, shard);
            for item in self.all(&pk, "0", keys::END).await? {
                let place = Reader(&item).text("sk")?.to_owned();
                let id = ParkedId { connection: connection.to_owned(), shard, place };
                parked.push(self.read_parked(id, &item).await?);
            }
        }
        parked.sort_by_key(|parked| parked.received_at);
        Ok(parked)
    }

    /// One parked webhook; none when it was replayed or has expired.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::Corrupt`].
    pub async fn parked_one(&self, id: &ParkedId) -> Result<Option<Parked>, StoreError> {
        match self.get(self.parked_pk(id), id.place.clone()).await? {
            Some(item) => self.read_parked(id.clone(), &item).await.map(Some),
            None => Ok(None),
        }
    }

    /// Forgets a parked webhook whose events are durable now.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Blob`]; it may be replayed again, which is harmless.
    pub async fn unpark(&self, id: &ParkedId) -> Result<(), StoreError> {
        let Some(item) = self.get(self.parked_pk(id), id.place.clone()).await? else { return Ok(()) };
        // The blob first: without its item nothing would lead to it any more.
        if let Some(blob) = Reader(&item).text_opt(REFERENCE).filter(|blob| is_of_one_item(blob)) {
            self.access.blobs.delete(blob).await?;
        }
        let delete = self.dynamodb().delete_item().table_name(self.name());
        let delete = delete.key("pk", s(self.parked_pk(id))).key("sk", s(&id.place));
        delete.send().on_heap().await.map_err(unavailable("DeleteItem")).map(drop)
    }

    async fn read_parked(&self, id: ParkedId, item: &Item) -> Result<Parked, StoreError> {
        let reader = Reader(item);
        let webhook = match self.frame_of(&reader).await {
            Ok(frame) => codec::unpack_webhook(&frame).map_err(|detail| reader.corrupt(detail)),
            Err(error) => Err(error),
        };
        let webhook = match webhook {
            Err(error) if error.is_passing() => return Err(error),
            Err(error) => {
                ParkedNotReadable { error: &error, parked: &id }.emit();
                None
            }
            Ok(webhook) => Some(webhook),
        };
        Ok(Parked {
            connection: id.connection.clone(),
            id,
            received_at: reader.number_opt("rcv").unwrap_or_default(),
            reason: reader.text_opt("why").unwrap_or_default().to_owned(),
            detail: reader.text_opt("detail").unwrap_or_default().to_owned(),
            connector_digest: reader.text_opt("dig").unwrap_or_default().to_owned(),
            proven: reader.set(PROVEN).iter().cloned().collect(),
            webhook,
        })
    }

    fn parked_pk(&self, id: &ParkedId) -> String {
        keys::parked_pk(self.tenant(), &id.connection, id.shard)
    }
}

/// The beginning of a text, of at most so many bytes.
pub(crate) fn cut(mut text: String, bytes_max: usize) -> String {
    if text.len() > bytes_max {
        let end = (0..=bytes_max).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn webhook(body: &str, headers: &[(&str, &str)]) -> RawWebhook {
        let headers = headers.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        RawWebhook { method: "POST".into(), url: "https://h/hooks/a".into(), headers, body: body.into() }
    }

    fn id(webhook: &RawWebhook) -> ParkedId {
        ParkedId::new("a", webhook, true)
    }

    #[test]
    fn a_redelivery_has_the_name_of_what_is_parked() {
        let first = webhook("x", &[("webhook-id", "1"), ("webhook-timestamp", "5"), ("webhook-signature", "v1,a")]);
        let again = webhook("x", &[("webhook-id", "1"), ("webhook-timestamp", "9"), ("webhook-signature", "v1,b")]);
        assert_eq!(id(&first), id(&again));
        assert_ne!(ParkedId::new("a", &first, false), ParkedId::new("a", &again, false), "each has a blob");
        assert_eq!(ParkedId::parse(&id(&first).to_string()), Some(id(&first)));
    }

    #[test]
    fn another_webhook_has_another_name() {
        let first = webhook("x", &[("webhook-id", "1")]);
        assert_ne!(id(&first), id(&webhook("y", &[("webhook-id", "1")])));
        assert_ne!(id(&first), id(&webhook("x", &[("webhook-id", "2")])), "a notification with the same words");
        assert_ne!(id(&first), id(&RawWebhook { url: "https://h/hooks/a?x=1".into(), ..first.clone() }), "by GET");
        assert_ne!(id(&webhook("x", &[("a", "bc")])), id(&webhook("x", &[("ab", "c")])));
    }
}
