//! JSON that an administrator wrote around placeholders, and that a customer's words broke: line ends and quotes inside
//! of texts, backslashes that escape nothing, commas before a bracket, values that stayed empty.
//!
//! A quote ends a text only where the JSON goes on behind it as it must; every other one belongs to the text. What is
//! still no JSON afterwards is for somebody to look at.

/// Text that was mended.
#[derive(Debug, PartialEq)]
pub struct Mended {
    pub text: String,
    /// From here on it is a guess where a text ends: a quote before it was taken for one of the text.
    pub guessed_from: usize,
}

/// `text` with these mistakes mended; none if it does not even begin like an object.
pub fn mended(text: &str) -> Option<Mended> {
    let text = text.trim_start_matches('\u{feff}').trim();
    if !text.starts_with('{') {
        return None;
    }
    let mended = String::with_capacity(text.len() + 64);
    let mut mender = Mender { text, index: 0, mended, open: Vec::new(), guessed_from: None };
    while let Some(character) = mender.peek() {
        mender.take(character)?;
    }
    let guessed_from = mender.guessed_from.unwrap_or(mender.mended.len());
    Some(Mended { text: mender.mended, guessed_from })
}

/// Brackets in brackets: deeper is nobody's template, and is refused by the parser anyway.
const DEPTH_MAX: usize = 100;

/// How far behind a quote is looked for a key. A longer key is nobody's.
const KEY_BYTES_MAX: usize = 200;

struct Mender<'a> {
    text: &'a str,
    index: usize,
    mended: String,
    /// The brackets that are open.
    open: Vec<char>,
    /// As of [`Mended`].
    guessed_from: Option<usize>,
}

impl Mender<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.index..].chars().next()
    }

    /// One character outside of texts, or one text.
    fn take(&mut self, character: char) -> Option<()> {
        match character {
            '"' => return self.string(),
            '{' | '[' => {
                if self.open.len() == DEPTH_MAX {
                    return None;
                }
                self.open.push(character);
            }
            '}' | ']' => {
                self.open.pop()?;
                self.fill_in();
                self.drop_comma();
            }
            ',' => self.fill_in(),
            _ => {}
        }
        self.mended.push(character);
        self.index += character.len_utf8();
        Some(())
    }

    /// `"id": ,` is a value that stayed empty.
    fn fill_in(&mut self) {
        if self.mended.trim_end().ends_with(':') {
            self.mended.push_str("null");
        }
    }

    /// `,}` is one comma too many.
    fn drop_comma(&mut self) {
        if self.mended.trim_end().ends_with(',') {
            self.mended.truncate(self.mended.trim_end().len() - 1);
        }
    }

    fn string(&mut self) -> Option<()> {
        let is_key = self.open.last() == Some(&'{') && self.mended.trim_end().ends_with(['{', ',']);
        self.mended.push('"');
        self.index += 1;
        loop {
            let character = self.peek()?;
            self.index += character.len_utf8();
            match character {
                '"' if self.ends(is_key) => {
                    self.mended.push('"');
                    return Some(());
                }
                '"' => {
                    self.guessed_from.get_or_insert(self.mended.len());
                    self.mended.push_str("\\\"");
                }
                '\\' => self.escape(),
                '\n' => self.mended.push_str("\\n"),
                '\r' => self.mended.push_str("\\r"),
                '\t' => self.mended.push_str("\\t"),
                // Left out, it would make another text of this one: of an address somebody else's.
                control if control < ' ' => self.mended.push_str("\\ufffd"),
                other => self.mended.push(other),
            }
        }
    }

    /// A backslash stays one where it escapes something, else it is a character of the text.
    fn escape(&mut self) {
        let rest = &self.text.as_bytes()[self.index..];
        let length = match rest.first() {
            // Before the quote that ends a text a backslash is the text's last character, as in `"C:\"`.
            Some(b'"') => {
                let is_last = self.ends_at(self.index + 1, false);
                if is_last {
                    self.guessed_from.get_or_insert(self.mended.len());
                }
                usize::from(!is_last)
            }
            Some(b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 1,
            Some(b'u') if rest.len() >= 5 && rest[1..5].iter().all(u8::is_ascii_hexdigit) => 5,
            _ => 0,
        };
        self.mended.push_str(if length == 0 { "\\\\" } else { "\\" });
        self.mended.push_str(&self.text[self.index..self.index + length]);
        self.index += length;
    }

    /// Whether the quote just read ends its text.
    fn ends(&self, is_key: bool) -> bool {
        self.ends_at(self.index, is_key)
    }

    fn ends_at(&self, index: usize, is_key: bool) -> bool {
        let rest = self.text[index..].trim_start();
        let Some(next) = rest.chars().next() else { return true };
        if is_key {
            return next == ':';
        }
        let behind = rest[next.len_utf8()..].trim_start();
        let is_array = self.open.last() == Some(&'[');
        match next {
            ',' if is_array => {
                behind.starts_with(['"', '{', '[', ']', '-', 't', 'f', 'n'])
                    || behind.starts_with(|c: char| c.is_ascii_digit())
            }
            ',' => behind.starts_with('}') || begins_with_key(behind),
            '}' if !is_array => behind.is_empty() || behind.starts_with([',', '}', ']']),
            ']' if is_array => behind.is_empty() || behind.starts_with([',', '}', ']']),
            _ => false,
        }
    }
}

