//! Elements of a webhook that could not be read: each is listed, none fails its siblings.

use crate::{Event, Receipt, Rejection};

/// Lines that are kept; the rest are counted. One less than the host takes, so that the count arrives as well.
pub const LINES_MAX: usize = 63;

/// The elements of one webhook that should have become events, or parts of one, and could not.
///
/// What is understood and of no interest is not unread: skip it. What is unread makes the host keep the whole webhook,
/// for a version of the connector that can read it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unread {
    lines: Vec<String>,
    more: usize,
}

impl Unread {
    /// Adds one element: its place in the payload, as in `messages[1]`, and what is wrong with it. Neither may hold
    /// anything that a customer wrote.
    pub fn add(&mut self, place: &str, reason: &str) {
        if self.lines.len() < LINES_MAX {
            self.lines.push(format!("{place}: {reason}"));
        } else {
            self.more += 1;
        }
    }

    /// The name of [`Self::add`] before.
    #[doc(hidden)]
    pub fn tell(&mut self, place: &str, reason: &str) {
        self.add(place, reason);
    }

    /// Takes over what another one has.
    pub fn extend(&mut self, other: Unread) {
        let room = LINES_MAX.saturating_sub(self.lines.len());
        self.more += other.more + other.lines.len().saturating_sub(room);
        self.lines.extend(other.lines.into_iter().take(room));
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.lines.len() + self.more
    }

    /// Whether all was read.
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// A line for each, and one that counts the rest.
    pub fn into_lines(self) -> Vec<String> {
        let count = (self.more > 0).then(|| format!("and {} more", self.more));
        self.lines.into_iter().chain(count).collect()
    }

    /// What the host is told: the events, and what could not be read beside them.
    ///
    /// # Errors
    /// `Malformed`, with the first reason, if nothing of the webhook could be read.
    pub fn receipt(self, events: Vec<Event>) -> Result<Receipt, Rejection> {
        match self.lines.first() {
            Some(first) if events.is_empty() => Err(Rejection::Malformed(format!(
                "expected at least one usable element, found only others: {}; the first: {first}",
                self.count()
            ))),
            _ => Ok(Receipt::events(events).with_unread(self.into_lines())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_are_counted() {
        let mut unread = Unread::default();
        for index in 0..1_000 {
            unread.add(&format!("events[{index}]"), "it is not an object");
        }
        assert_eq!(unread.count(), 1_000);
        let lines = unread.into_lines();
        assert_eq!((lines.len(), lines[0].as_str()), (64, "events[0]: it is not an object"));
        assert_eq!(lines[63], "and 937 more");
    }

    #[test]
    fn two_are_one() {
        let of = |count: usize| {
            let mut unread = Unread::default();
            (0..count).for_each(|index| unread.add(&format!("a[{index}]"), "it is not an object"));
            unread
        };
        for (first, second) in [(0, 2), (2, 0), (60, 60), (70, 1), (1, 70)] {
            let mut unread = of(first);
            unread.extend(of(second));
            assert_eq!(unread.count(), first + second, "{first} {second}");
            assert_eq!(unread.into_lines().len(), (first + second).min(LINES_MAX + 1), "{first} {second}");
        }
    }

    #[test]
    fn of_nothing_that_could_be_read_it_says_the_first_reason() {
        assert_eq!(Unread::default().receipt(vec![]), Ok(Receipt::events(vec![])));
        let mut unread = Unread::default();
        unread.add("a[0]", "it has no `id`");
        let Err(Rejection::Malformed(reason)) = unread.receipt(vec![]) else { panic!() };
        assert_eq!(
            reason,
            "expected at least one usable element, found only others: 1; the first: a[0]: it has no `id`"
        );
    }
}
