//! How requests to AWS go out: HTTP/1.1 over TLS, one pool of connections for all services.
//!
//! The AWS SDK's own client reads and parses every certificate of the system when it is made, some 5 ms of each cold
//! start. Here the authorities are those that browsers trust, parsed when the program was compiled.

use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector as Tcp;
use hyper_util::rt::TokioExecutor;
use rustls::{ClientConfig, RootCertStore};

/// The client. Cheap to clone. It waits for ever: whoever asks sets the time-out.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    client: Client<HttpsConnector<Tcp>, SdkBody>,
}

impl Http {
    /// Makes the client. Nothing is connected before it is used.
    pub(crate) fn new() -> Self {
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let tls = ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .expect("this provider has the default versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut tcp = Tcp::new();
        tcp.enforce_http(false);
        // A request is one small packet, which must not wait for the next.
        tcp.set_nodelay(true);
        // Plain HTTP is for emulators and VPC endpoints, where the deployment says so.
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1();
        Self { client: Client::builder(TokioExecutor::new()).build(connector.wrap_connector(tcp)) }
    }

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

impl HttpConnector for Http {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let this = self.clone();
        HttpConnectorFuture::new(async move { this.send(request).await })
    }
}

impl HttpClient for Http {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        Some(ConnectorMetadata::new("hyper", None))
    }
}
