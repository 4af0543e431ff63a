//! The shapes of an update, with the fields that are used.

use std::collections::BTreeMap;

use rapport_sdk::{Json, lenient};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The fields of an object of which the name of a field says what it is, as in an update and in a message.
#[derive(Deserialize, Default)]
#[serde(transparent)]
pub struct Fields<'a>(#[serde(borrow)] BTreeMap<String, &'a RawValue>);

impl<'a> Fields<'a> {
    /// Those of `raw`; none for anything but an object.
    pub fn of(raw: &'a RawValue) -> Option<Self> {
        lenient::read(raw)
    }

    /// A field, unread. Null is none, and so are an empty list and `false`: Telegram leaves out what is not there, but
    /// relays and libraries write every field of their own types.
    pub fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.get(name).copied().filter(|raw| !matches!(raw.get(), "null" | "false" | "[]"))
    }

    /// The field as `T`; none if it cannot be read as one.
    pub fn read<T: Deserialize<'a>>(&self, name: &str) -> Option<T> {
        lenient::read(self.get(name)?)
    }

    /// An id, which is a number here and may be beyond 32 bits.
    pub fn id(&self, name: &str) -> Option<String> {
        self.read::<lenient::Id>(name).map(|id| id.0)
    }

    /// A text that says something.
    pub fn text(&self, name: &str) -> Option<String> {
        let text: Option<String> =
            lenient::text(&mut serde_json::Deserializer::from_str(self.get(name)?.get())).ok()?;
        text.filter(|text| !text.is_empty())
    }

    /// An instant in milliseconds; the beginning of 1970 stands for a message that is out of reach.
    pub fn time(&self, name: &str) -> Option<u64> {
        let time = lenient::time(&mut serde_json::Deserializer::from_str(self.get(name)?.get())).ok()?;
        time.filter(|time| *time > 0)
    }

    /// The elements of an array, unread.
    pub fn list(&self, name: &str) -> Vec<&'a RawValue> {
        let list = |raw: &'a RawValue| lenient::list(&mut serde_json::Deserializer::from_str(raw.get())).ok();
        self.get(name).and_then(list).unwrap_or_default()
    }

    /// All of them as one object.
    pub fn json(&self) -> Json {
        let whole: BTreeMap<&str, &RawValue> = self.iter().collect();
        rapport_sdk::event::json(&whole)
    }

    /// Names and values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(name, raw)| (name.as_str(), *raw)).filter(|(_, raw)| raw.get() != "null")
    }
}

/// Somebody, or a bot.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct User {
    #[serde(deserialize_with = "lenient::id")]
    pub id: Option<String>,
    #[serde(deserialize_with = "lenient::flag")]
    pub is_bot: bool,
    #[serde(deserialize_with = "lenient::id")]
    pub first_name: Option<String>,
    #[serde(deserialize_with = "lenient::id")]
    pub last_name: Option<String>,
    #[serde(deserialize_with = "lenient::id")]
    pub username: Option<String>,
    /// The language of the app: an IETF tag.
    #[serde(deserialize_with = "lenient::id")]
    pub language_code: Option<String>,
}

/// A conversation. A private one has the id and the names of the other side.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Chat {
    #[serde(deserialize_with = "lenient::id")]
    pub id: Option<String>,
    #[serde(rename = "type", deserialize_with = "lenient::id")]
    pub kind: Option<String>,
    #[serde(deserialize_with = "lenient::id")]
    pub title: Option<String>,
    #[serde(deserialize_with = "lenient::id")]
    pub first_name: Option<String>,
    #[serde(deserialize_with = "lenient::id")]
    pub last_name: Option<String>,
    #[serde(deserialize_with = "lenient::id")]
    pub username: Option<String>,
}

/// A file on Telegram's servers.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct File {
    #[serde(deserialize_with = "lenient::id")]
    pub file_id: Option<String>,
    #[serde(deserialize_with = "lenient::id")]
    pub file_unique_id: Option<String>,
    #[serde(deserialize_with = "lenient::id")]
    pub file_name: Option<String>,
    #[serde(deserialize_with = "lenient::id")]
    pub mime_type: Option<String>,
    #[serde(deserialize_with = "lenient::integer")]
    pub file_size: Option<u64>,
    #[serde(deserialize_with = "lenient::integer")]
    pub width: Option<u64>,
    #[serde(deserialize_with = "lenient::integer")]
    pub height: Option<u64>,
    /// Of a sticker: what it stands for.
    #[serde(deserialize_with = "lenient::id")]
    pub emoji: Option<String>,
    #[serde(deserialize_with = "lenient::flag")]
    pub is_animated: bool,
    #[serde(deserialize_with = "lenient::flag")]
    pub is_video: bool,
}

/// A point, or a place with a name.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Location {
    #[serde(deserialize_with = "lenient::number")]
    pub latitude: Option<f64>,
    #[serde(deserialize_with = "lenient::number")]
    pub longitude: Option<f64>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Venue {
    #[serde(deserialize_with = "lenient::object")]
    pub location: Option<Location>,
    #[serde(deserialize_with = "lenient::id")]
    pub title: Option<String>,
    #[serde(deserialize_with = "lenient::id")]
    pub address: Option<String>,
}

/// An address card.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Card {
    #[serde(deserialize_with = "lenient::id")]
    pub phone_number: Option<String>,
    #[serde(deserialize_with = "lenient::id")]
    pub first_name: Option<String>,
    #[serde(deserialize_with = "lenient::id")]
    pub last_name: Option<String>,
    /// Whose account has this number, if one has.
    #[serde(deserialize_with = "lenient::id")]
    pub user_id: Option<String>,
}

/// A name of one or two parts.
pub fn full_name(first: Option<&str>, last: Option<&str>) -> Option<String> {
    let parts: Vec<_> = [first, last].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// The JSON of `raw` as it came.
pub fn verbatim(raw: &RawValue) -> String {
    raw.get().to_owned()
}
