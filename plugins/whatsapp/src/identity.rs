//! Who somebody is on WhatsApp: a business-scoped user id (BSUID), a wa_id, a phone number.
//!
//! Since 2026 a user with a username has no number in webhooks: `user_id` is the one that is always there. It changes
//! when the user changes numbers, and belongs to one business portfolio; `parent_user_id` spans linked portfolios.
//! Source: Meta's "Business-scoped user IDs", read in October 2026.

use rapport_meta::Text;
use rapport_sdk::prelude::*;
use serde::Serialize;

use crate::payload;
use crate::scene::Scene;

pub const USER: &str = "whatsapp";
pub const PARENT: &str = "whatsapp.parent";
pub const GROUP: &str = "whatsapp.group";
pub const PHONE: &str = "phone";

const USERNAME: &str = "com.whatsapp.username";
const PARTICIPANT: &str = "com.whatsapp.participant";

/// What a value in `from`, `wa_id` or `user_id` turns out to be: Meta's own samples mix them up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `US.13491208655302741918`
    User,
    /// `US.ENT.11815799212886844830`
    Parent,
    /// `16505551234`
    Number,
    Unknown,
}

impl Form {
    /// By the shape `^[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}$`, or digits. A BSUID is never a phone number.
    pub fn of(value: &str) -> Form {
        if is_digits(value) {
            return Form::Number;
        }
        let Some((country, rest)) = value.split_once('.') else { return Form::Unknown };
        let (form, id) = match rest.strip_prefix("ENT.") {
            Some(id) => (Form::Parent, id),
            None => (Form::User, rest),
        };
        let is_country = country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase());
        let is_id = (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if is_country && is_id { form } else { Form::Unknown }
    }
}

/// One user, put together from everything that a payload says of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Person<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_user_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wa_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
}

impl<'a> Person<'a> {
    /// The user with these ids, in the order in which they are trusted.
    pub fn new(ids: &[&'a Text<'_>]) -> Self {
        let mut person = Person::default();
        for id in ids {
            person.learn(id.as_deref());
        }
        person
    }

    /// Adds an id of whatever form, unless there already is one of that form.
    pub fn learn(&mut self, id: Option<&'a str>) {
        let Some(id) = id.map(|id| lenient::trim(id).trim_start_matches('+')).filter(|id| !id.is_empty()) else {
            return;
        };
        let slot = match Form::of(id) {
            Form::User | Form::Unknown => &mut self.user_id,
            Form::Parent => &mut self.parent_user_id,
            Form::Number => &mut self.wa_id,
        };
        slot.get_or_insert(id);
    }

    /// Adds what `contacts` says of this user: the element with one of their ids, never the one at their index.
    ///
    /// A sole contact beside a sole element is also taken if they share no form of id, so cannot contradict.
    pub fn pair(mut self, scene: &Scene<'a, '_>) -> Self {
        // An echo may name the business among the contacts.
        let is_ours = |contact: &payload::Contact| contact.wa_id.as_deref().is_some_and(|id| scene.is_business(id));
        let mut known = scene.contacts.iter().flatten();
        let matching = known.find(|contact| self.shares_id(&Person::of_contact(contact)));
        let sole = || match scene.contacts {
            [Some(contact)] if scene.elements == 1 && !self.contradicts(&Person::of_contact(contact)) => Some(contact),
            _ => None,
        };
        let sole = || sole().filter(|contact| !is_ours(contact));
        if let Some(contact) = matching.or_else(sole) {
            let known = Person::of_contact(contact);
            self.user_id = self.user_id.or(known.user_id);
            self.parent_user_id = self.parent_user_id.or(known.parent_user_id);
            self.wa_id = self.wa_id.or(known.wa_id);
            self.name = known.name;
            self.username = known.username;
        }
        self
    }

    /// Without the business's own number: the business is nobody's customer.
    pub fn without_business(mut self, scene: &Scene) -> Self {
        let is_other = |id: &&str| !(is_number(id) && scene.is_business(id));
        self.wa_id = self.wa_id.filter(is_other);
        // A number with spaces and dashes has the form of no id.
        self.user_id = self.user_id.filter(is_other);
        self
    }

    pub fn is_known(&self) -> bool {
        self.user_id.is_some() || self.wa_id.is_some() || self.parent_user_id.is_some()
    }

