//! A message to send is taken, once: claim of the idempotency key, message, control, wake. A crash between any two is made good by
//! the same request again, or by the fold.

use rapport_http::Problem;
use rapport_model::event::{Author, Choice, Media, MediaSource, Part, Template};
use rapport_model::profile::parse_rfc3339;
use rapport_model::sending::control::control_key;
use rapport_model::sending::expiry::{EXPIRES_AFTER_MS_MAX, expires_after_ms, expires_at};
use rapport_model::sending::intent::{Birth, Draft, Intent};
use rapport_model::sending::lock::{Fence, Lock, Refusal, Reply};
use rapport_model::sending::{IntentId, Kind, MessageId, Route};
use rapport_model::{EventKey, Timestamp};
use rapport_projections::settlement::take_control;
use rapport_store::outbox::claims::{Claim, Claimed};
use rapport_store::outbox::intents::{Conversation, PutIntent};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::sending::target::{Address, Target, To, Way};
use crate::sending::views::MessageView;
use crate::sending::{Sender, Sending};

/// Parts. More than any channel shows as one message; each is a request of its own.
pub const PARTS_MAX: usize = 10;
/// Characters of one text. The longest that a channel takes is a mail's; others refuse more with their own limit.
pub const TEXT_CHARS_MAX: usize = 30_000;
/// Characters of an id of the client or of the provider.
pub const ID_CHARS_MAX: usize = 512;
/// Milliseconds. So far ahead a message can be due: an idempotency key is remembered for as long.
pub const AHEAD_MS_MAX: u64 = 30 * 24 * 3_600_000;
/// Characters of an idempotency key.
pub const IDEMPOTENCY_KEY_CHARS_MAX: usize = 255;

/// A message to send.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({
    "to": {"profile": "p704VhEA_VVT541L-_WugSw"},
    "parts": [{"text": "Your parcel comes today."}],
    "kind": "notice"
}))]
pub struct NewMessage {
    pub to: To,
    /// The connection that sends it. Leave it out to use that of the conversation.
    #[schemars(length(min = 1, max = 64))]
    pub connection: Option<String>,
    /// The business's side, such as a phone-number id. Leave it out to use that of the conversation; an address that nobody wrote
    /// from yet needs it.
    #[schemars(length(min = 1, max = ID_CHARS_MAX))]
    pub account: Option<String>,
    /// The subject, on a channel that has subjects.
    #[schemars(length(min = 1, max = ID_CHARS_MAX))]
    pub subject: Option<String>,
    #[schemars(length(min = 1, max = PARTS_MAX))]
    pub parts: Vec<NewPart>,
    /// Why the business writes: `service`, `marketing`, `authentication`, … (W3C DPV terms). Leave it out for `service`.
    #[schemars(length(min = 1, max = 64))]
    pub purpose: Option<String>,
    pub kind: Kind,
    /// `agent` or `automation`. Leave it out if the API key is only one of them.
    pub author: Option<Author>,
    /// The provider's id of the message that this one answers.
    #[schemars(length(min = 1, max = ID_CHARS_MAX))]
    pub in_reply_to: Option<String>,
    /// Of a reply by automation: the `fence` of `GET /v1/conversations/{id}`.
    pub fence: Option<Fence>,
    /// Of a reply by automation: the `sequence` of the newest message of the customer that it answers.
    #[schemars(length(min = 26, max = 26))]
    pub turn: Option<String>,
    /// Do not send it before this instant (RFC 3339), at most 30 days ahead.
    #[schemars(extend("format" = "date-time"))]
    pub not_before: Option<String>,
    /// Do not send it after this instant (RFC 3339), at most 72 hours after it is due.
    #[schemars(extend("format" = "date-time"))]
    pub expires_at: Option<String>,
    /// The id of a message of the same conversation: send this one after it.
    pub after: Option<String>,
    /// What you call it. It is in every answer about the message.
    #[schemars(length(min = 1, max = ID_CHARS_MAX))]
    pub client_ref: Option<String>,
}

