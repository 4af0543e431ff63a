//! The way through the steps of an operation, as if each request were answered at once.
//!
//! ```ignore
//! impl Sending for Acme {
//!     fn run(cx: &Context, operation: &Operation, history: &[Exchange]) -> Turn {
//!         steps::run(history, |steps| match operation {
//!             Operation::Send(message) => send(message, steps),
//!             other => Err(other.unsupported().into()),
//!         })
//!     }
//! }
//!
//! fn send(message: &Outgoing, steps: &mut Steps<'_>) -> Result<(), Stop> {
//!     for (part, body) in message.parts.iter().enumerate() {
//!         let request = Request::post("https://api.acme.test/v1/messages").bearer("access-token").json(&body_of(body)?);
//!         let answer = steps.perform(request)?.success()?;
//!         let sent: Sent = answer.json()?;
//!         steps.accept(part, sent.id)?;
//!     }
//!     Ok(())
//! }
//! ```
//!
//! [`Steps::perform`] gives the answer if `history` has one. If not, it ends the run with `?`, the host performs the
//! request, and the connector runs again from the start. What was accepted before is in every turn.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::http::{Answer, Exchange, Kept, Request, Response, TransportError};
use crate::polling::{self, Batch, Step};
use crate::sending::{Accepted, Failure, Outcome, Turn};
use crate::{Event, ProviderError};

/// Bytes of a provider's error that are repeated in `detail`: its codes and sentences, and no page of HTML.
const DETAIL_BYTES_MAX: usize = 4 * 1024;
/// Bytes of a provider's id, as the host counts them.
const ID_BYTES_MAX: usize = 1_024;
/// Characters of an error's title.
const TITLE_CHARACTERS_MAX: usize = 200;

/// The place in the history of an operation, and what is achieved so far.
#[derive(Debug)]
pub struct Steps<'h> {
    history: &'h [Exchange],
    /// What every turn says.
    pub so_far: Outcome,
}

/// Why a run ends before its end.
#[derive(Clone, Debug, PartialEq)]
pub enum Stop {
    /// These requests have to be performed first.
    Perform(Vec<Request>),
    /// It cannot be done.
    Failed(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Runs an operation on what came of its requests so far.
pub fn run<'h>(history: &'h [Exchange], operation: impl FnOnce(&mut Steps<'h>) -> Result<(), Stop>) -> Turn {
    let mut steps = Steps::of(history);
    match operation(&mut steps) {
        Ok(()) => Turn::done(steps.so_far),
        Err(Stop::Perform(requests)) => Turn::perform(steps.so_far, requests),
        Err(Stop::Failed(failure)) => Turn::failed(steps.so_far, failure),
    }
}

/// Runs a poll on what came of its requests so far. A request that is not repeatable fails it.
pub fn poll<'h>(history: &'h [Exchange], poll: impl FnOnce(&mut Steps<'h>) -> Result<Batch, Stop>) -> Step {
    match poll(&mut Steps::of(history)) {
        Ok(batch) => Step::Done(batch),
        Err(Stop::Perform(requests)) if requests.iter().any(|request| !request.repeatable) => {
            let why = "a poll asks for a request that is not repeatable; fix: `.repeatable()`, if it is";
            Step::Failed(polling::Failure::Other(why.into()))
        }
        Err(Stop::Perform(requests)) => Step::Perform(requests),
        Err(Stop::Failed(failure)) => Step::Failed(failure.into()),
    }
}

impl<'h> Steps<'h> {
    fn of(history: &'h [Exchange]) -> Self {
        Self { history, so_far: Outcome::nothing() }
    }

    /// The answer to a request, in a step of its own.
    ///
    /// # Errors
    /// [`Stop::Perform`] if it was not performed yet. [`Stop::Failed`] if there was no response: `undetermined` if the
    /// request may have been processed and is not repeatable.
    pub fn perform(&mut self, request: Request) -> Result<Answered<'h>, Stop> {
        let is_repeatable = request.repeatable;
        let exchange = self.exchange(request)?;
        Answered::of(exchange, is_repeatable)
    }

    /// What came of a request: for a connector that does something of its own if there was no response, such as a look-up.
    ///
    /// # Errors
    /// [`Stop::Perform`] if it was not performed yet.
    pub fn exchange(&mut self, request: Request) -> Result<&'h Exchange, Stop> {
        let Some((exchange, rest)) = self.history.split_first() else { return Err(Stop::Perform(vec![request])) };
        self.history = rest;
        Ok(exchange)
    }

