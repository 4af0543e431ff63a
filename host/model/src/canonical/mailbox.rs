//! Mailboxes: which one a text names. The grammar of RFC 5321 and RFC 5322, with RFC 6531 for other letters and UTS #46
//! for domains.

use std::net::{Ipv4Addr, Ipv6Addr};

use icu_normalizer::ComposingNormalizerBorrowed;
use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};

use super::text;

/// Octets. Source: RFC 5321 §4.5.3.1.1.
const LOCAL_BYTES_MAX: usize = 64;
/// Octets of a whole address. Source: RFC 5321 §4.5.3.1.3, less the angle brackets of a path.
const MAILBOX_BYTES_MAX: usize = 254;

/// A mailbox. Two are equal if mail to both comes to the same one, as far as that can be told without the mail host:
/// letters of ASCII in either case, quoted or not, a domain in either of its forms.
///
/// Dots and `+tags` stay: whether they matter is the mail host's business. Letters beyond ASCII keep their case, and none of
/// them is ever one of ASCII: a Kelvin sign is no `k`.
///
/// No character is left out of a local part. One that shows nothing, a control character or the sign of a lost one makes
/// the text name no mailbox, and not the mailbox that it would be without it. In a domain UTS #46 decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// Without its quotes, in lower case, NFC.
    local: String,
    /// In ASCII, in lower case, or an address literal in brackets.
    domain: String,
}

impl std::fmt::Display for Mailbox {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.needs_quotes() {
            return write!(out, "{}@{}", self.local, self.domain);
        }
        out.write_str("\"")?;
        for character in self.local.chars() {
            if matches!(character, '"' | '\\') {
                out.write_str("\\")?;
            }
            write!(out, "{character}")?;
        }
        write!(out, "\"@{}", self.domain)
    }
}

/// The one spelling of the mailbox that a text names: `ann@example.com`, `Ann <ann@example.com>`, `mailto:ann@example.com`;
/// none if it names none, or several.
pub fn mailbox(text: &str) -> Option<String> {
    Mailbox::parse(text).map(|mailbox| mailbox.to_string())
}

impl Mailbox {
    /// Reads a text; none if it names no mailbox, or several.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text::trim(text);
        if text.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("mailto:")) {
            let address = text[7..].split(['?', '#']).next().unwrap_or_default();
            return addr_spec(&super::percent_decoded(address)?);
        }
        match text.strip_suffix('>') {
            Some(text) => addr_spec(text.get(opening(text)? + 1..)?),
            None => addr_spec(text),
        }
    }

    /// Whether the local part must stand in quotes. Hardly a person has such a mailbox; most of them are meant to be taken
    /// for another one.
    pub fn needs_quotes(&self) -> bool {
        !self.local.chars().all(|character| is_atext(character) || character == '.')
    }

    /// What stands before the last `@`, without quotes and in lower case.
    pub fn local(&self) -> &str {
        &self.local
    }

    /// In ASCII and lower case; an address literal in brackets.
    pub fn domain(&self) -> &str {
        &self.domain
    }
}

/// Where the `<` of `Ann <ann@example.com` stands: the first one outside of quotes and comments. None if there is none, or
/// if more than a name stands before it.
fn opening(text: &str) -> Option<usize> {
    let mut reader = Reader { text, place: 0 };
    let (mut has_at, mut is_list) = (false, false);
    loop {
        match reader.peek()? {
            '"' => drop(reader.quoted()?),
            '(' => reader.comment()?,
            '<' => return (!(has_at && is_list)).then_some(reader.place),
            character => {
                has_at |= character == '@';
                is_list |= matches!(character, ',' | ';');
                reader.next();
            }
        }
    }
}

/// `local@domain`, with comments and folding white space where RFC 5322 allows them.
fn addr_spec(text: &str) -> Option<Mailbox> {
    let mut reader = Reader { text: text::trim(text), place: 0 };
    let local = reader.local()?;
    reader.next();
    let domain = reader.domain()?;
    let mailbox = Mailbox { local: canonical_local(&local)?, domain };
    let fits = mailbox.local.len() <= LOCAL_BYTES_MAX && mailbox.to_string().len() <= MAILBOX_BYTES_MAX;
    fits.then_some(mailbox)
}

/// A local part in its one form; none if a letter of it is another way to write one of ASCII, shows nothing or is lost.
fn canonical_local(local: &str) -> Option<String> {
    let nfc = ComposingNormalizerBorrowed::new_nfc();
    let becomes_ascii = |character: char| {
        !character.is_ascii() && nfc.normalize(character.encode_utf8(&mut [0; 4])).chars().any(|one| one.is_ascii())
    };
    let canonical = nfc.normalize(local).to_ascii_lowercase();
    let is_whole = !local.contains(text::is_invisible) && !text::is_damaged(local);
    (!local.is_empty() && is_whole && !local.contains(becomes_ascii)).then_some(canonical)
}

