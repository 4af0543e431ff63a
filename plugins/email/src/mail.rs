//! One mail, whichever provider received it: its header fields, its bodies, and what the provider knows besides.

use std::borrow::Cow;

use rapport_sdk::{Unread, lenient};
use serde::Serialize;

use crate::attachment::Attachment;
use crate::head::{self, Parameters};
use crate::instant::{self, Dated};
use crate::{encoded_word, mailbox};

/// Ids of a thread that are kept; the rest of a `References` that a machine let grow is noise.
const REFERENCES_MAX: usize = 100;
/// `Received` fields that are looked at for one with a date: the topmost are the receiver's own.
const TRACES_MAX: usize = 3;

/// Somebody in `From`, `To` and the like.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mailbox {
    pub address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A mail. Fields that came as header fields are empty where there was none.
#[derive(Default)]
pub struct Mail<'a> {
    pub headers: Headers,
    pub from: Vec<Mailbox>,
    /// The author stands in the mail in such a form that a server may have read another one.
    pub is_author_guessed: bool,
    pub sender: Vec<Mailbox>,
    pub reply_to: Vec<Mailbox>,
    pub to: Vec<Mailbox>,
    pub cc: Vec<Mailbox>,
    pub bcc: Vec<Mailbox>,
    pub subject: Option<String>,
    /// By the sender's clock.
    pub date: Option<Dated>,
    /// By the server that was last on the way.
    pub trace: Option<u64>,
    /// All ids are without their angle brackets.
    pub message_id: Option<String>,
    pub in_reply_to: Vec<String>,
    pub references: Vec<String>,
    pub text: Option<Cow<'a, str>>,
    pub html: Option<Cow<'a, str>>,
    /// What is new in `text`, as the provider sees it.
    pub new_text: Option<Cow<'a, str>>,
    pub attachments: Vec<Attachment<'a>>,
    pub envelope: Envelope,
    /// By the provider's clock, if it gives one that stays the same on redelivery.
    pub received_at: Option<u64>,
    /// The provider's own id, for a mail without a `Message-ID`.
    pub provider_id: Option<String>,
    /// Whether the provider found that the domain in `From` really sent this.
    pub is_authenticated: bool,
    /// What only this provider knows: a reverse-DNS key, and JSON.
    pub extension: Option<(&'static str, String)>,
    /// What of it could not be read.
    pub unread: Unread,
}

/// What the mail's way said, apart from the mail itself.
#[derive(Default)]
pub struct Envelope {
    /// The return path, empty for the one of a machine (`<>`).
    pub sender: Option<String>,
    /// The mailboxes of the business that it was for.
    pub recipients: Vec<String>,
}

/// Header fields in their order: the name in lower case, the value as it came but unfolded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Headers {
    pairs: Vec<(String, String)>,
    /// There are more of them, or longer ones, than are read.
    is_cut: bool,
}

impl Headers {
    pub fn push(&mut self, name: &str, value: &str) {
        self.pairs.push((name.trim().to_ascii_lowercase(), unfolded(value)));
    }

    /// The topmost field of this name, which is given in lower case.
    pub fn first(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// The field of this name, if there is exactly one.
    pub fn only(&self, name: &str) -> Option<&str> {
        let mut all = self.all(name);
        all.next().filter(|_| all.next().is_none())
    }

    pub fn all<'h>(&'h self, name: &str) -> impl Iterator<Item = &'h str> {
        self.pairs.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    pub fn pairs(&self) -> &[(String, String)] {
        &self.pairs
    }

    /// Whether there are fields of which nothing is known.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Reads a block of header fields, which need not end with an empty line. Mail of before 2012 may hold any 8-bit
    /// character set without saying which: often it is the one of the text.
    pub fn read(block: &[u8]) -> Self {
        let fields = head::fields(block);
        let content_type =
            fields.iter().find(|(name, _)| name == "content-type").map(|(_, value)| Parameters::read(value));
        let declared = content_type.as_ref().and_then(|found| found.get("charset"));
        let pairs = fields.iter().map(|(name, value)| (name.clone(), faithful(value, declared))).collect();
        Headers { pairs, is_cut: head::is_cut(block, &fields) }
    }
}

