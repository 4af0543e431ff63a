//! A change of profiles as the items of one transaction.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::{ConditionCheck, Delete, Put, TransactWriteItem, Update};
use rapport_model::identity::{Before, EdgeId, Held, Kind, Pair, Partition, Plan, components_without_profile, plan};
use rapport_model::{Eid, ProfileId, Timestamp};

use crate::concurrent::all_of;
use crate::error::StoreError;
use crate::identity::Root;
use crate::identity::edges::Stored;
use crate::identity::history::{Entry, Why};
use crate::identity::root::{member_text, texts};
use crate::items::{json, n, s};
use crate::keys;
use crate::table::{Clause, Table};

/// Items of one transaction, by the API.
pub(super) const ITEMS_MAX: usize = 100;

/// The profiles concerned, and what they are to become.
pub(super) struct PlannedProfiles {
    pub roots: Vec<Root>,
    pub kinds: BTreeMap<Eid, Kind>,
    pub partition: Partition,
    pub retired: BTreeMap<Eid, Timestamp>,
}

/// A new profile's id, its birth endpoint and when that was first seen.
type Founded = (ProfileId, Eid, Timestamp);

/// All that a transaction is made of.
pub(super) struct Transaction<'a> {
    pub planned: &'a PlannedProfiles,
    pub changed: &'a [Stored],
    pub why: Why,
    pub now: Timestamp,
    pub founded: &'a [Founded],
}

impl Table {
    /// An id and an eldest endpoint for each component that has none.
    pub(super) async fn found(&self, planned: &PlannedProfiles) -> Result<Vec<Founded>, StoreError> {
        let before: Vec<Before> = planned.roots.iter().map(Root::before).collect();
        let mut founded = Vec::new();
        for component in components_without_profile(&before, &planned.partition.components) {
            let mut eldest: Option<(Timestamp, &Eid)> = None;
            let pointers = all_of(component.iter().map(|eid| self.pointer(eid))).await;
            for (eid, pointer) in component.iter().zip(pointers) {
                let seen = (pointer?.seen.unwrap_or(Timestamp::MAX), eid);
                eldest = Some(eldest.map_or(seen, |eldest| eldest.min(seen)));
            }
            if let Some((since, birth)) = eldest {
                let since = if since == Timestamp::MAX { 0 } else { since };
                founded.push((ProfileId::fresh(self.access.entropy.draw()), birth.clone(), since));
            }
        }
        Ok(founded)
    }

    /// The items of a transaction; the edge `id` is what it is about.
    pub(super) fn items_of(
        &self,
        transaction: &Transaction<'_>,
        id: &EdgeId,
    ) -> Result<(Vec<TransactWriteItem>, Plan), StoreError> {
        let Transaction { planned, changed, .. } = transaction;
        let before: Vec<Before> = planned.roots.iter().map(Root::before).collect();
        let plan = plan(&before, &planned.partition.components, transaction.founded);
        let mut items: Vec<TransactWriteItem> = changed.iter().map(|changed| self.put_edge(changed)).collect();
        items.extend(self.back_references(changed));
        items.extend(self.roots_of(transaction, &plan, id.pair.low()));
        let moved = plan.moved.iter().take(if self.keeps(Clause::EveryPointer) { ITEMS_MAX } else { 1 });
        items.extend(moved.map(|(eid, pid)| self.put_pointer(eid, pid)));
        items.extend(self.conflicts_of(transaction));
        items.extend(self.log_of(transaction, &plan, id));
        Ok((items, plan))
    }

    /// The items of edges that no profile depends on.
    pub(super) fn items_aside(&self, changed: &[Stored], now: Timestamp) -> Vec<TransactWriteItem> {
        let mut items: Vec<TransactWriteItem> = changed.iter().map(|changed| self.put_edge(changed)).collect();
        items.extend(self.back_references(changed));
        items.extend(changed.iter().filter_map(|changed| self.set_aside_conflict(changed, now)));
        items
    }

