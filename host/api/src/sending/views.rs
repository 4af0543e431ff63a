//! How answers show messages and conversations.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rapport_model::Eid;
use rapport_model::event::{Author, ProviderError};
use rapport_model::profile::rfc3339;
use rapport_model::sending::intent::{Cause, Intent, State};
use rapport_model::sending::{Kind, MessageId};
use rapport_store::outbox::intents::Conversation;
use schemars::JsonSchema;
use serde::Serialize;

/// A conversation: an address of the customer and an account of the business.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Conversation")]
pub struct ConversationView {
    /// Its id for paths: `/v1/conversations/{id}`.
    pub id: String,
    /// The id of the endpoint, the `partitionkey` of its events.
    pub endpoint: Eid,
    /// The business's side, the `account` of its events.
    pub account: String,
}

impl From<&Conversation> for ConversationView {
    fn from(of: &Conversation) -> Self {
        let id = format!("{}.{}", of.eid, URL_SAFE_NO_PAD.encode(&of.account));
        Self { id, endpoint: of.eid.clone(), account: of.account.clone() }
    }
}

/// A conversation as a path names it: its id, or the id of an endpoint that has one conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamedConversation {
    Whole(Conversation),
    Endpoint(Eid),
}

impl NamedConversation {
    /// `None` if the text is not an id.
    pub fn parse(text: &str) -> Option<Self> {
        let Some((eid, account)) = text.split_once('.') else { return Eid::parse(text).map(Self::Endpoint) };
        let account = String::from_utf8(URL_SAFE_NO_PAD.decode(account).ok()?).ok()?;
        Some(Self::Whole(Conversation { eid: Eid::parse(eid)?, account }))
    }
}

/// A part that the provider has accepted.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct AcceptedPart {
    /// The number of the part, from 0.
    pub part: u32,
    /// The provider's id of the message.
    pub id: String,
}

/// A message to send, and how far it is.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "OutgoingMessage")]
pub struct MessageView {
    pub id: String,
    /// `pending`: nothing is accepted yet. `sending`: some parts are accepted. `sent`: the provider has it all. `failed`: the
    /// provider has nothing of it. `refused`: a rule forbids it. `cancelled`, `expired`: it did not start in time. `cut`: the
    /// provider has the first parts and will not get the others. `unknown`: a request left, and nobody knows what became of it.
    pub state: &'static str,
    /// Why it is in this state, or what it waits for, as a word and a sentence; null: there is nothing to say.
    pub why: Option<WhyNot>,
    /// The provider's own words; null: it said nothing.
    pub provider: Option<ProviderError>,
    /// What would help; null: nothing has to be done.
    pub fix: Option<String>,
    pub conversation: ConversationView,
    pub connection: String,
    pub account: String,
    pub author: Author,
    /// The name of the API key that sent it.
    pub by: String,
    pub purpose: String,
    pub kind: Kind,
    /// How many parts it has.
    pub parts: u32,
    /// The parts that the provider has accepted, from the first.
    pub accepted: Vec<AcceptedPart>,
    #[schemars(extend("format" = "date-time"))]
    pub created_at: String,
    /// When it is sent, or is tried again.
    #[schemars(extend("format" = "date-time"))]
    pub due_at: String,
    /// After this instant it is not sent any more.
    #[schemars(extend("format" = "date-time"))]
    pub expires_at: String,
    pub client_ref: Option<String>,
    /// The unknown message that this one sends again.
    pub resends: Option<String>,
    /// The message that sends this one again.
    pub resent_by: Option<String>,
}

/// Why a message is not sent, or not whole.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct WhyNot {
    /// A word in kebab-case, such as `outside-window`, `stale-turn` or `timeout`. Of a message that waits: `under-way`, `turn`,
    /// `scheduled`, `again-later`, `pair-rate`, `connection-limited`, `connection-paused`, `no-connection`.
    pub kind: String,
    pub detail: Option<String>,
    /// The HTTP status of the provider, if it had one.
    pub status: Option<u16>,
}

