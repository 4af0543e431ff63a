//! An intent: a message that somebody asked us to send, and how far it is.
//!
//! ```text
//!            ┌────────────── not sent: it waits ─────────────┐
//!            ▼                                               │
//! pending ───┼── a part is accepted ──► sending ─────────────┤
//!    │       │                             │                 │
//!    │       └── the last part ──► sent    └── it stops ──► cut
//!    ├── before anything left ──► failed, refused, cancelled, expired
//!    └── nobody knows ──► unknown ── the provider's word, or a late answer ──► sent, cut, failed
//! ```
//!
//! Every transition is a pure function of what is stored. It gives the intent as it is afterwards, or nothing if it does not
//! apply: then whoever asks is late, and nothing is written.

use serde::{Deserialize, Serialize};

use crate::endpoint::{Eid, EventKey, TenantKey};
use crate::event::{Author, Extensions, Identifier, Part, ProviderError, Timestamp};
use crate::exchange::{Exchange, TransportError};
use crate::sending::id::IntentId;
use crate::sending::lock::{Fence, Marker, Token};
use crate::sending::reference::Reference;
use crate::sending::{Accepted, Failure, Kind, Route};

/// What a client asked for. It never changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    /// As it was resolved when the client asked.
    pub route: Route,
    pub author: Author,
    /// The name of the API key.
    pub by: String,
    pub purpose: String,
    pub kind: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// A template is a part.
    pub parts: Vec<Part>,
    /// The provider's id of the message that this one answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_reply_to: Option<String>,
    /// The provider's thread that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<Identifier>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    #[serde(default, skip_serializing_if = "Extensions::is_empty")]
    pub extensions: Extensions,
    /// What the client calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ref: Option<String>,
    /// The fence that the sender read. Automation's replies need one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fence: Option<Fence>,
    /// The newest event of the customer that it answers. Automation's replies need one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<EventKey>,
    /// The unknown message that a person sent again with this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resends: Option<IntentId>,
}

impl Draft {
    /// Whether it starts only under the fence and for the turn that it names.
    pub fn is_automatic_reply(&self) -> bool {
        self.author == Author::Automation && self.kind == Kind::Reply
    }

    /// How many parts it has.
    pub fn parts(&self) -> u32 {
        u32::try_from(self.parts.len()).unwrap_or(u32::MAX).max(1)
    }
}

/// Where and when an intent was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Birth {
    pub eid: Eid,
    /// The business's side of the conversation.
    pub account: String,
    /// The configured connection that sends it.
    pub connection: String,
    /// Our clock, drawn before anybody looked whether the endpoint is erased.
    pub created_at: Timestamp,
    /// After that it is not sent any more.
    pub expires_at: Timestamp,
}

/// What one attempt runs with, so that a connector gets the same again on the same history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    pub now: Timestamp,
    /// SHA-256 of the connector, in hexadecimal.
    pub connector: String,
    /// A hash of the connection's configuration.
    pub configuration: String,
}

/// When a part was first started, and the newest event of the customer that was known then. The part's event has both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    pub at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<EventKey>,
}

/// Why an intent ended otherwise than sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    /// A word in kebab-case: a failure of the contract, or one of the host's own.
    pub kind: String,
    /// A sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The provider's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderError>,
}

/// The connector or its configuration changed between two parts.
pub const CONNECTOR_CHANGED: &str = "connector-changed";
/// A mistake of ours, or of a connector: it trapped, asked for too much, or its message came back too often.
pub const INTERNAL: &str = "internal";
/// Somebody cancelled the rest.
pub const CANCELLED: &str = "cancelled";
/// The rest expired.
pub const EXPIRED: &str = "expired";
/// A worker died or froze after it had started a part.
pub const LOST: &str = "lost";

impl Cause {
    /// One of the host's own.
    pub fn of(kind: &str) -> Self {
        Self { kind: kind.to_owned(), detail: None, provider: None }
    }

    /// The same, with a sentence.
    pub fn saying(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }
}

