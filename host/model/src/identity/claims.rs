//! What one event says about who is who.

use crate::endpoint::{Basis, TenantKey};
use crate::event::{Attestation, Body, Event, Replacement};
use crate::identity::edge::Rule;
use crate::identity::rules::{Kind, Rules};
use crate::identity::{Named, name};

/// Suggestions that one event makes. A form or a record has a mail address, a number, and a user's id or two; what else one
/// names on a word that links nothing is nobody's evidence.
pub const WEAK_MAX: usize = 4;

/// See the module's documentation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claims {
    /// What it proves by itself.
    pub links: Vec<LinkClaim>,
    /// What it says is no longer so: proofs of these pairs up to the event's time, by [`Rule::SamePayload`], end.
    pub withdrawn: Vec<(Named, Named)>,
    /// What somebody said whose word does not link by itself: suggestions for a person.
    pub weak: Vec<LinkClaim>,
}

/// Two endpoints that are said to be one person's.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkClaim {
    /// Of [`Rule::Replaced`], the one that gave way.
    pub a: Named,
    pub b: Named,
    pub rule: Rule,
    /// The weaker one of the two.
    pub attestation: Attestation,
}

impl LinkClaim {
    fn new(a: &Named, b: &Named, rule: Rule) -> Self {
        let attestation = a.identifier.attestation.max(b.identifier.attestation);
        Self { a: a.clone(), b: b.clone(), rule, attestation }
    }
}

/// Reads an event by these rules.
///
/// Every identifier goes with one, the first that is believed, so n identifiers are n-1 claims. What many people share
/// and what means nobody claims nothing. What an unproven event says twice, such as one number in two schemes, goes with
/// its first identifier: both are the same unproven word, and neither is anybody's.
///
/// `names` are the event's identifiers, as [`crate::identity::named`] or whoever knows better says whose they are.
pub fn claims(tenant: &TenantKey, event: &Event, names: &[Named], rules: &Rules) -> Claims {
    let usable: Vec<Named> = names.iter().filter(|named| rules.may_link(&named.key)).cloned().collect();
    let believed = |named: &Named| rules.believes(named.identifier.attestation);
    let is_unproven = |named: &&Named| named.basis != Basis::Proven;
    let mut claims = Claims::default();
    let first = usable.iter().find(is_unproven);
    let twins = usable.iter().filter(is_unproven).skip(1);
    claims.links.extend(first.into_iter().cycle().zip(twins).map(|(a, b)| LinkClaim::new(a, b, Rule::SamePayload)));
    let apart = |named: &&Named| !is_unproven(named) || first.is_some_and(|first| first.eid == named.eid);
    if let Some(hub) = usable.iter().find(|named| believed(named)).or(usable.first()) {
        for other in usable.iter().filter(apart).filter(|other| other.eid != hub.eid) {
            let claim = LinkClaim::new(hub, other, Rule::SamePayload);
            match believed(hub) && believed(other) {
                true => claims.links.push(claim),
                false if claims.weak.len() < WEAK_MAX => claims.weak.push(claim),
                false => {}
            }
        }
    }
    if let Body::IdentifierReplaced(replacement) = &event.body {
        claims.read_replacement(tenant, names, replacement, rules);
    }
    claims
}

