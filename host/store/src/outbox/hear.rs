//! What was said reaches the lock of its conversation.

use rapport_model::sending::heard::Heard;
use rapport_model::sending::lock::Word;
use rapport_model::{EventKey, Timestamp};

use crate::error::StoreError;
use crate::outbox::intents::Conversation;
use crate::table::Table;

impl Table {
    /// Writes what an event means into the lock, once for each event.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::Contended`]: do it again, which is harmless.
    pub async fn hear(
        &self,
        of: &Conversation,
        key: &EventKey,
        heard: &Heard,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        match heard {
            Heard::Moved(holder) => self.move_control(of, key, holder, now).await.map(drop),
            Heard::Word { purpose, state } => {
                let word = Word { event: key.clone(), state: *state };
                self.put_word(of, purpose, &word).await
            }
        }
    }
}
