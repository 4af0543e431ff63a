//! A server on loopback that has a public name and a certificate, in a network of its own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use rapport_egress::Network;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, TrustAnchor};
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// A running server. It ends when it is dropped.
pub struct Server {
    /// The network in which the server's name leads to it, and its certificate is believed.
    pub network: Network,
    asked: Arc<Mutex<Vec<String>>>,
    _task: JoinSet<()>,
}

impl Server {
    /// A server called `name`; `answer` makes a whole response of a request's target.
    pub async fn start(name: &str, answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let (config, root) = certified(name);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let names = BTreeMap::from([(name.to_owned(), listener.local_addr().unwrap())]);
        let asked = Arc::new(Mutex::new(Vec::new()));
        let mut task = JoinSet::new();
        let log = Arc::clone(&asked);
        task.spawn(async move {
            let acceptor = TlsAcceptor::from(Arc::new(config));
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let mut request = [0; 4096];
                let read = stream.read(&mut request).await.unwrap_or_default();
                let line = String::from_utf8_lossy(&request[..read]).lines().next().unwrap_or_default().to_owned();
                let target = line.split(' ').nth(1).unwrap_or_default();
                log.lock().unwrap().push(target.to_owned());
                let _ = stream.write_all(&answer(target)).await;
                let _ = stream.shutdown().await;
            }
        });
        Self { network: Network::Only { names, roots: vec![root] }, asked, _task: task }
    }

    /// The targets that were asked for, in order.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// A response with this status line and body.
pub fn response(status: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// What a server called `name` shows, and the authority that vouches for it.
pub fn certified(name: &str) -> (ServerConfig, TrustAnchor<'static>) {
    let authority_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = anchor(params.self_signed(&authority_key).unwrap().der());
    let key = KeyPair::generate().unwrap();
    let issuer = Issuer::new(params, authority_key);
    let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let config = ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap();
    (config, root)
}

fn anchor(der: &CertificateDer<'_>) -> TrustAnchor<'static> {
    let mut store = RootCertStore::empty();
    store.add(der.clone().into_owned()).unwrap();
    store.roots.remove(0)
}
