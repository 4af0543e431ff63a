//! What is new in a mail, and the mail that it answers or hands on.
//!
//! By lines, and by the words that mail programs write ([`languages`]). It errs on the side of keeping too much as new,
//! and throws nothing away: every line is in one of the two halves. What is handed on is what the customer wants read, so
//! it is new as a whole; so is what the customer wrote between and below the lines of somebody else.

use crate::languages::{self, Language};
use crate::subject::{self, Prefix};

/// A line before which [`markup`](crate::markup) knows that a mail begins which is answered or handed on. A
/// noncharacter of Unicode, so that no mail has it.
pub const START: char = '\u{fdd0}';
/// The same as `>` in front of a line, in what was HTML.
pub const QUOTE: char = '\u{fdd1}';

/// Lines that are looked at: nobody answers with a book, and each costs a look into all languages.
const LINES_MAX: usize = 20_000;
/// Lines over which a program may break an attribution.
const ATTRIBUTION_LINES_MAX: usize = 4;
/// Bytes of an attribution: a name, an address and a date.
const ATTRIBUTION_BYTES_MAX: usize = 400;
/// Lines of a head.
const HEAD_LINES_MAX: usize = 8;
/// Bytes of the name of a field in a head.
const FIELD_NAME_BYTES_MAX: usize = 40;
/// Outlook's rule has 32 of them.
const RULE_CHARS_MIN: usize = 20;

/// What is known of a mail besides its text.
#[derive(Clone, Copy)]
pub struct Context {
    /// It names another mail: `In-Reply-To` or `References`.
    pub has_parent: bool,
    pub prefix: Prefix,
}

impl Context {
    /// Whether it says of itself that it answers another mail.
    pub fn answers(self) -> bool {
        self.has_parent || self.prefix == Prefix::Reply
    }
}

/// A text in two.
#[derive(Debug, Default, PartialEq)]
pub struct Split {
    pub new: String,
    pub quoted: Option<String>,
    /// It hands on another mail, which is in `new`.
    pub is_forward: bool,
    /// There are lines of somebody else in it, in whichever half.
    pub has_quotes: bool,
}

/// Where lines of somebody else begin.
#[derive(Clone, Copy)]
enum Start {
    /// And end with the mail.
    Hard,
    /// And are marked, each of them: from this line on.
    Marked(usize),
}

/// [`split`] of a text that is no page, and may hold anything.
pub fn split_plain(text: &str, context: Context) -> Split {
    if text.contains([START, QUOTE]) { split(&text.replace([START, QUOTE], ""), context) } else { split(text, context) }
}

/// Parts what is new in a mail from what it answers.
pub fn split(text: &str, context: Context) -> Split {
    let lines: Vec<&str> = text.lines().collect();
    let looked_at = &lines[..lines.len().min(LINES_MAX)];
    let fields: Vec<Field> = looked_at.iter().map(|line| Field::of(line)).collect();
    let marker = looked_at.iter().position(|line| is_between_dashes(line, |language| language.forwarded, BY));
    if hands_on(looked_at, &fields, marker, context) {
        return Split { is_forward: true, has_quotes: true, ..whole(text) };
    }
    let end = marker.unwrap_or(looked_at.len());
    let found = (0..end).find_map(|at| Some((at, begins_quote(looked_at, &fields, at, context)?)));
    let found = found.and_then(|(at, start)| divided(&lines, at, start));
    if let Some(split) = found {
        return split;
    }
    if marker.is_some() {
        return Split { is_forward: true, has_quotes: true, ..whole(text) };
    }
    let has_quotes = lines.iter().any(|line| is_quoted(line) || line.starts_with(START));
    match trailing_quote(looked_at).filter(|_| lines.len() == looked_at.len() && context.answers()) {
        Some(start) => parted(&lines[..start], &lines[start..], &[]).unwrap_or_else(|| whole(text)),
        None => Split { has_quotes, ..whole(text) },
    }
}

