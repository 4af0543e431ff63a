//! A connector that sends is called: it is asked what comes next of an operation, on its connection's turn.

use std::sync::Arc;

use rapport_model::Timestamp;
use rapport_model::exchange::Exchange;
use rapport_model::sending::{Accepted, Operation, Turn};
use rapport_sandbox::{CallError, Context, FailureKind, Ran, RunCall};

use crate::call::{ConnectorHost, log_lines};
use crate::connections::Connection;

/// One call of a connector that sends.
#[derive(Clone, Debug)]
pub struct Asked {
    /// For the log: what the call belongs to.
    pub request_id: String,
    pub operation: Operation,
    /// What came of all requests so far, in order.
    pub history: Vec<Exchange>,
    /// How many steps came before.
    pub step: usize,
    /// What earlier turns said is accepted.
    pub accepted: Vec<Accepted>,
    /// Pinned for an attempt, as is `entropy`.
    pub now: Timestamp,
    pub entropy: [u8; 32],
}

/// Why a connector gave no turn.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRun {
    /// Not its doing: ask again later.
    #[error("too many calls of this connection wait")]
    Busy,
    /// Its doing, or ours, and it would happen again.
    #[error("{0}")]
    Broken(String),
}

impl ConnectorHost {
    /// Asks a connector what comes next, where blocking is allowed. Nothing leaves here.
    ///
    /// # Errors
    /// [`NotRun`]
    pub async fn run(&self, connection: &Arc<Connection>, asked: Asked) -> Result<Turn, NotRun> {
        let _turn = connection.turn().await.ok_or(NotRun::Busy)?;
        let called = Arc::clone(connection);
        let request_id = asked.request_id.clone();
        let work = move || called.connector.run(&call_of(&called, &asked));
        let ran = tokio::task::spawn_blocking(work).await;
        let ran = ran.map_err(|_| NotRun::Broken("the sandbox panicked".to_owned()))?;
        let log = ran.as_ref().map_or_else(|error| &error.log, |ran: &Ran| &ran.log);
        log_lines(&request_id, connection, &log.lines, log.dropped);
        ran.map(|ran| ran.turn).map_err(|error: CallError| match error.kind {
            FailureKind::Busy => NotRun::Busy,
            _ => NotRun::Broken(error.to_string()),
        })
    }
}

fn call_of<'a>(connection: &'a Connection, asked: &'a Asked) -> RunCall<'a> {
    let context = Context {
        connection: &connection.name,
        config: &connection.config,
        now: asked.now,
        entropy: &asked.entropy,
    };
    RunCall {
        context,
        operation: &asked.operation,
        history: &asked.history,
        step: asked.step,
        accepted: &asked.accepted,
    }
}
