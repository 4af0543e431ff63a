//! Parked webhooks: verified, answered 200, and not handled. Kept whole until a fixed connector replays them.

use rapport_model::Timestamp;
use ring::digest;

use crate::codec::{self, RawWebhook};
use crate::error::{StoreError, unavailable};
use crate::items::{Item, Reader, n, s};
use crate::keys;
use crate::table::{TTL, Table};

/// Days. Long enough to notice, fix a connector and deploy it; providers themselves give up after at most seven.
const KEPT_DAYS: u64 = 30;

/// A webhook that its connector could not handle.
#[derive(Clone, Debug, PartialEq)]
pub struct Parked {
    pub id: ParkedId,
    pub connection: String,
    pub received_at: Timestamp,
    /// What went wrong, as a kind: `trap`, `deadline`, `malformed`, …
    pub reason: String,
    pub detail: String,
    /// SHA-256 of the connector that failed, in hex.
    pub connector_digest: String,
    pub webhook: RawWebhook,
}

/// Names a parked webhook: its connection, shard and place in it, as `<connection>.<shard>.<time>-<hash>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ParkedId {
    connection: String,
    shard: u8,
    place: String,
}

impl ParkedId {
    fn new(connection: &str, received_at: Timestamp, webhook: &RawWebhook) -> Self {
        let hash = digest::digest(&digest::SHA256, &webhook.body);
        let hex: String = hash.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let shard = hash.as_ref()[0] % keys::PARKED_SHARDS;
        Self { connection: connection.to_owned(), shard, place: format!("{received_at:013}-{hex}") }
    }

    /// An id as it is printed; none when it cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        let (rest, place) = text.rsplit_once('.')?;
        let (connection, shard) = rest.rsplit_once('.')?;
        let shard = shard.parse().ok().filter(|shard| *shard < keys::PARKED_SHARDS)?;
        Some(Self { connection: connection.to_owned(), shard, place: place.to_owned() })
    }
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
    pub webhook: RawWebhook,
}

impl Table {
    /// Parks a webhook durably.
    ///
    /// # Errors
    /// It may not be durable: do not acknowledge.
    pub async fn park(&self, new: NewParked) -> Result<ParkedId, StoreError> {
        let id = ParkedId::new(&new.connection, new.received_at, &new.webhook);
        let frame = codec::pack_webhook(&new.webhook);
        let expires = new.received_at / 1000 + KEPT_DAYS * 24 * 3600;
        let put = self
            .dynamodb()
            .put_item()
            .table_name(self.name())
            .item("pk", s(self.parked_pk(&id)))
            .item("sk", s(&id.place))
            .item("why", s(new.reason))
            .item("detail", s(new.detail))
            .item("dig", s(new.connector_digest))
            .item("rcv", n(new.received_at))
            .item(TTL, n(expires));
        let (name, payload) = self.inline_or_blob(frame).await?;
        put.item(name, payload).send().await.map_err(unavailable("PutItem"))?;
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
    /// [`StoreError::Unavailable`]; it may be replayed again, which is harmless.
    pub async fn unpark(&self, id: &ParkedId) -> Result<(), StoreError> {
        let delete = self.dynamodb().delete_item().table_name(self.name());
        let delete = delete.key("pk", s(self.parked_pk(id))).key("sk", s(&id.place));
        delete.send().await.map_err(unavailable("DeleteItem")).map(drop)
    }

    async fn read_parked(&self, id: ParkedId, item: &Item) -> Result<Parked, StoreError> {
        let reader = Reader(item);
        let frame = self.frame_of(&reader).await?;
        Ok(Parked {
            connection: id.connection.clone(),
            id,
            received_at: reader.number("rcv")?,
            reason: reader.text("why")?.to_owned(),
            detail: reader.text("detail")?.to_owned(),
            connector_digest: reader.text("dig")?.to_owned(),
            webhook: codec::unpack_webhook(&frame).map_err(|detail| reader.corrupt(detail))?,
        })
    }

    fn parked_pk(&self, id: &ParkedId) -> String {
        keys::parked_pk(self.tenant(), &id.connection, id.shard)
    }
}
