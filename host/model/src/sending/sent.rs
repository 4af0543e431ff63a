//! What stands on the timeline for a part that the provider has: the same event, whoever makes it.
//!
//! A worker makes it from the provider's answer, settlement from the provider's later word, and both may. Its key follows from
//! our reference and from when the part was first started, so it is there once.

use std::collections::BTreeMap;

use crate::endpoint::{EventKey, TenantKey};
use crate::event::{Body, Contact, Event, Message};
use crate::sending::Accepted;
use crate::sending::intent::{Intent, Started};

/// The event of a part, and those after it that went with it as one message. `id`: the provider's; `None`: it gave none, so our
/// reference stands in its place.
///
/// Its key is `None` if the time of the start cannot be one.
pub fn event(
    intent: &Intent,
    parts: std::ops::Range<u32>,
    id: Option<&str>,
    started: &Started,
    tenant: &TenantKey,
) -> Option<(EventKey, Event)> {
    let reference = intent.reference(parts.start).write(tenant);
    let draft = &intent.draft;
    let place = |part: u32| usize::try_from(part).unwrap_or(usize::MAX).min(draft.parts.len());
    let its = draft.parts[place(parts.start)..place(parts.end)].to_vec();
    let message = Message {
        subject: draft.subject.clone(),
        in_reply_to: draft.in_reply_to.clone(),
        references: draft.references.clone(),
        copies: draft.copies.clone(),
        reference: Some(reference.clone()),
        ..Message::new(id.unwrap_or(&reference), draft.author, its)
    };
    let event = Event {
        id: reference,
        at: started.at,
        account: intent.birth.account.clone(),
        contact: Contact { identifiers: vec![draft.route.to.clone()], ..Contact::default() },
        body: Body::Message(message),
        extensions: BTreeMap::new(),
    };
    Some((key(intent, parts.start, started, tenant)?, event))
}

/// The key of the event of a part.
pub fn key(intent: &Intent, part: u32, started: &Started, tenant: &TenantKey) -> Option<EventKey> {
    tenant.event_key(started.at, &intent.birth.account, &intent.reference(part).write(tenant))
}

/// Which parts the provider has: each once, by the first id that was said of it, from the first part up to the first that it
/// has not. A connector that is done has sent the rest with the last.
pub fn accepted(said: &[Accepted], parts: u32, is_done: bool) -> Vec<Accepted> {
    let id_of = |part: u32| said.iter().find(|one| one.part == part).map(|one| one.id.clone());
    let mut has: Vec<Accepted> = (0..parts).map_while(|part| id_of(part).map(|id| Accepted { part, id })).collect();
    if is_done && let Some(last) = has.last().map(|last| last.id.clone()) {
        let from = u32::try_from(has.len()).unwrap_or(parts);
        has.extend((from..parts).map(|part| Accepted { part, id: last.clone() }));
    }
    has
}

/// The messages among parts, from one on: parts with one id are one message.
pub fn messages(accepted: &[Accepted], from: u32) -> Vec<(std::ops::Range<u32>, &str)> {
    let mut messages: Vec<(std::ops::Range<u32>, &str)> = Vec::new();
    for one in accepted.iter().filter(|one| one.part >= from) {
        match messages.last_mut() {
            Some((parts, id)) if *id == one.id => parts.end = one.part + 1,
            _ => messages.push((one.part..one.part + 1, &one.id)),
        }
    }
    messages
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(all: &[(u32, &str)]) -> Vec<Accepted> {
        all.iter().map(|(part, id)| Accepted { part: *part, id: (*id).to_owned() }).collect()
    }

    #[test]
    fn each_part_counts_once_and_only_if_those_before_it_do() {
        assert_eq!(accepted(&said(&[(0, "a"), (0, "b"), (2, "c")]), 3, false), said(&[(0, "a")]));
        assert_eq!(accepted(&said(&[(1, "b"), (0, "a")]), 3, false), said(&[(0, "a"), (1, "b")]));
        assert_eq!(accepted(&said(&[(0, "a")]), 3, true), said(&[(0, "a"), (1, "a"), (2, "a")]));
        assert_eq!(accepted(&[], 2, true), []);
    }

    #[test]
    fn parts_with_one_id_are_one_message() {
        let all = said(&[(0, "a"), (1, "b"), (2, "b"), (3, "c")]);
        assert_eq!(messages(&all, 1), [(1..3, "b"), (3..4, "c")]);
        assert_eq!(messages(&all, 4), []);
    }
}
