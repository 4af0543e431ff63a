//! Erasure: a person is forgotten, over all channels, and does not come back with a redelivery.
//!
//! **What is erased** is everything that the person's endpoints said up to an instant: events, the webhooks they came in,
//! heads, traits, consents, delivery states, addresses, links, suggestions, conflicts, the identity log, blobs, and the
//! parked webhooks that name the person.
//!
//! **What stays** holds no personal data. Each endpoint's item `@` keeps when it was erased (`era`) and, where it had one,
//! its pointer to a root that has nobody but itself: names made by a keyed hash. So an event that is delivered again finds
//! that it is to be forgotten: the API does not show it, and the fold deletes it. Claims of [`crate::first_seen`] stay,
//! since without one a redelivery of an event without a time would be given a new time, and be a new message. What the person says later, by the provider's clock, is a new contact.
//!
//! **Order.** The mark comes first: from then on no evidence of before links, and no fold writes the address again. Then
//! the version of every root moves, so that a link under way is lost, and looks again. Then members are gathered until
//! there are no more, their links are closed one by one by the identity protocol, and their partitions swept. A fold under
//! way loses its head, and looks again; the head of a conversation that was new to it is looked at once more after it was
//! written ([`crate::heads::GuardedHead::is_settled`]). So the usual webhook pays nothing for all this.
//!
//! **Progress** is an item of its own, written before each step that cannot be seen from what is left. A crash anywhere
//! is made good by calling again. When all is done the item is the receipt.

mod links;
mod sweep;

use std::collections::BTreeMap;

use rapport_model::{Eid, Timestamp};
use serde::{Deserialize, Serialize};

use crate::cells::Written;
use crate::error::{StoreError, unavailable};
use crate::identity::ATTEMPTS_MAX;
use crate::items::{Reader, json, n, s};
use crate::keys;
use crate::table::{Table, is_condition_failure, is_conflict};

/// The attribute that says up to when an endpoint is erased: of its item, and of heads written since.
pub(crate) const ERASED: &str = "era";
/// The attribute of an endpoint that names its last erasure.
const BY: &str = "ers";

/// Items that one call deletes, about: at 25 a request and some 10 ms each, two to four seconds of the 29 that an HTTP API
/// waits.
pub const ITEMS_A_CALL_MAX: u64 = 5_000;
/// Milliseconds. What claims to be of the future is taken at its word so far: a local time without its zone is up to 14
/// hours ahead.
const AHEAD_MS_MAX: u64 = 24 * 3600 * 1000;

/// An erasure: under way, or its receipt. It holds no personal data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Erasure {
    /// 128 random bits: `x…`.
    pub id: String,
    /// Our clock.
    pub requested_at: Timestamp,
    /// What was said up to here is erased: the provider's clock.
    pub up_to: Timestamp,
    /// What was here by then is erased, whatever time it claims: our clock; 0: nothing for that.
    here_by: Timestamp,
    /// Our clock; none: it is to be continued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
    /// How many endpoints the person had.
    pub endpoints: usize,
    /// How many items of which kind are gone.
    pub removed: BTreeMap<String, u64>,
    step: Step,
    /// Those that are to be erased; empty when it is completed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    members: Vec<Eid>,
    /// How many of them the present step has behind it.
    #[serde(default)]
    done: usize,
    /// What was counted last, so that a repetition does not count again: where, and up to which key.
    #[serde(default)]
    counted: (String, String),
    /// Those that have said something since.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    survivors: Vec<Eid>,
    #[serde(default)]
    version: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Step {
    Gather,
    Parked,
    Links,
    Sweep,
    Rebuild,
}

impl Erasure {
    /// Endpoints that have said something since: what follows of it has to be computed anew, then
    /// [`Table::complete_erasure`] called. None: there is more to erase first.
    pub fn to_rebuild(&self) -> Option<&[Eid]> {
        (self.step == Step::Rebuild).then_some(&self.survivors)
    }

    fn count(&mut self, kind: &str, number: u64) {
        if number > 0 {
            *self.removed.entry(kind.to_owned()).or_default() += number;
        }
    }
}

/// What is to be erased, and until when.
#[derive(Clone, Copy, Debug)]
pub enum UpTo {
    /// All that is there now, and whatever is delivered again. By our clock.
    Now(Timestamp),
    /// What was said up to here. By the provider's clock.
    Said(Timestamp),
}

