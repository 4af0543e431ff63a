//! When something happened, by the provider's clock, where the provider says it.

use crate::payload::Fields;

type Reader = fn(&str) -> Option<u64>;

/// The fields that say when a message was received, the most exact first.
///
/// The form of an incoming message has none of them; a CloudEvent has the first and, around it, the last.
pub const OF_MESSAGE: &[(&str, Reader)] = &[
    ("Timestamp", parse),
    ("DateSent", parse),
    ("DateCreated", parse),
    // `time` of the CloudEvent.
    ("Time", parse),
];

/// The fields that say when a status was reached, the most exact first.
pub const OF_STATUS: &[(&str, Reader)] = &[
    ("Timestamp", parse),
    ("Time", parse),
    ("DateUpdated", parse),
    // The minute in the carrier's receipt, as the carrier wrote it.
    ("RawDlrDoneDate", carrier_minute),
];

/// Milliseconds since 1970 by Twilio's clock, or 0 where Twilio says no time: then the host takes the time when it first
/// saw the event's id, so a redelivery is the same event.
pub fn at(fields: &Fields, clocks: &[(&str, Reader)]) -> u64 {
    clocks.iter().find_map(|(name, read)| read(fields.id(name)?)).unwrap_or(0)
}

/// RFC 3339 (`2025-01-01T00:00:00.000Z`), RFC 2822 (`Wed, 01 Jan 2025 00:00:00 +0000`), or seconds or milliseconds.
pub fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        let number: u64 = text.parse().ok()?;
        let is_seconds = (number as f64) < rapport_sdk::lenient::SECONDS_BELOW;
        return if is_seconds { number.checked_mul(1000) } else { Some(number) };
    }
    rfc_3339(text).or_else(|| rfc_2822(text))
}

fn rfc_3339(text: &str) -> Option<u64> {
    let (date, time) = text.split_at_checked(10)?;
    let mut parts = date.split('-').map(number);
    let day = Day { year: parts.next()??, month: parts.next()??, day: parts.next()?? };
    let time = time.strip_prefix(['T', 't', ' '])?;
    let (clock, zone) = time.split_at(time.find(['Z', 'z', '+', '-']).unwrap_or(time.len()));
    instant(&day, clock_ms(clock)?, zone_ms(zone)?)
}

fn rfc_2822(text: &str) -> Option<u64> {
    let text = text.split_once(',').map_or(text, |(_, rest)| rest);
    let mut words = text.split_ascii_whitespace();
    let (day, month, year) = (number(words.next()?)?, words.next()?, number(words.next()?)?);
    let month = 1 + MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month))? as i64;
    let clock = clock_ms(words.next()?)?;
    instant(&Day { year, month, day }, clock, zone_ms(words.next().unwrap_or_default())?)
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `YYMMDDhhmm`, sometimes with seconds. Taken for UTC: carriers do not say.
fn carrier_minute(text: &str) -> Option<u64> {
    let text = text.trim();
    if !matches!(text.len(), 10 | 12) {
        return None;
    }
    let pair = |place: usize| number(text.get(2 * place..2 * place + 2)?);
    let day = Day { year: 2000 + pair(0)?, month: pair(1)?, day: pair(2)? };
    let seconds = if text.len() == 12 { pair(5)? } else { 0 };
    let (hours, minutes) = (pair(3)?, pair(4)?);
    let is_time = hours < 24 && minutes < 60 && seconds < 61;
    is_time.then(|| instant(&day, ((hours * 60 + minutes) * 60 + seconds) * 1000, 0)).flatten()
}

/// Milliseconds since midnight of `hh:mm`, `hh:mm:ss` or `hh:mm:ss.fraction`.
fn clock_ms(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = whole.split(':').map(number);
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next().unwrap_or(Some(0))?);
    if parts.next().is_some() || hours > 23 || minutes > 59 || seconds > 60 {
        return None;
    }
    let milliseconds = match fraction.get(..fraction.len().min(3))? {
        "" => 0,
        digits => number(digits)? * 10_i64.pow(3 - digits.len() as u32),
    };
    Some(((hours * 60 + minutes) * 60 + seconds) * 1000 + milliseconds)
}

/// Milliseconds to take off: `Z`, `GMT`, `+00:00`, `-0700`, or nothing, which is UTC.
fn zone_ms(text: &str) -> Option<i64> {
    let (sign, digits) = match text.as_bytes().first() {
        Some(b'+') => (1, &text[1..]),
        Some(b'-') => (-1, &text[1..]),
        _ => return matches!(text, "" | "Z" | "z" | "GMT" | "UTC" | "UT").then_some(0),
    };
    let digits = digits.replace(':', "");
    let (hours, minutes) = digits.split_at_checked(2)?;
    Some(sign * (number(hours)? * 60 + number(minutes)?) * 60_000)
}

struct Day {
    year: i64,
    month: i64,
    day: i64,
}

fn instant(day: &Day, clock_ms: i64, zone_ms: i64) -> Option<u64> {
    let is_day = (1970..=9999).contains(&day.year) && (1..=12).contains(&day.month) && (1..=31).contains(&day.day);
    let ms = days_since_1970(day) * 86_400_000 + clock_ms - zone_ms;
    if is_day { u64::try_from(ms).ok() } else { None }
}

/// Howard Hinnant's `days_from_civil`: years begin in March, so that the leap day is the last.
fn days_since_1970(date: &Day) -> i64 {
    let year = date.year - i64::from(date.month <= 2);
    let day_of_year = (153 * ((date.month + 9) % 12) + 2) / 5 + date.day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
}

/// A number of ASCII digits only: no sign, no space.
fn number(digits: &str) -> Option<i64> {
    let is_number = !digits.is_empty() && digits.len() <= 9 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_read_in_every_form_twilio_uses() {
        for (text, expected) in [
            ("2025-01-01T00:00:00.000Z", 1_735_689_600_000),
            ("2025-01-01T00:00:00Z", 1_735_689_600_000),
            ("2025-01-01 01:00:00.5+01:00", 1_735_689_600_500),
            ("2025-01-01T00:00:00.1239999Z", 1_735_689_600_123),
            ("2024-02-29T12:34:56-0700", 1_709_235_296_000),
            ("Wed, 01 Jan 2025 00:00:00 +0000", 1_735_689_600_000),
            ("1 jan 2025 00:00:00 GMT", 1_735_689_600_000),
            ("1970-01-01T00:00:00Z", 0),
            ("1735689600", 1_735_689_600_000),
            ("1735689600123", 1_735_689_600_123),
        ] {
            assert_eq!(parse(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_instant_is_none() {
        for text in [
            "",
            "soon",
            "2025-01-01",
            "2025-13-01T00:00:00Z",
            "2025-01-01T25:00:00Z",
            "2025-01-01T00:00:00é",
            "12:00",
            "1969-12-31T23:59:59Z",
            "2025-1-1T00:00:00Z",
            "Wed, 01 Foo 2025 00:00:00 +0000",
            "2025-01-01T00:00:00+é",
            "99999999999999999999",
            "2025-01-01T00:00:00.é",
            "é025-01-01T00:00:00Z",
            "-025-01-01T00:00:00Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_carriers_minute_is_no_count_of_seconds() {
        assert_eq!(carrier_minute("2501010000"), Some(1_735_689_600_000));
        assert_eq!(carrier_minute("250101000059"), Some(1_735_689_659_000));
        for text in ["", "2513010000", "2501012460", "25010100", "25010100ü0", "+501010000"] {
            assert_eq!(carrier_minute(text), None, "{text}");
        }
    }
}
