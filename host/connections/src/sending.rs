//! A connector's requests are sent: manifest, operator and secrets become grants, and the way out does the rest.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rapport_config::SendingConfig;
use rapport_egress::{AwsKeys, Blobs, Bound, Grants, NotStarted, Sending, Sent};
use rapport_model::exchange::{Authorization, Exchange, Request, TransportError};
use rapport_model::secret::Secret;
use rapport_sandbox::{Manifest, Secrets};
use rapport_telemetry::{ProviderAnswered, ProviderNotAsked, ProviderSilent};
use ring::digest::{Context, SHA256};
use tokio::time::Instant;

use crate::call::ConnectorHost;
use crate::connections::{Connection, ConnectionError};
use crate::redaction::{Known, Redaction};
use crate::secrets::SecretValues;
use crate::tokens::Tokens;

/// What a connection sends with.
pub struct Sender {
    grants: Grants,
    tokens: Tokens,
}

/// One step of a connector: requests that it wants to be sent, and what they are filled with.
pub struct Step<'a> {
    /// What the log calls it, such as the id of an intent.
    pub work: &'a str,
    /// One that must not be repeated, or any number that may be.
    pub requests: &'a [Request],
    /// How long all of it may take.
    pub limit: Duration,
    pub status_url: Option<&'a str>,
    pub unsubscribe_url: Option<&'a str>,
    pub blobs: Arc<dyn Blobs>,
    /// The role that signs requests to AWS. `None`: there is none here.
    pub aws: Option<&'a AwsKeys>,
    /// Of this attempt: what boundaries of forms are made of.
    pub entropy: &'a [u8; 32],
}

impl Sender {
    /// Grants of a connection: what its manifest asks for, and its operator allows.
    ///
    /// # Errors
    /// The operator grants what the manifest does not ask for.
    pub(crate) fn new(
        connection: &str,
        manifest: &Manifest,
        written: &SendingConfig,
        secrets: &SecretValues,
    ) -> Result<Self, ConnectionError> {
        check(connection, manifest, written)?;
        let bound = manifest.secrets.iter().map(|(name, known)| {
            let value = secrets.versions(name).and_then(<[Secret]>::first).cloned();
            (name.clone(), Bound { used: known.used.clone(), value: value.filter(|_| known.used.is_for_sending()) })
        });
        let grants = Grants {
            hosts: manifest.hosts.api.clone(),
            narrowed: written.hosts.clone(),
            secrets: bound.collect(),
            aws: manifest.aws.clone(),
            granted: written.aws.clone(),
            stand_in: written.base_url,
            live: written.live,
        };
        Ok(Self { tokens: Tokens::of(&grants), grants })
    }

    /// What it may do outside.
    pub fn grants(&self) -> &Grants {
        &self.grants
    }
}

/// Checks what an operator grants against what the manifest asks for.
pub(crate) fn check(connection: &str, manifest: &Manifest, written: &SendingConfig) -> Result<(), ConnectionError> {
    let names = || (connection.to_owned(), manifest.id.clone());
    if manifest.hosts.api.is_empty() && *written != SendingConfig::default() {
        let (connection, connector) = names();
        return Err(ConnectionError::SendsNothing { connection, connector });
    }
    for (service, actions) in &written.aws {
        let asked: &[String] = manifest.aws.get(service).map_or(&[], Vec::as_slice);
        if let Some(action) = actions.iter().find(|action| !asked.contains(action)) {
            let (connection, connector) = names();
            return Err(ConnectionError::Aws { connection, connector, what: format!("{service}:{action}") });
        }
    }
    Ok(())
}

impl ConnectorHost {
    /// Sends the requests of one step, in their order, and says what came of each. The socket of each is closed by then.
    ///
    /// A connector never sees a secret, a token or a URL that the host filled in: they are taken out of what comes back.
    ///
    /// # Errors
    /// [`NotStarted`]: the step can be made again. Only requests that may be repeated have left.
    pub async fn perform(&self, connection: &Connection, step: &Step<'_>) -> Result<Vec<Exchange>, NotStarted> {
        let until = Instant::now() + step.limit;
        let is_alone = step.requests.len() == 1 || step.requests.iter().all(|request| request.repeatable);
        let mut exchanges = Vec::with_capacity(step.requests.len());
        for (place, request) in step.requests.iter().enumerate() {
            let sent =
                if is_alone { self.one(connection, step, request, place, until).await? } else { refused(NOT_ALONE) };
            log(step.work, connection, &sent);
            exchanges.push(seen(sent.exchange, &connection.known_secrets));
        }
        Ok(exchanges)
    }

