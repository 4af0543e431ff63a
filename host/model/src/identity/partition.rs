//! Who is one person, as a function of the evidence alone.
//!
//! Edges in force are taken in the order of their first proof and join what they connect, unless the joined profile would
//! break a limit: then the edge is *held* and is a conflict for a person to decide. The order of arrival and what was
//! linked or undone in between cannot matter, since neither is an argument.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::endpoint::Eid;
use crate::event::Timestamp;
use crate::identity::edge::{Edge, EdgeId, Pair, Rule};
use crate::identity::rules::{Kind, Rules};

/// What the evidence makes of some endpoints.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Partition {
    /// Disjoint; every member in one. In the order of their lowest endpoints.
    pub components: Vec<BTreeSet<Eid>>,
    /// Edges in force that do not join what they connect, and why.
    pub held: BTreeMap<EdgeId, Held>,
}

/// Why an edge in force does not join what it connects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// More identifiers of a kind than one person has.
    Unique(Kind),
    /// More endpoints than a profile holds.
    Size,
    /// One end gave way to another endpoint after the last proof. No conflict: nobody has to decide anything.
    Superseded,
}

impl Held {
    /// Whether a person has to decide.
    pub fn is_conflict(&self) -> bool {
        *self != Self::Superseded
    }
}

/// Partitions `members` by the edges between them; edges that lead outside are left out.
pub fn partition(members: &BTreeMap<Eid, Kind>, edges: &[Edge], rules: &Rules) -> Partition {
    let retired = retired(edges);
    let mut order: Vec<(Timestamp, &EdgeId)> =
        edges.iter().filter(|edge| stands(edge, members, &retired)).filter_map(age).collect();
    order.sort();
    let mut groups = Groups::new(members, &retired, rules);
    let mut held = BTreeMap::new();
    for (_, id) in order {
        if let Err(why) = groups.join(id.pair.low(), id.pair.high()) {
            held.insert(id.clone(), why);
        }
    }
    let superseded = edges.iter().filter(|edge| edge.is_in_force() && !stands(edge, members, &retired));
    for edge in superseded.filter(|edge| groups.are_apart(&edge.id.pair)) {
        held.insert(edge.id.clone(), Held::Superseded);
    }
    Partition { components: groups.components(), held }
}

fn age(edge: &Edge) -> Option<(Timestamp, &EdgeId)> {
    edge.proof.as_ref().map(|proof| (proof.at, &edge.id))
}

/// Which endpoints gave way to another one, and when: those whose latest word on it says so.
///
/// They count to no limit, since their successor does; and what was said of them before is no longer said of the person.
pub fn retired(edges: &[Edge]) -> BTreeMap<Eid, Timestamp> {
    let mut latest: BTreeMap<&Eid, (Timestamp, &EdgeId, bool)> = BTreeMap::new();
    for edge in edges.iter().filter(|edge| edge.id.rule == Rule::Replaced && edge.is_in_force()) {
        let Some((at, old)) = &edge.gave_way else { continue };
        for end in [edge.id.pair.low(), edge.id.pair.high()] {
            let word = (*at, &edge.id, end == old);
            let newest = latest.entry(end).or_insert(word);
            *newest = word.max(*newest);
        }
    }
    latest.into_iter().filter(|(_, (_, _, gave_way))| *gave_way).map(|(eid, (at, ..))| (eid.clone(), at)).collect()
}

/// Whether an edge is in force among these members, and not superseded. An address that gave way takes no phone and no
/// mailbox along that were said of it, since another person may have the number now. And what is said of it only since then
/// is said of whoever has it now. Records keep theirs.
pub fn stands(edge: &Edge, members: &BTreeMap<Eid, Kind>, retired: &BTreeMap<Eid, Timestamp>) -> bool {
    let (low, high) = (edge.id.pair.low(), edge.id.pair.high());
    let (Some(low_kind), Some(high_kind)) = (members.get(low), members.get(high)) else { return false };
    let first = edge.proof.as_ref().map_or(0, |proof| proof.at);
    let is_attribute = low_kind.family() != high_kind.family();
    let gave_way =
        |eid: &Eid, kind: &Kind| !kind.is_record() && retired.get(eid).is_some_and(|at| is_attribute || first > *at);
    let is_superseded = edge.id.rule == Rule::SamePayload && (gave_way(low, low_kind) || gave_way(high, high_kind));
    edge.is_in_force() && !is_superseded
}

