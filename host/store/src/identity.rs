//! Who is who: finding the profile of an endpoint and linking two, linearizable and without locks.
//!
//! A profile is a *root* item: `(version, members, forward)`. An endpoint points to its root; one that was never linked has
//! an implied root and no item. A root that lost a merge is dead and forwards for ever. The protocol, its proof
//! obligations and the model that checks it are in `ARCHITECTURE.md`, "Identity".

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem, Update};
use rapport_model::identity::Rule;
use rapport_model::{Eid, EventKey, ProfileId, Timestamp};
use ring::rand::{SecureRandom, SystemRandom};

use crate::error::{StoreError, unavailable};
use crate::items::{Reader, n, s};
use crate::keys;
use crate::table::Table;

/// Endpoints. A person has a handful; a profile that grows beyond is a switchboard or an attack, and stops linking.
pub const MEMBERS_MAX: usize = 100;
/// Attempts of one link or look-up. Each loses only against one that won, so this many losses mean a storm.
const ATTEMPTS_MAX: u32 = 16;
/// Milliseconds. The upper bound of the first random wait; it doubles with each attempt.
const BACKOFF_MS: u64 = 4;
/// Milliseconds. No single wait is longer.
const BACKOFF_MS_MAX: u64 = 250;
/// Forwards followed before a look-up starts over: a profile of 100 endpoints cannot have merged more often in one line
/// without being at its limit.
const HOPS_MAX: u32 = 100;

/// A live root.
#[derive(Clone, Debug, PartialEq)]
pub struct Root {
    pub pid: ProfileId,
    pub members: BTreeSet<Eid>,
    /// 0: implied, there is no item.
    version: u64,
    /// When its birth endpoint was first seen: the older root survives a merge.
    since: Timestamp,
}

/// Evidence that two endpoints are one person.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    pub rule: Rule,
    /// The event that says so.
    pub event: &'a EventKey,
    pub at: Timestamp,
    /// Our clock.
    pub now: Timestamp,
}

/// What linking did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Linked {
    /// The evidence was known.
    Known,
    /// The two were one profile already; the evidence is new.
    Confirmed,
    /// Two profiles became one.
    Merged { survivor: ProfileId, merged: ProfileId },
    /// The profile would have more than [`MEMBERS_MAX`] endpoints: not linked.
    Quarantined,
}

enum Attempt {
    Done(Linked),
    Lost,
}

impl Table {
    /// The live profile of an endpoint.
    ///
    /// # Errors
    /// [`StoreError::Contended`] after too many concurrent changes; [`StoreError::Unavailable`].
    pub async fn find(&self, eid: &Eid) -> Result<Root, StoreError> {
        for attempt in 0..ATTEMPTS_MAX {
            let (pointer, since) = self.pointer(eid).await?;
            let root = self.follow(pointer, since).await?;
            // The proof: reading a pointer and then its root is not atomic, but a root that has the member is its root.
            if let Some(root) = root
                && root.members.contains(eid)
            {
                return Ok(root);
            }
            back_off(attempt).await;
        }
        Err(StoreError::Contended { operation: "find", attempts: ATTEMPTS_MAX })
    }

    /// The live profile that an id means: itself, or the one that a dead profile went into; none if it never was.
    ///
    /// # Errors
    /// As [`Table::find`].
    pub async fn find_profile(&self, pid: &ProfileId) -> Result<Option<Root>, StoreError> {
        let Some(root) = self.follow(pid.clone(), 0).await? else { return Ok(None) };
        if root.version > 0 {
            return Ok(Some(root));
        }
        // An implied root is a profile only if its endpoint was ever seen.
        let Some(eid) = pid.birth_endpoint() else { return Ok(None) };
        let seen = self.get(self.endpoint_pk(&eid), keys::ENDPOINT.to_owned()).await?.is_some();
        Ok(seen.then_some(root))
    }