/// RFC 5322 `atext`, with what RFC 6532 adds: everything beyond ASCII that shows.
fn is_atext(character: char) -> bool {
    match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' => true,
        '!' | '#' | '$' | '%' | '&' | '\'' | '*' | '+' | '-' | '/' | '=' | '?' | '^' | '_' | '`' | '{' | '|' | '}'
        | '~' => true,
        _ => !character.is_ascii() && !character.is_control() && !character.is_whitespace(),
    }
}

struct Reader<'a> {
    text: &'a str,
    place: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.place..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.place += next.len_utf8();
        Some(next)
    }

    /// Comments and folding white space. None if a comment does not end.
    fn skip(&mut self) -> Option<()> {
        while let Some(next) = self.peek() {
            match next {
                '(' => self.comment()?,
                ' ' | '\t' | '\r' | '\n' => drop(self.next()),
                _ => break,
            }
        }
        Some(())
    }

    fn comment(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            match self.next()? {
                '(' => depth += 1,
                ')' => depth -= 1,
                '\\' => drop(self.next().filter(|escaped| !escaped.is_control())?),
                character if character.is_control() && !text::is_space(character) => return None,
                _ => {}
            }
            if depth == 0 {
                return Some(());
            }
        }
    }

    /// What stands between quotes, without what escapes it.
    fn quoted(&mut self) -> Option<String> {
        self.next();
        let mut content = String::new();
        loop {
            match self.next()? {
                '"' => return Some(content),
                '\\' => content.push(self.next().filter(|escaped| !escaped.is_control())?),
                character if character.is_control() && character != '\t' => return None,
                character => content.push(character),
            }
        }
    }

    /// Words with dots between them, up to the `@`. Some hosts gave addresses with dots in a row or at the end.
    fn local(&mut self) -> Option<String> {
        let (mut local, mut was_word) = (String::new(), false);
        loop {
            self.skip()?;
            let next = self.peek()?;
            match next {
                '@' => return Some(local),
                '.' => {
                    local.push('.');
                    self.next();
                }
                _ if was_word => return None,
                '"' => local.push_str(&self.quoted()?),
                _ if is_atext(next) => local.push_str(self.atom()),
                _ => return None,
            }
            was_word = next != '.';
        }
    }

    fn atom(&mut self) -> &str {
        let rest = &self.text[self.place..];
        let end = rest.find(|character| !is_atext(character)).unwrap_or(rest.len());
        self.place += end;
        &rest[..end]
    }

    /// What follows the `@`, to the end.
    fn domain(&mut self) -> Option<String> {
        self.skip()?;
        if self.peek()? == '[' {
            self.next();
            let literal = self.text[self.place..].split(']').next()?;
            self.place += literal.len();
            let domain = address_literal(literal)?;
            self.next()?;
            self.skip()?;
            return self.peek().is_none().then_some(domain);
        }
        let (mut domain, mut was_word) = (String::new(), false);
        loop {
            self.skip()?;
            let Some(next) = self.peek() else { break };
            match next {
                '.' => {
                    domain.push('.');
                    self.next();
                }
                _ if was_word || !is_atext(next) => return None,
                _ => domain.push_str(self.atom()),
            }
            was_word = next != '.';
        }
        domain_name(&domain)
    }
}

/// A domain name in ASCII; one dot at its end says only that it is whole.
fn domain_name(domain: &str) -> Option<String> {
    let ascii = Uts46::new()
        .to_ascii(domain.as_bytes(), AsciiDenyList::URL, Hyphens::Allow, DnsLength::VerifyAllowRootDot)
        .ok()?;
    let ascii = ascii.strip_suffix('.').unwrap_or(&ascii);
    let is_host = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.');
    (!ascii.is_empty() && ascii.bytes().all(is_host)).then(|| ascii.to_owned())
}

