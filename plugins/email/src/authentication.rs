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

/// A mail with two authors, with two `From` fields, or with a garbled one, shows one and was checked for the other. So may
/// one with more fields than are read.
pub fn has_one_author(mail: &Mail) -> bool {
    mail.from.len() == 1 && mail.author_fields() <= 1 && !mail.is_author_guessed && !mail.headers.is_cut()
}

/// The word of a verdict, such as `Pass (sender SPF authorized) identity=…`.
pub fn is_pass(verdict: &str) -> bool {
    let word = verdict.trim_start().split(|character: char| !character.is_ascii_alphabetic()).next();
    word.is_some_and(|word| word.eq_ignore_ascii_case("pass"))
}

/// The domains for which the topmost `Authentication-Results` (RFC 8601) says `dkim=pass`, if it is by this server.
/// Those further down came with the mail, and anybody can write them.
pub fn dkim_domains(headers: &Headers, server: &str) -> Vec<String> {
    let Some(value) = headers.first("authentication-results") else { return Vec::new() };
    let mut results = sections(value).into_iter();
    let by = results.next().unwrap_or_default();
    // The server's name, and perhaps the version of the field.
    if !by.first().is_some_and(|by| by.eq_ignore_ascii_case(server)) || by.len() > 2 {
        return Vec::new();
    }
    results.filter_map(|result| dkim_domain(&result)).collect()
}

/// The domain of a result `dkim=pass`: the signer's (`header.d`), which an identity (`header.i`) has to belong to.
fn dkim_domain(result: &[String]) -> Option<String> {
    let (method, verdict) = result.first()?.split_once('=')?;
    let method = method.split('/').next().unwrap_or_default();
    if !method.eq_ignore_ascii_case("dkim") || !verdict.eq_ignore_ascii_case("pass") {
        return None;
    }
    let property = |name: &str| {
        let mut found =
            result.iter().filter_map(|word| word.split_once('=')).filter(|(found, _)| found.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value).filter(|_| found.next().is_none())
    };
    let identity =
        property("header.i").map(|identity| identity.rsplit_once('@').map_or(identity, |(_, domain)| domain));
    match (property("header.d"), identity) {
        (Some(signer), Some(identity)) => is_aligned(signer, identity).then(|| signer.to_owned()),
        (signer, identity) => signer.or(identity).map(str::to_owned),
    }
}

/// The domain of the return path in a `Received-SPF` (RFC 7208, section 9.1) that passes.
pub fn spf_domain(value: &str) -> Option<String> {
    let sections = sections(value);
    let words: Vec<&String> = sections.iter().flatten().collect();
    if !words.first().is_some_and(|verdict| verdict.eq_ignore_ascii_case("pass")) {
        return None;
    }
    let mut paths = words
        .iter()
        .filter_map(|word| word.split_once('='))
        .filter(|(name, _)| name.eq_ignore_ascii_case("envelope-from"));
    let (_, path) = paths.next().filter(|_| paths.next().is_none())?;
    let path = path.trim_matches(['<', '>']);
    Some(path.rsplit_once('@').map_or(path, |(_, domain)| domain).to_owned())
}

