//! A connector under test: the same questions to its native build and to its component in the sandbox.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use serde::de::IgnoredAny;

use super::connection::Connection;
use super::{host, render};
use crate::log::Level;
use crate::verify::{DigestAlgorithm, MacAlgorithm, SignatureAlgorithm};
use crate::{Inbound, Receipt, Rejection, Webhook};

/// What the suite is run against.
pub trait Subject {
    /// Calls the connector once. It gives the connection's secrets to `verify`, and `handshake.confirm` its turn after a
    /// verified receipt without events.
    fn receive(&self, connection: &Connection, webhook: &Webhook, moment: Moment) -> Answer;

    /// [`receive`](Self::receive), counting instructions where the subject can. Then too many of them are the fault
    /// `deadline`, whatever the clock says: the same one on a fast machine and on a busy one.
    fn measure(&self, connection: &Connection, webhook: &Webhook, moment: Moment) -> Answer {
        self.receive(connection, webhook, moment)
    }

    /// Whether the host would call the connector at all, by the `[verify]` of its manifest. None: that declares nothing for
    /// this connection, or the subject does not know.
    fn lets_in(&self, _: &Connection, _: &Webhook) -> Option<bool> {
        None
    }

    /// Why the host would not call the connector, where [`lets_in`](Self::lets_in) says no.
    fn why_not(&self, _: &Connection, _: &Webhook) -> Option<String> {
        None
    }
}

/// What of a call is not in its request: the host's clock, and its randomness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Milliseconds.
    pub now: u64,
    pub entropy: [u8; 32],
}

/// What one call came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub kind: Kind,
    /// The outcome in the form of `*.events.json`, white space aside; of a fault nothing.
    pub text: String,
    /// Whether a `verify` call said yes.
    pub verified: bool,
    pub log: Vec<(Level, String)>,
    /// Keys of extensions and traits whose value is not JSON. Only a native run can tell: the host keeps such a value as text.
    pub not_json: Vec<String>,
    /// In order.
    pub asked: Vec<Asked>,
    pub usage: Usage,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// With so many events.
    Receipt(usize),
    Unauthenticated,
    Ignored,
    Malformed,
    Unsupported,
    /// Without an answer: a trap, a deadline, too much memory; and what is known of it.
    Fault {
        kind: String,
        detail: String,
    },
}

/// One question to `verify`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub question: Question,
    /// The name of the secret, or the URL of the certificate.
    pub key: String,
    /// What is said to be signed; of a token the candidate.
    pub data: Vec<u8>,
    /// The MAC, digest or signature; of a token nothing.
    pub proof: Vec<u8>,
    /// None: there was no yes or no.
    pub answer: Option<bool>,
}

/// Which function of `verify`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    Mac(MacAlgorithm),
    Digest(DigestAlgorithm),
    Signature(SignatureAlgorithm),
    Token,
}

/// What a call used, as far as the subject can tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Instructions.
    pub fuel: Option<u64>,
    pub peak_memory_bytes: Option<u64>,
}

impl Moment {
    /// The one that the fixtures of a connection are for.
    pub fn of(connection: &Connection) -> Self {
        Self { now: connection.now(), entropy: [7; 32] }
    }

    /// So many milliseconds later.
    pub fn later(self, ms: u64) -> Self {
        Self { now: self.now.saturating_add(ms), ..self }
    }

    /// With other randomness.
    pub fn otherwise(self) -> Self {
        Self { entropy: self.entropy.map(|byte| byte ^ 0xa5), ..self }
    }
}

impl Answer {
    /// Whether the host would take it as the provider's: something verified it, and the connector did not refuse it.
    pub fn is_genuine(&self) -> bool {
        self.verified && self.kind != Kind::Unauthenticated
    }

    /// Whether the host would see the same.
    pub fn is_same_as(&self, other: &Answer) -> bool {
        (&self.kind, &self.text, self.verified) == (&other.kind, &other.text, other.verified)
    }

