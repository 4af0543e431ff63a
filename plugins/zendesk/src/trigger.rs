//! What a trigger or an automation sends: JSON that an administrator of Zendesk wrote, in words of their own. The usual
//! ones are looked for; the whole payload stays beside what was found.
//!
//! Whatever stands in a placeholder can have been written by a customer, who can also write what looks like the next
//! field. So nothing of a payload proves who somebody is: its addresses are attested as imported. And what does not say one
//! thing of who somebody is, or says it behind a place where it had to be guessed, is not read at all.

use rapport_sdk::prelude::*;
use serde_json::value::RawValue;

use crate::envelope::{account, ticket_address, user};
use crate::fields::Fields;
use crate::payload::is_no;
use crate::scene::Scene;
use crate::{satisfaction, ticket, time_zone};
use rapport_sdk::instant;

/// Extension, and the name of an event of which nothing was understood: the payload as it came.
const TRIGGER: &str = "com.zendesk.trigger";

// Names that fields were seen under in public integrations, November 2026, the most telling first.
const TICKET: &[&str] = &["ticket.id", "ticket_id", "ticket.ticket_id", "ticketid", "id"];
const SUBJECT: &[&str] =
    &["ticket.title", "ticket.subject", "ticket_title", "ticket_subject", "title", "subject", "ticket.name"];
const STATUS: &[&str] = &["ticket.status", "ticket_status", "status", "new_status"];
const PREVIOUS: &[&str] = &["ticket.previous_status", "previous_status", "old_status"];
const LINK: &[&str] = &["ticket.link", "ticket.url", "ticket_link", "ticket_url", "link", "url"];
const KIND: &[&str] = &["event", "event_type", "event_name", "action", "trigger", "type"];
const COMMENT: &[&str] = &[
    "ticket.latest_public_comment",
    "latest_public_comment",
    "ticket_latest_public_comment",
    "comments.latest_public_comment",
    "ticket.latest_comment",
    "latest_comment",
    "ticket_latest_comment",
    "comments.latest_comment",
    "latest_comment_text",
    "latest_comment_body",
    "comment_text",
    "comment_body",
    "comment.body",
    "comment",
    "ticket.comment",
];
/// Words that can as well be what a template itself says: "New ticket".
const WORDS: &[&str] = &["message", "text"];
const COMMENT_ID: &[&str] = &["comment.id", "comment_id", "latest_comment_id"];
const IS_PUBLIC: &[&str] = &["comment.is_public", "is_public", "comment_is_public", "public"];
const DESCRIPTION: &[&str] = &["ticket.description", "ticket_description", "ticket_desc", "description"];
const REQUESTER_ID: &[&str] =
    &["ticket.requester.id", "requester.id", "ticket.requester_id", "requester_id", "customer.id"];
