//! What is known of a profile's evidence, and what was.

use std::collections::{BTreeMap, BTreeSet};

use rapport_model::identity::partition::{retired, stands};
use rapport_model::identity::{Closing, Edge, EdgeId, Kind, Source, Withdrawal, path};
use rapport_model::{Eid, ProfileId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::concurrent::all_of;
use crate::error::StoreError;
use crate::identity::{HOPS_MAX, Root, root};
use crate::items::Reader;
use crate::keys;
use crate::table::Table;

/// One entry of the identity log: profiles that changed together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Our clock. Never before an earlier entry's of the same profile.
    pub at: Timestamp,
    /// The edge that came or went.
    pub edge: EdgeId,
    pub why: Why,
    /// The members of all profiles that changed.
    pub before: BTreeMap<ProfileId, BTreeSet<Eid>>,
    pub after: BTreeMap<ProfileId, BTreeSet<Eid>>,
}

/// Why profiles changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// There was new evidence, or older evidence than before.
    Proven(Source),
    /// The provider took evidence back.
    Withdrawn(Withdrawal),
    /// A person closed it.
    Closed(Closing),
    /// It was set aside, so that another change fits.
    SetAside,
}

/// A profile as it was.
#[derive(Clone, Debug, PartialEq)]
pub struct PastProfile {
    /// Its id then.
    pub pid: ProfileId,
    pub members: BTreeSet<Eid>,
    /// The evidence between its members that was in force then.
    pub edges: Vec<Edge>,
}

/// Why two endpoints are one person, or why not.
#[derive(Clone, Debug, PartialEq)]
pub enum Explanation {
    /// The chain of evidence from one to the other.
    Connected(Vec<Edge>),
    /// What was said of the two profiles being one, none of which joins them: held, superseded, withdrawn, closed, set aside.
    Apart(Vec<Edge>),
}

impl Table {
    /// Everything that was ever said between the members of a profile, and between them and higher endpoints outside.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::Corrupt`].
    pub async fn evidence(&self, root: &Root) -> Result<Vec<Edge>, StoreError> {
        let mut edges = Vec::new();
        for read in all_of(root.members.iter().map(|eid| self.edges_from(eid))).await {
            edges.extend(read?.into_iter().map(|stored| stored.edge));
        }
        Ok(edges)
    }

    /// Why two endpoints are one person, or why not.
    ///
    /// # Errors
    /// As [`Table::find`].
    pub async fn explain(&self, a: &Eid, b: &Eid) -> Result<Explanation, StoreError> {
        let (root_a, root_b) = (self.find(a).await?, self.find(b).await?);
        let mut edges = self.evidence(&root_a).await?;
        if root_a.pid == root_b.pid {
            let retired = retired(&edges);
            let standing: Vec<&Edge> = edges.iter().filter(|edge| stands(edge, &root_a.kinds, &retired)).collect();
            let found = path(&standing, a, b);
            return Ok(Explanation::Connected(found.unwrap_or_default().into_iter().cloned().collect()));
        }
        edges.extend(self.evidence(&root_b).await?);
        let between = |edge: &Edge| {
            let ends = [edge.id.pair.low(), edge.id.pair.high()];
            ends.iter().any(|end| root_a.members.contains(*end)) && ends.iter().any(|end| root_b.members.contains(*end))
        };
        Ok(Explanation::Apart(edges.into_iter().filter(between).collect()))
    }

    /// The identity log of a profile, oldest first. What happened to a profile before it went into another one is under
    /// its own id.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::Corrupt`].
    pub async fn identity_log(&self, pid: &ProfileId) -> Result<Vec<Entry>, StoreError> {
        let pk = keys::root_pk(self.tenant(), pid);
        let items = self.all(&pk, keys::LOG, &keys::after(keys::LOG)).await?;
        items.iter().map(|item| Reader(item).json("log")).collect()
    }

