//! The body of a webhook as text that every later reader takes.

use std::borrow::Cow;

use serde_json::error::Category;

/// The JSON text of `bytes`, made safe to keep: bytes that are no UTF-8 become U+FFFD, an escaped lone surrogate
/// (`"\ud83d"`, half an emoji cut off by somebody's length limit) and an escaped U+0000 become `\ufffd`.
///
/// Nothing is left out: without its U+0000, `ann\u0000` would be `ann`, who is somebody else.
///
/// Called before parsing and after verifying. A lone surrogate fails a JSON parser, and with it the whole batch; both
/// would fail a store later, where a raw part of the payload is kept. Almost every body comes back borrowed.
pub fn document(bytes: &[u8]) -> Cow<'_, str> {
    match String::from_utf8_lossy(bytes) {
        Cow::Borrowed(text) => repaired(text).map_or(Cow::Borrowed(text), Cow::Owned),
        Cow::Owned(text) => Cow::Owned(repaired(&text).unwrap_or(text)),
    }
}

/// What a parser found instead of the expected JSON, and where, in words that hold nothing of the body: its own message
/// repeats the text that it did not expect, which may be a customer's, and a mebibyte long.
pub fn explain(error: &serde_json::Error) -> String {
    let found = match error.classify() {
        Category::Eof => "the end",
        Category::Data => "something else",
        Category::Syntax | Category::Io => "no JSON",
    };
    format!("found {found} at line {}, column {}", error.line(), error.column())
}

/// `text` with other escapes; none if there is nothing to repair.
fn repaired(text: &str) -> Option<String> {
    let mut repaired = String::new();
    let mut kept_until = 0;
    let mut index = 0;
    while let Some(distance) = text[index..].find('\\') {
        index += distance;
        // Escapes stand side by side; to search for each of them anew would be slow where there is nothing else.
        while text.as_bytes().get(index) == Some(&b'\\') {
            let start = index;
            let escape = Escape::at(&text.as_bytes()[start..]);
            index = text.len().min(start + escape.length());
            if matches!(escape, Escape::Fine(_)) {
                continue;
            }
            repaired.push_str(&text[kept_until..start]);
            repaired.push_str("\\ufffd");
            kept_until = index;
        }
    }
    if kept_until == 0 {
        return None;
    }
    repaired.push_str(&text[kept_until..]);
    Some(repaired)
}

enum Escape {
    /// Nothing to do for this many bytes.
    Fine(usize),
    /// U+0000 or half a surrogate pair.
    NoText,
}

impl Escape {
    /// Of the bytes that begin with a backslash.
    fn at(bytes: &[u8]) -> Escape {
        match code_unit(bytes) {
            Some(0xd800..=0xdbff) if matches!(bytes.get(6..).and_then(code_unit), Some(0xdc00..=0xdfff)) => {
                Escape::Fine(12)
            }
            Some(0 | 0xd800..=0xdfff) => Escape::NoText,
            Some(_) => Escape::Fine(6),
            // A backslash and an ASCII character, or an error for the parser to find: the next character may be long.
            None if bytes.get(1).is_some_and(u8::is_ascii) => Escape::Fine(2),
            None => Escape::Fine(1),
        }
    }

    fn length(&self) -> usize {
        match self {
            Escape::Fine(length) => *length,
            Escape::NoText => 6,
        }
    }
}

/// The code unit of `\uXXXX` at the start of `bytes`.
fn code_unit(bytes: &[u8]) -> Option<u16> {
    let digits = bytes.strip_prefix(b"\\u")?.get(..4)?;
    let mut unit = 0;
    for digit in digits {
        unit = unit << 4 | (*digit as char).to_digit(16)? as u16;
    }
    Some(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sound_body_is_borrowed() {
        let body = r#"{"a":"\ud83d\ude00 \u00e4 \/ \\u0000 \\ud83d \n","b":"ä"}"#;
        assert!(matches!(document(body.as_bytes()), Cow::Borrowed(text) if text == body));
    }

    #[test]
    fn half_a_surrogate_pair_becomes_a_replacement_character() {
        let cases = [
            (r#""\ud83d""#, r#""\ufffd""#),
            (r#""\ude00x""#, r#""\ufffdx""#),
            (r#""\uD83D\uD83D\uDE00""#, r#""\ufffd\uD83D\uDE00""#),
            (r#""\ud83d\n""#, r#""\ufffd\n""#),
            (r#""\\\ud83d\u00e4""#, r#""\\\ufffd\u00e4""#),
        ];
        for (found, expected) in cases {
            assert_eq!(document(found.as_bytes()), expected);
            assert!(serde_json::from_str::<String>(expected).is_ok(), "{expected}");
        }
    }

    #[test]
    fn an_escaped_nul_becomes_a_replacement_character_and_an_escaped_backslash_before_u0000_does_not() {
        assert_eq!(document(br#""a\u0000b""#), r#""a\ufffdb""#);
        assert_eq!(document(br#""a\\u0000b""#), r#""a\\u0000b""#);
        assert_eq!(document(br#""\u0000""#), r#""\ufffd""#);
    }

    #[test]
    fn an_explanation_holds_nothing_of_the_body() {
        let explained =
            |body: &str| explain(&serde_json::from_str::<std::collections::BTreeMap<String, u8>>(body).unwrap_err());
        assert_eq!(explained("\"a secret\""), "found something else at line 1, column 10");
        assert_eq!(explained("{\"a\":\"a secret\"}"), "found something else at line 1, column 15");
        assert_eq!(explained("{"), "found the end at line 1, column 1");
        assert_eq!(explained("<a secret>"), "found no JSON at line 1, column 1");
    }

    #[test]
    fn broken_input_is_left_to_the_parser() {
        for broken in ["\\", "\\u", "\\ud8", "\\ü", "\"\\ud83d\\u\"", "\\u00\\ud83d"] {
            let _ = document(broken.as_bytes());
        }
        assert_eq!(document(b"\"\xff\""), "\"\u{fffd}\"");
        assert_eq!(document(b"\"\xff\\u0000\""), "\"\u{fffd}\\ufffd\"");
    }
}
