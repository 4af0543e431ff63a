//! What one webhook comes to.

use rapport_sdk::prelude::*;
use serde::Serialize;

/// What a channel calls the accounts of the business, and how a connection is limited to some of them.
pub struct Accounts {
    /// What belongs to an account: `a change`, `changes`.
    pub element: (&'static str, &'static str),
    /// Where the account stands in it.
    pub field: &'static str,
    /// What an account is: `a phone number`.
    pub noun: &'static str,
    /// The setting that lists those of the connection.
    pub setting: &'static str,
}

/// The events of one webhook, and how much of it could not become one.
pub struct Batch {
    accounts: &'static Accounts,
    events: Vec<Event>,
    malformed: usize,
    ours: usize,
    foreign: usize,
}

impl Batch {
    /// An empty one.
    pub fn new(accounts: &'static Accounts) -> Self {
        Batch { accounts, events: Vec::new(), malformed: 0, ours: 0, foreign: 0 }
    }

    pub fn push(&mut self, event: Event) {
        self.events.push(event);
    }

    /// Counts an element that should have become an event and cannot.
    pub fn malformed(&mut self, array: &str, reason: &str) {
        self.malformed += 1;
        log::warn(&format!("skipped an element of `{array}`: {reason}"));
    }

    /// Counts an element of an account that this connection is for.
    pub fn count_ours(&mut self) {
        self.ours += 1;
    }

    /// Counts an element of an account that this connection is not for.
    pub fn count_foreign(&mut self) {
        self.foreign += 1;
        let Accounts { element: (element, _), field, setting, .. } = self.accounts;
        log::debug(&format!("skipped {element}: its `{field}` is not in `{setting}`"));
    }

    /// How many events there are, to be given to [`Batch::extend_since`].
    pub fn position(&self) -> usize {
        self.events.len()
    }

    /// Adds an extension to all events since a position.
    pub fn extend_since<T: Serialize + ?Sized>(&mut self, position: usize, key: &str, value: &T) {
        for event in &mut self.events[position..] {
            event.extensions.push((key.into(), rapport_sdk::event::json(value)));
        }
    }

    /// Replaces all events since a position, one by one.
    pub fn replace_since(&mut self, position: usize, replace: impl FnMut(Event) -> Event) {
        let replaced: Vec<_> = self.events.drain(position..).map(replace).collect();
        self.events.extend(replaced);
    }

    /// What the host is told.
    ///
    /// A webhook is parked whole only when nothing of it could be used: parking one that gave events would give them
    /// twice on replay, which is harmless, but hide that most of it arrived.
    ///
    /// # Errors
    /// `Malformed` if nothing could be read, `Ignored` if all of it belongs to other connections.
    pub fn finish(self) -> Result<Receipt, Rejection> {
        if !self.events.is_empty() {
            return Ok(Receipt::events(self.events));
        }
        if self.malformed > 0 {
            return Err(Rejection::Malformed(format!(
                "expected at least one usable element, found only others: {}; fix: see the warnings of this call",
                self.malformed
            )));
        }
        if self.foreign > 0 && self.ours == 0 {
            let Accounts { element: (_, elements), noun, setting, .. } = self.accounts;
            return Err(Rejection::Ignored(format!(
                "expected {noun} of `{setting}`, found only {elements} of others: {}",
                self.foreign
            )));
        }
        Ok(Receipt::events(Vec::new()))
    }
}
