//! Mail about mail: what a mail server, a mailbox provider or a mail program reports of one that was sent.
//!
//! Delivery status (RFC 3464, 6533), abuse (RFC 5965), disposition (RFC 8098). The parts are looked for among the
//! attachments, wherever the provider put them. A report of which nothing can be told is a message by automation.

use rapport_sdk::event;
use rapport_sdk::prelude::*;

use crate::address;
use crate::attachment::{self, Attachment};
use crate::failure::Failure;
use crate::mail::{Headers, Mail, ids_in};
use crate::notice::{Meaning, Notice, extension};

/// The parts of a report: what it says, and the mail it is about.
const DELIVERY: &[&str] = &["message/delivery-status", "message/global-delivery-status"];
const ABUSE: &[&str] = &["message/feedback-report"];
const DISPOSITION: &[&str] = &["message/disposition-notification", "message/global-disposition-notification"];
const ORIGINAL: &[&str] =
    &["message/rfc822", "text/rfc822-headers", "message/rfc822-headers", "message/global", "message/global-headers"];

/// Readers that one report may speak of.
const GROUPS_MAX: usize = 500;

/// What is told of the rest.
const BEYOND: &str = "it has more than 500 of them";
const CUT: &str = "it is longer than is looked at";

/// What the actions of a delivery report mean (RFC 3464, section 2.3.3).
const ACTIONS: &[(&str, Meaning)] =
    &[("failed", Meaning::Failed), ("delayed", Meaning::Delayed), ("delivered", Meaning::Delivered)];

/// The events of a mail that is a report; none if it is none, or says nothing of anybody.
pub fn events(mail: &Mail, id: &str, account: &str, unread: &mut Unread) -> Option<Vec<Event>> {
    let part = |types: &[&str]| mail.attachments.iter().find(|attachment| attachment.is(types));
    let original = part(ORIGINAL).map(original).unwrap_or_default();
    let report = Report { mail, id, account, original };
    let mut told = Unread::default();
    let events = if let Some(status) = part(DELIVERY) {
        report.delivery(&groups(status, &mut told), &mut told)
    } else if let Some(feedback) = part(ABUSE) {
        if feedback.is_cut {
            told.add("feedback-report", CUT);
        }
        report.abuse(&Headers::read(&feedback.content), &mut told)
    } else if let Some(disposition) = part(DISPOSITION) {
        report.disposition(&Headers::read(&disposition.content))
    } else {
        report.complaint()
    };
    // A report that names nobody is a message: nothing of it is lost.
    (!events.is_empty()).then(|| {
        unread.extend(told);
        events
    })
}

/// Whether a mail says of itself that a program wrote it about another one.
pub fn is_report(mail: &Mail) -> bool {
    let content_type = mail.headers.first("content-type").and_then(attachment::mime_type);
    let is_part = |file: &Attachment| file.is(DELIVERY) || file.is(ABUSE) || file.is(DISPOSITION);
    content_type.as_deref() == Some("multipart/report") || mail.attachments.iter().any(is_part)
}

struct Report<'r> {
    mail: &'r Mail<'r>,
    /// Of the mail that is the report.
    id: &'r str,
    account: &'r str,
    /// Header fields of the mail that it is about.
    original: Headers,
}

