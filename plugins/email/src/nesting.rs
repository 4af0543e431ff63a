//! Mails inside of mails, which are read one inside the other and need room for it on the stack.

use std::borrow::Cow;

/// Mails that are read inside of one; people send a handful. So many fit the sandbox's stack of 64 KiB.
const NESTED_MAX: usize = 100;

/// The type that such a part then has.
pub const UNREAD: &str = "message/opaque";

/// The types whose parts are mails, and what stands in the place of those beyond: as long, and nothing to read.
const TYPES: &[(&[u8], &[u8], &[u8])] = &[
    (b"message", b"rfc822", b"opaque"),
    (b"message", b"global", b"opaque"),
    // Whose parts are mails without saying so.
    (b"multipart", b"digest", b"mixed "),
];

/// The message with no more mails in it than can be read.
pub fn bounded(mut raw: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    let found: Vec<_> = (0..raw.len()).filter(|at| raw[*at] == b'/').filter_map(|at| nested(&raw, at)).collect();
    for (at, replacement) in found.into_iter().skip(NESTED_MAX) {
        raw.to_mut()[at..at + replacement.len()].copy_from_slice(replacement);
    }
    raw
}

/// Where the subtype begins behind a `/` of one of the types, and what to put there.
fn nested(raw: &[u8], slash: usize) -> Option<(usize, &'static [u8])> {
    let kind = raw[..slash].trim_ascii_end();
    let subtype = raw[slash + 1..].trim_ascii_start();
    let is_of = |(name, sub, _): &&(&[u8], &[u8], &'static [u8])| {
        let ends = kind.len().checked_sub(name.len()).is_some_and(|start| kind[start..].eq_ignore_ascii_case(name));
        ends && subtype.get(..sub.len()).is_some_and(|found| found.eq_ignore_ascii_case(sub))
    };
    let (.., replacement) = TYPES.iter().find(is_of)?;
    is_in_header(raw, slash).then(|| (raw.len() - subtype.len(), *replacement))
}

/// Whether the line is one of a header field that says a type, or may be the rest of one.
fn is_in_header(raw: &[u8], at: usize) -> bool {
    const NAME: &[u8] = b"content-type";
    const LINE_BYTES_MAX: usize = 1_000;
    let window = &raw[at.saturating_sub(LINE_BYTES_MAX)..at];
    let line = match window.iter().rposition(|byte| *byte == b'\n') {
        Some(end) => &window[end + 1..],
        None if window.len() == at => window,
        None => return false,
    };
    let is_rest = line.first().is_some_and(u8::is_ascii_whitespace);
    is_rest || line.get(..NAME.len()).is_some_and(|name| name.eq_ignore_ascii_case(NAME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_nested_too_often_is_changed() {
        let few = b"Content-Type: message/rfc822\n".repeat(NESTED_MAX);
        assert!(matches!(bounded(Cow::Borrowed(&few)), Cow::Borrowed(_)));
        for (kind, expected) in [
            ("message/rfc822; x=y", "message/opaque; x=y"),
            ("Message /\r\n\tGLOBAL", "Message /\r\n\topaque"),
            ("multipart/Digest;", "multipart/mixed ;"),
            ("text/global", "text/global"),
            ("x\r\n message/rfc822", "x\r\n message/opaque"),
            ("x\r\na message/rfc822", "x\r\na message/rfc822"),
            ("/rfc822", "/rfc822"),
            ("message/", "message/"),
        ] {
            let many = [few.as_slice(), b"content-type: ", kind.as_bytes()].concat();
            assert!(bounded(Cow::Borrowed(&many)).ends_with(expected.as_bytes()), "{kind}");
        }
    }
}
