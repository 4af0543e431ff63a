//! Writes of an intent. Each has the condition that the item is there, and that state, part and attempt are as read.

use super::items::{Draft, Event, Id, Intent, State, What, Written};
use super::mutants::Mutant;
use super::world::World;

impl World {
    pub fn intent(&self, id: Id) -> Option<&Intent> {
        self.intents.get(id)?.as_ref()
    }

    /// The API's put, if the item is not there. It is the only one that makes an item.
    pub fn put_intent(&mut self, id: Id, operation: usize, created: u64, draft: &Draft) {
        if self.intents.len() <= id {
            self.intents.resize(id + 1, None);
        }
        if self.intents[id].is_none() {
            let due = created + draft.wait;
            let intent = Intent {
                draft: draft.clone(),
                created,
                due,
                expires: due + draft.life,
                state: State::Pending,
                attempt: 1,
                version: self.version,
                uploaded: None,
                accepted: 0,
                started: None,
                resent: None,
                cancelled: false,
            };
            self.tell(|| format!("intent {id}: {draft:?}"));
            self.facts.posted(id, operation, self.tick, &intent);
            self.intents[id] = Some(intent);
            self.stream.push(Written::Intent(id));
        }
    }

    /// Changes an intent that is open and still waits for the same part of the same attempt.
    pub fn change(&mut self, id: Id, part: usize, attempt: u32, change: impl FnOnce(&mut Intent)) -> bool {
        let found = self.intents.get_mut(id).and_then(Option::as_mut);
        let found = found.filter(|intent| intent.is_open() && (intent.accepted, intent.attempt) == (part, attempt));
        let changed = found.map(change).is_some();
        self.tell_intent(id);
        changed
    }

    /// Whether the marker names a part of an intent that is not recorded.
    pub fn is_named(&self, id: Id, part: usize) -> bool {
        self.lock.out.is_some_and(|out| out.intent == id && out.part == part)
    }

    /// Ends an intent without its marker: a transaction on intent and lock, like a cancel.
    pub fn end(&mut self, id: Id, part: usize, attempt: u32, state: State) {
        if self.is_named(id, part) && !self.lacks(Mutant::EndsWithoutTheLock) {
            return;
        }
        let (refused, forgets) = (self.lacks(Mutant::CutIsRefused), self.lacks(Mutant::StartedIsRefused));
        self.change(id, part, attempt, |intent| {
            intent.started = intent.started.filter(|_| !forgets);
            intent.state = if refused { state } else { intent.stopped_as(state) };
        });
    }

    /// The provider has accepted a part. Also from a worker whose time is over: `unknown` ends as sent or cut.
    pub fn record_accepted(&mut self, id: Id, part: usize) -> bool {
        let (revives, any_part) = (self.lacks(Mutant::LateAnswerRevives), self.lacks(Mutant::RecordIgnoresPart));
        let Some(intent) = self.intents.get_mut(id).and_then(Option::as_mut) else { return false };
        let waits = matches!(intent.state, State::Pending | State::Unknown) && (intent.accepted == part || any_part);
        if waits {
            let late = intent.state == State::Unknown;
            intent.accepted += 1;
            intent.started = None;
            intent.state = match intent.accepted >= intent.draft.parts.len() {
                true => State::Sent,
                false if late && !revives => State::Cut,
                false => State::Pending,
            };
        }
        self.tell_intent(id);
        true
    }

    /// The provider has refused a part, or nothing was heard of it.
    pub fn record_end(&mut self, id: Id, (part, attempt): (usize, u32), state: State, started: Option<u64>) {
        let ignores = self.lacks(Mutant::RejectionIgnoresAttempt);
        let Some(intent) = self.intents.get_mut(id).and_then(Option::as_mut) else { return };
        let any = ignores || !intent.draft.parts[part];
        let waits = intent.is_open() || intent.state == State::Unknown && state != State::Unknown;
        if waits && intent.accepted == part && (intent.attempt == attempt || any) {
            intent.started = started;
            let ended = intent.stopped_as(state);
            intent.state = ended;
            self.tell_intent(id);
            self.facts.ended_unknown(ended, (id, part), self.now);
        }
    }

    fn tell_intent(&mut self, id: Id) {
        let now = self.intent(id).map(|intent| (intent.state, intent.accepted, intent.attempt, intent.due));
        self.tell(|| format!("intent {id} is {now:?}"));
    }

    /// The event of a part. Worker, reclaimer and fold make the same key.
    pub fn put_own_event(&mut self, id: Id, part: usize, started: u64) {
        let received = self.now;
        self.put_event(Event { id: 0, at: started, received, what: What::Own(id, part) });
    }
}
