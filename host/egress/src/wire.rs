//! One request over one connection of its own. The socket is closed when the answer is there: nothing of it runs on, so a
//! function that freezes afterwards holds no half-sent request.

use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Request;
use hyper::client::conn::http1;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tower_service::Service;

use crate::answer::{self, Read, Trouble};
use crate::blobs::Blobs;
use crate::body::Outgoing;
use crate::door::Egress;
use crate::limits::{ADDRESSES_MAX, CONNECT_MS_MAX, RESPONSE_FIELDS_MAX, RESPONSE_HEAD_BYTES_MAX};
use crate::prepared::Prepared;
use crate::resolve::OnlyPrivate;

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The name leads into a private network.
    Private,
    Dns(String),
    Connect(String),
    Tls(String),
    /// It left, or may have left.
    Interrupted(String),
    Timeout,
    TooLarge(u16),
}

/// What one request came to.
pub(crate) struct Done {
    pub read: Result<Read, Failure>,
    pub sent_bytes: u64,
    pub received_bytes: u64,
}

/// Something that bytes go through.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Bytes of a connection, above TLS. If none was written, nothing left.
#[derive(Default)]
struct Traffic {
    written: AtomicU64,
    read: AtomicU64,
}

/// A connection whose bytes are counted.
struct Counted {
    stream: Box<dyn Stream>,
    traffic: Arc<Traffic>,
}

impl Egress {
    /// Sends a request and reads the answer, until `deadline`.
    pub(crate) async fn ask(
        &self,
        prepared: Prepared,
        stand_in: Option<SocketAddr>,
        keep: bool,
        blobs: &Arc<dyn Blobs>,
        deadline: Instant,
    ) -> Done {
        let traffic = Arc::new(Traffic::default());
        let connected = match stand_in {
            Some(address) => self.plain(address, deadline).await,
            None => self.connected(&prepared.url.host, deadline).await,
        };
        let read = match connected {
            Err(failure) => Err(failure),
            Ok(stream) => {
                let counted = Counted { stream, traffic: Arc::clone(&traffic) };
                exchange(counted, prepared, keep, blobs, deadline).await
            }
        };
        Done {
            read,
            sent_bytes: traffic.written.load(Ordering::Relaxed),
            received_bytes: traffic.read.load(Ordering::Relaxed),
        }
    }

    /// A connection over TLS to a host.
    async fn connected(&self, host: &str, deadline: Instant) -> Result<Box<dyn Stream>, Failure> {
        let deadline = connected_by(deadline);
        let found = timeout_at(deadline, self.addresses(host)).await;
        let addresses = found.unwrap_or_else(|_| Err(Failure::Dns(in_time("the name was not found"))))?;
        let stream = first_that_answers(&addresses, deadline).await?;
        let name = ServerName::try_from(host.to_owned()).map_err(|error| Failure::Tls(error.to_string()))?;
        let tls = TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream);
        match timeout_at(deadline, tls).await {
            Ok(Ok(stream)) => Ok(Box::new(stream)),
            Ok(Err(error)) => Err(Failure::Tls(error.to_string())),
            Err(_) => Err(Failure::Tls(in_time("TLS was not agreed on"))),
        }
    }

    /// A connection to a stand-in.
    async fn plain(&self, address: SocketAddr, deadline: Instant) -> Result<Box<dyn Stream>, Failure> {
        Ok(Box::new(first_that_answers(&[address], connected_by(deadline)).await?))
    }

    async fn addresses(&self, host: &str) -> Result<Vec<SocketAddr>, Failure> {
        let name: Name = host.parse().map_err(|_| Failure::Dns("it is not a name".to_owned()))?;
        match self.resolver.clone().call(name).await {
            Ok(found) => Ok(found.take(ADDRESSES_MAX).map(with_port).collect()),
            Err(error) if error.is::<OnlyPrivate>() => Err(Failure::Private),
            Err(error) => Err(Failure::Dns(error.to_string())),
        }
    }
}

