//! What the recorded answers show.

use serde_json::{Value, json};

use super::fixture::{Expected, OutboundFixture};
use super::{RanOf, RunOf, STEPS_MAX, SendingSubject, Way, form};
use crate::testing::Expectations;
use crate::testing::report::Findings;
use crate::testing::stored;

/// Characters of the shortest secret that is searched for; a shorter one stands in many texts by chance.
const SECRET_CHARACTERS_MIN: usize = 6;
/// Characters of the shortest address or text that no log line may hold.
const PERSONAL_CHARACTERS_MIN: usize = 4;

/// An operation on its recorded answers.
pub(super) struct Driven {
    /// The requests of each step.
    pub(super) steps: Vec<Vec<Value>>,
    /// What was accepted when each step was asked for.
    pub(super) accepted: Vec<Vec<Value>>,
    /// The last turn.
    pub(super) last: RanOf,
    /// All that was logged.
    log: Vec<String>,
    /// The most that one call used.
    pub(super) used: Used,
}

/// What a call used.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Used {
    /// Instructions, if the subject counts them.
    pub(super) fuel: Option<u64>,
    pub(super) memory_bytes: Option<u64>,
    /// Of the turn, with each byte of a body as one.
    pub(super) output_bytes: u64,
}

impl Used {
    fn add(&mut self, ran: &RanOf) {
        self.fuel = self.fuel.max(ran.usage.fuel);
        self.memory_bytes = self.memory_bytes.max(ran.usage.peak_memory_bytes);
        self.output_bytes = self.output_bytes.max(bytes_of(&ran.turn));
    }
}

/// A fixture and what it came to.
pub(super) type Case<'a> = (&'a OutboundFixture, Result<Driven, String>);

pub(super) fn drive(subject: &dyn SendingSubject, fixture: &OutboundFixture) -> Result<Driven, String> {
    let (mut steps, mut accepted, mut log, mut at) = (Vec::new(), Vec::new(), Vec::new(), 0);
    let mut before = Vec::new();
    let mut used = Used::default();
    loop {
        let history = fixture.exchanges.get(..at).ok_or_else(|| {
            let recorded = fixture.exchanges.len();
            format!("it asks for {at} requests, `.exchanges.json` has {recorded}; fix: record what comes of the others")
        })?;
        let call = RunOf { operation: &fixture.operation, history, step: steps.len(), accepted: &accepted };
        let ran = subject.measure(&fixture.connection, &call)?;
        log.extend(ran.log.iter().cloned());
        used.add(&ran);
        let Some(requests) = ran.requests() else {
            return if at < fixture.exchanges.len() {
                Err(format!("it ends after {at} requests; fix: take the rest out of `.exchanges.json`"))
            } else {
                Ok(Driven { steps, accepted: before, last: ran, log, used })
            };
        };
        if steps.len() >= STEPS_MAX || requests.is_empty() {
            return Err(format!("it asks for another step after {}; fix: end as done or failed", steps.len()));
        }
        let is_once = requests.iter().any(|request| request["repeatable"] != true);
        if is_once && fixture.way == Way::Polling {
            return Err("a request of a poll is not repeatable; fix: pull with requests that may be sent twice".into());
        }
        if is_once && requests.len() > 1 {
            return Err("a request that is not repeatable does not stand alone in its step".into());
        }
        at += requests.len();
        steps.push(requests.clone());
        accepted = ran.accepted();
        before.push(accepted.clone());
    }
}

