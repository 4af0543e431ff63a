//! The name of a message for clients of the API: its endpoint and its intent. Enough to find it, and nothing personal.

use std::fmt;

use crate::endpoint::Eid;
use crate::sending::id::IntentId;

/// See the module's documentation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MessageId {
    pub eid: Eid,
    pub intent: IntentId,
}

impl MessageId {
    /// A name that a client gives. `None` if it cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        let (eid, intent) = text.split_once('.')?;
        Some(Self { eid: Eid::parse(eid)?, intent: IntentId::parse(intent)? })
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}", self.eid, self.intent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_named_by_its_endpoint_and_its_intent() {
        let text = "AAAAAAAAAAAAAAAAAAAAAA.01HF7YAT00ZZZZZZZZZZZZZZZZ";
        assert_eq!(MessageId::parse(text).unwrap().to_string(), text);
        for wrong in ["", "AAAAAAAAAAAAAAAAAAAAAA", "01HF7YAT00ZZZZZZZZZZZZZZZZ", "A.01HF7YAT00ZZZZZZZZZZZZZZZZ"] {
            assert_eq!(MessageId::parse(wrong), None, "{wrong}");
        }
    }
}
