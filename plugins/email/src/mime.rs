//! A whole MIME message (RFC 2045–2049), as SES, SendGrid's raw mode and Mailgun's `/mime` routes deliver it.

use std::borrow::Cow;

use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::{Encoding, Message, MessageParser, MessagePart, MimeHeaders, PartType};
use rapport_sdk::prelude::*;

use crate::attachment::{self, Attachment};
use crate::mail::{self, Mail};
use crate::skeleton::{Skeleton, decoded_bytes};
use crate::{markup, nesting};

/// Files of one mail that become parts of its event.
const ATTACHMENTS_MAX: usize = 200;

/// The type of a mail in a mail.
const MAIL: &str = "message/rfc822";

/// Reads a message; none if it has not even one header field.
pub fn read(raw: &[u8]) -> Option<Mail<'static>> {
    of_skeleton(&Skeleton::of(raw))
}

/// Reads what is left of a message, with the sizes of what was taken out of it.
pub fn of_skeleton(skeleton: &Skeleton) -> Option<Mail<'static>> {
    let raw = nesting::bounded(legible(&skeleton.raw));
    let message = MessageParser::new().parse(raw.as_ref())?;
    let mut mail = Mail::default();
    mail.take_headers(&message);
    mail.text = plain(&message);
    mail.html = body(&message, &message.html_body, |part| match part.body {
        PartType::Html(_) => Some(text(&message, part)),
        _ => None,
    });
    let files = message.attachments.iter().take(ATTACHMENTS_MAX);
    mail.attachments = files.filter_map(|id| file(&message, skeleton, *id)).collect();
    Some(mail)
}

/// The message with line ends, which some programs reduce to CR, and with header fields in UTF-8.
fn legible(raw: &[u8]) -> Cow<'_, [u8]> {
    if raw.contains(&b'\r') && !raw.contains(&b'\n') {
        let lines: Vec<u8> = raw.iter().map(|byte| if *byte == b'\r' { b'\n' } else { *byte }).collect();
        return match legible(&lines) {
            Cow::Owned(legible) => Cow::Owned(legible),
            Cow::Borrowed(_) => Cow::Owned(lines),
        };
    }
    let is_end = |rest: &[u8]| rest.starts_with(b"\n\n") || rest.starts_with(b"\r\n\r\n");
    let head = (0..raw.len()).find(|at| is_end(&raw[*at..])).unwrap_or(raw.len());
    match mail::legible(&raw[..head]) {
        Cow::Borrowed(_) => Cow::Borrowed(raw),
        Cow::Owned(legible) => Cow::Owned([&legible, &raw[head..]].concat()),
    }
}

/// The text of a mail that has any, such as the footer of a list below a mail in HTML, which is then text too.
fn plain(message: &Message) -> Option<Cow<'static, str>> {
    let is_text = |id: &u32| message.part(*id).is_some_and(|part| matches!(part.body, PartType::Text(_)));
    let has_text = body(message, &message.text_body, |part| match part.body {
        PartType::Text(_) => Some(text(message, part)),
        _ => None,
    });
    if message.text_body.iter().all(is_text) {
        return has_text;
    }
    has_text?;
    body(message, &message.text_body, |part| match part.body {
        PartType::Text(_) => Some(text(message, part)),
        PartType::Html(_) => Some(Cow::Owned(markup::text(&text(message, part)))),
        _ => None,
    })
}

/// What is made of the parts of a body, one below the other.
fn body<'m>(
    message: &'m Message<'m>,
    ids: &[u32],
    read: impl Fn(&'m MessagePart<'m>) -> Option<Cow<'m, str>>,
) -> Option<Cow<'static, str>> {
    let mut body = String::new();
    for text in ids.iter().filter_map(|id| message.part(*id)).filter_map(read) {
        if !body.is_empty() && !text.is_empty() {
            body.push('\n');
        }
        body.push_str(&text);
    }
    (!body.trim().is_empty()).then_some(Cow::Owned(body))
}

/// The text of a part. Where its character set is missing or a lie, so that bytes of it had no meaning, they are taken
/// for windows-1252.
fn text<'m>(message: &'m Message, part: &'m MessagePart) -> Cow<'m, str> {
    let (PartType::Text(text) | PartType::Html(text)) = &part.body else { return Cow::Borrowed("") };
    if !text.contains('\u{fffd}') {
        return Cow::Borrowed(text);
    }
    let range = part.offset_body as usize..part.offset_end as usize;
    let raw = message.raw_message.get(range).unwrap_or_default();
    let bytes = match part.encoding {
        Encoding::None => Some(raw.to_vec()),
        Encoding::Base64 => base64_decode(raw),
        Encoding::QuotedPrintable => quoted_printable_decode(raw),
    };
    let declared = part.content_type().and_then(|found| found.attribute("charset")).unwrap_or_default();
    // The sign is the sender's own, or the character set is none whose bytes windows-1252 shares.
    let is_unknown =
        declared.is_empty() || ["utf-8", "us-ascii"].iter().any(|name| declared.eq_ignore_ascii_case(name));
    match bytes.filter(|bytes| is_unknown && std::str::from_utf8(bytes).is_err()) {
        Some(bytes) => Cow::Owned(mail::western(&bytes)),
        None => Cow::Borrowed(text),
    }
}

fn file(message: &Message, skeleton: &Skeleton, id: u32) -> Option<Attachment<'static>> {
    let part = message.part(id)?;
    let content = content(part);
    let declared = part.content_type().and_then(|found| {
        let subtype = found.subtype().unwrap_or_default();
        attachment::mime_type(&format!("{}/{subtype}", found.ctype()))
    });
    // A digest (RFC 2046, section 5.1.5) is of mails, and does not say so of each.
    let is_mail = matches!(part.body, PartType::Message(_)) || declared.as_deref() == Some(nesting::UNREAD);
    let mime_type = declared.filter(|found| found != nesting::UNREAD).or_else(|| is_mail.then(|| MAIL.to_owned()));
    let is_of_report = attachment::is_of_report(mime_type.as_deref());
    Some(Attachment {
        source: MediaSource::ProviderId(format!("part:{id}")),
        file_name: part.attachment_name().and_then(attachment::file_name),
        content_id: part.content_id().and_then(attachment::content_id),
        size: Some(size(message, skeleton, part) as u64),
        content: if is_of_report { Cow::Owned(content.to_vec()) } else { Cow::Borrowed(&[]) },
        mime_type,
    })
}

/// The bytes of a file, in whatever character set it is written.
fn size(message: &Message, skeleton: &Skeleton, part: &MessagePart) -> usize {
    let (start, end) = (part.offset_body as usize, part.offset_end as usize);
    let left = match part.body {
        PartType::Text(_) | PartType::Html(_) => {
            decoded_bytes(part.encoding, message.raw_message.get(start..end).unwrap_or_default())
        }
        _ => content(part).len(),
    };
    left + skeleton.taken(message.raw_message.len(), start..=end, part.encoding)
}

fn content<'m>(part: &'m MessagePart) -> &'m [u8] {
    match &part.body {
        PartType::Text(text) | PartType::Html(text) => text.as_bytes(),
        PartType::Binary(bytes) | PartType::InlineBinary(bytes) => bytes,
        PartType::Message(nested) => nested.raw_message(),
        PartType::Multipart(_) => &[],
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
