//! The lock, as conditional writes: whatever is done in whichever order, the item is what the pure functions say, and each
//! condition that is left out is noticed.

use rapport_model::EventKey;
use rapport_model::event::ConsentState;
use rapport_model::sending::IntentId;
use rapport_model::sending::intent::Started;
use rapport_model::sending::lock::{Ask, Fence, Holder, Lock, Marker, Refusal, Reply, Seen, Token, Word};
use rapport_store::outbox::lock::Marked;
use rapport_store::{Mistake, StoreError, Table};

use super::Outbox;
use crate::store::interleavings::Random;
use crate::support::NOW;
use crate::support::engine::{Fate, interleave};

/// Operations of one run: enough that every mistake is noticed.
const OPERATIONS: usize = 2_000;

/// What is done to a lock, with everything drawn before.
#[derive(Clone, Debug)]
enum Operation {
    Mark(Ask),
    Release(Token, bool),
    TakeOver(Token, Token),
    Move(EventKey, Holder),
    Say(String, Word),
    Close(u64),
    Settle(IntentId),
}

/// Draws operations that often mean what is there.
struct World<'a> {
    outbox: &'a Outbox,
    random: Random,
    now: u64,
    drawn: u128,
}

impl World<'_> {
    fn one_of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.random.below(all.len())].clone()
    }

    fn id(&mut self) -> IntentId {
        let n = self.random.below(6) as u128;
        IntentId::new(NOW, n).unwrap()
    }

    fn key(&mut self, of: usize) -> EventKey {
        let n = self.random.below(of) as u64;
        self.outbox.event_key(NOW + n)
    }

    fn token(&mut self) -> Token {
        self.drawn += 1;
        Token::new(self.drawn)
    }

    /// The token that is there, mostly.
    fn seen(&mut self, lock: &Lock) -> Token {
        match (&lock.out, self.random.below(5)) {
            (Some(out), 1..) => out.token.clone(),
            _ => self.token(),
        }
    }

    fn operation(&mut self, lock: &Lock) -> Operation {
        self.now += self.random.below(3) as u64;
        match self.random.below(100) {
            0..=49 => Operation::Mark(self.ask(lock)),
            50..=64 => Operation::Release(self.seen(lock), self.random.below(2) == 0),
            65..=69 => Operation::TakeOver(self.seen(lock), self.token()),
            70..=81 => {
                let to = [
                    Holder::Agent(None),
                    Holder::Automation(None),
                    Holder::Automation(Some("bot".into())),
                    Holder::OtherApp,
                    Holder::Nobody,
                ];
                let by = if self.random.below(3) > 0 { lock.moved.first().cloned() } else { None };
                Operation::Move(by.unwrap_or_else(|| self.key(1_000)), self.one_of(&to))
            }
            82..=91 => {
                let state = self.one_of(&[ConsentState::Granted, ConsentState::Withdrawn]);
                Operation::Say(self.one_of(&["marketing", "a b:c"]).to_owned(), Word { event: self.key(1_000), state })
            }
            92..=93 => Operation::Close(self.now - self.random.below(5) as u64),
            _ => Operation::Settle(self.id()),
        }
    }

    fn ask(&mut self, lock: &Lock) -> Ask {
        let reply = (self.random.below(2) == 0).then(|| Reply {
            fence: if self.random.below(8) > 0 { lock.fence } else { Fence::of(7) },
            turn: (self.random.below(8) > 0).then(|| self.key(40)),
            by: self.one_of(&["bot", "bot", "another"]).to_owned(),
        });
        let seen = (self.random.below(3) > 0)
            .then(|| Seen { token: self.seen(lock), unknown: (self.random.below(2) == 0).then(|| self.id()) });
        Ask {
            intent: self.id(),
            part: self.random.below(3) as u32,
            step: self.random.below(3) as u32,
            token: self.token(),
            now: self.now,
            created_at: self.now - self.random.below(6) as u64,
            started: Started { at: self.now, answers: (self.random.below(2) == 0).then(|| self.key(9)) },
            is_repeatable: self.random.below(4) == 0,
            reply,
            purpose: (self.random.below(2) == 0).then(|| self.one_of(&["marketing", "a b:c", "service"]).to_owned()),
            pair_ms: [0, 0, 2][self.random.below(3)],
            seen,
        }
    }
}

