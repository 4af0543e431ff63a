//! The event: one thing that happened to one customer, in the words of the contract (`wit/types.wit`).
//!
//! Every type here is the contract's record of the same name, and its `serde` form is the JSON that `data` of a
//! CloudEvent has: snake_case names, a variant as a one-key object, `json` as JSON.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Milliseconds since 1970-01-01T00:00:00Z.
pub type Timestamp = u64;

/// The growth point of a record: reverse-DNS key, JSON value.
pub type Extensions = BTreeMap<String, Value>;

/// One thing that happened to one customer. Immutable, and a pure function of the provider's payload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Unique within `account`; the de-duplication key.
    pub id: String,
    /// The provider's clock.
    pub at: Timestamp,
    /// The business side: phone-number id, page id, mailbox, portal.
    pub account: String,
    pub contact: Contact,
    #[serde(flatten)]
    pub body: Body,
    pub extensions: Extensions,
}

/// What one payload says about one customer. A reply goes to the first of `identifiers`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Contact {
    pub identifiers: Vec<Identifier>,
    pub display_name: Option<String>,
    /// The customer's language: a BCP 47 tag.
    pub locale: Option<String>,
    /// The customer's time zone: an IANA name.
    pub time_zone: Option<String>,
    pub traits: Extensions,
}

/// One identifier of a customer, as the provider sent it. Scheme, scope and canonical value together name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "EventIdentifier")]
pub struct Identifier {
    /// The kind of identifier: `phone`, `email`, or a name that the connector defines.
    pub scheme: String,
    /// The account inside which `value` is unique; null: it is unique in the world.
    pub scope: Option<String>,
    pub value: String,
    pub attestation: Attestation,
}

/// Who vouches that an identifier belongs to the person it is said of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Attestation {
    /// The channel itself delivered it, and checks who sends.
    Provider,
    /// The business signed it.
    Signature,
    /// An agent entered it.
    Agent,
    /// A network delivered it that does not check the sender.
    Claimed,
    /// The customer typed it.
    Customer,
    /// A bulk import or CRM record carried it.
    Imported,
}

impl Attestation {
    /// The contract's name of this attestation.
    pub fn name(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Signature => "signature",
            Self::Agent => "agent",
            Self::Claimed => "claimed",
            Self::Customer => "customer",
            Self::Imported => "imported",
        }
    }
}

/// What happened. The case's name, in snake_case, is the middle of a CloudEvent's `type`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    Message(Message),
    MessageEdited(Edit),
    /// The id of the message that is gone.
    MessageDeleted(String),
    Reaction(Reaction),
    Delivery(Delivery),
    /// The traits and identifiers in `contact` are news by themselves.
    ContactUpdated,
    IdentifierReplaced(Replacement),
    /// The provider demands erasure of this person.
    ContactErased,
    Consent(Consent),
    Feedback(Feedback),
    Call(Call),
    Ticket(Ticket),
    /// Who holds the conversation after this event. If nothing but the holder is known, it is the holder's word alone.
    #[serde(with = "written_control")]
    Control(Control),
    /// A product or marketing activity: name and properties.
    Activity(String, Value),
    Other(String, Value),
}

impl Body {
    /// The contract's name of the case, in snake_case.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Message(_) => "message",
            Self::MessageEdited(_) => "message_edited",
            Self::MessageDeleted(_) => "message_deleted",
            Self::Reaction(_) => "reaction",
            Self::Delivery(_) => "delivery",
            Self::ContactUpdated => "contact_updated",
            Self::IdentifierReplaced(_) => "identifier_replaced",
            Self::ContactErased => "contact_erased",
            Self::Consent(_) => "consent",
            Self::Feedback(_) => "feedback",
            Self::Call(_) => "call",
            Self::Ticket(_) => "ticket",
            Self::Control(_) => "control",
            Self::Activity(..) => "activity",
            Self::Other(..) => "other",
        }
    }
}

