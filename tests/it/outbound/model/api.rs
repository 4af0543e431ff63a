//! What clients and agents ask of the API.

use super::fold::control_of;
use super::items::{Author, Draft, Event, Holder, Id, Kind, State, What};
use super::mutants::Mutant;
use super::world::{Actor, Stop};

/// How a cancel was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cancel {
    Done,
    /// A marker names it, or it has ended otherwise.
    Refused,
}

impl Actor {
    /// A request that its client repeats until it is answered, or gives up.
    pub async fn post(&self, operation: usize, draft: Draft) {
        loop {
            self.epoch.set(self.with(|w| w.epoch));
            match self.try_to_post(operation, &draft).await {
                Ok(_) => return,
                Err(Stop) if self.chance(20) => return,
                Err(Stop) => {
                    let wait = self.below(60);
                    self.sleep(wait).await;
                }
            }
        }
    }

    async fn try_to_post(&self, operation: usize, draft: &Draft) -> Result<(), Stop> {
        let late = self.lacks(Mutant::IdDrawnAfterLook);
        let drawn = self.clock();
        let draft = &Draft { asked: self.with(|w| w.tick), ..draft.clone() };
        if self.call(|w| w.lock.closed).await? {
            return Ok(());
        }
        let created = if late { self.clock() } else { drawn };
        let (id, created) = self.claim(operation, created).await?;
        self.call(|w| w.put_intent(id, operation, created, draft)).await?;
        if draft.author == Author::Agent && draft.kind == Kind::Reply {
            self.control(control_of(id), Holder::Agent).await?;
        }
        if self.chance(60) {
            self.with(|w| w.wake(created + draft.wait));
        }
        Ok(())
    }

    /// The claim of an idempotency key says which intent it makes.
    async fn claim(&self, operation: usize, created: u64) -> Result<(Id, u64), Stop> {
        let fresh = self.with(|w| {
            w.ids += 1;
            (w.ids - 1, created)
        });
        if self.lacks(Mutant::NoIdempotencyClaim) {
            return Ok(fresh);
        }
        self.call(|w| {
            let claimed = w.claims.iter().find(|(key, _)| *key == operation).map(|(_, claimed)| *claimed);
            claimed.unwrap_or_else(|| {
                w.claims.push((operation, fresh));
                fresh
            })
        })
        .await
    }

    /// The lock moves before the answer.
    async fn control(&self, key: u64, to: Holder) -> Result<(), Stop> {
        if !self.lacks(Mutant::TakeoverOnlyAsEvent) {
            self.call(|w| w.move_control(key, to)).await?;
        }
        self.with(|w| w.facts.answered(w.tick, key, to));
        Ok(())
    }

    /// Take and hand back: the event, the lock, the answer.
    pub async fn command(&self, to: Holder) {
        let id = self.with(|w| w.number());
        let at = self.clock();
        self.until_done(async || {
            let received = self.clock();
            self.call(|w| w.put_event(Event { id, at, received, what: What::Command(to) })).await?;
            match self.control(id, to).await {
                // Its client gives up; the event is there.
                Err(Stop) if self.chance(30) => Ok(()),
                done => done,
            }
        })
        .await;
    }

    /// A transaction on intent and lock: refused while a marker names the intent.
    pub async fn cancel(&self, id: Id) {
        let (state_only, lock_only) =
            (self.lacks(Mutant::CancelLooksAtStateOnly), self.lacks(Mutant::CancelLooksAtLockOnly));
        let answer = self.call(|w| {
            let part = w.intent(id).map_or(0, |intent| intent.accepted);
            let named = w.is_named(id, part) && !state_only;
            let Some(intent) = w.intents.get_mut(id).and_then(Option::as_mut) else { return Cancel::Refused };
            let ours = matches!(intent.state, State::Cancelled | State::Cut) && intent.cancelled;
            if !named && (intent.is_open() && intent.started.is_none() || lock_only) {
                intent.state = intent.stopped_as(State::Cancelled);
                intent.cancelled = true;
                return Cancel::Done;
            }
            if ours { Cancel::Done } else { Cancel::Refused }
        });
        if let Ok(Cancel::Done) = answer.await {
            self.with(|w| w.tell(|| format!("cancel of {id} is confirmed")));
            self.with(|w| w.facts.cancelled.push((id, w.tick)));
        }
    }

    /// A person sends an unknown one again.
    pub async fn resend(&self, id: Id) {
        let created = self.clock();
        let fresh = self.with(|w| {
            w.ids += 1;
            w.ids - 1
        });
        let twice = self.lacks(Mutant::ResendTwice);
        let marked = self.call(|w| {
            let intent = w.intents.get_mut(id).and_then(Option::as_mut);
            let intent = intent.filter(|intent| intent.state == State::Unknown)?;
            if intent.resent.is_none() || twice {
                intent.resent = Some((fresh, created));
            }
            intent.resent
        });
        if let Ok(Some((new, created))) = marked.await {
            let draft =
                Draft { author: Author::Agent, wait: 0, asked: self.with(|w| w.tick), parts: vec![false], ..NOTICE };
            let put = self.call(|w| w.put_intent(new, 500 + id, created, &draft));
            if put.await.is_ok() {
                self.with(|w| w.wake(created));
            }
        }
    }
}

/// A notice of an agent, without parts.
pub const NOTICE: Draft = Draft {
    author: Author::Agent,
    kind: Kind::Notice,
    consent: false,
    fence: 0,
    read: 0,
    asked: 0,
    turn: 0,
    wait: 0,
    life: 600,
    parts: Vec::new(),
    upload: false,
};
