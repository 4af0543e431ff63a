//! One turn of a worker: what a wake starts.

use super::check::order;
use super::items::{Id, Intent, Marker, State};
use super::lock::{Answer, Ask, LEASE, MARGIN, Seen};
use super::mutants::Mutant;
use super::world::{Actor, Stop, Wake};

/// Seconds for which a received wake is hidden. If its worker dies, it comes back.
const VISIBILITY: u64 = 90;
/// Seconds of a turn. When the wake of one that was ended comes back, its last marker is over.
const TURN_MAX: u64 = VISIBILITY - LEASE - 10;
/// Looks of one turn. What is left then has a wake of its own.
const LOOKS: usize = 8;
/// Seconds. Who waits longer is overtaken.
const WAIT_MAX: u64 = 60;

/// How a look at the conversation ended.
pub enum Look {
    Again,
    /// Somebody else holds the marker, and looks again after it.
    Drop,
    /// Nothing is due; the next is due then.
    Rest(Option<u64>),
}

/// What a marker that is in the lock says.
enum Found {
    /// It can be replaced.
    Ended(Seen),
    Live,
    Reclaimed,
}

impl Actor {
    /// The loop of a worker. In one process, a start looks for everything that is unfinished.
    pub async fn work(self) {
        loop {
            self.refill();
            let Some(wake) = self.receive() else {
                let wait = self.with(|w| w.queue.iter().map(|wake| wake.visible.saturating_sub(w.now)).min());
                self.sleep(wait.unwrap_or(4).clamp(1, 20)).await;
                continue;
            };
            self.with(|w| w.busy += 1);
            self.begin();
            let ended = self.turn().await;
            self.with(|w| w.busy -= 1);
            match ended {
                Ok(()) => self.finish(wake),
                Err(Stop) => self.die(),
            }
        }
    }

    /// A turn is ended from outside before its wake comes back: who drops a wake relies on that of the marker's holder.
    fn begin(&self) {
        self.with(|w| {
            self.epoch.set(w.epoch);
            self.until.set(if w.local { u64::MAX } else { w.now + TURN_MAX });
        });
    }

    /// A wake for what is unfinished, and one for when the markers of the dead process are over.
    fn refill(&self) {
        self.with(|w| {
            let unfinished = w.intents.iter().flatten().any(Intent::is_open) && !w.lacks(Mutant::NoRefillAtStart);
            if w.refilled != w.epoch && unfinished {
                w.wake(w.now);
                if !w.lacks(Mutant::RefillOnce) {
                    w.wake(w.now + LEASE + MARGIN);
                }
            }
            w.refilled = w.epoch;
        });
    }

    fn receive(&self) -> Option<Wake> {
        self.with(|w| {
            let index = w.queue.iter().position(|wake| wake.visible <= w.now)?;
            if w.local || w.lacks(Mutant::WakeDeletedFirst) {
                return Some(w.queue.remove(index));
            }
            let early = w.lacks(Mutant::WakeComesBackEarly);
            w.queue[index].visible = w.now + if early { LEASE } else { VISIBILITY };
            Some(w.queue[index])
        })
    }

    fn finish(&self, wake: Wake) {
        self.with(|w| {
            w.end_tokens(self.number);
            w.queue.retain(|other| other.number != wake.number);
        });
    }

    fn die(&self) {
        self.with(|w| {
            w.lose_tokens(self.number);
            if w.epoch == self.epoch.get() {
                w.die();
            }
        });
    }

    async fn turn(&self) -> Result<(), Stop> {
        let version = self.with(|w| w.version);
        for _ in 0..LOOKS {
            match self.look(version).await? {
                Look::Again if self.lacks(Mutant::NoLookAfterRelease) => return Ok(()),
                Look::Again => {}
                Look::Drop => return Ok(()),
                Look::Rest(next) => {
                    next.inspect(|next| self.with(|w| w.wake(*next)));
                    return Ok(());
                }
            }
        }
        self.with(|w| w.wake(w.now + 1));
        Ok(())
    }

    /// Looks at the conversation, and does the next thing.
    async fn look(&self, version: u32) -> Result<Look, Stop> {
        let lock = self.call(|w| w.lock.clone()).await?;
        let seen = match lock.out {
            None => None,
            Some(out) => match self.find(&out).await? {
                Found::Ended(seen) => Some(seen),
                Found::Live => return Ok(Look::Drop),
                Found::Reclaimed => return Ok(Look::Again),
            },
        };
        let open = self.query().await?;
        match self.choose(&open) {
            Choice::Next(id, intent) => self.proceed(id, &intent, version, seen).await,
            Choice::Rest(next) => {
                next.inspect(|next| self.with(|w| w.check_rest(*next, self.skew)));
                Ok(Look::Rest(next))
            }
        }
    }

