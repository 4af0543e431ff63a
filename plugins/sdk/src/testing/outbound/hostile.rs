//! What a provider, a proxy or the network may answer, in the place of each recorded answer.

use serde_json::{Value, json};

use super::checks::Case;
use super::fixture::OutboundFixture;
use super::{RunOf, STEPS_MAX, SendingSubject, form, lost};
use crate::testing::report::Findings;

/// Levels of a document that no parser has to take.
const DEEP: usize = 5_000;

pub(super) fn check(subject: &dyn SendingSubject, cases: &[Case<'_>], findings: &mut Findings) {
    for (fixture, driven) in cases {
        let Ok(driven) = driven else { continue };
        let mut first = 0;
        for (step, requests) in driven.steps.iter().enumerate() {
            for (inside, request) in requests.iter().enumerate() {
                for (name, answer) in answers(&fixture.exchanges[first + inside]) {
                    findings.cases += 1;
                    let rest = requests.len() - inside - 1;
                    let tried = Tried { fixture, request, answer: &answer, at: first + inside, step, rest };
                    if let Err(error) = tried.run(subject) {
                        let place = format!("{}, exchange {}", fixture.name, first + inside);
                        findings.fail(format!("{place}, answered with {name}: {error}"));
                    }
                }
            }
            first += requests.len();
        }
    }
}

struct Tried<'a> {
    fixture: &'a OutboundFixture,
    /// The request that is answered so.
    request: &'a Value,
    answer: &'a Value,
    at: usize,
    step: usize,
    /// Requests of the same step after it.
    rest: usize,
}

impl Tried<'_> {
    /// Answers this request and all after it so.
    fn run(&self, subject: &dyn SendingSubject) -> Result<(), String> {
        let mut history = self.fixture.exchanges[..self.at].to_vec();
        history.push(self.answer.clone());
        let (mut step, mut accepted): (usize, Vec<Value>) = (self.step, Vec::new());
        let mut is_inside = self.rest > 0;
        step += usize::from(!is_inside);
        loop {
            let call = RunOf { operation: &self.fixture.operation, history: &history, step, accepted: &accepted };
            let ran = subject.run(&self.fixture.connection, &call)?;
            let found = ran.accepted();
            if accepted.iter().any(|before| !found.contains(before)) {
                return Err("it takes back what was accepted".into());
            }
            accepted = found;
            let Some(requests) = ran.requests() else { return Ok(()) };
            if self.may_be_processed() && requests.contains(self.request) {
                return Err("it sends a request again of which nobody knows whether it was processed".into());
            }
            // Inside a step its rest comes next: that is the same step.
            step += usize::from(!std::mem::take(&mut is_inside));
            if step > STEPS_MAX {
                return Err(format!("it does not end within {STEPS_MAX} steps"));
            }
            history.extend(requests.iter().map(|_| self.answer.clone()));
        }
    }

    /// Whether nobody knows if the provider processed the request, and doing it twice is not the same as once.
    fn may_be_processed(&self) -> bool {
        let error = &self.answer["Err"];
        let is_lost = error == "interrupted" || error == "timeout" || error.get("response_too_large").is_some();
        is_lost && self.request["repeatable"] != true
    }
}

/// Each with its name.
fn answers(recorded: &Value) -> Vec<(String, Value)> {
    let mut answers = Vec::new();
    let mut body = |name: &str, status: u16, text: &str| {
        let headers = json!([["content-type", "application/json"]]);
        let body = form::bytes(text.as_bytes());
        answers.push((name.to_owned(), json!({"Ok": {"status": status, "headers": headers, "body": body}})));
    };
    for text in [
        "",
        "<html><h1>Bad gateway</h1>",
        "null",
        "true",
        "42",
        "\"text\"",
        "[]",
        "{}",
        "[{}]",
        "{\"error\":",
        "\u{feff}{}",
    ] {
        body(&format!("200 and `{text}`"), 200, text);
    }
    body("200 and deep arrays", 200, &"[".repeat(DEEP));
    body("200 and deep objects", 200, &"{\"a\":".repeat(DEEP));
    for (name, text) in changed(recorded) {
        body(&name, 200, &text);
    }
    let statuses =
        [0, 100, 201, 202, 204, 206, 301, 302, 304, 307, 400, 401, 402, 403, 404, 408, 409, 410, 413, 415, 422, 423];
    for status in statuses.into_iter().chain([425, 429, 451, 500, 501, 502, 503, 504, 529, 599, 999, u16::MAX]) {
        body(&status.to_string(), status, "{}");
        body(&format!("{status} and HTML"), status, "<html>");
        body(&format!("{status} and the recorded body"), status, &text_of(recorded));
    }
    for wait in ["0", "7", "-1", "soon", "99999999999999999999", "Wed, 21 Oct 2026 07:28:00 GMT"] {
        let headers = json!([["retry-after", wait], ["location", "https://elsewhere.test/"]]);
        let body = form::bytes(b"");
        answers.push((format!("429 and `{wait}`"), json!({"Ok": {"status": 429, "headers": headers, "body": body}})));
    }
    let kept = json!({"kept": {"blob": "b-hostile", "bytes": 0, "mime_type": null, "sha256": ""}});
    answers.push(("a kept body".to_owned(), json!({"Ok": {"status": 200, "headers": [], "body": kept}})));
    let bytes = form::bytes(&[0xff, 0xfe, 0]);
    answers.push(("200 and bytes".to_owned(), json!({"Ok": {"status": 200, "headers": [], "body": bytes}})));
    let errors = ["dns", "connect", "tls", "interrupted", "timeout"].map(|error| json!(error));
    let more = [json!({"denied": "why"}), json!({"request_too_large": 7}), json!({"response_too_large": 200})];
    answers.extend(errors.into_iter().chain(more).map(|error| (format!("`{error}`"), lost(error))));
    answers
}

/// The recorded body, cut and with other values in its places.
fn changed(recorded: &Value) -> Vec<(String, String)> {
    let text = text_of(recorded);
    let mut changed = Vec::new();
    for part in 1..4 {
        let cut = text.floor_char_boundary(text.len() * part / 4);
        changed.push((format!("200 and {part}/4 of the recorded body"), text[..cut].to_owned()));
    }
    if let Ok(value) = serde_json::from_str::<Value>(&text) {
        let others = [
            ("null", json!(null)),
            ("an array", json!([])),
            ("an object", json!({})),
            ("an empty text", json!("")),
            ("a long text", json!("x".repeat(10_000))),
            ("a huge number", json!(1e308)),
            ("a negative number", json!(-1)),
            ("true", json!(true)),
        ];
        for (name, other) in others {
            changed.push((format!("200 and {name} in every place"), replaced(&value, &other).to_string()));
        }
        let huge =
            replaced(&value, &json!("\u{0}huge")).to_string().replace("\"\\u0000huge\"", "99999999999999999999999");
        changed.push(("200 and a number too large in every place".into(), huge));
    }
    changed
}

/// The value with another one in the place of each leaf.
fn replaced(value: &Value, other: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, field)| (name.clone(), replaced(field, other)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::Array(list) => list.iter().map(|item| replaced(item, other)).collect(),
        _ => other.clone(),
    }
}

/// The body of a recorded exchange.
fn text_of(recorded: &Value) -> String {
    let byte = |value: &Value| value.as_u64().and_then(|byte| u8::try_from(byte).ok()).unwrap_or_default();
    let bytes: Vec<u8> = recorded["Ok"]["body"]["bytes"].as_array().into_iter().flatten().map(byte).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}
