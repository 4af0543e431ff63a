//! The door itself: a network, and what may leave into it.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::Empty;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::{ClientConfig, RootCertStore};

use crate::resolve::{Network, Resolver};

/// Milliseconds until the connection of a `GET` stands, within [`REQUEST_MS_MAX`](crate::REQUEST_MS_MAX).
const CONNECT_MS_MAX: u64 = 2_000;

/// The door. Cheap to clone.
#[derive(Clone)]
pub struct Egress {
    /// For [`get`](Self::get) alone: it keeps its connections for the next request. What connectors send does not use it.
    pub(crate) client: Client<HttpsConnector<HttpConnector<Resolver>>, Empty<&'static [u8]>>,
    pub(crate) resolver: Resolver,
    /// Holds the sessions of TLS, so that the next connection to a host needs one round trip less.
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) is_deployment: bool,
}

impl Egress {
    /// Opens the door to `network`. What connectors send leaves only for connections that are `live`, or to a stand-in.
    pub fn new(network: Network) -> Self {
        let roots = RootCertStore { roots: network.roots() };
        let tls = ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .expect("this provider has the default versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let resolver = Resolver::new(network);
        let mut tcp = HttpConnector::new_with_resolver(resolver.clone());
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(Duration::from_millis(CONNECT_MS_MAX)));
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls.clone()).https_only().enable_http1().wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Self { client, resolver, tls: Arc::new(tls), is_deployment: false }
    }

    /// The door of a deployment: every connection may send, and none to a stand-in.
    pub fn of_deployment(network: Network) -> Self {
        Self { is_deployment: true, ..Self::new(network) }
    }
}
