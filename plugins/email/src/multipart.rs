//! `multipart/form-data` (RFC 7578), which SendGrid and Mailgun send, and Mailgun's `application/x-www-form-urlencoded`.
//!
//! A reader of its own: values are bytes whose character set stands in another field, and a part of a form is never
//! opened because of its type, as a part of a mail is.

use std::borrow::Cow;

use rapport_sdk::prelude::*;

use crate::attachment::{self, Attachment};
use crate::head::{self, Parameters};
use crate::{charset, mail, scan};

/// Fields of one form. Providers send about thirty, one for each file and (Mailgun) one for each header field of the mail. A
/// form with more is not read: the last of two counts, and a mail that is full of them could push that one out.
const FIELDS_MAX: usize = 4_000;

#[derive(Default)]
pub struct Form<'a> {
    fields: Vec<Field<'a>>,
}

pub struct Field<'a> {
    pub name: String,
    pub file_name: Option<String>,
    pub content_type: Option<String>,
    pub bytes: Cow<'a, [u8]>,
}

impl<'a> Form<'a> {
    /// Reads the body of a request by its `content-type`.
    ///
    /// # Errors
    /// A sentence that says what was found in the place of a form.
    pub fn read(webhook: &'a Webhook) -> Result<Self, String> {
        let content_type = webhook.header("content-type").unwrap_or_default();
        match attachment::mime_type(content_type).as_deref() {
            Some("multipart/form-data") => {
                let boundary = boundary(content_type).ok_or("expected a `boundary` in `content-type`, found none")?;
                Self::multipart(&webhook.body, boundary.as_bytes())
            }
            Some("application/x-www-form-urlencoded") => Self::urlencoded(&webhook.body),
            _ => Err("expected a form: `multipart/form-data` or `application/x-www-form-urlencoded`".into()),
        }
    }

    /// Values are bytes here too: a raw mail in one of them may be of any character set.
    fn urlencoded(body: &[u8]) -> Result<Self, String> {
        let field = |pair: &[u8]| {
            let equals = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            let name = of_percents(&pair[..equals]);
            let value = of_percents(pair.get(equals + 1..).unwrap_or_default());
            let name = String::from_utf8_lossy(&name).into_owned();
            Field { name, file_name: None, content_type: None, bytes: Cow::Owned(value) }
        };
        let pairs = body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
        match pairs.clone().count() {
            0..=FIELDS_MAX => Ok(Form { fields: pairs.map(field).collect() }),
            count => Err(too_many(count)),
        }
    }

    fn multipart(body: &'a [u8], boundary: &[u8]) -> Result<Self, String> {
        let delimiter = [b"--", boundary].concat();
        let mut fields = Vec::new();
        let mut rest = after_delimiter(body, &delimiter, 0).ok_or("expected the boundary of the form, found none")?;
        while !rest.starts_with(b"--") {
            if fields.len() == FIELDS_MAX {
                return Err(too_many(FIELDS_MAX + 1));
            }
            let part = &rest[line_end(rest)..];
            let (end, next) = match delimiter_line(part, &delimiter) {
                Some(end) => (end, after_delimiter(part, &delimiter, end)),
                // Cut off: what came is read, because a provider does not send it again.
                None => (part.len(), None),
            };
            fields.extend(field(&part[..end]));
            let Some(next) = next else { break };
            rest = next;
        }
        Ok(Form { fields })
    }

