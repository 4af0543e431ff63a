//! Who is who: what events say about it, and what follows.
//!
//! | question | file |
//! |---|---|
//! | what does an event say about who is who? | [`claims`] |
//! | what means nobody, and whose is an event that names nobody else? | [`nobody`] |
//! | who is believed, what never links, how many of a kind has one person? | [`rules`] |
//! | who used the API to say or decide something? | [`author`] |
//! | what was said about two endpoints, and is it in force? | [`edge`] |
//! | which endpoints are one person, by all that was said? | [`mod@partition`] |
//! | how do profiles become what the evidence makes? | [`mod@plan`] |
//! | what would other rules make of it? | [`mod@preview`] |
//! | why are two endpoints one person? | [`mod@path`] |

pub mod author;
pub mod claims;
pub mod edge;
pub mod nobody;
pub mod partition;
pub mod path;
pub mod plan;
pub mod preview;
pub mod rules;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::canonical::canonicalise;
use crate::endpoint::{Basis, Eid, EndpointKey, TenantKey, is_id};
use crate::event::{Contact, Identifier};

pub use author::Author;
pub use claims::{Claims, LinkClaim, WEAK_MAX, claims};
pub use edge::{Closing, Edge, EdgeId, Evidence, Pair, Proof, Rule, Source, Span, Withdrawal};
pub use nobody::{choose_contact, means_nobody};
pub use partition::{Held, Partition, partition};
pub use path::path;
pub use plan::{Before, NewProfile, Plan, components_without_profile, plan};
pub use preview::{Change, Endpoints, Together, preview};
pub use rules::{Kind, MEMBERS_MAX, Rules, is_junk};

/// The id of a profile. An endpoint that was never linked has an implied profile, whose id is made from the endpoint's id
/// without a write.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct ProfileId(String);

impl ProfileId {
    /// The profile that an endpoint has by itself.
    pub fn implied(eid: &Eid) -> Self {
        Self(format!("p{eid}"))
    }

    /// A new one, of 128 random bits: for a profile that another one was parted from.
    pub fn fresh(random: u128) -> Self {
        Self(format!("p{}", URL_SAFE_NO_PAD.encode(random.to_be_bytes())))
    }

    /// An id from the API or the table; none when it cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        text.strip_prefix('p').is_some_and(is_id).then(|| Self(text.to_owned()))
    }

    /// The endpoint whose implied profile this would be. Of a profile that was parted from another one, the root says it.
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
    pub basis: Basis,
}

impl Named {
    /// The endpoint of the same address on another basis.
    pub fn on_basis(&self, tenant: &TenantKey, basis: Basis) -> Self {
        Self { eid: tenant.eid_of(&self.key, basis), basis, ..self.clone() }
    }

    /// The endpoints of the same address on the other bases.
    pub fn counterparts(&self, tenant: &TenantKey) -> impl Iterator<Item = Self> {
        let others = Basis::ALL.into_iter().filter(|basis| *basis != self.basis);
        others.map(|basis| self.on_basis(tenant, basis))
    }
}

/// Identifiers that have a canonical form and mean somebody, each once, in the order of the contact.
///
/// Others are left out: they can be neither found nor linked. The event keeps them as they came. The first one stays, whatever
/// it is: events that are stored may be filed under it.
///
/// The first one says whose event it is. If these rules do not believe it, the event is not that of whoever has the
/// address: it is of the same address on another basis ([`Basis`]), and so is what says the same beside it, such as the
/// number of an SMS once more as a telephone number. What else is named is named as it is: as a suggestion.
pub fn named(tenant: &TenantKey, rules: &Rules, contact: &Contact) -> Vec<Named> {
    let mut seen: Vec<Named> = Vec::with_capacity(contact.identifiers.len());
    let first = contact.identifiers.first().filter(|first| !rules.believes(first.attestation));
    let first = first.and_then(|first| Some((canonicalise(first).ok()?.value, rules.basis(first.attestation))));
    for identifier in &contact.identifiers {
        let Ok(key) = canonicalise(identifier) else { continue };
        if !seen.is_empty() && means_nobody(&key) {
            continue;
        }
        let apart = first.as_ref().filter(|(value, _)| *value == key.value).map(|(_, basis)| *basis);
        let apart = apart.filter(|basis| *basis == rules.basis(identifier.attestation));
        let basis = apart.unwrap_or_default();
        let eid = tenant.eid_of(&key, basis);
        if !seen.iter().any(|other| other.eid == eid) {
            seen.push(Named { eid, key, identifier: identifier.clone(), basis });
        }
    }
    seen
}

/// Whether whoever is behind an event's first identifier proved to have it.
pub fn is_proven(contact: &Contact, rules: &Rules) -> bool {
    contact.identifiers.first().is_some_and(|first| rules.believes(first.attestation))
}

fn name(tenant: &TenantKey, identifier: &Identifier) -> Option<Named> {
    let key = canonicalise(identifier).ok().filter(|key| !means_nobody(key))?;
    Some(Named { eid: tenant.eid(&key), key, identifier: identifier.clone(), basis: Basis::Proven })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::endpoint::EventKey;

    /// The `n`th endpoint; a later one is higher.
    pub fn eid(n: usize) -> Eid {
        Eid::parse(&format!("{n:022}")).unwrap()
    }

    pub fn event_key(at: u64) -> EventKey {
        TenantKey::new(&[1; 32]).unwrap().event_key(at, "a", "id").unwrap()
    }

    /// A small generator (xorshift, Marsaglia 2003), so that a seed in a failure repeats it.
    pub struct Random(pub u64);

    impl Random {
        pub fn below(&mut self, bound: usize) -> usize {
            self.0 = self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 11) as usize % bound
        }

        pub fn shuffle<T>(&mut self, items: &mut [T]) {
            for last in (1..items.len()).rev() {
                items.swap(last, self.below(last + 1));
            }
        }

        /// Parts items into at most so many groups, none empty.
        pub fn grouped(&mut self, items: &[usize], groups: usize) -> Vec<Vec<usize>> {
            let mut parts = vec![Vec::new(); groups];
            for item in items {
                let part = self.below(groups);
                parts[part].push(*item);
            }
            parts.retain(|part| !part.is_empty());
            parts
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
