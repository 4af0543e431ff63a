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

/// The events of one webhook, and what of it could not become one.
pub struct Batch {
    accounts: &'static Accounts,
    events: Vec<Event>,
    unread: Unread,
    /// Which elements of which arrays lead to what is being read.
    path: Vec<(&'static str, usize)>,
    ours: usize,
    foreign: usize,
}

impl Batch {
    /// An empty one.
    pub fn new(accounts: &'static Accounts) -> Self {
        Batch { accounts, events: Vec::new(), unread: Unread::default(), path: Vec::new(), ours: 0, foreign: 0 }
    }

    pub fn push(&mut self, event: Event) {
        self.events.push(event);
    }

    /// Calls `read` for each element of an array, so that what is told of one says which it is.
    pub fn each<T>(
        &mut self,
        array: &'static str,
        elements: impl IntoIterator<Item = T>,
        mut read: impl FnMut(T, &mut Self),
    ) {
        for (index, element) in elements.into_iter().enumerate() {
            self.path.push((array, index));
            read(element, self);
            self.path.pop();
        }
    }

    /// [`each`](Self::each) of an array that was read already, with none in the place of what is no object.
    pub fn each_object<'v, T: 'v>(
        &mut self,
        array: &'static str,
        elements: &'v [Option<T>],
        mut read: impl FnMut(&'v T, &mut Self),
    ) {
        self.each(array, elements, |element, batch| match element {
            Some(element) => read(element, batch),
            None => batch.malformed(array, "it is not an object"),
        });
    }

    /// Tells of an element that should have become an event, or is part of one, and cannot be read.
    pub fn malformed(&mut self, array: &str, reason: &str) {
        let mut place: Vec<String> = self.path.iter().map(|(array, index)| format!("{array}[{index}]")).collect();
        if self.path.last().is_none_or(|(last, _)| *last != array) {
            place.push(array.to_owned());
        }
        self.unread.add(&place.join("."), reason);
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
    /// # Errors
    /// `Malformed` if nothing could be read, `Ignored` if all of it belongs to other connections.
    pub fn finish(self) -> Result<Receipt, Rejection> {
        if !self.events.is_empty() || !self.unread.is_empty() {
            return self.unread.receipt(self.events);
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
