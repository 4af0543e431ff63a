//! `fixtures/outbound`: an operation and what came of its requests, beside the requests and the outcome.
//!
//! | File | Holds |
//! |---|---|
//! | `<case>.operation.json` | the operation, in the contract's JSON |
//! | `<case>.exchanges.json` | what came of each request: `status` with `json`, `text` or `kept`; or `transport` |
//! | `<case>.config.json` | the connection's `config`; without it that of `fixtures/connection.json` |
//! | `<case>.requests.json` | the requests of each step |
//! | `<case>.outcome.json` | the last turn |

use std::fs;
use std::path::{Path, PathBuf};

use rapport_sdk::http::{Field, Kept};
use rapport_sdk::testing::Connection;
use serde::Deserialize;

use super::*;

const HERE: &str = env!("CARGO_MANIFEST_DIR");
/// Set when the tests are built, it writes what is found instead of comparing: `BLESS=1 cargo test -p rapport-whatsapp`.
const BLESS: bool = option_env!("BLESS").is_some();

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Came {
    status: Option<u16>,
    #[serde(default)]
    headers: std::collections::BTreeMap<String, String>,
    json: Option<Value>,
    text: Option<String>,
    kept: Option<Kept>,
    transport: Option<TransportError>,
}

impl Came {
    fn into_exchange(self) -> Exchange {
        if let Some(error) = self.transport {
            return Err(error);
        }
        let body = match (self.json, self.text, self.kept) {
            (Some(json), None, None) => Answer::Bytes(json.to_string().into_bytes()),
            (None, text, None) => Answer::Bytes(text.unwrap_or_default().into_bytes()),
            (None, None, Some(kept)) => Answer::Kept(kept),
            _ => panic!("one of `json`, `text` and `kept`"),
        };
        Ok(Response { status: self.status.expect("a status"), headers: self.headers.into_iter().collect(), body })
    }
}

/// A request in a form that people read.
fn shown(request: &Request) -> Value {
    let pieces = |pieces: &[Piece]| match pieces {
        [Piece::Text(text)] => json!(text),
        pieces => json!(pieces),
    };
    let content = |content: &Content| match content {
        Content::Bytes(bytes) => match serde_json::from_slice::<Value>(bytes) {
            Ok(json) if !json.is_string() => json!({ "json": json }),
            _ => json!({ "text": String::from_utf8_lossy(bytes) }),
        },
        Content::Pieces(pieces) => json!({ "pieces": pieces }),
    };
    let headers: serde_json::Map<String, Value> =
        request.headers.iter().map(|Field { name, value }| (name.clone(), pieces(value))).collect();
    let body = match &request.body {
        Body::Empty => Value::Null,
        Body::Content(bytes) => content(bytes),
        Body::Multipart(fields) => fields
            .iter()
            .map(|field| {
                let (name, file_name, content_type) = (&field.name, &field.file_name, &field.content_type);
                json!({ "name": name, "file_name": file_name, "content_type": content_type, "content": content(&field.content) })
            })
            .collect(),
    };
    json!({
        "method": request.method,
        "url": pieces(&request.url),
        "authorization": request.authorization,
        "headers": headers,
        "body": body,
        "repeatable": request.repeatable,
        "keep": request.keep,
    })
}

pub(super) fn cases() -> Vec<PathBuf> {
    let folder = Path::new(HERE).join("fixtures/outbound");
    let mut cases: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().ends_with(".operation.json"))
        .collect();
    cases.sort();
    cases
}

pub(super) fn beside(operation: &Path, end: &str) -> PathBuf {
    PathBuf::from(operation.to_str().unwrap().replace(".operation.json", end))
}

pub(super) fn read<T: serde::de::DeserializeOwned>(path: &Path) -> T {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn compare(path: &Path, found: &Value) {
    if BLESS {
        fs::write(path, serde_json::to_string_pretty(found).unwrap() + "\n").unwrap();
    }
    let expected: Value = read(path);
    assert_eq!(found, &expected, "{}", path.display());
}

#[test]
fn each_fixture_asks_for_its_requests_and_comes_to_its_outcome() {
    let mut played = 0;
    for path in cases() {
        let operation: Operation = read(&path);
        let came: Vec<Came> = read(&beside(&path, ".exchanges.json"));
        let history: Vec<Exchange> = came.into_iter().map(Came::into_exchange).collect();
        let own = beside(&path, ".config.json");
        let usual = || serde_json::from_str(Connection::of_fixtures(HERE).config()).unwrap();
        let config: Value = if own.exists() { read(&own) } else { usual() };
        let (mut steps, mut at) = (Vec::new(), 0);
        let last = loop {
            let turn = run_with(&config, &operation, &history[..at]);
            assert_eq!(turn, run_with(&config, &operation, &history[..at]), "{}: not pure", path.display());
            let Next::Perform(requests) = &turn.next else { break turn };
            assert!(requests.len() == 1 || requests.iter().all(|request| request.repeatable), "{}", path.display());
            assert!(at + requests.len() <= history.len(), "{}: too few exchanges", path.display());
            from_inside(&config, &operation, &history[at..], requests, &history[..at]);
            steps.push(requests.iter().map(shown).collect::<Value>());
            at += requests.len();
        };
        assert_eq!(at, history.len(), "{}: too many exchanges", path.display());
        compare(&beside(&path, ".requests.json"), &Value::from(steps));
        compare(&beside(&path, ".outcome.json"), &json!(last));
        played += 1;
    }
    assert!(played >= 12, "{played}");
}

/// A history may end inside of a step: then the rest of the step comes next, and nothing of it has changed.
fn from_inside(config: &Value, operation: &Operation, next: &[Exchange], requests: &[Request], before: &[Exchange]) {
    for done in 1..requests.len() {
        let history = [before, &next[..done]].concat();
        let turn = run_with(config, operation, &history);
        assert_eq!(turn.next, Next::Perform(requests[done..].to_vec()));
    }
}
