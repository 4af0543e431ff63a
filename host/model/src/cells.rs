//! What follows from one event besides the conversation's head: cells that each keep the newest word on one thing.
//!
//! A cell is won by the strongest word ([`Strength`]), of equally strong ones by the greatest event key, so applying cells
//! twice or in any order ends in the same state.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::conversation::rank;
use crate::endpoint::{EventKey, TenantKey};
use crate::event::{
    Attestation, Author, Body, Consent, ConsentState, Covered, Delivery, DeliveryState, Event, ProviderError, Timestamp,
};
use crate::identity::Rules;
use crate::trust::Strength;

/// Bytes. A trait is a word about a person, not a document: larger ones stay in the event and make no cell.
pub const TRAIT_BYTES_MAX: usize = 1024;
/// Cells. What one event may say of one person's traits; the rest stays in the event.
pub const TRAITS_MAX: usize = 50;
/// Bytes. Names of traits and purposes are parts of keys.
pub const NAME_BYTES_MAX: usize = 128;

/// Bytes. Evidence of a consent is a text and a link; a larger one stays in the event, and the cell says how large it is.
pub const EVIDENCE_BYTES_MAX: usize = 4096;
/// Bytes. A report of a failed delivery has a code and a sentence; what is longer is cut, and whole in the event.
pub const REPORT_BYTES_MAX: usize = 1024;

/// One trait of one endpoint: the newest word on it and where it came from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TraitCell {
    pub name: String,
    pub value: Value,
    /// The event that said so.
    pub source: EventKey,
    pub at: Timestamp,
    pub attestation: Attestation,
    /// What the operator's rules made of the attestation, where that is not what the table says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strength: Option<Strength>,
}

impl TraitCell {
    /// How much the word weighs.
    pub fn strength(&self) -> Strength {
        self.strength.unwrap_or(self.attestation.powers().strength)
    }

    /// Whether it takes the other one's place, whichever came first.
    pub fn beats(&self, other: &Self) -> bool {
        (self.strength(), &self.source) > (other.strength(), &other.source)
    }
}

/// One endpoint's consent to one purpose.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConsentCell {
    pub purpose: String,
    pub state: ConsentState,
    pub evidence: Option<Value>,
    pub source: EventKey,
    pub at: Timestamp,
    /// Whose word it is; none: it was recorded when that was not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attestation: Option<Attestation>,
    /// As of [`TraitCell::strength`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strength: Option<Strength>,
}

impl ConsentCell {
    /// How much the word weighs; what was recorded without an attestation was believed.
    pub fn strength(&self) -> Strength {
        let by_table = self.attestation.map_or(Strength::Proven, |attestation| attestation.powers().strength);
        self.strength.unwrap_or(by_table)
    }
}

/// How far one message got, by one report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeliveryCell {
    pub message: String,
    pub rank: u8,
    pub state: DeliveryState,
    pub at: Timestamp,
}

/// Bytes of a code or a title that a provider gives a failure: they are words for a person, the rest stays in the event.
pub const REASON_BYTES_MAX: usize = 256;

/// Whether what is sent to one endpoint arrives, by the newest report about the address itself.
///
/// A report about one message says how far that message got. This one outlives it: a bounce that names no mail, a number
/// that refuses everything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReachCell {
    /// The contract's name of the state: `failed`, `delivered`, …; of another one the provider's word.
    pub state: String,
    /// Of a failure.
    pub failure: Option<ReachFailure>,
    /// The account of the business that was told so.
    pub account: String,
    /// Who vouches for the address in that event: a report that came as a mail is `claimed`.
    pub attestation: Attestation,
    /// The event that said so.
    pub source: EventKey,
    pub at: Timestamp,
}

/// Why messages to an address fail, as the provider reported it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReachFailure {
    pub code: String,
    pub title: String,
    /// Whether sending again may help.
    pub retryable: bool,
}

