//! Instants as providers and mail write them.

use mail_parser::DateTime;
use rapport_sdk::instant;

/// The last year that every store of an instant takes.
const YEAR_MAX: u16 = 9999;
/// Minutes of the farthest zones from UTC: Line Islands, +14:00.
const ZONE_MINUTES_MAX: i64 = 14 * 60;
/// Words of a date that are looked at.
const WORDS_MAX: usize = 40;
/// How far a sender's clock may be ahead of the server that wrote the trace: clocks drift, and zones are not crossed here.
const AHEAD_MS_MAX: u64 = 60 * 60 * 1000;
/// How old a mail may be when it arrives. Servers give up after five days (RFC 5321, section 4.5.4.1); a telephone that
/// was off sends a few weeks later; more is a clock that was reset, or an old mail that was sent again.
const AGE_MS_MAX: u64 = 30 * 24 * 60 * 60 * 1000;

/// An instant, and whether its zone could be read. Without one it is taken for UTC.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dated {
    pub ms: u64,
    pub has_zone: bool,
}

/// Milliseconds since 1970 of an RFC 3339 text, or of a date as mail has it.
pub fn parse(text: &str) -> Option<u64> {
    dated(text).map(|dated| dated.ms)
}

/// Like [`parse`], and whether the zone is known.
pub fn dated(text: &str) -> Option<Dated> {
    let text = text.trim();
    match instant::parse(text) {
        Some(ms) => Some(Dated { ms, has_zone: ends_in_zone(text) }),
        None => Words::of(text).dated(),
    }
}

/// Whether an instant of RFC 3339 says its offset: some programs leave it out.
fn ends_in_zone(text: &str) -> bool {
    let clock = text.get("2026-01-01T".len()..).unwrap_or_default();
    clock.ends_with(['Z', 'z']) || clock.contains(['+', '-'])
}

/// When a mail was sent: by the sender's clock, unless the trace of the servers (`Received`) shows that this one is wrong,
/// or its zone cannot be read.
pub fn of_mail(date: Option<Dated>, trace: Option<u64>) -> Option<u64> {
    let (Some(date), Some(trace)) = (date, trace) else { return date.map(|date| date.ms).or(trace) };
    let is_ahead = date.ms > trace.saturating_add(AHEAD_MS_MAX);
    let is_old = date.ms.saturating_add(AGE_MS_MAX) < trace;
    Some(if is_ahead || is_old || !date.has_zone { trace } else { date.ms })
}

/// What the words of a date say, in whatever order they stand.
#[derive(Default)]
struct Words {
    day: Option<u8>,
    month: Option<u8>,
    year: Option<u16>,
    clock: Option<(u8, u8, u8)>,
    is_late: Option<bool>,
    zone: Option<i64>,
    /// A name of a zone that several countries use for their own.
    has_doubtful_zone: bool,
}

impl Words {
    fn of(text: &str) -> Self {
        let mut words = Words::default();
        let (outside, inside) = without_comments(text);
        for word in
            outside.split([' ', '\t', ',', '\u{a0}', '\u{202f}']).filter(|word| !word.is_empty()).take(WORDS_MAX)
        {
            words.take(word);
        }
        // `(CEST)` behind a date that has no zone of its own.
        if words.zone.is_none() {
            inside.split_whitespace().take(WORDS_MAX).for_each(|word| words.zone = words.zone.or(zone(word)));
        }
        words
    }

    fn take(&mut self, word: &str) {
        let lower = word.to_lowercase();
        if self.clock.is_none() && self.take_clock(&lower) || self.take_calendar(&lower) {
            return;
        }
        if let Some(minutes) = zone(word) {
            self.zone = self.zone.or(Some(minutes));
        } else if DOUBTFUL_ZONES.contains(&word) {
            self.has_doubtful_zone = true;
        } else if let Some(is_late) = half_of_day(&lower) {
            self.is_late = Some(is_late);
        } else if let Some(month) = month(&lower) {
            // `mar. 29 sept. 2026`: the day of the week stands in front.
            self.month = Some(month);
        }
    }

    /// `16:43:46`, without seconds, with a half of the day or a zone right behind it.
    fn take_clock(&mut self, word: &str) -> bool {
        let end = word.find(|sign: char| !(sign.is_ascii_digit() || sign == ':')).unwrap_or(word.len());
        let (clock, rest) = word.split_at(end);
        let numbers: Option<Vec<u8>> = clock.split(':').map(|number| number.parse().ok()).collect();
        let (hour, minute, second) = match numbers.as_deref() {
            Some([hour, minute]) => (*hour, *minute, 0),
            Some([hour, minute, second]) => (*hour, *minute, (*second).min(59)),
            _ => return false,
        };
        self.clock = Some((hour, minute, second));
        let rest =
            rest.strip_prefix('.').map_or(rest, |rest| rest.trim_start_matches(|sign: char| sign.is_ascii_digit()));
        self.is_late = half_of_day(rest).or(self.is_late);
        self.zone = zone(rest).or(self.zone);
        true
    }

