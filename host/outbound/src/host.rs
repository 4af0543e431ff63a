//! The real connectors of a process.

use std::sync::Arc;

use rapport_connections::{Asked, ConnectorHost, NotRun};
use rapport_model::sending::Turn;
use rapport_store::blobs::Blobs;

use crate::connectors::{Away, Connectors, LIMITS, Leaving, Limits, Reply, Versions, Work};

/// Connectors in their sandbox, and the way out.
pub struct Host {
    pub host: Arc<ConnectorHost>,
    pub blobs: Blobs,
}

impl Connectors for Host {
    fn versions(&self, connection: &str) -> Result<Versions, Away> {
        match self.host.connections.get(connection) {
            Err(error) => Err(Away::NotSetUp(error.to_string())),
            Ok(None) => Err(Away::Missing),
            Ok(Some(connection)) => Ok(Versions {
                connector: connection.connector.digest().to_owned(),
                configuration: connection.configuration_digest(),
            }),
        }
    }

    fn limits(&self, _: &str) -> Limits {
        LIMITS
    }

    fn run<'a>(&'a self, connection: &'a str, asked: Asked) -> Work<'a, Result<Turn, NotRun>> {
        Box::pin(async move {
            match self.host.connections.get(connection) {
                Ok(Some(connection)) => self.host.run(&connection, asked).await,
                Ok(None) | Err(_) => Err(NotRun::Busy),
            }
        })
    }

    fn perform<'a>(&'a self, leaving: Leaving<'a>) -> Work<'a, Reply> {
        Box::pin(async move {
            let Ok(Some(connection)) = self.host.connections.get(leaving.connection) else {
                return Err("the connection is gone".to_owned());
            };
            let Leaving { work, request, limit_ms, entropy, owner, .. } = leaving;
            let (blobs, owner) = (&self.blobs, owner.as_str());
            let leaving = rapport_connections::Leaving { work, request, limit_ms, entropy, blobs, owner };
            self.host.leave(&connection, leaving).await
        })
    }
}
