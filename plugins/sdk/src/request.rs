//! Describing an HTTP request, piece by piece. The host performs it; a secret is named and filled in there.

use serde::Serialize;

use crate::encoding::percent;
use crate::form;
use crate::http::{FieldValue, Method, Payload, Request, SecretRef};

impl Request {
    /// A request of `method` to `url`, without header fields or a body.
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        Request { method, url: url.into(), headers: Vec::new(), body: Payload::Empty, idempotency_key: None }
    }

    /// A GET of `url`.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new(Method::Get, url)
    }

    /// A POST to `url`.
    pub fn post(url: impl Into<String>) -> Self {
        Self::new(Method::Post, url)
    }

    /// Adds a query parameter, encoded.
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.url.push(if self.url.contains('?') { '&' } else { '?' });
        self.url.push_str(&percent::encode(name));
        self.url.push('=');
        self.url.push_str(&percent::encode(value));
        self
    }

    /// Adds a header field.
    pub fn header(self, name: &str, value: impl Into<String>) -> Self {
        self.field(name, FieldValue::Text(value.into()))
    }

    /// Adds a header field of `prefix` and a secret: `.secret_header("authorization", "Bearer ", "access-token")`.
    pub fn secret_header(self, name: &str, prefix: &str, secret: &str) -> Self {
        self.field(name, FieldValue::Secret(SecretRef { name: secret.into(), prefix: prefix.into() }))
    }

    /// Adds HTTP Basic authorization (RFC 7617) of `user` and the secret called `password`.
    pub fn basic(self, user: &str, password: &str) -> Self {
        let password = SecretRef { name: password.into(), prefix: String::new() };
        self.field("authorization", FieldValue::Basic((user.into(), password)))
    }

    /// Sends `value` as JSON.
    ///
    /// # Panics
    /// For a value that JSON has no form for, such as a map whose keys are no strings: a mistake of the connector.
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Self {
        let body = serde_json::to_vec(value).expect("a connector's own types have a form in JSON");
        self.bytes("application/json", body)
    }

    /// Sends `fields` as a form, in their order.
    pub fn form<N: AsRef<str>, V: AsRef<str>>(self, fields: &[(N, V)]) -> Self {
        let body = form::encode(fields).into_bytes();
        self.bytes("application/x-www-form-urlencoded", body)
    }

    /// Sends `body` as it is.
    pub fn bytes(mut self, content_type: &str, body: Vec<u8>) -> Self {
        self.body = Payload::Bytes(body);
        self.header("content-type", content_type)
    }

    /// Sends an object of the host's blob store.
    pub fn blob(mut self, content_type: &str, key: impl Into<String>) -> Self {
        self.body = Payload::Blob(key.into());
        self.header("content-type", content_type)
    }

    /// Says how the provider recognises a repetition of this request.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    fn field(mut self, name: &str, value: FieldValue) -> Self {
        self.headers.push((name.into(), value));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_its_secret_and_encodes_its_parts() {
        let request = Request::post("https://a.test/v1/messages")
            .query("to", "+1 650")
            .query("q", "a&b")
            .secret_header("authorization", "Bearer ", "access-token")
            .idempotency_key("k1")
            .json(&["ü"]);
        assert_eq!(request.url, "https://a.test/v1/messages?to=%2B1%20650&q=a%26b");
        assert_eq!(request.idempotency_key.as_deref(), Some("k1"));
        assert_eq!(request.body, Payload::Bytes("[\"ü\"]".into()));
        let secret = SecretRef { name: "access-token".into(), prefix: "Bearer ".into() };
        assert_eq!(request.headers[0], ("authorization".into(), FieldValue::Secret(secret)));
        assert_eq!(request.headers[1], ("content-type".into(), FieldValue::Text("application/json".into())));
    }

    #[test]
    fn a_form_and_a_basic_user_are_described() {
        let request =
            Request::post("https://a.test/").basic("AC1", "auth-token").form(&[("To", "+1"), ("Body", "a b")]);
        assert_eq!(request.body, Payload::Bytes(b"To=%2B1&Body=a%20b".to_vec()));
        let password = SecretRef { name: "auth-token".into(), prefix: String::new() };
        assert_eq!(request.headers[0].1, FieldValue::Basic(("AC1".into(), password)));
        assert_eq!(Request::get("https://a.test/").body, Payload::Empty);
    }
}