    /// Every root as it was read: written where it changes, checked where it stays. The root of `touched` is always
    /// written: its version moves although its members stay, so that a split under way learns of the edge.
    fn roots_of(&self, transaction: &Transaction<'_>, plan: &Plan, touched: &Eid) -> Vec<TransactWriteItem> {
        let Transaction { planned, .. } = transaction;
        let at = transaction.at();
        let mut items = Vec::new();
        for root in &planned.roots {
            if let Some(into) = plan.dead.get(&root.pid) {
                items.push(self.put_dead_root(root, into, at));
                continue;
            }
            let members = plan.changed.get(&root.pid).unwrap_or(&root.members);
            let next = planned.next(root, members, at);
            let changed = root.members != next.members
                || root.held != next.held
                || root.superseded != next.superseded
                || root.retired != next.retired;
            match changed || root.members.contains(touched) {
                true if changed || self.keeps(Clause::VersionMoves) => items.push(self.put_root(&next)),
                true => {}
                false => items.push(self.check_root(root)),
            }
        }
        for new in &plan.new_profiles {
            let root = Root {
                pid: new.pid.clone(),
                members: new.members.clone(),
                birth: new.birth.clone(),
                since: new.since,
                kinds: BTreeMap::new(),
                retired: BTreeMap::new(),
                held: BTreeSet::new(),
                superseded: BTreeSet::new(),
                changed_at: 0,
                version: 0,
            };
            items.push(self.put_root(&planned.next(&root, &new.members, at)));
        }
        items
    }

    /// A root, if it is still as it was read. `next.version` is the one that was read.
    pub(crate) fn put_root(&self, next: &Root) -> TransactWriteItem {
        let mut put = self
            .root_put(next)
            .item("since", n(next.since))
            .item("chg", n(next.changed_at))
            .set_item_if("mem", texts(next.kinds.iter().map(member_text)))
            .set_item_if("held", texts(next.held.iter().map(EdgeId::to_string)))
            .set_item_if("sup", texts(next.superseded.iter().map(EdgeId::to_string)))
            .set_item_if("ret", texts(next.retired.iter().map(|(eid, at)| format!("{eid} {at}"))));
        if next.pid.birth_endpoint().as_ref() != Some(&next.birth) {
            put = put.item("birth", s(next.birth.as_str()));
        }
        TransactWriteItem::builder().put(put.build().expect("table and item are given")).build()
    }

    /// A root that goes into another one, for ever.
    fn put_dead_root(&self, root: &Root, into: &ProfileId, at: Timestamp) -> TransactWriteItem {
        let mut put = self.root_put(root).item("fwd", s(into.as_str())).item("chg", n(at));
        if root.pid.birth_endpoint().as_ref() != Some(&root.birth) {
            put = put.item("birth", s(root.birth.as_str()));
        }
        TransactWriteItem::builder().put(put.build().expect("table and item are given")).build()
    }

    fn root_put(&self, root: &Root) -> aws_sdk_dynamodb::types::builders::PutBuilder {
        let put = Put::builder()
            .table_name(self.name())
            .item("pk", s(keys::root_pk(self.tenant(), &root.pid)))
            .item("sk", s(keys::ROOT))
            .item("ver", n(root.version + 1));
        if root.is_stored() {
            put.condition_expression("ver = :ver AND attribute_not_exists(fwd)")
                .expression_attribute_values(":ver", n(root.version))
        } else {
            put.condition_expression("attribute_not_exists(pk)")
        }
    }

    pub(super) fn check_root(&self, root: &Root) -> TransactWriteItem {
        let check = ConditionCheck::builder()
            .table_name(self.name())
            .key("pk", s(keys::root_pk(self.tenant(), &root.pid)))
            .key("sk", s(keys::ROOT));
        let check = if root.is_stored() {
            check
                .condition_expression("ver = :ver AND attribute_not_exists(fwd)")
                .expression_attribute_values(":ver", n(root.version))
        } else {
            check.condition_expression("attribute_not_exists(pk)")
        };
        TransactWriteItem::builder().condition_check(check.build().expect("all required parts are given")).build()
    }

