//! Ways that lead nowhere: found by a scan, and mended under the versions that were read.
//!
//! A way is an endpoint's pointer and the forwards behind it. It is wrong if it ends at a root that does not have the
//! endpoint as a member. Releases before 0.2 could write such forwards when somebody was erased. The members of live roots
//! were always right; so each is asked whether its way leads to its root, and its pointer is turned to it if not. Then
//! endpoints are asked that no root has: each becomes a profile of its own, and its evidence is settled anew.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::{TransactWriteItem, Update};
use rapport_model::identity::{EdgeId, Kind, partition};
use rapport_model::{Eid, ProfileId, Timestamp};
use rapport_telemetry::{EndpointGivenProfile, EndpointRepaired};

use crate::error::{StoreError, unavailable};
use crate::identity::cluster::Reading;
use crate::identity::history::Why;
use crate::identity::preview::ScanCursor;
use crate::identity::writes::{ITEMS_MAX, PlannedProfiles, Transaction};
use crate::identity::{ATTEMPTS_MAX, Pointer, Root, root};
use crate::items::{Item, Reader, s};
use crate::keys;
use crate::on_heap::OnHeap;
use crate::table::Table;

/// One step of a repair.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Repair {
    /// Endpoints whose ways were tried.
    pub tried: u64,
    /// Those that lead to their profiles again.
    pub mended: Vec<Mended>,
    /// Those that could not be mended, and why: somebody has to look at them.
    pub left: Vec<(Eid, String)>,
    /// Where the next step begins; none: this was the last.
    pub next: Option<RepairCursor>,
}

/// An endpoint that leads to its profile again.
#[derive(Clone, Debug, PartialEq)]
pub struct Mended {
    pub endpoint: Eid,
    pub profile: ProfileId,
}

/// A place in a repair. Opaque to callers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepairCursor {
    phase: Phase,
    from: Option<ScanCursor>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Members of live roots.
    Roots,
    /// Endpoints that no root has.
    Endpoints,
}

impl RepairCursor {
    /// A cursor from a request; none when it is none of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let (phase, from) = text.split_at_checked(1)?;
        let phase = match phase {
            "r" => Phase::Roots,
            "e" => Phase::Endpoints,
            _ => return None,
        };
        let from = if from.is_empty() { None } else { Some(ScanCursor::parse(from)?) };
        Some(Self { phase, from })
    }
}

impl std::fmt::Display for RepairCursor {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(if self.phase == Phase::Roots { "r" } else { "e" })?;
        self.from.as_ref().map_or(Ok(()), |from| from.fmt(out))
    }
}

impl Table {
    /// Tries the ways of the endpoints among the next `items` items of the table, and mends those that lead nowhere. The
    /// table may be in use. Doing it again is harmless.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: what was mended stays mended, so do the same step again.
    pub async fn repair(
        &self,
        items: usize,
        from: Option<&RepairCursor>,
        now: Timestamp,
    ) -> Result<Repair, StoreError> {
        let phase = from.map_or(Phase::Roots, |from| from.phase);
        let (found, next) = self.scan_for(phase, items, from.and_then(|from| from.from.as_ref())).await?;
        let mut repair = Repair::default();
        for item in &found {
            match phase {
                Phase::Roots => self.repair_members(item, &mut repair).await?,
                Phase::Endpoints => self.repair_endpoint(item, &mut repair, now).await?,
            }
        }
        repair.next = match (next, phase) {
            (Some(from), phase) => Some(RepairCursor { phase, from: Some(from) }),
            (None, Phase::Roots) => Some(RepairCursor { phase: Phase::Endpoints, from: None }),
            (None, Phase::Endpoints) => None,
        };
        Ok(repair)
    }

