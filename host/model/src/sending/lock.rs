//! The lock of a conversation: who may speak, and which request is under way.
//!
//! It is the authority for control and fence. A start of a request that cannot be repeated is one conditional write of it: the
//! start marker. The conditions are here, as pure functions; the store writes them as one `UpdateItem`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::endpoint::{EventKey, is_id};
use crate::event::{ConsentState, Timestamp};
use crate::sending::id::IntentId;
use crate::sending::intent::{Intent, Started, State};

/// Milliseconds for which a marker is honoured.
pub const LEASE_MS: u64 = 20_000;
/// Milliseconds before the deadline at which the socket is closed: more than two clocks differ.
pub const MARGIN_MS: u64 = 2_000;
/// Milliseconds that a request gets at least. Else it is not begun.
pub const REQUEST_MS_MIN: u64 = 3_000;
/// Milliseconds that a request gets at most.
pub const REQUEST_MS_MAX: u64 = 15_000;
/// Control events that a lock remembers, so that the fold does not repeat what was done for them.
pub const MOVED_MAX: usize = 8;
/// Unknown intents that a lock names; with more it says that there are more. So it stays below 1 KB, one write unit.
pub const UNSETTLED_MAX: usize = 8;

/// The number that grows whenever control of a conversation moves. Opaque to clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Fence(u64);

impl Fence {
    /// As the table keeps it; 0: control never moved.
    pub fn of(number: u64) -> Self {
        Self(number)
    }

    pub fn number(self) -> u64 {
        self.0
    }

    /// The next one. The first is our clock, so that it is above every fence that a lost table had.
    pub fn next(self, now: Timestamp) -> Self {
        if self.0 == 0 { Self(now.max(1)) } else { Self(self.0 + 1) }
    }
}

impl fmt::Display for Fence {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl TryFrom<String> for Fence {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let number = text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
        number.map(Self).ok_or_else(|| format!("`{text}` is not a fence; fix: the `fence` that the conversation shows"))
    }
}

impl From<Fence> for String {
    fn from(fence: Fence) -> Self {
        fence.to_string()
    }
}

/// What tells one marker from another: 128 random bits, drawn before the marker is written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(String);

impl Token {
    pub fn new(random: u128) -> Self {
        Self(URL_SAFE_NO_PAD.encode(random.to_be_bytes()))
    }

    pub fn parse(text: &str) -> Option<Self> {
        is_id(text).then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Who controls a conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Holder {
    /// Nobody yet: whoever writes first.
    #[default]
    Nobody,
    /// Automation; `None`: whichever writes first.
    Automation(Option<String>),
    /// A human of the business; `None`: it is not known which.
    Agent(Option<String>),
    /// Another application of the provider's.
    OtherApp,
}

impl Holder {
    /// As the table keeps it; nobody is not kept.
    pub fn write(&self) -> Option<String> {
        let named = |role: &str, by: &Option<String>| by.as_ref().map_or(role.to_owned(), |by| format!("{role}:{by}"));
        match self {
            Self::Nobody => None,
            Self::Automation(by) => Some(named("automation", by)),
            Self::Agent(by) => Some(named("agent", by)),
            Self::OtherApp => Some("other_app".to_owned()),
        }
    }

    /// What the table keeps. `None` if it is nothing that this version writes.
    pub fn read(text: &str) -> Option<Self> {
        let (role, by) = text.split_once(':').map_or((text, None), |(role, by)| (role, Some(by.to_owned())));
        match role {
            "automation" => Some(Self::Automation(by)),
            "agent" => Some(Self::Agent(by)),
            "other_app" if by.is_none() => Some(Self::OtherApp),
            _ => None,
        }
    }

    /// Whether automation of this name may write.
    pub fn lets(&self, by: &str) -> bool {
        match self {
            Self::Nobody | Self::Automation(None) => true,
            Self::Automation(Some(name)) => name == by,
            Self::Agent(_) | Self::OtherApp => false,
        }
    }
}

/// A request that cannot be repeated is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker {
    pub intent: IntentId,
    pub part: u32,
    pub step: u32,
    pub token: Token,
    /// Our clock. After it nothing is sent under this marker.
    pub deadline: Timestamp,
    /// When the part was first started.
    pub started: Started,
    /// Whether the provider would take the same request again as the same.
    pub is_repeatable: bool,
}

impl Marker {
    /// Milliseconds for a request that begins now. `None`: they are too few, and nothing may be sent.
    pub fn time_left(&self, now: Timestamp) -> Option<u64> {
        let left = self.deadline.saturating_sub(now + MARGIN_MS);
        (left >= REQUEST_MS_MIN).then_some(left.min(REQUEST_MS_MAX))
    }

