//! Objects and arrays inside provider JSON, each of which may turn out to be something else.
//!
//! [`maybe`] and [`each`] isolate any `T` by scanning it twice. [`object`] and [`objects`] scan once, which is for the
//! envelope around everything; they need a `T` whose own fields are all lenient.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::explain;

/// A value of any type but an array; none if it cannot be read as `T`.
///
/// # Errors
/// Only for text that is no JSON at all. The input must be borrowed, as it is with `serde_json::from_str`.
pub fn maybe<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let raw = <Option<&'de RawValue>>::deserialize(deserializer)?;
    Ok(raw.and_then(read))
}

/// The elements of an array that can be read as `T`; the others are left out.
///
/// # Errors
/// Only for text that is no JSON at all. The input must be borrowed, as it is with `serde_json::from_str`.
pub fn each<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(list(deserializer)?.into_iter().filter_map(read).collect())
}

/// The elements of an array, unread. Absent and null are no elements; anything but an array is one element, `null`,
/// so that whoever counts the unreadable ones counts it.
///
/// # Errors
/// Only for text that is no JSON at all. The input must be borrowed, as it is with `serde_json::from_str`.
pub fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<&'de RawValue>, D::Error> {
    deserializer.deserialize_any(Elements)
}

/// The object that a whole body is.
///
/// # Errors
/// A sentence, for `Malformed`, that holds nothing of the body: no JSON, or another value than an object.
pub fn root<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, String> {
    // serde would take an array for a structure, and write a text that it did not expect into its message.
    if json.trim_start().starts_with(['[', '"']) {
        return Err("expected a JSON object, found an array or a text".into());
    }
    serde_json::from_str(json).map_err(|error| format!("expected a JSON object, {}", explain(&error)))
}

/// The elements of a batch that is an array at the top of a body, unread; a sole object is its only element.
///
/// Reading ends at `count_max`: a provider documents how many it sends, and a hostile mebibyte has half a million.
///
/// # Errors
/// A sentence, for `Malformed`: no JSON, neither an array nor an object, or more elements.
pub fn batch(json: &str, count_max: usize) -> Result<Vec<&RawValue>, String> {
    let refusal = |error| format!("expected an array of at most {count_max} elements, {}", explain(&error));
    if json.trim_start().starts_with('{') {
        return serde_json::from_str(json).map(|sole| vec![sole]).map_err(refusal);
    }
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let elements = deserializer.deserialize_seq(Bounded(count_max)).map_err(refusal)?;
    deserializer.end().map_err(refusal)?;
    Ok(elements)
}

/// An object whose fields are all lenient, read in one pass; none if there is no object.
///
/// # Errors
/// For text that is no JSON, and whatever error a field of `T` raises that is not lenient.
pub fn object<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    deserializer.deserialize_any(ObjectOrNot(PhantomData))
}

/// The objects of an array, whose fields are all lenient, read in one pass; other elements are left out.
///
/// # Errors
/// For text that is no JSON, and whatever error a field of `T` raises that is not lenient.
pub fn objects<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    deserializer.deserialize_any(Objects(PhantomData))
}

/// The objects of an array in their places, whose fields are all lenient, read in one pass; none in the place of another
/// element, for whoever tells of it. Absent and null are no elements; anything but an array is one that is none.
///
/// # Errors
/// For text that is no JSON, and whatever error a field of `T` raises that is not lenient.
pub fn places<'de, D, T>(deserializer: D) -> Result<Vec<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    deserializer.deserialize_any(Places(PhantomData))
}

/// What a raw value says, read as `T`; none if it cannot be.
///
/// An array is never read, because serde would take `["a", "b"]` for a structure with two fields; use [`list`].
pub fn read<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
    let json = raw.get();
    if json.starts_with('[') { None } else { serde_json::from_str(json).ok() }
}

/// The value of one field of a raw object, unread; null is none.
pub fn field<'a>(object: &'a RawValue, name: &str) -> Option<&'a RawValue> {
    let mut found = None;
    let search = Search { name, found: &mut found };
    // The search stops at the field, which the deserializer reports as an unfinished object.
    let _ = serde_json::Deserializer::from_str(object.get()).deserialize_map(search);
    found
}

/// What a visitor answers where it hoped for an object or an array and met neither.
macro_rules! scalars_are {
    ($value:expr) => {
        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
            Ok($value)
        }
    };
}

struct Elements;

impl<'de> Visitor<'de> for Elements {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = sequence.next_element()? {
            elements.push(element);
        }
        Ok(elements)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(vec![RawValue::NULL])
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }

    scalars_are!(vec![RawValue::NULL]);
}

/// At most so many elements of an array.
struct Bounded(usize);

impl<'de> Visitor<'de> for Bounded {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "an array of at most {} elements", self.0)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = sequence.next_element()? {
            if elements.len() == self.0 {
                return Err(serde::de::Error::invalid_length(self.0 + 1, &self));
            }
            elements.push(element);
        }
        Ok(elements)
    }
}

struct ObjectOrNot<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for ObjectOrNot<T> {
    type Value = Option<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectOrNot<T> {
    type Value = Option<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Some)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        while sequence.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    scalars_are!(None);
}

struct Objects<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Objects<T> {
    type Value = Vec<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        let mut objects = Vec::new();
        while let Some(element) = sequence.next_element_seed(ObjectOrNot(PhantomData))? {
            objects.extend(element);
        }
        Ok(objects)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Vec::new())
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }

    scalars_are!(Vec::new());
}

struct Places<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Places<T> {
    type Value = Vec<Option<T>>;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        let mut places = Vec::new();
        while let Some(element) = sequence.next_element_seed(ObjectOrNot(PhantomData))? {
            places.push(element);
        }
        Ok(places)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(vec![None])
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }

    scalars_are!(vec![None]);
}

struct Search<'s, 'a> {
    name: &'s str,
    found: &'s mut Option<&'a RawValue>,
}

impl<'a> Visitor<'a> for Search<'_, 'a> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(is_it) = map.next_key_seed(IsName(self.name))? {
            if is_it {
                *self.found = map.next_value()?;
                return Ok(());
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

/// Compares a key in place, so that no key is copied.
struct IsName<'s>(&'s str);

impl<'de> DeserializeSeed<'de> for IsName<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for IsName<'_> {
    type Value = bool;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<bool, E> {
        Ok(key == self.0)
    }
}
