//! Header fields (RFC 5322, section 2.2) and the parameters in some of them (RFC 2045, RFC 2231), read from bytes: what
//! is no ASCII in them may be of any character set.

use std::collections::BTreeMap;

use crate::{charset, encoded_word};

/// Fields of one head. A mail has some dozens, a mail of many hops and filters some hundreds.
const FIELDS_MAX: usize = 5_000;
/// Bytes of a head that are read, in whole lines: ten times what mail servers take (Postfix: 100 KB, Exchange: 256 KB).
const HEAD_BYTES_MAX: usize = 1 << 20;
/// Parameters of one field, and pieces of one parameter.
const PARAMETERS_MAX: usize = 200;

/// The fields of a block in their order: the name in lower case, the value on one line, as it came.
pub fn fields(block: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut fields: Vec<(String, Vec<u8>)> = Vec::new();
    let block = &block[..block.len().min(HEAD_BYTES_MAX)];
    let mut is_known = false;
    for line in block.split(|byte| matches!(byte, b'\n' | b'\r')) {
        if line.first().is_some_and(|byte| matches!(byte, b' ' | b'\t')) {
            let rest = line.trim_ascii();
            if let Some((_, value)) = fields.last_mut().filter(|_| is_known && !rest.is_empty()) {
                // A word that is all of a first line stands on the second one.
                if !value.is_empty() {
                    value.push(b' ');
                }
                value.extend_from_slice(rest);
            }
            continue;
        }
        if line.is_empty() {
            continue;
        }
        is_known = false;
        if let Some((name, value)) = field(line).filter(|_| fields.len() < FIELDS_MAX) {
            is_known = true;
            fields.push((name, value.trim_ascii().to_vec()));
        }
    }
    fields
}

/// Whether a block has more than these fields of it.
pub fn is_cut(block: &[u8], fields: &[(String, Vec<u8>)]) -> bool {
    fields.len() >= FIELDS_MAX || block.len() >= HEAD_BYTES_MAX
}

/// The name and the value of a line that begins a field; none if it does not.
pub fn field(line: &[u8]) -> Option<(String, &[u8])> {
    /// Longest name: a field has to fit a line (RFC 5322, section 2.1.1).
    const NAME_BYTES_MAX: usize = 200;
    let colon = line.iter().take(NAME_BYTES_MAX).position(|byte| *byte == b':')?;
    let name = line[..colon].trim_ascii_end();
    let is_name = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
    let name = std::str::from_utf8(name).ok().filter(|_| is_name)?;
    Some((name.to_ascii_lowercase(), &line[colon + 1..]))
}

/// The text of a value in which bytes of `declared`, of UTF-8 or of windows-1252 stand as they are. Encoded words stay.
pub fn text(value: &[u8], declared: Option<&str>) -> String {
    match std::str::from_utf8(value) {
        // Japanese as programs wrote it before there were encoded words.
        Ok(_) if value.contains(&0x1b) => charset::decoded(value, declared),
        Ok(text) => text.to_owned(),
        // The bytes of a word are of the word's own set.
        Err(_) => charset::of_header(&encoded_word::in_utf_8(value).unwrap_or_else(|| value.to_vec()), declared),
    }
}

/// A value such as `text/plain; charset=utf-8`.
#[derive(Debug, Default, PartialEq)]
pub struct Parameters {
    /// What stands before the first `;`, in lower case.
    pub essence: String,
    named: BTreeMap<String, String>,
}

/// A piece of a parameter: `name`, `name*`, `name*1`, `name*1*`.
struct Piece {
    number: Option<usize>,
    is_encoded: bool,
    value: Vec<u8>,
}

