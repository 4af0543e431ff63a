//! What a worker does while it holds a marker.

use super::items::{Intent, Marker, State, What};
use super::lock::{LEASE, MARGIN, REQUEST_MAX, REQUEST_MIN};
use super::mutants::Mutant;
use super::provider::Outcome;
use super::worker::{Choice, Look};
use super::world::{Actor, Stop};

impl Actor {
    /// Reads again under the marker, looks at the clock, sends, and records.
    pub async fn send(&self, marker: &Marker, intent: &Intent, taken: u64) -> Result<Look, Stop> {
        let renewed = self.clock() + LEASE;
        self.stand_still().await;
        if !self.is_unchanged(marker, intent).await? {
            self.call(|w| w.release(marker.token, false)).await?;
            return Ok(Look::Again);
        }
        let deadline = if self.lacks(Mutant::NewDeadlineInsteadOfWritten) { renewed } else { marker.deadline };
        let Some(time) = self.time_left(deadline) else {
            if self.lacks(Mutant::StopKeepsMarker) {
                return Ok(Look::Drop);
            }
            self.call(|w| w.release(marker.token, false)).await?;
            return Ok(Look::Again);
        };
        let outcome = self.request(marker, intent, taken, (time, deadline)).await;
        self.stand_still().await;
        self.record(marker, intent, outcome).await?;
        Ok(Look::Again)
    }

    /// The consistent read under the marker: the same part of the same attempt is still the next one of the conversation.
    async fn is_unchanged(&self, marker: &Marker, intent: &Intent) -> Result<bool, Stop> {
        if self.lacks(Mutant::NoRereadUnderMarker) {
            return Ok(true);
        }
        let mut open = self.query().await?;
        if self.lacks(Mutant::RereadLooksAtItselfOnly) {
            open.retain(|(id, _)| *id == marker.intent);
        }
        let same = match self.choose(&open) {
            Choice::Next(id, now) => {
                let ignores = self.lacks(Mutant::ExpiryBeforeMarkerOnly) || self.lacks(Mutant::ExpiryIgnored);
                let expired = self.clock() > now.expires && !ignores;
                id == marker.intent && (now.accepted, now.attempt) == (marker.part, intent.attempt) && !expired
            }
            Choice::Rest(_) => false,
        };
        Ok(same && !(self.lacks(Mutant::NewestFiveInsteadOfLock) && self.hears_others().await?))
    }

    /// What an earlier design did: one of the newest five events that is not ours waits for the fold.
    async fn hears_others(&self) -> Result<bool, Stop> {
        self.call(|w| {
            let mut log = w.log.clone();
            log.sort_by_key(|event| std::cmp::Reverse(event.at));
            let waits = |what: What, received: u64| !matches!(what, What::Own(..)) && received > w.head;
            log.iter().take(5).any(|event| waits(event.what, event.received))
        })
        .await
    }

    /// Seconds for the request; none if they are too few.
    fn time_left(&self, deadline: u64) -> Option<u64> {
        let (margin, least) = if self.lacks(Mutant::NoDeadlineMargin) { (0, 1) } else { (MARGIN, REQUEST_MIN) };
        let left = deadline.saturating_sub(margin + self.clock());
        if self.lacks(Mutant::NoDeadlineCheck) {
            return Some(left.clamp(1, REQUEST_MAX));
        }
        (left >= least).then_some(left.min(REQUEST_MAX))
    }

    /// The request, under a timer. A worker that stands still between the timer and the socket for longer than the margin is
    /// the residue.
    async fn request(&self, marker: &Marker, intent: &Intent, taken: u64, (time, deadline): (u64, u64)) -> Outcome {
        let outlives = self.lacks(Mutant::SocketOutlivesWorker);
        let stands = self.below(if outlives { 30 } else { MARGIN });
        self.sleep(stands).await;
        let is_over = self.clock() + MARGIN > deadline && !self.lacks(Mutant::NoDeadlineMargin);
        if is_over && !outlives && !self.lacks(Mutant::NoDeadlineCheck) {
            return Outcome::NotSent { wait: 1, limit: false };
        }
        let outcome = self.leave(marker, marker.part, intent, taken);
        if self.lacks(Mutant::TwoNonRepeatablesInAStep) && marker.part + 1 < intent.draft.parts.len() {
            self.leave(marker, marker.part + 1, intent, taken);
        }
        let wait = self.below(time);
        self.sleep(wait).await;
        outcome
    }

    fn leave(&self, marker: &Marker, part: usize, intent: &Intent, taken: u64) -> Outcome {
        self.with(|w| {
            w.check_start(marker.intent, part, marker.token, intent, taken);
            let outcome = w.process(marker.intent, part, intent.draft.parts[part]);
            w.tell(|| format!("part {part} of {}: {outcome:?}", marker.intent));
            let left = matches!(outcome, Outcome::Accepted | Outcome::Maybe);
            w.has_left(marker.intent, marker.token, intent, left);
            outcome
        })
    }

    async fn record(&self, marker: &Marker, intent: &Intent, outcome: Outcome) -> Result<(), Stop> {
        let (id, part) = (marker.intent, marker.part);
        let repeats = self.lacks(Mutant::RepeatsAfterTimeout);
        match outcome {
            Outcome::Accepted => self.record_accepted(marker, intent).await,
            Outcome::Rejected => {
                self.call(|w| w.record_end(id, (part, intent.attempt), State::Failed, None)).await?;
                self.call(|w| w.release(marker.token, false)).await
            }
            Outcome::NotSent { wait, limit } => self.wait(marker, intent, wait, limit).await,
            Outcome::Maybe if repeats => self.wait(marker, intent, 5, false).await,
            Outcome::Maybe if intent.draft.parts[part] => {
                let due = self.clock() + 5;
                self.start_again(marker, intent.attempt, marker.token, due).await
            }
            Outcome::Maybe => {
                self.call(|w| w.record_end(id, (part, intent.attempt), State::Unknown, Some(marker.started))).await
            }
        }
    }

    /// The event first, then the record: whoever finds the marker past its deadline finds the event.
    async fn record_accepted(&self, marker: &Marker, intent: &Intent) -> Result<(), Stop> {
        let (id, part) = (marker.intent, marker.part);
        let record_first = self.lacks(Mutant::RecordBeforeEvent);
        let at = if self.lacks(Mutant::EventKeyFromAnswerTime) { self.clock() } else { marker.started };
        if !record_first {
            self.call(|w| w.put_own_event(id, part, at)).await?;
        }
        let upserts = self.lacks(Mutant::RecordUpserts);
        let is_there = self.call(|w| {
            if upserts && w.intents[id].is_none() {
                w.intents[id] = Some(intent.clone());
            }
            w.record_accepted(id, part)
        });
        if is_there.await? && record_first {
            self.call(|w| w.put_own_event(id, part, at)).await?;
        }
        Ok(())
    }

    /// Nothing happened: the intent waits, the marker is released, and all workers hear of a limit.
    async fn wait(&self, marker: &Marker, intent: &Intent, wait: u64, limit: bool) -> Result<(), Stop> {
        let until = self.clock() + wait;
        if limit {
            let forgets = self.lacks(Mutant::LimitIsForgotten);
            self.call(|w| w.rate = if forgets { w.rate } else { w.rate.max(until) }).await?;
            self.with(|w| w.facts.limits.push((w.tick, until)));
        }
        self.call(|w| w.change(marker.intent, marker.part, intent.attempt, |intent| intent.due = until)).await?;
        self.call(|w| w.release(marker.token, false)).await
    }
}