    /// The answers to several requests in one step, in their order.
    ///
    /// # Errors
    /// [`Stop::Perform`] of those that were not performed yet. [`Stop::Failed`] if one has no response, or is not
    /// repeatable: such a request stands alone in its step.
    pub fn together(&mut self, requests: Vec<Request>) -> Result<Vec<Answered<'h>>, Stop> {
        if requests.len() > 1 && requests.iter().any(|request| !request.repeatable) {
            let why = "a request that is not repeatable has to stand alone in its step; fix: `steps.perform`";
            return Err(Stop::Failed(Failure::Other(why.into())));
        }
        let (done, rest) = self.history.split_at(self.history.len().min(requests.len()));
        if done.len() < requests.len() {
            return Err(Stop::Perform(requests.into_iter().skip(done.len()).collect()));
        }
        self.history = rest;
        done.iter().zip(&requests).map(|(exchange, request)| Answered::of(exchange, request.repeatable)).collect()
    }

    /// Says that the provider has taken a part of the message, by its number from 0, and the provider's id.
    ///
    /// # Errors
    /// `undetermined` if that is not an id: an empty text, or one of more than 1,024 bytes, which the host does not take.
    pub fn accept(&mut self, part: usize, id: impl Into<String>) -> Result<(), Stop> {
        let (id, part) = (id.into(), u32::try_from(part).unwrap_or(u32::MAX));
        if id.is_empty() || id.len() > ID_BYTES_MAX {
            let error = ProviderError::new("answer/no-id", "the provider took it, and gave no id that can be kept");
            return Err(Stop::Failed(Failure::Undetermined(error)));
        }
        let accepted = Accepted { part, id };
        if !self.so_far.accepted.contains(&accepted) {
            self.so_far.accepted.push(accepted);
        }
        Ok(())
    }

    /// Adds what the provider said on the way: a changed identifier, a withdrawn consent.
    pub fn tell(&mut self, event: Event) {
        self.so_far.events.push(event);
    }
}

/// What a provider answered to a request.
#[derive(Clone, Copy, Debug)]
pub struct Answered<'h> {
    response: &'h Response,
    /// Whether its request is repeatable.
    is_repeatable: bool,
}

