//! An operation in a file, with what came of its requests.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::{Way, form};
use crate::testing::fixture::at;
use crate::testing::render::pretty;
use crate::testing::{Connection, NOW_MS};

/// Milliseconds from the clock of the fixtures to when the host drops a message: a day, as for an agent's reply.
const EXPIRES_AFTER_MS: u64 = 86_400_000;

/// One case of `fixtures/outbound` or `fixtures/polling`.
#[derive(Clone, Debug)]
pub struct OutboundFixture {
    pub name: String,
    pub way: Way,
    pub connection: Connection,
    /// In the contract's JSON, with what the file leaves out filled in; of a poll `{"cursor": …}`.
    pub operation: Value,
    /// In the contract's JSON.
    pub exchanges: Vec<Value>,
    /// Up to the name of the case.
    stem: PathBuf,
}

/// The two files that a connector's answers are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    Requests,
    Outcome,
}

impl Expected {
    fn suffix(self, way: Way) -> &'static str {
        match self {
            Self::Requests => "requests.json",
            Self::Outcome => way.came_to(),
        }
    }
}

impl OutboundFixture {
    /// Compares what was found with the file, as JSON values. None: it is the same.
    pub(super) fn difference(&self, expected: Expected, found: &Value) -> Option<String> {
        let path = self.path(expected);
        let Ok(text) = fs::read_to_string(&path) else {
            return Some(format!("{}: `{}` is missing; fix: `BLESS=1 cargo test`", self.name, path.display()));
        };
        let written: Value = match serde_json::from_str(&text) {
            Ok(written) => written,
            Err(error) => return Some(at(&path, error)),
        };
        if written == *found {
            return None;
        }
        let (written, found) = (pretty(&written.to_string()), pretty(&found.to_string()));
        let lines = written.lines().count().max(found.lines().count());
        let line_of = |text: &str, index: usize| text.lines().nth(index).unwrap_or("(nothing more)").trim().to_owned();
        let first = (0..lines).find(|index| line_of(&written, *index) != line_of(&found, *index)).unwrap_or(0);
        Some(format!(
            "{}.{}: line {}: expected `{}`, found `{}`",
            self.name,
            expected.suffix(self.way),
            first + 1,
            line_of(&written, first),
            line_of(&found, first)
        ))
    }

    /// Writes the file. Whether it changed.
    pub(super) fn bless(&self, expected: Expected, found: &Value) -> bool {
        let (path, text) = (self.path(expected), pretty(&found.to_string()));
        let is_new = fs::read_to_string(&path).ok().is_none_or(|present| present != text);
        if is_new {
            fs::write(&path, text).unwrap_or_else(|error| panic!("{}", at(&path, error)));
        }
        is_new
    }

    fn path(&self, expected: Expected) -> PathBuf {
        self.stem.with_file_name(format!("{}.{}", self.name, expected.suffix(self.way)))
    }
}

/// The outbound fixtures of the connector in `manifest_dir`, by name. None: it has no such folder.
///
/// # Errors
/// A file that cannot be read, or is not of the form; with its path.
pub fn read_outbound_fixtures(manifest_dir: &str) -> Result<Vec<OutboundFixture>, String> {
    read_fixtures(manifest_dir, Way::Sending)
}

/// The recorded polls of the connector in `manifest_dir`, by name. None: it has no `fixtures/polling`.
///
/// # Errors
/// As of [`read_outbound_fixtures`].
pub fn read_polling_fixtures(manifest_dir: &str) -> Result<Vec<OutboundFixture>, String> {
    read_fixtures(manifest_dir, Way::Polling)
}

/// An operation of a file in the contract's JSON, with what the file leaves out filled in.
///
/// # Errors
/// The file cannot be read, or is not JSON; with its path.
pub fn read_operation(path: &Path) -> Result<Value, String> {
    Ok(filled(read(path)?))
}

/// What came of the requests of a case, in the contract's JSON. None: there is no such file.
///
/// # Errors
/// The file cannot be read, or is not a list of exchanges; with its path.
pub fn read_exchanges(path: &Path) -> Result<Vec<Value>, String> {
    let exchanges = if path.is_file() { read(path)? } else { json!([]) };
    let Some(exchanges) = exchanges.as_array() else {
        return Err(at(path, "expected a list of exchanges"));
    };
    let exchanges: Result<Vec<Value>, String> = exchanges.iter().map(form::exchange).collect();
    exchanges.map_err(|error| at(path, error))
}

fn read(path: &Path) -> Result<Value, String> {
    let text = fs::read_to_string(path).map_err(|error| at(path, error))?;
    serde_json::from_str(&text).map_err(|error| at(path, error))
}

fn read_fixtures(manifest_dir: &str, way: Way) -> Result<Vec<OutboundFixture>, String> {
    let fixtures = Path::new(manifest_dir).join("fixtures");
    let folder = fixtures.join(way.folder());
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let own = folder.join("connection.json");
    let connection = Connection::of_file(&if own.is_file() { own } else { fixtures.join("connection.json") })?;
    let entries = fs::read_dir(&folder).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    let mut paths: Vec<PathBuf> = entries.map_err(|error: std::io::Error| at(&folder, error))?;
    paths.sort();
    let case = |path: &PathBuf| {
        let name = path.file_name()?.to_str()?.strip_suffix(way.asked())?;
        name.strip_suffix('.').map(str::to_owned)
    };
    let names: Vec<String> = paths.iter().filter_map(case).collect();
    if let Some(alone) = paths.iter().find(|path| !belongs(path, way, &names)) {
        let why = format!("it belongs to no `.{}`; fix: write what is asked, or remove it", way.asked());
        return Err(at(alone, why));
    }
    names.into_iter().map(|name| load(&folder, way, name, &connection)).collect()
}

