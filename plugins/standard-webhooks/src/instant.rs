//! Instants as senders write them: RFC 3339, which the specification recommends for `timestamp`.

/// Milliseconds since 1970 of `2026-09-29T08:00:00Z`, with or without a fraction, an offset or a time of the day. One
/// without an offset is taken for UTC. None before 1970, and for anything else.
pub fn parse(text: &str) -> Option<u64> {
    let (date, time) = text.split_at_checked(10)?;
    let mut parts = date.split('-');
    let (year, month, day) = (number(parts.next()?)?, number(parts.next()?)?, number(parts.next()?)?);
    let is_date = parts.next().is_none() && (1..=12).contains(&month) && (1..=31).contains(&day);
    let (clock, zone) = match time.strip_prefix(['T', 't', ' ']) {
        Some(time) => time.split_at(time.find(['Z', 'z', '+', '-']).unwrap_or(time.len())),
        None if time.is_empty() => ("00:00", ""),
        None => return None,
    };
    let ms = days(year, month, day) * 86_400_000 + clock_ms(clock)? - offset_ms(zone)?;
    u64::try_from(ms).ok().filter(|_| is_date)
}

/// Days since 1970 of a date of the Gregorian calendar; years begin in March, so that a leap day is the last of one.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let of_year = (153 * month + 2) / 5 + day - 1;
    365 * year + year / 4 - year / 100 + year / 400 + of_year - 719_468
}

/// Milliseconds since midnight of `hh:mm`, `hh:mm:ss` or `hh:mm:ss.fraction`.
fn clock_ms(clock: &str) -> Option<i64> {
    let (whole, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut parts = whole.split(':');
    let (hours, minutes) = (number(parts.next()?)?, number(parts.next()?)?);
    let seconds = parts.next().map_or(Some(0), number)?;
    let thousandths = format!("{fraction:0<3}");
    let ms = number(thousandths.get(..3)?)?;
    let is_time = parts.next().is_none() && hours < 24 && minutes < 60 && seconds < 61;
    is_time.then(|| ((hours * 60 + minutes) * 60 + seconds) * 1000 + ms)
}

/// Milliseconds ahead of UTC of `Z`, `+hh:mm`, `+hhmm` or nothing.
fn offset_ms(zone: &str) -> Option<i64> {
    let Some(digits) = zone.strip_prefix(['+', '-']) else {
        return (zone.is_empty() || zone.eq_ignore_ascii_case("z")).then_some(0);
    };
    let digits = digits.replace(':', "");
    let (hours, minutes) = (number(digits.get(..2)?)?, number(digits.get(2..4)?)?);
    let ms = (hours * 60 + minutes) * 60_000;
    (digits.len() == 4).then_some(if zone.starts_with('-') { -ms } else { ms })
}

fn number(digits: &str) -> Option<i64> {
    let is_number = !digits.is_empty() && digits.len() <= 4 && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_in_every_usual_spelling() {
        let cases = [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2026-09-29T08:00:00Z", Some(1_790_668_800_000)),
            ("2026-09-29T10:00:00.123456+02:00", Some(1_790_668_800_123)),
            ("2026-09-29 03:00:00.5-0500", Some(1_790_668_800_500)),
            ("2026-09-29t08:00z", Some(1_790_668_800_000)),
            ("2026-09-29", Some(1_790_640_000_000)),
            ("2024-02-29T23:59:60Z", Some(1_709_251_200_000)),
            ("1969-12-31T23:59:59Z", None),
            ("2026-13-01T00:00:00Z", None),
            ("2026-09-29T24:00:00Z", None),
            ("2026-09-29T08:00:00+2", None),
            ("2026-09-29T08:00:00 UTC", None),
            ("2026-9-29T08:00:00Z", None),
            ("29.09.2026", None),
            ("é2026-09-29", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