    /// Makes one profile of two endpoints' profiles, on evidence. Doing it again is harmless.
    ///
    /// # Errors
    /// [`StoreError::Contended`] when it lost too often, [`StoreError::Unavailable`]: nothing is lost, try again.
    pub async fn link(&self, a: &Eid, b: &Eid, evidence: Evidence<'_>) -> Result<Linked, StoreError> {
        for attempt in 0..ATTEMPTS_MAX {
            match self.try_link(a, b, evidence).await? {
                Attempt::Done(linked) => return Ok(linked),
                Attempt::Lost => back_off(attempt).await,
            }
        }
        Err(StoreError::Contended { operation: "link", attempts: ATTEMPTS_MAX })
    }

    async fn try_link(&self, a: &Eid, b: &Eid, evidence: Evidence<'_>) -> Result<Attempt, StoreError> {
        let (pk, sk) = keys::edge(self.tenant(), a, b, evidence.rule.name());
        if a == b || self.get(pk, sk).await?.is_some() {
            return Ok(Attempt::Done(Linked::Known));
        }
        let (root_a, root_b) = (self.find(a).await?, self.find(b).await?);
        let edge = self.put_edge(a, b, evidence);
        if root_a.pid == root_b.pid {
            // The version moves although the members stay: a split under way has read edges that are no longer all.
            let writes = vec![edge, self.write_root(&root_a, Change::Confirm)];
            return self.commit(writes, Linked::Confirmed).await;
        }
        if root_a.members.len() + root_b.members.len() > MEMBERS_MAX {
            return Ok(Attempt::Done(Linked::Quarantined));
        }
        let (winner, loser) = elder_first(root_a, root_b);
        let linked = Linked::Merged { survivor: winner.pid.clone(), merged: loser.pid.clone() };
        let writes = vec![
            edge,
            self.write_root(&winner, Change::TakeIn(&loser.members)),
            self.write_root(&loser, Change::GoInto(&winner.pid)),
            self.put_log(&winner, &loser, evidence),
        ];
        self.commit(writes, linked).await
    }

    async fn commit(&self, writes: Vec<TransactWriteItem>, linked: Linked) -> Result<Attempt, StoreError> {
        match self.dynamodb().transact_write_items().set_transact_items(Some(writes)).send().await {
            Ok(_) => Ok(Attempt::Done(linked)),
            Err(error) => match error.code() {
                Some("TransactionCanceledException" | "TransactionInProgressException") => Ok(Attempt::Lost),
                _ => Err(unavailable("TransactWriteItems")(error)),
            },
        }
    }

    /// Where an endpoint points, and since when it is known.
    async fn pointer(&self, eid: &Eid) -> Result<(ProfileId, Timestamp), StoreError> {
        let item = self.get(self.endpoint_pk(eid), keys::ENDPOINT.to_owned()).await?;
        let Some(item) = item else { return Ok((ProfileId::implied(eid), 0)) };
        let reader = Reader(&item);
        let pid = match reader.text_opt("ptr") {
            Some(text) => ProfileId::parse(text).ok_or_else(|| reader.corrupt("`ptr` is no profile id"))?,
            None => ProfileId::implied(eid),
        };
        Ok((pid, reader.number_opt("seen").unwrap_or_default()))
    }

    /// The live root at the end of the forwards from `pid`; none when the chain is too long to be at rest.
    async fn follow(&self, mut pid: ProfileId, since: Timestamp) -> Result<Option<Root>, StoreError> {
        for _ in 0..HOPS_MAX {
            let item = self.get(keys::root_pk(self.tenant(), &pid), keys::ROOT.to_owned()).await?;
            let Some(item) = item else {
                let members = pid.birth_endpoint().into_iter().collect();
                return Ok(Some(Root { pid, members, version: 0, since }));
            };
            let reader = Reader(&item);
            if let Some(into) = reader.text_opt("fwd") {
                pid = ProfileId::parse(into).ok_or_else(|| reader.corrupt("`fwd` is no profile id"))?;
                continue;
            }
            let members = reader.set("mem").iter().filter_map(|text| Eid::parse(text)).collect();
            let (version, since) = (reader.number("ver")?, reader.number("since")?);
            return Ok(Some(Root { pid, members, version, since }));
        }
        Ok(None)
    }