impl Claims {
    /// An address gave way to another one of its kind: both are the person's, `old` until then. Where the contact is
    /// something else, a record of which this was a property, the property is another now, and the old one nobody's.
    fn read_replacement(&mut self, tenant: &TenantKey, names: &[Named], replacement: &Replacement, rules: &Rules) {
        let usable = |named: &Named| rules.may_link(&named.key) && rules.believes(named.identifier.attestation);
        let [old, new] = [&replacement.old, &replacement.new].map(|identifier| name(tenant, identifier).filter(usable));
        let anchor = names.first().cloned();
        let (Some(old), Some(anchor)) = (old, anchor) else { return };
        let (old_kind, anchor_kind) = (Kind::of(&old.key), Kind::of(&anchor.key));
        let is_address = old_kind.family() == anchor_kind.family();
        match new.filter(|new| new.eid != old.eid) {
            Some(new) if is_address => self.links.push(LinkClaim::new(&old, &new, Rule::Replaced)),
            new if !is_address && usable(&anchor) => {
                if let Some(new) = new.filter(|new| self.links.iter().all(|link| link.b.eid != new.eid)) {
                    self.links.push(LinkClaim::new(&anchor, &new, Rule::SamePayload));
                }
                // A payload that still names what it says is gone does not prove it.
                self.links.retain(|link| link.b.eid != old.eid);
                self.withdrawn.push((anchor, old));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Attestation::*, Contact, Identifier};
    use crate::identity::named;

    fn identifier((scheme, value, attestation): (&str, &str, Attestation)) -> Identifier {
        Identifier { scheme: scheme.into(), scope: None, value: value.into(), attestation }
    }

    fn read(identifiers: &[(&str, &str, Attestation)], body: Body) -> Claims {
        let tenant = TenantKey::new(&[1; 32]).unwrap();
        let identifiers = identifiers.iter().copied().map(identifier).collect();
        let contact = Contact { identifiers, ..Contact::default() };
        let event = Event { id: "1".into(), at: 1, account: "a".into(), contact, body, extensions: Default::default() };
        let rules = Rules::default();
        claims(&tenant, &event, &named(&tenant, &rules, &event.contact), &rules)
    }

    fn replaced(contact: &[(&str, &str, Attestation)], old: (&str, &str), new: (&str, &str)) -> Claims {
        let [old, new] = [old, new].map(|(scheme, value)| identifier((scheme, value, Provider)));
        read(contact, Body::IdentifierReplaced(Replacement { old, new }))
    }

    fn links(claims: &[LinkClaim]) -> Vec<(&str, &str, Rule)> {
        claims.iter().map(|claim| (&*claim.a.key.value, &*claim.b.key.value, claim.rule)).collect()
    }

    #[test]
    fn what_the_provider_attests_in_one_payload_is_one_person() {
        let identifiers = [
            ("whatsapp", "US.1", Provider),
            ("whatsapp", "16505551234", Provider),
            ("phone", "+16505551234", Provider),
            ("phone", "+1 650 555 1234", Provider),
        ];
        let claims = read(&identifiers, Body::ContactUpdated);
        let expected = [("US.1", "16505551234", Rule::SamePayload), ("US.1", "+16505551234", Rule::SamePayload)];
        assert_eq!(links(&claims.links), expected);
        assert_eq!((claims.weak, claims.withdrawn), (vec![], vec![]));
    }

    #[test]
    fn weak_words_are_only_a_suggestion_and_junk_is_nothing() {
        for weak in [Agent, Customer, Imported] {
            let identifiers = [("whatsapp", "1", Provider), ("email", "a@example.com", weak)];
            let claims = read(&identifiers, Body::ContactUpdated);
            assert_eq!(claims.links, []);
            assert_eq!(links(&claims.weak), [("1", "a@example.com", Rule::SamePayload)]);
            assert_eq!(claims.weak[0].attestation, weak);
        }
        for (scheme, junk) in [
            ("user", "anonymous"),
            ("user", "NULL"),
            ("phone", "+10000000000"),
            ("phone", "12345"),
            ("phone", "ACME"),
            ("email", "nobody"),
            ("email", "info@example.com"),
            ("chat.group", "4711"),
        ] {
            for attestation in [Provider, Imported] {
                let identifiers = [("whatsapp", "1", Provider), (scheme, junk, attestation)];
                assert_eq!(read(&identifiers, Body::ContactUpdated), Claims::default(), "{junk}");
            }
        }
    }

    #[test]
    fn identifiers_go_with_the_first_that_is_believed() {
        let identifiers = [("chat", "weak", Imported), ("chat", "hub", Provider), ("phone", "+16505551234", Provider)];
        let claims = read(&identifiers, Body::ContactUpdated);
        assert_eq!(links(&claims.links), [("hub", "+16505551234", Rule::SamePayload)]);
        assert_eq!(links(&claims.weak), [("hub", "weak", Rule::SamePayload)]);
    }

    #[test]
    fn an_address_that_gave_way_is_the_same_person_s() {
        let contact = [("whatsapp", "US.2", Provider), ("phone", "+16505555678", Provider)];
        let claims = replaced(&contact, ("whatsapp", "US.1"), ("whatsapp", "US.2"));
        let expected = [("US.2", "+16505555678", Rule::SamePayload), ("US.1", "US.2", Rule::Replaced)];
        assert_eq!(links(&claims.links), expected);
        assert_eq!(claims.withdrawn, []);
        let claims = replaced(&contact, ("whatsapp.parent", "P.1"), ("whatsapp.parent", "P.2"));
        assert_eq!(links(&claims.links)[1], ("P.1", "P.2", Rule::Replaced), "a record of the same family, too");
    }

    #[test]
    fn a_property_that_gave_way_is_nobody_s() {
        let contact = [("hubspot.contact", "7", Provider), ("phone", "+16505551111", Provider)];
        let claims = replaced(&contact, ("phone", "+16505551111"), ("phone", "+16505552222"));
        assert_eq!(links(&claims.links), [("7", "+16505552222", Rule::SamePayload)]);
        let withdrawn: Vec<_> = claims.withdrawn.iter().map(|(a, b)| (&*a.key.value, &*b.key.value)).collect();
        assert_eq!(withdrawn, [("7", "+16505551111")]);
        let weak = [("hubspot.contact", "7", Imported)];
        let claims = replaced(&weak, ("phone", "+16505551111"), ("phone", "+16505552222"));
        assert_eq!(claims, Claims::default(), "a weak word ends nothing");
    }
}
