//! What an event means for the lock of its conversation: it may stop what is to be sent there. A webhook's events are heard
//! before the webhook is acknowledged, and by the fold again, once for each event.

use crate::endpoint::TenantKey;
use crate::event::{Author, Body, ConsentState, Control, Controller, Covered, Delivery, DeliveryState, Event};
use crate::sending::lock::Holder;
use crate::sending::reference::Reference;

/// See the module's documentation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Control of the conversation moved.
    Moved(Holder),
    /// The customer's word on a purpose.
    Word { purpose: String, state: ConsentState },
}

/// What an event means for the lock. `None`: nothing.
pub fn heard(event: &Event, tenant: &TenantKey) -> Option<Heard> {
    match &event.body {
        Body::Consent(consent) => Some(Heard::Word { purpose: consent.purpose.clone(), state: consent.state }),
        Body::Control(control) => Some(Heard::Moved(holder_of(control))),
        Body::Message(message) if message.reference.as_ref().is_some_and(|text| is_ours(text, tenant)) => None,
        // Somebody answers by another way than ours.
        Body::Message(message) => match message.author {
            Author::Customer => None,
            Author::Agent => Some(Heard::Moved(Holder::Agent(None))),
            Author::Automation => Some(Heard::Moved(Holder::OtherApp)),
        },
        _ => None,
    }
}

/// An echo of a message of ours is a report about it, never a message: else it would stand on the timeline twice.
pub fn as_report(event: Event, tenant: &TenantKey) -> Event {
    let Body::Message(message) = &event.body else { return event };
    match &message.reference {
        Some(reference) if message.author != Author::Customer && is_ours(reference, tenant) => {
            let covers = Covered::Message(message.id.clone());
            let reference = Some(reference.clone());
            Event { body: Body::Delivery(Delivery { covers, state: DeliveryState::Sent, reference }), ..event }
        }
        _ => event,
    }
}

fn is_ours(reference: &str, tenant: &TenantKey) -> bool {
    Reference::read(reference, tenant).is_some()
}

fn holder_of(control: &Control) -> Holder {
    match control.holder {
        Controller::Automation => Holder::Automation(control.by.clone()),
        Controller::Agent => Holder::Agent(control.by.clone()),
        Controller::OtherApp => Holder::OtherApp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::EndpointKey;
    use crate::event::{Consent, Contact, Message};
    use crate::sending::id::IntentId;

    fn event(body: Body) -> Event {
        Event {
            id: "e".into(),
            at: 1,
            account: "shop".into(),
            contact: Contact::default(),
            body,
            extensions: Default::default(),
        }
    }

    fn message(author: Author, reference: Option<&str>) -> Event {
        let reference = reference.map(str::to_owned);
        event(Body::Message(Message { reference, ..Message::new("m1", author, vec![]) }))
    }

    #[test]
    fn who_answers_by_another_way_takes_over_and_our_own_echo_is_a_report() {
        let tenant = TenantKey::new(&[7; 32]).unwrap();
        let eid = tenant.eid(&EndpointKey { scheme: "phone".into(), scope: None, value: "+16505551234".into() });
        let ours = Reference { eid, intent: IntentId::new(1, 2).unwrap(), part: 0 }.write(&tenant);
        let of = |event: &Event| heard(event, &tenant);
        assert_eq!(of(&message(Author::Customer, None)), None);
        assert_eq!(of(&message(Author::Agent, None)), Some(Heard::Moved(Holder::Agent(None))));
        assert_eq!(of(&message(Author::Automation, Some("r1 of somebody else"))), Some(Heard::Moved(Holder::OtherApp)));
        assert_eq!(of(&message(Author::Agent, Some(&ours))), None);
        let report = as_report(message(Author::Agent, Some(&ours)), &tenant);
        let Body::Delivery(delivery) = &report.body else { panic!("{report:?}") };
        assert_eq!((&report.id, &delivery.covers), (&"e".to_owned(), &Covered::Message("m1".into())));
        assert_eq!(delivery.reference, Some(ours.clone()));
        let customers = message(Author::Customer, Some(&ours));
        assert_eq!(as_report(customers.clone(), &tenant), customers);
    }

    #[test]
    fn a_word_on_a_purpose_and_a_moved_control_are_heard() {
        let tenant = TenantKey::new(&[7; 32]).unwrap();
        let consent = Consent { purpose: "marketing".into(), state: ConsentState::Withdrawn, evidence: None };
        let word = Heard::Word { purpose: "marketing".into(), state: ConsentState::Withdrawn };
        assert_eq!(heard(&event(Body::Consent(consent)), &tenant), Some(word));
        let control = Control::held_by(Controller::Automation);
        assert_eq!(heard(&event(Body::Control(control)), &tenant), Some(Heard::Moved(Holder::Automation(None))));
    }
}