impl From<&Intent> for MessageView {
    fn from(intent: &Intent) -> Self {
        let Intent { birth, draft, .. } = intent;
        let of = Conversation { eid: birth.eid.clone(), account: birth.account.clone() };
        let named = |id: &rapport_model::sending::IntentId| {
            MessageId { eid: birth.eid.clone(), intent: id.clone() }.to_string()
        };
        let (why, provider, fix) = why_of(&intent.state);
        Self {
            id: named(&intent.id),
            state: intent.state.word(),
            why,
            provider,
            fix,
            conversation: ConversationView::from(&of),
            connection: birth.connection.clone(),
            account: birth.account.clone(),
            author: draft.author,
            by: draft.by.clone(),
            purpose: draft.purpose.clone(),
            kind: draft.kind,
            parts: draft.parts(),
            accepted: intent.accepted.iter().map(|one| AcceptedPart { part: one.part, id: one.id.clone() }).collect(),
            created_at: rfc3339(birth.created_at),
            due_at: rfc3339(intent.due_at),
            expires_at: rfc3339(birth.expires_at),
            client_ref: draft.client_ref.clone(),
            resends: draft.resends.as_ref().map(named),
            resent_by: intent.resent_by.as_ref().map(named),
        }
    }
}

type Why = (Option<WhyNot>, Option<ProviderError>, Option<String>);

fn why_of(state: &State) -> Why {
    let of_cause = |cause: &Cause| {
        let Cause { kind, detail, provider } = cause;
        let why = WhyNot { kind: kind.clone(), detail: detail.clone(), status: None };
        (Some(why), provider.clone(), fix_of(kind).map(str::to_owned))
    };
    match state {
        State::Failed(cause) | State::Cut { why: cause, .. } => of_cause(cause),
        State::Refused { rule, help } => {
            (Some(WhyNot { kind: rule.clone(), detail: None, status: None }), None, Some(help.clone()))
        }
        State::Unknown { error, status } => {
            let fix = "wait for the provider's report, or look at the provider whether it arrived; if it did not, \
                       `POST /v1/messages/{id}/resend`";
            (Some(WhyNot { kind: error.clone(), detail: None, status: *status }), None, Some(fix.to_owned()))
        }
        State::Expired => (None, None, fix_of("expired").map(str::to_owned)),
        State::Pending | State::Sending | State::Sent | State::Cancelled => (None, None, None),
    }
}

/// What would help against a failure.
fn fix_of(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "invalid-recipient" => "correct the address, or send to another one of the person",
        "consent-required" => "ask the person to agree to this purpose on another channel",
        "outside-window" => "wait until the customer writes, or send a template",
        "template-required" => "send a template that the provider has approved",
        "unsupported-content" => "send what this channel takes, such as a text",
        "too-large" => "send less in one part",
        "rate-limited" => "send again later; the operator can ask the provider for a higher limit",
        "account" => "the operator corrects the account at the provider: its token, its payment or its policy state",
        "connector-changed" => "send what is missing as a new message: the connector or its configuration changed",
        "expired" => "send a new message, with a later `expires_at` if it may come late",
        "internal" => "report this as a bug, with the id of the message",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_is_named_whole_or_by_its_endpoint() {
        let eid = Eid::parse("AAAAAAAAAAAAAAAAAAAAAA").unwrap();
        let of = Conversation { eid: eid.clone(), account: "support@shop.example".into() };
        let view = ConversationView::from(&of);
        assert!(!view.id.contains('@'), "{}", view.id);
        assert_eq!(NamedConversation::parse(&view.id), Some(NamedConversation::Whole(of)));
        assert_eq!(NamedConversation::parse(eid.as_str()), Some(NamedConversation::Endpoint(eid)));
        for wrong in ["", "x", "AAAAAAAAAAAAAAAAAAAAAA.*", "ada@example.com"] {
            assert_eq!(NamedConversation::parse(wrong), None, "{wrong}");
        }
    }
}