impl From<&Failure> for Cause {
    fn from(failure: &Failure) -> Self {
        let detail = |kind: &str, detail: &str| Self::of(kind).saying(detail);
        let provider = |kind: &str, error: &ProviderError| Self { provider: Some(error.clone()), ..Self::of(kind) };
        match failure {
            Failure::InvalidRecipient(why) => detail("invalid-recipient", why),
            Failure::ConsentRequired(purpose) => detail("consent-required", purpose),
            Failure::OutsideWindow => Self::of("outside-window"),
            Failure::TemplateRequired(why) => detail("template-required", why),
            Failure::UnsupportedContent(why) => detail("unsupported-content", why),
            Failure::TooLarge(bytes) => detail("too-large", &format!("at most {bytes} bytes")),
            Failure::RateLimited(_) => Self::of("rate-limited"),
            Failure::Account(error) => provider("account", error),
            Failure::Undetermined(error) => provider("undetermined", error),
            Failure::Provider(error) => provider("provider", error),
            Failure::Other(why) => detail("other", why),
        }
    }
}

/// What the host knows of an event of ours: whose message it is. It stands beside the event in the log, where no connector can
/// write.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    pub intent: IntentId,
    pub part: u32,
    /// The name of the API key.
    pub by: String,
    pub purpose: String,
    pub kind: Kind,
    /// The newest event of the customer that was known when it was sent. A reply answers up to here; a notice answers nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<EventKey>,
    /// When its intent was made, by our clock.
    #[serde(skip)]
    pub created_at: Timestamp,
}

/// How far an intent is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// No part is accepted yet.
    Pending,
    /// Some parts are accepted, and the next waits.
    Sending,
    Sent,
    /// The provider has nothing of it.
    Failed(Cause),
    /// A rule of ours forbids it.
    Refused {
        rule: String,
        /// What would help.
        help: String,
    },
    Cancelled,
    Expired,
    /// The provider has the first parts, and will not get the others.
    Cut {
        accepted: u32,
        of: u32,
        why: Cause,
    },
    /// A request left, or may have, and nobody knows whether it was processed.
    Unknown {
        error: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
    },
}

impl State {
    /// The state as a word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Failed(_) => "failed",
            Self::Refused { .. } => "refused",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Cut { .. } => "cut",
            Self::Unknown { .. } => "unknown",
        }
    }

    /// Whether a worker has something to do with it.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Pending | Self::Sending)
    }

    /// The words of the open states.
    pub const OPEN: [&str; 2] = ["pending", "sending"];
}

/// See the module's documentation.
#[derive(Clone, Debug, PartialEq)]
pub struct Intent {
    pub id: IntentId,
    pub birth: Birth,
    pub draft: Draft,
    /// Not before: a rate limit or a pause may have moved it.
    pub due_at: Timestamp,
    /// From 1.
    pub attempt: u32,
    /// Of this attempt; `None`: nothing of it is recorded.
    pub pin: Option<Pin>,
    /// How many steps of the attempt are recorded.
    pub step: u32,
    /// What came of their requests, in order. An intent that has ended has none.
    pub history: Vec<Exchange>,
    /// Whether a request that cannot be repeated is among them.
    pub is_bound: bool,
    /// Parts that the provider has, from the first.
    pub accepted: Vec<Accepted>,
    /// The next part, if it may have reached the provider.
    pub started: Option<Started>,
    pub state: State,
    /// The message with which a person sent this one again.
    pub resent_by: Option<IntentId>,
    /// The last marker under which nothing left. If it still stands, its worker died before it took it off.
    pub let_go: Option<Token>,
}

/// What a worker knows after a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Which step of which attempt it was.
    pub attempt: u32,
    pub step: u32,
    pub pin: Pin,
    pub exchanges: Vec<Exchange>,
    /// Whether the step's request cannot be repeated.
    pub is_bound: bool,
    /// What the connector says of the whole history.
    pub accepted: Vec<Accepted>,
    pub end: Option<End>,
}

