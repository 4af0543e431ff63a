//! What a provider, a proxy or the network may answer, in the place of each recorded answer.

use serde_json::{Value, json};

use super::checks::Case;
use super::fixture::OutboundFixture;
use super::{RunOf, STEPS_MAX, SendingSubject, form, lost};
use crate::testing::report::Findings;

/// Levels of a document that no parser has to take.
const DEEP: usize = 5_000;
/// Characters of a text that is longer than what any provider documents for an id or a title.
const LONG: usize = 10_000;

/// The variable that says with how many answers of each kind the answer to a request is replaced. Without it: one, and every
/// case takes others.
pub const ANSWERS_VARIABLE: &str = "RAPPORT_HOSTILE_ANSWERS";

/// What [`ANSWERS_VARIABLE`] says.
///
/// # Panics
/// It is not a number.
pub(super) fn answers_of_a_kind() -> usize {
    let Ok(text) = std::env::var(ANSWERS_VARIABLE) else { return 1 };
    text.parse().unwrap_or_else(|_| panic!("`{ANSWERS_VARIABLE}` is not a number; fix: write 1, or 1000 for all"))
}

pub(super) fn check(subject: &dyn SendingSubject, cases: &[Case<'_>], of_a_kind: usize, findings: &mut Findings) {
    for (fixture, driven) in cases {
        let Ok(driven) = driven else { continue };
        let mut first = 0;
        for (step, requests) in driven.steps.iter().enumerate() {
            for (inside, request) in requests.iter().enumerate() {
                let at = first + inside;
                let all = answers(&fixture.exchanges[at]);
                for Hostile { name, answer, .. } in chosen(all, &format!("{}/{at}", fixture.name), of_a_kind) {
                    findings.cases += 1;
                    let rest = requests.len() - inside - 1;
                    let accepted = &driven.accepted[step];
                    let tried = Tried { fixture, request, answer: &answer, at, step, rest, accepted };
                    if let Err(error) = tried.run(subject) {
                        findings.fail(format!("{}, exchange {at}, answered with {name}: {error}", fixture.name));
                    }
                }
            }
            first += requests.len();
        }
    }
}

/// One answer in the place of a recorded one.
struct Hostile {
    kind: Kind,
    name: String,
    answer: Value,
}

/// What kind of answer it is. Of each kind some are tried for every request; which ones, the name of the case decides.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// A 200 with a text that is not what the provider documents.
    Text,
    Deep,
    /// The recorded body, cut.
    Cut,
    /// The recorded body with another value in every place.
    Replaced,
    /// A status, by its first digit, and what stands in its body.
    Status(u16, &'static str),
    Wait,
    Kept,
    Bytes,
    /// No response. Each of these is a kind of its own.
    Lost(String),
}

/// So many answers of each kind, in their order. The name says with which one of each kind the choice begins.
fn chosen(mut all: Vec<Hostile>, name: &str, of_a_kind: usize) -> Vec<Hostile> {
    all.sort_by(|a, b| a.kind.cmp(&b.kind));
    let mut chosen = Vec::new();
    for group in all.chunk_by(|a, b| a.kind == b.kind) {
        let count = u64::try_from(group.len()).unwrap_or(u64::MAX);
        let begin = usize::try_from(hash(&format!("{name}/{:?}", group[0].kind)) % count).unwrap_or_default();
        chosen.extend((0..group.len().min(of_a_kind)).map(|more| (begin + more) % group.len()).map(|place| {
            let Hostile { kind, name, answer } = &group[place];
            Hostile { kind: kind.clone(), name: name.clone(), answer: answer.clone() }
        }));
    }
    chosen
}

/// FNV-1a, the same in every run.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
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
    /// What was accepted when it was asked for.
    accepted: &'a [Value],
}

