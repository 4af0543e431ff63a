//! What an operator may say about identity: who is believed, what never links, how many of a kind one person has.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::canonical::{self, Family, Mailbox};
use crate::endpoint::{Basis, EndpointKey};
use crate::event::Attestation;
use crate::identity::nobody::{NOBODY, address_of, means_nobody};
use crate::trust::Strength;

/// Endpoints of one profile, unless configured lower. A person has a handful; what grows beyond is a switchboard or an
/// attack. Not more: an unlink that parts all but one from the rest rewrites each one's pointer in one transaction, which
/// has at most 100 items.
pub const MEMBERS_MAX: usize = 90;

/// The scheme and scope of an endpoint: what limits count. Never personal data.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Kind {
    pub scheme: String,
    pub scope: Option<String>,
}

impl Kind {
    /// The kind of an endpoint.
    pub fn of(key: &EndpointKey) -> Self {
        Self { scheme: key.scheme.clone(), scope: key.scope.clone() }
    }

    /// What counts for an endpoint that no event ever named.
    pub fn unseen() -> Self {
        Self { scheme: "unseen".to_owned(), scope: None }
    }

    /// What counts for an unproven address: no limit does. Nothing but a person's word joins it with somebody, and the
    /// address that it claims to be is counted when it is proven.
    pub fn unproven() -> Self {
        Self { scheme: "unproven".to_owned(), scope: None }
    }

    /// Whether it is an unproven address.
    pub fn is_unproven(&self) -> bool {
        *self == Self::unproven()
    }

    /// Whether it is a record of another system (`crm.contact`) and no address.
    pub fn is_record(&self) -> bool {
        self.scheme.contains('.')
    }

    /// The scheme up to its first dot: a channel's addresses and its records of them are one family.
    pub fn family(&self) -> &str {
        self.scheme.split('.').next().unwrap_or_default()
    }
}

/// The rules by which evidence makes profiles.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// Whose word links by itself; anybody else's makes a suggestion.
    pub linking: BTreeSet<Attestation>,
    /// How many identifiers of a scheme, in one scope, one profile may have.
    pub limits: BTreeMap<String, usize>,
    /// The same for every scheme with a dot, a record of another system, that `limits` does not name.
    pub record_limit: usize,
    /// Values that mean nobody, besides the built-in ones; in lower case.
    pub junk: BTreeSet<String>,
    /// Local parts of mailboxes that many people read: `info`, `support`.
    pub role_mailboxes: BTreeSet<String>,
    /// The business's own addresses, canonical: mailboxes and numbers. They are no contact, and link nobody.
    pub own: BTreeSet<String>,
    /// Schemes that are never an end of a link, since many people share one. `*.x` is any scheme that ends in `.x`.
    pub never: BTreeSet<String>,
    /// Endpoints of one profile; at most [`MEMBERS_MAX`].
    pub members_max: usize,
}

/// Local parts that are posts, not people. Source: RFC 2142 (1997), and the deny lists of large e-mail senders.
const ROLES: [&str; 31] = [
    "abuse",
    "accounts",
    "admin",
    "administrator",
    "billing",
    "contact",
    "customerservice",
    "do-not-reply",
    "donotreply",
    "enquiries",
    "feedback",
    "hello",
    "help",
    "helpdesk",
    "hostmaster",
    "info",
    "invoices",
    "mail",
    "mailer-daemon",
    "marketing",
    "no-reply",
    "noreply",
    "office",
    "orders",
    "postmaster",
    "sales",
    "security",
    "service",
    "support",
    "team",
    "webmaster",
];

/// What many people share: a device in a shop, a group chat, everybody who has no name.
const SHARED: [&str; 3] = ["device", "anonymous", "*.group"];

impl Default for Rules {
    fn default() -> Self {
        let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect();
        Self {
            linking: Attestation::ALL.into_iter().filter(|word| word.powers().links).collect(),
            limits: [("user".to_owned(), 1)].into(),
            record_limit: 1,
            junk: BTreeSet::new(),
            own: BTreeSet::new(),
            role_mailboxes: words(&ROLES),
            never: words(&SHARED),
            members_max: MEMBERS_MAX,
        }
    }
}

impl Rules {
    /// How many endpoints of a kind one profile may have; none: as many as it has room for.
    pub fn limit(&self, kind: &Kind) -> Option<usize> {
        let named = self.limits.get(&kind.scheme).copied();
        named.or_else(|| kind.is_record().then_some(self.record_limit))
    }

