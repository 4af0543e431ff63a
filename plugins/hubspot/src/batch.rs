//! What one webhook comes to.

use std::collections::BTreeMap;

use rapport_sdk::prelude::*;

/// Subscription types are counted by name up to this many, so that the log stays short.
const SKIPPED_KINDS_MAX: usize = 20;

/// A kind that is longer is none of HubSpot's and does not go into the log.
const KIND_BYTES_MAX: usize = 64;

/// The events of one webhook, and how much of it could not become one.
#[derive(Default)]
pub struct Batch {
    events: Vec<Event>,
    skipped: BTreeMap<String, usize>,
    unread: Unread,
    /// Which element is being read.
    index: usize,
    ours: usize,
    foreign: usize,
}

impl Batch {
    pub fn push(&mut self, event: Event) {
        self.events.push(event);
    }

    /// Begins with the element of this index.
    pub fn at(&mut self, index: usize) {
        self.index = index;
    }

    /// Tells of the element, or of a part of it, that should have become an event and cannot.
    pub fn malformed(&mut self, reason: &str) {
        self.unread.add(&format!("[{}]", self.index), reason);
    }

    /// Counts an element that names no customer: of a company, a deal, a ticket, or of a kind that is not known.
    pub fn skip(&mut self, kind: &str) {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let is_nameable = kind.len() <= KIND_BYTES_MAX && kind.bytes().all(is_word);
        let has_room = self.skipped.len() < SKIPPED_KINDS_MAX || self.skipped.contains_key(kind);
        let name = if is_nameable && has_room { kind } else { "other" };
        *self.skipped.entry(name.to_owned()).or_default() += 1;
    }

    /// Counts an element of an account that this connection is for.
    pub fn count_ours(&mut self) {
        self.ours += 1;
    }

    /// Counts an element of an account that this connection is not for.
    pub fn count_foreign(&mut self) {
        self.foreign += 1;
    }

    /// What the host is told.
    pub fn finish(self) -> Result<Receipt, Rejection> {
        for (kind, count) in &self.skipped {
            log::info(&format!("skipped events of type `{kind}`, which name no contact: {count}"));
        }
        if self.foreign > 0 {
            log::debug(&format!("skipped events of a portal that is not in `portal-ids`: {}", self.foreign));
        }
        if !self.events.is_empty() || !self.unread.is_empty() {
            return self.unread.receipt(self.events);
        }
        if self.foreign > 0 && self.ours == 0 {
            return Err(Rejection::Ignored(format!(
                "expected a portal of `portal-ids`, found only events of others: {}",
                self.foreign
            )));
        }
        Ok(Receipt::events(Vec::new()))
    }
}
