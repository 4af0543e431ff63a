//! The links of a person, and what was ever said of them.

use std::collections::BTreeSet;

use rapport_model::identity::{Closing, Edge, EdgeId, Kind, Pair, Source};
use rapport_model::{Eid, ProfileId, Timestamp};

use crate::concurrent::all_of;
use crate::erasure::Erasure;
use crate::error::{StoreError, unavailable};
use crate::identity::{ATTEMPTS_MAX, Entry, HOPS_MAX, Root, Suggestion, Why};
use crate::items::{Reader, s};
use crate::keys;
use crate::on_heap::OnHeap;
use crate::table::{Table, is_condition_failure, is_conflict};
use crate::unfolded::Unfolded;

/// Who closes links here, as logs of profiles that are left may say.
const WHO: &str = "erasure";
/// Items of [`crate::erasure::ITEMS_A_CALL_MAX`] that one endpoint of a profile counts for, when a link of it is closed.
const SHARE_OF_A_MEMBER: u64 = 3;

impl Table {
    /// Moves the version of an endpoint's root: evidence under way that was looked at before the mark is lost, and looked
    /// at again.
    pub(super) async fn seal(&self, eid: &Eid) -> Result<(), StoreError> {
        for attempt in 0..ATTEMPTS_MAX {
            let mut root = self.find(eid).await?;
            if root.kinds.is_empty() {
                let kind = self.pointer(eid).await?.kind.unwrap_or_else(Kind::unseen);
                root.kinds.insert(eid.clone(), kind);
            }
            if self.send(vec![self.put_root(&root)]).await? {
                return Ok(());
            }
            self.back_off(attempt).await;
        }
        Err(StoreError::Contended { operation: "seal", attempts: ATTEMPTS_MAX })
    }

    /// Takes an endpoint out of its profile, and deletes all that was ever said of it and another one; or, for what one
    /// connection said, what its events proved. Gives whether it is done: else the call's share is used up.
    pub(super) async fn sever(
        &self,
        erasure: &mut Erasure,
        eid: &Eid,
        left: &mut u64,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        for pair in self.pairs_of(eid).await? {
            if *left == 0 {
                return Ok(false);
            }
            // To part somebody from a profile is to read the edges of all its endpoints, some at a time.
            let share = SHARE_OF_A_MEMBER * self.find(eid).await?.members.len() as u64;
            if self.sever_pair(erasure, &pair, now).await? {
                *left = left.saturating_sub(share);
                if let (Some(_), Some(other)) = (&erasure.connection, pair.other(eid)) {
                    // Others may have said so, too: what is said there is looked at again.
                    erasure.survives(other);
                }
            }
        }
        *left = left.saturating_sub(1);
        if erasure.connection.is_some() {
            return Ok(true);
        }
        // Dead roots keep their forwards: the ways of others may lead through them.
        for pid in self.names_of(eid).await? {
            let birth = self.birth_endpoint(&pid).await?;
            if birth.is_some_and(|birth| erasure.members.contains(&birth)) {
                self.forget_log(erasure, &pid).await?;
            }
        }
        Ok(true)
    }

    /// Every pair that anything was ever said of, and that has this endpoint.
    pub(super) async fn pairs_of(&self, eid: &Eid) -> Result<BTreeSet<Pair>, StoreError> {
        let root = self.find(eid).await?;
        let mut pairs: BTreeSet<Pair> = BTreeSet::new();
        let evidence = self.evidence(&root).await?;
        let ids = evidence.iter().map(|edge| &edge.id).chain(root.beyond());
        pairs.extend(ids.map(|id| id.pair.clone()).filter(|pair| pair.other(eid).is_some()));
        pairs.extend(self.edges_from(eid).await?.into_iter().map(|stored| stored.edge.id.pair));
        pairs.extend(self.beside(eid).await?);
        Ok(pairs)
    }

    /// The pairs of this endpoint that no profile leads to.
    async fn beside(&self, eid: &Eid) -> Result<BTreeSet<Pair>, StoreError> {
        let mut pairs = BTreeSet::new();
        let pk = self.endpoint_pk(eid);
        for prefix in [keys::BACK_REFERENCES, keys::SUGGESTIONS] {
            for item in self.all(&pk, prefix, &keys::after(prefix)).await? {
                let other = Reader(&item).text("sk")?.strip_prefix(prefix).and_then(Eid::parse);
                pairs.extend(other.and_then(|other| Pair::new(eid, &other)));
            }
        }
        Ok(pairs)
    }