    /// An edge, if it is still as it was read.
    fn put_edge(&self, changed: &Stored) -> TransactWriteItem {
        let (pk, sk) = keys::edge(self.tenant(), &changed.edge.id);
        let put = Put::builder()
            .table_name(self.name())
            .item("pk", s(pk))
            .item("sk", s(sk))
            .item("edge", json(&changed.edge))
            .item("ver", n(changed.version + 1));
        let put = match changed.version {
            0 => put.condition_expression("attribute_not_exists(pk)"),
            version => put.condition_expression("ver = :ver").expression_attribute_values(":ver", n(version)),
        };
        TransactWriteItem::builder().put(put.build().expect("table and item are given")).build()
    }

    /// Where the higher endpoint's edges are that no profile leads to: who erases an endpoint must find them. Once for
    /// all edges of the pair.
    fn back_references(&self, changed: &[Stored]) -> Option<TransactWriteItem> {
        let gone = changed.iter().find(|changed| !changed.edge.is_in_force())?;
        Some(self.back_reference(&gone.edge.id.pair))
    }

    pub(super) fn back_reference(&self, pair: &Pair) -> TransactWriteItem {
        let (pk, sk) = keys::back_reference(self.tenant(), pair);
        let put = Put::builder().table_name(self.name()).item("pk", s(pk)).item("sk", s(sk)).build();
        TransactWriteItem::builder().put(put.expect("table and item are given")).build()
    }

    fn put_pointer(&self, eid: &Eid, pid: &ProfileId) -> TransactWriteItem {
        let update = Update::builder()
            .table_name(self.name())
            .key("pk", s(self.endpoint_pk(eid)))
            .key("sk", s(keys::ENDPOINT))
            .update_expression("SET ptr = :to")
            .expression_attribute_values(":to", s(pid.as_str()))
            .build();
        TransactWriteItem::builder().update(update.expect("all required parts are given")).build()
    }

    /// Conflicts that came and went.
    fn conflicts_of(&self, transaction: &Transaction<'_>) -> Vec<TransactWriteItem> {
        let Transaction { planned, changed, now, .. } = transaction;
        let before: BTreeSet<&EdgeId> = planned.roots.iter().flat_map(|root| &root.held).collect();
        let mut items: Vec<TransactWriteItem> = Vec::new();
        for (id, held) in planned.partition.held.iter().filter(|(id, held)| held.is_conflict() && !before.contains(id))
        {
            items.push(self.put_conflict(id, Some(held), *now));
        }
        let set_aside: Vec<&EdgeId> =
            changed.iter().filter(|changed| changed.edge.set_aside).map(|changed| &changed.edge.id).collect();
        items.extend(set_aside.iter().map(|id| self.put_conflict(id, None, *now)));
        let is_held = |id: &EdgeId| planned.partition.held.get(id).is_some_and(Held::is_conflict);
        let still = |id: &EdgeId| is_held(id) || set_aside.contains(&id);
        // What a person's word takes back from those that are set aside, too.
        let opened = changed.iter().filter(|changed| changed.before.set_aside).map(|changed| &changed.edge.id);
        let gone: BTreeSet<&EdgeId> = before.iter().copied().chain(opened).filter(|id| !still(id)).collect();
        items.extend(gone.into_iter().map(|id| self.delete_from_list("conflict", &id.to_string())));
        items
    }

    fn set_aside_conflict(&self, changed: &Stored, now: Timestamp) -> Option<TransactWriteItem> {
        match (changed.edge.set_aside, changed.edge.closed.is_some()) {
            (true, false) => Some(self.put_conflict(&changed.edge.id, None, now)),
            (true, true) => Some(self.delete_from_list("conflict", &changed.edge.id.to_string())),
            _ => None,
        }
    }

    /// `held` none: it was set aside.
    fn put_conflict(&self, id: &EdgeId, held: Option<&Held>, now: Timestamp) -> TransactWriteItem {
        let text = id.to_string();
        let put = Put::builder()
            .table_name(self.name())
            .item("pk", s(keys::review_pk(self.tenant(), "conflict", keys::review_shard(&text))))
            .item("sk", s(text))
            .item("since", n(now))
            .set_item_if("held", held.map(json))
            .build();
        TransactWriteItem::builder().put(put.expect("table and item are given")).build()
    }

