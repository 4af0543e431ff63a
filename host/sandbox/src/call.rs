//! One call of a connector: what goes in, what comes out, and the state that its imports act on.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use rapport_model::{Event, Timestamp};
use thiserror::Error;

use crate::limits::{Budget, LOG_LINE_BYTES_MAX, LOG_LINES_MAX, VERIFY_CALLS_MAX};
use crate::manifest::{Hosts, Manifest};
use crate::secrets::Secrets;
use crate::verify::{self, Check, KeyError, SignatureAlgorithm};

/// All that one call of a connector may know.
pub struct Call<'a> {
    /// What is not in the payload. Recorded with it, it makes the call repeatable.
    pub context: Context<'a>,
    /// What the provider sent.
    pub webhook: Webhook<'a>,
    /// What `verify` checks with.
    pub secrets: Arc<dyn Secrets>,
}

/// The contract's `context`.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The configured connection, such as `acme-eu`.
    pub connection: &'a str,
    /// JSON, valid against the manifest's schema. Never holds a secret.
    pub config: &'a str,
    /// The host's clock.
    pub now: Timestamp,
    /// Unpredictable for whoever has not the tenant key; the same again when the call is replayed.
    pub entropy: &'a [u8; 32],
}

/// The contract's `webhook`.
#[derive(Clone, Copy, Debug)]
pub struct Webhook<'a> {
    /// In upper case.
    pub method: &'a str,
    /// The public URL as the provider called it, query included.
    pub url: &'a str,
    /// In order of arrival, names in lower case, repeats kept.
    pub headers: &'a [(&'a str, &'a str)],
    /// As it arrived.
    pub body: &'a [u8],
}

impl Webhook<'_> {
    pub(crate) fn size(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.method.len() + self.url.len() + headers + self.body.len()
    }
}

/// What a connector answered, and what it took.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// Its answer.
    pub outcome: Result<Receipt, Rejection>,
    /// Whether any `verify` import said yes in this call. Refuse the events of a receipt where none did, unless the
    /// manifest has `unsigned`.
    pub verified: bool,
    /// What `verify` said yes to, as [`Check::name`] writes it. Kept with a webhook that is parked, it stands for the proofs
    /// when the call is made again.
    pub proven: BTreeSet<String>,
    /// Whether a check had no answer because a certificate could not be had: then it may have one later.
    pub unavailable: bool,
    /// What it logged.
    pub log: Log,
    /// What it used.
    pub usage: Usage,
}

/// The contract's `receipt`.
#[derive(Clone, Debug, PartialEq)]
pub struct Receipt {
    /// `None`: 200 with an empty body.
    pub response: Option<HttpResponse>,
    /// At most [`EVENTS_MAX`](crate::EVENTS_MAX), in the connector's order.
    pub events: Vec<Event>,
    /// What the webhook held besides and could not be read: a line each, held to what a log line is held to. At most
    /// [`UNREAD_LINES_MAX`](crate::UNREAD_LINES_MAX), and one that counts the rest.
    pub unread: Vec<String>,
    /// A value that the provider uses once.
    pub nonce: Option<String>,
}

/// The contract's `response`. The status is from 200 to 599; header names and values are as the connector wrote them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpResponse {
    /// From 200 to 599.
    pub status: u16,
    /// In the connector's order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// The contract's `rejection`: why a connector took nothing from a webhook. Each says it for the operator, in one line of
/// at most [`LOG_LINE_BYTES_MAX`] bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// Not from the provider.
    Unauthenticated(String),
    /// Signed and understood, but not ours.
    Ignored(String),
    /// Not what the provider documents.
    Malformed(String),
    /// Documented, but not handled by this version of the connector.
    Unsupported(String),
}

/// What a connector logged in one call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// The first [`LOG_LINES_MAX`] lines.
    pub lines: Vec<LogLine>,
    /// How many came after them.
    pub dropped: u64,
}

/// One line that a connector logged: at most [`LOG_LINE_BYTES_MAX`] bytes, control characters escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// How grave.
    pub level: Level,
    /// What.
    pub message: String,
}

/// How grave a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// For whoever writes the connector.
    Debug,
    /// For whoever runs it.
    Info,
    /// Something is odd.
    Warn,
    /// Something is lost.
    Error,
}

