//! The item of a profile.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::AttributeValue;
use rapport_model::identity::{Before, EdgeId, Kind};
use rapport_model::{Eid, ProfileId, Timestamp};

use crate::error::StoreError;
use crate::items::{Item, Reader};

/// A live profile: its members and what decides whether it may grow.
#[derive(Clone, Debug, PartialEq)]
pub struct Root {
    pub pid: ProfileId,
    pub members: BTreeSet<Eid>,
    /// The endpoint whose profile this id means, for ever.
    pub birth: Eid,
    /// When its birth endpoint was first seen: the elder id survives a merge.
    pub since: Timestamp,
    /// The kinds of members; of an implied root, not known.
    pub kinds: BTreeMap<Eid, Kind>,
    /// Members that gave way to another one, and when.
    pub retired: BTreeMap<Eid, Timestamp>,
    /// Evidence that would join it with others, if a limit did not stand against it: conflicts.
    pub held: BTreeSet<EdgeId>,
    /// Evidence that would join it with others, if one end had not given way to another endpoint since.
    pub superseded: BTreeSet<EdgeId>,
    /// When its members last changed: our clock. Never goes back.
    pub(super) changed_at: Timestamp,
    /// 0: implied, there is no item.
    pub(super) version: u64,
}

/// What the item of a root may say.
pub(super) enum State {
    Live(Root),
    /// It went into another one.
    Dead {
        into: ProfileId,
        at: Timestamp,
    },
}

impl Root {
    /// The root of an endpoint that was never linked; none when the id is not one that an endpoint implies.
    pub(super) fn implied(pid: ProfileId, since: Timestamp) -> Option<Self> {
        let birth = pid.birth_endpoint()?;
        Some(Self {
            members: [birth.clone()].into(),
            birth,
            pid,
            since,
            kinds: BTreeMap::new(),
            retired: BTreeMap::new(),
            held: BTreeSet::new(),
            superseded: BTreeSet::new(),
            changed_at: 0,
            version: 0,
        })
    }

    /// Whether there is an item.
    pub(super) fn is_stored(&self) -> bool {
        self.version > 0
    }

    /// Evidence in force that leads to other profiles.
    pub(crate) fn beyond(&self) -> impl Iterator<Item = &EdgeId> {
        self.held.iter().chain(&self.superseded)
    }

    pub(super) fn before(&self) -> Before {
        let Self { pid, birth, since, members, .. } = self.clone();
        Before { pid, birth, since, members }
    }
}

/// Reads the item of a root.
pub(super) fn read(pid: &ProfileId, item: &Item) -> Result<State, StoreError> {
    let reader = Reader(item);
    let changed_at = reader.number_opt("chg").unwrap_or_default();
    if let Some(into) = reader.text_opt("fwd") {
        let into = ProfileId::parse(into).ok_or_else(|| reader.corrupt("`fwd` is not a profile id"))?;
        return Ok(State::Dead { into, at: changed_at });
    }
    let mut kinds = BTreeMap::new();
    for text in reader.set("mem") {
        let (eid, kind) = member(text).ok_or_else(|| reader.corrupt("`mem` has what is not a member"))?;
        kinds.insert(eid, kind);
    }
    let retired = |text: &String| {
        let (eid, at) = text.split_once(' ')?;
        Some((Eid::parse(eid)?, at.parse().ok()?))
    };
    let edges = |name: &str| reader.set(name).iter().filter_map(|text| EdgeId::parse(text)).collect();
    Ok(State::Live(Root {
        pid: pid.clone(),
        birth: birth(pid, item)?,
        members: kinds.keys().cloned().collect(),
        kinds,
        since: reader.number("since")?,
        retired: reader.set("ret").iter().filter_map(retired).collect(),
        held: edges("held"),
        superseded: edges("sup"),
        changed_at,
        version: reader.number("ver")?,
    }))
}

/// The endpoint that a root was made for.
pub(super) fn birth(pid: &ProfileId, item: &Item) -> Result<Eid, StoreError> {
    let reader = Reader(item);
    let stored = reader.text_opt("birth").and_then(Eid::parse);
    stored.or_else(|| pid.birth_endpoint()).ok_or_else(|| reader.corrupt("`birth` is not an endpoint id"))
}

/// `<eid> <scheme>` or `<eid> <scheme> <scope>`: an id and a scheme have no space.
fn member(text: &str) -> Option<(Eid, Kind)> {
    let mut parts = text.splitn(3, ' ');
    let eid = Eid::parse(parts.next()?)?;
    Some((eid, Kind { scheme: parts.next()?.to_owned(), scope: parts.next().map(str::to_owned) }))
}

pub(super) fn member_text((eid, kind): (&Eid, &Kind)) -> String {
    match &kind.scope {
        Some(scope) => format!("{eid} {} {scope}", kind.scheme),
        None => format!("{eid} {}", kind.scheme),
    }
}

/// A set; none when it is empty, which DynamoDB has no form for.
pub(super) fn texts(texts: impl Iterator<Item = String>) -> Option<AttributeValue> {
    let texts: Vec<String> = texts.collect();
    (!texts.is_empty()).then_some(AttributeValue::Ss(texts))
}
