//! The audit: who called the API, what for, and what came of it. Items are put and never changed: on the condition that
//! there is none under their key, and by a role that may put them and not delete them.
//!
//! | item | pk | sk |
//! |---|---|---|
//! | one record | `<t>#U#<day>#<shard>` | `<our ms>-<request id>-<phase>` |
//! | that a key was used in an hour | `<t>#U#key#<name>` | `<hour>` |
//!
//! A record holds ids and no address, no value of a query, no body. It goes by itself after [`KEPT_DAYS`].

use aws_sdk_dynamodb::types::AttributeValue;
use rapport_model::Timestamp;
use rapport_model::profile::{parse_rfc3339, rfc3339};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::error::{StoreError, unavailable};
use crate::items::{Item, Reader, json, n, s};
use crate::keys;
use crate::on_heap::OnHeap;
use crate::table::{Order, Range, TTL, Table, is_condition_failure};

/// Days. Thirteen months: whoever reviews once a year sees the whole year, and the time that a review takes.
pub const KEPT_DAYS: u64 = 400;
/// Records of one day are spread over this many partitions, since their keys grow with time and such a partition cannot
/// be split: 4 × 1,000 calls of the API a second.
const SHARDS: u8 = 4;
/// Ids that one record names. A call has one or two subjects; a preview of rules has none.
pub const SUBJECTS_MAX: usize = 8;

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

/// One call of the API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Our clock, when the call came.
    #[serde(skip)]
    pub at: Timestamp,
    pub request_id: String,
    /// The name of the API key.
    pub key: String,
    /// Who used it, as the holder of the key says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The operation, by its name in the API's document.
    pub route: String,
    pub phase: Phase,
    /// Ids of profiles, endpoints, links, suggestions and erasures that it was about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subjects: Vec<String>,
    /// What it was answered; none: it had not been yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Milliseconds until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
}

/// Which of a call's records it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Before something is changed.
    Begun,
    /// When the answer was made.
    Answered,
}

impl Phase {
    fn letter(self) -> char {
        match self {
            Self::Begun => 'a',
            Self::Answered => 'b',
        }
    }
}

/// A part of one day's records, newest first.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditPage {
    pub records: Vec<Record>,
    /// Where the next page begins; none: this was the last.
    pub next: Option<AuditCursor>,
}

/// A place in a day: the key of the last record that was looked at. Opaque to callers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditCursor(String);

impl AuditCursor {
    /// A cursor from a query; none when it is none of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let (at, rest) = text.split_once('-')?;
        let is_digits = at.len() == 13 && at.bytes().all(|byte| byte.is_ascii_digit());
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let fits = is_digits && rest.len() <= PLACE_BYTES_MAX && rest.bytes().all(is_word);
        fits.then(|| Self(text.to_owned()))
    }
}

impl std::fmt::Display for AuditCursor {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

/// Bytes of a record's key after its time: a request id, ours of 24 or Lambda's of 36 characters, and a letter.
const PLACE_BYTES_MAX: usize = 80;

/// A day of our clock, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day(u64);

impl Day {
    /// The day of an instant.
    pub fn of(at: Timestamp) -> Self {
        Self(at / DAY_MS)
    }

    /// A day as `2026-11-30`; none when there is none of that name since 1970.
    pub fn parse(text: &str) -> Option<Self> {
        let at = parse_rfc3339(&format!("{text}T00:00:00Z")).filter(|_| text.len() == 10)?;
        Some(Self::of(at))
    }

    /// As `2026-11-30`.
    pub fn name(self) -> String {
        rfc3339(self.0 * DAY_MS).chars().take(10).collect()
    }
}

impl Table {
    /// Appends a record. One that is there already stays as it is.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: it may not be there.
    pub async fn append_to_audit(&self, record: &Record) -> Result<(), StoreError> {
        let place = place(record);
        let pk = keys::audit_pk(self.tenant(), &Day::of(record.at).name(), shard(&record.request_id));
        self.put_once(pk, place, record.at, Some(("rec", json(record)))).await
    }

