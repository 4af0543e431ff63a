//! Pages that are written from what they speak of: `plugins/EVENTS.md`, the reference of everything that an event can say,
//! from the contract; the README's table of connectors from their manifests and fixtures; the tables of log events and
//! metrics from the list of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use rapport_sandbox::Manifest;
use rapport_telemetry::{Count, Counted, Described, Level};
use serde_json::Value;
use wit_parser::{Resolve, Type, TypeDefKind, TypeId};

use crate::connectors::repository;

const INTRODUCTION: &str = "# Events

Everything that an event can say: the types of [`wit/types.wit`](../wit/types.wit) as they look in JSON, which is the form of
`fixtures/**/*.events.json`, of the API and of a CloudEvent's `data`. In Rust the names are the same, types in CamelCase.
Written by `cargo test` from the contract; after a change of it, `BLESS=1 cargo test -p rapport-tests --test it reference`.

A variant is an object of one key, the case, such as `{\"text\": \"Hello\"}`; a case that carries nothing is the word alone. The
body of an event stands among its fields: `{\"id\": …, \"at\": …, \"message\": {…}}`. Extensions and traits are an object, and
what the contract calls `json` is JSON in place. Fields of a message from `reference` on, and `reference` of a delivery, are left out
if they say nothing; a control of which only the holder is known is the holder's word alone, such as `\"control\": \"agent\"`.
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
    between_marks("README.md", "connectors", &connector_table(), "plugins/ says");
}

#[test]
fn the_tables_of_log_events_and_metrics_are_those_of_the_list() {
    let page = "host/telemetry/README.md";
    between_marks(page, "metrics", &metric_table(), "host/telemetry/src/log_events.rs says");
    between_marks(page, "events", &event_table(), "host/telemetry/src/log_events.rs says");
}

/// Compares, or writes, what stands in a page between `<!-- name -->` and `<!-- /name -->`.
fn between_marks(page: &str, name: &str, expected: &str, source_says: &str) {
    let marks = [format!("<!-- {name} -->\n"), format!("<!-- /{name} -->\n")];
    let path = repository().join(page);
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(&marks[0]).unwrap();
    let (found, after) = rest.split_once(&marks[1]).unwrap();
    if std::env::var_os("BLESS").is_some_and(|value| value == "1") {
        fs::write(&path, [before, &marks[0], expected, &marks[1], after].concat()).unwrap();
        return;
    }
    assert!(
        found == expected,
        "{page}: the table of {name} is not what {source_says}; fix: BLESS=1 cargo test -p rapport-tests --test it reference"
    );
}

/// An id is in alarms and queries of operators, a metric in their dashboards.
#[test]
fn events_have_ids_of_their_own_and_metrics_one_meaning() {
    let mut ids = BTreeSet::new();
    let mut units = BTreeMap::new();
    for event in rapport_telemetry::ALL {
        let Described { id, doc, message, level, .. } = event;
        assert!(ids.insert(*id), "two events have the id `{id}`");
        assert!(id.bytes().all(|one| one.is_ascii_lowercase() || one == b'-'), "`{id}` is not in kebab case");
        assert!(doc.ends_with('.') && !message.ends_with('.'), "`{id}`: {doc} {message}");
        for (metric, unit) in event.metrics() {
            assert!(*level <= Level::INFO, "`{id}` is measured, and not written as long as nobody asks for its level");
            assert_eq!(*units.entry(metric).or_insert(unit), unit, "the unit of `{metric}`, at `{id}`");
        }
    }
}

/// An alarm on a metric that no line makes never rings.
/// The event source mapping lets through what the fold knows, and nothing else.
#[test]
fn the_template_tells_the_fold_of_every_kind_of_record_that_it_knows() {
    let template = fs::read_to_string(repository().join("infra/template.yaml")).unwrap();
    let patterns =
        template.lines().filter_map(|line| line.trim().strip_prefix("- Pattern: !Sub '")?.strip_suffix('\''));
    let patterns: Vec<Value> = patterns.map(|pattern| serde_json::from_str(pattern).unwrap()).collect();
    let [pattern] = &patterns[..] else { panic!("{patterns:?}") };
    assert_eq!(pattern["eventName"], serde_json::json!(["INSERT"]));
    let prefixes = pattern["dynamodb"]["Keys"]["sk"]["S"].as_array().unwrap().iter();
    let prefixes: Vec<&str> = prefixes.map(|one| one["prefix"].as_str().unwrap()).collect();
    assert_eq!(prefixes, rapport_store::stream::RECORD_KINDS);
}

