//! Telephone numbers: which line a text names. ITU-T E.164, RFC 3966, and how people and switchboards write them.

use rlibphonenumber::{NumberLengthType, PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberFormat, PhoneNumberType};

use super::renumbered;
use super::text;

/// Digits of an extension. A whole number has 15 (ITU-T E.164); no switchboard has longer extensions.
const EXTENSION_DIGITS_MAX: usize = 15;
/// Rounds until a number is written as its country writes it today. Each takes off a prefix or adds one.
const ROUNDS_MAX: usize = 4;

/// What says that an extension follows, in lower case. Source: the extension patterns of libphonenumber, and the pauses
/// of modem and telephone dialling.
const EXTENSION_WORDS: &[&str] = &[
    "extensión",
    "extension",
    "durchwahl",
    "anexo",
    "poste",
    "extn",
    "xtn",
    "ext",
    "доб",
    "int",
    "dw",
    "#",
    "x",
    "p",
    "w",
];
/// Parameters of a `tel` URI that say how a call gets to the line, and not which line it is. Source: RFC 4694, RFC 4904.
const ROUTING: &[&str] = &["cic", "npdi", "rn", "rn-context", "cic-context", "tgrp", "trunk-context"];

/// A telephone line in one spelling: E.164, and behind a switchboard `;ext=` or `;isub=`, as in a `tel` URI (RFC 3966).
///
/// None if the text is none, or does not say which country's it is. Letters that stand for digits (`+1-800-FLOWERS`) are
/// none: which digits they are differs from keypad to keypad, and no network delivers them.
pub fn e164(text: &str) -> Option<String> {
    let plain = text::plain(text);
    let mut spelled = Spelled::parse(&plain)?;
    spelled.digits = line(&spelled.digits)?;
    Some(spelled.to_string())
}

/// Whether a canonical number is one that no single person has: a free, premium or shared-cost service, a company's access
/// number, a mailbox for voice.
pub fn is_service(canonical: &str) -> bool {
    use PhoneNumberType::{PremiumRate, SharedCost, TollFree, UAN, VoiceMail};
    let line = canonical.split(';').next().unwrap_or_default();
    let Ok(number) = line.parse::<PhoneNumber>() else { return false };
    matches!(PHONE_NUMBER_UTIL.get_number_type(&number), PremiumRate | SharedCost | TollFree | UAN | VoiceMail)
}

/// A number and what stands behind it.
struct Spelled {
    /// Of the international number, country code first.
    digits: String,
    behind: Option<Behind>,
}

enum Behind {
    Extension(String),
    /// An ISDN subaddress: one of several devices on a line.
    Subaddress(String),
}

impl std::fmt::Display for Spelled {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.behind {
            None => write!(out, "+{}", self.digits),
            Some(Behind::Extension(digits)) => write!(out, "+{};ext={digits}", self.digits),
            Some(Behind::Subaddress(address)) => write!(out, "+{};isub={address}", self.digits),
        }
    }
}

impl Spelled {
    fn parse(plain: &str) -> Option<Self> {
        let decoded;
        let plain = match plain.strip_prefix("tel:") {
            Some(uri) => {
                decoded = text::plain(&super::percent_decoded(uri)?);
                &decoded
            }
            None => plain,
        };
        match plain.split_once(';') {
            Some((number, parameters)) if parameters.contains('=') => Self::with_parameters(number, parameters),
            _ => Self::as_written(plain),
        }
    }

    /// `+1-650-555-1234;ext=99`, `7042;phone-context=+1-201-555`
    fn with_parameters(number: &str, parameters: &str) -> Option<Self> {
        let (mut context, mut behind) = (None, None);
        for parameter in parameters.split(';') {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let (name, value) = (name.trim_matches(' '), value.trim_matches(' '));
            let said = match name {
                "ext" => Behind::Extension(extension(value)?),
                "isub" => Behind::Subaddress(subaddress(value)?),
                "phone-context" if context.is_none() => {
                    context = Some(value);
                    continue;
                }
                _ if ROUTING.contains(&name) => continue,
                _ => return None,
            };
            // One line has one of them, once.
            if behind.replace(said).is_some() {
                return None;
            }
        }
        let (digits, tail, is_international) = leading(number);
        let digits = match (context, is_international) {
            (None, true) => without_prefix(digits)?,
            // What a domain's local numbers mean is the domain's business.
            (Some(context), false) => match leading(context) {
                (country, "", true) => format!("{}{digits}", without_prefix(country)?),
                _ => return None,
            },
            _ => return None,
        };
        tail.is_empty().then_some(Self { digits, behind })
    }

