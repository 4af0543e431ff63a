//! Erasure: a person is forgotten, over all channels, and does not come back with a redelivery; or what one connection said
//! of an endpoint is.
//!
//! **By request** everything goes that the person's endpoints said up to now: events, the webhooks they came in, heads,
//! traits, consents, delivery states, addresses, links, suggestions, conflicts, the identity log, blobs, and the parked
//! webhooks that are certainly the person's. Now is by our clock, whatever time an event claims. Each partition is emptied,
//! and what was received since is folded anew.
//!
//! **By a provider's word** (`contact-erased`) that goes which its connection said of the endpoint, up to when it says so: its
//! events, what follows of them, and the links and suggestions that they proved. What others said of the endpoint is folded
//! anew, and the rest of the person waits for somebody's decision: [`Demand`].
//!
//! **What is to be sent** is not sent any more: the locks of all conversations are closed first, a request that is under way is
//! waited for, and messages that were made by then go, also those whose put comes later. Only the customer's own words make an
//! erased endpoint known again; a report about a message that is erased is deleted like the message.
//!
//! **What stays** holds no personal data. The lock of a conversation keeps its fence, when it was closed, and what the customer
//! said about consents; the endpoint's item keeps that, too, and whether the address takes messages at all. Each endpoint's item `@` keeps up to when it is erased ([`Erased`]) and, where it
//! had one, its pointer to a root that has nobody but itself, and dead roots their forwards: names made by a keyed hash. So
//! an event that is delivered again finds that it is to be forgotten: the API does not show it, and the fold deletes it.
//! Claims of [`crate::first_seen`] stay, since without one a redelivery of an event without a time would be given a new
//! time, and be a new message; erased events whose time is later than the erasure leave such a claim, too.
//! What the person says later, by the provider's clock, is a new contact.
//!
//! **Order.** The mark comes first: from then on no evidence of before links, and no fold writes the address again. Then
//! the version of every root moves, so that a link under way is lost, and looks again. Then members are gathered until
//! there are no more, their links are closed one by one by the identity protocol, and their partitions swept. A fold under
//! way loses its head, and looks again; the head of a conversation that was new to it is looked at once more after it was
//! written ([`crate::heads::GuardedHead::is_settled`]). So the usual webhook pays nothing for all this.
//!
//! **Proof.** Before it is completed an erasure reads what is left. What must not be there is swept again; if it
//! is still there then, the erasure says so, and is not completed.
//!
//! **Progress** is an item of its own, written before each step that cannot be seen from what is left. A crash anywhere
//! is made good by calling again. When all is done the item is the receipt.

mod begin;
pub(crate) mod forget_list;
mod links;
mod outbound;
mod parked;
mod proof;
mod provider_demand;
mod sweep;

use std::collections::BTreeMap;

use rapport_model::event::Attestation;
use rapport_model::identity::Author;
use rapport_model::{Eid, EventKey, Timestamp};
use rapport_telemetry::{ErasureIncomplete, SweptAgain};
use serde::{Deserialize, Serialize};

use crate::error::{StoreError, unavailable};
use crate::items::{Item, Reader, json, n, s};
use crate::keys;
use crate::on_heap::OnHeap;
use crate::table::{Order, Range, Table, is_condition_failure};

pub use forget_list::{ADDRESS, Erased, Suppression};
pub use parked::{PARKED_NAMED_MAX, ParkedDecision, ParkedMatch, ParkedOutcome};
pub use provider_demand::{Demand, DemandState};

/// Items that one call deletes, about: at 25 a request and some 10 ms each, two to four seconds of the 29 that an HTTP API
/// waits. A link that is closed counts as many as its profile has endpoints.
pub const ITEMS_A_CALL_MAX: u64 = 5_000;
/// Milliseconds. What claims to be of the future is believed so far: a local time without its zone is up to 14 hours ahead.
const AHEAD_MS_MAX: u64 = 24 * 3600 * 1000;
/// Times that partitions are swept again since something was left. A fold under way leaves something once.
const SWEEPS_AGAIN_MAX: u32 = 3;