    /// A number, or a date in numbers.
    fn take_calendar(&mut self, word: &str) -> bool {
        let numbers: Vec<&str> =
            word.split(|sign: char| !sign.is_ascii_digit()).filter(|part| !part.is_empty()).collect();
        let number = |text: &str| text.parse::<u16>().ok();
        let small = |text: &str| number(text).and_then(|number| u8::try_from(number).ok());
        match numbers.as_slice() {
            _ if !word.starts_with(|sign: char| sign.is_ascii_digit()) => false,
            // `2026-10-01`, `2026/10/1`, `2026年10月1日`; the rest of it may be a time behind a `T`.
            [year, month, day, ..] if year.len() == 4 => {
                (self.year, self.month, self.day) = (number(year), small(month), small(day));
                if let Some((_, clock)) = word.split_once('t').filter(|_| self.clock.is_none()) {
                    self.take_clock(clock);
                }
                true
            }
            // `01.10.2026`; `01/10/2026` is another day in another country, unless it can only be one.
            [first, second, year] if year.len() == 4 => {
                let (first, second) = (small(first), small(second));
                let is_american = second.is_some_and(|second| second > 12);
                let is_clear = word.contains('.') || first.is_some_and(|first| first > 12) || is_american;
                let (day, month) = if is_american { (second, first) } else { (first, second) };
                if is_clear {
                    (self.year, self.month, self.day) = (number(year), month, day);
                }
                true
            }
            // `01-Oct-2026`
            [day, year] if word.contains('-') && word.contains(|sign: char| sign.is_alphabetic()) => {
                let name = word.split('-').nth(1).unwrap_or_default();
                (self.day, self.month) = (small(day), month(name));
                self.year = full_year(year);
                true
            }
            [one] => {
                let is_year = one.len() > 2 || self.day.is_some();
                if is_year {
                    self.year = self.year.or_else(|| full_year(one))
                } else {
                    self.day = small(one)
                }
                true
            }
            _ => false,
        }
    }

    fn dated(self) -> Option<Dated> {
        let mut date = DateTime::from_timestamp(0);
        (date.year, date.month, date.day) = (self.year?, self.month?, self.day?);
        (date.hour, date.minute, date.second) = self.clock?;
        if let Some(is_late) = self.is_late {
            date.hour = date.hour % 12 + if is_late { 12 } else { 0 };
        }
        let ms = of(&date)?.checked_add_signed(-self.zone.unwrap_or(0) * 60_000)?;
        Some(Dated { ms, has_zone: self.zone.is_some() && !self.has_doubtful_zone })
    }
}

/// What stands outside of round brackets, and what inside.
fn without_comments(text: &str) -> (String, String) {
    let (mut outside, mut inside, mut depth) = (String::new(), String::new(), 0_usize);
    for sign in text.chars() {
        match sign {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth == 0 => outside.push(sign),
            _ => inside.push(sign),
        }
        if matches!(sign, '(' | ')') {
            outside.push(' ');
            inside.push(' ');
        }
    }
    (outside, inside)
}

/// A year of two digits (RFC 5322, section 4.3) or of all.
fn full_year(digits: &str) -> Option<u16> {
    let year: u16 = digits.parse().ok()?;
    match digits.len() {
        2 if year < 50 => Some(2000 + year),
        2 | 3 => Some(1900 + year),
        _ => Some(year),
    }
}

/// Names of zones, in minutes from UTC. RFC 5322, section 4.3, and the abbreviations of the IANA time zone database that
/// mean one offset only. Single letters but `Z` say nothing (RFC 5322).
const ZONES: &[(&str, i64)] = &[
    ("Z", 0),
    ("UT", 0),
    ("UTC", 0),
    ("GMT", 0),
    ("WET", 0),
    ("EST", -300),
    ("EDT", -240),
    ("CST", -360),
    ("CDT", -300),
    ("MST", -420),
    ("MDT", -360),
    ("PST", -480),
    ("PDT", -420),
    ("AKST", -540),
    ("AKDT", -480),
    ("HST", -600),
    ("AST", -240),
    ("ADT", -180),
    ("NST", -210),
    ("NDT", -150),
    ("BRT", -180),
    ("ART", -180),
    ("CLT", -240),
    ("COT", -300),
    ("PET", -300),
    ("VET", -240),
    ("BST", 60),
    ("WEST", 60),
    ("CET", 60),
    ("MET", 60),
    ("MEZ", 60),
    ("CEST", 120),
    ("MEST", 120),
    ("MESZ", 120),
    ("EET", 120),
    ("SAST", 120),
    ("CAT", 120),
    ("EEST", 180),
    ("MSK", 180),
    ("EAT", 180),
    ("TRT", 180),
    ("MSD", 240),
    ("PKT", 300),
    ("WIB", 420),
    ("ICT", 420),
    ("HKT", 480),
    ("SGT", 480),
    ("PHT", 480),
    ("AWST", 480),
    ("JST", 540),
    ("KST", 540),
    ("ACST", 570),
    ("AEST", 600),
    ("AEDT", 660),
    ("NZST", 720),
    ("NZDT", 780),
];