impl UpTo {
    /// Whether an erasure that is completed has erased all this.
    fn is_within(self, known: &Erasure, is_seen_since: bool) -> bool {
        match self {
            Self::Now(_) => !is_seen_since,
            Self::Said(at) => at <= known.up_to,
        }
    }
}

impl Table {
    /// Begins to erase the whole person that an endpoint belongs to, or finds the erasure that is under way or has erased
    /// all there was. None: the endpoint was never seen.
    ///
    /// # Errors
    /// As [`Table::find`]. Do it again.
    pub async fn begin_erasure(&self, eid: &Eid, up_to: UpTo, now: Timestamp) -> Result<Option<Erasure>, StoreError> {
        let item = self.get(self.endpoint_pk(eid), keys::ENDPOINT.to_owned()).await?.unwrap_or_default();
        let reader = Reader(&item);
        let is_seen = reader.number_opt("seen") > reader.number_opt(ERASED);
        if let Some(id) = reader.text_opt(BY)
            && let Some(known) = self.erasure(id).await?
            && (known.completed_at.is_none() || up_to.is_within(&known, is_seen))
        {
            return Ok(Some(known));
        }
        // A provider's word is an event, which is there though nothing followed of it yet.
        if !is_seen && matches!(up_to, UpTo::Now(_)) {
            return Ok(None);
        }
        let mut members: Vec<Eid> = self.find(eid).await?.members.into_iter().collect();
        if matches!(up_to, UpTo::Now(_)) {
            members.extend(self.unproven_of(&members).await?);
        }
        let (up_to, here_by) = match up_to {
            UpTo::Said(at) => (at, 0),
            UpTo::Now(now) => (self.newest_of(&members).await?.min(now + AHEAD_MS_MAX).max(now), now),
        };
        let mut erasure = Erasure {
            id: format!("x{:032x}", self.access.entropy.draw()),
            requested_at: now,
            up_to,
            here_by,
            completed_at: None,
            endpoints: members.len(),
            removed: BTreeMap::new(),
            step: Step::Gather,
            members,
            done: 0,
            counted: Default::default(),
            survivors: Vec::new(),
            version: 0,
        };
        self.save(&mut erasure).await?;
        Ok(Some(erasure))
    }

    /// An erasure or its receipt; none of that id.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::Corrupt`].
    pub async fn erasure(&self, id: &str) -> Result<Option<Erasure>, StoreError> {
        let item = self.get(keys::erasure_pk(self.tenant(), id), keys::ENDPOINT.to_owned()).await?;
        item.map(|item| Reader(&item).json("erasure")).transpose()
    }

    /// Erases more, up to about [`ITEMS_A_CALL_MAX`] items, until nothing is left but to rebuild what was said since.
    /// `connections` are those whose parked webhooks are searched.
    ///
    /// # Errors
    /// [`StoreError::Contended`] also when somebody else continues the same erasure. Do it again: nothing is lost.
    pub async fn continue_erasure(
        &self,
        erasure: &mut Erasure,
        connections: &[String],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut left = ITEMS_A_CALL_MAX;
        while erasure.completed_at.is_none() && left > 0 {
            match erasure.step {
                Step::Gather => {
                    self.gather(erasure).await?;
                    self.enter(erasure, Step::Parked).await?;
                }
                Step::Parked => {
                    let parked = self.forget_parked(&erasure.members, connections).await?;
                    erasure.count("parked_webhooks", parked);
                    self.enter(erasure, Step::Links).await?;
                }
                Step::Links => match erasure.members.get(erasure.done).cloned() {
                    Some(eid) => {
                        self.sever(erasure, &eid, now).await?;
                        left = left.saturating_sub(1);
                        erasure.done += 1;
                        self.save(erasure).await?;
                    }
                    None => self.enter(erasure, Step::Sweep).await?,
                },
                Step::Sweep => match erasure.members.get(erasure.done).cloned() {
                    Some(eid) => self.sweep_member(erasure, &eid, &mut left).await?,
                    None => self.enter(erasure, Step::Rebuild).await?,
                },
                Step::Rebuild => return Ok(()),
            }
        }
        Ok(())
    }