#[test]
fn every_metric_that_the_template_names_is_made_by_an_event() {
    let template = fs::read_to_string(repository().join("infra/template.yaml")).unwrap();
    let named = metrics_in(&template);
    let made: BTreeSet<&str> =
        rapport_telemetry::ALL.iter().flat_map(Described::metrics).map(|(metric, _)| metric).collect();
    let missing: Vec<_> = named.iter().filter(|name| !made.contains(*name)).collect();
    assert!(missing.is_empty(), "no event of host/telemetry makes {missing:?}, which infra/template.yaml names");
    // Of an alarm, of a widget, of a search, and of a widget that is there with a feed only.
    assert!(
        ["audit_not_written", "duplicates", "new", "not_taken"].iter().all(|name| named.contains(name)),
        "{named:?}"
    );
}

/// Names of the program's metrics in the template: of its alarms, and of its dashboard's widgets and searches.
fn metrics_in(template: &str) -> BTreeSet<&str> {
    let lines: Vec<&str> = template.lines().map(str::trim).collect();
    let alarms = lines.windows(2).filter(|pair| pair[0] == "Namespace: !Ref AWS::StackName");
    let alarms = alarms.map(|pair| pair[1].strip_prefix("MetricName: ").expect("the metric is under its namespace"));
    let after = |mark: &'static str, end: char| {
        template.split(mark).skip(1).map(move |rest| rest.split(end).next().unwrap_or_default())
    };
    let widgets = after("[\"${AWS::StackName}\", \"", '"').chain(after("[\".\", \"", '"'));
    alarms.chain(widgets).chain(after("MetricName=\\\"", '\\')).collect()
}

/// The metrics in alphabetical order, each with the events that make it.
fn metric_table() -> String {
    let mut rows: BTreeMap<&str, (&str, Vec<String>)> = BTreeMap::new();
    for event in rapport_telemetry::ALL {
        for (metric, unit) in event.metrics() {
            let what = match event.count {
                Some(Count { metric: counted, of }) if counted == metric => match of {
                    Counted::Line => format!("number of `{}`", event.id),
                    Counted::LinePlus(field) => format!("number of `{}`, and their `{field}`", event.id),
                    Counted::By(field) => format!("`{field}` of `{}`", event.id),
                },
                _ => format!("`{metric}` of `{}`", event.id),
            };
            rows.entry(metric).or_insert((unit.name(), Vec::new())).1.push(what);
        }
    }
    let mut table = "| Metric | Unit | Made of |\n|---|---|---|\n".to_owned();
    for (metric, (unit, what)) in rows {
        writeln!(table, "| `{metric}` | {unit} | {} |", what.join("; ")).unwrap();
    }
    table
}

/// The events in the order of the list.
fn event_table() -> String {
    let mut table = "| Event | Level | Message | When | Fields | Metrics |\n|---|---|---|---|---|---|\n".to_owned();
    for event in rapport_telemetry::ALL {
        let Described { id, level, message, doc, fields, .. } = event;
        let fields: Vec<String> = fields.iter().map(|field| format!("`{}`", field.name)).collect();
        let metrics: Vec<String> = event.metrics().map(|(metric, _)| format!("`{metric}`")).collect();
        let row = [level.as_str(), message, doc.trim(), &or_none(&fields), &or_none(&metrics)];
        writeln!(table, "| `{id}` | {} |", row.join(" | ")).unwrap();
    }
    table
}

fn or_none(names: &[String]) -> String {
    if names.is_empty() { "–".to_owned() } else { names.join(", ") }
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
        "| Connector | For | Events, as its fixtures show | How a webhook is proven |\n|---|---|---|---|\n".to_owned();
    let mut levels: BTreeMap<&str, Vec<String>> = BTreeMap::new();
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
        writeln!(table, "| [{id}](plugins/{id}/README.md) | {name} | {} | {signature} |", kinds.join(", ")).unwrap();
        levels.entry(level).or_default().push(id);
    }
    let levels: Vec<String> = match levels.len() {
        1 => levels.into_keys().map(|level| format!("all are {level}")).collect(),
        _ => levels.into_iter().map(|(level, ids)| format!("{level}: {}", ids.join(", "))).collect(),
    };
    writeln!(table, "\n[Levels](plugins/README.md#levels): {}.", levels.join("; ")).unwrap();
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