/// India, Ireland and Israel; the Gulf and others.
const DOUBTFUL_ZONES: &[&str] = &["IST", "GST", "AMT", "PYT", "ECT"];

/// Minutes of `+0200`, `+02:00`, `GMT+2`, `UTC-05:30`, `CEST`.
fn zone(word: &str) -> Option<i64> {
    let upper = word.trim_end_matches('.').to_ascii_uppercase();
    if let Some((_, minutes)) = ZONES.iter().find(|(name, _)| *name == upper) {
        return Some(*minutes);
    }
    let offset = ["GMT", "UTC", "UT"].iter().find_map(|name| upper.strip_prefix(name)).unwrap_or(&upper);
    let sign = match offset.chars().next()? {
        '+' => 1,
        '-' | '\u{2212}' | '\u{2013}' => -1,
        _ => return None,
    };
    let digits: String = offset.chars().skip(1).filter(|sign| *sign != ':').collect();
    let is_number = (1..=4).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number: i64 = digits.parse().ok().filter(|_| is_number)?;
    let (hours, minutes) = if digits.len() > 2 { (number / 100, number % 100) } else { (number, 0) };
    let total = hours * 60 + minutes;
    (minutes < 60 && total <= ZONE_MINUTES_MAX).then_some(sign * total)
}

/// Whether a word says that the hours are those after noon.
fn half_of_day(word: &str) -> Option<bool> {
    const EARLY: &[&str] = &["am", "a.m.", "a.m", "π.μ.", "上午", "午前", "오전", "sa", "ق.ظ"];
    const LATE: &[&str] = &["pm", "p.m.", "p.m", "μ.μ.", "下午", "午後", "오후", "ch", "ب.ظ"];
    if EARLY.contains(&word) { Some(false) } else { LATE.contains(&word).then_some(true) }
}

/// How the months' names begin: English, German, French, Spanish, Italian, Portuguese, Dutch, Scandinavian, Finnish,
/// Polish, Czech, Hungarian, Romanian, Turkish, Indonesian, Greek, Russian, Ukrainian. Source: Unicode CLDR. The names of
/// other Slavic languages are those of a neighbour's other months, so that such a date is not read.
const MONTHS: [&[&str]; 12] = [
    &["jan", "jän", "janv", "ene", "gen", "tammi", "sty", "led", "ian", "oca", "ιαν", "янв", "січ"],
    &["feb", "fév", "fev", "helmi", "lut", "úno", "şub", "φεβ", "фев", "лют"],
    &["mar", "mär", "mrz", "mrt", "maart", "maalis", "bře", "már", "μαρ", "мар", "бер"],
    &["apr", "avr", "abr", "huhti", "kwi", "dub", "ápr", "nis", "απρ", "апр", "кві"],
    &["may", "mai", "mag", "maj", "mei", "touko", "kvě", "máj", "μαΐ", "μαΪ", "μάι", "май", "мая", "тра"],
    &["jun", "juin", "giu", "kesä", "cze", "čer", "čvn", "jún", "iun", "haz", "ιου", "июн", "чер"],
    &["jul", "juil", "lug", "heinä", "lip", "čvc", "júl", "iul", "tem", "ιούλ", "ιουλ", "июл", "лип"],
    &["aug", "aoû", "aou", "ago", "elo", "sie", "srp", "ağu", "agu", "agt", "αυγ", "авг", "сер"],
    &["sep", "set", "syys", "wrz", "zář", "sze", "eyl", "σεπ", "сен", "вер"],
    &["oct", "okt", "out", "ott", "loka", "paź", "říj", "eki", "οκτ", "окт", "жов"],
    &["nov", "marras", "lis", "kas", "νοε", "ноя", "лис"],
    &["dec", "dez", "déc", "dic", "des", "joulu", "gru", "pro", "ara", "δεκ", "дек", "гру"],
];

/// The month that a word in lower case names. Of two beginnings the longer one counts: `giu` and `mar`, `marras`.
fn month(word: &str) -> Option<u8> {
    let best = |names: &&[&str]| names.iter().filter(|name| word.starts_with(**name)).map(|name| name.len()).max();
    let found = MONTHS.iter().enumerate().filter_map(|(at, names)| Some((best(names)?, at)));
    let (_, at) = found.max_by_key(|(length, _)| *length)?;
    u8::try_from(at + 1).ok()
}