    /// `+1 (650) 555-1234 ext. 99`
    fn as_written(text: &str) -> Option<Self> {
        let (digits, tail, is_international) = leading(text);
        let behind = match tail {
            "" => None,
            tail => Some(Behind::Extension(written_extension(tail)?)),
        };
        let digits = if is_international { without_prefix(digits)? } else { return None };
        Some(Self { digits, behind })
    }
}

/// The digits at the beginning of a text, what follows them, and whether they name a country: by a plus or by `00`.
fn leading(text: &str) -> (String, &str, bool) {
    let (mut digits, mut has_plus) = (String::new(), false);
    let mut end = text.len();
    for (place, character) in text.char_indices() {
        match character {
            '0'..='9' => digits.push(character),
            '+' if digits.is_empty() && !has_plus => has_plus = true,
            ' ' | '-' | '.' | '/' | '(' | ')' => {}
            _ => {
                end = place;
                break;
            }
        }
    }
    let digits = if has_plus { format!("+{digits}") } else { digits };
    let is_international = has_plus || digits.starts_with("00");
    (digits, text[end..].trim_end_matches(' '), is_international)
}

/// `+1650…` or `001650…` without what it begins with. No country's code begins with 0.
fn without_prefix(digits: String) -> Option<String> {
    let bare = digits.strip_prefix('+').or_else(|| digits.strip_prefix("00"))?;
    (!bare.is_empty() && !bare.starts_with('0')).then(|| bare.to_owned())
}

/// What stands behind a number: a word or pauses, then digits.
fn written_extension(tail: &str) -> Option<String> {
    let rest = tail.trim_start_matches([',', ';', ' ', '~']);
    let word = EXTENSION_WORDS.iter().find_map(|word| rest.strip_prefix(word));
    // Each `w` or `p` is a pause.
    let rest = word.unwrap_or(rest).trim_start_matches(['w', 'p', ',', ' ', '.', ':', '=']);
    extension(rest.strip_suffix('#').unwrap_or(rest))
}

fn extension(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|character| !matches!(character, '-' | '.' | ' ' | '(' | ')')).collect();
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && digits.len() <= EXTENSION_DIGITS_MAX).then_some(digits)
}

fn subaddress(text: &str) -> Option<String> {
    let is_word = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (is_word && text.len() <= EXTENSION_DIGITS_MAX).then(|| text.to_owned())
}

