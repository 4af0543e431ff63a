//! One mail, whichever provider received it: its header fields, its bodies, and what the provider knows besides.

use std::borrow::Cow;

use mail_parser::{Address, HeaderName, HeaderValue, Message, MessageParser};
use serde::Serialize;

use crate::attachment::Attachment;
use crate::{address, encoded_word, instant};

/// Ids of a thread that are kept; the rest of a `References` that a machine let grow is noise.
const REFERENCES_MAX: usize = 100;
/// Mailboxes of one field that are kept.
const MAILBOXES_MAX: usize = 200;

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
    /// By the sender's clock; without one by the server that was last on the way.
    pub date: Option<u64>,
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
pub struct Headers(Vec<(String, String)>);

impl Headers {
    pub fn push(&mut self, name: &str, value: &str) {
        self.0.push((name.trim().to_ascii_lowercase(), unfolded(value)));
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
        self.0.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    pub fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// Reads a block of header fields, which need not end with an empty line.
    pub fn read(block: &[u8]) -> Self {
        let block = terminated(block);
        MessageParser::new().parse_headers(&block).map(|message| Self::of(&message)).unwrap_or_default()
    }

    fn of(message: &Message) -> Self {
        let mut headers = Headers::default();
        for header in message.headers() {
            let range = header.offset_start as usize..header.offset_end as usize;
            let value = String::from_utf8_lossy(message.raw_message.get(range).unwrap_or_default());
            headers.push(header.name.as_str(), &value);
        }
        headers
    }
}

impl Mail<'_> {
    /// A mail of which only a block of header fields is known so far.
    pub fn of_block(block: &[u8]) -> Self {
        let block = terminated(&legible(block)).into_owned();
        let mut mail = Mail::default();
        if let Some(message) = MessageParser::new().parse_headers(&block) {
            mail.take_headers(&message);
        }
        mail
    }

    /// Takes over every header field of a parsed message.
    pub fn take_headers(&mut self, message: &Message) {
        self.headers = Headers::of(message);
        self.from = mailboxes(message, HeaderName::From);
        if self.from.is_empty() {
            self.from = self.headers.first("from").and_then(guessed).into_iter().collect();
            self.is_author_guessed = !self.from.is_empty();
        }
        self.sender = mailboxes(message, HeaderName::Sender);
        self.reply_to = mailboxes(message, HeaderName::ReplyTo);
        self.to = mailboxes(message, HeaderName::To);
        self.cc = mailboxes(message, HeaderName::Cc);
        self.bcc = mailboxes(message, HeaderName::Bcc);
        self.subject = first(message, HeaderName::Subject).and_then(HeaderValue::as_text).map(clean);
        let date = first(message, HeaderName::Date).and_then(HeaderValue::as_datetime);
        let received = || first(message, HeaderName::Received).and_then(HeaderValue::as_received)?.date.as_ref();
        let date = date.and_then(instant::of).or_else(|| self.headers.first("date").and_then(instant::parse));
        self.date = date.or_else(|| received().and_then(instant::of));
        self.message_id = ids(message, HeaderName::MessageId).into_iter().next();
        self.in_reply_to = ids(message, HeaderName::InReplyTo);
        self.references = ids(message, HeaderName::References);
    }

    /// How many `From` fields there are: a second one is a trick, played on whoever shows the other one.
    pub fn author_fields(&self) -> usize {
        self.headers.all("from").count()
    }

    /// When the mail came: the provider's instant, else the sender's; 0 if neither is known.
    pub fn at(&self) -> u64 {
        self.received_at.or(self.date).unwrap_or_default()
    }

    /// The mailbox of the business that the mail was for, of those that the connection takes.
    pub fn mailboxes_of_business(&self) -> Vec<&str> {
        let envelope = self.envelope.recipients.iter().map(String::as_str).filter_map(address::bare);
        let found: Vec<_> = envelope.collect();
        if !found.is_empty() {
            return found;
        }
        self.to.iter().chain(&self.cc).chain(&self.bcc).map(|mailbox| mailbox.address.as_str()).collect()
    }
}

