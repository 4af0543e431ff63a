//! What stands on the timeline for a message that was sent, and what a look at the timeline says under a marker.

use std::ops::Bound;

use rapport_model::sending::intent::Origin;
use rapport_model::{Eid, EventKey, Timestamp};

use crate::error::StoreError;
use crate::events::{NewEvent, Put};
use crate::items::Reader;
use crate::table::Table;

/// Events that are looked at under a marker: more than one customer writes in the time that a fold takes.
pub const NEWEST_EVENTS: usize = 5;

/// One of the newest events of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewestEvent {
    pub key: EventKey,
    /// Our clock.
    pub received_at: Timestamp,
    /// Whether it is of a message of ours.
    pub is_ours: bool,
}

impl Table {
    /// Puts the event of a part that the provider has. Worker, settlement and whoever finds an overdue marker compute the same
    /// key, so it is there once.
    ///
    /// # Errors
    /// [`StoreError`]: it may be there; put it again, which is harmless.
    pub async fn put_sent(&self, event: NewEvent, origin: &Origin) -> Result<Put, StoreError> {
        self.put_own_event(event, origin).await
    }

    /// The newest events of an endpoint, newest first, consistently read and not unpacked: whether something that was
    /// acknowledged is not folded yet is told by `received_at`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::Corrupt`].
    pub async fn newest_received(&self, eid: &Eid) -> Result<Vec<NewestEvent>, StoreError> {
        let found = self.newest_found(eid, Bound::Unbounded, NEWEST_EVENTS).await?;
        let newest = |found: &crate::events::Found| {
            let reader = Reader(found.item());
            let is_ours = found.item().contains_key(crate::events::ORIGIN);
            Ok(NewestEvent { key: found.key.clone(), received_at: reader.number("rcv")?, is_ours })
        };
        found.iter().map(newest).collect()
    }
}