/// What the pure functions make of it, and what whoever asked is told.
fn expected(lock: &Lock, operation: &Operation, now: u64) -> (Lock, String) {
    let unchanged = |told: String| (lock.clone(), told);
    match operation {
        Operation::Mark(ask) => match lock.marked(ask) {
            Ok(next) => (next, format!("{:?}", Marked::Won(ask.marker()))),
            Err(refusal) => unchanged(format!("{:?}", Marked::Refused(refusal))),
        },
        Operation::Release(token, left) => (lock.released(token, *left).unwrap_or_else(|| lock.clone()), String::new()),
        Operation::TakeOver(seen, own) => match lock.out.as_ref().filter(|out| out.token == *seen) {
            Some(out) => {
                let out = Marker { token: own.clone(), deadline: now + 20_000, ..out.clone() };
                (Lock { out: Some(out), ..lock.clone() }, "true".to_owned())
            }
            None => unchanged("false".to_owned()),
        },
        Operation::Move(by, to) => match lock.moved(by, to, now) {
            Some(next) => (next, "true".to_owned()),
            None => unchanged("false".to_owned()),
        },
        Operation::Say(purpose, word) => {
            let mut next = lock.clone();
            if lock.words.get(purpose).is_none_or(|old| old.event < word.event) {
                next.words.insert(purpose.clone(), word.clone());
            }
            // Of one event there is one word.
            let same = lock.words.get(purpose).is_some_and(|old| old.event == word.event);
            if same && word.state == ConsentState::Withdrawn {
                next.words.insert(purpose.clone(), word.clone());
            }
            (next, String::new())
        }
        Operation::Close(at) => (Lock { closed: lock.closed.max(*at), ..lock.clone() }, String::new()),
        Operation::Settle(id) => {
            let mut next = lock.clone();
            next.unsettled.remove(id);
            (next, String::new())
        }
    }
}

async fn perform(outbox: &Outbox, table: &Table, operation: &Operation, now: u64) -> Result<String, StoreError> {
    let of = &outbox.of;
    Ok(match operation {
        Operation::Mark(ask) => format!("{:?}", table.put_marker(of, &table.lock(of).await?, ask).await?),
        Operation::Release(token, left) => table.release_marker(of, token, *left).await.map(|()| String::new())?,
        Operation::TakeOver(seen, own) => table.take_over_marker(of, seen, own, now).await?.to_string(),
        Operation::Move(by, to) => table.move_control(of, by, to, now).await?.is_new.to_string(),
        Operation::Say(purpose, word) => table.put_word(of, purpose, word).await.map(|()| String::new())?,
        Operation::Close(at) => table.close_lock(of, *at).await.map(|_| String::new())?,
        Operation::Settle(id) => table.settle_intent(of, id).await.map(|()| String::new())?,
    })
}

/// The first operation after which the item is not what the pure functions say, or somebody is told otherwise.
async fn first_difference(outbox: &Outbox, table: &Table, seed: u64) -> Option<String> {
    let mut world = World { outbox, random: Random::new(seed), now: NOW, drawn: 0 };
    let mut lock = Lock::default();
    let mut won = 0;
    for n in 0..OPERATIONS {
        let operation = world.operation(&lock);
        let (next, told) = expected(&lock, &operation, world.now);
        let really = perform(outbox, table, &operation, world.now).await.unwrap();
        won += usize::from(told.starts_with("Won"));
        let kept = table.lock(&outbox.of).await.unwrap();
        if really != told || kept != next {
            return Some(format!("{n}: {operation:?} on {lock:?}: {told} became {really}, {next:?} became {kept:?}"));
        }
        lock = next;
    }
    assert!(won > OPERATIONS / 30, "too little happened: {won}");
    None
}