/// The first limit that these endpoints together break.
pub fn broken_limit<'a>(members: impl IntoIterator<Item = &'a Kind>, size: usize, rules: &Rules) -> Option<Held> {
    if size > rules.members_max {
        return Some(Held::Size);
    }
    let mut counts: BTreeMap<&Kind, usize> = BTreeMap::new();
    for kind in members {
        *counts.entry(kind).or_default() += 1;
    }
    let over = |(kind, count): &(&Kind, usize)| rules.limit(kind).is_some_and(|limit| *count > limit);
    counts.into_iter().find(over).map(|(kind, _)| Held::Unique(kind.clone()))
}

/// A union-find whose groups remember what limits count.
struct Groups<'a> {
    /// By endpoint: the endpoint that stands for its group.
    parents: BTreeMap<&'a Eid, &'a Eid>,
    /// By the endpoint that stands for it.
    members: BTreeMap<&'a Eid, Vec<&'a Eid>>,
    kinds: &'a BTreeMap<Eid, Kind>,
    retired: &'a BTreeMap<Eid, Timestamp>,
    rules: &'a Rules,
}

impl<'a> Groups<'a> {
    fn new(kinds: &'a BTreeMap<Eid, Kind>, retired: &'a BTreeMap<Eid, Timestamp>, rules: &'a Rules) -> Self {
        let parents = kinds.keys().map(|eid| (eid, eid)).collect();
        let members = kinds.keys().map(|eid| (eid, vec![eid])).collect();
        Self { parents, members, kinds, retired, rules }
    }

    fn join(&mut self, a: &Eid, b: &Eid) -> Result<(), Held> {
        let (Some(&a), Some(&b)) = (self.parents.get(a), self.parents.get(b)) else { return Ok(()) };
        if a == b {
            return Ok(());
        }
        let both = || self.members[a].iter().chain(&self.members[b]);
        let counted = both().filter(|eid| !self.retired.contains_key(**eid)).map(|eid| &self.kinds[*eid]);
        if let Some(broken) = broken_limit(counted, both().count(), self.rules) {
            return Err(broken);
        }
        let moved = self.members.remove(b).unwrap_or_default();
        for eid in &moved {
            self.parents.insert(eid, a);
        }
        self.members.entry(a).or_default().extend(moved);
        Ok(())
    }

    /// Whether both are here, in different groups.
    fn are_apart(&self, pair: &Pair) -> bool {
        let groups = [pair.low(), pair.high()].map(|eid| self.parents.get(eid));
        matches!(groups, [Some(low), Some(high)] if low != high)
    }

