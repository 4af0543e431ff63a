//! What is new in a reply, and the mail that it answers below it.
//!
//! By lines and by the words that mail programs write, in ten languages. It errs on the side of keeping too much as
//! new, and throws nothing away: both halves go into the event.

/// A text in two.
#[derive(Debug, PartialEq)]
pub struct Split {
    pub new: String,
    pub quoted: Option<String>,
}

/// Between dashes, above an answered mail. English, German, French, Spanish, Italian, Portuguese, Dutch, Polish,
/// Swedish, Danish; likewise below.
const ORIGINALS: &[&str] = &[
    "original message",
    "ursprüngliche nachricht",
    "original-nachricht",
    "message d'origine",
    "message original",
    "mensaje original",
    "messaggio originale",
    "mensagem original",
    "oorspronkelijk bericht",
    "oryginalna wiadomość",
    "wiadomość oryginalna",
    "ursprungligt meddelande",
    "originalmeddelande",
    "oprindelig meddelelse",
    "original appointment",
    "reply message",
    "reply above this line",
];

/// The same, above a mail that is handed on: that one is what the customer wants read.
const FORWARDS: &[&str] = &[
    "forwarded message",
    "weitergeleitete nachricht",
    "message transféré",
    "mensaje reenviado",
    "messaggio inoltrato",
    "mensagem encaminhada",
    "doorgestuurd bericht",
    "przekazana wiadomość",
    "vidarebefordrat meddelande",
    "videresendt meddelelse",
    "begin forwarded message",
    "anfang der weitergeleiteten nachricht",
];

/// Said of whoever is quoted, before or after their name.
const VERBS: &[&str] = &[
    "wrote",
    "schrieb",
    "a écrit",
    "écrit",
    "escribió",
    "ha scritto",
    "scritto",
    "escreveu",
    "schreef",
    "geschreven",
    "napisał",
    "napisała",
    "napisał(a)",
    "pisze",
    "skrev",
];

/// The fields of a mail's head, as programs write them above what they quote: author, time, reader, subject.
const HEADS: [&[&str]; 4] = [
    &["from", "von", "de", "da", "van", "od", "från", "fra", "expéditeur"],
    &[
        "sent",
        "date",
        "gesendet",
        "datum",
        "envoyé",
        "enviado",
        "enviada",
        "fecha",
        "inviato",
        "data",
        "verzonden",
        "wysłano",
        "skickat",
        "sendt",
        "dato",
        "enviado el",
        "enviado em",
        "data wysłania",
    ],
    &["to", "an", "à", "para", "a", "aan", "do", "till", "til"],
    &["subject", "betreff", "objet", "asunto", "oggetto", "onderwerp", "assunto", "temat", "ämne", "emne"],
];

/// Lines over which a program may break an attribution.
const ATTRIBUTION_LINES_MAX: usize = 4;
/// Characters of an attribution: a name, an address and a date.
const ATTRIBUTION_CHARS_MAX: usize = 400;
/// Outlook's rule has 32 of them.
const RULE_CHARS_MIN: usize = 20;

/// Parts a reply from what it answers.
pub fn split(text: &str) -> Split {
    let lines: Vec<&str> = text.lines().collect();
    let end = lines.iter().position(|line| is_between_dashes(line, FORWARDS)).unwrap_or(lines.len());
    let hands_on = end < lines.len();
    let start = (0..end).find(|at| begins_quote(&lines, *at));
    let start = start.or_else(|| if hands_on { None } else { trailing_quote(&lines) });
    let Some(start) = start else { return Split { new: trimmed(text), quoted: None } };
    let (new, quoted) = (trimmed(&lines[..start].join("\n")), trimmed(&lines[start..].join("\n")));
    // An answer below the quote, or nothing but one: then all of it is what was written.
    if new.trim().is_empty() {
        return Split { new: trimmed(text), quoted: None };
    }
    Split { new, quoted: Some(quoted) }
}

/// Whether a text hands on another mail.
pub fn is_forward(text: &str) -> bool {
    text.lines().any(|line| is_between_dashes(line, FORWARDS))
}