/// An erasure: under way, or its receipt. It holds no personal data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Erasure {
    /// 128 random bits: `x…`.
    pub id: String,
    /// Our clock.
    pub requested_at: Timestamp,
    /// Whose word it follows; none: it was not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<Requester>,
    /// Only what this connection said of one endpoint is erased; none: the whole person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<String>,
    /// What was said up to here is erased: our clock; of a connection its provider's.
    pub up_to: Timestamp,
    /// Our clock; none: it is to be continued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
    /// How many endpoints the person had.
    pub endpoints: usize,
    /// How many items of which kind are gone.
    pub removed: BTreeMap<String, u64>,
    /// The parked webhooks that may be the person's, and what became of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parked: Vec<ParkedMatch>,
    /// How many more there were than are named.
    #[serde(default)]
    pub parked_unnamed: u64,
    step: Step,
    /// Those that are to be erased; empty when it is completed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    members: Vec<Eid>,
    /// How many of them were never seen: they only claim to be the person, if they ever come.
    #[serde(default)]
    silent: usize,
    /// How many of them the present step has behind it.
    #[serde(default)]
    done: usize,
    /// Messages that were made up to here are not sent any more, and go: our clock, later than any write that closed a lock.
    #[serde(default)]
    closed_at: Timestamp,
    /// Up to where parked webhooks are searched: connection, partition, key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    searched: Option<(String, u64, String)>,
    /// What was counted last, so that a repetition does not count again: where, and up to which key.
    #[serde(default)]
    counted: (String, String),
    /// Those that are to be folded anew.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    survivors: Vec<Eid>,
    /// How often partitions were swept again.
    #[serde(default)]
    again: u32,
    /// The word that demands it, where it is a connection's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    demand: Option<Demand>,
    #[serde(default)]
    version: u64,
}

/// Whose word an erasure follows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Requester {
    /// Somebody who used the API, and why, in their words.
    Person { who: Author, why: String },
    /// An event, the connection that brought it, and who vouches for the address in it.
    Event { event: EventKey, connection: String, attestation: Attestation },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Step {
    Gather,
    Outbound,
    Parked,
    Links,
    Sweep,
    Rebuild,
}

impl Erasure {
    /// Endpoints that are to be folded anew, then [`Table::complete_erasure`] called. None: there is more to erase first.
    pub fn to_rebuild(&self) -> Option<&[Eid]> {
        (self.step == Step::Rebuild).then_some(&self.survivors)
    }

    fn new(id: String, members: Vec<Eid>, (up_to, now): (Timestamp, Timestamp)) -> Self {
        Self {
            id,
            requested_at: now,
            requested_by: None,
            connection: None,
            up_to,
            completed_at: None,
            endpoints: members.len(),
            silent: 0,
            removed: BTreeMap::new(),
            parked: Vec::new(),
            parked_unnamed: 0,
            step: Step::Gather,
            members,
            done: 0,
            closed_at: 0,
            searched: None,
            counted: Default::default(),
            survivors: Vec::new(),
            again: 0,
            demand: None,
            version: 0,
        }
    }

    fn count(&mut self, kind: &str, number: u64) {
        if number > 0 {
            *self.removed.entry(kind.to_owned()).or_default() += number;
        }
    }

    fn survives(&mut self, eid: &Eid) {
        if !self.survivors.contains(eid) {
            self.survivors.push(eid.clone());
        }
    }
}

impl Table {
    /// The erasure of a whole person that is under way; none.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::Corrupt`].
    pub async fn erasure_under_way(&self, eid: &Eid) -> Result<Option<Erasure>, StoreError> {
        let item = self.get(self.endpoint_pk(eid), keys::ENDPOINT.to_owned()).await?.unwrap_or_default();
        let known = self.erasure_of(&item, None).await?;
        Ok(known.filter(|erasure| erasure.completed_at.is_none()))
    }

    fn erasure_id(&self) -> String {
        format!("x{:032x}", self.access.entropy.draw())
    }

    /// The last erasure of an endpoint.
    async fn erasure_of(&self, endpoint: &Item, connection: Option<&str>) -> Result<Option<Erasure>, StoreError> {
        match Reader(endpoint).text_opt(&forget_list::by(connection)) {
            Some(id) => self.erasure(id).await,
            None => Ok(None),
        }
    }