    /// Whether its worker may still send.
    pub fn is_live(&self, now: Timestamp) -> bool {
        now <= self.deadline
    }
}

/// The last turn of the customer that was answered, and by which intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    pub turn: EventKey,
    pub by: IntentId,
}

/// What a customer last said about one purpose in this conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    pub event: EventKey,
    pub state: ConsentState,
}

/// See the module's documentation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lock {
    pub out: Option<Marker>,
    pub fence: Fence,
    pub holder: Holder,
    /// The control events that moved it last, newest last.
    pub moved: Vec<EventKey>,
    pub answered: Option<Answered>,
    /// What was answered before the marker. A release without a request gives it back.
    pub answered_before: Option<Answered>,
    /// The rate of a pair of addresses: no start before.
    pub next_at: Timestamp,
    /// Unknown intents that were replaced by later markers.
    pub unsettled: BTreeSet<IntentId>,
    /// Whether there are more of them than it names.
    pub has_more_unsettled: bool,
    /// By purpose.
    pub words: BTreeMap<String, Word>,
    /// An erasure: intents made up to here never start. 0: none.
    pub closed: Timestamp,
}

/// A marker that somebody wants to write. All of it is fixed before the first attempt of the write.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    pub intent: IntentId,
    pub part: u32,
    pub step: u32,
    pub token: Token,
    /// Our clock.
    pub now: Timestamp,
    pub created_at: Timestamp,
    pub started: Started,
    pub is_repeatable: bool,
    /// Of an automatic reply.
    pub reply: Option<Reply>,
    /// The purpose, if a withdrawn consent forbids it.
    pub purpose: Option<String>,
    /// Milliseconds from one start in this conversation to the next.
    pub pair_ms: u64,
    /// A marker that was read as ended.
    pub seen: Option<Seen>,
}

/// What an automatic reply has to be right about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub fence: Fence,
    pub turn: Option<EventKey>,
    /// The name of the API key.
    pub by: String,
}

/// A marker whose request has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub token: Token,
    /// Its intent, if that is unknown: the lock has to remember it.
    pub unknown: Option<IntentId>,
}

impl Ask {
    /// For the next part of an intent, under the token that was drawn for it.
    pub fn of(intent: &Intent, token: Token, now: Timestamp) -> Self {
        let draft = &intent.draft;
        let reply = draft.is_automatic_reply().then(|| Reply {
            fence: draft.fence.unwrap_or_default(),
            turn: draft.turn.clone(),
            by: draft.by.clone(),
        });
        Self {
            intent: intent.id.clone(),
            part: intent.part(),
            step: intent.step,
            token,
            now,
            created_at: intent.birth.created_at,
            started: intent.started.clone().unwrap_or(Started { at: now, answers: None }),
            is_repeatable: false,
            reply,
            purpose: None,
            pair_ms: 0,
            seen: None,
        }
    }

    /// The marker that it makes.
    pub fn marker(&self) -> Marker {
        Marker {
            intent: self.intent.clone(),
            part: self.part,
            step: self.step,
            token: self.token.clone(),
            deadline: self.now + LEASE_MS,
            started: self.started.clone(),
            is_repeatable: self.is_repeatable,
        }
    }
}

/// Why an intent may not start.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// Somebody else's request is under way.
    Taken(Marker),
    /// The person was erased after the intent was made: it goes.
    Closed,
    /// Not before.
    Wait(Timestamp),
    /// Control moved after the sender had read the fence, or somebody else has it.
    StaleFence,
    /// The turn is answered.
    StaleTurn,
    /// The customer withdrew the consent.
    Stopped,
}

impl Refusal {
    /// A word for rules and errors.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Taken(_) => "taken",
            Self::Closed => "closed",
            Self::Wait(_) => "pair-rate",
            Self::StaleFence => "stale-control",
            Self::StaleTurn => "stale-turn",
            Self::Stopped => "consent-withdrawn",
        }
    }
}

impl Lock {
    /// Which condition of the marker fails; `None`: the intent may start.
    pub fn against(&self, ask: &Ask) -> Option<Refusal> {
        if ask.created_at <= self.closed {
            return Some(Refusal::Closed);
        }
        if let Some(out) = &self.out
            && ask.seen.as_ref().is_none_or(|seen| seen.token != out.token)
        {
            return Some(Refusal::Taken(out.clone()));
        }
        if self.next_at > ask.now {
            return Some(Refusal::Wait(self.next_at));
        }
        if ask.purpose.as_ref().is_some_and(|purpose| self.is_stopped(purpose)) {
            return Some(Refusal::Stopped);
        }
        ask.reply.as_ref().and_then(|reply| self.against_reply(&ask.intent, reply))
    }