/// Whether everything from this line on is the answered mail.
fn begins_quote(lines: &[&str], at: usize) -> bool {
    let line = lines[at].trim();
    if line.is_empty() {
        return false;
    }
    if is_between_dashes(line, ORIGINALS) || is_attribution_in_dashes(line) || begins_head(lines, at) {
        return true;
    }
    let is_rule = line.len() >= RULE_CHARS_MIN && line.bytes().all(|byte| byte == b'_');
    if is_rule {
        return next_filled(lines, at + 1).is_some_and(|next| begins_head(lines, next));
    }
    match attribution_end(lines, at) {
        Some(end) => match next_filled(lines, end + 1) {
            // Answers between quoted lines are new, so only the last block of quoted lines goes.
            Some(next) if is_quoted(lines[next]) => rest_is_quoted(&lines[next..]),
            // Programs that mark no line; then the attribution must leave no doubt.
            Some(_) => is_certain(&lines[at..=end]),
            None => true,
        },
        None => false,
    }
}

/// `---- Ada wrote ----`, as phones write it.
fn is_attribution_in_dashes(line: &str) -> bool {
    line.len() <= ATTRIBUTION_CHARS_MAX
        && line.starts_with("--")
        && line.ends_with("--")
        && has_verb(&line.trim_matches(['-', ' ']).to_lowercase())
}

/// The last line of an attribution that begins at `at`: `On 1 Jan 2026, Ada <ada@example.com> wrote:`.
fn attribution_end(lines: &[&str], at: usize) -> Option<usize> {
    if is_quoted(lines[at]) {
        return None;
    }
    let mut joined = String::new();
    for (end, line) in lines.iter().enumerate().skip(at).take(ATTRIBUTION_LINES_MAX) {
        let line = line.trim();
        if line.is_empty() || is_quoted(line) || joined.len() + line.len() > ATTRIBUTION_CHARS_MAX {
            return None;
        }
        if !joined.is_empty() {
            joined.push(' ');
        }
        joined.push_str(line);
        if line.ends_with([':', '：']) {
            let begins_here = begins_attribution(lines[at]) || !is_attribution(&lines[at + 1..=end].join(" "));
            return (begins_here && is_attribution(&joined)).then_some(end);
        }
    }
    None
}

/// Somebody and a time: a digit, and a verb of saying or an address.
fn is_attribution(line: &str) -> bool {
    let lower = line.to_lowercase();
    lower.bytes().any(|byte| byte.is_ascii_digit())
        && (has_verb(&lower) || (lower.contains('<') && lower.contains('@')))
}

/// The words with which an attribution begins that has the date in front.
const OPENINGS: &[&str] = &[
    "on ", "am ", "le ", "el ", "il ", "em ", "op ", "w dniu ", "dnia ", "den ", "på ", "a ", "pon", "wt", "śr", "czw",
    "pt", "sob",
];

/// Whether a line is surely the first one of an attribution, and not the end of the answer right above one.
fn begins_attribution(line: &str) -> bool {
    let lower = line.trim_start().to_lowercase();
    lower.bytes().any(|byte| byte.is_ascii_digit()) && OPENINGS.iter().any(|opening| lower.starts_with(opening))
}

/// A verb of saying beside an address, or beside the date that begins the line.
fn is_certain(attribution: &[&str]) -> bool {
    let lower = attribution.join(" ").trim().to_lowercase();
    let digits = lower.bytes().filter(u8::is_ascii_digit).count();
    has_verb(&lower)
        && digits >= 3
        && (lower.contains('@') || OPENINGS.iter().any(|opening| lower.starts_with(opening)))
}

fn has_verb(lower: &str) -> bool {
    let words = lower.split(|character: char| character.is_whitespace() || ":,;".contains(character));
    let mut words = words.filter(|word| !word.is_empty());
    words.any(|word| VERBS.iter().any(|verb| verb.rsplit(' ').next() == Some(word)))
}