/// What a contact says of itself in the contract's own fields: `display_name`, `locale`, `time_zone`.
///
/// Nearly every message repeats them, so they live in the conversation's head, which is written anyway.
pub fn contact_words(key: &EventKey, event: &Event, rules: &Rules) -> Vec<TraitCell> {
    let contact = &event.contact;
    let words =
        [("display_name", &contact.display_name), ("locale", &contact.locale), ("time_zone", &contact.time_zone)];
    let words = words.into_iter().filter_map(|(name, value)| Some((name, Value::from(value.clone()?))));
    cells(key, event, rules, words)
}

/// The provider's own traits of an event's contact: a cell each.
pub fn traits(key: &EventKey, event: &Event, rules: &Rules) -> Vec<TraitCell> {
    cells(key, event, rules, event.contact.traits.iter().map(|(name, value)| (name.as_str(), value.clone())))
}

/// Whose word an event is: that of its first identifier. And its strength, where the rules say otherwise than the table.
fn word_of(event: &Event, rules: &Rules) -> (Attestation, Option<Strength>) {
    let attestation = event.contact.identifiers.first().map_or(Attestation::Imported, |first| first.attestation);
    let strength = rules.strength(attestation);
    (attestation, (strength != attestation.powers().strength).then_some(strength))
}

fn cells<'a>(
    key: &EventKey,
    event: &Event,
    rules: &Rules,
    said: impl Iterator<Item = (&'a str, Value)>,
) -> Vec<TraitCell> {
    let (attestation, strength) = word_of(event, rules);
    let cell = |(name, value): (&str, Value)| TraitCell {
        name: name.to_owned(),
        value,
        source: key.clone(),
        at: event.at,
        attestation,
        strength,
    };
    said.filter(|(name, value)| is_cell_name(name) && value.to_string().len() <= TRAIT_BYTES_MAX)
        .take(TRAITS_MAX)
        .map(cell)
        .collect()
}

/// The consent that an event states.
pub fn consent(key: &EventKey, event: &Event, rules: &Rules) -> Option<ConsentCell> {
    let Body::Consent(Consent { purpose, state, evidence }) = &event.body else { return None };
    let (attestation, strength) = word_of(event, rules);
    is_cell_name(purpose).then(|| ConsentCell {
        purpose: purpose.clone(),
        state: *state,
        evidence: evidence.as_ref().map(evidence_of_cell),
        source: key.clone(),
        at: event.at,
        attestation: Some(attestation),
        strength,
    })
}

/// Whether an event is the customer's own word: only such a one makes somebody known again who was erased. A report about a
/// message of ours, an echo, or a record of another system does not.
pub fn is_of_the_customer(event: &Event) -> bool {
    let attestation = event.contact.identifiers.first().map_or(Attestation::Imported, |first| first.attestation);
    let says_so = !matches!(attestation, Attestation::Agent | Attestation::Imported);
    match &event.body {
        Body::Message(message) => message.author == Author::Customer,
        Body::Reaction(reaction) => reaction.author == Author::Customer,
        Body::Call(call) => call.initiator == Author::Customer,
        Body::Feedback(_) => true,
        Body::Consent(consent) => consent.state == ConsentState::Granted,
        Body::ContactUpdated | Body::IdentifierReplaced(_) | Body::Ticket(_) | Body::Activity(..) | Body::Other(..) => {
            says_so
        }
        Body::MessageEdited(_)
        | Body::MessageDeleted(_)
        | Body::Delivery(_)
        | Body::ContactErased
        | Body::Control(_) => false,
    }
}

/// What an event says of its first address as such. Only on the word of whoever delivers there: a customer, or a record of
/// another system, cannot make an address unreachable.
pub fn reach(key: &EventKey, event: &Event) -> Option<ReachCell> {
    let Body::Delivery(Delivery { covers: Covered::Address, state, .. }) = &event.body else { return None };
    let attestation = event.contact.identifiers.first()?.attestation;
    if matches!(attestation, Attestation::Customer | Attestation::Imported) {
        return None;
    }
    let failure = match state {
        DeliveryState::Failed(error) => Some(ReachFailure {
            code: cut(&error.code).to_owned(),
            title: cut(&error.title).to_owned(),
            retryable: error.retryable,
        }),
        _ => None,
    };
    Some(ReachCell {
        state: cut(state.name()).to_owned(),
        failure,
        account: event.account.clone(),
        attestation,
        source: key.clone(),
        at: event.at,
    })
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(REASON_BYTES_MAX)]
}

