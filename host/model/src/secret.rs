//! A secret as an operator stores it, before anything is done with it.

use std::fmt;

use crate::exchange::MacAlgorithm;

/// The one thing that a manifest lets a secret be used for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Use {
    /// To verify webhooks.
    Verify,
    /// A piece of the header field of this name, in lower case.
    Header(String),
    /// The rest of a segment of a URL's path, behind one of these beginnings, such as `/bot`.
    Path(Vec<String>),
    /// The password of HTTP Basic.
    Basic,
    /// `Authorization: Bearer`.
    Bearer,
    /// The key of a MAC in this header field.
    Mac { header: String, algorithm: MacAlgorithm },
    /// What the host obtains tokens with, which go into `Authorization: Bearer`.
    Oauth2(TokenUse),
}

impl Use {
    /// Whether a secret of this use is for sending.
    pub fn is_for_sending(&self) -> bool {
        *self != Self::Verify
    }
}

impl fmt::Display for Use {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verify => out.write_str("verifying webhooks"),
            Self::Header(name) => write!(out, "the header `{name}`"),
            Self::Path(places) => {
                let places: Vec<String> = places.iter().map(|place| format!("`{place}{{secret}}`")).collect();
                write!(out, "the path {}", places.join(" or "))
            }
            Self::Basic => out.write_str("Basic"),
            Self::Bearer => out.write_str("Bearer"),
            Self::Mac { header, .. } => write!(out, "a MAC in the header `{header}`"),
            Self::Oauth2(_) => out.write_str("OAuth 2"),
        }
    }
}

/// How tokens are obtained (RFC 6749, RFC 7523).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenUse {
    pub grant: Grant,
    /// Where. `None`: the secret says where.
    pub url: Option<String>,
    /// `None`: no scope is asked for.
    pub scope: Option<String>,
    /// `aud` of the assertion. `None`: the URL.
    pub audience: Option<String>,
    /// The client's secret stands in the form, not in HTTP Basic.
    pub in_form: bool,
}

/// What a token is given for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// RFC 6749 §4.4.
    ClientCredentials,
    /// RFC 6749 §6.
    RefreshToken,
    /// RFC 7523 §2.1.
    JwtBearer,
}

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