/// At least three of the fields on the lines from this one on, with the author's address or a subject among them: a
/// customer may write from where to where to go, and when.
fn begins_head(lines: &[&str], at: usize) -> bool {
    const LINES: usize = 8;
    let kind = |name: &str| HEADS.iter().position(|names| names.contains(&name));
    if field_name(lines[at]).and_then(|name| kind(&name)).is_none() {
        return false;
    }
    let mut found: [Option<&str>; HEADS.len()] = [None; HEADS.len()];
    for line in lines[at..].iter().filter(|line| !line.trim().is_empty()).take(LINES) {
        match field_name(line) {
            Some(name) => kind(&name).into_iter().for_each(|kind| found[kind] = Some(line)),
            // The rest of a long field.
            None if line.contains('@') => {}
            None => break,
        }
    }
    let [author, .., subject] = found;
    let is_certain = author.is_some_and(|author| author.contains('@') || subject.is_some());
    is_certain && found.iter().flatten().count() >= 3
}

/// `from` of `*From:* Ada`, in lower case.
fn field_name(line: &str) -> Option<String> {
    let (name, _) = line.split_once([':', '：'])?;
    let name = name.trim_matches(|character: char| character == '*' || character.is_whitespace());
    (name.len() <= 20).then(|| name.to_lowercase())
}

/// The last block of quoted lines, with the attribution above it. A signature below it stays where it is.
fn trailing_quote(lines: &[&str]) -> Option<usize> {
    let last = lines.iter().rposition(|line| !line.trim().is_empty())?;
    if !is_quoted(lines[last]) {
        return None;
    }
    let is_part = |line: &&str| is_quoted(line) || line.trim().is_empty();
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
    is_somebody || (lower.len() <= ATTRIBUTION_CHARS_MAX && lower.ends_with(':') && has_verb(&lower))
}

/// Whether nothing but quoted lines follows, and perhaps a signature below them.
fn rest_is_quoted(lines: &[&str]) -> bool {
    let signature = lines.iter().position(|line| line.trim_end() == "--").unwrap_or(lines.len());
    lines[..signature].iter().all(|line| is_quoted(line) || line.trim().is_empty())
}

fn is_quoted(line: &str) -> bool {
    line.trim_start().starts_with('>')
}

fn next_filled(lines: &[&str], from: usize) -> Option<usize> {
    (from..lines.len()).find(|at| !lines[*at].trim().is_empty())
}

/// `-----Original Message-----`, and Apple's line without dashes.
fn is_between_dashes(line: &str, phrases: &[&str]) -> bool {
    const BYTES_MAX: usize = 120;
    let line = line.trim();
    let inner = line.trim_matches(['-', '_', '=', '#', '*', ' ', ':']);
    if inner.is_empty()
        || line.len() > BYTES_MAX
        || (!line.starts_with("--") && !line.starts_with("##") && !line.ends_with(':'))
    {
        return false;
    }
    let lower = inner.to_lowercase();
    phrases.iter().any(|phrase| lower.starts_with(phrase) && lower.len() <= phrase.len() + 20)
}

