//! What is due at a minute: conversations whose intents have to wait for long.

use rapport_model::Timestamp;
use rapport_store::StoreError;
use rapport_store::outbox::due::Due;

use crate::worker::Worker;

/// Items that one tick takes.
const ITEMS_MAX: usize = 500;

/// What one tick did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ticked {
    /// Conversations that were woken.
    pub woken: usize,
    /// Commands that are due, for whoever does them. Each comes again until its item is taken off.
    pub commands: Vec<String>,
}

impl Worker {
    /// Wakes what is due by now. A wake comes first, then its item goes, so that a tick that dies loses nothing.
    ///
    /// # Errors
    /// Storage failed; the next tick goes on.
    pub async fn tick(&self, now: Timestamp) -> Result<Ticked, StoreError> {
        let mut ticked = Ticked::default();
        for item in self.table().due(now, ITEMS_MAX).await? {
            match &item.due {
                Due::Conversation(of) => {
                    self.0.wakes.wake(of, now).await?;
                    ticked.woken += 1;
                    self.table().due_done(&item).await?;
                }
                Due::Command(id) => ticked.commands.push(id.clone()),
            }
        }
        Ok(ticked)
    }
}