impl<'h> Answered<'h> {
    fn of(exchange: &'h Exchange, is_repeatable: bool) -> Result<Self, Stop> {
        match exchange {
            Ok(response) => Ok(Self { response, is_repeatable }),
            Err(error) => Err(Stop::Failed(failure_of(error, is_repeatable))),
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.response.status
    }

    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.response.status)
    }

    /// The value of the first header field of this name, which is given in lower case.
    pub fn header(&self, name: &str) -> Option<&'h str> {
        let field = self.response.headers.iter().find(|(found, _)| found == name);
        field.map(|(_, value)| value.as_str())
    }

    /// The body; of a body that was kept nothing.
    pub fn body(&self) -> &'h [u8] {
        match &self.response.body {
            Answer::Bytes(bytes) => bytes,
            Answer::Kept(_) => &[],
        }
    }

    /// The body that was kept.
    ///
    /// # Errors
    /// A failure if it was not: its request did not ask for that, or the status is no 2xx.
    pub fn kept(&self) -> Result<&'h Kept, Failure> {
        match &self.response.body {
            Answer::Kept(kept) => Ok(kept),
            Answer::Bytes(_) => Err(self.unreadable("expected a body in the blob store, found none")),
        }
    }

    /// The answer if its status is 2xx.
    ///
    /// # Errors
    /// The [`failure`](Self::failure) of every other status.
    pub fn success(self) -> Result<Self, Failure> {
        if self.is_success() { Ok(self) } else { Err(self.failure()) }
    }

    /// The body as JSON, of an answer that says the request was processed.
    ///
    /// # Errors
    /// If it is not such JSON: `undetermined`, because the provider may have processed the request; of a repeatable
    /// request a failure of the provider.
    pub fn json<T: Deserialize<'h>>(&self) -> Result<T, Failure> {
        serde_json::from_slice(self.body()).map_err(|error| {
            // The column may be one of text that a customer wrote; the words of the error are the parser's.
            self.unreadable(&format!(
                "expected JSON of the documented form, found another body: {:?}",
                error.classify()
            ))
        })
    }

    /// The body as JSON, if it is such JSON: for errors, which come from proxies, too.
    pub fn try_json<T: Deserialize<'h>>(&self) -> Option<T> {
        serde_json::from_slice(self.body()).ok()
    }

    /// Milliseconds that the provider asks to wait: `retry-after` in seconds.
    pub fn retry_after_ms(&self) -> Option<u64> {
        let seconds: u64 = self.header("retry-after")?.trim().parse().ok()?;
        seconds.checked_mul(1000)
    }

    /// The failure that a status means at most providers; the connector's own table of errors comes first.
    ///
    /// | Status | Failure |
    /// |---|---|
    /// | 401, 402, 403 | `account` |
    /// | 408, 5xx | `undetermined`; of a repeatable request `provider`, retryable |
    /// | 413 | `unsupported-content` |
    /// | 425, 429 | `rate-limited`, as long as `retry-after` says |
    /// | all others | `provider` |
    ///
    /// After `rate-limited` the connection waits. Only the conversation does, if the extension `rapport.limit` of the outcome is `"pair"`.
    pub fn failure(&self) -> Failure {
        match self.status() {
            401..=403 => Failure::Account(self.error()),
            413 => Failure::UnsupportedContent("the provider says that the request is too large".into()),
            425 | 429 => Failure::RateLimited(self.retry_after_ms()),
            408 | 500.. => self.maybe(self.error()),
            _ => Failure::Provider(self.error()),
        }
    }

    /// The status and the body as the contract's error: the code is `http/<status>`.
    pub fn error(&self) -> ProviderError {
        let status = self.status();
        let error = ProviderError::new(format!("http/{status}"), format!("the provider answered {status}"));
        let short = Some(self.body()).filter(|body| body.len() <= DETAIL_BYTES_MAX);
        match short.and_then(|body| serde_json::from_slice::<&RawValue>(body).ok()) {
            Some(detail) => error.with_detail(detail),
            None => error,
        }
    }

    /// The failure of a request that may have been processed.
    pub fn maybe(&self, error: ProviderError) -> Failure {
        if self.is_repeatable { Failure::Provider(error.retryable()) } else { Failure::Undetermined(error) }
    }

    fn unreadable(&self, why: &str) -> Failure {
        let error = ProviderError::new("answer/unreadable", why);
        if self.is_repeatable { Failure::Provider(error) } else { Failure::Undetermined(error) }
    }
}

/// The failure of a request without a response. Nothing left: the same may work later. It left, or may have: nobody knows,
/// unless the request is repeatable.
pub fn failure_of(error: &TransportError, is_repeatable: bool) -> Failure {
    let (code, title) = match error {
        TransportError::Denied(why) => return Failure::Provider(ProviderError::new("transport/denied", why)),
        TransportError::RequestTooLarge(limit) => return Failure::TooLarge(*limit),
        TransportError::Dns => ("transport/dns", "the provider's name has no address"),
        TransportError::Connect => ("transport/connect", "no connection to the provider"),
        TransportError::Tls => ("transport/tls", "no TLS connection to the provider"),
        TransportError::Interrupted => ("transport/interrupted", "the connection broke before the response"),
        TransportError::Timeout => ("transport/timeout", "no response in time"),
        TransportError::ResponseTooLarge(_) => ("transport/response-too-large", "the response is too large"),
    };
    let error_of = ProviderError::new(code, title);
    if error.left() && !is_repeatable {
        Failure::Undetermined(error_of)
    } else {
        Failure::Provider(error_of.retryable())
    }
}

impl TransportError {
    /// Whether the request left, or may have left: then nobody knows if the provider did what it asks for.
    pub fn left(&self) -> bool {
        matches!(self, Self::Interrupted | Self::Timeout | Self::ResponseTooLarge(_))
    }
}

