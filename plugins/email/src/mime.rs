//! A whole MIME message (RFC 2045–2049), as SES, SendGrid's raw mode and Mailgun's `/mime` routes deliver it.

use std::borrow::Cow;

use rapport_sdk::prelude::*;

use crate::attachment::{self, Attachment};
use crate::mail::{Headers, Mail};
use crate::parts::{self, MAIL, Part};
use crate::{charset, markup};

/// Files of one mail that become parts of its event.
const ATTACHMENTS_MAX: usize = 200;
/// Parts that make the text of a mail; the others are files. A program writes one, a list adds another.
const TEXTS_MAX: usize = 50;
/// Bytes of a report, or of a mail in the mail, that are looked into: its header fields, and more.
const REPORT_BYTES_MAX: usize = 256 << 10;

/// Reads a message; none if it has not even one header field.
pub fn read(raw: &[u8]) -> Option<Mail<'static>> {
    let raw = with_line_ends(raw);
    let parts = parts::of(&raw);
    let headers = Headers::read(parts.first()?.head);
    if headers.pairs().is_empty() {
        return None;
    }
    let bodies = Bodies::of(&parts);
    let files = bodies.files.iter().take(ATTACHMENTS_MAX);
    let mut unread = Unread::default();
    if bodies.files.len() > ATTACHMENTS_MAX {
        unread
            .add("files", &format!("{} are beyond the first {ATTACHMENTS_MAX}", bodies.files.len() - ATTACHMENTS_MAX));
    }
    Some(Mail {
        unread,
        text: plain(&parts, &bodies.text),
        html: body(&parts, &bodies.html, |part| (part.mime_type == "text/html").then(|| text(part))),
        attachments: files.map(|index| file(*index, &parts[*index])).collect(),
        ..Mail::of_headers(headers)
    })
}

/// The message with line ends, which some programs reduce to CR.
fn with_line_ends(raw: &[u8]) -> Cow<'_, [u8]> {
    if raw.contains(&b'\n') || !raw.contains(&b'\r') {
        return Cow::Borrowed(raw);
    }
    Cow::Owned(raw.iter().map(|byte| if *byte == b'\r' { b'\n' } else { *byte }).collect())
}

/// Which parts are what is read, in plain text and in HTML, and which are files. Source: RFC 8621, section 4.1.4.
#[derive(Default)]
struct Bodies {
    text: Vec<usize>,
    html: Vec<usize>,
    files: Vec<usize>,
}

/// Which of the two bodies still takes a part.
#[derive(Clone, Copy)]
struct Wanted {
    text: bool,
    html: bool,
    is_in_alternative: bool,
}

impl Bodies {
    fn of(parts: &[Part]) -> Self {
        let mut bodies = Bodies::default();
        let both = Wanted { text: true, html: true, is_in_alternative: false };
        bodies.collect(parts, &[0], "multipart/mixed", both);
        bodies
    }

    fn collect(&mut self, parts: &[Part], siblings: &[usize], around: &str, mut wanted: Wanted) {
        let (texts, pages) = (self.text.len(), self.html.len());
        for (place, index) in siblings.iter().enumerate() {
            let part = &parts[*index];
            if !part.children.is_empty() {
                let is_in_alternative = wanted.is_in_alternative || part.mime_type == "multipart/alternative";
                self.collect(parts, &part.children, &part.mime_type, Wanted { is_in_alternative, ..wanted });
                continue;
            }
            let is_page = part.mime_type == "text/html";
            // A text with a name that is not in front is a file.
            let is_first = place == 0 || (around != "multipart/related" && part.file_name.is_none());
            let is_beyond = self.text.len().max(self.html.len()) >= TEXTS_MAX;
            if !part.is_text() || part.is_attached || !is_first || is_beyond {
                self.files.push(*index);
                continue;
            }
            if around == "multipart/alternative" {
                if is_page {
                    self.html.push(*index)
                } else {
                    self.text.push(*index)
                }
                continue;
            }
            if wanted.is_in_alternative {
                if is_page { wanted.text = false } else { wanted.html = false }
            }
            if wanted.text {
                self.text.push(*index);
            }
            if wanted.html {
                self.html.push(*index);
            }
        }
        if around == "multipart/alternative" && wanted.text && wanted.html {
            // Nothing to choose from: what there is stands for both.
            if self.text.len() == texts {
                self.text.extend_from_slice(&self.html[pages..]);
            } else if self.html.len() == pages {
                self.html.extend_from_slice(&self.text[texts..]);
            }
        }
    }
}

