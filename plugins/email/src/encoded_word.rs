//! Encoded words (RFC 2047), all written anew in UTF-8 before header fields are read.
//!
//! A word has to end with a character, to be ASCII, to have its padding, and to name a set that is known. Some programs
//! cut a long subject anywhere, so that half a character stands in each of two words; some leave out the padding; some
//! put spaces or the bytes of the character set into a word as they are.

use rapport_sdk::prelude::*;

use crate::{charset, transfer};

/// Longest name of a character set.
const CHARSET_BYTES_MAX: usize = 60;
/// Longest word: RFC 2047 allows 75, programs write what they like.
const TEXT_BYTES_MAX: usize = 4_000;
/// Beginnings of words that are looked at in one block; nobody writes so many, and each may cost a look at all of the
/// bytes above.
const STARTS_MAX: usize = 5_000;

/// One word between `=?` and `?=`.
struct Word<'b> {
    charset: &'b str,
    encoding: u8,
    text: &'b [u8],
    /// Where what follows the word begins.
    end: usize,
}

/// Header fields with their words in UTF-8 and base64; none if there are no words.
pub fn in_utf_8(block: &[u8]) -> Option<Vec<u8>> {
    rewritten(block, |text, whole| {
        whole.extend_from_slice(b"=?utf-8?B?");
        whole.extend_from_slice(base64::encode(text.as_bytes()).as_bytes());
        whole.extend_from_slice(b"?=");
    })
}

