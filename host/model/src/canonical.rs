//! The one spelling under which an identifier is known: E.164 for phones, a lower-case mailbox for e-mail, provider ids
//! verbatim.
//!
//! It is done here and not in connectors, so that no connector can make two people one (or one two) by spelling.

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberFormat};

use crate::endpoint::EndpointKey;
use crate::event::Identifier;

/// Stored with every endpoint: a later, different canonicaliser can tell which endpoints it must look at again.
pub const CANONICALISER_VERSION: u32 = 1;

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
/// # Errors
/// [`NotCanonical`] when there is nothing to make a key of.
pub fn canonicalise(identifier: &Identifier) -> Result<EndpointKey, NotCanonical> {
    let scheme = canonical_scheme(&identifier.scheme)?;
    let scope = identifier.scope.as_deref().map(str::trim).filter(|scope| !scope.is_empty()).map(str::to_owned);
    let raw = identifier.value.trim();
    check_length(&scheme, raw)?;
    check_length(&scheme, scope.as_deref().unwrap_or("-"))?;
    let value = match scheme.as_str() {
        "phone" | "sms" => e164(raw).unwrap_or_else(|| raw.to_lowercase()),
        "email" => mailbox(raw).unwrap_or_else(|| raw.to_lowercase()),
        _ => raw.to_owned(),
    };
    Ok(EndpointKey { scheme, scope, value })
}

fn canonical_scheme(scheme: &str) -> Result<String, NotCanonical> {
    let scheme = scheme.trim().to_ascii_lowercase();
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

/// A phone number in E.164 (ITU-T E.164, by a port of libphonenumber), if the text is an international one.
///
/// A number in national form has no country and cannot be told from another country's: it is none.
pub fn e164(text: &str) -> Option<String> {
    let text = text.strip_prefix("tel:").unwrap_or(text);
    let international = text.trim_start().starts_with('+') || text.starts_with("00");
    if !international {
        return None;
    }
    let text = text.strip_prefix("00").map_or_else(|| text.to_owned(), |rest| format!("+{rest}"));
    let spelled: PhoneNumber = text.parse().ok()?;
    let number = one_mobile(spelled.format_as(PhoneNumberFormat::E164).into_owned());
    let possible = PHONE_NUMBER_UTIL.is_possible_number(&number.parse().ok()?);
    possible.then_some(number)
}

/// Two countries whose mobiles are still named in an old and a new form, made one.
///
/// - Brazil: `+55 DD XXXX XXXX` with a mobile's first digit (6–9) got a ninth digit; landlines begin with 2–5 and stay.
///   Source: Anatel resolution 553/2010.
/// - Mexico: the `1` between country code and mobile number is gone since August 2019, and all national numbers have ten
///   digits. Source: IFT, Plan Técnico Fundamental de Numeración 2018.
fn one_mobile(number: String) -> String {
    if let Some(national) = number.strip_prefix("+55")
        && national.len() == 10
        && matches!(national.as_bytes()[2], b'6'..=b'9')
    {
        return format!("+55{}9{}", &national[..2], &national[2..]);
    }
    match number.strip_prefix("+521") {
        Some(national) if national.len() == 10 => format!("+52{national}"),
        _ => number,
    }
}

/// A mailbox: the local part lower-cased for matching, the domain in its ASCII form (UTS #46).
///
/// Takes `Ann <ann@example.com>` too. Dots and `+tags` stay: whether they matter is the mail host's business.
pub fn mailbox(text: &str) -> Option<String> {
    let address = match (text.rfind('<'), text.rfind('>')) {
        (Some(open), Some(close)) if open < close => &text[open + 1..close],
        _ => text,
    };
    let (local, domain) = address.trim().rsplit_once('@')?;
    let domain = idna::domain_to_ascii(domain.trim_end_matches('.')).ok()?;
    if local.is_empty() || domain.is_empty() || address.contains(char::is_whitespace) {
        return None;
    }
    Some(format!("{}@{domain}", local.to_lowercase()))
}

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
    fn one_phone_has_one_spelling() {
        for (text, canonical) in [
            ("+16505551234", "+16505551234"),
            ("+1 (650) 555-1234", "+16505551234"),
            ("tel:+1-650-555-1234", "+16505551234"),
            ("0016505551234", "+16505551234"),
            ("+44 020 7946 0958", "+442079460958"),
            // Brazil: the ninth digit, for mobiles only.
            ("+551187654321", "+5511987654321"),
            ("+5511987654321", "+5511987654321"),
            ("+551132654321", "+551132654321"),
            // Mexico: the 1 after the country code is gone since 2019.
            ("+5215512345678", "+525512345678"),
            ("+525512345678", "+525512345678"),
        ] {
            assert_eq!(key("phone", text), canonical, "{text}");
            assert_eq!(key("sms", text), canonical, "{text}");
        }
    }

    #[test]
    fn what_is_no_international_number_stays_as_it_is() {
        for (text, kept) in [("12345", "12345"), ("ACME", "acme"), ("0171 123456", "0171 123456"), ("+1", "+1")] {
            assert_eq!(key("phone", text), kept);
        }
    }

    #[test]
    fn one_mailbox_has_one_spelling() {
        for (text, canonical) in [
            ("Ann@Example.COM", "ann@example.com"),
            ("Ann Lee <ann@example.com>", "ann@example.com"),
            ("jürgen@bücher.example", "jürgen@xn--bcher-kva.example"),
            ("ann@example.com.", "ann@example.com"),
            ("a.b+c@gmail.com", "a.b+c@gmail.com"),
            ("no mailbox", "no mailbox"),
            ("@example.com", "@example.com"),
        ] {
            assert_eq!(key("email", text), canonical, "{text}");
        }
    }

    #[test]
    fn provider_ids_are_verbatim() {
        assert_eq!(key("whatsapp", " 16505551234 "), "16505551234");
        assert_eq!(key("whatsapp", "US.13491208655302741918"), "US.13491208655302741918");
        assert_eq!(key("Custom.Scheme", "aB"), "aB");
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
        assert_eq!(of("ph one", "1"), NotCanonical::Scheme("ph one".into()));
        assert_eq!(of("x", &"a".repeat(513)), NotCanonical::TooLong { scheme: "x".into(), bytes: 513 });
    }
}
