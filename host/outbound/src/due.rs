//! What is due at a minute: conversations whose intents have to wait for long.

use rapport_model::Timestamp;
use rapport_store::StoreError;
use rapport_store::outbox::due::Due;
use rapport_telemetry::DueSetAside;

use crate::worker::Worker;

/// Items that one tick takes.
const ITEMS_MAX: usize = 500;

/// What one tick did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ticked {
    /// Conversations that were woken.
    pub woken: usize,
    /// Commands that were set aside: this version has none that it could do at a minute.
    pub commands: Vec<String>,
}

impl Worker {
    /// Wakes what is due by now. A wake comes first, then its item goes, so that a tick that dies loses nothing. What nobody can do is
    /// set aside.
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
                Due::Command(id) => {
                    // Of another version. It must not hold up what is due later.
                    self.table().set_due_aside(&item, now).await?;
                    DueSetAside { command: id }.emit();
                    ticked.commands.push(id.clone());
                }
            }
        }
        Ok(ticked)
    }
}
