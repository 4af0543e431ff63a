//! What a connector answered, in the contract's JSON form and laid out for a diff.

use std::borrow::Cow;

use serde::Serialize;

use super::connection::Outcome;
use crate::{Event, Receipt, Rejection};

#[derive(Serialize)]
struct ReceiptJson<'a> {
    response: Option<ResponseJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirm: Option<&'a str>,
    events: &'a [Event],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    unread: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
}

#[derive(Serialize)]
struct ResponseJson<'a> {
    status: u16,
    headers: &'a [(String, String)],
    body: Cow<'a, str>,
}

#[derive(Serialize)]
struct RejectionJson<'a> {
    rejection: &'a Rejection,
}

/// `{"response", "events"}`, with `"unread"` and `"nonce"` where there are some, or `{"rejection"}`, pretty, with a newline at the end.
pub fn render(result: &Result<Receipt, Rejection>) -> String {
    pretty(&compact(result, None))
}

/// [`render`] with `"confirm"`, the URL that is to be confirmed, where there is one.
pub fn render_outcome(outcome: &Outcome) -> String {
    pretty(&compact(&outcome.result, outcome.confirm.as_deref()))
}

/// What [`render_outcome`] lays out.
pub(super) fn compact(result: &Result<Receipt, Rejection>, confirm: Option<&str>) -> String {
    let compact = match result {
        Ok(receipt) => serde_json::to_string(&ReceiptJson {
            response: receipt.response.as_ref().map(|response| ResponseJson {
                status: response.status,
                headers: &response.headers,
                body: String::from_utf8_lossy(&response.body),
            }),
            confirm,
            events: &receipt.events,
            unread: &receipt.unread,
            nonce: receipt.nonce.as_deref(),
        }),
        Err(rejection) => serde_json::to_string(&RejectionJson { rejection }),
    };
    compact.expect("the contract's records have a form in JSON")
}

/// JSON text with another layout: two spaces a level, keys and numbers and escapes as they are.
///
/// Not through a `Value`, which would sort keys and so hide what a raw part of a payload really holds.
pub fn pretty(json: &str) -> String {
    let mut layout = Layout { text: String::with_capacity(json.len() * 2), depth: 0, after_opening: false };
    let mut in_string = false;
    let mut escaped = false;
    for character in json.chars() {
        if in_string {
            layout.text.push(character);
            in_string = escaped || character != '"';
            escaped = !escaped && character == '\\';
        } else if !character.is_ascii_whitespace() {
            layout.place(character);
            in_string = character == '"';
        }
    }
    layout.text.push('\n');
    layout.text
}

struct Layout {
    text: String,
    depth: usize,
    /// An object or array has just begun, and may end at once.
    after_opening: bool,
}

impl Layout {
    /// Puts a character that stands outside of every string.
    fn place(&mut self, character: char) {
        let closes = matches!(character, '}' | ']');
        self.depth -= usize::from(closes && self.depth > 0);
        if self.after_opening != closes {
            self.new_line();
        }
        self.after_opening = matches!(character, '{' | '[');
        self.depth += usize::from(self.after_opening);
        self.text.push(character);
        match character {
            ',' => self.new_line(),
            ':' => self.text.push(' '),
            _ => {}
        }
    }

    fn new_line(&mut self) {
        self.text.push('\n');
        for _ in 0..self.depth {
            self.text.push_str("  ");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_changes_white_space_only() {
        let json = r#"{"b":[1.50,{"x":"a, {\"b\": \\"}],"a":{},"c":[ ], "d" : null}"#;
        let expected = r#"{
  "b": [
    1.50,
    {
      "x": "a, {\"b\": \\"
    }
  ],
  "a": {},
  "c": [],
  "d": null
}
"#;
        assert_eq!(pretty(json), expected);
        assert_eq!(pretty(expected), expected);
    }

    #[test]
    fn a_rejection_and_a_response_have_their_form() {
        let rejection = Err(Rejection::Ignored("not ours".into()));
        assert_eq!(render(&rejection), pretty(r#"{"rejection":{"ignored":"not ours"}}"#));
        let receipt = Ok(Receipt::respond(200, "text/plain", "42"));
        let expected =
            r#"{"response":{"status":200,"headers":[["content-type","text/plain"]],"body":"42"},"events":[]}"#;
        assert_eq!(render(&receipt), pretty(expected));
    }

    #[test]
    fn a_url_that_is_to_be_confirmed_stands_beside_the_events() {
        let result = Ok(Receipt::events(Vec::new()));
        let confirm = Some("https://a.test/".to_owned());
        let outcome = Outcome { result, confirm, verified: true, log: Vec::new() };
        let expected = r#"{"response":null,"confirm":"https://a.test/","events":[]}"#;
        assert_eq!(render_outcome(&outcome), pretty(expected));
    }
}
