//! The links of a person, and what was ever said of them.

use std::collections::BTreeSet;

use rapport_model::identity::{Closing, EdgeId, Kind, Pair};
use rapport_model::{Eid, ProfileId, Timestamp};

use crate::concurrent::all_of;
use crate::erasure::Erasure;
use crate::error::{StoreError, unavailable};
use crate::identity::{ATTEMPTS_MAX, Entry, HOPS_MAX, Root, Suggestion, Why};
use crate::items::{Reader, s};
use crate::keys;
use crate::table::{Table, is_condition_failure, is_conflict};

/// Who closes links here, as logs of profiles that are left may say.
const WHO: &str = "erasure";

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

    /// Takes an endpoint out of its profile, and deletes all that was ever said of it and another one.
    pub(super) async fn sever(&self, erasure: &mut Erasure, eid: &Eid, now: Timestamp) -> Result<(), StoreError> {
        for pair in self.pairs_of(eid).await? {
            self.sever_pair(erasure, &pair, now).await?;
        }
        // Dead roots keep their forwards: the ways of others may lead through them.
        for pid in self.names_of(eid).await? {
            let birth = self.birth_endpoint(&pid).await?;
            if birth.is_some_and(|birth| erasure.members.contains(&birth)) {
                self.forget_log(erasure, &pid).await?;
            }
        }
        Ok(())
    }

    /// Every pair that anything was ever said of, and that has this endpoint.
    async fn pairs_of(&self, eid: &Eid) -> Result<BTreeSet<Pair>, StoreError> {
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

    async fn sever_pair(&self, erasure: &mut Erasure, pair: &Pair, now: Timestamp) -> Result<(), StoreError> {
        // What was proven since is of a new contact.
        let old = |proof: &rapport_model::identity::Proof| proof.at <= erasure.up_to;
        let mut edges = self.edges_of_pair(pair).await?;
        edges.retain(|stored| stored.edge.proof.as_ref().is_none_or(old));
        let suggestion = self.suggestion(pair).await?.filter(|suggestion| suggestion.at <= erasure.up_to);
        let scope = ("pair".to_owned(), pair.to_string());
        if erasure.counted != scope {
            erasure.count("links", edges.len() as u64);
            erasure.count("suggestions", u64::from(suggestion.is_some()));
            erasure.counted = scope;
            self.save(erasure).await?;
        }
        for stored in edges {
            self.remove_edge(&stored.edge.id, now).await?;
        }
        if suggestion.is_some() {
            self.remove(self.listed_key("suggestion", &pair.to_string())).await?;
            self.remove(keys::suggestion(self.tenant(), pair)).await?;
        }
        if self.edges_of_pair(pair).await?.is_empty() && self.suggestion(pair).await?.is_none() {
            self.remove(keys::back_reference(self.tenant(), pair)).await?;
        }
        Ok(())
    }

    /// Closes an edge, by which profiles part, then deletes it: no profile depends on one that is closed.
    async fn remove_edge(&self, id: &EdgeId, now: Timestamp) -> Result<(), StoreError> {
        for attempt in 0..ATTEMPTS_MAX {
            let closing = Closing { who: WHO.into(), why: String::new(), at: now };
            self.unlink(id, &closing).await?;
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
            match delete.send().await {
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
        let entries = items.iter().map(|item| Reader(item).json("log")).collect::<Result<Vec<Entry>, _>>()?;
        // What this erasure itself wrote there is not worth telling.
        let ours = |entry: &&Entry| matches!(&entry.why, Why::Closed(closing) if closing.who == WHO);
        let theirs = entries.iter().filter(|entry| !ours(entry)).count();
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

    fn listed_key(&self, list: &str, id: &str) -> (String, String) {
        (keys::review_pk(self.tenant(), list, keys::review_shard(id)), id.to_owned())
    }

    /// Deletes an item, if it is there.
    pub(super) async fn remove(&self, (pk, sk): (String, String)) -> Result<(), StoreError> {
        let delete = self.dynamodb().delete_item().table_name(self.name()).key("pk", s(pk)).key("sk", s(sk));
        for attempt in 0..ATTEMPTS_MAX {
            match delete.clone().send().await {
                Ok(_) => return Ok(()),
                Err(error) if is_conflict(&error) => self.back_off(attempt).await,
                Err(error) => return Err(unavailable("DeleteItem")(error)),
            }
        }
        Err(StoreError::Contended { operation: "delete", attempts: ATTEMPTS_MAX })
    }
}
