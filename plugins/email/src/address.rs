//! Mail addresses as far as a connector has to look into them. The host makes their canonical form.

use rapport_sdk::lenient::trim;

/// Longest address that the contract takes.
const ADDRESS_BYTES_MAX: usize = 512;
/// Longest label of a domain (RFC 1035), with room for one in Unicode.
const LABEL_BYTES_MAX: usize = 255;

/// `address` without the white space and angle brackets around it; none if it is no address at all.
pub fn bare(address: &str) -> Option<&str> {
    let address = trim(address);
    let inner = trim(address.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or(address));
    let is_link = inner.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("mailto:"));
    let inner = if is_link { &inner[7..] } else { inner };
    is_address(inner).then_some(inner)
}

/// The part after the last `@`, or nothing.
pub fn domain(address: &str) -> &str {
    address.rsplit_once('@').map_or("", |(_, domain)| domain)
}

/// The part before the last `@`.
pub fn local(address: &str) -> &str {
    address.rsplit_once('@').map_or(address, |(local, _)| local)
}

/// The address of a mailbox of the business: its domain in lower case, because it is an account's name.
pub fn account(address: &str) -> String {
    format!("{}@{}", local(address), domain(address).to_ascii_lowercase())
}

/// Whether two spellings are of one address. That the local part might tell case apart is theory.
pub fn is_same(left: &str, right: &str) -> bool {
    trim(left).eq_ignore_ascii_case(trim(right))
}

/// Whether mail to `theirs` arrives in the mailbox `ours`: whatever the case, the quotation marks that say nothing, the
/// alphabet of the domain (RFC 3492), and with a detail behind a `+` (RFC 5233), as in `support+4711@shop.example`. A
/// mailbox that is itself configured with a detail takes that detail only.
pub fn is_mailbox(ours: &str, theirs: &str) -> bool {
    let (ours, theirs) = (Spelling::of(ours), Spelling::of(theirs));
    ours.domain == theirs.domain && (ours.local == theirs.local || ours.local == theirs.without_detail())
}

/// What is left of an address when everything that says nothing is gone.
struct Spelling {
    local: String,
    domain: String,
}

impl Spelling {
    fn of(address: &str) -> Self {
        let address = bare(address).unwrap_or(trim(address));
        let local = local(address);
        let local = local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(local);
        let labels = domain(address).trim_end_matches('.').split('.').map(unicode_label);
        Spelling { local: local.to_lowercase(), domain: labels.collect::<Vec<_>>().join(".") }
    }

    fn without_detail(&self) -> &str {
        self.local.split_once('+').map(|(local, _)| local).filter(|local| !local.is_empty()).unwrap_or(&self.local)
    }
}

/// A label of a domain in lower case and in Unicode.
fn unicode_label(label: &str) -> String {
    let lower = label.to_lowercase();
    let encoded = lower.strip_prefix("xn--").filter(|encoded| encoded.len() <= LABEL_BYTES_MAX);
    encoded.and_then(of_punycode).unwrap_or(lower)
}

/// RFC 3492, section 6.2.
fn of_punycode(encoded: &str) -> Option<String> {
    const BASE: u32 = 36;
    let (basic, digits) = encoded.rsplit_once('-').unwrap_or(("", encoded));
    let mut label: Vec<char> = basic.chars().collect();
    let (mut code, mut at, mut bias) = (128_u32, 0_u32, 72_u32);
    let mut digits = digits.bytes().peekable();
    while digits.peek().is_some() {
        let before = at;
        let mut weight = 1_u32;
        for step in 1.. {
            let digit = match digits.next()? {
                byte @ b'a'..=b'z' => byte - b'a',
                byte @ b'0'..=b'9' => byte - b'0' + 26,
                _ => return None,
            };
            at = at.checked_add(u32::from(digit).checked_mul(weight)?)?;
            let threshold = (step * BASE).saturating_sub(bias).clamp(1, 26);
            if u32::from(digit) < threshold {
                break;
            }
            weight = weight.checked_mul(BASE - threshold)?;
        }
        let length = u32::try_from(label.len()).ok()? + 1;
        let mut delta = (at - before) / if before == 0 { 700 } else { 2 };
        delta += delta / length;
        let mut steps = 0;
        while delta > 455 {
            delta /= 35;
            steps += BASE;
        }
        bias = steps + 36 * delta / (delta + 38);
        code = code.checked_add(at / length)?;
        at %= length;
        label.insert(usize::try_from(at).ok()?, char::from_u32(code)?);
        at += 1;
    }
    Some(label.into_iter().collect())
}

