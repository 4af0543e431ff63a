//! Which events the host stores. The rules are the host's (`host/inbound/src/event_checks.rs`, `host/model/src/canonical.rs`);
//! they stand here too because the kit must not depend on the host. A test in `tests/it/kit.rs` keeps both the same.

use serde_json::Value;

/// Bytes.
const EVENT_ID_BYTES_MAX: usize = 1_024;
/// Bytes.
const ACCOUNT_BYTES_MAX: usize = 256;
/// Identifiers.
const IDENTIFIERS_MAX: usize = 32;
/// Bytes of a scheme.
const SCHEME_BYTES_MAX: usize = 64;
/// Bytes of a value, and of a scope.
const VALUE_BYTES_MAX: usize = 512;

/// Why the host would park an event, in its words; none: it stores it.
///
/// `event` is in the form of `*.events.json`.
pub fn refused(event: &Value) -> Option<String> {
    check_length("id", text(&event["id"]), EVENT_ID_BYTES_MAX)
        .and_then(|()| check_length("account", text(&event["account"]), ACCOUNT_BYTES_MAX))
        .and_then(|()| check_identifiers(event["contact"]["identifiers"].as_array().map_or(&[], Vec::as_slice)))
        .err()
}

fn check_identifiers(identifiers: &[Value]) -> Result<(), String> {
    if identifiers.len() > IDENTIFIERS_MAX {
        return Err(format!("`contact.identifiers` has {}; at most {IDENTIFIERS_MAX} are taken", identifiers.len()));
    }
    let first = identifiers.first().ok_or("`contact.identifiers` is empty; the first one is whose event it is")?;
    check_identifier(first).map_err(|error| format!("`contact.identifiers[0]`: {error}"))
}

fn check_identifier(identifier: &Value) -> Result<(), String> {
    let scheme = trim(text(&identifier["scheme"])).to_ascii_lowercase();
    let is_word = scheme.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'));
    if scheme.is_empty() || scheme.len() > SCHEME_BYTES_MAX || !is_word {
        let shown: String = scheme.chars().take(SCHEME_BYTES_MAX).collect();
        return Err(format!(
            "scheme `{shown}` is not a word of a-z, 0-9, `.`, `_` or `-`, 1 to {SCHEME_BYTES_MAX} bytes long"
        ));
    }
    let value = raw(&scheme, text(&identifier["value"]));
    if value.is_empty() {
        return Err(format!("an identifier of scheme `{scheme}` is empty"));
    }
    let longest = value.len().max(trim_ascii(text(&identifier["scope"])).len());
    if longest > VALUE_BYTES_MAX {
        let bytes = if value.len() > VALUE_BYTES_MAX { value.len() } else { longest };
        return Err(format!(
            "an identifier of scheme `{scheme}` has {bytes} bytes; at most {VALUE_BYTES_MAX} are taken"
        ));
    }
    Ok(())
}

fn check_length(name: &str, value: &str, max: usize) -> Result<(), String> {
    match value.len() {
        0 => Err(format!("`{name}` is empty")),
        bytes if bytes > max => Err(format!("`{name}` has {bytes} bytes; at most {max} are taken")),
        _ => Ok(()),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A value without what tells nothing apart at its ends. Of an id that is the white space of ASCII only.
fn raw<'a>(scheme: &str, value: &'a str) -> &'a str {
    let shown = trim(value);
    let is_address = matches!(scheme, "phone" | "sms" | "email");
    if is_address || shown.is_empty() { shown } else { trim_ascii(value) }
}

/// Without white space, and characters that show nothing, at the ends.
fn trim(text: &str) -> &str {
    text.trim_matches(|character: char| {
        crate::lenient::trim(character.encode_utf8(&mut [0; 4])).is_empty() || is_invisible(character)
    })
}

pub(super) fn trim_ascii(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\n', '\r'])
}

/// The ones that copying brings along.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}
