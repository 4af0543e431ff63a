//! Who a word or a message hands a conversation to.

use crate::endpoint::{EventKey, TenantKey};
use crate::event::{Author, Body, Controller, Event};
use crate::sending::Kind;
use crate::sending::intent::{Draft, Intent};
use crate::sending::lock::Holder;

/// Whether a message takes the conversation when it is made: a human answers.
pub fn takes_conversation(draft: &Draft) -> bool {
    draft.author == Author::Agent && draft.kind == Kind::Reply
}

/// What such a message's move of control is called in the lock: whoever repeats it moves nothing.
pub fn control_key(intent: &Intent, tenant: &TenantKey) -> Option<EventKey> {
    tenant.event_key(intent.birth.created_at, &intent.birth.account, &format!("rapport control {}", intent.id))
}

/// To whom an event of somebody else hands the conversation; `None`: to nobody.
///
/// A message of the business that we did not send is somebody who took over, also if it is a program: it does not know our fence.
pub fn taken_by(event: &Event) -> Option<Holder> {
    match &event.body {
        Body::Message(message) => match message.author {
            Author::Customer => None,
            Author::Agent => Some(Holder::Agent(None)),
            Author::Automation => Some(Holder::OtherApp),
        },
        Body::Control(control) => Some(match control.holder {
            Controller::Automation => Holder::Automation(None),
            Controller::Agent => Holder::Agent(None),
            Controller::OtherApp => Holder::OtherApp,
        }),
        _ => None,
    }
}
