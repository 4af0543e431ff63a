//! What the host puts into a head to say who calls: Bearer, Basic, MACs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rapport_model::exchange::{Authorization, MacAlgorithm, MacEncoding, SignedField};
use rapport_model::secret::{Secret, Use};
use ring::hmac;

use crate::body::hex;
use crate::grants::{Denied, denied};
use crate::pieces::{Filler, visible};

/// The value of `Authorization`. `None`: there is none, or it is a signature of the whole request.
pub(crate) fn value(
    authorization: &Authorization,
    token: Option<&Secret>,
    filler: &mut Filler<'_>,
) -> Result<Option<String>, Denied> {
    match authorization {
        Authorization::None | Authorization::Aws { .. } => Ok(None),
        Authorization::Bearer(name) => {
            let secret = filler.grants.secret(name, "Bearer", |used| *used == Use::Bearer)?;
            bearer(name, secret, filler).map(Some)
        }
        Authorization::Oauth2(name) => {
            filler.grants.secret(name, "OAuth 2", |used| matches!(used, Use::Oauth2(_)))?;
            let Some(token) = token else {
                return denied(format!("there is no token of the OAuth secret `{name}`"));
            };
            bearer(name, token, filler).map(Some)
        }
        Authorization::Basic { user, secret: name } => {
            let secret = filler.grants.secret(name, "Basic", |used| *used == Use::Basic)?;
            if user.contains(':') || user.chars().any(char::is_control) {
                return denied("the user of Basic holds a colon or a control character; fix: write the user alone");
            }
            let pair = [user.as_bytes(), b":", secret.reveal()].concat();
            filler.mask.hide(name, secret.reveal());
            filler.mask.hide(name, &pair);
            Ok(Some(format!("Basic {}", STANDARD.encode(pair))))
        }
    }
}

fn bearer(name: &str, secret: &Secret, filler: &mut Filler<'_>) -> Result<String, Denied> {
    let text = visible(name, secret)?;
    filler.mask.hide(name, text.as_bytes());
    Ok(format!("Bearer {text}"))
}

/// A header field that holds a MAC. Its key is bound to this field and this algorithm.
pub(crate) fn mac(field: &SignedField, name: &str, filler: &mut Filler<'_>) -> Result<String, Denied> {
    let asked = format!("a MAC in the header `{name}`");
    let fits =
        |used: &Use| matches!(used, Use::Mac { header, algorithm } if header == name && *algorithm == field.algorithm);
    let secret = filler.grants.secret(&field.secret, &asked, fits)?;
    filler.mask.hide(&field.secret, secret.reveal());
    let algorithm = match field.algorithm {
        MacAlgorithm::HmacSha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        MacAlgorithm::HmacSha256 => hmac::HMAC_SHA256,
        MacAlgorithm::HmacSha512 => hmac::HMAC_SHA512,
    };
    let tag = hmac::sign(&hmac::Key::new(algorithm, secret.reveal()), &field.data);
    let tag = match field.encoding {
        MacEncoding::Hex => hex(tag.as_ref()),
        MacEncoding::Base64 => STANDARD.encode(tag),
    };
    Ok(format!("{}{tag}", field.prefix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grants::{Bound, Grants};
    use crate::mask::Mask;

    fn grants(used: Use, value: &[u8]) -> Grants {
        let bound = Bound { used, value: Some(Secret::new(value)) };
        Grants { secrets: [("s".to_owned(), bound)].into(), ..Grants::default() }
    }

    fn filler(grants: &Grants) -> Filler<'_> {
        Filler { grants, status_url: None, unsubscribe_url: None, mask: Mask::default() }
    }

    #[test]
    fn basic_is_as_rfc_7617_says() {
        let grants = grants(Use::Basic, b"open sesame");
        let basic = |user: &str| Authorization::Basic { user: user.to_owned(), secret: "s".to_owned() };
        let mut filler = filler(&grants);
        let made = value(&basic("Aladdin"), None, &mut filler).unwrap().unwrap();
        assert_eq!(made, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(filler.mask.text(&made), "Basic [secret:s]");
        assert!(value(&basic("a:b"), None, &mut filler).is_err());
        let bearer = Authorization::Bearer("s".to_owned());
        assert!(value(&bearer, None, &mut filler).unwrap_err().0.contains("is bound to Basic"));
    }

    /// RFC 2202 and RFC 4231, case 2.
    #[test]
    fn macs_are_those_of_the_rfcs_and_bound_to_their_header_and_algorithm() {
        let field = |algorithm, encoding, name: &str| SignedField {
            name: name.to_owned(),
            prefix: "t=".to_owned(),
            algorithm,
            secret: "s".to_owned(),
            data: b"what do ya want for nothing?".to_vec(),
            encoding,
        };
        let of = |algorithm| Use::Mac { header: "x-sig".to_owned(), algorithm };
        for (algorithm, begins) in [
            (MacAlgorithm::HmacSha1, "t=effcdf6ae5eb2fa2"),
            (MacAlgorithm::HmacSha256, "t=5bdcc146bf60754e"),
            (MacAlgorithm::HmacSha512, "t=164b7a7bfcf819e2"),
        ] {
            let grants = grants(of(algorithm), b"Jefe");
            let hex = field(algorithm, MacEncoding::Hex, "x-sig");
            assert!(mac(&hex, "x-sig", &mut filler(&grants)).unwrap().starts_with(begins));
        }
        let grants = grants(of(MacAlgorithm::HmacSha1), b"Jefe");
        let base64 = field(MacAlgorithm::HmacSha1, MacEncoding::Base64, "x-sig");
        assert_eq!(mac(&base64, "x-sig", &mut filler(&grants)).unwrap(), "t=7/zfauXrL6LSdBbV8YTfnCWafHk=");
        let other = field(MacAlgorithm::HmacSha256, MacEncoding::Hex, "x-sig");
        assert!(mac(&other, "x-sig", &mut filler(&grants)).unwrap_err().0.contains("is bound to a MAC"));
        assert!(mac(&base64, "x-other", &mut filler(&grants)).is_err());
    }

    #[test]
    fn a_secret_that_verifies_cannot_sign() {
        let grants = grants(Use::Verify, b"Jefe");
        let field = SignedField {
            name: "x-sig".to_owned(),
            prefix: String::new(),
            algorithm: MacAlgorithm::HmacSha256,
            secret: "s".to_owned(),
            data: Vec::new(),
            encoding: MacEncoding::Hex,
        };
        let why = mac(&field, "x-sig", &mut filler(&grants)).unwrap_err().0;
        assert!(why.starts_with("secret `s` is bound to verifying webhooks"), "{why}");
    }
}
