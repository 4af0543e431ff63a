//! The one spelling under which an identifier is known: a telephone line, a mailbox, provider ids verbatim.
//!
//! It is done here and not in connectors, so that no connector can make two people one (or one two) by spelling. It is
//! computed from what a parser read, never by a search in the text: what cannot be read keeps its text, and links nobody.

mod mailbox;
mod number;
pub mod renumbered;
pub mod text;

use crate::endpoint::EndpointKey;
use crate::event::Identifier;

pub use mailbox::{Mailbox, mailbox};
pub use number::{e164, is_service};

/// Stored with every endpoint: which canonical forms made it.
///
/// - 1: until November 2026.
/// - 2: addresses are parsed. More countries' old spellings are today's; what stands behind a number (an extension) is a
///   part of it; a mailbox's letters beyond ASCII keep their case. Invisible characters are no part of a number, nor of
///   the ends of an address; within a mailbox or an id they are.
///
/// An endpoint keeps the key that it was made under. [`former`] names what an address of today was called before: it is
/// looked up under both, and the next event of it links the two.
pub const CANONICALISER_VERSION: u32 = 2;

/// Bytes. No provider's id is longer (the longest documented one has 135), and keys are hashed: a bound on abuse.
pub const VALUE_BYTES_MAX: usize = 512;
/// Bytes. A scheme is a short word of the registry in `plugins/README.md`.
pub const SCHEME_BYTES_MAX: usize = 64;

/// Why an identifier has no canonical form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotCanonical {
    #[error("scheme `{0}` is not a word of a-z, 0-9, `.`, `_` or `-`, 1 to {SCHEME_BYTES_MAX} bytes long")]
    Scheme(String),
    #[error("an identifier of scheme `{0}` is empty")]
    Empty(String),
    #[error("an identifier of scheme `{scheme}` has {bytes} bytes; at most {VALUE_BYTES_MAX} are taken")]
    TooLong { scheme: String, bytes: usize },
}

/// The key of an identifier: its scheme, scope and canonical value.
///
/// A phone that cannot be a phone and an e-mail that cannot be one keep their text: a short code or an alphanumeric
/// sender is an address too, and losing it would lose its messages.
///
/// Two values are equal only if they name the same line or mailbox, or are the same id. So a character is left out only
/// where it cannot tell two of them apart:
/// - of a number, white space, punctuation and characters that show nothing, wherever they stand;
/// - of a mailbox, white space and characters that show nothing around it, and what RFC 5322 and UTS #46 leave out;
/// - of an id, and of a scope, the white space of ASCII around it. `ann` and `ann` with a zero-width space are two users.
///
/// Control characters and U+FFFD, which stands for a character that was lost, are never left out.
///
/// # Errors
/// [`NotCanonical`] when there is nothing to make a key of.
pub fn canonicalise(identifier: &Identifier) -> Result<EndpointKey, NotCanonical> {
    let scheme = canonical_scheme(&identifier.scheme)?;
    let scope = identifier.scope.as_deref().map(text::trim_ascii).filter(|scope| !scope.is_empty()).map(str::to_owned);
    let shown = text::trim(&identifier.value);
    let raw = match Family::of(&scheme) {
        Family::Id if !shown.is_empty() => text::trim_ascii(&identifier.value),
        _ => shown,
    };
    check_length(&scheme, raw)?;
    check_length(&scheme, scope.as_deref().unwrap_or("-"))?;
    let value = match Family::of(&scheme) {
        Family::Number => e164(raw).unwrap_or_else(|| text::plain(raw)),
        Family::Mailbox => mailbox(raw).unwrap_or_else(|| raw.to_ascii_lowercase()),
        Family::Id => raw.to_owned(),
    };
    // A text of a digit's width can grow, and an escaped one.
    check_length(&scheme, &value)?;
    Ok(EndpointKey { scheme, scope, value })
}

/// What the values of a scheme are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// A telephone line, or what a telephone network has in its place: a short code, an alphanumeric sender.
    Number,
    Mailbox,
    /// A provider's own id, which is compared to the letter.
    Id,
}

impl Family {
    /// The family of a canonical scheme.
    pub fn of(scheme: &str) -> Self {
        match scheme {
            "phone" | "sms" => Self::Number,
            "email" => Self::Mailbox,
            _ => Self::Id,
        }
    }
}

/// What an address of today was called by earlier versions of canonical forms: the other spellings of the same line.
///
/// Nothing else that a new version reads differently is here: what an older one took for the same and this one does not,
/// such as a mailbox in quotes for the one that it quotes, must not be found under it.
pub fn former(key: &EndpointKey) -> Vec<EndpointKey> {
    if Family::of(&key.scheme) != Family::Number {
        return Vec::new();
    }
    let Some(digits) = key.value.strip_prefix('+') else { return Vec::new() };
    let before = renumbered::before(digits, CANONICALISER_VERSION);
    before.into_iter().map(|digits| EndpointKey { value: format!("+{digits}"), ..key.clone() }).collect()
}

