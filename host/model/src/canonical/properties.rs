//! Canonical forms against an independent model: a line and a mailbox are made first, then written in many ways. Two texts
//! are equal only if they were made of the same line or mailbox.

use super::{canonicalise, e164, former, mailbox, renumbered};
use crate::endpoint::EndpointKey;
use crate::event::{Attestation, Identifier};
use crate::identity::tests::Random;

const ROUNDS: usize = 3_000;

fn pick<'a, T: ?Sized>(random: &mut Random, from: &[&'a T]) -> &'a T {
    from[random.below(from.len())]
}

fn key(scheme: &str, value: &str) -> Option<EndpointKey> {
    let (scheme, value) = (scheme.to_owned(), value.to_owned());
    canonicalise(&Identifier { scheme, scope: None, value, attestation: Attestation::Provider }).ok()
}

/// A line: its digits as its country writes them today, and an extension.
type Line = (String, Option<String>);

fn a_line(random: &mut Random) -> Line {
    // Countries without double spellings, and with: area code and the number of digits behind it.
    const PLANS: &[(&str, usize)] = &[
        ("1650", 7),
        ("1212", 7),
        ("4930", 7),
        ("4420", 8),
        ("39347", 7),
        ("3906", 7),
        ("33612", 6),
        ("551196", 7),
        ("55113", 7),
        ("5255", 8),
        ("54911", 8),
        ("225070", 7),
        ("2290197", 6),
        ("241771", 5),
        ("8439", 7),
        ("8612", 8),
    ];
    let (area, digits) = PLANS[random.below(PLANS.len())];
    // Few digits, so that lines meet; none of them 0 or 1, which may be a trunk prefix.
    let digits: String = (0..digits).map(|_| pick(random, &["2", "3"])).collect();
    let extension = (random.below(4) == 0).then(|| pick(random, &["5", "05", "99"]).to_owned());
    (format!("{area}{digits}"), extension)
}

/// One of the ways in which people, networks and programs write a line.
fn spell(random: &mut Random, (digits, extension): &Line) -> String {
    let old = renumbered::before(digits, 1);
    let digits =
        if old.is_empty() || random.below(2) == 0 { digits.clone() } else { old[random.below(old.len())].clone() };
    let zero = pick(random, &["0", "0", "0", "٠", "०", "０"]).chars().next().unwrap();
    let mut text = pick(random, &["+", "00", "+ ", "(+", "tel:+", "tel:%2B", "\u{202a}+", "\u{200e}+"]).to_owned();
    let is_open = text.starts_with('(');
    let is_uri = text.starts_with("tel:");
    for (place, digit) in digits.chars().enumerate() {
        if place == 4 && is_open {
            text.push(')');
        }
        text.push(char::from_u32(u32::from(zero) + digit.to_digit(10).unwrap()).unwrap());
        text.push_str(pick(random, &["", "", "", "", "-", " ", ".", "\u{a0}", "\u{2011}", "\u{ad}", "\u{200b}"]));
    }
    if let Some(extension) = extension {
        text.push_str(if is_uri {
            ";ext="
        } else {
            pick(random, &[" ext ", " ext. ", "x", " X ", ",", ",,", ";ext=", "p", " #", " extension: "])
        });
        text.push_str(extension);
    }
    text.push_str(pick(random, &["", " ", "\u{202c}", "\u{feff}"]));
    text
}

#[test]
fn two_spellings_are_equal_if_and_only_if_they_are_the_same_line() {
    let mut random = Random(1);
    for round in 0..ROUNDS {
        let (a, b) = (a_line(&mut random), a_line(&mut random));
        let [first, second, other] = [&a, &a, &b].map(|line| spell(&mut random, line));
        let [one, two, three] = [&first, &second, &other].map(|text| key("phone", text));
        assert_eq!(one, two, "{round}: {first} {second}");
        assert!(e164(&first).is_some(), "{round}: {first}");
        assert_eq!(one == three, a == b, "{round}: {first} {other}");
    }
}