impl Report<'_> {
    /// One event for each reader that the report names. Its first group of fields is about the mail as a whole.
    fn delivery(&self, groups: &[Headers], unread: &mut Unread) -> Vec<Event> {
        let envelope_id = groups.first().and_then(|group| group.first("original-envelope-id"));
        let message = self.message(None).or_else(|| envelope_id.map(str::to_owned));
        let mut events = Vec::new();
        for (place, group) in groups.iter().enumerate() {
            let is_of_reader = ["original-recipient", "final-recipient"].iter().any(|name| group.first(name).is_some());
            if group.first("action").is_none() {
                if is_of_reader {
                    unread.add(&format!("delivery-status[{place}]"), "it has no `Action`");
                }
                continue;
            }
            let found = self.reader(group, message.as_deref());
            if found.is_empty() {
                unread.add(&format!("delivery-status[{place}]"), "it names no recipient");
            }
            events.extend(found);
        }
        events
    }

    fn reader(&self, group: &Headers, message: Option<&str>) -> Vec<Event> {
        let typed = |name: &str| group.first(name).and_then(typed_address);
        // The address that was written to; the final one is where it was forwarded to.
        let recipient =
            typed("original-recipient").or_else(|| typed("final-recipient")).or_else(|| self.failed_recipient());
        let Some(recipient) = recipient else { return Vec::new() };
        let action =
            group.first("action").unwrap_or_default().split([' ', ';', '(']).next().unwrap_or_default().to_lowercase();
        let fields = verbatim(group);
        let notice = self.notice(&recipient, &action, message, &fields);
        let failure = Failure {
            word: "failed",
            status: group.first("status"),
            diagnostic: group.first("diagnostic-code"),
            detail: fields.clone(),
            is_temporary: None,
        };
        match crate::notice::meaning(ACTIONS, &action) {
            Some(meaning) => notice.events(meaning, Some(failure)),
            // `relayed` to a server that reports nothing, `expanded` to the members of a list.
            None => notice.unknown(),
        }
    }

    /// A complaint is one of every reader of the report. Only `abuse` and its kin are complaints of a person.
    fn abuse(&self, feedback: &Headers, unread: &mut Unread) -> Vec<Event> {
        let kind = feedback.first("feedback-type").unwrap_or("abuse").trim().to_lowercase();
        if kind == "auth-failure" {
            return Vec::new();
        }
        let mut recipients = Vec::new();
        let named = feedback.all("original-rcpt-to").chain(feedback.all("removal-recipient"));
        for (place, value) in named.enumerate() {
            match typed_address(value) {
                _ if place == GROUPS_MAX => unread.add("recipients", BEYOND),
                _ if place > GROUPS_MAX => {}
                Some(recipient) => recipients.push(recipient),
                None => unread.add(&format!("recipients[{place}]"), "it is not an address"),
            }
        }
        if recipients.is_empty() {
            recipients.extend(
                self.original
                    .first("to")
                    .map(crate::mail::mailboxes_in)
                    .into_iter()
                    .flatten()
                    .map(|to| to.address)
                    .take(1),
            );
        }
        let fields = verbatim(feedback);
        let message = self.message(feedback.first("original-message-id"));
        let meaning = match kind.as_str() {
            "not-spam" => None,
            "opt-out" | "opt-out-list" => Some(Meaning::Unsubscribed),
            _ => Some(Meaning::Complained),
        };
        let event = |recipient: &String| {
            let notice = self.notice(recipient, &kind, message.as_deref(), &fields);
            meaning.map_or_else(|| notice.unknown(), |meaning| notice.events(meaning, None))
        };
        recipients.iter().flat_map(event).collect()
    }

    /// Outlook.com's programme for senders (JMRP) returns the mail and writes the reader into its head.
    fn complaint(&self) -> Vec<Event> {
        let Some(reader) = self.original.first("x-hmxmroriginalrecipient").and_then(address::bare) else {
            return Vec::new();
        };
        let message = self.message(None);
        self.notice(reader, "abuse", message.as_deref(), &verbatim(&self.original)).events(Meaning::Complained, None)
    }

    /// A mail program shows who read what.
    fn disposition(&self, notification: &Headers) -> Vec<Event> {
        let from = self.mail.from.first().map(|from| from.address.clone());
        let named =
            ["original-recipient", "final-recipient"].iter().find_map(|name| typed_address(notification.first(name)?));
        let (Some(reader), Some(message)) = (from.or(named), self.message(notification.first("original-message-id")))
        else {
            return Vec::new();
        };
        let disposition = notification.first("disposition").unwrap_or_default();
        let word = disposition.rsplit(';').next().unwrap_or_default().split('/').next().unwrap_or_default();
        let word = word.trim().to_lowercase();
        let fields = verbatim(notification);
        let notice = self.notice(&reader, &word, Some(&message), &fields);
        if word == "displayed" { notice.events(Meaning::Read, None) } else { notice.unknown() }
    }

    fn notice<'n>(
        &'n self,
        recipient: &'n str,
        word: &'n str,
        message: Option<&'n str>,
        fields: &'n str,
    ) -> Notice<'n> {
        Notice {
            id: format!("{}:{word}:{recipient}", self.id),
            at: self.mail.at(),
            account: self.account,
            recipient,
            attestation: Attestation::Customer,
            message,
            word,
            verbatim: fields,
            extension: extension("org.ietf.mail.report", &[("message_id", Some(self.id))]),
        }
    }

    /// The mail that the report is about: by its own words, the mail it returns, or what it answers.
    fn message(&self, named: Option<&str>) -> Option<String> {
        let first = |value: &str| ids_in(value).into_iter().next();
        let returned = || self.original.first("message-id").and_then(first);
        let answered = || self.mail.in_reply_to.first().or(self.mail.references.last()).cloned();
        named.and_then(first).or_else(returned).or_else(answered)
    }

    fn failed_recipient(&self) -> Option<String> {
        self.mail
            .headers
            .first("x-failed-recipients")
            .and_then(|all| all.split(',').find_map(address::bare))
            .map(str::to_owned)
    }
}

/// The header fields of the mail that is returned, whole or cut off.
fn original(attachment: &Attachment) -> Headers {
    Headers::read(&attachment.content)
}

/// The blocks of fields between empty lines.
fn groups(status: &Attachment, unread: &mut Unread) -> Vec<Headers> {
    let text = String::from_utf8_lossy(&status.content).replace("\r\n", "\n");
    let mut blocks: Vec<&str> = text.split("\n\n").map(str::trim).filter(|block| !block.is_empty()).collect();
    if status.is_cut {
        // Half of the last one may be missing, and with it half of an address.
        blocks.pop();
        unread.add("delivery-status", CUT);
    }
    if blocks.len() > GROUPS_MAX {
        unread.add("delivery-status", BEYOND);
    }
    blocks.into_iter().take(GROUPS_MAX).map(|block| Headers::read(block.as_bytes())).collect()
}

/// The address of `rfc822; ada@example.com` (RFC 3464, section 2.1.2), or of one without a type.
fn typed_address(value: &str) -> Option<String> {
    let value = value.split_once(';').map_or(value, |(_, value)| value);
    let value = value.split_once(" (").map_or(value, |(value, _)| value);
    address::bare(value).map(str::to_owned)
}

fn verbatim(fields: &Headers) -> String {
    let map: std::collections::BTreeMap<&str, &str> =
        fields.pairs().iter().rev().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    event::json(&map)
}
