//! What a webhook says about the business's own messages: a message of ours is a report, and a message that we did not send is
//! somebody who took the conversation.
//!
//! Control and withdrawn consents move the lock before the provider is answered 200: event, then lock, then answer. So no reply of
//! automation starts after an answer that it did not know of.

use rapport_model::event::{Author, Body, ConsentState, Covered, Delivery, DeliveryState, Event};
use rapport_model::sending::control::{is_of_now, taken_by};
use rapport_model::sending::lock::{Holder, Word};
use rapport_model::sending::reference::Reference;
use rapport_model::{Eid, EventKey, TenantKey, Timestamp, cells};
use rapport_store::outbox::intents::Conversation;
use rapport_store::{Mistake, StoreError, Table};

/// Makes a message with our reference the report that it is: the provider has the message, under this id. A message with a
/// reference that nobody with the tenant key made is somebody else's.
pub(crate) fn as_report(event: Event, table: &Table) -> Event {
    if table.makes(Mistake::EchoAsMessage) {
        return event;
    }
    report_of(event, table.tenant_key())
}

fn report_of(event: Event, tenant: &TenantKey) -> Event {
    match event.body {
        Body::Message(message)
            if message.author != Author::Customer && is_ours(message.reference.as_deref(), tenant) =>
        {
            let report = Delivery {
                reference: message.reference,
                ..Delivery::new(Covered::Message(message.id), DeliveryState::Sent)
            };
            Event { body: Body::Delivery(report), ..event }
        }
        body => Event { body, ..event },
    }
}

fn is_ours(reference: Option<&str>, tenant: &TenantKey) -> bool {
    reference.is_some_and(|reference| Reference::read(reference, tenant).is_some())
}

/// What an event does to the lock of its conversation.
pub(crate) struct Move {
    of: Conversation,
    key: EventKey,
    change: Change,
}

enum Change {
    Control(Holder),
    /// The purpose for which a consent is withdrawn.
    Withdrawn(String),
}

/// What an event does to the lock before the provider is answered; `None`: nothing, as most events.
pub(crate) fn move_of(
    table: &Table,
    (eid, key): (&Eid, &EventKey),
    event: &Event,
    received_at: Timestamp,
) -> Option<Move> {
    if table.makes(Mistake::DoorLeavesItToTheFold) {
        return None;
    }
    let of = || Conversation { eid: eid.clone(), account: event.account.clone() };
    if let Some(holder) = taken_by(event) {
        let is_now = is_of_now(event, received_at);
        return is_now.then(|| Move { of: of(), key: key.clone(), change: Change::Control(holder) });
    }
    let consent = cells::consent(key, event, table.rules())?;
    let is_withdrawn = consent.state == ConsentState::Withdrawn;
    is_withdrawn.then(|| Move { of: of(), key: key.clone(), change: Change::Withdrawn(consent.purpose) })
}

/// Writes what an event does to the lock. A webhook that comes again writes it again, which changes nothing.
pub(crate) async fn carry_out(table: &Table, Move { of, key, change }: Move, now: Timestamp) -> Result<(), StoreError> {
    match change {
        Change::Control(holder) => table.move_control(&of, &key, &holder, now).await.map(drop),
        Change::Withdrawn(purpose) => {
            table.put_word(&of, &purpose, &Word { event: key, state: ConsentState::Withdrawn }).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rapport_model::endpoint::EndpointKey;
    use rapport_model::event::{Contact, Message};
    use rapport_model::sending::IntentId;

    #[test]
    fn a_message_with_a_reference_of_ours_is_a_report_and_any_other_is_not() {
        let tenant = TenantKey::new(&[7; 32]).unwrap();
        let eid = tenant.eid(&EndpointKey { scheme: "phone".into(), scope: None, value: "+16505551234".into() });
        let intent = IntentId::new(1_700_000_000_000, 7).unwrap();
        let ours = Reference { eid, intent, part: 0 }.write(&tenant);
        let echo = |author, reference: Option<&str>| Event {
            id: "e".into(),
            at: 7,
            account: "a".into(),
            contact: Contact::default(),
            body: Body::Message(Message {
                reference: reference.map(str::to_owned),
                ..Message::new("m", author, vec![])
            }),
            extensions: Default::default(),
        };
        let Body::Delivery(report) = report_of(echo(Author::Agent, Some(&ours)), &tenant).body else {
            panic!("no report")
        };
        assert_eq!(report.covers, Covered::Message("m".into()));
        assert_eq!((report.state, report.reference), (DeliveryState::Sent, Some(ours.clone())));
        let forged = ours.replace("r1", "r2");
        for reference in [None, Some("r1"), Some(forged.as_str())] {
            let kept = report_of(echo(Author::Agent, reference), &tenant);
            assert!(matches!(kept.body, Body::Message(_)), "{reference:?}");
        }
        let customers = report_of(echo(Author::Customer, Some(&ours)), &tenant);
        assert!(matches!(customers.body, Body::Message(_)), "a customer cannot report");
        let other = TenantKey::new(&[8; 32]).unwrap();
        assert!(matches!(report_of(echo(Author::Agent, Some(&ours)), &other).body, Body::Message(_)));
    }
}