    /// Whether a word opens a conversation and links by itself: as [`crate::trust::TABLE`] says, unless configured.
    pub fn believes(&self, attestation: Attestation) -> bool {
        self.linking.contains(&attestation)
    }

    /// On which basis an event is filed whose first identifier is attested so.
    pub fn basis(&self, attestation: Attestation) -> Basis {
        match self.believes(attestation) {
            true => Basis::Proven,
            // What the operator does not believe though the table does is somebody's word like any other.
            false if attestation.powers().opens == Basis::Proven => Basis::Said,
            false => attestation.powers().opens,
        }
    }

    /// How much a word weighs. Whom the operator believes says no less than a provider.
    pub fn strength(&self, attestation: Attestation) -> Strength {
        if self.believes(attestation) { Strength::Proven } else { attestation.powers().strength.min(Strength::Staff) }
    }

    /// Whether an identifier may be an end of a link at all.
    pub fn may_link(&self, key: &EndpointKey) -> bool {
        !is_junk(key) && !self.is_excluded(key)
    }

    /// Whether an address means nobody: by the built-in table, or by what is configured.
    pub fn is_nobody(&self, key: &EndpointKey) -> bool {
        means_nobody(key) || self.junk.contains(&key.value.to_lowercase())
    }

    /// Whether an address is the business's own.
    pub fn is_own(&self, key: &EndpointKey) -> bool {
        Family::of(&key.scheme) != Family::Id && (self.own.contains(&key.value) || self.own.contains(&address_of(key)))
    }

    fn is_excluded(&self, key: &EndpointKey) -> bool {
        // A tag behind the name of a post is no person's: `support+4711@`.
        let address = address_of(key);
        let local_part = address.split('@').next().unwrap_or_default();
        let is_role = key.scheme == "email" && self.role_mailboxes.contains(local_part);
        let is_shared = self.never.iter().any(|never| match never.strip_prefix('*') {
            Some(end) => key.scheme.ends_with(end),
            None => key.scheme == *never,
        });
        is_role || is_shared || self.is_own(key) || self.junk.contains(&key.value.to_lowercase())
    }
}

/// Whether an identifier is junk, which must never link.
///
/// That is what means nobody; phones that are none in the world (national, alphanumeric, short codes) or no person's
/// (free and premium services); and e-mail addresses that cannot be read, or whose local part must stand in quotes.
pub fn is_junk(key: &EndpointKey) -> bool {
    if means_nobody(key) || key.scheme == NOBODY {
        return true;
    }
    match Family::of(&key.scheme) {
        Family::Number => {
            canonical::e164(&key.value).is_none_or(|line| line != key.value || canonical::is_service(&line))
        }
        Family::Mailbox => Mailbox::parse(&key.value).is_none_or(|mailbox| mailbox.needs_quotes()),
        Family::Id => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may_link(scheme: &str, value: &str) -> bool {
        let rules = Rules { junk: ["x-1".to_owned()].into(), ..Rules::default() };
        rules.may_link(&EndpointKey { scheme: scheme.into(), scope: None, value: value.into() })
    }

    #[test]
    fn what_many_people_share_never_links() {
        for (scheme, value) in [
            ("email", "info@example.com"),
            ("email", "no-reply@example.com"),
            ("email", "support+4711@example.com"),
            ("email", "\"<victim@bank.example>\"@evil.example"),
            ("email", "ann@example.com, bob@example.com"),
            ("phone", "+18005551234"),
            ("phone", "+1-800-flowers"),
            ("nobody", "CA1"),
            ("device", "4711"),
            ("chat.group", "4711"),
            ("anonymous", "4711"),
            ("user", "X-1"),
        ] {
            assert!(!may_link(scheme, value), "{scheme}:{value}");
        }
        for (scheme, value) in [("email", "information@example.com"), ("user", "info"), ("group", "4711")] {
            assert!(may_link(scheme, value), "{scheme}:{value}");
        }
    }

    #[test]
    fn a_record_is_one_for_each_scope_unless_configured() {
        let kind = |scheme: &str| Kind { scheme: scheme.into(), scope: None };
        let rules = Rules { limits: [("crm.company".to_owned(), 5)].into(), ..Rules::default() };
        assert_eq!(rules.limit(&kind("crm.contact")), Some(1));
        assert_eq!(rules.limit(&kind("crm.company")), Some(5));
        assert_eq!(rules.limit(&kind("phone")), None);
        assert_eq!(Rules::default().limit(&kind("user")), Some(1));
    }
}