/// Each operation comes to what stands beside it.
pub(super) fn fixtures(cases: &[Case<'_>], expectations: Expectations, findings: &mut Findings) {
    for (fixture, driven) in cases {
        findings.cases += 1;
        let driven = match driven {
            Ok(driven) => driven,
            Err(error) => {
                findings.fail(format!("{}: {error}", fixture.name));
                continue;
            }
        };
        let steps: Vec<Vec<Value>> =
            driven.steps.iter().map(|requests| requests.iter().map(form::request).collect()).collect();
        for (place, event) in driven.last.events().enumerate() {
            if let Some(why) = stored::refused(event) {
                findings.fail(format!("{}: `events[{place}]`: the host does not store it: {why}", fixture.name));
            }
        }
        let outcome = match fixture.way {
            Way::Sending => form::outcome(&driven.last.turn),
            Way::Polling => driven.last.turn["next"].clone(),
        };
        let found = [(Expected::Requests, json!(steps)), (Expected::Outcome, outcome)];
        for (expected, found) in found {
            if expectations.is_blessing() {
                if fixture.bless(expected, &found) {
                    findings.written.push(format!("{}: {}", fixture.name, fixture.way.folder()));
                }
            } else if let Some(difference) = fixture.difference(expected, &found) {
                findings.fail(difference);
            }
        }
    }
}

/// From every place in the history, the same comes next.
pub(super) fn replay(subject: &dyn SendingSubject, cases: &[Case<'_>], findings: &mut Findings) {
    for (fixture, driven) in cases {
        let Ok(driven) = driven else { continue };
        let mut begins = 0;
        let last = (driven.steps.len(), Vec::new());
        let steps = driven.steps.iter().cloned().enumerate().chain([last]);
        for (step, requests) in steps {
            for inside in 0..requests.len().max(1) {
                findings.cases += 1;
                let history = &fixture.exchanges[..begins + inside];
                let call = RunOf { operation: &fixture.operation, history, step, accepted: &[] };
                let expected = match requests.get(inside..) {
                    Some(rest) if !rest.is_empty() => json!({ "perform": rest }),
                    _ => driven.last.turn["next"].clone(),
                };
                match subject.run(&fixture.connection, &call) {
                    Ok(ran) if ran.turn["next"] == expected => {}
                    Ok(_) => findings.fail(format!(
                        "{}: after {} exchanges something else comes next than before; fix: decide by `history` alone",
                        fixture.name,
                        history.len()
                    )),
                    Err(error) => {
                        findings.fail(format!("{}: after {} exchanges: {error}", fixture.name, history.len()))
                    }
                }
            }
            begins += requests.len();
        }
    }
}

/// No secret is where the connector can see it, and no person in a log line.
pub(super) fn secrets(cases: &[Case<'_>], findings: &mut Findings) {
    for (fixture, driven) in cases {
        findings.cases += 1;
        let exchanges: String = fixture.exchanges.iter().map(text_of).collect();
        let mut places = vec![
            ("config", fixture.connection.config().to_owned()),
            ("operation", fixture.operation.to_string()),
            ("an exchange", exchanges),
        ];
        if let Ok(driven) = driven {
            places.push(("a request", driven.steps.iter().flatten().map(text_of).collect()));
            places.push(("the outcome", driven.last.turn.to_string()));
            places.push(("a log line", driven.log.join("\n")));
        }
        let long = |secret: &&String| secret.len() >= SECRET_CHARACTERS_MIN;
        for (name, versions) in fixture.connection.secrets() {
            for (place, text) in &places {
                if versions.iter().filter(long).any(|secret| text.contains(secret.as_str())) {
                    findings.fail(format!("{}: {place} holds secret `{name}`; fix: name it instead", fixture.name));
                }
            }
        }
        let mut personal = Vec::new();
        collect(&fixture.operation, &mut personal);
        let lines = driven.as_ref().map(|driven| driven.log.as_slice()).unwrap_or_default();
        if lines.iter().any(|line| personal.iter().any(|text| line.contains(text))) {
            findings.fail(format!("{}: a log line holds an address or a text of the operation", fixture.name));
        }
    }
}

/// Addresses and texts of an operation.
fn collect<'a>(value: &'a Value, personal: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(text)
                        if ["value", "text", "html", "display_name", "subject"].contains(&name.as_str()) =>
                    {
                        personal.extend(Some(text.as_str()).filter(|text| text.len() >= PERSONAL_CHARACTERS_MIN));
                    }
                    _ => collect(field, personal),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|item| collect(item, personal)),
        _ => {}
    }
}

/// A value with its bytes as text.
fn text_of(value: &Value) -> String {
    match value {
        Value::Array(list) if list.iter().all(Value::is_u64) => {
            let byte = |value: &Value| value.as_u64().and_then(|byte| u8::try_from(byte).ok()).unwrap_or_default();
            String::from_utf8_lossy(&list.iter().map(byte).collect::<Vec<u8>>()).into_owned()
        }
        Value::Array(list) => list.iter().map(text_of).collect::<Vec<_>>().join(" "),
        Value::Object(fields) => fields.values().map(text_of).collect::<Vec<_>>().join(" "),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// How large a value is as JSON, with a list of bytes as its bytes.
fn bytes_of(value: &Value) -> u64 {
    let sum = |sizes: &mut dyn Iterator<Item = u64>| sizes.fold(2, |sum: u64, size| sum + size + 1);
    match value {
        Value::Array(list) if list.iter().all(Value::is_u64) => list.len() as u64 + 2,
        Value::Array(list) => sum(&mut list.iter().map(bytes_of)),
        Value::Object(fields) => sum(&mut fields.iter().map(|(name, field)| name.len() as u64 + 3 + bytes_of(field))),
        Value::String(text) => text.len() as u64 + 2,
        other => other.to_string().len() as u64,
    }
}
