//! The shape that Typeform sends, with only the fields that are used. Each may be missing, or of another type.

use std::borrow::Cow;

use rapport_sdk::lenient;
use serde::Deserialize;
use serde_json::value::RawValue;

pub type Text<'a> = Option<Cow<'a, str>>;

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Root<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub event_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub event_type: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::object")]
    pub form_response: Option<Response<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Response<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub form_id: Text<'a>,
    /// Typeform's id of the response.
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub token: Text<'a>,
    /// The same in the Responses API and in older webhooks.
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub response_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub landed_at: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub submitted_at: Text<'a>,
    /// An object: the name of a hidden field, and what the link said.
    #[serde(borrow)]
    pub hidden: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "lenient::object")]
    pub calculated: Option<Calculated<'a>>,
    #[serde(borrow)]
    pub variables: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "lenient::object")]
    pub definition: Option<Definition<'a>>,
    #[serde(borrow, deserialize_with = "lenient::list")]
    pub answers: Vec<&'a RawValue>,
    #[serde(borrow, deserialize_with = "lenient::object")]
    pub ending: Option<Reference<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Calculated<'a> {
    #[serde(borrow)]
    pub score: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Definition<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub title: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::list")]
    pub fields: Vec<&'a RawValue>,
}

/// A question of the definition.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Field<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub id: Text<'a>,
    #[serde(borrow, rename = "ref", deserialize_with = "lenient::id")]
    pub reference: Text<'a>,
    #[serde(borrow, rename = "type", deserialize_with = "lenient::id")]
    pub kind: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub title: Text<'a>,
    /// Which part of a `contact_info` it is: `first_name`, `last_name`, `email`, `phone_number`, `company`.
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub subfield_key: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::object")]
    pub properties: Option<Properties<'a>>,
    /// Steps and start stood beside the type once.
    #[serde(deserialize_with = "lenient::integer")]
    pub steps: Option<u64>,
    #[serde(deserialize_with = "lenient::flag")]
    pub start_at_one: bool,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Properties<'a> {
    #[serde(deserialize_with = "lenient::integer")]
    pub steps: Option<u64>,
    #[serde(deserialize_with = "lenient::flag")]
    pub start_at_one: bool,
    /// The questions inside of a group, a matrix or a `contact_info`.
    #[serde(borrow, deserialize_with = "lenient::list")]
    pub fields: Vec<&'a RawValue>,
}

/// One answer; its value stands under the name that `type` says, and is read by [`lenient::field`].
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Answer<'a> {
    #[serde(borrow, rename = "type", deserialize_with = "lenient::id")]
    pub kind: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::object")]
    pub field: Option<Reference<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Reference<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub id: Text<'a>,
    #[serde(borrow, rename = "ref", deserialize_with = "lenient::id")]
    pub reference: Text<'a>,
    #[serde(borrow, rename = "type", deserialize_with = "lenient::id")]
    pub kind: Text<'a>,
}

/// One choice, or what was written instead of one.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Choice<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub label: Text<'a>,
}

/// An answer by video, audio or text.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct MultiFormat<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub text: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub video_url: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub audio_url: Text<'a>,
    /// What is said in the recording.
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub transcript: Text<'a>,
}

/// A signature, drawn, typed or uploaded: a picture.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Signature<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub url: Text<'a>,
}
