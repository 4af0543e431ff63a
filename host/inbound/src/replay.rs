//! A fixed connector reads a parked webhook again.

use rapport_connections::credentials::Vouching;
use rapport_store::StoreError;
use rapport_store::parked::{Parked, ParkedId};

use crate::inbound::Inbound;
use crate::not_read::NotRead;
use crate::receive::{AcceptedWebhook, Verdict, judge, sandbox_us};

/// What replaying a parked webhook came to.
#[derive(Debug, PartialEq)]
pub enum Replayed {
    /// Its events are durable, and it is parked no more.
    Stored { events: usize },
    /// The connector has no use for it now; it is parked no more.
    Ignored(String),
    /// It failed again and stays parked.
    StillParked { reason: String, detail: String },
    /// No parked webhook has this id.
    Unknown,
    /// Its connection is not configured any more.
    NoConnection(String),
}

impl Inbound {
    /// Replays one parked webhook through the connector that its connection has now.
    ///
    /// It was verified when it was parked, and counts as verified: its secret may have been rotated away since, and its
    /// proof was not kept. What `verify` had said yes to then, it says yes to now. It stays parked while any of it cannot be
    /// read; events that it gave before are there already.
    ///
    /// # Errors
    /// [`StoreError`]: it stays parked.
    pub async fn replay(&self, id: &ParkedId) -> Result<Replayed, StoreError> {
        let Some(parked) = self.table.parked_one(id).await? else { return Ok(Replayed::Unknown) };
        let connection = match self.host.connections.get(&parked.connection) {
            Ok(Some(connection)) => connection,
            Ok(None) => return Ok(Replayed::NoConnection(parked.connection)),
            Err(error) => return Ok(still_parked("the connection cannot be set up", error.to_string())),
        };
        let Parked { webhook, received_at, proven, .. } = parked;
        let Some(webhook) = webhook else {
            return Ok(still_parked(
                "unreadable",
                "what was parked cannot be read any more; the log says why".to_owned(),
            ));
        };
        let called = match self.host.call(&connection, &webhook, received_at, &proven).await {
            Ok(called) => called.map(|received| rapport_sandbox::Received { verified: true, ..received }),
            Err(error) => return Ok(still_parked("not called", error.to_string())),
        };
        let sandbox_us = sandbox_us(&called);
        match judge(called, Vouching::Connector) {
            Verdict::Take(receipt) => {
                let events = receipt.events.len();
                let name = id.to_string();
                let connection = &connection;
                let accepted = AcceptedWebhook { connection, webhook, proven, received_at, name: &name, sandbox_us };
                if let Some(NotRead { reason, detail, .. }) =
                    self.store(receipt.events, receipt.unread, &accepted).await?
                {
                    return Ok(still_parked(reason, detail));
                }
                self.table.unpark(id).await?;
                Ok(Replayed::Stored { events })
            }
            Verdict::Ignore(detail) => {
                self.table.unpark(id).await?;
                Ok(Replayed::Ignored(detail))
            }
            Verdict::Park { reason, detail } => Ok(still_parked(reason, detail)),
            Verdict::Refuse { refusal, detail } => Ok(still_parked(refusal.name(), detail)),
        }
    }
}

fn still_parked(reason: &str, detail: String) -> Replayed {
    Replayed::StillParked { reason: reason.to_owned(), detail }
}
