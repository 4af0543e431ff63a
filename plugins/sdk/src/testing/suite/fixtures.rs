//! Every recorded request becomes what stands beside it.

use serde_json::Value;

use super::{Case, Expectations, Trial};
use crate::instant;
use crate::testing::render::pretty;
use crate::testing::report::{Causes, Findings};
use crate::testing::signing;
use crate::testing::subject::Kind;

/// What stands between what was expected and what was found.
const FOUND: &str = ", found ";
/// Characters of an identifier or a sentence that are shown of what was written.
const SHOWN_CHARACTERS_MAX: usize = 60;

pub(super) fn check(trial: &Trial<'_>, findings: &mut Findings) {
    let expectations = trial.options.expectations;
    let (mut causes, mut unchanged) = (Causes::default(), 0);
    for case in &trial.cases {
        findings.cases += 1;
        if let Some(failure) = unverified(case).or_else(|| case.answer.fault()) {
            causes.add(case.name(), failure);
        } else if expectations.is_blessing() {
            match bless(case, expectations) {
                Ok(Some(written)) => findings.written.push(format!("{}  {written}", case.name())),
                Ok(None) => unchanged += 1,
                Err(refusal) => causes.add(case.name(), refusal),
            }
        } else if let Some(failure) = different(case, expectations) {
            // One cause refuses fixtures of every kind.
            let cause = failure.split_once(FOUND).filter(|(_, found)| found.starts_with("`unauthenticated`"));
            let cause = cause.map_or(failure.as_str(), |(_, found)| found).to_owned();
            causes.add_by(case.name(), cause, failure);
        }
    }
    if expectations.is_blessing() && unchanged > 0 {
        findings.written.push(format!("{unchanged} unchanged"));
    }
    causes.report(findings);
}

/// Whether events come of a request that nothing verified, or none of one that should have some.
pub(super) fn is_unverified(case: &Case<'_>) -> bool {
    if unverified(case).is_some() {
        return true;
    }
    let expected = case.fixture.expected().and_then(|expected| value(&expected));
    !case.is_taken() && expected.is_some_and(|expected| event_count(&expected) > 0)
}

/// The host refuses events that nothing verified.
fn unverified(case: &Case<'_>) -> Option<String> {
    let has_events = matches!(case.answer.kind, Kind::Receipt(1..));
    (has_events && !case.answer.verified && !case.is_vouched()).then(|| {
        "events without a verification, which the host refuses; fix: ask `verify` first, or say `\"unsigned\": true` in \
         connection.json and why in connector.toml"
            .to_owned()
    })
}

fn different(case: &Case<'_>, expectations: Expectations) -> Option<String> {
    let Some(expected) = case.fixture.expected() else {
        let folder = case.fixture.connector();
        return Some(format!(
            "its `.events.json` is missing; fix: `rapport connector test {folder} --bless` writes it; read what it wrote"
        ));
    };
    let found = pretty(&case.answer.text);
    if let Err(error) = serde_json::from_str::<Value>(&expected) {
        let folder = case.fixture.connector();
        return Some(format!(
            "its `.events.json` is not JSON: {error}; fix: correct it there, or let `rapport connector test {folder} --bless` \
             write it"
        ));
    }
    let (expected_value, found_value) = (value(&expected), value(&found));
    match (&expected_value, &found_value) {
        (Some(expected), Some(found)) if expected != found => {
            Some(other_kind(case, expected, found).unwrap_or_else(|| {
                let mut place = String::new();
                first_difference(expected, found, &mut place)
            }))
        }
        (Some(_), Some(_)) if expectations == Expectations::Values || pretty(&expected) == found => None,
        _ => Some(first_other_line(&pretty(&expected), &found)),
    }
}

/// An outcome of another kind: what it is, and why.
fn other_kind(case: &Case<'_>, expected: &Value, found: &Value) -> Option<String> {
    let kind = |outcome: &Value| outcome["rejection"].as_object().and_then(|kind| kind.keys().next().cloned());
    let is_other = kind(expected) != kind(found) || (event_count(expected) == 0) != (event_count(found) == 0);
    is_other.then(|| {
        let (found, cause) = (long(found), cause(case, found));
        // Of two fixes the one that was found out is told, not the one that a connector tells an operator.
        let found = if cause.is_empty() { &found } else { found.split("; fix: ").next().unwrap_or(&found) };
        format!("expected {}{FOUND}{found}{cause}", short(expected))
    })
}

/// What of the request makes the connector refuse it.
fn cause(case: &Case<'_>, found: &Value) -> String {
    let connector = case.fixture.connector();
    let is_refused = found["rejection"]["unauthenticated"].is_string();
    let cause = is_refused
        .then(|| signing::diagnose(&case.fixture.connection, &case.fixture.webhook, &case.answer.asked, &connector));
    cause.flatten().map(|cause| format!("; {cause}")).unwrap_or_default()
}

