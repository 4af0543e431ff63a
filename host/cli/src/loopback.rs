//! A server on this machine in a provider's place: the body of each request is given to a function, which answers it or does
//! not.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use axum::body::Bytes;
use http::{HeaderName, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Bytes of a request that are read. The largest that leaves has a file of 100 MB and a form around it.
const BODY_BYTES_MAX: usize = 101 << 20;

/// What a request is answered.
pub(crate) struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// A server. It ends when this is dropped.
pub(crate) struct Loopback {
    pub address: SocketAddr,
    accepting: JoinHandle<Infallible>,
}

impl Drop for Loopback {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Loopback {
    /// Serves on a free port. If `answer` gives nothing, the request was taken, and the connection closes without an answer.
    ///
    /// # Errors
    /// No port is free.
    pub async fn serve(answer: impl Fn(Bytes) -> Option<Reply> + Send + Sync + 'static) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot listen on 127.0.0.1")?;
        let address = listener.local_addr()?;
        let answer = Arc::new(answer);
        let accepting = tokio::spawn(async move {
            loop {
                // A client that went away again is no reason to end.
                let Ok((stream, _)) = listener.accept().await else { continue };
                let answer = Arc::clone(&answer);
                let service = service_fn(move |request| answered(request, Arc::clone(&answer)));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Ok(Self { address, accepting })
    }
}

/// hyper closes a connection whose service fails, and sends nothing.
async fn answered(
    request: Request<Incoming>,
    answer: Arc<impl Fn(Bytes) -> Option<Reply>>,
) -> io::Result<Response<Full<Bytes>>> {
    let body = Limited::new(request.into_body(), BODY_BYTES_MAX).collect().await.map_err(io::Error::other)?.to_bytes();
    let reply = answer(body).ok_or_else(|| io::Error::other("no answer, as it was wanted"))?;
    let mut response = Response::new(Full::from(reply.body));
    *response.status_mut() = StatusCode::from_u16(reply.status).map_err(io::Error::other)?;
    for (name, value) in reply.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(io::Error::other)?;
        response.headers_mut().append(name, value.parse().map_err(io::Error::other)?);
    }
    Ok(response)
}
