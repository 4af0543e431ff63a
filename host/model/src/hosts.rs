//! Which hosts a manifest allows: names in which `*` stands for one label.

use std::fmt;

/// Labels at the end of a pattern that must be words: `*.com` would allow everybody.
const FIXED_LABELS_MIN: usize = 2;
/// Bytes of a host name, by RFC 1035 §2.3.4.
const HOST_BYTES_MAX: usize = 253;
/// Bytes of a URL, of a connector's requests and of every other that leaves. One that AWS signed with a session's token has up
/// to 3 KiB; with the header fields it has to fit into a head, of which usual servers take 8 KiB.
pub const URL_BYTES_MAX: usize = 4 * 1024;

/// A host name such as `sns.*.amazonaws.com`, in which `*` stands for exactly one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern(String);

impl HostPattern {
    /// Reads a pattern in lower case; none unless its last two labels are words.
    pub fn parse(text: &str) -> Option<Self> {
        let labels: Vec<&str> = text.split('.').collect();
        let fixed = labels.iter().rev().take_while(|label| **label != "*").count();
        let readable = text.len() <= HOST_BYTES_MAX && labels.iter().all(|label| *label == "*" || is_label(label));
        (readable && fixed >= FIXED_LABELS_MIN && fixed <= labels.len()).then(|| Self(text.to_owned()))
    }

    /// Whether it is one host name, without a `*`.
    pub fn is_exact(&self) -> bool {
        !self.0.contains('*')
    }