impl Mail<'_> {
    /// A mail of which only a block of header fields is known so far.
    pub fn of_block(block: &[u8]) -> Self {
        Self::of_headers(Headers::read(block))
    }

    /// A mail of which only the header fields are known so far.
    pub fn of_headers(headers: Headers) -> Self {
        let all = |name: &str| headers.all(name).flat_map(|value| mailbox::read(value).found).collect::<Vec<_>>();
        let is_guessed = headers.all("from").any(|value| mailbox::read(value).is_guessed);
        let from = all("from");
        let stamp = |trace: &str| instant::dated(trace.rsplit_once(';')?.1).filter(|dated| dated.has_zone);
        let trace = headers.all("received").take(TRACES_MAX).find_map(stamp).map(|dated| dated.ms);
        Mail {
            is_author_guessed: is_guessed && !from.is_empty(),
            from,
            sender: all("sender"),
            reply_to: all("reply-to"),
            to: all("to"),
            cc: all("cc"),
            bcc: all("bcc"),
            subject: headers.first("subject").map(decoded),
            date: headers.first("date").and_then(instant::dated),
            trace,
            message_id: headers.first("message-id").map(ids_in).unwrap_or_default().into_iter().next(),
            in_reply_to: headers.first("in-reply-to").map(ids_in).unwrap_or_default(),
            references: headers.first("references").map(ids_in).unwrap_or_default(),
            headers,
            ..Mail::default()
        }
    }

    /// Takes the author that a provider repeats beside the header fields.
    pub fn take_author(&mut self, value: &str) {
        let read = mailbox::read(value);
        self.is_author_guessed = read.is_guessed && !read.found.is_empty();
        self.from = read.found;
    }

    /// How many `From` fields there are: a second one is a trick, played on whoever shows the other one.
    pub fn author_fields(&self) -> usize {
        self.headers.all("from").count()
    }

    /// When the mail came: the provider's instant, else the sender's as far as the trace allows it; 0 if none is known.
    pub fn at(&self) -> u64 {
        self.received_at.or_else(|| instant::of_mail(self.date, self.trace)).unwrap_or_default()
    }
}

/// The text of a value, as it was written if another set would make an address of ASCII that does not stand in it: an
/// escape sequence or UTF-7 within a mailbox must not make it another one.
fn faithful(value: &[u8], declared: Option<&str>) -> String {
    let text = head::text(value, declared);
    if text.as_bytes() == value || !text.contains('@') {
        return text;
    }
    let stands = |address: &str| value.windows(address.len()).any(|window| window == address.as_bytes());
    let is_made = |found: &Mailbox| found.address.is_ascii() && !stands(&found.address);
    if mailbox::read(&text).found.iter().any(is_made) { String::from_utf8_lossy(value).into_owned() } else { text }
}

/// The mailboxes that a header value names, such as one that a provider repeats as a field of a form.
pub fn mailboxes_in(value: &str) -> Vec<Mailbox> {
    mailbox::read(value).found
}

/// The message ids that a header value names: those in angle brackets, else its words.
pub fn ids_in(value: &str) -> Vec<String> {
    let in_brackets = value.split('<').skip(1).filter_map(|rest| rest.split_once('>')).map(|(id, _)| bare_id(id));
    let mut ids: Vec<String> = in_brackets.collect();
    if ids.is_empty() {
        ids = value.split(|sign: char| sign.is_whitespace() || sign == ',').map(bare_id).collect();
    }
    ids.retain(|id| !id.is_empty());
    let surplus = ids.len().saturating_sub(REFERENCES_MAX);
    // The oldest names the thread, the newest are what is answered.
    ids.drain(1.min(ids.len())..(1 + surplus).min(ids.len()));
    ids
}

/// A value whose encoded words (RFC 2047) are decoded.
pub fn decoded(value: &str) -> String {
    clean(&encoded_word::decoded(value))
}

/// Text without U+0000, and without white space around it.
pub fn clean(text: &str) -> String {
    lenient::without_nul(lenient::trim(text)).into_owned()
}

