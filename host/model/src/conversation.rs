//! The head of a conversation: what is known of one endpoint and one business account without reading its history.
//!
//! A head is a function of the *set* of its events, whatever their order of arrival: times are minima and maxima,
//! counters count, and the one thing that depends on order (since when the customer waits) is settled by a look at the
//! log where a late event makes it doubtful. So streaming and rebuilding end in the same head.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::cells::{TraitCell, contact_words};
use crate::endpoint::{Eid, EventKey};
use crate::event::{Author, Body, Controller, Covered, DeliveryState, Event, Timestamp};
use crate::identity::Rules;

/// Identifiers. How many a head remembers of those that payloads named beside its endpoint, and how many links. A person
/// has a dozen; whoever fills in a public form may name thousands, and a head is read and written with every message.
///
/// Whoever comes when it is full is not remembered: the event has the name, a link that it proves is recorded with the
/// endpoints, and only what is no proof counts for nothing any more. Which ones came first depends on the order of arrival.
pub const NAMES_MAX: usize = 500;

/// See the module's documentation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// When the first and the last event happened, by the provider's clock.
    pub first_at: Timestamp,
    pub last_at: Timestamp,
    /// The last message of the customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_at: Option<Timestamp>,
    /// Up to when the business has answered: the last message that somebody else sent for it, or what our last reply answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub business_at: Option<Timestamp>,
    /// The last message that we sent, also if it answers nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_at: Option<Timestamp>,
    /// The first message of the customer that the business has not answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_since: Option<Timestamp>,
    /// All that was sent up to this instant is delivered, or read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered_up_to: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_up_to: Option<Timestamp>,
    /// Who holds the conversation, since which event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller: Option<(EventKey, Controller)>,
    /// Events by kind; messages by who wrote them.
    pub counters: BTreeMap<String, u64>,
    /// The other identifiers that payloads named beside this endpoint, and when first and last.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<Eid, (Timestamp, Timestamp)>,
    /// Those of them whose links to this endpoint are recorded, and when payloads proved them first and last: a younger
    /// proof need not be looked at.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub linked: BTreeMap<Eid, (Timestamp, Timestamp)>,
    /// What the contact last said of itself, by the strongest word: `display_name`, `locale`, `time_zone`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub words: BTreeMap<String, TraitCell>,
}

/// What [`Head::apply`] could not know from the head alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Waiting {
    Known,
    /// A message of the business arrived late, and the customer wrote again after it: look the first message of the
    /// customer after this instant up and hand it to [`Head::wait_since`].
    FirstCustomerMessageAfter(Timestamp),
}

impl Head {
    /// Takes one more event in. Each event must be applied exactly once; the order does not matter.
    ///
    /// `names` are the contact's other identifiers, `linked` those whose links with this endpoint are recorded. `rules` say
    /// how much its words weigh.
    pub fn apply(&mut self, key: &EventKey, event: &Event, names: &[Eid], linked: &[Eid], rules: &Rules) -> Waiting {
        self.note(key, event, names, linked, rules);
        let at = event.at;
        match &event.body {
            Body::Message(message) if message.author == Author::Customer => self.customer_wrote(at),
            Body::Message(_) => return self.answered(at),
            Body::Control(control) if self.controller.as_ref().is_none_or(|(since, _)| since < key) => {
                self.controller = Some((key.clone(), control.holder));
            }
            Body::Delivery(delivery) => self.delivered(&delivery.covers, &delivery.state),
            _ => {}
        }
        Waiting::Known
    }

    /// Takes the event of a message in that we sent. It answers what the customer said up to an instant, whenever it was sent; a
    /// notice answers nothing, so the customer goes on waiting.
    pub fn apply_sent(
        &mut self,
        (key, event): (&EventKey, &Event),
        answers: Option<Timestamp>,
        (names, linked): (&[Eid], &[Eid]),
        rules: &Rules,
    ) -> Waiting {
        self.note(key, event, names, linked, rules);
        self.own_at = self.own_at.max(Some(event.at));
        answers.map_or(Waiting::Known, |up_to| self.answered(up_to))
    }

    /// When the business last wrote.
    pub fn last_sent(&self) -> Option<Timestamp> {
        self.business_at.max(self.own_at)
    }