/// Whose mail a rewritten return path carries: the address that stands in `SRS0=…=…=example.com=ada@forwarder.example`
/// (sender rewriting), or behind the tag of `prvs=…=ada@example.com` and `btv1==…==ada@example.com` (BATV). Any other
/// address is itself.
///
/// Source: the Sender Rewriting Scheme of openspf.org; draft-levine-smtp-batv-01; Barracuda's tag.
pub fn unwritten(address: &str) -> String {
    let (local, domain) = (local(address), domain(address));
    let lower = local.to_ascii_lowercase();
    let is_scheme = |name: &str| {
        lower.strip_prefix(name).is_some_and(|rest| rest.starts_with(['=', '+', '-'])).then_some(name.len() + 1)
    };
    let of_srs = |fields: &str| {
        let mut fields = fields.splitn(4, '=').skip(2);
        let (domain, local) = (fields.next()?, fields.next()?);
        Some(format!("{local}@{domain}"))
    };
    let found = if let Some(start) = is_scheme("srs0") {
        of_srs(&local[start..])
    } else if let Some(start) = is_scheme("srs1") {
        // `SRS1=hash=first.example==hash=time=example.com=ada`
        local[start..].split_once("==").or(local[start..].split_once("=+")).and_then(|(_, first)| of_srs(first))
    } else if lower.starts_with("prvs=") || lower.starts_with("msprvs1=") {
        let rest = &local[local.find('=').map_or(0, |at| at + 1)..];
        rest.rsplit_once('=').map(|(_, own)| format!("{own}@{domain}"))
    } else if lower.starts_with("btv1==") {
        local.rsplit_once("==").map(|(_, own)| format!("{own}@{domain}"))
    } else {
        None
    };
    found.filter(|found| is_address(found)).unwrap_or_else(|| address.to_owned())
}

/// A form that names a mailbox (RFC 5321, `Mailbox`, read leniently): a local part of atoms, or one in quotation marks
/// that end right before the last `@`; and a domain without any sign that ends an address. More is for the host to judge.
fn is_address(address: &str) -> bool {
    let is_odd =
        |character: char| character.is_whitespace() || character.is_control() || "<>,;()\"\\".contains(character);
    let Some((local, domain)) = address.rsplit_once('@') else { return false };
    let is_literal = domain.starts_with('[') && domain.ends_with(']');
    let is_domain = !domain.is_empty() && !domain.contains(is_odd) && (is_literal || !domain.contains(['[', ']']));
    let is_local = match local.strip_prefix('"') {
        Some(rest) => is_quoted(rest),
        // Two addresses that a reader of lists ran together are none.
        None => !local.is_empty() && !local.contains('@') && !local.contains(is_odd) && !local.contains(['[', ']']),
    };
    is_domain && is_local && address.len() <= ADDRESS_BYTES_MAX
}

