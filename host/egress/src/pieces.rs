//! Pieces become text: a URL and the values of header fields.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rapport_model::exchange::Piece;
use rapport_model::hosts;
use rapport_model::secret::{Secret, Use};

use crate::grants::{Denied, Grants, denied};
use crate::mask::Mask;

/// All but what RFC 3986 calls unreserved.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// A colon may stand in a segment, and some tokens have one.
const SEGMENT: &AsciiSet = &COMPONENT.remove(b':');

/// A text as one component of a URL or a form.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, COMPONENT).to_string()
}

/// What the host puts into the pieces of one request.
pub(crate) struct Filler<'a> {
    pub grants: &'a Grants,
    pub status_url: Option<&'a str>,
    pub unsubscribe_url: Option<&'a str>,
    pub mask: Mask,
}

/// A URL that may be asked.
#[derive(Clone)]
pub(crate) struct Url {
    /// Whole, with secrets.
    pub real: String,
    pub host: String,
    /// For the log: without secrets, without values of the query, without what could be an address or a number.
    pub shown: String,
}

impl Url {
    /// What stands after the host.
    pub fn target(&self) -> &str {
        &self.real["https://".len() + self.host.len()..]
    }
}

impl Filler<'_> {
    /// A secret's text, for a place that takes text only.
    fn text_of(&mut self, name: &str, asked: &str, fits: impl Fn(&Use) -> bool) -> Result<String, Denied> {
        let secret = self.grants.secret(name, asked, fits)?;
        let text = visible(name, secret)?;
        self.mask.hide(name, text.as_bytes());
        Ok(text.to_owned())
    }

    pub fn status_url(&mut self) -> Result<&str, Denied> {
        let why =
            "there is no URL for statuses of this request; fix: set `public-url`, and use `status-url` in a send only";
        let url = self.status_url.ok_or_else(|| Denied(why.to_owned()))?;
        self.mask.hide("status-url", url.as_bytes());
        Ok(url)
    }

    pub fn unsubscribe_url(&mut self) -> Result<&str, Denied> {
        let why = "there is no unsubscribe URL for this request; fix: set `public-url`, and use it in a send only";
        let url = self.unsubscribe_url.ok_or_else(|| Denied(why.to_owned()))?;
        self.mask.hide("unsubscribe-url", url.as_bytes());
        Ok(url)
    }

    /// The URL of a request. The host is checked before any secret is looked at.
    pub fn url(&mut self, pieces: &[Piece]) -> Result<Url, Denied> {
        let begin = "the URL has to begin with text: `https://`, a host name and `/`";
        let Some((Piece::Text(first), rest)) = pieces.split_first() else { return denied(begin) };
        let Some(host) = hosts::https_host(first) else {
            return denied(format!("{begin}, without a user, a port or a fragment"));
        };
        self.grants.check_host(host)?;
        let before = "https://".len() + host.len();
        let (mut real, mut shown) = (first.clone(), first.clone());
        for (place, piece) in rest.iter().enumerate() {
            let filled = match piece {
                Piece::Text(text) => {
                    shown.push_str(text);
                    text.clone()
                }
                Piece::Secret(name) => {
                    let filled = self.segment(name, &real[before..], rest.get(place + 1))?;
                    shown.push_str("[secret]");
                    filled
                }
                Piece::StatusUrl => encoded(self.status_url()?),
                Piece::UnsubscribeUrl => encoded(self.unsubscribe_url()?),
                Piece::Blob(_) | Piece::BlobBase64(_) | Piece::BlobUrl(_) => return denied("a URL holds no blob"),
            };
            real.push_str(&filled);
        }
        if hosts::https_host(&real) != Some(host) {
            let max = hosts::URL_BYTES_MAX;
            return denied(format!(
                "the URL is longer than {max} bytes, or holds `#`, `@`, `\\` or what is not visible ASCII; fix: encode it"
            ));
        }
        let url = Url { host: host.to_owned(), shown: shown_of(&shown, before), real };
        let path = url.target().split('?').next().unwrap_or_default();
        if path.split('/').any(|segment| matches!(segment, "." | "..")) {
            return denied("the URL has a segment `.` or `..`; fix: write the path that is meant");
        }
        Ok(url)
    }

    /// A secret as one segment of the path, or as its end.
    fn segment(&mut self, name: &str, before: &str, next: Option<&Piece>) -> Result<String, Denied> {
        let ends = match next {
            None => true,
            Some(Piece::Text(text)) => text.starts_with(['/', '?']),
            Some(_) => false,
        };
        let fits = |used: &Use| matches!(used, Use::Path(places) if ends && places.iter().any(|place| place == before));
        let text = self.text_of(name, "another part of the URL", fits)?;
        let segment = utf8_percent_encode(&text, SEGMENT).to_string();
        self.mask.hide(name, segment.as_bytes());
        Ok(segment)
    }

    /// The value of a header field.
    pub fn field(&mut self, name: &str, pieces: &[Piece]) -> Result<String, Denied> {
        let mut value = String::new();
        for piece in pieces {
            match piece {
                Piece::Text(text) => value.push_str(text),
                Piece::Secret(secret) => {
                    let asked = format!("the header `{name}`");
                    let fits = |used: &Use| matches!(used, Use::Header(header) if header == name);
                    value.push_str(&self.text_of(secret, &asked, fits)?);
                }
                Piece::StatusUrl => value.push_str(self.status_url()?),
                Piece::UnsubscribeUrl => value.push_str(self.unsubscribe_url()?),
                Piece::Blob(_) | Piece::BlobBase64(_) | Piece::BlobUrl(_) => {
                    return denied(format!("the header `{name}` holds no blob"));
                }
            }
        }
        Ok(value)
    }
}

