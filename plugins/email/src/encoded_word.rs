//! Encoded words (RFC 2047) of programs that count bytes, not characters: made whole before they are read.
//!
//! A word has to end with a character and to be ASCII. Some programs cut a long subject anywhere, so that half a
//! character stands in each of two words; some put the bytes of the character set into it as they are.

use rapport_sdk::prelude::*;

use crate::mail;

/// One word between `=?` and `?=`.
struct Word<'b> {
    charset: &'b [u8],
    encoding: u8,
    text: &'b [u8],
    /// Where what follows the word begins.
    end: usize,
}

/// A line without the bytes that are not ASCII inside of its encoded words.
pub fn in_ascii(line: &[u8]) -> Vec<u8> {
    let mut whole = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some(start) = start(rest) {
        let Some(word) = word(&rest[start..]).filter(|word| word.encoding == b'q') else {
            whole.extend_from_slice(&rest[..start + 2]);
            rest = &rest[start + 2..];
            continue;
        };
        whole.extend_from_slice(&rest[..start]);
        for byte in &rest[start..start + word.end] {
            if byte.is_ascii() {
                whole.push(*byte);
            } else {
                whole.extend_from_slice(format!("={byte:02X}").as_bytes());
            }
        }
        rest = &rest[start + word.end..];
    }
    whole.extend_from_slice(rest);
    whole
}

/// A block of header fields in which no character stands in two words; none if none did.
pub fn joined(block: &[u8]) -> Option<Vec<u8>> {
    let mut whole: Vec<u8> = Vec::new();
    let mut rest = block;
    let mut is_changed = false;
    while let Some(start) = start(rest) {
        let (before, from) = rest.split_at(start);
        whole.extend_from_slice(before);
        let Some(first) = word(from) else {
            whole.extend_from_slice(&from[..2]);
            rest = &from[2..];
            continue;
        };
        let mut bytes = first.bytes();
        let mut end = first.end;
        while bytes.as_deref().is_some_and(|bytes| first.is_cut(bytes)) {
            let next = next(&from[end..]).filter(|(_, next)| next.is_like(&first));
            let Some((gap, more)) = next.and_then(|(gap, next)| Some((gap + next.end, next.bytes()?))) else { break };
            bytes = bytes.map(|bytes| [bytes, more].concat());
            end += gap;
        }
        match bytes.filter(|_| end > first.end) {
            Some(bytes) => {
                is_changed = true;
                let head = [b"=?", first.charset, b"?B?"].concat();
                whole.extend([&head, base64::encode(&bytes).as_bytes(), b"?="].concat());
            }
            None => whole.extend_from_slice(&from[..first.end]),
        }
        rest = &from[end..];
    }
    whole.extend_from_slice(rest);
    is_changed.then_some(whole)
}

impl Word<'_> {
    fn bytes(&self) -> Option<Vec<u8>> {
        if self.encoding == b'b' {
            return base64::decode(std::str::from_utf8(self.text).ok()?);
        }
        let mut bytes = Vec::with_capacity(self.text.len());
        let mut rest = self.text;
        while let [byte, after @ ..] = rest {
            let digits = after.get(..2).filter(|_| *byte == b'=').and_then(|digits| std::str::from_utf8(digits).ok());
            match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                Some(byte) => {
                    bytes.push(byte);
                    rest = &after[2..];
                }
                None => {
                    bytes.push(if *byte == b'_' { b' ' } else { *byte });
                    rest = after;
                }
            }
        }
        Some(bytes)
    }

    /// Whether the bytes end in the midst of a character.
    fn is_cut(&self, bytes: &[u8]) -> bool {
        let charset = self.charset.split(|byte| *byte == b'*').next().and_then(|name| std::str::from_utf8(name).ok());
        let Some(charset) = charset.filter(|_| bytes.last().is_some_and(|last| !last.is_ascii())) else { return false };
        match mail::charset(bytes, charset) {
            Some(text) => text.ends_with('\u{fffd}'),
            None => std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none()),
        }
    }

    fn is_like(&self, other: &Word) -> bool {
        self.charset.eq_ignore_ascii_case(other.charset) && self.encoding == other.encoding
    }
}

/// Where the next word may begin.
fn start(bytes: &[u8]) -> Option<usize> {
    bytes.windows(2).position(|pair| pair == b"=?")
}

/// The word behind nothing but white space, and the length of that.
fn next(bytes: &[u8]) -> Option<(usize, Word<'_>)> {
    let gap = bytes.iter().position(|byte| !byte.is_ascii_whitespace())?;
    Some((gap, word(&bytes[gap..])?))
}

/// The word that begins these bytes.
fn word(bytes: &[u8]) -> Option<Word<'_>> {
    const CHARSET_MAX: usize = 60;
    const TEXT_MAX: usize = 2_000;
    let inner = bytes.strip_prefix(b"=?")?;
    let length = inner.iter().take(CHARSET_MAX).position(|byte| *byte == b'?')?;
    let (charset, rest) = inner.split_at(length);
    let [b'?', encoding, b'?', text @ ..] = rest else { return None };
    let encoding = encoding.to_ascii_lowercase();
    let length = text.iter().take(TEXT_MAX).position(|byte| *byte == b'?' || byte.is_ascii_whitespace())?;
    let is_word = matches!(encoding, b'q' | b'b') && text[length..].starts_with(b"?=");
    is_word.then(|| Word { charset, encoding, text: &text[..length], end: charset.len() + length + 7 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Mail;

    fn subject(block: &[u8]) -> Option<String> {
        Mail::of_block(block).subject
    }

    #[test]
    fn a_character_in_two_words_is_one() {
        for block in [
            "Subject: =?utf-8?B?R3LD?= =?UTF-8?B?vMOfZQ==?=",
            "Subject: =?utf-8?b?R3LD?=\r\n =?utf-8?b?vMOfZQ==?=",
            "Subject: =?utf-8?Q?Gr=C3?=\r\n\t=?utf-8?Q?=BC=C3?= =?utf-8?Q?=9Fe?=",
        ] {
            assert_eq!(subject(block.as_bytes()).as_deref(), Some("Grüße"), "{block}");
        }
        let block = b"Subject: =?gb2312?B?xOM=?= =?gb2312?B?usM=?= / =?gb2312?B?xOO6?= =?gb2312?B?ww==?=";
        assert_eq!(subject(block).as_deref(), Some("你好 / 你好"));
    }

    #[test]
    fn bytes_of_the_character_set_may_stand_in_a_word() {
        assert_eq!(subject(b"Subject: =?iso-8859-1?Q?Gr\xfc\xdfe_dort?= \xfc").as_deref(), Some("Grüße dort ü"));
    }

    #[test]
    fn whole_words_and_what_is_none_stay_as_they_are() {
        for block in [
            "Subject: =?utf-8?Q?Gr=C3=BC?= =?utf-8?Q?=C3=9Fe?=",
            "Subject: =?utf-8?Q?Gr=C3?= =?iso-8859-1?Q?=BC?=",
            "Subject: =?utf-8?Q?Gr=C3?= und",
            "Subject: =?utf-8?X?Gr?= =? =?? =?a?q? =?=",
            "",
        ] {
            assert_eq!(joined(block.as_bytes()), None, "{block}");
            assert_eq!(in_ascii(block.as_bytes()), block.as_bytes());
        }
    }
}