    /// What a fault was; none of an answer.
    pub fn fault(&self) -> Option<String> {
        match &self.kind {
            Kind::Fault { kind, detail } => Some(format!("{kind}: {}", detail.replace('\n', " "))),
            _ => None,
        }
    }
}

impl Kind {
    /// The word for it in a sentence.
    pub fn name(&self) -> String {
        match self {
            Self::Receipt(0) => "a receipt without events".into(),
            Self::Receipt(events) => format!("a receipt with {events} events"),
            Self::Unauthenticated => "`unauthenticated`".into(),
            Self::Ignored => "`ignored`".into(),
            Self::Malformed => "`malformed`".into(),
            Self::Unsupported => "`unsupported`".into(),
            Self::Fault { kind, .. } => format!("`{kind}`"),
        }
    }
}

/// A connector in this process. A panic is its only fault: a call that does not end is told by [`super::watch`].
pub struct Native<C>(PhantomData<C>);

impl<C: Inbound> Native<C> {
    /// The connector `C`.
    pub fn new() -> Self {
        quiet_panics();
        Self(PhantomData)
    }
}

impl<C: Inbound> Default for Native<C> {
    fn default() -> Self {
        Self::new()
    }
}

impl<C: Inbound> Subject for Native<C> {
    fn receive(&self, connection: &Connection, webhook: &Webhook, moment: Moment) -> Answer {
        let (outcome, asked) = match caught(|| connection.receive_at::<C>(webhook, moment)) {
            Ok(called) => called,
            Err(detail) => return Answer::panicked(detail),
        };
        let kind = match &outcome.result {
            Ok(receipt) => Kind::Receipt(receipt.events.len()),
            Err(Rejection::Unauthenticated(_)) => Kind::Unauthenticated,
            Err(Rejection::Ignored(_)) => Kind::Ignored,
            Err(Rejection::Malformed(_)) => Kind::Malformed,
            Err(Rejection::Unsupported(_)) => Kind::Unsupported,
        };
        let text = render::compact(&outcome.result, outcome.confirm.as_deref());
        let not_json = outcome.result.as_ref().map_or_else(|_| Vec::new(), not_json);
        Answer { kind, text, verified: outcome.verified, log: outcome.log, not_json, asked, usage: Usage::default() }
    }
}

fn not_json(receipt: &Receipt) -> Vec<String> {
    let pairs = receipt.events.iter().flat_map(|event| event.extensions.iter().chain(&event.contact.traits));
    let wrong = pairs.filter(|(_, value)| serde_json::from_str::<IgnoredAny>(value).is_err());
    wrong.map(|(key, _)| key.clone()).collect()
}

impl Answer {
    fn panicked(detail: String) -> Self {
        let (asked, log) = host::take();
        Self {
            kind: Kind::Fault { kind: "trap".into(), detail },
            text: String::new(),
            verified: asked.iter().any(|asked| asked.answer == Some(true)),
            log,
            not_json: Vec::new(),
            asked,
            usage: Usage::default(),
        }
    }
}

thread_local! {
    /// Whether a panic of this thread is expected, and reported by who catches it.
    static QUIET: Cell<bool> = const { Cell::new(false) };
    /// File and line of the last panic that was expected.
    static PANICKED_AT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Calls a connector. The error is its panic: what it says, and where.
pub(super) fn caught<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    QUIET.set(true);
    let called = panic::catch_unwind(AssertUnwindSafe(call));
    QUIET.set(false);
    called.map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        let place = PANICKED_AT.take().map(|place| format!(" at {place}")).unwrap_or_default();
        format!("{}{place}", text.unwrap_or("a panic without a text"))
    })
}

/// Lets the panics of a subject pass without a line on standard error; all others are reported as before.
pub(super) fn quiet_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if QUIET.get() {
                PANICKED_AT.set(info.location().map(|place| format!("{}:{}", place.file(), place.line())))
            } else {
                before(info)
            }
        }));
    });
}
