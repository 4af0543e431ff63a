//! Tokens of a connection's rate, taken some at a time: a burst does not write the rate's item for each message.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use rapport_model::Timestamp;
use rapport_model::sending::rate::{LEASE_TOKENS_MAX, Rate};
use rapport_store::outbox::rate::Tokens;
use rapport_store::{StoreError, Table};

/// The bucket of a connection's messages.
pub const BUCKET: &str = rapport_store::outbox::rate::MESSAGES;
/// Milliseconds for which tokens are good. A limit that a provider tells another worker is heeded after that.
const LEASE_MS: u64 = 1_000;

#[derive(Clone, Copy, Debug)]
struct Lease {
    left: u32,
    until: Timestamp,
    /// How many were taken: twice as many next time, if they were all used while they were good.
    taken: u32,
}

/// The tokens of a process.
#[derive(Debug, Default)]
pub struct Leases(Mutex<HashMap<String, Lease>>);

impl Leases {
    /// Takes one token of a connection: of those at hand, or of the table.
    ///
    /// # Errors
    /// As [`Table::take_tokens`].
    pub async fn take(
        &self,
        table: &Table,
        connection: &str,
        rate: &Rate,
        now: Timestamp,
    ) -> Result<Result<(), Timestamp>, StoreError> {
        let wanted = match self.at_hand(connection, now) {
            None => return Ok(Ok(())),
            Some(wanted) => wanted,
        };
        Ok(match table.take_tokens((connection, BUCKET), rate, wanted, now).await? {
            Tokens::Wait(until) => Err(until),
            Tokens::Taken(taken) => {
                let lease = Lease { left: taken.saturating_sub(1), until: now + LEASE_MS, taken };
                self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(connection.to_owned(), lease);
                Ok(())
            }
        })
    }

    /// Forgets the tokens of a connection: its provider wants a pause.
    pub fn forget(&self, connection: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(connection);
    }

    /// Takes one that is at hand; else says how many to take.
    fn at_hand(&self, connection: &str, now: Timestamp) -> Option<u32> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get_mut(connection) {
            Some(lease) if lease.until > now && lease.left > 0 => {
                lease.left -= 1;
                None
            }
            Some(lease) if lease.until > now => Some((lease.taken * 2).min(LEASE_TOKENS_MAX)),
            _ => Some(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_taken_singly_at_first_and_more_at_once_in_a_burst() {
        let leases = Leases::default();
        assert_eq!(leases.at_hand("a", 1_000), Some(1));
        leases.0.lock().unwrap().insert("a".into(), Lease { left: 1, until: 2_000, taken: 2 });
        assert_eq!(leases.at_hand("a", 1_100), None);
        assert_eq!(leases.at_hand("a", 1_200), Some(4));
        assert_eq!(leases.at_hand("a", 2_000), Some(1));
        leases.0.lock().unwrap().insert("a".into(), Lease { left: 9, until: 2_000, taken: 20 });
        leases.forget("a");
        assert_eq!(leases.at_hand("a", 1_100), Some(1));
    }
}