    /// The profile that an id meant at an instant of our clock; none if it never was one.
    ///
    /// Evidence that a replaced address had taken back by then is left out, as it is today.
    ///
    /// # Errors
    /// As [`Table::find`].
    pub async fn as_of(&self, pid: &ProfileId, at: Timestamp) -> Result<Option<PastProfile>, StoreError> {
        if self.find_profile(pid).await?.is_none() {
            return Ok(None);
        }
        let Some(birth) = self.birth_endpoint(pid).await? else { return Ok(None) };
        let (pid, members) = self.profile_at(&birth, at).await?;
        let mut edges = Vec::new();
        for read in all_of(members.iter().map(|eid| self.edges_from(eid))).await {
            edges.extend(read?.into_iter().map(|stored| stored.edge));
        }
        edges.retain(|edge| edge.was_in_force(at));
        let mut kinds = BTreeMap::new();
        for (eid, pointer) in members.iter().zip(all_of(members.iter().map(|eid| self.pointer(eid))).await) {
            kinds.insert(eid.clone(), pointer?.kind.unwrap_or_else(Kind::unseen));
        }
        let retired = retired(&edges);
        edges.retain(|edge| is_of(edge, &kinds, &retired));
        Ok(Some(PastProfile { pid, members, edges }))
    }

    /// In which profile an endpoint was, and who else. Follows the logs as a look-up follows forwards.
    async fn profile_at(&self, eid: &Eid, at: Timestamp) -> Result<(ProfileId, BTreeSet<Eid>), StoreError> {
        let mut pid = ProfileId::implied(eid);
        for _ in 0..HOPS_MAX {
            let log = self.identity_log(&pid).await?;
            let past: Vec<&Entry> = log.iter().filter(|entry| entry.at <= at).collect();
            let members = past.last().and_then(|entry| entry.after.get(&pid).cloned());
            let members = members.unwrap_or_else(|| [eid.clone()].into());
            if members.contains(eid) {
                let item = self.root_item(&pid).await?;
                match item.map(|item| root::read(&pid, &item)).transpose()? {
                    Some(root::State::Dead { into, at: died_at }) if died_at <= at => pid = into,
                    _ => return Ok((pid, members)),
                }
                continue;
            }
            // It left, or went elsewhere when another profile went into this one: the last entry that knows it says where to.
            let knows = |entry: &&&Entry| entry.before.values().any(|all| all.contains(eid));
            let left = past.iter().rev().find(knows);
            let to = left.and_then(|entry| entry.after.iter().find(|(_, members)| members.contains(eid)));
            match to {
                Some((to, _)) if *to != pid => pid = to.clone(),
                _ => break,
            }
        }
        // An erasure forgets the logs of the profiles in which somebody was who is erased now.
        self.profile_by_evidence(eid, at).await
    }

    /// The profile that an endpoint has today, with those of its members with whom evidence joined it at an instant.
    async fn profile_by_evidence(&self, eid: &Eid, at: Timestamp) -> Result<(ProfileId, BTreeSet<Eid>), StoreError> {
        let root = self.find(eid).await?;
        let mut edges = self.evidence(&root).await?;
        edges.retain(|edge| edge.was_in_force(at));
        let retired = retired(&edges);
        edges.retain(|edge| is_of(edge, &root.kinds, &retired));
        let mut members = BTreeSet::from([eid.clone()]);
        loop {
            let known = members.len();
            for pair in edges.iter().map(|edge| &edge.id.pair) {
                if members.contains(pair.low()) || members.contains(pair.high()) {
                    members.extend(
                        [pair.low(), pair.high()].into_iter().filter(|end| root.members.contains(*end)).cloned(),
                    );
                }
            }
            if members.len() == known {
                return Ok((root.pid, members));
            }
        }
    }
}

/// Whether an edge that was in force joined endpoints of these kinds. One that was closed since counts as well.
fn is_of(edge: &Edge, kinds: &BTreeMap<Eid, Kind>, retired: &BTreeMap<Eid, Timestamp>) -> bool {
    let mut then = edge.clone();
    (then.closed, then.withdrawn, then.set_aside) = (None, None, false);
    stands(&then, kinds, retired)
}
