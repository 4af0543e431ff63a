//! Evidence comes and goes, and profiles become what it makes of them.
//!
//! Nearly always two profiles become one, or a profile has one more reason: three or four items. Where evidence was held
//! back, or is taken away, all evidence of the profiles concerned is read and partitioned anew, and the difference is
//! written. Every way ends in one transaction, under the versions of all roots that it was computed from.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use rapport_model::identity::partition::broken_limit;
use rapport_model::identity::{
    Closing, Edge, EdgeId, Evidence, Held, Kind, Pair, Partition, Rule, Rules, Source, Withdrawal, partition,
};
use rapport_model::{Eid, ProfileId, Timestamp};
use rapport_telemetry::{LinkSetAside, NewLinkSetAside};

use crate::error::{StoreError, is_lost_transaction, is_refused_transaction, unavailable};
use crate::identity::cluster::{Cluster, HELD_MAX, ROOTS_MAX, Reading};
use crate::identity::edges::Stored;
use crate::identity::history::Why;
use crate::identity::writes::{ITEMS_MAX, PlannedProfiles, Transaction};
use crate::identity::{ATTEMPTS_MAX, HOPS_TO_FLATTEN, Party, Root};
use crate::on_heap::OnHeap;
use crate::table::Table;

/// Links set aside before a change gives up: as many as all profiles of a cluster can hold. Each makes the cluster smaller.
const SET_ASIDE_MAX: usize = ROOTS_MAX * HELD_MAX;

/// What a change did.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub edge: EdgeId,
    pub state: EdgeState,
    /// Whether anything was written; else all was known.
    pub is_new: bool,
    /// Profiles that went into another one: (gone, into).
    pub merged: Vec<(ProfileId, ProfileId)>,
    /// Profiles that were parted from another one.
    pub parted: Vec<ProfileId>,
}

/// What an edge does after a change.
#[derive(Clone, Debug, PartialEq)]
pub enum EdgeState {
    /// Its ends are one profile, on its word.
    Joins,
    /// It does not join its ends: see [`Held`].
    Held(Held),
    /// It was set aside: what it would make does not fit one transaction. A conflict; a person's link tries again.
    SetAside,
    /// The provider took it back, or one end was erased since.
    Withdrawn,
    /// A person closed it.
    Closed,
}