    async fn one(
        &self,
        connection: &Connection,
        step: &Step<'_>,
        request: &Request,
        place: usize,
        until: Instant,
    ) -> Result<Sent, NotStarted> {
        let Sender { grants, tokens } = &connection.sender;
        let Authorization::Oauth2(name) = &request.authorization else {
            return self.sent(grants, step, request, place, None, until).await;
        };
        let mut known = None;
        loop {
            let ask = tokens.get(name, known.as_ref(), self, connection, grants, until);
            let token = match ask.await {
                Ok(token) => token,
                Err(error) => return Ok(Sent { exchange: Err(error), trace: Default::default() }),
            };
            let sent = self.sent(grants, step, request, place, Some(&token), until).await?;
            let is_refused = sent.exchange.as_ref().is_ok_and(|response| response.status == 401);
            // A token may end before its time. A request that is answered 401 was not processed.
            if !is_refused || known.is_some() {
                return Ok(sent);
            }
            log(step.work, connection, &sent);
            known = Some(token);
        }
    }

    async fn sent(
        &self,
        grants: &Grants,
        step: &Step<'_>,
        request: &Request,
        place: usize,
        token: Option<&Secret>,
        until: Instant,
    ) -> Result<Sent, NotStarted> {
        let Step { status_url, unsubscribe_url, aws, .. } = *step;
        let sending = Sending {
            request,
            grants,
            token,
            aws,
            status_url,
            unsubscribe_url,
            blobs: Arc::clone(&step.blobs),
            limit: until.saturating_duration_since(Instant::now()),
            now: (self.now)(),
            entropy: boundary(step.entropy, place),
        };
        self.egress.send(&sending).await
    }
}

const NOT_ALONE: &str = "a request that must not be repeated stands beside others; fix: `perform` it alone, or mark it \
                         `repeatable`";

fn refused(why: &str) -> Sent {
    Sent { exchange: Err(TransportError::Denied(why.to_owned())), trace: Default::default() }
}

fn boundary(entropy: &[u8; 32], place: usize) -> [u8; 16] {
    let mut context = Context::new(&SHA256);
    context.update(b"rapport boundary\0");
    context.update(entropy);
    context.update(&(place as u64).to_be_bytes());
    context.finish().as_ref()[..16].try_into().expect("SHA-256 has 32 bytes")
}

/// The way out has taken out what it filled in, in the usual forms. Here every secret of the connection goes, in every form.
fn seen(exchange: Exchange, known: &Known) -> Exchange {
    exchange.map(|response| Redaction::of_unproven(known).response(response))
}

fn log(work: &str, connection: &Connection, sent: &Sent) {
    let (connection, trace) = (connection.name.as_str(), &sent.trace);
    let (method, url, ms) = (trace.method.as_str(), trace.url.as_str(), trace.ms);
    let (sent_bytes, received_bytes) = (trace.sent_bytes, trace.received_bytes);
    let problem = trace.problem.as_deref().unwrap_or_default();
    match &sent.exchange {
        Ok(response) => {
            let status = response.status;
            ProviderAnswered { work, connection, method, url, status, ms, sent_bytes, received_bytes }.emit();
        }
        Err(error) if error.left() => {
            ProviderSilent { work, connection, method, url, error: word(error), problem, ms, sent_bytes }.emit();
        }
        Err(error) => {
            ProviderNotAsked { work, connection, method, url, error: word(error), problem: why(error, problem) }.emit()
        }
    }
}

fn why<'a>(error: &'a TransportError, problem: &'a str) -> &'a str {
    match error {
        TransportError::Denied(why) => why,
        _ => problem,
    }
}

/// The contract's word for an error.
fn word(error: &TransportError) -> &'static str {
    match error {
        TransportError::Denied(_) => "denied",
        TransportError::Dns => "dns",
        TransportError::Connect => "connect",
        TransportError::Tls => "tls",
        TransportError::RequestTooLarge(_) => "request-too-large",
        TransportError::Interrupted => "interrupted",
        TransportError::Timeout => "timeout",
        TransportError::ResponseTooLarge(_) => "response-too-large",
    }
}

/// Every secret that nothing may show, with those that stand inside of another one.
pub(crate) fn all_values(manifest: &Manifest, secrets: &SecretValues) -> BTreeMap<String, Vec<Secret>> {
    let mut all: BTreeMap<String, Vec<Secret>> = BTreeMap::new();
    for (name, value) in secrets.all() {
        let values = all.entry(name.to_owned()).or_default();
        values.push(Secret::new(value));
        if let Some(rapport_model::secret::Use::Oauth2(used)) = manifest.secrets.get(name).map(|known| &known.used)
            && let Ok(client) = rapport_egress::Client::read(&Secret::new(value), used)
        {
            values.extend(client.values().map(Secret::new));
        }
    }
    all
}