    async fn scan_for(
        &self,
        phase: Phase,
        items: usize,
        from: Option<&ScanCursor>,
    ) -> Result<(Vec<Item>, Option<ScanCursor>), StoreError> {
        let (prefix, filter) = match phase {
            Phase::Roots => ("P", "begins_with(pk, :prefix) AND sk = :sk AND attribute_exists(mem)"),
            Phase::Endpoints => ("E", "begins_with(pk, :prefix) AND sk = :sk"),
        };
        let request = self
            .dynamodb()
            .scan()
            .table_name(self.name())
            .consistent_read(true)
            .limit(i32::try_from(items).unwrap_or(i32::MAX))
            .filter_expression(filter)
            .expression_attribute_values(":prefix", s(format!("{}#{prefix}#", self.tenant())))
            .expression_attribute_values(":sk", s(keys::ROOT))
            .set_exclusive_start_key(from.map(ScanCursor::start));
        let answer = request.send().on_heap().await.map_err(unavailable("Scan"))?;
        let next = answer.last_evaluated_key.as_ref().map(ScanCursor::of).transpose()?;
        Ok((answer.items.unwrap_or_default(), next))
    }

    /// Every member of a root, if it is a live one.
    async fn repair_members(&self, item: &Item, repair: &mut Repair) -> Result<(), StoreError> {
        let Some(pid) = pid_of(item) else { return Ok(()) };
        // An item that cannot be read has members that nobody knows; whoever looks for one of them is told.
        let Ok(root::State::Live(scanned)) = root::read(&pid, item) else { return Ok(()) };
        for eid in &scanned.members {
            repair.tried += 1;
            match self.find(eid).await {
                Ok(found) if found.pid == pid => {}
                Ok(found) => self.is_in_two(eid, &pid, &found, repair).await?,
                Err(StoreError::Unreachable { .. }) => self.turn_to(eid, &pid, repair).await?,
                Err(error @ StoreError::Unavailable { .. }) => return Err(error),
                Err(error) => repair.left.push((eid.clone(), error.to_string())),
            }
        }
        Ok(())
    }

    /// Says so if an endpoint is a member of a root that its way does not lead to, and of the one that it does.
    async fn is_in_two(&self, eid: &Eid, pid: &ProfileId, found: &Root, repair: &mut Repair) -> Result<(), StoreError> {
        // Scanned some time ago: it may have left since.
        let still = self.live_root(pid).await?.is_some_and(|root| root.members.contains(eid));
        if still && self.find(eid).await?.pid == found.pid {
            repair.left.push((eid.clone(), format!("profiles {pid} and {} both have it", found.pid)));
        }
        Ok(())
    }

    /// Turns the pointer of an unreachable member to its root, if both are as they were read.
    async fn turn_to(&self, eid: &Eid, pid: &ProfileId, repair: &mut Repair) -> Result<(), StoreError> {
        for attempt in 0..ATTEMPTS_MAX {
            let Some(root) = self.live_root(pid).await?.filter(|root| root.members.contains(eid)) else {
                return Ok(());
            };
            let pointer = self.pointer(eid).await?;
            match self.find(eid).await {
                Err(StoreError::Unreachable { .. }) => {}
                other => return other.map(drop),
            }
            if self.send(vec![self.check_root(&root), self.repoint(eid, &pointer, pid)]).await? {
                EndpointRepaired { endpoint: eid, profile: pid }.emit();
                repair.mended.push(Mended { endpoint: eid.clone(), profile: pid.clone() });
                return Ok(());
            }
            self.back_off(attempt).await;
        }
        repair.left.push((eid.clone(), "others changed its profile at the same time".to_owned()));
        Ok(())
    }

