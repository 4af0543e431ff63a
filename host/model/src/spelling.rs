//! What people write by hand: keys that are nearly right, and TOML.

use serde_json::Value as Json;
use toml::Value;

/// What to do about a key that is none of `known`: to write the nearest one, or to remove it.
pub fn fix_for_unknown_key(key: &str, known: &[&str]) -> String {
    match nearest(key, known) {
        Some(nearest) => format!("write `{nearest}`"),
        None => format!("remove it; there are {}", quoted(known)),
    }
}

/// What to do about a word that is none of `known`: to write the nearest one, or one of them. If there is only one, that.
pub fn fix_for_unknown_word(word: &str, known: &[&str]) -> String {
    let only = if let [only] = known { Some(*only) } else { None };
    match nearest(word, known).or(only) {
        Some(nearest) => format!("write `{nearest}`"),
        None => format!("write one of {}", quoted(known)),
    }
}

/// The word of `known` that `word` is a slip of, if it is one.
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let (distance, nearest) = known.iter().map(|known| (edits(word, known), *known)).min()?;
    (distance <= EDITS_MAX).then_some(nearest)
}

fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// Edits from one word to another. Two slips of a finger; what differs more is another word.
const EDITS_MAX: usize = 2;

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
    fn an_unknown_word_is_told_with_the_nearest_one_or_all() {
        let known = ["bronze", "silver"];
        assert_eq!(fix_for_unknown_word("bronz", &known), "write `bronze`");
        assert_eq!(fix_for_unknown_word("platinum", &known), "write one of `bronze`, `silver`");
        assert_eq!(fix_for_unknown_word("sign-secret", &["signing-secret"]), "write `signing-secret`");
    }

    #[test]
    fn edits_are_counted() {
        for (from, to, distance) in [("", "abc", 3), ("abc", "abc", 0), ("abc", "acb", 2), ("cpu_ms", "cpu-ms", 1)] {
            assert_eq!(edits(from, to), distance);
        }
    }
}
