//! Endpoints that could not be folded: they are set aside and tried again.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::task::Poll;

use rapport_model::event::Body;
use rapport_model::{Eid, Timestamp};
use rapport_store::erasure::Erased;
use rapport_store::events::{Logged, Why};
use rapport_store::heads::Sequence;
use rapport_store::stream::Inserted;
use rapport_store::unfolded::Unfolded;
use rapport_store::{StoreError, Table};
use rapport_telemetry::{SetAside, TakenUpAgain};

use super::{PATIENCE_MS, handover, rebuild};
use crate::rebuild_after_erasure;

/// Milliseconds. The wait before an endpoint is tried again after a temporary error. It doubles with each failure.
const AGAIN_AFTER_MS: u64 = 1_000;
/// Failures after which an endpoint waits for an operator. A try counts when it begins and again when it fails, so that one
/// that ends the process counts, too. By then it was tried for about three hours.
const FAILURES_MAX: u64 = 15;
/// Endpoints that are read at once in the search for one that is due. Any number before it may wait for an operator.
const LOOKED_AT_ONCE: usize = 100;

/// Why a conversation could not be folded.
#[derive(Debug)]
pub enum Failure {
    Store(StoreError),
    /// The fold panicked. The log says where.
    Panicked,
    /// One of its events cannot be read.
    Unreadable(Why),
}

impl Failure {
    /// The error, if the record should wait for it to pass. `None` if the record should be set aside. `age_ms` says how long
    /// ago the record was received.
    pub(super) fn to_wait_for(&self, age_ms: u64) -> Option<StoreError> {
        let again = |operation, detail: &str| StoreError::Unavailable { operation, detail: detail.to_owned() };
        let error = match self {
            Self::Store(StoreError::Unavailable { operation, detail }) => again(operation, detail),
            Self::Store(error @ StoreError::Blob { .. }) => again("read a blob", &error.to_string()),
            // Another writer of the same head, which ends. Any other contention has had its attempts.
            Self::Store(StoreError::Contended { operation: "fold", attempts }) => {
                StoreError::Contended { operation: "fold", attempts: *attempts }
            }
            _ => return None,
        };
        (age_ms < PATIENCE_MS).then_some(error)
    }

    /// A short reason, without any content of an event.
    fn reason(&self) -> String {
        match self {
            Self::Store(error) => error.class(),
            Self::Panicked => "panic".to_owned(),
            Self::Unreadable(why) => format!("unreadable event: {}", why.name()),
        }
    }

    fn is_passing(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_passing())
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Store(error) => error.fmt(out),
            _ => out.write_str(&self.reason()),
        }
    }
}

/// What work comes to, a panic included: it ends there, and nothing is half done, since every write is whole.
pub(super) async fn contained<T>(work: impl Future<Output = Result<T, StoreError>>) -> Result<T, Failure> {
    let mut work = pin!(work);
    std::future::poll_fn(|context| {
        let polled = std::panic::catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context)));
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(outcome)) => Poll::Ready(outcome.map_err(Failure::Store)),
            Err(_) => Poll::Ready(Err(Failure::Panicked)),
        }
    })
    .await
}

/// Sets an endpoint aside: its events stay in the log, and everybody else goes on.
///
/// # Errors
/// Storage does not take it.
pub async fn set_aside(table: &Table, eid: &Eid, failure: &Failure, now: Timestamp) -> Result<(), StoreError> {
    let again_at = |failures: u64| {
        let wait = AGAIN_AFTER_MS << failures.min(FAILURES_MAX);
        (failure.is_passing() && failures < FAILURES_MAX).then_some(now + wait)
    };
    let Unfolded { failures, .. } = table.set_aside(eid, &failure.reason(), now, again_at).await?;
    SetAside { endpoint: eid, error: failure, failures }.emit();
    Ok(())
}

/// Takes an endpoint up again: folds it from its log. Gives whether it is folded, and off the list.
///
/// # Errors
/// Storage is away: it stays set aside.
pub async fn take_up(table: &Table, unfolded: &Unfolded, now: Timestamp) -> Result<bool, StoreError> {
    let eid = &unfolded.eid;
    let failure = match contained(refold(table, eid, now)).await {
        Ok(None) => {
            table.remove_unfolded(unfolded).await?;
            TakenUpAgain { endpoint: eid }.emit();
            return Ok(true);
        }
        Ok(Some(why)) => Failure::Unreadable(why),
        Err(failure) => failure,
    };
    set_aside(table, eid, &failure, now).await?;
    Ok(false)
}

