//! Reading provider JSON that drifts: numbers that became strings, seconds that became milliseconds, a field of another
//! type than yesterday. What cannot be read is absent; it never fails its siblings.
//!
//! ```ignore
//! #[derive(Deserialize, Default)]
//! #[serde(default)]
//! struct Reply<'a> {
//!     #[serde(deserialize_with = "lenient::id")]
//!     id: Option<String>,
//!     #[serde(borrow, deserialize_with = "lenient::text")]
//!     body: Option<Cow<'a, str>>,
//!     #[serde(deserialize_with = "lenient::time")]
//!     timestamp: Option<u64>,
//!     #[serde(borrow)]
//!     details: Option<&'a RawValue>,
//! }
//!
//! let json = lenient::document(&webhook.body);
//! let reply: Reply = serde_json::from_str(&json)?;
//! ```

mod document;
mod nested;
mod repeated;
mod scalar;

pub use document::{document, explain};
pub use nested::{batch, each, field, list, maybe, object, objects, places, read, root};
pub use repeated::has_repeated_name;

use std::borrow::Cow;

use scalar::Scalar;
use serde::{Deserialize, Deserializer};

/// Timestamps below this are seconds, the others milliseconds: 10¹¹ s is the year 5138, 10¹¹ ms was March 1973.
pub const SECONDS_BELOW: f64 = 100_000_000_000.0;

/// An identifier that comes as a string or as a number; to be used where a list holds them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Id(pub String);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id: Option<String> = id(deserializer)?;
        id.map(Id).ok_or_else(|| serde::de::Error::custom("expected an id: a non-empty string or a number"))
    }
}

/// A text with U+FFFD in the place of each U+0000, which PostgreSQL and others who are given events refuse.
///
/// It is never left out. A text without it is another text: of `ann@example.com` and a U+0000 it would make the mailbox
/// of somebody else.
pub fn without_nul<'a>(text: impl Into<Cow<'a, str>>) -> Cow<'a, str> {
    let text = text.into();
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { text }
}

/// A text without the white space around it. Control characters are none, but for tabs and the ends of lines: to
/// `str::trim`, `ann@example.com` and a vertical tab is `ann@example.com`.
pub fn trim(text: &str) -> &str {
    text.trim_matches(|sign: char| sign.is_whitespace() && (!sign.is_control() || matches!(sign, '\t' | '\n' | '\r')))
}

/// A text: a string, or a number as its digits, [without U+0000](without_nul).
///
/// # Errors
/// Only for text that is no JSON at all, like every function of this module.
pub fn text<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: From<&'de str> + From<String>,
{
    Scalar::deserialize(deserializer).map(Scalar::text)
}

/// An identifier: like [`text()`], and an empty one is none.
///
/// # Errors
/// Only for text that is no JSON at all.
pub fn id<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: From<&'de str> + From<String>,
{
    let scalar = Scalar::deserialize(deserializer)?;
    Ok(if scalar.is_blank() { None } else { scalar.text() })
}

/// An instant in milliseconds since 1970: from seconds or milliseconds, as a number or a string, or from RFC 3339.
///
/// # Errors
/// Only for text that is no JSON at all.
pub fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let scalar = Scalar::deserialize(deserializer)?;
    let number = scalar.number().filter(|number| *number >= 0.0);
    let of_number = number.map(|number| if number < SECONDS_BELOW { number * 1000.0 } else { number }.round() as u64);
    Ok(of_number.or_else(|| scalar.instant()))
}

/// A number, which may be written as a string.
///
/// # Errors
/// Only for text that is no JSON at all.
pub fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    Scalar::deserialize(deserializer).map(|scalar| scalar.number())
}

/// A whole number that is not negative: a size, a count, a duration. It may be written as a string.
///
/// # Errors
/// Only for text that is no JSON at all.
pub fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Scalar::deserialize(deserializer).map(|scalar| scalar.integer())
}

/// A flag: `true`, `"true"` and 1 are set; everything else, and nothing at all, is not.
///
/// # Errors
/// Only for text that is no JSON at all.
pub fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Scalar::deserialize(deserializer).map(|scalar| scalar.flag())
}

#[cfg(test)]
mod tests;
