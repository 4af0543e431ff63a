//! What a mail program writes in front of a subject: whether the mail answers another one, hands one on, or is what a
//! program answers for somebody who is absent.

use crate::languages;

/// Longest prefix in front of a `:`, its counter included.
const PREFIX_CHARS_MAX: usize = 30;
/// Tags of lists, filters and shops in front of it.
const TAGS_MAX: usize = 10;

/// What the first prefix says; of several, the mail's own stands in front.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Prefix {
    None,
    Reply,
    Forward,
    /// `VS:`, which in Danish and Norwegian hands on, and answers in Finnish and Estonian.
    Either,
}

/// What stands in front of a subject.
pub fn prefix(subject: &str) -> Prefix {
    let mut rest = subject.trim_start_matches(is_blank);
    for _ in 0..TAGS_MAX {
        match tag(rest) {
            // `[Fwd: Hello]`, of old Netscape.
            Some((inner, _)) if own_prefix(inner) != Prefix::None => return own_prefix(inner),
            Some((_, after)) => rest = after.trim_start_matches(is_blank),
            None => break,
        }
    }
    match own_prefix(rest) {
        // `Hello (fwd)`, of Pine.
        Prefix::None if subject.trim_end().to_lowercase().ends_with("(fwd)") => Prefix::Forward,
        found => found,
    }
}

/// Whether a program gave this subject to the answer of somebody who is absent. An answer to that one is a person's.
pub fn is_absence(subject: &str) -> bool {
    let lower = subject.trim_start_matches(is_blank).to_lowercase();
    let is_end = |rest: &str| {
        let rest = rest.trim_start_matches(|sign: char| sign.is_whitespace() || is_blank(sign));
        rest.is_empty() || rest.starts_with([':', '：', '﹕'])
    };
    let mut phrases = languages::all().flat_map(|language| language.absences);
    phrases.any(|phrase| lower.strip_prefix(phrase).is_some_and(is_end))
}

/// `[tag] rest`, `***SPAM*** rest`.
fn tag(subject: &str) -> Option<(&str, &str)> {
    for (open, close) in [("[", "]"), ("***", "***"), ("【", "】")] {
        if let Some((inner, rest)) = subject.strip_prefix(open).and_then(|rest| rest.split_once(close)) {
            return Some((inner, rest));
        }
    }
    None
}

/// What the words in front of the first `:` say.
fn own_prefix(subject: &str) -> Prefix {
    let end = subject.char_indices().take(PREFIX_CHARS_MAX).find(|(_, sign)| matches!(sign, ':' | '：' | '﹕' | '︰'));
    let Some((end, _)) = end else { return Prefix::None };
    let word = subject[..end].to_lowercase();
    let word = word.trim_matches(is_blank);
    // `Re[2]`, `Fwd(3)`, `AW^2`, `Re*4`
    let word = word.split(['[', '(', '^', '*']).next().unwrap_or_default();
    let word = word.trim_end_matches(|sign: char| sign.is_ascii_digit() || is_blank(sign)).trim_end_matches('.');
    let is_in = |list: &[&str]| list.iter().any(|name| name.trim_end_matches('.') == word);
    let forwards = languages::all().any(|language| is_in(language.forwards));
    let replies = languages::all().any(|language| is_in(language.replies));
    match (forwards, replies) {
        _ if word.is_empty() => Prefix::None,
        (true, true) => Prefix::Either,
        (true, false) => Prefix::Forward,
        (false, true) => Prefix::Reply,
        (false, false) => Prefix::None,
    }
}

/// White space of any kind, and the signs that turn the direction of writing.
fn is_blank(sign: char) -> bool {
    sign.is_whitespace() || is_direction(sign)
}

/// Signs that are not seen: they turn the direction of writing, or join letters.
pub fn is_direction(sign: char) -> bool {
    matches!(sign, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_prefix_says_what_the_mail_is() {
        for subject in [
            "FW: x",
            "Fwd: x",
            "fwd:x",
            "FWD : x",
            "WG: x",
            "TR : x",
            "Tr: Facture",
            "RV: x",
            "I: x",
            "VB: x",
            "PD: x",
            "Doorst: x",
            "Doorst.: x",
            "ENC: x",
            "İLT: x",
            "i̇lt: x",
            "ILT: x",
            "VL: x",
            "FS: x",
            "Tov: x",
            "Redir.: x",
            "転送: x",
            "转发：x",
            "轉寄: x",
            "Пересл: x",
            "ΠΡΘ: x",
            "הועבר: x",
            "إعادة توجيه: x",
            "전달: x",
            "ส่งต่อ: x",
            "[list] Fwd: x",
            "[a] [b]  FW: Re: x",
            "FW: AW: x",
            "Fwd[2]: x",
            "FW(3): x",
            "[Fwd: Hello]",
            "Hello (fwd)",
            "***SPAM*** WG: x",
            "\u{200f}הועבר: x",
            "YML: x",
            "Trs: x",
            "Edasi: x",
            "Videresendt: x",
        ] {
            assert_eq!(prefix(subject), Prefix::Forward, "{subject}");
        }
        for subject in [
            "Re: x",
            "RE: FW: x",
            "AW: WG: x",
            "SV: x",
            "Antw.: x",
            "R: x",
            "RIF: x",
            "Odp: x",
            "YNT: x",
            "ΑΠ: x",
            "ΣΧΕΤ: x",
            "Vá: x",
            "BLS: x",
            "回复：x",
            "答复: x",
            "回覆: x",
            "返信: x",
            "회신: x",
            "תגובה: x",
            "رد: x",
            "Re[4]: x",
            "RE^2: x",
            "[list] Re: x",
            "Ré: x",
            "Res: x",
            "Отв: x",
            "Ответ: x",
        ] {
            assert_eq!(prefix(subject), Prefix::Reply, "{subject}");
        }
        for subject in
            ["x", "", ":", "Order: 42", "Forwarding address", "[list] x", "Invoice 4711", "re", "12:30", "Fwding: x"]
        {
            assert_eq!(prefix(subject), Prefix::None, "{subject}");
        }
        assert_eq!((prefix("VS: x"), prefix("Vs: x")), (Prefix::Either, Prefix::Either));
    }

    #[test]
    fn an_absence_is_known_by_the_words_of_programs_and_no_answer_is_one() {
        for subject in [
            "Automatic reply: Hello",
            "Automatische Antwort: Hallo",
            "Réponse automatique : Bonjour",
            "Out of Office",
            "Out of Office AutoReply: x",
            "Abwesenheitsnotiz",
            "Respuesta automática: x",
            "自動応答: x",
            "自动答复: x",
            "Автоответ: x",
            "Otomatik yanıt: x",
            "תשובה אוטומטית: x",
            "رد تلقائي: x",
            "Autosvar: x",
            "Odpowiedź automatyczna: x",
        ] {
            assert!(is_absence(subject), "{subject}");
        }
        for subject in [
            "Re: Automatic reply: Hello",
            "FW: Out of Office",
            "Automatic reply is broken",
            "Auto: Reifen",
            "Absence : mon fils",
            "Out of office chairs",
            "",
        ] {
            assert!(!is_absence(subject), "{subject}");
        }
    }
}
