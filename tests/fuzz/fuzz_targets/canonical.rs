//! Two spellings of an address, a line each after its scheme: each canonical form is its own, and two are equal only if
//! they are the same mailbox or line.
#![no_main]

use rapport_model::canonical::canonicalise;
use rapport_model::event::{Attestation, Identifier};

libfuzzer_sys::fuzz_target!(|input: &str| {
    let mut lines = input.splitn(3, '\n');
    let (Some(scheme), Some(a), Some(b)) = (lines.next(), lines.next(), lines.next()) else { return };
    let of = |value: &str| {
        let identifier =
            Identifier { scheme: scheme.into(), scope: None, value: value.into(), attestation: Attestation::Provider };
        canonicalise(&identifier).ok()
    };
    let keys = [a, b].map(|text| {
        let key = of(text)?;
        assert_eq!(of(&key.value).as_ref(), Some(&key), "the canonical form of `{text}` is its own");
        Some(key)
    });
    let [Some(one), Some(two)] = keys else { return };
    if one != two {
        return;
    }
    match scheme {
        "email" => assert!(same_mailbox(a, b), "`{a}` is not `{b}`"),
        "phone" => assert!(same_line(a, b), "`{a}` is not `{b}`"),
        _ => {}
    }
});

/// A plain reading of two mailboxes in ASCII, where one is to be had; otherwise: whether the one in ASCII has no twin with
/// letters of another script.
fn same_mailbox(a: &str, b: &str) -> bool {
    let [one, two] = [a, b].map(plain);
    if let (Some(one), Some(two)) = (&one, &two) {
        return one == two;
    }
    let is_foreign = |text: &str| {
        let local = text.rsplit_once('@').map_or(text, |(local, _)| local);
        let local = local.rsplit_once('<').map_or(local, |(_, local)| local);
        !local.contains(['(', '"', '%']) && local.chars().any(|c| !c.is_ascii() && c.is_alphanumeric())
    };
    !(one.is_some() && is_foreign(b) || two.is_some() && is_foreign(a))
}

/// `local@domain` in ASCII without anything around it, the local part in lower case.
fn plain(text: &str) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "@.-_+".contains(c);
    let text = text.trim();
    (text.chars().all(is_plain) && text.matches('@').count() == 1 && !text.contains("xn--"))
        .then(|| text.trim_end_matches('.').to_ascii_lowercase())
}

/// Whether two texts of a line end in the same digits. Renumberings change the beginning of a number only.
fn same_line(a: &str, b: &str) -> bool {
    const LAST: usize = 5;
    let digits = |text: &str| {
        let is_simple = text.chars().all(|c| c.is_ascii_digit() || "+-. ()".contains(c));
        let digits: Vec<char> = text.chars().filter(char::is_ascii_digit).collect();
        (is_simple && digits.len() > LAST).then(|| digits[digits.len() - LAST..].to_vec())
    };
    match (digits(a), digits(b)) {
        (Some(one), Some(two)) => one == two,
        _ => true,
    }
}
