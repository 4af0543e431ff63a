//! What could not be folded, set aside: an item for each endpoint, until somebody takes it up again.
//!
//! Its events are in the log, whole, and the stream goes on without them. To take it up is to fold the endpoint from its
//! log alone; so one item is enough, however many events wait, and an item is small. It names the endpoint by its id and
//! what went wrong by a class of errors: nothing that an event holds.

use rapport_model::{Eid, Timestamp};
use serde::{Deserialize, Serialize};

use crate::error::{StoreError, unavailable};
use crate::identity::ATTEMPTS_MAX;
use crate::items::{Item, Reader, json, n, s};
use crate::keys;
use crate::on_heap::OnHeap;
use crate::parked::cut;
use crate::table::{Range, Table, is_condition_failure};

/// Bytes of a reason that are kept.
const REASON_BYTES_MAX: usize = 200;

/// An endpoint whose events could not be folded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Unfolded {
    pub eid: Eid,
    /// A class of errors, such as `refused: PutItem`, `panic`, `unreadable event`.
    pub reason: String,
    /// Our clock: when it failed first, and last.
    pub since: Timestamp,
    pub last: Timestamp,
    /// How often it failed.
    pub failures: u64,
    /// When it is tried again by itself, our clock; none: only when somebody says so.
    pub again_at: Option<Timestamp>,
    /// How often the item was written; the optimistic lock.
    #[serde(skip)]
    version: u64,
}

/// A page of what is set aside.
#[derive(Clone, Debug, PartialEq)]
pub struct UnfoldedPage {
    pub items: Vec<Unfolded>,
    /// Where the next page begins; none: this was the last.
    pub next: Option<Eid>,
}

impl Table {
    /// Sets an endpoint aside, or counts one more failure of one that is.
    ///
    /// `again_at` says from the number of its failures when it is tried again by itself.
    ///
    /// # Errors
    /// It may not be set aside: do not go on without it.
    pub async fn set_aside(
        &self,
        eid: &Eid,
        reason: &str,
        now: Timestamp,
        again_at: impl Fn(u64) -> Option<Timestamp>,
    ) -> Result<Unfolded, StoreError> {
        for attempt in 0..ATTEMPTS_MAX {
            let known = self.unfolded_one(eid).await?;
            let failures = known.as_ref().map_or(0, |known| known.failures) + 1;
            let next = Unfolded {
                eid: eid.clone(),
                reason: cut(reason.to_owned(), REASON_BYTES_MAX),
                since: known.as_ref().map_or(now, |known| known.since),
                last: now,
                failures,
                again_at: again_at(failures),
                version: known.as_ref().map_or(0, |known| known.version),
            };
            if self.put_unfolded(&next).await? {
                return Ok(Unfolded { version: next.version + 1, ..next });
            }
            self.back_off(attempt).await;
        }
        Err(StoreError::Contended { operation: "set aside", attempts: ATTEMPTS_MAX })
    }

    /// Takes an endpoint off the list, if nothing more of it failed since it was read.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; it may be taken up again, which is harmless.
    pub async fn remove_unfolded(&self, unfolded: &Unfolded) -> Result<(), StoreError> {
        let delete = self
            .dynamodb()
            .delete_item()
            .table_name(self.name())
            .key("pk", s(keys::unfolded_pk(self.tenant())))
            .key("sk", s(unfolded.eid.as_str()))
            .condition_expression("ver = :ver")
            .expression_attribute_values(":ver", n(unfolded.version));
        match delete.send().on_heap().await {
            Err(error) if !is_condition_failure(&error) => Err(unavailable("DeleteItem")(error)),
            _ => Ok(()),
        }
    }

    /// What is set aside of an endpoint; none: nothing is.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::Corrupt`].
    pub async fn unfolded_one(&self, eid: &Eid) -> Result<Option<Unfolded>, StoreError> {
        let item = self.get(keys::unfolded_pk(self.tenant()), eid.as_str().to_owned()).await?;
        item.as_ref().map(read).transpose()
    }

    /// What is set aside, in no order that means anything; at most `limit`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::Corrupt`].
    pub async fn unfolded(&self, limit: usize, after: Option<&Eid>) -> Result<UnfoldedPage, StoreError> {
        let pk = keys::unfolded_pk(self.tenant());
        let start = after.map(|eid| Item::from([("pk".to_owned(), s(&pk)), ("sk".to_owned(), s(eid.as_str()))]));
        // One more than is asked for says whether there are more. Ids begin with letters, digits, `-` or `_`.
        let range = Range { start, limit: i32::try_from(limit + 1).ok(), ..Range::new(&pk, " ", keys::END) };
        let mut items = self.page(range).await?.items.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(|last| last.eid.clone());
        Ok(UnfoldedPage { items, next })
    }

    /// Whether the item is as it was read, and written.
    async fn put_unfolded(&self, next: &Unfolded) -> Result<bool, StoreError> {
        let put = self
            .dynamodb()
            .put_item()
            .table_name(self.name())
            .item("pk", s(keys::unfolded_pk(self.tenant())))
            .item("sk", s(next.eid.as_str()))
            .item("unf", json(next))
            .item("ver", n(next.version + 1));
        let put = match next.version {
            0 => put.condition_expression("attribute_not_exists(pk)"),
            version => put.condition_expression("ver = :ver").expression_attribute_values(":ver", n(version)),
        };
        match put.send().on_heap().await {
            Ok(_) => Ok(true),
            Err(error) if is_condition_failure(&error) => Ok(false),
            Err(error) => Err(unavailable("PutItem")(error)),
        }
    }
}

fn read(item: &Item) -> Result<Unfolded, StoreError> {
    let reader = Reader(item);
    Ok(Unfolded { version: reader.number("ver")?, ..reader.json("unf")? })
}
