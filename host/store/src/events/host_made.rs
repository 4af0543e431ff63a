//! Events that no webhook brought: of messages that we sent, and of commands of the API's clients.

use rapport_model::sending::intent::Origin;

use crate::codec;
use crate::error::StoreError;
use crate::events::{Checkable, NewEvent, Put, PutOne};
use crate::table::Table;

impl Table {
    /// Puts the event of a command that a client of the API gave. No webhook brought it.
    ///
    /// # Errors
    /// [`StoreError`]: it may be there; put it again, which is harmless. [`StoreError::Refused`]: it never will be.
    pub async fn put_command(&self, new: NewEvent) -> Result<(), StoreError> {
        let put = self.put_without_webhook(new, None).await?;
        match put.refused.into_iter().next() {
            Some((_, detail)) => Err(StoreError::Refused { operation: "put a command", detail }),
            None => Ok(()),
        }
    }

    /// Puts an event that a connector told while it sent. No webhook brought it, so there is none to read again.
    ///
    /// # Errors
    /// [`StoreError`]: it may be there; put it again, which is harmless. What never will be there is in [`Put::refused`].
    pub async fn put_told(&self, new: NewEvent) -> Result<Put, StoreError> {
        self.put_without_webhook(new, None).await
    }

    /// Puts an event of a message of ours. No webhook brought it.
    pub(crate) async fn put_own_event(&self, new: NewEvent, origin: &Origin) -> Result<Put, StoreError> {
        self.put_without_webhook(new, Some(origin)).await
    }

    async fn put_without_webhook(&self, new: NewEvent, origin: Option<&Origin>) -> Result<Put, StoreError> {
        let json = match codec::checked(&new.event) {
            Ok(json) => json,
            Err(detail) => return Ok(Put { refused: vec![(0, detail)], ..Put::default() }),
        };
        let event = Checkable { place: 0, new, json };
        let put = self.put_item_of(event, None, (None, origin)).await?;
        let PutOne { new, duplicates, write_units, refused, .. } = put;
        Ok(Put { new, duplicates, write_units, refused: refused.into_iter().map(|detail| (0, detail)).collect() })
    }
}