/// The text of a mail that has any, such as the footer of a list below a mail in HTML, which is then text too.
fn plain(parts: &[Part], indices: &[usize]) -> Option<Cow<'static, str>> {
    let is_plain = |part: &Part| part.mime_type == "text/plain";
    let has_text = body(parts, indices, |part| is_plain(part).then(|| text(part)));
    if indices.iter().all(|index| is_plain(&parts[*index])) {
        return has_text;
    }
    has_text?;
    body(parts, indices, |part| Some(if is_plain(part) { text(part) } else { markup::text(&text(part)) }))
}

/// What is made of the parts of a body, one below the other.
fn body(parts: &[Part], indices: &[usize], read: impl Fn(&Part) -> Option<String>) -> Option<Cow<'static, str>> {
    let mut body = String::new();
    for text in indices.iter().filter_map(|index| read(&parts[*index])) {
        if !body.is_empty() && !text.is_empty() {
            body.push('\n');
        }
        body.push_str(&text);
    }
    (!body.trim().is_empty()).then_some(Cow::Owned(body))
}

fn text(part: &Part) -> String {
    let bytes = part.transfer.decoded(part.body);
    let in_page = || if part.mime_type == "text/html" { markup::charset(&bytes) } else { None };
    let declared = part.charset.clone().filter(|name| charset::is_known(name)).or_else(in_page);
    charset::decoded(&bytes, declared.as_deref())
}