/// Whether the mail as a whole hands on another one.
fn hands_on(lines: &[&str], fields: &[Field], marker: Option<usize>, context: Context) -> bool {
    let head = || (0..lines.len()).find(|at| is_original(lines[*at]) || begins_head(lines, fields, *at).is_some());
    match context.prefix {
        Prefix::Forward => true,
        Prefix::Reply => false,
        // In Finnish and Estonian it answers; so does what names its parent and shows no head.
        Prefix::Either => match head().and_then(|at| begins_head(lines, fields, at)) {
            Some(language) => !language.replies.contains(&"vs"),
            None => marker.is_some() || !context.has_parent,
        },
        // A head in a mail that answers nothing is of one that is handed on.
        Prefix::None => !context.has_parent && head().is_some(),
    }
}

/// Everything is new.
fn whole(text: &str) -> Split {
    Split { new: trimmed(text), ..Split::default() }
}

/// The halves of a text whose lines from `at` on are somebody else's; none if what would be left is not an answer.
fn divided(lines: &[&str], at: usize, start: Start) -> Option<Split> {
    let Start::Marked(first) = start else { return parted(&lines[..at], &lines[at..], &[]) };
    let own = (first..lines.len()).find(|line| !is_part_of_quote(lines, *line, first));
    let Some(own) = own else { return parted(&lines[..at], &lines[at..], &[]) };
    // Below one piece of quoted lines: a signature, a disclaimer, or the rest of an answer.
    let quotes_on = lines[own..].iter().any(|line| is_quoted(line) || line.starts_with(START));
    if quotes_on { None } else { parted(&lines[..at], &lines[at..own], &lines[own..]) }
}

/// New lines above and below, and quoted ones; none if nothing new stands above.
fn parted(above: &[&str], quoted: &[&str], below: &[&str]) -> Option<Split> {
    let above = trimmed(&above.join("\n"));
    if above.trim().is_empty() {
        return None;
    }
    let below = trimmed(&below.join("\n"));
    let new = if below.trim().is_empty() { above } else { format!("{above}\n\n{below}") };
    let quoted = trimmed(&quoted.join("\n"));
    Some(Split { new, quoted: (!quoted.trim().is_empty()).then_some(quoted), is_forward: false, has_quotes: true })
}

/// Whether lines of somebody else begin here.
fn begins_quote(lines: &[&str], fields: &[Field], at: usize, context: Context) -> Option<Start> {
    let line = lines[at].trim();
    if line.starts_with(START) {
        let next = next_filled(lines, at + 1)?;
        let is_handed_on = is_between_dashes(lines[next], |language| language.forwarded, BY);
        let marked = (next..lines.len().min(next + ATTRIBUTION_LINES_MAX + 1)).find(|at| is_quoted(lines[*at]));
        return (!is_handed_on).then_some(marked.map_or(Start::Hard, Start::Marked));
    }
    if line.is_empty() || is_quoted(line) {
        return None;
    }
    if is_original(line) || is_attribution_in_dashes(line) || begins_head(lines, fields, at).is_some() {
        return Some(Start::Hard);
    }
    if line.len() >= RULE_CHARS_MIN && line.bytes().all(|byte| byte == b'_') {
        return next_filled(lines, at + 1).and_then(|next| begins_head(lines, fields, next)).map(|_| Start::Hard);
    }
    let end = attribution_end(lines, at)?;
    let Some(next) = next_filled(lines, end + 1) else { return Some(Start::Hard) };
    if is_quoted(lines[next]) || foreign_mark(lines[next]).is_some() {
        return Some(Start::Marked(next));
    }
    // Programs that mark no line; then the attribution must leave no doubt.
    let is_sure =
        is_certain(&lines[at..=end]) && (context.answers() || lines[at..=end].iter().any(|line| line.contains('@')));
    is_sure.then_some(Start::Hard)
}

/// Whether a line at or below the first quoted one is not the customer's.
fn is_part_of_quote(lines: &[&str], at: usize, first: usize) -> bool {
    let line = lines[at];
    let mark = foreign_mark(lines[first]);
    let is_marked = is_quoted(line) || line.starts_with(START);
    is_marked || line.trim().is_empty() || (mark.is_some() && foreign_mark(line) == mark)
}

/// `|` or `AL>` in front of a line, as old programs mark what they quote: right below an attribution.
fn foreign_mark(line: &str) -> Option<&str> {
    let line = line.trim_start();
    if line.starts_with('|') {
        return Some("|");
    }
    let initials = line.split('>').next().unwrap_or_default();
    let is_mark = (1..=4).contains(&initials.len()) && initials.len() < line.len();
    (is_mark && initials.bytes().all(|byte| byte.is_ascii_alphabetic())).then_some(initials)
}

