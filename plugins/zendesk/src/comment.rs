//! What was written on a ticket, and the files with it.

use rapport_sdk::prelude::*;

use crate::envelope::user;
use crate::payload::{Attachment, Comment, is_no, is_yes};
use crate::ticket::Case;

/// Extension: through which channel of Zendesk it came.
const CHANNEL: &str = "com.zendesk.channel";
/// Extension: the comment that a file belongs to.
const COMMENT: &str = "com.zendesk.comment";

/// A public comment is a message; what staff write among themselves is none, and neither is a transcript.
pub fn added(case: &Case) -> Result<Vec<Event>, Rejection> {
    let Some(comment) = &case.change.comment else {
        return Err(Rejection::Malformed("expected a comment: `event.comment`, found none".into()));
    };
    if is_no(comment.is_public) || is_no(comment.public) {
        return Ok(vec![case.event(
            case.requester(),
            EventBody::Other(("com.zendesk.ticket.note".into(), case.envelope.raw.get().into())),
        )]);
    }
    let mut parts = written(comment);
    for (index, attachment) in comment.attachments.iter().enumerate() {
        match attachment.as_ref().and_then(media) {
            Some(part) => parts.push(part),
            None => case.envelope.add_unread(&format!("event.comment.attachments[{index}]"), "it has no `content_url`"),
        }
    }
    if let Some(attachment) = &comment.attachment {
        match media(attachment) {
            Some(part) => parts.push(part),
            None => case.envelope.add_unread("event.comment.attachment", "it has no `content_url`"),
        }
    }
    let id = comment.id.as_deref().unwrap_or(&case.envelope.id);
    let (author, contact) = author(case, comment);
    Ok(vec![message(case, id, author, contact, parts)])
}

/// A file comes by itself, as a message of its own beside the comment that it belongs to.
pub fn attached(case: &Case) -> Result<Vec<Event>, Rejection> {
    let comment = case.change.comment.as_ref();
    let attachment = comment.and_then(|comment| comment.attachment.as_ref());
    let Some(part) = attachment.and_then(media) else {
        return Err(Rejection::Malformed("expected a file: `event.comment.attachment`, found none".into()));
    };
    let id = file_id(case).unwrap_or_else(|| case.envelope.id.clone());
    let (author, contact) = by_actor(case);
    let event = message(case, &id, author, contact, vec![part]);
    Ok(vec![match comment.and_then(|comment| comment.id.as_deref()) {
        Some(comment) => event.extended(COMMENT, comment),
        None => event,
    }])
}

/// Redacted, or made private: what was public must not be shown any more.
pub fn taken_back(case: &Case) -> Result<Vec<Event>, Rejection> {
    let id = case.change.comment.as_ref().and_then(|comment| comment.id.as_deref());
    let Some(id) = id else { return Ok(vec![case.other()]) };
    Ok(vec![case.event(case.requester(), EventBody::MessageDeleted(id.into()))])
}

/// A file was taken out of its comment.
pub fn detached(case: &Case) -> Result<Vec<Event>, Rejection> {
    let Some(id) = file_id(case) else { return Ok(vec![case.other()]) };
    Ok(vec![case.event(case.requester(), EventBody::MessageDeleted(id))])
}

fn message(case: &Case, id: &str, author: Author, contact: Contact, parts: Vec<Part>) -> Event {
    let mut message = Message::new(id, author, parts);
    message.subject = case.detail.subject.as_deref().map(str::to_owned);
    message.thread = Some(case.id.clone());
    let event = case.event(contact, EventBody::Message(message));
    match case.detail.via.as_ref().and_then(|via| via.channel.as_deref()) {
        Some(channel) => event.extended(CHANNEL, channel),
        None => event,
    }
}

fn written(comment: &Comment) -> Vec<Part> {
    let text = comment.body.as_deref().map(|text| Part::Text(text.into()));
    let html = comment.html_body.as_deref().map(|html| Part::Html(html.into()));
    text.into_iter().chain(html).collect()
}

/// Who wrote a comment, and whose event it is: a customer's own, be it the requester or somebody in copy; else the
/// requester's.
fn author(case: &Case, comment: &Comment) -> (Author, Contact) {
    let author = comment.author.as_ref();
    let id = author.and_then(|author| author.id.as_deref()).or(comment.author_id.as_deref());
    let name = author.and_then(|author| author.name.as_deref());
    let is_requester = id.is_some() && id == case.detail.requester_id.as_deref();
    let staff = author.and_then(|author| author.is_staff);
    if is_system(id) {
        return (Author::Automation, case.requester());
    }
    if is_yes(staff) || (!is_no(staff) && !is_requester) {
        return (Author::Agent, case.requester());
    }
    let contact = match id {
        Some(id) => Contact::new(vec![user(case.envelope.account, id)]),
        None => case.requester(),
    };
    (Author::Customer, contact.named(name))
}

/// Who did it, where the comment does not say who wrote it.
fn by_actor(case: &Case) -> (Author, Contact) {
    let actor = case.detail.actor_id.as_deref();
    let author = match actor {
        _ if is_system(actor) => Author::Automation,
        Some(_) if actor == case.detail.requester_id.as_deref() => Author::Customer,
        _ => Author::Agent,
    };
    (author, case.requester())
}

/// Zendesk itself is user -1.
fn is_system(id: Option<&str>) -> bool {
    id.is_some_and(|id| id.starts_with('-'))
}

fn file_id(case: &Case) -> Option<String> {
    let comment = case.change.comment.as_ref()?;
    let file = comment.attachment.as_ref()?.id.as_deref()?;
    Some(format!("{}:{file}", comment.id.as_deref().unwrap_or_default()))
}

fn media(attachment: &Attachment) -> Option<Part> {
    let source = MediaSource::Url(attachment.content_url.as_deref()?.into());
    let file_name = attachment.filename.as_deref().or(attachment.file_name.as_deref()).map(str::to_owned);
    // Some say only the subtype.
    let mime_type = attachment.content_type.as_deref().filter(|kind| kind.contains('/')).map(str::to_owned);
    Some(Part::Media(Media { source, mime_type, file_name, size: attachment.size, content_id: None }))
}
