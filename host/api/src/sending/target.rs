//! To whom a message goes, and by which connection: decided once, when the message is taken.

use rapport_http::Problem;
use rapport_model::event::{Attestation, Author, Body};
use rapport_model::profile::EndpointState;
use rapport_model::{Basis, Eid, EventKey, Identifier, ProfileId, Timestamp};
use rapport_store::StoreError;
use rapport_store::outbox::intents::Conversation;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::ops::Bound;

use crate::people::links::GivenIdentifier;
use crate::sending::Sending;

/// Newest events of an endpoint in which the customer's last message is looked for. Reports come between: a message has three.
const LOOKED_AT_MAX: usize = 100;

/// Of a deployment in which no connection can send.
const NO_SENDER: &str = "no connection of this deployment sends, so nothing is stored; fix: configure one whose \
                         connector sends, with its secrets for sending";

/// Whom a message is for.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[schemars(rename = "Recipient")]
pub enum To {
    /// The id of a profile. The message goes where the person wrote last, among the conversations whose connection can send.
    Profile(String),
    /// An address.
    Identifier(GivenIdentifier),
    /// A conversation.
    Conversation(GivenConversation),
}

/// A conversation as a request gives it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GivenConversation {
    /// The id of the endpoint: the `partitionkey` of its events.
    #[schemars(length(min = 22, max = 22))]
    pub endpoint: String,
    /// The business's side: the `account` of its events. Leave it out if the endpoint has one conversation.
    #[schemars(length(min = 1, max = 512))]
    pub account: Option<String>,
}

/// Where a message goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    pub of: Conversation,
    pub connection: String,
    /// Where a reply goes. It is made known if nobody had it yet.
    pub address: Address,
}

/// The address behind an endpoint.
#[derive(Clone, Debug, PartialEq)]
pub enum Address {
    Known(Identifier),
    New(Box<rapport_model::identity::Named>),
}

impl Address {
    /// The address as a connector gets it.
    pub fn identifier(&self) -> Identifier {
        match self {
            Self::Known(identifier) => identifier.clone(),
            Self::New(named) => {
                let value = spelling(&named.key.scheme, &named.key.value, &named.identifier.value);
                Identifier { value, ..named.identifier.clone() }
            }
        }
    }
}

/// What the request says about the way, besides the recipient.
#[derive(Clone, Copy, Debug, Default)]
pub struct Way<'a> {
    pub connection: Option<&'a str>,
    pub account: Option<&'a str>,
}

/// A conversation that a message could go to, and when the customer last wrote there.
struct Candidate {
    of: Conversation,
    customer_at: Option<Timestamp>,
    last_at: Timestamp,
}

impl Sending {
    /// Whether anybody sends here. Asked first: what is stored where nobody sends would be promised, and would never leave.
    ///
    /// # Errors
    /// Nobody does.
    pub(super) fn somebody_sends(&self) -> Result<(), Problem> {
        if self.senders.is_empty() { Err(Problem::no_route(NO_SENDER)) } else { Ok(()) }
    }

    /// Where a message to this recipient goes.
    ///
    /// # Errors
    /// Nobody is there, no connection can send to them, or storage failed.
    pub(super) async fn target(&self, to: &To, way: Way<'_>) -> Result<Target, Problem> {
        if let Some(name) = way.connection {
            self.is_sender(name)?;
        }
        match to {
            To::Profile(id) => {
                let unknown = || Problem::not_found("no profile has this id").of_field("to.profile");
                let pid = ProfileId::parse(id).ok_or_else(unknown)?;
                let root = self.people.table.find_profile(&pid).await?.ok_or_else(unknown)?;
                let mut candidates = Vec::new();
                for eid in &root.members {
                    candidates.extend(self.conversations_of(eid).await?);
                }
                let found = self.first_that_sends(candidates, way).await?;
                found.ok_or_else(|| no_route("nobody wrote from this profile to a connection that can send"))
            }
            To::Identifier(given) => {
                let named = self.people.named_as_seen(given, "to.identifier").await?;
                let candidates = self.conversations_of(&named.eid).await?;
                if let Some(target) = self.first_that_sends(candidates, way).await? {
                    return Ok(target);
                }
                let (Some(connection), Some(account)) = (way.connection, way.account) else {
                    return Err(no_route(
                        "this address has no conversation with a connection that can send; fix: say `connection` and \
                         `account`, the business's side",
                    ));
                };
                let of = Conversation { eid: named.eid.clone(), account: account.to_owned() };
                let known =
                    self.people.table.endpoint(&named.eid).await?.map(|state| Address::Known(address_of(&state)));
                let address = known.unwrap_or_else(|| Address::New(Box::new(named)));
                Ok(Target { of, connection: connection.to_owned(), address })
            }
            To::Conversation(given) => {
                let unknown = || Problem::not_found("no endpoint has this id").of_field("to.conversation.endpoint");
                let eid = Eid::parse(&given.endpoint).ok_or_else(unknown)?;
                let way = Way { account: given.account.as_deref().or(way.account), ..way };
                let candidates = self.conversations_of(&eid).await?;
                if candidates.is_empty() {
                    return Err(unknown());
                }
                let found = self.first_that_sends(candidates, way).await?;
                found.ok_or_else(|| no_route("no connection of this conversation can send"))
            }
        }
    }

