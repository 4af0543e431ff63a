//! What can go wrong with storage, and whether trying again helps.

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;

/// A storage failure. Nothing was acknowledged; nothing that was durable is lost.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// DynamoDB did not answer, throttled, failed or did not let us. The provider redelivers; the stream tries again.
    #[error("storage did not do `{operation}`: {detail}")]
    Unavailable { operation: &'static str, detail: String },
    /// DynamoDB says that the request itself is wrong: an item is too large, a key too long. It says the same of it for ever.
    #[error("storage refuses `{operation}`: {detail}")]
    Refused { operation: &'static str, detail: String },
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
    #[error("endpoint `{endpoint}` does not lead to a profile; fix: `rapport repair`, on AWS `POST /v1/repairs`")]
    Unreachable { endpoint: String },
    /// However often an erasure swept, something is there that must not be: it is not completed. What it is, by kinds.
    #[error(
        "erasure `{erasure}` is not complete: {left} is left; fix: continue the erasure, and report this as a bug if it happens again"
    )]
    Remains { erasure: String, left: String },
    /// An item is not what this version writes.
    #[error("item `{key}` cannot be read: {detail}; was it written by a newer version of Rapport?")]
    Corrupt { key: String, detail: String },
    /// The blob store failed, or did not let us: the blob may be there.
    #[error("blob `{key}`: {source}")]
    Blob { key: String, source: std::io::Error },
    /// The blob store answered: there is no such blob. What named it was erased, or somebody deleted it.
    #[error("blob `{key}` is not there")]
    Missing { key: String },
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
    /// Whether the same may succeed later, with nothing changed but the time.
    ///
    /// What is not passing would be as wrong the next time: it is parked or set aside, so that it holds nobody up.
    /// Permissions that are missing count as passing: they are mended by an operator, and are nothing that an item has.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unavailable { .. } | Self::Contended { .. } | Self::Blob { .. } | Self::Unclaimed => true,
            Self::Refused { .. }
            | Self::Entangled { .. }
            | Self::Unreachable { .. }
            | Self::Remains { .. }
            | Self::Corrupt { .. }
            | Self::Missing { .. }
            | Self::OtherTenantKey
            | Self::Embedded(_) => false,
        }
    }

    /// What it is, in a word or two and without anything that an item holds: it may stand in the table and in the log.
    pub fn class(&self) -> String {
        match self {
            Self::Unavailable { operation, .. } => format!("unavailable: {operation}"),
            Self::Refused { operation, .. } => format!("refused: {operation}"),
            Self::Contended { operation, .. } => format!("contended: {operation}"),
            Self::Entangled { .. } => "entangled".to_owned(),
            Self::Unreachable { .. } => "unreachable endpoint".to_owned(),
            Self::Remains { .. } => "incomplete erasure".to_owned(),
            Self::Corrupt { .. } => "unreadable item".to_owned(),
            Self::Blob { .. } => "blob store".to_owned(),
            Self::Missing { .. } => "missing blob".to_owned(),
            Self::OtherTenantKey | Self::Unclaimed | Self::Embedded(_) => "table".to_owned(),
        }
    }

    pub(crate) fn corrupt(key: impl Into<String>, detail: impl ToString) -> Self {
        Self::Corrupt { key: key.into(), detail: detail.to_string() }
    }
}

/// Codes by which DynamoDB says that the request is wrong, and would be as wrong again. All others are passing, or an
/// operator's to mend: throttling, conflicts, time-outs, failures of the service, permissions.
const REFUSALS: &[&str] =
    &["ValidationException", "SerializationException", "ItemCollectionSizeLimitExceededException"];

/// Codes of a cancelled transaction's reasons that say the same of one of its items.
const REFUSED_REASONS: &[&str] = &["ValidationError", "ItemCollectionSizeLimitExceeded"];

