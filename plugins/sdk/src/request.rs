//! Describing an HTTP request, piece by piece, in the order of a provider's documentation. The host performs it; a secret
//! is named and filled in there.

use serde::Serialize;

use crate::encoding::percent;
use crate::form;
use crate::http::{
    Authorization, AwsAuth, BasicAuth, Body, Content, Field, FormField, MacAlgorithm, MacEncoding, Method, Piece,
    Request, SignedField,
};

impl Request {
    /// A request of `method` to `url`, without header fields or a body. It is not repeatable.
    ///
    /// `url` begins with `https://` and a host name.
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        Request {
            method,
            url: vec![Piece::Text(url.into())],
            headers: Vec::new(),
            authorization: Authorization::None,
            signed: Vec::new(),
            body: Body::Empty,
            repeatable: false,
            keep: false,
            extensions: Vec::new(),
        }
    }

    /// A GET of `url`, which is repeatable.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new(Method::Get, url).repeatable()
    }

    /// A POST to `url`.
    pub fn post(url: impl Into<String>) -> Self {
        Self::new(Method::Post, url)
    }

    /// A PUT to `url`. Say [`repeatable`](Self::repeatable) if the provider keeps to what PUT means.
    pub fn put(url: impl Into<String>) -> Self {
        Self::new(Method::Put, url)
    }

    /// A PATCH of `url`.
    pub fn patch(url: impl Into<String>) -> Self {
        Self::new(Method::Patch, url)
    }

    /// A DELETE of `url`.
    pub fn delete(url: impl Into<String>) -> Self {
        Self::new(Method::Delete, url)
    }

    /// Adds `/` and a segment of the path, encoded.
    pub fn segment(self, segment: &str) -> Self {
        self.path(&format!("/{}", percent::encode(segment)))
    }

    /// Adds text to the URL as it is: `/messages`.
    pub fn path(mut self, text: &str) -> Self {
        match self.url.last_mut() {
            Some(Piece::Text(url)) => url.push_str(text),
            _ => self.url.push(Piece::Text(text.into())),
        }
        self
    }

    /// Adds `/` and a secret as a segment of the path. The manifest has to bind it to the URL.
    pub fn secret_segment(self, secret: &str) -> Self {
        self.path("/").secret(secret)
    }

    /// Adds a secret to the URL where it stands: `.path("/bot").secret("bot-token").path("/sendMessage")`.
    pub fn secret(mut self, secret: &str) -> Self {
        self.url.push(Piece::Secret(secret.into()));
        self
    }

    /// Adds a query parameter, encoded.
    pub fn query(self, name: &str, value: &str) -> Self {
        let parameter = self.parameter(name) + &percent::encode(value);
        self.path(&parameter)
    }

    /// Adds a query parameter whose value the host fills in.
    pub fn query_piece(self, name: &str, value: Piece) -> Self {
        let parameter = self.parameter(name);
        let mut request = self.path(&parameter);
        request.url.push(value);
        request
    }

    /// `?name=`, or `&name=` after another parameter.
    fn parameter(&self, name: &str) -> String {
        let has_query = self.url.iter().any(|piece| matches!(piece, Piece::Text(text) if text.contains('?')));
        format!("{}{}=", if has_query { '&' } else { '?' }, percent::encode(name))
    }

    /// Adds a header field. `name` is in lower case.
    pub fn header(self, name: &str, value: impl Into<String>) -> Self {
        self.field(name, vec![Piece::Text(value.into())])
    }

    /// Adds a header field of `prefix` and a secret: `.secret_header("x-api-key", "", "api-key")`.
    pub fn secret_header(self, name: &str, prefix: &str, secret: &str) -> Self {
        let prefix = Some(Piece::Text(prefix.into())).filter(|_| !prefix.is_empty());
        self.field(name, prefix.into_iter().chain([Piece::Secret(secret.into())]).collect())
    }

    /// Adds a header field of pieces.
    pub fn field(mut self, name: &str, value: Vec<Piece>) -> Self {
        self.headers.push(Field { name: name.into(), value });
        self
    }

    /// `Authorization: Bearer`, with the secret of this name.
    pub fn bearer(self, secret: &str) -> Self {
        self.authorized(Authorization::Bearer(secret.into()))
    }

    /// HTTP Basic (RFC 7617) of `user` and the secret called `password`.
    pub fn basic(self, user: &str, password: &str) -> Self {
        self.authorized(Authorization::Basic(BasicAuth { user: user.into(), secret: password.into() }))
    }

    /// Signature Version 4 for a service of AWS that the manifest names.
    pub fn aws(self, service: &str, region: &str) -> Self {
        self.authorized(Authorization::Aws(AwsAuth { service: service.into(), region: region.into() }))
    }

    /// `Authorization: Bearer`, with a token that the host obtains with the secret of this name.
    pub fn oauth2(self, secret: &str) -> Self {
        self.authorized(Authorization::Oauth2(secret.into()))
    }

    fn authorized(mut self, authorization: Authorization) -> Self {
        self.authorization = authorization;
        self
    }

    /// Adds a header field of `prefix` and the MAC of `data` in hexadecimal, with the secret of this name. For base64 push
    /// a [`SignedField`] to `signed`.
    pub fn signed(mut self, name: &str, prefix: &str, algorithm: MacAlgorithm, secret: &str, data: &[u8]) -> Self {
        self.signed.push(SignedField {
            name: name.into(),
            prefix: prefix.into(),
            algorithm,
            secret: secret.into(),
            data: data.into(),
            encoding: MacEncoding::Hex,
        });
        self
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

    /// Adds a field whose value the host fills in to what [`form`](Self::form) sends.
    pub fn form_piece(mut self, name: &str, value: Piece) -> Self {
        let mut pieces = match std::mem::replace(&mut self.body, Body::Empty) {
            Body::Content(Content::Bytes(bytes)) => vec![Piece::Text(String::from_utf8_lossy(&bytes).into_owned())],
            Body::Content(Content::Pieces(pieces)) => pieces,
            Body::Empty | Body::Multipart(_) => Vec::new(),
        };
        let between = if pieces.is_empty() { "" } else { "&" };
        pieces.push(Piece::Text(format!("{between}{}=", percent::encode(name))));
        pieces.push(value);
        self.body = Body::Content(Content::Pieces(pieces));
        if !self.headers.iter().any(|field| field.name == "content-type") {
            return self.header("content-type", "application/x-www-form-urlencoded");
        }
        self
    }

    /// Sends `body` as it is.
    pub fn bytes(self, content_type: &str, body: Vec<u8>) -> Self {
        self.content(content_type, Content::Bytes(body))
    }

    /// Sends pieces that the host puts together: JSON with a blob in base64 in it.
    pub fn pieces(self, content_type: &str, pieces: Vec<Piece>) -> Self {
        self.content(content_type, Content::Pieces(pieces))
    }

    /// Sends an object of the host's blob store.
    pub fn blob(self, content_type: &str, key: impl Into<String>) -> Self {
        self.pieces(content_type, vec![Piece::Blob(key.into())])
    }

    fn content(mut self, content_type: &str, content: Content) -> Self {
        self.body = Body::Content(content);
        self.header("content-type", content_type)
    }

    /// Sends a form with files (RFC 7578). The host writes the header field.
    pub fn multipart(mut self, fields: Vec<FormField>) -> Self {
        self.body = Body::Multipart(fields);
        self
    }

    /// Says that doing it twice is the same as doing it once: a read, an upsert, a key that the provider honours. Then the
    /// host may send it again, and it may stand beside others in a step.
    pub fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    /// Puts the body of a 2xx response into the blob store. The connector is told its key, size and digest.
    pub fn keep(mut self) -> Self {
        self.keep = true;
        self
    }
}

