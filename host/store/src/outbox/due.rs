//! What is due later: conversations to look at and commands to do, by minutes.
//!
//! An item is written for a minute that is still to come, and the minutes are done in order: a cursor says up to where. It
//! moves over a minute only when all shards of that minute are empty, so a tick that is late, is skipped or comes twice loses
//! nothing. Before a tick reads a minute it says so in the cursor. Whoever writes looks at the cursor afterwards: if the item's
//! minute is being read by then, the item is written again for a later one.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use rapport_model::{Eid, Timestamp};
use ring::digest::{SHA256, digest};

use crate::error::{StoreError, unavailable};
use crate::identity::ATTEMPTS_MAX;
use crate::items::{Item, Reader, n, s};
use crate::keys;
use crate::on_heap::OnHeap;
use crate::outbox::expression::Expression;
use crate::outbox::intents::Conversation;
use crate::table::{Range, Table};

const MINUTE_MS: u64 = 60_000;
/// Minutes ahead for which an item is written at least. What is due sooner is a delayed wake.
pub const AHEAD_MINUTES_MIN: u64 = 2;
/// Minutes by which whoever is not urgent is spread, so that the end of the quiet hours wakes not all at once.
pub const JITTER_MINUTES_MAX: u64 = 10;
/// Partitions of one minute. One takes 1,000 writes a second; the number is stored with the cursor, so that it can grow.
const SHARDS: u8 = 1;
/// Minutes that one look at the cursor passes over: an hour of which nothing is due costs 60 reads.
const MINUTES_A_LOOK_MAX: u64 = 60;

const SORT_KEY: &str = "@";
const CONVERSATION: &str = "C#";
const COMMAND: &str = "K#";

/// What is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// Look at a conversation.
    Conversation(Conversation),
    /// Do a command, which is stored under this id.
    Command(String),
}

/// An item of a minute that has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueItem {
    pub due: Due,
    pk: String,
    sk: String,
}

/// Whether an item is spread over some minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jitter {
    None,
    Spread,
}

struct Cursor {
    /// Minutes up to here are done.
    done: u64,
    /// Minutes up to here are being read.
    read: u64,
    shards: u8,
}

impl Table {
    /// Notes that something is due at an instant: two minutes ahead at least. The same for the same minute is one item.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: do it again, which is harmless.
    pub async fn put_due(&self, due: &Due, at: Timestamp, jitter: Jitter, now: Timestamp) -> Result<(), StoreError> {
        let (sk, hash) = sk_of(due);
        let spread = if jitter == Jitter::Spread { u64::from(hash[1]) % JITTER_MINUTES_MAX } else { 0 };
        let mut minute = at.div_ceil(MINUTE_MS).max(now / MINUTE_MS + AHEAD_MINUTES_MIN) + spread;
        for _ in 0..ATTEMPTS_MAX {
            // Before the item: without one, the first tick would begin behind it.
            let cursor = self.cursor_or_begin(now).await?;
            let pk = keys::due_pk(self.tenant(), minute, hash[0] % cursor.shards.max(1));
            let put = self.dynamodb().put_item().table_name(self.name()).item("pk", s(pk)).item("sk", s(&sk));
            put.send().on_heap().await.map_err(unavailable("PutItem"))?;
            let cursor = self.cursor_or_begin(now).await?;
            if cursor.read < minute {
                return Ok(());
            }
            // The minute was read while this was on its way.
            minute = cursor.read + AHEAD_MINUTES_MIN;
        }
        Err(StoreError::Contended { operation: "note what is due", attempts: ATTEMPTS_MAX })
    }

