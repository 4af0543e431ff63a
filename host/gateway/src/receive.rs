//! A provider's webhook becomes durable events, and only then is it answered 200.

use std::sync::Arc;

use rapport_model::Event;
use rapport_sandbox::{
    Call, CallError, Context, FailureKind, HttpResponse, Level, Log, Receipt, Received, Rejection, Secrets, Webhook,
};
use rapport_store::events::{NewEvent, Put};
use rapport_store::parked::NewParked;
use rapport_store::{RawWebhook, StoreError};

use crate::Gateway;
use crate::connections::{Connection, PATH_TOKEN};
use crate::content;
use crate::http::same_secret;
use crate::problem::Problem;

/// A webhook as it arrived.
pub struct Incoming {
    /// The name in the URL.
    pub connection: String,
    /// The second part of the URL, where there is one: for providers that sign nothing.
    pub token: Option<String>,
    pub webhook: RawWebhook,
    pub request_id: String,
}

/// What the provider is told.
pub type Answer = Result<HttpResponse, Problem>;

/// A webhook on its way into storage.
pub(crate) struct Delivery<'a> {
    pub connection: &'a Connection,
    /// Without what [`kept`] leaves out.
    pub webhook: RawWebhook,
    pub received_at: u64,
    /// What it is called in the log.
    pub name: &'a str,
}

/// What a call of a connector means, before anything is done about it.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    /// Store the events, then answer.
    Take(Receipt),
    /// Verified, but not ours: answered 200, and nothing is stored.
    Ignore(String),
    /// Verified, but not handled: kept whole, answered 200.
    Park { reason: &'static str, detail: String },
    /// Not taken, and nothing is left of it.
    Refuse { problem: Problem, detail: String },
}

impl Gateway {
    /// Receives one webhook.
    ///
    /// 200 only when nothing of it can be lost any more. What is not verified leaves nothing behind.
    ///
    /// # Errors
    /// 401 not from the provider, 404 no such connection, 500 the connector failed before it had verified, 503 storage
    /// did not take it or too many wait: the provider delivers again.
    pub async fn receive(&self, incoming: Incoming) -> Answer {
        let Incoming { connection: name, token, webhook, request_id } = incoming;
        let Some(connection) = self.connections.get(&name) else {
            return Err(Problem::not_found("no connection of that name; fix: check the webhook URL at the provider"));
        };
        check_token(connection, token.as_deref())?;
        let received_at = (self.now)();
        let called = self.call(connection, &webhook, received_at).await?;
        log_lines(&request_id, connection, log_of(&called));
        let verdict = judge(called, connection.connector.manifest().unsigned.is_some());
        let delivery = Delivery { connection, webhook: kept(webhook), received_at, name: &request_id };
        self.carry_out(verdict, delivery).await
    }

    /// Calls the connector, on its connection's turn, where blocking is allowed.
    pub(crate) async fn call(
        &self,
        connection: &Arc<Connection>,
        webhook: &RawWebhook,
        now: u64,
    ) -> Result<Result<Received, CallError>, Problem> {
        let busy = || Problem::unavailable("too many webhooks of this connection wait; deliver it again");
        let _turn = connection.turn().await.ok_or_else(busy)?;
        let entropy = self.table.tenant_key().entropy(&connection.name, &webhook.body);
        let (connection, webhook) = (Arc::clone(connection), webhook.clone());
        let work = move || {
            let headers: Vec<(&str, &str)> =
                webhook.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            connection.connector.receive(&Call {
                context: Context { connection: &connection.name, config: &connection.config, now, entropy: &entropy },
                webhook: Webhook { method: &webhook.method, url: &webhook.url, headers: &headers, body: &webhook.body },
                secrets: connection.secrets.clone(),
            })
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| Problem::internal("the sandbox panicked"))
    }

    async fn carry_out(&self, verdict: Verdict, delivery: Delivery<'_>) -> Answer {
        let Delivery { connection: Connection { name: connection, .. }, name: request_id, .. } = delivery;
        let not_stored = |error: StoreError| {
            tracing::error!(request_id, connection, %error, "webhook not stored");
            Problem::unavailable("storage did not take the webhook; deliver it again")
        };
        match verdict {
            Verdict::Refuse { problem, detail } => {
                tracing::warn!(request_id, connection, status = problem.status, detail, "webhook refused");
                Err(problem)
            }
            Verdict::Ignore(detail) => {
                tracing::info!(request_id, connection, detail, "webhook ignored");
                Ok(ok())
            }
            Verdict::Park { reason, detail } => {
                self.park(delivery, reason, detail).await.map_err(not_stored)?;
                Ok(ok())
            }
            Verdict::Take(receipt) => {
                if !receipt.events.is_empty() {
                    self.store(receipt.events, delivery).await.map_err(not_stored)?;
                }
                Ok(receipt.response.unwrap_or_else(ok))
            }
        }
    }

