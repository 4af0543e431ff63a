//! The mailboxes of `From`, `To` and the like (RFC 5322, section 3.4), read sign by sign: an address is what stands where
//! the grammar has one, and never what a search finds inside of a name, of a quoted local part, or of a comment.

use rapport_sdk::lenient;

use crate::mail::Mailbox;
use crate::{address, encoded_word, mail};

/// Mailboxes of one field that are kept.
const MAILBOXES_MAX: usize = 200;

/// The mailboxes of a field.
#[derive(Debug, Default, PartialEq)]
pub struct Mailboxes {
    pub found: Vec<Mailbox>,
    /// One of them follows no grammar: a server may have read another one in the same text.
    pub is_guessed: bool,
}

/// What stands between two commas.
#[derive(Default)]
struct Item {
    /// All but comments, as it was written.
    text: String,
    /// The same without quotation marks: a name, if an address in angle brackets follows.
    phrase: String,
    /// The same without what stood in quotation marks: where to look for an address that stands nowhere else.
    open: String,
    comment: String,
    angle: String,
    angles: usize,
    is_garbled: bool,
}

/// Where the next sign stands.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Phrase,
    Angle,
}

/// Reads the value of a field, whose words (RFC 2047) may be encoded.
pub fn read(value: &str) -> Mailboxes {
    let (items, is_closed) = items(value);
    let found = joined(&items);
    if found.found.is_empty() && !is_closed {
        // A quotation mark that nobody closed hides everything behind it.
        let (items, _) = self::items(&value.replace('"', " "));
        return Mailboxes { is_guessed: true, ..joined(&items) };
    }
    found
}

/// The items of a value, and whether its quotation marks and comments are closed.
fn items(value: &str) -> (Vec<Item>, bool) {
    let mut items = vec![Item::default()];
    let has_groups = value.contains(';');
    let (mut is_quoted, mut comments, mut place) = (false, 0_usize, Place::Phrase);
    let mut signs = value.chars();
    while let Some(sign) = signs.next() {
        if items.len() > MAILBOXES_MAX {
            break;
        }
        let Some(item) = items.last_mut() else { break };
        if is_quoted {
            is_quoted = item.quoted(sign, &mut signs, place);
        } else if comments > 0 {
            comments = item.commented(sign, &mut signs, comments);
        } else {
            match sign {
                '"' => {
                    is_quoted = true;
                    item.write('"', None, place);
                }
                '(' => comments = 1,
                '<' => {
                    item.is_garbled |= place == Place::Angle || item.angles > 0;
                    (item.angles, place) = (item.angles + 1, Place::Angle);
                    item.open.push(' ');
                }
                '>' => {
                    item.is_garbled |= place == Place::Phrase;
                    place = Place::Phrase;
                    item.open.push(' ');
                }
                ',' | ';' if place == Place::Phrase => items.push(Item::default()),
                // The name of a group, which is nobody's.
                ':' if place == Place::Phrase && has_groups && !item.open.trim().eq_ignore_ascii_case("mailto") => {
                    *item = Item::default();
                }
                _ => item.write(sign, Some(sign), place),
            }
        }
    }
    (items, !is_quoted && comments == 0)
}

impl Item {
    /// Takes over a sign, and its meaning where it has one in a name.
    fn write(&mut self, sign: char, meaning: Option<char>, place: Place) {
        match place {
            Place::Angle => {
                self.angle.push(sign);
                self.open.extend(meaning);
            }
            Place::Phrase => {
                self.is_garbled |= self.angles > 0 && !sign.is_whitespace();
                self.text.push(sign);
                self.open.extend(meaning);
                if self.angles == 0 {
                    self.phrase.extend(meaning);
                }
            }
        }
    }

    /// A sign in quotation marks; whether they are still open.
    fn quoted(&mut self, sign: char, signs: &mut std::str::Chars, place: Place) -> bool {
        let text = if place == Place::Angle { &mut self.angle } else { &mut self.text };
        text.push(sign);
        let meaning = match sign {
            '"' => {
                self.open.push(' ');
                return false;
            }
            '\\' => {
                let next = signs.next();
                text.extend(next);
                next
            }
            _ => Some(sign),
        };
        if place == Place::Phrase && self.angles == 0 {
            self.phrase.extend(meaning);
        }
        true
    }

