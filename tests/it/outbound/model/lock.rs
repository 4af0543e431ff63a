//! The lock: every write of it is one conditional update.

use super::check::Token;
use super::items::{Answered, Event, FENCE, Holder, Id, Lock, MOVED_MAX, Marker, What};
use super::mutants::Mutant;
use super::world::World;

/// Seconds that a marker is honoured.
pub const LEASE: u64 = 20;
/// Seconds before the deadline at which the socket is closed: more than two clocks differ.
pub const MARGIN: u64 = 2;
/// Seconds that a request gets at least.
pub const REQUEST_MIN: u64 = 3;
/// Seconds that a request gets at most.
pub const REQUEST_MAX: u64 = 15;
/// Seconds between two starts in one conversation.
pub const PAIR: u64 = 6;

/// A marker that somebody wants to write. All of it is fixed before the first attempt of the call.
#[derive(Clone, Debug)]
pub struct Ask {
    pub intent: Id,
    pub part: usize,
    pub token: usize,
    pub clock: u64,
    /// When the part was first started, if the intent says so.
    pub started: Option<u64>,
    pub created: u64,
    /// Of a bot's reply: fence and turn.
    pub reply: Option<(u64, u64)>,
    pub consent: bool,
    /// The marker that was read as ended.
    pub seen: Option<Seen>,
}

/// A marker that can be replaced.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub token: usize,
    /// Its intent has ended, and is not unknown.
    pub settled: bool,
    /// Nothing of its intent has left.
    pub unsent: bool,
}

/// What the lock answers. A failed condition returns the item as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Won(Marker),
    /// Somebody else's marker is there.
    Taken,
    Closed,
    Wait(u64),
    StaleFence,
    StaleTurn,
    Stopped,
}

impl World {
    pub fn mark(&mut self, ask: &Ask) -> Answer {
        if let Some(own) = self.lock.out.filter(|out| out.token == ask.token)
            && !self.lacks(Mutant::OwnTokenIsForeign)
        {
            return Answer::Won(own);
        }
        if let Some(refusal) = self.against(ask) {
            return refusal;
        }
        let marker = Marker {
            intent: ask.intent,
            part: ask.part,
            token: ask.token,
            deadline: ask.clock + LEASE,
            started: ask.started.unwrap_or(ask.clock),
            before: self.answered(ask),
        };
        self.tell(|| format!("{marker:?}"));
        self.facts.marked(self.tick, &marker, ask);
        self.settle_replaced(ask);
        let lock = &mut self.lock;
        lock.answered = marker.before;
        if let Some((_, turn)) = ask.reply {
            lock.answered = Answered { turn, by: Some(ask.intent) };
            lock.controller = Holder::Bot;
        }
        lock.next_at = ask.clock + PAIR;
        lock.out = Some(marker);
        Answer::Won(marker)
    }

    /// Which condition of the marker fails.
    fn against(&self, ask: &Ask) -> Option<Answer> {
        let lock = &self.lock;
        let closed = lock.closed || ask.created <= lock.era;
        if closed && !self.lacks(Mutant::MarkerIgnoresClosed) {
            return Some(Answer::Closed);
        }
        let seen = |out: Marker| ask.seen.is_some_and(|seen| seen.token == out.token);
        let replaces_any = self.lacks(Mutant::ReplacesUnseenMarker) && ask.seen.is_some();
        let ignores = self.lacks(Mutant::MarkerIgnoresLiveMarker) || replaces_any;
        if lock.out.is_some_and(|out| !seen(out)) && !ignores {
            return Some(Answer::Taken);
        }
        if lock.next_at > ask.clock && !self.lacks(Mutant::MarkerIgnoresPairRate) {
            return Some(Answer::Wait(lock.next_at));
        }
        if ask.consent && lock.stopped && !self.lacks(Mutant::MarkerIgnoresStop) {
            return Some(Answer::Stopped);
        }
        ask.reply.and_then(|(fence, turn)| self.against_reply(ask, fence, turn))
    }

    /// The answered turn, after what is replaced has given its own back.
    fn answered(&self, ask: &Ask) -> Answered {
        let unsent = self.lock.out.filter(|_| ask.seen.is_some_and(|seen| seen.unsent));
        let unsent = unsent.filter(|out| self.lock.answered.by == Some(out.intent));
        unsent.map_or(self.lock.answered, |out| out.before)
    }

    fn against_reply(&self, ask: &Ask, fence: u64, turn: u64) -> Option<Answer> {
        let lock = &self.lock;
        let is_stale = lock.fence != fence || lock.controller != Holder::Bot;
        if is_stale && !self.lacks(Mutant::MarkerIgnoresFence) {
            return Some(Answer::StaleFence);
        }
        let last = self.answered(ask);
        let by_itself = last.by == Some(ask.intent) && !self.lacks(Mutant::TurnWithoutItsIntent);
        let answered = last.turn >= turn && !by_itself;
        (answered && !self.lacks(Mutant::MarkerIgnoresTurn)).then_some(Answer::StaleTurn)
    }