/// The fields as a block, such as mail begins with. What is no name of a field is left out.
pub fn block(headers: &Headers) -> Vec<u8> {
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
    let fields = headers.pairs().iter().filter(|(name, _)| is_name(name));
    let lines = fields.map(|(name, value)| format!("{name}: {value}\r\n"));
    lines.chain(["\r\n".to_owned()]).collect::<String>().into_bytes()
}

/// The mailboxes that a header value names, such as one that a provider repeats as a field of a form.
pub fn mailboxes_in(value: &str) -> Vec<Mailbox> {
    let block = format!("To: {}\n\n", unfolded(value));
    let message = MessageParser::new().parse_headers(block.as_bytes());
    message.map(|message| mailboxes(&message, HeaderName::To)).unwrap_or_default()
}

/// The message ids that a header value names.
pub fn ids_in(value: &str) -> Vec<String> {
    let block = format!("References: {}\n\n", unfolded(value));
    let message = MessageParser::new().parse_headers(block.as_bytes());
    message.map(|message| ids(&message, HeaderName::References)).unwrap_or_default()
}

/// A value whose encoded words (RFC 2047) are decoded.
pub fn decoded(value: &str) -> String {
    if !value.contains("=?") {
        return clean(value);
    }
    let block = format!("Subject: {}\n\n", unfolded(value));
    let message = MessageParser::new().parse_headers(block.as_bytes());
    message.as_ref().and_then(|message| message.subject()).map_or_else(|| clean(value), clean)
}

/// Text without the U+0000 that no store takes, and without white space around it.
pub fn clean(text: &str) -> String {
    let text = text.trim();
    if text.contains('\0') { text.replace('\0', "") } else { text.to_owned() }
}

/// Header fields in bytes that are UTF-8, with whole encoded words. Mail of before 2012 may hold any 8-bit character set
/// without saying which: the lines that are no UTF-8 are taken for windows-1252.
pub fn legible(block: &[u8]) -> Cow<'_, [u8]> {
    if std::str::from_utf8(block).is_ok() {
        return encoded_word::joined(block).map_or(Cow::Borrowed(block), Cow::Owned);
    }
    let line = |line: &[u8]| match std::str::from_utf8(line) {
        Ok(text) => text.to_owned(),
        Err(_) => western(&encoded_word::in_ascii(line)),
    };
    let block = block.split_inclusive(|byte| *byte == b'\n').map(line).collect::<String>().into_bytes();
    Cow::Owned(encoded_word::joined(&block).unwrap_or(block))
}

/// Bytes as windows-1252, of which no byte is without a meaning.
pub fn western(bytes: &[u8]) -> String {
    charset(bytes, "windows-1252").unwrap_or_else(|| String::from_utf8_lossy(bytes).into_owned())
}

/// Bytes in the character set of this name; none for a name that is unknown.
pub fn charset(bytes: &[u8], name: &str) -> Option<String> {
    let name = name.trim().trim_matches('"');
    if name.is_empty() || name.eq_ignore_ascii_case("utf-8") || name.eq_ignore_ascii_case("utf8") {
        return std::str::from_utf8(bytes).ok().map(str::to_owned);
    }
    mail_parser::decoders::charsets::map::charset_decoder(name.as_bytes()).map(|decode| decode(bytes))
}

fn terminated(block: &[u8]) -> Cow<'_, [u8]> {
    let is_complete = [&b"\n\n"[..], b"\r\n\r\n"].iter().any(|end| block.ends_with(end));
    if is_complete { Cow::Borrowed(block) } else { Cow::Owned([block, b"\r\n\r\n"].concat()) }
}