/// A value with the texts of its words in their place.
pub fn decoded(value: &str) -> String {
    let read = rewritten(value.as_bytes(), |text, whole| whole.extend_from_slice(text.as_bytes()));
    read.map_or_else(|| value.to_owned(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// The bytes with something else in the place of each word, or of words one behind the other: what is between those
/// does not count.
fn rewritten(block: &[u8], write: impl Fn(&str, &mut Vec<u8>)) -> Option<Vec<u8>> {
    let mut whole: Vec<u8> = Vec::new();
    let mut rest = block;
    let mut is_changed = false;
    for _ in 0..STARTS_MAX {
        let Some(start) = start(rest) else { break };
        let (before, from) = rest.split_at(start);
        whole.extend_from_slice(before);
        let Some(first) = word(from) else {
            whole.extend_from_slice(&from[..2]);
            rest = &from[2..];
            continue;
        };
        is_changed = true;
        let (text, end) = texts(from, first);
        write(&text, &mut whole);
        rest = &from[end..];
    }
    whole.extend_from_slice(rest);
    is_changed.then_some(whole)
}

/// The text of the words that begin these bytes, and where it ends. Words of one set are one: a character may be in two.
fn texts(bytes: &[u8], first: Word) -> (String, usize) {
    let mut text = String::new();
    let mut end = first.end;
    let (mut charset, mut raw) = (first.charset, first.bytes());
    while let Some((gap, word)) = next(&bytes[end..]) {
        if word.charset.eq_ignore_ascii_case(charset) {
            raw.extend(word.bytes());
        } else {
            text.push_str(&charset::decoded(&raw, Some(charset)));
            (charset, raw) = (word.charset, word.bytes());
        }
        end += gap + word.end;
    }
    text.push_str(&charset::decoded(&raw, Some(charset)));
    (text.replace(['\r', '\n'], " "), end)
}

impl Word<'_> {
    fn bytes(&self) -> Vec<u8> {
        if self.encoding == b'b' { transfer::base64(self.text) } else { transfer::q_word(self.text) }
    }
}

/// Where the next word may begin.
fn start(bytes: &[u8]) -> Option<usize> {
    let mut rest = bytes;
    while crate::scan::skip_until(&mut rest, b'=') {
        if rest.first() == Some(&b'?') {
            return Some(bytes.len() - rest.len() - 1);
        }
    }
    None
}

/// The word behind nothing but white space of the same field, and the length of that.
fn next(bytes: &[u8]) -> Option<(usize, Word<'_>)> {
    let gap = bytes.iter().position(|byte| !byte.is_ascii_whitespace())?;
    let is_folded = !bytes[..gap].ends_with(b"\n");
    Some((gap, word(&bytes[gap..]).filter(|_| is_folded)?))
}

/// The word that begins these bytes.
fn word(bytes: &[u8]) -> Option<Word<'_>> {
    let inner = bytes.strip_prefix(b"=?")?;
    let length = inner.iter().take(CHARSET_BYTES_MAX).position(|byte| *byte == b'?')?;
    let (charset, rest) = inner.split_at(length);
    let charset = std::str::from_utf8(charset).ok().filter(|name| !name.contains(char::is_whitespace))?;
    let [b'?', encoding, b'?', text @ ..] = rest else { return None };
    let encoding = encoding.to_ascii_lowercase();
    let is_end = |at: usize| {
        let after = &text[at + 2..];
        // `?=C3` in the midst of a word is a question mark and a byte.
        let is_byte = after.get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        !(encoding == b'q' && is_byte)
    };
    let window = &text[..text.len().min(TEXT_BYTES_MAX)];
    let window = window.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let length = window.windows(2).enumerate().find(|(at, pair)| *pair == b"?=" && is_end(*at)).map(|(at, _)| at)?;
    let text = &window[..length];
    let is_word = match encoding {
        b'b' => text.iter().all(|byte| !matches!(byte, b' ' | b'\t' | b'?')),
        b'q' => !charset.is_empty() && (!text.contains(&b' ') || charset::is_known(charset)),
        _ => false,
    };
    is_word.then(|| Word { charset, encoding, text, end: charset.len() + length + 7 })
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
            "Subject: =?utf-8?B?R3LDvMOfZQ?=",
            "Subject: =?utf-8?Q?Gr=C3=BC?= =?iso-8859-1?Q?=DFe?=",
            "Subject: =?'utf-8'?Q?Gr=C3=BC=C3=9Fe?=",
        ] {
            assert_eq!(subject(block.as_bytes()).as_deref(), Some("Grüße"), "{block}");
        }
        let block = b"Subject: =?gb2312?B?xOM=?= =?gb2312?B?usM=?= / =?gb2312?B?xOO6?= =?gb2312?B?ww==?=";
        assert_eq!(subject(block).as_deref(), Some("你好 / 你好"));
        let block = b"Subject: =?ISO-2022-JP?B?GyRCJUYlOSVI?= =?iso-2022-jp?B?JEckORsoQg==?=";
        assert_eq!(subject(block).as_deref(), Some("テストです"));
        assert_eq!(subject(b"Subject: =?cp932?B?ipSOronvjtA=?=").as_deref(), Some("株式会社"));
    }

    #[test]
    fn bytes_spaces_and_question_marks_may_stand_in_a_word() {
        assert_eq!(subject(b"Subject: =?iso-8859-1?Q?Gr\xfc\xdfe_dort?= \xfc").as_deref(), Some("Grüße dort ü"));
        assert_eq!(subject(b"Subject: =?utf-8?Q?Hello big world=21?=").as_deref(), Some("Hello big world!"));
        assert_eq!(subject(b"Subject: =?utf-8?Q?Why?=C3=BC?= x").as_deref(), Some("Why?ü x"));
    }

    #[test]
    fn what_is_no_word_stays_as_it_is() {
        for block in ["Subject: =?utf-8?X?Gr?= =? =?? =?a?q? =?=", "a =? b ?=", "=?utf-8?B?a b?=", ""] {
            assert_eq!(in_utf_8(block.as_bytes()), None, "{block}");
            assert_eq!(decoded(block), block);
        }
        assert_eq!(decoded("a =?utf-8?Q?=C3=BC?= =?utf-8?Q?b?= c"), "a üb c");
        // A word is no way to begin another field.
        let mail = Mail::of_block(b"Subject: =?utf-8?Q?a=0D=0AX-Evil:_1?=\r\nX-Good: 2");
        assert_eq!((mail.subject.as_deref(), mail.headers.first("x-evil")), (Some("a  X-Evil: 1"), None));
    }
}
