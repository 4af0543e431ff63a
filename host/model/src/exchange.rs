//! HTTP messages as data: what a connector asks the host to send, and what came of it.
//!
//! Every type here is the contract's record of the same name (`wit/http.wit`). Its `serde` form is what an intent keeps of
//! its exchanges, so that a connector runs again on the same history.

use serde::{Deserialize, Serialize};

use crate::event::Extensions;

/// The methods that providers' interfaces use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
}

/// A piece of a URL, a header or a body. The host fills in everything but text, after it has checked the host name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Piece {
    Text(String),
    /// A secret that the manifest binds to this place. Never in a body.
    Secret(String),
    /// The bytes of a blob, as they are.
    Blob(String),
    /// The bytes of a blob, in base64 (RFC 4648, with padding).
    BlobBase64(String),
    /// A URL at which the provider fetches the bytes of a blob. Only in a body.
    BlobUrl(String),
    /// The URL for statuses of this message, with the credential that it needs.
    StatusUrl,
    /// The one-click unsubscribe URL of this message (RFC 8058).
    UnsubscribeUrl,
}

/// A header field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    pub name: String,
    pub value: Vec<Piece>,
}

/// How a request says who calls. The host makes the header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Authorization {
    None,
    /// `Authorization: Bearer`, with the secret of this name.
    Bearer(String),
    Basic {
        user: String,
        /// The name of the secret that is the password.
        secret: String,
    },
    /// Signature Version 4, for a service that the manifest names and the operator grants.
    Aws {
        service: String,
        region: String,
    },
    /// `Authorization: Bearer`, with a token that the host obtains with the secret of this name.
    Oauth2(String),
}

/// What a MAC is computed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MacAlgorithm {
    HmacSha1,
    HmacSha256,
    HmacSha512,
}

/// How a MAC is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MacEncoding {
    Hex,
    Base64,
}

/// A header field whose value the host computes: a MAC of `data`, with a secret that the manifest binds to signing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedField {
    pub name: String,
    /// Stands before the MAC, such as `sha256=`.
    pub prefix: String,
    pub algorithm: MacAlgorithm,
    pub secret: String,
    pub data: Vec<u8>,
    pub encoding: MacEncoding,
}

/// Bytes that the connector knows, or pieces that the host puts together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    Bytes(Vec<u8>),
    Pieces(Vec<Piece>),
}

/// A field of a form (RFC 7578).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormField {
    pub name: String,
    pub file_name: Option<String>,
    pub content_type: Option<String>,
    pub content: Content,
}

/// The body of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestBody {
    Empty,
    Content(Content),
    /// `multipart/form-data`. The host makes the boundary and the header.
    Multipart(Vec<FormField>),
}

/// A request that a connector describes and the host sends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    pub method: Method,
    /// Scheme and host are always text.
    pub url: Vec<Piece>,
    pub headers: Vec<Field>,
    pub authorization: Authorization,
    pub signed: Vec<SignedField>,
    pub body: RequestBody,
    /// Doing it twice is the same as doing it once: a read, an upsert, a key that the provider honours. Any other request
    /// stands alone in its step.
    pub repeatable: bool,
    /// The body of a 2xx response goes to the blob store and not to the connector. Other bodies reach the connector.
    pub keep: bool,
    pub extensions: Extensions,
}

/// A body in the blob store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Its key.
    pub blob: String,
    pub bytes: u64,
    pub mime_type: Option<String>,
    /// Lower-case hexadecimal.
    pub sha256: String,
}

/// The body of a response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Bytes(Vec<u8>),
    Kept(Kept),
}

/// What a provider answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    pub status: u16,
    /// In order of arrival, names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Answer,
}

/// Why there is no response. [`left`](TransportError::left) tells the two kinds apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransportError {
    /// A rule forbids the request. The text says which one and how to change it.
    Denied(String),
    Dns,
    Connect,
    Tls,
    /// The limit in bytes.
    RequestTooLarge(u64),
    /// The connection broke after the request had left, or may have left.
    Interrupted,
    Timeout,
    /// The status of the response whose body is too large.
    ResponseTooLarge(u16),
}

impl TransportError {
    /// Whether the request left, or may have left: then nobody knows if the provider did what it asks for.
    pub fn left(&self) -> bool {
        matches!(self, Self::Interrupted | Self::Timeout | Self::ResponseTooLarge(_))
    }
}

/// What came of one request.
pub type Exchange = Result<Response, TransportError>;