/// The digits of the line as its country writes it today, without a trunk prefix; none if no number has so many.
fn line(digits: &str) -> Option<String> {
    let mut digits = digits.to_owned();
    for _ in 0..ROUNDS_MAX {
        let number: PhoneNumber = format!("+{digits}").parse().ok()?;
        let spelled = number.format_as(PhoneNumberFormat::E164);
        let today = renumbered::today(spelled.strip_prefix('+')?);
        if today == digits {
            // A number without its area code is many towns' number.
            let length = PHONE_NUMBER_UTIL.is_possible_number_with_reason(&number);
            return matches!(length, Ok(NumberLengthType::IsPossible)).then_some(digits);
        }
        digits = today;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_has_one_spelling() {
        for (text, canonical) in [
            ("+16505551234", "+16505551234"),
            ("+1 (650) 555-1234", "+16505551234"),
            ("(+1) 650.555.1234", "+16505551234"),
            ("tel:+1-650-555-1234", "+16505551234"),
            ("TEL:%2B1-650-555-1234", "+16505551234"),
            ("tel:+1-650-555-1234;npdi;rn=+16505550000", "+16505551234"),
            ("tel:650-555-1234;phone-context=+1", "+16505551234"),
            ("0016505551234", "+16505551234"),
            ("+44 020 7946 0958", "+442079460958"),
            ("+44 (0)20 7946 0958", "+442079460958"),
            ("+49 (0) 30 / 1234567", "+49301234567"),
            // Italy's 0 belongs to the number.
            ("+39 06 698 12345", "+390669812345"),
            ("+39 347 123 4567", "+393471234567"),
            // Invisible characters, other digits.
            ("\u{202a}+16505557006\u{202c}", "+16505557006"),
            ("+1\u{a0}650\u{2011}555\u{ad}\u{2011}7006\u{200e}", "+16505557006"),
            ("+16505557006", "+16505557006"),
            ("+١٦٥٠٥٥٥٧٠٠٦", "+16505557006"),
            ("٠٠١٦٥٠٥٥٥٧٠٠٦", "+16505557006"),
            // Countries with two spellings.
            ("+551187654321", "+5511987654321"),
            ("+5511987654321", "+5511987654321"),
            ("+551132654321", "+551132654321"),
            ("+5215512345678", "+525512345678"),
            ("+52 1 55 1234 5678", "+525512345678"),
            ("+525512345678", "+525512345678"),
            ("+541123456789", "+5491123456789"),
            ("+54 9 11 2345-6789", "+5491123456789"),
            ("+54 11 15 2345-6789", "+5491123456789"),
            ("+54 011 15 2345-6789", "+5491123456789"),
            ("+54 800 555 1234", "+548005551234"),
            ("+22507139912", "+2250707139912"),
            ("+229 97 12 34 56", "+2290197123456"),
            ("+241 07 28 01 50", "+24177280150"),
            ("+84 169 123 4567", "+84391234567"),
        ] {
            assert_eq!(e164(text).as_deref(), Some(canonical), "{text}");
            assert_eq!(e164(canonical).as_deref(), Some(canonical), "{canonical}");
        }
    }

    #[test]
    fn who_sits_behind_a_switchboard_is_another_line() {
        for text in [
            "+1 650 555 1234 ext 99",
            "+1 650 555 1234 Ext. 99",
            "+1 650 555 1234 extension: 99",
            "+1 650 555 1234x99",
            "+1 650 555 1234 #99",
            "+1 650 555 1234,99",
            "+1 650 555 1234,,99#",
            "+1 650 555 1234p99",
            "+1 650 555 1234 wwww99",
            "+16505551234;ext=99",
            "tel:+1-650-555-1234;ext=9-9",
            "+1 650 555 1234 ext ９９",
        ] {
            assert_eq!(e164(text).as_deref(), Some("+16505551234;ext=99"), "{text}");
        }
        assert_eq!(e164("tel:+16505551234;isub=0a").as_deref(), Some("+16505551234;isub=0a"));
        assert_eq!(e164("+16505551234;ext=099").as_deref(), Some("+16505551234;ext=099"), "every digit counts");
        assert_eq!(e164("+54 11 2345 6789 ext 5").as_deref(), Some("+5491123456789;ext=5"));
    }

    #[test]
    fn what_names_no_line_of_the_world_is_none() {
        for text in [
            "",
            "12345",
            "ACME",
            "0171 123456",
            "+",
            "+1",
            "++16505551234",
            "+0016505551234",
            "+1-800-FLOWERS",
            "+1 650 555 1234 or +49 171 1234567",
            "+1 650 555 1234 ext",
            "+1 650 555 1234 ext 5 ext 6",
            "+16505551234;ext=5;ext=6",
            "+16505551234;isub=1;ext=6",
            "+16505551234;who=ever",
            "+16505551234;ext=1234567890123456",
            "tel:7042",
            "tel:7042;phone-context=example.com",
            "tel:+16505551234;phone-context=+1",
            "tel:%ZZ",
            "+5551234",
            "+1 555 1234",
            "+999123456789",
            "sip:+16505551234@example.com",
            "+1②650555123",
            "+16505551234\0",
            "+1650\u{0}5551234",
            "\0+16505551234",
            "+16505551234\u{fffd}",
            "+16505551234\u{b}",
            "+16505551234\u{85}",
            "+16505551234;ext=5\u{c}",
            "+16505551234 ext 5\0",
        ] {
            assert_eq!(e164(text), None, "{text}");
        }
    }

    #[test]
    fn a_service_is_nobodys_number() {
        for number in ["+18005551234", "+19005551234", "+498001234567", "+449098790000"] {
            let canonical = e164(number).unwrap();
            assert!(is_service(&canonical), "{number}");
        }
        for number in ["+16505551234", "+5491123456789", "+2250707139912", "+442079460958", "+16505551234;ext=5"] {
            assert!(!is_service(number), "{number}");
        }
    }
}
