//! An event of an HTTP API (payload 2.0) or a function URL, which is the same form.

use std::fmt;

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use rapport_api::ClientAddress;
use rapport_http::PublicUrl;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Request;

/// The stage that does not show in paths.
const DEFAULT_STAGE: &str = "$default";

/// One request, as the event has it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Event {
    raw_path: String,
    #[serde(default)]
    raw_query_string: String,
    #[serde(default)]
    cookies: Vec<String>,
    #[serde(default)]
    headers: Fields,
    request_context: RequestContext,
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext {
    http: HttpContext,
    #[serde(default)]
    api_id: String,
    #[serde(default)]
    domain_name: String,
    #[serde(default)]
    domain_prefix: String,
    #[serde(default)]
    stage: String,
}

#[derive(Deserialize)]
struct HttpContext {
    method: String,
    /// Who called the front door, as the front door knows it.
    #[serde(default, rename = "sourceIp")]
    source_ip: String,
}

/// A JSON object's members in their order.
#[derive(Default)]
struct Fields(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("header fields")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = members.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

impl Event {
    /// Reads an event.
    ///
    /// # Errors
    /// It is another one: where reading stopped, and nothing of what was there.
    pub(super) fn parse(json: &RawValue) -> Result<Self, String> {
        serde_json::from_str(json.get()).map_err(|error| {
            format!(
                "the event is none of an HTTP API (payload 2.0) or a function URL (line {}, column {}); fix: route only \
                 these to this function",
                error.line(),
                error.column()
            )
        })
    }

    /// The W3C trace context that the request came with, if it is one.
    pub(super) fn traceparent(&self) -> Option<&str> {
        let (_, value) = self.headers.0.iter().find(|(name, _)| name.eq_ignore_ascii_case("traceparent"))?;
        let parts: Vec<&str> = value.split('-').collect();
        let is_hex = |part: &&str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
        let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
        (lengths == [2, 32, 16, 2] && parts.iter().all(is_hex)).then_some(value)
    }

    /// The request as the provider sent it. `public_url` is how providers reach us, where the operator has said.
    ///
    /// # Errors
    /// What in it cannot be HTTP.
    pub(super) fn into_request(self, public_url: Option<&str>) -> Result<Request, &'static str> {
        let (path, public_url) = self.place(public_url);
        let uri = uri(path, &self.raw_query_string).ok_or("the address cannot be read")?;
        let method = Method::from_bytes(self.request_context.http.method.as_bytes());
        let mut request = Request::new(Body::empty());
        *request.method_mut() = method.map_err(|_| "the method cannot be read")?;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers(self.headers, &self.cookies);
        request.extensions_mut().insert(PublicUrl(public_url));
        if let Ok(address) = self.request_context.http.source_ip.parse() {
            request.extensions_mut().insert(ClientAddress(address));
        }
        let body = self.body.unwrap_or_default();
        let body = if self.is_base64_encoded {
            STANDARD.decode(body).map_err(|_| "the body is not the base64 that the event says it is")?
        } else {
            body.into_bytes()
        };
        *request.body_mut() = Body::from(body);
        Ok(request)
    }

    /// The path that is routed, and what stands before it in the URL that the provider called.
    ///
    /// A stage other than `$default` shows in the event's path. It is part of the URL at API Gateway's own address; at a
    /// domain of the operator's, an API mapping has hidden it. What the mapping's own path is no event says: the
    /// operator does, in the public URL, which is right in every case.
    fn place(&self, public_url: Option<&str>) -> (&str, String) {
        let RequestContext { api_id, domain_name, domain_prefix, stage, .. } = &self.request_context;
        let staged = match stage.as_str() {
            "" | DEFAULT_STAGE => None,
            stage => self.raw_path.strip_prefix('/').and_then(|path| path.strip_prefix(stage)),
        };
        let staged = staged.filter(|rest| rest.starts_with('/'));
        let path = staged.unwrap_or(&self.raw_path);
        let public_url = match public_url {
            Some(url) => url.to_owned(),
            None if staged.is_some() && domain_prefix == api_id => format!("https://{domain_name}/{stage}"),
            None => format!("https://{domain_name}"),
        };
        (path, public_url)
    }
}

/// API Gateway hands over paths decoded, so they may hold what a URI may not.
fn uri(path: &str, query: &str) -> Option<Uri> {
    let mut text = String::with_capacity(path.len() + query.len() + 2);
    if !path.starts_with('/') {
        text.push('/');
    }
    push_escaped(&mut text, path, |byte| byte.is_ascii_graphic() && !b"?#\"<>\\^`{|}".contains(&byte));
    if !query.is_empty() {
        text.push('?');
        push_escaped(&mut text, query, |byte| byte.is_ascii_graphic() && !b"#\"<>\\^`{|}".contains(&byte));
    }
    let text: PathAndQuery = text.parse().ok()?;
    Some(text.into())
}

fn push_escaped(text: &mut String, part: &str, stays: impl Fn(u8) -> bool) {
    for byte in part.bytes() {
        if stays(byte) { text.push(char::from(byte)) } else { text.push_str(&format!("%{byte:02X}")) }
    }
}

/// Header fields in the event's order; the cookies, which the event has apart, as the one field that they were.
fn headers(fields: Fields, cookies: &[String]) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(fields.0.len() + 1);
    for (name, value) in fields.0 {
        // No server lets another through; one that came all the same could not be sent on either.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.append(name, value);
        }
    }
    if let (false, Ok(value)) = (cookies.is_empty(), HeaderValue::try_from(cookies.join("; "))) {
        headers.insert(header::COOKIE, value);
    }
    headers
}

#[cfg(test)]
mod tests;
