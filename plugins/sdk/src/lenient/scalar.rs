//! One JSON value that is no object and no array, read without knowing its type beforehand.

use std::borrow::Cow;
use std::fmt;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

pub(super) enum Scalar<'de> {
    Text(Cow<'de, str>),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Flag(bool),
    /// Null, an object or an array: read over, so that what follows can be read.
    Other,
}

impl<'de> Scalar<'de> {
    pub(super) fn text<T: From<&'de str> + From<String>>(self) -> Option<T> {
        Some(match self {
            Scalar::Text(Cow::Borrowed(text)) => text.into(),
            Scalar::Text(Cow::Owned(text)) => text.into(),
            Scalar::Unsigned(number) => number.to_string().into(),
            Scalar::Signed(number) => number.to_string().into(),
            Scalar::Float(number) => number.to_string().into(),
            Scalar::Flag(_) | Scalar::Other => return None,
        })
    }

    pub(super) fn is_blank(&self) -> bool {
        matches!(self, Scalar::Text(text) if text.trim().is_empty())
    }

    pub(super) fn number(&self) -> Option<f64> {
        let number = match self {
            Scalar::Text(text) => text.trim().parse().ok()?,
            Scalar::Unsigned(number) => *number as f64,
            Scalar::Signed(number) => *number as f64,
            Scalar::Float(number) => *number,
            Scalar::Flag(_) | Scalar::Other => return None,
        };
        number.is_finite().then_some(number)
    }

    pub(super) fn instant(&self) -> Option<u64> {
        match self {
            Scalar::Text(text) => crate::instant::parse(text),
            _ => None,
        }
    }

    pub(super) fn integer(&self) -> Option<u64> {
        match self {
            Scalar::Unsigned(number) => Some(*number),
            Scalar::Text(text) => text.trim().parse().ok(),
            Scalar::Float(number) if *number >= 0.0 && number.fract() == 0.0 => Some(*number as u64),
            _ => None,
        }
    }

    pub(super) fn flag(&self) -> bool {
        match self {
            Scalar::Flag(flag) => *flag,
            Scalar::Text(text) => text.trim().eq_ignore_ascii_case("true") || text.trim() == "1",
            Scalar::Unsigned(number) => *number == 1,
            _ => false,
        }
    }
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    /// Inlined into every field of every structure, this would be most of a connector.
    #[inline(never)]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Scalar<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("any JSON value")
    }

    /// JSON allows U+0000 only as an escape, and a text with an escape is never borrowed.
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Owned(super::without_nul(text).into_owned())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Scalar::Unsigned(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Signed(number))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Scalar::Float(number))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Flag(flag))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        while sequence.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }
}
