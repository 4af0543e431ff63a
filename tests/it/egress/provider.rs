//! A provider on loopback, over TLS or plain, that cuts, delays and babbles as it is told.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rapport_egress::Network;
use rustls::HandshakeKind;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::HOST;
use crate::support::tls::certified;

/// What is done with one connection.
#[derive(Clone, Debug)]
pub enum Act {
    /// Reads the request and answers.
    Answer(Vec<u8>),
    /// Reads so many bytes of the request, and resets the connection.
    CutRequest(usize),
    /// Reads the request, writes these bytes and closes.
    CutResponse(Vec<u8>),
    /// Reads the request and resets the connection.
    Reset,
    /// Reads the request, waits, and answers.
    Delay(Duration, Vec<u8>),
    /// Reads the request and says nothing.
    Silent,
    /// Reads nothing and says nothing, not even in TLS.
    Deaf,
    /// Answers with what it was asked: the request's bytes as a body.
    Echo(u16),
}

/// What a provider saw.
#[derive(Default)]
pub struct Seen {
    /// TCP connections.
    pub connections: AtomicUsize,
    /// Connections of which the end was seen.
    pub closed: AtomicUsize,
    /// TLS sessions that were resumed.
    pub resumed: AtomicUsize,
    /// Whole requests, byte for byte.
    pub requests: Mutex<Vec<Vec<u8>>>,
    /// Bytes that arrived of a request that was cut.
    pub pieces: Mutex<Vec<usize>>,
}

/// A running provider. It ends when it is dropped.
pub struct Provider {
    pub network: Network,
    pub address: SocketAddr,
    pub seen: Arc<Seen>,
    acts: Arc<Mutex<VecDeque<Act>>>,
    _task: JoinSet<()>,
}

impl Provider {
    /// Over TLS, with a name and a certificate. What is not told is `usual`.
    pub async fn start(usual: Act) -> Self {
        let (config, root) = certified(HOST);
        let mut provider = Self::serve(usual, Some(TlsAcceptor::from(Arc::new(config)))).await;
        let names = BTreeMap::from([(HOST.to_owned(), provider.address)]);
        provider.network = Network::Only { names, roots: vec![root] };
        provider
    }

    /// Plain, as a stand-in.
    pub async fn plain(usual: Act) -> Self {
        Self::serve(usual, None).await
    }

    async fn serve(usual: Act, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, acts) = (Arc::new(Seen::default()), Arc::new(Mutex::new(VecDeque::new())));
        let mut task = JoinSet::new();
        let (log, told) = (Arc::clone(&seen), Arc::clone(&acts));
        task.spawn(async move {
            let mut all = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                log.connections.fetch_add(1, Ordering::SeqCst);
                let act = told.lock().unwrap().pop_front().unwrap_or_else(|| usual.clone());
                all.spawn(connection(stream, tls.clone(), act, Arc::clone(&log)));
            }
        });
        Self { network: Network::Public, address, seen, acts, _task: task }
    }

    /// What it does with the next connection, and with the one after those that were told.
    pub fn next(&self, act: Act) {
        self.acts.lock().unwrap().push_back(act);
    }

    /// Forgets what it was told.
    pub fn forget(&self) {
        self.acts.lock().unwrap().clear();
    }

    pub fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// The requests, as text.
    pub fn requests(&self) -> Vec<String> {
        let requests = self.seen.requests.lock().unwrap();
        requests.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
    }

    /// Waits until the end of this many connections was seen. It is there when a request has ended, and a test fails soon.
    pub async fn closed(&self, number: usize) {
        for _ in 0..200 {
            if self.seen.closed.load(Ordering::SeqCst) >= number {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("{} of {number} connections were closed", self.seen.closed.load(Ordering::SeqCst));
    }
}

async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, act: Act, seen: Arc<Seen>) {
    if let Act::Deaf = act {
        // It holds the socket until the other side closes it.
        let mut nothing = [0; 1];
        while stream.peek(&mut nothing).await.is_ok_and(|read| read > 0) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        return;
    }
    let closing = matches!(act, Act::Reset | Act::CutRequest(_));
    if closing {
        // The socket is closed with a reset, and not by an end that could be taken for the end of a response.
        #[allow(deprecated)]
        stream.set_linger(Some(Duration::ZERO)).unwrap();
    }
    let Some(tls) = tls else { return acted(stream, act, seen).await };
    let Ok(stream) = tls.accept(stream).await else {
        seen.closed.fetch_add(1, Ordering::SeqCst);
        return;
    };
    if stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed) {
        seen.resumed.fetch_add(1, Ordering::SeqCst);
    }
    acted(stream, act, seen).await;
}

async fn acted(mut stream: impl AsyncRead + AsyncWrite + Unpin, act: Act, seen: Arc<Seen>) {
    if let Act::CutRequest(bytes) = act {
        let mut read = vec![0; bytes];
        let mut arrived = 0;
        while arrived < bytes {
            match stream.read(&mut read[arrived..]).await {
                Ok(0) | Err(_) => break,
                Ok(more) => arrived += more,
            }
        }
        seen.pieces.lock().unwrap().push(arrived);
        return;
    }
    let Some(request) = whole_request(&mut stream).await else {
        seen.closed.fetch_add(1, Ordering::SeqCst);
        return;
    };
    seen.requests.lock().unwrap().push(request.clone());
    let is_reset = matches!(act, Act::Reset);
    let answer = match act {
        Act::Answer(answer) => answer,
        Act::CutResponse(part) => {
            let _ = stream.write_all(&part).await;
            let _ = stream.shutdown().await;
            return;
        }
        Act::Delay(time, answer) => {
            tokio::time::sleep(time).await;
            answer
        }
        Act::Echo(status) => {
            // As a hostile provider would: all of it, where a connector reads.
            let first = String::from_utf8_lossy(&request).replace(['\r', '\n'], " ");
            let head = format!(
                "HTTP/1.1 {status} Echo\r\nx-request-id: {first}\r\nlocation: /{first}\r\ncontent-length: {}\r\n\r\n",
                request.len()
            );
            [head.as_bytes(), &request].concat()
        }
        _ => Vec::new(),
    };
    if !is_reset {
        let _ = stream.write_all(&answer).await;
        let _ = stream.flush().await;
        // Kept open, as a server does that expects another request.
        let mut rest = [0; 1024];
        while stream.read(&mut rest).await.is_ok_and(|read| read > 0) {}
        seen.closed.fetch_add(1, Ordering::SeqCst);
    }
}

/// Reads a head, and as many bytes as it announces.
async fn whole_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    let mut request = Vec::new();
    let mut part = vec![0; 64 << 10];
    loop {
        let read = stream.read(&mut part).await.ok().filter(|read| *read > 0)?;
        request.extend_from_slice(&part[..read]);
        let Some(head) = request.windows(4).position(|end| end == b"\r\n\r\n") else { continue };
        let text = String::from_utf8_lossy(&request[..head]).to_lowercase();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        if request.len() >= head + 4 + length {
            return Some(request);
        }
    }
}
