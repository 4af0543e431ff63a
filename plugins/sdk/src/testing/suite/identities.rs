//! An identifier, an account or an event's id with a U+0000 in it is never the one without: who can write `ann@example.com`
//! and a U+0000 into a form is not Ann.

use std::collections::BTreeSet;

use serde_json::Value;

use super::json::{document, with_document};
use super::{Case, Trial};
use crate::Webhook;
use crate::form;
use crate::testing::report::{Causes, Findings};
use crate::testing::signing::receive_signed;
use crate::testing::stored;
use crate::testing::subject::{Answer, Moment};

/// Bytes. A shorter value stands in a body by chance.
const VALUE_BYTES_MIN: usize = 5;

pub(super) fn check(trial: &Trial<'_>, findings: &mut Findings) {
    let mut causes = Causes::default();
    for case in trial.cases.iter().filter(|case| case.is_taken()) {
        for value in names(&case.answer) {
            // What is left when the value is nowhere in the body comes from another place: the URL, a number, base64.
            let other = "q".repeat(value.len());
            let Some(without) = changed(trial, case, &value, &other) else { continue };
            if names(&without).contains(&value) {
                continue;
            }
            let middle = (1..value.len()).find(|at| *at >= value.len() / 2 && value.is_char_boundary(*at)).unwrap_or(1);
            let (head, tail) = value.split_at(middle);
            for (with_nul, place) in [
                (format!("{value}\0"), "at its end"),
                (format!("\0{value}"), "before it"),
                (format!("{head}\0{tail}"), "in it"),
            ] {
                let Some(answer) = changed(trial, case, &value, &with_nul) else { continue };
                findings.cases += 1;
                if let Some(fault) = answer.fault() {
                    causes.add(case.name(), format!("a U+0000 in an identifier: {fault}"));
                } else if names(&answer).contains(&value) {
                    causes.add(case.name(), mistaken(&value, place));
                }
            }
        }
    }
    causes.report(findings);
}

fn mistaken(value: &str, place: &str) -> String {
    format!(
        "`{value}` with a U+0000 {place} becomes the same identifier, account or id as without it, which may be somebody \
         else's; fix: leave no character out of a value, `lenient::without_nul` replaces it by U+FFFD"
    )
}

/// The identifiers, accounts and ids of the events of an answer, as the host compares them.
fn names(answer: &Answer) -> BTreeSet<String> {
    let outcome: Value = serde_json::from_str(&answer.text).unwrap_or_default();
    let mut names = BTreeSet::new();
    for event in outcome["events"].as_array().into_iter().flatten() {
        let identifiers = event["contact"]["identifiers"].as_array().into_iter().flatten();
        let values = identifiers.flat_map(|identifier| [&identifier["value"], &identifier["scope"]]);
        let texts = values.chain([&event["account"], &event["id"]]).filter_map(Value::as_str);
        names.extend(texts.map(stored::trim_ascii).filter(|text| text.len() >= VALUE_BYTES_MIN).map(str::to_owned));
    }
    names
}

/// What becomes of the request with another text wherever its body has `value`; none if the body is no JSON and no form, has
/// it nowhere, or cannot be signed.
fn changed(trial: &Trial<'_>, case: &Case<'_>, value: &str, other: &str) -> Option<Answer> {
    let (connection, original) = (&case.fixture.connection, &case.fixture.webhook);
    let changed = of_json(original, value, other).or_else(|| of_form(original, value, other))?;
    let ask = |webhook: &Webhook| trial.subject.receive(connection, webhook, Moment::of(connection));
    receive_signed(&ask, connection, original, changed).answer
}

fn of_json(original: &Webhook, value: &str, other: &str) -> Option<Webhook> {
    let mut document = document(original)?;
    replace(&mut document, value, other).then(|| with_document(original, &document))
}

/// Replaces a text in every text of a document; whether there was one.
fn replace(document: &mut Value, value: &str, other: &str) -> bool {
    match document {
        Value::String(text) if text.contains(value) => {
            *text = text.replace(value, other);
            true
        }
        // Each of them, and not up to the first.
        Value::Array(elements) => elements.iter_mut().fold(false, |found, inner| replace(inner, value, other) | found),
        Value::Object(fields) => fields.values_mut().fold(false, |found, inner| replace(inner, value, other) | found),
        _ => false,
    }
}

fn of_form(original: &Webhook, value: &str, other: &str) -> Option<Webhook> {
    let is_form = original.header("content-type")?.starts_with("application/x-www-form-urlencoded");
    let body = std::str::from_utf8(&original.body).ok().filter(|_| is_form)?;
    let mut fields = form::pairs(body);
    let mut is_found = false;
    for (_, text) in &mut fields {
        is_found |= text.contains(value);
        *text = text.replace(value, other);
    }
    is_found.then(|| Webhook { body: form::encode(&fields).into_bytes(), ..original.clone() })
}
