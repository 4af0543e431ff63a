//! What mail programs write into a mail in the language of whoever uses them: around what is answered, around what is
//! handed on, and for somebody who is absent. Data only, language by language; who uses it looks through all of them,
//! because a mail does not say which language its program speaks.
//!
//! Sources, read in November 2026: what Outlook (desktop, on the web, for phones), Exchange, Gmail, Apple Mail,
//! Thunderbird, Yahoo, GMX, Proton and Lotus Notes write, as their localisations and mails have it; for subjects also
//! Wikipedia, "List of email subject abbreviations". Everything is in lower case.

mod east;
mod north_and_west;
mod south_and_centre;

pub struct Language {
    /// BCP 47. For whoever reads the table.
    #[cfg_attr(not(test), allow(dead_code, reason = "the name of a row"))]
    pub code: &'static str,
    /// Before the `:` of a subject: a mail that is handed on.
    pub forwards: &'static [&'static str],
    /// Before the `:` of a subject: an answer.
    pub replies: &'static [&'static str],
    /// A line above a mail that is handed on.
    pub forwarded: &'static [&'static str],
    /// A line above a mail that is answered, or (Outlook) handed on.
    pub original: &'static [&'static str],
    /// The fields of the head that is written above it: author, time, reader, subject.
    pub heads: [&'static [&'static str]; 4],
    /// Said of whoever is quoted, before or after the name. Of several words the last one.
    pub verbs: &'static [&'static str],
    /// Said of whoever writes, beside such a verb: "I wrote". Only where the verb is the same as of somebody else; the word
    /// may be the one that makes the verb: "he escrito".
    pub selves: &'static [&'static str],
    /// How the line begins that says who is quoted, where the time is in front.
    pub openings: &'static [&'static str],
    /// How the subject begins that a program gives to the answer of somebody who is absent.
    pub absences: &'static [&'static str],
}

/// All of them.
pub fn all() -> impl Iterator<Item = &'static Language> {
    [north_and_west::LANGUAGES, south_and_centre::LANGUAGES, east::LANGUAGES].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_lower_case_and_says_something() {
        let mut codes = Vec::new();
        for language in all() {
            let lists = [
                language.forwards,
                language.replies,
                language.forwarded,
                language.original,
                language.verbs,
                language.selves,
                language.openings,
                language.absences,
            ];
            for word in lists.into_iter().chain(language.heads).flatten() {
                assert_eq!(*word, word.to_lowercase(), "{}", language.code);
                assert!(!word.trim().is_empty(), "{}", language.code);
            }
            assert!(language.heads.iter().all(|names| !names.is_empty()), "{}", language.code);
            assert!(!language.forwarded.is_empty() && !language.absences.is_empty(), "{}", language.code);
            assert!(!codes.contains(&language.code), "{}", language.code);
            codes.push(language.code);
        }
        assert!(codes.len() >= 36, "{}", codes.len());
    }
}