const REQUESTER_EMAIL: &[&str] = &[
    "ticket.requester.email",
    "requester.email",
    "ticket.requester_email",
    "ticket_requester_email",
    "requester_email",
    "customer.email",
    "customer_email",
    "email",
    // Where a template has the requester as one word, it is the address or the name.
    "requester",
    "ticket_requester",
];
const REQUESTER_PHONE: &[&str] = &[
    "ticket.requester.phone",
    "requester.phone",
    "ticket_requester_phone",
    "requester_phone",
    "customer_phone",
    "phone",
];
const REQUESTER_NAME: &[&str] = &[
    "ticket.requester.name",
    "requester.name",
    "ticket.requester_name",
    "ticket_requester_name",
    "requester_name",
    "customer.name",
    "customer_name",
    "requester",
    "ticket_requester",
];
const REQUESTER_ZONE: &[&str] = &["ticket.requester.time_zone", "requester.time_zone", "requester_time_zone"];
const REQUESTER_LOCALE: &[&str] = &["ticket.requester.locale", "requester.locale", "requester_locale"];
const ACTOR_ID: &[&str] = &[
    "current_user.id",
    "current_user_id",
    "comment.author.id",
    "comment_author_id",
    "latest_comment_author_id",
    "author.id",
    "author_id",
];
const ACTOR_EMAIL: &[&str] = &[
    "current_user.email",
    "current_user_email",
    "comment.author.email",
    "comment_author_email",
    "latest_comment_author_email",
    "author.email",
    "author_email",
    "author",
    "current_user",
    "sender",
];
const ACTOR_NAME: &[&str] = &[
    "current_user.name",
    "current_user_name",
    "comment.author.name",
    "comment_author_name",
    "comment_author",
    "latest_comment_author_name",
    "latest_comment_author",
    "author.name",
    "author_name",
    "author",
    "current_user",
    "sender",
    "sender_name",
];
const RATING: &[&str] = &[
    "satisfaction.current_rating",
    "ticket.satisfaction.current_rating",
    "ticket.satisfaction_rating.score",
    "satisfaction_rating.score",
    "satisfaction.score",
    "satisfaction.rating",
    "satisfaction_rating",
    "satisfaction_score",
    "satisfaction",
    "current_rating",
    "csat_score",
    "csat_rating",
    "csat",
    "rating",
];
const RATING_COMMENT: &[&str] = &[
    "satisfaction.current_comment",
    "ticket.satisfaction.current_comment",
    "ticket.satisfaction_rating.comment",
    "satisfaction_rating.comment",
    "satisfaction.comment",
    "satisfaction_comment",
    "current_comment",
    "csat_comment",
    "rating_comment",
];
const TIME: &[&str] = &[
    "ticket.updated_at_with_timestamp",
    "updated_at_with_timestamp",
    "ticket.updated_at",
    "ticket_updated_at",
    "updated_at",
    "updated",
    "occurred_at",
    "timestamp",
    "time",
    "ticket.created_at_with_timestamp",
    "created_at_with_timestamp",
    "ticket.created_at",
    "created_at",
];
const ACCOUNT: &[&str] = &["account_id", "account.id", "ticket.account_id"];

/// What was found in a payload.
struct Payload<'a> {
    fields: Fields<'a>,
    account: String,
    ticket: Option<String>,
    contact: Contact,
    at: u64,
    /// When Zendesk signed it, to tell two apart.
    signed_at: &'a str,
}

/// Names that say who somebody is. Of several that are there for the requester, all must say the same.
const IDENTITIES: &[&[&str]] = &[REQUESTER_ID, REQUESTER_EMAIL, REQUESTER_PHONE, ACTOR_ID, ACTOR_EMAIL];
/// Names that stand in Zendesk's own events, too.
const OF_EVENTS: &[&str] = &["id", "subject", "time", "type", "event", "action"];

/// Whether an object has names of templates, which no event of Zendesk has, or more names than one has. Templates there
/// are without any of these.
pub fn is_template(raw: &RawValue) -> bool {
    let lists = [TICKET, SUBJECT, STATUS, LINK, COMMENT, DESCRIPTION, RATING, REQUESTER_NAME, ACTOR_NAME];
    let names = lists.iter().chain(IDENTITIES).flat_map(|names| names.iter());
    let tops: Vec<&str> = names.map(|name| name.split('.').next().unwrap_or(name)).collect();
    let is_telling = |top: &String| tops.contains(&top.as_str()) && !OF_EVENTS.contains(&top.as_str());
    Fields::tops(raw).is_none_or(|found| found.iter().any(is_telling))
}

