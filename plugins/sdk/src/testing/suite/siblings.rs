//! An element of a batch that cannot be read costs none of its siblings, and is told.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::json::{STRANGER, document, pointers, with_document};
use super::{Case, Trial};
use crate::testing::report::Findings;
use crate::testing::signing::receive_signed;
use crate::testing::subject::{Answer, Kind, Moment};

/// Elements of one request that are replaced, from the first to the last. A history has thousands, all alike.
const ELEMENTS_MAX: usize = 64;

pub(super) fn check(trial: &Trial<'_>, findings: &mut Findings) {
    let batches = trial.cases.iter().filter(|case| case.is_taken() && matches!(case.answer.kind, Kind::Receipt(2..)));
    for case in batches {
        let Some(whole) = document(&case.fixture.webhook) else { continue };
        let Some(before) = received(trial, case, &whole) else { continue };
        let elements: Vec<String> = pointers(&whole).into_iter().filter(|place| is_element(&whole, place)).collect();
        for place in elements.iter().step_by(elements.len().div_ceil(ELEMENTS_MAX).max(1)) {
            let rest = received(trial, case, &without(&whole, place)).map(|answer| ids(&answer)).unwrap_or_default();
            for garbage in [json!([true]), json!({STRANGER: true})] {
                let Some(found) = received(trial, case, &with(&whole, place, garbage.clone())) else { continue };
                findings.cases += 1;
                if let Some(failure) = failure(&ids(&before), &rest, &found) {
                    findings.fail(format!("{}: `{garbage}` at `{place}`: {failure}", case.name()));
                }
            }
        }
    }
}

/// What is wrong with the outcome of a batch of which one element is garbage: `before` are the events of the whole batch,
/// `rest` those of the batch without the element.
fn failure(before: &BTreeSet<String>, rest: &BTreeSet<String>, found: &Answer) -> Option<String> {
    let kept: BTreeSet<&String> = rest.intersection(before).collect();
    // All of it was in this element.
    if kept.is_empty() {
        return None;
    }
    let events = ids(found);
    let lost = kept.iter().filter(|id| !events.contains(**id)).count();
    if lost > 0 {
        return Some(format!("{} without {lost} events of its siblings", found.kind.name()));
    }
    let is_silent = kept.len() < before.len() && !before.is_subset(&events) && told(found) == 0;
    is_silent
        .then(|| "an event is missing, and nothing is `unread`; fix: tell of what you skip with `Unread`".to_owned())
}

fn received(trial: &Trial<'_>, case: &Case<'_>, document: &Value) -> Option<Answer> {
    let connection = &case.fixture.connection;
    let ask = |webhook: &crate::Webhook| trial.subject_of(case).receive(connection, webhook, Moment::of(connection));
    receive_signed(&ask, connection, &case.fixture.webhook, with_document(&case.fixture.webhook, document)).answer
}

fn value(answer: &Answer) -> Value {
    serde_json::from_str(&answer.text).unwrap_or_default()
}

fn ids(answer: &Answer) -> BTreeSet<String> {
    let value = value(answer);
    let events = value["events"].as_array().cloned().unwrap_or_default();
    events.iter().map(|event| format!("{} {}", event["account"], event["id"])).collect()
}

fn told(answer: &Answer) -> usize {
    value(answer)["unread"].as_array().map_or(0, Vec::len)
}

/// Whether a pointer names an element of an array that has several.
fn is_element(whole: &Value, place: &str) -> bool {
    parent(place).and_then(|parent| whole.pointer(parent)).and_then(Value::as_array).is_some_and(|list| list.len() > 1)
}

fn parent(place: &str) -> Option<&str> {
    place.rsplit_once('/').map(|(parent, _)| parent)
}

fn with(whole: &Value, place: &str, garbage: Value) -> Value {
    let mut changed = whole.clone();
    *changed.pointer_mut(place).expect("the pointer was made of this document") = garbage;
    changed
}

fn without(whole: &Value, place: &str) -> Value {
    let mut changed = whole.clone();
    let (parent, index) = place.rsplit_once('/').expect("an element is in an array");
    let list = changed.pointer_mut(parent).and_then(Value::as_array_mut).expect("an element is in an array");
    list.remove(index.parse().expect("an element of an array has an index"));
    changed
}