/// A change of what is said of a pair.
#[derive(Clone, Copy)]
enum Change<'a> {
    Prove(&'a Evidence),
    Withdraw(&'a Withdrawal, Timestamp),
    Close(&'a Closing),
    SetAside(Timestamp),
}

/// How one attempt ended.
enum Attempt {
    Done(Outcome),
    /// Somebody else was faster.
    Raced,
    /// Too much hangs together: this held edge has to be set aside first.
    SetAsideFirst(EdgeId),
}

impl Table {
    /// Takes in evidence that two endpoints are one person. Doing it again is harmless.
    ///
    /// # Errors
    /// [`StoreError::Contended`] when it lost too often, [`StoreError::Unavailable`]: nothing is lost, try again.
    pub async fn prove(&self, a: &Party, b: &Party, evidence: &Evidence) -> Result<Option<Outcome>, StoreError> {
        let Some(pair) = Pair::new(&a.eid, &b.eid) else { return Ok(None) };
        let id = EdgeId { pair, rule: evidence.rule };
        self.change(&id, &[a.clone(), b.clone()], Change::Prove(evidence)).await.map(Some)
    }

    /// Takes in that a pair's proofs of [`Rule::SamePayload`] up to an instant of the provider's clock no longer count.
    /// Also when there are none yet: those that come later may be older. Doing it again is harmless.
    ///
    /// Afterwards, proofs that only conversation heads remember have to be handed in again (`projections::fold` does).
    ///
    /// # Errors
    /// As [`Table::prove`]; [`StoreError::Entangled`].
    pub async fn withdraw(
        &self,
        a: &Party,
        b: &Party,
        withdrawal: &Withdrawal,
        now: Timestamp,
    ) -> Result<Option<Outcome>, StoreError> {
        let Some(pair) = Pair::new(&a.eid, &b.eid) else { return Ok(None) };
        let id = EdgeId { pair, rule: Rule::SamePayload };
        self.change(&id, &[a.clone(), b.clone()], Change::Withdraw(withdrawal, now)).await.map(Some)
    }

    /// Closes an edge, on a person's word: of an automatic one, all automatic ones of its pair, for ever. Only
    /// [`Rule::Manual`] joins the pair again. None: there is no such edge. Doing it again is harmless.
    ///
    /// # Errors
    /// As [`Table::prove`]; [`StoreError::Entangled`].
    pub async fn unlink(&self, id: &EdgeId, closing: &Closing) -> Result<Option<Outcome>, StoreError> {
        if self.edge(id).await?.is_none() {
            return Ok(None);
        }
        let parties = self.parties(&id.pair).await?;
        self.change(id, &parties, Change::Close(closing)).await.map(Some)
    }

    /// The ends of a pair, as events named them.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::Corrupt`].
    pub async fn parties(&self, pair: &Pair) -> Result<[Party; 2], StoreError> {
        let [low, high] = [self.pointer(pair.low()).await?, self.pointer(pair.high()).await?];
        Ok([
            Party { eid: pair.low().clone(), kind: low.kind.unwrap_or_else(Kind::unseen) },
            Party { eid: pair.high().clone(), kind: high.kind.unwrap_or_else(Kind::unseen) },
        ])
    }

    async fn change(&self, id: &EdgeId, parties: &[Party; 2], change: Change<'_>) -> Result<Outcome, StoreError> {
        let mut lost = 0;
        let mut set_aside = 0;
        while lost < ATTEMPTS_MAX {
            match self.try_change(id, parties, change).await? {
                Attempt::Done(outcome) => return Ok(outcome),
                Attempt::Raced => {
                    self.back_off(lost).await;
                    lost += 1;
                }
                Attempt::SetAsideFirst(_) if set_aside > SET_ASIDE_MAX => {
                    return Err(StoreError::Entangled { subject: id.to_string() });
                }
                Attempt::SetAsideFirst(other) => {
                    LinkSetAside { edge: &other }.emit();
                    set_aside += 1;
                    let ends = self.parties(&other.pair).await?;
                    self.try_change(&other, &ends, Change::SetAside(now_of(change))).await?;
                }
            }
        }
        Err(StoreError::Contended { operation: "link", attempts: ATTEMPTS_MAX })
    }

    async fn try_change(&self, id: &EdgeId, parties: &[Party; 2], change: Change<'_>) -> Result<Attempt, StoreError> {
        // Roots before edges: every change of an edge in force moves a version, so what is read here is checked there.
        let (low, low_hops) = self.find_over(id.pair.low()).await?;
        let (high, high_hops) = self.find_over(id.pair.high()).await?;
        let stored = self.edges_of_pair(&id.pair).await?;
        let changed = edges_after(id, &stored, [&low, &high], change);
        if changed.is_empty() {
            let roots = [&low, &high];
            let known = stored.into_iter().find(|stored| stored.edge.id == *id);
            let state = known.map_or(EdgeState::Closed, |known| state_of(&known.edge, roots, self.rules()));
            return Ok(Attempt::Done(outcome(id, state)));
        }
        if let Change::Prove(evidence) = change
            && self.was_erased(&id.pair, evidence.last).await?
        {
            return Ok(Attempt::Done(outcome(id, EdgeState::Withdrawn)));
        }
        if !changed.iter().any(|changed| changed.edge.is_in_force() || changed.before.in_force) {
            return self.write_aside(id, &changed, now_of(change)).await;
        }
        for (end, hops) in [(id.pair.low(), low_hops), (id.pair.high(), high_hops)] {
            if hops > HOPS_TO_FLATTEN {
                self.flatten(end).await?;
            }
        }
        if let Some(planned) = self.fast(&low, &high, parties, &changed) {
            return self.commit(id, &planned, &changed, change).await;
        }
        if self.is_one_too_many([&low, &high], parties, &changed, change) {
            return self.too_large(id, &changed, change, None).await;
        }
        self.write_change(id, [low, high], parties, (changed, change)).await
    }

    /// Whether new evidence would be one more conflict of a profile that has all it may have. Told by the roots alone: who
    /// sends such evidence by the thousand is answered without reading the profiles concerned each time.
    fn is_one_too_many(&self, roots: [&Root; 2], parties: &[Party; 2], changed: &[Stored], change: Change<'_>) -> bool {
        let [low, high] = roots;
        let is_new = changed.iter().all(|changed| !changed.before.in_force && changed.edge.id.rule.is_automatic());
        let is_full = low.pid != high.pid && roots.iter().any(|root| root.held.len() >= HELD_MAX);
        let is_first_proof = matches!(change, Change::Prove(_)) && is_new;
        is_first_proof && is_full && {
            let kinds = kinds_of(&[low.clone(), high.clone()], parties);
            broken_limit(kinds.values(), kinds.len(), self.rules()).is_some()
        }
    }

    /// The outlook without reading any other evidence: where nothing is held back and no limit would be broken, all that
    /// was said joins, whatever its order.
    fn fast(&self, low: &Root, high: &Root, parties: &[Party; 2], changed: &[Stored]) -> Option<PlannedProfiles> {
        let [one] = changed else { return None };
        let is_plain = |root: &Root| root.beyond().next().is_none() && root.retired.is_empty();
        if one.edge.id.rule == Rule::Replaced || !one.edge.is_in_force() || !is_plain(low) || !is_plain(high) {
            return None;
        }
        let roots = if low.pid == high.pid { vec![low.clone()] } else { vec![low.clone(), high.clone()] };
        let kinds = kinds_of(&roots, parties);
        if broken_limit(kinds.values(), kinds.len(), self.rules()).is_some() {
            return None;
        }
        let components = vec![kinds.keys().cloned().collect()];
        let partition = Partition { components, held: BTreeMap::new() };
        Some(PlannedProfiles { roots, kinds, partition, retired: BTreeMap::new() })
    }

    /// Computes what all evidence of the profiles concerned makes, and writes the difference.
    async fn write_change(
        &self,
        id: &EdgeId,
        found: [Root; 2],
        parties: &[Party; 2],
        (changed, change): (Vec<Stored>, Change<'_>),
    ) -> Result<Attempt, StoreError> {
        let mut cluster = match self.cluster(found).await? {
            Reading::Whole(cluster) => cluster,
            Reading::Torn => return Ok(Attempt::Raced),
            Reading::TooLarge => return self.too_large(id, &changed, change, None).await,
        };
        cluster.take_in(&changed);
        let kinds = kinds_of(&cluster.roots, parties);
        let partition = cluster.partition(&kinds, self);
        let edges: Vec<Edge> = cluster.edges.into_iter().map(|stored| stored.edge).collect();
        let retired = partition::retired(&edges);
        let planned = PlannedProfiles { roots: cluster.roots, kinds, partition, retired };
        let conflicts = planned.partition.held.values().filter(|held| held.is_conflict()).count();
        if conflicts > HELD_MAX && matches!(change, Change::Prove(_)) && planned.partition.held.contains_key(id) {
            return self.too_large(id, &changed, change, Some(&planned)).await;
        }
        self.commit(id, &planned, &changed, change).await
    }

    async fn commit(
        &self,
        id: &EdgeId,
        planned: &PlannedProfiles,
        changed: &[Stored],
        change: Change<'_>,
    ) -> Result<Attempt, StoreError> {
        let founded = self.found(planned).await?;
        let transaction = Transaction { planned, changed, why: why(change), now: now_of(change), founded: &founded };
        let (items, plan) = self.items_of(&transaction, id)?;
        if items.len() > ITEMS_MAX {
            return self.too_large(id, changed, change, Some(planned)).await;
        }
        if !self.send(items).await? {
            return Ok(Attempt::Raced);
        }
        let edge = changed.iter().find(|changed| changed.edge.id == *id).map(|changed| &changed.edge);
        let state = match (edge.map(why_not_in_force), planned.partition.held.get(id)) {
            (Some(None), Some(held)) => EdgeState::Held(held.clone()),
            (Some(None), None) => EdgeState::Joins,
            (Some(Some(state)), _) => state,
            (None, _) => EdgeState::Closed,
        };
        let merged = plan.dead.into_iter().collect();
        let parted = plan.new_profiles.into_iter().map(|new| new.pid).collect();
        Ok(Attempt::Done(Outcome { merged, parted, is_new: true, ..outcome(id, state) }))
    }

    /// What does not fit one transaction: new evidence is set aside; to take some away, other evidence is set aside first.
    async fn too_large(
        &self,
        id: &EdgeId,
        changed: &[Stored],
        change: Change<'_>,
        planned: Option<&PlannedProfiles>,
    ) -> Result<Attempt, StoreError> {
        if let Change::Prove(evidence) = change {
            if changed.iter().any(|changed| changed.before.in_force) {
                // Only its age is news, and that is not worth a profile.
                return Ok(Attempt::Done(outcome(id, EdgeState::Joins)));
            }
            let mut changed = changed.to_vec();
            changed.iter_mut().for_each(|changed| changed.edge.set_aside(evidence.now));
            NewLinkSetAside { edge: id }.emit();
            return self.write_aside(id, &changed, evidence.now).await;
        }
        let conflicts = planned.into_iter().flat_map(|planned| &planned.roots).flat_map(|root| &root.held);
        let other = conflicts.filter(|held| *held != id).max();
        other.map_or_else(
            || Err(StoreError::Entangled { subject: id.to_string() }),
            |other| Ok(Attempt::SetAsideFirst(other.clone())),
        )
    }

    /// Writes edges that are not in force and were not: no profile depends on them.
    async fn write_aside(&self, id: &EdgeId, changed: &[Stored], now: Timestamp) -> Result<Attempt, StoreError> {
        if !self.send(self.items_aside(changed, now)).await? {
            return Ok(Attempt::Raced);
        }
        let edge = changed.iter().find(|changed| changed.edge.id == *id).map(|changed| &changed.edge);
        let state = edge.and_then(why_not_in_force).unwrap_or(EdgeState::Withdrawn);
        Ok(Attempt::Done(Outcome { is_new: true, ..outcome(id, state) }))
    }

    /// Whether the transaction was committed. If not it lost against another one, and changed nothing.
    ///
    /// A time-out is neither: the SDK asks again under the same token, within which DynamoDB does it once; and whoever
    /// starts over reads what is there.
    pub(crate) async fn send(
        &self,
        items: Vec<aws_sdk_dynamodb::types::TransactWriteItem>,
    ) -> Result<bool, StoreError> {
        match self.dynamodb().transact_write_items().set_transact_items(Some(items)).send().on_heap().await {
            Ok(_) => Ok(true),
            Err(error) if is_lost_transaction(&error) => Ok(false),
            Err(error) if error.as_service_error().is_some_and(is_refused_transaction) => {
                let detail = error.message().unwrap_or("one of its items is refused").to_owned();
                Err(StoreError::Refused { operation: "TransactWriteItems", detail })
            }
            Err(error) => Err(unavailable("TransactWriteItems")(error)),
        }
    }
}

impl Cluster {
    /// Puts what was said in the place of what is stored.
    fn take_in(&mut self, changed: &[Stored]) {
        for changed in changed {
            self.edges.retain(|stored| stored.edge.id != changed.edge.id);
            self.edges.push(changed.clone());
        }
    }
}

/// The edges of a pair that change by what is said, as they are afterwards.
fn edges_after(id: &EdgeId, stored: &[Stored], roots: [&Root; 2], change: Change<'_>) -> Vec<Stored> {
    let known = stored.iter().find(|stored| stored.edge.id == *id);
    let mut one = known.cloned().unwrap_or_else(|| Stored::new(id.clone(), now_of(change)));
    let changed: Vec<Stored> = match change {
        Change::Prove(evidence) => {
            if known.is_some_and(|known| is_old_news(&known.edge, evidence, roots)) {
                return Vec::new();
            }
            one.edge.prove(evidence);
            let closed = stored.iter().filter(|other| id.rule.is_automatic() && other.edge.id.rule.is_automatic());
            if let Some(closing) = closed.filter_map(|other| other.edge.closed.clone()).next() {
                one.edge.close_as(closing, evidence.now);
            }
            vec![one]
        }
        Change::Withdraw(withdrawal, now) => {
            one.edge.withdraw(withdrawal.clone(), now);
            vec![one]
        }
        Change::SetAside(now) => {
            one.edge.set_aside(now);
            vec![one]
        }
        Change::Close(closing) => {
            let together = |other: &Rule| other.is_automatic() && id.rule.is_automatic() || *other == id.rule;
            let mut all: Vec<Stored> = stored.iter().filter(|stored| together(&stored.edge.id.rule)).cloned().collect();
            all.iter_mut().for_each(|stored| stored.edge.close(closing.clone()));
            all
        }
    };
    changed.into_iter().filter(|changed| !stored.contains(changed)).collect()
}

/// Whether evidence says only that what is in force still is: heads remember that for less than a write.
fn is_old_news(edge: &Edge, evidence: &Evidence, roots: [&Root; 2]) -> bool {
    let ends = [edge.id.pair.low(), edge.id.pair.high()];
    let is_settled = !roots.iter().any(|root| ends.iter().any(|end| root.retired.contains_key(*end)));
    let is_event = matches!(evidence.source, Source::Event { .. });
    let is_younger = edge.proof.as_ref().is_some_and(|proof| proof.at <= evidence.at);
    let is_final = edge.closed.is_some() || edge.set_aside;
    let is_withdrawn = edge.withdrawn.as_ref().is_some_and(|withdrawn| evidence.last <= withdrawn.at);
    let says_nothing = is_final || is_withdrawn || (is_settled && edge.is_in_force());
    is_event && is_younger && says_nothing && edge.id.rule == Rule::SamePayload
}

/// Why an edge is not in force; none if it is.
fn why_not_in_force(edge: &Edge) -> Option<EdgeState> {
    match edge {
        edge if edge.is_in_force() => None,
        edge if edge.closed.is_some() => Some(EdgeState::Closed),
        edge if edge.set_aside => Some(EdgeState::SetAside),
        _ => Some(EdgeState::Withdrawn),
    }
}

/// What a known edge does.
fn state_of(edge: &Edge, [low, high]: [&Root; 2], rules: &Rules) -> EdgeState {
    if let Some(state) = why_not_in_force(edge) {
        return state;
    }
    if low.pid == high.pid {
        return EdgeState::Joins;
    }
    let counted = || low.kinds.iter().chain(&high.kinds).map(|(_, kind)| kind);
    let broken = broken_limit(counted(), counted().count(), rules).filter(|_| low.held.contains(&edge.id));
    EdgeState::Held(broken.unwrap_or(Held::Superseded))
}

fn outcome(id: &EdgeId, state: EdgeState) -> Outcome {
    Outcome { edge: id.clone(), state, is_new: false, merged: Vec::new(), parted: Vec::new() }
}

fn now_of(change: Change<'_>) -> Timestamp {
    match change {
        Change::Prove(evidence) => evidence.now,
        Change::Withdraw(_, now) | Change::SetAside(now) => now,
        Change::Close(closing) => closing.at,
    }
}

fn why(change: Change<'_>) -> Why {
    match change {
        Change::Prove(evidence) => Why::Proven(evidence.source.clone()),
        Change::Withdraw(withdrawal, _) => Why::Withdrawn(withdrawal.clone()),
        Change::Close(closing) => Why::Closed(closing.clone()),
        Change::SetAside(_) => Why::SetAside,
    }
}

/// The kinds of all members; of implied ones, what the callers know.
fn kinds_of(roots: &[Root], parties: &[Party; 2]) -> BTreeMap<Eid, Kind> {
    let mut kinds: BTreeMap<Eid, Kind> = BTreeMap::new();
    let all: BTreeSet<&Eid> = roots.iter().flat_map(|root| &root.members).collect();
    let of_parties = parties.iter().filter(|party| all.contains(&party.eid));
    kinds.extend(of_parties.map(|party| (party.eid.clone(), party.kind.clone())));
    kinds.extend(roots.iter().flat_map(|root| root.kinds.clone()));
    kinds
}
