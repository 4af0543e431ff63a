//! A mail as a message of a customer.

use rapport_sdk::event;
use rapport_sdk::prelude::*;
use serde::Serialize;

use crate::inbound::Scene;
use crate::mail::{self, Mail, Mailbox};
use crate::quoted::{self, Split};
use crate::{address, automatic, markup, report};

/// Extensions. The header fields that a message has no place for; who else speaks in the thread; where replies are
/// wanted. No person wrote it, and how that is known. What it answers. All of it, where the rest is not one piece.
const MAIL: &str = "org.ietf.mail";
const AUTOMATIC: &str = "org.ietf.mail.automatic";
const QUOTED: &str = "org.ietf.mail.quoted";
const FULL: &str = "org.ietf.mail.full-text";

/// Longest id that an event takes, less what is put behind it.
const ID_BYTES_MAX: usize = 900;

#[derive(Serialize)]
struct Extension<'m> {
    authenticated: bool,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    recipients: &'m [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    return_path: Option<&'m str>,
    /// All authors, where there are several.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    from: &'m [Mailbox],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    sender: &'m [Mailbox],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    reply_to: &'m [Mailbox],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    to: &'m [Mailbox],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    cc: &'m [Mailbox],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    bcc: &'m [Mailbox],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    in_reply_to: &'m [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    references: &'m [String],
    /// By the sender's clock, where the event is dated by another.
    #[serde(skip_serializing_if = "Option::is_none")]
    date: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    list_id: Option<&'m str>,
}

/// The events of a mail: what a report in it says, or the message that it is.
///
/// # Errors
/// `Ignored` if it was for none of the connection's mailboxes; `Malformed` if nobody is known to have sent it.
pub fn events(mail: Mail, scene: &Scene) -> Result<Vec<Event>, Rejection> {
    let mailboxes = mail.mailboxes_of_business();
    let account =
        mailboxes.iter().find(|mailbox| scene.settings.takes(mailbox)).map(|mailbox| address::account(mailbox));
    let account = match account {
        Some(account) => account,
        None if mailboxes.is_empty() => scene.connection.to_owned(),
        None => return Err(Rejection::Ignored("expected mail to one of `addresses`, found mail to others".into())),
    };
    let id = id(&mail);
    if let Some(events) = report::events(&mail, &id, &account) {
        return Ok(events);
    }
    let contact = contact(&mail).ok_or_else(|| {
        Rejection::Malformed("expected a mailbox in `From`, `Sender` or the envelope, found none".into())
    })?;
    Ok(vec![message(mail, id, account, contact)])
}

/// Whose mail this is: the author's. `Reply-To` stays an extension, because whoever answers a form's mail to it has to
/// want that: it would else lend the name of one person to the address of another.
fn contact(mail: &Mail) -> Option<Contact> {
    let author = mail.from.first().or(mail.sender.first()).or(mail.reply_to.first()).cloned();
    let envelope = || mail.envelope.sender.as_deref().and_then(address::bare);
    let author = author.or_else(|| Some(Mailbox { address: envelope()?.to_owned(), name: None }))?;
    let attestation = if mail.is_authenticated { Attestation::Provider } else { Attestation::Customer };
    Some(Contact::new(vec![Identifier::attested(attestation, "email", author.address)]).named(author.name))
}

fn message(mut mail: Mail, id: String, account: String, contact: Contact) -> Event {
    let signs = automatic::signs(&mail);
    let author = if signs.is_automatic { Author::Automation } else { Author::Customer };
    let bodies = bodies(&mail);
    let mut parts = Vec::new();
    parts.extend(bodies.new.map(Part::Text));
    parts.extend(mail.html.take().map(|html| Part::Html(html.replace('\0', ""))));
    let attachments = std::mem::take(&mut mail.attachments);
    parts.extend(attachments.into_iter().map(|attachment| attachment.part()));
    let message = Message {
        subject: mail.subject.clone().filter(|subject| !subject.is_empty()),
        in_reply_to: mail.in_reply_to.first().or(mail.references.last()).cloned(),
        thread: mail.references.first().or(mail.in_reply_to.first()).cloned().or_else(|| Some(id.clone())),
        forwarded: bodies.is_forward,
        ..Message::new(id.clone(), author, parts)
    };
    let mut event = Event::new(id, mail.at(), account, contact, EventBody::Message(message));
    event = event.extended(MAIL, &extension(&mail));
    for (key, text) in [(QUOTED, bodies.quoted), (FULL, bodies.full)] {
        event.extensions.extend(text.map(|text| (key.to_owned(), event::json(&text))));
    }
    if !signs.signs.is_empty() {
        event = event.extended(AUTOMATIC, &signs);
    }
    event.extensions.extend(mail.extension.take().map(|(key, json)| (key.to_owned(), json)));
    event
}

