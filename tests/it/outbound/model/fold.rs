//! The fold: it follows the stream, repeats what an API or a webhook may have left undone, and settles what is unknown.

use super::items::{Author, Event, Holder, Id, Kind, State, What, Written};
use super::mutants::Mutant;
use super::world::{Actor, Stop, World};

/// Looks for the marker or the record that says when a part was started. Between two reads it may move.
const LOOKS: usize = 5;

impl Actor {
    /// The stream is read at least once: its position moves after the work.
    pub async fn fold(self) {
        loop {
            self.epoch.set(self.with(|w| w.epoch));
            let Some(written) = self.with(|w| w.stream.get(w.folded).copied()) else {
                self.sleep(3).await;
                continue;
            };
            let lag = self.below(4);
            self.sleep(lag).await;
            if self.fold_one(written).await.is_ok() {
                self.with(|w| w.folded += 1);
            }
        }
    }

    async fn fold_one(&self, written: Written) -> Result<(), Stop> {
        match written {
            Written::Intent(id) => self.fold_intent(id).await,
            Written::Event(event) => {
                self.fold_event(event).await?;
                self.call(|w| w.head = w.head.max(event.received)).await
            }
        }
    }

    /// The net under the API: a wake, and the takeover by an agent's reply.
    async fn fold_intent(&self, id: Id) -> Result<(), Stop> {
        let read = self.call(|w| w.intent(id).cloned()).await?;
        let Some(intent) = read else { return Ok(()) };
        if intent.draft.author == Author::Agent && intent.draft.kind == Kind::Reply {
            self.repeat_control(control_of(id), Holder::Agent).await?;
        }
        if self.call(|w| w.lock.closed || intent.created <= w.lock.era).await? {
            return self.delete(id, &intent).await;
        }
        if !self.lacks(Mutant::WakeWithoutNet) {
            self.call(|w| w.wake(intent.due)).await?;
        }
        Ok(())
    }

    async fn fold_event(&self, event: Event) -> Result<(), Stop> {
        match event.what {
            What::Customer | What::Stop => self.fold_words(event).await,
            What::Foreign => self.repeat_control(event.id, Holder::Agent).await,
            What::Command(to) => self.repeat_control(event.id, to).await,
            What::Own(id, part) => self.fold_own(id, part, event).await,
            What::Status(id, part) => self.fold_status(id, part, event).await,
            What::Echo(..) => self.repeat_control(event.id, Holder::Agent).await,
        }?;
        self.call(|w| w.drop_if_old(event)).await
    }

    /// Only the customer's own words make an erased endpoint known again.
    async fn fold_words(&self, event: Event) -> Result<(), Stop> {
        let is_new = self.call(|w| {
            let is_new = event.at > w.lock.era && !w.lock.closing;
            if is_new {
                w.open(event.at);
                w.lock.stopped |= event.what == What::Stop;
            }
            is_new
        });
        if !is_new.await? {
            return if self.call(|w| w.lock.closing).await? { Err(Stop) } else { Ok(()) };
        }
        let copies = 1 + usize::from(self.chance(15));
        let answers = event.what == What::Customer;
        self.with(|w| (0..copies).filter(|_| answers).for_each(|_| w.turns.push_back(event.id)));
        Ok(())
    }

    async fn repeat_control(&self, key: u64, to: Holder) -> Result<(), Stop> {
        if self.lacks(Mutant::FoldLeavesControl) {
            return Ok(());
        }
        self.call(|w| w.move_control(key, to)).await.map(|_| ())
    }

    async fn fold_status(&self, id: Id, part: usize, event: Event) -> Result<(), Stop> {
        if self.lacks(Mutant::StatusRevivesEndpoint) {
            self.call(|w| w.open(event.at)).await?;
        }
        if self.call(|w| w.drop_if_erased(id, event)).await? { Ok(()) } else { self.settle(id, part).await }
    }

    /// An event of ours settles its intent: its worker may have died before the record.
    async fn fold_own(&self, id: Id, part: usize, event: Event) -> Result<(), Stop> {
        let stays = self.lacks(Mutant::LateEventStays);
        let is_erased = !stays && self.call(|w| w.drop_if_erased(id, event)).await?;
        if is_erased || self.lacks(Mutant::OwnEventSettlesNothing) { Ok(()) } else { self.settle(id, part).await }
    }

    /// The provider's own word settles what is unknown, and what is under way: its worker may die.
    async fn settle(&self, id: Id, part: usize) -> Result<(), Stop> {
        if !self.call(|w| w.lock.unsettled.contains(&id)).await? {
            return Ok(());
        }
        for _ in 0..LOOKS {
            let read = self.call(|w| w.intent(id).cloned()).await?;
            let Some(intent) = read.filter(|intent| intent.accepted == part) else { return Ok(()) };
            let only_unknown = self.lacks(Mutant::StatusSettlesOnlyUnknown);
            if intent.state != State::Unknown && (!intent.is_open() || only_unknown) {
                return Ok(());
            }
            let out = self.call(|w| w.lock.out).await?;
            let marker = out.filter(|out| (out.intent, out.part) == (id, part)).map(|out| out.started);
            if let Some(started) = intent.started.or(marker) {
                return self.settle_started(id, part, started).await;
            }
        }
        Err(Stop)
    }

    async fn settle_started(&self, id: Id, part: usize, started: u64) -> Result<(), Stop> {
        let now = self.clock();
        let at = if self.lacks(Mutant::EventKeyFromAnswerTime) { now } else { started };
        self.call(|w| w.put_own_event(id, part, at)).await?;
        self.call(|w| w.record_accepted(id, part)).await?;
        Ok(())
    }
}

impl World {
    /// A report about an intent that an erasure has deleted, or an event of it, goes as well. The reference says when the
    /// intent was made; the item itself may be back for a moment.
    fn drop_if_erased(&mut self, id: Id, event: Event) -> bool {
        let is_old = self.facts.created(id) <= self.lock.era && !self.lacks(Mutant::ErasedByAbsence);
        let is_erased = is_old || self.intent(id).is_none();
        if is_erased {
            self.log.retain(|other| *other != event);
        }
        is_erased
    }

    /// What was said before the erasure goes, whenever it comes.
    fn drop_if_old(&mut self, event: Event) {
        if event.at <= self.lock.era && !matches!(event.what, What::Own(..) | What::Status(..)) {
            self.log.retain(|other| *other != event);
        }
    }
}

/// The key of the takeover by an agent's reply.
pub fn control_of(id: Id) -> u64 {
    1_000_000 + id as u64
}
