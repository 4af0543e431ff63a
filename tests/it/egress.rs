//! What connectors send, over real sockets: what arrives, what is denied, and whether a request left.

mod denied;
mod perform;
mod provider;
mod sent;
mod truth;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rapport_egress::{AwsKeys, Blobs, Bound, Egress, Grants, Keeping, Sending, Sent, Work};
use rapport_model::event::Extensions;
use rapport_model::exchange::{Authorization, Content, Field, Method, Piece, Request, RequestBody};
use rapport_model::hosts::HostPattern;
use rapport_model::secret::{Secret, Use};

/// The provider's name.
pub const HOST: &str = "api.example.com";
pub const STATUS_URL: &str = "https://hooks.example.com/s/status-token?a=1&b=2";
/// 2026-11-30T22:00:00Z
pub const NOW: u64 = 1_796_076_000_000;

pub fn text(text: &str) -> Piece {
    Piece::Text(text.to_owned())
}

pub fn secret(name: &str) -> Piece {
    Piece::Secret(name.to_owned())
}

pub fn request(method: Method, target: &str) -> Request {
    Request {
        method,
        url: vec![text(&format!("https://{HOST}{target}"))],
        headers: Vec::new(),
        authorization: Authorization::None,
        signed: Vec::new(),
        body: RequestBody::Empty,
        repeatable: false,
        keep: false,
        extensions: Extensions::default(),
    }
}

pub fn post(target: &str, body: &str) -> Request {
    let content_type = Field { name: "Content-Type".to_owned(), value: vec![text("application/json")] };
    let body = RequestBody::Content(Content::Bytes(body.as_bytes().to_vec()));
    Request { headers: vec![content_type], body, ..request(Method::Post, target) }
}

pub fn bound(name: &str, used: Use, value: &str) -> (String, Bound) {
    (name.to_owned(), Bound { used, value: Some(Secret::new(value.as_bytes())) })
}

/// A connection that may ask the provider.
pub fn grants(secrets: impl IntoIterator<Item = (String, Bound)>) -> Grants {
    let hosts = vec![HostPattern::parse(HOST).unwrap()];
    Grants { hosts, secrets: secrets.into_iter().collect(), live: true, ..Grants::default() }
}

/// Blobs in memory. Their keys are their texts' first words.
#[derive(Default)]
pub struct Memory {
    pub blobs: Mutex<Vec<(String, Vec<u8>)>>,
    /// Bytes of the largest part that was asked for.
    pub largest: Mutex<u64>,
}

impl Memory {
    pub fn with(blobs: &[(&str, &[u8])]) -> Arc<Self> {
        let blobs = blobs.iter().map(|(key, bytes)| ((*key).to_owned(), bytes.to_vec())).collect();
        Arc::new(Self { blobs: Mutex::new(blobs), largest: Mutex::default() })
    }
}

impl Blobs for Memory {
    fn size<'a>(&'a self, key: &'a str) -> Work<'a, Option<u64>> {
        let blobs = self.blobs.lock().unwrap();
        let size = blobs.iter().find(|(name, _)| name == key).map(|(_, bytes)| bytes.len() as u64);
        Box::pin(async move { Ok(size) })
    }

    fn read<'a>(&'a self, key: &'a str, from: u64, bytes: u64) -> Work<'a, Vec<u8>> {
        if key == "broken" {
            return Box::pin(async { Err("the store is away".to_owned()) });
        }
        let mut largest = self.largest.lock().unwrap();
        *largest = (*largest).max(bytes);
        let blobs = self.blobs.lock().unwrap();
        let blob = &blobs.iter().find(|(name, _)| name == key).unwrap().1;
        let part = blob[from as usize..(from + bytes) as usize].to_vec();
        Box::pin(async move { Ok(part) })
    }

    fn keep(&self) -> Work<'_, Box<dyn Keeping>> {
        Box::pin(async { Err("use `Kept`".to_owned()) })
    }
}

/// A request with nothing around it.
pub fn sending<'a>(request: &'a Request, grants: &'a Grants) -> Sending<'a> {
    Sending {
        request,
        grants,
        token: None,
        aws: None::<&AwsKeys>,
        status_url: Some(STATUS_URL),
        unsubscribe_url: None,
        blobs: Memory::with(&[]),
        limit: Duration::from_secs(10),
        now: NOW,
        entropy: *b"0123456789abcdef",
    }
}

pub async fn send(egress: &Egress, request: &Request, grants: &Grants) -> Sent {
    egress.send(&sending(request, grants)).await.unwrap()
}
