//! A request to the outside network, within its limits.

use std::time::Duration;

use http::Uri;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rapport_model::hosts::{self, HostPattern};
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;

use crate::resolve::{Network, OnlyPrivate, Resolver};

/// Milliseconds for one request, from looking the name up to the last byte. A provider waits 10 to 15 s for the answer to
/// a webhook, and may have two of these in it.
pub const REQUEST_MS_MAX: u64 = 3_000;
/// Milliseconds until a connection stands, within [`REQUEST_MS_MAX`].
const CONNECT_MS_MAX: u64 = 2_000;
/// Bytes of a response that are read. A certificate has 2 KiB, a confirmation less.
pub const RESPONSE_BYTES_MAX: usize = 64 * 1024;

/// The door. Cheap to clone; keeps its connections for the next request.
#[derive(Clone)]
pub struct Egress {
    client: Client<HttpsConnector<HttpConnector<Resolver>>, Empty<&'static [u8]>>,
}

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
    /// Opens the door to `network`.
    pub fn new(network: Network) -> Self {
        let roots = RootCertStore { roots: network.roots() };
        let tls = ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .expect("this provider has the default versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut tcp = HttpConnector::new_with_resolver(Resolver::new(network));
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(Duration::from_millis(CONNECT_MS_MAX)));
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_only().enable_http1().wrap_connector(tcp);
        Self { client: Client::builder(TokioExecutor::new()).build(connector) }
    }

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
        let body = body.map_err(|error| match error.is::<http_body_util::LengthLimitError>() {
            true => EgressError::TooLarge,
            false => EgressError::Unreachable(error.to_string()),
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