/// `guessed` is the part of a mended payload in which it is a guess where texts end.
pub fn read(raw: &RawValue, guessed: Option<&str>, scene: &Scene) -> Result<Vec<Event>, Rejection> {
    let fields = Fields::of(raw).ok_or_else(|| {
        Rejection::Malformed(
            "expected the fields of a template, found several hundred, or one deeper than any; fix: send events".into(),
        )
    })?;
    for names in IDENTITIES {
        let is_email = names.iter().any(|name| name.ends_with("email"));
        let is_usable = |(text, _): &(String, &RawValue)| !is_email || text.contains('@');
        let is_requester = names[0].contains("requester");
        let said = if is_requester { fields.anywhere(names) } else { Vec::new() };
        let said: Vec<(String, &RawValue)> = said.into_iter().filter(is_usable).collect();
        if said.windows(2).any(|pair| !pair[0].0.eq_ignore_ascii_case(&pair[1].0)) {
            return Err(Rejection::Malformed(format!(
                "expected one person, found several values of `{}`; fix: let the template say each thing once",
                names[0]
            )));
        }
        let said: Vec<(String, &RawValue)> = fields.all(names).into_iter().filter(is_usable).collect();
        if said.iter().any(|(_, value)| guessed.is_some_and(|guessed| is_inside(value.get(), guessed))) {
            return Err(Rejection::Malformed(format!(
                "expected `{}` before what customers write, found it behind a text that broke the JSON; fix: let the \
                 template have identities first, or send events",
                names[0]
            )));
        }
    }
    let said = fields.text(ACCOUNT);
    let account = account(said.as_deref(), scene).to_owned();
    let ticket = fields.text(TICKET);
    let Some(contact) = contact(&fields, &account, ticket.as_deref()) else {
        return Err(Rejection::Malformed(
            "expected a ticket or a requester, found neither; fix: let the trigger's payload have `ticket_id` and \
             `requester_id`, or send events"
                .into(),
        ));
    };
    let at = fields.time(TIME).or_else(|| instant::parse(scene.signed_at)).unwrap_or(0);
    let payload = Payload { fields, account, ticket, contact, at, signed_at: scene.signed_at };
    let mut events: Vec<Event> =
        [payload.feedback(), payload.message(), payload.state()].into_iter().flatten().collect();
    match events.first_mut() {
        Some(first) => first.extensions.push((TRIGGER.into(), raw.get().into())),
        None => events.push(payload.event("other", EventBody::Other((TRIGGER.into(), raw.get().into())))),
    }
    Ok(events)
}

/// Whether a text is a part of another one, by where they are.
fn is_inside(part: &str, whole: &str) -> bool {
    whole.as_bytes().as_ptr_range().contains(&part.as_ptr())
}

/// Bytes of the longest identifier that the host takes. A placeholder can hold anything.
const IDENTIFIER_BYTES_MAX: usize = 512;

/// The requester; the ticket, where the payload does not say whose it is.
fn contact(fields: &Fields, account: &str, ticket: Option<&str>) -> Option<Contact> {
    let imported = |scheme: &str, value: String| Identifier::attested(Attestation::Imported, scheme, value);
    let mut found = Vec::new();
    found.extend(
        fields.text(REQUESTER_ID).map(|id| Identifier { attestation: Attestation::Imported, ..user(account, &id) }),
    );
    found.extend(address(fields, REQUESTER_EMAIL).map(|email| imported("email", email)));
    found.extend(fields.text(REQUESTER_PHONE).map(|phone| imported("phone", phone)));
    found.retain(|identifier: &Identifier| identifier.value.len() <= IDENTIFIER_BYTES_MAX);
    if found.is_empty() {
        found.push(ticket_address(account, ticket.filter(|ticket| ticket.len() <= IDENTIFIER_BYTES_MAX)?));
    }
    let mut contact = Contact::new(found).named(name(fields, REQUESTER_NAME));
    contact.time_zone = fields.text(REQUESTER_ZONE).and_then(|zone| time_zone::iana(&zone));
    contact.locale = fields.text(REQUESTER_LOCALE).filter(|locale| is_locale(locale));
    Some(contact)
}

/// An e-mail address: what stands under one word can as well be a name.
fn address(fields: &Fields, names: &[&str]) -> Option<String> {
    fields.text(names).filter(|text| text.contains('@'))
}

fn name(fields: &Fields, names: &[&str]) -> Option<String> {
    fields.text(names).filter(|text| !text.contains('@'))
}

