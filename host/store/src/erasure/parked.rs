//! Parked webhooks of a person: nobody could read them, so it is not certain whose they are.
//!
//! A webhook goes by itself only if it is certainly the person's and nobody else's: the whole value of a field is an
//! identifier of the person, no field of that name holds anything else, and this very connection has vouched for it, or all
//! that its connector could read of the webhook is the person's. What only may be the person's is named in the receipt, and waits
//! for a decision: a word that somebody chose as an identifier would else delete everybody's webhooks.

use rapport_model::identity::named;
use rapport_model::search_in_webhook::{Content, Mention, is_distinctive, mentions};
use rapport_model::{Eid, EndpointKey};
use serde::{Deserialize, Serialize};

use crate::codec;
use crate::erasure::Erasure;
use crate::error::StoreError;
use crate::items::{Item, Reader};
use crate::keys;
use crate::parked::{OWNERS, ParkedId};
use crate::table::{Order, Range, Table};

/// Parked webhooks that a receipt names. At some 100 bytes each a receipt stays far below the 400 KB of an item.
pub const PARKED_NAMED_MAX: usize = 1_000;
/// Parked webhooks read at once. Each may stand in a blob of 41 MiB, and is unpacked one by one.
const PAGE_ITEMS: i32 = 25;
/// Items of [`ITEMS_A_CALL_MAX`](crate::erasure::ITEMS_A_CALL_MAX) that one parked webhook counts for: it is unpacked and
/// searched, and may have been large.
const SHARE_OF_A_WEBHOOK: u64 = 20;
/// Events that are looked at for one that vouches for an identifier: the newest of each endpoint.
const VOUCHING_MAX: i32 = 200;

/// A parked webhook that is or may be the person's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ParkedMatch {
    /// As [`ParkedId`] is printed: it names no person.
    pub id: String,
    pub outcome: ParkedOutcome,
}

/// What became of a parked webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParkedOutcome {
    /// It was certainly the person's, or somebody decided so.
    Deleted,
    /// It may be the person's: somebody has to decide.
    Undecided,
    /// Somebody decided that it stays.
    Kept,
}

/// What somebody decides about a parked webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParkedDecision {
    Delete,
    Keep,
}

/// The person's identifiers, and their endpoints.
struct Person {
    eids: Vec<Eid>,
    keys: Vec<EndpointKey>,
    /// At the same places as `keys`.
    of: Vec<Eid>,
}

impl Table {
    /// Deletes the parked webhooks that are certainly of an erasure's endpoints, and names those that may be. Gives whether all
    /// were looked at: else the call's share is used up, and the next one goes on.
    pub(super) async fn forget_parked(
        &self,
        erasure: &mut Erasure,
        connections: &[String],
        left: &mut u64,
    ) -> Result<bool, StoreError> {
        let person = self.person(&erasure.members).await?;
        let only = erasure.connection.clone();
        let mut searched: Vec<&String> =
            connections.iter().filter(|name| only.as_ref().is_none_or(|only| only == *name)).collect();
        searched.sort();
        // Connections may have come and gone since the call before: the order of their names says what is behind it.
        let begin = erasure.searched.clone().unwrap_or_default();
        for connection in searched {
            for shard in 0..keys::PARKED_SHARDS {
                let place = (connection.as_str(), u64::from(shard));
                if place < (begin.0.as_str(), begin.1) {
                    continue;
                }
                let pk = keys::parked_pk(self.tenant(), connection, shard);
                let from = if place == (begin.0.as_str(), begin.1) { format!("{} ", begin.2) } else { "0".to_owned() };
                let mut start = None;
                loop {
                    let range = Range { start, limit: Some(PAGE_ITEMS), ..Range::new(&pk, &from, keys::END) };
                    let page = self.page(range).await?;
                    for item in &page.items {
                        let Some(mention) = self.mention_in(item, &person, connection).await? else { continue };
                        let id = ParkedId::of(connection, shard, Reader(item).text("sk")?).to_string();
                        self.settle_parked(erasure, (id, mention), item).await?;
                    }
                    *left = left.saturating_sub(page.items.len() as u64 * SHARE_OF_A_WEBHOOK);
                    start = page.next;
                    if *left == 0
                        && let Some(last) = page.items.last()
                    {
                        let last = Reader(last).text("sk")?.to_owned();
                        erasure.searched = Some((connection.clone(), u64::from(shard), last));
                        self.save(erasure).await?;
                        return Ok(false);
                    }
                    if start.is_none() {
                        break;
                    }
                }
            }
        }
        Ok(true)
    }

    /// Writes down what becomes of a webhook, then does it.
    async fn settle_parked(
        &self,
        erasure: &mut Erasure,
        (id, mention): (String, Mention),
        item: &Item,
    ) -> Result<(), StoreError> {
        let outcome = if mention == Mention::Alone { ParkedOutcome::Deleted } else { ParkedOutcome::Undecided };
        let known = erasure.parked.iter().any(|known| known.id == id);
        if !known {
            if erasure.parked.len() < PARKED_NAMED_MAX {
                erasure.parked.push(ParkedMatch { id, outcome })
            } else {
                erasure.parked_unnamed += 1
            }
            erasure.count("parked_webhooks", u64::from(outcome == ParkedOutcome::Deleted));
            self.save(erasure).await?;
        }
        if outcome == ParkedOutcome::Deleted {
            self.delete_all(&[item], &[], 0).await?;
        }
        Ok(())
    }

