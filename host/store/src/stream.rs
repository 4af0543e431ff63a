//! Reading the table's stream where no Lambda event source does: in `rapport dev`.
//!
//! At least once: a shard's position is stored after its records were handled. Only `INSERT`s of events and of intents come out;
//! the embedded DynamoDB also reports writes that changed nothing, which AWS does not.

use std::collections::HashMap;

use aws_sdk_dynamodbstreams::types::{OperationType, Record, Shard, ShardIteratorType};
use rapport_model::sending::IntentId;
use rapport_model::{Eid, Timestamp};

use crate::error::StoreError;
use crate::events::{Logged, StoredEvent, UnreadableEvent, Why};
use crate::heads::Sequence;
use crate::items::{Item, Reader, s};
use crate::keys;
use crate::on_heap::OnHeap;
use crate::outbox::intents::Conversation;
use crate::table::Table;

/// Events in a row whose payload cannot be had: then the blob store is away, and the rest need not be tried.
pub const WAITING_MAX: usize = 3;

/// What the sort keys of the items begin with whose insertion the fold is told of. On AWS the event source mapping filters by
/// the same, which a test compares.
pub const RECORD_KINDS: [&str; 2] = [keys::EVENTS, keys::INTENTS];

/// An intent that was inserted: its conversation is to be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InsertedIntent {
    pub of: Conversation,
    pub id: IntentId,
}

/// An event that was inserted, at its position in the stream.
#[derive(Clone, Debug)]
pub struct Inserted {
    pub sequence: Sequence,
    pub stored: StoredEvent,
}

/// An event whose payload cannot be had now: the blob store, or the table, does not answer.
#[derive(Debug)]
pub struct Waiting {
    pub eid: Eid,
    /// Our clock; 0: it is not known.
    pub received_at: Timestamp,
    pub error: StoreError,
}

/// What one look at the stream brought.
#[derive(Debug, Default)]
pub struct Batch {
    /// In stream order.
    pub events: Vec<Inserted>,
    /// In stream order.
    pub intents: Vec<InsertedIntent>,
    /// Records that came, of any kind.
    pub records: usize,
    /// Events that cannot be read: they stay in the log, and only the fold misses them.
    pub unreadable: Vec<UnreadableEvent>,
    /// Events that were erased since they were put: there is nothing to fold.
    pub gone: usize,
    /// Events whose payload cannot be had now. Later ones of the same endpoints are not among `events`.
    pub waiting: Vec<Waiting>,
    /// Whether it ends early since so many wait: [`StreamReader::rewind`] once it is handled.
    pub is_cut: bool,
    position: Option<(String, String)>,
}

/// A reader of one table's stream.
pub struct StreamReader {
    table: Table,
    arn: String,
    /// As last described. More come only when one of them ends.
    shards: Vec<String>,
    iterators: HashMap<String, Option<String>>,
}

impl StreamReader {
    /// A reader that goes on where the last one had stored its position.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the table has no stream or does not answer.
    pub async fn open(table: Table) -> Result<Self, StoreError> {
        let describe = table.dynamodb().describe_table().table_name(table.name());
        let description = describe.send().on_heap().await.map_err(crate::error::unavailable("DescribeTable"))?;
        let arn = description.table.and_then(|table| table.latest_stream_arn);
        let arn = arn.ok_or_else(|| failure("DescribeTable", "the table has no stream"))?;
        Ok(Self { table, arn, shards: Vec::new(), iterators: HashMap::new() })
    }

    /// The next records of every shard that has some; shard by shard, so that one item's records stay in order.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; the next call goes on from the same place.
    pub async fn next(&mut self) -> Result<Vec<Batch>, StoreError> {
        let mut batches = Vec::new();
        if self.shards.is_empty() || self.iterators.values().any(Option::is_none) {
            self.shards = self.describe_shards().await?;
        }
        for shard in self.shards.clone() {
            if let Some(batch) = self.next_of(&shard).await?
                && batch.records > 0
            {
                batches.push(batch);
            }
        }
        Ok(batches)
    }

    /// Stores that a batch was handled: a restart goes on behind it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; the batch may come again.
    pub async fn handled(&self, batch: &Batch) -> Result<(), StoreError> {
        let Some((shard, sequence)) = &batch.position else { return Ok(()) };
        let put = self.table.dynamodb().put_item().table_name(self.table.name());
        let put = put.item("pk", s(keys::fold_pk(self.table.tenant()))).item("sk", s(checkpoint_sk(shard)));
        put.item("seq", s(sequence)).send().on_heap().await.map_err(crate::error::unavailable("PutItem")).map(drop)
    }

    /// Forgets where it was: the next look starts at the stored positions.
    pub fn rewind(&mut self) {
        self.iterators.clear();
    }

    async fn describe_shards(&self) -> Result<Vec<String>, StoreError> {
        let mut shards: Vec<Shard> = Vec::new();
        let mut last = None;
        loop {
            let describe = self.table.access.streams.describe_stream().stream_arn(&self.arn);
            let answer = describe.set_exclusive_start_shard_id(last).send().on_heap().await;
            let stream = answer.map_err(|error| failure("DescribeStream", error))?.stream_description;
            let Some(stream) = stream else { break };
            shards.extend(stream.shards.unwrap_or_default());
            last = stream.last_evaluated_shard_id;
            if last.is_none() {
                break;
            }
        }
        Ok(shards.into_iter().filter_map(|shard| shard.shard_id).collect())
    }

