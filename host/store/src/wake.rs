//! How a worker that sends is woken: by a queue that forgets nothing on AWS, by a channel in a local process.
//!
//! A wake names a conversation. It comes at least once, and may come early or for nothing: whoever is woken looks at the table.

use std::future::Future;
use std::pin::Pin;

use rapport_model::Timestamp;

use crate::error::StoreError;
use crate::outbox::intents::Conversation;

/// Look at this conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wake {
    pub of: Conversation,
    /// The connection that sends: a queue is fair among them.
    pub connection: String,
    /// Not before, by our clock.
    pub at: Timestamp,
}

/// An answer of a queue that is still to come.
pub type Waking<'a> = Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send + 'a>>;

/// Where wakes go.
pub trait WakeQueue: Send + Sync {
    /// Hands a wake over.
    ///
    /// An error means that it may be lost: hand it over again, which is harmless.
    fn wake<'a>(&'a self, wake: &'a Wake) -> Waking<'a>;
}

/// Of a process beside which nobody sends: every wake is dropped. Whoever sends later looks for what is unfinished.
#[derive(Clone, Copy, Debug, Default)]
pub struct NobodyToWake;

impl WakeQueue for NobodyToWake {
    fn wake<'a>(&'a self, _: &'a Wake) -> Waking<'a> {
        Box::pin(async { Ok(()) })
    }
}
