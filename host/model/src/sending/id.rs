//! The name of an intent: a ULID of the time when it is due, and 80 random bits.
//!
//! It sorts by that time, so the oldest intent that is due comes first. It never changes: an intent that has to wait keeps its
//! place.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::endpoint::{TIMESTAMP_MAX, crockford, first_of_millisecond, is_ulid, milliseconds_of};
use crate::event::Timestamp;

/// See the module's documentation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct IntentId(String);

impl IntentId {
    /// A new one. `None` if the time is beyond [`TIMESTAMP_MAX`].
    pub fn new(due_at: Timestamp, random: u128) -> Option<Self> {
        let random = random & ((1 << 80) - 1);
        (due_at <= TIMESTAMP_MAX).then(|| Self(first_of_millisecond(due_at) + &crockford(random, 16)))
    }

    /// An id from the API, a reference or the table. `None` if it cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        is_ulid(text).then(|| Self(text.to_owned()))
    }

    /// When the intent was to be due when it was made.
    pub fn due_at(&self) -> Timestamp {
        milliseconds_of(&self.0)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IntentId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl TryFrom<String> for IntentId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("`{text}` is not the id of a message; expected 26 characters, a ULID"))
    }
}

impl From<IntentId> for String {
    fn from(id: IntentId) -> Self {
        id.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_ulid_that_sorts_by_the_time_when_it_is_due() {
        let early = IntentId::new(1_700_000_000_000, u128::MAX).unwrap();
        let late = IntentId::new(1_700_000_000_001, 0).unwrap();
        assert!(early < late);
        assert_eq!(early.as_str(), "01HF7YAT00ZZZZZZZZZZZZZZZZ");
        assert_eq!((early.due_at(), late.due_at()), (1_700_000_000_000, 1_700_000_000_001));
        assert_eq!(IntentId::parse(early.as_str()), Some(early.clone()));
        assert_eq!(IntentId::new(TIMESTAMP_MAX + 1, 0), None);
        for text in ["", "01HF7YAT00", "01HF7YAT00ZZZZZZZZZZZZZZZI", "01hf7yat00zzzzzzzzzzzzzzzz"] {
            assert_eq!(IntentId::parse(text), None, "{text}");
        }
        let json = serde_json::to_string(&early).unwrap();
        assert_eq!(serde_json::from_str::<IntentId>(&json).unwrap(), early);
        assert!(serde_json::from_str::<IntentId>("\"x\"").is_err());
    }
}