    /// Whether there is anything of an endpoint since it was erased: an address, or an event that nobody has folded yet.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn is_known(&self, eid: &Eid) -> Result<bool, StoreError> {
        let item = self.get(self.endpoint_pk(eid), keys::ENDPOINT.to_owned()).await?.unwrap_or_default();
        self.is_there(eid, &item).await
    }

    async fn is_there(&self, eid: &Eid, endpoint: &Item) -> Result<bool, StoreError> {
        let reader = Reader(endpoint);
        if forget_list::seen_since(&reader).is_some() {
            return Ok(true);
        }
        let (pk, to) = (self.endpoint_pk(eid), keys::after(keys::EVENTS));
        let range = Range { limit: Some(1), order: Order::Descending, ..Range::new(&pk, keys::EVENTS, &to) };
        let newest = self.page(range).await?.items;
        let newest = newest.first().and_then(|item| keys::event_key_of_sk(Reader(item).text_opt("sk")?));
        Ok(newest.is_some_and(|key| key.at() > Erased::of(&reader).up_to))
    }

    /// An erasure or its receipt; none of that id.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::Corrupt`].
    pub async fn erasure(&self, id: &str) -> Result<Option<Erasure>, StoreError> {
        let item = self.get(keys::erasure_pk(self.tenant(), id), keys::ENDPOINT.to_owned()).await?;
        item.map(|item| Reader(&item).json("erasure")).transpose()
    }

    /// Erases more, up to about [`ITEMS_A_CALL_MAX`] items, until nothing is left but to fold anew what stays; or until a request
    /// to send a message of the person is under way: it ends within 20 seconds.
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
                    erasure.closed_at = now + outbound::CLOSED_AHEAD_MS;
                    self.enter(erasure, Step::Outbound).await?;
                }
                Step::Outbound => match erasure.members.get(erasure.done).cloned() {
                    Some(eid) => {
                        if !self.close_outbox(erasure, &eid, now).await? {
                            return Ok(());
                        }
                        erasure.done += 1;
                        self.save(erasure).await?;
                    }
                    None => self.enter(erasure, Step::Parked).await?,
                },
                Step::Parked => {
                    if self.forget_parked(erasure, connections, &mut left).await? {
                        self.enter(erasure, Step::Links).await?;
                    }
                }
                Step::Links => match erasure.members.get(erasure.done).cloned() {
                    Some(eid) => {
                        if self.sever(erasure, &eid, &mut left, now).await? {
                            erasure.done += 1;
                            self.save(erasure).await?;
                        }
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

    /// Makes the receipt of an erasure with nothing left to do, if a look at what is there proves it. Else there is more to
    /// erase.
    ///
    /// # Errors
    /// As [`Table::continue_erasure`]; [`StoreError::Remains`] when something is there however often it is swept.
    pub async fn complete_erasure(&self, erasure: &mut Erasure, now: Timestamp) -> Result<(), StoreError> {
        let left = self.left_of(erasure).await?;
        if !left.is_empty() {
            erasure.again += 1;
            if erasure.again <= SWEEPS_AGAIN_MAX {
                SweptAgain { erasure: &erasure.id, left: &left.join(", ") }.emit();
                return self.enter(erasure, Step::Sweep).await;
            }
            erasure.again = 0;
            self.enter(erasure, Step::Sweep).await?;
            ErasureIncomplete { erasure: &erasure.id, left: &left.join(", ") }.emit();
            return Err(StoreError::Remains { erasure: erasure.id.clone(), left: left.join(", ") });
        }
        if let Some(demand) = erasure.demand.clone() {
            self.ask_for_the_rest(&demand).await?;
        }
        erasure.completed_at = Some(now);
        erasure.members.clear();
        erasure.survivors.clear();
        erasure.counted = Default::default();
        self.save(erasure).await
    }

    /// Whether evidence is of before one of its ends was erased. Asked after roots were read: what is marked later moves
    /// their versions.
    pub(crate) async fn was_erased(
        &self,
        pair: &rapport_model::identity::Pair,
        last: Timestamp,
    ) -> Result<bool, StoreError> {
        let up_to = self.erased(pair.low()).await?.up_to.max(self.erased(pair.high()).await?.up_to);
        Ok(last <= up_to)
    }

    /// Marks every member, and whoever joins them meanwhile on the word of before.
    async fn gather(&self, erasure: &mut Erasure) -> Result<(), StoreError> {
        let scope = erasure.connection.clone();
        let mut place = 0;
        // One round more than there is somebody new: what was under way when a root was sealed has joined by then.
        while place < erasure.members.len() {
            for eid in &erasure.members[place..] {
                self.mark(eid, (scope.as_deref(), erasure.up_to), &erasure.id).await?;
            }
            if scope.is_some() {
                return Ok(());
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
            self.add_unproven_of(&erasure.members.clone(), erasure).await?;
            if erasure.members.len() > place {
                self.save(erasure).await?;
            }
        }
        erasure.endpoints = erasure.members.len() - erasure.silent;
        Ok(())
    }

    /// Adds what claims to be these addresses.
    async fn add_unproven_of(&self, addresses: &[Eid], erasure: &mut Erasure) -> Result<(), StoreError> {
        for eid in self.unproven_of(addresses).await? {
            if !erasure.members.contains(&eid) {
                erasure.silent += usize::from(!self.is_known(&eid).await?);
                erasure.members.push(eid);
            }
        }
        Ok(())
    }

    async fn enter(&self, erasure: &mut Erasure, step: Step) -> Result<(), StoreError> {
        erasure.step = step;
        erasure.done = 0;
        erasure.searched = None;
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
        match put.send().on_heap().await {
            Ok(_) => Ok(()),
            Err(error) if is_condition_failure(&error) => {
                Err(StoreError::Contended { operation: "erase", attempts: 1 })
            }
            Err(error) => Err(unavailable("PutItem")(error)),
        }
    }
}