fn file(index: usize, part: &Part) -> Attachment<'static> {
    // A text that does not say so has no type that one could tell.
    let mime_type = (part.is_typed || part.mime_type == MAIL).then(|| part.mime_type.clone());
    let mime_type = mime_type.filter(|found| found.len() <= attachment::MIME_TYPE_BYTES_MAX);
    let is_of_report = attachment::is_of_report(mime_type.as_deref());
    let beginning = &part.body[..part.body.len().min(REPORT_BYTES_MAX)];
    Attachment {
        source: MediaSource::ProviderId(format!("part:{index}")),
        file_name: part.file_name.as_deref().and_then(attachment::file_name),
        content_id: part.content_id.as_deref().and_then(attachment::content_id),
        size: Some(part.size() as u64),
        content: if is_of_report { Cow::Owned(part.transfer.decoded(beginning)) } else { Cow::Borrowed(&[]) },
        is_cut: is_of_report && beginning.len() < part.body.len(),
        mime_type,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const MIXED: &str = "From: a@example.com\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\
        Content-Type: multipart/alternative; boundary=y\r\n\r\n--y\r\nContent-Type: text/plain; charset=iso-2022-jp\r\n\r\n\
        \u{1b}$B$3$s$K$A$O\u{1b}(B\r\n--y\r\nContent-Type: text/html\r\n\r\n<p>x</p>\r\n--y--\r\n--x\r\n\
        Content-Type: image/png; name*0*=utf-8''gr%C3%BC; name*1=n.png\r\nContent-ID: <logo@a>\r\n\
        Content-Disposition: inline\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw0K\r\n--x\r\n\
        Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nhello\r\n--x--\r\n";

    #[test]
    fn bodies_and_files_are_told_apart() {
        let mail = read(MIXED.as_bytes()).unwrap();
        assert_eq!(mail.text.as_deref().map(str::trim), Some("こんにちは"));
        assert_eq!(mail.html.as_deref().map(str::trim), Some("<p>x</p>"));
        let names: Vec<_> = mail.attachments.iter().map(|file| file.file_name.as_deref()).collect();
        assert_eq!(names, [Some("grün.png"), None]);
        assert_eq!(mail.attachments[0].content_id.as_deref(), Some("logo@a"));
        assert_eq!(mail.attachments[0].size, Some(6));
        assert!(mail.attachments[1].content.starts_with(b"Subject: inner"));
    }

    #[test]
    fn the_parts_of_a_digest_are_mails_and_a_type_ends_with_a_space() {
        let raw = "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: multipart/digest; boundary=y\r\n\r\n\
            --y\r\n\r\nSubject: inner\r\n\r\nhello\r\n--y--\r\n--x\r\nContent-Type: application/pdf name=\"a.pdf\"\r\n\
            Content-Disposition: attachment\r\n\r\n%PDF\r\n--x--\r\n";
        let mail = read(raw.as_bytes()).unwrap();
        let types: Vec<_> = mail.attachments.iter().map(|file| file.mime_type.as_deref()).collect();
        assert_eq!(types, [Some("message/rfc822"), Some("application/pdf")]);
    }

    #[test]
    fn mails_in_mails_without_end_stay_files() {
        let part = "--x\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nhello\r\n";
        let raw = format!("Content-Type: multipart/mixed; boundary=x\r\n\r\n{}--x--\r\n", part.repeat(150));
        let mail = read(raw.as_bytes()).unwrap();
        assert_eq!(mail.attachments.len(), 150);
        assert!(mail.attachments.iter().all(|file| file.mime_type.as_deref() == Some(MAIL)));
    }

    #[test]
    fn texts_without_end_are_files() {
        let raw =
            format!("Content-Type: multipart/mixed; boundary=x\r\n\r\n{}--x--\r\n", "--x\r\n\r\nhello\r\n".repeat(60));
        let mail = read(raw.as_bytes()).unwrap();
        assert_eq!((mail.text.unwrap().matches("hello").count(), mail.attachments.len()), (TEXTS_MAX, 60 - TEXTS_MAX));
    }

    #[test]
    fn line_ends_may_be_of_any_kind() {
        for end in ["\r\n", "\n", "\r"] {
            let mail = read(MIXED.replace("\r\n", end).as_bytes()).unwrap();
            assert_eq!((mail.attachments.len(), mail.from.len()), (2, 1), "{end:?}");
        }
    }

    #[test]
    fn the_footer_of_a_list_does_not_stand_for_a_mail_in_html() {
        let raw = "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: text/html\r\n\r\n\
            <div>Hello</div>\r\n--x\r\nContent-Type: text/plain\r\n\r\nThe list\r\n--x--\r\n";
        let mail = read(raw.as_bytes()).unwrap();
        assert_eq!(mail.text.as_deref(), Some("Hello\nThe list"));
        assert_eq!(mail.html.as_deref(), Some("<div>Hello</div>"));
        let html = read("Content-Type: text/html\r\n\r\n<div>Hello</div>".as_bytes()).unwrap();
        assert_eq!((html.text, html.html.as_deref()), (None, Some("<div>Hello</div>")));
    }

    #[test]
    fn a_missing_or_false_character_set_is_western() {
        for declared in ["text/plain", "text/plain; charset=us-ascii", "text/plain; charset=utf-8"] {
            let raw = [b"Content-Type: ", declared.as_bytes(), b"\r\n\r\n\x80 Gr\xfc\xdfe"].concat();
            assert_eq!(read(&raw).unwrap().text.as_deref(), Some("€ Grüße"), "{declared}");
        }
        let raw = b"Content-Transfer-Encoding: quoted-printable\r\n\r\nGr=FC=DFe";
        assert_eq!(read(raw).unwrap().text.as_deref(), Some("Grüße"));
    }

    #[test]
    fn what_is_cut_off_or_nested_without_end_is_no_crash() {
        for end in 0..MIXED.len() {
            read(&MIXED.as_bytes()[..end]);
        }
        let mut deep = String::new();
        for level in 0..2_000 {
            deep.push_str(&format!("Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n"));
        }
        read(deep.as_bytes());
        read("Content-Type: message/rfc822\r\n\r\n".repeat(2_000).as_bytes());
    }
}