/// The system's resolver knows no ports.
fn with_port(mut address: SocketAddr) -> SocketAddr {
    if address.port() == 0 {
        address.set_port(443);
    }
    address
}

fn connected_by(deadline: Instant) -> Instant {
    deadline.min(Instant::now() + Duration::from_millis(CONNECT_MS_MAX))
}

fn in_time(what: &str) -> String {
    format!("{what} in time")
}

/// Each address has the same part of the time.
async fn first_that_answers(addresses: &[SocketAddr], deadline: Instant) -> Result<TcpStream, Failure> {
    let mut problem = "the name has no address".to_owned();
    for (place, address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let part = left / u32::try_from(addresses.len() - place).unwrap_or(1);
        match timeout_at(Instant::now() + part, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // A request is one small packet, which must not wait for the next.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => problem = error.to_string(),
            Err(_) => problem = in_time("there was no connection"),
        }
    }
    Err(Failure::Connect(problem))
}

/// The connection is driven here and not by a task of its own. When this ends, or is dropped, the socket is closed.
async fn exchange(
    stream: Counted,
    prepared: Prepared,
    keep: bool,
    blobs: &Arc<dyn Blobs>,
    deadline: Instant,
) -> Result<Read, Failure> {
    let traffic = Arc::clone(&stream.traffic);
    let request = request_of(&prepared, blobs).map_err(Failure::Connect)?;
    let begun = http1::Builder::new()
        .max_headers(RESPONSE_FIELDS_MAX)
        .max_header_size(RESPONSE_HEAD_BYTES_MAX)
        .handshake(TokioIo::new(stream))
        .await;
    let (mut sender, connection) = begun.map_err(|error| Failure::Connect(error.to_string()))?;
    let talk = async {
        let response = sender.try_send_request(request).await.map_err(|mut error| {
            // The request comes back if nothing of it was written.
            let is_unsent = error.take_message().is_some();
            (is_unsent, innermost(error.error()))
        })?;
        answer::read(response, keep, &**blobs, &prepared.mask).await.map_err(|trouble| match trouble {
            Trouble::TooLarge(status) => (false, Err(status)),
            Trouble::Broken(problem) => (false, Ok(problem)),
        })
    };
    let (mut talk, mut connection) = (pin!(talk), pin!(connection));
    let mut is_open = true;
    let both = async {
        loop {
            tokio::select! {
                biased;
                read = &mut talk => return read,
                _ = &mut connection, if is_open => is_open = false,
            }
        }
    };
    let outcome = timeout_at(deadline, both).await;
    let is_unwritten = traffic.written.load(Ordering::Relaxed) == 0;
    match outcome {
        Ok(Ok(read)) => Ok(read),
        Ok(Err((_, Err(status)))) => Err(Failure::TooLarge(status)),
        Ok(Err((is_unsent, Ok(problem)))) if is_unsent || is_unwritten => Err(Failure::Connect(problem)),
        Ok(Err((_, Ok(problem)))) => Err(Failure::Interrupted(problem)),
        Err(_) if is_unwritten => Err(Failure::Connect(in_time("nothing could be sent"))),
        Err(_) => Err(Failure::Timeout),
    }
}

fn request_of(prepared: &Prepared, blobs: &Arc<dyn Blobs>) -> Result<Request<Outgoing>, String> {
    let body = Outgoing::new(prepared.body.clone(), Arc::clone(blobs));
    let mut request = Request::builder().method(prepared.method.clone()).uri(prepared.url.target());
    for (name, value) in &prepared.headers {
        request = request.header(name, value);
    }
    request.body(body).map_err(|error| error.to_string())
}

/// The innermost cause says most.
fn innermost(error: &hyper::Error) -> Result<String, u16> {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    Ok(cause.to_string())
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = into.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, into);
        self.traffic.read.fetch_add((into.filled().len() - before) as u64, Ordering::Relaxed);
        polled
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        if let Poll::Ready(Ok(written)) = &polled {
            self.traffic.written.fetch_add(*written as u64, Ordering::Relaxed);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