/// How the connector ended.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    Done,
    Failed(Cause),
}

/// What became of an intent that ran under another connector or configuration.
#[derive(Clone, Debug, PartialEq)]
pub enum Repinned {
    /// It runs with what it ran with before.
    Same,
    Changed(Box<Intent>),
}

impl Intent {
    /// A new one. One whose time is over already, because its put was repeated late, has expired.
    pub fn new(id: IntentId, birth: Birth, draft: Draft, now: Timestamp) -> Self {
        let state = if now > birth.expires_at { State::Expired } else { State::Pending };
        Self {
            due_at: id.due_at(),
            id,
            birth,
            draft,
            attempt: 1,
            pin: None,
            step: 0,
            history: Vec::new(),
            is_bound: false,
            accepted: Vec::new(),
            started: None,
            state,
            resent_by: None,
            let_go: None,
        }
    }

    pub fn is_open(&self) -> bool {
        self.state.is_open()
    }

    /// The number of the part that is next.
    pub fn part(&self) -> u32 {
        u32::try_from(self.accepted.len()).unwrap_or(u32::MAX)
    }

    /// Our reference of a part.
    pub fn reference(&self, part: u32) -> Reference {
        Reference { eid: self.birth.eid.clone(), intent: self.id.clone(), part }
    }

    /// What stands beside the event of a part.
    pub fn origin(&self, part: u32, started: &Started) -> Origin {
        Origin {
            intent: self.id.clone(),
            part,
            by: self.draft.by.clone(),
            purpose: self.draft.purpose.clone(),
            kind: self.draft.kind,
            answers: started.answers.clone(),
            created_at: self.birth.created_at,
        }
    }

    /// The randomness of an attempt: the same again for the same attempt, and stored nowhere.
    pub fn entropy(&self, tenant: &TenantKey) -> [u8; 32] {
        tenant.entropy(&self.birth.connection, format!("rapport attempt {} {}", self.id, self.attempt).as_bytes())
    }

    /// What a step came to. Also the late answer of a worker whose intent was given up as `unknown`: that one ends, as sent or
    /// cut or failed, and never goes on.
    pub fn recorded(&self, report: &Report) -> Option<Self> {
        let is_late = matches!(self.state, State::Unknown { .. });
        let is_its = (self.attempt, self.step) == (report.attempt, report.step);
        if !is_its || !(is_late || self.is_open()) || report.accepted.len() < self.accepted.len() {
            return None;
        }
        let mut next = self.clone();
        next.pin = Some(report.pin.clone());
        next.step += 1;
        next.history.extend(report.exchanges.iter().cloned());
        next.is_bound |= report.is_bound;
        next.accepted.clone_from(&report.accepted);
        next.started = None;
        next.state = match &report.end {
            Some(End::Done) => State::Sent,
            Some(End::Failed(why)) => next.stopped(State::Failed(why.clone()), why.clone()),
            None if is_late && next.part() >= next.draft.parts() => State::Sent,
            None if is_late => next.stopped(State::Failed(Cause::of(LOST)), Cause::of(LOST)),
            None if next.accepted.is_empty() => State::Pending,
            None => State::Sending,
        };
        Some(next.settled())
    }

    /// Nothing of a step left, or the provider did not process it: it is made again, not before an instant. A repeatable part that
    /// may have left earlier keeps its first start. `under`: the marker under which nothing left.
    pub fn not_sent(&self, step: u32, until: Timestamp, under: Option<&Token>) -> Option<Self> {
        let applies = self.is_open() && self.step == step;
        let let_go = under.cloned().or_else(|| self.let_go.clone());
        applies.then(|| Self { due_at: until, let_go, ..self.clone() })
    }

    /// Whether nothing left under a marker.
    pub fn has_let_go(&self, marker: &Marker) -> bool {
        self.let_go.as_ref() == Some(&marker.token)
    }