    /// The last field of this name: of duplicates, the last one is the provider's (Mailgun says so).
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.field(name).map(|field| field.bytes.as_ref())
    }

    /// The last field of this name as text: UTF-8, else windows-1252.
    pub fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        self.bytes(name).map(text)
    }

    /// Like [`Form::text`], and an empty one is none.
    pub fn filled(&self, name: &str) -> Option<Cow<'_, str>> {
        self.text(name).filter(|text| !text.trim().is_empty())
    }

    /// The first field of this name that is not empty.
    pub fn first_filled(&self, name: &str) -> Option<Cow<'_, str>> {
        let fields = self.fields.iter().filter(|field| field.name == name).map(|field| text(&field.bytes));
        fields.into_iter().find(|text| !text.trim().is_empty())
    }

    pub fn has(&self, name: &str) -> bool {
        self.field(name).is_some()
    }

    /// The last field that is spelled exactly so.
    pub fn exact(&self, name: &str) -> Option<&[u8]> {
        self.fields.iter().rfind(|field| field.name == name).map(|field| field.bytes.as_ref())
    }

    /// How many fields have this name, however it is spelled.
    pub fn count(&self, name: &str) -> usize {
        self.fields.iter().filter(|field| field.name.eq_ignore_ascii_case(name)).count()
    }

    /// The fields that are files, each with the content id that `content_id` knows for the field's name.
    pub fn files(&self, content_id: impl Fn(&str) -> Option<String>) -> Vec<Attachment<'static>> {
        let is_file = |field: &&Field| field.file_name.is_some() || is_numbered(&field.name);
        let file = |field: &Field| {
            let mime_type = field.content_type.as_deref().and_then(attachment::mime_type);
            let is_of_report = attachment::is_of_report(mime_type.as_deref());
            Attachment {
                source: MediaSource::ProviderId(format!("field:{}", field.name)),
                file_name: field.file_name.as_deref().and_then(attachment::file_name),
                content_id: content_id(&field.name),
                size: Some(field.bytes.len() as u64),
                content: if is_of_report { Cow::Owned(field.bytes.to_vec()) } else { Cow::Borrowed(&[]) },
                is_cut: false,
                mime_type,
            }
        };
        self.fields.iter().filter(is_file).map(file).collect()
    }

    fn field(&self, name: &str) -> Option<&Field<'a>> {
        let exact = self.fields.iter().rfind(|field| field.name == name);
        // Mailgun's documentation capitalizes some names that its requests do not, and so do those who follow it.
        exact.or_else(|| self.fields.iter().rfind(|field| field.name.eq_ignore_ascii_case(name)))
    }
}

fn too_many(found: usize) -> String {
    format!("expected a form of at most {FIELDS_MAX} fields, found {found} or more")
}

fn of_percents(text: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    head::of_percents(&spaced)
}

pub fn text(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| Cow::Owned(charset::decoded(bytes, None)), Cow::Borrowed)
}

/// `attachment1` of SendGrid, `attachment-1` of Mailgun.
fn is_numbered(name: &str) -> bool {
    let number = name.strip_prefix("attachment").map(|rest| rest.strip_prefix('-').unwrap_or(rest));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// One part: its header fields, an empty line, its bytes.
fn field(part: &[u8]) -> Option<Field<'_>> {
    let head_end = head_end(part)?;
    let fields = head::fields(&part[..head_end]);
    let value = |name: &str| fields.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_slice());
    let disposition = Parameters::read(value("content-disposition")?);
    Some(Field {
        name: mail::clean(disposition.get("name")?),
        file_name: disposition.get("filename").map(unescaped),
        content_type: value("content-type").map(|value| Parameters::read(value).essence),
        bytes: Cow::Borrowed(&part[head_end..]),
    })
}

/// Browsers write a quotation mark in a file name as `%22`, and line ends likewise (RFC 7578, section 2).
fn unescaped(name: &str) -> String {
    name.replace("%22", "\"").replace("%0D", "").replace("%0A", " ")
}

fn boundary(content_type: &str) -> Option<String> {
    Parameters::read(content_type.as_bytes()).get("boundary").map(str::to_owned)
}

/// Where the bytes begin: after the first empty line.
fn head_end(part: &[u8]) -> Option<usize> {
    let mut start = 0;
    loop {
        let length = line_end(&part[start..]);
        let line = &part[start..start + length];
        start += length;
        match line {
            b"\r\n" | b"\n" => return Some(start),
            [] => return None,
            _ => {}
        }
    }
}

/// The length of the first line, its end included.
fn line_end(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1)
}

/// Where the delimiter's line ends the bytes before it: their last line end belongs to the delimiter.
fn delimiter_line(bytes: &[u8], delimiter: &[u8]) -> Option<usize> {
    let mut rest = bytes;
    while scan::skip_until(&mut rest, b'-') {
        let start = bytes.len() - rest.len() - 1;
        let is_line = start == 0 || bytes[start - 1] == b'\n';
        if is_line && is_delimiter(&bytes[start..], delimiter) {
            let before = &bytes[..start];
            let before = before.strip_suffix(b"\n").unwrap_or(before);
            return Some(before.strip_suffix(b"\r").unwrap_or(before).len());
        }
    }
    None
}