    /// A sign in a comment; how many are still open, one inside the other.
    fn commented(&mut self, sign: char, signs: &mut std::str::Chars, depth: usize) -> usize {
        match sign {
            '\\' => self.comment.extend(signs.next()),
            '(' => {
                self.comment.push(sign);
                return depth + 1;
            }
            ')' if depth == 1 => {
                self.open.push(' ');
                return 0;
            }
            ')' => {
                self.comment.push(sign);
                return depth - 1;
            }
            _ => self.comment.push(sign),
        }
        depth
    }

    /// The mailbox that the grammar finds.
    fn mailbox(&self) -> Option<Mailbox> {
        if self.is_garbled {
            return None;
        }
        let (written, name) = match self.angles {
            0 => (lenient::trim(&self.text), &self.comment),
            // A route in front of an address is obsolete and means nothing (RFC 5322, section 4.4).
            _ => match lenient::trim(&self.angle).strip_prefix('@').and_then(|route| route.split_once(':')) {
                Some((_, routed)) => (routed, &self.phrase),
                None => (lenient::trim(&self.angle), &self.phrase),
            },
        };
        let address = address::bare(written)?;
        let name = name_of(name).or_else(|| name_of(&self.comment));
        // A program that has no name for somebody repeats the address.
        Some(Mailbox { address: address.to_owned(), name: name.filter(|name| !address::is_same(name, address)) })
    }

    /// The first thing that looks like an address, where the grammar has none.
    fn guess(&self) -> Option<Mailbox> {
        let open = encoded_word::decoded(&self.open);
        // A control character ends nothing: with it, the address before it is another one.
        let is_space = |character: char| character.is_whitespace() && (!character.is_control() || character == '\t');
        let is_end = |character: char| is_space(character) || "<>[](),;\"".contains(character);
        let address = open.split(is_end).find_map(address::bare)?;
        let name = name_of(self.phrase.split('[').next().unwrap_or_default());
        let name = name.filter(|name| !name.contains('@'));
        Some(Mailbox { address: address.to_owned(), name })
    }
}

/// A name with its words decoded, without the quotation marks that are around all of it.
pub fn name_of(phrase: &str) -> Option<String> {
    let decoded = encoded_word::decoded(phrase);
    let spaced = decoded.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut name = mail::clean(&spaced);
    for mark in ['"', '\''] {
        let inner = name.strip_prefix(mark).and_then(|rest| rest.strip_suffix(mark)).map(str::trim);
        // The marks of `'Ada' and 'Bob'` are no pair.
        if let Some(inner) = inner.filter(|inner| !inner.contains(mark)) {
            name = inner.to_owned();
        }
    }
    (!name.is_empty()).then_some(name)
}

/// The mailboxes of items. `Lovelace, Ada <ada@example.com>` is what people mean who forget the quotation marks.
fn joined(items: &[Item]) -> Mailboxes {
    let mut read = Mailboxes::default();
    let mut words: Vec<String> = Vec::new();
    for item in items {
        let guess = || {
            let found = item.guess()?;
            Some((found, true))
        };
        match item.mailbox().map(|found| (found, false)).or_else(guess) {
            Some((Mailbox { address, name: Some(name) }, is_guessed)) => {
                words.push(name);
                read.found.push(Mailbox { address, name: Some(words.join(", ")) });
                read.is_guessed |= is_guessed;
                words.clear();
            }
            Some((nameless, is_guessed)) => {
                read.found.push(nameless);
                read.is_guessed |= is_guessed;
                words.clear();
            }
            None => words.extend(name_of(&item.phrase)),
        }
    }
    read.found.truncate(MAILBOXES_MAX);
    read
}

#[cfg(test)]
mod tests {
    use super::*;

    fn people(value: &str) -> Vec<(String, Option<String>)> {
        read(value).found.into_iter().map(|found| (found.address, found.name)).collect()
    }

