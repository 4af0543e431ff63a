//! Asking the host whether a webhook is genuine. The connector names a secret and never sees it; the host tries every
//! version that has not expired, in constant time.

pub use crate::bindings::inbound::rapport::connector::verify::{
    DigestAlgorithm, KeySource, MacAlgorithm, SignatureAlgorithm, VerifyError,
};

use crate::Rejection;

#[cfg(target_arch = "wasm32")]
use crate::bindings::inbound::rapport::connector::verify as host;
#[cfg(not(target_arch = "wasm32"))]
use crate::testing::host;

/// Whether `tag` is the MAC of `data` under the secret called `secret`.
///
/// # Errors
/// When the question cannot be answered: no such secret on this connection.
pub fn mac(algorithm: MacAlgorithm, secret: &str, data: &[u8], tag: &[u8]) -> Result<bool, VerifyError> {
    host::mac(algorithm, secret, data, tag)
}

/// Whether `digest` is the hash of the secret called `secret` followed by `data`: for a provider that uses no MAC.
///
/// # Errors
/// When the question cannot be answered: no such secret on this connection.
pub fn digest(algorithm: DigestAlgorithm, secret: &str, data: &[u8], digest: &[u8]) -> Result<bool, VerifyError> {
    host::digest(algorithm, secret, data, digest)
}

/// Whether `signature` over `data` was made with the private half of `key`.
///
/// # Errors
/// When the question cannot be answered: no such key, one that does not parse, a certificate that may not or could not
/// be fetched.
pub fn signature(
    algorithm: SignatureAlgorithm,
    key: &KeySource,
    data: &[u8],
    signature: &[u8],
) -> Result<bool, VerifyError> {
    host::signature(algorithm, key, data, signature)
}

/// Whether `candidate` equals the secret called `secret`: a shared token, a password, a `user:password` pair.
///
/// # Errors
/// When the question cannot be answered: no such secret on this connection.
pub fn token(secret: &str, candidate: &str) -> Result<bool, VerifyError> {
    host::token(secret, candidate)
}

/// Goes on only if `tag` is the MAC of `data`.
///
/// # Errors
/// `Unauthenticated`, with a sentence that says what to do and holds neither the tag nor the secret. `Unsupported`,
/// which before a verification is a 500, when the host could not find out, so that the provider delivers again.
pub fn require_mac(algorithm: MacAlgorithm, secret: &str, data: &[u8], tag: &[u8]) -> Result<(), Rejection> {
    let expected = match algorithm {
        MacAlgorithm::HmacSha1 => "HMAC-SHA1",
        MacAlgorithm::HmacSha256 => "HMAC-SHA256",
        MacAlgorithm::HmacSha512 => "HMAC-SHA512",
    };
    require(mac(algorithm, secret, data, tag), || {
        format!(
            "expected the {expected} of this request under secret `{secret}`, found another one; fix: set `{secret}` \
             to the value the provider signs with, and hand the request on byte for byte"
        )
    })
}

/// Goes on only if `digest` is the hash of the secret followed by `data`.
///
/// # Errors
/// `Unauthenticated`, with a sentence that says what to do and holds neither the digest nor the secret; `Unsupported`
/// when the host could not find out.
pub fn require_digest(algorithm: DigestAlgorithm, secret: &str, data: &[u8], digest: &[u8]) -> Result<(), Rejection> {
    require(self::digest(algorithm, secret, data, digest), || {
        format!(
            "expected the SHA-256 of secret `{secret}` and this request, found another one; fix: set `{secret}` to the \
             value the provider signs with, and hand the request on byte for byte"
        )
    })
}

/// Goes on only if `candidate` is the secret called `secret`.
///
/// # Errors
/// `Unauthenticated`, with a sentence that says what to do and holds neither text; `Unsupported` when the host could not
/// find out.
pub fn require_token(secret: &str, candidate: &str) -> Result<(), Rejection> {
    require(token(secret, candidate), || {
        format!(
            "expected the token of secret `{secret}`, found another one; fix: set `{secret}` to the token that the \
             provider was given"
        )
    })
}