/// What one call used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Wall time from the instance's creation to its end, in microseconds.
    pub wall_us: u64,
    /// The most linear memory that the connector had, in bytes.
    pub peak_memory_bytes: u64,
    /// Instructions, as wasmtime's fuel counts them; only in a sandbox with [`Metering::Fuel`](crate::Metering::Fuel).
    pub fuel: Option<u64>,
}

/// A call that ended without an answer. Nothing of its output is kept.
#[derive(Clone, Debug, PartialEq, Error)]
#[error("{kind}: {detail}")]
pub struct CallError {
    /// What kind of failure.
    pub kind: FailureKind,
    /// What is known of it, for the operator.
    pub detail: String,
    /// Whether a `verify` import had said yes before: then the webhook is the provider's and may be parked.
    pub verified: bool,
    /// What it had said yes to, as [`Received::proven`].
    pub proven: BTreeSet<String>,
    /// What the connector had logged before.
    pub log: Log,
    /// What it had used.
    pub usage: Usage,
    /// Of [`FailureKind::NotFetched`]: the URL of the certificate, one that the manifest allows.
    pub certificate_url: Option<String>,
}

/// How a call failed. All but [`Busy`](Self::Busy) and [`NotFetched`](Self::NotFetched) are the connector's doing, and
/// would happen again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailureKind {
    /// It ran out of CPU time, or of wall time.
    Deadline,
    /// It wanted more memory or tables than it may have.
    Memory,
    /// It crashed: a panic, a stack overflow, a wild pointer.
    Trap,
    /// It returned more than the host takes, in bytes or in events.
    OutputTooLarge,
    /// It called `verify` too often.
    TooManyHostCalls,
    /// It returned what the contract does not allow: text that is not UTF-8, a number that is none.
    InvalidOutput,
    /// It could not be started.
    Instantiation,
    /// The host had no free slot in time. Not the connector's doing: the provider may try again.
    Busy,
    /// It does not export the interface. The configuration names the wrong connector.
    NotExported,
    /// It needs a certificate that the host has not fetched yet: fetch it, then make the same call again.
    NotFetched,
}

impl FailureKind {
    /// Its name in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deadline => "deadline",
            Self::Memory => "memory",
            Self::Trap => "trap",
            Self::OutputTooLarge => "output-too-large",
            Self::TooManyHostCalls => "too-many-host-calls",
            Self::InvalidOutput => "invalid-output",
            Self::Instantiation => "instantiation",
            Self::Busy => "busy",
            Self::NotExported => "not-exported",
            Self::NotFetched => "certificate-not-fetched",
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// What the imports of one call act on.
pub(crate) struct State {
    pub(crate) budget: Budget,
    secrets: Arc<dyn Secrets>,
    /// Which certificates `verify` may use.
    hosts: Hosts,
    certificate_url: Option<String>,
    verify_calls: u32,
    verified: bool,
    proven: BTreeSet<String>,
    unavailable: bool,
    log: Log,
    pub(crate) fuel: Option<u64>,
}

/// Where the key of a question is.
pub(crate) enum Key {
    Named,
    Certificate(SignatureAlgorithm),
}

/// What became of a question, when there was no yes or no.
pub(crate) enum Unanswered {
    Key(KeyError),
    /// The manifest does not allow the certificate's host.
    Denied,
}

/// Ends a call that searches for a secret.
#[derive(Debug, Error)]
#[error("more than {VERIFY_CALLS_MAX} calls of `verify`")]
pub(crate) struct TooManyHostCalls;

/// Ends a call until a certificate is fetched.
#[derive(Debug, Error)]
#[error("the certificate is not fetched yet")]
pub(crate) struct NotFetched;

impl State {
    pub(crate) fn new(manifest: &Manifest, secrets: Arc<dyn Secrets>) -> Self {
        Self {
            budget: Budget::new(&manifest.limits),
            secrets,
            hosts: manifest.hosts.clone(),
            certificate_url: None,
            verify_calls: 0,
            verified: false,
            proven: BTreeSet::new(),
            unavailable: false,
            log: Log::default(),
            fuel: None,
        }
    }

