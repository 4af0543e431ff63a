//! The fields of an object whose names say what it is.

use std::fmt;

use rapport_sdk::lenient;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Names and values of an object, read in one pass and in order. A value that is null is not there.
pub(super) struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Fields<'a> {
    /// Those of `raw`; none for anything but an object.
    pub fn of(raw: &'a RawValue) -> Self {
        Fields(serde_json::Deserializer::from_str(raw.get()).deserialize_map(Pairs).unwrap_or_default())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }

    pub fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| *value)
    }

    /// The field as `T`; none if it cannot be read as one.
    pub fn read<T: Deserialize<'a>>(&self, name: &str) -> Option<T> {
        lenient::read(self.get(name)?)
    }

    /// An instant; the beginning of 1970 is none.
    pub fn time(&self, name: &str) -> Option<u64> {
        let time = lenient::time(&mut serde_json::Deserializer::from_str(self.get(name)?.get())).ok()?;
        time.filter(|time| *time > 0)
    }
}

struct Pairs;

impl<'de> Visitor<'de> for Pairs {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, Option<&'de RawValue>>()? {
            pairs.extend(value.map(|value| (name, value)));
        }
        Ok(pairs)
    }
}
