//! What came of a request: what the connector says of the answer, held against what the transport knows.
//!
//! The host alone decides between "not sent" and "nobody knows". A connector that takes a broken connection or a 500 for a
//! refusal would have the message sent a second time by a person.

use rapport_model::event::ProviderError;
use rapport_model::exchange::{Response, TransportError};
use rapport_model::sending::intent::{Cause, End, words_of};
use rapport_model::sending::{Failure, LIMIT, Next, Outcome};

/// Milliseconds to wait if nothing left: the name, the connection or the store may be back then.
pub const AGAIN_MS: u64 = 5_000;
/// Milliseconds to wait if the provider refuses a rate and does not say until when.
pub const LIMITED_MS: u64 = 30_000;
/// Milliseconds that a refused rate waits at least, also if the provider says 0.
pub const LIMITED_MS_MIN: u64 = 1_000;
/// Milliseconds that a refused rate waits at most: a day. No provider counts a rate over more, so more is a mistake.
pub const LIMITED_MS_MAX: u64 = 24 * 3_600_000;

/// What is to be written down.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The exchange counts, and the intent goes on or ends.
    Recorded(Option<End>),
    /// The provider did not process it: again, not before so many milliseconds.
    NotSent { wait_ms: u64, limits: Limited },
    /// A rule forbids it, so nothing left. The text says which one and how to change it.
    Denied(String),
    /// Nothing left, and it never will.
    Failed(Cause),
    /// It left, or may have, and nobody knows whether it was processed.
    Unknown { error: String, status: Option<u16> },
}

/// Who waits besides the message that did not leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limited {
    /// Nobody.
    Nothing,
    /// Every message of its conversation.
    Pair,
    /// Every message of its connection.
    Connection,
}

/// Of a request without an answer.
pub fn of_transport(error: &TransportError) -> Verdict {
    let (word, status) = words_of(error);
    match error {
        _ if error.left() => Verdict::Unknown { error: word.to_owned(), status },
        TransportError::Denied(why) => Verdict::Denied(why.clone()),
        TransportError::RequestTooLarge(bytes) => {
            Verdict::Failed(Cause::of("too-large").saying(format!("at most {bytes} bytes")))
        }
        _ => Verdict::NotSent { wait_ms: AGAIN_MS, limits: Limited::Nothing },
    }
}

/// Of an answer, by what the connector says of it. `has_grown`: it says that the provider has more parts than before.
pub fn of_answer(response: &Response, is_repeatable: bool, next: &Next, has_grown: bool) -> Verdict {
    let failure = match next {
        Next::Done => return Verdict::Recorded(Some(End::Done)),
        Next::Perform(_) => return Verdict::Recorded(None),
        Next::Failed(failure) => failure,
    };
    let status = response.status;
    let is_broken = status >= 500;
    let unknown = |error: &str| Verdict::Unknown { error: error.to_owned(), status: Some(status) };
    match failure {
        _ if has_grown => Verdict::Recorded(Some(End::Failed(failure.into()))),
        Failure::RateLimited(wait_ms) if !is_broken || status == 503 || is_repeatable => {
            limited(Limited::Connection, *wait_ms, response)
        }
        _ if status == 429 => limited(Limited::Connection, None, response),
        Failure::Undetermined(error) => unknown(word_of(error)),
        // One that can be repeated is made again.
        _ if is_broken => unknown("server-error"),
        _ => Verdict::Recorded(Some(End::Failed(failure.into()))),
    }
}

/// A limit of which the connector says that it is of this customer alone.
pub fn narrowed(verdict: Verdict, so_far: &Outcome) -> Verdict {
    let is_pair = so_far.extensions.get(LIMIT).and_then(serde_json::Value::as_str) == Some("pair");
    match verdict {
        Verdict::NotSent { wait_ms, limits: Limited::Connection } if is_pair => {
            Verdict::NotSent { wait_ms, limits: Limited::Pair }
        }
        other => other,
    }
}

/// Whether a failure is the account's: its token, its payment, its standing.
pub fn is_of_account(next: &Next) -> bool {
    matches!(next, Next::Failed(Failure::Account(_)))
}

fn limited(limits: Limited, wait_ms: Option<u64>, response: &Response) -> Verdict {
    Verdict::NotSent { wait_ms: limited_ms(wait_ms.or_else(|| retry_after_ms(response))), limits }
}

/// Milliseconds to wait at a limit of which the provider says so many.
pub(crate) fn limited_ms(said: Option<u64>) -> u64 {
    said.unwrap_or(LIMITED_MS).clamp(LIMITED_MS_MIN, LIMITED_MS_MAX)
}

