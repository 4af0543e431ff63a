//! A secret as an operator stores it, before anything is done with it.

use std::fmt;

/// One version of a secret. Prints as `[secret]`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<[u8]>);

impl Secret {
    /// Takes the bytes as they are: no trimming, no decoding.
    pub fn new(bytes: impl Into<Box<[u8]>>) -> Self {
        Self(bytes.into())
    }

    /// Takes what an operator has stored: a text without what an editor, a form or a shell put around it (a byte order
    /// mark, white space, line ends), or bytes as they are. What of a public key is written in several ways is told apart
    /// when it is used.
    pub fn configured(stored: &[u8]) -> Self {
        Self::new(trimmed(stored))
    }

    /// The bytes themselves. Never log, format or send them.
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[secret]")
    }
}

/// A configured text without what an editor, a form or a shell put around it: a byte order mark before it, white space and
/// line ends on both sides. Bytes that are no text stay as they are.
pub fn trimmed(bytes: &[u8]) -> &[u8] {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.trim_start_matches('\u{feff}').trim().as_bytes(),
        Err(_) => bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_around_a_text_is_not_part_of_it_and_bytes_stay_bytes() {
        for text in ["secret", "secret\n", "secret\r\n", "\u{feff}secret", " secret\t", "\u{feff}secret\r\n\r\n"] {
            assert_eq!(trimmed(text.as_bytes()), b"secret");
        }
        assert_eq!(trimmed(b"two words\\n"), b"two words\\n", "what is inside is the operator's");
        assert_eq!(trimmed(b"\xff\n"), b"\xff\n");
    }
}