    /// Makes events durable; a webhook with an event that has no place is parked besides, whole.
    pub(crate) async fn store(&self, events: Vec<Event>, delivery: Delivery<'_>) -> Result<(), StoreError> {
        let Delivery { connection, webhook, received_at, name } = &delivery;
        let mut new = Vec::with_capacity(events.len());
        let mut unplaced = None;
        for (position, event) in events.into_iter().enumerate() {
            match content::place(&self.table, &event) {
                Ok((eid, key)) => new.push(NewEvent {
                    eid,
                    key,
                    event,
                    connection: connection.name.clone(),
                    connector_digest: connection.connector.digest().to_owned(),
                    received_at: *received_at,
                }),
                Err(detail) => unplaced = unplaced.or(Some(format!("event {position}: {detail}"))),
            }
        }
        let Put { new, duplicates, write_units } = self.table.put_events(new, webhook.clone()).await?;
        let connection = connection.name.as_str();
        tracing::info!(request_id = name, connection, new, duplicates, write_units, "events stored");
        if let Some(detail) = unplaced {
            self.park(delivery, "invalid-event", detail).await?;
        }
        if new > 0 {
            self.stored.notify_one();
        }
        Ok(())
    }

    async fn park(&self, delivery: Delivery<'_>, reason: &'static str, detail: String) -> Result<(), StoreError> {
        let Delivery { connection, webhook, received_at, name } = delivery;
        let connector_digest = connection.connector.digest().to_owned();
        let connection = connection.name.clone();
        tracing::error!(request_id = name, connection, reason, detail, connector_digest, "webhook parked");
        let new = NewParked { connection, received_at, reason, detail, connector_digest, webhook };
        self.table.park(new).await.map(drop)
    }
}

/// What the outcome of a call means. Pure: all rules of acknowledgement are here.
///
/// `unsigned`: the connector's provider signs nothing, and the URL's token has stood in for a signature.
pub(crate) fn judge(called: Result<Received, CallError>, unsigned: bool) -> Verdict {
    let refuse = |detail: String, problem: fn(&'static str) -> Problem, public| Verdict::Refuse {
        problem: problem(public),
        detail,
    };
    match called {
        Err(error) if error.kind == FailureKind::Busy => {
            refuse(error.detail, Problem::unavailable, "all sandboxes are busy; deliver it again")
        }
        Err(error) if error.verified || unsigned => Verdict::Park { reason: error.kind.name(), detail: error.detail },
        Err(error) => refuse(
            error.to_string(),
            Problem::connector_failed,
            "the connector failed before it had verified the webhook; nothing was stored",
        ),
        Ok(received) => judge_answer(received, unsigned),
    }
}

fn judge_answer(received: Received, unsigned: bool) -> Verdict {
    let verified = received.verified || unsigned;
    let unverified = |detail: String| Verdict::Refuse {
        problem: Problem::connector_failed("the connector judged a webhook that it had not verified"),
        detail: format!("{detail}; fix: the connector must call `verify` first"),
    };
    match received.outcome {
        Err(Rejection::Unauthenticated(detail)) => Verdict::Refuse {
            problem: Problem::unauthenticated("the webhook is not proven to come from the provider"),
            detail,
        },
        Err(Rejection::Ignored(detail)) if verified => Verdict::Ignore(detail),
        Err(Rejection::Malformed(detail)) if verified => Verdict::Park { reason: "malformed", detail },
        Err(Rejection::Unsupported(detail)) if verified => Verdict::Park { reason: "unsupported", detail },
        Err(Rejection::Ignored(detail) | Rejection::Malformed(detail) | Rejection::Unsupported(detail)) => {
            unverified(detail)
        }
        // A handshake is answered before anything can be verified, but only in so many words.
        Ok(receipt) if verified || (receipt.events.is_empty() && receipt.response.is_some()) => Verdict::Take(receipt),
        Ok(receipt) => unverified(format!("{} events without a verification", receipt.events.len())),
    }
}

/// A provider that signs nothing proves itself by the token in the URL; for all others there is none.
fn check_token(connection: &Connection, token: Option<&str>) -> Result<(), Problem> {
    let unsigned = connection.connector.manifest().unsigned.is_some();
    match (unsigned, token) {
        (false, None) => Ok(()),
        (false, Some(_)) => Err(Problem::not_found("this connection's URL ends with its name")),
        (true, token) => {
            let versions = connection.secrets.versions(PATH_TOKEN).unwrap_or_default();
            let given = token.unwrap_or_default().as_bytes();
            // Every version is compared, so that the time does not tell which one is near.
            let known = versions.iter().fold(false, |known, version| known | same_secret(version.reveal(), given));
            let missing = || Problem::unauthenticated("the URL lacks the connection's token: /hooks/<name>/<token>");
            known.then_some(()).ok_or_else(missing)
        }
    }
}

