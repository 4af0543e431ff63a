//! What can go wrong with storage, and whether trying again helps.

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

/// A storage failure. Nothing was acknowledged; nothing that was durable is lost.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// DynamoDB did not answer, throttled or failed. The provider redelivers; the stream tries again.
    #[error("storage did not do `{operation}`: {detail}")]
    Unavailable { operation: &'static str, detail: String },
    /// An optimistic write lost against others more often than it may. Trying later helps.
    #[error("`{operation}` lost against concurrent writes {attempts} times; try again")]
    Contended { operation: &'static str, attempts: u32 },
    /// So many conflicts hang together that no transaction can hold what would change. Trying again does not help.
    #[error(
        "`{subject}` is in conflict with too many profiles to be changed; fix: close the links that `explain` shows, or raise the limit that is broken"
    )]
    Entangled { subject: String },
    /// The way of an endpoint leads to no profile that has it, and no change is under way: an item is wrong. Trying again
    /// does not help.
    #[error(
        "endpoint `{endpoint}` is in no profile that its way leads to; fix: `rapport repair`, on AWS `POST /v1/repairs`"
    )]
    Unreachable { endpoint: String },
    /// An item is not what this version writes.
    #[error("item `{key}` cannot be read: {detail}; was it written by a newer version of Rapport?")]
    Corrupt { key: String, detail: String },
    /// The blob store failed.
    #[error("blob `{key}`: {source}")]
    Blob { key: String, source: std::io::Error },
    /// The table holds another tenant key's data.
    #[error("this data was made with another tenant key; fix: give the key it was made with, or another data folder")]
    OtherTenantKey,
    /// The table is new, and the one that may claim it has not started yet.
    #[error("the table is claimed for no tenant key yet; fix: ask for `/healthz` at the webhook function once")]
    Unclaimed,
    /// The embedded DynamoDB could not be started.
    #[error("embedded DynamoDB: {0}")]
    Embedded(String),
}

impl StoreError {
    pub(crate) fn corrupt(key: impl Into<String>, detail: impl ToString) -> Self {
        Self::Corrupt { key: key.into(), detail: detail.to_string() }
    }
}

/// Makes a [`StoreError`] of an SDK error: the service's own code and message where it gave any.
pub(crate) fn unavailable<E>(operation: &'static str) -> impl FnOnce(SdkError<E, HttpResponse>) -> StoreError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    move |error| {
        let detail = match (error.code(), error.message()) {
            (Some(code), message) => format!("{code}: {}", message.unwrap_or("no message")),
            _ => aws_sdk_dynamodb::error::DisplayErrorContext(&error).to_string(),
        };
        StoreError::Unavailable { operation, detail }
    }
}