    /// The conversation that an id in a path names.
    ///
    /// # Errors
    /// There is none, there are several, or storage failed.
    pub(super) async fn conversation(
        &self,
        named: crate::sending::views::NamedConversation,
    ) -> Result<Conversation, Problem> {
        use crate::sending::views::NamedConversation::{Endpoint, Whole};
        let unknown = || Problem::not_found("no conversation has this id");
        let (eid, account) = match named {
            Whole(of) => (of.eid, Some(of.account)),
            Endpoint(eid) => (eid, None),
        };
        let mut all = self.conversations_of(&eid).await?;
        all.retain(|one| account.as_ref().is_none_or(|account| one.of.account == *account));
        match (all.pop(), all.is_empty()) {
            (None, _) => Err(unknown()),
            (Some(one), true) => Ok(one.of),
            (Some(_), false) => Err(Problem::conflict(
                "this endpoint has several conversations; fix: give the id of one, `<endpoint>.<account in base64url>`",
            )),
        }
    }

    async fn conversations_of(&self, eid: &Eid) -> Result<Vec<Candidate>, StoreError> {
        let Some(state) = self.people.table.endpoint(eid).await? else { return Ok(Vec::new()) };
        let candidate = |(account, head): (String, rapport_model::conversation::Head)| Candidate {
            of: Conversation { eid: eid.clone(), account },
            customer_at: head.customer_at,
            last_at: head.last_at,
        };
        Ok(state.heads.into_iter().map(candidate).collect())
    }

    /// Of the conversations that fit, the one where the customer wrote last.
    async fn first_that_sends(&self, mut all: Vec<Candidate>, way: Way<'_>) -> Result<Option<Target>, Problem> {
        all.retain(|one| way.account.is_none_or(|account| one.of.account == account));
        all.sort_by(|a, b| (b.customer_at, b.last_at, &b.of).cmp(&(a.customer_at, a.last_at, &a.of)));
        for Candidate { of, .. } in all {
            let Some(connection) = self.newest(&of).await?.map(|newest| newest.connection) else { continue };
            let is_wanted = way.connection.is_none_or(|name| name == connection);
            if !is_wanted || !self.senders.contains(&connection) {
                continue;
            }
            let Some(state) = self.people.table.endpoint(&of.eid).await? else { continue };
            return Ok(Some(Target { of, connection, address: Address::Known(address_of(&state)) }));
        }
        Ok(None)
    }

    /// The connection of a conversation, and the customer's newest message in it: what its newest events say.
    ///
    /// # Errors
    /// Storage failed.
    pub(super) async fn newest(&self, of: &Conversation) -> Result<Option<Newest>, StoreError> {
        let mut newest: Option<Newest> = None;
        let mut to = Bound::Unbounded;
        let mut last: EventKey;
        let mut looked_at = 0;
        while looked_at < LOOKED_AT_MAX {
            let events = self.people.table.newest_events(&of.eid, to, 20).await?;
            let Some(oldest) = events.last() else { break };
            last = oldest.key.clone();
            looked_at += events.len();
            for stored in events.into_iter().filter(|stored| stored.event.account == of.account) {
                let is_message =
                    matches!(&stored.event.body, Body::Message(message) if message.author == Author::Customer);
                let known = newest.get_or_insert_with(|| Newest { connection: stored.connection.clone(), turn: None });
                if is_message {
                    known.connection = stored.connection;
                    known.turn = Some(stored.key);
                    return Ok(newest);
                }
            }
            to = Bound::Excluded(&last);
        }
        Ok(newest)
    }

    fn is_sender(&self, name: &str) -> Result<(), Problem> {
        if self.senders.iter().any(|sender| sender == name) {
            return Ok(());
        }
        let senders = self.senders.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let detail = format!("no connection of this name can send; fix: write one of {senders}, or leave it out");
        Err(Problem::bad_request(detail).of_field("connection"))
    }
}

/// What the newest events of a conversation say.
pub(super) struct Newest {
    pub connection: String,
    /// The customer's newest message.
    pub turn: Option<EventKey>,
}

/// An endpoint's address as a connector gets it.
pub(super) fn address_of(state: &EndpointState) -> Identifier {
    let attestation = match state.basis {
        Basis::Proven => Attestation::Provider,
        Basis::Claimed => Attestation::Claimed,
        Basis::Said => Attestation::Customer,
    };
    let key = &state.key;
    let value = spelling(&key.scheme, &key.value, &state.raw);
    Identifier { scheme: key.scheme.clone(), scope: key.scope.clone(), value, attestation }
}

/// A telephone number has one spelling that every provider takes. Everything else is written as its provider wrote it: a mailbox
/// may differ from the form in which mailboxes are compared.
fn spelling(scheme: &str, canonical: &str, raw: &str) -> String {
    if scheme == "phone" { canonical.to_owned() } else { raw.to_owned() }
}

fn no_route(detail: &str) -> Problem {
    Problem::no_route(detail).of_field("to")
}