/// Goes on only if `bytes` were signed with the private half of `key`.
///
/// # Errors
/// `Unauthenticated`, with a sentence that says what to do; `Unsupported` when the host could not find out.
pub fn require_signature(
    algorithm: SignatureAlgorithm,
    key: &KeySource,
    data: &[u8],
    bytes: &[u8],
) -> Result<(), Rejection> {
    require(signature(algorithm, key, data, bytes), || {
        let name = match key {
            KeySource::Named(name) => name,
            KeySource::CertificateUrl(_) => "the provider's certificate",
        };
        format!(
            "expected a signature of this request that key `{name}` confirms, found another one; fix: set the key the \
             provider publishes, and hand the request on byte for byte"
        )
    })
}

/// For how long a signed request counts, seen from the time that its provider signed. Whoever captured one can send it
/// again for as long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Milliseconds that the signed time may be past: the queue of a provider that is slow.
    pub past_ms: u64,
    /// Milliseconds that it may be ahead of the host's clock, as clocks are. A request from the future could be kept, and
    /// sent for as long as it is ahead.
    pub ahead_ms: u64,
}

impl Window {
    /// What most providers ask for: five minutes in both directions.
    pub const FIVE_MINUTES: Self = Self::both_ways(5 * 60 * 1000);

    /// So many milliseconds in both directions.
    pub const fn both_ways(ms: u64) -> Self {
        Self { past_ms: ms, ahead_ms: ms }
    }

    /// So many milliseconds of age, and five minutes between two clocks.
    pub const fn of_age(past_ms: u64) -> Self {
        Self { past_ms, ..Self::FIVE_MINUTES }
    }
}

/// Goes on only if `signed_ms`, the time that the provider signed, is within `window` of `now_ms`, the host's clock
/// (`Context::now`). Both are milliseconds since 1970; [`seconds`] and [`milliseconds`] read what a header says.
///
/// Ask it of what a signature covers, never of another field. The kit's check `replay` wants it of every signed scheme.
///
/// # Errors
/// `Unauthenticated`. `field` is where the time stands, such as ``header `webhook-timestamp` ``; `setting` is the key of
/// the connection's `config` that widens the window, where there is one.
pub fn require_fresh(
    field: &str,
    signed_ms: u64,
    now_ms: u64,
    window: Window,
    setting: Option<&str>,
) -> Result<(), Rejection> {
    let (past_ms, ahead_ms) = (now_ms.saturating_sub(signed_ms), signed_ms.saturating_sub(now_ms));
    if past_ms <= window.past_ms && ahead_ms <= window.ahead_ms {
        return Ok(());
    }
    let (apart, direction, allowed) = match ahead_ms {
        0 => (past_ms, "old", window.past_ms),
        _ => (ahead_ms, "ahead", window.ahead_ms),
    };
    let or_widen = setting.map(|key| format!(", or raise `{key}` in the connection's `config`")).unwrap_or_default();
    Err(Rejection::Unauthenticated(format!(
        "expected {field} to be at most {} s {direction}, found {} s; fix: deliver at once, and set this host's \
         clock{or_widen}",
        allowed / 1000,
        apart.div_ceil(1000)
    )))
}

/// Milliseconds of a time that is written as whole seconds, in plain digits.
pub fn seconds(text: &str) -> Option<u64> {
    milliseconds(text)?.checked_mul(1000)
}

/// Milliseconds of a time that is written in plain digits. `+1`, white space and a sign are nobody's time.
pub fn milliseconds(text: &str) -> Option<u64> {
    let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_digits)
}

/// Says which fix an unanswered question needs; the fix is the operator's, never the provider's.
pub fn explain(error: &VerifyError) -> String {
    match error {
        VerifyError::UnknownKey(name) => {
            format!("secret `{name}` is not set on this connection; fix: set it, or nothing can be verified")
        }
        VerifyError::MalformedKey(name) => {
            format!("secret `{name}` is not a key of the kind that is needed; fix: set it as the connector's page says")
        }
        VerifyError::UrlDenied(url) => {
            format!("certificate URL `{url}` is not one that the manifest allows; fix: refuse it, or allow its host")
        }
        VerifyError::Unavailable(what) => {
            format!("verification is unavailable: {what}; fix: deliver again later")
        }
    }
}

