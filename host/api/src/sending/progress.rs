//! How far a message is; cancel it, send it again.

use rapport_http::Problem;
use rapport_model::event::Author;
use rapport_model::sending::expiry::{expires_after_ms, expires_at};
use rapport_model::sending::intent::{Birth, Draft, Intent, State};
use rapport_model::sending::{IntentId, MessageId};
use rapport_store::outbox::intents::{Changed, Conversation, StoredIntent};
use rapport_store::outbox::lock::Cancelled;

use crate::sending::message::erased;
use crate::sending::views::MessageView;
use crate::sending::{Sender, Sending};

impl Sending {
    /// A message, as it is now.
    ///
    /// # Errors
    /// There is none, or storage failed.
    pub async fn message(&self, id: &MessageId) -> Result<MessageView, Problem> {
        Ok(MessageView::from(&self.stored(id).await?.intent))
    }

    /// Cancels what is left of a message. A repeated call changes nothing.
    ///
    /// # Errors
    /// It has ended otherwise, or a request of it is under way or may have arrived; there is none; or storage failed.
    pub async fn cancel(&self, id: &MessageId) -> Result<MessageView, Problem> {
        let stored = self.stored(id).await?;
        match self.people.table.cancel_intent(&stored).await? {
            Cancelled::Done(done) => Ok(MessageView::from(&done.intent)),
            Cancelled::Late(late) if is_cancelled(&late.intent) => Ok(MessageView::from(&late.intent)),
            Cancelled::Late(late) => Err(too_late(&late.intent)),
            Cancelled::UnderWay => {
                let detail = "a request of this message is under way; fix: ask again in a few seconds";
                Err(Problem::wrong_state(detail).in_state(stored.state.word()))
            }
            Cancelled::Gone => Err(no_message()),
        }
    }

    /// Sends a message again of which nobody knows whether it arrived: a person's decision, once. A repeated call gives the same
    /// new message.
    ///
    /// # Errors
    /// Nobody sends here, it is not unknown, the person is erased, there is none, or storage failed.
    pub async fn resend(&self, id: &MessageId, sender: Sender) -> Result<MessageView, Problem> {
        self.somebody_sends()?;
        let created_at = (self.people.now)();
        let stored = self.stored(id).await?;
        let of = conversation_of(&stored.intent);
        let fresh = self.people.table.draw_intent_id(created_at).ok_or_else(no_message)?;
        let marked = self.people.table.change_intent(&stored, |intent| intent.resent(&fresh)).await?;
        let old = match marked {
            Changed::Done(old) | Changed::Late(old) => old.intent,
            Changed::Gone => return Err(no_message()),
        };
        let Some(new) = old.resent_by.clone() else {
            let detail = "only an `unknown` message can be sent again; fix: send a new message";
            return Err(Problem::wrong_state(detail).in_state(old.state.word()));
        };
        if let Some(known) = self.people.table.intent(&of.eid, &new).await? {
            return Ok(MessageView::from(&known.intent));
        }
        // The time in the new id is that of the first call: an erasure since then takes the message with it.
        if new.due_at() <= self.people.table.lock(&of).await?.closed {
            return Err(erased());
        }
        let intent = again(&old, new, sender, (self.people.now)());
        self.people.table.put_intent(&intent).await?;
        self.wake(&of, intent.due_at).await;
        Ok(MessageView::from(&intent))
    }

    async fn stored(&self, id: &MessageId) -> Result<StoredIntent, Problem> {
        self.people.table.intent(&id.eid, &id.intent).await?.ok_or_else(no_message)
    }
}

/// The parts that the provider does not have, as an agent's message. It answers for nobody: the person only repeats it.
fn again(old: &Intent, id: IntentId, sender: Sender, now: rapport_model::Timestamp) -> Intent {
    let accepted = old.accepted.len();
    let draft = Draft {
        author: Author::Agent,
        by: sender.by,
        parts: old.draft.parts.iter().skip(accepted).cloned().collect(),
        fence: None,
        turn: None,
        resends: Some(old.id.clone()),
        ..old.draft.clone()
    };
    let default = expires_after_ms(&draft.purpose, draft.kind, draft.author);
    let created_at = id.due_at();
    let birth = Birth { created_at, expires_at: expires_at(None, created_at, default), ..old.birth.clone() };
    Intent::new(id, birth, draft, now)
}

pub(super) fn conversation_of(intent: &Intent) -> Conversation {
    Conversation { eid: intent.birth.eid.clone(), account: intent.birth.account.clone() }
}

fn is_cancelled(intent: &Intent) -> bool {
    use rapport_model::sending::intent::CANCELLED;
    match &intent.state {
        State::Cancelled => true,
        State::Cut { why, .. } => why.kind == CANCELLED,
        _ => false,
    }
}

fn too_late(intent: &Intent) -> Problem {
    let detail = match &intent.state {
        State::Pending | State::Sending => "a part of this message may have reached the provider; fix: ask again later",
        State::Unknown { .. } => "a request of this message left, and nobody knows what became of it",
        _ => "this message has ended",
    };
    Problem::wrong_state(detail).in_state(intent.state.word())
}

fn no_message() -> Problem {
    Problem::not_found("no message has this id; messages of an erased person are gone")
}
