//! Conversation heads: each stream record is applied exactly once.
//!
//! The guard is in the item: `seq` is the sequence number of the last applied record, written in the same conditional
//! write as its effect. A stream is per item in order, so a record whose number is not above the guard was applied.
//!
//! A rebuild counts events whose stream records may still come. Their hashes stay in `ahead`, and the record that comes
//! is then skipped. Which those can be: events that were received after the last applied one, less a margin for clocks
//! and for writes in flight.

use std::collections::BTreeSet;

use rapport_model::conversation::Head;
use rapport_model::{Eid, EventKey, Timestamp};
use rapport_telemetry::HeadNotReadable;

use crate::cells::Written;
use crate::erasure::Erased;
use crate::error::{StoreError, unavailable};
use crate::items::{Item, Reader, json, n, s};
use crate::keys;
use crate::on_heap::OnHeap;
use crate::table::{Table, is_condition_failure};

/// Milliseconds. Clocks of hosts differ by less, and no write is in flight for longer (`client.rs`: 6 seconds).
pub const AHEAD_MARGIN_MS: u64 = 5 * 60 * 1000;

/// The attribute of a head with [`GuardedHead::left_at`].
const LEFT_AT: &str = "lft";

/// Events. What a rebuild remembers to have counted ahead of the stream: the youngest, 17 bytes each, so that a head fits its
/// item. If a rebuild is further ahead of the stream than that, some events may be counted twice until the next rebuild.
pub const AHEAD_MAX: usize = 10_000;

/// The position of a record in the stream, padded so that numbers compare as text (up to 40 digits, by the API).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sequence(String);

impl Sequence {
    pub fn new(number: &str) -> Self {
        Self(format!("{number:0>40}"))
    }
}

/// A head with its guard.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GuardedHead {
    pub head: Head,
    /// The last applied record; empty before the first.
    pub sequence: Sequence,
    /// When the last applied event was received.
    pub received_at: Timestamp,
    /// Events that a rebuild counted before their records came, by their keys' hashes.
    pub ahead: BTreeSet<String>,
    /// When the last of them was received; 0: there are none.
    pub ahead_until: Timestamp,
    /// What of the endpoint is erased, and does not come back.
    pub erased: Erased,
    /// What happened later is somebody else's, since the address changed hands then; 0: it did not.
    pub left_at: Timestamp,
    /// How often the item was written; the optimistic lock.
    version: u64,
}

impl GuardedHead {
    /// Whether an event is of whoever had the address first.
    pub fn is_of_the_first(&self, at: Timestamp) -> bool {
        self.left_at == 0 || at <= self.left_at
    }

    /// Whether `erased` is up to date: whoever erases an endpoint deletes its heads, so only one that was hardly
    /// written may have been written by somebody who did not know of it yet. See [`crate::erasure`].
    pub fn is_settled(&self) -> bool {
        self.version > 1
    }

    /// Whether the record of this event is still to be applied.
    pub fn wants(&self, sequence: &Sequence, key: &EventKey) -> bool {
        *sequence > self.sequence && !self.ahead.contains(key.hash())
    }

    /// Moves the guard past a record, applied or skipped.
    pub fn pass(&mut self, sequence: &Sequence, key: &EventKey, received_at: Timestamp) {
        if *sequence > self.sequence {
            self.sequence = sequence.clone();
            self.received_at = received_at;
        }
        self.ahead.remove(key.hash());
        // Records of one endpoint come in the order in which they were written: those of all that was ahead have passed.
        if received_at > self.ahead_until + AHEAD_MARGIN_MS {
            self.ahead.clear();
        }
    }

    /// Takes the place of what streaming made: `head` was folded of all of `events`, of which those that the stream may
    /// still bring are remembered.
    pub fn rebuilt(&self, head: Head, events: &[(EventKey, Timestamp)]) -> Self {
        let from = self.received_at.saturating_sub(AHEAD_MARGIN_MS);
        let mut ahead: Vec<_> = events.iter().filter(|(_, received_at)| *received_at >= from).collect();
        ahead.sort_by_key(|(_, received_at)| std::cmp::Reverse(*received_at));
        ahead.truncate(AHEAD_MAX);
        let ahead_until = ahead.first().map_or(0, |(_, received_at)| *received_at);
        let ahead = ahead.into_iter().map(|(key, _)| key.hash().to_owned()).collect();
        Self { head, ahead, ahead_until, ..self.clone() }
    }
}

impl Table {
    /// The head of an endpoint's conversation with an account; an empty one before the first event.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::Corrupt`].
    pub async fn head(&self, eid: &Eid, account: &str) -> Result<GuardedHead, StoreError> {
        let item = self.get(self.endpoint_pk(eid), keys::head_sk(account)).await?;
        item.map_or_else(|| Ok(GuardedHead::default()), |item| read(&item))
    }

    /// The heads of all conversations of an endpoint, with their accounts.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::Corrupt`].
    pub async fn heads(&self, eid: &Eid) -> Result<Vec<(String, GuardedHead)>, StoreError> {
        let items = self.all(&self.endpoint_pk(eid), keys::HEADS, &keys::after(keys::HEADS)).await?;
        let account = |item: &Item| Ok(Reader(item).text("sk")?[keys::HEADS.len()..].to_owned());
        items.iter().map(|item| Ok((account(item)?, read(item)?))).collect()
    }

