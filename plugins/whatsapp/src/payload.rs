//! The shapes that Meta sends, with only the fields that are used. Each may be missing, or of another type.

use rapport_meta::{Change, Text};
use rapport_sdk::lenient;
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Entry<'a> {
    #[serde(borrow, deserialize_with = "lenient::places")]
    pub changes: Vec<Option<Change<'a>>>,
}

/// What every field about conversations shares. Several arrays may be filled at once.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Value<'a> {
    #[serde(borrow, deserialize_with = "lenient::object")]
    pub metadata: Option<Number<'a>>,
    /// The business number of a `messaging_handovers` value, which has no `metadata`.
    #[serde(borrow, deserialize_with = "lenient::object")]
    pub recipient: Option<Number<'a>>,
    /// None in the place of what is no object.
    #[serde(borrow, deserialize_with = "lenient::places")]
    pub contacts: Vec<Option<Contact<'a>>>,
    #[serde(borrow, deserialize_with = "lenient::list")]
    pub messages: Vec<&'a RawValue>,
    #[serde(borrow, deserialize_with = "lenient::list")]
    pub message_echoes: Vec<&'a RawValue>,
    #[serde(borrow, deserialize_with = "lenient::list")]
    pub statuses: Vec<&'a RawValue>,
    #[serde(borrow, deserialize_with = "lenient::list")]
    pub calls: Vec<&'a RawValue>,
    #[serde(borrow, deserialize_with = "lenient::list")]
    pub user_preferences: Vec<&'a RawValue>,
    #[serde(borrow, deserialize_with = "lenient::list")]
    pub user_id_update: Vec<&'a RawValue>,
    #[serde(borrow, deserialize_with = "lenient::list")]
    pub history: Vec<&'a RawValue>,
    #[serde(borrow, deserialize_with = "lenient::list")]
    pub state_sync: Vec<&'a RawValue>,
    /// Errors of no message in particular.
    #[serde(borrow, deserialize_with = "lenient::list")]
    pub errors: Vec<&'a RawValue>,
    /// The same arrays once more, where the field is `standby`.
    #[serde(borrow)]
    pub standby: Option<&'a RawValue>,
}

impl Value<'_> {
    /// Of how many messages, statuses and calls `contacts` may speak.
    pub fn elements(&self) -> usize {
        self.messages.len() + self.message_echoes.len() + self.statuses.len() + self.calls.len()
    }
}

/// A phone number of the business.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Number<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub phone_number_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub display_phone_number: Text<'a>,
}

/// An element of `contacts`, which belongs to a message or status of the same value.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Contact<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub wa_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub user_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub parent_user_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::object")]
    pub profile: Option<Profile<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Profile<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub name: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub username: Text<'a>,
}

/// The envelope of a message; its content is the field that `type` names.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Message<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub id: Text<'a>,
    #[serde(deserialize_with = "lenient::time")]
    pub timestamp: Option<u64>,
    #[serde(borrow, rename = "type", deserialize_with = "lenient::id")]
    pub kind: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub from: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub from_user_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub from_parent_user_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub to: Text<'a>,
    /// What `to` is called in an echo under `standby`.
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub recipient: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub to_user_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub to_parent_user_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub group_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::object")]
    pub context: Option<Context<'a>>,
    #[serde(borrow)]
    pub referral: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "lenient::list")]
    pub errors: Vec<&'a RawValue>,
    /// Of an echo: what its sender put beside it.
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub biz_opaque_callback_data: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::object")]
    pub history_context: Option<HistoryContext<'a>>,
    /// An echo under `standby` wraps what was sent.
    #[serde(borrow)]
    pub message: Option<&'a RawValue>,
}

/// What only a message of the history says.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct HistoryContext<'a> {
    /// How far it came.
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub status: Text<'a>,
    /// The business sent it.
    #[serde(deserialize_with = "lenient::flag")]
    pub from_me: bool,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Context<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub id: Text<'a>,
    #[serde(deserialize_with = "lenient::flag")]
    pub forwarded: bool,
    #[serde(deserialize_with = "lenient::flag")]
    pub frequently_forwarded: bool,
    #[serde(borrow)]
    pub referred_product: Option<&'a RawValue>,
}

/// How the customer came: a click on an advertisement or a post.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Referral {
    #[serde(deserialize_with = "lenient::id")]
    pub source_type: Option<String>,
    #[serde(deserialize_with = "lenient::id")]
    pub source_id: Option<String>,
    #[serde(deserialize_with = "lenient::id")]
    pub source_url: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Reaction {
    #[serde(deserialize_with = "lenient::id")]
    pub message_id: Option<String>,
    /// Missing or empty: the reaction was taken back.
    #[serde(deserialize_with = "lenient::id")]
    pub emoji: Option<String>,
}

/// An edit, or a revocation, which has no `message`.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Edit<'a> {
    #[serde(deserialize_with = "lenient::id")]
    pub original_message_id: Option<String>,
    #[serde(borrow)]
    pub message: Option<&'a RawValue>,
}