/// `en-US`; the placeholder for the language gives `English`.
fn is_locale(text: &str) -> bool {
    let language = text.split('-').next().unwrap_or_default();
    matches!(language.len(), 2 | 3) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

impl Payload<'_> {
    /// The payload has no id of its own: the second in which it was signed, the ticket, and what it says make one.
    fn event(&self, what: &str, body: EventBody) -> Event {
        let whose = self.ticket.as_deref().unwrap_or(&self.contact.identifiers[0].value);
        let id = format!("trigger:{}:{whose}:{what}", self.signed_at);
        Event::new(id, self.at, &self.account, self.contact.clone(), body)
    }

    fn feedback(&self) -> Option<Event> {
        let (score, scale) = satisfaction::score(&self.fields.text(RATING)?)?;
        let ticket = self.ticket.as_deref()?;
        let body = EventBody::Feedback(Feedback {
            metric: Metric::Csat,
            score,
            scale,
            comment: self.fields.text(RATING_COMMENT),
            about: Some(ticket.into()),
            response_id: satisfaction::response_id(ticket),
        });
        Some(self.event(&format!("csat:{score}"), body))
    }

    /// What was written, if the payload says by whom.
    fn message(&self) -> Option<Event> {
        if is_no(self.fields.raw(IS_PUBLIC)) {
            return None;
        }
        let author = self.author()?;
        let is_new = self.is_new();
        let description = self.fields.text(DESCRIPTION).filter(|_| is_new);
        let text = self.fields.text(COMMENT).or(description).or_else(|| self.fields.text(WORDS))?;
        let id = match (self.fields.text(COMMENT_ID), self.ticket.as_deref()) {
            (Some(id), _) => id,
            (None, Some(ticket)) if is_new => format!("ticket:{ticket}:description"),
            _ => self.event("comment", EventBody::ContactUpdated).id,
        };
        let mut message = Message::new(id, author, vec![Part::Text(text)]);
        message.subject = self.fields.text(SUBJECT);
        message.thread.clone_from(&self.ticket);
        Some(self.event("comment", EventBody::Message(message)))
    }

    /// Whoever wrote last is the customer if they are the requester. A new ticket is the requester's own.
    fn author(&self) -> Option<Author> {
        let fields = &self.fields;
        let pairs = [
            (fields.text(ACTOR_ID), fields.text(REQUESTER_ID)),
            (address(fields, ACTOR_EMAIL), address(fields, REQUESTER_EMAIL)),
            (name(fields, ACTOR_NAME), name(fields, REQUESTER_NAME)),
        ];
        let same = pairs.into_iter().find_map(|(actor, requester)| Some(actor?.eq_ignore_ascii_case(&requester?)));
        match same {
            Some(true) => Some(Author::Customer),
            Some(false) => Some(Author::Agent),
            None => self.is_new().then_some(Author::Customer),
        }
    }

    fn is_new(&self) -> bool {
        let kind = self.fields.text(KIND).unwrap_or_default().to_ascii_lowercase();
        let is_status_new = || self.fields.text(STATUS).is_some_and(|status| status.eq_ignore_ascii_case("new"));
        kind.contains("creat") || kind.contains("new_ticket") || is_status_new()
    }

    fn state(&self) -> Option<Event> {
        let id = self.ticket.clone()?;
        let status = self.fields.text(STATUS);
        let previous = self.fields.text(PREVIOUS).unwrap_or_default();
        let state = match &status {
            _ if self.is_new() => TicketState::Opened,
            Some(status) => ticket::state(status, &previous),
            None => return None,
        };
        let url =
            self.fields.text(LINK).map(|link| if link.contains("://") { link } else { format!("https://{link}") });
        let word =
            format!("ticket:{}", status.map_or_else(|| "created".to_owned(), |status| status.to_ascii_lowercase()));
        let ticket = Ticket { id, state, subject: self.fields.text(SUBJECT), url };
        Some(self.event(&word, EventBody::Ticket(ticket)))
    }
}
