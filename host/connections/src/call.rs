//! A connector is called: on its connection's turn, with the certificates that it needs.

use std::collections::BTreeSet;
use std::sync::Arc;

use rapport_egress::Egress;
use rapport_model::{TenantKey, Timestamp};
use rapport_sandbox::{
    Call, CallError, Certificate, Check, Connector, Context, Level, LogLine, Received, Secret, Secrets, Webhook,
};
use rapport_store::RawWebhook;
use rapport_telemetry::{
    ConfirmationFailed, ConnectorLogsTooMuch, ConnectorSaysDebug, ConnectorSaysError, ConnectorSaysInfo,
    ConnectorSaysWarn, SubscriptionConfirmed, SubscriptionNotConfirmed,
};

use crate::certificates::Certificates;
use crate::connections::{Connection, Connections};
use crate::secrets::SecretValues;

/// Certificates that one call may have fetched: a provider signs with one.
const CERTIFICATES_MAX: u32 = 2;

/// Everything that calls of connectors need. One for each process.
pub struct ConnectorHost {
    pub connections: Connections,
    pub certificates: Arc<Certificates>,
    /// The way out: to certificates, and to confirm subscriptions.
    pub egress: Egress,
    /// What a connector's entropy is made with.
    pub tenant_key: TenantKey,
    /// Our clock: milliseconds since the epoch.
    pub now: fn() -> Timestamp,
}

/// Why a connector was not called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotCalled {
    #[error("too many webhooks of this connection wait; deliver it again")]
    Busy,
    #[error("the sandbox panicked")]
    Panicked,
}

/// Why a subscription is not confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotConfirmed {
    #[error("{0}")]
    NotCalled(#[from] NotCalled),
    #[error("the connector failed while it confirmed a subscription")]
    Failed,
    #[error("the subscription could not be confirmed; deliver it again")]
    Refused,
}

/// What one call of a connector verifies with: its connection's secrets, and the certificates that are known by now.
struct Keys {
    secrets: Arc<SecretValues>,
    certificates: Arc<Certificates>,
    now: Timestamp,
    /// What was proven when the webhook came, of one that is read again.
    proven: BTreeSet<String>,
}

impl Secrets for Keys {
    fn versions(&self, name: &str) -> Option<&[Secret]> {
        self.secrets.versions(name)
    }

    fn was_proven(&self, check: &Check<'_>) -> bool {
        !self.proven.is_empty() && self.proven.contains(&check.name())
    }

    /// A connection may pin a certificate's public key under its URL, where nothing can be fetched.
    fn certificate(&self, url: &str) -> Certificate {
        match self.secrets.versions(url).and_then(<[Secret]>::first) {
            Some(pinned) => Certificate::Key(pinned.reveal().to_vec()),
            None => self.certificates.get(url, self.now),
        }
    }
}

impl ConnectorHost {
    /// Calls the connector, on its connection's turn, where blocking is allowed. A certificate that it needs is fetched
    /// first, and the call made again: nothing happened in it.
    ///
    /// # Errors
    /// [`NotCalled`]: nothing happened.
    pub async fn call(
        &self,
        connection: &Arc<Connection>,
        webhook: &RawWebhook,
        now: u64,
        proven: &BTreeSet<String>,
    ) -> Result<Result<Received, CallError>, NotCalled> {
        let mut fetched = 0;
        loop {
            let called = self.in_sandbox(connection, webhook, now, proven, Connector::receive).await?;
            let url = called.as_ref().err().and_then(|error| error.certificate_url.as_deref());
            let Some(url) = url.filter(|_| fetched < CERTIFICATES_MAX) else { return Ok(called) };
            fetched += 1;
            let hosts = &connection.connector.manifest().hosts;
            if !self.certificates.fetch(&self.egress, &connection.name, url, hosts, (self.now)()).await {
                return Ok(called);
            }
        }
    }

    async fn in_sandbox<T: Send + 'static>(
        &self,
        connection: &Arc<Connection>,
        webhook: &RawWebhook,
        now: u64,
        proven: &BTreeSet<String>,
        function: fn(&Connector, &Call<'_>) -> T,
    ) -> Result<T, NotCalled> {
        let _turn = connection.turn().await.ok_or(NotCalled::Busy)?;
        let entropy = self.tenant_key.entropy(&connection.name, &webhook.body);
        let secrets = Arc::clone(&connection.secrets);
        let certificates = Arc::clone(&self.certificates);
        let keys = Arc::new(Keys { secrets, certificates, now: (self.now)(), proven: proven.clone() });
        let (connection, webhook) = (Arc::clone(connection), webhook.clone());
        let work = move || {
            let headers: Vec<(&str, &str)> =
                webhook.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let call = Call {
                context: Context { connection: &connection.name, config: &connection.config, now, entropy: &entropy },
                webhook: Webhook { method: &webhook.method, url: &webhook.url, headers: &headers, body: &webhook.body },
                secrets: keys,
            };
            function(&connection.connector, &call)
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| NotCalled::Panicked)
    }

    /// Confirms a subscription by a request of our own, before the provider is answered: if that fails, it asks again.
    ///
    /// # Errors
    /// [`NotConfirmed`]: the provider has to ask again.
    pub async fn confirm(
        &self,
        connection: &Arc<Connection>,
        webhook: &RawWebhook,
        request_id: &str,
    ) -> Result<(), NotConfirmed> {
        if !connection.connector.confirms() {
            return Ok(());
        }
        let name = connection.name.as_str();
        let asked = self.in_sandbox(connection, webhook, (self.now)(), &BTreeSet::new(), Connector::confirm).await?;
        let url = asked.map_err(|error| {
            ConfirmationFailed { request_id, connection: name, error: &error }.emit();
            NotConfirmed::Failed
        })?;
        let Some(url) = url else { return Ok(()) };
        let allowed = &connection.connector.manifest().hosts.confirmations;
        let problem = match self.egress.get(&url, allowed).await {
            Ok(response) if (200..300).contains(&response.status) => {
                SubscriptionConfirmed { request_id, connection: name }.emit();
                return Ok(());
            }
            Ok(response) => format!("status {}", response.status),
            Err(error) => error.to_string(),
        };
        SubscriptionNotConfirmed { request_id, connection: name, problem: &problem }.emit();
        Err(NotConfirmed::Refused)
    }
}

/// Writes what a connector logged.
pub fn log_lines(request_id: &str, connection: &Connection, lines: &[LogLine], dropped: u64) {
    let connection = connection.name.as_str();
    for line in lines {
        let message = line.message.as_str();
        match line.level {
            Level::Debug => ConnectorSaysDebug { request_id, connection, message }.emit(),
            Level::Info => ConnectorSaysInfo { request_id, connection, message }.emit(),
            Level::Warn => ConnectorSaysWarn { request_id, connection, message }.emit(),
            Level::Error => ConnectorSaysError { request_id, connection, message }.emit(),
        }
    }
    if dropped > 0 {
        ConnectorLogsTooMuch { request_id, connection, dropped }.emit();
    }
}
