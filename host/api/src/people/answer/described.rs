//! How an event looks in an answer, for the document. The values themselves are made by [`rapport_model::cloudevent`] and
//! shortened by [`crate::people::shortened_event`]; a test checks that all events of all fixtures are as described here.

use std::collections::BTreeMap;

use rapport_model::event::{
    Call, Consent, Contact, Control, Controller, Delivery, DeliveryState, Edit, Feedback, Message, Reaction,
    Replacement, Ticket,
};
use rapport_model::sending::intent::Origin;
use rapport_model::sending::{Kind, MessageId};
use rapport_model::{Eid, EventKey};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

/// An event, as a CloudEvent 1.0. An event that cannot be read has the type `rapport.unreadable.v1`; a shortened event has
/// `elided`.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "it is only described: answers have values")]
pub(crate) enum AnyEvent {
    Unreadable(Box<UnreadableEvent>),
    Elided(Box<ElidedEvent>),
    Whole(Box<WholeEvent>),
}

/// An event, as a CloudEvent 1.0.
#[derive(JsonSchema)]
#[schemars(rename = "Event")]
#[expect(dead_code, reason = "it is only described: answers have values")]
pub(crate) struct WholeEvent {
    #[serde(flatten)]
    envelope: Envelope,
    /// `rapport.<body>.v1`: what happened, such as `rapport.message.v1`. `data` has a field of the same name, `message`.
    #[schemars(regex(pattern = "^rapport\\.[a-z_]+\\.v1$"))]
    r#type: String,
    data: EventData,
    /// How far a message of the business got. Only messages of the business have it, after the first report.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "DeliveryState")]
    deliverystate: Option<DeliveryState>,
    /// Only messages that Rapport sent have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "SentBy")]
    sent: Option<SentBy>,
}

/// A large event, shortened: long texts and lists in `data` are cut and end with `[… bytes left out]`.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it is only described: answers have values")]
pub(crate) struct ElidedEvent {
    #[serde(flatten)]
    envelope: Envelope,
    /// `rapport.<body>.v1`: what happened, such as `rapport.message.v1`.
    #[schemars(regex(pattern = "^rapport\\.[a-z_]+\\.v1$"))]
    r#type: String,
    /// Like the `data` of an `Event`, except that a shortened list ends with a text, and a shortened object has the field
    /// `rapport.elided`.
    data: BTreeMap<String, Value>,
    /// The address of the whole event, `GET /v1/events/{id}`.
    #[schemars(extend("format" = "uri-reference"))]
    elided: String,
    /// The size of the whole event in bytes of JSON.
    elidedbytes: u64,
    /// How far a message of the business got. Only messages of the business have it, after the first report.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "DeliveryState")]
    deliverystate: Option<DeliveryState>,
    /// Only messages that Rapport sent have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "SentBy")]
    sent: Option<SentBy>,
}

/// Who sent a message through Rapport, and what for.
#[derive(Serialize, JsonSchema)]
pub(crate) struct SentBy {
    /// The id of the message: `GET /v1/messages/{id}`.
    message: String,
    /// The number of the part, from 0.
    part: u32,
    /// The name of the API key.
    by: String,
    /// `service`, `marketing`, … (W3C DPV terms).
    purpose: String,
    kind: Kind,
    /// The `sequence` of the newest event of the customer that was known when it was sent. A reply answers up to here.
    answers: Option<EventKey>,
}

impl SentBy {
    /// Of the event of a message.
    pub fn of(eid: &Eid, origin: &Origin) -> Self {
        let Origin { intent, part, by, purpose, kind, answers, .. } = origin;
        let message = MessageId { eid: eid.clone(), intent: intent.clone() }.to_string();
        let (by, purpose) = (by.clone(), purpose.clone());
        Self { message, part: *part, by, purpose, kind: *kind, answers: answers.clone() }
    }
}

/// Stands in the place of an event that cannot be read.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it is only described: answers have values")]
pub(crate) struct UnreadableEvent {
    #[serde(flatten)]
    envelope: Envelope,
    #[schemars(extend("const" = "rapport.unreadable.v1"))]
    r#type: String,
    data: UnreadableData,
}

/// The attributes of a CloudEvent that every event has.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it is only described: answers have values")]
struct Envelope {
    #[schemars(extend("const" = "1.0"))]
    specversion: String,
    /// The provider's id of the event. `source` and `id` together are unique.
    id: String,
    /// The connection that received the event, and the account of the business: `/connections/{name}/accounts/{account}`.
    #[schemars(extend("format" = "uri-reference"))]
    source: String,
    /// When it happened: RFC 3339, the provider's clock.
    #[schemars(extend("format" = "date-time"))]
    time: String,
    /// When Rapport received it: RFC 3339, Rapport's clock.
    #[schemars(extend("format" = "date-time"))]
    recordedtime: String,
    /// The id of the endpoint (the customer's address) at which the event is stored.
    partitionkey: Eid,
    /// The place of the event among those of its endpoint. It sorts by the provider's time.
    sequence: EventKey,
    /// Whether it is proven that the event comes from the person who has the address. False for a form, an SMS or an
    /// unauthenticated mail.
    verified: bool,
    #[schemars(extend("const" = "application/json"))]
    datacontenttype: String,
}

/// What happened, and to whom. Exactly one other field stands beside `contact` and `extensions`: the one that `type` names.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it is only described: answers have values")]
struct EventData {
    contact: Contact,
    /// What the provider said beside the fields of the contract, by reverse-DNS name.
    extensions: BTreeMap<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Message")]
    message: Option<Message>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Edit")]
    message_edited: Option<Edit>,
    /// The id of the message that was deleted. Its content must not be shown any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    message_deleted: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Reaction")]
    reaction: Option<Reaction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Delivery")]
    delivery: Option<Delivery>,
    /// Always null: the traits and identifiers in `contact` are the news.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "()")]
    contact_updated: Option<()>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Replacement")]
    identifier_replaced: Option<Replacement>,
    /// Always null: the provider demands that the person is erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "()")]
    contact_erased: Option<()>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Consent")]
    consent: Option<Consent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Feedback")]
    feedback: Option<Feedback>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Call")]
    call: Option<Call>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Ticket")]
    ticket: Option<Ticket>,
    /// Who holds the conversation after this event.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "WrittenControl")]
    control: Option<WrittenControl>,
    /// A product or marketing activity: its name and its properties.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "(String, Value)")]
    activity: Option<(String, Value)>,
    /// Anything else: its reverse-DNS name, and the object as it came.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "(String, Value)")]
    other: Option<(String, Value)>,
}

/// Who holds the conversation: the holder's word alone, if nothing else is known.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it is only described: answers have values")]
enum WrittenControl {
    Word(Controller),
    Record(Control),
}

/// Why an event cannot be read.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it is only described: answers have values")]
struct UnreadableData {
    /// How many bytes are stored; 0: not known.
    bytes: u64,
    /// `corrupt` or `missing-blob`.
    reason: String,
}