/// Phrases of Lotus Notes, behind which a name and a time follow: `Forwarded by Ada/ACME on 01/01/2026`.
const BY: usize = 160;
/// What may stand behind any other phrase: a colon, a number.
const BESIDE: usize = 20;

fn is_original(line: &str) -> bool {
    is_between_dashes(line, |language| language.original, BESIDE)
}

/// `---- Ada wrote ----`, as phones write it.
fn is_attribution_in_dashes(line: &str) -> bool {
    if line.len() > ATTRIBUTION_BYTES_MAX || !line.starts_with("--") || !line.ends_with("--") {
        return false;
    }
    let inner = line.trim_matches(['-', ' ', ':']).to_lowercase();
    has_verb(&inner) && !is_of_self(&inner)
}

/// The last line of an attribution that begins at `at`: `On 1 Jan 2026, Ada <ada@example.com> wrote:`.
fn attribution_end(lines: &[&str], at: usize) -> Option<usize> {
    let mut joined = String::new();
    for (end, line) in lines.iter().enumerate().skip(at).take(ATTRIBUTION_LINES_MAX) {
        let line = line.trim();
        if line.is_empty() || is_quoted(line) || joined.len() + line.len() > ATTRIBUTION_BYTES_MAX {
            return None;
        }
        if !joined.is_empty() {
            joined.push(' ');
        }
        joined.push_str(line);
        if line.trim_end_matches(subject::is_direction).ends_with([':', '：']) {
            let begins_here = begins_attribution(lines[at]) || !is_attribution(&lines[at + 1..=end].join(" "));
            return (begins_here && is_attribution(&joined)).then_some(end);
        }
    }
    None
}

/// Somebody and a time: a digit, and a verb of saying or an address.
fn is_attribution(line: &str) -> bool {
    let lower = line.to_lowercase();
    lower.chars().any(char::is_numeric) && (has_verb(&lower) || (lower.contains('<') && lower.contains('@')))
}

/// Whether a line is surely the first one of an attribution, and not the end of the answer right above one.
fn begins_attribution(line: &str) -> bool {
    let lower =
        line.trim_start_matches(|sign: char| sign.is_whitespace() || subject::is_direction(sign)).to_lowercase();
    lower.chars().any(char::is_numeric) && has_opening(&lower)
}

fn has_opening(lower: &str) -> bool {
    languages::all().flat_map(|language| language.openings).any(|opening| lower.starts_with(opening))
}

/// A verb of saying beside an address, or between the date that begins the line and a time of day: a program knows the
/// minute, and whoever tells of what was said before knows the day.
fn is_certain(attribution: &[&str]) -> bool {
    let lower = attribution.join(" ").trim().to_lowercase();
    let digits = lower.chars().filter(|sign| sign.is_numeric()).count();
    let is_dated = || has_opening(&lower) && has_time_of_day(&lower);
    has_verb(&lower) && digits >= 3 && (lower.contains('@') || is_dated()) && !is_of_self(&lower)
}

/// `10:00`, `9:05:30`, `10h00`, `10時30分`; with a point (`kl. 10.00`) only where that is no date: beside one, and not followed
/// by another point.
fn has_time_of_day(lower: &str) -> bool {
    let is_part = |sign: char| sign.is_ascii_digit() || ":.h/-時时点點시".contains(sign);
    let digits = |text: &str| text.bytes().filter(u8::is_ascii_digit).count();
    let is_time = |word: &str| {
        let word = word.trim_start_matches(|sign: char| !sign.is_ascii_digit());
        let has_date = || digits(lower) - digits(word) >= 3;
        let mut numbers = word.split(|sign: char| !sign.is_ascii_digit());
        let (Some(hour), Some(minute)) = (numbers.next(), numbers.next()) else { return false };
        let is_below = |text: &str, end: u8| text.len() <= 2 && text.parse::<u8>().is_ok_and(|number| number < end);
        let sign = word[hour.len()..].chars().next();
        match sign {
            Some(':' | 'h') => is_below(hour, 24) && is_below(minute, 60),
            Some('.') if minute.len() == 2 && word.len() == hour.len() + 3 => {
                is_below(hour, 24) && is_below(minute, 60) && has_date()
            }
            Some('時' | '时' | '点' | '點' | '시') => is_below(hour, 24),
            _ => false,
        }
    };
    lower.split(|sign| !is_part(sign)).any(is_time)
}