impl Parameters {
    pub fn read(value: &[u8]) -> Self {
        let mut pieces: BTreeMap<String, Vec<Piece>> = BTreeMap::new();
        let mut sections = sections(value).into_iter();
        let essence = sections.next().unwrap_or_default();
        let essence = String::from_utf8_lossy(&essence).trim().to_ascii_lowercase();
        // `application/pdf name="a.pdf"`: some programs forget the `;`.
        let (essence, rest) = match essence.split_once([' ', '\t']) {
            Some((essence, rest)) if rest.contains('=') => {
                let at = value.iter().position(|byte| matches!(byte, b' ' | b'\t')).unwrap_or(value.len());
                (essence.to_owned(), Some(self::sections(&value[at..]).into_iter().next().unwrap_or_default()))
            }
            _ => (essence, None),
        };
        for section in rest.into_iter().chain(sections).take(PARAMETERS_MAX) {
            if let Some((name, piece)) = piece(&section) {
                pieces.entry(name).or_default().push(piece);
            }
        }
        let named = pieces.into_iter().map(|(name, pieces)| (name, joined(pieces))).collect();
        Parameters { essence, named }
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.named.get(name).map(String::as_str).filter(|value| !value.trim().is_empty())
    }
}

/// What stands between the `;` that are in no quotation marks.
fn sections(value: &[u8]) -> Vec<Vec<u8>> {
    let mut sections = vec![Vec::new()];
    let (mut is_quoted, mut is_escaped) = (false, false);
    // Where nobody closes the quotation marks, they are none.
    let has_pairs = value.iter().filter(|byte| **byte == b'"').count() % 2 == 0;
    for byte in value {
        match byte {
            b'"' if has_pairs && !is_escaped => is_quoted = !is_quoted,
            b';' if !is_quoted => {
                sections.push(Vec::new());
                continue;
            }
            _ => {}
        }
        is_escaped = *byte == b'\\' && is_quoted && !is_escaped;
        if let Some(section) = sections.last_mut() {
            section.push(*byte);
        }
    }
    sections
}

fn piece(section: &[u8]) -> Option<(String, Piece)> {
    let equals = section.iter().position(|byte| *byte == b'=')?;
    let (name, value) = (section[..equals].trim_ascii(), section[equals + 1..].trim_ascii());
    let name = std::str::from_utf8(name).ok()?.to_ascii_lowercase();
    let (name, is_encoded) = name.strip_suffix('*').map_or((name.as_str(), false), |name| (name, true));
    let (name, number) = match name.split_once('*') {
        Some((name, number)) => (name, Some(number.parse().ok()?)),
        None => (name, None),
    };
    Some((name.to_owned(), Piece { number, is_encoded, value: unquoted(value) }))
}

/// A value without its quotation marks. A backslash in front of a letter is a path of Windows, and no escape.
fn unquoted(value: &[u8]) -> Vec<u8> {
    let Some(inner) = value.strip_prefix(b"\"") else { return value.to_vec() };
    let inner = inner.strip_suffix(b"\"").unwrap_or(inner);
    let mut unquoted = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let [byte, after @ ..] = rest {
        rest = after;
        if *byte == b'\\' && after.first().is_some_and(|next| matches!(next, b'"' | b'\\')) {
            unquoted.push(after[0]);
            rest = &after[1..];
        } else {
            unquoted.push(*byte);
        }
    }
    unquoted
}

/// The text of a parameter's pieces. Of several ways to write it, the one that says its character set counts.
fn joined(mut pieces: Vec<Piece>) -> String {
    let is_extended = pieces.iter().any(|piece| piece.number.is_some() || piece.is_encoded);
    if !is_extended {
        let value = pieces.first().map(|piece| piece.value.as_slice()).unwrap_or_default();
        return encoded_word::decoded(&text(value, None));
    }
    pieces.retain(|piece| piece.number.is_some() || piece.is_encoded);
    pieces.sort_by_key(|piece| piece.number);
    let mut declared = None;
    let mut bytes: Vec<u8> = Vec::new();
    for (at, piece) in pieces.iter().enumerate() {
        let mut value = piece.value.as_slice();
        if at == 0
            && piece.is_encoded
            && let [charset, _, rest] = value.splitn(3, |byte| *byte == b'\'').collect::<Vec<_>>().as_slice()
        {
            declared = std::str::from_utf8(charset).ok().filter(|charset| !charset.is_empty()).map(str::to_owned);
            value = rest;
        }
        if piece.is_encoded { bytes.extend(of_percents(value)) } else { bytes.extend_from_slice(value) }
    }
    let text = match declared {
        Some(declared) => charset::decoded(&bytes, Some(&declared)),
        None => text(&bytes, None),
    };
    encoded_word::decoded(&text)
}

