//! Profiles that hang together: what happens to one may decide what becomes of another.

use std::collections::{BTreeMap, BTreeSet};

use rapport_model::Eid;
use rapport_model::identity::{Kind, Partition, partition};

use crate::concurrent::all_of;
use crate::error::StoreError;
use crate::identity::Root;
use crate::identity::edges::Stored;
use crate::table::Table;

/// Profiles. More that are in conflict with each other are more than one transaction can change.
pub(super) const ROOTS_MAX: usize = 40;
/// Endpoints whose edges are read for one change. A profile has at most 90.
const ENDPOINTS_MAX: usize = 300;
/// Edges that a limit holds back in one cluster. A mailbox that twenty customers claim is nobody's in particular.
pub(super) const HELD_MAX: usize = 16;

/// Profiles connected by evidence in force, whether it joins them or not, and all that evidence.
pub(super) struct Cluster {
    pub roots: Vec<Root>,
    pub edges: Vec<Stored>,
}

/// What reading came to.
pub(super) enum Reading {
    Whole(Cluster),
    /// Something changed in between: start over.
    Torn,
    TooLarge,
}

impl Table {
    /// Reads the cluster of some profiles that were just found.
    pub(super) async fn cluster(&self, found: [Root; 2]) -> Result<Reading, StoreError> {
        let mut roots: Vec<Root> = Vec::new();
        let mut waiting: Vec<Root> = found.into();
        while let Some(root) = waiting.pop() {
            if let Some(known) = roots.iter().find(|known| known.pid == root.pid) {
                if *known != root {
                    return Ok(Reading::Torn);
                }
                continue;
            }
            let ends = root.beyond().filter_map(|id| {
                let pair = &id.pair;
                [pair.low(), pair.high()].into_iter().find(|end| !root.members.contains(*end))
            });
            let ends: BTreeSet<&Eid> = ends.collect();
            let beyond = all_of(ends.into_iter().map(|end| self.find(end))).await;
            roots.push(root);
            for root in beyond {
                waiting.push(root?);
            }
            let endpoints: usize = roots.iter().map(|root| root.members.len()).sum();
            if roots.len() > ROOTS_MAX || endpoints > ENDPOINTS_MAX {
                return Ok(Reading::TooLarge);
            }
        }
        let members = roots.iter().flat_map(|root| &root.members);
        let mut edges = Vec::new();
        for read in all_of(members.map(|eid| self.edges_from(eid))).await {
            edges.extend(read?);
        }
        Ok(Reading::Whole(Cluster { roots, edges }))
    }
}

impl Cluster {
    /// What the evidence makes of the cluster, by these rules.
    pub fn partition(&self, kinds: &BTreeMap<Eid, Kind>, table: &Table) -> Partition {
        let edges: Vec<_> = self.edges.iter().map(|stored| stored.edge.clone()).collect();
        partition(kinds, &edges, table.rules())
    }
}