impl FormField {
    /// A field of text.
    pub fn text(name: &str, value: impl Into<String>) -> Self {
        Self::of(name, Content::Bytes(value.into().into_bytes()))
    }

    /// A file of the host's blob store.
    pub fn blob(name: &str, key: impl Into<String>) -> Self {
        Self::of(name, Content::Pieces(vec![Piece::Blob(key.into())]))
    }

    /// A field of this content.
    pub fn of(name: &str, content: Content) -> Self {
        FormField { name: name.into(), file_name: None, content_type: None, content }
    }

    /// Adds the name of the file and its type.
    pub fn file(mut self, name: impl Into<String>, content_type: impl Into<String>) -> Self {
        (self.file_name, self.content_type) = (Some(name.into()), Some(content_type.into()));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Piece {
        Piece::Text(text.into())
    }

    #[test]
    fn a_request_names_its_secret_and_encodes_its_parts() {
        let request = Request::post("https://a.test/v1")
            .segment("a/b")
            .path("/messages")
            .query("to", "+1 650")
            .query("q", "a&b")
            .query_piece("status", Piece::StatusUrl)
            .bearer("access-token")
            .json(&["ü"]);
        let url = "https://a.test/v1/a%2Fb/messages?to=%2B1%20650&q=a%26b&status=";
        assert_eq!(request.url, [text(url), Piece::StatusUrl]);
        assert_eq!(request.authorization, Authorization::Bearer("access-token".into()));
        assert_eq!(request.body, Body::Content(Content::Bytes("[\"ü\"]".into())));
        assert_eq!(request.headers[0], Field { name: "content-type".into(), value: vec![text("application/json")] });
        assert!(!request.repeatable && !request.keep);
    }

    #[test]
    fn a_secret_stands_in_a_url_as_a_piece() {
        let request = Request::post("https://a.test").path("/bot").secret("bot-token").path("/sendMessage");
        let secret = Piece::Secret("bot-token".into());
        assert_eq!(request.url, [text("https://a.test/bot"), secret.clone(), text("/sendMessage")]);
        let request = Request::get("https://a.test").secret_segment("key").query("a", "b").keep();
        assert_eq!(request.url, [text("https://a.test/"), Piece::Secret("key".into()), text("?a=b")]);
        assert!(request.repeatable && request.keep);
        let request = request.secret_header("x-api-key", "Key ", "api-key").secret_header("x-other", "", "api-key");
        assert_eq!(request.headers[0].value, [text("Key "), Piece::Secret("api-key".into())]);
        assert_eq!(request.headers[1].value, [Piece::Secret("api-key".into())]);
    }

    #[test]
    fn a_form_a_basic_user_and_files_are_described() {
        let request =
            Request::post("https://a.test/").basic("AC1", "auth-token").form(&[("To", "+1"), ("Body", "a b")]);
        assert_eq!(request.body, Body::Content(Content::Bytes(b"To=%2B1&Body=a%20b".to_vec())));
        let request = request.form_piece("StatusCallback", Piece::StatusUrl);
        let pieces = vec![text("To=%2B1&Body=a%20b"), text("&StatusCallback="), Piece::StatusUrl];
        assert_eq!(request.body, Body::Content(Content::Pieces(pieces)));
        assert_eq!(request.headers.len(), 1);
        assert_eq!(Request::get("https://a.test/").body, Body::Empty);
        let request = Request::post("https://a.test/").multipart(vec![
            FormField::text("type", "image/png"),
            FormField::blob("file", "b-1").file("a.png", "image/png"),
        ]);
        let Body::Multipart(fields) = request.body else { panic!("{:?}", request.body) };
        assert_eq!(fields[1].file_name.as_deref(), Some("a.png"));
        assert_eq!(fields[1].content, Content::Pieces(vec![Piece::Blob("b-1".into())]));
    }
}
