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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rapport_model::event::Extensions;
    use rapport_model::exchange::{Authorization, Content, Field, Method, Piece, Request, RequestBody};
    use rapport_model::hosts::HostPattern;
    use rapport_model::secret::Secret;
    use serde_json::Value;

    use super::*;
    use crate::blobs::NoBlobs;
    use crate::grants::Grants;
    use crate::prepared::{Prepared, Refused};
    use crate::send::Sending;

    /// 2026-11-30T22:00:00Z
    const NOW: Timestamp = 1_796_076_000_000;

    fn request(case: &Value) -> Request {
        let text = |key: &str| case[key].as_str().unwrap().to_owned();
        let method = [Method::Get, Method::Post, Method::Put, Method::Delete];
        let method = method.into_iter().find(|one| format!("{one:?}").to_uppercase() == text("method")).unwrap();
        let field = |(name, value): (&String, &Value)| Field {
            name: name.clone(),
            value: vec![Piece::Text(value.as_str().unwrap().to_owned())],
        };
        Request {
            method,
            url: vec![Piece::Text(text("url"))],
            headers: case["headers"].as_object().unwrap().iter().map(field).collect(),
            authorization: Authorization::Aws { service: text("service"), region: text("region") },
            signed: Vec::new(),
            body: RequestBody::Content(Content::Bytes(text("body").into_bytes())),
            repeatable: true,
            keep: false,
            extensions: Extensions::default(),
        }
    }

    fn keys(vectors: &Value, session_token: &Value) -> AwsKeys {
        AwsKeys {
            access_key_id: vectors["access_key_id"].as_str().unwrap().to_owned(),
            secret_access_key: Secret::new(vectors["secret_access_key"].as_str().unwrap().as_bytes()),
            session_token: session_token.as_str().map(|token| Secret::new(token.as_bytes())),
        }
    }

    fn grants() -> Grants {
        let actions = ["ses", "sms-voice", "social-messaging"];
        let aws: std::collections::BTreeMap<String, Vec<String>> =
            actions.map(|service| (service.to_owned(), vec!["SendTextMessage".to_owned()])).into();
        let hosts = ["email.eu-west-1.amazonaws.com", "sms-voice.us-east-1.amazonaws.com", "evil.example.com"];
        let hosts = hosts.into_iter().chain(["social-messaging.eu-central-1.amazonaws.com"]);
        let hosts = hosts.map(|host| HostPattern::parse(host).unwrap()).collect();
        Grants { hosts, granted: aws.clone(), aws, live: true, ..Grants::default() }
    }

    async fn prepared(request: &Request, grants: &Grants, aws: Option<&AwsKeys>) -> Result<Prepared, String> {
        let sending = Sending {
            request,
            grants,
            token: None,
            aws,
            status_url: None,
            unsubscribe_url: None,
            blobs: Arc::new(NoBlobs),
            limit: Duration::from_secs(1),
            now: NOW,
            entropy: [0; 16],
        };
        Prepared::new(&sending).await.unwrap().map_err(|(refused, _)| match refused {
            Refused::Denied(denied) => denied.0,
            Refused::TooLarge => "too large".to_owned(),
        })
    }

    /// `vectors/sigv4.json` says how it was made.
    #[tokio::test]
    async fn signatures_are_those_of_botocore() {
        let vectors: Value = serde_json::from_str(include_str!("../vectors/sigv4.json")).unwrap();
        let cases = vectors["cases"].as_array().unwrap();
        assert_eq!(cases.len(), 9);
        for case in cases {
            let keys = keys(&vectors, &case["session_token"]);
            let prepared = prepared(&request(case), &grants(), Some(&keys)).await.unwrap();
            for name in ["authorization", "x-amz-date", "x-amz-security-token"] {
                let value = prepared.headers.iter().find(|(other, _)| other == name);
                let value = value.map(|(_, value)| value.to_str().unwrap());
                assert_eq!(value, case[name].as_str(), "{}: {name}", case["name"]);
            }
        }
    }

    #[tokio::test]
    async fn a_service_is_signed_for_only_if_manifest_and_operator_grant_it() {
        let vectors: Value = serde_json::from_str(include_str!("../vectors/sigv4.json")).unwrap();
        let keys = keys(&vectors, &Value::Null);
        let request = |at: usize| request(&vectors["cases"][at]);
        let refused =
            async |request: Request, grants: Grants| prepared(&request, &grants, Some(&keys)).await.err().unwrap();

        let unasked = Grants { aws: [].into(), ..grants() };
        assert!(refused(request(2), unasked).await.contains("manifest does not ask for `ses`; fix: add it to `[aws]`"));
        let ungranted = Grants { granted: [].into(), ..grants() };
        assert!(
            refused(request(2), ungranted)
                .await
                .contains("operator does not grant `ses`; fix: add it to `sending.aws`")
        );
        let mut other = request(4);
        other.headers[1].value = vec![Piece::Text("PinpointSMSVoiceV2.DeletePhonePool".to_owned())];
        assert!(refused(other, grants()).await.contains("`sms-voice:DeletePhonePool`"));
        let mut elsewhere = request(2);
        elsewhere.url = vec![Piece::Text("https://evil.example.com/".to_owned())];
        assert!(refused(elsewhere, grants()).await.contains("is not a host of AWS"));
        let without = prepared(&request(2), &grants(), None).await.err().unwrap();
        assert!(without.starts_with("there are no keys of AWS to sign with; fix:"), "{without}");
        let mut dated = request(2);
        dated.headers[0].name = "X-Amz-Date".to_owned();
        assert!(refused(dated, grants()).await.contains("is made by the host"));
    }
}
