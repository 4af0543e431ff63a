//! Requests, answers and outcomes for a person. A request is shown as the connector described it: a secret is a name there.

use std::time::Duration;

use rapport_config::SendingConfig;
use rapport_model::exchange::{
    Answer, Authorization, Content, Exchange, Piece, Request, RequestBody, Response, TransportError,
};
use rapport_model::sending::{Failure, Operation, Outcome};
use serde_json::{Value, json};

/// What stands for our own URLs at a server on this machine.
pub(super) const OWN_URL: &str = "https://rapport.example/try";
/// Bytes of a body that are shown; the rest is counted.
const BODY_BYTES_SHOWN_MAX: usize = 16 << 10;

/// What is done, and where it goes.
pub(super) fn heading(operation: &Operation, sending: &SendingConfig, is_recorded: bool) -> String {
    let name = word(&json!(operation));
    match (sending.base_url, is_recorded) {
        (Some(_), true) => format!("{name}, answered as the case was recorded"),
        (Some(address), false) => format!("{name} to http://{address}, in the provider's place"),
        (None, _) => format!("{name} to the provider"),
    }
}

/// The name of a variant's case, in the contract's spelling.
fn word(value: &Value) -> String {
    let name = value.as_str().or_else(|| value.as_object()?.keys().next().map(String::as_str));
    name.unwrap_or_default().replace('_', "-")
}

pub(super) fn request(number: usize, request: &Request) -> String {
    let method = word(&json!(request.method)).to_uppercase();
    let once = if request.repeatable { "" } else { "  (once: it is not repeatable)" };
    let mut lines = vec![format!("{number}  {method} {}{once}", pieces(&request.url))];
    let mut field = |name: &str, value: String| lines.push(format!("   {name}: {value}"));
    match &request.authorization {
        Authorization::None => {}
        Authorization::Bearer(secret) => field("authorization", format!("Bearer [{secret}]")),
        Authorization::Basic { user, secret } => field("authorization", format!("Basic {user}:[{secret}]")),
        Authorization::Aws { service, region } => field("authorization", format!("[signed for {service} in {region}]")),
        Authorization::Oauth2(secret) => field("authorization", format!("Bearer [a token of {secret}]")),
    }
    for header in &request.headers {
        field(&header.name, pieces(&header.value));
    }
    for signed in &request.signed {
        field(&signed.name, format!("{}[{} of {}]", signed.prefix, word(&json!(signed.algorithm)), signed.secret));
    }
    match &request.body {
        RequestBody::Empty => {}
        RequestBody::Content(given) => lines.push(content(given)),
        RequestBody::Multipart(fields) => {
            for field in fields {
                let more = [&field.file_name, &field.content_type].into_iter().flatten().cloned().collect::<Vec<_>>();
                let more = if more.is_empty() { String::new() } else { format!(" ({})", more.join(", ")) };
                lines.push(format!("   field {}{more}:\n{}", field.name, content(&field.content)));
            }
        }
    }
    escaped(&lines.join("\n"))
}

fn pieces(pieces: &[Piece]) -> String {
    let piece = |piece: &Piece| match piece {
        Piece::Text(text) => text.clone(),
        Piece::Secret(name) => format!("[{name}]"),
        Piece::Blob(key) => format!("[bytes of {key}]"),
        Piece::BlobBase64(key) => format!("[base64 of {key}]"),
        Piece::BlobUrl(key) => format!("[URL of {key}]"),
        Piece::StatusUrl => "[status-url]".to_owned(),
        Piece::UnsubscribeUrl => "[unsubscribe-url]".to_owned(),
    };
    pieces.iter().map(piece).collect()
}

fn content(content: &Content) -> String {
    match content {
        Content::Bytes(bytes) => body(bytes),
        Content::Pieces(list) => body(pieces(list).as_bytes()),
    }
}

/// JSON laid out, text as it is, everything else counted.
fn body(bytes: &[u8]) -> String {
    let text = match (serde_json::from_slice::<Value>(bytes), std::str::from_utf8(bytes)) {
        (Ok(value), _) => format!("{value:#}"),
        (_, Ok(text)) => text.to_owned(),
        _ => return format!("     [{} bytes]", bytes.len()),
    };
    let end = text.floor_char_boundary(BODY_BYTES_SHOWN_MAX);
    let more = if end < text.len() { format!("\n… and {} bytes more", text.len() - end) } else { String::new() };
    let lines: Vec<String> = format!("{}{more}", &text[..end]).lines().map(|line| format!("     {line}")).collect();
    lines.join("\n")
}

pub(super) fn exchange(exchange: &Exchange, took: Duration) -> String {
    let ms = took.as_millis();
    let text = match exchange {
        Ok(Response { status, headers, body: answer }) => {
            let mut lines = vec![format!("   → {status}, after {ms} ms")];
            lines.extend(headers.iter().map(|(name, value)| format!("     {name}: {value}")));
            match answer {
                Answer::Bytes(bytes) if bytes.is_empty() => {}
                Answer::Bytes(bytes) => lines.push(body(bytes)),
                Answer::Kept(kept) => {
                    let kind = kept.mime_type.as_deref().unwrap_or("a file");
                    lines.push(format!("     [{kind}, {} bytes, {}]", kept.bytes, kept.blob));
                }
            }
            lines.join("\n")
        }
        Err(error) => format!("   → no answer after {ms} ms: {}", why(error)),
    };
    escaped(&text) + "\n"
}

