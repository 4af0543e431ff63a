//! Who a word or a message hands a conversation to.

use crate::endpoint::{EventKey, TenantKey};
use crate::event::{Author, Body, Controller, Event, Timestamp};
use crate::sending::Kind;
use crate::sending::intent::Intent;
use crate::sending::lock::Holder;

/// What the move of control by a message is called in the lock; `None`: the message moves nothing. An agent's reply takes the
/// conversation when it is made; whoever repeats that moves nothing.
pub fn control_key(intent: &Intent, tenant: &TenantKey) -> Option<EventKey> {
    let takes = intent.draft.author == Author::Agent && intent.draft.kind == Kind::Reply;
    let key = || tenant.event_key(intent.birth.created_at, &intent.birth.account, intent.id.as_str());
    takes.then(key).flatten()
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

/// Milliseconds. An event that was older than this when it came says nothing of who answers now: it is a history that a provider
/// hands over once. A day is the shortest window in which channels let a business answer.
pub const TAKEOVER_AGE_MS_MAX: Timestamp = 24 * 3_600_000;

/// Whether an event may still hand the conversation to somebody.
pub fn is_of_now(event: &Event, received_at: Timestamp) -> bool {
    event.at.saturating_add(TAKEOVER_AGE_MS_MAX) >= received_at
}
