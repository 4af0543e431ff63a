//! Mail addresses as far as a connector has to look into them. The host makes their canonical form.

/// `address` without the white space and angle brackets around it; none if it is no address at all.
pub fn bare(address: &str) -> Option<&str> {
    let address = address.trim();
    let inner = address.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or(address).trim();
    let inner = inner.strip_prefix("mailto:").unwrap_or(inner);
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

/// Whether two spellings reach the same mailbox. That the local part might tell case apart is theory.
pub fn is_same(left: &str, right: &str) -> bool {
    left.trim().eq_ignore_ascii_case(right.trim())
}

/// A form that names a mailbox: something on both sides of an `@`, no white space, no control character, of a length
/// that the contract takes. More is for the host to judge.
fn is_address(address: &str) -> bool {
    const BYTES_MAX: usize = 512;
    let is_odd = |character: char| character.is_whitespace() || character.is_control() || "<>,;()".contains(character);
    let is_literal = |domain: &str| domain.starts_with('[') && domain.ends_with(']');
    let Some((local, domain)) = address.rsplit_once('@') else { return false };
    let is_quoted = address.starts_with('"');
    // Two addresses that a reader of lists ran together are none.
    let has_bracket = local.contains(['[', ']']) || (domain.contains(['[', ']']) && !is_literal(domain));
    let is_one = is_quoted || !(local.contains('@') || has_bracket || address.contains(is_odd));
    is_one && !local.is_empty() && !domain.is_empty() && address.len() <= BYTES_MAX
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
            ("ada@[192.0.2.1]", Some("ada@[192.0.2.1]")),
            ("ada@example.com]", None),
            ("\"a@b\"@example.com", Some("\"a@b\"@example.com")),
        ] {
            assert_eq!(bare(text), expected, "{text}");
        }
        assert_eq!(account("Support@Example.COM"), "Support@example.com");
        assert!(is_same("Ada@example.com", "ada@EXAMPLE.com "));
    }
}
