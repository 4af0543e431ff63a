//! The AWS clients of a table: one connection pool, bounded waiting.

use std::time::Duration;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};

/// DynamoDB answers in single-digit milliseconds; after this long an attempt is lost, and trying again is sooner.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
/// All attempts of one operation. Providers wait 10 to 20 seconds for an answer.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(6);
/// Attempts of one operation, with the SDK's jittered back-off between them.
const ATTEMPTS_MAX: u32 = 4;

/// The clients of a DynamoDB that this process serves on loopback.
pub(crate) fn loopback(endpoint: &str) -> (aws_sdk_dynamodb::Client, aws_sdk_dynamodbstreams::Client) {
    let http = aws_smithy_http_client::Builder::new().build_http();
    let credentials = Credentials::new("rapport", "rapport", None, None, "embedded");
    let region = Region::from_static("local");
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build();
    let retries = RetryConfig::standard().with_max_attempts(ATTEMPTS_MAX);
    let dynamodb = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .http_client(http.clone())
        .credentials_provider(credentials.clone())
        .region(region.clone())
        .timeout_config(timeouts.clone())
        .retry_config(retries.clone())
        .build();
    let streams = aws_sdk_dynamodbstreams::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .http_client(http)
        .credentials_provider(credentials)
        .region(region)
        .timeout_config(timeouts)
        .retry_config(retries)
        .build();
    (aws_sdk_dynamodb::Client::from_conf(dynamodb), aws_sdk_dynamodbstreams::Client::from_conf(streams))
}
