//! What an operator may say about identity: who is believed, what never links, how many of a kind one person has.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::endpoint::{Basis, EndpointKey};
use crate::event::Attestation;
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

    fn is_excluded(&self, key: &EndpointKey) -> bool {
        let local_part = key.value.split('@').next().unwrap_or_default();
        let is_role = key.scheme == "email" && self.role_mailboxes.contains(local_part);
        let is_shared = self.never.iter().any(|never| match never.strip_prefix('*') {
            Some(end) => key.scheme.ends_with(end),
            None => key.scheme == *never,
        });
        is_role || is_shared || self.junk.contains(&key.value.to_lowercase())
    }
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

    fn may_link(scheme: &str, value: &str) -> bool {
        let rules = Rules { junk: ["x-1".to_owned()].into(), ..Rules::default() };
        rules.may_link(&EndpointKey { scheme: scheme.into(), scope: None, value: value.into() })
    }

    #[test]
    fn what_many_people_share_never_links() {
        for (scheme, value) in [
            ("email", "info@example.com"),
            ("email", "no-reply@example.com"),
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
