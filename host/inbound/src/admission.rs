//! The door of providers: what a request's head and body must prove before a sandbox starts.
//!
//! | first | then |
//! |---|---|
//! | the connection's name, its credentials, a token or the form of a signature: the head alone | 401, and no byte of the body is read |
//! | the MAC of the body, while it arrives | 401, and no connector was called |
//! | what only the connector can say | its turn, its sandbox |
//!
//! A request without proof gets the same answer for a known and for an unknown connection, so that names cannot be guessed.
//! The log says which one it was, for an operator who mistyped a name.

use std::sync::Arc;

use rapport_connections::{Connection, credentials};
use rapport_sandbox::{Entry, Pending};
use rapport_store::RawWebhook;
use rapport_telemetry::{WebhookRefused, WebhooksRefused};

use crate::inbound::Inbound;
use crate::receive::{Answer, Incoming};
use crate::refusal::Refusal;

/// The answer to a request without proof.
pub(crate) const UNPROVEN: &str = "the webhook is not proven to come from a connection's provider; the operator finds the reason \
                                   in the log, under the x-request-id";

/// A webhook without its body.
pub struct RequestHead {
    /// The name in the URL.
    pub connection: String,
    /// The second part of the URL, where there is one: for providers that sign nothing.
    pub token: Option<String>,
    pub method: String,
    /// The public URL, without the token.
    pub url: String,
    /// Names in lower case, in order of arrival.
    pub headers: Vec<(String, String)>,
    pub request_id: String,
}

/// A webhook that may go on, with as much of its body as was read.
pub struct Admitted {
    head: RequestHead,
    connection: Arc<Connection>,
    /// The proof that the body has to bear out.
    pending: Option<Pending>,
    body: Vec<u8>,
}

impl Inbound {
    /// Lets a webhook in whose head does not speak against it.
    ///
    /// # Errors
    /// 401 nothing proves it, or there is no such connection; 500 its connection cannot be set up.
    pub fn admit(&self, head: RequestHead) -> Result<Admitted, Refusal> {
        let found = self.connection(&head.connection)?;
        let Some(connection) = found else {
            let why = "no connection of that name; fix: check the webhook URL at the provider, or the configuration";
            return Err(self.refuse_unproven(None, &head, why));
        };
        let pending = match self.prove(&connection, &head) {
            Ok(pending) => pending,
            Err(why) => return Err(self.refuse_unproven(Some(&connection), &head, &why)),
        };
        if let Some(suppressed) = connection.refusals.rest((self.now)()) {
            WebhooksRefused { connection: &connection.name, suppressed }.emit();
        }
        Ok(Admitted { head, connection, pending, body: Vec::new() })
    }

    /// What has to be proven by the body; or why nothing can.
    fn prove(&self, connection: &Connection, head: &RequestHead) -> Result<Option<Pending>, String> {
        // Credentials stand in for a signature; what is signed besides is for the connector.
        if credentials::check(connection, head.token.as_deref(), &head.headers)? {
            return Ok(None);
        }
        let Some(gate) = &connection.gate else { return Ok(None) };
        match gate.enter(&head.method, &head.url, &head.headers) {
            Ok(Entry::Open | Entry::Proven) => Ok(None),
            Ok(Entry::Pending(pending)) => Ok(Some(pending)),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Receives a webhook whose body was read.
    ///
    /// # Errors
    /// 401 its body is not the one that was signed; else those of [`receive`](Self::receive).
    pub async fn receive_admitted(&self, admitted: Admitted) -> Answer {
        let Admitted { head, connection, pending, body } = admitted;
        if let (Some(pending), Some(gate)) = (pending, &connection.gate)
            && let Err(error) = pending.finish(gate, &body)
        {
            return Err(self.refuse_unproven(Some(&connection), &head, &error.to_string()));
        }
        let RequestHead { method, url, headers, request_id, .. } = head;
        let webhook = RawWebhook { method, url, headers, body };
        self.receive_proven(&connection, webhook, request_id).await
    }

    /// Receives one webhook.
    ///
    /// It answers 200 only when everything it has to keep is stored. It stores nothing of an unverified webhook.
    ///
    /// # Errors
    /// 401 not from the provider, or no such connection; 413 too large; 500 the connector failed before it had verified;
    /// 503 storage did not take it or too many wait: the provider delivers again.
    pub async fn receive(&self, incoming: Incoming) -> Answer {
        let Incoming { connection, token, webhook, request_id } = incoming;
        let RawWebhook { method, url, headers, body } = webhook;
        let mut admitted = self.admit(RequestHead { connection, token, method, url, headers, request_id })?;
        if body.len() > admitted.body_bytes_max() {
            return Err(Refusal::too_large(format!("the body is larger than {} bytes", admitted.body_bytes_max())));
        }
        admitted.read(&body);
        self.receive_admitted(admitted).await
    }

    fn refuse_unproven(&self, connection: Option<&Connection>, head: &RequestHead, detail: &str) -> Refusal {
        let refusals = connection.map_or(&self.host.connections.unknown, |connection| &connection.refusals);
        let refusal = Refusal::unauthenticated(UNPROVEN);
        if let Some(suppressed) = refusals.count((self.now)()) {
            let (request_id, status, reason) = (head.request_id.as_str(), refusal.status(), refusal.name());
            // An unknown name is any text that a sender chose, so it is cut.
            let name: String = head.connection.chars().take(NAME_CHARS_SHOWN_MAX).collect();
            let name = connection.map_or(format!("{name:?}"), |connection| connection.name.clone());
            let (connection, connector, sandbox_us) = (name.as_str(), None, None);
            WebhookRefused { request_id, connection, connector, sandbox_us, status, reason, detail, suppressed }.emit();
        }
        refusal
    }
}

/// Characters of an unknown connection's name that the log shows: enough to see the slip of a finger.
const NAME_CHARS_SHOWN_MAX: usize = 64;

impl Admitted {
    /// Bytes that its body may have.
    pub fn body_bytes_max(&self) -> usize {
        self.connection.connector.manifest().limits.body_bytes()
    }

    /// The next bytes of its body.
    pub fn read(&mut self, bytes: &[u8]) {
        if let (Some(pending), Some(gate)) = (&mut self.pending, &self.connection.gate) {
            pending.update(gate, bytes);
        }
        self.body.extend_from_slice(bytes);
    }

    /// Bytes that it has so far.
    pub fn body_bytes(&self) -> usize {
        self.body.len()
    }
}
