//! Operations without an intent: media is fetched, a message is marked as read, typing is shown. They change nothing that could
//! happen twice, so they need no marker, and nobody waits for them who is not there any more.

use rapport_connections::{Asked, NotRun};
use rapport_model::exchange::{Exchange, TransportError};
use rapport_model::sending::{Failure, Next, Operation, Outcome};
use rapport_model::{Eid, Timestamp};
use rapport_store::StoreError;

use crate::connectors::Leaving;
use crate::worker::Worker;

/// Milliseconds for all requests of an operation. A file of 100 MB takes 50 s at 2 MB a second.
pub const OPERATION_MS_MAX: u64 = 60_000;

/// Why an operation came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum NotDone {
    /// The connector or the provider says why.
    #[error("{0:?}")]
    Failed(Failure),
    /// It asked for a request that cannot be repeated. Such an operation needs an intent.
    #[error("the connector asks for a request that must not be repeated; fix: mark it `repeatable`, if it is")]
    NotRepeatable,
    #[error("{0}")]
    NotRun(#[from] NotRun),
    #[error("the operation took too long")]
    Late,
    #[error("the request did not leave: {0}")]
    NotLeft(String),
    /// What the connector told could not be stored.
    #[error("{0}")]
    NotStored(#[from] StoreError),
}

/// An operation, and for whom.
#[derive(Clone, Debug)]
pub struct Direct<'a> {
    pub connection: &'a str,
    /// Whose a body is that is kept.
    pub eid: &'a Eid,
    /// What the log calls it.
    pub work: &'a str,
    pub operation: Operation,
}

impl Worker {
    /// Does an operation now, once.
    ///
    /// A read mark or typing may be shown twice, so its request is repeatable; a connector says so itself.
    ///
    /// # Errors
    /// [`NotDone`]
    pub async fn operate(&self, direct: &Direct<'_>) -> Result<Outcome, NotDone> {
        let began = self.now();
        let entropy = self.table().tenant_key().entropy(direct.connection, direct.work.as_bytes());
        let mut history: Vec<Exchange> = Vec::new();
        let mut accepted = Vec::new();
        for step in 0.. {
            let asked = Asked {
                request_id: direct.work.to_owned(),
                operation: direct.operation.clone(),
                history: history.clone(),
                step,
                accepted,
                now: began,
                entropy,
            };
            // The sandbox ends a connector that asks for too many steps.
            let turn = self.0.connectors.run(direct.connection, asked).await?;
            accepted = turn.so_far.accepted.clone();
            let requests = match turn.next {
                Next::Done => {
                    self.tell(direct.connection, direct.work, &turn.so_far).await?;
                    return Ok(turn.so_far);
                }
                Next::Failed(failure) => {
                    self.tell(direct.connection, direct.work, &turn.so_far).await?;
                    return Err(NotDone::Failed(failure));
                }
                Next::Perform(requests) => requests,
            };
            for request in &requests {
                if !request.repeatable {
                    return Err(NotDone::NotRepeatable);
                }
                let limit_ms = self.left(began)?;
                let leaving = Leaving {
                    connection: direct.connection,
                    work: direct.work,
                    request,
                    limit_ms,
                    entropy: &entropy,
                    owner: direct.eid,
                };
                let exchange = self.0.connectors.perform(leaving).await.map_err(NotDone::NotLeft)?;
                if let Err(TransportError::Denied(why)) = exchange {
                    return Err(NotDone::NotLeft(why));
                }
                history.push(exchange);
            }
        }
        Err(NotDone::Late)
    }

    fn left(&self, began: Timestamp) -> Result<u64, NotDone> {
        let left = (began + OPERATION_MS_MAX).saturating_sub(self.now());
        if left == 0 { Err(NotDone::Late) } else { Ok(left) }
    }
}
