//! How far a message is; cancel it, send it again.

use rapport_http::Problem;
use rapport_model::event::Author;
use rapport_model::profile::rfc3339;
use rapport_model::sending::expiry::{expires_after_ms, expires_at};
use rapport_model::sending::intent::{Birth, Draft, Intent, OVERTAKEN_AFTER_MS, State};
use rapport_model::sending::{IntentId, MessageId};
use rapport_store::outbox::intents::{Changed, Conversation, StoredIntent};
use rapport_store::outbox::lock::Cancelled;

use crate::sending::message::erased;
use crate::sending::views::{MessageView, WhyNot};
use crate::sending::{Sender, Sending, connections};

impl Sending {
    /// A message, as it is now.
    ///
    /// # Errors
    /// There is none, or storage failed.
    pub async fn message(&self, id: &MessageId) -> Result<MessageView, Problem> {
        let intent = self.stored(id).await?.intent;
        let view = MessageView::from(&intent);
        if !intent.is_open() {
            return Ok(view);
        }
        Ok(match self.waits_for(&intent).await? {
            Some((kind, detail, fix)) => {
                let why = WhyNot { kind: kind.to_owned(), detail: Some(detail), status: None };
                MessageView { why: Some(why), fix, ..view }
            }
            None => view,
        })
    }

    /// What an open message waits for: a word, a sentence and what would help. `None`: its worker is about to look at it.
    async fn waits_for(&self, intent: &Intent) -> Result<Option<(&'static str, String, Option<String>)>, Problem> {
        let (table, now) = (&self.people.table, (self.people.now)());
        let (of, connection) = (conversation_of(intent), intent.birth.connection.as_str());
        let waits = |kind, detail: String| Ok(Some((kind, detail, None)));
        let lock = table.lock(&of).await?;
        if let Some(out) = lock.out.as_ref().filter(|out| out.is_live(now)) {
            return if out.intent == intent.id {
                waits("under-way", "its request is under way".to_owned())
            } else {
                waits("turn", "another message of the conversation is under way, and goes first".to_owned())
            };
        }
        if !self.senders.iter().any(|sender| sender == connection) {
            let fix = format!("the operator adds the connection `{connection}`, or a connector that sends");
            return Ok(Some(("no-connection", format!("the connection `{connection}` does not send here"), Some(fix))));
        }
        let standing = table.connection_standing(connection, now).await?;
        let until = standing.paused_until.map(rfc3339).unwrap_or_default();
        match connections::word_of(&standing) {
            connections::PAUSED => {
                let detail =
                    format!("the provider refuses the account of `{connection}`; a worker tries again at {until}");
                return Ok(Some(("connection-paused", detail, Some(connections::fix_of_paused(connection)))));
            }
            "limited" if standing.paused_until.is_some_and(|until| until > intent.due_at) => {
                return waits(
                    "connection-limited",
                    format!("`{connection}` starts nothing before {until}: the provider wants a pause, or is away"),
                );
            }
            _ => {}
        }
        if intent.due_at > now {
            let is_first = intent.due_at == intent.id.due_at();
            let why = if is_first { "it is due then" } else { "the provider limits the rate, or could not be reached" };
            let kind = if is_first { "scheduled" } else { "again-later" };
            return waits(kind, format!("it starts at {} at the earliest: {why}", rfc3339(intent.due_at)));
        }
        if lock.next_at > now {
            let detail = format!("the provider takes the next message to this customer at {}", rfc3339(lock.next_at));
            return waits("pair-rate", detail);
        }
        let open = table.open_intents(&of, now).await?;
        let goes_first = |other: &&StoredIntent| other.id < intent.id && other.due_at <= now + OVERTAKEN_AFTER_MS;
        match open.iter().find(goes_first) {
            Some(first) => {
                let first = MessageId { eid: of.eid.clone(), intent: first.id.clone() };
                waits("turn", format!("the message {first} of the conversation goes first"))
            }
            None => Ok(None),
        }
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
