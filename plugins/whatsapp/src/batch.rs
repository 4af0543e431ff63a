//! What one webhook comes to, and where in it the reader is.

use rapport_sdk::prelude::*;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::payload::Contact;

/// The events of one webhook, and how much of it could not become one.
#[derive(Default)]
pub struct Batch {
    events: Vec<Event>,
    malformed: usize,
    ours: usize,
    foreign: usize,
}

impl Batch {
    pub fn push(&mut self, event: Event) {
        self.events.push(event);
    }

    /// Counts an element that should have become an event and cannot.
    pub fn malformed(&mut self, array: &str, reason: &str) {
        self.malformed += 1;
        log::warn(&format!("skipped an element of `{array}`: {reason}"));
    }

    /// Counts a change of an account that this connection is for.
    pub fn count_ours(&mut self) {
        self.ours += 1;
    }

    /// Counts a change of an account that this connection is not for.
    pub fn count_foreign(&mut self) {
        self.foreign += 1;
        log::debug("skipped a change: its `phone_number_id` is not in `phone-number-ids`");
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
            return Err(Rejection::Ignored(format!(
                "expected a phone number of `phone-number-ids`, found only changes of others: {}",
                self.foreign
            )));
        }
        Ok(Receipt::events(Vec::new()))
    }
}

/// What surrounds an element: the business number, and the people that the value names.
pub struct Scene<'v, 'a> {
    pub account: &'v str,
    pub display_number: Option<&'v str>,
    pub contacts: &'v [Contact<'a>],
    /// Of how many elements `contacts` may speak.
    pub elements: usize,
}

impl Scene<'_, '_> {
    /// Whether `number` is the business's own, however it is written.
    pub fn is_business(&self, number: &str) -> bool {
        self.display_number.is_some_and(|own| digits(own).next().is_some() && digits(own).eq(digits(number)))
    }
}

/// The JSON of `raw` as it came.
pub fn verbatim(raw: &RawValue) -> String {
    raw.get().to_owned()
}

fn digits(text: &str) -> impl Iterator<Item = u8> {
    text.bytes().filter(u8::is_ascii_digit)
}