    /// What is due by now, up to `limit`; the cursor moves over minutes of which nothing is left. Empty: nothing is due, or
    /// the next look goes on.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<DueItem>, StoreError> {
        let cursor = self.cursor_or_begin(now).await?;
        // This minute and the one before may still be written to.
        let last = (now / MINUTE_MS).saturating_sub(1).min(cursor.done + MINUTES_A_LOOK_MAX);
        if cursor.read < last {
            self.move_cursor("read", last).await?;
        }
        for minute in cursor.done + 1..=last {
            let found = self.due_in(minute, cursor.shards, limit).await?;
            if !found.is_empty() {
                self.move_cursor("done", minute - 1).await?;
                return Ok(found);
            }
        }
        if cursor.done < last {
            self.move_cursor("done", last).await?;
        }
        Ok(Vec::new())
    }

    /// Up to `limit` items of a minute, and a few more if they are in several shards.
    async fn due_in(&self, minute: u64, shards: u8, limit: usize) -> Result<Vec<DueItem>, StoreError> {
        let mut found = Vec::new();
        for shard in 0..shards.max(1) {
            let pk = keys::due_pk(self.tenant(), minute, shard);
            let wanted = i32::try_from(limit.max(1)).unwrap_or(i32::MAX);
            let page = self.page(Range { limit: Some(wanted), ..Range::new(&pk, " ", keys::END) }).await?;
            for item in &page.items {
                match due_of(item) {
                    Some(due) => found.push(due),
                    // Nobody can do it, and it would hold up all that is due later: whoever asks sets it aside.
                    None => {
                        let sk = Reader(item).text("sk")?.to_owned();
                        found.push(DueItem { due: Due::Command(sk.clone()), pk: pk.clone(), sk });
                    }
                }
            }
            if found.len() >= limit {
                break;
            }
        }
        Ok(found)
    }

    /// Takes an item off: it is done. Doing it again is harmless.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: it comes again.
    pub async fn due_done(&self, item: &DueItem) -> Result<(), StoreError> {
        self.remove((item.pk.clone(), item.sk.clone())).await
    }

    /// Takes an item off that nobody can do, and keeps it among those that were set aside. Doing it again is harmless.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: it comes again.
    pub async fn set_due_aside(&self, item: &DueItem, now: Timestamp) -> Result<(), StoreError> {
        let pk = keys::due_aside_pk(self.tenant());
        let put = self.dynamodb().put_item().table_name(self.name());
        let put = put.item("pk", s(pk)).item("sk", s(&item.sk)).item("was", s(&item.pk)).item("at", n(now));
        put.send().on_heap().await.map_err(unavailable("PutItem"))?;
        self.due_done(item).await
    }

    /// What was set aside because nobody could do it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn due_aside(&self) -> Result<Vec<DueItem>, StoreError> {
        let items = self.all(&keys::due_aside_pk(self.tenant()), " ", keys::END).await?;
        Ok(items.iter().filter_map(due_of).collect())
    }

    /// All that is due, of any minute up to the newest that is written for: at the start of a process whose ticks ended with
    /// the one before. It looks at `minutes` from the cursor on.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn waits(&self, now: Timestamp, minutes: u64) -> Result<Vec<DueItem>, StoreError> {
        let cursor = self.cursor_or_begin(now).await?;
        let mut found = Vec::new();
        for minute in cursor.done + 1..=cursor.done + minutes {
            for shard in 0..cursor.shards.max(1) {
                let pk = keys::due_pk(self.tenant(), minute, shard);
                found.extend(self.all(&pk, " ", keys::END).await?.iter().filter_map(due_of));
            }
        }
        Ok(found)
    }

    /// The cursor. The first to look puts it before everything that can be written from now on.
    async fn cursor_or_begin(&self, now: Timestamp) -> Result<Cursor, StoreError> {
        let pk = keys::due_cursor_pk(self.tenant());
        if let Some(item) = self.get(pk.clone(), SORT_KEY.to_owned()).await? {
            return cursor_of(&item);
        }
        let done = (now / MINUTE_MS).saturating_sub(1);
        let put = self
            .dynamodb()
            .put_item()
            .table_name(self.name())
            .item("pk", s(&pk))
            .item("sk", s(SORT_KEY))
            .item("done", n(done))
            .item("read", n(done))
            .item("shards", n(SHARDS))
            .condition_expression("attribute_not_exists(pk)");
        match put.send().on_heap().await {
            Ok(_) => return Ok(Cursor { done, read: done, shards: SHARDS }),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(_)) => {}
                _ => return Err(unavailable("PutItem")(error)),
            },
        }
        let item = self.get(pk.clone(), SORT_KEY.to_owned()).await?;
        cursor_of(&item.ok_or_else(|| StoreError::corrupt(pk, "it is gone"))?)
    }

    /// Moves a place of the cursor on; never back.
    async fn move_cursor(&self, place: &'static str, minute: u64) -> Result<(), StoreError> {
        let pk = keys::due_cursor_pk(self.tenant());
        let expression = Expression::default().set(place, n(minute)).only_if(&format!("#{place} < :{place}"));
        self.update((&pk, SORT_KEY), &expression, "pass a minute").await.map(drop)
    }
}

fn sk_of(due: &Due) -> (String, [u8; 2]) {
    let sk = match due {
        Due::Conversation(Conversation { eid, account }) => format!("{CONVERSATION}{eid}#{account}"),
        Due::Command(id) => format!("{COMMAND}{id}"),
    };
    let hash = digest(&SHA256, sk.as_bytes());
    (sk, [hash.as_ref()[0], hash.as_ref()[1]])
}

fn due_of(item: &Item) -> Option<DueItem> {
    let reader = Reader(item);
    let (pk, sk) = (reader.text_opt("pk")?, reader.text_opt("sk")?);
    let due = match (sk.strip_prefix(CONVERSATION), sk.strip_prefix(COMMAND)) {
        (Some(rest), _) => {
            let (eid, account) = rest.split_once('#')?;
            Due::Conversation(Conversation { eid: Eid::parse(eid)?, account: account.to_owned() })
        }
        (_, Some(id)) => Due::Command(id.to_owned()),
        _ => return None,
    };
    Some(DueItem { due, pk: pk.to_owned(), sk: sk.to_owned() })
}

fn cursor_of(item: &Item) -> Result<Cursor, StoreError> {
    let reader = Reader(item);
    let shards = u8::try_from(reader.number("shards")?).map_err(|error| reader.corrupt(error))?;
    Ok(Cursor { done: reader.number("done")?, read: reader.number("read")?, shards })
}