    async fn next_of(&mut self, shard: &str) -> Result<Option<Batch>, StoreError> {
        if !self.iterators.contains_key(shard) {
            let iterator = self.iterator(shard).await?;
            self.iterators.insert(shard.to_owned(), iterator);
        }
        let Some(Some(iterator)) = self.iterators.get(shard).cloned() else { return Ok(None) };
        let answer = self.table.access.streams.get_records().shard_iterator(iterator).send().on_heap().await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                // An expired iterator, most likely: the next call makes a new one at the stored position.
                self.iterators.remove(shard);
                return Err(failure("GetRecords", error));
            }
        };
        self.iterators.insert(shard.to_owned(), answer.next_shard_iterator);
        self.batch(shard, answer.records.unwrap_or_default()).await.map(Some)
    }

    async fn iterator(&self, shard: &str) -> Result<Option<String>, StoreError> {
        let stored = self.table.get(keys::fold_pk(self.table.tenant()), checkpoint_sk(shard)).await?;
        let sequence = stored.as_ref().map(|item| Reader(item).text("seq")).transpose()?;
        let request = self.table.access.streams.get_shard_iterator().stream_arn(&self.arn).shard_id(shard);
        let request = match sequence {
            Some(sequence) => {
                request.shard_iterator_type(ShardIteratorType::AfterSequenceNumber).sequence_number(sequence)
            }
            None => request.shard_iterator_type(ShardIteratorType::TrimHorizon),
        };
        Ok(request.send().on_heap().await.map_err(|error| failure("GetShardIterator", error))?.shard_iterator)
    }

    async fn batch(&self, shard: &str, records: Vec<Record>) -> Result<Batch, StoreError> {
        let mut batch = Batch { records: records.len(), ..Batch::default() };
        for record in records {
            let inserted = record.event_name == Some(OperationType::Insert);
            let Some(change) = record.dynamodb else { continue };
            let Some(sequence) = change.sequence_number else { continue };
            batch.position = Some((shard.to_owned(), sequence.clone()));
            let image = change.new_image.map(item).unwrap_or_default();
            if let Some(intent) = self.table.inserted_intent(&image).filter(|_| inserted) {
                batch.intents.push(intent);
            }
            if !inserted || !self.table.is_event(&image) {
                continue;
            }
            // What came later of an endpoint is not folded before what came earlier: a head would take it for applied.
            let waits = |stored: &StoredEvent| batch.waiting.iter().any(|waiting| waiting.eid == stored.eid);
            match self.table.read_inserted(&image).await {
                Ok(Some(Logged::Event(stored))) if waits(&stored) => {}
                Ok(Some(Logged::Event(stored))) => {
                    batch.events.push(Inserted { sequence: Sequence::new(&sequence), stored: *stored });
                }
                Ok(Some(Logged::Unreadable(unreadable))) => batch.unreadable.push(unreadable),
                Ok(None) => batch.gone += 1,
                Err(waiting) => batch.waiting.push(waiting),
            }
            if batch.waiting.len() >= WAITING_MAX {
                batch.is_cut = true;
                break;
            }
        }
        Ok(batch)
    }
}

impl Table {
    /// The event of a stream record's image; none: it was erased since.
    ///
    /// A record says what an item was when it was put. Since then an erasure may have taken it away, or put its payload into
    /// another blob without the webhook that came with it. So where a blob is not there, the item itself is asked.
    ///
    /// # Errors
    /// It cannot be had now.
    pub(crate) async fn read_inserted(&self, image: &Item) -> Result<Option<Logged>, Waiting> {
        let read = match self.read_logged(image).await {
            Ok(Logged::Unreadable(UnreadableEvent { eid, key, why: Why::MissingBlob, .. })) => {
                self.logged(&eid, &key).await
            }
            read => read.map(Some),
        };
        read.map_err(|error| {
            let reader = Reader(image);
            let received_at = reader.number_opt("rcv").unwrap_or_default();
            let eid = self.place_of(&reader).map(|(eid, _)| eid);
            Waiting { eid: eid.expect("`is_event` has seen it"), received_at, error }
        })
    }

    /// The intent that an item is, if it is one of this tenant.
    pub(crate) fn inserted_intent(&self, image: &Item) -> Option<InsertedIntent> {
        let id = keys::intent_id_of_sk(Reader(image).text_opt("sk")?)?;
        Some(InsertedIntent { of: self.conversation_of(image)?, id })
    }

    /// Whether an item is an event of this tenant.
    pub(crate) fn is_event(&self, image: &Item) -> bool {
        let reader = Reader(image);
        let eid = reader.text_opt("pk").and_then(|pk| keys::eid_of_pk(self.tenant(), pk)).and_then(Eid::parse);
        eid.is_some() && reader.text_opt("sk").and_then(keys::event_key_of_sk).is_some()
    }
}

fn checkpoint_sk(shard: &str) -> String {
    format!("S#{shard}")
}

/// A stream's attributes as the table's: two crates have one type each for the same thing.
fn item(image: HashMap<String, aws_sdk_dynamodbstreams::types::AttributeValue>) -> Item {
    use aws_sdk_dynamodb::types::AttributeValue as Table;
    use aws_sdk_dynamodbstreams::types::AttributeValue as Stream;
    let value = |value| match value {
        Stream::S(text) => Some(Table::S(text)),
        Stream::N(number) => Some(Table::N(number)),
        Stream::B(bytes) => Some(Table::B(bytes)),
        Stream::Ss(texts) => Some(Table::Ss(texts)),
        _ => None, // no item of ours has another
    };
    image.into_iter().filter_map(|(name, attribute)| Some((name, value(attribute)?))).collect()
}

fn failure(operation: &'static str, detail: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable { operation, detail: detail.to_string() }
}
