//! What a customer sent to a number or an RCS agent: the notification of two-way messaging.

use rapport_sdk::event::json;
use rapport_sdk::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::rcs::{self, Said};
use super::{Origin, Refusal, Text, parties};
use crate::identity::Parties;
use crate::{instant, opt_out};

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct TwoWay<'a> {
    /// The customer's number.
    #[serde(borrow, deserialize_with = "lenient::id")]
    origination_number: Text<'a>,
    /// The business's number, or its RCS agent.
    #[serde(borrow, deserialize_with = "lenient::id")]
    destination_number: Text<'a>,
    /// The keyword of the number that the message begins with, or the one that it has for all others.
    #[serde(borrow, deserialize_with = "lenient::id")]
    message_keyword: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::text")]
    message_body: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    inbound_message_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    message_id: Text<'a>,
    /// What the customer answers.
    #[serde(borrow, deserialize_with = "lenient::id")]
    previous_published_message_id: Text<'a>,
    /// Not documented, but sent by some forwarders.
    #[serde(borrow, deserialize_with = "lenient::id")]
    timestamp: Text<'a>,
}

/// Extension: the keyword under which AWS filed the message.
const KEYWORD: &str = "com.amazonaws.sms-voice.keyword";

/// What the beginning of an RCS conversation is called.
const CONVERSATION: &str = "com.amazonaws.sms-voice.conversation-started";

/// Words that AWS takes for an opt-out and an opt-in on every number where nothing else was agreed, as the whole
/// message. Where AWS itself found one at the beginning of a message, it stands in `messageKeyword`.
/// Source: "Required opt-out keywords", which has the opt-in in its note on toll-free numbers, read in November 2026.
const KEYWORDS: &[(&str, ConsentState)] = &[
    ("ARRET", ConsentState::Withdrawn),
    ("CANCEL", ConsentState::Withdrawn),
    ("END", ConsentState::Withdrawn),
    ("OPT-OUT", ConsentState::Withdrawn),
    ("OPTOUT", ConsentState::Withdrawn),
    ("QUIT", ConsentState::Withdrawn),
    ("REMOVE", ConsentState::Withdrawn),
    ("STOP", ConsentState::Withdrawn),
    ("TD", ConsentState::Withdrawn),
    ("UNSUBSCRIBE", ConsentState::Withdrawn),
    ("START", ConsentState::Granted),
    ("UNSTOP", ConsentState::Granted),
];

/// The message, and what it says of the customer's consent.
pub fn read(raw: &RawValue, origin: &Origin) -> Result<Vec<Event>, Refusal> {
    let found: TwoWay = lenient::read(raw).ok_or(Refusal::Malformed("it is not an object"))?;
    let id = found.inbound_message_id.as_deref().or(found.message_id.as_deref()).or(origin.notification);
    let id = id.ok_or(Refusal::Malformed("it has no `inboundMessageId`"))?;
    let parties = parties(found.origination_number.as_deref(), found.destination_number.as_deref(), origin);
    let parties = parties.ok_or(Refusal::Malformed("it has no `originationNumber`"))?;
    let at = [found.timestamp.as_deref(), origin.time].into_iter().flatten().find_map(instant::parse).unwrap_or(0);
    let body = found.message_body.as_deref().unwrap_or_default();
    let (said, told) = match rcs::said(body, found.destination_number.as_deref()) {
        Some(rcs) => (rcs.said, rcs.at),
        None => (Said::Parts(vec![Part::Text(body.to_owned())]), None),
    };
    let at = told.unwrap_or(at);
    Ok(match said {
        Said::Parts(parts) => message(id, at, &found, &parties, parts),
        Said::Consent(state, evidence) => {
            opt_out::to_all(&format!("{id}:consent"), at, &parties, state, Some(evidence))
        }
        // Its id is that of the message that began it.
        Said::Conversation(json) => {
            let (id, body) = (format!("{id}:conversation-started"), EventBody::Other((CONVERSATION.into(), json)));
            vec![Event::new(id, at, &parties.account, parties.contact, body)]
        }
        Said::Nothing => Vec::new(),
    })
}

fn message(id: &str, at: u64, found: &TwoWay, parties: &Parties, parts: Vec<Part>) -> Vec<Event> {
    let in_reply_to = found.previous_published_message_id.as_deref().map(str::to_owned);
    let message = Message { in_reply_to, ..Message::new(id, Author::Customer, parts) };
    let mut event = Event::new(id, at, &parties.account, parties.contact.clone(), EventBody::Message(message));
    if let Some(keyword) = found.message_keyword.as_deref() {
        event = event.extended(KEYWORD, keyword);
    }
    let mut events = vec![event];
    if let Some(state) = said_of_consent(found) {
        events.extend(opt_out::to_all(&format!("{id}:consent"), at, parties, state, Some(evidence(found))));
    }
    events
}

fn said_of_consent(found: &TwoWay) -> Option<ConsentState> {
    let words = [found.message_body.as_deref(), found.message_keyword.as_deref()];
    words.into_iter().flatten().find_map(|word| opt_out::find(KEYWORDS, word.trim()))
}

fn evidence(found: &TwoWay) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Evidence<'a> {
        message_body: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        message_keyword: Option<&'a str>,
    }
    json(&Evidence { message_body: found.message_body.as_deref(), message_keyword: found.message_keyword.as_deref() })
}
