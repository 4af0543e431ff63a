//! Pages that are written from what they speak of: `plugins/EVENTS.md`, the reference of everything that an event can say,
//! from the contract; the README's table of connectors from their manifests and fixtures.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use rapport_sandbox::Manifest;
use serde_json::Value;
use wit_parser::{Resolve, Type, TypeDefKind, TypeId};

use crate::connectors::repository;

const INTRODUCTION: &str = "# Events

Everything that an event can say: the types of [`wit/types.wit`](../wit/types.wit) as they look in JSON, which is the form of
`fixtures/**/*.events.json`, of the API and of a CloudEvent's `data`. In Rust the names are the same, types in CamelCase.
Written by `cargo test` from the contract; after a change of it, `BLESS=1 cargo test -p rapport-tests --test it reference`.

A variant is an object of one key, the case, such as `{\"text\": \"Hello\"}`; a case that carries nothing is the word alone. The
body of an event stands among its fields: `{\"id\": …, \"at\": …, \"message\": {…}}`. Extensions and traits are an object, and
what the contract calls `json` is JSON in place.
";

#[test]
fn the_reference_of_events_is_that_of_the_contract() {
    let page = repository().join("plugins/EVENTS.md");
    let expected = reference();
    if std::env::var_os("BLESS").is_some_and(|value| value == "1") {
        fs::write(&page, &expected).unwrap();
    }
    let found = fs::read_to_string(&page).unwrap_or_default();
    assert!(
        found == expected,
        "plugins/EVENTS.md is not what wit/types.wit says; fix: BLESS=1 cargo test -p rapport-tests --test it reference"
    );
}

#[test]
fn the_table_of_connectors_is_that_of_their_manifests_and_fixtures() {
    const MARKS: [&str; 2] = ["<!-- connectors -->\n", "<!-- /connectors -->"];
    let page = repository().join("README.md");
    let text = fs::read_to_string(&page).unwrap();
    let (before, rest) = text.split_once(MARKS[0]).unwrap();
    let (found, after) = rest.split_once(MARKS[1]).unwrap();
    let expected = connector_table();
    if std::env::var_os("BLESS").is_some_and(|value| value == "1") {
        fs::write(&page, [before, MARKS[0], &expected, MARKS[1], after].concat()).unwrap();
        return;
    }
    assert!(
        found == expected,
        "README.md's table of connectors is not what plugins/ says; fix: BLESS=1 cargo test -p rapport-tests --test it reference"
    );
}

/// The code, SECURITY.md and the contract say the same of what each attestation may do.
#[test]
fn the_table_of_attestations_is_that_of_the_code() {
    let plain = rapport_model::trust::markdown();
    let in_contract: String = plain.lines().map(|line| format!("  /// {line}\n")).collect();
    for (file, table) in [("SECURITY.md", plain), ("wit/types.wit", in_contract)] {
        let path = repository().join(file);
        let text = fs::read_to_string(&path).unwrap();
        let head = table.lines().next().unwrap();
        let from = text.find(head).unwrap_or_else(|| panic!("{file} has no table that begins with {head}"));
        let is_row = |line: &&str| line.trim_start().trim_start_matches("/// ").starts_with('|');
        let length: usize = text[from..].split_inclusive('\n').take_while(is_row).map(str::len).sum();
        if std::env::var_os("BLESS").is_some_and(|value| value == "1") {
            fs::write(&path, [&text[..from], &table, &text[from + length..]].concat()).unwrap();
        } else {
            let found = &text[from..from + length];
            assert_eq!(found, table, "{file}; fix: BLESS=1 cargo test -p rapport-tests --test it reference");
        }
    }
}

fn connector_table() -> String {
    let mut table =
        "| Connector | For | Events, as its fixtures show | Vouched for by | Level |\n|---|---|---|---|---|\n"
            .to_owned();
    for folder in folders() {
        let text = fs::read_to_string(folder.join("connector.toml")).unwrap();
        let manifest = Manifest::parse(&text).unwrap();
        let Manifest { id, name, signature, level, feed, .. } = manifest;
        let mut signature = signature.unwrap_or_else(|| panic!("`{id}`: connector.toml has no `signature`"));
        if feed.is_some() && !signature.contains("AWS") {
            signature.push_str("; AWS, for what it delivers");
        }
        let level = level.unwrap_or_else(|| panic!("`{id}`: connector.toml has no `level`")).name();
        let kinds: Vec<String> = kinds_in(&folder.join("fixtures/inbound")).into_iter().collect();
        writeln!(table, "| [{id}](plugins/{id}/README.md) | {name} | {} | {signature} | {level} |", kinds.join(", "))
            .unwrap();
    }
    table
}