    /// Every suggestion, open or decided, that has a member of a profile.
    ///
    /// # Errors
    /// As [`Table::find`].
    pub async fn suggestions_of(&self, root: &Root) -> Result<Vec<Suggestion>, StoreError> {
        let mut pairs = BTreeSet::new();
        for read in all_of(root.members.iter().map(|eid| self.beside(eid))).await {
            pairs.extend(read?);
        }
        let found = all_of(pairs.iter().map(|pair| self.suggestion(pair))).await;
        found.into_iter().filter_map(Result::transpose).collect()
    }

    /// Deletes what was said of a pair, as far as it goes with an erasure. Gives whether there was any.
    async fn sever_pair(&self, erasure: &mut Erasure, pair: &Pair, now: Timestamp) -> Result<bool, StoreError> {
        let mut edges = Vec::new();
        for stored in self.edges_of_pair(pair).await? {
            if self
                .goes(
                    erasure,
                    stored.edge.proof.as_ref().map(|proof| (&proof.source, proof.at)),
                    stored.edge.recorded_at,
                )
                .await?
            {
                edges.push(stored);
            }
        }
        let mut suggestion = self.suggestion(pair).await?;
        if let Some(found) = &suggestion {
            let source = Source::Event { key: found.source.clone(), attestation: found.attestation };
            if !self.goes(erasure, Some((&source, found.at)), found.recorded_at).await? {
                suggestion = None;
            }
        }
        let is_any = !edges.is_empty() || suggestion.is_some();
        let scope = ("pair".to_owned(), pair.to_string());
        if is_any && erasure.counted != scope {
            erasure.count("links", edges.len() as u64);
            erasure.count("suggestions", u64::from(suggestion.is_some()));
            erasure.counted = scope;
            self.save(erasure).await?;
        }
        for stored in edges {
            self.remove_edge(&stored.edge.id, now).await?;
        }
        if suggestion.is_some() {
            self.remove_suggestion(pair).await?;
        }
        if self.edges_of_pair(pair).await?.is_empty() && self.suggestion(pair).await?.is_none() {
            self.remove(keys::back_reference(self.tenant(), pair)).await?;
        }
        Ok(is_any)
    }

