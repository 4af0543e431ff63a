//! The parts of a MIME message (RFC 2045, 2046): where each begins and ends, and what it says of itself. One way through
//! the bytes, however large the files are; nothing is decoded here, and no mail in a mail is opened.
//!
//! A message that is cut off has the parts that it has: a boundary that nobody closes ends with its surroundings.

use crate::head::{self, Parameters};
use crate::scan;
use crate::transfer::Transfer;

/// Boundaries one inside the other; programs write five. Beyond, a multipart is a file.
const DEPTH_MAX: usize = 40;
/// Parts of a message that are told apart. The rest belongs to the last one.
const PARTS_MAX: usize = 20_000;
/// Bytes of a part's head that are looked through.
const HEAD_BYTES_MAX: usize = 1 << 20;
/// Longest boundary: RFC 2046 allows 70 bytes.
const BOUNDARY_BYTES_MAX: usize = 200;

/// The type of a mail in a mail.
pub const MAIL: &str = "message/rfc822";

pub struct Part<'r> {
    /// The bytes of its header fields.
    pub head: &'r [u8],
    /// The bytes behind them, as they are written.
    pub body: &'r [u8],
    /// `type/subtype` in lower case, as it is read: what says nothing is `text/plain`.
    pub mime_type: String,
    /// Whether it says its type itself.
    pub is_typed: bool,
    pub charset: Option<String>,
    pub transfer: Transfer,
    pub file_name: Option<String>,
    pub content_id: Option<String>,
    pub is_attached: bool,
    /// The parts in it, by their places in the message.
    pub children: Vec<usize>,
    boundary: Option<Vec<u8>>,
}

/// A multipart that is not closed yet.
struct Open {
    part: usize,
    boundary: Option<Vec<u8>>,
}

/// A line that ends the bytes before it.
struct Delimiter {
    /// Where these bytes end.
    end: usize,
    /// Where the next line begins.
    next: usize,
    /// Which of the open multiparts it belongs to.
    level: usize,
    closes: bool,
}

struct Walk<'r> {
    raw: &'r [u8],
    parts: Vec<Part<'r>>,
    open: Vec<Open>,
    /// The part whose body is being read, and where that begins.
    current: Option<(usize, usize)>,
}

/// The parts in the order in which they stand; the first one is the message.
pub fn of(raw: &[u8]) -> Vec<Part<'_>> {
    let mut walk = Walk { raw, parts: Vec::new(), open: Vec::new(), current: None };
    let mut at = walk.begin(0, None);
    while let Some(delimiter) = walk.next_delimiter(at) {
        walk.end(delimiter.end);
        at = delimiter.next;
        if delimiter.closes {
            walk.open.truncate(delimiter.level);
        } else {
            walk.open.truncate(delimiter.level + 1);
            let parent = walk.open[delimiter.level].part;
            at = walk.begin(at, Some(parent));
        }
    }
    walk.end(raw.len());
    for part in &mut walk.parts {
        // A multipart of nothing is whatever stands there.
        if part.mime_type.starts_with("multipart/") && part.children.is_empty() {
            part.mime_type = "text/plain".into();
        }
    }
    walk.parts
}

impl<'r> Walk<'r> {
    /// Reads the head of a part and notes it; where its body begins.
    fn begin(&mut self, start: usize, parent: Option<usize>) -> usize {
        let (head_end, body) = self.head_end(start, parent.is_some());
        let is_digest = parent.is_some_and(|parent| self.parts[parent].mime_type == "multipart/digest");
        let mut part = Part::read(&self.raw[start..head_end], is_digest);
        let is_multipart = part.mime_type.starts_with("multipart/");
        let index = self.parts.len();
        if is_multipart && self.open.len() < DEPTH_MAX {
            self.open.push(Open { part: index, boundary: part.boundary.take() });
        } else if is_multipart {
            part.mime_type = "application/octet-stream".into();
        }
        self.parts.push(part);
        self.current = Some((index, body));
        if let Some(parent) = parent {
            self.parts[parent].children.push(index);
        }
        body
    }

