//! The promises, checked at every step and at the end.

use super::items::{Event, Holder, Id, Intent, Marker, State, What};
use super::lock::{Ask, PAIR};
use super::world::World;

/// What became of a marker. The protocol does not know it.
#[derive(Clone, Debug, Default)]
pub struct Token {
    pub part: (Id, usize),
    /// When it was written; 0: never.
    pub tick: u64,
    pub deadline: u64,
    pub clock: u64,
    /// Its request may have left.
    pub left: bool,
    /// Its worker died.
    pub lost: bool,
    /// Its worker is done with it.
    pub ended: bool,
    pub owner: usize,
}

/// A move of control: when the lock was written, and when it was answered.
#[derive(Clone, Copy, Debug)]
struct Move {
    key: u64,
    lock: Option<u64>,
    answered: Option<u64>,
    to: Holder,
}

#[derive(Default)]
pub struct Facts {
    pub wrong: Option<String>,
    pub tokens: Vec<Token>,
    moves: Vec<Move>,
    /// Ticks at which a stop was acknowledged.
    pub stops: Vec<u64>,
    pub closed: Vec<u64>,
    pub erased: Vec<u64>,
    /// Intents whose cancel was confirmed, and when.
    pub cancelled: Vec<(Id, u64)>,
    /// Which request of a client made which intent.
    posted: Vec<(usize, Id, u64)>,
    created: Vec<(Id, u64)>,
    /// Bots' replies, by turn.
    turns: Vec<(Id, u64)>,
    /// Bots' replies of which a request left: turn and intent.
    answered: Vec<(u64, Id)>,
    /// When the fold was told about a limit: from which tick, until when.
    pub limits: Vec<(u64, u64)>,
    starts: Vec<u64>,
    /// Parts whose status was acknowledged.
    pub settled: Vec<(Id, usize)>,
    /// The customer's words that were acknowledged, and the instant up to which an erasure may take them.
    pub words: Vec<Event>,
    era: u64,
    erasure: u64,
    /// What was sent at all, to see that enough happens.
    pub left: u64,
    pub fence: u64,
}

impl Facts {
    pub fn fail(&mut self, why: String) {
        self.wrong.get_or_insert(why);
    }

    pub fn marked(&mut self, tick: u64, marker: &Marker, ask: &Ask) {
        let owner = self.tokens[marker.token].owner;
        let part = (marker.intent, marker.part);
        self.tokens[marker.token] =
            Token { part, tick, deadline: marker.deadline, clock: ask.clock, owner, ..Token::default() };
    }

    pub fn posted(&mut self, id: Id, operation: usize, tick: u64, intent: &Intent) {
        self.created.push((id, intent.created));
        if intent.draft.is_automatic_reply() {
            self.turns.push((id, intent.draft.turn));
        }
        if self.posted.iter().any(|(old, other, _)| *old == operation && *other != id) {
            self.fail(format!("request {operation} made two intents"));
        }
        self.posted.push((operation, id, tick));
    }

    /// An erasure has its instant, once.
    pub fn dated(&mut self, erasure: u64, era: u64) {
        if self.erasure != erasure {
            (self.erasure, self.era) = (erasure, era);
        }
    }

    /// A webhook was answered 200.
    pub fn acknowledged(&mut self, tick: u64, event: Event) {
        match event.what {
            What::Foreign => self.answered(tick, event.id, Holder::Agent),
            What::Stop => self.stops.push(tick),
            What::Status(id, part) => self.settled.push((id, part)),
            _ => {}
        }
        if matches!(event.what, What::Customer | What::Stop) {
            self.words.push(event);
        }
    }

    /// The time in an intent's id.
    pub fn created(&self, id: Id) -> u64 {
        self.created.iter().find(|(other, _)| *other == id).map_or(0, |(_, created)| *created)
    }

    fn was_posted(&self, id: Id, before: u64) -> bool {
        self.posted.iter().rev().find(|(_, other, _)| *other == id).is_some_and(|(_, _, tick)| *tick < before)
    }