fn trimmed(text: &str) -> String {
    text.trim_end().trim_start_matches(['\r', '\n']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(new: &str, quoted: &str) {
        let text = format!("{new}\n\n{quoted}");
        assert_eq!(split(&text), Split { new: new.into(), quoted: Some(quoted.into()) });
        let crlf = split(&text.replace('\n', "\r\n"));
        assert_eq!(crlf, Split { new: new.into(), quoted: Some(quoted.into()) });
    }

    #[test]
    fn an_attribution_begins_the_quote_in_every_language() {
        for attribution in [
            "On Thu, Jan 1, 2026 at 10:00 AM Ada Lovelace <ada@example.com> wrote:",
            "On Thu, Jan 1, 2026 at 10:00 AM Ada Lovelace\n<ada@example.com> wrote:",
            "Am 01.01.2026 um 10:00 schrieb Ada Lovelace <ada@example.com>:",
            "Ada Lovelace <ada@example.com> schrieb am Do., 1. Jan. 2026, 10:00:",
            "Le jeu. 1 janv. 2026 à 10:00, Ada Lovelace <ada@example.com> a écrit :",
            "El jue, 1 ene 2026 a las 10:00, Ada (<ada@example.com>) escribió:",
            "Il giorno gio 1 gen 2026 alle ore 10:00 Ada <ada@example.com> ha scritto:",
            "Em qui., 1 de jan. de 2026 às 10:00, Ada <ada@example.com> escreveu:",
            "Op do 1 jan 2026 om 10:00 schreef Ada <ada@example.com>:",
            "czw., 1 sty 2026 o 10:00 Ada <ada@example.com> napisał(a):",
            "Den tors 1 jan. 2026 kl 10:00 skrev Ada <ada@example.com>:",
            "Den tor. 1. jan. 2026 kl. 10.00 skrev Ada <ada@example.com>:",
        ] {
            check("Yes, please.\n\nAda", &format!("{attribution}\n> Shall we?\n>\n> Grace"));
        }
        check("Yes", "On 1 Jan 2026, at 10:00, Ada <ada@example.com> wrote:\n\nShall we?");
        check("Yes", "Ada Lovelace wrote:\n\n> Shall we?");
        check("Yes", "2026/1/1 Ada Lovelace <ada@example.com>\n\n> Shall we?");
        check("Yes", "---- Ada Lovelace wrote ----\n\n> Shall we?");
    }

    #[test]
    fn an_answer_may_stand_right_above_the_attribution() {
        for quoted in [
            "03.01.2026 14:20 grace@example.com <\ngrace@example.com> wrote:\n\n> Shall we?",
            "> On 1 Jan 2026, at 10:00, Ada <ada@example.com> wrote:\n>\n> Shall we?",
            "On Thu, Jan 1, 2026 Ada <ada@example.com> wrote:\n> Shall we?",
        ] {
            let expected = Split { new: "On it.".into(), quoted: Some(quoted.into()) };
            assert_eq!(split(&format!("On it.\n{quoted}")), expected);
        }
    }

    #[test]
    fn a_signature_may_stand_below_the_quote() {
        check("Yes", "On Wed, Dec 9, Ada\n<ada@example.com>\nwrote:\n> Shall we?\n\n--\nAda");
    }

    #[test]
    fn outlook_writes_a_head_or_a_rule() {
        let head = "From: Ada <ada@example.com>\nSent: Thursday, January 1, 2026 10:00\nTo: Support\nSubject: Hello\n\nShall we?";
        check("Yes", head);
        check("Yes", &format!("________________________________\n{head}"));
        check("Yes", "-----Original Message-----\nFrom: Ada");
        check("Ja", "-----Ursprüngliche Nachricht-----\nVon: Ada");
        check("From: foo\nBar baz", head);
        check(
            "Yes",
            "Date: Thu, 1 Jan 2026 10:00:00 +0000\nFrom: ada@example.com\nTo: grace@example.com\nSubject: Hello",
        );
        check(
            "Yes",
            "  *From:* Ada [mailto:\n  ada@example.com]\n  *Sent:* Thursday\n  *To:* Support\n  *Subject:* Hello",
        );
        check("Ja", "*Von:* Ada\n*Gesendet:* Donnerstag\n*An:* Support\n*Betreff:* Hallo\n\nText");
    }

    #[test]
    fn what_is_not_certainly_quoted_stays() {
        for text in [
            "On Monday I wrote:\nplease help",
            "From: the heart\nthank you",
            "A ticket, please.\nFrom: Berlin\nTo: Paris\nDate: 1 May",
            "> you asked this\nand I answer that\n> and this\nthat too",
            "> nothing but a quote\n> of two lines",
            "See below:\n\n---------- Forwarded message ----------\nFrom: Ada <a@example.com>\nDate: 1 Jan 2026\nTo: b\nSubject: x\n\n> old",
            "Hello\n-- \nAda\nexample.com",
            "",
        ] {
            assert_eq!(split(text), Split { new: text.into(), quoted: None });
        }
        assert!(is_forward("See below:\n\n---------- Forwarded message ----------\nFrom: Ada"));
    }

    #[test]
    fn answers_between_quoted_lines_stay_and_the_last_block_goes() {
        let text = "On 1 Jan 2026 Ada <a@example.com> wrote:\n> first?\nYes.\n> second?\nNo.\n\n> Ada\n> Lovelace";
        let expected = "On 1 Jan 2026 Ada <a@example.com> wrote:\n> first?\nYes.\n> second?\nNo.";
        assert_eq!(split(text), Split { new: expected.into(), quoted: Some("> Ada\n> Lovelace".into()) });
    }
}