fn require(answer: Result<bool, VerifyError>, mismatch: impl FnOnce() -> String) -> Result<(), Rejection> {
    match answer {
        Ok(true) => Ok(()),
        Ok(false) => Err(Rejection::Unauthenticated(mismatch())),
        Err(error @ VerifyError::Unavailable(_)) => Err(Rejection::Unsupported(explain(&error))),
        Err(error) => Err(Rejection::Unauthenticated(explain(&error))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Connection;

    /// RFC 4231, test case 2.
    const TAG: &str = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";

    fn tag() -> Vec<u8> {
        crate::encoding::hex::decode(TAG).unwrap()
    }

    fn connection() -> Connection {
        Connection::new("acme-eu", "{}").with_secret("key", &["old", "Jefe"])
    }

    #[test]
    fn every_version_of_a_secret_is_tried() {
        connection().run(|| {
            let data = b"what do ya want for nothing?";
            assert_eq!(mac(MacAlgorithm::HmacSha256, "key", data, &tag()), Ok(true));
            assert_eq!(mac(MacAlgorithm::HmacSha256, "key", b"other", &tag()), Ok(false));
            assert_eq!(mac(MacAlgorithm::HmacSha256, "key", data, &tag()[..31]), Ok(false));
            assert_eq!(token("key", "old"), Ok(true));
            assert_eq!(token("key", "ol"), Ok(false));
        });
    }

    #[test]
    fn a_refusal_says_what_to_do_and_shows_no_value() {
        connection().run(|| {
            let refusals = [
                require_mac(MacAlgorithm::HmacSha256, "key", b"other", &tag()),
                require_token("key", "guess"),
                require_token("missing", "guess"),
            ];
            for refusal in refusals {
                let Err(Rejection::Unauthenticated(reason)) = refusal else { panic!("{refusal:?}") };
                assert!(reason.contains("; fix: "), "{reason}");
                for value in ["Jefe", "old", "guess", TAG] {
                    assert!(!reason.contains(value), "{reason}");
                }
            }
            assert_eq!(require_token("key", "Jefe"), Ok(()));
        });
    }

    #[test]
    fn a_signed_time_is_fresh_within_its_window_to_the_millisecond() {
        let window = Window { past_ms: 60_000, ahead_ms: 5_000 };
        let now = 1_767_225_600_000;
        for (signed, is_fresh) in [
            (now, true),
            (now - 60_000, true),
            (now - 60_001, false),
            (now + 5_000, true),
            (now + 5_001, false),
            (0, false),
            (u64::MAX, false),
        ] {
            let answer = require_fresh("header `t`", signed, now, window, Some("tolerance"));
            assert_eq!(answer.is_ok(), is_fresh, "{signed}: {answer:?}");
        }
        assert_eq!(
            require_fresh("header `t`", now - 60_001, now, window, Some("tolerance")),
            Err(Rejection::Unauthenticated(
                "expected header `t` to be at most 60 s old, found 61 s; fix: deliver at once, and set this host's clock, \
                 or raise `tolerance` in the connection's `config`"
                    .into()
            ))
        );
        assert_eq!((seconds("7"), milliseconds("7")), (Some(7_000), Some(7)));
        for other in ["", "+7", "-7", " 7", "7.0", "0x7", "18446744073709551616", "\u{667}"] {
            assert_eq!((seconds(other), milliseconds(other)), (None, None), "{other}");
        }
        assert_eq!(seconds("18446744073709551615"), None);
    }

    #[test]
    fn without_a_connection_there_is_no_secret() {
        assert_eq!(token("key", "Jefe"), Err(VerifyError::UnknownKey("key".into())));
    }
}
