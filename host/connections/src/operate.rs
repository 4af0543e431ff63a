//! A connector that sends is called: it is asked what comes next of an operation, on its connection's turn.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use rapport_egress::AwsKeys;
use rapport_model::exchange::{Exchange, Request};
use rapport_model::secret::Secret;
use rapport_model::sending::{Accepted, Operation, Turn};
use rapport_model::{Eid, Timestamp};
use rapport_sandbox::{CallError, Context, FailureKind, Ran, RunCall, Secrets};
use rapport_store::Table;

use crate::call::{ConnectorHost, log_lines};
use crate::connections::Connection;
use crate::credentials::PATH_TOKEN;
use crate::sending::Step;
use crate::table_blobs::TableBlobs;

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

/// One request that is to leave, and what it is filled with.
#[derive(Clone, Copy)]
pub struct Leaving<'a> {
    /// What the log calls it, such as the id of an intent.
    pub work: &'a str,
    pub request: &'a Request,
    /// Milliseconds that it may take. After that its socket is closed.
    pub limit_ms: u64,
    /// Of the attempt.
    pub entropy: &'a [u8; 32],
    /// Where blobs are.
    pub table: &'a Table,
    /// Whose a body is that is kept.
    pub owner: &'a Eid,
    /// Keys of the role that signs requests to AWS. `None`: there is no such role here.
    pub aws: Option<&'a AwsKeys>,
    /// How providers reach us: scheme, host and perhaps a path, without a slash at the end. `None`: they do not.
    pub public_url: Option<&'a str>,
}

/// The role that signs what connectors send to AWS.
pub trait SigningRole: Send + Sync {
    /// Its keys, as they are good now. An error: they cannot be had now.
    fn keys(&self) -> Pin<Box<dyn Future<Output = Result<AwsKeys, String>> + Send + '_>>;
}

impl ConnectorHost {
    /// Sends one request over a connection of its own, which is closed when this ends. Nothing is repeated.
    ///
    /// # Errors
    /// Nothing left, and the request was not at fault.
    pub async fn leave(&self, connection: &Connection, leaving: Leaving<'_>) -> Result<Exchange, String> {
        let whose = (leaving.owner, connection.name.as_str());
        let blobs = TableBlobs::owned(leaving.table.clone(), leaving.work, whose, (self.now)());
        let status_url = leaving.public_url.map(|public_url| status_url(connection, public_url));
        let step = Step {
            work: leaving.work,
            requests: std::slice::from_ref(leaving.request),
            limit: Duration::from_millis(leaving.limit_ms),
            status_url: status_url.as_deref(),
            unsubscribe_url: None,
            blobs: Arc::new(blobs),
            aws: leaving.aws,
            entropy: leaving.entropy,
        };
        let mut exchanges = self.perform(connection, &step).await.map_err(|error| error.to_string())?;
        exchanges.pop().ok_or_else(|| "the request was not made".to_owned())
    }

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

/// Where a provider reports about messages: the connection's webhook, with the token that stands in for a signature, if it has one.
/// The way out shows neither the log nor the connector what it filled in.
fn status_url(connection: &Connection, public_url: &str) -> String {
    let token = connection.secrets.versions(PATH_TOKEN).and_then(<[Secret]>::first);
    let token = token.and_then(|token| Some(format!("/{}", std::str::from_utf8(token.reveal()).ok()?)));
    format!("{public_url}/hooks/{}{}", connection.name, token.unwrap_or_default())
}

fn call_of<'a>(connection: &'a Connection, asked: &'a Asked) -> RunCall<'a> {
    let context =
        Context { connection: &connection.name, config: &connection.config, now: asked.now, entropy: &asked.entropy };
    RunCall {
        context,
        operation: &asked.operation,
        history: &asked.history,
        step: asked.step,
        accepted: &asked.accepted,
    }
}
