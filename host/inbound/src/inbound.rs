//! What receiving shares. One for each process.

use std::sync::Arc;

use rapport_connections::{Connection, ConnectorHost};
use rapport_model::Timestamp;
use rapport_store::Table;
use rapport_store::objects::Objects;
use rapport_telemetry::ConnectionNotSetUp;
use tokio::sync::Notify;

use crate::feed::Feeds;
use crate::refusal::Refusal;

/// Receives webhooks, and what AWS delivers in their place.
pub struct Inbound {
    pub table: Table,
    /// Calls connectors.
    pub host: Arc<ConnectorHost>,
    /// Which connections take what AWS delivers from where.
    pub feeds: Feeds,
    /// Where objects are that deliveries of AWS name.
    pub objects: Objects,
    /// How providers reach us: scheme, host and perhaps a path, without a slash at the end.
    pub public_url: String,
    /// Woken when events became durable, so that a local fold need not wait for its next look.
    pub stored: Arc<Notify>,
    /// Our clock: milliseconds since the epoch.
    pub now: fn() -> Timestamp,
}

impl Inbound {
    /// A connection by its name, made now if it is the first time.
    pub(crate) fn connection(&self, name: &str) -> Result<Option<Arc<Connection>>, Refusal> {
        self.host.connections.get(name).map_err(|error| {
            ConnectionNotSetUp { connection: name, error: &error }.emit();
            Refusal::internal("the connection cannot be set up; the operator finds the reason in the log")
        })
    }
}