    /// The lock has moved for an event.
    pub fn moved(&mut self, tick: u64, key: u64, to: Holder) {
        let found = self.moves.iter().position(|old| old.key == key);
        match found.map(|index| &mut self.moves[index]) {
            Some(old) if old.lock.is_some() => self.fail(format!("control event {key} moved the fence twice")),
            Some(old) => old.lock = Some(tick),
            None => self.moves.push(Move { key, lock: Some(tick), answered: None, to }),
        }
    }

    /// A command was answered, or an echo acknowledged.
    pub fn answered(&mut self, tick: u64, key: u64, to: Holder) {
        match self.moves.iter_mut().find(|old| old.key == key) {
            Some(old) => old.answered = old.answered.or(Some(tick)),
            None => self.moves.push(Move { key, lock: None, answered: Some(tick), to }),
        }
    }

    /// A marker's time is over while its worker still has it.
    pub fn overdue(&mut self, token: usize, now: u64) {
        let token = &mut self.tokens[token];
        token.lost |= !token.ended && now + 1 >= token.deadline;
    }

    /// Whether a marker is one after which a request may reach the provider.
    fn excuses(token: &Token, part: (Id, usize), now: u64) -> bool {
        let is_its = token.part == part && token.tick > 0;
        is_its && (token.left || token.lost || !token.ended && now + 1 >= token.deadline)
    }

    pub fn ended_unknown(&mut self, state: State, part: (Id, usize), now: u64) {
        let excused = self.tokens.iter().any(|token| Self::excuses(token, part, now));
        if state == State::Unknown && !excused {
            self.fail(format!("{part:?} is unknown although nothing can have left"));
        }
    }

    /// A reply is refused because its turn is answered: then another request must have answered it, or may have.
    pub fn refused_by_turn(&mut self, id: Id, turn: u64, now: u64) {
        let may = |other: Id| {
            let mut its = self.tokens.iter().filter(|token| token.part.0 == other);
            its.any(|token| !token.ended || Self::excuses(token, token.part, now))
        };
        let answered = self.turns.iter().any(|(other, its)| *other != id && *its >= turn && may(*other));
        if !answered {
            self.fail(format!("{id} is refused for its turn, which nobody has answered"));
        }
    }

    fn against_takeover(&self, marked: u64, read: u64) -> bool {
        let before = |tick: Option<u64>| tick.is_some_and(|tick| tick < marked);
        let order = |moved: &Move| moved.lock.into_iter().chain(moved.answered).min();
        let last = self.moves.iter().filter(|moved| before(order(moved))).max_by_key(|moved| order(moved));
        let taken = last.is_some_and(|last| last.to == Holder::Agent && before(last.answered));
        let moved = |moved: &Move| before(moved.answered) && order(moved).is_some_and(|tick| tick > read);
        taken || self.moves.iter().any(moved)
    }
}

/// The order in which intents of one conversation leave.
pub fn order(id: Id, intent: &Intent) -> (u64, Id) {
    (intent.created + intent.draft.wait, id)
}

impl World {
    pub fn fail(&mut self, why: String) {
        self.facts.fail(why);
    }

