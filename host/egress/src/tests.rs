use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, TrustAnchor};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

const NAME: &str = "keys.example.com";

fn allowed() -> Vec<HostPattern> {
    vec![HostPattern::parse("*.example.com").unwrap()]
}

/// A server on loopback that answers every request with these bytes, and the network in which it has a name.
async fn server(answer: Vec<u8>) -> Network {
    let authority_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&authority_key).unwrap();
    let roots = vec![anchor(authority.der())];
    let key = KeyPair::generate().unwrap();
    let issuer = Issuer::new(params, authority_key);
    let certificate = CertificateParams::new(vec![NAME.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let config = ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(&answer).await;
            let _ = stream.shutdown().await;
        }
    });
    Network::Only { names: BTreeMap::from([(NAME.to_owned(), address)]), roots }
}

fn anchor(der: &rustls::pki_types::CertificateDer<'_>) -> TrustAnchor<'static> {
    let mut store = RootCertStore::empty();
    store.add(der.clone().into_owned()).unwrap();
    store.roots.remove(0)
}

fn response(status: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

#[tokio::test]
async fn an_allowed_url_is_asked_over_tls() {
    let egress = Egress::new(server(response("200 OK", b"key")).await);
    let answer = egress.get("https://keys.example.com/a.pem?x=1", &allowed()).await;
    assert_eq!(answer, Ok(Response { status: 200, body: b"key".to_vec() }));
}

#[tokio::test]
async fn what_the_manifest_does_not_allow_is_not_asked() {
    let egress = Egress::new(server(response("200 OK", b"key")).await);
    for url in ["http://keys.example.com/", "https://keys.example.org/", "https://keys.example.com:1/", "file:///etc"] {
        assert_eq!(egress.get(url, &allowed()).await, Err(EgressError::Denied), "{url}");
    }
    assert_eq!(egress.get("https://keys.example.com/", &[]).await, Err(EgressError::Denied));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let redirect = b"HTTP/1.1 302 Found\r\nlocation: https://keys.example.com/other\r\ncontent-length: 0\r\n\r\n";
    let egress = Egress::new(server(redirect.to_vec()).await);
    let answer = egress.get("https://keys.example.com/a", &allowed()).await;
    assert_eq!(answer, Ok(Response { status: 302, body: Vec::new() }));
}

#[tokio::test]
async fn a_large_answer_is_cut_off() {
    let egress = Egress::new(server(response("200 OK", &vec![b'x'; RESPONSE_BYTES_MAX + 1])).await);
    assert_eq!(egress.get("https://keys.example.com/a", &allowed()).await, Err(EgressError::TooLarge));
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_is_not_believed() {
    let Network::Only { names, .. } = server(response("200 OK", b"key")).await else { unreachable!() };
    let egress = Egress::new(Network::Only { names, roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() });
    let answer = egress.get("https://keys.example.com/a", &allowed()).await;
    assert!(matches!(answer, Err(EgressError::Unreachable(_))), "{answer:?}");
}

#[tokio::test]
async fn a_name_without_an_address_is_unreachable() {
    let egress = Egress::new(server(response("200 OK", b"key")).await);
    let answer = egress.get("https://other.example.com/a", &allowed()).await;
    assert_eq!(answer, Err(EgressError::Unreachable("no such name".into())));
}

#[tokio::test]
async fn loopback_is_private_in_the_public_network() {
    let allowed = [HostPattern::parse("localhost.localdomain").unwrap()];
    let answer = Egress::new(Network::Public).get("https://localhost.localdomain/", &allowed).await;
    // Machines without this name say that they do not know it.
    assert!(matches!(answer, Err(EgressError::PrivateAddress | EgressError::Unreachable(_))), "{answer:?}");
}
