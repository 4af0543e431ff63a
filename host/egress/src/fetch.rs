//! A `GET` without a secret: a provider's certificate, the confirmation of a subscription.

use std::time::Duration;

use http::Uri;
use http_body_util::{BodyExt, Limited};
use rapport_model::hosts::{self, HostPattern};
use thiserror::Error;

use crate::door::Egress;
use crate::limits::{REQUEST_MS_MAX, RESPONSE_BYTES_MAX};
use crate::resolve::OnlyPrivate;

/// What somebody answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EgressError {
    #[error("the manifest does not allow this URL; fix: allow its host under `[hosts]` of connector.toml")]
    Denied,
    #[error("the name resolves only to private addresses, which Rapport must not call")]
    PrivateAddress,
    #[error("no answer within {REQUEST_MS_MAX} ms")]
    Timeout,
    #[error("the answer has more than {RESPONSE_BYTES_MAX} bytes")]
    TooLarge,
    #[error("unreachable: {0}")]
    Unreachable(String),
}

impl Egress {
    /// Asks for one URL, if a pattern of `allowed` fits its host. A redirect is an answer like any other.
    ///
    /// # Errors
    /// [`EgressError`]; after any but [`Denied`](EgressError::Denied) the other side may have been asked.
    pub async fn get(&self, url: &str, allowed: &[HostPattern]) -> Result<Response, EgressError> {
        if !hosts::allows(allowed, url) {
            return Err(EgressError::Denied);
        }
        let uri: Uri = url.parse().map_err(|_| EgressError::Denied)?;
        let limit = Duration::from_millis(REQUEST_MS_MAX);
        tokio::time::timeout(limit, self.fetch(uri)).await.map_err(|_| EgressError::Timeout)?
    }

    async fn fetch(&self, uri: Uri) -> Result<Response, EgressError> {
        let response = self.client.get(uri).await.map_err(|error| unreachable_because(&error))?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), RESPONSE_BYTES_MAX).collect().await;
        let body = body.map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() {
                EgressError::TooLarge
            } else {
                EgressError::Unreachable(error.to_string())
            }
        })?;
        Ok(Response { status, body: body.to_bytes().to_vec() })
    }
}

/// The innermost cause says most; one of them is our own refusal.
fn unreachable_because(error: &(dyn std::error::Error + 'static)) -> EgressError {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        if source.is::<OnlyPrivate>() {
            return EgressError::PrivateAddress;
        }
        innermost = source;
    }
    EgressError::Unreachable(innermost.to_string())
}