    pub(crate) fn delete_from_list(&self, list: &str, id: &str) -> TransactWriteItem {
        let delete = Delete::builder()
            .table_name(self.name())
            .key("pk", s(keys::review_pk(self.tenant(), list, keys::review_shard(id))))
            .key("sk", s(id))
            .build();
        TransactWriteItem::builder().delete(delete.expect("all required parts are given")).build()
    }

    /// One entry for each profile whose members change; who went into another one is told of in the other's.
    fn log_of(&self, transaction: &Transaction<'_>, plan: &Plan, id: &EdgeId) -> Vec<TransactWriteItem> {
        let roots = &transaction.planned.roots;
        let dead = roots.iter().filter(|root| plan.dead.contains_key(&root.pid));
        let changed = roots.iter().filter(|root| plan.changed.contains_key(&root.pid));
        let before = dead.chain(changed.clone()).map(|root| (root.pid.clone(), root.members.clone()));
        let after =
            plan.new_profiles.iter().map(|new| (new.pid.clone(), new.members.clone())).chain(plan.changed.clone());
        let entry = Entry {
            at: transaction.at(),
            edge: id.clone(),
            why: transaction.why.clone(),
            before: before.collect(),
            after: after.collect(),
        };
        let places = plan.new_profiles.iter().map(|new| (&new.pid, 1));
        let places = places.chain(changed.map(|root| (&root.pid, root.version + 1)));
        places.map(|(pid, version)| self.put_log(pid, version, &entry)).collect()
    }

    fn put_log(&self, pid: &ProfileId, version: u64, entry: &Entry) -> TransactWriteItem {
        let put = Put::builder()
            .table_name(self.name())
            .item("pk", s(keys::root_pk(self.tenant(), pid)))
            .item("sk", s(keys::log_sk(entry.at, version)))
            .item("log", json(entry))
            .build();
        TransactWriteItem::builder().put(put.expect("table and item are given")).build()
    }
}

impl Transaction<'_> {
    /// Our clock, but never before the last change of a root concerned, whichever machine's clock that was.
    fn at(&self) -> Timestamp {
        let last = self.planned.roots.iter().map(|root| root.changed_at).max();
        last.unwrap_or_default().max(self.now)
    }
}

impl PlannedProfiles {
    /// A root with other members.
    fn next(&self, root: &Root, members: &BTreeSet<Eid>, at: Timestamp) -> Root {
        let kinds = members.iter().filter_map(|eid| Some((eid.clone(), self.kinds.get(eid)?.clone())));
        let retired = self.retired.iter().filter(|(eid, _)| members.contains(*eid));
        let is_ours = |id: &EdgeId| members.contains(id.pair.low()) || members.contains(id.pair.high());
        let (held, superseded): (Vec<_>, Vec<_>) =
            self.partition.held.iter().filter(|(id, _)| is_ours(id)).partition(|(_, held)| held.is_conflict());
        let ids = |list: Vec<(&EdgeId, &Held)>| list.into_iter().map(|(id, _)| id.clone()).collect();
        Root {
            members: members.clone(),
            kinds: kinds.collect(),
            retired: retired.map(|(eid, at)| (eid.clone(), *at)).collect(),
            held: ids(held),
            superseded: ids(superseded),
            changed_at: if root.members == *members { root.changed_at } else { at },
            ..root.clone()
        }
    }
}

/// An attribute that may be left out.
trait ItemIf {
    fn set_item_if(self, name: &str, value: Option<aws_sdk_dynamodb::types::AttributeValue>) -> Self;
}

impl ItemIf for aws_sdk_dynamodb::types::builders::PutBuilder {
    fn set_item_if(self, name: &str, value: Option<aws_sdk_dynamodb::types::AttributeValue>) -> Self {
        match value {
            Some(value) => self.item(name, value),
            None => self,
        }
    }
}