/// What follows the first delimiter at or after `from`.
fn after_delimiter<'b>(bytes: &'b [u8], delimiter: &[u8], from: usize) -> Option<&'b [u8]> {
    let mut start = from;
    // The line end before the delimiter was not counted to the part, so that the search begins on it.
    while start < bytes.len() {
        if is_delimiter(&bytes[start..], delimiter) {
            return Some(&bytes[start + delimiter.len()..]);
        }
        start += line_end(&bytes[start..]);
    }
    None
}

/// Whether the first line is the delimiter, with nothing but `--` or white space behind it.
fn is_delimiter(bytes: &[u8], delimiter: &[u8]) -> bool {
    let Some(rest) = bytes.strip_prefix(delimiter) else { return false };
    rest.starts_with(b"--") || rest[..line_end(rest)].iter().all(u8::is_ascii_whitespace)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn webhook(content_type: &str, body: &[u8]) -> Webhook {
        Webhook {
            method: "POST".into(),
            url: "https://a.test/".into(),
            headers: vec![("content-type".into(), content_type.into())],
            body: body.to_vec(),
        }
    }

    const FORM: &[u8] = b"preamble\r\n--x y\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n2\r\n--x y\r\n\
        Content-Disposition: form-data; name=\"a\"\r\n\r\nlast \xfc\r\n--x y  \r\nContent-Type: text/plain; charset=x\r\n\
        content-disposition: form-data; name=\"attachment1\"; filename=\"C:\\\\b%22\xc3\xbc.txt\"\r\n\r\n\x00\r\n--x\r\n\
        --x y\r\nContent-Disposition: form-data; name=empty\r\n\r\n\r\n--x y--\r\nepilogue";

    #[test]
    fn bytes_come_out_as_they_went_in() {
        let webhook = webhook("multipart/form-data; boundary=\"x y\"", FORM);
        let form = Form::read(&webhook).unwrap();
        assert_eq!(form.text("a").as_deref(), Some("last ü"));
        assert_eq!(form.fields.len(), 4);
        assert_eq!(form.fields[0].bytes.as_ref(), b"1\r\n2");
        assert_eq!(form.bytes("attachment1"), Some(&b"\x00\r\n--x"[..]));
        assert_eq!((form.text("empty").as_deref(), form.filled("empty")), (Some(""), None));
        let files = form.files(|name| (name == "attachment1").then(|| "cid".to_owned()));
        assert_eq!(files.len(), 1);
        assert_eq!(files[0].file_name.as_deref(), Some("b\"ü.txt"));
        assert_eq!((files[0].content_id.as_deref(), files[0].size), (Some("cid"), Some(6)));
    }

    #[test]
    fn a_form_that_is_cut_off_or_no_form_is_no_crash() {
        for end in 0..FORM.len() {
            let _ = Form::read(&webhook("multipart/form-data; boundary=\"x y\"", &FORM[..end]));
        }
        for (content_type, body) in [
            ("", &b"--x"[..]),
            ("multipart/form-data", b"--x"),
            ("multipart/form-data; boundary=", b"--"),
            ("multipart/form-data; boundary=x", b"no delimiter"),
            ("application/json", b"{}"),
        ] {
            assert!(Form::read(&webhook(content_type, body)).is_err(), "{content_type}");
        }
    }

    #[test]
    fn a_form_without_files_may_be_urlencoded() {
        let webhook = webhook("application/x-www-form-urlencoded; charset=utf-8", b"a=1&b=%C3%BC+x&a=2");
        let form = Form::read(&webhook).unwrap();
        assert_eq!((form.text("a").as_deref(), form.text("b").as_deref()), (Some("2"), Some("ü x")));
    }

    #[test]
    fn a_form_with_more_fields_than_a_provider_sends_is_none() {
        let of_pairs = |count: usize| webhook("application/x-www-form-urlencoded", "a=1&".repeat(count).as_bytes());
        let part = "--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n";
        let of_parts = |count: usize| webhook("multipart/form-data; boundary=x", part.repeat(count).as_bytes());
        for webhook in [of_pairs(FIELDS_MAX), of_parts(FIELDS_MAX)] {
            assert_eq!(Form::read(&webhook).map(|form| form.count("A")), Ok(FIELDS_MAX));
        }
        for webhook in [of_pairs(FIELDS_MAX + 1), of_parts(FIELDS_MAX + 1)] {
            assert!(Form::read(&webhook).is_err_and(|reason| reason.contains("at most 4000 fields")));
        }
    }
}