/// Headers that the way here added or that hold credentials: they say nothing to a connector that reads it again.
const NOT_KEPT: &[&str] = &[
    "accept",
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "host",
    "traceparent",
    "tracestate",
    "transfer-encoding",
    "user-agent",
    "via",
    "x-amzn-trace-id",
    "x-forwarded-for",
    "x-forwarded-port",
    "x-forwarded-proto",
];

/// The webhook as it is stored: with its first event, or parked.
fn kept(mut webhook: RawWebhook) -> RawWebhook {
    webhook.headers.retain(|(name, _)| !NOT_KEPT.contains(&name.as_str()));
    webhook
}

fn ok() -> HttpResponse {
    HttpResponse { status: 200, headers: Vec::new(), body: Vec::new() }
}

fn log_of(called: &Result<Received, CallError>) -> &Log {
    match called {
        Ok(received) => &received.log,
        Err(error) => &error.log,
    }
}

fn log_lines(request_id: &str, connection: &Connection, log: &Log) {
    let connection = connection.name.as_str();
    for line in &log.lines {
        let message = line.message.as_str();
        match line.level {
            Level::Debug => tracing::debug!(request_id, connection, message, "connector says"),
            Level::Info => tracing::info!(request_id, connection, message, "connector says"),
            Level::Warn => tracing::warn!(request_id, connection, message, "connector says"),
            Level::Error => tracing::error!(request_id, connection, message, "connector says"),
        }
    }
    if log.dropped > 0 {
        tracing::warn!(request_id, connection, dropped = log.dropped, "connector logs too much");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rapport_sandbox::Usage;

    fn answered(outcome: Result<Receipt, Rejection>, verified: bool) -> Result<Received, CallError> {
        Ok(Received { outcome, verified, log: Log::default(), usage: Usage::default() })
    }

    fn failed(kind: FailureKind, verified: bool) -> Result<Received, CallError> {
        Err(CallError { kind, detail: "d".into(), verified, log: Log::default(), usage: Usage::default() })
    }

    fn status(verdict: &Verdict) -> u16 {
        match verdict {
            Verdict::Take(_) | Verdict::Ignore(_) | Verdict::Park { .. } => 200,
            Verdict::Refuse { problem, .. } => problem.status,
        }
    }

    fn event() -> rapport_model::Event {
        rapport_model::Event {
            id: "1".into(),
            at: 1,
            account: "a".into(),
            contact: Default::default(),
            body: rapport_model::event::Body::ContactUpdated,
            extensions: Default::default(),
        }
    }

    #[test]
    fn a_verified_failure_is_parked_and_an_unverified_one_leaves_nothing() {
        use FailureKind::{Deadline, Memory, OutputTooLarge, Trap};
        for kind in [Deadline, Memory, OutputTooLarge, Trap] {
            let verdict = judge(failed(kind, true), false);
            assert_eq!(verdict, Verdict::Park { reason: kind.name(), detail: "d".into() });
            assert_eq!(status(&judge(failed(kind, false), false)), 500);
        }
        assert_eq!(status(&judge(failed(FailureKind::Busy, true), false)), 503, "busy is not the connector's doing");
    }

    #[test]
    fn a_rejection_is_believed_only_after_a_verification() {
        let why = || "w".to_owned();
        for rejection in [Rejection::Ignored(why()), Rejection::Malformed(why()), Rejection::Unsupported(why())] {
            assert_eq!(status(&judge(answered(Err(rejection.clone()), true), false)), 200);
            assert_eq!(status(&judge(answered(Err(rejection.clone()), false), false)), 500);
            assert_eq!(status(&judge(answered(Err(rejection), false), true)), 200, "the URL's token stood in");
        }
        for verified in [false, true] {
            assert_eq!(status(&judge(answered(Err(Rejection::Unauthenticated(why())), verified), false)), 401);
        }
    }

    #[test]
    fn without_a_verification_there_are_no_events_and_no_silent_success() {
        let receipt = |events, response| Ok(Receipt { response, events });
        assert_eq!(status(&judge(answered(receipt(vec![event()], None), false), false)), 500);
        assert_eq!(status(&judge(answered(receipt(vec![event()], Some(ok())), false), false)), 500);
        assert_eq!(status(&judge(answered(receipt(vec![], None), false), false)), 500);
        assert!(matches!(judge(answered(receipt(vec![], Some(ok())), false), false), Verdict::Take(_)), "a handshake");
        assert!(matches!(judge(answered(receipt(vec![event()], None), true), false), Verdict::Take(_)));
    }
}