/// A secret that stands in a head: visible ASCII. A line end would begin another header field.
pub(crate) fn visible<'a>(name: &str, secret: &'a Secret) -> Result<&'a str, Denied> {
    let text = std::str::from_utf8(secret.reveal()).ok();
    let text = text.filter(|text| !text.is_empty() && text.bytes().all(|byte| matches!(byte, b' '..=b'~')));
    text.ok_or_else(|| {
        Denied(format!(
            "secret `{name}` is not visible ASCII, so no header and no URL can hold it; fix: store its text"
        ))
    })
}

/// Digits in a row of the shortest telephone number.
const NUMBER_DIGITS_MIN: usize = 7;

/// A URL for the log: the query's names, and no segment that could be a mailbox or a number.
fn shown_of(url: &str, before: usize) -> String {
    let (host, rest) = url.split_at(before);
    let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
    let segments: Vec<&str> = path.split('/').map(|segment| if is_personal(segment) { "*" } else { segment }).collect();
    let mut shown = format!("{host}{}", segments.join("/"));
    if let Some(query) = query {
        let names: Vec<String> = query
            .split('&')
            .map(|field| match field.split_once('=') {
                Some((name, _)) if !is_personal(name) => format!("{name}=*"),
                _ => "*".to_owned(),
            })
            .collect();
        shown.push('?');
        shown.push_str(&names.join("&"));
    }
    shown
}

fn is_personal(word: &str) -> bool {
    let mut digits = 0;
    let has_number = word.bytes().any(|byte| {
        digits = if byte.is_ascii_digit() { digits + 1 } else { 0 };
        digits >= NUMBER_DIGITS_MIN
    });
    has_number || word.to_ascii_lowercase().contains("%40")
}

#[cfg(test)]
mod tests {
    use rapport_model::hosts::HostPattern;

    use super::*;
    use crate::grants::Bound;

    fn text(text: &str) -> Piece {
        Piece::Text(text.to_owned())
    }

    fn grants() -> Grants {
        let token = Bound {
            used: Use::Path(vec!["/bot".to_owned(), "/file/bot".to_owned()]),
            value: Some(Secret::new(*b"123:a/b?c d")),
        };
        let key = Bound { used: Use::Header("x-key".to_owned()), value: Some(Secret::new(*b"hunter2hunter2")) };
        let split = Bound { used: Use::Header("x-split".to_owned()), value: Some(Secret::new(*b"a\r\nx: y")) };
        let unset = Bound { used: Use::Header("x-unset".to_owned()), value: None };
        Grants {
            hosts: vec![HostPattern::parse("api.example.com").unwrap(), HostPattern::parse("*.wide.example").unwrap()],
            secrets: [("token", token), ("key", key), ("split", split), ("unset", unset)]
                .map(|(name, bound)| (name.to_owned(), bound))
                .into(),
            ..Grants::default()
        }
    }

    fn url(pieces: &[Piece]) -> Result<(String, String), String> {
        let grants = grants();
        let status_url = Some("https://hooks.example.com/s?a=1&b=2");
        let mut filler = Filler { grants: &grants, status_url, unsubscribe_url: None, mask: Mask::default() };
        filler.url(pieces).map(|url| (url.real, url.shown)).map_err(|why| why.to_string())
    }

