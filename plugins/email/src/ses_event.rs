//! What became of mail sent through Amazon SES: feedback of an identity (`notificationType`), events of a configuration
//! set (`eventType`). One event for each reader.

use rapport_sdk::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::failure::Failure;
use crate::mail::{bare_id, mailboxes_in};
use crate::notice::{Meaning, Notice, extension};
use crate::payload::{SesMail, SesNotification, Text};
use crate::scene::Scene;
use crate::{address, instant};

/// Amazon's words, the field that holds the details, and the list of readers in it. November 2026.
const KINDS: &[(&str, &str, &str, Meaning)] = &[
    // Taken over by SES, which will try to deliver it.
    ("Send", "send", "", Meaning::Sent),
    // The reader's server took it.
    ("Delivery", "delivery", "recipients", Meaning::Delivered),
    ("Bounce", "bounce", "bouncedRecipients", Meaning::Failed),
    // A full mailbox, a server that is down: SES goes on trying.
    ("DeliveryDelay", "deliveryDelay", "delayedRecipients", Meaning::Delayed),
    // SES found a virus in it.
    ("Reject", "reject", "", Meaning::Failed),
    // The template did not take the data.
    ("Rendering Failure", "failure", "", Meaning::Failed),
    ("Complaint", "complaint", "complainedRecipients", Meaning::Complained),
    ("Open", "open", "", Meaning::Read),
    ("Click", "click", "", Meaning::Clicked),
];

/// The fields that the details of the kinds have.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Details<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    timestamp: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    feedback_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    bounce_type: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    bounce_sub_type: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    complaint_feedback_type: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    reason: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    error_message: Text<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Reader<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    email_address: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    status: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    diagnostic_code: Text<'a>,
}

/// One kind of notification about one mail.
struct Report<'r> {
    word: String,
    about: &'r SesMail<'r>,
    account: String,
    raw: &'r RawValue,
    details: Details<'r>,
    published_at: Option<u64>,
}

pub fn read(kind: &str, raw: &RawValue, notification: &SesNotification, scene: &Scene) -> Result<Receipt, Rejection> {
    let no_mail = SesMail::default();
    // A bounce or a complaint may be about an address only.
    let has_readers = KINDS.iter().any(|(name, _, list, _)| *name == kind && !list.is_empty());
    let Some(about) = notification.mail.as_ref().or(has_readers.then_some(&no_mail)) else {
        return Err(Rejection::Malformed(format!("expected a `mail` in a notification `{kind}`, found none")));
    };
    let source = about.source.as_deref().and_then(|source| mailboxes_in(source).into_iter().next());
    let account = source.map_or_else(|| scene.connection.to_owned(), |source| address::account(&source.address));
    let word = kind.to_ascii_lowercase().replace(' ', "-");
    if kind == "Subscription" {
        let raw = lenient::field(raw, "subscription").unwrap_or(raw);
        let details = lenient::read(raw).unwrap_or_default();
        let report = Report { word, about, account, raw, details, published_at: notification.published_at };
        return received(kind, report.subscription());
    }
    let Some((_, field, list, meaning)) = KINDS.iter().find(|(name, ..)| *name == kind) else {
        return Err(Rejection::Unsupported(format!("expected a notification that SES documents, found `{kind}`")));
    };
    let raw = lenient::field(raw, field).unwrap_or(RawValue::NULL);
    let details = lenient::read(raw).unwrap_or_default();
    let report = Report { word, about, account, raw, details, published_at: notification.published_at };
    received(kind, report.events(list, *meaning))
}

fn received(kind: &str, (events, unread): (Vec<Event>, Unread)) -> Result<Receipt, Rejection> {
    if events.is_empty() {
        return Err(Rejection::Malformed(format!("expected a notification `{kind}` to name a reader, found none")));
    }
    unread.receipt(events)
}