    /// What every event says.
    fn note(&mut self, key: &EventKey, event: &Event, names: &[Eid], linked: &[Eid], rules: &Rules) {
        let at = event.at;
        self.first_at = if self.counters.is_empty() { at } else { self.first_at.min(at) };
        self.last_at = self.last_at.max(at);
        *self.counters.entry(counter(&event.body).to_owned()).or_default() += 1;
        for (known, said) in [(&mut self.names, names), (&mut self.linked, linked)] {
            for name in said {
                if known.len() >= NAMES_MAX && !known.contains_key(name) {
                    continue;
                }
                let (first, last) = known.entry(name.clone()).or_insert((at, at));
                *first = at.min(*first);
                *last = at.max(*last);
            }
        }
        for word in contact_words(key, event, rules) {
            if self.words.get(&word.name).is_none_or(|known| word.beats(known)) {
                self.words.insert(word.name.clone(), word);
            }
        }
    }

    /// Whether it remembers no more names.
    pub fn is_full(&self) -> bool {
        self.names.len() >= NAMES_MAX
    }

    /// Whether a name would not be remembered.
    pub fn is_full_for(&self, name: &Eid) -> bool {
        self.is_full() && !self.names.contains_key(name)
    }

    /// The answer to [`Waiting::FirstCustomerMessageAfter`].
    pub fn wait_since(&mut self, first: Option<Timestamp>) {
        self.waiting_since = first;
    }

    fn customer_wrote(&mut self, at: Timestamp) {
        self.customer_at = self.customer_at.max(Some(at));
        if self.business_at.is_none_or(|answered| at > answered) {
            self.waiting_since = Some(self.waiting_since.map_or(at, |since| since.min(at)));
        }
    }

    /// The business has answered what the customer said up to an instant, or in that very second.
    fn answered(&mut self, at: Timestamp) -> Waiting {
        if self.business_at.is_some_and(|answered| answered >= at) {
            return Waiting::Known; // a later answer is known already
        }
        self.business_at = Some(at);
        match (self.waiting_since, self.customer_at) {
            (Some(since), Some(last)) if since <= at && last > at => return Waiting::FirstCustomerMessageAfter(at),
            (Some(since), _) if since <= at => self.waiting_since = None,
            _ => {}
        }
        Waiting::Known
    }

    fn delivered(&mut self, covers: &Covered, state: &DeliveryState) {
        if let Covered::UpTo(at) = covers {
            match state {
                DeliveryState::Delivered => self.delivered_up_to = self.delivered_up_to.max(Some(*at)),
                DeliveryState::Read => self.read_up_to = self.read_up_to.max(Some(*at)),
                _ => {}
            }
        }
    }
}

/// The counter that an event adds to.
fn counter(body: &Body) -> &'static str {
    match body {
        Body::Message(message) if message.author == Author::Customer => "messages_received",
        Body::Message(_) => "messages_sent",
        Body::MessageEdited(_) => "edits",
        Body::MessageDeleted(_) => "deletions",
        Body::Reaction(_) => "reactions",
        Body::Delivery(_) => "deliveries",
        Body::Feedback(_) => "feedbacks",
        Body::Consent(_) => "consents",
        Body::Call(_) => "calls",
        Body::Ticket(_) => "tickets",
        Body::Activity(..) => "activities",
        Body::ContactUpdated
        | Body::IdentifierReplaced(_)
        | Body::ContactErased
        | Body::Control(_)
        | Body::Other(..) => "others",
    }
}

