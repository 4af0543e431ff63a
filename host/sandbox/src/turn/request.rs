//! What a request may be: its URL, its header fields, its body, and what stands where.

use std::collections::BTreeSet;

use rapport_model::exchange::{Authorization, Content, Field, FormField, Method, Piece, Request, RequestBody};

use super::Wrong;
use crate::limits::{
    FORM_FIELDS_MAX, HEADER_BYTES_MAX, HEADERS_MAX, PIECES_MAX, REQUEST_BYTES_MAX, SIGNED_FIELDS_MAX, URL_BYTES_MAX,
};

/// Header fields that the host makes: of the connection, and of the body's length.
const MADE_BY_THE_HOST: [&str; 11] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Checks `requests[at]`. `blobs` are those that the connector was told of.
pub(super) fn check(request: &Request, at: usize, blobs: &BTreeSet<&str>) -> Result<(), Wrong> {
    let request = Checked { request, place: format!("requests[{at}]"), blobs };
    request.url()?;
    request.headers()?;
    request.signed()?;
    request.body()?;
    request.size()
}

struct Checked<'a> {
    request: &'a Request,
    place: String,
    blobs: &'a BTreeSet<&'a str>,
}

impl Checked<'_> {
    fn at(&self, place: &str) -> String {
        format!("{}.{place}", self.place)
    }

    fn wrong(&self, place: &str, what: impl Into<String>, fix: &'static str) -> Wrong {
        Wrong::at(self.at(place), what, fix)
    }

    fn url(&self) -> Result<(), Wrong> {
        let pieces = &self.request.url;
        self.few("url", pieces.len(), PIECES_MAX)?;
        let fix = "begin with text such as `https://api.example.com/`";
        let Some(Piece::Text(first)) = pieces.first() else {
            return Err(self.wrong("url", "scheme and host are not text", fix));
        };
        let Some(rest) = first.strip_prefix("https://") else {
            return Err(self.wrong("url", "it does not begin with `https://`", fix));
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        if end == rest.len() && pieces.len() > 1 {
            return Err(self.wrong("url", "the host name goes on after the first piece", fix));
        }
        let host = &rest[..end];
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':');
        if host.is_empty() || !host.chars().all(fits) {
            return Err(self.wrong("url", "expected a host name of letters, digits, `.` and `-`", fix));
        }
        let mut bytes = 0;
        for piece in pieces {
            match piece {
                Piece::Text(text)
                    if text.contains(|c: char| !c.is_ascii_graphic() || matches!(c, '#' | '\\' | '"' | '<' | '>')) =>
                {
                    return Err(self.wrong(
                        "url",
                        "it has a character that no URL has",
                        "percent-encode what is not a URL's",
                    ));
                }
                Piece::Text(text) => bytes += text.len(),
                Piece::Blob(_) | Piece::BlobBase64(_) | Piece::BlobUrl(_) => {
                    return Err(self.wrong("url", "a blob stands in it", "put it into the body"));
                }
                Piece::Secret(_) | Piece::StatusUrl | Piece::UnsubscribeUrl => {}
            }
        }
        if bytes > URL_BYTES_MAX {
            Err(self.wrong("url", format!("{bytes} bytes, at most {URL_BYTES_MAX} are sent"), "put it into the body"))
        } else {
            Ok(())
        }
    }

    fn headers(&self) -> Result<(), Wrong> {
        self.few("headers", self.request.headers.len(), HEADERS_MAX)?;
        for (index, Field { name, value }) in self.request.headers.iter().enumerate() {
            let place = format!("headers[{index}]");
            self.header_name(&place, name)?;
            if name == "authorization" && self.request.authorization != Authorization::None {
                let what = "`authorization` stands in `headers` and beside them";
                return Err(self.wrong(&place, what, "say it once"));
            }
            self.few(&place, value.len(), PIECES_MAX)?;
            for piece in value {
                match piece {
                    Piece::Text(text) => self.header_text(&place, text)?,
                    Piece::Blob(_) | Piece::BlobBase64(_) | Piece::BlobUrl(_) => {
                        return Err(self.wrong(&place, "a blob stands in it", "put it into the body"));
                    }
                    Piece::Secret(_) | Piece::StatusUrl | Piece::UnsubscribeUrl => {}
                }
            }
        }
        match &self.request.authorization {
            Authorization::Basic { user, .. } if user.contains(|c: char| c == ':' || c.is_control()) => Err(
                self.wrong("authorization", "the user has a `:` or a control character", "give the user name alone")
            ),
            _ => Ok(()),
        }
    }

    fn signed(&self) -> Result<(), Wrong> {
        self.few("signed", self.request.signed.len(), SIGNED_FIELDS_MAX)?;
        for (index, field) in self.request.signed.iter().enumerate() {
            let place = format!("signed[{index}]");
            self.header_name(&place, &field.name)?;
            self.header_text(&place, &field.prefix)?;
        }
        Ok(())
    }

    fn header_name(&self, place: &str, name: &str) -> Result<(), Wrong> {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "!#$%&'*+-.^_`|~".contains(c);
        if name.is_empty() || name.len() > HEADER_BYTES_MAX || !name.chars().all(fits) {
            return Err(self.wrong(
                place,
                "it has no name of a header field",
                "write it in lower case, without spaces",
            ));
        }
        if MADE_BY_THE_HOST.contains(&name) {
            return Err(self.wrong(place, format!("`{name}` is made by the host"), "leave it out"));
        }
        Ok(())
    }

    fn header_text(&self, place: &str, text: &str) -> Result<(), Wrong> {
        if text.len() > HEADER_BYTES_MAX {
            let what = format!("{} bytes, at most {HEADER_BYTES_MAX} are sent", text.len());
            return Err(self.wrong(place, what, "put it into the body"));
        }
        if text.contains(|c: char| c.is_control() && c != '\t') {
            Err(self.wrong(place, "it has a control character", "encode what is not text of one line"))
        } else {
            Ok(())
        }
    }

    fn body(&self) -> Result<(), Wrong> {
        let is_read = matches!(self.request.method, Method::Get | Method::Head);
        match &self.request.body {
            RequestBody::Empty => Ok(()),
            _ if is_read => {
                Err(self.wrong("body", "a GET or HEAD has none", "send it with POST, or put it into the query"))
            }
            RequestBody::Content(content) => self.content("body", content),
            RequestBody::Multipart(fields) => {
                self.few("body", fields.len(), FORM_FIELDS_MAX)?;
                fields
                    .iter()
                    .enumerate()
                    .try_for_each(|(index, field)| self.form_field(&format!("body[{index}]"), field))
            }
        }
    }

    fn form_field(&self, place: &str, field: &FormField) -> Result<(), Wrong> {
        let texts = [Some(&field.name), field.file_name.as_ref(), field.content_type.as_ref()];
        for text in texts.into_iter().flatten() {
            self.header_text(place, text)?;
        }
        if field.name.is_empty() {
            return Err(self.wrong(place, "it has no name", "name the form's field"));
        }
        self.content(place, &field.content)
    }

    fn content(&self, place: &str, content: &Content) -> Result<(), Wrong> {
        let Content::Pieces(pieces) = content else { return Ok(()) };
        self.few(place, pieces.len(), PIECES_MAX)?;
        for piece in pieces {
            match piece {
                Piece::Secret(name) => {
                    let what = format!("secret `{name}` stands in a body");
                    return Err(self.wrong(place, what, "a secret stands in a header field or in the URL"));
                }
                Piece::Blob(key) | Piece::BlobBase64(key) | Piece::BlobUrl(key)
                    if !self.blobs.contains(key.as_str()) =>
                {
                    let what = "it names a blob that is neither of the operation nor of its history";
                    return Err(self.wrong(place, what, "name a blob that the host gave"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// What the connector itself wrote.
    fn size(&self) -> Result<(), Wrong> {
        let text = |piece: &Piece| if let Piece::Text(text) = piece { text.len() } else { 0 };
        let content = |content: &Content| match content {
            Content::Bytes(bytes) => bytes.len(),
            Content::Pieces(pieces) => pieces.iter().map(text).sum(),
        };
        let body: usize = match &self.request.body {
            RequestBody::Empty => 0,
            RequestBody::Content(one) => content(one),
            RequestBody::Multipart(fields) => fields.iter().map(|field| content(&field.content)).sum(),
        };
        let signed: usize = self.request.signed.iter().map(|field| field.data.len()).sum();
        let bytes = body.max(signed);
        if bytes > REQUEST_BYTES_MAX {
            Err(self.wrong(
                "body",
                format!("{bytes} bytes, at most {REQUEST_BYTES_MAX} are taken from a connector"),
                "put what is large into the blob store",
            ))
        } else {
            Ok(())
        }
    }

    fn few(&self, place: &str, found: usize, max: usize) -> Result<(), Wrong> {
        if found > max {
            Err(self.wrong(place, format!("{found} elements, at most {max} are taken"), "use fewer"))
        } else {
            Ok(())
        }
    }
}
