//! The shape of event subscriptions, with only the fields that are used. Each may be missing, or of another type.

use std::borrow::Cow;

use rapport_sdk::lenient;
use serde::Deserialize;
use serde_json::value::RawValue;

pub type Text<'a> = Option<Cow<'a, str>>;

/// What is around every event.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Root<'a> {
    /// `zen:event-type:ticket.created`
    #[serde(borrow, rename = "type", deserialize_with = "lenient::id")]
    pub kind: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub account_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub id: Text<'a>,
    /// `zen:ticket:5158`
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub subject: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub time: Text<'a>,
    /// The object it happened to.
    #[serde(borrow)]
    pub detail: Option<&'a RawValue>,
    /// What happened.
    #[serde(borrow)]
    pub event: Option<&'a RawValue>,
}

/// `detail` of a ticket.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Ticket<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub subject: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub description: Text<'a>,
    /// `OPEN`
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub status: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub priority: Text<'a>,
    #[serde(borrow, rename = "type", deserialize_with = "lenient::id")]
    pub kind: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub requester_id: Text<'a>,
    /// Who did what the event tells of.
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub actor_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub updated_at: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub external_id: Text<'a>,
    #[serde(borrow)]
    pub tags: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "lenient::object")]
    pub via: Option<Via<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Via<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub channel: Text<'a>,
}

/// `event` of a change.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Change<'a> {
    #[serde(borrow)]
    pub current: Option<&'a RawValue>,
    #[serde(borrow)]
    pub previous: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "lenient::object")]
    pub comment: Option<Comment<'a>>,
    /// Of a conversation in messaging.
    #[serde(borrow, deserialize_with = "lenient::object")]
    pub actor: Option<Actor<'a>>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub conversation_id: Text<'a>,
    #[serde(borrow)]
    pub message: Option<&'a RawValue>,
    /// Of a user.
    #[serde(borrow, deserialize_with = "lenient::object")]
    pub identity: Option<Identity<'a>>,
    #[serde(borrow, deserialize_with = "lenient::object")]
    pub user: Option<User<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Comment<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub body: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub html_body: Text<'a>,
    #[serde(borrow)]
    pub is_public: Option<&'a RawValue>,
    #[serde(borrow)]
    pub public: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "lenient::object")]
    pub author: Option<Actor<'a>>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub author_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::object")]
    pub attachment: Option<Attachment<'a>>,
    /// None in the place of what is no object.
    #[serde(borrow, deserialize_with = "lenient::places")]
    pub attachments: Vec<Option<Attachment<'a>>>,
}

/// Who wrote something.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Actor<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub name: Text<'a>,
    #[serde(borrow)]
    pub is_staff: Option<&'a RawValue>,
    /// In messaging: `end_user`, `agent`, `system`.
    #[serde(borrow, rename = "type", deserialize_with = "lenient::id")]
    pub kind: Text<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Attachment<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub content_url: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub content_type: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub filename: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub file_name: Text<'a>,
    #[serde(deserialize_with = "lenient::integer")]
    pub size: Option<u64>,
}

/// A message in messaging.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct ChatMessage<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub body: Text<'a>,
}

/// `detail` of a user.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct User<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub email: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub phone: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub name: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub role: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub external_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub organization_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub updated_at: Text<'a>,
}

/// An address of a user.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Identity<'a> {
    /// `email`, `phone_number`, `google`, `twitter`, …
    #[serde(borrow, rename = "type", deserialize_with = "lenient::id")]
    pub kind: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub value: Text<'a>,
}

/// Whether a flag is there and says no.
pub fn is_no(flag: Option<&RawValue>) -> bool {
    flag.is_some_and(|flag| matches!(flag.get(), "false" | "\"false\"" | "0"))
}

/// Whether a flag is there and says yes.
pub fn is_yes(flag: Option<&RawValue>) -> bool {
    flag.is_some_and(|flag| matches!(flag.get(), "true" | "\"true\"" | "1"))
}

/// The text that a value is, or a number as its digits.
pub fn text(value: Option<&RawValue>) -> Option<String> {
    value.and_then(lenient::read::<lenient::Id>).map(|text| text.0)
}