    #[test]
    fn a_name_may_be_encoded_in_part_or_stand_behind_the_address() {
        for (value, name) in [
            ("=?utf-8?q?Op=C3=A9rateur?= de test <a@example.com>", Some("Opérateur de test")),
            ("a@example.com (Ada Lovelace)", Some("Ada Lovelace")),
            ("a@example.com (Ada (the Countess) Lovelace)", Some("Ada (the Countess) Lovelace")),
            ("\"'a@example.com'\" <a@example.com>", None),
            ("'Ada' <a@example.com>", Some("Ada")),
            ("'Ada' via Support <a@example.com>", Some("'Ada' via Support")),
            ("\"'Ada' via Support\" <a@example.com>", Some("'Ada' via Support")),
            ("Ada 'the Countess' <a@example.com>", Some("Ada 'the Countess'")),
            ("'Ada' and 'Bob' <a@example.com>", Some("'Ada' and 'Bob'")),
            ("O'Hara' <a@example.com>", Some("O'Hara'")),
            ("<a@example.com>", None),
            ("\"Lovelace, Ada\" <a@example.com>", Some("Lovelace, Ada")),
            ("\"=?utf-8?B?TMO2dmVsYWNlLCBBZGE=?=\" <a@example.com>", Some("Lövelace, Ada")),
            ("=?utf-8?B?TMO2dmVsYWNlLCBBZGE=?= <a@example.com>", Some("Lövelace, Ada")),
            ("Ada <@relay.test,@other.test:a@example.com>", Some("Ada")),
            ("Ada \\\"x <a@example.com>", Some("Ada \\\"x")),
        ] {
            let found = people(value);
            assert_eq!(found.first().map(|(address, _)| address.as_str()), Some("a@example.com"), "{value}");
            if !value.contains("\\\"x") {
                assert_eq!((found.len(), found[0].1.as_deref()), (1, name), "{value}");
            }
        }
    }

    #[test]
    fn lists_and_groups_are_taken_apart() {
        let nameless = |address: &str| (address.to_owned(), None);
        assert_eq!(people("a@b.test, c@d.test;e@f.test"), ["a@b.test", "c@d.test", "e@f.test"].map(nameless));
        assert_eq!(people("Team: a@b.test, Ada <c@d.test>;, x@y.test")[2], nameless("x@y.test"));
        assert!(people("undisclosed-recipients:;").is_empty());
        assert_eq!(people("Support: Ada <a@b.test>"), [("a@b.test".into(), Some("Support: Ada".into()))]);
        assert_eq!(people("Lövelace, Ada <a@b.test>"), [("a@b.test".into(), Some("Lövelace, Ada".into()))]);
        let both = [("a@b.test".into(), Some("Ada, Ph.D., Lady".into())), nameless("c@d.test")];
        assert_eq!(people("Ada, Ph.D., Lady <a@b.test>, somebody, c@d.test"), both);
        assert_eq!(people(&"a@b.test,".repeat(10_000)).len(), MAILBOXES_MAX);
    }

    #[test]
    fn nothing_inside_of_quotation_marks_is_an_address() {
        assert_eq!(
            people("\"<victim@bank.example>\"@evil.example"),
            [("\"<victim@bank.example>\"@evil.example".into(), None)]
        );
        for (value, address) in [
            ("\"victim@bank.example\" <eve@evil.example>", "eve@evil.example"),
            ("\"<victim@bank.example>\" <eve@evil.example>", "eve@evil.example"),
            ("(<victim@bank.example>) eve@evil.example", "eve@evil.example"),
            ("=?utf-8?B?PHZpY3RpbUBiYW5rLmV4YW1wbGU+?= <eve@evil.example>", "eve@evil.example"),
            (
                "\"<victim@bank.example>\\\" <x@y.test>\"@evil.example",
                "\"<victim@bank.example>\\\" <x@y.test>\"@evil.example",
            ),
        ] {
            let found = read(value);
            assert_eq!((found.found[0].address.as_str(), found.is_guessed), (address, false), "{value}");
        }
        for value in ["\"victim@bank.example\"", "(victim@bank.example)", "\"<victim@bank.example>\" <>"] {
            assert!(read(value).found.is_empty(), "{value}");
        }
        // What is only guessed says so.
        assert!(read("\"Ada <a@b.test>").is_guessed);
        assert!(read("Ada <a@b.test> Grace <g@b.test>").is_guessed);
    }
}
