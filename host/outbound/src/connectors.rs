//! What a worker asks of connectors and of the way out. The process gives the real ones; a test may put itself between.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use rapport_connections::{Asked, NotRun};
use rapport_model::exchange::{Exchange, Request};
use rapport_model::sending::Turn;
use rapport_model::sending::policy::Window;
use rapport_model::sending::rate::Rate;
use rapport_model::{Eid, Event};
use rapport_store::StoreError;

/// Something that takes a while.
pub type Work<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What an attempt is pinned to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versions {
    /// SHA-256 of the connector, in hexadecimal.
    pub connector: String,
    /// A hash of the connection's configuration.
    pub configuration: String,
}

/// How fast a connection may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub rate: Rate,
    /// Milliseconds from one start in a conversation to the next.
    pub pair_ms: u64,
}

/// Of a connection whose manifest says nothing: what the slowest of the large providers takes of a new account.
pub const LIMITS: Limits = Limits { rate: Rate { tokens: 80, per_ms: 1_000, burst: 80 }, pair_ms: 0 };

/// Why a connection cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Away {
    /// The configuration has none of this name.
    Missing,
    /// It cannot be set up now.
    NotSetUp(String),
}

/// A request, and what it is filled with.
#[derive(Clone, Copy, Debug)]
pub struct Leaving<'a> {
    pub connection: &'a str,
    /// What the log calls it: the id of an intent, or what else it is for.
    pub work: &'a str,
    pub request: &'a Request,
    /// Milliseconds that it may take. After that the socket is closed.
    pub limit_ms: u64,
    /// Of the attempt.
    pub entropy: &'a [u8; 32],
    /// Whose a body is that is kept.
    pub owner: &'a Eid,
}

/// What came of a request that was to leave. An error: nothing left, and the request was not at fault.
pub type Reply = Result<Exchange, String>;

/// Stores what a connector told while it sent: the connection, what the log calls the work, the events. Doing it again is harmless.
pub type Tell = Arc<dyn Fn(String, String, Vec<Event>) -> Work<'static, Result<(), StoreError>> + Send + Sync>;

/// See the module's documentation.
pub trait Connectors: Send + Sync {
    /// What an attempt is pinned to now.
    ///
    /// # Errors
    /// [`Away`]
    fn versions(&self, connection: &str) -> Result<Versions, Away>;

    /// How fast it may send.
    fn limits(&self, connection: &str) -> Limits;

    /// For how long its provider lets whom answer; empty: at any time.
    fn windows(&self, _connection: &str) -> Vec<Window> {
        Vec::new()
    }

    /// Asks its connector what comes next.
    fn run<'a>(&'a self, connection: &'a str, asked: Asked) -> Work<'a, Result<Turn, NotRun>>;

    /// Sends a request over a connection of its own, which is closed when this ends. Nothing is repeated.
    fn perform<'a>(&'a self, leaving: Leaving<'a>) -> Work<'a, Reply>;
}
