//! The provider: what it does with a request, and what it reports later.

use super::items::{Id, What};
use super::world::World;

/// What a worker gets to know of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Accepted,
    Rejected,
    /// No name, no connection, or 429: nothing happened. Wait so long; it may be a limit of the whole connection.
    NotSent {
        wait: u64,
        limit: bool,
    },
    /// A time-out, a reset or a 5xx: perhaps.
    Maybe,
}

#[derive(Default)]
pub struct Provider {
    /// What it has done, in order.
    pub ledger: Vec<(Id, usize)>,
    /// Reports that it has not delivered yet.
    pub reports: Vec<What>,
}

impl World {
    /// A request reaches the provider.
    pub fn process(&mut self, id: Id, part: usize, repeatable: bool) -> Outcome {
        if repeatable && self.provider.ledger.contains(&(id, part)) {
            return if self.calm || self.random.chance(70) { Outcome::Accepted } else { Outcome::Maybe };
        }
        let drawn = if self.calm { 0 } else { self.random.below(100) };
        match drawn {
            0..58 => {}
            58..64 => return Outcome::Rejected,
            64..70 => return Outcome::NotSent { wait: 5, limit: false },
            70..76 => {
                let wait = [10, 100][self.random.below(2) as usize];
                return Outcome::NotSent { wait, limit: true };
            }
            76..84 => return Outcome::Maybe,
            _ => {}
        }
        self.accept(id, part);
        if drawn < 84 { Outcome::Accepted } else { Outcome::Maybe }
    }

    fn accept(&mut self, id: Id, part: usize) {
        if self.provider.ledger.contains(&(id, part)) {
            self.fail(format!("part {part} of {id} sent twice"));
        }
        self.provider.ledger.push((id, part));
        // Some channels report nothing, some report twice.
        for _ in 0..[0, 1, 1, 1, 2][self.random.below(5) as usize] {
            self.provider.reports.push(What::Status(id, part));
        }
    }
}
