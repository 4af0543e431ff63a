//! A request as it goes out: checked and filled in, every byte known or countable.

use http::{HeaderName, HeaderValue, Method};
use rapport_model::exchange::{Authorization, Field, Method as Verb, Piece, Request, RequestBody};

use crate::authorization;
use crate::body::{Around, Segments, content};
use crate::form::multipart;
use crate::grants::{Denied, denied};
use crate::limits::{REQUEST_BYTES_MAX, REQUEST_FIELDS_MAX, REQUEST_HEAD_BYTES_MAX};
use crate::mask::Mask;
use crate::pieces::{Filler, Url};
use crate::send::{NotStarted, Sending};
use crate::sign;

/// Who we are. Some interfaces ask for a name and a version.
const USER_AGENT: &str = concat!("rapport/", env!("CARGO_PKG_VERSION"));

/// Fields that belong to the host: they say where a request goes, how long it is and what its connection does. Answers are
/// not decompressed, so none is asked for compressed.
const OF_THE_HOST: [&str; 13] = [
    "accept-encoding",
    "connection",
    "content-length",
    "cookie",
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

/// A request that may go out.
pub(crate) struct Prepared {
    pub method: Method,
    pub url: Url,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: Segments,
    pub mask: Mask,
}

/// Why a request does not go out.
pub(crate) enum Refused {
    Denied(Denied),
    TooLarge,
}

impl From<Denied> for Refused {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

pub(crate) fn method(verb: Verb) -> Method {
    match verb {
        Verb::Get => Method::GET,
        Verb::Head => Method::HEAD,
        Verb::Post => Method::POST,
        Verb::Put => Method::PUT,
        Verb::Patch => Method::PATCH,
        Verb::Delete => Method::DELETE,
    }
}

impl Prepared {
    /// Checks a request and fills it in.
    pub async fn new(send: &Sending<'_>) -> Result<Result<Self, (Refused, Option<String>)>, NotStarted> {
        let Sending { request, grants, status_url, unsubscribe_url, .. } = *send;
        let mut filler = Filler { grants, status_url, unsubscribe_url, mask: Mask::default() };
        let url = match filler.url(&request.url) {
            Ok(url) => url,
            Err(denied) => return Ok(Err((denied.into(), None))),
        };
        let shown = url.shown.clone();
        let prepared = Self::filled(send, url, filler).await?;
        Ok(prepared.map_err(|refused| (refused, Some(shown))))
    }

    async fn filled(send: &Sending<'_>, url: Url, mut filler: Filler<'_>) -> Result<Result<Self, Refused>, NotStarted> {
        let parts = fields(send.request, send, &mut filler).and_then(|fields| {
            let (body, form) = body(send.request, &fields, send.entropy, &mut filler)?;
            Ok((fields, body, form))
        });
        let (mut fields, mut body, form) = match parts {
            Ok(parts) => parts,
            Err(denied) => return Ok(Err(denied.into())),
        };
        fields.extend(form.map(|form| ("content-type".to_owned(), form)));
        if let Err(denied) = body.measured(&*send.blobs).await? {
            return Ok(Err(denied.into()));
        }
        if body.length() > REQUEST_BYTES_MAX {
            return Ok(Err(Refused::TooLarge));
        }
        body.read_ahead(&*send.blobs).await?;
        if let Authorization::Aws { service, region } = &send.request.authorization {
            let body_sha256 = body.sha256(&send.blobs).await?;
            let signed = match aws(send, service, region, &url, &fields, body_sha256, &mut filler.mask) {
                Ok(signed) => signed,
                Err(denied) => return Ok(Err(denied.into())),
            };
            fields.extend(signed);
        }
        Ok(Self::assembled(method(send.request.method), url, fields, body, filler.mask).map_err(Refused::from))
    }

    /// What a head needs besides, and whether it fits.
    pub fn assembled(
        method: Method,
        url: Url,
        fields: Vec<(String, String)>,
        body: Segments,
        mask: Mask,
    ) -> Result<Self, Denied> {
        let mut headers = Vec::with_capacity(fields.len() + 4);
        let mut head_bytes = url.real.len();
        for (name, value) in fields {
            head_bytes += name.len() + value.len() + 4;
            headers.push(field(&name, &value)?);
        }
        if head_bytes > REQUEST_HEAD_BYTES_MAX {
            let max = REQUEST_HEAD_BYTES_MAX;
            return denied(format!("the head of the request has {head_bytes} bytes; at most {max} are sent"));
        }
        headers.push(field("host", &url.host)?);
        if !headers.iter().any(|(name, _)| name == "user-agent") {
            headers.push(field("user-agent", USER_AGENT)?);
        }
        if body.length() > 0 || matches!(method, Method::POST | Method::PUT | Method::PATCH) {
            headers.push(field("content-length", &body.length().to_string())?);
        }
        headers.push(field("connection", "close")?);
        Ok(Self { method, url, headers, body, mask })
    }
}

fn field(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), Denied> {
    let shown: String = name.chars().filter(char::is_ascii_graphic).take(64).collect();
    let parsed = HeaderName::from_bytes(name.as_bytes()).ok();
    let Some(parsed) = parsed else {
        return denied(format!("`{shown}` is not the name of a header; fix: use letters, digits and `-`"));
    };
    let Ok(mut value) = HeaderValue::from_bytes(value.as_bytes()) else {
        return denied(format!("the header `{shown}` holds a line end or another control character; fix: take it out"));
    };
    // It is never printed: not every secret stands alone in its field.
    value.set_sensitive(true);
    Ok((parsed, value))
}

/// The header fields that the connector gives, and those that authorize it.
fn fields(request: &Request, send: &Sending<'_>, filler: &mut Filler<'_>) -> Result<Vec<(String, String)>, Denied> {
    let given = request.headers.len() + request.signed.len();
    if given > REQUEST_FIELDS_MAX {
        return denied(format!("the request has {given} header fields; at most {REQUEST_FIELDS_MAX} are sent"));
    }
    let mut fields: Vec<(String, String)> = Vec::with_capacity(given + 4);
    for Field { name, value } in &request.headers {
        let name = of_the_connector(name, value, request)?;
        let value = filler.field(&name, value)?;
        fields.push((name, value));
    }
    for signed in &request.signed {
        let name = of_the_connector(&signed.name, &[], request)?;
        if fields.iter().any(|(other, _)| *other == name) {
            return denied(format!("the header `{name}` is given twice; fix: give it once"));
        }
        let value = authorization::mac(signed, &name, filler)?;
        fields.push((name, value));
    }
    let authorization = authorization::value(&request.authorization, send.token, filler)?;
    fields.extend(authorization.map(|value| ("authorization".to_owned(), value)));
    Ok(fields)
}

/// A name in lower case, if a connector may set such a field.
fn of_the_connector(name: &str, value: &[Piece], request: &Request) -> Result<String, Denied> {
    let name = name.to_ascii_lowercase();
    let is_multipart = matches!(request.body, RequestBody::Multipart(_));
    let is_aws = matches!(request.authorization, Authorization::Aws { .. });
    let is_ours = OF_THE_HOST.contains(&name.as_str())
        || name == "content-type" && is_multipart
        || is_aws && matches!(name.as_str(), "x-amz-date" | "x-amz-security-token" | "x-amz-content-sha256");
    if is_ours {
        return denied(format!("the header `{name}` is made by the host; fix: leave it out"));
    }
    if name == "authorization" && (request.authorization != Authorization::None || is_all_text(value)) {
        let fix = "use `authorization` of the request, or a secret that is bound to this header";
        return denied(format!("the header `authorization` is given as text; fix: {fix}"));
    }
    Ok(name)
}

fn is_all_text(value: &[Piece]) -> bool {
    !value.iter().any(|piece| matches!(piece, Piece::Secret(_)))
}

fn body(
    request: &Request,
    fields: &[(String, String)],
    entropy: [u8; 16],
    filler: &mut Filler<'_>,
) -> Result<(Segments, Option<String>), Denied> {
    match &request.body {
        RequestBody::Empty => Ok((Segments::default(), None)),
        RequestBody::Content(given) => {
            let content_type = fields.iter().find(|(name, _)| name == "content-type").map(|(_, value)| value.as_str());
            Ok((content(given, Around::of(content_type), filler)?, None))
        }
        RequestBody::Multipart(form) => {
            let (segments, content_type) = multipart(form, &entropy, filler)?;
            Ok((segments, Some(content_type)))
        }
    }
}

/// The field with which the protocols of AWS that have one path for all actions name the action.
const AWS_TARGET: &str = "x-amz-target";

fn aws(
    send: &Sending<'_>,
    service: &str,
    region: &str,
    url: &Url,
    fields: &[(String, String)],
    body_sha256: String,
    mask: &mut Mask,
) -> Result<Vec<(String, String)>, Denied> {
    let target = fields.iter().find(|(name, _)| name == AWS_TARGET).map(|(_, value)| value.as_str());
    send.grants.check_aws(service, target.map(|target| target.rsplit('.').next().unwrap_or(target)))?;
    sign::check_host(&url.host)?;
    let Some(keys) = send.aws else {
        let fix = "run where a role of AWS is: on Lambda, the role of the `send` function signs";
        return denied(format!("there are no keys of AWS to sign with; fix: {fix}"));
    };
    let scope = sign::Scope { service, region, keys, now: send.now };
    let mut headers = fields.to_vec();
    headers.push(("host".to_owned(), url.host.clone()));
    sign::fields(&scope, method(send.request.method).as_str(), &url.real, &headers, body_sha256, mask)
}
