//! What never leaves.

use rapport_egress::{Egress, Grants, REQUEST_BYTES_MAX, Sending};
use rapport_model::exchange::{
    Authorization, Content, Field, FormField, Method, Piece, Request, RequestBody, TransportError,
};
use rapport_model::hosts::HostPattern;
use rapport_model::secret::Use;

use super::provider::{Act, Provider};
use super::{HOST, bound, grants, post, request, secret, sending, text};
use crate::support::tls::response;

/// Why a request is denied. Nothing of it reached the provider.
async fn why(request: &Request, grants: &Grants) -> String {
    let provider = Provider::start(Act::Answer(response("200 OK", b"{}"))).await;
    let sent = Egress::new(provider.network.clone()).send(&sending(request, grants)).await.unwrap();
    let Err(TransportError::Denied(why)) = sent.exchange else { panic!("{:?}", sent.exchange) };
    assert_eq!((provider.connections(), sent.trace.sent_bytes), (0, 0), "{why}");
    assert_eq!(sent.trace.problem.as_ref(), Some(&why));
    assert!(
        why.contains("; fix: ") || why.contains("at most") || why.contains("no blob") || why.contains("deleted"),
        "{why}"
    );
    why
}

fn header(name: &str, value: &str) -> Request {
    let field = Field { name: name.into(), value: vec![text(value)] };
    Request { headers: vec![field], ..request(Method::Get, "/") }
}

#[tokio::test]
async fn without_live_and_without_a_stand_in_nothing_leaves() {
    let closed = Grants { live: false, ..grants([]) };
    let why = why(&post("/", "{}"), &closed).await;
    assert!(
        why.contains("`sending.base-url = \"http://127.0.0.1:9000\"`") && why.contains("`sending.live = true`"),
        "{why}"
    );
}

#[tokio::test]
async fn a_deployment_needs_no_live_and_has_no_stand_in() {
    let provider = Provider::start(Act::Answer(response("200 OK", b"{}"))).await;
    let egress = Egress::of_deployment(provider.network.clone());
    let (request, mut grants) = (post("/", "{}"), Grants { live: false, ..grants([]) });
    assert!(egress.send(&sending(&request, &grants)).await.unwrap().exchange.is_ok());
    grants.stand_in = Some(provider.address);
    let sent = egress.send(&sending(&request, &grants)).await.unwrap();
    assert!(matches!(sent.exchange, Err(TransportError::Denied(why)) if why.contains("remove `sending.base-url`")));
    assert_eq!(provider.connections(), 1);
}

#[tokio::test]
async fn a_host_needs_manifest_and_operator() {
    let other = Request { url: vec![text("https://api.example.org/")], ..request(Method::Get, "/") };
    assert!(why(&other, &grants([])).await.contains("manifest does not allow the host `api.example.org`"));
    let narrowed = Grants { narrowed: Some(vec![HostPattern::parse("eu.example.com").unwrap()]), ..grants([]) };
    assert!(why(&request(Method::Get, "/"), &narrowed).await.contains("operator does not allow the host"));
    let starred = Grants { hosts: vec![HostPattern::parse("*.example.com").unwrap()], ..grants([]) };
    assert!(why(&request(Method::Get, "/"), &starred).await.contains("add it to `sending.hosts`"));
}

#[tokio::test]
async fn a_private_address_is_not_called() {
    let name = "localhost.localdomain";
    let grants = Grants { hosts: vec![HostPattern::parse(name).unwrap()], ..grants([]) };
    let request = Request { url: vec![text(&format!("https://{name}/"))], ..request(Method::Get, "/") };
    let sent = Egress::new(rapport_egress::Network::Public).send(&sending(&request, &grants)).await.unwrap();
    // Machines without this name say that they do not know it.
    assert!(matches!(sent.exchange, Err(TransportError::Denied(_) | TransportError::Dns)), "{:?}", sent.exchange);
}