/// The text of a mail, divided.
#[derive(Default)]
struct Bodies {
    new: Option<String>,
    quoted: Option<String>,
    full: Option<String>,
    is_forward: bool,
}

fn bodies(mail: &Mail) -> Bodies {
    let full = mail.text.as_deref().filter(|text| !text.trim().is_empty());
    let stripped = mail.new_text.as_deref().map(str::trim).filter(|text| !text.is_empty());
    let split = match (full, stripped, mail.html.as_deref()) {
        (Some(full), Some(new), _) => return divided_by_provider(full, new),
        (Some(full), None, _) => quoted::split(full),
        (None, Some(new), _) => Split { new: new.to_owned(), quoted: None },
        (None, None, Some(html)) => markup::split(html),
        (None, None, None) => return Bodies::default(),
    };
    let is_forward = quoted::is_forward(&split.new);
    let new = Some(clean(split.new)).filter(|text| !text.trim().is_empty());
    Bodies { new, quoted: split.quoted.map(clean), full: None, is_forward }
}

/// What the provider took for new, and whatever of the text that leaves.
fn divided_by_provider(full: &str, new: &str) -> Bodies {
    let is_forward = quoted::is_forward(full);
    let (full, new) = (clean(full.to_owned()), clean(new.to_owned()));
    let rest = full.trim_start().strip_prefix(new.as_str()).map(|rest| rest.trim().to_owned());
    let (quoted, full) = match rest {
        Some(rest) => ((!rest.is_empty()).then_some(rest), None),
        None => (None, Some(full)),
    };
    Bodies { new: Some(new), quoted, full, is_forward }
}

/// Where the mail has no id of its own, the provider's; else one is made of what tells two mails apart.
fn id(mail: &Mail) -> String {
    let found = mail.message_id.as_deref().or(mail.provider_id.as_deref()).map(mail::bare_id);
    match found.filter(|id| !id.is_empty() && id.len() <= ID_BYTES_MAX) {
        Some(id) => id,
        None => {
            let from = mail.from.first().map(|from| from.address.as_str());
            let bodies = [mail.text.as_deref(), mail.html.as_deref(), mail.message_id.as_deref()];
            let date = mail.at().to_string();
            let fields = [from, mail.subject.as_deref(), Some(date.as_str())];
            format!("mail:{:032x}", digest(fields.into_iter().chain(bodies)))
        }
    }
}

/// FNV-1a of 128 bits: enough to tell one sender's mails apart, who gains nothing by making two alike.
fn digest<'t>(texts: impl Iterator<Item = Option<&'t str>>) -> u128 {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let bytes = texts.flat_map(|text| text.unwrap_or_default().bytes().chain([0xff]));
    bytes.fold(OFFSET, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME))
}

fn extension<'m>(mail: &'m Mail) -> Extension<'m> {
    let has_several_authors = mail.from.len() > 1;
    Extension {
        authenticated: mail.is_authenticated,
        recipients: &mail.envelope.recipients,
        return_path: mail.envelope.sender.as_deref(),
        from: if has_several_authors { &mail.from } else { &[] },
        sender: &mail.sender,
        reply_to: &mail.reply_to,
        to: &mail.to,
        cc: &mail.cc,
        bcc: &mail.bcc,
        in_reply_to: &mail.in_reply_to,
        references: &mail.references,
        date: mail.date.filter(|date| *date != mail.at()),
        list_id: mail.headers.first("list-id"),
    }
}

/// Text without the U+0000 that no store takes, its lines ended as everywhere but in mail.
fn clean(text: String) -> String {
    if text.contains(['\0', '\r']) { text.replace("\r\n", "\n").replace('\0', "") } else { text }
}