    /// An endpoint that is in no root becomes a profile of its own; then its evidence is looked at again.
    async fn repair_endpoint(&self, item: &Item, repair: &mut Repair, now: Timestamp) -> Result<(), StoreError> {
        let Some(eid) =
            Reader(item).text_opt("pk").and_then(|pk| keys::eid_of_pk(self.tenant(), pk)).and_then(Eid::parse)
        else {
            return Ok(());
        };
        repair.tried += 1;
        let pointer = self.pointer(&eid).await?;
        match self.find(&eid).await {
            Ok(_) => return Ok(()),
            Err(StoreError::Unreachable { .. }) => {}
            Err(error @ StoreError::Unavailable { .. }) => return Err(error),
            Err(error) => {
                repair.left.push((eid, error.to_string()));
                return Ok(());
            }
        }
        let pid = ProfileId::fresh(self.access.entropy.draw());
        let kind = pointer.kind.clone().unwrap_or_else(Kind::unseen);
        let root = Root {
            pid: pid.clone(),
            members: [eid.clone()].into(),
            birth: eid.clone(),
            since: pointer.seen.unwrap_or_default(),
            kinds: [(eid.clone(), kind)].into(),
            retired: BTreeMap::new(),
            held: BTreeSet::new(),
            superseded: BTreeSet::new(),
            changed_at: now,
            version: 0,
        };
        if !self.send(vec![self.put_root(&root), self.repoint(&eid, &pointer, &pid)]).await? {
            repair.left.push((eid, "others changed it at the same time".to_owned()));
            return Ok(());
        }
        EndpointGivenProfile { endpoint: &eid, profile: &pid }.emit();
        for stored in self.edges_from(&eid).await? {
            if let Err(error) = self.resettle(&stored.edge.id, now).await {
                repair.left.push((eid.clone(), error.to_string()));
            }
        }
        repair.mended.push(Mended { profile: self.find(&eid).await?.pid, endpoint: eid });
        Ok(())
    }

    /// Makes of two profiles what their evidence says, though nothing new was said.
    async fn resettle(&self, id: &EdgeId, now: Timestamp) -> Result<(), StoreError> {
        for attempt in 0..ATTEMPTS_MAX {
            let found = [self.find(id.pair.low()).await?, self.find(id.pair.high()).await?];
            let Reading::Whole(cluster) = self.cluster(found).await? else {
                return Err(StoreError::Entangled { subject: id.to_string() });
            };
            let kinds = self.kinds_in(&cluster.roots).await?;
            let partition = cluster.partition(&kinds, self);
            let edges: Vec<_> = cluster.edges.into_iter().map(|stored| stored.edge).collect();
            let retired = partition::retired(&edges);
            let planned = PlannedProfiles { roots: cluster.roots, kinds, partition, retired };
            let founded = self.found(&planned).await?;
            let transaction =
                Transaction { planned: &planned, changed: &[], why: Why::SetAside, now, founded: &founded };
            let (items, _) = self.items_of(&transaction, id)?;
            if items.len() > ITEMS_MAX {
                return Err(StoreError::Entangled { subject: id.to_string() });
            }
            if self.send(items).await? {
                return Ok(());
            }
            self.back_off(attempt).await;
        }
        Err(StoreError::Contended { operation: "resettle", attempts: ATTEMPTS_MAX })
    }

    async fn live_root(&self, pid: &ProfileId) -> Result<Option<Root>, StoreError> {
        let Some(item) = self.root_item(pid).await? else { return Ok(None) };
        Ok(match root::read(pid, &item)? {
            root::State::Live(root) => Some(root),
            root::State::Dead { .. } => None,
        })
    }

    /// A pointer, if it is as it was read.
    fn repoint(&self, eid: &Eid, was: &Pointer, to: &ProfileId) -> TransactWriteItem {
        let update = Update::builder()
            .table_name(self.name())
            .key("pk", s(self.endpoint_pk(eid)))
            .key("sk", s(keys::ENDPOINT))
            .update_expression("SET ptr = :to")
            .expression_attribute_values(":to", s(to.as_str()));
        let update = if was.is_stored {
            update.condition_expression("ptr = :was").expression_attribute_values(":was", s(was.to.as_str()))
        } else {
            update.condition_expression("attribute_not_exists(ptr)")
        };
        TransactWriteItem::builder().update(update.build().expect("all required parts are given")).build()
    }
}

fn pid_of(item: &Item) -> Option<ProfileId> {
    let (_, pid) = Reader(item).text_opt("pk")?.rsplit_once('#')?;
    ProfileId::parse(pid)
}
