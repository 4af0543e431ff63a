//! Who is who: finding the profile of an endpoint, linking and parting, linearizable and without locks.
//!
//! A profile is a *root* item: version, members, forward. An endpoint points to its root; one that was never linked has an
//! implied root and no item. A root that went into another one is dead and forwards for ever. The protocol, what each of
//! its clauses is for and how it is checked are in `ARCHITECTURE.md`, "Identity".
//!
//! | what | file |
//! |---|---|
//! | [`Table::find`], [`Table::find_profile`], [`Table::flatten`] | here |
//! | [`Table::prove`], [`Table::withdraw`], [`Table::unlink`]: evidence comes and goes | `change` |
//! | the profiles that hang together by conflicts, and all their evidence | `cluster` |
//! | a change as one transaction | `writes` |
//! | items of roots and edges | `root`, `edges` |
//! | [`Table::evidence`], [`Table::as_of`]: what is and was known | `history` |
//! | [`Table::scan_evidence`], [`Table::evidence_cluster`]: all evidence, to try other rules | `preview` |
//! | [`Table::repair`]: ways that lead nowhere | `repair` |
//! | [`Table::suggest`], [`Table::suggestions`], [`Table::conflicts`]: what waits for a person | `review` |

mod change;
mod cluster;
mod edges;
mod history;
mod preview;
mod repair;
mod review;
mod root;
mod writes;

use std::collections::BTreeSet;
use std::time::Duration;

use rapport_model::event::Attestation;
use rapport_model::identity::{Kind, Named};
use rapport_model::{Basis, Eid, ProfileId, Timestamp};
use rapport_telemetry::EndpointUnreachable;

use crate::cells::UNPROVEN;
use crate::erasure::Erased;
use crate::erasure::forget_list::seen_since;
use crate::error::{StoreError, unavailable};
use crate::items::{Reader, s};
use crate::keys;
use crate::on_heap::OnHeap;
use crate::table::{Clause, Table, is_condition_failure, is_conflict};

pub use change::{EdgeState, Outcome};
pub use history::{Entry, Explanation, PastProfile, Why};
pub use preview::{EvidenceCluster, EvidencePage, PreviewEvidence, PreviewItem, ScanCursor};
pub use repair::{Mended, Repair, RepairCursor};
pub use review::{Conflict, Decision, ReviewCursor, ReviewPage, SUGGESTIONS_MAX, Suggestion, SuggestionState};
pub use root::Root;

/// Attempts of one change or look-up. Each loses only against one that won, so this many losses mean a storm.
pub(crate) const ATTEMPTS_MAX: u32 = 24;
/// Milliseconds. The upper bound of the first random wait; it doubles with each attempt.
const BACKOFF_MS: u64 = 4;
/// Milliseconds. No single wait is longer.
const BACKOFF_MS_MAX: u64 = 250;
/// Forwards followed before a look-up gives up. Who changes something at the end of a way shortens it, but not for the
/// others of its profile, whose ways grow by one with each elder profile that theirs goes into.
pub(crate) const HOPS_MAX: u32 = 1_000;
/// Forwards. A longer way is shortened by whoever changes something at its end; each costs every reader a read.
const HOPS_TO_FLATTEN: u32 = 2;

/// One end of a link: an endpoint and what limits count of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Party {
    pub eid: Eid,
    pub kind: Kind,
}

impl From<&Named> for Party {
    fn from(named: &Named) -> Self {
        let kind = match named.basis {
            Basis::Proven => Kind::of(&named.key),
            Basis::Claimed | Basis::Said => Kind::unproven(),
        };
        Self { eid: named.eid.clone(), kind }
    }
}

impl Table {
    /// The live profile of an endpoint.
    ///
    /// # Errors
    /// [`StoreError::Contended`] after too many concurrent changes; [`StoreError::Unavailable`];
    /// [`StoreError::Unreachable`] when no change is under way and the endpoint still is in no profile: see
    /// [`Table::repair`].
    pub async fn find(&self, eid: &Eid) -> Result<Root, StoreError> {
        self.find_over(eid).await.map(|(root, _)| root)
    }

