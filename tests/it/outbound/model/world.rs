//! The world of one run: the table, the clock, chance, and what the checks have to know.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use super::check::Facts;
use super::items::{Event, Id, Intent, Lock, Written};
use super::mutants::Mutant;
use super::provider::Provider;

/// A small generator (SplitMix64, Steele 2014), so that a seed in a failure repeats it.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// A message of the wake queue. It names the conversation, of which a run has one.
#[derive(Clone, Copy, Debug)]
pub struct Wake {
    pub number: u64,
    pub visible: u64,
}

pub struct World {
    pub random: Random,
    pub without: Option<Mutant>,
    /// Seconds.
    pub now: u64,
    /// Steps so far. What came before what is judged by it, because much happens in one second.
    pub tick: u64,
    /// Nothing fails any more.
    pub calm: bool,
    /// Of a thousand calls: how many fail, in each of five ways.
    pub trouble: u64,
    /// Of a hundred parts: how many can be repeated.
    pub repeatable: u64,
    /// One process with a channel, in the place of many with a queue.
    pub local: bool,
    /// Starts of that process.
    pub epoch: u64,
    pub refilled: u64,
    // The table.
    pub intents: Vec<Option<Intent>>,
    /// By request of a client: the intent and the time in its id.
    pub claims: Vec<(usize, (Id, u64))>,
    pub ids: usize,
    pub operations: usize,
    pub lock: Lock,
    pub log: Vec<Event>,
    /// The newest time of the customer's words. An endpoint is known if they are newer than its erasure.
    pub heard: u64,
    /// The rate item of the connection: no start before.
    pub rate: u64,
    // The stream, and how far the fold is.
    pub stream: Vec<Written>,
    pub folded: usize,
    /// The newest time of receipt that the fold has seen; of one mutant alone.
    pub head: u64,
    pub queue: Vec<Wake>,
    pub numbers: u64,
    /// Turns for the bot: the customer's messages.
    pub turns: VecDeque<u64>,
    pub version: u32,
    /// Actors that are in the middle of something.
    pub busy: usize,
    pub provider: Provider,
    pub facts: Facts,
    /// What happened, for whoever reads a failure.
    pub story: Option<Vec<String>>,
    /// When the task that runs wants to go on.
    pub sleep: u64,
}

impl World {
    pub fn new(seed: u64, without: Option<Mutant>) -> Self {
        let mut random = Random::new(seed);
        Self {
            trouble: if without.is_some_and(Mutant::has_trouble) {
                24
            } else {
                [0, 8, 16, 24][random.below(4) as usize]
            },
            repeatable: [if without.is_some_and(Mutant::is_of_repeatables) { 100 } else { 10 }, 60]
                [random.below(2) as usize],
            local: random.chance(30),
            random,
            without,
            now: 100,
            tick: 0,
            calm: false,
            epoch: 1,
            refilled: 1,
            intents: Vec::new(),
            claims: Vec::new(),
            ids: 0,
            operations: 0,
            lock: Lock::default(),
            log: Vec::new(),
            heard: 0,
            rate: 0,
            stream: Vec::new(),
            folded: 0,
            head: 0,
            queue: Vec::new(),
            numbers: 0,
            turns: VecDeque::new(),
            version: 1,
            busy: 0,
            provider: Provider::default(),
            facts: Facts::default(),
            story: None,
            sleep: 0,
        }
    }

    /// Adds a line to the story of the run, if somebody reads it.
    pub fn tell(&mut self, line: impl FnOnce() -> String) {
        let (now, tick) = (self.now, self.tick);
        if let Some(story) = &mut self.story {
            story.push(format!("{now} s, step {tick}: {}", line()));
        }
    }

    pub fn lacks(&self, mutant: Mutant) -> bool {
        self.without == Some(mutant)
    }

    pub fn operation(&mut self) -> usize {
        self.operations += 1;
        self.operations
    }

    pub fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Puts an event, if it is not there.
    pub fn put_event(&mut self, event: Event) {
        if !self.log.iter().any(|old| (old.at, old.what, old.id) == (event.at, event.what, event.id)) {
            self.tell(|| format!("{event:?}"));
            self.log.push(event);
            self.stream.push(Written::Event(event));
        }
    }