/// How far an event says that one message got. Reports "up to an instant" move the head instead.
pub fn delivery(tenant: &TenantKey, event: &Event) -> Option<DeliveryCell> {
    let Body::Delivery(delivery) = &event.body else { return None };
    // A report may know our reference alone: then the message is called by that.
    let (Covered::Message(message) | Covered::Reference(message)) = &delivery.covers else { return None };
    Some(DeliveryCell {
        message: tenant.message_key(&event.account, message).as_str().to_owned(),
        rank: rank(&delivery.state),
        state: state_of_cell(&delivery.state),
        at: event.at,
    })
}

fn evidence_of_cell(evidence: &Value) -> Value {
    match evidence.to_string().len() {
        bytes if bytes > EVIDENCE_BYTES_MAX => serde_json::json!({"rapport.elided": bytes}),
        _ => evidence.clone(),
    }
}

fn state_of_cell(state: &DeliveryState) -> DeliveryState {
    match state {
        DeliveryState::Failed(error) => DeliveryState::Failed(ProviderError {
            code: shortened(&error.code),
            title: shortened(&error.title),
            detail: error.detail.as_ref().map(|detail| match detail.to_string().len() {
                bytes if bytes > REPORT_BYTES_MAX => serde_json::json!({"rapport.elided": bytes}),
                _ => detail.clone(),
            }),
            retryable: error.retryable,
        }),
        DeliveryState::Other(name) => DeliveryState::Other(shortened(name)),
        state => state.clone(),
    }
}

/// The beginning of a text, of at most [`REPORT_BYTES_MAX`] bytes.
fn shortened(text: &str) -> String {
    if text.len() > REPORT_BYTES_MAX {
        let end = (0..=REPORT_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
        format!("{}…", &text[..end])
    } else {
        text.to_owned()
    }
}

fn is_cell_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= NAME_BYTES_MAX
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Contact, Identifier, ProviderError};

    fn report(covers: Covered, state: DeliveryState) -> Event {
        let attestation = Attestation::Provider;
        let address = Identifier { scheme: "email".into(), scope: None, value: "a@ex.example".into(), attestation };
        Event {
            id: "b-1".into(),
            at: 7,
            account: "shop.example".into(),
            contact: Contact { identifiers: vec![address], ..Contact::default() },
            body: Body::Delivery(Delivery::new(covers, state)),
            extensions: Default::default(),
        }
    }

    #[test]
    fn a_report_about_an_address_is_no_report_about_a_message() {
        let tenant = TenantKey::new(&[1; 32]).unwrap();
        let key = tenant.event_key(7, "shop.example", "b-1").unwrap();
        let title = "é".repeat(300);
        let error = ProviderError { code: "605".into(), title, detail: Some(Value::from("x")), retryable: false };
        let bounced = report(Covered::Address, DeliveryState::Failed(error));
        assert_eq!(delivery(&tenant, &bounced), None);
        let cell = reach(&key, &bounced).unwrap();
        assert_eq!((cell.state.as_str(), cell.account.as_str(), cell.at), ("failed", "shop.example", 7));
        let failure = cell.failure.unwrap();
        assert_eq!((failure.code.as_str(), failure.title.len(), failure.retryable), ("605", REASON_BYTES_MAX, false));

        let arrived = reach(&key, &report(Covered::Address, DeliveryState::Delivered)).unwrap();
        assert_eq!((arrived.state.as_str(), arrived.failure), ("delivered", None));
        for attestation in [Attestation::Customer, Attestation::Imported] {
            let mut forged = report(Covered::Address, DeliveryState::Delivered);
            forged.contact.identifiers[0].attestation = attestation;
            assert_eq!(reach(&key, &forged), None, "{attestation:?}");
        }
        for covers in [Covered::Message("m".into()), Covered::UpTo(7)] {
            assert_eq!(reach(&key, &report(covers, DeliveryState::Delivered)), None);
        }
    }
}