/// `Retry-After` in seconds (RFC 9110 §10.2.3). The form with a date is rare, and waits for the default.
fn retry_after_ms(response: &Response) -> Option<u64> {
    let (_, value) = response.headers.iter().find(|(name, _)| name == "retry-after")?;
    value.trim().parse::<u64>().ok().map(|seconds| seconds.saturating_mul(1_000))
}

/// The provider's code, or a word of ours.
fn word_of(error: &ProviderError) -> &str {
    if error.code.is_empty() { "undetermined" } else { &error.code }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rapport_model::exchange::Answer;
    use rapport_model::sending::Failure;

    fn answer(status: u16, headers: &[(&str, &str)]) -> Response {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Response { status, headers, body: Answer::Bytes(Vec::new()) }
    }

    fn error(code: &str) -> ProviderError {
        ProviderError { code: code.to_owned(), title: String::new(), detail: None, retryable: false }
    }

    fn said(status: u16, failure: Failure) -> Verdict {
        of_answer(&answer(status, &[]), false, &Next::Failed(failure), false)
    }

    #[test]
    fn a_broken_server_leaves_it_open_whatever_the_connector_says() {
        for failure in [Failure::Provider(error("1")), Failure::OutsideWindow, Failure::Other("x".into())] {
            assert!(matches!(said(500, failure.clone()), Verdict::Unknown { status: Some(500), .. }), "{failure:?}");
            assert!(matches!(said(400, failure), Verdict::Recorded(Some(End::Failed(_)))));
        }
        assert!(matches!(said(502, Failure::RateLimited(None)), Verdict::Unknown { .. }));
        assert!(matches!(said(400, Failure::Undetermined(error(""))), Verdict::Unknown { .. }));
        let repeated = of_answer(&answer(500, &[]), true, &Next::Failed(Failure::Provider(error("1"))), false);
        assert!(matches!(repeated, Verdict::Unknown { .. }), "it is made again");
    }

    #[test]
    fn a_refused_rate_waits_as_long_as_the_provider_says_and_a_second_at_least() {
        let waits = |verdict| match verdict {
            Verdict::NotSent { wait_ms, limits: Limited::Connection } => wait_ms,
            other => panic!("{other:?}"),
        };
        assert_eq!(waits(said(429, Failure::RateLimited(Some(0)))), LIMITED_MS_MIN);
        assert_eq!(waits(said(400, Failure::RateLimited(Some(7_000)))), 7_000);
        assert_eq!(waits(said(503, Failure::RateLimited(None))), LIMITED_MS);
        assert_eq!(waits(said(429, Failure::Account(error("1")))), LIMITED_MS);
        let said = |seconds| answer(429, &[("retry-after", seconds)]);
        let next = Next::Failed(Failure::RateLimited(None));
        assert_eq!(waits(of_answer(&said("12"), false, &next, false)), 12_000);
        assert_eq!(waits(of_answer(&said("0"), false, &next, false)), LIMITED_MS_MIN);
    }

    #[test]
    fn a_limit_of_one_customer_stops_nobody_else() {
        let pair = Outcome { extensions: [(LIMIT.to_owned(), "pair".into())].into(), ..Outcome::default() };
        let limit = |ms| Verdict::NotSent { wait_ms: ms, limits: Limited::Pair };
        assert_eq!(narrowed(said(400, Failure::RateLimited(Some(6_000))), &pair), limit(6_000));
        assert_eq!(narrowed(said(429, Failure::RateLimited(Some(u64::MAX))), &pair), limit(LIMITED_MS_MAX));
        let of_all = narrowed(said(429, Failure::RateLimited(None)), &Outcome::default());
        assert_eq!(of_all, Verdict::NotSent { wait_ms: LIMITED_MS, limits: Limited::Connection });
        assert!(matches!(narrowed(said(500, Failure::RateLimited(Some(1))), &pair), Verdict::Unknown { .. }));
    }

    #[test]
    fn what_did_not_leave_is_told_from_what_may_have() {
        let of = |error| of_transport(&error);
        for left in [TransportError::Timeout, TransportError::Interrupted, TransportError::ResponseTooLarge(200)] {
            assert!(matches!(of(left), Verdict::Unknown { .. }));
        }
        for not_left in [TransportError::Dns, TransportError::Connect, TransportError::Tls] {
            assert_eq!(of(not_left), Verdict::NotSent { wait_ms: AGAIN_MS, limits: Limited::Nothing });
        }
        assert_eq!(of(TransportError::Denied("why".into())), Verdict::Denied("why".into()));
        assert!(matches!(of(TransportError::RequestTooLarge(5)), Verdict::Failed(_)));
    }

    #[test]
    fn a_part_that_was_accepted_counts_although_the_rest_fails() {
        let next = Next::Failed(Failure::Provider(error("1")));
        assert!(matches!(of_answer(&answer(500, &[]), false, &next, true), Verdict::Recorded(Some(End::Failed(_)))));
    }
}
