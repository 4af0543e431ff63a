//! The AWS clients of a table: one connection pool, bounded waiting.

use std::time::Duration;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, HttpClient, Region};

/// DynamoDB answers in single-digit milliseconds; after this long an attempt is lost, and trying again is sooner.
pub(crate) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
/// All attempts of one operation. Providers wait 10 to 20 seconds for an answer.
pub(crate) const OPERATION_TIMEOUT: Duration = Duration::from_secs(6);
/// Attempts of one operation, with the SDK's jittered back-off between them: 3.1 s at most, which a short throttling ends in.
pub(crate) const ATTEMPTS_MAX: u32 = 6;
/// The longest wait before the second attempt; it doubles with each. The SDK's own is a second, which is right for services
/// that answer more slowly: a fold of 20 events that met ten faults used up its function's time with waiting.
const FIRST_BACK_OFF: Duration = Duration::from_millis(100);

/// Where a DynamoDB is, and who asks it.
pub(crate) struct DynamoEndpoint<H> {
    pub http: H,
    pub credentials: Credentials,
    pub region: String,
    /// None: the region's own.
    pub endpoint: Option<String>,
}

/// The clients of a DynamoDB that this process serves on loopback.
#[cfg(feature = "embedded")]
pub(crate) fn loopback(endpoint: &str) -> (aws_sdk_dynamodb::Client, aws_sdk_dynamodbstreams::Client) {
    clients(DynamoEndpoint {
        http: crate::http_client::Plain::plain(),
        credentials: Credentials::new("rapport", "rapport", None, None, "embedded"),
        region: "local".to_owned(),
        endpoint: Some(endpoint.to_owned()),
    })
}

/// The clients of a DynamoDB.
pub(crate) fn clients<H: HttpClient + Clone + 'static>(
    DynamoEndpoint { http, credentials, region, endpoint }: DynamoEndpoint<H>,
) -> (aws_sdk_dynamodb::Client, aws_sdk_dynamodbstreams::Client) {
    let region = Region::new(region);
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build();
    let retries = RetryConfig::standard().with_max_attempts(ATTEMPTS_MAX).with_initial_backoff(FIRST_BACK_OFF);
    let mut dynamodb = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http.clone())
        .credentials_provider(credentials.clone())
        .region(region.clone())
        .timeout_config(timeouts.clone())
        .retry_config(retries.clone());
    dynamodb.set_endpoint_url(endpoint.clone());
    let mut streams = aws_sdk_dynamodbstreams::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http)
        .credentials_provider(credentials)
        .region(region)
        .timeout_config(timeouts)
        .retry_config(retries);
    streams.set_endpoint_url(endpoint);
    let dynamodb = aws_sdk_dynamodb::Client::from_conf(dynamodb.build());
    (dynamodb, aws_sdk_dynamodbstreams::Client::from_conf(streams.build()))
}
