//! What people write by hand: keys that are nearly right, and TOML.

use serde_json::Value as Json;
use toml::Value;

/// What to do about a key that is none of `known`: to write the nearest one, or to remove it.
pub fn fix_for_unknown_key(key: &str, known: &[&str]) -> String {
    match known.iter().map(|known| (edits(key, known), known)).min() {
        // Two slips of a finger; what differs more is another word.
        Some((0..=2, nearest)) => format!("write `{nearest}`"),
        _ => format!(
            "remove it; there are {}",
            known.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
        ),
    }
}

/// Levenshtein's distance: insertions, deletions and replacements from one word to the other.
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (above, from) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = above + 1;
        for (at, to) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[at + 1];
            row[at + 1] = replaced.min(row[at] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

pub fn json_entry((key, value): (String, Value)) -> (String, Json) {
    (key, json_of_toml(value))
}

/// A TOML value as JSON, the form of a connection's configuration. TOML has dates and infinite numbers, which JSON has
/// not: they become text and null.
pub fn json_of_toml(value: Value) -> Json {
    match value {
        Value::String(text) => Json::String(text),
        Value::Integer(number) => Json::from(number),
        Value::Float(number) => Json::from(number),
        Value::Boolean(yes) => Json::Bool(yes),
        Value::Datetime(date) => Json::String(date.to_string()),
        Value::Array(values) => Json::Array(values.into_iter().map(json_of_toml).collect()),
        Value::Table(table) => Json::Object(table.into_iter().map(json_entry).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        for (from, to, distance) in [("", "abc", 3), ("abc", "abc", 0), ("abc", "acb", 2), ("cpu_ms", "cpu-ms", 1)] {
            assert_eq!(edits(from, to), distance);
        }
    }
}
