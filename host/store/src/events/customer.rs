//! What the log says about the customer's own messages.

use rapport_model::endpoint::first_of_millisecond;
use rapport_model::event::{Author, Body};
use rapport_model::{Eid, Timestamp};

use crate::error::StoreError;
use crate::events::Logged;
use crate::keys;
use crate::table::{Range, Table};

impl Table {
    /// When the customer first wrote to `account` after an instant, by the log.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::Corrupt`].
    pub async fn first_customer_message_after(
        &self,
        eid: &Eid,
        account: &str,
        after: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let pk = self.endpoint_pk(eid);
        let from = format!("{}{}", keys::EVENTS, first_of_millisecond(after + 1));
        let to = keys::after(keys::EVENTS);
        let mut start = None;
        loop {
            let page = self.page(Range { start, ..Range::new(&pk, &from, &to) }).await?;
            for item in &page.items {
                // What cannot be read is nobody's message.
                let Logged::Event(stored) = self.read_logged(item).await? else { continue };
                let event = stored.event;
                let by_customer = matches!(&event.body, Body::Message(m) if m.author == Author::Customer);
                if by_customer && event.account == account {
                    return Ok(Some(event.at));
                }
            }
            start = page.next;
            if start.is_none() {
                return Ok(None);
            }
        }
    }
}