    /// Deletes the links and suggestions of an endpoint that events proved first after an instant of their own clock, but for
    /// those that a person decided about. Gives the endpoints at their other ends: later proofs of the same have to be
    /// handed in again. They are on the list of what could not be folded until that is done ([`Table::remove_unfolded`]), so that
    /// nobody forgets it.
    ///
    /// # Errors
    /// As [`Table::find`]: do it again.
    pub async fn forget_links_since(
        &self,
        eid: &Eid,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<Unfolded>, StoreError> {
        let mut others = Vec::new();
        for pair in self.pairs_of(eid).await? {
            let is_later = |edge: &Edge| {
                let proof = edge.proof.as_ref().filter(|proof| matches!(proof.source, Source::Event { .. }));
                edge.closed.is_none() && proof.is_some_and(|proof| proof.at > since)
            };
            let edges = self.edges_of_pair(&pair).await?.into_iter().map(|stored| stored.edge);
            let edges: Vec<Edge> = edges.filter(is_later).collect();
            let suggestion = self.suggestion(&pair).await?.filter(|found| found.decided.is_none());
            let suggestion = suggestion.filter(|found| found.at > since);
            let Some(other) = pair.other(eid).filter(|_| !edges.is_empty() || suggestion.is_some()) else { continue };
            others.push(self.set_aside(other, "links to be proven again", now, |_| Some(now)).await?);
            for edge in edges {
                let who = "an address that changed hands".into();
                self.remove_edge_as(&edge.id, &Closing { who, why: String::new(), at: now }).await?;
            }
            if suggestion.is_some() {
                self.remove_suggestion(&pair).await?;
            }
        }
        Ok(others)
    }

    /// Whether a word on a pair goes with an erasure. Of the whole person: what was said or recorded by then, since a time
    /// of the future proves no later word. Of a connection: what one of its erased events said.
    async fn goes(
        &self,
        erasure: &Erasure,
        proof: Option<(&Source, Timestamp)>,
        recorded_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let Some(connection) = &erasure.connection else {
            // Of one without a proof only a withdrawal is known, which is of before.
            return Ok(proof.is_none_or(|(_, at)| at <= erasure.up_to) || recorded_at <= erasure.up_to);
        };
        let Some((Source::Event { key, .. }, at)) = proof else { return Ok(false) };
        for eid in &erasure.members {
            if let Some(item) = self.get(self.endpoint_pk(eid), keys::event_sk(key)).await? {
                return Ok(at <= erasure.up_to && Reader(&item).text_opt("con") == Some(connection));
            }
        }
        Ok(false)
    }

    /// Takes a suggestion off its list, and deletes it.
    pub(super) async fn remove_suggestion(&self, pair: &Pair) -> Result<(), StoreError> {
        self.remove(self.listed_key("suggestion", &pair.to_string())).await?;
        self.remove(keys::suggestion(self.tenant(), pair)).await
    }

    /// Closes an edge, by which profiles part, then deletes it: no profile depends on one that is closed.
    pub(super) async fn remove_edge(&self, id: &EdgeId, now: Timestamp) -> Result<(), StoreError> {
        self.remove_edge_as(id, &Closing { who: WHO.into(), why: String::new(), at: now }).await
    }

    async fn remove_edge_as(&self, id: &EdgeId, closing: &Closing) -> Result<(), StoreError> {
        for attempt in 0..ATTEMPTS_MAX {
            self.unlink(id, closing).await?;
            let stored = self.edges_of_pair(&id.pair).await?.into_iter().find(|stored| stored.edge.id == *id);
            let Some(stored) = stored else { return Ok(()) };
            self.remove(self.listed_key("conflict", &id.to_string())).await?;
            let (pk, sk) = keys::edge(self.tenant(), id);
            let delete = self
                .dynamodb()
                .delete_item()
                .table_name(self.name())
                .key("pk", s(pk))
                .key("sk", s(sk))
                .condition_expression("ver = :ver")
                .expression_attribute_values(":ver", crate::items::n(stored.version));
            match delete.send().on_heap().await {
                Ok(_) => return Ok(()),
                Err(error) if is_condition_failure(&error) || is_conflict(&error) => self.back_off(attempt).await,
                Err(error) => return Err(unavailable("DeleteItem")(error)),
            }
        }
        Err(StoreError::Contended { operation: "remove link", attempts: ATTEMPTS_MAX })
    }

    /// The profiles that an endpoint was in, as forwards tell.
    async fn names_of(&self, eid: &Eid) -> Result<BTreeSet<ProfileId>, StoreError> {
        let mut names = BTreeSet::from([self.find(eid).await?.pid]);
        let mut next = Some(ProfileId::implied(eid));
        while let Some(pid) = next.filter(|_| names.len() < HOPS_MAX as usize) {
            let item = self.root_item(&pid).await?;
            next = item.and_then(|item| Reader(&item).text_opt("fwd").and_then(ProfileId::parse));
            names.insert(pid);
        }
        Ok(names)
    }

    async fn forget_log(&self, erasure: &mut Erasure, pid: &ProfileId) -> Result<(), StoreError> {
        let pk = keys::root_pk(self.tenant(), pid);
        let items = self.all(&pk, keys::LOG, &keys::after(keys::LOG)).await?;
        let scope = ("log".to_owned(), pid.to_string());
        // What this erasure itself wrote there is not worth telling. What cannot be read goes like the rest.
        let is_ours = |entry: &Entry| matches!(&entry.why, Why::Closed(closing) if closing.who == WHO);
        let entries = items.iter().map(|item| Reader(item).json("log"));
        let theirs = entries.filter(|entry| !entry.as_ref().is_ok_and(is_ours)).count();
        if erasure.counted != scope && theirs > 0 {
            erasure.count("identity_log", theirs as u64);
            erasure.counted = scope;
            self.save(erasure).await?;
        }
        for item in &items {
            self.remove((pk.clone(), Reader(item).text("sk")?.to_owned())).await?;
        }
        Ok(())
    }

    pub(super) fn listed_key(&self, list: &str, id: &str) -> (String, String) {
        (keys::review_pk(self.tenant(), list, keys::review_shard(id)), id.to_owned())
    }

    /// Deletes an item, if it is there.
    pub(crate) async fn remove(&self, (pk, sk): (String, String)) -> Result<(), StoreError> {
        let delete = self.dynamodb().delete_item().table_name(self.name()).key("pk", s(pk)).key("sk", s(sk));
        for attempt in 0..ATTEMPTS_MAX {
            match delete.clone().send().on_heap().await {
                Ok(_) => return Ok(()),
                Err(error) if is_conflict(&error) => self.back_off(attempt).await,
                Err(error) => return Err(unavailable("DeleteItem")(error)),
            }
        }
        Err(StoreError::Contended { operation: "delete", attempts: ATTEMPTS_MAX })
    }
}