/// A title of at most 200 characters in one line, of text that a provider wrote.
pub fn title(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(TITLE_CHARACTERS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ok(status: u16, headers: &[(&str, &str)], body: &str) -> Exchange {
        let headers = headers.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        Ok(Response { status, headers, body: Answer::Bytes(body.into()) })
    }

    fn two_parts(history: &[Exchange]) -> Turn {
        run(history, |steps| {
            let uploads = vec![Request::get("https://a.test/1"), Request::get("https://a.test/2")];
            for upload in steps.together(uploads)? {
                upload.success()?;
            }
            for part in 0..2 {
                let answer = steps.perform(Request::post("https://a.test/send"))?.success()?;
                let id: String = answer.json()?;
                steps.accept(part, id)?;
            }
            Ok(())
        })
    }

    fn asked(turn: &Turn) -> usize {
        match &turn.next {
            crate::sending::Next::Perform(requests) => requests.len(),
            _ => 0,
        }
    }

    #[test]
    fn a_run_goes_on_where_its_history_ends_and_keeps_what_is_accepted() {
        let history = [ok(200, &[], ""), ok(204, &[], ""), ok(200, &[], "\"m-1\""), ok(200, &[], "\"m-2\"")];
        let turns: Vec<Turn> = (0..=4).map(|length| two_parts(&history[..length])).collect();
        assert_eq!(turns.iter().map(asked).collect::<Vec<_>>(), [2, 1, 1, 1, 0]);
        assert_eq!(turns.iter().map(|turn| turn.so_far.accepted.len()).collect::<Vec<_>>(), [0, 0, 0, 1, 2]);
        assert_eq!(turns[4].next, crate::sending::Next::Done);
        let cut =
            two_parts(&[history[0].clone(), history[1].clone(), history[2].clone(), Err(TransportError::Timeout)]);
        assert!(matches!(cut.next, crate::sending::Next::Failed(Failure::Undetermined(_))), "{cut:?}");
        assert_eq!(cut.so_far.accepted, [Accepted { part: 0, id: "m-1".into() }]);
    }

    #[test]
    fn a_request_that_is_not_repeatable_stands_alone() {
        let turn = run(&[], |steps| {
            let requests = vec![Request::get("https://a.test/"), Request::post("https://a.test/")];
            steps.together(requests).map(|_| ())
        });
        let crate::sending::Next::Failed(Failure::Other(why)) = turn.next else { panic!("{turn:?}") };
        assert!(why.contains("; fix: "), "{why}");
        let failed = poll(&[], |steps| steps.perform(Request::post("https://a.test/")).map(|_| panic!("no answer")));
        assert!(matches!(failed, Step::Failed(polling::Failure::Other(why)) if why.contains("not repeatable")));
    }

    #[test]
    fn what_a_status_means_depends_on_whether_the_request_may_be_repeated() {
        let failed = |exchange: Exchange, request: Request| {
            let history = [exchange];
            let turn = run(&history, |steps| steps.perform(request)?.success().map(|_| ()).map_err(Stop::from));
            match turn.next {
                crate::sending::Next::Failed(failure) => failure,
                other => panic!("{other:?}"),
            }
        };
        let (post, get) = (|| Request::post("https://a.test/"), || Request::get("https://a.test/"));
        assert_eq!(failed(ok(429, &[("retry-after", "7")], ""), post()), Failure::RateLimited(Some(7_000)));
        assert_eq!(failed(ok(429, &[("retry-after", "soon")], ""), post()), Failure::RateLimited(None));
        assert!(
            matches!(failed(ok(503, &[], "<html>"), post()), Failure::Undetermined(error) if error.detail.is_none())
        );
        assert!(matches!(failed(ok(503, &[], "{}"), get()), Failure::Provider(error) if error.retryable));
        assert!(matches!(failed(ok(302, &[], ""), post()), Failure::Provider(error) if !error.retryable));
        let account = failed(ok(401, &[], "{\"code\":1}"), post());
        assert!(matches!(account, Failure::Account(error) if error.detail.as_deref() == Some("{\"code\":1}")));
        for (error, is_lost) in [
            (TransportError::Dns, false),
            (TransportError::Connect, false),
            (TransportError::Tls, false),
            (TransportError::Interrupted, true),
            (TransportError::Timeout, true),
            (TransportError::ResponseTooLarge(200), true),
        ] {
            let failure = failed(Err(error.clone()), post());
            assert_eq!(matches!(failure, Failure::Undetermined(_)), is_lost, "{error:?}");
            assert!(matches!(failed(Err(error), get()), Failure::Provider(error) if error.retryable));
        }
        assert_eq!(failed(Err(TransportError::RequestTooLarge(7)), post()), Failure::TooLarge(7));
    }

    #[test]
    fn a_body_that_cannot_be_read_leaves_open_what_happened() {
        for body in ["", "<html>", "{", "[1]"] {
            let history = [ok(200, &[], body)];
            let turn = run(&history, |steps| {
                let answer = steps.perform(Request::post("https://a.test/"))?;
                let _: String = answer.json()?;
                Ok(())
            });
            assert!(matches!(turn.next, crate::sending::Next::Failed(Failure::Undetermined(_))), "{turn:?}");
        }
    }
}
