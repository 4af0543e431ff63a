//! Whose conversation an update is in. A group is an address of its own, so that nobody is taken for the group.

use rapport_sdk::prelude::*;
use serde::Serialize;

use crate::payload::{Chat, Fields, User, full_name};

/// A person, by an id that is the same for every bot.
pub const USER: &str = "telegram";
/// A group, a supergroup or a channel, likewise.
pub const GROUP: &str = "telegram.group";

/// Extension: who in a group did it.
const PARTICIPANT: &str = "org.telegram.participant";
/// Trait: a name by which somebody is found. People change it, and others take it over.
const USERNAME: &str = "org.telegram.username";

/// The other side of a conversation.
pub struct Party {
    pub contact: Contact,
    /// Who acts: the customer, the business or a bot.
    pub acts: Author,
    participant: Option<Participant>,
    pub is_group: bool,
}

#[derive(Serialize)]
struct Participant {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
}

impl Party {
    /// By the fields in which Telegram says it: `chat`, and who acts. None if it names nobody.
    pub fn of(fields: &Fields) -> Option<Self> {
        let user = ["from", "user", "guest_bot_caller_user"].iter().find_map(|name| fields.read::<User>(name));
        let actor: Option<Chat> = ["sender_chat", "actor_chat"].iter().find_map(|name| fields.read(name));
        // Who votes as a channel or a group is that, and no person; the poll's own chat is not said.
        let voter: Option<Chat> = fields.read("voter_chat");
        let user = user.filter(|_| voter.is_none());
        let mut party = Self::between(fields.read("chat").or(voter), user, actor)?;
        if party.acts == Author::Agent && fields.get("sender_business_bot").is_some() {
            party.acts = Author::Automation;
        }
        // Telegram repeats the posts of a channel in the group where they are discussed.
        if fields.get("is_automatic_forward").is_some_and(|raw| raw.get() == "true") {
            party.acts = Author::Agent;
        }
        Some(party)
    }

    /// By a conversation, who acts in it, and in whose name. None if there is neither a conversation nor anybody.
    pub fn between(chat: Option<Chat>, user: Option<User>, actor: Option<Chat>) -> Option<Self> {
        match chat.filter(|chat| chat.id.is_some()) {
            Some(chat) if chat.is_group() => Some(Self::group(chat, user, actor)),
            Some(chat) => Some(Self::private(chat, user)),
            None => Self::person(user?),
        }
    }

    /// Adds who in a group it was.
    pub fn in_group(&self, event: Event) -> Event {
        match &self.participant {
            Some(participant) => event.extended(PARTICIPANT, participant),
            None => event,
        }
    }

    /// Somebody outside of every conversation: who types the bot's name in another one.
    fn person(user: User) -> Option<Self> {
        let id = user.id.clone()?;
        Some(Self { contact: contact(id, &user), acts: Author::Customer, participant: None, is_group: false })
    }

    /// A private chat has the id of the other side, who wrote, or whom the business answered from its own account.
    fn private(chat: Chat, user: Option<User>) -> Self {
        let id = chat.id.clone().unwrap_or_default();
        let is_theirs = user.as_ref().is_none_or(|user| user.id.is_none() || user.id == chat.id);
        let known = user.filter(|user| user.id == chat.id).unwrap_or(User {
            first_name: chat.first_name,
            last_name: chat.last_name,
            username: chat.username,
            ..User::default()
        });
        let acts = if is_theirs { Author::Customer } else { Author::Agent };
        Self { contact: contact(id, &known), acts, participant: None, is_group: false }
    }

    /// Whoever speaks for a channel is of the business; a nameless administrator speaks as the group itself.
    fn group(chat: Chat, user: Option<User>, actor: Option<Chat>) -> Self {
        let id = chat.id.clone().unwrap_or_default();
        let is_official =
            chat.kind.as_deref() == Some("channel") || actor.as_ref().is_some_and(|actor| actor.id == chat.id);
        let is_bot = actor.is_none() && user.as_ref().is_some_and(|user| user.is_bot);
        let participant = match actor {
            Some(actor) => actor.id.filter(|actor| *actor != id).map(|id| Participant {
                id,
                name: actor.title,
                username: actor.username,
            }),
            None => user.and_then(|user| {
                let name = full_name(user.first_name.as_deref(), user.last_name.as_deref());
                Some(Participant { id: user.id?, name, username: user.username })
            }),
        };
        let acts = match (is_official, is_bot) {
            (true, _) => Author::Agent,
            (false, true) => Author::Automation,
            (false, false) => Author::Customer,
        };
        let contact = Contact::new(vec![Identifier::provider(GROUP, id)]).named(chat.title);
        Self { contact, acts, participant, is_group: true }
    }
}

impl Chat {
    /// Groups have negative ids, which decide where no type is said.
    fn is_group(&self) -> bool {
        match self.kind.as_deref() {
            Some(kind) => kind != "private" && kind != "sender",
            None => self.id.as_deref().is_some_and(|id| id.starts_with('-')),
        }
    }
}

fn contact(id: String, user: &User) -> Contact {
    let name = full_name(user.first_name.as_deref(), user.last_name.as_deref());
    let mut contact = Contact::new(vec![Identifier::provider(USER, id)]).named(name);
    contact.locale.clone_from(&user.language_code);
    match &user.username {
        Some(username) => contact.with_trait(USERNAME, username),
        None => contact,
    }
}
