//! The shapes around what the platform's own reader takes: an entry of an account, and what is said in public.

use rapport_meta::Text;
use rapport_sdk::lenient;
use serde::Deserialize;
use serde_json::value::RawValue;

pub use rapport_meta::messaging::Entry;

/// The value of a change of `comments`, `live_comments` or `mentions`.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Public<'a> {
    /// Of the comment. A mention calls it `comment_id`, as some relays of comments do.
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub comment_id: Text<'a>,
    #[serde(deserialize_with = "lenient::text")]
    pub text: Option<String>,
    #[serde(borrow, deserialize_with = "lenient::object")]
    pub from: Option<From<'a>>,
    /// The post, reel, advertisement or broadcast. A mention has only its id.
    #[serde(borrow)]
    pub media: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub media_id: Text<'a>,
    /// The comment that it answers.
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub parent_id: Text<'a>,
    /// Not documented, and seldom there.
    #[serde(deserialize_with = "lenient::time")]
    pub timestamp: Option<u64>,
}

/// Who said it.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct From<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub username: Text<'a>,
    /// Of the business's own comments: its id as customers have one.
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub self_ig_scoped_id: Text<'a>,
}
