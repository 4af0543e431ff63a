//! What arrives at the provider, and what comes back.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rapport_egress::{BLOB_CHUNK_BYTES, CUT, Egress, KEPT_BYTES_MAX, Keeping, NotStarted, RESPONSE_BYTES_MAX, Work};
use rapport_model::exchange::{
    Answer, Authorization, Content, Field, FormField, Kept, MacAlgorithm, MacEncoding, Method, Piece, Request,
    RequestBody, Response, SignedField, TransportError,
};
use rapport_model::secret::Use;
use ring::digest::{SHA256, digest};

use super::provider::{Act, Provider};
use super::{HOST, Memory, bound, grants, post, request, secret, send, sending, text};
use crate::support::tls::response;

fn ok() -> Act {
    Act::Answer(response("200 OK", b"{\"id\":\"m1\"}"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn every_method_arrives_as_it_was_described() {
    let provider = Provider::start(ok()).await;
    let egress = Egress::new(provider.network.clone());
    let methods = [Method::Get, Method::Head, Method::Post, Method::Put, Method::Patch, Method::Delete];
    for method in methods {
        let sent = send(&egress, &request(method, "/v1/things?page=2"), &grants([])).await;
        let response = sent.exchange.unwrap();
        let body = if method == Method::Head { b"".to_vec() } else { b"{\"id\":\"m1\"}".to_vec() };
        assert_eq!((response.status, response.body), (200, Answer::Bytes(body)), "{method:?}");
    }
    let version = env!("CARGO_PKG_VERSION");
    let expected = methods.map(|method| {
        let name = format!("{method:?}").to_uppercase();
        let length =
            if matches!(method, Method::Post | Method::Put | Method::Patch) { "content-length: 0\r\n" } else { "" };
        format!(
            "{name} /v1/things?page=2 HTTP/1.1\r\nhost: {HOST}\r\nuser-agent: rapport/{version}\r\n{length}connection: \
             close\r\n\r\n"
        )
    });
    assert_eq!(provider.requests(), expected);
}

#[tokio::test]
async fn secrets_go_where_they_are_bound_and_are_not_in_what_comes_back() {
    let provider = Provider::start(Act::Echo(200)).await;
    let egress = Egress::new(provider.network.clone());
    let grants = grants([
        bound("bot", Use::Path(vec!["/bot".into()]), "123:bot/token"),
        bound("key", Use::Header("x-api-key".into()), "api-key-value"),
        bound("mac", Use::Mac { header: "x-sig".into(), algorithm: MacAlgorithm::HmacSha256 }, "mac-key-value"),
        bound("pass", Use::Basic, "basic-password"),
        bound("token", Use::Bearer, "bearer-token-value"),
    ]);
    let plain = Request {
        url: vec![text(&format!("https://{HOST}/bot")), secret("bot"), text("/send?callback="), Piece::StatusUrl],
        headers: vec![Field { name: "X-Api-Key".into(), value: vec![text("Key "), secret("key")] }],
        signed: vec![SignedField {
            name: "X-Sig".into(),
            prefix: "sha256=".into(),
            algorithm: MacAlgorithm::HmacSha256,
            secret: "mac".into(),
            data: b"{}".to_vec(),
            encoding: MacEncoding::Hex,
        }],
        ..post("/", "{}")
    };
    let basic = Authorization::Basic { user: "me".into(), secret: "pass".into() };
    let mut shown = String::new();
    for authorization in [Authorization::None, basic, Authorization::Bearer("token".into())] {
        let sent = send(&egress, &Request { authorization, ..plain.clone() }, &grants).await;
        shown.push_str(&format!("{sent:?}{:?}", sent.trace));
        let Ok(Response { body: Answer::Bytes(body), headers, .. }) = sent.exchange else {
            panic!("{:?}", sent.exchange)
        };
        shown.push_str(&String::from_utf8(body).unwrap());
        shown.push_str(&format!("{headers:?}"));
    }
    let requests = provider.requests();
    for part in [
        "POST /bot123:bot%2Ftoken/send?callback=https%3A%2F%2Fhooks.example.com%2Fs%2Fstatus-token%3Fa%3D1%26b%3D2 HTTP/1.1",
        "\r\nx-api-key: Key api-key-value\r\n",
    ] {
        assert!(requests.iter().all(|request| request.contains(part)), "{part}\n{}", requests[0]);
    }
    let mac = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"mac-key-value"), b"{}");
    assert!(requests[0].contains(&format!("\r\nx-sig: sha256={}\r\n", hex(mac.as_ref()))));
    assert!(requests[1].contains("\r\nauthorization: Basic bWU6YmFzaWMtcGFzc3dvcmQ=\r\n"));
    assert!(requests[2].contains("\r\nauthorization: Bearer bearer-token-value\r\n"));
    // The provider repeated all of it, and nothing of it is shown.
    assert!(shown.contains("Key [secret:key]") && shown.contains("Basic [secret:pass]"), "{shown}");
    assert!(shown.contains("/bot[secret]/send?callback=*"), "{shown}");
    let forms = [
        "123:bot",
        "bot%2Ftoken",
        "bot/token",
        "api-key-value",
        "mac-key-value",
        "basic-password",
        "bWU6YmFzaWM",
        "bearer-token-value",
        "status-token",
    ];
    for form in forms {
        assert!(!shown.contains(form), "{form}\n{shown}");
    }
    assert!(!format!("{grants:?}").contains("-value"), "a secret prints itself");
}

#[tokio::test]
async fn a_form_is_sent_byte_for_byte_with_its_length_known_before() {
    let provider = Provider::start(ok()).await;
    let field = |name: &str, content| FormField { name: name.into(), file_name: None, content_type: None, content };
    let form = RequestBody::Multipart(vec![
        field("messaging", Content::Bytes(b"x".to_vec())),
        field("status \"url\"", Content::Pieces(vec![Piece::StatusUrl])),
        FormField {
            file_name: Some("Grüße \"1\".txt".into()),
            content_type: Some("text/plain".into()),
            ..field("file", Content::Pieces(vec![text("<"), Piece::Blob("b1".into()), text(">")]))
        },
    ]);
    let request = Request { body: form, ..request(Method::Post, "/media") };
    let grants = grants([]);
    let sending =
        rapport_egress::Sending { blobs: Memory::with(&[("b1", b"\x00\xff\r\n")]), ..sending(&request, &grants) };
    Egress::new(provider.network.clone()).send(&sending).await.unwrap().exchange.unwrap();
    let boundary = "rapport-30313233343536373839616263646566";
    let body = [
        format!("--{boundary}\r\nContent-Disposition: form-data; name=\"messaging\"\r\n\r\nx\r\n").as_bytes(),
        format!("--{boundary}\r\nContent-Disposition: form-data; name=\"status %22url%22\"\r\n\r\n").as_bytes(),
        format!("{}\r\n", super::STATUS_URL).as_bytes(),
        format!("--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"Grüße %221%22.txt\"\r\n")
            .as_bytes(),
        b"Content-Type: text/plain\r\n\r\n<\x00\xff\r\n>\r\n",
        format!("--{boundary}--\r\n").as_bytes(),
    ]
    .concat();
    let arrived = provider.seen.requests.lock().unwrap()[0].clone();
    let head = String::from_utf8_lossy(&arrived[..arrived.len() - body.len()]).into_owned();
    assert!(arrived.ends_with(&body), "{}", String::from_utf8_lossy(&arrived));
    assert!(head.contains(&format!("\r\ncontent-type: multipart/form-data; boundary={boundary}\r\n")), "{head}");
    assert!(
        head.contains(&format!("\r\ncontent-length: {}\r\n", body.len())) && !head.contains("transfer-encoding"),
        "{head}"
    );
}

#[tokio::test]
async fn a_url_in_a_form_is_encoded_and_a_blob_in_json_is_base64() {
    let provider = Provider::start(ok()).await;
    let egress = Egress::new(provider.network.clone());
    let kind = |kind: &str| vec![Field { name: "content-type".into(), value: vec![text(kind)] }];
    let content = |pieces| RequestBody::Content(Content::Pieces(pieces));
    let form = Request {
        headers: kind("application/x-www-form-urlencoded; charset=utf-8"),
        body: content(vec![text("Body=hi&StatusCallback="), Piece::StatusUrl]),
        ..request(Method::Post, "/form")
    };
    let json = Request {
        headers: kind("application/json"),
        body: content(vec![
            text("{\"data\":\""),
            Piece::BlobBase64("b".into()),
            text("\",\"url\":\""),
            Piece::StatusUrl,
            text("\"}"),
        ]),
        ..request(Method::Post, "/json")
    };
    let grants = grants([]);
    for request in [&form, &json] {
        let sending =
            rapport_egress::Sending { blobs: Memory::with(&[("b", b"\xfb\xff\x01\x02")]), ..sending(request, &grants) };
        egress.send(&sending).await.unwrap().exchange.unwrap();
    }
    let requests = provider.requests();
    let encoded = "https%3A%2F%2Fhooks.example.com%2Fs%2Fstatus-token%3Fa%3D1%26b%3D2";
    assert!(requests[0].ends_with(&format!("\r\n\r\nBody=hi&StatusCallback={encoded}")), "{}", requests[0]);
    assert!(
        requests[1].ends_with(&format!("{{\"data\":\"+/8BAg==\",\"url\":\"{}\"}}", super::STATUS_URL)),
        "{}",
        requests[1]
    );
}

#[tokio::test]
async fn a_large_blob_is_read_in_parts_while_it_is_sent() {
    let provider = Provider::start(ok()).await;
    let large: Vec<u8> = (0..20 << 20).map(|at: u32| (at % 251) as u8).collect();
    let memory = Memory::with(&[("large", &large)]);
    let body = RequestBody::Content(Content::Pieces(vec![Piece::Blob("large".into())]));
    let request = Request { body, repeatable: true, ..request(Method::Put, "/upload") };
    let grants = grants([]);
    let sending = rapport_egress::Sending { blobs: memory.clone(), ..sending(&request, &grants) };
    let sent = Egress::new(provider.network.clone()).send(&sending).await.unwrap();
    sent.exchange.unwrap();
    assert!(sent.trace.sent_bytes > large.len() as u64);
    assert_eq!(*memory.largest.lock().unwrap(), BLOB_CHUNK_BYTES);
    assert!(provider.seen.requests.lock().unwrap()[0].ends_with(&large));
}

#[tokio::test]
async fn a_blob_store_that_fails_fails_before_anything_leaves() {
    let provider = Provider::start(ok()).await;
    let body = RequestBody::Content(Content::Pieces(vec![Piece::Blob("broken".into())]));
    let (request, grants) = (Request { body, ..request(Method::Put, "/upload") }, grants([]));
    let sending = rapport_egress::Sending { blobs: Memory::with(&[("broken", b"x")]), ..sending(&request, &grants) };
    let failed = Egress::new(provider.network.clone()).send(&sending).await.unwrap_err();
    assert_eq!(failed, NotStarted::Blobs("the store is away".into()));
    assert_eq!(provider.connections(), 0);
}

#[tokio::test]
async fn each_request_has_a_connection_of_its_own_that_is_closed_when_it_ends() {
    let provider = Provider::start(ok()).await;
    let egress = Egress::new(provider.network.clone());
    for number in 1..=4 {
        send(&egress, &post("/v1/messages", "{}"), &grants([])).await.exchange.unwrap();
        // The provider would keep it open, as it does for its next request.
        provider.closed(number).await;
        assert_eq!(provider.connections(), number);
    }
    assert_eq!(provider.seen.resumed.load(Ordering::SeqCst), 3, "TLS sessions are resumed");
    // A caller that gives up closes it, too.
    provider.next(Act::Silent);
    let (request, grants) = (post("/v1/messages", "{}"), grants([]));
    let (sending, given_up) = (sending(&request, &grants), std::time::Duration::from_millis(300));
    assert!(tokio::time::timeout(given_up, egress.send(&sending)).await.is_err());
    provider.closed(5).await;
}

#[tokio::test]
async fn a_stand_in_gets_what_the_provider_would_get() {
    let provider = Provider::plain(ok()).await;
    let stand_in = rapport_egress::Grants { stand_in: Some(provider.address), live: false, ..grants([]) };
    let egress = Egress::new(rapport_egress::Network::Public);
    let sent = send(&egress, &post("/v25.0/1/messages?a=b", "{}"), &stand_in).await;
    assert_eq!(sent.exchange.unwrap().status, 200);
    assert!(provider.requests()[0].starts_with("POST /v25.0/1/messages?a=b HTTP/1.1\r\n"));
    assert!(provider.requests()[0].contains(&format!("\r\nhost: {HOST}\r\n")));
    assert_eq!(sent.trace.url, format!("https://{HOST}/v25.0/1/messages?a=*"));
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let provider = Provider::start(Act::Answer(
        b"HTTP/1.1 307 Other\r\nlocation: https://evil.example/\r\nset-cookie: a=b\r\ncontent-length: 0\r\n\r\n"
            .to_vec(),
    ))
    .await;
    let sent = send(&Egress::new(provider.network.clone()), &post("/", "{}"), &grants([])).await;
    let headers = vec![("location", "https://evil.example/"), ("content-length", "0")];
    let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    assert_eq!(sent.exchange, Ok(Response { status: 307, headers, body: Answer::Bytes(Vec::new()) }));
    assert_eq!(provider.connections(), 1);
}

#[tokio::test]
async fn a_long_body_is_an_error_of_transport_and_a_long_error_is_cut_and_marked() {
    let provider = Provider::start(ok()).await;
    let egress = Egress::new(provider.network.clone());
    let long = vec![b'x'; RESPONSE_BYTES_MAX + 1];
    provider.next(Act::Answer(response("200 OK", &long[1..])));
    let whole = send(&egress, &post("/", "{}"), &grants([])).await.exchange.unwrap();
    assert_eq!(whole.body, Answer::Bytes(long[1..].to_vec()));
    provider.next(Act::Answer(response("201 Created", &long)));
    let sent = send(&egress, &post("/", "{}"), &grants([])).await;
    assert_eq!(sent.exchange, Err(TransportError::ResponseTooLarge(201)));
    provider.next(Act::Answer(response("500 Oops", &long)));
    let cut = send(&egress, &post("/", "{}"), &grants([])).await.exchange.unwrap();
    assert_eq!((cut.status, cut.body), (500, Answer::Bytes(long[1..].to_vec())));
    assert_eq!(cut.headers.last(), Some(&(CUT.to_owned(), RESPONSE_BYTES_MAX.to_string())));
    provider.closed(3).await;
}

/// A blob store that takes one body.
#[derive(Default)]
struct Store {
    written: Arc<std::sync::Mutex<Vec<u8>>>,
    is_full: bool,
}

struct Writing {
    written: Arc<std::sync::Mutex<Vec<u8>>>,
    is_full: bool,
}

impl rapport_egress::Blobs for Store {
    fn size<'a>(&'a self, _: &'a str) -> Work<'a, Option<u64>> {
        Box::pin(async { Ok(None) })
    }

    fn read<'a>(&'a self, _: &'a str, _: u64, _: u64) -> Work<'a, Vec<u8>> {
        Box::pin(async { Err("not here".to_owned()) })
    }

    fn keep(&self) -> Work<'_, Box<dyn Keeping>> {
        let writing = Writing { written: self.written.clone(), is_full: self.is_full };
        Box::pin(async move { Ok(Box::new(writing) as Box<dyn Keeping>) })
    }
}