    /// The profile that an id means: that of its birth endpoint, so that after a wrong merge was undone an id means whom it
    /// meant before; none if it never was one.
    ///
    /// # Errors
    /// As [`Table::find`].
    pub async fn find_profile(&self, pid: &ProfileId) -> Result<Option<Root>, StoreError> {
        let Some(birth) = self.birth_endpoint(pid).await? else { return Ok(None) };
        let root = self.find(&birth).await?;
        if root.is_stored() && root.members.len() > 1 {
            return Ok(Some(root));
        }
        // A root of one endpoint is a profile only if that was ever seen, and seen since it was last erased.
        let pointer = self.pointer(&birth).await?;
        let is_known = pointer.seen.is_some() || root.is_stored() && pointer.erased_at.is_none();
        Ok(is_known.then_some(root))
    }

    /// Whether an endpoint was ever seen, and not erased since.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::Corrupt`].
    pub async fn is_seen(&self, eid: &Eid) -> Result<bool, StoreError> {
        Ok(self.pointer(eid).await?.seen.is_some())
    }

    /// The other endpoints of the same address that are known, each with the weaker word of the two: they may be one
    /// person's.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::Corrupt`].
    pub async fn counterparts(&self, named: &Named) -> Result<Vec<(Named, Attestation)>, StoreError> {
        let mut found = Vec::new();
        let own = (named.basis != Basis::Proven).then_some(named.identifier.attestation);
        for other in named.counterparts(self.tenant_key()) {
            let pointer = self.pointer(&other.eid).await?;
            if pointer.seen.is_some()
                && let Some(weaker) = own.max(pointer.unproven)
            {
                found.push((other, weaker));
            }
        }
        Ok(found)
    }

    /// The unproven endpoints of these addresses, with what goes with them, unless a person joined them with somebody: then
    /// they are that person's. Whoever erases an address erases what claims to be it, too.
    ///
    /// Some may never have been seen: what claims to be the address may be stored and not folded, or still come.
    ///
    /// # Errors
    /// As [`Table::find`].
    pub(crate) async fn unproven_of(&self, members: &[Eid]) -> Result<Vec<Eid>, StoreError> {
        let twins = |member| [Basis::Claimed, Basis::Said].map(|basis| self.tenant_key().on_basis(member, basis));
        let all: BTreeSet<Eid> = members.iter().flat_map(twins).collect();
        let mut found: Vec<Eid> = Vec::new();
        for member in members {
            // One that is unproven itself has none.
            if all.contains(member) || self.pointer(member).await?.unproven.is_some() {
                continue;
            }
            for twin in twins(member) {
                if members.contains(&twin) || found.contains(&twin) {
                    continue;
                }
                let root = self.find(&twin).await?;
                if root.kinds.values().all(Kind::is_unproven) {
                    found.extend(root.members.into_iter().filter(|eid| !members.contains(eid)));
                }
            }
        }
        Ok(found)
    }

    /// Shortens the way from an endpoint to its profile. It changes no profile, and may be called at any time.
    ///
    /// # Errors
    /// As [`Table::find`].
    pub async fn flatten(&self, eid: &Eid) -> Result<(), StoreError> {
        let pointer = self.pointer(eid).await?;
        let root = self.find(eid).await?;
        if pointer.to == root.pid {
            return Ok(());
        }
        let update = self
            .dynamodb()
            .update_item()
            .table_name(self.name())
            .key("pk", s(self.endpoint_pk(eid)))
            .key("sk", s(keys::ENDPOINT))
            .update_expression("SET ptr = :to")
            .expression_attribute_values(":to", s(root.pid.as_str()));
        // Only if it is as it was read: a split rewrites the pointers of all it moves, and dead roots stay dead.
        let update = if pointer.is_stored {
            update.condition_expression("ptr = :was").expression_attribute_values(":was", s(pointer.to.as_str()))
        } else {
            update.condition_expression("attribute_not_exists(ptr)")
        };
        match update.send().on_heap().await {
            Ok(_) => Ok(()),
            Err(error) if is_condition_failure(&error) || is_conflict(&error) => Ok(()),
            Err(error) => Err(unavailable("UpdateItem")(error)),
        }
    }