/// A text without its percent-encoding, decoded once; none if that is broken or gives no UTF-8.
fn percent_decoded(text: &str) -> Option<String> {
    let is_whole = |encoded: &str| encoded.get(..2).is_some_and(|two| two.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let is_sound = text.split('%').skip(1).all(is_whole);
    let decoded = percent_encoding::percent_decode_str(text).decode_utf8().ok();
    decoded.filter(|_| is_sound).map(|decoded| decoded.into_owned())
}

fn canonical_scheme(scheme: &str) -> Result<String, NotCanonical> {
    let scheme = text::trim(scheme).to_ascii_lowercase();
    let word = scheme.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'));
    if scheme.is_empty() || scheme.len() > SCHEME_BYTES_MAX || !word {
        return Err(NotCanonical::Scheme(scheme.chars().take(SCHEME_BYTES_MAX).collect()));
    }
    Ok(scheme)
}

fn check_length(scheme: &str, value: &str) -> Result<(), NotCanonical> {
    match value.len() {
        0 => Err(NotCanonical::Empty(scheme.to_owned())),
        bytes if bytes > VALUE_BYTES_MAX => Err(NotCanonical::TooLong { scheme: scheme.to_owned(), bytes }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Attestation;

    fn key(scheme: &str, value: &str) -> String {
        let identifier =
            Identifier { scheme: scheme.into(), scope: None, value: value.into(), attestation: Attestation::Provider };
        canonicalise(&identifier).unwrap().value
    }

    #[test]
    fn what_has_no_canonical_form_keeps_its_text() {
        for (text, kept) in [
            ("12345", "12345"),
            ("１２３４５", "12345"),
            ("ACME", "acme"),
            ("0171\u{a0}123456", "0171 123456"),
            ("+1", "+1"),
            ("+1-800-FLOWERS", "+1-800-flowers"),
        ] {
            assert_eq!(key("phone", text), kept, "{text}");
            assert_eq!(key("sms", text), kept, "{text}");
        }
        for (text, kept) in [
            ("No Mailbox", "no mailbox"),
            ("@Example.com", "@example.com"),
            ("\u{212a}ate@example.com", "\u{212a}ate@example.com"),
            ("a@x, B <c@x>", "a@x, b <c@x>"),
        ] {
            assert_eq!(key("email", text), kept, "{text}");
        }
    }

    #[test]
    fn a_mailbox_in_quotes_is_never_the_one_that_it_quotes() {
        let victim = key("email", "victim@bank.example");
        for text in [
            "\"<victim@bank.example>\"@evil.example",
            "\"victim@bank.example\"@evil.example",
            "<\"<victim@bank.example>\"@evil.example>",
            "\"x\" <victim@bank.example>@evil.example",
            "<victim@bank.example>@evil.example",
            "(<victim@bank.example>)x@evil.example",
            "mailto:%22%3Cvictim@bank.example%3E%22@evil.example",
        ] {
            assert_ne!(key("email", text), victim, "{text}");
        }
    }

    #[test]
    fn an_address_is_found_under_its_former_spelling() {
        let number = |value: &str| EndpointKey { scheme: "phone".into(), scope: None, value: value.into() };
        assert_eq!(former(&number("+5491123456789")), [number("+541123456789")]);
        assert_eq!(former(&number("+2250707139912")), [number("+22507139912")]);
        assert_eq!(former(&number("+24177280150")), [number("+2417280150"), number("+24107280150")]);
        for value in ["+16505551234", "+5511987654321", "+525512345678", "+16505551234;ext=5", "12345"] {
            assert_eq!(former(&number(value)), [], "{value}");
        }
        assert_eq!(former(&EndpointKey { scheme: "chat".into(), ..number("+5491123456789") }), []);
    }

    #[test]
    fn provider_ids_are_verbatim() {
        assert_eq!(key("whatsapp", " 16505551234 "), "16505551234");
        assert_eq!(key("whatsapp", "US.13491208655302741918"), "US.13491208655302741918");
        assert_eq!(key("Custom.Scheme", "aB"), "aB");
        for text in ["a\u{200b}nn", "ann\u{200b}", "\u{200e}ann", "ann\u{feff}", "ann\u{a0}", "ann\0", "ann\u{fffd}"] {
            assert_eq!(key("user", text), text, "the provider tells it from `ann`");
        }
    }

    #[test]
    fn no_control_character_and_no_lost_one_makes_an_identifier_another_one() {
        let added = ('\0'..='\u{9f}').filter(|added| added.is_control()).chain(['\u{fffd}']);
        for added in added.filter(|added| !matches!(added, '\t' | '\n' | '\r')) {
            for (scheme, value) in [
                ("email", "victim@bank.example"),
                ("phone", "+16505551234"),
                ("sms", "+16505551234"),
                ("sms", "ACME"),
                ("user", "ann"),
            ] {
                let victim = key(scheme, value);
                for place in 0..=value.len() {
                    let text = format!("{}{added}{}", &value[..place], &value[place..]);
                    assert_ne!(key(scheme, &text), victim, "{scheme}: {text:?}");
                }
            }
        }
    }

    #[test]
    fn a_mailbox_with_a_character_that_shows_nothing_is_not_the_one_without() {
        let victim = key("email", "victim@bank.example");
        for added in ['\u{200b}', '\u{200d}', '\u{ad}', '\u{feff}', '\u{202e}', '\u{2060}', '\u{fe0f}'] {
            for place in 1..="victim".len() {
                let text = format!("{}{added}{}@bank.example", &"victim"[..place], &"victim"[place..]);
                assert_ne!(key("email", &text), victim, "{text:?}");
            }
            assert_eq!(key("email", &format!("{added}victim@bank.example{added}")), victim, "a copy brings it along");
        }
    }

    #[test]
    fn nothing_is_made_of_nothing() {
        let of = |scheme: &str, value: &str| {
            let identifier = Identifier {
                scheme: scheme.into(),
                scope: None,
                value: value.into(),
                attestation: Attestation::Provider,
            };
            canonicalise(&identifier).unwrap_err()
        };
        assert_eq!(of("phone", "  "), NotCanonical::Empty("phone".into()));
        assert_eq!(of("chat", " \u{200b} "), NotCanonical::Empty("chat".into()));
        assert_eq!(of("ph one", "1"), NotCanonical::Scheme("ph one".into()));
        assert_eq!(of("x", &"a".repeat(513)), NotCanonical::TooLong { scheme: "x".into(), bytes: 513 });
    }
}
