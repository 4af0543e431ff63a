//! Whether a mail is really from the domain in its `From`. Whoever is not proven to be is never linked to anybody.
//!
//! A pass of SPF or DKIM is one of some domain; it counts only when that domain is the one in `From` or a parent of it.
//! The other relaxed case of DMARC (RFC 9989), a subdomain that speaks for its parent, needs the list of public
//! suffixes, so it does not count: `bounce.example.com` says nothing about `example.com` here.

use crate::address;
use crate::mail::{Headers, Mail};

/// Whether a pass for `domain` proves who the one and only author of this mail is.
pub fn proves(mail: &Mail, domain: &str) -> bool {
    has_one_author(mail) && mail.from.first().is_some_and(|from| is_aligned(domain, address::domain(&from.address)))
}

/// A mail with two authors, with two `From` fields, or with a garbled one, shows one and was checked for the other.
pub fn has_one_author(mail: &Mail) -> bool {
    mail.from.len() == 1 && mail.author_fields() <= 1 && !mail.is_author_guessed
}

/// The word of a verdict, such as `Pass (sender SPF authorized) identity=…`.
pub fn is_pass(verdict: &str) -> bool {
    let word = verdict.trim_start().split(|character: char| !character.is_ascii_alphabetic()).next();
    word.is_some_and(|word| word.eq_ignore_ascii_case("pass"))
}

/// The domains for which the topmost `Authentication-Results` (RFC 8601) says `dkim=pass`, if it is by this server.
/// Those further down came with the mail, and anybody can write them.
pub fn dkim_domains<'h>(headers: &'h Headers, server: &str) -> Vec<&'h str> {
    let Some((by, results)) = headers.first("authentication-results").and_then(|field| field.split_once(';')) else {
        return Vec::new();
    };
    if !by.split_whitespace().next().is_some_and(|by| by.eq_ignore_ascii_case(server)) {
        return Vec::new();
    }
    let passes = results.split(';').map(str::trim).filter(|result| result.starts_with("dkim=pass"));
    let property = |word: &'h str| word.strip_prefix("header.i=").or_else(|| word.strip_prefix("header.d="));
    let domain = |identity: &'h str| identity.rsplit_once('@').map_or(identity, |(_, domain)| domain);
    passes.flat_map(str::split_whitespace).filter_map(property).map(domain).collect()
}

fn is_aligned(authenticated: &str, from: &str) -> bool {
    let (authenticated, from) = (authenticated.trim().trim_end_matches('.'), from.trim_end_matches('.'));
    if !authenticated.contains('.') {
        return false;
    }
    let parent = from.len().checked_sub(authenticated.len()).and_then(|start| from.split_at_checked(start));
    parent.is_some_and(|(child, parent)| {
        parent.eq_ignore_ascii_case(authenticated) && (child.is_empty() || child.ends_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_domain_itself_and_its_parents_speak_for_it() {
        for (authenticated, from, expected) in [
            ("example.com", "example.com", true),
            ("Example.COM.", "example.com", true),
            ("example.com", "mail.example.com", true),
            ("mail.example.com", "example.com", false),
            ("ample.com", "example.com", false),
            ("com", "example.com", false),
            ("", "example.com", false),
            ("example.com", "", false),
        ] {
            assert_eq!(is_aligned(authenticated, from), expected, "{authenticated} for {from}");
        }
    }

    #[test]
    fn only_the_receiver_itself_is_believed() {
        let mut headers = Headers::default();
        headers.push(
            "Authentication-Results",
            "amazonses.com; spf=pass x; dkim=pass header.i=@a.test; dkim=fail header.d=b.test",
        );
        headers.push("Authentication-Results", "amazonses.com; dkim=pass header.d=forged.test");
        assert_eq!(dkim_domains(&headers, "amazonses.com"), ["a.test"]);
        assert!(dkim_domains(&headers, "mx.example.com").is_empty());
        assert!(is_pass("Pass (sender SPF authorized)") && is_pass("pass") && !is_pass("passed") && !is_pass("fail"));
    }

    #[test]
    fn two_authors_are_none() {
        let proven = |block: &str| proves(&Mail::of_block(block.as_bytes()), "a.test");
        assert!(proven("From: ada@a.test"));
        assert!(!proven("From: ada@a.test, eve@b.test"));
        assert!(!proven("From: ada@a.test\nFrom: eve@b.test"));
        assert!(!proven("From: Ada <Ada <ada@a.test>>"));
        assert!(!proven("Subject: nobody"));
    }
}
