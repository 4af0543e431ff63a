//! Instants as providers and mail write them.

use mail_parser::DateTime;
use rapport_sdk::instant;

/// The last year that every store of an instant takes.
const YEAR_MAX: u16 = 9999;

/// Milliseconds since 1970 of an RFC 3339 text, or of an RFC 5322 date.
pub fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    // Without an end of line the reader of dates does not know that the zone is complete.
    let rfc_5322 = || DateTime::parse_rfc822(&format!("{text}\n")).as_ref().and_then(of);
    instant::parse(text).or_else(rfc_5322).or_else(|| loose(text))
}

/// A date in another order, with its month in full, with `PM`, or without a zone, which is then taken for UTC.
fn loose(text: &str) -> Option<u64> {
    const MONTHS: &[&str] = &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let mut date = DateTime::from_timestamp(0);
    let (mut days, mut years, mut month, mut time, mut zone_minutes) = (None, None, None, None, 0);
    let mut is_late = None;
    for word in text.split([' ', '\t', ',']).filter(|word| !word.is_empty()) {
        let lower = word.to_ascii_lowercase();
        let named = lower.get(..3).and_then(|name| MONTHS.iter().position(|month| *month == name));
        match word.parse::<i64>() {
            Ok(zone) if word.len() == 5 && word.starts_with(['+', '-']) => zone_minutes = zone / 100 * 60 + zone % 100,
            Ok(number) if number > 31 => years = u16::try_from(number).ok(),
            Ok(number) => days = days.or(u8::try_from(number).ok()),
            Err(_) if named.is_some() => month = month.or(named),
            Err(_) if lower == "am" || lower == "pm" => is_late = Some(lower == "pm"),
            Err(_) if word.contains(':') => time = clock(word),
            Err(_) => {}
        }
    }
    (date.year, date.month, date.day) = (years?, u8::try_from(month? + 1).ok()?, days?);
    (date.hour, date.minute, date.second) = time?;
    if let Some(is_late) = is_late {
        date.hour = date.hour % 12 + if is_late { 12 } else { 0 };
    }
    of(&date)?.checked_add_signed(-zone_minutes * 60_000)
}

/// `16:43:46`, or without seconds.
fn clock(word: &str) -> Option<(u8, u8, u8)> {
    let mut numbers = word.split(':').map(|number| number.parse::<u8>().ok());
    let (hour, minute) = (numbers.next()??, numbers.next()??);
    Some((hour, minute, numbers.next().unwrap_or(Some(0))?))
}

/// Milliseconds since 1970; none for a date that no calendar has, and before 1970.
pub fn of(date: &DateTime) -> Option<u64> {
    let is_usable = date.is_valid() && date.year <= YEAR_MAX;
    let seconds = is_usable.then(|| date.to_timestamp())?;
    u64::try_from(seconds).ok()?.checked_mul(1000)
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
            "Thu, 1 January 2026 01:00:00 +0100",
            "Wednesday, December 31, 2025 5:00:00 PM -0700",
            "Thursday, January 1, 2026 12:00 AM",
            "Thu Jan  1 00:00:00 2026",
            "Thu, 1 Jan 2026 00:00:00",
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