    /// The same, without heads that cannot be read: what is folded anew takes their place.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]
    pub async fn readable_heads(&self, eid: &Eid) -> Result<Vec<(String, GuardedHead)>, StoreError> {
        let items = self.all(&self.endpoint_pk(eid), keys::HEADS, &keys::after(keys::HEADS)).await?;
        let account = |item: &Item| Some(Reader(item).text_opt("sk")?[keys::HEADS.len()..].to_owned());
        let readable = |item: &Item| {
            let reader = Reader(item);
            let head = read(item).unwrap_or_else(|error| {
                HeadNotReadable { error: &error }.emit();
                // Its guard may be as odd. What its version says is all that is needed to replace it.
                let version = reader.number_opt("ver").unwrap_or_default();
                let sequence = Sequence(reader.text_opt("seq").unwrap_or_default().to_owned());
                let received_at = reader.number_opt("rcv").unwrap_or_default();
                GuardedHead { sequence, received_at, version, ..GuardedHead::default() }
            });
            Some((account(item)?, head))
        };
        Ok(items.iter().filter_map(readable).collect())
    }

    /// Writes a head, if nobody wrote it since it was read.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; whether it was written is then unknown, and reading it again tells.
    pub async fn put_head(&self, eid: &Eid, account: &str, guarded: &GuardedHead) -> Result<Written, StoreError> {
        let mut put = self
            .dynamodb()
            .put_item()
            .table_name(self.name())
            .item("pk", s(self.endpoint_pk(eid)))
            .item("sk", s(keys::head_sk(account)))
            .item("head", json(&guarded.head))
            .item("seq", s(&guarded.sequence.0))
            .item("rcv", n(guarded.received_at))
            .item("ver", n(guarded.version + 1));
        if !guarded.ahead.is_empty() {
            let ahead = guarded.ahead.iter().cloned().collect();
            put = put.item("ahead", aws_sdk_dynamodb::types::AttributeValue::Ss(ahead));
            put = put.item("until", n(guarded.ahead_until));
        }
        for (name, value) in guarded.erased.attributes() {
            put = put.item(name, value);
        }
        if guarded.left_at > 0 {
            put = put.item(LEFT_AT, n(guarded.left_at));
        }
        put = if guarded.version == 0 {
            put.condition_expression("attribute_not_exists(pk)")
        } else {
            put.condition_expression("ver = :ver").expression_attribute_values(":ver", n(guarded.version))
        };
        match put.send().on_heap().await {
            Ok(_) => Ok(Written::Yes),
            Err(error) if is_condition_failure(&error) => Ok(Written::No),
            Err(error) => Err(unavailable("PutItem")(error)),
        }
    }
}

fn read(item: &Item) -> Result<GuardedHead, StoreError> {
    let reader = Reader(item);
    Ok(GuardedHead {
        head: reader.json("head")?,
        sequence: Sequence(reader.text("seq")?.to_owned()),
        received_at: reader.number("rcv")?,
        ahead: reader.set("ahead").iter().cloned().collect(),
        // Of an item of release 0.1 it is not known: they go with the first record that is later than the last applied one.
        ahead_until: reader.number_opt("until").unwrap_or(Timestamp::MAX >> 1),
        erased: Erased::of(&reader),
        left_at: reader.number_opt(LEFT_AT).unwrap_or_default(),
        version: reader.number("ver")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test_key() -> rapport_model::TenantKey {
        rapport_model::TenantKey::new(&[1; 32]).unwrap()
    }

    fn key(id: &str) -> EventKey {
        test_key().event_key(1, "a", id).unwrap()
    }

    #[test]
    fn a_record_is_wanted_once() {
        let mut guarded = GuardedHead::default();
        let (nine, ten) = (Sequence::new("9"), Sequence::new("10"));
        assert!(guarded.wants(&nine, &key("x")));
        guarded.pass(&ten, &key("y"), 5);
        assert!(!guarded.wants(&nine, &key("x")), "an earlier record was applied before");
        assert!(!guarded.wants(&ten, &key("y")));
        assert!(guarded.wants(&Sequence::new("11"), &key("z")));
    }

    #[test]
    fn what_a_rebuild_counted_is_not_counted_again_when_its_record_comes() {
        let mut guarded = GuardedHead::default();
        guarded.pass(&Sequence::new("1"), &key("old"), 10 * AHEAD_MARGIN_MS);
        let log = [(key("ancient"), 1), (key("old"), 10 * AHEAD_MARGIN_MS), (key("coming"), 11 * AHEAD_MARGIN_MS)];
        let mut guarded = guarded.rebuilt(Head::default(), &log);
        assert_eq!(guarded.ahead.len(), 2, "the ancient one was folded long ago");
        let two = Sequence::new("2");
        assert!(!guarded.wants(&two, &key("coming")));
        guarded.pass(&two, &key("coming"), 11 * AHEAD_MARGIN_MS);
        assert!(guarded.wants(&Sequence::new("3"), &key("next")));
        assert!(!guarded.ahead.contains(key("coming").hash()));
    }
}
