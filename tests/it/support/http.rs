//! An HTTP/1.1 client that sends what a test says, also what a better one would not: one connection a request.

use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A response.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// An answer whose header fields have names in lower case.
    pub fn new(status: u16, headers: Vec<(String, String)>, body: Vec<u8>) -> Self {
        Self { status, headers, body }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }
}

/// Sends a request and reads its answer.
pub async fn send(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Answer> {
    let mut request = format!("{method} {target} HTTP/1.1\r\nhost: rapport.example\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("content-length: {}\r\nconnection: close\r\n\r\n", body.len()));
    exchange(address, &[request.as_bytes(), body].concat()).await
}

/// Sends these bytes and reads what comes until the end. A refusal may come before all was sent, and is read then, too.
pub async fn exchange(address: SocketAddr, request: &[u8]) -> Result<Answer> {
    let mut stream = TcpStream::connect(address).await?;
    let (mut reading, mut writing) = stream.split();
    let mut response = Vec::new();
    let (sent, read) = tokio::join!(writing.write_all(request), reading.read_to_end(&mut response));
    if response.is_empty() {
        sent.and(read)?;
    }
    parse(&response).ok_or_else(|| Error::new(ErrorKind::UnexpectedEof, "no whole response"))
}

fn parse(response: &[u8]) -> Option<Answer> {
    let end = response.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = str::from_utf8(&response[..end]).ok()?;
    let (status_line, rest) = head.split_once("\r\n").unwrap_or((head, ""));
    let status = status_line.split(' ').nth(1)?.parse().ok()?;
    let header = |line: &str| line.split_once(':').map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()));
    let answer =
        Answer { status, headers: rest.lines().filter_map(header).collect(), body: response[end + 4..].into() };
    let length = answer.header("content-length").and_then(|length| length.parse().ok());
    (length == Some(answer.body.len())).then_some(answer)
}