    /// The profile of an endpoint, and over how many forwards it was found.
    async fn find_over(&self, eid: &Eid) -> Result<(Root, u32), StoreError> {
        let mut before = None;
        for attempt in 0..ATTEMPTS_MAX {
            let pointer = self.pointer(eid).await?;
            let end = self.follow(&pointer).await?;
            let seen = (pointer.to, end.as_ref().map(|(root, _)| (root.pid.clone(), root.version)));
            // The proof: reading a pointer and then its root is not atomic, but a root that has the member is its root.
            if let Some((root, hops)) = end
                && (root.members.contains(eid) || !self.keeps(Clause::Proof))
            {
                return Ok((root, hops));
            }
            // Versions only grow and forwards stay, so who reads the same twice has seen one instant at which the way led
            // to a root without the endpoint. No concurrent change does that: trying again would end here again.
            if before.as_ref() == Some(&seen) {
                EndpointUnreachable { endpoint: eid }.emit();
                return Err(StoreError::Unreachable { endpoint: eid.to_string() });
            }
            before = Some(seen);
            self.back_off(attempt).await;
        }
        Err(StoreError::Contended { operation: "find", attempts: ATTEMPTS_MAX })
    }

    /// Where an endpoint points.
    pub(crate) async fn pointer(&self, eid: &Eid) -> Result<Pointer, StoreError> {
        let item = self.get(self.endpoint_pk(eid), keys::ENDPOINT.to_owned()).await?;
        let implied = ProfileId::implied(eid);
        let Some(item) = item else {
            return Ok(Pointer {
                to: implied,
                is_stored: false,
                seen: None,
                kind: None,
                unproven: None,
                erased_at: None,
            });
        };
        let reader = Reader(&item);
        let stored = reader.text_opt("ptr");
        let to = match stored {
            Some(text) => ProfileId::parse(text).ok_or_else(|| reader.corrupt("`ptr` is not a profile id"))?,
            None => implied,
        };
        let kind = reader
            .text_opt("scheme")
            .map(|scheme| Kind { scheme: scheme.to_owned(), scope: reader.text_opt("scp").map(str::to_owned) });
        let unproven = reader.text_opt(UNPROVEN);
        let kind = if unproven.is_some() { Some(Kind::unproven()) } else { kind };
        let unproven = unproven.and_then(Attestation::of_name);
        let erased = Erased::of(&reader);
        let erased_at = (erased != Erased::default()).then_some(erased.up_to);
        let seen = seen_since(&reader);
        Ok(Pointer { to, is_stored: stored.is_some(), seen, kind, unproven, erased_at })
    }

    /// The live root at the end of the forwards; none when the chain is too long to be at rest.
    async fn follow(&self, pointer: &Pointer) -> Result<Option<(Root, u32)>, StoreError> {
        let mut pid = pointer.to.clone();
        for hops in 0..HOPS_MAX {
            let Some(item) = self.root_item(&pid).await? else {
                return Ok(Root::implied(pid, pointer.seen.unwrap_or_default()).map(|root| (root, hops)));
            };
            match root::read(&pid, &item)? {
                root::State::Dead { into, .. } => pid = into,
                root::State::Live(root) => return Ok(Some((root, hops))),
            }
        }
        Ok(None)
    }

    /// The endpoint that an id was made for; none if it cannot have been.
    pub(crate) async fn birth_endpoint(&self, pid: &ProfileId) -> Result<Option<Eid>, StoreError> {
        let stored = self.root_item(pid).await?.map(|item| root::birth(pid, &item)).transpose()?;
        Ok(stored.or_else(|| pid.birth_endpoint()))
    }

    pub(crate) async fn root_item(&self, pid: &ProfileId) -> Result<Option<crate::items::Item>, StoreError> {
        self.get(keys::root_pk(self.tenant(), pid), keys::ROOT.to_owned()).await
    }

    /// A random wait below an exponential bound ("full jitter"), so that those who lost do not meet again.
    pub(crate) async fn back_off(&self, attempt: u32) {
        let bound = (BACKOFF_MS << attempt.min(10)).min(BACKOFF_MS_MAX);
        let part = u64::try_from(self.access.entropy.draw() % u128::from(bound)).unwrap_or(bound);
        if part > 0 {
            tokio::time::sleep(Duration::from_millis(part)).await;
        }
    }
}

pub(crate) struct Pointer {
    to: ProfileId,
    /// Else it is implied.
    is_stored: bool,
    /// The first event of the endpoint; none: only links know it.
    pub seen: Option<Timestamp>,
    pub kind: Option<Kind>,
    /// On whose word it is there, if nobody proved to have the address.
    pub unproven: Option<Attestation>,
    /// What it said up to then is erased.
    pub erased_at: Option<Timestamp>,
}
