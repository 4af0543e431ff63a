//! What other rules would make of evidence that is there.
//!
//! Only of what was recorded: what the rules of its time kept from being recorded, such as a link to a role mailbox, shows
//! when its events are folded again.

use std::collections::{BTreeMap, BTreeSet};

use crate::endpoint::Eid;
use crate::identity::edge::{Edge, EdgeId, Source};
use crate::identity::partition::partition;
use crate::identity::rules::{Kind, Rules};

/// What rules say of some endpoints: their kinds, and which of them no event may link.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Endpoints {
    pub kinds: BTreeMap<Eid, Kind>,
    pub never: BTreeSet<Eid>,
}

/// What becomes of the ends of a link.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub edge: EdgeId,
    pub to: Together,
}

/// Whether two endpoints are one person's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Together {
    One,
    Apart,
}

/// The links whose ends would be together or apart by `rules`, and are not. `profiles` are those that hang together by
/// `edges`, which is all their evidence.
pub fn preview(profiles: &[BTreeSet<Eid>], edges: &[Edge], endpoints: &Endpoints, rules: &Rules) -> Vec<Change> {
    let kept: Vec<Edge> = edges.iter().filter(|edge| counts(edge, endpoints, rules)).cloned().collect();
    let would = partition(&endpoints.kinds, &kept, rules).components;
    let change = |edge: &Edge| {
        let to = together(&would, edge);
        (to != together(profiles, edge)).then(|| Change { edge: edge.id.clone(), to })
    };
    edges.iter().filter(|edge| edge.is_in_force()).filter_map(change).collect()
}

fn together(groups: &[BTreeSet<Eid>], edge: &Edge) -> Together {
    let pair = &edge.id.pair;
    if groups.iter().any(|group| group.contains(pair.low()) && group.contains(pair.high())) {
        Together::One
    } else {
        Together::Apart
    }
}

/// Whether these rules would have recorded it. A person's word counts by any.
fn counts(edge: &Edge, endpoints: &Endpoints, rules: &Rules) -> bool {
    let ends = [edge.id.pair.low(), edge.id.pair.high()];
    match edge.proof.as_ref().map(|proof| &proof.source) {
        Some(Source::Event { attestation, .. }) => {
            // What an unproven event says twice, it says under any rules.
            let is_twin = ends.iter().all(|end| endpoints.kinds.get(*end).is_some_and(Kind::is_unproven));
            (rules.believes(*attestation) || is_twin) && !ends.iter().any(|end| endpoints.never.contains(*end))
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Attestation;
    use crate::identity::edge::{Evidence, Pair, Rule};
    use crate::identity::tests::{eid, event_key};

    fn edge(a: usize, b: usize, attestation: Attestation) -> Edge {
        let pair = Pair::new(&eid(a), &eid(b)).unwrap();
        let mut edge = Edge::new(EdgeId { pair, rule: Rule::SamePayload }, 1);
        let source = Source::Event { key: event_key(1), attestation };
        edge.prove(&Evidence { rule: Rule::SamePayload, source, at: 1, last: 1, old: None, now: 1 });
        edge
    }

    fn endpoints(schemes: &[&str]) -> Endpoints {
        let kind = |scheme: &&str| Kind { scheme: (*scheme).into(), scope: None };
        Endpoints { kinds: (1..).map(eid).zip(schemes.iter().map(kind)).collect(), never: BTreeSet::new() }
    }

    fn set(members: &[usize]) -> BTreeSet<Eid> {
        members.iter().map(|n| eid(*n)).collect()
    }

    #[test]
    fn a_higher_limit_links_and_a_lower_one_parts() {
        let all = endpoints(&["user", "phone", "user"]);
        let edges = [edge(1, 2, Attestation::Provider), edge(2, 3, Attestation::Provider)];
        let two = Rules { limits: [("user".to_owned(), 2)].into(), ..Rules::default() };
        let change = |to| [Change { edge: edges[1].id.clone(), to }];
        assert_eq!(preview(&[set(&[1, 2]), set(&[3])], &edges, &all, &two), change(Together::One));
        assert_eq!(preview(&[set(&[1, 2, 3])], &edges, &all, &Rules::default()), change(Together::Apart));
        assert_eq!(preview(&[set(&[1, 2, 3])], &edges, &all, &two), []);
    }

    #[test]
    fn whose_word_no_longer_links_parts_and_what_never_links_does() {
        let mut all = endpoints(&["chat", "phone", "email"]);
        let edges = [edge(1, 2, Attestation::Signature), edge(1, 3, Attestation::Provider)];
        let profiles = [set(&[1, 2, 3])];
        let provider = Rules { linking: [Attestation::Provider].into(), ..Rules::default() };
        let parted = |n: usize| [Change { edge: edges[n].id.clone(), to: Together::Apart }];
        assert_eq!(preview(&profiles, &edges, &all, &provider), parted(0));
        all.never = set(&[3]);
        assert_eq!(preview(&profiles, &edges, &all, &Rules::default()), parted(1));
    }
}