/// One part of a message to send.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum NewPart {
    Text(#[schemars(length(min = 1, max = TEXT_CHARS_MAX))] String),
    Html(#[schemars(length(min = 1, max = TEXT_CHARS_MAX))] String),
    Media(NewMedia),
    /// Buttons or list rows to choose from.
    Choices(#[schemars(length(min = 1, max = 100))] Vec<NewChoice>),
    /// A template that the provider has approved.
    Template(NewTemplate),
}

/// A file, an image, a sound or a video.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMedia {
    pub source: NewMediaSource,
    #[schemars(length(min = 1, max = 255))]
    pub mime_type: Option<String>,
    #[schemars(length(min = 1, max = 255))]
    pub file_name: Option<String>,
}

/// Where a file is.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum NewMediaSource {
    /// A public URL, which the provider fetches.
    Url(#[schemars(length(min = 1, max = 2_048))] String),
    /// The provider's id of a file that it has.
    ProviderId(#[schemars(length(min = 1, max = ID_CHARS_MAX))] String),
}

/// A button or a list row.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewChoice {
    #[schemars(length(min = 1, max = ID_CHARS_MAX))]
    pub id: String,
    #[schemars(length(min = 1, max = ID_CHARS_MAX))]
    pub title: String,
}

/// A template with its parameters.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTemplate {
    #[schemars(length(min = 1, max = ID_CHARS_MAX))]
    pub name: String,
    #[schemars(length(min = 1, max = 64))]
    pub locale: String,
    #[serde(default)]
    #[schemars(length(max = 100))]
    pub parameters: Vec<Value>,
}

impl From<NewPart> for Part {
    fn from(part: NewPart) -> Self {
        match part {
            NewPart::Text(text) => Self::Text(text),
            NewPart::Html(html) => Self::Html(html),
            NewPart::Media(NewMedia { source, mime_type, file_name }) => {
                let source = match source {
                    NewMediaSource::Url(url) => MediaSource::Url(url),
                    NewMediaSource::ProviderId(id) => MediaSource::ProviderId(id),
                };
                Self::Media(Media { source, mime_type, file_name, size: None, content_id: None })
            }
            NewPart::Choices(choices) => {
                Self::Choices(choices.into_iter().map(|NewChoice { id, title }| Choice { id, title }).collect())
            }
            NewPart::Template(NewTemplate { name, locale, parameters }) => {
                Self::Template(Template { name, locale, parameters })
            }
        }
    }
}

/// What a request says, checked.
struct Asked {
    new: NewMessage,
    sender: Sender,
    purpose: String,
    reply: Option<Reply>,
    not_before: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    after: Option<MessageId>,
    /// For the claim: the same for the same request.
    body: Vec<u8>,
}

impl Sending {
    /// Takes a message. A repeated call with the same key and body gives the same message.
    ///
    /// # Errors
    /// That nobody sends here; what is wrong with the request; that the key belongs to another one; that control moved, that the
    /// turn is answered, or that the person is erased; or storage failed, and then the same call again is harmless.
    pub async fn take(&self, new: NewMessage, sender: Sender, key: &str) -> Result<MessageView, Problem> {
        self.somebody_sends()?;
        // Before anybody looks whether the person is erased: an erasure that comes later takes this message with it.
        let created_at = (self.people.now)();
        let asked = checked(new, sender)?;
        let way = Way { connection: asked.new.connection.as_deref(), account: asked.new.account.as_deref() };
        let target = self.target(&asked.new.to, way).await?;
        let due_at = match due_at(&asked, &target.of, created_at) {
            Ok(due_at) => due_at,
            // It may be the repetition of one that was taken before it expired.
            Err(refused) => return self.unless_taken(&asked, key, refused).await,
        };
        let id = self.people.table.draw_intent_id(due_at).ok_or_else(too_far)?;
        let lock = self.people.table.lock(&target.of).await?;
        self.refuse_erased(&target, &lock, created_at).await?;
        let claim = Claim {
            intent: id.clone(),
            eid: target.of.eid.clone(),
            account: target.of.account.clone(),
            connection: target.connection.clone(),
            created_at,
        };
        if let Some(stale) = asked.reply.as_ref().and_then(|reply| lock.against_reply(&id, reply)) {
            return self.unless_taken(&asked, key, refused_reply(&stale)).await;
        }
        let claim = match self.people.table.claim_intent((&asked.sender.by, key), &asked.body, &claim).await? {
            Claimed::Ours(claim) => claim,
            Claimed::Conflict => return Err(key_in_use()),
        };
        let target = self.claimed_target(target, &claim).await?;
        self.store(asked, target, &claim).await
    }

