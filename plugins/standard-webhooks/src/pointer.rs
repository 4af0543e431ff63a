//! What stands at a place in the body: JSON Pointers (RFC 6901), without reading what they pass by.

use rapport_sdk::prelude::*;
use serde_json::value::RawValue;

use crate::instant;

/// The value at a place; null is none.
pub fn find<'a>(body: &'a RawValue, pointer: &str) -> Option<&'a RawValue> {
    let mut value = body;
    for token in pointer.split('/').skip(1) {
        value = if value.get().starts_with('[') { element(value, token)? } else { member(value, token)? };
    }
    Some(value).filter(|value| value.get() != "null")
}

/// A text that says something, or a number as its digits, without the white space of ASCII around it. Everything else may
/// tell two ids of the sender apart.
pub fn text(body: &RawValue, pointer: &str) -> Option<String> {
    let raw = find(body, pointer)?;
    let text: Option<String> = lenient::id(&mut serde_json::Deserializer::from_str(raw.get())).ok()?;
    text.map(|text| text.trim_matches([' ', '\t', '\n', '\r']).to_owned())
}

/// A text as it was written, with the space around it.
pub fn words(body: &RawValue, pointer: &str) -> Option<String> {
    let raw = find(body, pointer)?;
    lenient::id(&mut serde_json::Deserializer::from_str(raw.get())).ok()?
}

/// A number, which may be a text; yes is 1 and no is 0.
pub fn number(body: &RawValue, pointer: &str) -> Option<f64> {
    match find(body, pointer)?.get() {
        "true" => Some(1.0),
        "false" => Some(0.0),
        number => lenient::number(&mut serde_json::Deserializer::from_str(number)).ok()?,
    }
}

/// An instant in milliseconds: a number or a text of digits, or RFC 3339.
pub fn time(body: &RawValue, pointer: &str) -> Option<u64> {
    let raw = find(body, pointer)?;
    let number = lenient::time(&mut serde_json::Deserializer::from_str(raw.get())).ok()?;
    number.or_else(|| instant::parse(&text(body, pointer)?)).filter(|time| *time > 0)
}

fn member<'a>(object: &'a RawValue, token: &str) -> Option<&'a RawValue> {
    if token.contains('~') {
        lenient::field(object, &token.replace("~1", "/").replace("~0", "~"))
    } else {
        lenient::field(object, token)
    }
}

fn element<'a>(array: &'a RawValue, token: &str) -> Option<&'a RawValue> {
    let is_index = token == "0" || (!token.starts_with('0') && token.bytes().all(|byte| byte.is_ascii_digit()));
    let index: usize = token.parse().ok().filter(|_| is_index)?;
    lenient::list(&mut serde_json::Deserializer::from_str(array.get())).ok()?.get(index).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pointers_of_the_rfc_find_what_they_name() {
        let json = r#"{"foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "k\"l": 6, " ": 7, "m~n": 8, "n": null}"#;
        let body: &RawValue = serde_json::from_str(json).unwrap();
        let cases = [
            ("", Some(json)),
            ("/foo", Some(r#"["bar", "baz"]"#)),
            ("/foo/0", Some(r#""bar""#)),
            ("/", Some("0")),
            ("/a~1b", Some("1")),
            ("/c%d", Some("2")),
            ("/k\"l", Some("6")),
            ("/ ", Some("7")),
            ("/m~0n", Some("8")),
            ("/n", None),
            ("/foo/2", None),
            ("/foo/00", None),
            ("/foo/-", None),
            ("/foo/bar", None),
            ("/foo/0/x", None),
            ("/missing/deeper", None),
        ];
        for (pointer, expected) in cases {
            assert_eq!(find(body, pointer).map(RawValue::get), expected, "{pointer}");
        }
    }

    #[test]
    fn numbers_and_times_are_read_in_any_form() {
        let json = r#"{"n":"9","f":8.5,"y":true,"s":1790668800,"t":"2026-09-29T08:00:00Z","x":"soon","a":[]}"#;
        let body: &RawValue = serde_json::from_str(json).unwrap();
        assert_eq!((number(body, "/n"), number(body, "/f"), number(body, "/y")), (Some(9.0), Some(8.5), Some(1.0)));
        assert_eq!((time(body, "/s"), time(body, "/t")), (Some(1_790_668_800_000), Some(1_790_668_800_000)));
        assert_eq!((number(body, "/x"), time(body, "/x"), text(body, "/a")), (None, None, None));
    }
}