/// Writes what was found: a line on it if it is another, or why not.
fn bless(case: &Case<'_>, expectations: Expectations) -> Result<Option<String>, String> {
    let found = pretty(&case.answer.text);
    let before = case.fixture.expected();
    if before.as_deref() == Some(found.as_str()) {
        return Ok(None);
    }
    let found_value = value(&found).unwrap_or_default();
    let before = before.and_then(|before| value(&before));
    let is_less = before.as_ref().is_some_and(|before| event_count(&found_value) < event_count(before));
    let is_forgery = case.name().rsplit('/').next().is_some_and(|name| name.starts_with("signature-"));
    let was = before.as_ref().map(short);
    if is_less && !is_forgery && expectations != Expectations::BlessAll {
        return Err(format!(
            "was {}, is now {}{}; not written, because an event would be gone; fix: mend it, or `--bless --force` if that \
             is meant",
            was.unwrap_or_default(),
            long(&found_value),
            cause(case, &found_value)
        ));
    }
    case.fixture.bless(&found);
    let is = long(&found_value);
    Ok(Some(match was {
        Some(was) if was != short(&found_value) => format!("was {was}, is now {is}"),
        _ => is,
    }))
}

fn event_count(outcome: &Value) -> usize {
    outcome["events"].as_array().map_or(0, Vec::len)
}

/// What an outcome is, in three words.
fn short(outcome: &Value) -> String {
    if let Some((kind, _)) = outcome["rejection"].as_object().and_then(|kind| kind.iter().next()) {
        return format!("`{kind}`");
    }
    match event_count(outcome) {
        0 => "no event".to_owned(),
        1 => "1 event".to_owned(),
        count => format!("{count} events"),
    }
}

/// The same, with the sentence of a rejection, or whose events they are.
fn long(outcome: &Value) -> String {
    if let Some((kind, reason)) = outcome["rejection"].as_object().and_then(|kind| kind.iter().next()) {
        return format!("`{kind}`: {}", reason.as_str().unwrap_or_default());
    }
    let Some(first) = outcome["events"].as_array().and_then(|events| events.first()) else {
        let status = outcome["response"]["status"].as_u64();
        return status.map_or_else(|| short(outcome), |status| format!("no event, and the answer {status}"));
    };
    let mut kinds: Vec<(String, usize)> = Vec::new();
    for event in outcome["events"].as_array().into_iter().flatten() {
        let kind = body_of(event);
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, count)) => *count += 1,
            None => kinds.push((kind, 1)),
        }
    }
    let kinds: Vec<String> = kinds.into_iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    let who = &first["contact"]["identifiers"][0];
    let word = |value: &Value| shown(value.as_str().unwrap_or_default());
    let at = match first["at"].as_u64() {
        None | Some(0) => "without a time".to_owned(),
        Some(at) => format!("at {}", instant::written(at)),
    };
    let which = if event_count(outcome) > 1 { "; the first " } else { " " };
    format!("{}{which}by {} {} {at}", kinds.join(", "), word(&who["scheme"]), word(&who["value"]))
}

/// The name of an event's body.
fn body_of(event: &Value) -> String {
    const OTHERS: [&str; 5] = ["id", "at", "account", "contact", "extensions"];
    let mut names = event.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    names.find(|name| !OTHERS.contains(name)).unwrap_or("event").to_owned()
}

fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_CHARACTERS_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

fn value(json: &str) -> Option<Value> {
    serde_json::from_str(json).ok()
}

/// Where two outcomes first differ, and how: the same words natively and in the sandbox, which keeps no order of keys.
fn first_difference(expected: &Value, found: &Value, place: &mut String) -> String {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            let names = expected.keys().chain(found.keys());
            if let Some(name) = { names }.find(|name| expected.get(*name) != found.get(*name)) {
                let dot = if place.is_empty() { "" } else { "." };
                place.push_str(&format!("{dot}{name}"));
                return inner_difference(expected.get(name), found.get(name), place);
            }
        }
        (Value::Array(expected), Value::Array(found)) => {
            let indices = 0..expected.len().max(found.len());
            if let Some(index) = { indices }.find(|index| expected.get(*index) != found.get(*index)) {
                place.push_str(&format!("[{index}]"));
                return inner_difference(expected.get(index), found.get(index), place);
            }
        }
        _ => {}
    }
    format!("`{place}`: expected `{}`, found `{}`", shown(&expected.to_string()), shown(&found.to_string()))
}

fn inner_difference(expected: Option<&Value>, found: Option<&Value>, place: &mut String) -> String {
    match (expected, found) {
        (Some(expected), Some(found)) => first_difference(expected, found, place),
        (Some(expected), None) => format!("`{place}`: expected `{}`, found nothing", shown(&expected.to_string())),
        (_, found) => {
            format!("`{place}`: expected nothing, found `{}`", shown(&found.unwrap_or(&Value::Null).to_string()))
        }
    }
}

/// Of two texts that hold the same values, in another order or spelling.
fn first_other_line(expected: &str, found: &str) -> String {
    let line_of = |text: &str, index: usize| text.lines().nth(index).unwrap_or("(nothing more)").trim().to_owned();
    let lines = expected.lines().count().max(found.lines().count());
    let first = (0..lines).find(|index| line_of(expected, *index) != line_of(found, *index)).unwrap_or(0);
    format!("line {}: expected `{}`, found `{}`", first + 1, line_of(expected, first), line_of(found, first))
}