    /// A request that cannot be repeated leaves under a marker. Everything was decided when the marker was written.
    pub fn check_start(&mut self, id: Id, part: usize, token: usize, intent: &Intent, taken: u64) {
        let marked = self.facts.tokens[token].clone();
        self.facts.tokens[token].left = true;
        self.facts.left += 1;
        let after = |ticks: &[u64]| ticks.iter().any(|tick| *tick < marked.tick);
        let draft = &intent.draft;
        let reply = draft.is_automatic_reply();
        let repeated = draft.parts[part] && self.provider.ledger.contains(&(id, part));
        let mistakes = [
            (marked.part != (id, part), "left without a marker of its own"),
            (self.now + 1 >= marked.deadline, "left after its deadline"),
            (after(&self.facts.closed) && draft.asked < self.facts.closed[0], "was asked for before the erasure"),
            (after(&self.facts.closed) && intent.created <= self.lock.era, "started after the erasure closed the lock"),
            (!self.facts.erased.is_empty() && intent.created <= self.lock.era, "left after the erasure was done"),
            (draft.consent && after(&self.facts.stops), "started after a stop was acknowledged"),
            (reply && self.facts.against_takeover(marked.tick, draft.read), "started after a takeover"),
            (
                self.facts.cancelled.iter().any(|(old, _)| *old == id) && !repeated,
                "left after its cancel was confirmed",
            ),
            (reply && self.is_answered(id, draft.turn), "answers a turn that was answered"),
            (self.is_overtaking(id, intent, &marked), "left before an older one that was due"),
            (intent.expires + 20 < self.now, "left after it had expired"),
            (self.is_too_soon(marked.clock), "started too soon after another"),
            (self.is_limited(taken), "took its turn after a limit was written"),
            (intent.uploaded.is_some_and(|by| by != intent.version), "refers to an upload of another version"),
        ];
        for (_, why) in mistakes.iter().filter(|(wrong, _)| *wrong) {
            self.fail(format!("part {part} of {id} {why}"));
        }
        self.facts.starts.push(marked.clock);
    }

    /// A reply is refused because its turn is answered.
    pub fn check_turn(&mut self, id: Id, intent: &Intent) {
        self.facts.refused_by_turn(id, intent.draft.turn, self.now);
    }

    fn is_answered(&self, id: Id, turn: u64) -> bool {
        self.facts.answered.iter().any(|(answered, by)| *answered >= turn && *by != id)
    }

    /// Whether one that comes before it was due when the marker was written, and still is not done.
    fn is_overtaking(&self, id: Id, intent: &Intent, marked: &Token) -> bool {
        let place = order(id, intent);
        let all = self.intents.iter().enumerate().filter_map(|(id, intent)| Some((id, intent.as_ref()?)));
        let mut older = all.filter(|(id, older)| order(*id, older) < place && older.is_open());
        older.any(|(id, older)| {
            older.created > self.lock.era && older.due + 2 <= marked.clock && self.facts.was_posted(id, marked.tick)
        })
    }

    /// A worker rests: nothing that is due may wait behind one that waits for long.
    pub fn check_rest(&mut self, until: u64, skew: u64) {
        let now = self.now + skew;
        let due = self.intents.iter().flatten().any(|intent| intent.is_open() && intent.due <= now);
        if due && until > now + 60 {
            self.fail("an intent that is due waits behind one that waits for long".to_owned());
        }
    }

    /// A request reached the provider, or may have.
    pub fn has_left(&mut self, id: Id, token: usize, intent: &Intent, left: bool) {
        self.facts.tokens[token].left = left;
        if left && intent.draft.is_automatic_reply() {
            self.facts.answered.push((intent.draft.turn, id));
        }
    }

    fn is_too_soon(&self, clock: u64) -> bool {
        self.facts.starts.iter().any(|start| start.abs_diff(clock) + 1 < PAIR)
    }

    fn is_limited(&self, taken: u64) -> bool {
        self.facts.limits.iter().any(|(tick, until)| *tick < taken && self.now + 1 < *until)
    }

    /// After every step.
    pub fn check_step(&mut self) {
        if self.lock.fence < self.facts.fence {
            self.fail("the fence went back".to_owned());
        }
        self.facts.fence = self.lock.fence;
    }

    /// When everything has come to rest.
    pub fn check_end(&mut self) {
        for id in 0..self.intents.len() {
            if let Some(intent) = self.intents[id].clone() {
                self.check_ended(id, &intent);
            }
        }
        self.check_log();
        self.check_erased();
    }

