//! Instants as providers and mail write them.

use mail_parser::DateTime;

/// The last year that every store of an instant takes.
const YEAR_MAX: u16 = 9999;

/// Milliseconds since 1970 of an RFC 3339 text, with any number of decimals, or of an RFC 5322 date.
pub fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    match DateTime::parse_rfc3339(text).filter(|_| text.as_bytes().get(4) == Some(&b'-')) {
        Some(found) => Some(of(&found)? + decimals(text)),
        // Without an end of line the reader of dates does not know that the zone is complete.
        None => of(&DateTime::parse_rfc822(&format!("{text}\n"))?),
    }
}

/// Milliseconds since 1970; none for a date that no calendar has, and before 1970.
pub fn of(date: &DateTime) -> Option<u64> {
    let is_usable = date.is_valid() && date.year <= YEAR_MAX;
    let seconds = is_usable.then(|| date.to_timestamp())?;
    u64::try_from(seconds).ok()?.checked_mul(1000)
}

/// The milliseconds behind the decimal point.
fn decimals(text: &str) -> u64 {
    let Some((_, rest)) = text.split_once('.') else { return 0 };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).chain(std::iter::repeat(b'0'));
    digits.take(3).fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_an_instant_is_the_same_number() {
        for text in [
            "2026-01-01T00:00:00Z",
            "2026-01-01T00:00:00.000Z",
            "2026-01-01T00:00:00.0000000Z",
            "2026-01-01T01:00:00+01:00",
            "2025-12-31T17:00:00-07:00",
            "Thu, 1 Jan 2026 00:00:00 +0000",
            "Thu, 01 Jan 2026 01:00:00 +0100 (CET)",
            "Thu, 1 Jan 2026 00:00:00 GMT",
            "Thu, 1 Jan 2026 00:00:00 UTC",
            "Wed, 31 Dec 2025 16:00:00 PST",
            "1 Jan 2026 00:00:00 +00:00",
        ] {
            assert_eq!(parse(text), Some(1_767_225_600_000), "{text}");
        }
        assert_eq!(parse("2026-01-01T00:00:00.237Z"), Some(1_767_225_600_237));
        assert_eq!(parse("2012-05-25T14:59:38.6-07:00"), Some(1_337_983_178_600));
        for text in ["", "yesterday", "1969-01-01T00:00:00Z", "2026-13-01T00:00:00Z", "Mon, 99 Foo 2026 00:00:00 +0000"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