/// Whether this is the rest of a quoted string, whose only open quotation mark is its last character.
fn is_quoted(rest: &str) -> bool {
    let mut characters = rest.chars();
    loop {
        match characters.next() {
            Some('\\') => match characters.next() {
                Some(next) if !next.is_control() => {}
                _ => return false,
            },
            Some('"') => return characters.next().is_none(),
            Some(character) if !character.is_control() || character == '\t' => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_no_mailbox_is_none() {
        for (text, expected) in [
            ("ada@example.com", Some("ada@example.com")),
            (" <ada@example.com> ", Some("ada@example.com")),
            ("\"a b\"@example.com", Some("\"a b\"@example.com")),
            ("<>", None),
            ("", None),
            ("ada", None),
            ("@example.com", None),
            ("ada@", None),
            ("a b@example.com", None),
            ("ada@example.com, grace@example.com", None),
            ("ada@example.comgrace@example.com", None),
            ("mailto:ada@example.com", Some("ada@example.com")),
            ("MAILTO:ada@example.com", Some("ada@example.com")),
            ("ada@[192.0.2.1]", Some("ada@[192.0.2.1]")),
            ("ada@example.com]", None),
            ("\"a@b\"@example.com", Some("\"a@b\"@example.com")),
            ("\"<victim@bank.example>\"@evil.example", Some("\"<victim@bank.example>\"@evil.example")),
            ("\"victim@bank.example\" <x\"@evil.example", None),
            ("\"a\"b\"@evil.example", None),
            ("\"a\\\"b\"@evil.example", Some("\"a\\\"b\"@evil.example")),
            ("a\"b@evil.example", None),
            ("ada@exa mple.com", None),
            ("ada@example.com\"", None),
        ] {
            assert_eq!(bare(text), expected, "{text}");
        }
        assert_eq!(account("Support@Example.COM"), "Support@example.com");
        assert!(is_same("Ada@example.com", "ada@EXAMPLE.com "));
    }

    #[test]
    fn mail_to_a_mailbox_may_be_written_in_many_ways() {
        let ours = "support@shop.example";
        for theirs in [
            "support@shop.example",
            "Support@SHOP.example",
            "support+4711@shop.example",
            "SUPPORT+a+b@shop.example.",
            " <support@shop.example> ",
            "\"support\"@shop.example",
        ] {
            assert!(is_mailbox(ours, theirs), "{theirs}");
        }
        for theirs in
            ["sales@shop.example", "support@other.example", "+x@shop.example", "support", "", "supports@shop.example"]
        {
            assert!(!is_mailbox(ours, theirs), "{theirs}");
        }
        assert!(is_mailbox("support+eu@shop.example", "support+eu@shop.example"));
        assert!(!is_mailbox("support+eu@shop.example", "support@shop.example"));
        assert!(!is_mailbox("support+eu@shop.example", "support+us@shop.example"));
        for (ours, theirs) in [
            ("a@bücher.example", "a@xn--bcher-kva.example"),
            ("a@xn--bcher-kva.example", "A+1@BÜCHER.example"),
            ("a@例え.テスト", "a@xn--r8jz45g.xn--zckzah"),
        ] {
            assert!(is_mailbox(ours, theirs), "{theirs}");
        }
        for broken in ["xn--", "xn--99999999999", "xn--ü", "xn--a-\u{0}"] {
            assert!(!is_mailbox(ours, &format!("support@{broken}")));
        }
    }

    #[test]
    fn a_rewritten_return_path_says_whose_it_was() {
        for (path, expected) in [
            ("SRS0=HHH=TT=cust.example=ada@fwd.example", "ada@cust.example"),
            ("srs0+HHH=TT=cust.example=ada@fwd.example", "ada@cust.example"),
            ("SRS1=HHH=fwd.example==HHH=TT=cust.example=ada@second.example", "ada@cust.example"),
            ("prvs=1234abcdef=ada@cust.example", "ada@cust.example"),
            ("btv1==123456789==ada@cust.example", "ada@cust.example"),
            ("ada@cust.example", "ada@cust.example"),
            ("SRS0=broken@fwd.example", "SRS0=broken@fwd.example"),
            ("from=ada@cust.example", "from=ada@cust.example"),
        ] {
            assert_eq!(unwritten(path), expected, "{path}");
        }
    }
}
