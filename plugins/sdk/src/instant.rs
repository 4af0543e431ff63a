//! Instants as RFC 3339 writes them.

/// The last year that every store of an instant takes.
const YEAR_MAX: i64 = 9999;
const DAY_SECONDS: i64 = 86_400;

/// Milliseconds since 1970 of an RFC 3339 text with any number of decimals; without a zone it is UTC. None for another
/// text and for a time before 1970.
pub fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    let (date, rest) = (text.get(..10)?, text.get(10..)?);
    let [year, month, day] = numbers(date, '-')?;
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let zone_at = rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len());
    let (clock, zone) = rest.split_at(zone_at);
    let (clock, decimals) = clock.split_once('.').unwrap_or((clock, ""));
    let [hour, minute, second] = numbers(clock.trim_end(), ':')?;
    let is_real = (1970..=YEAR_MAX).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !is_real || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = days(year, month, day) * DAY_SECONDS + hour * 3600 + minute * 60 + second - offset(zone)?;
    Some(u64::try_from(seconds).ok()? * 1000 + thousandths(decimals))
}

/// Milliseconds since 1970 as RFC 3339 in UTC, to the second.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn written(ms: u64) -> String {
    let seconds = ms / 1000;
    let (mut day, second) = (seconds / 86_400, seconds % 86_400);
    // Whole cycles of 400 years, then years and months one by one.
    let mut year = 1970 + 400 * (day / 146_097);
    day %= 146_097;
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    while day >= 365 + u64::from(is_leap(year)) {
        day -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let mut month = 1;
    for length in [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if day < length {
            break;
        }
        day -= length;
        month += 1;
    }
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!("{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{:02}Z", day + 1, second % 60)
}

/// Three numbers without a sign.
fn numbers(text: &str, separator: char) -> Option<[i64; 3]> {
    let mut parts = text.split(separator).map(|part| {
        let is_number = (1..=4).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| part.parse().ok())?
    });
    let found = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(found)
}

/// Days since 1970 in the Gregorian calendar: years are counted from March, so that the leap day is the last one.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month > 2 { year } else { year - 1 };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
}

/// Seconds that a zone is ahead of UTC: `Z`, `+01:00`, `-0700`, `+00`, or nothing.
fn offset(zone: &str) -> Option<i64> {
    if matches!(zone, "" | "Z" | "z") {
        return Some(0);
    }
    let (sign, digits) = zone.strip_prefix('-').map_or((1, zone.strip_prefix('+')), |digits| (-1, Some(digits)));
    let digits = digits?.replacen(':', "", 1);
    if !matches!(digits.len(), 2 | 4) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes) = digits.split_at(2);
    let minutes = minutes.parse::<i64>().unwrap_or(0);
    (minutes < 60).then_some(sign * (hours.parse::<i64>().ok()? * 3600 + minutes * 60))
}

/// The first three digits of a fraction.
fn thousandths(decimals: &str) -> u64 {
    let digits = decimals.bytes().take_while(u8::is_ascii_digit).chain(std::iter::repeat(b'0'));
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
            "2026-01-01 00:00:00 +0000",
            "2026-01-01T01:00:00+01:00",
            "2025-12-31T17:00:00.0000001-0700",
            "2026-01-01T00:00:00",
        ] {
            assert_eq!(parse(text), Some(1_767_225_600_000), "{text}");
        }
        assert_eq!(parse("2026-01-01T00:00:00.237999999Z"), Some(1_767_225_600_237));
        assert_eq!(parse("2024-02-29T23:59:59Z"), Some(1_709_251_199_000));
        assert_eq!(parse("1970-01-01T00:00:00Z"), Some(0));
    }

    #[test]
    fn an_instant_is_written_as_it_is_read() {
        for ms in [0, 951_782_400_000, 1_709_251_199_000, 1_767_225_600_000, 4_107_542_399_000, 32_503_680_000_000] {
            assert_eq!(parse(&written(ms)), Some(ms), "{}", written(ms));
        }
        assert_eq!(written(1_790_668_801_999), "2026-09-29T08:00:01Z");
    }

    #[test]
    fn what_is_no_instant_is_none() {
        for text in [
            "",
            "yesterday",
            "0001-01-01T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-01",
            "2026-01-01T25:00:00Z",
            "2026-01-01T00:00:00+9",
            "2026-01-01T00:00:00+01:99",
            "2026-01-01T00:00:00Z{",
            "2026-01-01T00:00:00+1x:00",
            "1970-01-01T00:00:00+01:00",
            "é026-01-01T00:00:00Z",
            "2026-01-0éT00:00:00Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
