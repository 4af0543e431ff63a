//! The door to the outside: where it leads, and where it does not.

use rapport_egress::{Egress, EgressError, Network, RESPONSE_BYTES_MAX, Response};
use rapport_model::hosts::HostPattern;

use crate::support::tls::{Server, response};

const NAME: &str = "keys.example.com";

fn allowed() -> Vec<HostPattern> {
    vec![HostPattern::parse("*.example.com").unwrap()]
}

async fn server(answer: Vec<u8>) -> Server {
    Server::start(NAME, move |_| answer.clone()).await
}

#[tokio::test]
async fn an_allowed_url_is_asked_over_tls() {
    let server = server(response("200 OK", b"key")).await;
    let answer = Egress::new(server.network.clone()).get("https://keys.example.com/a.pem?x=1", &allowed()).await;
    assert_eq!(answer, Ok(Response { status: 200, body: b"key".to_vec() }));
    assert_eq!(server.asked(), ["/a.pem?x=1"]);
}

#[tokio::test]
async fn what_the_manifest_does_not_allow_is_not_asked() {
    let server = server(response("200 OK", b"key")).await;
    let egress = Egress::new(server.network.clone());
    for url in ["http://keys.example.com/", "https://keys.example.org/", "https://keys.example.com:1/", "file:///etc"] {
        assert_eq!(egress.get(url, &allowed()).await, Err(EgressError::Denied), "{url}");
    }
    assert_eq!(egress.get("https://keys.example.com/", &[]).await, Err(EgressError::Denied));
    assert_eq!(server.asked(), [""; 0]);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let redirect = b"HTTP/1.1 302 Found\r\nlocation: https://keys.example.com/other\r\ncontent-length: 0\r\n\r\n";
    let server = server(redirect.to_vec()).await;
    let answer = Egress::new(server.network.clone()).get("https://keys.example.com/a", &allowed()).await;
    assert_eq!(answer, Ok(Response { status: 302, body: Vec::new() }));
    assert_eq!(server.asked(), ["/a"]);
}

#[tokio::test]
async fn a_large_answer_is_cut_off() {
    let server = server(response("200 OK", &vec![b'x'; RESPONSE_BYTES_MAX + 1])).await;
    let answer = Egress::new(server.network.clone()).get("https://keys.example.com/a", &allowed()).await;
    assert_eq!(answer, Err(EgressError::TooLarge));
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_is_not_believed() {
    let server = server(response("200 OK", b"key")).await;
    let Network::Only { names, .. } = server.network.clone() else { unreachable!() };
    let egress = Egress::new(Network::Only { names, roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() });
    let answer = egress.get("https://keys.example.com/a", &allowed()).await;
    assert!(matches!(answer, Err(EgressError::Unreachable(_))), "{answer:?}");
    assert_eq!(server.asked(), [""; 0]);
}

#[tokio::test]
async fn a_name_without_an_address_is_unreachable() {
    let server = server(response("200 OK", b"key")).await;
    let answer = Egress::new(server.network.clone()).get("https://other.example.com/a", &allowed()).await;
    assert_eq!(answer, Err(EgressError::Unreachable("no such name".into())));
}

#[tokio::test]
async fn loopback_is_private_in_the_public_network() {
    let allowed = [HostPattern::parse("localhost.localdomain").unwrap()];
    let answer = Egress::new(Network::Public).get("https://localhost.localdomain/", &allowed).await;
    // Machines without this name say that they do not know it.
    assert!(matches!(answer, Err(EgressError::PrivateAddress | EgressError::Unreachable(_))), "{answer:?}");
}
