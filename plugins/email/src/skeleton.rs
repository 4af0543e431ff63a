//! A large mail without the bytes of its files: what is left has the same parts, and costs next to nothing to parse.
//!
//! The reader of MIME decodes every file, and reserves for each as much as is left of the mail. Of a file only its size
//! is wanted, and that can be counted where it stands.

use std::borrow::Cow;

use mail_parser::{ContentType, Encoding, GetHeader, HeaderName, HeaderValue, Message, MessageParser, MimeHeaders};

use crate::scan;

/// A mail of this size is left whole: to decode its files takes a millisecond. More than SNS takes of a mail, so that
/// one that comes through SNS too is read in the same way.
const WHOLE_BYTES_MAX: usize = 256 << 10;
/// Shorter files stay: to take out a signature or a logo saves nothing.
const FILE_BYTES_MIN: usize = 1 << 10;
/// What stays of a report, or of a mail that is encoded as a whole: its header fields, and more.
const REPORT_BYTES_KEPT: usize = 256 << 10;
/// Boundaries that are looked for; in a mail with more of them, which no program writes, everything stays.
const BOUNDARIES_MAX: usize = 500;

/// What is left of a mail, and what was taken out.
pub struct Skeleton<'a> {
    pub raw: Cow<'a, [u8]>,
    cuts: Vec<Cut>,
}

/// Bytes of one file that were taken out.
struct Cut {
    /// Where, counted from the end of what is left: its head may be written anew.
    from_end: usize,
    /// How many, as they stood there.
    raw: usize,
    /// How many, decoded.
    decoded: usize,
}

impl<'a> Skeleton<'a> {
    pub fn of(raw: &'a [u8]) -> Self {
        let files = if raw.len() > WHOLE_BYTES_MAX { Walk::new(raw, FILE_BYTES_MIN).files() } else { None };
        Self::without(raw, &files.unwrap_or_default())
    }

    fn without(raw: &'a [u8], files: &[File]) -> Self {
        if files.is_empty() {
            return Skeleton { raw: Cow::Borrowed(raw), cuts: Vec::new() };
        }
        let taken: usize = files.iter().map(|file| file.end - file.start).sum();
        let mut left = Vec::with_capacity(raw.len() - taken);
        let mut cuts = Vec::with_capacity(files.len());
        let mut from = 0;
        for file in files {
            left.extend_from_slice(&raw[from..file.start]);
            from = file.end;
            let decoded = decoded_bytes(file.encoding, &raw[file.start..file.end]);
            let from_end = raw.len() - taken - left.len();
            cuts.push(Cut { from_end, raw: file.end - file.start, decoded });
        }
        left.extend_from_slice(&raw[from..]);
        Skeleton { raw: Cow::Owned(left), cuts }
    }

    /// Bytes that were taken out between two offsets into a message of `length` bytes, which ends as the skeleton does.
    pub fn taken(&self, length: usize, range: std::ops::RangeInclusive<usize>, encoding: Encoding) -> usize {
        let is_inside = |cut: &&Cut| length.checked_sub(cut.from_end).is_some_and(|at| range.contains(&at));
        let bytes = |cut: &Cut| if encoding == Encoding::None { cut.raw } else { cut.decoded };
        self.cuts.iter().filter(is_inside).map(bytes).sum()
    }
}

