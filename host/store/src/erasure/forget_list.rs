//! What an endpoint's item says of its erasures: which events are to be forgotten whenever they come.

use std::collections::BTreeMap;

use rapport_model::{Eid, EventKey, Timestamp};

use crate::error::{StoreError, unavailable};
use crate::events::StoredEvent;
use crate::identity::ATTEMPTS_MAX;
use crate::items::{Item, Reader, n, s};
use crate::keys;
use crate::on_heap::OnHeap;
use crate::outbox::Expression;
use crate::table::{TTL, Table, is_condition_failure, is_conflict};

/// Up to when an endpoint is erased: of its item, and of heads written since.
pub(crate) const ERASED: &str = "era";
/// How far ahead of that the events were that were erased with it.
const AHEAD: &str = "erx";
/// What this begins is named after a connection, and says up to when what it said is erased.
const OF_CONNECTION: &str = "erc:";
/// Of the item that remembers an event without a time: that it was erased, though its time is later.
const GONE: &str = "gone";

/// Which events of an endpoint are erased, by their times.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Erased {
    /// Whatever was said up to here; 0: nothing. It is our clock's time of a request.
    pub up_to: Timestamp,
    /// Single events said after that and up to here: their hashes are remembered. 0: there are none.
    pub ahead: Timestamp,
    /// What a connection said up to an instant of its provider's clock.
    pub by: BTreeMap<String, Timestamp>,
}

impl Erased {
    /// What an item says.
    pub(crate) fn of(reader: &Reader<'_>) -> Self {
        let by = reader.0.keys().filter_map(|name| {
            let connection = name.strip_prefix(OF_CONNECTION)?;
            Some((connection.to_owned(), reader.number_opt(name)?))
        });
        Self {
            up_to: reader.number_opt(ERASED).unwrap_or_default(),
            ahead: reader.number_opt(AHEAD).unwrap_or_default(),
            by: by.collect(),
        }
    }

    /// As attributes of an item.
    pub(crate) fn attributes(&self) -> Item {
        let times = [(ERASED, self.up_to), (AHEAD, self.ahead)].into_iter().filter(|(_, at)| *at > 0);
        let times = times.map(|(name, at)| (name.to_owned(), n(at)));
        times.chain(self.by.iter().map(|(connection, at)| (format!("{OF_CONNECTION}{connection}"), n(at)))).collect()
    }

    /// Whether an event is erased by its time alone.
    pub fn hides(&self, at: Timestamp, connection: &str) -> bool {
        at <= self.up_to || self.by.get(connection).is_some_and(|up_to| at <= *up_to)
    }

    /// Whether this says no more than the other.
    pub fn is_within(&self, other: &Self) -> bool {
        let known = |(connection, at): (&String, &Timestamp)| other.by.get(connection).is_some_and(|known| at <= known);
        self.up_to <= other.up_to && self.ahead <= other.ahead && self.by.iter().all(known)
    }
}

/// When an endpoint was first seen, if it was since it was erased. What was written before the mark, and says a later time
/// than that, is of before: by our clock.
pub(crate) fn seen_since(reader: &Reader<'_>) -> Option<Timestamp> {
    let up_to = reader.number_opt(ERASED);
    reader.number_opt("seen").filter(|seen| Some(*seen) > up_to)
}

/// What this begins is named after a purpose, or after the address itself, and says by which event it is suppressed, or not
/// any more.
const SUPPRESSED: &str = "sup:";
/// The name of what concerns the address itself: what is sent to it does not arrive.
pub const ADDRESS: &str = "@";

/// A word on whether an endpoint wants messages, or takes them. It survives an erasure: else who had said stop would be written
/// to when they are imported again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suppression {
    pub event: EventKey,
    /// Else it was taken back.
    pub is_on: bool,
}

impl Table {
    /// Keeps a word on a purpose, or on the address itself; an older word changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], or [`StoreError::Contended`] by a transaction: do it again, which is harmless.
    pub async fn put_suppression(&self, eid: &Eid, name: &str, word: &Suppression) -> Result<(), StoreError> {
        let text = format!("{}{}", word.event, if word.is_on { "y" } else { "n" });
        let expression = Expression::default()
            .set_to("sup", ":sup")
            .name("sup", format!("{SUPPRESSED}{name}"))
            .value("sup", s(text))
            .only_if("attribute_not_exists(#sup) OR #sup < :sup");
        self.update((&self.endpoint_pk(eid), keys::ENDPOINT), &expression, "suppress").await.map(drop)
    }