impl Tried<'_> {
    /// Answers this request and all after it so.
    fn run(&self, subject: &dyn SendingSubject) -> Result<(), String> {
        let mut history = self.fixture.exchanges[..self.at].to_vec();
        history.push(self.answer.clone());
        let (mut step, mut accepted) = (self.step, self.accepted.to_vec());
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

/// All of them.
fn answers(recorded: &Value) -> Vec<Hostile> {
    let mut answers = Vec::new();
    let mut body = |kind: Kind, name: &str, status: u16, text: &str| {
        let headers = json!([["content-type", "application/json"]]);
        let body = form::bytes(text.as_bytes());
        let answer = json!({"Ok": {"status": status, "headers": headers, "body": body}});
        answers.push(Hostile { kind, name: name.to_owned(), answer });
    };
    let texts = [
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
    ];
    for text in texts {
        body(Kind::Text, &format!("200 and `{text}`"), 200, text);
    }
    body(Kind::Deep, "200 and deep arrays", 200, &"[".repeat(DEEP));
    body(Kind::Deep, "200 and deep objects", 200, &"{\"a\":".repeat(DEEP));
    for (kind, name, text) in changed(recorded) {
        body(kind, &name, 200, &text);
    }
    let statuses =
        [0, 100, 201, 202, 204, 206, 301, 302, 304, 307, 400, 401, 402, 403, 404, 408, 409, 410, 413, 415, 422, 423];
    for status in statuses.into_iter().chain([425, 429, 451, 500, 501, 502, 503, 504, 529, 599, 999, u16::MAX]) {
        let kind = |body| Kind::Status((status / 100).min(9), body);
        body(kind("{}"), &status.to_string(), status, "{}");
        body(kind("html"), &format!("{status} and HTML"), status, "<html>");
        body(kind("recorded"), &format!("{status} and the recorded body"), status, &text_of(recorded));
    }
    for wait in ["0", "7", "-1", "soon", "99999999999999999999", "Wed, 21 Oct 2026 07:28:00 GMT"] {
        let headers = json!([["retry-after", wait], ["location", "https://elsewhere.test/"]]);
        let answer = json!({"Ok": {"status": 429, "headers": headers, "body": form::bytes(b"")}});
        answers.push(Hostile { kind: Kind::Wait, name: format!("429 and `{wait}`"), answer });
    }
    let kept = json!({"kept": {"blob": "b-hostile", "bytes": 0, "mime_type": null, "sha256": ""}});
    for (kind, name, body) in
        [(Kind::Kept, "a kept body", kept), (Kind::Bytes, "200 and bytes", form::bytes(&[0xff, 0xfe, 0]))]
    {
        let answer = json!({"Ok": {"status": 200, "headers": [], "body": body}});
        answers.push(Hostile { kind, name: name.to_owned(), answer });
    }
    let errors = ["dns", "connect", "tls", "interrupted", "timeout"].map(|error| json!(error));
    let more = [json!({"denied": "why"}), json!({"request_too_large": 7}), json!({"response_too_large": 200})];
    answers.extend(errors.into_iter().chain(more).map(|error| {
        let name = format!("`{error}`");
        Hostile { kind: Kind::Lost(name.clone()), name, answer: lost(error) }
    }));
    answers
}

/// The recorded body, cut and with other values in its places.
fn changed(recorded: &Value) -> Vec<(Kind, String, String)> {
    let text = text_of(recorded);
    let mut changed = Vec::new();
    for part in 1..4 {
        let cut = text.floor_char_boundary(text.len() * part / 4);
        changed.push((Kind::Cut, format!("200 and {part}/4 of the recorded body"), text[..cut].to_owned()));
    }
    if let Ok(value) = serde_json::from_str::<Value>(&text) {
        let others = [
            ("null", json!(null)),
            ("an array", json!([])),
            ("an object", json!({})),
            ("an empty text", json!("")),
            ("a long text", json!("x".repeat(LONG))),
            ("a huge number", json!(1e308)),
            ("a negative number", json!(-1)),
            ("true", json!(true)),
        ];
        for (name, other) in others {
            let name = format!("200 and {name} in every place");
            changed.push((Kind::Replaced, name, replaced(&value, &other).to_string()));
        }
        let huge =
            replaced(&value, &json!("\u{0}huge")).to_string().replace("\"\\u0000huge\"", "99999999999999999999999");
        changed.push((Kind::Replaced, "200 and a number too large in every place".into(), huge));
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_is_tried_for_every_request_and_the_rest_is_spread_over_the_cases() {
        let recorded = form::exchange(&json!({"status": 200, "json": {"messages": [{"id": "m-1"}]}})).unwrap();
        let kinds: BTreeSet<Kind> = answers(&recorded).into_iter().map(|one| one.kind).collect();
        let mut names = BTreeSet::new();
        for case in 0..60 {
            let one_each = chosen(answers(&recorded), &format!("case-{case}/0"), 1);
            assert_eq!(one_each.iter().map(|one| one.kind.clone()).collect::<BTreeSet<_>>(), kinds);
            assert_eq!(one_each.len(), kinds.len(), "one of each");
            names.extend(one_each.into_iter().map(|one| one.name));
        }
        let all = answers(&recorded).len();
        assert!(all > 140 && kinds.len() < 45, "{all}, {}", kinds.len());
        assert!(names.len() * 10 > all * 9, "{} of {all} in sixty cases", names.len());
        assert_eq!(chosen(answers(&recorded), "case/0", 1_000).len(), all);
        let again =
            |name: &str| chosen(answers(&recorded), name, 1).into_iter().map(|one| one.name).collect::<Vec<_>>();
        assert_eq!(again("a/0"), again("a/0"));
        assert_ne!(again("a/0"), again("b/0"));
    }
}