    /// Stores what a claim says, and lets a worker know.
    async fn store(&self, asked: Asked, target: Target, claim: &Claim) -> Result<MessageView, Problem> {
        let Claim { intent: id, created_at, .. } = claim;
        if let Address::New(named) = &target.address {
            self.people.table.put_endpoint(named, *created_at, *created_at).await?;
        }
        let intent = intent_of(asked, &target, id, *created_at, (self.people.now)())?;
        let put = self.people.table.put_intent(&intent).await?;
        let (now, due_at) = ((self.people.now)(), intent.due_at);
        if control_key(&intent, self.people.table.tenant_key()).is_some() {
            let lock = self.people.table.lock(&target.of).await?;
            take_control(&self.people.table, &target.of, (&intent, lock), now).await?;
        }
        self.wake(&target.of, due_at).await;
        match put {
            PutIntent::New => Ok(MessageView::from(&intent)),
            PutIntent::Known => {
                let stored = self.people.table.intent(&target.of.eid, id).await?;
                stored.map(|stored| MessageView::from(&stored.intent)).ok_or_else(erased)
            }
        }
    }

    /// What comes too late is refused, unless it is the repetition of one that was taken.
    async fn unless_taken(&self, asked: &Asked, key: &str, refused: Problem) -> Result<MessageView, Problem> {
        match self.people.table.claimed_intent((&asked.sender.by, key), &asked.body).await? {
            Some(Claimed::Conflict) => Err(key_in_use()),
            Some(Claimed::Ours(claim)) => match self.people.table.intent(&claim.eid, &claim.intent).await? {
                Some(stored) => Ok(MessageView::from(&stored.intent)),
                None => Err(refused),
            },
            None => Err(refused),
        }
    }

    /// The target of an earlier try with the same key: it stays what it was.
    async fn claimed_target(&self, found: Target, claim: &Claim) -> Result<Target, Problem> {
        let of = Conversation { eid: claim.eid.clone(), account: claim.account.clone() };
        if found.of == of && found.connection == claim.connection {
            let lock = self.people.table.lock(&of).await?;
            self.refuse_erased(&found, &lock, claim.created_at).await?;
            return Ok(found);
        }
        let state = self.people.table.endpoint(&of.eid).await?.ok_or_else(erased)?;
        let address = Address::Known(crate::sending::target::address_of(&state));
        let target = Target { of, connection: claim.connection.clone(), address };
        let lock = self.people.table.lock(&target.of).await?;
        self.refuse_erased(&target, &lock, claim.created_at).await?;
        Ok(target)
    }

    /// Nothing is sent to an address that is erased, until its customer writes again.
    async fn refuse_erased(&self, target: &Target, lock: &Lock, created_at: Timestamp) -> Result<(), Problem> {
        if created_at <= lock.closed {
            return Err(erased());
        }
        let up_to = self.people.table.erased(&target.of.eid).await?.up_to;
        let is_new = matches!(target.address, Address::New(_));
        if created_at <= up_to || up_to > 0 && is_new { Err(erased()) } else { Ok(()) }
    }
}

/// Checks what a schema cannot say.
fn checked(new: NewMessage, sender: Sender) -> Result<Asked, Problem> {
    let purpose = new.purpose.clone().unwrap_or_else(|| "service".to_owned());
    if !purpose.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_') {
        let detail = "`purpose` is not a word of lower-case letters, digits, `-` and `_`; fix: such as `service`";
        return Err(Problem::bad_request(detail).of_field("purpose"));
    }
    let reply = reply_of(&new, &sender)?;
    let not_before = instant(new.not_before.as_deref(), "not_before")?;
    let expires_at = instant(new.expires_at.as_deref(), "expires_at")?;
    let no_message = || {
        Problem::bad_request("`after` is not the id of a message; fix: the `id` of another answer").of_field("after")
    };
    let after = new.after.as_deref().map(|text| MessageId::parse(text).ok_or_else(no_message)).transpose()?;
    let body = serde_json::to_vec(&(&new, sender.author)).expect("it was JSON");
    Ok(Asked { new, sender, purpose, reply, not_before, expires_at, after, body })
}