#[tokio::test]
async fn a_secret_goes_nowhere_but_to_its_place() {
    let grants = grants([
        bound("token", Use::Bearer, "bearer-token-value"),
        bound("key", Use::Header("x-api-key".into()), "api-key-value"),
        bound("app", Use::Verify, "app-secret-value"),
        bound("line", Use::Header("x-line".into()), "a-secret\r\nx-more: 1"),
    ]);
    let pieces = |pieces| RequestBody::Content(Content::Pieces(pieces));
    let form = |pieces| {
        RequestBody::Multipart(vec![FormField {
            name: "f".into(),
            file_name: None,
            content_type: None,
            content: Content::Pieces(pieces),
        }])
    };
    for body in [pieces(vec![text("t="), secret("token")]), form(vec![secret("key")]), pieces(vec![secret("app")])] {
        let why = why(&Request { body, ..request(Method::Post, "/") }, &grants).await;
        assert!(why.contains("is in a body, where no secret may be"), "{why}");
    }
    let field = |name: &str, piece: Piece| Request {
        headers: vec![Field { name: name.into(), value: vec![piece] }],
        ..request(Method::Get, "/")
    };
    assert!(why(&field("x-other", secret("key")), &grants).await.contains("is bound to the header `x-api-key`"));
    assert!(why(&field("authorization", secret("token")), &grants).await.contains("is bound to Bearer"));
    assert!(why(&field("x-api-key", secret("app")), &grants).await.contains("is bound to verifying webhooks"));
    assert!(why(&field("x-line", secret("line")), &grants).await.contains("is not visible ASCII"));
    assert!(why(&field("x-api-key", Piece::Blob("b".into())), &grants).await.contains("holds no blob"));
    for authorization in [
        Authorization::Bearer("app".into()),
        Authorization::Bearer("key".into()),
        Authorization::Basic { user: "u".into(), secret: "token".into() },
        Authorization::Oauth2("token".into()),
        Authorization::Bearer("nothing".into()),
    ] {
        why(&Request { authorization, ..request(Method::Get, "/") }, &grants).await;
    }
    let url = vec![text(&format!("https://{HOST}/")), secret("key"), text("/x")];
    assert!(why(&Request { url, ..request(Method::Get, "/") }, &grants).await.contains("another part of the URL"));
}

#[tokio::test]
async fn the_host_s_own_header_fields_are_its_own() {
    for name in ["Host", "content-length", "Transfer-Encoding", "connection", "Expect", "accept-encoding", "cookie"] {
        assert!(why(&header(name, "x"), &grants([])).await.contains("is made by the host"), "{name}");
    }
    assert!(why(&header("Authorization", "Bearer abc"), &grants([])).await.contains("is given as text"));
    assert!(why(&header("x a", "x"), &grants([])).await.contains("`xa` is not the name of a header"));
    assert!(why(&header("x-a", "x\r\nx-b: y"), &grants([])).await.contains("holds a line end"));
    let form = Request { body: RequestBody::Multipart(Vec::new()), ..header("content-type", "multipart/form-data") };
    assert!(why(&form, &grants([])).await.contains("is made by the host"));
}

#[tokio::test]
async fn what_is_too_large_is_told_with_the_limit() {
    assert!(why(&header("x-a", &"x".repeat(8 << 10)), &grants([])).await.contains("at most 8192 are sent"));
    let many = (0..65).map(|at| Field { name: format!("x-{at}"), value: vec![text("v")] }).collect();
    let many = Request { headers: many, ..request(Method::Get, "/") };
    assert!(why(&many, &grants([])).await.contains("at most 64 are sent"));

    let provider = Provider::start(Act::Answer(response("200 OK", b"{}"))).await;
    let body = RequestBody::Content(Content::Pieces(vec![Piece::BlobBase64("huge".into())]));
    let (request, grants) = (Request { body, ..request(Method::Post, "/") }, grants([]));
    let sending = Sending { blobs: std::sync::Arc::new(Huge), ..sending(&request, &grants) };
    let sent = Egress::new(provider.network.clone()).send(&sending).await.unwrap();
    assert_eq!(sent.exchange, Err(TransportError::RequestTooLarge(REQUEST_BYTES_MAX)));
    assert_eq!(provider.connections(), 0);
}

/// A store whose blobs are as large as a request's body may be, before base64.
struct Huge;

impl rapport_egress::Blobs for Huge {
    fn size<'a>(&'a self, _: &'a str) -> rapport_egress::Work<'a, Option<u64>> {
        Box::pin(async { Ok(Some(REQUEST_BYTES_MAX)) })
    }

    fn read<'a>(&'a self, _: &'a str, _: u64, _: u64) -> rapport_egress::Work<'a, Vec<u8>> {
        Box::pin(async { Err("nobody reads it".to_owned()) })
    }

    fn keep(&self) -> rapport_egress::Work<'_, Box<dyn rapport_egress::Keeping>> {
        Box::pin(async { Err("not here".to_owned()) })
    }
}
