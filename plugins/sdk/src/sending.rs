//! Sending: an operation in, HTTP requests out, and what was achieved.

use serde::Serialize;

pub use crate::bindings::sending::exports::rapport::connector::sending::{
    Accepted, Editing, Erasing, Failure, Fetching, Found, Kind, Listing, LookingUp, Next, OfMessage, Operation,
    Outcome, Outgoing, Reacting, Route, TemplateOffer, ThreadControl, Turn, Typing, Upserting,
};
use crate::event::json;
use crate::http::{Exchange, Request};
use crate::{Context, ProviderError};

/// Turns an operation into HTTP requests, and their responses into an outcome. Implement it on the connector's unit struct,
/// then name `sending` in [`export!`](crate::export).
pub trait Sending {
    /// Called again from the start after each step; `history` holds what came of all requests so far, in order.
    /// [`steps::run`](crate::steps::run) keeps the place in it.
    ///
    /// Pure: the same arguments give the same turn, for ever. Say what the channel does not have as
    /// [`Failure::UnsupportedContent`].
    fn run(cx: &Context, operation: &Operation, history: &[Exchange]) -> Turn;
}

impl Outcome {
    /// Nothing is achieved yet.
    pub fn nothing() -> Self {
        Outcome {
            accepted: Vec::new(),
            events: Vec::new(),
            media: None,
            templates: Vec::new(),
            found: None,
            cursor: None,
            extensions: Vec::new(),
        }
    }
}

impl Turn {
    /// These requests come next.
    pub fn perform(so_far: Outcome, requests: Vec<Request>) -> Self {
        Turn { so_far, next: Next::Perform(requests) }
    }

    /// All is done.
    pub fn done(so_far: Outcome) -> Self {
        Turn { so_far, next: Next::Done }
    }

    /// It cannot be done.
    pub fn failed(so_far: Outcome, failure: Failure) -> Self {
        Turn { so_far, next: Next::Failed(failure) }
    }
}

impl Operation {
    /// The contract's name of the case.
    pub fn name(&self) -> &str {
        match self {
            Self::Send(_) => "send",
            Self::Edit(_) => "edit",
            Self::Retract(_) => "retract",
            Self::React(_) => "react",
            Self::MarkRead(_) => "mark-read",
            Self::Typing(_) => "typing",
            Self::FetchMedia(_) => "fetch-media",
            Self::ListTemplates(_) => "list-templates",
            Self::UpsertContact(_) => "upsert-contact",
            Self::LookUp(_) => "look-up",
            Self::EraseContact(_) => "erase-contact",
            Self::TakeControl(_) => "take-control",
            Self::PassControl(_) => "pass-control",
            Self::ReleaseControl(_) => "release-control",
            Self::Other((name, _)) => name,
        }
    }

    /// The failure of a connector that has no such operation.
    pub fn unsupported(&self) -> Failure {
        Failure::UnsupportedContent(format!("this channel has no `{}`", self.name()))
    }
}

impl Failure {
    /// In one sentence, for an operator.
    pub fn describe(&self) -> String {
        let said = |what: &str, error: &ProviderError| format!("{what}: {} ({})", error.title, error.code);
        match self {
            Self::InvalidRecipient(why) => format!("the address cannot get it: {why}"),
            Self::ConsentRequired(purpose) => format!("the customer has not agreed to `{purpose}`"),
            Self::OutsideWindow => "the customer's last message is too long ago".into(),
            Self::TemplateRequired(why) => format!("only a template may be sent: {why}"),
            Self::UnsupportedContent(why) | Self::Other(why) => why.clone(),
            Self::TooLarge(limit) => format!("it is larger than {limit} bytes"),
            Self::RateLimited(Some(ms)) => format!("too many requests; again in {ms} ms"),
            Self::RateLimited(None) => "too many requests".into(),
            Self::Account(error) => said("the account may not send", error),
            Self::Undetermined(error) => said("nobody knows whether it was processed", error),
            Self::Provider(error) => said("the provider refuses it", error),
        }
    }
}

impl ProviderError {
    /// What the provider says went wrong. Trying again does not help.
    pub fn new(code: impl Into<String>, title: impl Into<String>) -> Self {
        ProviderError { code: code.into(), title: title.into(), detail: None, retryable: false }
    }

    /// Adds what else the provider says.
    pub fn with_detail<T: Serialize + ?Sized>(mut self, detail: &T) -> Self {
        self.detail = Some(json(detail));
        self
    }

    /// Says that the same may work later.
    pub fn retryable(mut self) -> Self {
        self.retryable = true;
        self
    }
}
