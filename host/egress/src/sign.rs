//! Signature Version 4 of AWS.

use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use rapport_model::Timestamp;

use crate::grants::{AwsKeys, Denied, denied};
use crate::mask::Mask;

/// Who signs what.
pub(crate) struct Scope<'a> {
    pub service: &'a str,
    pub region: &'a str,
    pub keys: &'a AwsKeys,
    pub now: Timestamp,
}

/// Whether a host is one of AWS: its signatures, and the name of the role, go nowhere else.
pub(crate) fn check_host(host: &str) -> Result<(), Denied> {
    if [".amazonaws.com", ".amazonaws.com.cn", ".api.aws"].iter().any(|end| host.ends_with(end)) {
        return Ok(());
    }
    denied(format!(
        "`{host}` is not a host of AWS, and the request is signed for AWS; fix: ask a host of `amazonaws.com`"
    ))
}

/// The header fields that sign a request: `authorization`, `x-amz-date`, and with a session its token.
pub(crate) fn fields(
    scope: &Scope<'_>,
    method: &str,
    url: &str,
    headers: &[(String, String)],
    body_sha256: String,
    mask: &mut Mask,
) -> Result<Vec<(String, String)>, Denied> {
    let AwsKeys { access_key_id, secret_access_key, session_token } = scope.keys;
    let text = |secret: &rapport_model::secret::Secret| String::from_utf8_lossy(secret.reveal()).into_owned();
    let session_token = session_token.as_ref().map(text);
    mask.hide("aws", secret_access_key.reveal());
    if let Some(token) = &session_token {
        mask.hide("aws", token.as_bytes());
    }
    let credentials = Credentials::new(access_key_id, text(secret_access_key), session_token, None, "rapport");
    let identity = credentials.into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(scope.region)
        .name(scope.service)
        .time(UNIX_EPOCH + Duration::from_millis(scope.now))
        .settings(SigningSettings::default())
        .build()
        .expect("all required parts are given")
        .into();
    let named = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let signable = SignableRequest::new(method, url, named, SignableBody::Precomputed(body_sha256));
    let signed = signable.and_then(|signable| sign(signable, &params));
    let (instructions, _) = match signed {
        Ok(signed) => signed.into_parts(),
        Err(error) => {
            return denied(format!("the request cannot be signed for AWS: {}", mask.text(&error.to_string())));
        }
    };
    Ok(instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}