    /// What an endpoint does not want, or does not take, by purpose; [`ADDRESS`]: anything.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn suppressions(&self, eid: &Eid) -> Result<BTreeMap<String, Suppression>, StoreError> {
        let item = self.get(self.endpoint_pk(eid), keys::ENDPOINT.to_owned()).await?.unwrap_or_default();
        Ok(suppressions_of(&item))
    }

    /// The suppressions of an endpoint, and whether its address gave way to another one: from then on it is somebody else's.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn standing(&self, eid: &Eid) -> Result<(BTreeMap<String, Suppression>, bool), StoreError> {
        let item = self.get(self.endpoint_pk(eid), keys::ENDPOINT.to_owned()).await?.unwrap_or_default();
        Ok((suppressions_of(&item), !crate::handover::left(&item).is_empty()))
    }

    /// Whether somebody named an endpoint since it was erased, in words that count.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn was_seen_since(&self, eid: &Eid) -> Result<bool, StoreError> {
        let item = self.get(self.endpoint_pk(eid), keys::ENDPOINT.to_owned()).await?.unwrap_or_default();
        Ok(seen_since(&Reader(&item)).is_some())
    }

    /// What of an endpoint is erased.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn erased(&self, eid: &Eid) -> Result<Erased, StoreError> {
        let item = self.get(self.endpoint_pk(eid), keys::ENDPOINT.to_owned()).await?;
        Ok(item.map(|item| Erased::of(&Reader(&item))).unwrap_or_default())
    }

    /// Whether an event is erased. It asks the table only of one whose time is later than its endpoint's erasure, and not
    /// later than all that was erased with it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn is_erased(&self, erased: &Erased, stored: &StoredEvent) -> Result<bool, StoreError> {
        let at = stored.key.at();
        if erased.hides(at, &stored.connection) || at > erased.ahead {
            return Ok(erased.hides(at, &stored.connection));
        }
        self.is_gone(&stored.eid, &stored.key).await
    }

    pub(super) async fn is_gone(&self, eid: &Eid, key: &EventKey) -> Result<bool, StoreError> {
        let item = self.get(self.endpoint_pk(eid), keys::first_seen_sk(key)).await?;
        Ok(item.is_some_and(|item| item.contains_key(GONE)))
    }

    /// Remembers an event that is erased though its time is later than the erasure. One that is given the time of its first
    /// delivery, since its own cannot be, finds one of before the erasure.
    pub(super) async fn remember_gone(&self, eid: &Eid, key: &EventKey, up_to: Timestamp) -> Result<(), StoreError> {
        let update = self
            .dynamodb()
            .update_item()
            .table_name(self.name())
            .key("pk", s(self.endpoint_pk(eid)))
            .key("sk", s(keys::first_seen_sk(key)))
            .update_expression("SET #gone = :up_to, #at = if_not_exists(#at, :up_to) REMOVE #ttl")
            .expression_attribute_names("#gone", GONE)
            .expression_attribute_names("#at", "at")
            .expression_attribute_names("#ttl", TTL)
            .expression_attribute_values(":up_to", n(up_to));
        update.send().on_heap().await.map_err(unavailable("UpdateItem")).map(drop)
    }

    /// Marks an endpoint: from here on nothing that was said up to an instant is taken in. Of the whole person, or of a
    /// connection's.
    pub(super) async fn mark(
        &self,
        eid: &Eid,
        (connection, at): (Option<&str>, Timestamp),
        erasure: &str,
    ) -> Result<(), StoreError> {
        let name = connection.map_or_else(|| ERASED.to_owned(), |connection| format!("{OF_CONNECTION}{connection}"));
        self.set_later(eid, (&name, at), Some((by(connection), erasure))).await
    }

    /// Says how far ahead of its erasure an endpoint's erased events were.
    pub(super) async fn mark_ahead(&self, eid: &Eid, at: Timestamp) -> Result<(), StoreError> {
        self.set_later(eid, (AHEAD, at), None).await
    }

    /// Sets a time of an endpoint, and what goes with it, if the time is later than what is there.
    async fn set_later(
        &self,
        eid: &Eid,
        (name, at): (&str, Timestamp),
        beside: Option<(String, &str)>,
    ) -> Result<(), StoreError> {
        let mut update = self
            .dynamodb()
            .update_item()
            .table_name(self.name())
            .key("pk", s(self.endpoint_pk(eid)))
            .key("sk", s(keys::ENDPOINT))
            .condition_expression("attribute_not_exists(#name) OR #name < :at")
            .expression_attribute_names("#name", name)
            .expression_attribute_values(":at", n(at));
        update = match beside {
            Some((other, value)) => update
                .update_expression("SET #name = :at, #other = :value")
                .expression_attribute_names("#other", other)
                .expression_attribute_values(":value", s(value)),
            None => update.update_expression("SET #name = :at"),
        };
        for attempt in 0..ATTEMPTS_MAX {
            match update.clone().send().on_heap().await {
                Ok(_) => return Ok(()),
                Err(error) if is_condition_failure(&error) => return Ok(()),
                Err(error) if is_conflict(&error) => self.back_off(attempt).await,
                Err(error) => return Err(unavailable("UpdateItem")(error)),
            }
        }
        Err(StoreError::Contended { operation: "mark", attempts: ATTEMPTS_MAX })
    }
}

/// The suppressions in an endpoint's item, by purpose.
fn suppressions_of(item: &Item) -> BTreeMap<String, Suppression> {
    let reader = Reader(item);
    let word = |name: &String| {
        let (purpose, text) = (name.strip_prefix(SUPPRESSED)?, reader.text_opt(name)?);
        let (event, is_on) = match text.strip_suffix('y') {
            Some(event) => (event, true),
            None => (text.strip_suffix('n')?, false),
        };
        Some((purpose.to_owned(), Suppression { event: EventKey::parse(event)?, is_on }))
    };
    item.keys().filter_map(word).collect()
}

/// The attribute of an endpoint that names its last erasure: of the whole person, or of what a connection said.
pub(super) fn by(connection: Option<&str>) -> String {
    connection.map_or_else(|| "ers".to_owned(), |connection| format!("ers:{connection}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_erased_is_read_back_as_it_was_written() {
        let erased = Erased { up_to: 5, ahead: 9, by: [("wa-eu".to_owned(), 7)].into() };
        assert_eq!(Erased::of(&Reader(&erased.attributes())), erased);
        assert_eq!(Erased::of(&Reader(&Item::new())), Erased::default());
        assert!(erased.hides(5, "x") && !erased.hides(6, "x") && erased.hides(7, "wa-eu") && !erased.hides(8, "wa-eu"));
        assert!(Erased::default().is_within(&erased) && !erased.is_within(&Erased::default()));
    }
}
