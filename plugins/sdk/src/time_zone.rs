//! Names of time zones: which texts are one of the IANA time zone database.
//!
//! A contact's `time-zone` is such a name, or none: a name that only looks like one is no help to whoever computes with it.

/// The names, in the order of their bytes. How the file is made, it says itself.
const NAMES: &str = include_str!("../data/time-zones.txt");

/// Every name of the database, those that are links to others included.
pub fn names() -> impl Iterator<Item = &'static str> {
    NAMES.lines().filter(|line| !line.starts_with('#'))
}

/// The time zone of this name, as the database writes it; none if there is no such zone.
///
/// Upper and lower case are one, and between letters so are `_`, `-` and a space: `america/port au prince`.
pub fn iana(text: &str) -> Option<&'static str> {
    let text = text.trim();
    names().find(|name| is_same(name, text))
}

/// The time zone whose place has this name: of `Copenhagen` it is `Europe/Copenhagen`. None if there is none, or several.
pub fn of_place(text: &str) -> Option<&'static str> {
    let text = text.trim();
    let mut found = names().filter(|name| name.rsplit_once('/').is_some_and(|(_, place)| is_same(place, text)));
    found.next().filter(|_| found.next().is_none())
}

fn is_same(name: &str, text: &str) -> bool {
    let is_gap = |byte: u8| matches!(byte, b'_' | b'-' | b' ');
    let (name, text) = (name.as_bytes(), text.as_bytes());
    name.len() == text.len()
        && name.iter().zip(text).enumerate().all(|(place, (a, b))| {
            // `Etc/GMT-1` and `Etc/GMT+1` are not the same.
            let before_letter = name.get(place + 1).is_some_and(u8::is_ascii_alphabetic);
            a.eq_ignore_ascii_case(b) || (before_letter && is_gap(*a) && is_gap(*b))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_in_whatever_case_and_is_its_own() {
        let all: Vec<&str> = names().collect();
        assert!(all.len() > 580, "{}", all.len());
        for name in &all {
            for text in [name.to_string(), name.to_lowercase(), name.to_uppercase(), format!(" {name} ")] {
                assert_eq!(iana(&text), Some(*name));
            }
        }
    }

    #[test]
    fn what_is_no_name_is_none() {
        assert_eq!(iana("america/port au prince"), Some("America/Port-au-Prince"));
        assert_eq!(iana("America/Blanc_Sablon"), Some("America/Blanc-Sablon"));
        for text in [
            "",
            "/",
            "Europe",
            "Europe/Atlantis",
            "Antarctica",
            "GMT+25",
            "Etc/GMT 1",
            "Etc/GMT_1",
            "Factory",
            "# Names",
        ] {
            assert_eq!(iana(text), None, "{text}");
        }
        assert_eq!(of_place("Copenhagen"), Some("Europe/Copenhagen"));
        assert_eq!(of_place("Hong Kong"), Some("Asia/Hong_Kong"));
        for text in ["Atlantis", "", "Buenos Aires", "Europe/Copenhagen"] {
            assert_eq!(of_place(text), None, "{text}");
        }
    }
}