    fn check_ended(&mut self, id: Id, intent: &Intent) {
        let parts = intent.draft.parts.len();
        let done: Vec<usize> = (0..parts).filter(|part| self.provider.ledger.contains(&(id, *part))).collect();
        let reported = self.facts.settled.contains(&(id, intent.accepted));
        let cancelled = self.facts.cancelled.iter().any(|(old, _)| *old == id);
        let told = self.log.iter().any(|event| event.what == What::Own(id, intent.accepted));
        let wrong = match intent.state {
            State::Pending => Some("never ended"),
            State::Sent if done.len() != parts => Some("is sent, but not all of it was"),
            State::Cut if intent.accepted == 0 || intent.accepted >= parts => Some("is cut, but not between two parts"),
            State::Cut if done.len() != intent.accepted => Some("is cut at another part"),
            State::Refused | State::Failed | State::Cancelled | State::Expired if !done.is_empty() => {
                Some("was not to be sent, and was")
            }
            State::Unknown if reported => Some("is unknown though its status came"),
            State::Unknown if told => Some("is unknown though its event is on the timeline"),
            _ if cancelled && !matches!(intent.state, State::Cancelled | State::Cut) => {
                Some("was cancelled, and is not")
            }
            _ => None,
        };
        if let Some(why) = wrong {
            self.fail(format!("{id} {why}: {intent:?}"));
        }
        for part in 0..parts {
            let events = self.log.iter().filter(|event| event.what == What::Own(id, part)).count();
            if events != usize::from(part < intent.accepted) {
                self.fail(format!("part {part} of {id} has {events} events: {intent:?}"));
            }
        }
    }

    fn check_log(&mut self) {
        let has = |word: &Event| self.log.iter().any(|event| event.id == word.id && event.what == word.what);
        let lost = |word: &&Event| word.at > self.facts.era && !has(word);
        if let Some(event) = self.facts.words.iter().find(lost) {
            self.fail(format!("the customer's words are lost: {event:?}"));
        }
        let is_control = |what: What| matches!(what, What::Foreign | What::Command(_));
        let moves = |key: u64| self.facts.moves.iter().any(|moved| moved.key == key && moved.lock.is_some());
        if self.log.iter().any(|event| is_control(event.what) && !moves(event.id)) {
            self.fail("a control event never moved the lock".to_owned());
        }
        let is_echo = |what: What| matches!(what, What::Echo(..));
        if self.log.iter().any(|event| is_echo(event.what)) {
            self.fail("our own echo is a message".to_owned());
        }
    }

    /// What is left of somebody who was erased: the lock, and what was said later.
    fn check_erased(&mut self) {
        if self.facts.erased.is_empty() {
            return;
        }
        let era = self.lock.era;
        let gone = |id: Id| self.intent(id).is_none();
        let event = self.log.iter().find(|event| match event.what {
            What::Own(id, _) | What::Status(id, _) | What::Echo(id, _) => gone(id),
            _ => event.at <= era,
        });
        let spoke = |what: What| matches!(what, What::Customer | What::Stop);
        let came_back = self.log.iter().any(|event| spoke(event.what) && event.at > era);
        let old = self.intents.iter().flatten().any(|intent| intent.created <= era || !came_back);
        let mistakes = [
            (old, "an intent is left after the erasure".to_owned()),
            (event.is_some(), format!("an event is left after the erasure: {event:?}")),
            (self.heard > era && !came_back, "the erased endpoint is known again".to_owned()),
        ];
        for (_, why) in mistakes.into_iter().filter(|(wrong, _)| *wrong) {
            self.fail(why);
        }
    }

    /// A worker's turn ended early.
    pub fn lose_tokens(&mut self, owner: usize) {
        for token in self.facts.tokens.iter_mut().filter(|token| token.owner == owner && !token.ended) {
            token.lost = true;
        }
    }

    /// A worker's turn is over, and it holds nothing.
    pub fn end_tokens(&mut self, owner: usize) {
        for token in self.facts.tokens.iter_mut().filter(|token| token.owner == owner) {
            token.ended = true;
        }
    }

    pub fn draw(&mut self, owner: usize) -> usize {
        self.facts.tokens.push(Token { owner, ..Token::default() });
        self.facts.tokens.len() - 1
    }
}
