//! Nothing that the host filled in comes back: not to the connector, not into the log.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use crate::pieces::encoded;

/// Bytes of the shortest value that is looked for: a shorter one is part of other words. A connection takes no shorter secret
/// for sending.
pub const MASKED_BYTES_MIN: usize = 8;

/// Values that one request was filled with, and what stands for each.
#[derive(Clone, Default)]
pub(crate) struct Mask(Vec<(Vec<u8>, String)>);

impl Mask {
    /// Hides a value in all the forms that an answer may repeat it in.
    pub fn hide(&mut self, name: &str, value: &[u8]) {
        let stand_in = format!("[secret:{name}]");
        let mut put = |form: Vec<u8>| {
            if form.len() >= MASKED_BYTES_MIN && !self.0.iter().any(|(known, _)| *known == form) {
                self.0.push((form, stand_in.clone()));
            }
        };
        put(value.to_vec());
        put(STANDARD.encode(value).into_bytes());
        put(STANDARD_NO_PAD.encode(value).into_bytes());
        put(URL_SAFE_NO_PAD.encode(value).into_bytes());
        if let Ok(text) = std::str::from_utf8(value) {
            put(encoded(text).into_bytes());
            if let Ok(json) = serde_json::to_string(text) {
                put(json.as_bytes()[1..json.len() - 1].to_vec());
                // Some writers of JSON escape the slash.
                put(json[1..json.len() - 1].replace('/', "\\/").into_bytes());
            }
        }
        // What holds another one goes first.
        self.0.sort_by_key(|(form, _)| std::cmp::Reverse(form.len()));
    }

    /// Without the values.
    pub fn bytes(&self, bytes: Vec<u8>) -> Vec<u8> {
        if !self.0.iter().any(|(form, _)| find(&bytes, form).is_some()) {
            return bytes;
        }
        let mut masked = Vec::with_capacity(bytes.len());
        let mut rest = &bytes[..];
        'next: while let Some(first) = rest.first() {
            for (form, stand_in) in &self.0 {
                if let Some(after) = rest.strip_prefix(form.as_slice()) {
                    masked.extend_from_slice(stand_in.as_bytes());
                    rest = after;
                    continue 'next;
                }
            }
            masked.push(*first);
            rest = &rest[1..];
        }
        masked
    }

    pub fn text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.bytes(text.as_bytes().to_vec())).into_owned()
    }
}

fn find(bytes: &[u8], form: &[u8]) -> Option<usize> {
    bytes.windows(form.len()).position(|window| window == form)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_hidden_in_every_form() {
        let mut mask = Mask::default();
        mask.hide("key", b"p\"a/s wd");
        for form in ["p\"a/s wd", "p\\\"a/s wd", "p\\\"a\\/s wd", "p%22a%2Fs%20wd", "cCJhL3Mgd2Q=", "cCJhL3Mgd2Q"] {
            assert_eq!(mask.text(&format!("x{form}y")), "x[secret:key]y", "{form}");
        }
        assert_eq!(mask.bytes(b"nothing".to_vec()), b"nothing");
    }

    #[test]
    fn the_longer_value_goes_first() {
        let mut mask = Mask::default();
        mask.hide("short", b"abcdefgh");
        mask.hide("long", b"abcdefghijkl");
        assert_eq!(mask.text("abcdefghijkl abcdefgh"), "[secret:long] [secret:short]");
    }
}
