//! Whether a request left. Nothing here may guess: a request that left and is taken for unsent is sent twice.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rapport_egress::{Egress, Network, Sending, Sent};
use rapport_model::exchange::{Answer, TransportError};

use super::provider::{Act, Provider};
use super::{HOST, grants, post, send, sending};
use crate::support::tls::response;

const BODY: &str = "{\"to\":\"someone\",\"text\":\"hello\"}";

async fn one(provider: &Provider, act: Act) -> Sent {
    provider.next(act);
    send(&Egress::new(provider.network.clone()), &post("/v1/messages", BODY), &grants([])).await
}

async fn within(network: Network, limit: Duration) -> Sent {
    let (request, grants) = (post("/v1/messages", BODY), grants([]));
    Egress::new(network).send(&Sending { limit, ..sending(&request, &grants) }).await.unwrap()
}

#[tokio::test]
async fn what_fails_before_the_request_is_not_sent() {
    let provider = Provider::start(Act::Silent).await;
    let Network::Only { names, roots } = provider.network.clone() else { unreachable!() };
    let second = Duration::from_secs(1);

    let nameless = Network::Only { names: BTreeMap::new(), roots: roots.clone() };
    assert_eq!(within(nameless, second).await.exchange, Err(TransportError::Dns));

    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let refused = Network::Only { names: [(HOST.to_owned(), address)].into(), roots: roots.clone() };
    let sent = within(refused, second).await;
    assert_eq!(sent.exchange, Err(TransportError::Connect));
    assert!(sent.trace.problem.unwrap().contains("refused"));

    let distrusted = Network::Only { names: names.clone(), roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    assert_eq!(within(distrusted, second).await.exchange, Err(TransportError::Tls));

    provider.next(Act::Deaf);
    let began = Instant::now();
    let deaf = within(Network::Only { names, roots }, Duration::from_millis(400)).await;
    assert_eq!((deaf.exchange, deaf.trace.sent_bytes), (Err(TransportError::Tls), 0));
    assert!(began.elapsed() < Duration::from_secs(3));
    assert_eq!(provider.requests(), [""; 0]);
}

#[tokio::test]
async fn what_is_not_answered_may_have_left() {
    let provider = Provider::start(Act::Silent).await;
    let began = Instant::now();
    let silent = within(provider.network.clone(), Duration::from_millis(400)).await;
    assert_eq!(silent.exchange, Err(TransportError::Timeout));
    assert!(began.elapsed() < Duration::from_secs(3));
    assert!(silent.trace.sent_bytes > BODY.len() as u64 && silent.trace.status.is_none());
    provider.closed(1).await;

    let late = Act::Delay(Duration::from_millis(200), response("200 OK", b"{}"));
    assert_eq!(one(&provider, late).await.exchange.unwrap().status, 200);
    assert_eq!(one(&provider, Act::Reset).await.exchange, Err(TransportError::Interrupted));
    for garbage in
        [&b"hello\r\n\r\n"[..], b"HTTP/1.1 abc\r\n\r\n", b"\x16\x03\x01\x02\x00", b"", b"HTTP/2.0 200 OK\r\n\r\n"]
    {
        let sent = one(&provider, Act::CutResponse(garbage.to_vec())).await;
        assert_eq!(sent.exchange, Err(TransportError::Interrupted), "{}", String::from_utf8_lossy(garbage));
    }
    let long_head = format!("HTTP/1.1 200 OK\r\nx-a: {}\r\n\r\n", "a".repeat(100 << 10));
    assert_eq!(one(&provider, Act::Answer(long_head.into_bytes())).await.exchange, Err(TransportError::Interrupted));
    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel";
    assert_eq!(one(&provider, Act::CutResponse(chunked.to_vec())).await.exchange, Err(TransportError::Interrupted));
}

/// At every place of a request, over TLS and plain: only if the provider read nothing it may be taken for unsent.
#[tokio::test]
async fn a_request_that_is_cut_anywhere_is_never_taken_for_unsent() {
    let tls = Provider::start(Act::Silent).await;
    let plain = Provider::plain(Act::Silent).await;
    let stand_in = rapport_egress::Grants { stand_in: Some(plain.address), ..grants([]) };
    let request = post("/v1/messages", BODY);
    tls.next(Act::Answer(response("200 OK", b"{}")));
    send(&Egress::new(tls.network.clone()), &request, &grants([])).await.exchange.unwrap();
    let whole = tls.requests()[0].len();
    let mut left = 0;
    for at in (0..=whole).step_by(7) {
        tls.next(Act::CutRequest(at));
        plain.next(Act::CutRequest(at));
        let over_tls = send(&Egress::new(tls.network.clone()), &request, &grants([])).await;
        let over_plain = send(&Egress::new(Network::Public), &request, &stand_in).await;
        for sent in [over_tls, over_plain] {
            let error = sent.exchange.unwrap_err();
            assert!(at == 0 || error == TransportError::Interrupted, "{at}: {error:?}");
            assert!(matches!(error, TransportError::Interrupted | TransportError::Connect), "{at}: {error:?}");
            assert_eq!(error.left(), sent.trace.sent_bytes > 0, "{at}");
            left += usize::from(error.left());
        }
    }
    assert!(left > 40, "{left}");
}

/// A response counts when all of it is there.
#[tokio::test]
async fn a_response_that_is_cut_anywhere_is_unknown() {
    let provider = Provider::start(Act::Silent).await;
    let whole = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{\"id\":\"m1\"}";
    for at in 0..whole.len() {
        let sent = one(&provider, Act::CutResponse(whole[..at].to_vec())).await;
        assert_eq!(sent.exchange, Err(TransportError::Interrupted), "{at}");
    }
    let sent = one(&provider, Act::CutResponse(whole.to_vec())).await;
    assert_eq!(sent.exchange.unwrap().body, Answer::Bytes(b"{\"id\":\"m1\"}".to_vec()));
}

/// A provider may answer and close before it has read all: its answer is what counts.
#[tokio::test]
async fn an_answer_before_the_end_of_the_request_counts() {
    let provider = Provider::start(Act::Silent).await;
    provider.next(Act::Answer(response("413 Too Large", b"no")));
    let sent = send(&Egress::new(provider.network.clone()), &post("/v1/messages", BODY), &grants([])).await;
    assert_eq!(sent.exchange.unwrap().status, 413);
}
