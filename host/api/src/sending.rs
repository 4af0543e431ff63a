//! Messages that the business sends, and who answers a conversation. Nothing leaves from here: a message is stored, and a worker
//! that is woken sends it.
//!
//! | what | file |
//! |---|---|
//! | take a message to send, once | [`message`] |
//! | to whom it goes, and by which connection | [`target`] |
//! | how far a message is, cancel it, send it again | [`progress`] |
//! | who answers a conversation | [`control`] |
//! | whether a connection sends, and let it send again | [`connections`] |
//! | how answers show messages and conversations | [`views`] |

pub mod connections;
pub mod control;
pub mod message;
pub mod progress;
pub(crate) mod routes;
pub mod target;
pub mod views;

use std::sync::Arc;

use axum::extract::FromRef;
use rapport_model::Timestamp;
use rapport_model::event::Author;
use rapport_store::outbox::intents::Conversation;
use rapport_store::outbox::wake::{Wakes, Waking};
use rapport_telemetry::NotWoken;

use crate::people::People;
use crate::state::Api;

/// What these use cases share.
#[derive(Clone)]
pub struct Sending {
    pub people: People,
    /// Names of the connections that can send.
    pub senders: Arc<[String]>,
    pub wakes: Arc<dyn Wakes>,
}

impl FromRef<Arc<Api>> for Sending {
    fn from_ref(api: &Arc<Api>) -> Self {
        Self { people: api.people.clone(), senders: Arc::clone(&api.senders), wakes: Arc::clone(&api.wakes) }
    }
}

/// Who sends: an API key, as one of the authors that it may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    pub author: Author,
    /// The name of the key.
    pub by: String,
}

impl Sending {
    /// Wakes a worker. If the wake is lost, the fold of the stored message makes it again.
    async fn wake(&self, of: &Conversation, at: Timestamp) {
        if let Err(error) = self.wakes.wake(of, at).await {
            NotWoken { error: &error }.emit();
        }
    }
}

/// Of a process beside which nobody sends: every wake is dropped. Whoever sends later looks for what is unfinished.
#[derive(Clone, Copy, Debug, Default)]
pub struct NobodyToWake;

impl Wakes for NobodyToWake {
    fn wake<'a>(&'a self, _: &'a Conversation, _: Timestamp) -> Waking<'a> {
        Box::pin(async { Ok(()) })
    }
}
