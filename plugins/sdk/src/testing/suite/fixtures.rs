//! Every recorded request becomes what stands beside it.

use serde_json::Value;

use super::{Case, Expectations, Trial};
use crate::testing::fixture::Fixture;
use crate::testing::render::pretty;
use crate::testing::report::Findings;
use crate::testing::subject::Kind;

pub(super) fn check(trial: &Trial<'_>, findings: &mut Findings) {
    for case in &trial.cases {
        findings.cases += 1;
        if let Some(failure) = unverified(case).or_else(|| different(case, trial.options.expectations)) {
            findings.fail(format!("{}: {failure}", case.name()));
        }
    }
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
    if let Some(fault) = case.answer.fault() {
        return Some(fault);
    }
    let found = pretty(&case.answer.text);
    if expectations == Expectations::Bless {
        case.fixture.bless(&found);
        return None;
    }
    let Some(expected) = case.fixture.expected() else {
        return Some(format!("`{}` is missing; fix: bless it, and read it", file_name(case.fixture)));
    };
    let is_equal = match expectations {
        Expectations::Values => value(&expected) == value(&found),
        _ => pretty(&expected) == found,
    };
    (!is_equal).then(|| first_difference(&laid_out(&expected, expectations), &laid_out(&found, expectations)))
}

fn value(json: &str) -> Option<Value> {
    serde_json::from_str(json).ok()
}

/// For a comparison by eye: by values, in one order of keys.
fn laid_out(json: &str, expectations: Expectations) -> String {
    match value(json).filter(|_| expectations == Expectations::Values) {
        Some(value) => pretty(&value.to_string()),
        None => pretty(json),
    }
}

fn first_difference(expected: &str, found: &str) -> String {
    let line_of = |text: &str, index: usize| text.lines().nth(index).unwrap_or("(nothing more)").trim().to_owned();
    let lines = expected.lines().count().max(found.lines().count());
    let first = (0..lines).find(|index| line_of(expected, *index) != line_of(found, *index)).unwrap_or(0);
    format!("line {}: expected `{}`, found `{}`", first + 1, line_of(expected, first), line_of(found, first))
}

fn file_name(fixture: &Fixture) -> String {
    format!("{}.events.json", fixture.name)
}
