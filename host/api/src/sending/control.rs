//! Who answers a conversation: read it, take it, hand it back.

use rapport_http::Problem;
use rapport_model::EventKey;
use rapport_model::event::{Body, Contact, Control, Controller, Event};
use rapport_model::profile::rfc3339;
use rapport_model::sending::MessageId;
use rapport_model::sending::lock::{Fence, Found, Holder, Lock, found};
use rapport_store::events::NewEvent;
use rapport_store::outbox::intents::Conversation;
use rapport_store::{Mistake, StoreError};
use schemars::JsonSchema;
use serde::Serialize;

use crate::sending::target::address_of;
use crate::sending::views::{ConversationView, NamedConversation};
use crate::sending::{Sender, Sending};

/// The name of the connection of a command in a conversation in which no connection said anything yet.
const NO_CONNECTION: &str = "rapport";

/// Who answers a conversation.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "ConversationControl")]
pub struct ControlView {
    pub conversation: ConversationView,
    /// A text that changes whenever control moves. A reply by automation gives it back as `fence`.
    pub fence: Fence,
    pub holder: HolderView,
    /// The `sequence` of the customer's newest message. A reply by automation gives it back as `turn`. Null: the customer did not
    /// write, or not among the newest 100 events.
    pub turn: Option<EventKey>,
    /// The last turn of the customer that automation answered.
    pub answered: Option<EventKey>,
    /// What is on its way to the provider now, and cannot be stopped any more.
    pub under_way: Option<UnderWay>,
}

/// Who holds a conversation.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct HolderView {
    pub role: Role,
    /// The name of an API key; null: it is not known.
    pub by: Option<String>,
}

/// The kind of holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Nobody yet: automation may answer.
    Nobody,
    Automation,
    Agent,
    /// Another application of the provider's.
    OtherApp,
}

/// A message that is on its way.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct UnderWay {
    /// The id of the message.
    pub message: String,
    /// The number of its part, from 0.
    pub part: u32,
    /// After this instant nothing of it leaves any more.
    #[schemars(extend("format" = "date-time"))]
    pub until: String,
}

/// A command about control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// A human answers from now on. Automation may ask for one in this way.
    Take,
    /// Automation may answer again.
    HandBack,
}

impl Sending {
    /// Who answers a conversation, and what a bot needs to answer it.
    ///
    /// # Errors
    /// There is no such conversation, or storage failed.
    pub async fn control(&self, named: NamedConversation) -> Result<ControlView, Problem> {
        let of = self.conversation(named).await?;
        // Before the lock: what is newer than the turn makes the fence or the turn stale, never the other way round.
        let newest = self.newest(&of).await?;
        let lock = self.people.table.lock(&of).await?;
        self.view(&of, &lock, newest.and_then(|newest| newest.turn)).await
    }

    /// Moves control: the event, then the lock, then the answer. From then on no reply of automation starts that did not know.
    ///
    /// # Errors
    /// There is no such conversation, or storage failed: then control may have moved, and the same call again is harmless.
    pub async fn command(
        &self,
        named: NamedConversation,
        command: Command,
        sender: &Sender,
    ) -> Result<ControlView, Problem> {
        let of = self.conversation(named).await?;
        let newest = self.newest(&of).await?;
        let (connection, turn) =
            newest.map_or((NO_CONNECTION.to_owned(), None), |newest| (newest.connection, newest.turn));
        let key = self.put_command(&of, connection, command, sender).await?;
        let holder = match command {
            Command::Take => Holder::Agent(None),
            Command::HandBack => Holder::Automation(None),
        };
        let now = (self.people.now)();
        let lock = self.people.table.lock(&of).await?;
        if self.people.table.makes(Mistake::TakeoverOnlyAsEvent) {
            return self.view(&of, &lock, turn).await;
        }
        let moved = self.people.table.move_known_control(&of, lock, &key, &holder, now).await?;
        self.view(&of, &moved.lock, turn).await
    }

    async fn put_command(
        &self,
        of: &Conversation,
        connection: String,
        command: Command,
        sender: &Sender,
    ) -> Result<EventKey, Problem> {
        let unknown = || Problem::not_found("no conversation has this id");
        let state = self.people.table.endpoint(&of.eid).await?.ok_or_else(unknown)?;
        let now = (self.people.now)();
        let drawn = self.people.table.draw_token();
        let holder = match command {
            Command::Take => Controller::Agent,
            Command::HandBack => Controller::Automation,
        };
        let event = Event {
            id: format!("rapport:control:{}", drawn.as_str()),
            at: now,
            account: of.account.clone(),
            contact: Contact { identifiers: vec![address_of(&state)], ..Contact::default() },
            body: Body::Control(Control { by: Some(sender.by.clone()), ..Control::held_by(holder) }),
            extensions: Default::default(),
        };
        let far = || Problem::internal("the clock is beyond what an event can say");
        let key = self.people.table.tenant_key().event_key(now, &of.account, &event.id).ok_or_else(far)?;
        let new = NewEvent {
            eid: of.eid.clone(),
            key: key.clone(),
            event,
            connection,
            connector_digest: String::new(),
            received_at: now,
        };
        self.people.table.put_command(new).await?;
        Ok(key)
    }

    async fn view(&self, of: &Conversation, lock: &Lock, turn: Option<EventKey>) -> Result<ControlView, Problem> {
        let (role, by) = match &lock.holder {
            Holder::Nobody => (Role::Nobody, None),
            Holder::Automation(by) => (Role::Automation, by.clone()),
            Holder::Agent(by) => (Role::Agent, by.clone()),
            Holder::OtherApp => (Role::OtherApp, None),
        };
        Ok(ControlView {
            conversation: ConversationView::from(of),
            fence: lock.fence,
            holder: HolderView { role, by },
            turn,
            answered: lock.answered.as_ref().map(|answered| answered.turn.clone()),
            under_way: self.under_way(of, lock).await?,
        })
    }

    /// What is on its way. A worker does not remove its marker when it has the answer, so the intent tells whether it has.
    async fn under_way(&self, of: &Conversation, lock: &Lock) -> Result<Option<UnderWay>, Problem> {
        let now = (self.people.now)();
        let Some(out) = lock.out.as_ref().filter(|out| out.is_live(now)) else { return Ok(None) };
        let is_live = match self.people.table.intent(&of.eid, &out.intent).await {
            Ok(stored) => matches!(found(out, stored.as_ref().map(|stored| &stored.intent), now), Found::Live),
            // The marker is live, and says enough.
            Err(StoreError::Corrupt { .. } | StoreError::Missing { .. }) => true,
            Err(error) => return Err(error.into()),
        };
        Ok(is_live.then(|| UnderWay {
            message: MessageId { eid: of.eid.clone(), intent: out.intent.clone() }.to_string(),
            part: out.part,
            until: rfc3339(out.deadline),
        }))
    }
}