#[tokio::test]
async fn whatever_is_done_to_a_lock_the_item_is_what_the_pure_functions_say() {
    for seed in 0..2 {
        let outbox = Outbox::new().await;
        assert_eq!(first_difference(&outbox, &outbox.table.clone(), seed).await, None);
        let items = outbox.engine.items();
        let item = items.iter().find(|item| item["sk"]["S"] == "Y#shop").unwrap();
        let bytes: usize =
            item.as_object().unwrap().iter().map(|(name, value)| name.len() + value.to_string().len()).sum();
        assert!(bytes < 1_600, "as JSON, which is larger: {bytes}");
    }
}

#[tokio::test]
async fn a_condition_that_is_left_out_is_noticed() {
    let mistakes = [
        Mistake::MarkerIgnoresLiveMarker,
        Mistake::ReplacesUnseenMarker,
        Mistake::MarkerIgnoresFence,
        Mistake::MarkerIgnoresTurn,
        Mistake::TurnWithoutItsIntent,
        Mistake::ReleaseKeepsTurn,
        Mistake::MarkerIgnoresClosed,
        Mistake::MarkerIgnoresStop,
        Mistake::MarkerIgnoresPairRate,
        Mistake::ReclaimForgetsUnsettled,
        Mistake::OneControlKey,
        Mistake::FoldMovesAgain,
        Mistake::ErasureLeavesLockOpen,
    ];
    for mistake in mistakes {
        let outbox = Outbox::new().await;
        let table = outbox.table.clone().with_mistake(mistake);
        assert!(first_difference(&outbox, &table, 1).await.is_some(), "{mistake:?} was made, and nobody noticed");
    }
}

/// Every operation whose answer is lost is done again by whoever asked, and then is as if it had been done once.
#[test]
fn a_lost_answer_changes_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    let outbox = runtime.block_on(Outbox::new());
    assert_eq!(lost_answers(&runtime, &outbox, &outbox.table), None);
    let outbox = runtime.block_on(Outbox::new());
    let table = outbox.table.clone().with_mistake(Mistake::OwnTokenIsForeign);
    assert!(lost_answers(&runtime, &outbox, &table).is_some(), "its own marker is somebody else's, and nobody noticed");
}

fn lost_answers(runtime: &tokio::runtime::Runtime, outbox: &Outbox, table: &Table) -> Option<String> {
    let mut world = World { outbox, random: Random::new(5), now: NOW, drawn: 0 };
    let mut lock = Lock::default();
    for _ in 0..600 {
        let operation = world.operation(&lock);
        let (next, told) = expected(&lock, &operation, world.now);
        outbox.engine.close_the_gate();
        let mut really = String::new();
        let task = async {
            loop {
                match perform(outbox, table, &operation, world.now).await {
                    Ok(told) => {
                        really = told;
                        return;
                    }
                    Err(StoreError::Unavailable { .. }) => {}
                    Err(error) => panic!("{operation:?}: {error}"),
                }
            }
        };
        let mut lost = 0;
        interleave(&outbox.engine, vec![Box::pin(task)], |waiting| {
            let is_write = waiting[0].1 == "UpdateItem" && lost < 2;
            lost += u32::from(is_write);
            outbox.engine.decide(waiting[0].0, if is_write { Fate::AnswerLost } else { Fate::Done });
            std::ops::ControlFlow::Continue(())
        });
        outbox.engine.open_the_gate();
        let kept = runtime.block_on(table.lock(&outbox.of)).unwrap();
        // Whether control moved just now or before is known to nobody whose answer was lost.
        let same_told = really == told || matches!(operation, Operation::Move(..));
        if !same_told || kept != next {
            return Some(format!("{operation:?} on {lock:?}: {told} became {really}, {next:?} became {kept:?}"));
        }
        lock = next;
    }
    None
}

#[tokio::test]
async fn a_marker_that_is_refused_says_why() {
    let outbox = Outbox::new().await;
    let table = &outbox.table;
    let stored = outbox.put(&outbox.intent(0, &["x"])).await;
    table.close_lock(&outbox.of, NOW).await.unwrap();
    let lock = table.lock(&outbox.of).await.unwrap();
    let ask = Ask::of(&stored, table.draw_token(), NOW);
    assert_eq!(table.put_marker(&outbox.of, &lock, &ask).await.unwrap(), Marked::Refused(Refusal::Closed));
}