    fn put_edge(&self, a: &Eid, b: &Eid, evidence: Evidence<'_>) -> TransactWriteItem {
        let (pk, sk) = keys::edge(self.tenant(), a, b, evidence.rule.name());
        let put = Put::builder()
            .table_name(self.name())
            .item("pk", s(pk))
            .item("sk", s(sk))
            .item("ev", s(evidence.event.as_str()))
            .item("at", n(evidence.at))
            .item("now", n(evidence.now))
            .condition_expression("attribute_not_exists(pk)")
            .build()
            .expect("table and item are given");
        TransactWriteItem::builder().put(put).build()
    }

    fn put_log(&self, winner: &Root, loser: &Root, evidence: Evidence<'_>) -> TransactWriteItem {
        let texts = |members: &BTreeSet<Eid>| AttributeValue::Ss(members.iter().map(Eid::to_string).collect());
        let put = Put::builder()
            .table_name(self.name())
            .item("pk", s(keys::root_pk(self.tenant(), &winner.pid)))
            .item("sk", s(format!("M#{:013}#{}", evidence.now, loser.pid)))
            .item("what", s("merge"))
            .item("why", s(evidence.rule.name()))
            .item("ev", s(evidence.event.as_str()))
            .item("merged", s(loser.pid.as_str()))
            .item("before", texts(&winner.members))
            .item("came", texts(&loser.members))
            .build()
            .expect("table and item are given");
        TransactWriteItem::builder().put(put).build()
    }

    /// One root's part of a transaction: only if it is still as it was read, and alive.
    fn write_root(&self, root: &Root, change: Change<'_>) -> TransactWriteItem {
        let update = Update::builder()
            .table_name(self.name())
            .key("pk", s(keys::root_pk(self.tenant(), &root.pid)))
            .key("sk", s(keys::ROOT))
            .expression_attribute_values(":next", n(root.version + 1))
            .expression_attribute_values(":since", n(root.since));
        let update = if root.version == 0 {
            update.condition_expression("attribute_not_exists(pk)")
        } else {
            update
                .condition_expression("ver = :ver AND attribute_not_exists(fwd)")
                .expression_attribute_values(":ver", n(root.version))
        };
        let members =
            |members: &mut dyn Iterator<Item = &Eid>| AttributeValue::Ss(members.map(Eid::to_string).collect());
        let update = match change {
            Change::Confirm => update
                .update_expression("SET ver = :next, since = :since, mem = :mem")
                .expression_attribute_values(":mem", members(&mut root.members.iter())),
            Change::TakeIn(others) => update
                .update_expression("SET ver = :next, since = :since, mem = :mem")
                .expression_attribute_values(":mem", members(&mut root.members.union(others))),
            Change::GoInto(winner) => update
                .update_expression("SET ver = :next, since = :since, fwd = :fwd")
                .expression_attribute_values(":fwd", s(winner.as_str())),
        };
        TransactWriteItem::builder().update(update.build().expect("all required parts are given")).build()
    }
}

/// What a transaction does to a root.
enum Change<'a> {
    Confirm,
    TakeIn(&'a BTreeSet<Eid>),
    GoInto(&'a ProfileId),
}

/// The root that survives a merge first: the older one, so that ids which integrators hold stay good.
fn elder_first(a: Root, b: Root) -> (Root, Root) {
    if (a.since, &a.pid) <= (b.since, &b.pid) { (a, b) } else { (b, a) }
}

/// A random wait below an exponential bound ("full jitter"), so that those who lost do not meet again.
async fn back_off(attempt: u32) {
    let bound = (BACKOFF_MS << attempt.min(10)).min(BACKOFF_MS_MAX);
    let mut random = [0; 8];
    // Without randomness the wait is the whole bound: slower, not wrong.
    let part = match SystemRandom::new().fill(&mut random) {
        Ok(()) => u64::from_be_bytes(random) % bound,
        Err(_) => bound,
    };
    tokio::time::sleep(Duration::from_millis(part)).await;
}