impl Keeping for Writing {
    fn write<'a>(&'a mut self, bytes: &'a [u8]) -> Work<'a, ()> {
        self.written.lock().unwrap().extend_from_slice(bytes);
        let is_full = self.is_full;
        Box::pin(async move { if is_full { Err("no space left".to_owned()) } else { Ok(()) } })
    }

    fn finish(self: Box<Self>) -> Work<'static, String> {
        Box::pin(async { Ok("k1".to_owned()) })
    }
}

#[tokio::test]
async fn a_body_that_is_kept_goes_to_the_blob_store_and_an_error_to_the_connector() {
    let provider = Provider::start(ok()).await;
    let egress = Egress::new(provider.network.clone());
    let store = Arc::new(Store::default());
    let (fetch, grants) = (Request { keep: true, repeatable: true, ..request(Method::Get, "/file") }, grants([]));
    let file: Vec<u8> = (0..3 << 20).map(|at: u32| (at % 251) as u8).collect();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: {}\r\n\r\n", file.len());
    provider.next(Act::Answer([head.as_bytes(), &file].concat()));
    let sending = rapport_egress::Sending { blobs: store.clone(), ..sending(&fetch, &grants) };
    let kept = egress.send(&sending).await.unwrap().exchange.unwrap();
    let sha256 = hex(digest(&SHA256, &file).as_ref());
    let mime_type = Some("image/png".to_owned());
    assert_eq!(kept.body, Answer::Kept(Kept { blob: "k1".into(), bytes: file.len() as u64, mime_type, sha256 }));
    assert!(*store.written.lock().unwrap() == file);

    provider.next(Act::Answer(response("404 Not Found", b"{\"error\":1}")));
    let refused = egress.send(&sending).await.unwrap().exchange.unwrap();
    assert_eq!((refused.status, refused.body), (404, Answer::Bytes(b"{\"error\":1}".to_vec())));

    let announced = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", KEPT_BYTES_MAX + 1);
    provider.next(Act::Answer(announced.into_bytes()));
    assert_eq!(egress.send(&sending).await.unwrap().exchange, Err(TransportError::ResponseTooLarge(200)));

    let full = rapport_egress::Sending { blobs: Arc::new(Store { is_full: true, ..Store::default() }), ..sending };
    let sent = egress.send(&full).await.unwrap();
    assert_eq!(sent.exchange, Err(TransportError::Interrupted));
    assert_eq!(sent.trace.problem.as_deref(), Some("no space left"));
}
