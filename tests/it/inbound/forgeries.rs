//! What an outsider sends costs little, takes nobody's turn, and finds out nothing.

use std::io::Write as _;
use std::time::Duration;

use rapport_inbound::admission::RequestHead;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Service, fixture, hostile, unverified, wa_eu};

/// A request whose body never comes is refused all the same: nobody waited for it.
async fn refused_before_its_body(service: &Service, head: &str) -> String {
    let mut stream = TcpStream::connect(service.address).await.unwrap();
    let mut request = Vec::new();
    write!(request, "{head}\r\nhost: a.test\r\ncontent-length: 1000000\r\n\r\n").unwrap();
    stream.write_all(&request).await.unwrap();
    let mut answer = vec![0; 64];
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read(&mut answer)).await;
    let read = read.unwrap_or_else(|_| panic!("it waits for the body: {head}")).unwrap();
    String::from_utf8_lossy(&answer[..read]).lines().next().unwrap_or_default().to_owned()
}

/// S13: credentials and signatures were looked at after up to 41 MiB were read.
#[tokio::test]
async fn without_a_proof_in_its_head_no_byte_of_a_body_is_waited_for() {
    let token = "a-path-token-of-tests";
    let open = unverified("open", "unsigned = 'a test of it'", json!({}), &[("path-token", vec![token])]).unwrap();
    let telegram =
        crate::support::connection("tg", "telegram", &json!({}), &[("secret-token", vec!["a-token-of-tests"])]);
    let service = Service::start([wa_eu(), open, telegram]).await;
    for head in [
        "POST /hooks/open HTTP/1.1",
        "POST /hooks/open/another-token HTTP/1.1",
        "POST /hooks/tg HTTP/1.1",
        "POST /hooks/tg HTTP/1.1\r\nx-telegram-bot-api-secret-token: another",
        "POST /hooks/wa-eu HTTP/1.1",
        "POST /hooks/wa-eu HTTP/1.1\r\nx-hub-signature-256: sha256=00",
        "POST /hooks/wa-eu/token HTTP/1.1",
        "POST /hooks/nobody HTTP/1.1",
    ] {
        assert!(refused_before_its_body(&service, head).await.starts_with("HTTP/1.1 401"), "{head}");
    }
}

/// S13: 32 senders without a signature made genuine webhooks of the same connection wait for seconds. Here all turns are
/// taken and the queue is full: what a host decides by itself is decided all the same, and takes no place in it.
#[tokio::test]
async fn a_forgery_waits_for_no_turn_and_takes_none() {
    let service = Service::start([wa_eu()]).await;
    let connection = service.gateway.host.connections.get("wa-eu").unwrap().unwrap();
    let mut turns = Vec::new();
    while let Ok(Some(turn)) = tokio::time::timeout(Duration::from_millis(20), connection.turn()).await {
        turns.push(turn);
    }
    assert!(!turns.is_empty());
    let genuine = fixture("text").webhook;
    let signature = genuine.header("x-hub-signature-256").unwrap();
    let large = vec![b'a'; 1 << 20];
    for _ in 0..32 {
        for (headers, body) in [(vec![], &large), (vec![("x-hub-signature-256", signature)], &large)] {
            let answer = service.send("POST", "/hooks/wa-eu", &headers, body);
            let answer = tokio::time::timeout(Duration::from_secs(20), answer).await;
            assert_eq!(answer.expect("it waits for a turn").status, 401);
        }
    }
    drop(turns);
    assert_eq!(service.deliver(&genuine.body).await.status, 200, "the turns are the provider's own");
}

/// S17: 404 for an unknown name and 401 for a known one let names be found.
#[tokio::test]
async fn whoever_proves_nothing_is_told_the_same_of_every_name() {
    let token = "a-path-token-of-tests";
    let open = unverified("open", "unsigned = 'a test of it'", json!({}), &[("path-token", vec![token])]).unwrap();
    let service = Service::start([wa_eu(), open, hostile("shop", json!({}))]).await;
    let before = service.data.items().await;
    let mut answers = Vec::new();
    for target in ["/hooks/nobody", "/hooks/wa-eu", "/hooks/open", "/hooks/shop", "/hooks/wa-eu/x", "/hooks/nobody/x"] {
        for body in [&b""[..], b"{}", &[b'a'; 10_000]] {
            let mut answer = service.send("POST", target, &[], body).await;
            answer.headers.retain(|(name, _)| name != "x-request-id" && name != "date");
            answers.push((answer.status, answer.headers.clone(), answer.body.clone()));
        }
    }
    assert_eq!(answers[0].0, 401);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
    assert_eq!(service.data.items().await, before);
}

/// A proof that was declared lets through what the connector takes, whatever stands beside it.
#[tokio::test]
async fn a_genuine_webhook_goes_through_in_pieces_and_a_challenge_without_a_signature() {
    let service = Service::start([wa_eu()]).await;
    let genuine = fixture("text").webhook;
    let signature = genuine.header("x-hub-signature-256").unwrap();
    let mut stream = TcpStream::connect(service.address).await.unwrap();
    let head = format!(
        "POST /hooks/wa-eu HTTP/1.1\r\nhost: a.test\r\nx-hub-signature-256: {signature}\r\nconnection: close\r\n\
         transfer-encoding: chunked\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    for piece in genuine.body.chunks(50) {
        let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
        chunk.extend_from_slice(piece);
        chunk.extend_from_slice(b"\r\n");
        stream.write_all(&chunk).await.unwrap();
        stream.flush().await.unwrap();
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let challenge = "/hooks/wa-eu?hub.mode=subscribe&hub.verify_token=test-verify-token&hub.challenge=7";
    assert_eq!(service.send("GET", challenge, &[], b"").await.body, b"7");
}

/// The verdict of the head alone, as a benchmark asks it.
#[tokio::test]
async fn what_the_head_proves_is_asked_without_a_body() {
    let service = Service::start([wa_eu()]).await;
    let head = |signature: Option<&str>| RequestHead {
        connection: "wa-eu".into(),
        token: None,
        method: "POST".into(),
        url: "https://rapport.example/hooks/wa-eu".into(),
        headers: signature.map(|value| ("x-hub-signature-256".to_owned(), value.to_owned())).into_iter().collect(),
        request_id: "r".into(),
    };
    assert_eq!(service.gateway.admit(head(None)).err().unwrap().status(), 401);
    assert_eq!(service.gateway.admit(head(Some("sha256=0"))).err().unwrap().status(), 401);
    let well_formed = format!("sha256={}", "0".repeat(64));
    let mut admitted = service.gateway.admit(head(Some(&well_formed))).unwrap();
    admitted.read(b"{}");
    assert_eq!(service.gateway.receive_admitted(admitted).await.unwrap_err().status(), 401);
}
