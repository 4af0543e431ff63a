//! Who may call the API: holders of a key.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use rapport_sandbox::Secret;
use ring::digest::{SHA256, digest};

use crate::Gateway;
use crate::problem::Problem;

/// The keys that open `/v1`; several are a rotation.
#[derive(Default)]
pub struct ApiKeys(pub Vec<Secret>);

/// With which of the keys a request came, as an extension of it: the first is 1. What it does is recorded under it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller(usize);

impl Caller {
    /// Who does something: in the caller's words, or by the number of the key.
    pub fn signs(self, by: Option<&str>) -> String {
        by.map_or_else(|| format!("API key {}", self.0), str::to_owned)
    }
}

/// Lets only holders of an API key through.
pub(super) async fn authorise(State(gateway): State<Arc<Gateway>>, mut request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.split_once(' '));
    let token = given.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
    let token = token.unwrap_or_default().as_bytes();
    // Every key is looked at, so that the time tells nothing of where the right one stands.
    let numbered = (1..).zip(&gateway.api_keys.0);
    let known = numbered.fold(None, |known, (number, key)| {
        let is_this = same_secret(key.reveal(), token);
        known.or(is_this.then_some(number))
    });
    if let Some(number) = known {
        request.extensions_mut().insert(Caller(number));
        return next.run(request).await;
    }
    let detail = match gateway.api_keys.0.is_empty() {
        true => "no API key is configured; fix: set `keys` under `[api]`",
        false => "`Authorization: Bearer` with an API key is needed",
    };
    let mut refusal = Problem::unauthenticated(detail).into_response();
    refusal.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    refusal
}

/// Whether two secrets are the same, in a time that depends on neither. An empty one is never the same as anything.
pub(crate) fn same_secret(secret: &[u8], candidate: &[u8]) -> bool {
    let (secret_hash, candidate_hash) = (digest(&SHA256, secret), digest(&SHA256, candidate));
    let pairs = secret_hash.as_ref().iter().zip(candidate_hash.as_ref());
    let differences = pairs.fold(0, |differences, (a, b)| differences | (a ^ b));
    std::hint::black_box(differences) == 0 && !secret.is_empty()
}