/// The words of a line; a name and a verb of saying are each one.
fn words(lower: &str) -> Vec<&str> {
    let is_end = |sign: char| sign.is_whitespace() || subject::is_direction(sign) || ":：,;，".contains(sign);
    lower.split(is_end).filter(|word| !word.is_empty()).collect()
}

/// Whether a language has spaces between its words.
fn is_of_words(word: &str) -> bool {
    word.chars().next().is_some_and(|sign| sign < '\u{e00}')
}

/// Whether somebody says something: a word of its own, or, where words have no space between them, a piece.
fn has_verb(lower: &str) -> bool {
    let words = words(lower);
    languages::all()
        .flat_map(|language| language.verbs)
        .any(|verb| if is_of_words(verb) { words.contains(&last_word(verb)) } else { lower.contains(verb) })
}

/// Whether it is the customer who says it: "On 12 May I wrote:". What follows is as much theirs as what stands above.
fn is_of_self(lower: &str) -> bool {
    /// "I wrote", "I already wrote".
    const DISTANCE_MAX: usize = 2;
    let words = words(lower);
    let places = |of: &'static str| words.iter().enumerate().filter(move |(_, word)| **word == of).map(|(at, _)| at);
    languages::all().any(|language| {
        let mut pairs = language.verbs.iter().flat_map(|verb| language.selves.iter().map(move |own| (*verb, *own)));
        pairs.any(|(verb, own)| {
            let is_beside = |at: usize| places(own).any(|own| own.abs_diff(at) <= DISTANCE_MAX);
            let has_both = || lower.contains(verb) && lower.contains(own);
            if is_of_words(verb) { places(last_word(verb)).any(is_beside) } else { has_both() }
        })
    })
}

fn last_word(verb: &str) -> &str {
    verb.rsplit(' ').next().unwrap_or(verb)
}

/// What a line may be in the head of a mail: a bit for author, time, reader and subject, of which one name may be several
/// (`a` is a reader in Spanish and in Italian).
#[derive(Clone, Copy)]
enum Field {
    /// No field, and not empty.
    None,
    Empty,
    /// A field, of whichever kinds; of none in `Cc:`.
    Of(u8),
}

impl Field {
    fn of(line: &str) -> Self {
        let Some(name) = field_name(line) else {
            return if line.trim().is_empty() { Field::Empty } else { Field::None };
        };
        let is = |kind: usize| languages::all().any(|language| language.heads[kind].contains(&name.as_str()));
        Field::Of((0..4).filter(|kind| is(*kind)).fold(0, |kinds, kind| kinds | 1 << kind))
    }
}

/// At least three of the fields on the lines from this one on, with the author's address or a subject among them: a
/// customer may write from where to where to go, and when.
fn begins_head(lines: &[&str], fields: &[Field], at: usize) -> Option<&'static Language> {
    const AUTHOR: u8 = 1;
    const SUBJECT: u8 = 8;
    let Field::Of(1..) = fields[at] else { return None };
    let (mut found, mut has_address) = (0_u8, false);
    let filled = (at..fields.len()).filter(|at| !matches!(fields[*at], Field::Empty));
    for line in filled.take(HEAD_LINES_MAX) {
        match fields[line] {
            Field::Of(kinds) => {
                has_address |= kinds & AUTHOR != 0 && found & AUTHOR == 0 && lines[line].contains('@');
                found |= kinds;
            }
            // The rest of a long field.
            _ if lines[line].contains('@') => {}
            _ => break,
        }
    }
    let is_certain = found & AUTHOR != 0 && (has_address || found & SUBJECT != 0);
    (is_certain && found.count_ones() >= 3).then(|| most_like(lines, at)).flatten()
}

