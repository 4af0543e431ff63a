//! A connection whose provider is away, or whose account may not send: it starts nothing for a while.
//!
//! Each process counts by itself. What it finds out it also writes where all workers take their tokens, so that the others wait
//! as well.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use rapport_model::Timestamp;

/// Undetermined answers or failures of transport in a row, after which nothing starts for a while.
pub const FAILURES_MAX: u32 = 5;
/// Milliseconds of the first pause. Each that follows is twice as long.
pub const PAUSE_MS: u64 = 30_000;
/// Milliseconds of the longest pause.
pub const PAUSE_MS_MAX: u64 = 600_000;
/// Refusals of the account in a row, after which the connection is paused until a person has mended it.
pub const ACCOUNT_REFUSALS_MAX: u32 = 3;
/// Milliseconds for which other workers wait for a paused connection; then one of them finds out by itself.
pub const ACCOUNT_PAUSE_MS: u64 = 600_000;
/// Milliseconds that others wait while one request tries whether the provider is back.
const PROBE_MS: u64 = 20_000;

/// What a request said of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// The provider answered, and not that the account may not send.
    Well,
    /// No answer, or one that says nothing.
    Away,
    /// The account may not send: token, payment, policy.
    Account,
}

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing starts before this instant.
    Opened { until: Timestamp },
    /// Nothing starts before a person has mended the account.
    Paused,
}

/// Of one connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    failures: u32,
    refusals: u32,
    /// Pauses since the last answer.
    pauses: u32,
    closed_until: Timestamp,
    /// Since when the account is refused; `None`: it is not.
    paused_at: Option<Timestamp>,
}

impl State {
    /// Whether something may start now; else when to ask again. After a pause one may try, and the others wait for it.
    ///
    /// # Errors
    /// The instant to ask again.
    pub fn may_start(&mut self, now: Timestamp) -> Result<(), Timestamp> {
        if self.paused_at.is_some() {
            return Err(now + ACCOUNT_PAUSE_MS);
        }
        if self.closed_until > now {
            return Err(self.closed_until);
        }
        if self.pauses > 0 {
            self.closed_until = now + PROBE_MS;
        }
        Ok(())
    }

    /// Learns from a request.
    pub fn learn(&mut self, sign: Sign, now: Timestamp) -> Option<Change> {
        match sign {
            Sign::Well => {
                *self = Self::default();
                None
            }
            Sign::Account => {
                *self = Self { refusals: self.refusals + 1, ..Self::default() };
                self.paused_at = (self.refusals >= ACCOUNT_REFUSALS_MAX).then_some(now);
                self.paused_at.map(|_| Change::Paused)
            }
            Sign::Away => {
                self.failures += 1;
                if self.failures < FAILURES_MAX && self.pauses == 0 {
                    return None;
                }
                let pause = PAUSE_MS.saturating_mul(1 << self.pauses.min(10)).min(PAUSE_MS_MAX);
                let until = now + pause;
                *self = Self { failures: 0, pauses: self.pauses + 1, closed_until: until, ..*self };
                Some(Change::Opened { until })
            }
        }
    }
}

/// Of all connections of a process.
#[derive(Debug, Default)]
pub struct Health(Mutex<HashMap<String, State>>);

impl Health {
    /// As [`State::may_start`].
    ///
    /// # Errors
    /// The instant to ask again.
    pub fn may_start(&self, connection: &str, now: Timestamp) -> Result<(), Timestamp> {
        self.with(connection, |state| state.may_start(now))
    }

    /// As [`State::learn`].
    pub fn learn(&self, connection: &str, sign: Sign, now: Timestamp) -> Option<Change> {
        self.with(connection, |state| state.learn(sign, now))
    }

    /// Since when this process takes the account as refused; `None`: it does not.
    pub fn paused_at(&self, connection: &str) -> Option<Timestamp> {
        self.with(connection, |state| state.paused_at)
    }

    /// A person says that the account may send again.
    pub fn resume(&self, connection: &str) {
        self.with(connection, |state| *state = State::default());
    }

    fn with<T>(&self, connection: &str, f: impl FnOnce(&mut State) -> T) -> T {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        f(all.entry(connection.to_owned()).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = 1_790_668_805_000;

    #[test]
    fn five_failures_in_a_row_pause_and_each_probe_that_fails_pauses_twice_as_long() {
        let mut state = State::default();
        for _ in 0..FAILURES_MAX - 1 {
            assert_eq!(state.learn(Sign::Away, NOW), None);
        }
        assert_eq!(state.may_start(NOW), Ok(()));
        assert_eq!(state.learn(Sign::Away, NOW), Some(Change::Opened { until: NOW + PAUSE_MS }));
        assert_eq!(state.may_start(NOW + 1), Err(NOW + PAUSE_MS));
        let mut now = NOW + PAUSE_MS;
        for pause in [60_000, 120_000, 240_000, 480_000, 600_000, 600_000] {
            assert_eq!(state.may_start(now), Ok(()), "one may try");
            assert_eq!(state.may_start(now), Err(now + PROBE_MS), "the others wait for it");
            assert_eq!(state.learn(Sign::Away, now), Some(Change::Opened { until: now + pause }));
            now += pause;
        }
        assert_eq!(state.learn(Sign::Well, now), None);
        assert_eq!((state.may_start(now), state.may_start(now)), (Ok(()), Ok(())));
    }

    #[test]
    fn an_answer_between_failures_begins_the_count_again() {
        let mut state = State::default();
        for _ in 0..20 {
            for _ in 0..FAILURES_MAX - 1 {
                assert_eq!(state.learn(Sign::Away, NOW), None);
            }
            assert_eq!(state.learn(Sign::Well, NOW), None);
        }
    }

    #[test]
    fn an_account_that_is_refused_three_times_waits_for_a_person() {
        let health = Health::default();
        assert_eq!(health.learn("a", Sign::Account, NOW), None);
        assert_eq!(health.learn("a", Sign::Account, NOW), None);
        assert_eq!(health.learn("a", Sign::Account, NOW), Some(Change::Paused));
        assert!(health.may_start("a", NOW + 10 * ACCOUNT_PAUSE_MS).is_err());
        assert_eq!(health.may_start("b", NOW), Ok(()));
        health.resume("a");
        assert_eq!(health.may_start("a", NOW), Ok(()));
    }
}