    /// A repeatable part has no answer: it is made again, not before an instant. Its event keeps the time of the first start.
    pub fn starts_again(&self, step: u32, started: Started, until: Timestamp) -> Option<Self> {
        let applies = self.is_open() && self.step == step;
        let started = self.started.clone().unwrap_or(started);
        applies.then(|| Self { due_at: until, started: Some(started), ..self.clone() })
    }

    /// A request of a step left, or may have, and nobody knows whether it was processed.
    pub fn undetermined(&self, step: u32, started: Started, (error, status): (&str, Option<u16>)) -> Option<Self> {
        let applies = self.is_open() && self.step == step;
        let state = State::Unknown { error: error.to_owned(), status };
        let started = self.started.clone().unwrap_or(started);
        applies.then(|| Self { state, started: Some(started), ..self.clone() }.settled())
    }

    /// A marker is past its deadline and its worker has recorded nothing. `told`: the part's event is on the timeline, with this
    /// id of the provider's.
    pub fn reclaimed(&self, marker: &Marker, told: Option<&str>, now: Timestamp) -> Option<Self> {
        if !self.is_open() || self.part() != marker.part || self.step != marker.step {
            return None;
        }
        match told {
            Some(id) => Some(self.accepted_one(id)),
            None if marker.is_repeatable => self.starts_again(marker.step, marker.started.clone(), now),
            None => self.undetermined(marker.step, marker.started.clone(), (LOST, None)),
        }
    }

    /// The provider's own word says that it has a part. It settles what is unknown. What is under way it ends only if that was
    /// the last part: else the worker, or who finds its marker, knows better how to go on.
    pub fn confirmed(&self, part: u32, id: &str) -> Option<Self> {
        let is_next = self.part() == part;
        let is_last = part + 1 >= self.draft.parts();
        let applies = matches!(self.state, State::Unknown { .. }) || self.is_open() && is_last;
        (is_next && applies).then(|| self.accepted_one(id))
    }

    /// A part has reached the provider, and nobody wrote down when it was started: from now on this is when. `None`: it has a start,
    /// or is another part's turn.
    pub fn noted(&self, part: u32, started: Started) -> Option<Self> {
        let waits = self.is_open() || matches!(self.state, State::Unknown { .. });
        let applies = waits && self.part() == part && self.started.is_none();
        applies.then(|| Self { started: Some(started), ..self.clone() })
    }

    /// The provider's own word says that it refused a part of an unknown intent.
    pub fn denied(&self, part: u32, why: &Cause) -> Option<Self> {
        let applies = matches!(self.state, State::Unknown { .. }) && self.part() == part;
        applies.then(|| {
            let state = self.stopped(State::Failed(why.clone()), why.clone());
            Self { state, started: None, ..self.clone() }.settled()
        })
    }

    /// A rule forbids what is left of it.
    pub fn refused(&self, rule: &str, help: &str) -> Option<Self> {
        let state = State::Refused { rule: rule.to_owned(), help: help.to_owned() };
        self.stop(state, Cause::of(rule).saying(help))
    }

    /// Somebody cancels what is left of it.
    pub fn cancelled(&self) -> Option<Self> {
        self.stop(State::Cancelled, Cause::of(CANCELLED))
    }

    /// Its time is over.
    pub fn expired(&self, now: Timestamp) -> Option<Self> {
        let is_over = now > self.birth.expires_at;
        self.stop(State::Expired, Cause::of(EXPIRED)).filter(|_| is_over)
    }

    /// It cannot be sent.
    pub fn failed(&self, why: &Cause) -> Option<Self> {
        self.stop(State::Failed(why.clone()), why.clone())
    }