impl Report<'_> {
    /// One event for each reader, and which of them could not be read.
    fn events(&self, list: &str, meaning: Meaning) -> (Vec<Event>, Unread) {
        let mut readers: Vec<Reader> = Vec::new();
        for raw in elements(lenient::field(self.raw, list)) {
            // `delivery.recipients` are addresses, the others objects.
            let as_text = || Some(Reader { email_address: lenient::read::<Text>(raw)?, ..Reader::default() });
            readers.push(lenient::read::<Reader>(raw).or_else(as_text).unwrap_or_default());
        }
        if list.is_empty() {
            let addresses = self.about.destination.iter().map(|raw| lenient::read::<Text>(raw).flatten());
            readers.extend(addresses.map(|email_address| Reader { email_address, ..Reader::default() }));
            let is_of_one = matches!(meaning, Meaning::Read | Meaning::Clicked);
            // All readers of one mail have the same pixel and links.
            if is_of_one && readers.len() > 1 {
                log::warn("an `Open` or `Click` of a mail to several readers is taken for one of the first reader's");
                readers.truncate(1);
            }
        }
        let list = if list.is_empty() { "mail.destination" } else { list };
        let (mut events, mut unread) = (Vec::new(), Unread::default());
        for (place, reader) in readers.iter().enumerate() {
            let found = self.reader(reader, meaning);
            if found.is_empty() {
                unread.add(&format!("{list}[{place}]"), "it has no address");
            }
            events.extend(found);
        }
        (events, unread)
    }

    fn reader(&self, reader: &Reader, meaning: Meaning) -> Vec<Event> {
        let recipient = reader.email_address.as_deref().and_then(|text| mailboxes_in(text).into_iter().next());
        let Some(recipient) = recipient else { return Vec::new() };
        let id = format!("{}:{}", self.key(), recipient.address);
        let notice = self.notice(id, &recipient.address);
        let kind = self.details.complaint_feedback_type.as_deref();
        if meaning == Meaning::Complained && kind == Some("not-spam") {
            return notice.delivery(DeliveryState::Other("not-spam".into()));
        }
        let details = &self.details;
        let parts = [details.bounce_type.as_deref(), details.bounce_sub_type.as_deref()];
        let kind = parts.into_iter().flatten().collect::<Vec<_>>().join("/");
        let said = reader.diagnostic_code.as_deref().or(details.reason.as_deref()).or(details.error_message.as_deref());
        let failure = Failure {
            word: if kind.is_empty() { &self.word } else { &kind },
            status: reader.status.as_deref(),
            diagnostic: said,
            detail: self.raw.get().to_owned(),
            is_temporary: match details.bounce_type.as_deref() {
                Some("Permanent") => Some(false),
                Some("Transient") => Some(true),
                _ => None,
            },
        };
        notice.events(meaning, Some(failure))
    }

    /// What tells two reports apart: the feedback's id, or the mail, the kind and the time.
    fn key(&self) -> String {
        match self.details.feedback_id.as_deref() {
            Some(id) => id.to_owned(),
            None => {
                let at = self.details.timestamp.as_deref().unwrap_or_default();
                format!("{}:{}:{at}", self.about.message_id.as_deref().unwrap_or_default(), self.word)
            }
        }
    }

    fn notice<'n>(&'n self, id: String, recipient: &'n str) -> Notice<'n> {
        let headers = self.about.common_headers.as_ref();
        let written = headers.and_then(|headers| headers.message_id.as_deref()).map(bare_id);
        let at = self.details.timestamp.as_deref().or(self.about.timestamp.as_deref()).and_then(instant::parse);
        Notice {
            id,
            at: at.or(self.published_at).unwrap_or_default(),
            account: &self.account,
            recipient,
            attestation: Attestation::Provider,
            message: self.about.message_id.as_deref(),
            word: &self.word,
            verbatim: self.raw.get(),
            extension: extension("com.amazonaws.ses", &[("header_message_id", written.as_deref())]),
        }
    }

    /// Preferences of a contact list: all of it was left, or some topics changed.
    fn subscription(&self) -> (Vec<Event>, Unread) {
        #[derive(Deserialize, Default)]
        #[serde(default, rename_all = "camelCase")]
        struct Preferences {
            #[serde(deserialize_with = "lenient::flag")]
            unsubscribe_all: bool,
        }
        let now: Option<Preferences> = lenient::field(self.raw, "newTopicPreferences").and_then(lenient::read);
        let has_left = now.is_some_and(|now| now.unsubscribe_all);
        let event = |reader: crate::mail::Mailbox| {
            let notice = self.notice(format!("{}:{}", self.key(), reader.address), &reader.address);
            if has_left {
                notice.events(Meaning::Unsubscribed, None)
            } else {
                Notice { message: None, ..notice }.unknown()
            }
        };
        let (mut events, mut unread) = (Vec::new(), Unread::default());
        for (place, raw) in self.about.destination.iter().enumerate() {
            let reader = lenient::read::<Text>(raw).flatten().and_then(|text| mailboxes_in(&text).into_iter().next());
            let found = reader.map(event).unwrap_or_default();
            if found.is_empty() {
                unread.add(&format!("mail.destination[{place}]"), "it has no address");
            }
            events.extend(found);
        }
        (events, unread)
    }
}

fn elements(list: Option<&RawValue>) -> Vec<&RawValue> {
    let Some(list) = list else { return Vec::new() };
    serde_json::from_str::<Vec<&RawValue>>(list.get()).unwrap_or_default()
}
