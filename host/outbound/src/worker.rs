//! One turn of a worker: what a wake starts.

use std::sync::Arc;

use rapport_connections::Asked;
use rapport_model::Timestamp;
use rapport_model::sending::intent::{Cause, Choice, INTERNAL, Intent, choose};
use rapport_model::sending::lock::{Found, MARGIN_MS, Marker, Seen, found};
use rapport_model::sending::{Operation, Outgoing, sent};
use rapport_store::events::Logged;
use rapport_store::outbox::due::{Due, Jitter};
use rapport_store::outbox::intents::{Conversation, StoredIntent};
use rapport_store::outbox::wake::Wakes;
use rapport_store::{Mistake, StoreError, Table};
use rapport_telemetry::MessageSetAside;

use crate::connectors::{Connectors, Tell};
use crate::health::Health;
use crate::leases::Leases;

/// Seconds for which a queue hides a received wake. If its worker dies, the wake comes back.
pub const VISIBILITY_S: u64 = 150;
/// Milliseconds of a turn. When the wake of one that was ended from outside comes back, its last marker is over.
pub const TURN_MS_MAX: u64 = VISIBILITY_S * 1_000 - rapport_model::sending::lock::LEASE_MS - 10_000;
/// Milliseconds that a look may take that is begun: a marker's life, and what storage takes before it. With less left in a turn no
/// look is begun, so that no turn is cut off while a request of it is under way.
pub const LOOK_MS_MIN: u64 = rapport_model::sending::lock::LEASE_MS + 5_000;
/// Looks of one turn. What is left then has a wake of its own.
pub const LOOKS: usize = 8;
/// Milliseconds from a turn that used all its looks to the next.
const NEXT_TURN_MS: u64 = 1_000;
/// Milliseconds. What is due later is noted for its minute: a queue delays a wake for 15 minutes at most.
pub const WAKE_AHEAD_MS_MAX: u64 = 600_000;

/// Everything that workers of a process share.
pub struct Outbound {
    pub table: Table,
    pub connectors: Arc<dyn Connectors>,
    /// Where this process wakes workers.
    pub wakes: Arc<dyn Wakes>,
    /// Our clock.
    pub now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    pub health: Health,
    pub leases: Leases,
    /// Where events go that a connector told while it sent; `None`: nowhere.
    pub tell: Option<Tell>,
}

/// A worker. Cheap to clone: all of a process share one [`Outbound`].
#[derive(Clone)]
pub struct Worker(pub(crate) Arc<Outbound>);

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Nothing is due; the next is due then, and has a wake or a note.
    Rested(Option<Timestamp>),
    /// Another worker is at work until this instant at the latest, and looks again after that.
    Dropped { until: Timestamp },
    /// More is due. It has a wake.
    Unfinished,
}

/// How a look at the conversation ended.
pub(crate) enum Look {
    Again,
    /// Somebody else holds the marker until then, and looks again after it.
    Drop(Timestamp),
    /// Nothing can be done now; the next is due then.
    Rest(Option<Timestamp>),
}

impl Outbound {
    /// Everything that workers share.
    pub fn new(
        table: Table,
        connectors: Arc<dyn Connectors>,
        wakes: Arc<dyn Wakes>,
        now: impl Fn() -> Timestamp + Send + Sync + 'static,
    ) -> Self {
        let (health, leases) = (Health::default(), Leases::default());
        Self { table, connectors, wakes, now: Arc::new(now), health, leases, tell: None }
    }

    /// The same, with a place for what connectors tell while they send.
    pub fn telling(self, tell: Tell) -> Self {
        Self { tell: Some(tell), ..self }
    }
}

impl Worker {
    pub fn new(outbound: Arc<Outbound>) -> Self {
        Self(outbound)
    }

    pub(crate) fn table(&self) -> &Table {
        &self.0.table
    }