    /// Whether this host name fits. Names are compared as they are: in lower case, without a dot at the end.
    pub fn fits(&self, host: &str) -> bool {
        let mut pattern = self.0.split('.');
        let mut labels = host.split('.');
        loop {
            match (pattern.next(), labels.next()) {
                (None, None) => return true,
                (Some(word), Some(label)) if is_label(label) && (word == "*" || word == label) => {}
                _ => return false,
            }
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// The path of a URL, such as `/certificate-{hex}.pem`, in which `{hex}` stands for hexadecimal digits in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern(String);

/// What stands for digits in a [`PathPattern`].
const HEX: &str = "{hex}";
/// Digits that one `{hex}` stands for: a SHA-256.
const HEX_DIGITS_MAX: usize = 64;

impl PathPattern {
    /// Reads a pattern; none unless it begins with `/` and holds no other braces, and no `?`, `#` or `%`.
    pub fn parse(text: &str) -> Option<Self> {
        let words = text.replace(HEX, "");
        let readable = text.starts_with('/') && words.bytes().all(|byte| matches!(byte, b'!'..=b'~'));
        let plain = !words.contains(['{', '}', '?', '#', '%', '\\']);
        (readable && plain && text.len() <= URL_BYTES_MAX).then(|| Self(text.to_owned()))
    }

    /// Whether the whole of what follows the host of this URL fits.
    pub fn fits(&self, url: &str) -> bool {
        let Some(path) = https_host(url).and_then(|host| url.strip_prefix("https://")?.strip_prefix(host)) else {
            return false;
        };
        let mut rest = path;
        for (place, word) in self.0.split(HEX).enumerate() {
            if place > 0 {
                let digits = rest.bytes().take_while(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')).count();
                if !(1..=HEX_DIGITS_MAX).contains(&digits) {
                    return false;
                }
                rest = &rest[digits..];
            }
            let Some(after) = rest.strip_prefix(word) else { return false };
            rest = after;
        }
        rest.is_empty()
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Whether `url` is one that the host may follow: `https`, a host that fits one of `allowed`, and a path; no user, no
/// port, no fragment, and nothing that two readers of URLs could understand differently.
pub fn allows(allowed: &[HostPattern], url: &str) -> bool {
    https_host(url).is_some_and(|host| allowed.iter().any(|pattern| pattern.fits(host)))
}

/// The host of an `https` URL of the plain kind that [`allows`] takes.
pub fn https_host(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://").filter(|_| url.len() <= URL_BYTES_MAX)?;
    let end = rest.find('/')?;
    let (host, path) = rest.split_at(end);
    let plain = path.bytes().all(|byte| matches!(byte, b'!'..=b'~') && !matches!(byte, b'#' | b'\\' | b'@'));
    let named = host.split('.').all(is_label) && host.len() <= HOST_BYTES_MAX;
    // A name whose last label is a number is read as an IPv4 address.
    let is_address =
        host.rsplit('.').next().is_some_and(|label| label.starts_with(|first: char| first.is_ascii_digit()));
    (plain && named && !is_address).then_some(host)
}

fn is_label(label: &str) -> bool {
    let word = label.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    word && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_one_label() {
        let pattern = HostPattern::parse("sns.*.amazonaws.com").unwrap();
        assert!(pattern.fits("sns.eu-west-1.amazonaws.com"));
        for other in [
            "sns.amazonaws.com",
            "sns.a.b.amazonaws.com",
            "sns..amazonaws.com",
            "sns.eu-west-1.amazonaws.com.evil.example",
            "evil.sns.eu-west-1.amazonaws.com",
            "sns.eu-west-1.amazonaws.com.",
            "sns.EU.amazonaws.com",
            "sns.*.amazonaws.com",
            "sns.eu_west.amazonaws.com",
        ] {
            assert!(!pattern.fits(other), "{other}");
        }
    }

    #[test]
    fn a_pattern_that_allows_everybody_is_none() {
        for text in
            ["*", "*.com", "com", "", "a.*", "a.*.com", "a..b.com", "A.b.com", "a*.b.com", "https://a.com", "a.com:1"]
        {
            assert_eq!(HostPattern::parse(text), None, "{text}");
        }
        assert!(HostPattern::parse("api.example.com").is_some());
        assert!(HostPattern::parse("*.example.com").is_some());
    }

    #[test]
    fn a_path_fits_as_a_whole() {
        let pattern = PathPattern::parse("/Notification-{hex}.pem").unwrap();
        assert!(pattern.fits("https://sns.eu-west-1.amazonaws.com/Notification-0123456789abcdef.pem"));
        for path in [
            "/Notification-.pem",
            "/Notification-0A.pem",
            "/Notification-01.pem?x",
            "/Notification-01.pem/",
            "/x/Notification-01.pem",
            "/Notification-01",
            "/",
        ] {
            assert!(!pattern.fits(&format!("https://sns.eu-west-1.amazonaws.com{path}")), "{path}");
        }
        assert!(!pattern.fits(&format!("https://a.example.com/Notification-{}.pem", "0".repeat(65))));
        for text in ["", "a", "/{hex", "/{int}", "/a?b", "/a b", "/%41"] {
            assert_eq!(PathPattern::parse(text), None, "{text}");
        }
    }

    #[test]
    fn only_a_plain_https_url_is_followed() {
        let allowed = [HostPattern::parse("sns.*.amazonaws.com").unwrap()];
        assert!(allows(&allowed, "https://sns.eu-west-1.amazonaws.com/a.pem?x=1&y=%20"));
        for url in [
            "http://sns.eu-west-1.amazonaws.com/a.pem",
            "https://sns.eu-west-1.amazonaws.com",
            "https://sns.eu-west-1.amazonaws.com:444/a.pem",
            "https://user@sns.eu-west-1.amazonaws.com/a.pem",
            "https://evil.example/@sns.eu-west-1.amazonaws.com/a.pem",
            "https://evil.example\\.sns.eu-west-1.amazonaws.com/a.pem",
            "https://sns.eu-west-1.amazonaws.com/a.pem#x",
            "https://sns.eu-west-1.amazonaws.com/a b.pem",
            "https://sns.eu-west-1.amazonaws.com/a\n.pem",
            "https://sns.eu-west-1.amazonaws.com/ä.pem",
            "HTTPS://sns.eu-west-1.amazonaws.com/a.pem",
            "https://sns.eu-west-1.amazonaws.com?/a.pem",
            "",
        ] {
            assert!(!allows(&allowed, url), "{url}");
        }
        assert_eq!(https_host("https://127.0.0.1/"), None);
        assert_eq!(https_host("https://[::1]/"), None);
    }
}