/// Milliseconds since 1970; none for a date that no calendar has, and before 1970.
fn of(date: &DateTime) -> Option<u64> {
    let days = match date.month {
        2 if date.year.is_multiple_of(4) && (!date.year.is_multiple_of(100) || date.year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let is_usable = date.is_valid() && date.day <= days && date.year <= YEAR_MAX;
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
            "2026-01-01 01:00:00 +0100",
            "2026-01-01T01:00:00+0100",
            "Thu, 1 Jan 2026 00:00:00 +0000",
            "Thu, 01 Jan 2026 01:00:00 +0100 (CET)",
            "Thu, 1 Jan 2026 00:00:00 GMT",
            "Thu, 1 Jan 2026 00:00:00 UTC",
            "Wed, 31 Dec 2025 16:00:00 PST",
            "1 Jan 2026 00:00:00 +00:00",
            "Thu, 1 January 2026 01:00:00 +0100",
            "Thu 1 Jan 26 01:00 +0100",
            "Thu,1 Jan 2026 01:00:00+0100",
            "Wednesday, December 31, 2025 5:00:00 PM -0700",
            "Thu Jan 01 2026 02:00:00 GMT+0200 (CEST)",
            "Thu Jan 01 2026 02:00:00 GMT+0200 (Central European Summer Time)",
            "Thu, 1 Jan 2026 02:00:00 UTC+2",
            "Thu Jan  1 01:00:00 CET 2026",
            "Thu, 1 Jan 2026 01:00:00 (CET)",
            "01-Jan-2026 01:00:00 +0100",
            "01.01.2026 01:00:00 +0100",
            "jeu. 1 janv. 2026 01:00:00 +0100",
            "Do, 1 Jän 2026 01:00:00 +0100",
            "чт, 1 янв. 2026 03:00:00 MSK",
            "2026年1月1日 09:00:00 +0900",
            "Thu, 1 Jan 2026 05:30:00 +0530",
        ] {
            assert_eq!(dated(text), Some(Dated { ms: 1_767_225_600_000, has_zone: true }), "{text}");
        }
        for text in [
            "Thursday, January 1, 2026 12:00 AM",
            "Thu Jan  1 00:00:00 2026",
            "Thu, 1 Jan 2026 00:00:00",
            "Thu, 1 Jan 2026 00:00:00 XYZ",
            "Thu, 1 Jan 2026 00:00:00 Q",
            "Thu, 1 Jan 2026 00:00:00 +9900",
            "Thu, 1 Jan 2026 00:00:00 IST",
            "Thu, 1 Jan 2026 00:00:00 Europe/Paris",
            "2026-01-01 00:00:00",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00.000",
            "2026-01-01T00:00",
        ] {
            assert_eq!(dated(text), Some(Dated { ms: 1_767_225_600_000, has_zone: false }), "{text}");
        }
        assert_eq!(parse("2026-01-01T00:00:00.237Z"), Some(1_767_225_600_237));
        assert_eq!(parse("2012-05-25T14:59:38.6-07:00"), Some(1_337_983_178_600));
        assert_eq!(parse("mar. 29 sept. 2026 10:00:00 +0200"), parse("Tue, 29 Sep 2026 08:00:00 +0000"));
        for text in [
            "",
            "yesterday",
            "1969-01-01T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "Mon, 99 Foo 2026 00:00:00 +0000",
            "01/02/2026 10:00",
            "Thu, 30 Feb 2026 00:00:00 +0000",
            "Thu, 1 Jan 2026 25:00:00 +0000",
            "10:00",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_trace_counts_where_the_senders_clock_cannot() {
        const DAY: u64 = 24 * 60 * 60 * 1000;
        const NOW: u64 = 1_790_000_000_000;
        let zoned = |ms| Some(Dated { ms, has_zone: true });
        for (date, trace, expected) in [
            (zoned(NOW), Some(NOW + 5_000), Some(NOW)),
            (zoned(NOW), None, Some(NOW)),
            (None, Some(NOW), Some(NOW)),
            (None, None, None),
            (zoned(4_070_908_800_000), Some(NOW), Some(NOW)),
            (zoned(NOW + AHEAD_MS_MAX), Some(NOW), Some(NOW + AHEAD_MS_MAX)),
            (zoned(0), Some(NOW), Some(NOW)),
            (zoned(NOW - 4 * DAY), Some(NOW), Some(NOW - 4 * DAY)),
            (Some(Dated { ms: NOW - DAY / 12, has_zone: false }), Some(NOW), Some(NOW)),
            (Some(Dated { ms: NOW, has_zone: false }), None, Some(NOW)),
        ] {
            assert_eq!(of_mail(date, trace), expected, "{date:?} {trace:?}");
        }
    }
}