    pub(crate) fn makes(&self, mistake: Mistake) -> bool {
        self.table().makes(mistake)
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.0.now)()
    }

    /// What a wake starts: the conversation is looked at until nothing more can be done in it now.
    ///
    /// # Errors
    /// Storage failed. Everything that was begun is in the table; the wake has to come again, and once more when a marker that
    /// may stand is over.
    pub async fn turn(&self, of: &Conversation) -> Result<Ended, StoreError> {
        self.turn_for(of, u64::MAX).await
    }

    /// The same, for so many milliseconds: no look is begun that may take longer.
    ///
    /// # Errors
    /// As of [`Worker::turn`].
    pub async fn turn_for(&self, of: &Conversation, time_ms: u64) -> Result<Ended, StoreError> {
        let until = self.now().saturating_add(time_ms);
        for _ in 0..LOOKS {
            if self.now().saturating_add(LOOK_MS_MIN) > until {
                break;
            }
            match self.look(of).await? {
                Look::Again => {}
                Look::Drop(until) => return Ok(Ended::Dropped { until }),
                Look::Rest(next) => {
                    if let Some(at) = next {
                        self.wake(of, at).await?;
                    }
                    return Ok(Ended::Rested(next));
                }
            }
        }
        self.wake(of, self.now() + NEXT_TURN_MS).await?;
        Ok(Ended::Unfinished)
    }

    /// A wake for soon, a note for later.
    ///
    /// # Errors
    /// The queue or storage failed.
    pub async fn wake(&self, of: &Conversation, at: Timestamp) -> Result<(), StoreError> {
        let now = self.now();
        if at <= now + WAKE_AHEAD_MS_MAX {
            return self.0.wakes.wake(of, at).await;
        }
        self.table().put_due(&Due::Conversation(of.clone()), at, Jitter::Spread, now).await
    }

    /// Looks at the conversation, and does the next thing.
    async fn look(&self, of: &Conversation) -> Result<Look, StoreError> {
        let lock = self.table().lock(of).await?;
        let seen = match &lock.out {
            None => None,
            Some(marker) => match self.find(of, marker).await? {
                Found::Ended(seen) => Some(seen),
                Found::Live if self.makes(Mistake::ReplacesUnendedMarker) => {
                    Some(Seen { token: marker.token.clone(), unknown: None })
                }
                Found::Live => return Ok(Look::Drop(marker.deadline + MARGIN_MS + 1)),
                Found::Overdue => return Ok(Look::Again),
            },
        };
        let open = self.open(of).await?;
        match self.choose(&open) {
            Choice::Rest(next) => Ok(Look::Rest(next)),
            Choice::Next(chosen) => {
                let stored = open.iter().find(|stored| stored.id == chosen.id).expect("it was chosen of these");
                self.proceed(of, &lock, stored, seen).await
            }
        }
    }

    /// What is next.
    pub(crate) fn choose<'a>(&self, open: &'a [StoredIntent]) -> Choice<'a> {
        let (all, now) = (open.iter().map(|stored| &stored.intent), self.now());
        let newest = all.clone().filter(|intent| intent.due_at <= now).max_by(|a, b| a.id.cmp(&b.id));
        match newest {
            Some(newest) if self.makes(Mistake::OlderDueNotFirst) => Choice::Next(newest),
            _ => choose(all, now),
        }
    }

    /// Open intents of a conversation. Those that nobody can read end here, and hold up nobody.
    pub(crate) async fn open(&self, of: &Conversation) -> Result<Vec<StoredIntent>, StoreError> {
        let open = self.table().open_and_unreadable(of, self.now()).await?;
        for id in &open.unreadable {
            MessageSetAside { intent: id.as_str(), why: "it cannot be read" }.emit();
            let why = Cause::of(INTERNAL).saying("what is stored of it cannot be read");
            self.table().set_aside_intent(&of.eid, id, &why).await?;
        }
        Ok(open.items)
    }

    /// Reads the intent of a marker. One whose time is over is ended here.
    pub(crate) async fn find(&self, of: &Conversation, marker: &Marker) -> Result<Found, StoreError> {
        let read = match self.table().intent(&of.eid, &marker.intent).await {
            Ok(read) => read,
            // Its worker can do nothing more with it; a request of it may have left.
            Err(StoreError::Corrupt { .. } | StoreError::Missing { .. }) if !marker.is_live(self.now()) => {
                let seen = Seen { token: marker.token.clone(), unknown: Some(marker.intent.clone()) };
                return Ok(Found::Ended(seen));
            }
            Err(StoreError::Corrupt { .. } | StoreError::Missing { .. }) => return Ok(Found::Live),
            Err(error) => return Err(error),
        };
        if read.as_ref().is_some_and(|intent| intent.has_let_go(marker)) {
            // Its worker died between the record, that nothing left, and the release.
            self.table().release_marker(of, &marker.token, false).await?;
            return Ok(Found::Overdue);
        }
        let now = self.now();
        let is = found(marker, read.as_ref().map(|stored| &stored.intent), now);
        // Another worker's clock may be behind ours.
        let is_over = now > marker.deadline + MARGIN_MS;
        match (&is, read) {
            (Found::Overdue, _) if !is_over => Ok(Found::Live),
            (Found::Overdue, Some(intent)) => self.reclaim(of, marker, &intent).await.map(|()| is),
            _ => Ok(is),
        }
    }

    /// Ends a marker whose time is over, under a token of its own, so that its worker can neither release it nor let another
    /// start. The part is accepted if its event stands on the timeline, starts again if it is repeatable, else it is unknown.
    async fn reclaim(&self, of: &Conversation, marker: &Marker, intent: &StoredIntent) -> Result<(), StoreError> {
        let now = self.now();
        let own = self.table().draw_token();
        let is_ours = self.makes(Mistake::ReclaimWithoutOwnMarker)
            || self.table().take_over_marker(of, &marker.token, &own, now).await?;
        if !is_ours {
            return Ok(());
        }
        if self.makes(Mistake::ReclaimRepeats) {
            return self.table().release_marker(of, &own, false).await;
        }
        let told = self.told(intent, marker).await?;
        self.table().change_intent(intent, |intent| intent.reclaimed(marker, told.as_deref(), now)).await?;
        if told.is_none() && !marker.is_repeatable {
            self.unknown(intent, rapport_model::sending::intent::LOST, None);
        }
        if marker.is_repeatable {
            self.table().release_marker(of, &own, true).await?;
        }
        Ok(())
    }

    /// The provider's id of a part whose event stands on the timeline.
    async fn told(&self, intent: &Intent, marker: &Marker) -> Result<Option<String>, StoreError> {
        let key = sent::key(intent, marker.part, &marker.started, self.table().tenant_key());
        let Some(key) = key else { return Ok(None) };
        let logged = self.table().logged(&intent.birth.eid, &key).await?;
        Ok(logged.map(|logged| match logged {
            Logged::Event(stored) => match stored.event.body {
                rapport_model::event::Body::Message(message) => message.id,
                _ => stored.event.id,
            },
            Logged::Unreadable(_) => intent.reference(marker.part).write(self.table().tenant_key()),
        }))
    }

    /// What a connector is asked for the next part of an intent.
    pub(crate) fn asked(&self, intent: &Intent, pinned: Timestamp, last_customer_at: Option<Timestamp>) -> Asked {
        let draft = &intent.draft;
        let tenant = self.table().tenant_key();
        let outgoing = Outgoing {
            reference: intent.reference(intent.part()).write(tenant),
            route: draft.route.clone(),
            author: draft.author,
            kind: draft.kind,
            purpose: draft.purpose.clone(),
            subject: draft.subject.clone(),
            parts: draft.parts.clone(),
            in_reply_to: draft.in_reply_to.clone(),
            thread: draft.thread.clone(),
            references: draft.references.clone(),
            copies: draft.copies.clone(),
            comment: draft.comment.clone(),
            last_customer_at,
            expires_at: intent.birth.expires_at,
            extensions: draft.extensions.clone(),
        };
        Asked {
            request_id: intent.id.as_str().to_owned(),
            operation: Operation::Send(outgoing),
            history: intent.history.clone(),
            step: usize::try_from(intent.step).unwrap_or(usize::MAX),
            accepted: intent.accepted.clone(),
            now: pinned,
            entropy: intent.entropy(tenant),
        }
    }

    /// What the head says of the customer's last message.
    pub(crate) async fn last_customer_at(&self, of: &Conversation) -> Result<Option<Timestamp>, StoreError> {
        match self.table().head(&of.eid, &of.account).await {
            Ok(guarded) => Ok(guarded.head.customer_at),
            // A head that cannot be read is rebuilt by others; a message does not wait for that.
            Err(StoreError::Corrupt { .. } | StoreError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