/// Takes up one endpoint that is due to be tried again by itself. Gives whether there was one.
///
/// # Errors
/// Storage is away.
pub async fn take_up_due(table: &Table, now: Timestamp) -> Result<bool, StoreError> {
    let mut cursor = None;
    let due = loop {
        let page = table.unfolded(LOOKED_AT_ONCE, cursor.as_ref()).await?;
        let is_due = |unfolded: &Unfolded| unfolded.again_at.is_some_and(|at| at <= now);
        if let Some(due) = page.items.into_iter().find(is_due) {
            break due;
        }
        cursor = page.next;
        if cursor.is_none() {
            return Ok(false);
        }
    };
    // Counted before it is tried, so that a process that dies here does not begin with it again.
    let again_at = |failures: u64| Some(now + (AGAIN_AFTER_MS << failures.min(FAILURES_MAX)));
    let tried = table.set_aside(&due.eid, &due.reason, now, again_at).await?;
    take_up(table, &tried, now).await?;
    Ok(true)
}

/// Everything that an endpoint's log says, done once more: that its address gave way, whom a provider says that it erased,
/// then the rest. Gives why an event cannot be read, where there is one.
async fn refold(table: &Table, eid: &Eid, now: Timestamp) -> Result<Option<Why>, StoreError> {
    let (mut notices, mut requests, mut unreadable, mut after) = (Vec::new(), Vec::new(), None, None);
    loop {
        let page = table.found_after(eid, after.as_ref()).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.key.clone());
        for found in &page {
            match table.open_found(found).await? {
                Logged::Unreadable(event) => unreadable = Some(event.why),
                Logged::Event(stored) => match stored.event.body {
                    Body::ContactErased => requests.push(Inserted { sequence: Sequence::default(), stored: *stored }),
                    Body::IdentifierReplaced(_) => {
                        notices.push(Inserted { sequence: Sequence::default(), stored: *stored });
                    }
                    _ => {}
                },
            }
        }
    }
    handover::take_notice(table, &notices.iter().collect::<Vec<_>>(), now).await?;
    // Later events at the address belong to its next holder, and so do their demands.
    table.hand_over_later(eid).await?;
    let (_, left_at) = table.marks(eid).await?;
    requests.retain(|request| left_at == 0 || request.stored.event.at <= left_at);
    rebuild_after_erasure::on_demand(table, &requests.iter().collect::<Vec<_>>(), now).await?;
    // What was erased and delivered again is not folded: it goes.
    let erased = table.erased(eid).await?;
    if erased != Erased::default() {
        table.sweep(eid, &erased).await?;
    }
    rebuild(table, eid, now).await?;
    Ok(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unavailable() -> Failure {
        Failure::Store(StoreError::Unavailable { operation: "PutItem", detail: String::new() })
    }

    #[tokio::test]
    async fn what_panics_ends_there() {
        let panics = async {
            tokio::task::yield_now().await;
            panic!("somebody's name");
        };
        let failure = contained::<()>(panics).await.unwrap_err();
        assert_eq!(failure.to_string(), "panic");
        assert!(failure.to_wait_for(0).is_none() && !failure.is_passing());
        assert_eq!(contained(async { Ok(7) }).await.unwrap(), 7);
    }

    #[test]
    fn a_record_waits_for_what_passes_and_not_for_ever() {
        assert!(unavailable().to_wait_for(0).is_some() && unavailable().to_wait_for(PATIENCE_MS).is_none());
        let refused = Failure::Store(StoreError::Refused { operation: "PutItem", detail: "a name".into() });
        assert!(refused.to_wait_for(0).is_none() && !refused.is_passing());
        assert_eq!(refused.reason(), "refused: PutItem");
        let find = Failure::Store(StoreError::Contended { operation: "find", attempts: 24 });
        assert!(
            find.to_wait_for(0).is_none() && find.is_passing(),
            "its attempts are over; it is tried again by itself"
        );
    }
}