    /// The id that names this user in an event id: the one that is most likely to be there again.
    pub fn key(&self) -> Option<&'a str> {
        self.user_id.or(self.wa_id).or(self.parent_user_id)
    }

    /// All addresses; the first is where a reply goes. None if nothing is known.
    pub fn contact(&self) -> Option<Contact> {
        if !self.is_known() {
            return None;
        }
        let mut identifiers = Vec::with_capacity(4);
        identifiers.extend(self.user_id.map(|id| Identifier::provider(USER, id)));
        if let Some(number) = self.wa_id {
            identifiers.push(Identifier::provider(USER, number));
            identifiers.push(Identifier::provider(PHONE, format!("+{number}")));
        }
        identifiers.extend(self.parent_user_id.map(|id| Identifier::provider(PARENT, id)));
        let contact = Contact::new(identifiers).named(self.name);
        Some(match self.username {
            Some(username) => contact.with_trait(USERNAME, username.trim_start_matches('@')),
            None => contact,
        })
    }

    fn of_contact(contact: &'a payload::Contact<'_>) -> Self {
        let mut person = Person::new(&[&contact.user_id, &contact.parent_user_id, &contact.wa_id]);
        let profile = contact.profile.as_ref();
        person.name = profile.and_then(|profile| profile.name.as_deref());
        person.username = profile.and_then(|profile| profile.username.as_deref());
        person
    }

    fn shares_id(&self, other: &Person) -> bool {
        let same = |mine: Option<&str>, theirs: Option<&str>| mine.is_some() && mine == theirs;
        same(self.user_id, other.user_id)
            || same(self.wa_id, other.wa_id)
            || same(self.parent_user_id, other.parent_user_id)
    }

    fn contradicts(&self, other: &Person) -> bool {
        let differ = |mine: Option<&str>, theirs: Option<&str>| mine.is_some() && theirs.is_some() && mine != theirs;
        differ(self.user_id, other.user_id)
            || differ(self.wa_id, other.wa_id)
            || differ(self.parent_user_id, other.parent_user_id)
    }
}

/// The other end of a conversation. A group is an address of its own, so that no member is taken for the group.
pub enum Side<'a> {
    Person(Person<'a>),
    Group { id: &'a str, participant: Person<'a> },
}

impl<'a> Side<'a> {
    pub fn new(group_id: Option<&'a str>, person: Person<'a>) -> Self {
        match group_id {
            Some(id) => Side::Group { id, participant: person },
            None => Side::Person(person),
        }
    }

    pub fn contact(&self, account: &str) -> Option<Contact> {
        match self {
            Side::Person(person) => person.contact(),
            Side::Group { id, .. } => Some(Contact::new(vec![Identifier::provider(GROUP, *id).within(account)])),
        }
    }

    pub fn thread(&self) -> Option<String> {
        match self {
            Side::Person(_) => None,
            Side::Group { id, .. } => Some((*id).to_owned()),
        }
    }

    pub fn is_group(&self) -> bool {
        matches!(self, Side::Group { .. })
    }

    /// Says who in a group did it.
    pub fn mark(&self, event: Event) -> Event {
        match self {
            Side::Group { participant, .. } if participant.is_known() => event.extended(PARTICIPANT, participant),
            _ => event,
        }
    }
}

/// Whether a text is a telephone number, as Meta or as people write it. A user id is none: it has letters.
pub fn is_number(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'+' | b' ' | b'-' | b'.' | b'(' | b')');
    text.bytes().all(is_part) && text.bytes().any(|byte| byte.is_ascii_digit())
}

fn is_digits(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_known_by_its_shape_and_not_by_its_field() {
        let long = format!("US.{}", "9".repeat(128));
        let too_long = format!("US.{}", "9".repeat(129));
        let cases = [
            ("16505551234", Form::Number),
            ("US.13491208655302741918", Form::User),
            ("BR.aZ09", Form::User),
            ("US.ENT.11815799212886844830", Form::Parent),
            ("US.ENT", Form::User),
            (long.as_str(), Form::User),
            (too_long.as_str(), Form::Unknown),
            ("us.1", Form::Unknown),
            ("USA.1", Form::Unknown),
            ("US.", Form::Unknown),
            ("US.ENT.", Form::Unknown),
            ("US.1-2", Form::Unknown),
            ("", Form::Unknown),
        ];
        for (value, form) in cases {
            assert_eq!(Form::of(value), form, "{value}");
        }
    }

    #[test]
    fn a_bsuid_is_never_made_a_phone_number() {
        let id = Some("US.13491208655302741918".into());
        let contact = Person::new(&[&id]).contact().unwrap();
        assert_eq!(contact.identifiers, [Identifier::provider("whatsapp", "US.13491208655302741918")]);
    }

    #[test]
    fn all_ids_come_in_the_order_in_which_a_reply_would_try_them() {
        let ids = [Some("US.1".into()), Some("US.ENT.2".into()), Some("+16505551234".into())];
        let contact = Person::new(&[&ids[2], &ids[1], &ids[0]]).contact().unwrap();
        let expected = [("whatsapp", "US.1"), ("whatsapp", "16505551234"), ("phone", "+16505551234")];
        let found: Vec<_> = contact.identifiers.iter().map(|id| (id.scheme.as_str(), id.value.as_str())).collect();
        assert_eq!(found[..3], expected);
        assert_eq!(found[3], ("whatsapp.parent", "US.ENT.2"));
    }
}