/// The words between the `;` of a value, without its comments; what stands in quotation marks belongs to its word, and
/// ends nothing. Spaces around a `=` do not count.
fn sections(value: &str) -> Vec<Vec<String>> {
    let mut sections = vec![Vec::new()];
    let mut word = String::new();
    let (mut is_quoted, mut comments) = (false, 0_usize);
    let mut signs = value.chars();
    let end = |word: &mut String, sections: &mut Vec<Vec<String>>| {
        let Some(section) = sections.last_mut().filter(|_| !word.is_empty()) else { return };
        let joins = |last: &String| last.ends_with('=') && !last[..last.len() - 1].contains('=');
        match section.last_mut() {
            Some(last) if joins(last) || word.starts_with('=') => last.push_str(word),
            _ => section.push(word.clone()),
        }
        word.clear();
    };
    while let Some(sign) = signs.next() {
        match sign {
            '\\' if is_quoted || comments > 0 => {
                let next = signs.next();
                word.extend(next.filter(|_| is_quoted));
            }
            '"' if comments == 0 => is_quoted = !is_quoted,
            _ if is_quoted => word.push(sign),
            '(' => comments += 1,
            ')' if comments > 0 => {
                comments -= 1;
                if comments == 0 {
                    end(&mut word, &mut sections);
                }
            }
            _ if comments > 0 => {}
            ';' => {
                end(&mut word, &mut sections);
                sections.push(Vec::new());
            }
            _ if sign.is_whitespace() => end(&mut word, &mut sections),
            _ => word.push(sign),
        }
    }
    // What nobody closed is not believed.
    if is_quoted || comments > 0 {
        return vec![Vec::new()];
    }
    end(&mut word, &mut sections);
    sections
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
    fn no_quotation_and_no_comment_names_another_domain() {
        let domains = |value: &str| {
            let mut headers = Headers::default();
            headers.push("Authentication-Results", value);
            dkim_domains(&headers, "mx.test")
        };
        for (value, expected) in [
            ("mx.test; dkim=pass header.i=@a.test", &["a.test"][..]),
            (
                "mx.test 1; DKIM/1 = pass (good; dkim=pass header.d=bank.test) header.d = a.test header.s=s1",
                &["a.test"],
            ),
            ("mx.test; dkim=pass header.d=a.test header.i=ada@mail.a.test", &["a.test"]),
            ("mx.test; dkim=pass header.d=a.test; dkim=pass header.d=b.test", &["a.test", "b.test"]),
            ("mx.test; dkim=pass header.i=\"x; dkim=pass header.d=bank.test \"@evil.test", &["evil.test"]),
            ("mx.test; dkim=pass header.i=\"@bank.test\"@evil.test", &["evil.test"]),
            ("mx.test; dkim=pass header.d=evil.test header.i=ada@bank.test", &[]),
            ("mx.test; dkim=pass header.d=evil.test header.d=bank.test", &[]),
            ("mx.test; dkim=fail reason=\"dkim=pass header.d=bank.test\" header.d=evil.test", &[]),
            ("mx.test; spf=pass smtp.mailfrom=\"; dkim=pass header.d=bank.test\"@evil.test", &[]),
            ("mx.test (; dkim=pass header.d=bank.test", &[]),
            ("(mx.test) evil.test; dkim=pass header.d=bank.test", &[]),
            ("mx.test extra words; dkim=pass header.d=bank.test", &[]),
            ("mx.test; none", &[]),
            ("", &[]),
        ] {
            assert_eq!(domains(value), expected, "{value}");
        }
    }

    #[test]
    fn a_pass_of_spf_is_for_the_return_path_only() {
        for (value, expected) in [
            (
                "Pass (sender SPF authorized) identity=mailfrom; client-ip=203.0.113.7; helo=mx.a.test; envelope-from=ada@a.test; receiver=x",
                Some("a.test"),
            ),
            (
                "pass (mx.test: domain of bank.test envelope-from=x@bank.test) envelope-from=\"<ada@a.test>\"",
                Some("a.test"),
            ),
            ("Pass identity=mailfrom; helo=envelope-from=x@bank.test; envelope-from=ada@evil.test", Some("evil.test")),
            ("Pass envelope-from=\"x;envelope-from=y@bank.test\"@evil.test", Some("evil.test")),
            ("Pass envelope-from=x@bank.test; envelope-from=ada@evil.test", None),
            ("Fail (Pass) envelope-from=ada@a.test", None),
            ("(Pass) none envelope-from=ada@a.test", None),
            ("", None),
        ] {
            assert_eq!(spf_domain(value).as_deref(), expected, "{value}");
        }
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