/// The bytes of `%C3%BC` (RFC 3986).
pub fn of_percents(value: &[u8]) -> Vec<u8> {
    let digit = |byte: Option<&u8>| char::from(*byte?).to_digit(16);
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value;
    while let [byte, after @ ..] = rest {
        rest = after;
        match (digit(after.first()), digit(after.get(1))) {
            (Some(high), Some(low)) if *byte == b'%' => {
                bytes.push((high << 4 | low) as u8);
                rest = &after[2..];
            }
            _ => bytes.push(*byte),
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_unfolded_and_what_is_none_is_left_out() {
        let block =
            b"Subject: a\r\n b\r\n\tc\r\nno field\r\n rest of none\r\nX-Empty:\r\nX-Space : d\r\nTo:\r\n e@f.test\r\n";
        let fields = fields(block);
        let found: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        let expected: [(&str, &[u8]); 4] =
            [("subject", b"a b c"), ("x-empty", b""), ("x-space", b"d"), ("to", b"e@f.test")];
        assert_eq!(found, expected);
    }

    #[test]
    fn bytes_of_a_value_are_of_their_set() {
        for (value, declared, expected) in [
            (&b"Gr\xf6\xdfe"[..], None, "Größe"),
            (b"\x1b$B%F%9%H\x1b(B ok", None, "テスト ok"),
            (b"\x1b$B%F%9%H\x1b(B", Some("iso-2022-jp"), "テスト"),
            (b"\xd1\xf7\xb8\xf2", Some("windows-1251"), "Счёт"),
            (b"plain", Some("utf-16"), "plain"),
        ] {
            assert_eq!(text(value, declared), expected);
        }
    }

    #[test]
    fn a_parameter_is_read_in_every_spelling() {
        for (value, expected) in [
            (&b"attachment; filename=\"Gr\xf6\xdfe.png\""[..], "Größe.png"),
            ("attachment; filename=\"Größe.png\"".as_bytes(), "Größe.png"),
            (b"attachment; filename=plain.png", "plain.png"),
            (b"attachment; filename=\"a;b=c.png\"; size=3", "a;b=c.png"),
            (b"attachment; filename=with space.png; x=y", "with space.png"),
            (b"attachment; filename*=utf-8''Gr%C3%B6%C3%9Fe.png", "Größe.png"),
            (b"attachment; filename*=utf-8'de'Gr%C3%B6%C3%9Fe.png; filename=Grosse.png", "Größe.png"),
            (b"attachment; filename*0*=utf-8''Gr%C3; filename*1*=%B6%C3%9F; filename*2=e.png", "Größe.png"),
            (b"attachment; filename*1=b.png; filename*0=a", "ab.png"),
            (b"attachment; filename*0*=cp932''%8a%94%8e; filename*1*=%ae.txt", "株式.txt"),
            (b"attachment; filename=\"=?utf-8?Q?Gr=C3=B6=C3=9Fe.png?=\"", "Größe.png"),
            (b"attachment; filename==?utf-8?B?R3LDtsOfZS5wbmc=?=", "Größe.png"),
            (b"attachment; filename=\"C:\\dir\\a \\\"b\\\".png\"", "C:\\dir\\a \"b\".png"),
            (b"attachment; filename=\"open.png", "open.png"),
        ] {
            let read = Parameters::read(value);
            assert_eq!(read.get("filename"), Some(expected), "{}", String::from_utf8_lossy(value));
            assert_eq!(read.essence, "attachment");
        }
        let read = Parameters::read(b"Application/PDF name=\"a b.pdf\"; x");
        assert_eq!(
            (read.essence.as_str(), read.get("name"), read.get("x")),
            ("application/pdf", Some("a b.pdf"), None)
        );
        let read = Parameters::read(b"multipart/mixed; boundary=\"=_x;y \"; charset=''");
        assert_eq!(read.get("boundary"), Some("=_x;y "));
    }
}
