//! Whether a webhook that nobody could read names somebody: by whole values, never by a part of one.
//!
//! What an identifier says is the choice of whoever it is said of. A search for a part of a text would find `object` or a
//! timestamp in everybody's webhooks. So a body is taken apart into its values (JSON, forms, multiparts, XML, and words of
//! plain text), each is made canonical as an identifier of the person's schemes would be, and only the same value is a
//! match. What a match is worth is said with it: a field that holds nobody else's value, or less.

mod values;

use std::collections::BTreeSet;

use crate::canonical::{e164, mailbox};
use crate::endpoint::EndpointKey;

pub use values::{ValuePath, each_value};

/// Bytes. A provider's id that is shorter is a number or a word that says nothing of anybody.
pub const ID_BYTES_MIN: usize = 8;

/// Where an identifier stands in a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mention {
    /// In a text, or in a field of whose name there is another one with another value: somebody else may be meant, too.
    Among,
    /// As the whole value of a field, and whatever field has that name holds the same.
    Alone,
}

/// A webhook as it came.
#[derive(Clone, Copy, Debug)]
pub struct Content<'a> {
    pub url: &'a str,
    pub content_type: &'a str,
    pub body: &'a [u8],
}

/// Which of these identifiers a webhook names, and how: at the same places as `keys`.
///
/// Only such are looked for that can be told from other words: mailboxes, telephone numbers, and ids of at least
/// [`ID_BYTES_MIN`] bytes with a digit.
pub fn mentions(content: Content<'_>, keys: &[EndpointKey]) -> Vec<Option<Mention>> {
    let mut found = vec![None; keys.len()];
    if !keys.iter().any(is_distinctive) {
        return found;
    }
    // The names of fields that hold a key.
    let mut fields: Vec<BTreeSet<String>> = vec![BTreeSet::new(); keys.len()];
    each_value(content, &mut |place, value| {
        for (n, key) in keys.iter().enumerate().filter(|(_, key)| is_distinctive(key)) {
            match place {
                ValuePath::Field(name) if is_same(key, value) => {
                    found[n] = found[n].max(Some(Mention::Alone));
                    fields[n].insert(name.to_owned());
                }
                ValuePath::Text if words(value).any(|word| is_same(key, word)) => {
                    found[n] = found[n].max(Some(Mention::Among));
                }
                _ => {}
            }
        }
    });
    if found.contains(&Some(Mention::Alone)) {
        each_value(content, &mut |place, value| {
            let ValuePath::Field(name) = place else { return };
            for (n, key) in keys.iter().enumerate() {
                // Another identifier of the same person is nobody else's.
                let is_other = || !keys.iter().any(|key| is_same(key, value));
                if found[n] == Some(Mention::Alone) && fields[n].contains(name) && !is_same(key, value) && is_other() {
                    found[n] = Some(Mention::Among);
                }
            }
        });
    }
    found
}

/// Whether an identifier can be told from a word, a number or a time.
pub fn is_distinctive(key: &EndpointKey) -> bool {
    match key.scheme.as_str() {
        "email" => mailbox(&key.value).is_some(),
        "phone" | "sms" => key.value.starts_with('+') && key.value.len() >= ID_BYTES_MIN,
        _ => key.value.len() >= ID_BYTES_MIN && key.value.bytes().any(|byte| byte.is_ascii_digit()),
    }
}

/// Whether a value is a spelling of an identifier, all of it.
fn is_same(key: &EndpointKey, value: &str) -> bool {
    let value = value.trim();
    if value == key.value {
        return true;
    }
    match key.scheme.as_str() {
        "email" => value.contains('@') && mailbox(value).is_some_and(|value| value == key.value),
        // Many providers write numbers without the plus.
        "phone" | "sms" => {
            let digits = value.bytes().filter(u8::is_ascii_digit).count();
            let is_number = value.bytes().all(|byte| byte.is_ascii_digit() || b"+-(). /".contains(&byte));
            let is_spelled = value.starts_with('+') || value.starts_with("00");
            let spelled = || if is_spelled { value.to_owned() } else { format!("+{value}") };
            // A trunk prefix is forgiven where somebody writes a number, and not before a row of digits that looks like one.
            let begins_alike = is_spelled || key.value.get(1..3).is_some_and(|country| value.starts_with(country));
            digits >= 7 && is_number && begins_alike && e164(&spelled()).is_some_and(|number| number == key.value)
        }
        _ => false,
    }
}

