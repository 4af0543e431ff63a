//! Why two endpoints are one person: the shortest chain of evidence between them.

use std::collections::{BTreeMap, BTreeSet};

use crate::endpoint::Eid;
use crate::event::{Attestation, Timestamp};
use crate::identity::edge::{Edge, Rule, Source};

/// The edges that lead from `from` to `to`, in order: the fewest; of equally few the stronger, then the older ones. None:
/// no edge of these leads there. Give it only edges that stand (`partition::stands`) and are not held.
pub fn path<'a>(edges: &[&'a Edge], from: &Eid, to: &Eid) -> Option<Vec<&'a Edge>> {
    let mut around: BTreeMap<&Eid, Vec<(&Eid, &'a Edge)>> = BTreeMap::new();
    for edge in edges {
        let (low, high) = (edge.id.pair.low(), edge.id.pair.high());
        around.entry(low).or_default().push((high, edge));
        around.entry(high).or_default().push((low, edge));
    }
    let mut done: BTreeMap<&Eid, Vec<&'a Edge>> = BTreeMap::new();
    // Dijkstra's: the cheapest way that is open is final.
    let mut open: BTreeSet<(Cost, &Eid)> = [(Cost::default(), from)].into();
    let mut ways: BTreeMap<&Eid, (Cost, Vec<&'a Edge>)> = [(from, Default::default())].into();
    while let Some((cost, at)) = open.pop_first() {
        let way = ways.get(at).map(|(_, way)| way.clone()).unwrap_or_default();
        if at == to {
            return Some(way);
        }
        for (next, edge) in around.get(at).into_iter().flatten() {
            let through = cost.and(edge);
            if done.contains_key(next) || ways.get(next).is_some_and(|(known, _)| *known <= through) {
                continue;
            }
            if let Some((known, _)) = ways.insert(next, (through, [&way[..], &[*edge]].concat())) {
                open.remove(&(known, *next));
            }
            open.insert((through, *next));
        }
        done.insert(at, way);
    }
    None
}

/// What a way costs, in the order of what matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Cost {
    edges: u32,
    weakness: u32,
    /// Of its youngest edge.
    at: Timestamp,
}

impl Cost {
    fn and(self, edge: &Edge) -> Self {
        let at = edge.proof.as_ref().map_or(Timestamp::MAX, |proof| proof.at);
        Self { edges: self.edges + 1, weakness: self.weakness + weakness(edge), at: self.at.max(at) }
    }
}

/// How little an edge says for itself: a person's decision least, then what the channel itself said.
fn weakness(edge: &Edge) -> u32 {
    match (edge.id.rule, edge.proof.as_ref().map(|proof| &proof.source)) {
        (Rule::Manual | Rule::Accepted, _) => 0,
        (_, Some(Source::Event { attestation: Attestation::Provider, .. })) => 1,
        (_, Some(Source::Event { attestation: Attestation::Signature, .. })) => 2,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::edge::{EdgeId, Evidence, Pair};
    use crate::identity::tests::{eid, event_key};

    fn edge(rule: Rule, a: usize, b: usize, at: Timestamp) -> Edge {
        let mut edge = Edge::new(EdgeId { pair: Pair::new(&eid(a), &eid(b)).unwrap(), rule }, 1);
        let source = Source::Event { key: event_key(at), attestation: Attestation::Provider };
        edge.prove(&Evidence { rule, source, at, last: at, old: None, now: at });
        edge
    }

    fn found(edges: &[Edge], from: usize, to: usize) -> Option<Vec<&Edge>> {
        path(&edges.iter().collect::<Vec<_>>(), &eid(from), &eid(to))
    }

    #[test]
    fn the_path_is_the_shortest_then_the_strongest_then_the_oldest() {
        use Rule::{Manual, SamePayload};
        let edges = [
            edge(SamePayload, 1, 2, 10),
            edge(SamePayload, 2, 5, 10),
            edge(SamePayload, 1, 3, 20),
            edge(Manual, 3, 5, 20),
            edge(SamePayload, 1, 4, 1),
            edge(SamePayload, 4, 6, 1),
            edge(SamePayload, 6, 5, 1),
        ];
        assert_eq!(found(&edges, 1, 5), Some(vec![&edges[2], &edges[3]]), "stronger");
        assert_eq!(found(&edges[..2], 5, 1), Some(vec![&edges[1], &edges[0]]), "in the order of the way");
        assert_eq!(found(&edges[4..], 1, 5).map(|path| path.len()), Some(3));
        let equal = [edge(SamePayload, 1, 2, 9), edge(SamePayload, 2, 5, 9), edges[0].clone(), edges[1].clone()];
        assert_eq!(found(&equal, 1, 5), Some(vec![&equal[0], &equal[1]]), "older");
        assert_eq!(found(&edges, 1, 7), None);
        assert_eq!(found(&edges, 1, 1), Some(vec![]));
    }
}