    /// Up to `limit` records of a day, newest first, of one key if one is named. A page of one key may have fewer and not be
    /// the last.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::Corrupt`].
    pub async fn audit(
        &self,
        day: Day,
        key: Option<&str>,
        limit: usize,
        cursor: Option<&AuditCursor>,
    ) -> Result<AuditPage, StoreError> {
        let mut items: Vec<Item> = Vec::new();
        let mut is_cut = false;
        for shard in 0..SHARDS {
            let pk = keys::audit_pk(self.tenant(), &day.name(), shard);
            // One more than a page: the cursor's own record is among them, and whether there is another is to be seen.
            let wanted = i32::try_from(limit + 2).unwrap_or(i32::MAX);
            let to = cursor.map_or(keys::END, |cursor| &cursor.0);
            let range = Range { order: Order::Descending, limit: Some(wanted), ..Range::new(&pk, "0", to) };
            let page = self.page(range).await?;
            is_cut |= page.next.is_some();
            items.extend(page.items);
        }
        let placed = items.iter().map(|item| Ok((Reader(item).text("sk")?, item)));
        let mut placed = placed.collect::<Result<Vec<(&str, &Item)>, StoreError>>()?;
        placed.retain(|(place, _)| cursor.is_none_or(|cursor| *place < cursor.0.as_str()));
        placed.sort_by(|(a, _), (b, _)| b.cmp(a));
        is_cut |= placed.len() > limit;
        placed.truncate(limit);
        let last = placed.last().map(|(place, _)| AuditCursor((*place).to_owned()));
        let read = placed.iter().map(|(place, item)| read(place, item));
        let mut records = read.collect::<Result<Vec<_>, _>>()?;
        records.retain(|record| key.is_none_or(|key| record.key == key));
        Ok(AuditPage { records, next: last.filter(|_| is_cut) })
    }

    /// Records that a key was used in this hour: at most one item an hour and key. It is no error if it is there already.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]
    pub async fn key_was_used(&self, key: &str, at: Timestamp) -> Result<(), StoreError> {
        let pk = keys::key_use_pk(self.tenant(), key);
        self.put_once(pk, format!("{:013}", at / HOUR_MS * HOUR_MS), at, None).await
    }

    /// The hour in which a key was used last; none: not within [`KEPT_DAYS`].
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]
    pub async fn key_last_used(&self, key: &str) -> Result<Option<Timestamp>, StoreError> {
        let pk = keys::key_use_pk(self.tenant(), key);
        let range = Range { order: Order::Descending, limit: Some(1), ..Range::new(&pk, "0", keys::END) };
        let page = self.page(range).await?;
        let hour = page.items.first().map(|item| Reader(item).text("sk")).transpose()?;
        Ok(hour.and_then(|hour| hour.parse().ok()))
    }

    /// Puts an item of the audit, unless there is one under its key.
    async fn put_once(
        &self,
        pk: String,
        sk: String,
        at: Timestamp,
        more: Option<(&str, AttributeValue)>,
    ) -> Result<(), StoreError> {
        let expires = at / 1000 + KEPT_DAYS * 24 * 3600;
        let put = self
            .dynamodb()
            .put_item()
            .table_name(self.name())
            .condition_expression("attribute_not_exists(pk)")
            .item("pk", s(pk))
            .item("sk", s(sk))
            .item(TTL, n(expires));
        let put = more.into_iter().fold(put, |put, (name, value)| put.item(name, value));
        match put.send().on_heap().await {
            Ok(_) => Ok(()),
            // It is there: a put that was tried again, or another process was first.
            Err(error) if is_condition_failure(&error) => Ok(()),
            Err(error) => Err(unavailable("PutItem")(error)),
        }
    }
}

fn place(record: &Record) -> String {
    let word: String = record.request_id.chars().filter(|one| one.is_ascii_alphanumeric() || *one == '-').collect();
    let word: String = word.chars().take(PLACE_BYTES_MAX - 2).collect();
    format!("{:013}-{word}-{}", record.at, record.phase.letter())
}

fn shard(request_id: &str) -> u8 {
    digest(&SHA256, request_id.as_bytes()).as_ref()[0] % SHARDS
}

fn read(place: &str, item: &Item) -> Result<Record, StoreError> {
    let mut record: Record = Reader(item).json("rec")?;
    let at = place.split('-').next().and_then(|at| at.parse().ok());
    record.at = at.ok_or_else(|| Reader(item).corrupt("its key begins with no time"))?;
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_one_name_and_what_is_no_day_has_none() {
        let day = Day::of(1_790_668_805_000);
        assert_eq!(day.name(), "2026-09-29");
        assert_eq!(Day::parse("2026-09-29"), Some(day));
        for text in ["", "2026-9-29", "2026-02-30", "1969-12-31", "2026-09-29T", "2026-09-29T00:00:00Z", "today"] {
            assert_eq!(Day::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_cursor_is_a_place_and_nothing_else() {
        assert!(AuditCursor::parse("1790668805000-0123456789abcdef-b").is_some());
        for text in ["", "-", "1-a", "1790668805000", "1790668805000-a#b", "x790668805000-a"] {
            assert_eq!(AuditCursor::parse(text), None, "{text}");
        }
    }
}
