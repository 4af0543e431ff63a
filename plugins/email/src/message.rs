//! A mail as a message of a customer.

use std::borrow::Cow;

use rapport_sdk::event;
use rapport_sdk::prelude::*;
use serde::Serialize;

use crate::mail::{self, Mail, Mailbox};
use crate::quoted::{self, Context, Split};
use crate::scene::Scene;
use crate::subject::{self, Prefix};
use crate::{address, author, automatic, mailbox, markup, mime, parts, report};

/// Extensions. The header fields that a message has no place for; who else speaks in the thread; where replies are
/// wanted. No person wrote it, and how that is known. What it answers.
const MAIL: &str = "org.ietf.mail";
const AUTOMATIC: &str = "org.ietf.mail.automatic";
const QUOTED: &str = "org.ietf.mail.quoted";

/// Longest id that an event takes, less what is put behind it.
const ID_BYTES_MAX: usize = 900;

/// Fields in which servers note whom a mail was for before they handed it on, the surest first: Postfix, qmail and
/// Dovecot, Exim, Gmail (`X-Forwarded-For` has two addresses with a space between), RFC 5322. November 2026.
const WAYS: &[&str] = &[
    "x-original-to",
    "delivered-to",
    "x-delivered-to",
    "envelope-to",
    "x-envelope-to",
    "x-forwarded-to",
    "x-forwarded-for",
    "resent-to",
    "resent-cc",
];
/// Fields of each of these names that are looked at.
const WAY_FIELDS_MAX: usize = 20;

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
pub fn events(mut mail: Mail, scene: &Scene) -> Result<Receipt, Rejection> {
    let account = account(&mail, scene)?;
    let id = id(&mail);
    let mut unread = std::mem::take(&mut mail.unread);
    if let Some(events) = report::events(&mail, &id, &account, &mut unread) {
        return unread.receipt(events);
    }
    let contact = author::of(&mail, &scene.settings)?;
    unread.receipt(vec![message(mail, id, account, contact)])
}

/// The mailbox of the business that the mail was for: of those that the connection takes, as it is configured; else the
/// first of the envelope, else of the mail.
fn account(mail: &Mail, scene: &Scene) -> Result<String, Rejection> {
    let envelope: Vec<String> = mail.envelope.recipients.iter().flat_map(|value| addresses(value)).collect();
    let named = mail.to.iter().chain(&mail.cc).chain(&mail.bcc).map(|reader| reader.address.clone());
    let ours = &scene.settings.addresses;
    if ours.is_empty() {
        let first = envelope.into_iter().chain(named).next();
        return Ok(first.map_or_else(|| scene.connection.to_owned(), |mailbox| address::account(&mailbox)));
    }
    let fields = WAYS.iter().flat_map(|name| mail.headers.all(name).take(WAY_FIELDS_MAX));
    let readers: Vec<String> = envelope.into_iter().chain(fields.flat_map(addresses)).chain(named).collect();
    let taken = readers.iter().find_map(|reader| ours.iter().find(|ours| address::is_mailbox(ours, reader)));
    match taken {
        Some(ours) => Ok(address::account(ours)),
        // Nobody says whom it was for, so nobody says that it was for others.
        None if readers.is_empty() => Ok(scene.connection.to_owned()),
        None => Err(Rejection::Ignored("expected mail to one of `addresses`, found mail to others".into())),
    }
}

fn addresses(value: &str) -> Vec<String> {
    let read = |value: &str| mailbox::read(value).found.into_iter().map(|found| found.address).collect::<Vec<_>>();
    if value.split_whitespace().all(|word| address::bare(word).is_some()) {
        value.split_whitespace().flat_map(read).collect()
    } else {
        read(value)
    }
}

fn message(mut mail: Mail, id: String, account: String, contact: Contact) -> Event {
    let signs = automatic::signs(&mail);
    let author = if signs.is_automatic { Author::Automation } else { Author::Customer };
    let bodies = bodies(&mail, signs.is_automatic);
    let mut parts = Vec::new();
    parts.extend(bodies.new.map(Part::Text));
    parts.extend(mail.html.take().map(|html| Part::Html(lenient::without_nul(html).into_owned())));
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
    event.extensions.extend(bodies.quoted.map(|text| (QUOTED.to_owned(), event::json(&text))));
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
    is_forward: bool,
}

