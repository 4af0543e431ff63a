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

/// The attribute with since when the account may not send, in milliseconds.
const REFUSED_SINCE: &str = "acc";
/// The attribute with the end of the pause for that, in milliseconds. A pause with another end has another reason.
const REFUSED_UNTIL: &str = "acu";
/// The attribute with when a person last said that it may, in milliseconds.
const RESUMED_AT: &str = "res";

/// The bucket of a connection's messages.
pub const MESSAGES: &str = "send";

/// Whether a connection may send, as all workers see it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Nothing starts before: the provider wants a pause, is away, or refuses the account.
    pub paused_until: Option<Timestamp>,
    /// Since when the account is refused; `None`: it is not, or a person has said that it may send again.
    pub refused_since: Option<Timestamp>,
    /// When a person last said so; 0: never.
    pub resumed_at: Timestamp,
}

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

    /// Whether a connection may send.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn connection_standing(&self, connection: &str, now: Timestamp) -> Result<Standing, StoreError> {
        let pk = keys::rate_pk(self.tenant(), connection, MESSAGES);
        let item = self.get(pk, SORT_KEY.to_owned()).await?.unwrap_or_default();
        Ok(standing_of(&item, now))
    }

    /// Tells all workers that the account of a connection is refused. They wait until an instant, and then find out by themselves.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: do it again.
    pub async fn refuse_account(&self, connection: &str, until: Timestamp, now: Timestamp) -> Result<(), StoreError> {
        self.pause((connection, MESSAGES), until, now).await?;
        let pk = keys::rate_pk(self.tenant(), connection, MESSAGES);
        let refused = Expression::default().set(REFUSED_SINCE, n(now)).set(REFUSED_UNTIL, n(until));
        self.update((&pk, SORT_KEY), &refused, "refuse an account").await.map(drop)
    }

    /// Tells all workers that a person has mended what a connection was paused for. Gives how it stood before.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: do it again, which is harmless.
    pub async fn resume_connection(&self, connection: &str, now: Timestamp) -> Result<Standing, StoreError> {
        let before = self.connection_standing(connection, now).await?;
        let pk = keys::rate_pk(self.tenant(), connection, MESSAGES);
        let resumed = Expression::default().set(RESUMED_AT, n(now)).remove(PAUSED_UNTIL);
        let resumed = resumed.remove(REFUSED_SINCE).remove(REFUSED_UNTIL);
        self.update((&pk, SORT_KEY), &resumed, "resume a connection").await?;
        Ok(before)
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

fn standing_of(item: &Item, now: Timestamp) -> Standing {
    let (reader, paused_until) = (Reader(item), paused_until(item, now));
    let is_refused = paused_until.is_some() && paused_until == reader.number_opt(REFUSED_UNTIL);
    Standing {
        paused_until,
        refused_since: reader.number_opt(REFUSED_SINCE).filter(|_| is_refused),
        resumed_at: reader.number_opt(RESUMED_AT).unwrap_or_default(),
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