/// Whether a file is of a case, or of the folder.
fn belongs(path: &Path, way: Way, names: &[String]) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let ends = [way.asked(), "exchanges.json", "requests.json", way.came_to()];
    let case = ends.iter().find_map(|end| name.strip_suffix(end)?.strip_suffix('.'));
    name == "connection.json" || case.is_some_and(|case| names.iter().any(|known| known == case))
}

fn load(folder: &Path, way: Way, name: String, connection: &Connection) -> Result<OutboundFixture, String> {
    let asked = folder.join(format!("{name}.{}", way.asked()));
    let operation = match way {
        Way::Sending => read_operation(&asked)?,
        Way::Polling => poll(read(&asked)?).map_err(|error| at(&asked, error))?,
    };
    let exchanges = read_exchanges(&folder.join(format!("{name}.exchanges.json")))?;
    Ok(OutboundFixture { stem: folder.join(&name), name, way, connection: connection.clone(), operation, exchanges })
}

/// `{"cursor": null}`, or a text.
fn poll(asked: Value) -> Result<Value, String> {
    let fields = asked.as_object().filter(|fields| fields.keys().all(|key| key == "cursor"));
    match fields.and_then(|fields| fields.get("cursor")) {
        Some(Value::Null | Value::String(_)) => Ok(asked),
        _ => Err("expected `{\"cursor\": null}`, or a text that an earlier batch gave".to_owned()),
    }
}

/// An operation with what its file leaves out: what the host fills in, and what is empty as a rule.
fn filled(mut operation: Value) -> Value {
    let case = operation.as_object_mut().and_then(|object| object.values_mut().next());
    let Some(Value::Object(fields)) = case else { return operation };
    if fields.contains_key("parts") && fields.contains_key("route") {
        let defaults = [
            ("reference", json!("r1-kit")),
            ("author", json!("agent")),
            ("kind", json!("reply")),
            ("purpose", json!("service")),
            ("references", json!([])),
            ("copies", json!([])),
            ("expires_at", json!(NOW_MS + EXPIRES_AFTER_MS)),
            ("extensions", json!({})),
        ];
        fill(fields, defaults);
    }
    if fields.contains_key("reference") && !fields.contains_key("parts") {
        fill(fields, [("sent_at", json!(NOW_MS))]);
    }
    let message = fields.get_mut("message").and_then(|message| message.get_mut("route")).map(Value::take);
    if let Some(mut route) = message {
        fill_identifier(&mut route["to"]);
        fields["message"]["route"] = route;
    }
    for place in ["route", "who"] {
        let identifier = fields.get_mut(place).map(|value| if place == "route" { &mut value["to"] } else { value });
        if let Some(identifier) = identifier {
            fill_identifier(identifier);
        }
    }
    if let Some(Value::Object(contact)) = fields.get_mut("contact") {
        fill(contact, [("traits", json!({})), ("identifiers", json!([]))]);
        contact["identifiers"].as_array_mut().into_iter().flatten().for_each(fill_identifier);
    }
    operation
}

fn fill_identifier(identifier: &mut Value) {
    if let Value::Object(fields) = identifier {
        fill(fields, [("attestation", json!("provider")), ("scope", Value::Null)]);
    }
}

fn fill<const N: usize>(fields: &mut Map<String, Value>, defaults: [(&str, Value); N]) {
    for (name, value) in defaults {
        fields.entry(name).or_insert(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sending::Operation;

    #[test]
    fn what_a_file_leaves_out_is_filled_in() {
        let route = json!({"to": {"scheme": "acme", "value": "u-1"}, "account": "w-1"});
        let cases = [
            json!({"send": {"route": route, "parts": [{"text": "Hello"}]}}),
            json!({"edit": {"message": {"route": route, "message": "m-1"}, "parts": []}}),
            json!({"mark_read": {"route": route, "message": "m-1"}}),
            json!({"typing": {"route": route, "message": null, "on": true}}),
            json!({"fetch_media": {"account": "w-1", "source": {"provider_id": "p-1"}}}),
            json!({"upsert_contact": {"account": "w-1", "contact": {"identifiers": [{"scheme": "acme", "value": "u"}]}}}),
            json!({"look_up": {"route": route, "reference": "r1"}}),
            json!({"erase_contact": {"account": "w-1", "who": {"scheme": "acme", "value": "u"}}}),
            json!({"other": ["com.acme.x", {"a": 1}]}),
        ];
        for case in cases {
            let operation = filled(case.clone());
            let read: Result<Operation, _> = serde_json::from_value(operation.clone());
            let read = read.unwrap_or_else(|error| panic!("{case}: {error}"));
            let again = serde_json::to_value(&read).unwrap();
            let name = case.as_object().unwrap().keys().next().unwrap();
            assert!(again.get(name).is_some(), "{again}");
        }
    }
}
