//! Short ways to make the contract's records.

use serde::Serialize;

use crate::http::Reply;
use crate::{
    Attestation, Author, Contact, Control, Controller, Covered, Delivery, DeliveryState, Event, EventBody, Identifier,
    Json, Message, Part, Receipt,
};

/// `value` as the contract's `json`.
///
/// # Panics
/// For a value that JSON has no form for, such as a map whose keys are no strings: a mistake of the connector.
pub fn json<T: Serialize + ?Sized>(value: &T) -> Json {
    serde_json::to_string(value).expect("a connector's own types have a form in JSON")
}

impl Identifier {
    /// An address that the channel itself vouches for.
    pub fn provider(scheme: &str, value: impl Into<String>) -> Self {
        Self::attested(Attestation::Provider, scheme, value)
    }

    /// An address that somebody else vouches for.
    pub fn attested(attestation: Attestation, scheme: &str, value: impl Into<String>) -> Self {
        Identifier { scheme: scheme.into(), scope: None, value: value.into(), attestation }
    }

    /// Says that the value is unique only inside this provider account.
    pub fn within(mut self, scope: impl Into<String>) -> Self {
        self.scope = Some(scope.into());
        self
    }
}

impl Contact {
    /// A customer of whom only these addresses are known; the first is where a reply goes.
    pub fn new(identifiers: Vec<Identifier>) -> Self {
        Contact { identifiers, display_name: None, locale: None, time_zone: None, traits: Vec::new() }
    }

    /// Adds a name to show; never an address.
    pub fn named(mut self, name: Option<impl Into<String>>) -> Self {
        self.display_name = name.map(Into::into);
        self
    }

    /// Trait: the part of `display_name` that is a person's own. For a provider that says parts of a name one by one.
    pub const GIVEN_NAME: &'static str = "display_name/given";
    /// Trait: the part of `display_name` that a family shares.
    pub const FAMILY_NAME: &'static str = "display_name/family";

    /// Adds what else is known, under a reverse-DNS key.
    ///
    /// `com.acme.address/city` is the part `city` of the object `com.acme.address`: the host keeps each part's newest value,
    /// so an event that says one of them takes nothing from the others. `null` says that there is none any more.
    pub fn with_trait<T: Serialize + ?Sized>(mut self, key: &str, value: &T) -> Self {
        self.traits.push((key.into(), json(value)));
        self
    }
}

impl Message {
    /// A message of `parts` that answers nothing, belongs to no thread and came by itself.
    pub fn new(id: impl Into<String>, author: Author, parts: Vec<Part>) -> Self {
        Message {
            id: id.into(),
            author,
            subject: None,
            parts,
            in_reply_to: None,
            thread: None,
            referral: None,
            forwarded: false,
            reference: None,
            references: Vec::new(),
            copies: Vec::new(),
            participant: None,
            standby: false,
        }
    }
}

impl Delivery {
    /// A report about what `covers` says.
    pub fn new(covers: Covered, state: DeliveryState) -> Self {
        Delivery { covers, state, reference: None }
    }

    /// Adds the host's reference, where the provider gives it back.
    pub fn with_reference(mut self, reference: Option<impl Into<String>>) -> Self {
        self.reference = reference.map(Into::into);
        self
    }
}

impl Control {
    /// Nothing is known but who holds the conversation.
    pub fn held_by(holder: Controller) -> Self {
        Control { holder, role: None, by: None }
    }
}

impl Event {
    /// What happened to `contact` in `account`; `at` is the provider's clock, in milliseconds.
    pub fn new(id: impl Into<String>, at: u64, account: impl Into<String>, contact: Contact, body: EventBody) -> Self {
        Event { id: id.into(), at, account: account.into(), contact, body, extensions: Vec::new() }
    }

    /// Adds what the contract has no field for, under a reverse-DNS key.
    pub fn extended<T: Serialize + ?Sized>(mut self, key: &str, value: &T) -> Self {
        self.extensions.push((key.into(), json(value)));
        self
    }
}

impl Receipt {
    /// These things happened; the provider gets 200 and an empty body.
    pub fn events(events: Vec<Event>) -> Self {
        Receipt { response: None, events, unread: Vec::new(), nonce: None }
    }

    /// Nothing happened, but the provider wants this answer: a challenge.
    pub fn respond(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("content-type".into(), content_type.into())];
        let response = Some(Reply { status, headers, body: body.into() });
        Receipt { response, ..Receipt::events(Vec::new()) }
    }

    /// Adds the elements that could not be read: a sentence each, with the element's place and without personal data.
    /// The host parks the webhook besides.
    pub fn with_unread(mut self, unread: Vec<String>) -> Self {
        self.unread.extend(unread);
        self
    }

    /// Adds a value that the provider uses once. The host refuses it when it comes again with another body.
    pub fn with_nonce(mut self, nonce: impl Into<String>) -> Self {
        self.nonce = Some(nonce.into());
        self
    }
}
