//! Sending: what a connector is asked and what it answers, in the words of the contract (`wit/sending.wit`), and what the host
//! knows of a message that it is to send.
//!
//! Every type in this file is the contract's record of the same name. The rest:
//!
//! | question | file |
//! |---|---|
//! | how far is a message, and what may happen to it next? | [`intent`] |
//! | who may speak in a conversation, and what is under way? | [`lock`] |
//! | which part of which message does a provider's report speak of? | [`reference`](mod@reference) |
//! | who does an event hand the conversation to? | [`control`] |
//! | what stands on the timeline for it? | [`sent`] |
//! | may it be sent to whom it is for? | [`policy`] |
//! | how long may a message wait? | [`expiry`] |
//! | how fast may a connection send? | [`rate`] |
//! | what is a message called? | [`id`], [`message_id`] |

pub mod control;
pub mod expiry;
pub mod id;
pub mod intent;
pub mod lock;
pub mod message_id;
pub mod policy;
pub mod rate;
pub mod reference;
pub mod sent;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::event::{Author, Contact, Event, Extensions, Identifier, MediaSource, Part, ProviderError, Timestamp};
use crate::exchange::{Kept, Request};

pub use id::IntentId;
pub use intent::Intent;
pub use lock::Lock;
pub use message_id::MessageId;

/// One way to one customer: an address of theirs and an account of the business.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    pub to: Identifier,
    pub account: String,
}

/// Whether a message answers the customer. A notice answers nothing, stops no clock and takes no control.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Reply,
    Notice,
}

/// A message to send.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outgoing {
    /// Made by the host. The connector puts it where the provider gives it back.
    pub reference: String,
    pub route: Route,
    pub author: Author,
    pub kind: Kind,
    /// `service`, `marketing`, … (W3C DPV terms).
    pub purpose: String,
    pub subject: Option<String>,
    pub parts: Vec<Part>,
    /// The provider's id of the message that this one answers.
    pub in_reply_to: Option<String>,
    /// The provider's thread that it belongs to: a ticket, a topic.
    pub thread: Option<String>,
    /// The thread's earlier message ids, oldest first (e-mail).
    pub references: Vec<String>,
    /// Who else gets it (e-mail).
    pub copies: Vec<Identifier>,
    /// A public comment that is answered in private, where the channel has that.
    pub comment: Option<String>,
    /// The customer's last message on this route. `None`: they never wrote.
    pub last_customer_at: Option<Timestamp>,
    /// It is not sent later, and the provider may drop it then.
    pub expires_at: Timestamp,
    pub extensions: Extensions,
}

/// A message that the provider has, on its route.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OfMessage {
    pub route: Route,
    /// The provider's id.
    pub message: String,
}

/// One thing that a connector can be asked to do.
#[expect(clippy::large_enum_variant, reason = "one is made for each call, and nearly all of them are `Send`")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    Send(Outgoing),
    Edit {
        message: OfMessage,
        parts: Vec<Part>,
    },
    Retract(OfMessage),
    /// `emoji` none: the reaction is taken back.
    React {
        message: OfMessage,
        emoji: Option<String>,
    },
    MarkRead(OfMessage),
    Typing {
        route: Route,
        message: Option<String>,
        on: bool,
    },
    FetchMedia {
        account: String,
        source: MediaSource,
        /// The provider's id of the message that it came in.
        message: Option<String>,
    },
    ListTemplates {
        account: String,
        cursor: Option<String>,
    },
    UpsertContact {
        account: String,
        contact: Contact,
    },
    /// Whether the provider has the message with this reference.
    LookUp {
        route: Route,
        reference: String,
        /// When its request left.
        sent_at: Timestamp,
    },
    EraseContact {
        account: String,
        who: Identifier,
    },
    TakeControl(ThreadControl),
    PassControl(ThreadControl),
    ReleaseControl(ThreadControl),
    /// What a later contract adds: a name and JSON.
    Other(String, Value),
}

/// Who answers a thread, where the provider keeps that.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ThreadControl {
    pub route: Route,
    pub target: Option<String>,
    pub metadata: Option<String>,
}

/// A template that the provider has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateOffer {
    pub name: String,
    pub locale: String,
    pub status: String,
    pub category: String,
    pub body: Option<String>,
    pub variables: Vec<String>,
    pub extensions: Extensions,
}

/// A part of the message that the provider has taken, and its id there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The number of the part, from 0.
    pub part: u32,
    pub id: String,
}

/// What a look-up found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    Yes(Vec<Accepted>),
    Absent,
    Unclear,
}

/// What is achieved so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Outcome {
    pub accepted: Vec<Accepted>,
    pub events: Vec<Event>,
    pub media: Option<Kept>,
    pub templates: Vec<TemplateOffer>,
    pub found: Option<Found>,
    pub cursor: Option<String>,
    pub extensions: Extensions,
}

/// Why an operation failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    InvalidRecipient(String),
    /// The purpose that the customer has not agreed to.
    ConsentRequired(String),
    OutsideWindow,
    TemplateRequired(String),
    UnsupportedContent(String),
    /// The limit in bytes.
    TooLarge(u64),
    /// Not processed. Milliseconds until it may be tried again.
    RateLimited(Option<u64>),
    /// The account may not send: token, payment, policy.
    Account(ProviderError),
    /// Nobody knows whether it was processed.
    Undetermined(ProviderError),
    Provider(ProviderError),
    Other(String),
}

/// Extension of an outcome with [`Failure::RateLimited`] that says who has to wait. With the value `"pair"` only this conversation
/// waits. Without it the whole connection waits.
pub const LIMIT: &str = "rapport.limit";

/// What comes next.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Next {
    Perform(Vec<Request>),
    Done,
    Failed(Failure),
}

/// One answer of a connector. What is achieved so far is in every turn, so that a failure of part three does not lose
/// parts one and two.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Turn {
    pub so_far: Outcome,
    pub next: Next,
}