/// How far a message got. A report never moves it back: `read` may come before `delivered`, which then adds nothing.
///
/// `failed` is above `sent` and below `delivered`: a provider that reports a failure and then a delivery has delivered.
pub fn rank(state: &DeliveryState) -> u8 {
    match state {
        DeliveryState::Other(_) => 0,
        DeliveryState::Queued => 1,
        DeliveryState::Sent => 2,
        DeliveryState::Failed(_) => 3,
        DeliveryState::Delivered => 4,
        DeliveryState::Read => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Contact, Message};

    fn test_key() -> crate::TenantKey {
        crate::TenantKey::new(&[1; 32]).unwrap()
    }

    fn message(at: Timestamp, author: Author) -> (EventKey, Event) {
        let id = format!("{at}");
        let body = Body::Message(Message::new(id.clone(), author, vec![]));
        let key = test_key().event_key(at, "acc", &id).unwrap();
        (
            key,
            Event { id, at, account: "acc".into(), contact: Contact::default(), body, extensions: Default::default() },
        )
    }

    /// What a reader of the whole log would answer.
    fn first_customer_message_after(log: &[(EventKey, Event)], after: Timestamp) -> Option<Timestamp> {
        let by_customer = |event: &&Event| matches!(&event.body, Body::Message(m) if m.author == Author::Customer);
        log.iter().map(|(_, event)| event).filter(by_customer).map(|event| event.at).filter(|at| *at > after).min()
    }

    fn fold(order: &[(EventKey, Event)], log: &[(EventKey, Event)]) -> Head {
        let mut head = Head::default();
        for (key, event) in order {
            if let Waiting::FirstCustomerMessageAfter(at) = head.apply(key, event, &[], &[], &Rules::default()) {
                head.wait_since(first_customer_message_after(log, at));
            }
        }
        head
    }

    #[test]
    fn the_head_does_not_depend_on_the_order_of_arrival() {
        // Every turn-taking of six messages, in every rotation and reversal of their arrival.
        for turns in 0..64u32 {
            let author = |i: u32| if turns >> i & 1 == 1 { Author::Customer } else { Author::Agent };
            let log: Vec<_> = (0..6).map(|i| message(1000 + u64::from(i), author(i))).collect();
            let expected = fold(&log, &log);
            for shift in 0..6 {
                let mut order = log.clone();
                order.rotate_left(shift);
                assert_eq!(fold(&order, &log), expected, "turns {turns:06b}, rotated by {shift}");
                order.reverse();
                assert_eq!(fold(&order, &log), expected, "turns {turns:06b}, rotated by {shift} and reversed");
            }
        }
    }

    #[test]
    fn a_reply_of_ours_answers_what_it_read_and_a_notice_answers_nothing() {
        let log = [message(1, Author::Customer), message(3, Author::Customer), message(5, Author::Automation)];
        let sent = |answers: Option<Timestamp>| {
            let mut head = fold(&log[..2], &log);
            let waiting = head.apply_sent((&log[2].0, &log[2].1), answers, (&[], &[]), &Rules::default());
            if let Waiting::FirstCustomerMessageAfter(at) = waiting {
                head.wait_since(first_customer_message_after(&log, at));
            }
            (head.waiting_since, head.last_sent())
        };
        assert_eq!(sent(None), (Some(1), Some(5)), "a notice");
        assert_eq!(sent(Some(1)), (Some(3), Some(5)), "a reply that did not know of the second message");
        assert_eq!(sent(Some(3)), (None, Some(5)));
        let mut late = Head::default();
        let first = late.apply_sent((&log[2].0, &log[2].1), Some(1), (&[], &[]), &Rules::default());
        assert_eq!(first, Waiting::Known);
        let rest = log[..2].iter().map(|(key, event)| late.apply(key, event, &[], &[], &Rules::default()));
        assert!(rest.collect::<Vec<_>>().iter().all(|waiting| *waiting == Waiting::Known));
        assert_eq!(late.waiting_since, Some(3), "in the other order");
    }

    #[test]
    fn the_customer_waits_since_the_first_unanswered_message() {
        let log = [
            message(1, Author::Customer),
            message(2, Author::Agent),
            message(3, Author::Customer),
            message(4, Author::Customer),
        ];
        assert_eq!(fold(&log, &log).waiting_since, Some(3));
        assert_eq!(fold(&log[..2], &log[..2]).waiting_since, None);
    }

    #[test]
    fn a_head_remembers_so_many_names_and_keeps_those_that_it_has() {
        let name = |n: u64| crate::Eid::parse(&format!("{n:022}")).unwrap();
        let mut head = Head::default();
        let mut apply = |at: u64, names: &[crate::Eid]| {
            let (key, event) = message(at, Author::Customer);
            assert_eq!(head.apply(&key, &event, names, names, &Rules::default()), Waiting::Known);
            head.clone()
        };
        for n in 0..NAMES_MAX as u64 {
            apply(n + 1, &[name(n)]);
        }
        let full = apply(10_000, &[name(1), name(7_000)]);
        assert_eq!((full.names.len(), full.linked.len()), (NAMES_MAX, NAMES_MAX));
        assert_eq!(full.names[&name(1)], (2, 10_000), "what it knows goes on");
        assert!(full.is_full_for(&name(7_000)) && !full.is_full_for(&name(1)));
        assert_eq!(full.counters["messages_received"], NAMES_MAX as u64 + 1);
    }

    #[test]
    fn a_delivery_report_has_its_place_in_the_lattice() {
        assert!(rank(&DeliveryState::Sent) < rank(&DeliveryState::Delivered));
        assert!(rank(&DeliveryState::Delivered) < rank(&DeliveryState::Read));
        assert!(rank(&DeliveryState::Other("played".into())) < rank(&DeliveryState::Sent));
    }
}
