//! No log line, and no line of what is unread, names a customer or repeats what one wrote.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Trial;
use crate::testing::report::Findings;

/// Characters of the shortest value that is searched for: `en` or `Bob` stand in any sentence.
const VALUE_CHARACTERS_MIN: usize = 4;

pub(super) fn check(trial: &Trial<'_>, findings: &mut Findings) {
    for case in &trial.cases {
        let private = private_values(&case.answer.text);
        let outcome: Value = serde_json::from_str(&case.answer.text).unwrap_or_default();
        let unread = outcome["unread"].as_array().into_iter().flatten().filter_map(Value::as_str);
        for line in case.answer.log.iter().map(|(_, line)| line.as_str()).chain(unread) {
            findings.cases += 1;
            if let Some((what, _)) = private.iter().find(|(_, value)| holds(line, value)) {
                findings.fail(format!(
                    "{}: a log line holds {what} of an event: `{line}`; fix: log ids and counts, no payload",
                    case.name()
                ));
            }
        }
    }
}

/// What of the events may not be logged, each with the name of its kind.
fn private_values(outcome: &str) -> BTreeSet<(&'static str, String)> {
    let mut values = BTreeSet::new();
    if let Ok(outcome) = serde_json::from_str::<Value>(outcome) {
        for event in outcome["events"].as_array().into_iter().flatten() {
            collect(event, &mut values);
        }
    }
    values.retain(|(_, value)| value.chars().count() >= VALUE_CHARACTERS_MIN);
    values
}

/// Identifiers are objects with a `value`; names, texts and subjects are fields of these names, wherever they stand.
fn collect(value: &Value, found: &mut BTreeSet<(&'static str, String)>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let what = match name.as_str() {
                    "value" if fields.contains_key("attestation") => Some("an identifier"),
                    "display_name" => Some("a display name"),
                    "text" | "html" => Some("a text"),
                    "subject" => Some("a subject"),
                    _ => None,
                };
                match (what, value) {
                    (Some(what), Value::String(text)) => drop(found.insert((what, text.clone()))),
                    _ => collect(value, found),
                }
            }
        }
        Value::Array(elements) => elements.iter().for_each(|element| collect(element, found)),
        _ => {}
    }
}

/// Whether `value` stands in `line` as a whole word or phrase.
fn holds(line: &str, value: &str) -> bool {
    line.match_indices(value).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + value.len()..].chars().next();
        let is_edge = |neighbour: Option<char>| neighbour.is_none_or(|neighbour| !neighbour.is_alphanumeric());
        is_edge(before) && is_edge(after)
    })
}