/// How many bytes these are when they are decoded.
pub fn decoded_bytes(encoding: Encoding, raw: &[u8]) -> usize {
    match encoding {
        Encoding::None => raw.len(),
        Encoding::Base64 => {
            let mut digits = scan::visible(raw);
            let mut rest = raw;
            while scan::skip_until(&mut rest, b'=') {
                digits -= 1;
            }
            digits * 3 / 4
        }
        Encoding::QuotedPrintable => {
            let mut bytes = raw.len();
            let mut rest = raw;
            while scan::skip_until(&mut rest, b'=') {
                bytes -= match rest {
                    [b'\r', b'\n', ..] => 3,
                    [b'\n', ..] => 2,
                    [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => 2,
                    _ => 0,
                };
            }
            bytes
        }
    }
}

/// The bytes of a file in a mail that can be taken out.
#[derive(Debug, PartialEq)]
struct File {
    start: usize,
    end: usize,
    encoding: Encoding,
}

/// What the parts between a boundary are where they do not say so themselves, and what becomes of them.
#[derive(Clone, Copy, PartialEq)]
enum Within {
    Message,
    Alternative,
    Digest,
    Other,
}

/// One way through a mail, from header to header.
struct Walk<'a> {
    raw: &'a [u8],
    at: usize,
    file_bytes_min: usize,
    boundaries: Vec<(Vec<u8>, Within)>,
    files: Vec<File>,
}

/// What follows the header of a part.
enum Body {
    /// A mail, which begins with its own header.
    Mail,
    /// Something that is read, or between whose boundaries the parts are.
    Kept,
    /// All but the first bytes of it can go.
    File { kept: usize, encoding: Encoding },
}

impl<'a> Walk<'a> {
    fn new(raw: &'a [u8], file_bytes_min: usize) -> Self {
        Walk { raw, at: 0, file_bytes_min, boundaries: Vec::new(), files: Vec::new() }
    }

    /// The files in their order; none if the mail is too odd to be sure of its parts.
    fn files(mut self) -> Option<Vec<File>> {
        let mut within = Within::Message;
        loop {
            match self.header(within)? {
                Body::Mail => within = Within::Message,
                Body::Kept => within = self.next_part(None)?,
                Body::File { kept, encoding } => within = self.next_part(Some((kept, encoding)))?,
            }
            if self.at >= self.raw.len() {
                return Some(self.files);
            }
        }
    }

    /// Reads the header that begins here, and goes on to what follows it.
    fn header(&mut self, within: Within) -> Option<Body> {
        let rest = &self.raw[self.at..];
        let message = MessageParser::new().parse_headers(rest);
        self.at += header_end(rest, message.as_ref());
        let content_type = message.as_ref().and_then(|message| message.content_type());
        let is = |kind: &str| content_type.is_some_and(|found| found.ctype().eq_ignore_ascii_case(kind));
        let subtype = content_type.and_then(ContentType::subtype).unwrap_or_default().to_ascii_lowercase();
        if is("multipart")
            && let Some(boundary) = content_type.and_then(|found| found.attribute("boundary"))
        {
            let within = match subtype.as_str() {
                "alternative" => Within::Alternative,
                "digest" => Within::Digest,
                _ => Within::Other,
            };
            self.boundaries.push((boundary.as_bytes().to_vec(), within));
            return (self.boundaries.len() <= BOUNDARIES_MAX && !boundary.is_empty()).then_some(Body::Kept);
        }
        let encoding = encoding(message.as_ref());
        let is_mail = is("message") && ["rfc822", "global"].contains(&subtype.as_str());
        if encoding == Encoding::None && (is_mail || (content_type.is_none() && within == Within::Digest)) {
            return Some(Body::Mail);
        }
        let is_text = content_type.is_none() || (is("text") && ["plain", "html"].contains(&subtype.as_str()));
        let disposition = message.as_ref().and_then(|message| message.content_disposition());
        let is_attached = disposition.is_some_and(ContentType::is_attachment);
        let is_apart = is_attached && !matches!(within, Within::Message | Within::Alternative);
        if is_text && !is_apart {
            return Some(Body::Kept);
        }
        let is_report = is("message") || (is("text") && subtype.starts_with("rfc822")) || content_type.is_none();
        Some(Body::File { kept: if is_report { REPORT_BYTES_KEPT } else { 0 }, encoding })
    }