/// `192.0.2.1` or `IPv6:2001:db8::1` in its one spelling. Source: RFC 5321 §4.1.3.
fn address_literal(literal: &str) -> Option<String> {
    let literal = literal.trim_matches([' ', '\t']);
    let v6 = literal.get(..5).filter(|tag| tag.eq_ignore_ascii_case("IPv6:"));
    match v6 {
        Some(_) => literal[5..].parse::<Ipv6Addr>().ok().map(|address| format!("[IPv6:{address}]")),
        None => literal.parse::<Ipv4Addr>().ok().map(|address| format!("[{address}]")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_mailbox_has_one_spelling() {
        for (text, canonical) in [
            ("Ann@Example.COM", "ann@example.com"),
            ("Ann Lee <ann@example.com>", "ann@example.com"),
            ("<ann@example.com>", "ann@example.com"),
            ("\"Lee, Ann <x@y>\" <ann@example.com>", "ann@example.com"),
            ("Lee, Ann <ann@example.com>", "ann@example.com"),
            ("bob@bank.example <ann@example.com>", "ann@example.com"),
            ("Ann (<b@c>) <ann@example.com>", "ann@example.com"),
            ("ann(her work)@(at)example.com", "ann@example.com"),
            ("ann @ example . com", "ann@example.com"),
            ("\"ann\"@example.com", "ann@example.com"),
            ("\"a.b\"@example.com", "a.b@example.com"),
            ("\"a\".b@example.com", "a.b@example.com"),
            ("\"a\\nn\"@example.com", "ann@example.com"),
            ("mailto:ann@example.com?subject=a%20b&to=eve@example.com", "ann@example.com"),
            ("MAILTO:ann%40example.com", "ann@example.com"),
            ("mailto:a%25b@example.com", "a%b@example.com"),
            ("jürgen@bücher.example", "jürgen@xn--bcher-kva.example"),
            ("ju\u{308}rgen@xn--bcher-kva.example", "jürgen@xn--bcher-kva.example"),
            ("ann@faß.example", "ann@xn--fa-hia.example"),
            ("ann@例え。テスト", "ann@xn--r8jz45g.xn--zckzah"),
            ("ann@example.com.", "ann@example.com"),
            ("a.b+c@gmail.com", "a.b+c@gmail.com"),
            ("a..b.@docomo.example", "a..b.@docomo.example"),
            ("o'hara=x@example.com", "o'hara=x@example.com"),
            ("ann@[192.0.2.1]", "ann@[192.0.2.1]"),
            ("ann@[ipv6:2001:DB8:0::1]", "ann@[IPv6:2001:db8::1]"),
            ("\u{feff}\u{202a}ann@exam\u{ad}ple.com\u{202c}\u{200b}", "ann@example.com"),
            ("\"Ann Lee\"@example.com", "\"ann lee\"@example.com"),
            ("\"<victim@bank.example>\"@evil.example", "\"<victim@bank.example>\"@evil.example"),
            ("x <\"a\\\"b\"@example.com>", "\"a\\\"b\"@example.com"),
        ] {
            assert_eq!(mailbox(text).as_deref(), Some(canonical), "{text}");
            assert_eq!(mailbox(canonical).as_deref(), Some(canonical), "{canonical}");
        }
    }

    #[test]
    fn a_letter_that_only_looks_like_one_of_ascii_is_another() {
        for (text, own) in [
            // Dotless i, full-width a, Cyrillic а, long s.
            ("ı@example.com", Some("ı@example.com")),
            ("\u{ff41}nn@example.com", Some("\u{ff41}nn@example.com")),
            ("\u{430}nn@example.com", Some("\u{430}nn@example.com")),
            ("\u{17f}@example.com", Some("\u{17f}@example.com")),
            ("İ@example.com", Some("İ@example.com")),
            // The Kelvin sign: NFC would make a K of it.
            ("\u{212a}ate@example.com", None),
            ("JÜRGEN@example.com", Some("jÜrgen@example.com")),
        ] {
            assert_eq!(mailbox(text).as_deref(), own, "{text}");
        }
    }

    #[test]
    fn what_names_no_mailbox_or_several_is_none() {
        let long = format!("{}@example.com", "a".repeat(65));
        let far = format!("a@{}example.com", "b.".repeat(130));
        for text in [
            "",
            "ann",
            "@example.com",
            "ann@",
            "\"\"@example.com",
            "ann lee@example.com",
            "ann@example.com, bob@example.com",
            "ann@example.com, Bob <bob@example.com>",
            "ann@example.com bob@example.com",
            "Ann <ann@example.com> x",
            "Ann <ann@example.com",
            "Ann ann@example.com>",
            "<<ann@example.com>>",
            "<@a.example:ann@example.com>",
            "\"ann@example.com",
            "ann(@example.com",
            "ann@@example.com",
            "ann@exam ple.com",
            "ann@example..com",
            "ann@example.com/x",
            "ann@[192.0.2]",
            "ann@[x:y]",
            "ann@[192.0.2.1]x",
            "ann\0@example.com",
            "ann@example.com\0",
            "\0ann@example.com",
            "a\0nn@example.com",
            "ann@exam\0ple.com",
            "<ann@example.com\0>",
            "\"ann\0\"@example.com",
            "\"ann\\\0\"@example.com",
            "ann(\0)@example.com",
            "ann(\\\0)@example.com",
            "ann@[192.0.2.1\0]",
            "mailto:ann%00@example.com",
            "mailto:ann@example.com%00",
            "ann@example.com\u{b}",
            "ann\u{85}@example.com",
            "ann\u{2028}@example.com",
            "ann\u{fffd}@example.com",
            "\"ann\u{fffd}\"@example.com",
            "ann@example\u{fffd}.com",
            "a\u{200b}nn@example.com",
            "a\u{ad}nn@example.com",
            "ann\u{202e}@example.com",
            "\"ann\u{feff}\"@example.com",
            "mailto:a%E2%80%8Bnn@example.com",
            "ann\u{ff20}example.com",
            "mailto:ann@example.com,bob@example.com",
            "mailto:ann%ZZ@example.com",
            "mailto:ann%FF@example.com",
            &long,
            &far,
        ] {
            assert_eq!(mailbox(text), None, "{text}");
        }
    }

    #[test]
    fn no_letter_beyond_ascii_becomes_one_of_ascii() {
        // Planes beyond the second one have nothing that looks like a letter of ASCII.
        for character in '\u{80}'..'\u{20000}' {
            let Some(read) = Mailbox::parse(&format!("{character}@example.com")) else { continue };
            assert!(!read.local().is_ascii(), "U+{:x} became {}", u32::from(character), read.local());
        }
    }
}