/// A value on one line: whoever hands a value on must not be able to begin another field with it.
fn unfolded(value: &str) -> String {
    let value = value.trim();
    if !value.contains(['\r', '\n']) {
        return value.to_owned();
    }
    value.split(['\r', '\n']).map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

fn first<'m, 'a>(message: &'m Message<'a>, name: HeaderName<'static>) -> Option<&'m HeaderValue<'a>> {
    message.headers().iter().find(|header| header.name == name).map(|header| &header.value)
}

fn mailboxes(message: &Message, name: HeaderName<'static>) -> Vec<Mailbox> {
    let values =
        message.headers().iter().filter(|header| header.name == name).filter_map(|header| match &header.value {
            HeaderValue::Address(address) => Some(address),
            _ => None,
        });
    let mut found = Vec::new();
    let mut words: Vec<String> = Vec::new();
    for part in values.flat_map(Address::iter) {
        match mailbox(part) {
            Some(Mailbox { address, name: Some(name) }) => {
                words.push(name);
                found.push(Mailbox { address, name: Some(words.join(", ")) });
                words.clear();
            }
            Some(nameless) => {
                words.clear();
                found.push(nameless);
            }
            // `Lovelace, Ada <ada@example.com>` is what people mean who forget the quotation marks.
            None => words.extend(part.name().or(part.address()).map(clean)),
        }
    }
    found.truncate(MAILBOXES_MAX);
    found
}

/// The first thing in a value that looks like an address, where mail programs would find none.
fn guessed(value: &str) -> Option<Mailbox> {
    let value = decoded(value);
    let is_end = |character: char| character.is_whitespace() || "<>[](),;\"".contains(character);
    let address = value.split(is_end).find_map(address::bare)?;
    let name = value.split(['<', '[']).next().unwrap_or_default().trim().trim_matches(['"', '\'']);
    let name = (!name.is_empty() && !name.contains('@')).then(|| clean(name));
    Some(Mailbox { address: address.to_owned(), name })
}

fn mailbox(found: &mail_parser::Addr) -> Option<Mailbox> {
    let bare = address::bare(found.address()?)?;
    let name = found.name().map(|name| clean(name.trim_matches(['"', '\'']))).filter(|name| !name.is_empty());
    // A program that has no name for somebody repeats the address.
    Some(Mailbox { address: bare.to_owned(), name: name.filter(|name| !address::is_same(name, bare)) })
}

fn ids(message: &Message, name: HeaderName<'static>) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    for header in message.headers().iter().filter(|header| header.name == name) {
        match &header.value {
            HeaderValue::Text(id) => ids.extend(id.split_whitespace().map(bare_id)),
            HeaderValue::TextList(list) => ids.extend(list.iter().map(|id| bare_id(id))),
            _ => {}
        }
    }
    ids.retain(|id| !id.is_empty());
    let surplus = ids.len().saturating_sub(REFERENCES_MAX);
    // The oldest names the thread, the newest are what is answered.
    ids.drain(1.min(ids.len())..(1 + surplus).min(ids.len()));
    ids
}

/// A message id without the brackets around it.
pub fn bare_id(id: &str) -> String {
    clean(id.trim().trim_start_matches('<').trim_end_matches('>'))
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
    fn a_name_may_be_encoded_in_part_or_stand_behind_the_address() {
        for (value, name) in [
            ("=?utf-8?q?Op=C3=A9rateur?= de test <a@example.com>", Some("Opérateur de test")),
            ("a@example.com (Ada Lovelace)", Some("Ada Lovelace")),
            ("\"'a@example.com'\" <a@example.com>", None),
            ("'Ada' <a@example.com>", Some("Ada")),
            ("<a@example.com>", None),
            ("\"Lovelace, Ada\" <a@example.com>", Some("Lovelace, Ada")),
            ("=?utf-8?B?TMO2dmVsYWNlLCBBZGE=?= <a@example.com>", Some("Lövelace, Ada")),
        ] {
            let found = mailboxes_in(value);
            assert_eq!((found.len(), found[0].address.as_str(), found[0].name.as_deref()), (1, "a@example.com", name));
        }
    }

    #[test]
    fn a_name_without_quotation_marks_may_have_a_comma() {
        let named = |value: &str| mailboxes_in(value).into_iter().map(|to| (to.address, to.name)).collect::<Vec<_>>();
        assert_eq!(named("L\u{f6}velace, Ada <a@b.test>"), [("a@b.test".into(), Some("L\u{f6}velace, Ada".into()))]);
        let both = [("a@b.test".into(), Some("Ada, Ph.D., Lady".into())), ("c@d.test".into(), None)];
        assert_eq!(named("Ada, Ph.D., Lady <a@b.test>, somebody, c@d.test"), both);
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