/// The words of a text: what stands between white space and signs that no identifier begins or ends with.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let is_part = |c: char| c.is_alphanumeric() || "@.+-_".contains(c);
    text.split(move |c| !is_part(c)).map(|word| word.trim_matches(['.', '-', '_'])).filter(|word| word.len() >= 6)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(scheme: &str, value: &str) -> EndpointKey {
        EndpointKey { scheme: scheme.into(), scope: None, value: value.into() }
    }

    fn how(content_type: &str, body: &str, key: EndpointKey) -> Option<Mention> {
        mentions(Content { url: "https://x.example/hooks/a", content_type, body: body.as_bytes() }, &[key])[0]
    }

    #[test]
    fn a_whole_value_is_found_in_every_form() {
        let mail = || key("email", "ada@example.org");
        for (content_type, body) in [
            ("application/json", r#"{"a": [{"from": "Ada@Example.org"}]}"#),
            ("application/json", r#"{"a": "{\"from\": \"ada@example.org\"}"}"#),
            ("application/x-www-form-urlencoded", "a=1&from=ada%40example.org"),
            ("text/xml", "<a xmlns='x'><from>ada@example.org</from></a>"),
            ("text/xml", "<a from=\"ada&#64;example.org\"/>"),
            (
                "multipart/form-data; boundary=b",
                "--b\r\nContent-Disposition: form-data; name=\"from\"\r\n\r\nada@example.org\r\n--b--\r\n",
            ),
        ] {
            assert_eq!(how(content_type, body, mail()), Some(Mention::Alone), "{body}");
        }
        let phone = || key("phone", "+16505551234");
        for value in ["16505551234", "+1 650 555 1234", "+1-650-555-1234", "0016505551234"] {
            assert_eq!(how("application/json", &format!(r#"{{"from": "{value}"}}"#), phone()), Some(Mention::Alone));
        }
        assert_eq!(how("application/json", r#"{"from": 16505551234}"#, phone()), Some(Mention::Alone));
    }

    #[test]
    fn a_part_of_a_value_is_nobody() {
        for (scheme, value, body) in [
            ("user", "\"object\"", r#"{"object": "page", "a": "object"}"#),
            ("user", "notification", r#"{"type": "notification"}"#),
            ("user", "1764600", r#"{"time": 1764600}"#),
            ("whatsapp", "16505551234", r#"{"id": "99916505551234"}"#),
            ("email", "ada@example.org", r#"{"from": "bada@example.org"}"#),
            ("email", "ada@example.org", r#"{"text": "ada@example.organic"}"#),
            ("phone", "+16505551234", r#"{"id": "9916505551234"}"#),
        ] {
            assert_eq!(how("application/json", body, key(scheme, value)), None, "{value} in {body}");
        }
    }

    #[test]
    fn who_is_named_beside_others_is_not_alone() {
        let whatsapp = || key("whatsapp", "16505551234");
        let two = r#"{"messages": [{"from": "16505551234"}, {"from": "16505559999"}]}"#;
        assert_eq!(how("application/json", two, whatsapp()), Some(Mention::Among));
        let card = r#"{"from": "16505559999", "wa_id": "16505559999", "card": {"wa_id": "16505551234"}}"#;
        assert_eq!(how("application/json", card, whatsapp()), Some(Mention::Among));
        let text = r#"{"from": "16505559999", "text": "ask ada@example.org, please"}"#;
        assert_eq!(how("application/json", text, key("email", "ada@example.org")), Some(Mention::Among));
        let mail = "From: Bob <bob@example.com>\r\nTo: us@shop.example\r\n\r\nWrite to <ada@example.org>.\r\n";
        assert_eq!(how("message/rfc822", mail, key("email", "ada@example.org")), Some(Mention::Among));
    }

    #[test]
    fn what_cannot_be_read_names_nobody_and_stops_nothing() {
        let deep = "[".repeat(100_000);
        for body in ["{", "<", "\u{0}", "--b", deep.as_str(), "<a", "a=%", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"] {
            for content_type in ["", "application/json", "text/xml", "multipart/form-data; boundary=b", "x"] {
                assert_eq!(how(content_type, body, key("email", "ada@example.org")), None, "{content_type}");
            }
        }
    }
}