    fn components(self) -> Vec<BTreeSet<Eid>> {
        let mut components: Vec<BTreeSet<Eid>> =
            self.members.into_values().map(|eids| eids.into_iter().cloned().collect()).collect();
        components.sort();
        components
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Attestation;
    use crate::identity::edge::{Closing, Evidence, Source, Withdrawal};
    use crate::identity::tests::{Random, eid, event_key};

    /// Endpoints 0 and 1 are users, of whom a person has one; the others are of a kind without a limit.
    fn members(count: usize) -> BTreeMap<Eid, Kind> {
        let kind = |n| Kind { scheme: if n < 2 { "user" } else { "chat" }.to_owned(), scope: None };
        (0..count).map(|n| (eid(n), kind(n))).collect()
    }

    fn edge(a: usize, b: usize, at: Timestamp) -> Edge {
        edge_of(Rule::SamePayload, a, b, at)
    }

    fn edge_of(rule: Rule, a: usize, b: usize, at: Timestamp) -> Edge {
        let mut edge = Edge::new(EdgeId { pair: Pair::new(&eid(a), &eid(b)).unwrap(), rule }, 1);
        let source = Source::Event { key: event_key(at), attestation: Attestation::Provider };
        let old = (rule == Rule::Replaced).then(|| eid(a));
        edge.prove(&Evidence { rule, source, at, last: at, old, now: at });
        edge
    }

    fn numbers(partition: &Partition) -> Vec<Vec<usize>> {
        let number = |wanted: &Eid| (0..100).find(|n| eid(*n) == *wanted).unwrap();
        partition.components.iter().map(|component| component.iter().map(number).collect()).collect()
    }

    fn with_small_profiles(members_max: usize) -> Rules {
        Rules { members_max, ..Rules::default() }
    }

    #[test]
    fn the_older_evidence_wins_and_the_younger_is_held() {
        let found = partition(&members(4), &[edge(0, 2, 10), edge(2, 1, 20), edge(1, 3, 30)], &Rules::default());
        assert_eq!(numbers(&found), [vec![0, 2], vec![1, 3]]);
        let held: Vec<_> = found.held.into_iter().collect();
        assert_eq!(held, [(edge(1, 2, 0).id, Held::Unique(Kind { scheme: "user".into(), scope: None }))]);
        let found = partition(&members(4), &[edge(0, 2, 20), edge(2, 1, 10), edge(1, 3, 30)], &Rules::default());
        assert_eq!(numbers(&found), [vec![0], vec![1, 2, 3]]);
    }

    #[test]
    fn a_profile_stays_below_its_size() {
        let found = partition(&members(4), &[edge(0, 2, 1), edge(2, 3, 2)], &with_small_profiles(2));
        assert_eq!(numbers(&found), [vec![0, 2], vec![1], vec![3]]);
        assert_eq!(found.held.into_values().collect::<Vec<_>>(), [Held::Size]);
    }

    #[test]
    fn what_gave_way_counts_to_no_limit_and_leaves_its_attributes() {
        let mut kinds = members(4);
        kinds.insert(eid(2), Kind { scheme: "phone".into(), scope: None });
        let edges = [edge(0, 2, 10), edge_of(Rule::Replaced, 0, 1, 20)];
        let found = partition(&kinds, &edges, &Rules::default());
        assert_eq!(numbers(&found), [vec![0, 1], vec![2], vec![3]], "the number may be another person's now");
        assert_eq!(found.held, [(edges[0].id.clone(), Held::Superseded)].into());
        let since = [edge(0, 2, 30), edge(0, 3, 30), edge_of(Rule::Replaced, 0, 1, 20)];
        let found = numbers(&partition(&kinds, &since, &Rules::default()));
        assert_eq!(found, [vec![0, 1], vec![2], vec![3]], "what is said of it since then is said of somebody else");
        let successor = [edge(0, 2, 10), edge(1, 2, 30), edge_of(Rule::Replaced, 0, 1, 20)];
        assert_eq!(numbers(&partition(&kinds, &successor, &Rules::default())), [vec![0, 1, 2], vec![3]]);
        let back = [edge_of(Rule::Replaced, 0, 1, 20), edge_of(Rule::Replaced, 1, 0, 30)];
        assert_eq!(retired(&back), [(eid(1), 30)].into(), "the last word counts");
    }

    /// By brute force: what is in force is joined in every order that keeps ages, and no held edge could be let in.
    #[test]
    fn no_order_of_the_edges_changes_the_partition() {
        for seed in 1..300 {
            let mut random = Random(seed);
            let rules = with_small_profiles(2 + random.below(4));
            let mut edges: Vec<Edge> = Vec::new();
            for _ in 0..10 {
                let (a, b) = (random.below(7), random.below(7));
                if a == b {
                    continue;
                }
                let mut new = edge(a, b, 1 + random.below(5) as u64);
                match random.below(6) {
                    0 => new.close(Closing { who: "x".into(), why: "y".into(), at: 1 }),
                    1 => new.withdraw(Withdrawal { at: 3, event: event_key(3) }, 1),
                    _ => {}
                }
                if edges.iter().all(|old| old.id != new.id) {
                    edges.push(new);
                }
            }
            let members = members(7);
            let expected = partition(&members, &edges, &rules);
            for _ in 0..5 {
                random.shuffle(&mut edges);
                assert_eq!(partition(&members, &edges, &rules), expected, "seed {seed}");
            }
            check(&expected, &edges, &rules);
        }
    }

    fn check(found: &Partition, edges: &[Edge], rules: &Rules) {
        let kinds = members(7);
        let of = |eid: &Eid| found.components.iter().position(|component| component.contains(eid)).unwrap();
        for component in &found.components {
            assert_eq!(broken_limit(component.iter().map(|eid| &kinds[eid]), component.len(), rules), None);
        }
        for edge in edges.iter().filter(|edge| edge.is_in_force()) {
            let (low, high) = (of(edge.id.pair.low()), of(edge.id.pair.high()));
            assert_eq!(found.held.contains_key(&edge.id), low != high, "joined or held");
            if low != high {
                let both = || found.components[low].iter().chain(&found.components[high]);
                assert!(broken_limit(both().map(|eid| &kinds[eid]), both().count(), rules).is_some());
            }
        }
    }
}
