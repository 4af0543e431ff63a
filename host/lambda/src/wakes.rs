//! Wakes of the fold: if the queue is away, a note in the table wakes the worker some minutes later. So the queue holds up no fold,
//! and no message waits for the next one.

use rapport_model::Timestamp;
use rapport_store::Table;
use rapport_store::aws::queue::Queue;
use rapport_store::outbox::due::{Due, Jitter};
use rapport_store::outbox::intents::Conversation;
use rapport_store::outbox::wake::{Wakes, Waking};
use rapport_telemetry::WakeNoted;

/// The queue, or else a note.
pub(crate) struct WakesOrNotes<'a> {
    pub queue: &'a Queue,
    pub table: &'a Table,
    pub now: Timestamp,
}

impl Wakes for WakesOrNotes<'_> {
    fn wake<'a>(&'a self, of: &'a Conversation, at: Timestamp) -> Waking<'a> {
        Box::pin(async move {
            let Self { queue, table, now } = self;
            let Err(error) = queue.wake(of, at).await else { return Ok(()) };
            table.put_due(&Due::Conversation(of.clone()), at, Jitter::None, *now).await?;
            WakeNoted { error: &error }.emit();
            Ok(())
        })
    }
}