/// A mailbox: the content of its local part, in lower case, and its domain in Unicode.
type Box = (String, &'static str);

fn a_mailbox(random: &mut Random) -> Box {
    const PIECES: &[&str] =
        &["a", "b", ".", "+x", "ü", "ı", "\u{ff41}", "\u{430}", "<", ">", "@", ",", " ", "\"", "\\", "é"];
    let local: String = (0..=random.below(4)).map(|_| pick(random, PIECES)).collect();
    (local, pick(random, &["x.example", "bücher.example", "b.x.example"]))
}

fn spell_mailbox(random: &mut Random, (local, domain): &Box) -> String {
    let is_plain = local.chars().all(|c| !"<>@, \"\\".contains(c));
    let case = |random: &mut Random, c: char| if random.below(3) == 0 { c.to_ascii_uppercase() } else { c };
    let mut text = String::new();
    let quoted = !is_plain || random.below(4) == 0;
    for c in local.chars() {
        if quoted && (matches!(c, '"' | '\\') || random.below(6) == 0) {
            text.push('\\');
        }
        // A letter with its accent, as one character or as two.
        match c {
            'é' if !text.ends_with('\\') && random.below(2) == 0 => text.push_str("e\u{301}"),
            c => text.push(case(random, c)),
        }
    }
    let text = if quoted { format!("\"{text}\"") } else { text };
    let domain = match *domain {
        "bücher.example" => {
            pick(random, &["bücher.example", "xn--bcher-kva.example", "BÜCHER.example", "bu\u{308}cher.Example."])
        }
        other => other,
    };
    let address = format!("{text}@{domain}");
    match random.below(8) {
        0 => format!("<{address}>"),
        1 => format!("Ann <{address}>"),
        2 => format!("\"victim@x.example\" <{address}>"),
        3 => format!("{address}(a comment)"),
        4 => format!("\u{202a}{address}\u{202c}"),
        5 => format!("(<a@x.example>) {address}"),
        _ => address,
    }
}

#[test]
fn two_spellings_are_equal_if_and_only_if_they_are_the_same_mailbox() {
    let mut random = Random(2);
    for round in 0..ROUNDS {
        let (a, b) = (a_mailbox(&mut random), a_mailbox(&mut random));
        let [first, second, other] = [&a, &a, &b].map(|mailbox| spell_mailbox(&mut random, mailbox));
        let [one, two, three] = [&first, &second, &other].map(|text| key("email", text));
        assert!(mailbox(&first).is_some(), "{round}: {first}");
        assert_eq!(one, two, "{round}: {first} {second}");
        assert_eq!(one == three, a == b, "{round}: {first} {other}");
    }
}

/// A text of pieces that mean something to one parser or another.
fn hostile(random: &mut Random) -> String {
    const PIECES: &[&str] = &[
        "+",
        "00",
        "1650555",
        "1234",
        "49",
        "0",
        "54",
        "9",
        "11",
        "15",
        "tel:",
        "mailto:",
        ";ext=",
        ";isub=",
        ";phone-context=",
        "ext",
        "x",
        ",",
        "#",
        "%2B",
        "%40",
        "%",
        "@",
        "<",
        ">",
        "\"",
        "\\",
        "(",
        ")",
        "[",
        "]",
        ".",
        "-",
        " ",
        "\t",
        "\0",
        "a",
        "K",
        "\u{212a}",
        "\u{130}",
        "\u{131}",
        "\u{3a9}",
        "\u{2126}",
        "\u{202e}",
        "\u{200d}",
        "\u{ad}",
        "\u{a0}",
        "١",
        "１",
        "＋",
        "＠",
        "。",
        "example.com",
        "xn--",
        "ß",
        "IPv6:",
        "::1",
        "192.0.2.1",
        "{{",
        "}}",
        "null",
        "\u{300}",
        "\u{10ffff}",
    ];
    (0..=random.below(9)).map(|_| pick(random, PIECES)).collect()
}

#[test]
fn a_canonical_form_is_its_own_canonical_form_whatever_came() {
    let mut random = Random(3);
    for _ in 0..4 * ROUNDS {
        let text = hostile(&mut random);
        for scheme in ["phone", "sms", "email", "chat"] {
            let Some(canonical) = key(scheme, &text) else { continue };
            assert_eq!(key(scheme, &canonical.value).as_ref(), Some(&canonical), "{scheme}: {text:?}");
            for former in former(&canonical) {
                assert_eq!(key(scheme, &former.value).as_ref(), Some(&canonical), "{scheme}: {text:?}");
            }
        }
        // What is read and what is not never meet.
        if mailbox(&text).is_none()
            && let Some(kept) = key("email", &text)
        {
            assert_eq!(mailbox(&kept.value), None, "{text:?}");
        }
        if e164(&text).is_none()
            && let Some(kept) = key("phone", &text)
        {
            assert_eq!(e164(&kept.value), None, "{text:?}");
        }
    }
}