/// Makes a [`StoreError`] of an SDK error: the service's own code and message where it gave any. Whether it is permanent
/// is told by the SDK's class of it, and by the service's code.
pub(crate) fn unavailable<E, R>(operation: &'static str) -> impl FnOnce(SdkError<E, R>) -> StoreError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    move |error| {
        let detail = match (error.code(), error.message()) {
            (Some(code), message) => format!("{code}: {}", message.unwrap_or("no message")),
            _ => aws_sdk_dynamodb::error::DisplayErrorContext(&error).to_string(),
        };
        let is_refused = match &error {
            SdkError::ConstructionFailure(_) => true,
            SdkError::ServiceError(_) => error.code().is_some_and(|code| REFUSALS.contains(&code)),
            // No answer, or none that can be read: it may have been done.
            _ => false,
        };
        if is_refused {
            StoreError::Refused { operation, detail }
        } else {
            StoreError::Unavailable { operation, detail }
        }
    }
}

/// Whether a transaction was cancelled since one of its items is wrong, and would be as wrong again.
pub(crate) fn is_refused_transaction(error: &TransactWriteItemsError) -> bool {
    has_reason(error, REFUSED_REASONS)
}

/// Whether a transaction was cancelled since a condition did not hold.
pub(crate) fn is_unmet_condition(error: &TransactWriteItemsError) -> bool {
    has_reason(error, &["ConditionalCheckFailed"])
}

/// Why a transaction was cancelled: a code for each of its items.
pub(crate) fn reasons(error: &TransactWriteItemsError) -> Vec<String> {
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = error else { return Vec::new() };
    cancelled.cancellation_reasons().iter().map(|reason| reason.code().unwrap_or_default().to_owned()).collect()
}

fn has_reason(error: &TransactWriteItemsError, codes: &[&str]) -> bool {
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = error else { return false };
    cancelled.cancellation_reasons().iter().filter_map(|reason| reason.code()).any(|code| codes.contains(&code))
}

/// Whether a transaction lost against another one, or is still under way: it may win the next time.
pub(crate) fn is_lost_transaction(error: &SdkError<TransactWriteItemsError, HttpResponse>) -> bool {
    let is_refused = error.as_service_error().is_some_and(is_refused_transaction);
    !is_refused && matches!(error.code(), Some("TransactionCanceledException" | "TransactionInProgressException"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_dynamodb::error::ErrorMetadata;
    use aws_sdk_dynamodb::operation::put_item::PutItemError;
    use aws_sdk_dynamodb::types::CancellationReason;
    use aws_sdk_dynamodb::types::error::TransactionCanceledException;

    fn of_code(code: &str) -> StoreError {
        let error = PutItemError::generic(ErrorMetadata::builder().code(code).message("m").build());
        unavailable("PutItem")(SdkError::service_error(error, "an answer"))
    }

    #[test]
    fn what_is_wrong_for_ever_is_told_from_what_passes() {
        for code in ["ValidationException", "SerializationException"] {
            assert!(!of_code(code).is_passing(), "{code}");
        }
        for code in [
            "ProvisionedThroughputExceededException",
            "ThrottlingException",
            "RequestLimitExceeded",
            "TransactionConflictException",
            "InternalServerError",
            "AccessDeniedException",
            "ResourceNotFoundException",
            "ExpiredTokenException",
            "somethingNew",
        ] {
            assert!(of_code(code).is_passing(), "{code}");
        }
        let timeout: SdkError<PutItemError, &str> = SdkError::timeout_error("late");
        assert!(unavailable("PutItem")(timeout).is_passing());
        let never_sent: SdkError<PutItemError, &str> = SdkError::construction_failure("no key");
        assert!(!unavailable("PutItem")(never_sent).is_passing());
    }

    #[test]
    fn a_cancelled_transaction_says_why() {
        let cancelled = |codes: &[&str]| {
            let reasons = codes.iter().map(|code| CancellationReason::builder().code(*code).build()).collect();
            let error = TransactionCanceledException::builder().set_cancellation_reasons(Some(reasons)).build();
            TransactWriteItemsError::TransactionCanceledException(error)
        };
        assert!(is_refused_transaction(&cancelled(&["None", "ValidationError"])));
        for passing in ["ConditionalCheckFailed", "TransactionConflict", "ThrottlingError", "None"] {
            assert!(!is_refused_transaction(&cancelled(&["None", passing])), "{passing}");
        }
    }
}