    /// Open intents, in order.
    pub async fn query(&self) -> Result<Vec<(Id, Intent)>, Stop> {
        self.call(|w| {
            let all = w.intents.iter().enumerate().filter_map(|(id, intent)| Some((id, intent.clone()?)));
            let mut open: Vec<(Id, Intent)> = all.filter(|(_, intent)| intent.is_open()).collect();
            open.sort_by_key(|(id, intent)| order(*id, intent));
            open
        })
        .await
    }

    /// An intent of somebody who is erased is deleted on sight: its put came after the sweep. It was read before the lock was
    /// seen closed, so it is not one of a customer who has come back.
    pub async fn delete(&self, id: Id, intent: &Intent) -> Result<(), Stop> {
        if self.lacks(Mutant::ClosedRefusesInsteadOfDeletes) {
            self.call(|w| w.end(id, intent.accepted, intent.attempt, State::Refused)).await
        } else {
            self.call(|w| w.intents[id] = None).await
        }
    }

    /// The oldest that is due. Who waits longer than a minute is overtaken.
    pub fn choose(&self, open: &[(Id, Intent)]) -> Choice {
        let now = self.clock();
        let next = open.iter().map(|(_, intent)| intent.due).min();
        if self.lacks(Mutant::OlderDueNotFirst) {
            let due = open.iter().rev().find(|(_, intent)| intent.due <= now);
            return due.map_or(Choice::Rest(next), |(id, intent)| Choice::Next(*id, intent.clone()));
        }
        let blocks = self.lacks(Mutant::WaitingBlocks);
        for (id, intent) in open {
            if intent.due <= now {
                return Choice::Next(*id, intent.clone());
            }
            if intent.due <= now + WAIT_MAX || blocks {
                return Choice::Rest(Some(intent.due));
            }
        }
        Choice::Rest(next)
    }

    /// Policy, version, repeatable requests and rate, which need no marker; then the marker.
    async fn proceed(&self, id: Id, intent: &Intent, version: u32, seen: Option<Seen>) -> Result<Look, Stop> {
        let (part, attempt) = (intent.accepted, intent.attempt);
        if self.clock() > intent.expires && !self.lacks(Mutant::ExpiryIgnored) {
            self.call(|w| w.end(id, part, attempt, State::Expired)).await?;
            return Ok(Look::Again);
        }
        if intent.version != version {
            return self.change_version(id, intent, version).await;
        }
        if intent.draft.upload && intent.uploaded.is_none() {
            return self.upload(id, intent).await;
        }
        let (rate, taken) = self.call(|w| (w.rate, w.tick)).await?;
        if rate > self.clock() {
            return Ok(Look::Rest(Some(rate)));
        }
        self.stand_still().await;
        let ask = self.ask(id, intent, seen);
        match self.call(|w| w.mark(&ask)).await? {
            Answer::Won(marker) => self.send(&marker, intent, taken).await,
            Answer::Taken => Ok(Look::Drop),
            Answer::Closed => self.delete(id, intent).await.map(|()| Look::Again),
            Answer::Wait(until) => Ok(Look::Rest(Some(until))),
            Answer::StaleTurn => self.refuse_for_its_turn(id, intent).await,
            Answer::StaleFence | Answer::Stopped => {
                self.call(|w| w.end(id, part, attempt, State::Refused)).await?;
                Ok(Look::Again)
            }
        }
    }

    fn ask(&self, id: Id, intent: &Intent, seen: Option<Seen>) -> Ask {
        let draft = &intent.draft;
        Ask {
            intent: id,
            part: intent.accepted,
            token: self.with(|w| w.draw(self.number)),
            clock: self.clock(),
            started: intent.started,
            created: intent.created,
            reply: draft.is_automatic_reply().then_some((draft.fence, draft.turn)),
            consent: draft.consent,
            seen,
        }
    }

    async fn refuse_for_its_turn(&self, id: Id, intent: &Intent) -> Result<Look, Stop> {
        self.with(|w| w.check_turn(id, intent));
        self.call(|w| w.end(id, intent.accepted, intent.attempt, State::Refused)).await?;
        Ok(Look::Again)
    }

