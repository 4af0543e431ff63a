//! Everybody else: the customer, agents, the bot, the provider's webhooks, a deploy and an erasure.

use super::api::NOTICE;
use super::items::{Author, Draft, Event, Holder, Id, Kind, State, What};
use super::mutants::Mutant;
use super::world::{Actor, Stop};

impl Actor {
    /// A webhook is repeated until it is answered 200. A word that stops a message moves the lock before the answer.
    async fn hear(&self, at: u64, what: What) {
        let id = self.with(|w| w.number());
        let is_own_echo = self.lacks(Mutant::EchoAsMessage) && self.chance(50);
        let what = match what {
            What::Status(id, part) if is_own_echo => What::Echo(id, part),
            what => what,
        };
        let heard = self
            .until_done(async || {
                let received = self.clock();
                let event = Event { id, at, received, what };
                self.call(|w| w.put_event(event)).await?;
                let leaves = self.lacks(Mutant::DoorLeavesItToTheFold) || self.lacks(Mutant::NewestFiveInsteadOfLock);
                match what {
                    What::Foreign if !leaves => self.call(|w| w.move_control(id, Holder::Agent)).await.map(|_| event),
                    What::Stop if !leaves => self.call(|w| w.lock.stopped = true).await.map(|()| event),
                    _ => Ok(event),
                }
            })
            .await;
        self.with(|w| w.facts.acknowledged(w.tick, heard));
    }

    /// The customer writes, and may say stop. A word may be delivered late.
    pub async fn write(self) {
        for _ in 0..1 + self.below(3) {
            let at = self.clock();
            let late = if self.chance(20) { 30 } else { 3 };
            let wait = self.below(late);
            self.sleep(wait).await;
            let what = if self.chance(15) { What::Stop } else { What::Customer };
            self.hear(at, what).await;
            let wait = self.below(30);
            self.sleep(wait).await;
        }
    }

    /// Somebody answers by another door, such as the provider's own inbox.
    pub async fn answer_elsewhere(self) {
        let wait = self.below(60);
        self.sleep(wait).await;
        let at = self.clock();
        let late = if self.chance(30) { 40 } else { 3 };
        let wait = self.below(late);
        self.sleep(wait).await;
        self.hear(at, What::Foreign).await;
    }

    /// The provider's reports come in any order, at any time.
    pub async fn report(self) {
        loop {
            let wait = [0, 1, 5, 40][self.below(4) as usize];
            self.sleep(wait.max(1)).await;
            let report = self.with(|w| {
                let many = w.provider.reports.len() as u64;
                (many > 0).then(|| w.random.below(many) as usize).map(|index| w.provider.reports.swap_remove(index))
            });
            if let Some(report) = report {
                self.with(|w| w.busy += 1);
                let at = self.clock();
                self.hear(at, report).await;
                self.with(|w| w.busy -= 1);
            }
        }
    }

    /// The bot answers a turn under the fence that it reads, sometimes twice.
    pub async fn answer_turns(self) {
        loop {
            let Some(turn) = self.with(|w| w.turns.pop_front()) else {
                self.sleep(4).await;
                continue;
            };
            self.with(|w| w.busy += 1);
            if let Ok((fence, controller, read)) = self.call(|w| (w.lock.fence, w.lock.controller, w.tick)).await
                && controller == Holder::Bot
            {
                let thinks = self.below(10);
                self.sleep(thinks).await;
                let draft = Draft { author: Author::Bot, kind: Kind::Reply, fence, read, turn, ..self.draft() };
                let operation = self.with(|w| w.operation());
                self.post(operation, draft).await;
            }
            self.with(|w| w.busy -= 1);
        }
    }

    fn draft(&self) -> Draft {
        self.with(|w| {
            let many = [1, 1, 2, 3][w.random.below(4) as usize];
            Draft {
                parts: (0..many).map(|_| w.random.chance(w.repeatable)).collect(),
                upload: w.random.chance(25),
                consent: w.random.chance(30),
                life: [25, 60, 400, 400][w.random.below(4) as usize],
                ..NOTICE
            }
        })
    }

    /// A client of the API: agents' replies and notices of both, some for later.
    pub async fn post_some(self) {
        for _ in 0..1 + self.below(3) {
            let wait = self.below(25);
            self.sleep(wait).await;
            let mut draft = self.draft();
            let automatic = self.chance(40);
            draft.author = if automatic { Author::Bot } else { Author::Agent };
            draft.kind = if !automatic && self.chance(30) { Kind::Reply } else { Kind::Notice };
            draft.wait = [0, 0, 0, 20, 90][self.below(5) as usize];
            let operation = self.with(|w| w.operation());
            self.post(operation, draft).await;
        }
    }

    pub async fn manage(self) {
        for _ in 0..self.below(3) {
            let wait = self.below(40);
            self.sleep(wait).await;
            self.command(Holder::Agent).await;
            let wait = self.below(20);
            self.sleep(wait).await;
            self.command(Holder::Bot).await;
        }
    }

    pub async fn cancel_some(self) {
        for _ in 0..1 + self.below(3) {
            let wait = self.below(40);
            self.sleep(wait).await;
            let chosen = self.with(|w| {
                let many = w.intents.len() as u64;
                (many > 0).then(|| w.random.below(many) as Id)
            });
            if let Some(id) = chosen {
                self.cancel(id).await;
            }
        }
    }

    /// A person looks at what is unknown, and clicks once or twice.
    pub async fn send_again(self) {
        for _ in 0..3 {
            self.sleep(40).await;
            let unknown = |w: &mut super::world::World| {
                let is_unknown = |intent: &Option<super::items::Intent>| {
                    intent.as_ref().is_some_and(|intent| intent.state == State::Unknown)
                };
                w.intents.iter().position(is_unknown)
            };
            if let Some(id) = self.with(unknown) {
                self.resend(id).await;
            }
        }
    }

    pub async fn deploy(self) {
        for _ in 0..1 + self.below(2) {
            let wait = self.below(60);
            self.sleep(wait).await;
            self.with(|w| w.version += 1);
        }
    }

    /// Closes the lock, waits for a marker, and sweeps: first intents, then events.
    pub async fn erase(self) {
        let wait = self.below(80);
        self.sleep(wait).await;
        let id = self.with(|w| w.number());
        self.until_done(async || {
            self.close(id).await?;
            while !self.lacks(Mutant::ErasureDoesNotWaitForMarker) && self.call(|w| w.is_under_way()).await? {
                self.sleep(2).await;
            }
            self.sweep().await
        })
        .await;
        self.with(|w| w.facts.erased.push(w.tick));
    }

    /// The instant of an erasure lies after the write that closes the lock. Until then the fold waits with what the customer
    /// says.
    async fn close(&self, erasure: u64) -> Result<(), Stop> {
        let before = self.clock();
        self.call(|w| w.close(erasure)).await?;
        let era = if self.lacks(Mutant::EraBeforeClosing) { before } else { self.clock() };
        self.call(|w| w.date(erasure, era)).await
    }

    async fn sweep(&self) -> Result<(), Stop> {
        let old = self.call(|w| w.old_intents()).await?;
        for id in old {
            self.call(|w| w.intents[id] = None).await?;
        }
        let old = self.call(|w| w.old_events()).await?;
        for event in old {
            self.call(|w| w.log.retain(|other| *other != event)).await?;
        }
        Ok(())
    }
}