    #[test]
    fn a_secret_is_one_encoded_segment_at_the_place_that_it_is_bound_to() {
        let token = || Piece::Secret("token".to_owned());
        let (real, shown) = url(&[text("https://api.example.com/bot"), token(), text("/send")]).unwrap();
        assert_eq!(real, "https://api.example.com/bot123:a%2Fb%3Fc%20d/send");
        assert_eq!(shown, "https://api.example.com/bot[secret]/send");
        assert!(url(&[text("https://api.example.com/file/bot"), token(), text("/photo/1.jpg")]).is_ok());
        assert!(url(&[text("https://api.example.com/bot"), token()]).is_ok());
        for (before, after) in
            [("/", "/send"), ("/bot/x", "/send"), ("/x?token=", ""), ("/bot", "x/send"), ("/bots", "/")]
        {
            let why = url(&[text(&format!("https://api.example.com{before}")), token(), text(after)]).unwrap_err();
            assert!(why.starts_with("secret `token` is bound to the path `/bot{secret}`"), "{before}: {why}");
        }
        let why = url(&[text("https://api.example.com/bot"), Piece::Secret("key".to_owned())]).unwrap_err();
        assert!(why.starts_with("secret `key` is bound to the header `x-key`"), "{why}");
    }

    #[test]
    fn the_host_is_text_and_allowed_by_manifest_and_operator() {
        for pieces in [
            &[][..],
            &[Piece::Secret("token".to_owned())],
            &[text("https://"), text("api.example.com/")],
            &[text("https://api.example.com")],
            &[text("http://api.example.com/")],
            &[text("https://api.example.com:8443/")],
            &[text("https://127.0.0.1/")],
        ] {
            let why = url(pieces).unwrap_err();
            assert!(why.starts_with("the URL has to begin with text"), "{pieces:?}: {why}");
        }
        let why = url(&[text("https://evil.example/bot"), Piece::Secret("token".to_owned())]).unwrap_err();
        assert!(
            why.contains("manifest does not allow the host `evil.example`") && why.contains("[hosts] api"),
            "{why}"
        );
        // A star is the manifest's; which host it is, the operator says.
        let why = url(&[text("https://acme.wide.example/")]).unwrap_err();
        assert!(why.contains("operator does not allow the host `acme.wide.example`"), "{why}");
        let acme = Some(vec![HostPattern::parse("acme.wide.example").unwrap()]);
        let narrowed = Grants { narrowed: acme, ..grants() };
        assert_eq!(narrowed.check_host("acme.wide.example"), Ok(()));
        assert!(narrowed.check_host("other.wide.example").is_err());
        assert!(narrowed.check_host("api.example.com").is_err(), "the operator named others");
    }

    #[test]
    fn a_url_in_a_url_is_one_component_and_is_not_shown() {
        let (real, shown) = url(&[text("https://api.example.com/a?cb="), Piece::StatusUrl]).unwrap();
        assert_eq!(real, "https://api.example.com/a?cb=https%3A%2F%2Fhooks.example.com%2Fs%3Fa%3D1%26b%3D2");
        assert_eq!(shown, "https://api.example.com/a?cb=*");
        for wrong in ["https://api.example.com/a b", "https://api.example.com/a#b", "https://api.example.com/ä"] {
            assert!(url(&[text(wrong)]).is_err(), "{wrong}");
        }
        assert!(url(&[text("https://api.example.com/a/"), text("../b")]).unwrap_err().contains("segment `.` or `..`"));
        assert!(
            url(&[text("https://api.example.com/"), text(&"a".repeat(hosts::URL_BYTES_MAX))])
                .unwrap_err()
                .contains("longer than")
        );
    }

    #[test]
    fn what_could_be_an_address_is_not_shown() {
        let shown = |target: &str| url(&[text(&format!("https://api.example.com{target}"))]).unwrap().1;
        assert_eq!(shown("/v3/106540352242922/messages"), "https://api.example.com/v3/*/messages");
        assert_eq!(shown("/users/a%40b.example?name=Ann&+15550001111"), "https://api.example.com/users/*?name=*&*");
    }

    #[test]
    fn a_header_takes_the_secret_that_is_bound_to_it() {
        let grants = grants();
        let mut filler = Filler { grants: &grants, status_url: None, unsubscribe_url: None, mask: Mask::default() };
        let secret = |name: &str| [text("Key "), Piece::Secret(name.to_owned())];
        assert_eq!(filler.field("x-key", &secret("key")).unwrap(), "Key hunter2hunter2");
        assert_eq!(filler.mask.text("hunter2hunter2"), "[secret:key]");
        let refused =
            |filler: &mut Filler<'_>, field: &str, name: &str| filler.field(field, &secret(name)).unwrap_err().0;
        assert!(refused(&mut filler, "x-other", "key").contains("and the request puts it into the header `x-other`"));
        assert!(refused(&mut filler, "x-key", "nothing").contains("has no secret `nothing`"));
        assert!(refused(&mut filler, "x-split", "split").contains("is not visible ASCII"));
        assert!(refused(&mut filler, "x-unset", "unset").contains("is not set"));
        assert!(filler.field("x-key", &[Piece::StatusUrl]).unwrap_err().0.contains("set `public-url`"));
    }
}
