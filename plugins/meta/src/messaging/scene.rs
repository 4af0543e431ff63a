//! What surrounds an element: whose conversation it is in, who acts, and when.

use std::borrow::Cow;

use rapport_sdk::prelude::*;
use serde::Deserialize;

use super::fields::Fields;
use super::{Channel, Connection};
use crate::Text;

/// Whose doing an element is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Customer,
    Business,
}

/// An element whose account and customer are known.
pub(super) struct Scene<'s> {
    pub connection: &'s Connection<'s>,
    /// Where the element stands.
    pub array: &'s str,
    pub account: &'s str,
    pub contact: Contact,
    pub acts: Side,
    /// When it happened, if the element says it.
    pub at: Option<u64>,
    /// When Meta put the entry together.
    pub entry_at: Option<u64>,
}

impl Scene<'_> {
    /// When it happened, as well as it is known; 0 leaves it to the host.
    pub fn at(&self) -> u64 {
        self.at.or(self.entry_at).unwrap_or_default()
    }

    pub fn event(&self, id: String, body: EventBody) -> Event {
        Event::new(id, self.at(), self.account, self.contact.clone(), body)
    }

    /// The id of an event that has none: all that tells two of its kind apart. None if there is no time in it.
    pub fn id_of(&self, kind: &str, detail: Option<&str>) -> Option<String> {
        let (key, at) = (&self.contact.identifiers[0].value, self.at.or(self.entry_at)?);
        Some(match detail {
            Some(detail) => format!("{kind}:{key}:{at}:{}", shortened(detail)),
            None => format!("{kind}:{key}:{at}"),
        })
    }

    /// The key of an extension of this channel.
    pub fn extension(&self, name: &str) -> String {
        format!("{}.{name}", self.connection.channel.extensions)
    }

    /// Who acts, where nothing else tells a person of the business from a machine.
    pub fn author(&self) -> Author {
        match self.acts {
            Side::Customer => Author::Customer,
            Side::Business => Author::Agent,
        }
    }
}

/// The beginning of a text that somebody else chose, as long as an id needs it.
fn shortened(text: &str) -> &str {
    const BYTES_MAX: usize = 128;
    let end = text.char_indices().map(|(index, _)| index).find(|index| *index > BYTES_MAX);
    &text[..end.unwrap_or(text.len())]
}

/// Who an element is between.
pub(super) struct Parties<'a> {
    pub account: Text<'a>,
    customer: Party<'a>,
    /// The reference by which the customer was known before they wrote: of a checkbox, or of the chat plug-in.
    user_ref: Text<'a>,
    pub acts: Side,
    /// The business is at both ends.
    pub is_monologue: bool,
}

/// `sender` or `recipient`. One of the ids, in the order in which the Send API prefers them.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Party<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    user_ref: Text<'a>,
    /// A private reply to a comment or a visitor's post, whose author has no other id yet.
    #[serde(borrow, deserialize_with = "lenient::id")]
    comment_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    post_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    name: Text<'a>,
    /// On Instagram, and only of relays.
    #[serde(borrow, deserialize_with = "lenient::id")]
    username: Text<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Hints<'a> {
    #[serde(deserialize_with = "lenient::flag")]
    is_echo: bool,
    #[serde(deserialize_with = "lenient::flag")]
    is_self: bool,
    #[serde(borrow, deserialize_with = "lenient::id")]
    user_ref: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    source: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    identifier: Text<'a>,
}

/// What only a customer does, so that the sender is the customer whatever the entry says: Meta's documentation shows
/// postbacks in an entry with the customer's id.
const OF_CUSTOMERS: [&str; 5] = ["postback", "referral", "optin", "messaging_feedback", "response_feedback"];

impl<'a> Parties<'a> {
    /// `owner` is the id of the entry: the account, except in test deliveries, where it is `0`.
    pub fn of(fields: &Fields<'a>, owner: Option<&str>) -> Self {
        let hints = |name: &str| fields.read::<Hints>(name).unwrap_or_default();
        let (sender, recipient) = (Party::of(fields, "sender"), Party::of(fields, "recipient"));
        let message = hints("message");
        let is_echo = message.is_echo;
        let is_customers = sender.id.is_some() && OF_CUSTOMERS.iter().any(|kind| fields.get(kind).is_some());
        let owns = |party: &Party| owner.is_some() && party.id.as_deref() == owner && !is_customers;
        // The business as a customer of its own has another id, and Meta says so.
        let is_self = message.is_self || fields.get("is_self").is_some_and(|raw| raw.get() == "true");
        let is_monologue = is_self || (sender.id.is_some() && sender.id == recipient.id);
        // Meta's own older samples swap the two in echoes: the id of the entry tells them apart.
        let customer_sends = if is_echo { owns(&recipient) } else { !owns(&sender) };
        let acts = if is_echo || owns(&sender) { Side::Business } else { Side::Customer };
        let (customer, business) = if customer_sends { (sender, recipient) } else { (recipient, sender) };
        let prior = Some(hints("prior_message")).filter(|prior| prior.source.as_deref() == Some("checkbox_plugin"));
        let user_ref = hints("optin").user_ref.or(prior.and_then(|prior| prior.identifier));
        let account = business.id.or_else(|| owner.map(|owner| Cow::Owned(owner.to_owned())));
        Parties { account, customer, user_ref, acts, is_monologue }
    }

    /// The customer by all their addresses, of which the first is where a reply goes. None if there is none.
    pub fn contact(&self, account: &str, channel: &Channel) -> Option<Contact> {
        if self.is_monologue {
            return None;
        }
        let address = |suffix: &str, value: &Text| {
            let scheme = format!("{}{suffix}", channel.scheme);
            value.as_deref().map(|value| Identifier::provider(&scheme, value).within(account))
        };
        let customer = &self.customer;
        let addresses = [
            address("", &customer.id),
            address(".user-ref", &customer.user_ref),
            address(".user-ref", &self.user_ref),
            address(".comment", &customer.comment_id),
            address(".post", &customer.post_id),
        ];
        let mut identifiers = Vec::new();
        for address in addresses.into_iter().flatten() {
            if !identifiers.contains(&address) {
                identifiers.push(address);
            }
        }
        let name = customer.name.as_deref().or(customer.username.as_deref());
        (!identifiers.is_empty()).then(|| Contact::new(identifiers).named(name))
    }
}

impl<'a> Party<'a> {
    /// An object with ids, or an id by itself.
    fn of(fields: &Fields<'a>, name: &str) -> Self {
        let id = || fields.read::<lenient::Id>(name).map(|id| Cow::Owned(id.0));
        fields.read(name).unwrap_or_else(|| Party { id: id(), ..Party::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_detail_ends_between_two_characters() {
        assert_eq!(shortened("payload"), "payload");
        let long = "ä".repeat(200);
        assert!((128..=132).contains(&shortened(&long).len()));
    }
}