    /// A wake, sometimes twice.
    pub fn wake(&mut self, visible: u64) {
        let copies = if !self.calm && self.random.chance(8) { 2 } else { 1 };
        for _ in 0..copies {
            let number = self.number();
            self.queue.push(Wake { number, visible });
        }
    }

    /// The process dies, and its channel with it.
    pub fn die(&mut self) {
        if self.local {
            self.epoch += 1;
            self.queue.clear();
        }
    }
}

/// The actor is dead, or the table did not answer it: it goes no further, and cleans nothing up.
#[derive(Debug)]
pub struct Stop;

/// Who acts: a worker, a server of the API, the fold, or somebody outside.
pub struct Actor {
    pub world: Rc<RefCell<World>>,
    pub number: usize,
    /// Seconds by which its clock is ahead.
    pub skew: u64,
    pub epoch: Cell<u64>,
    /// When it is ended from outside, because its time is over.
    pub until: Cell<u64>,
}

/// What becomes of one attempt of a call.
enum Fate {
    Done,
    CrashBefore,
    CrashAfter,
    AnswerLost,
    Failed,
}

/// Attempts that the table's client makes by itself.
const ATTEMPTS: usize = 4;

impl Actor {
    pub fn with<T>(&self, f: impl FnOnce(&mut World) -> T) -> T {
        f(&mut self.world.borrow_mut())
    }

    pub fn lacks(&self, mutant: Mutant) -> bool {
        self.world.borrow().lacks(mutant)
    }

    pub fn clock(&self) -> u64 {
        self.world.borrow().now + self.skew
    }

    pub fn below(&self, bound: u64) -> u64 {
        self.with(|w| w.random.below(bound))
    }

    pub fn chance(&self, percent: u64) -> bool {
        self.with(|w| w.random.chance(percent))
    }

    /// Lets others act, and goes on when the clock has moved by so much.
    pub async fn sleep(&self, seconds: u64) {
        self.with(|w| w.sleep = w.now + seconds);
        let mut polled = false;
        poll_fn(|_| if std::mem::replace(&mut polled, true) { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    /// One step: a call of the table that touches one item. It may be applied more than once, because the client repeats
    /// a call whose answer it has lost.
    pub async fn call<T>(&self, mut apply: impl FnMut(&mut World) -> T) -> Result<T, Stop> {
        for _ in 0..ATTEMPTS {
            let (fate, frozen) = self.with(fate);
            self.sleep(frozen).await;
            if self.with(|w| self.is_ended(w)) {
                return Err(Stop);
            }
            match fate {
                Fate::Done => return Ok(self.with(apply)),
                Fate::CrashBefore => return Err(Stop),
                Fate::CrashAfter => {
                    self.with(apply);
                    return Err(Stop);
                }
                Fate::AnswerLost => drop(self.with(&mut apply)),
                Fate::Failed => {}
            }
            self.sleep(2).await;
        }
        Err(Stop)
    }

    /// A worker stands still for longer than a marker lives.
    pub async fn stand_still(&self) {
        if self.with(|w| !w.calm && w.random.chance(4)) {
            let seconds = 10 + self.below(50);
            self.sleep(seconds).await;
        }
    }

    /// Its process has died, or its time is over.
    fn is_ended(&self, w: &World) -> bool {
        w.local && w.epoch != self.epoch.get() || w.now > self.until.get()
    }

    /// What a client, a provider or a person does: again, until it is answered.
    pub async fn until_done<T>(&self, operation: impl AsyncFn() -> Result<T, Stop>) -> T {
        loop {
            self.epoch.set(self.with(|w| w.epoch));
            if let Ok(done) = operation().await {
                return done;
            }
            let wait = self.below(6);
            self.sleep(wait).await;
        }
    }
}

fn fate(w: &mut World) -> (Fate, u64) {
    if w.calm {
        return (Fate::Done, 0);
    }
    let (drawn, t) = (w.random.below(1_000), w.trouble);
    match drawn {
        _ if drawn < t => (Fate::CrashBefore, 0),
        _ if drawn < 2 * t => (Fate::CrashAfter, 0),
        _ if drawn < 4 * t => (Fate::AnswerLost, 0),
        _ if drawn < 5 * t => (Fate::Failed, 0),
        _ if drawn < 6 * t => (Fate::Done, 5 + w.random.below([14, 110][(drawn % 2) as usize])),
        _ => (Fate::Done, 0),
    }
}