/// A message. Its parts are a list, so that a text, an album and a mail have one shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Message {
    /// The provider's own id, the same on every redelivery.
    pub id: String,
    pub author: Author,
    pub subject: Option<String>,
    pub parts: Vec<Part>,
    pub in_reply_to: Option<String>,
    /// The provider's thread, if the provider has threads.
    pub thread: Option<String>,
    pub referral: Option<Referral>,
    pub forwarded: bool,
    /// Of a message of the business: the reference that Rapport made, if the provider gives it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The ids of the thread's earlier messages, oldest first (e-mail).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<String>,
    /// Who else got it (e-mail).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<Identifier>,
    /// Who wrote it, in a group: then the contact is the group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub participant: Option<Identifier>,
    /// Whether another application answers this thread, and the business only reads along.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub standby: bool,
}

impl Message {
    /// A message of `parts` that answers nothing, belongs to no thread and came by itself.
    pub fn new(id: impl Into<String>, author: Author, parts: Vec<Part>) -> Self {
        Self {
            id: id.into(),
            author,
            subject: None,
            parts,
            in_reply_to: None,
            thread: None,
            referral: None,
            forwarded: false,
            reference: None,
            references: Vec::new(),
            copies: Vec::new(),
            participant: None,
            standby: false,
        }
    }
}

/// Who wrote a message or began a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Author {
    Customer,
    Agent,
    Automation,
}

/// One part of a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    Text(String),
    Html(String),
    Media(Media),
    Place(Place),
    ContactCard(Contact),
    Choices(Vec<Choice>),
    Chosen(Choice),
    /// A submitted form or flow.
    Form(Value),
    Template(Template),
    Other(String, Value),
}

impl Part {
    /// The contract's word for its kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Html(_) => "html",
            Self::Media(_) => "media",
            Self::Place(_) => "place",
            Self::ContactCard(_) => "contact-card",
            Self::Choices(_) => "choices",
            Self::Chosen(_) => "chosen",
            Self::Form(_) => "form",
            Self::Template(_) => "template",
            Self::Other(..) => "other",
        }
    }
}

/// A file, an image, a sound or a video.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Media {
    pub source: MediaSource,
    pub mime_type: Option<String>,
    pub file_name: Option<String>,
    /// Bytes.
    pub size: Option<u64>,
    /// `content-id` of an inline e-mail part.
    pub content_id: Option<String>,
}

/// Where a file is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MediaSource {
    Url(String),
    /// The provider's id of the file. Fetch it from the provider.
    ProviderId(String),
    /// A key in Rapport's blob store.
    Blob(String),
}

/// A place: latitude and longitude in degrees (WGS 84).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    pub latitude: f64,
    pub longitude: f64,
    pub name: Option<String>,
    pub address: Option<String>,
}

/// A button, quick reply or list row that was offered or chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Choice {
    pub id: String,
    pub title: String,
}

/// A template of the provider with its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Template {
    pub name: String,
    pub locale: String,
    pub parameters: Vec<Value>,
}

/// What led the customer here: an advertisement, a deep link, a referral code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Referral {
    pub source: String,
    pub id: Option<String>,
    pub url: Option<String>,
    pub details: Option<Value>,
}

/// The new parts of a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Edit {
    pub message_id: String,
    pub parts: Vec<Part>,
}

/// A reaction to a message. If `emoji` is null, the reaction was withdrawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reaction {
    pub message_id: String,
    pub author: Author,
    pub emoji: Option<String>,
}

/// Why a delivery failed, as the provider reports it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProviderError {
    pub code: String,
    pub title: String,
    pub detail: Option<Value>,
    pub retryable: bool,
}

/// How far a message of the business got.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    Queued,
    Sent,
    Delivered,
    Read,
    Failed(ProviderError),
    Other(String),
}

impl DeliveryState {
    /// The contract's name of the state, in snake_case; of another one the provider's word.
    pub fn name(&self) -> &str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Failed(_) => "failed",
            Self::Other(word) => word,
        }
    }
}

/// What a status report covers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Covered {
    /// One message, by its id.
    Message(String),
    /// One message of Rapport, by the reference that Rapport made.
    Reference(String),
    /// Every message that was sent up to an instant (milliseconds since 1970).
    UpTo(Timestamp),
    /// The first address of the contact, for every message.
    Address,
}

