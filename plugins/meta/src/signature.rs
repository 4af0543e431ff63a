//! The proof that Meta sent a delivery: HMAC-SHA256 of its bytes under the app's secret.

use rapport_sdk::prelude::*;

const APP_SECRET: &str = "app-secret";
const SIGNATURE: &str = "x-hub-signature-256";

/// Goes on only if Meta signed exactly these bytes. `X-Hub-Signature`, of SHA-1, comes beside it and proves nothing.
pub(crate) fn require(webhook: &Webhook) -> Result<(), Rejection> {
    let signature = webhook.header_once(SIGNATURE)?;
    let digits = signature.strip_prefix("sha256=").filter(|digits| digits.len() == 64);
    let Some(tag) = digits.and_then(hex::decode) else {
        return Err(Rejection::Unauthenticated(format!(
            "expected header `{SIGNATURE}` to be `sha256=` and 64 hex digits, found {} bytes of another form; fix: let \
             nothing between Meta and this host rewrite header fields",
            signature.len()
        )));
    };
    verify::require_mac(MacAlgorithm::HmacSha256, APP_SECRET, &webhook.body, &tag)
}

#[cfg(test)]
mod tests {
    use rapport_sdk::testing::Connection;

    use super::*;

    /// The published vector of the header's form, which Meta shares with GitHub.
    ///
    /// Source: GitHub's "Validating webhook deliveries", read in November 2026. Meta publishes none.
    const BODY: &[u8] = b"Hello, World!";
    const SECRET: &str = "It's a Secret to Everybody";
    const TAG: &str = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    /// Meta escapes what is beyond ASCII, and `/`, in the bytes that it signs: its documentation's example is `äöå`. The
    /// tag was computed with OpenSSL under `test-app-secret`.
    const ESCAPED: &[u8] = br#"{"object":"page","entry":[{"id":"1","time":1,"messaging":[{"sender":{"id":"2"},"recipient":{"id":"1"},"timestamp":1,"message":{"mid":"m_1","text":"\u00e4\u00f6\u00e5 \/"}}]}]}"#;
    const TAG_OF_ESCAPED: &str = "c814d37e52cfe67526c98b48c58324252dea6aced55b2e5f371a47eaed15a5cd";

    fn is_proven(secret: &str, body: &[u8], headers: &[(&str, String)]) -> bool {
        let headers = headers.iter().map(|(name, value)| ((*name).into(), value.clone())).collect();
        let webhook = Webhook { method: "POST".into(), url: "https://a.test/".into(), headers, body: body.to_vec() };
        let connection = Connection::new("test", "{}").with_secret(APP_SECRET, &["another", secret]);
        match connection.run(|| require(&webhook)) {
            Ok(()) => true,
            Err(Rejection::Unauthenticated(_)) => false,
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_published_vector_is_proven_in_its_one_form() {
        let right = (SIGNATURE, format!("sha256={TAG}"));
        assert!(is_proven(SECRET, BODY, std::slice::from_ref(&right)));
        let legacy = ("x-hub-signature", "sha1=01dc10d0c83e72ed246219cdd91669667fe2ca59".to_owned());
        assert!(is_proven(SECRET, BODY, &[legacy.clone(), right.clone()]));

        assert!(!is_proven("it's a secret to everybody", BODY, std::slice::from_ref(&right)));
        assert!(!is_proven(SECRET, b"Hello, World! ", std::slice::from_ref(&right)));
        assert!(!is_proven(SECRET, BODY, &[]));
        assert!(!is_proven(SECRET, BODY, &[legacy]));
        assert!(!is_proven(SECRET, BODY, &[right.clone(), right.clone()]));
        let others = [
            TAG.to_owned(),
            format!("sha1={TAG}"),
            format!("SHA256={TAG}"),
            format!("sha256={}", &TAG[1..]),
            format!("sha256={TAG}0"),
            format!("sha256= {}", &TAG[1..]),
            format!("sha256={}é", &TAG[2..]),
            format!("sha256={TAG}, sha256={TAG}"),
            String::new(),
        ];
        for other in others {
            assert!(!is_proven(SECRET, BODY, &[(SIGNATURE, other.clone())]), "{other}");
        }
    }

    #[test]
    fn the_bytes_are_signed_and_not_the_json() {
        let header = [(SIGNATURE, format!("sha256={TAG_OF_ESCAPED}"))];
        assert!(is_proven("test-app-secret", ESCAPED, &header));
        let text = str::from_utf8(ESCAPED).expect("the body is ASCII");
        for (from, to) in [(r"\u00e4\u00f6\u00e5", "äöå"), (r"\/", "/"), (":1,", ": 1,")] {
            assert!(!is_proven("test-app-secret", text.replace(from, to).as_bytes(), &header), "{to}");
        }
    }
}
