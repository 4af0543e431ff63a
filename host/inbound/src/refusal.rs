//! Why a webhook is refused. It does not depend on HTTP, because deliveries of AWS are refused in the same words. `hooks` maps
//! each kind to a problem.

use rapport_connections::{NotCalled, NotConfirmed};
use rapport_store::StoreError;
use rapport_telemetry::StorageFailed;

/// A kind of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// It is not proven to come from a provider.
    Unauthenticated,
    TooLarge,
    /// The connector failed before it had verified the webhook.
    ConnectorFailed,
    Internal,
    /// A temporary failure: the provider delivers again.
    Unavailable,
}

/// A refusal. Its detail is public: it names no secret, no body and no person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {detail}", name = self.name())]
pub struct Refusal {
    pub kind: RefusalKind,
    pub detail: String,
}

impl Refusal {
    pub fn unauthenticated(detail: impl Into<String>) -> Self {
        Self { kind: RefusalKind::Unauthenticated, detail: detail.into() }
    }

    pub fn too_large(detail: impl Into<String>) -> Self {
        Self { kind: RefusalKind::TooLarge, detail: detail.into() }
    }

    pub fn connector_failed(detail: impl Into<String>) -> Self {
        Self { kind: RefusalKind::ConnectorFailed, detail: detail.into() }
    }

    pub fn internal(detail: impl Into<String>) -> Self {
        Self { kind: RefusalKind::Internal, detail: detail.into() }
    }

    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self { kind: RefusalKind::Unavailable, detail: detail.into() }
    }

    /// One word, for logs.
    pub fn name(&self) -> &'static str {
        match self.kind {
            RefusalKind::Unauthenticated => "unauthenticated",
            RefusalKind::TooLarge => "too-large",
            RefusalKind::ConnectorFailed => "connector-failed",
            RefusalKind::Internal => "internal",
            RefusalKind::Unavailable => "unavailable",
        }
    }

    /// The status of HTTP that it is answered with.
    pub fn status(&self) -> u16 {
        match self.kind {
            RefusalKind::Unauthenticated => 401,
            RefusalKind::TooLarge => 413,
            RefusalKind::ConnectorFailed | RefusalKind::Internal => 500,
            RefusalKind::Unavailable => 503,
        }
    }
}

impl From<NotCalled> for Refusal {
    fn from(error: NotCalled) -> Self {
        match error {
            NotCalled::Busy => Self::unavailable(error.to_string()),
            NotCalled::Panicked => Self::internal(error.to_string()),
        }
    }
}

impl From<NotConfirmed> for Refusal {
    fn from(error: NotConfirmed) -> Self {
        match error {
            NotConfirmed::NotCalled(error) => error.into(),
            NotConfirmed::Failed => Self::connector_failed(error.to_string()),
            NotConfirmed::Refused => Self::unavailable(error.to_string()),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        StorageFailed { error: &error }.emit();
        if error.is_passing() {
            Self::unavailable("storage does not respond; fix: deliver it again")
        } else {
            Self::internal("storage refused the write")
        }
    }
}