    /// The attempt that is to run with these. One that has started nothing that cannot be repeated starts over on the new
    /// version, with another number; otherwise the intent ends.
    pub fn repinned(&self, pin: &Pin) -> Option<Repinned> {
        if !self.is_open() {
            return None;
        }
        let is_same = |old: &Pin| (&old.connector, &old.configuration) == (&pin.connector, &pin.configuration);
        if self.pin.as_ref().is_none_or(is_same) {
            return Some(Repinned::Same);
        }
        let why = Cause::of(CONNECTOR_CHANGED);
        if self.started.is_some() || self.is_bound && self.accepted.is_empty() {
            let state = State::Unknown { error: CONNECTOR_CHANGED.to_owned(), status: None };
            return Some(Repinned::Changed(Box::new(Self { state, ..self.clone() }.settled())));
        }
        if !self.accepted.is_empty() {
            return self.failed(&why).map(Box::new).map(Repinned::Changed);
        }
        let fresh = Self { attempt: self.attempt + 1, pin: None, step: 0, history: Vec::new(), ..self.clone() };
        Some(Repinned::Changed(Box::new(fresh)))
    }

    /// A person sends an unknown one again. `None`: it is not unknown, or was sent again before.
    pub fn resent(&self, by: &IntentId) -> Option<Self> {
        let applies = matches!(self.state, State::Unknown { .. }) && self.resent_by.is_none();
        applies.then(|| Self { resent_by: Some(by.clone()), ..self.clone() })
    }

    fn accepted_one(&self, id: &str) -> Self {
        let mut next = self.clone();
        next.accepted.push(Accepted { part: self.part(), id: id.to_owned() });
        next.started = None;
        next.step += 1;
        next.state =
            if next.part() >= self.draft.parts() { State::Sent } else { next.stopped(State::Pending, Cause::of(LOST)) };
        next.settled()
    }

    /// Ends what is open and of which nothing is under way.
    fn stop(&self, state: State, why: Cause) -> Option<Self> {
        let applies = self.is_open() && self.started.is_none();
        applies.then(|| Self { state: self.stopped(state, why), ..self.clone() }.settled())
    }

    /// The state in which it ends: `cut` if the provider has some parts.
    fn stopped(&self, state: State, why: Cause) -> State {
        match self.part() {
            0 => state,
            accepted => State::Cut { accepted, of: self.draft.parts(), why },
        }
    }

    /// What has ended runs no more: it needs neither its history nor what it ran with.
    fn settled(mut self) -> Self {
        if !self.is_open() {
            self.history.clear();
            self.pin = None;
            self.let_go = None;
        }
        self
    }
}

/// The words of a request without an answer, and its status if it had one.
pub fn words_of(error: &TransportError) -> (&'static str, Option<u16>) {
    match error {
        TransportError::Denied(_) => ("denied", None),
        TransportError::Dns => ("dns", None),
        TransportError::Connect => ("connect", None),
        TransportError::Tls => ("tls", None),
        TransportError::RequestTooLarge(_) => ("request-too-large", None),
        TransportError::Interrupted => ("interrupted", None),
        TransportError::Timeout => ("timeout", None),
        TransportError::ResponseTooLarge(status) => ("response-too-large", Some(*status)),
    }
}

/// What a worker does next in a conversation.
#[derive(Clone, Debug, PartialEq)]
pub enum Choice<'a> {
    Next(&'a Intent),
    /// Nothing is due; when to look again, if anything is left.
    Rest(Option<Timestamp>),
}

/// Milliseconds. Who has to wait longer is overtaken by what is due.
pub const OVERTAKEN_AFTER_MS: u64 = 60_000;

/// The oldest open intent that is due. Intents keep their order as long as nobody waits for longer than
/// [`OVERTAKEN_AFTER_MS`].
pub fn choose<'a>(open: impl IntoIterator<Item = &'a Intent>, now: Timestamp) -> Choice<'a> {
    let mut open: Vec<&Intent> = open.into_iter().filter(|intent| intent.is_open()).collect();
    open.sort_by(|a, b| a.id.cmp(&b.id));
    for intent in &open {
        if intent.due_at <= now {
            return Choice::Next(intent);
        }
        if intent.due_at <= now + OVERTAKEN_AFTER_MS {
            return Choice::Rest(Some(intent.due_at));
        }
    }
    Choice::Rest(open.iter().map(|intent| intent.due_at).min())
}

#[cfg(test)]
mod tests;