    /// Makes the receipt of an erasure with nothing left to do.
    ///
    /// # Errors
    /// As [`Table::continue_erasure`].
    pub async fn complete_erasure(&self, erasure: &mut Erasure, now: Timestamp) -> Result<(), StoreError> {
        erasure.completed_at = Some(now);
        erasure.members.clear();
        erasure.survivors.clear();
        erasure.counted = Default::default();
        self.save(erasure).await
    }

    /// Up to when an endpoint is erased; 0: it is not.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn erased_at(&self, eid: &Eid) -> Result<Timestamp, StoreError> {
        let item = self.get(self.endpoint_pk(eid), keys::ENDPOINT.to_owned()).await?;
        Ok(item.and_then(|item| Reader(&item).number_opt(ERASED)).unwrap_or_default())
    }

    /// Whether evidence is of before one of its ends was erased. Asked after roots were read: what is marked later moves
    /// their versions.
    pub(crate) async fn was_erased(
        &self,
        pair: &rapport_model::identity::Pair,
        last: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(last <= self.erased_at(pair.low()).await?.max(self.erased_at(pair.high()).await?))
    }

    /// Marks every member, and whoever joins them meanwhile on the word of before.
    async fn gather(&self, erasure: &mut Erasure) -> Result<(), StoreError> {
        let mut place = 0;
        // One round more than there is somebody new: what was under way when a root was sealed has joined by then.
        while place < erasure.members.len() {
            for eid in &erasure.members[place..] {
                self.mark(eid, erasure).await?;
            }
            for eid in &erasure.members[place..] {
                self.seal(eid).await?;
            }
            place = erasure.members.len();
            for eid in erasure.members.clone() {
                let joined = self.find(&eid).await?.members;
                let new: Vec<Eid> = joined.into_iter().filter(|eid| !erasure.members.contains(eid)).collect();
                erasure.members.extend(new);
            }
            if erasure.members.len() > place {
                self.save(erasure).await?;
            }
        }
        erasure.endpoints = erasure.members.len();
        Ok(())
    }

    /// From here on, nothing that was said before is taken in.
    async fn mark(&self, eid: &Eid, erasure: &Erasure) -> Result<Written, StoreError> {
        let update = self
            .dynamodb()
            .update_item()
            .table_name(self.name())
            .key("pk", s(self.endpoint_pk(eid)))
            .key("sk", s(keys::ENDPOINT))
            .update_expression("SET era = :era, ers = :ers")
            .condition_expression("attribute_not_exists(era) OR era < :era")
            .expression_attribute_values(":era", n(erasure.up_to))
            .expression_attribute_values(":ers", s(&erasure.id));
        for attempt in 0..ATTEMPTS_MAX {
            match update.clone().send().await {
                Ok(_) => return Ok(Written::Yes),
                Err(error) if is_condition_failure(&error) => return Ok(Written::No),
                Err(error) if is_conflict(&error) => self.back_off(attempt).await,
                Err(error) => return Err(unavailable("UpdateItem")(error)),
            }
        }
        Err(StoreError::Contended { operation: "mark", attempts: ATTEMPTS_MAX })
    }

    async fn enter(&self, erasure: &mut Erasure, step: Step) -> Result<(), StoreError> {
        erasure.step = step;
        erasure.done = 0;
        erasure.counted = Default::default();
        self.save(erasure).await
    }

    /// Writes an erasure, if nobody else did since it was read.
    async fn save(&self, erasure: &mut Erasure) -> Result<(), StoreError> {
        let was = erasure.version;
        erasure.version += 1;
        let put = self
            .dynamodb()
            .put_item()
            .table_name(self.name())
            .item("pk", s(keys::erasure_pk(self.tenant(), &erasure.id)))
            .item("sk", s(keys::ENDPOINT))
            .item("erasure", json(erasure))
            .item("ver", n(erasure.version));
        let put = match was {
            0 => put.condition_expression("attribute_not_exists(pk)"),
            was => put.condition_expression("ver = :ver").expression_attribute_values(":ver", n(was)),
        };
        match put.send().await {
            Ok(_) => Ok(()),
            Err(error) if is_condition_failure(&error) => {
                Err(StoreError::Contended { operation: "erase", attempts: 1 })
            }
            Err(error) => Err(unavailable("PutItem")(error)),
        }
    }
}
