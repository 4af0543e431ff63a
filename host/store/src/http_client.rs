//! How requests to AWS go out: HTTP/1.1, one pool of connections for all services.
//!
//! The AWS SDK's own client reads and parses every certificate of the system when it is made, some 5 ms of each cold
//! start, and it brings HTTP/2. Here the authorities are those that browsers trust, parsed when the program was compiled.

use std::fmt::Debug;

use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
#[cfg(feature = "aws")]
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connect, HttpConnector as Tcp};
use hyper_util::rt::TokioExecutor;

/// The client of one process. Cheap to clone. It has no time-out of its own: the caller sets one.
#[derive(Clone, Debug)]
pub struct Http<C> {
    client: Client<C, SdkBody>,
}

/// A client without TLS, for a DynamoDB that this process serves on loopback.
#[cfg(feature = "embedded")]
pub type Plain = Http<Tcp>;

#[cfg(feature = "embedded")]
impl Plain {
    /// Makes the client. Nothing is connected before it is used.
    pub fn plain() -> Self {
        Self { client: Client::builder(TokioExecutor::new()).build(tcp()) }
    }
}

/// A client for the services of AWS.
#[cfg(feature = "aws")]
pub(crate) type Tls = Http<HttpsConnector<Tcp>>;

#[cfg(feature = "aws")]
impl Tls {
    /// Makes the client. Nothing is connected before it is used.
    pub(crate) fn tls() -> Self {
        use rustls::{ClientConfig, RootCertStore};
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let tls = ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .expect("this provider has the default versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut tcp = tcp();
        tcp.enforce_http(false);
        // Plain HTTP is for emulators and VPC endpoints, where the deployment says so.
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1();
        Self { client: Client::builder(TokioExecutor::new()).build(connector.wrap_connector(tcp)) }
    }
}

fn tcp() -> Tcp {
    let mut tcp = Tcp::new();
    // A request is one small packet, which must not wait for the next.
    tcp.set_nodelay(true);
    tcp
}

impl<C: Connect + Clone + Send + Sync + 'static> Http<C> {
    /// Sends a request.
    ///
    /// # Errors
    /// There was no answer.
    pub(crate) async fn send(&self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
        let response = self.client.request(request).await.map_err(|error| ConnectorError::io(error.into()))?;
        let response = response.map(SdkBody::from_body_1_x);
        HttpResponse::try_from(response).map_err(|error| ConnectorError::other(error.into(), None))
    }
}

impl<C: Connect + Clone + Debug + Send + Sync + 'static> HttpConnector for Http<C> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let this = self.clone();
        HttpConnectorFuture::new(async move { this.send(request).await })
    }
}

impl<C: Connect + Clone + Debug + Send + Sync + 'static> HttpClient for Http<C> {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        Some(ConnectorMetadata::new("hyper", None))
    }
}