/// The language that has most of a head's fields: Danish and Norwegian share some with others.
fn most_like(lines: &[&str], at: usize) -> Option<&'static Language> {
    let names: Vec<String> = lines[at..].iter().take(HEAD_LINES_MAX).filter_map(|line| field_name(line)).collect();
    let fields = |language: &&Language| {
        let is_in = |name: &&String| language.heads.iter().any(|names| names.contains(&name.as_str()));
        std::cmp::Reverse(names.iter().filter(is_in).count())
    };
    languages::all().min_by_key(fields)
}

/// `from` of `*From:* Ada`, in lower case.
fn field_name(line: &str) -> Option<String> {
    let end = line.find([':', '：'])?;
    let is_around = |sign: char| sign == '*' || sign.is_whitespace() || subject::is_direction(sign);
    let name = line[..end].trim_matches(is_around);
    (!name.is_empty() && name.len() <= FIELD_NAME_BYTES_MAX).then(|| name.to_lowercase())
}

/// The last block of quoted lines, with the attribution above it. A signature below it stays where it is.
fn trailing_quote(lines: &[&str]) -> Option<usize> {
    let last = lines.iter().rposition(|line| !line.trim().is_empty())?;
    if !is_quoted(lines[last]) {
        return None;
    }
    let is_part = |line: &&str| is_quoted(line) || line.trim().is_empty() || line.starts_with(START);
    let start = lines[..=last].iter().rposition(|line| !is_part(line)).map_or(0, |at| at + 1);
    let above = (start.saturating_sub(ATTRIBUTION_LINES_MAX + 1)..start).find(|at| {
        attribution_end(lines, *at).is_some_and(|end| next_filled(lines, end + 1).is_some_and(|next| next >= start))
    });
    let last = lines[..start].iter().rposition(|line| !line.trim().is_empty());
    let short = last.filter(|at| is_short_attribution(lines[*at]));
    Some(above.or(short).unwrap_or(start))
}

/// Right above quoted lines: `Ada wrote:`, or, as Gmail once wrote, `2026/1/1 Ada <ada@example.com>`.
fn is_short_attribution(line: &str) -> bool {
    let lower = line.trim().to_lowercase();
    let begins_with_date = lower.starts_with(|character: char| character.is_ascii_digit());
    let is_somebody = begins_with_date && lower.contains('@') && lower.ends_with('>');
    is_somebody || (lower.len() <= ATTRIBUTION_BYTES_MAX && lower.ends_with([':', '：']) && has_verb(&lower))
}

fn is_quoted(line: &str) -> bool {
    line.trim_start().starts_with(['>', QUOTE, '＞'])
}

fn next_filled(lines: &[&str], from: usize) -> Option<usize> {
    let is_filled = |line: &&str| !line.trim_matches(|sign: char| sign.is_whitespace() || sign == START).is_empty();
    (from..lines.len()).find(|at| is_filled(&lines[*at]))
}

/// `-----Original Message-----`, and Apple's line without dashes.
fn is_between_dashes(line: &str, phrases: impl Fn(&Language) -> &'static [&'static str], beside: usize) -> bool {
    const BYTES_MAX: usize = 250;
    let line = line.trim_matches(|sign: char| sign.is_whitespace() || subject::is_direction(sign) || sign == START);
    let is_dash = |sign: char| matches!(sign, '-' | '_' | '=' | '#' | '*' | ' ' | ':' | '：' | '—' | '–' | '\u{a0}');
    let has_dashes = ["--", "##", "__", "==", "——", "––", "**"].iter().any(|dashes| line.starts_with(dashes));
    if line.len() > BYTES_MAX || !(has_dashes || line.ends_with([':', '：'])) {
        return false;
    }
    let inner = line.trim_matches(is_dash);
    if inner.is_empty() {
        return false;
    }
    let lower = inner.to_lowercase();
    let is_all = |phrase: &&str| {
        let Some(rest) = lower.strip_prefix(*phrase) else { return false };
        // Apple's line has nothing else on it.
        if has_dashes { rest.len() <= beside } else { rest.trim().is_empty() }
    };
    languages::all().flat_map(phrases).any(is_all)
}

fn trimmed(text: &str) -> String {
    text.trim_end().trim_start_matches(['\r', '\n']).to_owned()
}

#[cfg(test)]
mod tests;