    /// The next starter takes off what has ended and is not unknown.
    fn settle_replaced(&mut self, ask: &Ask) {
        if let Some(out) = self.lock.out.filter(|_| ask.seen.is_some_and(|seen| seen.settled)) {
            self.lock.unsettled.retain(|id| *id != out.intent);
        }
        if !self.lock.unsettled.contains(&ask.intent) {
            self.lock.unsettled.push(ask.intent);
        }
    }

    /// Takes a marker off, if it is still this token's. `left` says whether a request may have left under it.
    pub fn release(&mut self, token: usize, left: bool) {
        self.tell(|| format!("token {token} released; may have left: {left}"));
        self.facts.tokens[token].ended = true;
        let Some(out) = self.lock.out.filter(|out| out.token == token) else { return };
        self.lock.out = None;
        if !left && self.lock.answered.by == Some(out.intent) && !self.lacks(Mutant::ReleaseKeepsTurn) {
            self.lock.answered = out.before;
        }
    }

    /// Puts the own token in the place of one whose time is over, so that its worker can neither release it nor let
    /// another start.
    pub fn take_over_marker(&mut self, seen: usize, token: usize, clock: u64) -> bool {
        let Some(out) = self.lock.out else { return false };
        if out.token == token {
            return true;
        }
        if out.token != seen {
            return false;
        }
        let tick = self.tick;
        let mine = Marker { token, deadline: clock + LEASE, ..out };
        let owner = self.facts.tokens[token].owner;
        let part = (out.intent, out.part);
        self.facts.tokens[token] = Token { part, tick, deadline: mine.deadline, clock, owner, ..Token::default() };
        self.tell(|| format!("token {seen} is reclaimed by {token}"));
        self.facts.overdue(seen, self.now);
        self.lock.out = Some(mine);
        true
    }

    /// Control moves in the order in which the lock is written, once for each event.
    pub fn move_control(&mut self, key: u64, to: Holder) -> Option<Marker> {
        let kept = if self.lacks(Mutant::OneControlKey) { 1 } else { MOVED_MAX };
        if !self.lock.moved.contains(&key) || self.lacks(Mutant::FoldMovesAgain) {
            self.tell(|| format!("control {key}: {to:?}"));
            self.facts.moved(self.tick, key, to);
            let lock = &mut self.lock;
            lock.fence += 1;
            lock.controller = to;
            lock.moved.push(key);
            let surplus = lock.moved.len().saturating_sub(kept);
            lock.moved.drain(..surplus);
        }
        self.lock.out
    }

    /// The erasure's first step, once for each erasure. The fence stays, and what the customer said about stopping.
    pub fn close(&mut self, erasure: u64) {
        if self.lock.closed_by != erasure || self.lacks(Mutant::ErasureClosesAgain) {
            self.tell(|| "the erasure closes the lock".to_owned());
            self.facts.closed.push(self.tick);
            self.lock.closed = !self.lacks(Mutant::ErasureLeavesLockOpen);
            self.lock.closing = true;
            self.lock.closed_by = erasure;
        }
    }

    /// The erasure's second step: its instant, drawn after the first was answered.
    pub fn date(&mut self, erasure: u64, era: u64) {
        if self.lock.closing {
            self.tell(|| format!("the erasure is of {era} s"));
            self.lock.closing = false;
            self.lock.era = self.lock.era.max(era);
            self.facts.dated(erasure, self.lock.era);
        }
    }

    /// The customer's own words open it again.
    pub fn open(&mut self, at: u64) {
        if self.lock.closed && self.lacks(Mutant::FenceRecomputedAfterErasure) {
            let old = &self.lock;
            self.lock = Lock {
                fence: FENCE,
                era: old.era,
                closed_by: old.closed_by,
                stopped: old.stopped,
                out: old.out,
                ..Lock::default()
            };
        }
        self.lock.closed = false;
        self.heard = self.heard.max(at);
    }

    /// Whether a marker of an intent that is to go is live. An intent's id says when it was made.
    pub fn is_under_way(&self) -> bool {
        let is_old = |id: Id| self.facts.created(id) <= self.lock.era;
        self.lock.out.is_some_and(|out| is_old(out.intent) && self.now <= out.deadline)
    }

    pub fn old_intents(&self) -> Vec<Id> {
        let all = self.intents.iter().enumerate().filter_map(|(id, intent)| Some((id, intent.as_ref()?)));
        all.filter(|(_, intent)| intent.created <= self.lock.era).map(|(id, _)| id).collect()
    }

    pub fn old_events(&self) -> Vec<Event> {
        let is_old = |event: &&Event| match event.what {
            What::Own(id, _) | What::Status(id, _) | What::Echo(id, _) => self.facts.created(id) <= self.lock.era,
            _ => event.at <= self.lock.era,
        };
        self.log.iter().filter(is_old).copied().collect()
    }
}
