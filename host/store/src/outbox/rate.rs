//! How fast a connection sends: leases of tokens (`rapport_model::sending::rate`), and pauses that a provider asked for.

use rapport_model::Timestamp;
use rapport_model::sending::rate::{PAUSE_MS_MAX, Rate};

use crate::error::StoreError;
use crate::identity::ATTEMPTS_MAX;
use crate::items::{Item, Reader, n};
use crate::keys;
use crate::outbox::expression::{Expression, Updated};
use crate::table::{Mistake, Table};

const SORT_KEY: &str = "@";
/// The attribute with the theoretical arrival time, in microseconds.
const TAT: &str = "tat";
/// The attribute with the end of a pause, in milliseconds.
const PAUSED_UNTIL: &str = "until";

/// What a bucket gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tokens {
    Taken(u32),
    /// There are none before this instant.
    Wait(Timestamp),
}

impl Table {
    /// Takes tokens out of a connection's bucket, before the start marker: as many as one worker may have at once, if it wants
    /// so many.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: some may be taken, and are lost. [`StoreError::Contended`]: others were faster each time.
    pub async fn take_tokens(
        &self,
        (connection, bucket): (&str, &str),
        rate: &Rate,
        wanted: u32,
        now: Timestamp,
    ) -> Result<Tokens, StoreError> {
        let taken = rate.lease(wanted);
        let pk = keys::rate_pk(self.tenant(), connection, bucket);
        // First as if nobody had sent for a while; the item says if somebody has.
        let mut seen = None;
        for _ in 0..ATTEMPTS_MAX {
            let new = match rate.take(seen, taken, now) {
                Ok(new) => new,
                Err(again) => return Ok(Tokens::Wait(again)),
            };
            match self.update((&pk, SORT_KEY), &take(seen, new, rate, now), "take tokens").await? {
                Updated::Done(_) => return Ok(Tokens::Taken(taken)),
                Updated::Unmet(item) => {
                    let item = item.unwrap_or_default();
                    if let Some(until) = paused_until(&item, now) {
                        return Ok(Tokens::Wait(until));
                    }
                    seen = Reader(&item).number_opt(TAT);
                }
            }
        }
        Err(StoreError::Contended { operation: "take tokens", attempts: ATTEMPTS_MAX })
    }

    /// Tells all workers that the provider takes nothing before an instant.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: do it again.
    pub async fn pause(
        &self,
        (connection, bucket): (&str, &str),
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if self.makes(Mistake::LimitIsForgotten) {
            return Ok(());
        }
        let until = until.min(now + PAUSE_MS_MAX);
        let pk = keys::rate_pk(self.tenant(), connection, bucket);
        let pause = Expression::default()
            .set(PAUSED_UNTIL, n(until))
            .value("absurd", n(now + PAUSE_MS_MAX))
            .only_if("attribute_not_exists(#until) OR #until < :until OR #until > :absurd");
        self.update((&pk, SORT_KEY), &pause, "pause").await.map(drop)
    }
}

/// The write that takes tokens, if the bucket is as it was seen.
fn take(seen: Option<u64>, new: u64, rate: &Rate, now: Timestamp) -> Expression {
    let expression = Expression::default()
        .set(TAT, n(new))
        .value("now", n(now))
        .value("pause", n(now + PAUSE_MS_MAX))
        .only_if("attribute_not_exists(#until) OR #until <= :now OR #until > :pause");
    match seen {
        Some(seen) => expression.value("seen", n(seen)).only_if("#tat = :seen"),
        None => expression
            .value("nowus", n(now * 1_000))
            .value("absurd", n(rate.absurd_us(now)))
            .only_if("attribute_not_exists(#tat) OR #tat <= :nowus OR #tat > :absurd"),
    }
}

/// The end of a pause. One that is farther ahead than any pause is of a clock that went back.
fn paused_until(item: &Item, now: Timestamp) -> Option<Timestamp> {
    let until = Reader(item).number_opt(PAUSED_UNTIL)?;
    (until > now && until <= now + PAUSE_MS_MAX).then_some(until)
}
