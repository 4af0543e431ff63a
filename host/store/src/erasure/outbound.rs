//! What is to be sent to a person who is erased: nothing starts any more, and what is under way is waited for.

use std::collections::BTreeSet;

use rapport_model::sending::lock::{Found, found};
use rapport_model::{Eid, Timestamp};

use crate::erasure::Erasure;
use crate::error::StoreError;
use crate::items::Reader;
use crate::keys;
use crate::outbox::intents::Conversation;
use crate::table::{Mistake, Table};

/// Milliseconds after a call began at which its writes are done: an HTTP API waits 29 seconds, a write takes 6, and two clocks
/// differ by 2. So the instant up to which messages go lies after the write that closed their lock.
pub(super) const CLOSED_AHEAD_MS: u64 = 40_000;

impl Table {
    /// Closes the locks of an endpoint's conversations. Gives whether nothing is under way.
    pub(super) async fn close_outbox(&self, erasure: &Erasure, eid: &Eid, now: Timestamp) -> Result<bool, StoreError> {
        let mut is_quiet = true;
        for account in self.accounts_to_close(erasure, eid).await? {
            let of = Conversation { eid: eid.clone(), account };
            let lock = self.close_lock(&of, erasure.closed_at).await?;
            let Some(out) = lock.out.filter(|_| !self.makes(Mistake::ErasureDoesNotWaitForMarker)) else { continue };
            let intent = self.intent(eid, &out.intent).await?;
            is_quiet &= found(&out, intent.as_ref().map(|stored| &stored.intent), now) != Found::Live;
        }
        Ok(is_quiet)
    }

    /// The accounts of an endpoint's conversations in which something was, is or may be sent: those of its locks and intents;
    /// of what a connection said, those of that connection's intents.
    async fn accounts_to_close(&self, erasure: &Erasure, eid: &Eid) -> Result<BTreeSet<String>, StoreError> {
        let pk = self.endpoint_pk(eid);
        let mut accounts = BTreeSet::new();
        for item in self.all(&pk, keys::INTENTS, &keys::after(keys::INTENTS)).await? {
            let reader = Reader(&item);
            let is_its = erasure.connection.as_deref().is_none_or(|name| reader.text_opt("con") == Some(name));
            accounts.extend(reader.text_opt("acc").filter(|_| is_its).map(str::to_owned));
        }
        if erasure.connection.is_none() {
            accounts.extend(self.locked_accounts(eid).await?);
        }
        Ok(accounts)
    }
}