    /// An attempt that has started nothing that cannot be repeated starts over on the new version.
    async fn change_version(&self, id: Id, intent: &Intent, version: u32) -> Result<Look, Stop> {
        let (part, attempt) = (intent.accepted, intent.attempt);
        if part > 0 && !self.lacks(Mutant::VersionChangeRestartsStarted) {
            self.call(|w| w.end(id, part, attempt, State::Failed)).await?;
            return Ok(Look::Again);
        }
        let keeps = self.lacks(Mutant::VersionChangeKeepsHistory);
        let blind = self.lacks(Mutant::RestartsWithoutTheLock);
        self.call(|w| {
            if w.is_named(id, part) && !blind {
                return false;
            }
            w.change(id, part, attempt, |intent| {
                intent.version = version;
                intent.attempt += 1;
                intent.accepted = 0;
                intent.uploaded = intent.uploaded.filter(|_| keeps);
            })
        })
        .await?;
        Ok(Look::Again)
    }

    /// A request that can be repeated needs no marker. Its record is of this attempt.
    async fn upload(&self, id: Id, intent: &Intent) -> Result<Look, Stop> {
        let wait = self.below(10);
        self.sleep(wait).await;
        let any = self.lacks(Mutant::RecordIgnoresAttempt);
        self.call(|w| {
            let found = w.intents[id].as_mut().filter(|now| now.attempt == intent.attempt || any);
            if let Some(now) = found {
                now.uploaded = Some(intent.version);
            }
        })
        .await?;
        Ok(Look::Again)
    }

    /// Reads the intent of a marker. One whose time is over is ended here.
    async fn find(&self, out: &Marker) -> Result<Found, Stop> {
        let read = self.call(|w| w.intent(out.intent).cloned()).await?;
        let token = out.token;
        let Some(intent) = read else { return Ok(Found::Ended(Seen { token, settled: true, unsent: false })) };
        if !intent.is_open() || intent.accepted != out.part || self.lacks(Mutant::ReplacesUnendedMarker) {
            let known = intent.state != State::Unknown || self.lacks(Mutant::ReclaimForgetsUnsettled);
            let unsent = intent.state == State::Failed && !self.lacks(Mutant::ReleaseKeepsTurn);
            return Ok(Found::Ended(Seen { token, settled: !intent.is_open() && known, unsent }));
        }
        if self.clock() < out.deadline {
            return Ok(Found::Live);
        }
        self.reclaim(out, &intent).await?;
        Ok(Found::Reclaimed)
    }

    /// Ends a marker whose time is over, under a marker of its own: the part starts again if it is repeatable, else it is
    /// unknown.
    async fn reclaim(&self, out: &Marker, intent: &Intent) -> Result<(), Stop> {
        let (id, part) = (out.intent, out.part);
        let clock = self.clock();
        let mut token = out.token;
        if !self.lacks(Mutant::ReclaimWithoutOwnMarker) {
            token = self.with(|w| w.draw(self.number));
            if !self.call(|w| w.take_over_marker(out.token, token, clock)).await? {
                return Ok(());
            }
        }
        if intent.draft.parts[part] || self.lacks(Mutant::ReclaimRepeats) {
            self.start_again(out, intent.attempt, token, clock).await?;
        } else if self.lacks(Mutant::ReclaimWithoutStepCheck) {
            self.call(|w| w.intents[id].as_mut().map(|intent| intent.state = State::Unknown)).await?;
        } else {
            self.call(|w| w.record_end(id, (part, intent.attempt), State::Unknown, Some(out.started))).await?;
        }
        Ok(())
    }

    /// A repeatable part starts again, as a new attempt: who read the old one neither starts nor refuses it. Its event keeps
    /// the time of the first start.
    pub async fn start_again(&self, out: &Marker, attempt: u32, token: usize, due: u64) -> Result<(), Stop> {
        let started = Some(out.started).filter(|_| !self.lacks(Mutant::RestartForgetsStart));
        let rewrites = started.is_none() || self.lacks(Mutant::RestartRewritesStart);
        self.call(|w| {
            w.change(out.intent, out.part, attempt, |intent| {
                intent.started = intent.started.filter(|_| !rewrites).or(started);
                intent.attempt += 1;
                intent.due = due;
            })
        })
        .await?;
        self.call(|w| w.release(token, true)).await
    }
}

pub enum Choice {
    Next(Id, Intent),
    Rest(Option<u64>),
}