    /// Where the head that begins here ends, and where the body begins: behind an empty line, or at a line that is no field.
    fn head_end(&self, start: usize, is_inner: bool) -> (usize, usize) {
        let limit = self.raw.len().min(start.saturating_add(HEAD_BYTES_MAX));
        let mut at = start;
        while at < limit {
            let line_end = self.line_end(at);
            if self.raw[at..line_end].iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
                return (at, line_end);
            }
            let line = self.raw[at..line_end].trim_ascii_end();
            let is_folded = matches!(self.raw[at], b' ' | b'\t') && at > start;
            let is_field = is_folded || head::field(line).is_some();
            // A part without a head, or without a body.
            if is_inner && (!is_field || self.delimiter(at).is_some()) {
                return (at, at);
            }
            at = line_end;
        }
        (at, at)
    }

    /// Where the line ends, its line end included.
    fn line_end(&self, at: usize) -> usize {
        let mut rest = &self.raw[at..];
        scan::skip_until(&mut rest, b'\n');
        self.raw.len() - rest.len()
    }

    /// The next line that is one of the open boundaries.
    fn next_delimiter(&mut self, from: usize) -> Option<Delimiter> {
        // No line of base64 has a hyphen: a gateway took the line end in front of a boundary.
        let is_base64 = self.parts.last().is_some_and(|part| part.transfer == Transfer::Base64);
        let mut rest = &self.raw[from..];
        while !self.open.is_empty() && self.parts.len() < PARTS_MAX && scan::skip_until(&mut rest, b'-') {
            let at = self.raw.len() - rest.len() - 1;
            if !rest.starts_with(b"-") {
                continue;
            }
            let is_line = at == from || matches!(self.raw[at - 1], b'\n' | b'\r');
            if !is_line && !is_base64 {
                continue;
            }
            let delimiter = self.delimiter(at).or_else(|| is_line.then(|| self.adopted(at)).flatten());
            if let Some(delimiter) = delimiter {
                return Some(Delimiter { end: delimiter.end.max(from), ..delimiter });
            }
            let hyphens = rest.iter().take_while(|byte| **byte == b'-').count();
            rest = &rest[hyphens..];
        }
        None
    }

    /// The delimiter that begins here.
    fn delimiter(&self, at: usize) -> Option<Delimiter> {
        let after = self.raw[at..].strip_prefix(b"--")?;
        let window = &after[..after.len().min(BOUNDARY_BYTES_MAX + 100)];
        let length = window.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(window.len());
        let line = window[..length].trim_ascii_end();
        let matching = |open: &Open| {
            let rest = line.strip_prefix(open.boundary.as_deref()?)?;
            (rest.is_empty() || rest.trim_ascii() == b"--").then_some(!rest.is_empty())
        };
        let (level, closes) =
            self.open.iter().enumerate().rev().find_map(|(level, open)| Some((level, matching(open)?)))?;
        let before = &self.raw[..at];
        let before = before.strip_suffix(b"\n").unwrap_or(before);
        let end = before.strip_suffix(b"\r").unwrap_or(before).len();
        let next = at + 2 + length;
        let next = next + usize::from(self.raw[next..].starts_with(b"\r"));
        let next = next + usize::from(self.raw[next..].starts_with(b"\n"));
        Some(Delimiter { end, next, level, closes })
    }

    /// A multipart that does not say its boundary, or another one, has the one in front of its first part.
    fn adopted(&mut self, at: usize) -> Option<Delimiter> {
        const FIELD: &[u8] = b"content-";
        let window = &self.raw[at..self.raw.len().min(at + BOUNDARY_BYTES_MAX + 10)];
        let line_end = at + window.iter().position(|byte| *byte == b'\n')? + 1;
        let next = &self.raw[line_end..];
        let is_part = next.get(..FIELD.len()).is_some_and(|name| name.eq_ignore_ascii_case(FIELD));
        let line = self.raw[at + 2..line_end].trim_ascii_end();
        let open = self.open.last_mut().filter(|open| self.parts[open.part].children.is_empty())?;
        if !is_part || line.is_empty() || line.len() > BOUNDARY_BYTES_MAX {
            return None;
        }
        open.boundary = Some(line.to_vec());
        self.delimiter(at)
    }

    /// Ends the body that is being read.
    fn end(&mut self, end: usize) {
        if let Some((index, start)) = self.current.take() {
            self.parts[index].body = &self.raw[start..end.max(start)];
        }
    }
}

impl<'r> Part<'r> {
    fn read(head: &'r [u8], is_in_digest: bool) -> Self {
        let fields = head::fields(head);
        let value = |name: &str| fields.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_slice());
        let content_type = value("content-type").map(Parameters::read).unwrap_or_default();
        let disposition = value("content-disposition").map(Parameters::read).unwrap_or_default();
        let is_typed =
            content_type.essence.split_once('/').is_some_and(|(kind, subtype)| !kind.is_empty() && !subtype.is_empty());
        let mime_type = match content_type.essence.as_str() {
            essence if is_typed => essence.to_owned(),
            // RFC 2046, section 5.1.5.
            "" if is_in_digest => MAIL.to_owned(),
            // RFC 2045, section 5.2.
            _ => "text/plain".to_owned(),
        };
        let name = disposition.get("filename").or(disposition.get("name")).or(content_type.get("name"));
        let transfer = value("content-transfer-encoding").map(|name| Transfer::named(&String::from_utf8_lossy(name)));
        let boundary = content_type.get("boundary").map(|boundary| boundary.trim_end().as_bytes().to_vec());
        Part {
            head,
            body: &[],
            is_typed,
            charset: content_type.get("charset").map(str::to_owned),
            transfer: transfer.unwrap_or(Transfer::Plain),
            file_name: name.map(str::to_owned),
            content_id: value("content-id").map(|id| head::text(id, None)),
            is_attached: !matches!(disposition.essence.as_str(), "" | "inline"),
            children: Vec::new(),
            boundary: boundary.filter(|boundary| !boundary.is_empty() && boundary.len() <= BOUNDARY_BYTES_MAX),
            mime_type,
        }
    }

    pub fn is_text(&self) -> bool {
        matches!(self.mime_type.as_str(), "text/plain" | "text/html")
    }

    /// How many bytes its body has, decoded. They are counted, not decoded: files may have tens of megabytes.
    pub fn size(&self) -> usize {
        match self.transfer {
            Transfer::Plain => self.body.len(),
            Transfer::Base64 => {
                let mut digits = scan::visible(self.body);
                let mut rest = self.body;
                while scan::skip_until(&mut rest, b'=') {
                    digits -= 1;
                }
                digits * 3 / 4
            }
            Transfer::QuotedPrintable => {
                let mut bytes = self.body.len();
                let mut rest = self.body;
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
}

#[cfg(test)]
mod tests;