/// Every connector of plugins/, by name.
fn folders() -> Vec<PathBuf> {
    let entries = fs::read_dir(repository().join("plugins")).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<_> = entries.filter(|path| path.join("connector.toml").is_file()).collect();
    folders.sort();
    folders
}

/// The kinds of event that fixtures come to, in these folders and those in them.
fn kinds_in(folder: &Path) -> BTreeSet<String> {
    let mut kinds = BTreeSet::new();
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            kinds.append(&mut kinds_in(&path));
        } else if path.to_str().is_some_and(|path| path.ends_with(".events.json")) {
            let outcome: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
            let events = outcome["events"].as_array().into_iter().flatten();
            kinds
                .extend(events.flat_map(|event| event.as_object().unwrap().keys().filter(|key| is_kind(key)).cloned()));
        }
    }
    kinds.into_iter().map(|kind| kind.replace('_', " ")).collect()
}

/// Whether a field of an event is its body: all that is not common to every event.
fn is_kind(field: &str) -> bool {
    !["id", "at", "account", "contact", "extensions"].contains(&field)
}

/// The types in the order of a reader's questions: an event, what happened in it, then all else in the contract's order.
fn reference() -> String {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(repository().join("wit")).unwrap();
    let interface = &resolve.interfaces[resolve.packages[package].interfaces["types"]];
    let first = ["event", "event-body"];
    let rest = interface.types.keys().map(String::as_str).filter(|name| !first.contains(name));
    let mut page = INTRODUCTION.to_owned();
    for name in first.into_iter().chain(rest) {
        section(&mut page, &resolve, name, interface.types[name]);
    }
    page
}

fn section(page: &mut String, resolve: &Resolve, name: &str, id: TypeId) {
    let definition = &resolve.types[id];
    let rows: Vec<[String; 3]> = match &definition.kind {
        TypeDefKind::Record(record) => {
            let row = |field: &wit_parser::Field| [code(&field.name), type_name(resolve, &field.ty), docs(&field.docs)];
            record.fields.iter().map(row).collect()
        }
        TypeDefKind::Variant(variant) => {
            let carried = |case: &wit_parser::Case| case.ty.as_ref().map_or("–".into(), |ty| type_name(resolve, ty));
            variant.cases.iter().map(|case| [code(&case.name), carried(case), docs(&case.docs)]).collect()
        }
        TypeDefKind::Enum(words) => {
            words.cases.iter().map(|case| [code(&case.name), "–".into(), docs(&case.docs)]).collect()
        }
        _ => Vec::new(),
    };
    let kind = match &definition.kind {
        TypeDefKind::Record(_) => "Field",
        TypeDefKind::Variant(_) | TypeDefKind::Enum(_) => "Case",
        // `context`'s parts and plain names for `string` and `u64` are told where they are used.
        _ => return,
    };
    if name == "context" {
        return;
    }
    writeln!(page, "\n## {name}\n{}\n\n| {kind} | Holds | Meaning |\n|---|---|---|", docs(&definition.docs)).unwrap();
    for [name, ty, meaning] in rows {
        writeln!(page, "| {name} | {ty} | {meaning} |").unwrap();
    }
}

/// A type as a reader of JSON calls it, with a link where it has a section of its own.
fn type_name(resolve: &Resolve, ty: &Type) -> String {
    let id = match ty {
        Type::Bool => return "true or false".into(),
        Type::String => return "text".into(),
        Type::U8 | Type::U16 | Type::U32 | Type::U64 | Type::S32 | Type::S64 => return "whole number".into(),
        Type::F32 | Type::F64 => return "number".into(),
        Type::Id(id) => *id,
        other => panic!("types.wit has no {other:?}"),
    };
    let definition = &resolve.types[id];
    match (definition.name.as_deref(), &definition.kind) {
        (Some("timestamp"), _) => "milliseconds".into(),
        (Some("json"), _) => "JSON".into(),
        (Some("extensions"), _) => "object".into(),
        (Some(name), _) => format!("[{name}](#{name})"),
        (None, TypeDefKind::Option(inner)) => format!("{} or null", type_name(resolve, inner)),
        (None, TypeDefKind::List(inner)) => format!("list of {}", type_name(resolve, inner)),
        (None, TypeDefKind::Tuple(tuple)) => {
            let types: Vec<String> = tuple.types.iter().map(|ty| type_name(resolve, ty)).collect();
            format!("[{}]", types.join(", "))
        }
        (None, other) => panic!("types.wit has no nameless {other:?}"),
    }
}

fn code(name: &str) -> String {
    format!("`{}`", name.replace('-', "_"))
}

fn docs(docs: &wit_parser::Docs) -> String {
    docs.contents.as_deref().unwrap_or_default().trim().replace('\n', " ").replace('|', "\\|")
}
