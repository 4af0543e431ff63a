//! One signed request to a service (AWS Signature Version 4), with the patience of the DynamoDB client.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;

use crate::client::{ATTEMPT_TIMEOUT, ATTEMPTS_MAX, OPERATION_TIMEOUT};
use crate::http_client::Tls;

/// The wait before the second attempt at the longest; twice that before the next.
const BACK_OFF: Duration = Duration::from_millis(100);

/// Signs requests and sends them. Connects when it is first used: a usual webhook needs neither bucket nor secret.
pub(crate) struct Signer {
    identity: Identity,
    region: String,
    http: Tls,
}

/// A request, before it is signed.
pub(crate) struct Request<'a> {
    /// As signatures name it: `s3`, `secretsmanager`.
    pub service: &'static str,
    pub method: &'static str,
    pub url: &'a str,
    pub headers: &'a [(&'static str, &'a str)],
    pub body: &'a [u8],
    /// Bytes above which an answer's body is left where it is; none: it is small.
    pub answer_max: Option<u64>,
}

/// What the service said, whatever its status.
pub(crate) struct Answer {
    pub status: u16,
    /// Empty where it is too large.
    pub body: Vec<u8>,
    /// How many the body has.
    pub bytes: u64,
}

/// Bytes a millisecond that a transfer is given time for: 4 MB a second, a twentieth of what a function has.
const BYTES_A_MS: u64 = 4_000;

impl Request<'_> {
    /// How long its bytes and the answer's may take.
    fn transfer_time(&self) -> Duration {
        Duration::from_millis((self.body.len() as u64 + self.answer_max.unwrap_or_default()) / BYTES_A_MS)
    }
}

impl Signer {
    pub(crate) fn new(http: Tls, credentials: Credentials, region: String) -> Self {
        Self { identity: credentials.into(), region, http }
    }

    /// Sends until there is an answer that another attempt would not change.
    ///
    /// # Errors
    /// There was none in time; what was tried last went wrong like this.
    pub(crate) async fn send(&self, request: &Request<'_>) -> Result<Answer, String> {
        let (attempts, limit) = (self.attempts(request), OPERATION_TIMEOUT + request.transfer_time());
        tokio::time::timeout(limit, attempts).await.unwrap_or_else(|_| Err(too_slow(limit)))
    }

    async fn attempts(&self, request: &Request<'_>) -> Result<Answer, String> {
        let mut attempt = 1;
        loop {
            let limit = ATTEMPT_TIMEOUT + request.transfer_time();
            let answer = tokio::time::timeout(limit, self.attempt(request)).await;
            let answer = answer.unwrap_or_else(|_| Err(too_slow(limit)));
            let is_final = answer.as_ref().is_ok_and(|answer| !is_passing(answer));
            if is_final || attempt == ATTEMPTS_MAX {
                return answer;
            }
            tokio::time::sleep(back_off(attempt)).await;
            attempt += 1;
        }
    }

    async fn attempt(&self, request: &Request<'_>) -> Result<Answer, String> {
        let response = self
            .http
            .send(self.signed(request)?)
            .await
            .map_err(|error| aws_sdk_dynamodb::error::DisplayErrorContext(&error).to_string())?;
        let status = response.status().as_u16();
        let announced = response.headers().get("content-length").and_then(|length| length.parse().ok());
        if let Some(bytes) = announced.filter(|bytes| request.answer_max.is_some_and(|max| *bytes > max)) {
            return Ok(Answer { status, body: Vec::new(), bytes });
        }
        let body = ByteStream::new(response.into_body()).collect().await.map_err(|error| error.to_string())?;
        let body = body.to_vec();
        Ok(Answer { status, bytes: body.len() as u64, body })
    }

    fn signed(&self, request: &Request<'_>) -> Result<HttpRequest, String> {
        let Request { service, method, url, headers, body, .. } = request;
        let mut settings = SigningSettings::default();
        if *service == "s3" {
            // As S3 asks for it: its keys are taken as they are, and the body's hash is a field of its own.
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        let params = v4::SigningParams::builder()
            .identity(&self.identity)
            .region(&self.region)
            .name(service)
            .time(SystemTime::now())
            .settings(settings)
            .build()
            .expect("all required parts are given")
            .into();
        let signable = SignableRequest::new(method, *url, headers.iter().copied(), SignableBody::Bytes(body));
        let (instructions, _) = sign(signable.map_err(text)?, &params).map_err(text)?.into_parts();
        let mut unsigned = http::Request::builder().method(*method).uri(*url);
        for (name, value) in *headers {
            unsigned = unsigned.header(*name, *value);
        }
        let mut signed = unsigned.body(SdkBody::from(*body)).map_err(text)?;
        instructions.apply_to_request_http1x(&mut signed);
        HttpRequest::try_from(signed).map_err(text)
    }
}

/// What a service that speaks JSON says against a request: its code and message.
pub(super) fn refusal(body: &[u8]) -> Option<String> {
    let refusal: serde_json::Value = serde_json::from_slice(body).ok()?;
    let code = refusal["__type"].as_str()?.rsplit('#').next()?;
    let message = refusal["message"].as_str().or(refusal["Message"].as_str()).unwrap_or("no message");
    Some(format!("{code}: {message}"))
}

/// Whether another attempt may be answered differently.
fn is_passing(answer: &Answer) -> bool {
    // `ThrottlingException` of most services, `RequestThrottled` of SQS.
    let throttled = || String::from_utf8_lossy(&answer.body).contains("Throttl");
    matches!(answer.status, 429 | 500..) || answer.status == 400 && throttled()
}

/// A random part of what it may be at the longest, so that many who failed together do not come back together.
fn back_off(attempt: u32) -> Duration {
    let nanos = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().subsec_nanos();
    (BACK_OFF * (1 << (attempt - 1))).mul_f64(f64::from(nanos % 1_000) / 1_000.0)
}

fn too_slow(limit: Duration) -> String {
    format!("no answer within {} ms", limit.as_millis())
}

fn text(error: impl ToString) -> String {
    error.to_string()
}