    /// Decides about parked webhooks that may be the person's. Ids that the receipt does not name are given back: nothing was
    /// done about them.
    ///
    /// # Errors
    /// As [`Table::continue_erasure`]: do it again.
    pub async fn decide_parked(
        &self,
        erasure: &mut Erasure,
        decisions: &[(String, ParkedDecision)],
    ) -> Result<Vec<String>, StoreError> {
        let mut unknown = Vec::new();
        for (id, decision) in decisions {
            let named = erasure.parked.iter_mut().find(|known| known.id == *id);
            let (Some(named), Some(parked)) = (named, ParkedId::parse(id)) else {
                unknown.push(id.clone());
                continue;
            };
            match (decision, named.outcome) {
                (_, ParkedOutcome::Deleted) => {}
                (ParkedDecision::Keep, _) => named.outcome = ParkedOutcome::Kept,
                (ParkedDecision::Delete, _) => {
                    named.outcome = ParkedOutcome::Deleted;
                    // Deleting it again is harmless, and a receipt that says so too early is made good by calling again.
                    self.unpark(&parked).await?;
                    erasure.count("parked_webhooks", 1);
                }
            }
        }
        self.save(erasure).await?;
        Ok(unknown)
    }

    async fn person(&self, members: &[Eid]) -> Result<Person, StoreError> {
        let mut person = Person { eids: members.to_vec(), keys: Vec::new(), of: Vec::new() };
        for eid in members {
            let Some(item) = self.get(self.endpoint_pk(eid), keys::ENDPOINT.to_owned()).await? else { continue };
            let reader = Reader(&item);
            let (Some(scheme), Some(value)) = (reader.text_opt("scheme"), reader.text_opt("addr")) else { continue };
            let scope = reader.text_opt("scp").map(str::to_owned);
            let key = EndpointKey { scheme: scheme.to_owned(), scope, value: value.to_owned() };
            if is_distinctive(&key) {
                person.keys.push(key);
                person.of.push(eid.clone());
            }
        }
        Ok(person)
    }

    /// How a parked webhook names a person: alone, certainly; among others, perhaps; not at all.
    async fn mention_in(&self, item: &Item, person: &Person, connection: &str) -> Result<Option<Mention>, StoreError> {
        let reader = Reader(item);
        // Whose events its connector read of it.
        let owners: Vec<Eid> = reader.set(OWNERS).iter().filter_map(|eid| Eid::parse(eid)).collect();
        let ours = owners.iter().filter(|eid| person.eids.contains(eid)).count();
        // All that could be read; what could not may be somebody else's.
        let is_all_ours = ours > 0 && ours == owners.len();
        let mut found = (ours > 0).then_some(Mention::Among);
        let webhook = match self.frame_of(&reader).await {
            Ok(frame) => codec::unpack_webhook(&frame).ok(),
            Err(error) if error.is_passing() => return Err(error),
            Err(_) => None,
        };
        // What cannot be read says nothing to anybody, and expires.
        let Some(webhook) = webhook else { return Ok(found) };
        let content_type = webhook.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        let content = Content {
            url: &webhook.url,
            content_type: content_type.map_or("", |(_, value)| value),
            body: &webhook.body,
        };
        for (n, mention) in mentions(content, &person.keys).into_iter().enumerate() {
            let Some(mention) = mention else { continue };
            let is_vouched = || self.is_vouched(person, &person.of[n], connection);
            let is_address = matches!(person.keys[n].scheme.as_str(), "email" | "phone" | "sms");
            let worth = match mention {
                Mention::Alone if is_all_ours || owners.is_empty() && is_vouched().await? => Mention::Alone,
                // Anybody may call anything their id: of another connection's it says nothing here.
                _ if !is_address && !is_vouched().await? => continue,
                _ => Mention::Among,
            };
            found = found.max(Some(worth));
        }
        Ok(found)
    }

    /// Whether a connection has named an endpoint of this person on a word that is believed: it was not the person who chose
    /// to be called so.
    async fn is_vouched(&self, person: &Person, wanted: &Eid, connection: &str) -> Result<bool, StoreError> {
        for eid in &person.eids {
            let (pk, to) = (self.endpoint_pk(eid), keys::after(keys::EVENTS));
            let range =
                Range { order: Order::Descending, limit: Some(VOUCHING_MAX), ..Range::new(&pk, keys::EVENTS, &to) };
            for item in self.page(range).await?.items {
                if Reader(&item).text_opt("con") != Some(connection) {
                    continue;
                }
                let stored = match self.read_event(&item).await {
                    Ok(stored) => stored,
                    Err(error) if error.is_passing() => return Err(error),
                    Err(_) => continue,
                };
                let rules = self.rules();
                let mut named = named(self.tenant_key(), rules, &stored.event.contact).into_iter();
                if named.any(|named| named.eid == *wanted && rules.believes(named.identifier.attestation)) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}