/// `"name":`
fn begins_with_key(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('"') else { return false };
    let end = rest.bytes().take(KEY_BYTES_MAX).position(|byte| matches!(byte, b'"' | b'\n' | b'\r'));
    end.is_some_and(|end| rest.as_bytes()[end] == b'"' && rest[end + 1..].trim_start().starts_with(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_placeholders_break_is_mended() {
        for (broken, expected) in [
            ("{\"a\":\"one\ntwo\"}", r#"{"a":"one\ntwo"}"#),
            ("{\"a\":\"ann\u{1}@example.com\0\"}", r#"{"a":"ann\ufffd@example.com\ufffd"}"#),
            (r#"{"a":"she said "hello" twice","b":1}"#, r#"{"a":"she said \"hello\" twice","b":1}"#),
            (r#"{"a":"she said "hello", and left","b":1}"#, r#"{"a":"she said \"hello\", and left","b":1}"#),
            (r#"{"a":"it ends "so"","b":"c"}"#, r#"{"a":"it ends \"so\"","b":"c"}"#),
            (r#"{"a":"C:\Users\new","b":"D:\"}"#, r#"{"a":"C:\\Users\new","b":"D:\\"}"#),
            (r#"{"a":"\u00e9 \u12"}"#, r#"{"a":"\u00e9 \\u12"}"#),
            (r#"{"a": ,"b":,"c": }"#, r#"{"a": null,"b":null,"c": null}"#),
            (r#"{"a":[1,2,],"b":"x",}"#, r#"{"a":[1,2],"b":"x"}"#),
            (r#"{"a":["x "y" z","b"]}"#, r#"{"a":["x \"y\" z","b"]}"#),
            (r#"{"a":"brace "}" and "{"","b":{"c":"d"}}"#, r#"{"a":"brace \"}\" and \"{\"","b":{"c":"d"}}"#),
        ] {
            let found = mended(broken).unwrap().text;
            assert_eq!(found, expected, "{broken}");
            assert!(serde_json::from_str::<serde_json::Value>(&found).is_ok(), "{found}");
        }
    }

    #[test]
    fn good_json_stays_as_it_is_and_rubbish_is_refused() {
        for good in [r#"{}"#, r#"{"a":"b\"c","d":[{"e":null},"\\"],"f":-1.5e3}"#, "{\"a\" : \"b\" ,\n \"c\" : \"d\" }"]
        {
            let whole = Mended { text: good.to_owned(), guessed_from: good.len() };
            assert_eq!(mended(good), Some(whole));
        }
        for bad in ["", "hello", "[1]", "{\"a\":\"b", "}", "{}}", &"{\"a\":".repeat(200)] {
            assert!(
                mended(bad).is_none_or(|found| serde_json::from_str::<serde_json::Value>(&found.text).is_err()),
                "{bad}"
            );
        }
    }
}
