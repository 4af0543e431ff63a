//! Who is who: the ids of profiles, and which identifiers of one payload are evidence of one person.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::canonical::canonicalise;
use crate::endpoint::{Eid, EndpointKey, TenantKey, is_id};
use crate::event::{Body, Contact, Event, Identifier};

/// The id of a profile. An endpoint that was never linked has an implied one, made of its own id, and costs no write.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProfileId(String);

impl ProfileId {
    /// The profile that an endpoint has by itself.
    pub fn implied(eid: &Eid) -> Self {
        Self(format!("p{eid}"))
    }

    /// An id from the API or the table; none when it cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        text.strip_prefix('p').is_some_and(is_id).then(|| Self(text.to_owned()))
    }

    /// The endpoint whose implied profile this would be.
    pub fn birth_endpoint(&self) -> Option<Eid> {
        Eid::parse(self.0.strip_prefix('p')?)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProfileId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// An identifier, its key and its id.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    pub eid: Eid,
    pub key: EndpointKey,
    pub identifier: Identifier,
}

/// Why two endpoints are said to be one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// One payload named both, each attested by the provider or signed by the business.
    SamePayload,
    /// The provider said that one address took the place of the other.
    Replaced,
}

impl Rule {
    /// The rule's name in keys and in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::SamePayload => "same-payload",
            Self::Replaced => "replaced",
        }
    }
}

/// Identifiers that have a canonical form, each once, in the order of the contact.
///
/// One without a form is left out: it can be neither found nor linked. The event keeps it as it came.
pub fn named(tenant: &TenantKey, contact: &Contact) -> Vec<Named> {
    let mut seen: Vec<Named> = Vec::with_capacity(contact.identifiers.len());
    for identifier in &contact.identifiers {
        let Some(named) = name(tenant, identifier) else { continue };
        if !seen.iter().any(|other| other.eid == named.eid) {
            seen.push(named);
        }
    }
    seen
}

fn name(tenant: &TenantKey, identifier: &Identifier) -> Option<Named> {
    let key = canonicalise(identifier).ok()?;
    Some(Named { eid: tenant.eid(&key), key, identifier: identifier.clone() })
}

/// The links that an event proves by itself: each pair with the rule that says so.
///
/// Every identifier is linked with the first one, so n identifiers are n-1 links. Weak attestations and junk prove
/// nothing.
pub fn links(tenant: &TenantKey, event: &Event) -> Vec<(Named, Named, Rule)> {
    let mut links = Vec::new();
    let strong: Vec<Named> = named(tenant, &event.contact).into_iter().filter(proves_identity).collect();
    if let Some((first, rest)) = strong.split_first() {
        links.extend(rest.iter().map(|other| (first.clone(), other.clone(), Rule::SamePayload)));
    }
    if let Body::IdentifierReplaced(replacement) = &event.body {
        let pair = (name(tenant, &replacement.old), name(tenant, &replacement.new));
        if let (Some(old), Some(new)) = pair
            && old.eid != new.eid
            && proves_identity(&old)
            && proves_identity(&new)
        {
            links.push((old, new, Rule::Replaced));
        }
    }
    links
}

fn proves_identity(named: &Named) -> bool {
    named.identifier.attestation.links_by_itself() && !is_junk(&named.key)
}

/// Values that systems send for "nobody". They would make one person of all who share them.
///
/// Source: the deny lists of Segment Unify and PostHog, and phone numbers whose digits are all alike.
const NOBODY: &[&str] = &[
    "0",
    "-1",
    "00000000-0000-0000-0000-000000000000",
    "[object object]",
    "anonymous",
    "false",
    "guest",
    "id",
    "n/a",
    "nan",
    "nil",
    "none",
    "not_authenticated",
    "null",
    "restricted",
    "true",
    "unavailable",
    "undefined",
    "unknown",
    "withheld",
];

/// Whether an identifier is junk, which must never link.
///
/// Phones that are none (national, alphanumeric, short codes) are: they name no one in the world.
pub fn is_junk(key: &EndpointKey) -> bool {
    let value = key.value.to_lowercase();
    if NOBODY.contains(&value.as_str()) {
        return true;
    }
    match key.scheme.as_str() {
        "phone" | "sms" => !value.starts_with('+') || value.len() < 8 || monotonous(&value[1..]),
        "email" => !value.contains('@'),
        _ => false,
    }
}

/// `10000000000`, `9999999999`: all alike but perhaps the country code.
fn monotonous(digits: &str) -> bool {
    let national = &digits.as_bytes()[digits.len().min(3)..];
    national.windows(2).all(|pair| pair[0] == pair[1])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Attestation;

    fn contact(identifiers: &[(&str, &str, Attestation)]) -> Contact {
        let identifier = |(scheme, value, attestation): &(&str, &str, Attestation)| Identifier {
            scheme: (*scheme).into(),
            scope: None,
            value: (*value).into(),
            attestation: *attestation,
        };
        Contact { identifiers: identifiers.iter().map(identifier).collect(), ..Contact::default() }
    }

    fn pairs(identifiers: &[(&str, &str, Attestation)]) -> Vec<(String, String)> {
        let tenant = TenantKey::new(&[1; 32]).unwrap();
        let event = Event {
            id: "1".into(),
            at: 1,
            account: "a".into(),
            contact: contact(identifiers),
            body: Body::ContactUpdated,
            extensions: Default::default(),
        };
        links(&tenant, &event).into_iter().map(|(a, b, _)| (a.key.value, b.key.value)).collect()
    }

    #[test]
    fn what_the_provider_attests_in_one_payload_is_one_person() {
        use Attestation::Provider;
        let all = pairs(&[
            ("whatsapp", "US.1", Provider),
            ("whatsapp", "16505551234", Provider),
            ("phone", "+16505551234", Provider),
            ("phone", "+1 650 555 1234", Provider),
        ]);
        assert_eq!(all, [("US.1".into(), "16505551234".into()), ("US.1".into(), "+16505551234".into())]);
    }

    #[test]
    fn neither_weak_words_nor_junk_link_anybody() {
        use Attestation::{Agent, Customer, Imported, Provider};
        for weak in [Agent, Customer, Imported] {
            assert_eq!(pairs(&[("whatsapp", "1", Provider), ("email", "a@example.com", weak)]), []);
        }
        for (scheme, junk) in [
            ("user", "anonymous"),
            ("user", "NULL"),
            ("phone", "+10000000000"),
            ("phone", "12345"),
            ("phone", "ACME"),
            ("email", "nobody"),
        ] {
            assert_eq!(pairs(&[("whatsapp", "1", Provider), (scheme, junk, Provider)]), [], "{junk}");
        }
    }

    #[test]
    fn a_profile_id_is_read_back_only_if_it_can_be_one() {
        let eid = Eid::parse("abcdefghijklmnopqrstuv").unwrap();
        let pid = ProfileId::implied(&eid);
        assert_eq!(ProfileId::parse(pid.as_str()), Some(pid.clone()));
        assert_eq!(pid.birth_endpoint(), Some(eid));
        for text in ["", "p", "p/../../x", "qabcdefghijklmnopqrstuv"] {
            assert_eq!(ProfileId::parse(text), None);
        }
    }
}