fn bodies(mail: &Mail, is_automatic: bool) -> Bodies {
    let context = Context {
        has_parent: !mail.in_reply_to.is_empty() || !mail.references.is_empty(),
        prefix: subject::prefix(mail.subject.as_deref().unwrap_or_default()),
    };
    let full = mail.text.as_deref().filter(|text| !text.trim().is_empty());
    let stripped = mail.new_text.as_deref().map(str::trim).filter(|text| !text.is_empty());
    let split = match (full, stripped, mail.html.as_deref()) {
        (Some(full), stripped, _) => {
            let split = quoted::split_plain(full, context);
            // A provider may know a program that is not known here; it may also cut what the customer wrote below.
            let is_unclear = context.answers() && !split.has_quotes && !split.is_forward;
            match stripped.filter(|_| is_unclear).and_then(|new| divided_by_provider(full, new)) {
                Some(bodies) => return bodies,
                None => split,
            }
        }
        (None, Some(new), _) => Split { new: new.to_owned(), ..Split::default() },
        (None, None, Some(html)) => markup::split(html, context),
        (None, None, None) => Split::default(),
    };
    let mut bodies = Bodies { new: Some(split.new), quoted: split.quoted, is_forward: split.is_forward };
    // A program returns mail, which is no handing on.
    bodies.is_forward &= !is_automatic;
    if !is_automatic {
        bodies.take_attached(mail, context);
    }
    bodies.new = bodies.new.map(clean).filter(|text| !text.trim().is_empty());
    bodies.quoted = bodies.quoted.map(clean);
    bodies
}

impl Bodies {
    /// A mail that is handed on as a file: its head and its text stand below what the customer wrote of it.
    fn take_attached(&mut self, mail: &Mail, context: Context) {
        let mut attached = mail.attachments.iter().filter(|file| file.is(&[parts::MAIL]));
        let (Some(only), None) = (attached.next(), attached.next()) else { return };
        let is_bare = self.new.as_deref().is_none_or(|text| text.trim().is_empty());
        if context.prefix != Prefix::Forward && (context.answers() || !is_bare) {
            self.is_forward |= !context.answers();
            return;
        }
        let Some(inner) = mime::read(&only.content) else { return };
        let text = inner.text.map(Cow::into_owned).or_else(|| inner.html.as_deref().map(markup::text));
        let field = |name: &str| inner.headers.first(name).map(|value| format!("{name}: {}\n", mail::decoded(value)));
        let head: String = ["from", "date", "subject", "to"].into_iter().filter_map(field).collect();
        let own = self.new.take().unwrap_or_default();
        let pieces = [own.trim_end(), head.as_str(), text.as_deref().unwrap_or_default()];
        let filled: Vec<&str> = pieces.into_iter().filter(|piece| !piece.trim().is_empty()).collect();
        self.new = Some(filled.join("\n\n"));
        self.is_forward = true;
    }
}

/// What the provider took for new, if the rest is one piece.
fn divided_by_provider(full: &str, new: &str) -> Option<Bodies> {
    let (full, new) = (clean(full.to_owned()), clean(new.to_owned()));
    let rest = full.trim_start().strip_prefix(new.as_str())?.trim();
    let quoted = (!rest.is_empty()).then(|| rest.to_owned())?;
    Some(Bodies { new: Some(new), quoted: Some(quoted), is_forward: false })
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
        date: mail.date.map(|date| date.ms).filter(|date| *date != mail.at()),
        list_id: mail.headers.first("list-id"),
    }
}

/// Text without U+0000, its lines ended as everywhere but in mail.
fn clean(text: String) -> String {
    let text = if text.contains('\r') { text.replace("\r\n", "\n") } else { text };
    lenient::without_nul(text).into_owned()
}
