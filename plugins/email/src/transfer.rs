//! Content transfer encodings (RFC 2045, section 6), read for what can be read: a mail is cut off, a gateway breaks
//! lines, a program forgets the padding; none of it may cost the rest of a text.

/// How the bytes of a part are written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Transfer {
    /// As they are: 7bit, 8bit, binary, and whatever nobody knows.
    Plain,
    Base64,
    QuotedPrintable,
}

impl Transfer {
    /// By the value of `Content-Transfer-Encoding`.
    pub fn named(name: &str) -> Self {
        let word = name.trim().trim_matches(['"', '\'']).split([';', ' ', '\t', '(']).next().unwrap_or_default();
        if word.eq_ignore_ascii_case("base64") {
            Transfer::Base64
        } else if word.eq_ignore_ascii_case("quoted-printable") {
            Transfer::QuotedPrintable
        } else {
            Transfer::Plain
        }
    }

    pub fn decoded(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Transfer::Plain => bytes.to_vec(),
            Transfer::Base64 => base64(bytes),
            Transfer::QuotedPrintable => quoted_printable(bytes),
        }
    }
}

/// The bytes of base64 in both alphabets. What is no digit is skipped; a last group may be short, and texts that were
/// each encoded alone may follow one another.
pub fn base64(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for byte in text {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' => {
                (bits, held) = (0, 0);
                continue;
            }
            _ => continue,
        };
        bits = (bits << 6 | u32::from(value)) & 0xffff;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xff) as u8);
        }
    }
    bytes
}

/// The bytes of quoted-printable. White space at the end of a line is the way's, not the text's.
pub fn quoted_printable(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let end = line.iter().rposition(|byte| !byte.is_ascii_whitespace()).map_or(0, |at| at + 1);
        let (line, ending) = (&line[..end], &line[end..]);
        let is_soft = line.ends_with(b"=");
        of_escapes(line.strip_suffix(b"=").unwrap_or(line), &mut bytes);
        if !is_soft {
            let line_end = ending.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(ending.len());
            bytes.extend_from_slice(&ending[line_end..]);
        }
    }
    bytes
}

/// The text of a word in the encoding `Q` (RFC 2047, section 4.2).
pub fn q_word(text: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = text.iter().map(|byte| if *byte == b'_' { b' ' } else { *byte }).collect();
    let mut bytes = Vec::with_capacity(text.len());
    of_escapes(&spaced, &mut bytes);
    bytes
}

fn of_escapes(text: &[u8], bytes: &mut Vec<u8>) {
    let digit = |byte: Option<&u8>| char::from(*byte?).to_digit(16);
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        rest = after;
        match (digit(after.first()), digit(after.get(1))) {
            (Some(high), Some(low)) if *byte == b'=' => {
                bytes.push((high << 4 | low) as u8);
                rest = &after[2..];
            }
            _ => bytes.push(*byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_broken_costs_nothing_but_itself() {
        for (text, expected) in [
            (&b"R3LDvMOfZQ=="[..], "Grüße"),
            (b"R3LDvMOfZQ", "Grüße"),
            (b"R3LD\r\nvMOf\r\n ZQ=", "Grüße"),
            (b"R3LD*vMOfZQ!", "Grüße"),
            (b"R3LDvMOf", "Grüß"),
            (b"R3I=w7w=", "Grü"),
            (b"", ""),
        ] {
            assert_eq!(String::from_utf8_lossy(&base64(text)), expected, "{text:?}");
        }
        for (text, expected) in [
            (&b"Gr=C3=BC=C3=9Fe"[..], "Grüße"),
            (b"Gr=c3=bc=\r\n=C3=9Fe  \r\nx", "Grüße\r\nx"),
            (b"50=% a=b =", "50=% a=b "),
            (b"a = b", "a = b"),
            (b"cut =C", "cut =C"),
        ] {
            assert_eq!(String::from_utf8_lossy(&quoted_printable(text)), expected, "{text:?}");
        }
        assert_eq!(q_word(b"=C3=BCber_uns=3F"), "über uns?".as_bytes());
    }

    #[test]
    fn a_name_may_be_written_anyhow() {
        for (name, expected) in [
            (" BASE64 ", Transfer::Base64),
            ("\"quoted-printable\"", Transfer::QuotedPrintable),
            ("base64;", Transfer::Base64),
            ("8bit", Transfer::Plain),
            ("", Transfer::Plain),
        ] {
            assert_eq!(Transfer::named(name), expected, "{name}");
        }
    }
}