/// A report about messages of the business.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Delivery {
    pub covers: Covered,
    pub state: DeliveryState,
    /// The reference that Rapport made, if the provider gives it back beside the message's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

impl Delivery {
    /// A report that names no reference.
    pub fn new(covers: Covered, state: DeliveryState) -> Self {
        Self { covers, state, reference: None }
    }
}

/// Whether a consent is granted or withdrawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConsentState {
    Granted,
    Withdrawn,
}

/// The customer grants or withdraws a consent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Consent {
    /// `service`, `marketing`, … (W3C DPV terms).
    pub purpose: String,
    pub state: ConsentState,
    pub evidence: Option<Value>,
}

/// The metric of a survey.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    Nps,
    Csat,
    Ces,
    Stars,
    Thumbs,
    Other(String),
}

/// The answer to a survey.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Feedback {
    pub metric: Metric,
    pub score: f64,
    /// The ends of the scale, lowest satisfaction first: (1, 7) or (7, 1).
    pub scale: (f64, f64),
    pub comment: Option<String>,
    /// The message, conversation, ticket or order it is about.
    pub about: Option<String>,
    /// The provider's id of this response: a later event with the same id revises it.
    pub response_id: String,
}

/// The state of a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CallState {
    Ringing,
    Answered,
    Ended,
    Missed,
    Voicemail,
    Other(String),
}

/// A call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Call {
    pub id: String,
    pub state: CallState,
    pub initiator: Author,
    /// The duration of the conversation in seconds.
    pub duration: Option<u32>,
    pub recording: Option<Media>,
}

/// The state of a ticket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TicketState {
    Opened,
    Pending,
    Solved,
    Closed,
    Reopened,
    Other(String),
}

/// A ticket or case of a help desk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ticket {
    pub id: String,
    pub state: TicketState,
    pub subject: Option<String>,
    pub url: Option<String>,
}

/// A new identifier replaced an old one of the same person: a changed number, a regenerated user id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Replacement {
    pub old: Identifier,
    pub new: Identifier,
}

/// Who holds the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Controller {
    Automation,
    Agent,
    OtherApp,
}

/// Who holds the conversation, and how that came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Control {
    pub holder: Controller,
    /// What the holder is to the thread, in the provider's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Who made the change: the provider's id of an app or an agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

impl Control {
    /// Nothing is known but who holds the conversation.
    pub fn held_by(holder: Controller) -> Self {
        Self { holder, role: None, by: None }
    }
}

/// A control in JSON: the holder's word alone, or an object.
mod written_control {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Control, Controller};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Word(Controller),
        Record(Control),
    }

    pub fn serialize<S: Serializer>(control: &Control, serializer: S) -> Result<S::Ok, S::Error> {
        match control {
            Control { holder, role: None, by: None } => holder.serialize(serializer),
            _ => control.serialize(serializer),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Control, D::Error> {
        Ok(match Written::deserialize(deserializer)? {
            Written::Word(holder) => Control::held_by(holder),
            Written::Record(control) => control,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_stored_before_the_new_fields_reads_and_is_written_as_it_was() {
        let contact = r#""contact":{"identifiers":[],"display_name":null,"locale":null,"time_zone":null,"traits":{}}"#;
        let message = r#""message":{"id":"m","author":"agent","subject":null,"parts":[],"in_reply_to":null,"thread":null,"referral":null,"forwarded":false"#;
        let bodies = [
            r#""control":"agent""#.to_owned(),
            r#""control":{"holder":"other_app","role":"primary","by":"app-1"}"#.to_owned(),
            r#""delivery":{"covers":{"message":"m"},"state":"read"}"#.to_owned(),
            r#""delivery":{"covers":{"reference":"r1"},"state":"read","reference":"r1"}"#.to_owned(),
            format!("{message}}}"),
            format!(r#"{message},"reference":"r1","standby":true}}"#),
        ];
        for body in bodies {
            let json = format!(r#"{{"id":"e","at":7,"account":"a",{contact},{body},"extensions":{{}}}}"#);
            let event: Event = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{body}: {error}"));
            assert_eq!(serde_json::to_string(&event).unwrap(), json);
        }
    }
}
