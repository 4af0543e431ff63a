//! A wake that failed again and again, until its queue gave it up.

use rapport_model::sending::intent::{Cause, Choice, INTERNAL, choose};
use rapport_model::sending::lock::{Found, Lock};
use rapport_store::StoreError;
use rapport_store::outbox::intents::Conversation;
use rapport_telemetry::MessageSetAside;

use crate::worker::Worker;

/// What the message says that ends here.
const GIVEN_UP: &str = "its turn failed again and again; the log of the sender says why";

/// What became of a wake that was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivenUp {
    /// The message that was next ended, as failed, or as unknown if a request of it may have left. The others go on.
    Ended,
    /// Nothing was due: somebody else has done it.
    Nothing,
    /// A request is under way: ask again when that is over.
    UnderWay,
}

impl Worker {
    /// Ends the message that nobody could bring on, and wakes a worker for the others of its conversation.
    ///
    /// It asks no connector and does as little as it can: what made the turns fail may still be so.
    ///
    /// # Errors
    /// Storage or the queue failed. The same again is harmless.
    pub async fn give_up(&self, of: &Conversation) -> Result<GivenUp, StoreError> {
        let lock = match self.table().lock(of).await {
            Ok(lock) => Some(lock),
            // No worker can start anything under a lock that nobody can read.
            Err(error) if !error.is_passing() => None,
            Err(error) => return Err(error),
        };
        if let Some(Lock { out: Some(marker), .. }) = &lock
            && self.find(of, marker).await? == Found::Live
        {
            return Ok(GivenUp::UnderWay);
        }
        let open = self.open(of).await?;
        let now = self.now();
        let chosen = match choose(open.iter().map(|stored| &stored.intent), now) {
            Choice::Next(chosen) => chosen,
            Choice::Rest(None) => return Ok(GivenUp::Nothing),
            Choice::Rest(Some(at)) => return self.wake(of, at).await.map(|()| GivenUp::Nothing),
        };
        let stored = open.iter().find(|stored| stored.id == chosen.id).expect("it was chosen of these");
        let cause = Cause::of(INTERNAL).saying(GIVEN_UP);
        if lock.is_some() {
            self.end(stored, INTERNAL, |intent| intent.failed(&cause)).await?;
        } else {
            self.table().set_aside_intent(&of.eid, &stored.id, &cause).await?;
        }
        MessageSetAside { intent: stored.id.as_str(), why: GIVEN_UP }.emit();
        self.wake(of, now).await?;
        Ok(GivenUp::Ended)
    }
}
