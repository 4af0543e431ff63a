//! What a provider has taken: its id, and what it says of the customer.

use rapport_meta::{Text, verbatim};
use rapport_sdk::event::json;
use rapport_sdk::prelude::*;
use serde::Deserialize;

use super::refusal;
use crate::identity::{Person, is_number};

/// A message that the provider has.
#[derive(Debug, PartialEq)]
pub struct Taken {
    pub id: String,
    /// What Meta does with it first, if that is more than to send it: `held_for_quality_assessment`, `paused`.
    pub status: Option<String>,
    /// The customer with the ids that the answer says belong together.
    pub contact: Option<Contact>,
}

/// Meta's word for a message that it simply sends.
const ACCEPTED: &str = "accepted";

#[derive(Deserialize)]
struct Sent<'a> {
    #[serde(borrow, default, deserialize_with = "lenient::objects")]
    contacts: Vec<Known<'a>>,
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    id: String,
    #[serde(default, deserialize_with = "lenient::id")]
    message_status: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Known<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    input: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    wa_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    user_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    parent_user_id: Text<'a>,
}

/// Source: Meta's "Messages" reference and "Business-scoped user IDs", read in November 2026.
pub fn by_graph(answer: &Answered<'_>) -> Result<Taken, Failure> {
    let Sent { contacts, messages } = answer.json()?;
    let Some(Message { id, message_status }) = messages.into_iter().next().filter(|message| !message.id.is_empty())
    else {
        return Err(without_id(answer, "messages[0].id"));
    };
    let contact = contacts.first().and_then(contact);
    Ok(Taken { id, status: message_status.filter(|word| word != ACCEPTED), contact })
}

/// AWS answers with an id alone.
pub fn by_aws(answer: &Answered<'_>) -> Result<Taken, Failure> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Sent {
        message_id: String,
    }
    let Sent { message_id: id } = answer.json()?;
    if id.is_empty() {
        return Err(without_id(answer, "messageId"));
    }
    Ok(Taken { id, status: None, contact: None })
}

/// The customer, if the answer says a user id together with a number: two ids of one person, on Meta's word.
fn contact(known: &Known<'_>) -> Option<Contact> {
    known.user_id.as_deref()?;
    let input = Some(()).and(known.input.clone()).filter(|input| known.wa_id.is_none() && is_number(input));
    let person = Person::new(&[&known.user_id, &known.parent_user_id, &known.wa_id, &input]);
    person.wa_id?;
    person.contact()
}

/// The event that says so. Its id is made of what it says, so that it is told once.
pub fn linked(contact: Contact, account: &str) -> Event {
    let ids: Vec<&str> = contact.identifiers.iter().map(|id| id.value.as_str()).collect();
    Event::new(format!("linked:{}", ids.join(":")), 0, account, contact, EventBody::ContactUpdated)
}

/// The event of a customer who stopped marketing messages, which the provider says instead of taking one.
pub fn stopped(message: &Outgoing, answer: &Answered<'_>, code: &str) -> Event {
    let to = Identifier { attestation: Attestation::Provider, ..message.route.to.clone() };
    let evidence = refusal::error(answer).map_or_else(|| json(code), verbatim);
    let consent = Consent { purpose: "marketing".into(), state: ConsentState::Withdrawn, evidence: Some(evidence) };
    let id = format!("{}:{code}", message.reference);
    Event::new(id, 0, &message.route.account, Contact::new(vec![to]), EventBody::Consent(consent))
}

fn without_id(answer: &Answered<'_>, field: &str) -> Failure {
    answer.maybe(ProviderError::new("answer/unreadable", format!("the provider answered 2xx without `{field}`")))
}