    /// Counts one check, and remembers whether one said yes. The error ends the call.
    pub(crate) fn check(&mut self, key: Key, check: Check<'_>) -> wasmtime::Result<Result<bool, Unanswered>> {
        self.verify_calls += 1;
        if self.verify_calls > VERIFY_CALLS_MAX {
            return Err(TooManyHostCalls.into());
        }
        let answer = match key {
            // It was proven when it came; since then its secret may have gone, and its proof was taken out.
            _ if self.secrets.was_proven(&check) => Ok(true),
            Key::Named => verify::answer(&*self.secrets, &check),
            Key::Certificate(_) if !self.hosts.allow_certificate(check.key) => return Ok(Err(Unanswered::Denied)),
            Key::Certificate(algorithm) => verify::answer_by_certificate(&*self.secrets, algorithm, &check),
        };
        if answer == Err(KeyError::NotFetched) {
            self.certificate_url = Some(check.key.to_owned());
            return Err(NotFetched.into());
        }
        if answer == Ok(true) {
            self.verified = true;
            self.proven.insert(check.name());
        }
        self.unavailable |= answer == Err(KeyError::Unavailable);
        self.secrets.checked(&Check { answer: answer.ok(), ..check });
        Ok(answer.map_err(Unanswered::Key))
    }

    pub(crate) fn write_log(&mut self, level: Level, message: &str) {
        if self.log.lines.len() < LOG_LINES_MAX {
            self.log.lines.push(LogLine { level, message: one_line(message) });
        } else {
            self.log.dropped += 1;
        }
    }

    pub(crate) fn into_received(self, outcome: Result<Receipt, Rejection>) -> Received {
        let usage = self.usage();
        let Self { verified, proven, unavailable, log, .. } = self;
        Received { outcome, verified, proven, unavailable, log, usage }
    }

    pub(crate) fn into_log(self) -> (Log, Usage) {
        let usage = self.usage();
        (self.log, usage)
    }

    pub(crate) fn into_error(self, kind: FailureKind, detail: String) -> CallError {
        let usage = self.usage();
        let certificate_url = self.certificate_url.clone().filter(|_| kind == FailureKind::NotFetched);
        let Self { verified, proven, log, .. } = self;
        CallError { kind, detail, verified, proven, log, usage, certificate_url }
    }

    fn usage(&self) -> Usage {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        Usage {
            wall_us: micros(self.budget.deadline.elapsed()),
            peak_memory_bytes: u64::try_from(self.budget.peak_memory_bytes()).unwrap_or(u64::MAX),
            fuel: self.fuel,
        }
    }
}

impl CallError {
    pub(crate) fn busy(detail: String) -> Self {
        let (log, usage) = (Log::default(), Usage::default());
        let proven = BTreeSet::new();
        Self { kind: FailureKind::Busy, detail, verified: false, proven, log, usage, certificate_url: None }
    }
}

/// Escapes what would start a new line or colour a terminal, and cuts what is too long.
pub(crate) fn one_line(message: &str) -> String {
    const CUT: &str = "…";
    let mut line = String::with_capacity(message.len().min(LOG_LINE_BYTES_MAX));
    for character in message.chars() {
        let before = line.len();
        if character.is_control() {
            write!(line, "{}", character.escape_default()).expect("writing to a string does not fail");
        } else {
            line.push(character);
        }
        if line.len() > LOG_LINE_BYTES_MAX - CUT.len() {
            line.truncate(before);
            line.push_str(CUT);
            break;
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_line_is_one_line() {
        assert_eq!(one_line("a\nb\u{1b}[31m\0"), "a\\nb\\u{1b}[31m\\u{0}");
        assert_eq!(one_line("grün 👋"), "grün 👋");
    }

    #[test]
    fn a_long_log_line_is_cut_between_characters() {
        for message in ["x".repeat(5_000), "👋".repeat(5_000), "\n".repeat(5_000)] {
            let line = one_line(&message);
            assert!(line.len() <= LOG_LINE_BYTES_MAX && line.len() > LOG_LINE_BYTES_MAX - 8, "{}", line.len());
            assert!(line.ends_with('…'));
        }
    }
}