    /// Which condition of an automatic reply fails. Also asked when it is made, so that its sender is told at once.
    pub fn against_reply(&self, intent: &IntentId, reply: &Reply) -> Option<Refusal> {
        if self.fence != reply.fence || !self.holder.lets(&reply.by) {
            return Some(Refusal::StaleFence);
        }
        let turn = reply.turn.as_ref()?;
        let is_answered = |answered: &Answered| answered.turn >= *turn && answered.by != *intent;
        self.answered.as_ref().is_some_and(is_answered).then_some(Refusal::StaleTurn)
    }

    /// Whether the customer withdrew the consent to a purpose in this conversation.
    pub fn is_stopped(&self, purpose: &str) -> bool {
        self.words.get(purpose).is_some_and(|word| word.state == ConsentState::Withdrawn)
    }

    /// The lock after a marker is written.
    pub fn marked(&self, ask: &Ask) -> Result<Self, Refusal> {
        if self.out.as_ref().is_some_and(|out| out.token == ask.token) {
            return Ok(self.clone());
        }
        if let Some(refusal) = self.against(ask) {
            return Err(refusal);
        }
        let mut next = self.clone();
        next.out = Some(ask.marker());
        if let Some(unknown) = ask.seen.as_ref().and_then(|seen| seen.unknown.as_ref()) {
            if self.unsettled.len() < UNSETTLED_MAX {
                next.unsettled.insert(unknown.clone());
            } else {
                next.has_more_unsettled = true
            }
        }
        next.answered_before.clone_from(&self.answered);
        if let Some(reply) = &ask.reply {
            next.holder = Holder::Automation(Some(reply.by.clone()));
            if let Some(turn) = reply.turn.clone() {
                next.answered = Some(Answered { turn, by: ask.intent.clone() });
            }
        }
        if ask.pair_ms > 0 {
            next.next_at = ask.now + ask.pair_ms;
        }
        Ok(next)
    }

    /// The lock after a marker is taken off. `left`: a request may have left under it, so the turn counts as answered.
    pub fn released(&self, token: &Token, left: bool) -> Option<Self> {
        let out = self.out.as_ref().filter(|out| out.token == *token)?;
        let mut next = Self { out: None, answered_before: None, ..self.clone() };
        if !left && self.answered.as_ref().is_some_and(|answered| answered.by == out.intent) {
            next.answered.clone_from(&self.answered_before);
        }
        Some(next)
    }

    /// Whether a word of the provider's about an intent may settle something.
    pub fn concerns(&self, intent: &IntentId) -> bool {
        let is_under_way = self.out.as_ref().is_some_and(|out| out.intent == *intent);
        is_under_way || self.has_more_unsettled || self.unsettled.contains(intent)
    }

    /// The lock after control moved by an event; `None`: it moved by it before.
    pub fn moved(&self, by: &EventKey, to: &Holder, now: Timestamp) -> Option<Self> {
        if self.moved.contains(by) {
            return None;
        }
        let mut next = Self { fence: self.fence.next(now), holder: to.clone(), ..self.clone() };
        next.moved.push(by.clone());
        let surplus = next.moved.len().saturating_sub(MOVED_MAX);
        next.moved.drain(..surplus);
        Some(next)
    }
}

/// What a marker says of its intent, as it is read now.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// Its request has ended: the next marker may replace it.
    Ended(Seen),
    /// Its worker may be at work. Drop the wake: whoever holds it looks again.
    Live,
    /// Its time is over, and nothing is recorded: take it over and end it.
    Overdue,
}

/// What a marker and its intent say; no intent: it is erased.
pub fn found(marker: &Marker, intent: Option<&Intent>, now: Timestamp) -> Found {
    let ended = |unknown: Option<IntentId>| Found::Ended(Seen { token: marker.token.clone(), unknown });
    match intent {
        None => ended(None),
        Some(intent) if !intent.is_open() => {
            let is_unknown = matches!(intent.state, State::Unknown { .. });
            ended(is_unknown.then(|| intent.id.clone()))
        }
        Some(intent) if (intent.part(), intent.step) != (marker.part, marker.step) => ended(None),
        Some(_) if marker.is_live(now) => Found::Live,
        Some(_) => Found::Overdue,
    }
}

#[cfg(test)]
mod tests;
