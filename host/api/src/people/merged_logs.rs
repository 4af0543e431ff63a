//! The logs of several endpoints as one, newest first, read a page of each at a time and not unpacked.

use std::collections::VecDeque;
use std::ops::Bound;

use rapport_model::{Eid, EventKey};
use rapport_store::erasure::Erased;
use rapport_store::events::Found;
use rapport_store::{StoreError, Table};
use tokio::task::JoinSet;

use crate::people::answer::Cursor;

/// Items of an endpoint that are read at once, at least: fewer would be a request for each event.
const ITEMS_MIN: usize = 16;

/// See the module's documentation.
pub(crate) struct Merged {
    logs: Vec<Log>,
    /// Items of each that are read at once.
    at_once: usize,
}

/// What is read of one endpoint's log, and where it goes on.
struct Log {
    eid: Eid,
    erased: Erased,
    read: VecDeque<Found>,
    /// The last item that was read. `None` before the first.
    last: Option<EventKey>,
    /// Whether there may be more.
    more: bool,
}

impl Merged {
    /// The logs of these endpoints from a place on. The caller wants about `limit` items.
    pub async fn of(table: &Table, members: &[Eid], limit: usize, cursor: Option<&Cursor>) -> Result<Self, StoreError> {
        // Of one endpoint all that is wanted and one more; of many a share, since each has some of what is newest.
        let at_once = if members.len() == 1 { limit + 1 } else { (2 * limit / members.len().max(1)).max(ITEMS_MIN) };
        let mut reads = JoinSet::new();
        for eid in members {
            let (table, eid, cursor) = (table.clone(), eid.clone(), cursor.cloned());
            reads.spawn(async move {
                let position = cursor.as_ref().map_or(Bound::Unbounded, |cursor| cursor.position(&eid));
                let (found, erased) = tokio::join!(table.newest_found(&eid, position, at_once), table.erased(&eid));
                let mut log = Log { eid, erased: erased?, read: VecDeque::new(), last: None, more: true };
                log.take(found?, at_once);
                Ok::<_, StoreError>(log)
            });
        }
        let mut logs = Vec::with_capacity(members.len());
        while let Some(read) = reads.join_next().await {
            logs.push(read.expect("reading events does not panic")?);
        }
        Ok(Self { logs, at_once })
    }

    /// The next items, newest first, each with the erasures of its endpoint. Fewer than `number` are the last.
    pub async fn next(&mut self, table: &Table, number: usize) -> Result<Vec<(Found, Erased)>, StoreError> {
        let mut next = Vec::with_capacity(number);
        while next.len() < number {
            for log in self.logs.iter_mut().filter(|log| log.read.is_empty() && log.more) {
                let position = log.last.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
                let found = table.newest_found(&log.eid, position, self.at_once).await?;
                log.take(found, self.at_once);
            }
            // By key, newest first; of equal keys the lower endpoint first, as cursors have it.
            let newest = self.logs.iter_mut().filter(|log| !log.read.is_empty());
            let newest = newest.max_by(|a, b| {
                let key = |log: &Log| log.read.front().map(|found| found.key.clone());
                (key(a), &b.eid).cmp(&(key(b), &a.eid))
            });
            let Some(log) = newest else { break };
            next.extend(log.read.pop_front().map(|found| (found, log.erased.clone())));
        }
        Ok(next)
    }
}

impl Log {
    fn take(&mut self, found: Vec<Found>, asked_for: usize) {
        self.more = found.len() >= asked_for;
        self.last = found.last().map(|last| last.key.clone()).or(self.last.take());
        self.read = found.into();
    }
}