/// What an automatic reply has to be right about.
fn reply_of(new: &NewMessage, sender: &Sender) -> Result<Option<Reply>, Problem> {
    let is_automatic = sender.author == Author::Automation && new.kind == Kind::Reply;
    let fields = [("fence", new.fence.is_some()), ("turn", new.turn.is_some())];
    for (field, is_given) in fields {
        if is_automatic && !is_given {
            let detail = format!(
                "`{field}` is missing: a reply by automation says what it has read; fix: take it from `GET \
                 /v1/conversations/{{id}}`"
            );
            return Err(Problem::bad_request(detail).of_field(field));
        }
        if !is_automatic && is_given {
            let detail = format!("`{field}` is only for replies by automation; fix: leave it out");
            return Err(Problem::bad_request(detail).of_field(field));
        }
    }
    let no_turn = || {
        let detail = "`turn` is not the `sequence` of an event; fix: that of the newest message of the customer";
        Problem::bad_request(detail).of_field("turn")
    };
    let turn = new.turn.as_deref().map(|text| EventKey::parse(text).ok_or_else(no_turn)).transpose()?;
    Ok(new.fence.filter(|_| is_automatic).map(|fence| Reply { fence, turn, by: sender.by.clone() }))
}

fn instant(text: Option<&str>, field: &str) -> Result<Option<Timestamp>, Problem> {
    let wrong = || {
        let detail =
            format!("`{field}` is not an RFC 3339 instant since 1970; fix: write it as `2026-12-01T08:00:00Z`");
        Problem::bad_request(detail).of_field(field)
    };
    text.map(|text| parse_rfc3339(text).ok_or_else(wrong)).transpose()
}

/// When a message is due: not before it was asked for, nor before the one that it follows.
fn due_at(asked: &Asked, of: &Conversation, created_at: Timestamp) -> Result<Timestamp, Problem> {
    let mut due_at = asked.not_before.unwrap_or(created_at).max(created_at);
    if let Some(after) = &asked.after {
        if after.eid != of.eid {
            let detail = "`after` is a message to another address; fix: a message of the same conversation";
            return Err(Problem::bad_request(detail).of_field("after"));
        }
        due_at = due_at.max(after.intent.due_at() + 1);
    }
    if due_at > created_at + AHEAD_MS_MAX {
        return Err(too_far());
    }
    match asked.expires_at {
        Some(at) if at <= due_at => {
            let detail = "`expires_at` is not after the instant from which the message is due";
            Err(Problem::bad_request(detail).of_field("expires_at"))
        }
        Some(at) if at > due_at + EXPIRES_AFTER_MS_MAX => {
            let detail = "`expires_at` is more than 72 hours after the instant from which the message is due; fix: an earlier one";
            Err(Problem::bad_request(detail).of_field("expires_at"))
        }
        _ => Ok(due_at),
    }
}

/// The intent of a request. Its times follow from its id, so that a repeated request makes the same one.
fn intent_of(
    asked: Asked,
    target: &Target,
    id: &IntentId,
    created_at: Timestamp,
    now: Timestamp,
) -> Result<Intent, Problem> {
    let Asked { new, sender, purpose, reply, expires_at: wanted, .. } = asked;
    let default = expires_after_ms(&purpose, new.kind, sender.author);
    let birth = Birth {
        eid: target.of.eid.clone(),
        account: target.of.account.clone(),
        connection: target.connection.clone(),
        created_at,
        expires_at: expires_at(wanted, id.due_at(), default),
    };
    let draft = Draft {
        route: Route { to: target.address.identifier(), account: target.of.account.clone() },
        author: sender.author,
        by: sender.by,
        purpose,
        kind: new.kind,
        subject: new.subject,
        parts: new.parts.into_iter().map(Part::from).collect(),
        in_reply_to: new.in_reply_to,
        references: Vec::new(),
        copies: Vec::new(),
        thread: None,
        comment: None,
        extensions: Default::default(),
        client_ref: new.client_ref,
        fence: reply.as_ref().map(|reply| reply.fence),
        turn: reply.and_then(|reply| reply.turn),
        resends: None,
    };
    Ok(Intent::new(id.clone(), birth, draft, now))
}

fn refused_reply(stale: &Refusal) -> Problem {
    let detail = "control of the conversation moved, or somebody else has it; fix: read `GET /v1/conversations/{id}`, and \
                  answer again if automation may";
    match stale {
        Refusal::StaleTurn => {
            Problem::stale_turn("this turn of the customer is answered; fix: answer the customer's next message")
        }
        _ => Problem::stale_control(detail),
    }
}

fn key_in_use() -> Problem {
    Problem::key_in_use("this idempotency key came with another request; fix: a new key for each message")
        .of_field("Idempotency-Key")
}

pub(super) fn erased() -> Problem {
    Problem::erased("the person behind this address is erased; nothing is sent until they write again").of_field("to")
}

fn too_far() -> Problem {
    Problem::bad_request("`not_before` is more than 30 days ahead; fix: ask again later").of_field("not_before")
}
