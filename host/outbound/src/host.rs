//! The real connectors of a process.

use std::sync::Arc;

use rapport_connections::{Asked, ConnectorHost, NotRun, SigningRole};
use rapport_model::exchange::Authorization;
use rapport_model::sending::Turn;
use rapport_model::sending::policy::Window;
use rapport_store::Table;
use rapport_telemetry::TokenNotObtained;

use crate::connectors::{Away, Connectors, LIMITS, Leaving, Limits, Reply, Versions, Work};

/// Connectors in their sandbox, and the way out.
pub struct Host {
    pub host: Arc<ConnectorHost>,
    pub table: Table,
    /// Signs requests to AWS. `None`: such requests are denied.
    pub aws: Option<Arc<dyn SigningRole>>,
    /// How providers reach us, without a slash at the end. `None`: a connector that names the URL for statuses is denied.
    pub public_url: Option<String>,
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

    fn limits(&self, connection: &str) -> Limits {
        let Ok(Some(connection)) = self.host.connections.get(connection) else { return LIMITS };
        let sending = &connection.connector.manifest().sending;
        Limits { rate: sending.rate.unwrap_or(LIMITS.rate), pair_ms: sending.pair_ms }
    }

    fn windows(&self, connection: &str) -> Vec<Window> {
        let Ok(Some(connection)) = self.host.connections.get(connection) else { return Vec::new() };
        connection.connector.manifest().sending.windows.clone()
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
            let table = &self.table;
            let role = self.aws.as_ref().filter(|_| matches!(request.authorization, Authorization::Aws { .. }));
            let keys = match role {
                Some(role) => Some(role.keys().await.inspect_err(|error| {
                    TokenNotObtained { connection: leaving.connection, secret: "aws", error }.emit();
                })?),
                None => None,
            };
            let aws = keys.as_ref();
            let leaving = rapport_connections::Leaving {
                work,
                request,
                limit_ms,
                entropy,
                table,
                owner,
                aws,
                public_url: self.public_url.as_deref(),
            };
            self.host.leave(&connection, leaving).await
        })
    }
}
