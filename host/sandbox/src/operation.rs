//! One call of a connector that sends or pulls: what goes in, and what comes out.

use rapport_model::Event;
use rapport_model::exchange::{Exchange, Request};
use rapport_model::sending::{Accepted, Failure, Operation, Turn};

use crate::call::{Context, Log, Usage};

/// All that one call of `sending.run` may know.
#[derive(Clone, Copy, Debug)]
pub struct RunCall<'a> {
    /// What is not in the operation. Pinned for an attempt: every step of it gets the same.
    pub context: Context<'a>,
    /// What is to be done.
    pub operation: &'a Operation,
    /// What came of all requests so far, in order.
    pub history: &'a [Exchange],
    /// How many steps came before this one.
    pub step: usize,
    /// What earlier turns said is accepted. A turn that no longer has it is refused.
    pub accepted: &'a [Accepted],
}

/// What a connector answered to one call of `sending.run`. Its requests keep to the limits, and one that is not repeatable
/// stands alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Ran {
    /// Its answer.
    pub turn: Turn,
    /// What it logged.
    pub log: Log,
    /// What it used.
    pub usage: Usage,
}

/// All that one call of `polling.poll` may know.
#[derive(Clone, Copy, Debug)]
pub struct PollCall<'a> {
    /// What is not in the cursor.
    pub context: Context<'a>,
    /// What the last batch said.
    pub cursor: Option<&'a str>,
    /// What came of all requests so far, in order.
    pub history: &'a [Exchange],
    /// How many steps came before this one.
    pub step: usize,
}

/// What a connector answered to one call of `polling.poll`.
#[derive(Clone, Debug, PartialEq)]
pub struct Polled {
    /// Its answer.
    pub step: Step,
    /// What it logged.
    pub log: Log,
    /// What it used.
    pub usage: Usage,
}

/// The contract's `step`.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// These requests, in order. All of them are repeatable.
    Perform(Vec<Request>),
    /// This is new.
    Done(Batch),
    /// Nothing is taken: a limit, the account, the provider, or a sentence for the operator.
    Failed(Failure),
}

/// The contract's `batch`.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// At most [`EVENTS_MAX`](crate::EVENTS_MAX), in the connector's order.
    pub events: Vec<Event>,
    /// What could not be read, at most [`UNREAD_LINES_MAX`](crate::UNREAD_LINES_MAX) lines.
    pub unread: Vec<String>,
    /// Where the next poll begins.
    pub cursor: Option<String>,
    /// Milliseconds until the next poll.
    pub again_in_ms: Option<u64>,
}
