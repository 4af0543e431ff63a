//! What a connector describes is sent.

use std::sync::Arc;
use std::time::Duration;

use rapport_model::Timestamp;
use rapport_model::exchange::{Exchange, Request, TransportError};
use rapport_model::secret::Secret;
use tokio::time::Instant;

use crate::blobs::Blobs;
use crate::door::Egress;
use crate::grants::{AwsKeys, Grants};
use crate::limits::{REQUEST_BYTES_MAX, SEND_MS_MAX, TRANSFER_MS_MAX};
use crate::prepared::{Prepared, Refused, method};
use crate::wire::{Done, Failure};

/// A request, and all that it is filled with.
#[derive(Clone)]
pub struct Sending<'a> {
    pub request: &'a Request,
    pub grants: &'a Grants,
    /// What OAuth 2 gave, for a request that asks for it.
    pub token: Option<&'a Secret>,
    /// The role that signs requests to AWS.
    pub aws: Option<&'a AwsKeys>,
    pub status_url: Option<&'a str>,
    pub unsubscribe_url: Option<&'a str>,
    pub blobs: Arc<dyn Blobs>,
    /// How long it may take. Never longer than [`SEND_MS_MAX`], or [`TRANSFER_MS_MAX`] if it may be repeated.
    pub limit: Duration,
    /// Our clock, for signatures.
    pub now: Timestamp,
    /// What the boundary of a form is made of.
    pub entropy: [u8; 16],
}

/// What came of a request.
#[derive(Clone, Debug)]
pub struct Sent {
    pub exchange: Exchange,
    pub trace: Trace,
}

/// What may be logged of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    pub method: String,
    /// Without secrets, values of the query, and what could be an address or a number. Empty: it is not a URL.
    pub url: String,
    pub status: Option<u16>,
    pub ms: u64,
    /// Bytes that were written, above TLS. None: nothing left.
    pub sent_bytes: u64,
    pub received_bytes: u64,
    /// Why there is no response.
    pub problem: Option<String>,
}

/// Nothing left, and the request was not at fault: it can be sent again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotStarted {
    #[error("the blob store failed before the request left: {0}")]
    Blobs(String),
    #[error("the request was not ready in time")]
    Late,
}

impl Egress {
    /// Sends a request over a connection of its own, which is closed when this ends. Nothing is ever repeated here.
    ///
    /// # Errors
    /// [`NotStarted`]: nothing left.
    pub async fn send(&self, sending: &Sending<'_>) -> Result<Sent, NotStarted> {
        let began = Instant::now();
        let deadline = began + time_for(sending.request.repeatable, sending.limit);
        let mut trace = Trace { method: method(sending.request.method).to_string(), ..Trace::default() };
        let prepared = tokio::time::timeout_at(deadline, Prepared::new(sending)).await;
        let prepared = prepared.unwrap_or(Err(NotStarted::Late))?;
        let exchange = match prepared {
            Err((refused, shown)) => {
                trace.url = shown.unwrap_or_default();
                Err(error_of_refusal(refused))
            }
            Ok(prepared) => {
                trace.url.clone_from(&prepared.url.shown);
                match self.may_leave(sending.grants) {
                    Err(denied) => Err(denied),
                    Ok(()) => self.performed(prepared, sending, deadline, &mut trace).await,
                }
            }
        };
        trace.status = exchange.as_ref().ok().map(|response| response.status);
        if let (Err(error), None) = (&exchange, &trace.problem) {
            trace.problem = Some(problem_of(error));
        }
        trace.ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(Sent { exchange, trace })
    }

    async fn performed(
        &self,
        prepared: Prepared,
        sending: &Sending<'_>,
        deadline: Instant,
        trace: &mut Trace,
    ) -> Exchange {
        let mask = prepared.mask.clone();
        let keep = sending.request.keep;
        let Done { read, sent_bytes, received_bytes } =
            self.ask(prepared, sending.grants.stand_in, keep, &sending.blobs, deadline).await;
        (trace.sent_bytes, trace.received_bytes) = (sent_bytes, received_bytes);
        read.map_err(|failure| {
            let (error, problem) = error_of_failure(failure);
            trace.problem = problem.map(|problem| mask.text(&problem));
            error
        })
    }

    /// Whether anything of this connection may leave: never for real by accident.
    pub(crate) fn may_leave(&self, grants: &Grants) -> Result<(), TransportError> {
        let why = match (self.is_deployment, grants.stand_in, grants.live) {
            (true, None, _) | (false, Some(_), _) | (false, None, true) => return Ok(()),
            (true, Some(_), _) => {
                "a deployment sends to providers only, and the connection names a stand-in; fix: remove \
                 `sending.base-url` of the connection"
            }
            (false, None, false) => {
                "nothing leaves outside of a deployment; fix: set `sending.base-url = \"http://127.0.0.1:9000\"` of the \
                 connection to send to a server of yours, or `sending.live = true` to send to the provider"
            }
        };
        Err(TransportError::Denied(why.to_owned()))
    }
}

/// Whether a request may leave: its host, what each secret is used for, its header fields and its size. Nothing leaves.
///
/// # Errors
/// Why not, with the fix.
pub async fn check(sending: &Sending<'_>) -> Result<(), String> {
    match Prepared::new(sending).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err((Refused::Denied(denied), _))) => Err(denied.0),
        Ok(Err((Refused::TooLarge, _))) => Err(problem_of(&TransportError::RequestTooLarge(REQUEST_BYTES_MAX))),
        Err(not_started) => Err(not_started.to_string()),
    }
}

/// How long a request may take, if its caller gives it so much.
fn time_for(is_repeatable: bool, limit: Duration) -> Duration {
    let max = if is_repeatable { TRANSFER_MS_MAX } else { SEND_MS_MAX };
    limit.min(Duration::from_millis(max))
}

fn error_of_refusal(refused: Refused) -> TransportError {
    match refused {
        Refused::Denied(denied) => TransportError::Denied(denied.0),
        Refused::TooLarge => TransportError::RequestTooLarge(REQUEST_BYTES_MAX),
    }
}

/// An error in the contract's words, and what the log says besides.
pub(crate) fn error_of_failure(failure: Failure) -> (TransportError, Option<String>) {
    match failure {
        Failure::Private => {
            let why =
                "the name resolves only to private addresses, which Rapport must not call; fix: use a public host";
            (TransportError::Denied(why.to_owned()), None)
        }
        Failure::Dns(problem) => (TransportError::Dns, Some(problem)),
        Failure::Connect(problem) => (TransportError::Connect, Some(problem)),
        Failure::Tls(problem) => (TransportError::Tls, Some(problem)),
        Failure::Interrupted(problem) => (TransportError::Interrupted, Some(problem)),
        Failure::Timeout => (TransportError::Timeout, None),
        Failure::TooLarge(status) => (TransportError::ResponseTooLarge(status), None),
    }
}

fn problem_of(error: &TransportError) -> String {
    match error {
        TransportError::Denied(why) => why.clone(),
        TransportError::RequestTooLarge(max) => format!("the body has more than {max} bytes"),
        TransportError::Timeout => "no answer in time".to_owned(),
        TransportError::ResponseTooLarge(status) => format!("the body of the response {status} is too large"),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_request_has_a_maximum_whatever_its_caller_gives() {
        let hour = Duration::from_secs(3_600);
        assert_eq!(time_for(false, hour), Duration::from_millis(SEND_MS_MAX));
        assert_eq!(time_for(true, hour), Duration::from_millis(TRANSFER_MS_MAX));
        assert_eq!(time_for(false, Duration::from_millis(3)), Duration::from_millis(3));
    }
}