    /// Goes to the header of the next part. A file that ends there is noted, of which some first bytes are kept.
    fn next_part(&mut self, file: Option<(usize, Encoding)>) -> Option<Within> {
        let start = self.at;
        // Where the file ends, or where it begins to look as if another part did.
        let mut file_end = None;
        let mut rest = &self.raw[self.at..];
        let mut within = None;
        while within.is_none() && scan::skip_until(&mut rest, b'-') {
            let at = self.raw.len() - rest.len() - 1;
            let Some(after) = rest.strip_prefix(b"-") else { continue };
            let found = self.boundaries.iter().filter(|(boundary, _)| after.starts_with(boundary));
            let Some((boundary, inside)) = found.max_by_key(|(boundary, _)| boundary.len()) else {
                if begins_part(after) {
                    file_end.get_or_insert(at);
                }
                continue;
            };
            file_end.get_or_insert(at);
            rest = &after[boundary.len()..];
            // Behind the last part of a multipart nothing stands but the next part of another.
            within = (!rest.starts_with(b"--")).then_some(*inside);
            rest = behind_line(rest);
        }
        self.at = self.raw.len() - rest.len();
        if within.is_none() {
            self.at = self.raw.len();
        }
        if let Some((kept, encoding)) = file {
            let mut end = file_end.unwrap_or(self.raw.len());
            for line_end in [b'\n', b'\r'] {
                end -= usize::from(end > start && self.raw[end - 1] == line_end);
            }
            self.note(start + kept, end, encoding);
        }
        Some(within.unwrap_or(Within::Message))
    }

    fn note(&mut self, start: usize, end: usize, encoding: Encoding) {
        let Some(mut rest) = self.raw.get(start..end).filter(|file| file.len() >= self.file_bytes_min) else { return };
        let is_whole = self.raw[..start].ends_with(b"\n");
        if !is_whole && !scan::skip_until(&mut rest, b'\n') {
            return;
        }
        self.files.push(File { start: end - rest.len(), end, encoding });
    }
}

/// Where the body begins: behind the empty line that follows the last field, and lines that are none.
fn header_end(raw: &[u8], header: Option<&Message>) -> usize {
    let last = header.and_then(|header| header.headers().last());
    let mut rest = &raw[last.map_or(0, |field| field.offset_end as usize).min(raw.len())..];
    loop {
        let line = rest;
        if !scan::skip_until(&mut rest, b'\n') {
            return raw.len();
        }
        if line[..line.len() - rest.len()].trim_ascii().is_empty() {
            return raw.len() - rest.len();
        }
    }
}

/// Whether what follows two hyphens looks like a boundary that nobody announced: a header comes next.
fn begins_part(after: &[u8]) -> bool {
    const NAME: &[u8] = b"content-";
    /// Longest boundary (RFC 2046) with the hyphens of a last one, white space and the line's end.
    const LINE_BYTES_MAX: usize = 80;
    let end = after.iter().take(LINE_BYTES_MAX).position(|byte| *byte == b'\n');
    let next = end.and_then(|end| after.get(end + 1..end + 1 + NAME.len()));
    next.is_some_and(|next| next.eq_ignore_ascii_case(NAME))
}

/// What follows the rest of a boundary's line, which is white space.
fn behind_line(rest: &[u8]) -> &[u8] {
    let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r')).count();
    rest[blanks..].strip_prefix(b"\n").unwrap_or(&rest[blanks..])
}

/// As the reader of MIME understands it.
fn encoding(header: Option<&Message>) -> Encoding {
    let found =
        header.and_then(|header| header.parts.first()?.headers.header_value(&HeaderName::ContentTransferEncoding));
    match found {
        Some(HeaderValue::Text(name)) if name.eq_ignore_ascii_case("base64") => Encoding::Base64,
        Some(HeaderValue::Text(name)) if name.eq_ignore_ascii_case("quoted-printable") => Encoding::QuotedPrintable,
        _ => Encoding::None,
    }
}

#[cfg(test)]
mod tests;
