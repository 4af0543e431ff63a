//! What of a webhook did not become events: for that it is parked, beside the events that it gave.

use std::collections::BTreeSet;

use rapport_model::Eid;

/// The reason of a parked webhook: its connector could not read all of it.
const UNREAD: &str = "unread";
/// The reason of a parked webhook: one of its events cannot be stored.
const INVALID_EVENT: &str = "invalid-event";

/// Bytes. What `rapport parked list` shows of the reasons in one line, and four write units at most.
const DETAIL_BYTES_MAX: usize = 4_096;

/// What is left, and why it is parked.
#[derive(Debug, PartialEq)]
pub(crate) struct NotRead {
    pub reason: &'static str,
    pub detail: String,
    /// The endpoints of its other events. An erasure of one of them finds the parked webhook by it.
    pub owners: BTreeSet<Eid>,
}

impl NotRead {
    /// From elements that could not be read, and events that cannot be stored. `None` if everything became events.
    pub fn of(unread: Vec<String>, unplaced: Vec<String>) -> Option<Self> {
        let reason = match (unread.is_empty(), unplaced.is_empty()) {
            (true, true) => return None,
            (true, false) => INVALID_EVENT,
            (false, _) => UNREAD,
        };
        let lines: Vec<String> = unread.into_iter().chain(unplaced).collect();
        Some(Self { reason, detail: one_detail(&lines), owners: BTreeSet::new() })
    }

    /// The same, beside events of these endpoints.
    pub fn beside(self, owners: BTreeSet<Eid>) -> Self {
        Self { owners, ..self }
    }
}

/// As many of the lines as fit, at least one.
fn one_detail(lines: &[String]) -> String {
    let mut detail = lines.first().cloned().unwrap_or_default();
    for line in lines.iter().skip(1) {
        if detail.len() + line.len() > DETAIL_BYTES_MAX {
            detail.push_str("; …");
            break;
        }
        detail.push_str("; ");
        detail.push_str(line);
    }
    detail
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_a_webhook_is_told_in_one_bounded_line() {
        let lines = |count: usize, text: &str| (0..count).map(|_| text.to_owned()).collect::<Vec<_>>();
        assert_eq!(NotRead::of(vec![], vec![]), None);
        let unplaced = NotRead::of(vec![], lines(1, "event 0: no `id`")).unwrap();
        assert_eq!((unplaced.reason, unplaced.detail.as_str()), ("invalid-event", "event 0: no `id`"));
        let both = NotRead::of(lines(1, "a"), lines(1, "b")).unwrap();
        assert_eq!((both.reason, both.detail.as_str()), (UNREAD, "a; b"));
        let many = NotRead::of(lines(65, &"x".repeat(1_024)), lines(5_000, "event")).unwrap();
        assert!(many.detail.len() < DETAIL_BYTES_MAX + 64, "{}", many.detail.len());
        assert!(many.detail.ends_with("; …"), "{}", many.detail);
    }
}