/// A value on one line: whoever hands a value on must not be able to begin another field with it.
fn unfolded(value: &str) -> String {
    let value = lenient::trim(value);
    if !value.contains(['\r', '\n']) {
        return value.to_owned();
    }
    value.split(['\r', '\n']).map(lenient::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// A message id without the brackets around it.
pub fn bare_id(id: &str) -> String {
    clean(lenient::trim(id).trim_start_matches('<').trim_end_matches('>'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_and_ids_are_read_in_every_form() {
        let block = b"From: =?UTF-8?B?QWRhIEzDtnZlbGFjZQ==?= <ada@example.com>\r\nTo: \"Support, Team\" <s@a.test>, x: b@a.test;\r\n\
            Subject: =?iso-8859-1?Q?Gr=FC=DFe?=\r\n =?iso-8859-1?Q?_dort?=\r\nReferences: <1@a> <2@b>\r\n <3@c>\r\n\
            In-Reply-To: 3@c\r\nMessage-ID: 4@d\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000";
        let mail = Mail::of_block(block);
        assert_eq!(mail.from, [Mailbox { address: "ada@example.com".into(), name: Some("Ada Lövelace".into()) }]);
        assert_eq!(mail.to.iter().map(|to| to.address.as_str()).collect::<Vec<_>>(), ["s@a.test", "b@a.test"]);
        assert_eq!(mail.to[0].name.as_deref(), Some("Support, Team"));
        assert_eq!(mail.subject.as_deref(), Some("Grüße dort"));
        assert_eq!(mail.references, ["1@a", "2@b", "3@c"]);
        assert_eq!(mail.in_reply_to, ["3@c"]);
        assert_eq!(mail.message_id.as_deref(), Some("4@d"));
        assert_eq!(mail.at(), 1_767_225_600_000);
    }

    #[test]
    fn an_author_is_found_in_a_garbled_field() {
        for (value, address, name) in [
            ("The Shop <The Shop <hello@a.test>>", "hello@a.test", Some("The Shop")),
            ("Ada <<a@a.test>>", "a@a.test", Some("Ada")),
            ("Ada <a@a.test> Grace <g@a.test>", "a@a.test", Some("Ada")),
            ("Ada [mailto:a@a.test]", "a@a.test", Some("Ada")),
            ("Ada a@a.test", "a@a.test", None),
            ("a@a.test>", "a@a.test", None),
        ] {
            let mail = Mail::of_block(format!("From: {value}").as_bytes());
            assert_eq!(mail.from, [Mailbox { address: address.into(), name: name.map(str::to_owned) }], "{value}");
            assert!(mail.is_author_guessed, "{value}");
        }
        assert!(Mail::of_block(b"From: undisclosed").from.is_empty());
    }

    #[test]
    fn eight_bits_without_a_character_set_are_western() {
        let mail = Mail::of_block(b"From: J\xfcrgen <j@example.com>\nSubject: gr\xc3\xbcn\n");
        assert_eq!(mail.from[0].name.as_deref(), Some("Jürgen"));
        assert_eq!(mail.subject.as_deref(), Some("grün"));
    }

    #[test]
    fn no_character_set_makes_another_address() {
        let from = |block: &[u8]| Mail::of_block(block).from.into_iter().map(|from| from.address).collect::<Vec<_>>();
        let japanese = b"From: \x1b$B%F%9%H\x1b(B <ada@example.com>";
        assert_eq!(from(japanese), ["ada@example.com"]);
        assert_eq!(Mail::of_block(japanese).from[0].name.as_deref(), Some("テスト"));
        for block in [
            &b"From: vic\x1b(Btim@bank.example"[..],
            b"From: A <vic\x1b(Jtim@bank.example>",
            b"From: vic\x1b$B\x1b(Btim@bank.example",
            b"From: +AHY-ictim@bank.example \x1b\nContent-Type: text/plain; charset=utf-7",
            b"From: victim@bank.example\0",
            b"From: vic\0tim@bank.example",
            b"From: <victim@bank.example\x0b>",
        ] {
            assert!(!from(block).contains(&"victim@bank.example".to_owned()), "{}", block.escape_ascii());
        }
    }

    #[test]
    fn a_value_cannot_begin_another_field() {
        assert_eq!(ids_in("<1@a>\n\n<2@b>"), ["1@a", "2@b"]);
        let mut headers = Headers::default();
        headers.push("X-A ", "1\r\n\tX-B: 2");
        assert_eq!((headers.first("x-a"), headers.first("x-b")), (Some("1 X-B: 2"), None));
    }

    #[test]
    fn a_thread_without_end_keeps_its_beginning_and_its_end() {
        let all: Vec<_> = (0..500).map(|number| format!("<{number}@a>")).collect();
        let ids = ids_in(&all.join(" "));
        assert_eq!((ids.len(), ids.first().unwrap().as_str(), ids.last().unwrap().as_str()), (100, "0@a", "499@a"));
    }
}