/// What became of a request that has no answer, and the fix.
fn why(error: &TransportError) -> String {
    match error {
        TransportError::Denied(why) => why.clone(),
        TransportError::Dns => {
            "the name has no address; nothing left. Fix: correct the host, or look at the network".into()
        }
        TransportError::Connect => {
            "nobody listens there; nothing left. Fix: start the server, or correct the address".into()
        }
        TransportError::Tls => "no TLS with this host; nothing left. Fix: look at its certificate".into(),
        TransportError::RequestTooLarge(max) => format!("the body has more than {max} bytes; nothing left"),
        TransportError::Interrupted => "the connection broke; nobody knows whether it was processed".into(),
        TransportError::Timeout => "none came in time; nobody knows whether it was processed".into(),
        TransportError::ResponseTooLarge(status) => format!("the body of the {status} is too large"),
    }
}

pub(super) fn done(so_far: &Outcome) -> String {
    let shown = self::so_far(so_far);
    if shown.is_empty() { "done\n".to_owned() } else { format!("done\n{shown}") }
}

/// What is achieved, without what is empty.
pub(super) fn so_far(so_far: &Outcome) -> String {
    let mut shown = json!(so_far);
    if let Value::Object(fields) = &mut shown {
        fields.retain(|_, value| match value {
            Value::Null => false,
            Value::Array(list) => !list.is_empty(),
            Value::Object(map) => !map.is_empty(),
            _ => true,
        });
        if fields.is_empty() {
            return String::new();
        }
    }
    escaped(&body(shown.to_string().as_bytes())) + "\n"
}

/// A failure as the contract calls it, in words, and what to do.
pub(super) fn failure(failure: &Failure) -> String {
    let value = json!(failure);
    let name = word(&value);
    let described = serde_json::from_value::<rapport_sdk::sending::Failure>(value).map(|failure| failure.describe());
    let said = escaped(&described.unwrap_or_default());
    let fix = match failure {
        Failure::InvalidRecipient(_) => "give another address with `--to`",
        Failure::ConsentRequired(_) => "wait until the customer agrees",
        Failure::OutsideWindow | Failure::TemplateRequired(_) => "send a template, or wait until the customer writes",
        Failure::UnsupportedContent(_) | Failure::TooLarge(_) => "change the operation",
        Failure::RateLimited(_) => "try again later",
        Failure::Account(_) => "check the secret, its rights and the account",
        Failure::Undetermined(_) => "ask the provider before you send it again",
        Failure::Provider(error) if error.retryable => "try again later",
        Failure::Provider(_) | Failure::Other(_) => "correct what the sentence names",
    };
    let fix = if said.contains("; fix: ") { String::new() } else { format!("; fix: {fix}") };
    format!("{name}: {said}{fix}")
}

/// Control characters of a provider's words do nothing to the terminal.
fn escaped(text: &str) -> String {
    let escape = |c: char| if c.is_control() && c != '\n' { c.escape_default().collect() } else { c.to_string() };
    text.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use rapport_sdk::http::Request as Described;

    use super::*;

    #[test]
    fn a_request_is_shown_with_the_names_of_its_secrets() {
        let described = Described::post("https://api.test/bot").secret("bot-token").path("/send").bearer("key");
        let described = described.secret_header("x-key", "k=", "other").json(&json!({ "text": "a\u{1b}[2J" }));
        let shown = request(3, &serde_json::from_value(json!(described)).unwrap());
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[0], "3  POST https://api.test/bot[bot-token]/send  (once: it is not repeatable)");
        assert_eq!(
            lines[1..4],
            ["   authorization: Bearer [key]", "   x-key: k=[other]", "   content-type: application/json"]
        );
        assert_eq!(lines[5], "       \"text\": \"a\\u001b[2J\"");
        let form = rapport_sdk::http::FormField::text("a", "b");
        let described = Described::put("https://api.test/").repeatable().multipart(vec![form]);
        let shown = request(1, &serde_json::from_value(json!(described)).unwrap());
        assert_eq!(shown, "1  PUT https://api.test/\n   field a:\n     b");
    }

    #[test]
    fn a_failure_has_the_contract_s_name_and_a_fix() {
        assert_eq!(failure(&Failure::OutsideWindow).split(':').next(), Some("outside-window"));
        let error = rapport_model::event::ProviderError {
            code: "190".into(),
            title: "expired".into(),
            detail: None,
            retryable: false,
        };
        let shown = failure(&Failure::Account(error));
        assert_eq!(
            shown,
            "account: the account may not send: expired (190); fix: check the secret, its rights and the account"
        );
        let own = failure(&Failure::UnsupportedContent("no songs; fix: send text".into()));
        assert_eq!(own, "unsupported-content: no songs; fix: send text");
    }
}
