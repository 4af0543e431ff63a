//! The rules of the house, as far as a machine can see them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::connectors::repository;

/// Lines. A file that is longer has two subjects.
const FILE_LINES_MAX: usize = 600;
/// Lines. What does not fit a screen has two purposes.
const FUNCTION_LINES_MAX: usize = 70;

/// A Rust file, its path from the top of the repository.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The lines before the file's own tests, which end it.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().zip(1..).map(|(line, number)| (number, line));
        lines.take_while(|(_, line)| *line != "#[cfg(test)]")
    }

    fn is_of_tests(&self) -> bool {
        self.path.starts_with("tests/") || self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }

    fn is_in(&self, folders: &[&str]) -> bool {
        folders.iter().any(|folder| self.path.starts_with(folder))
    }
}

/// Each crate of the host may use these others of ours; what is not here may use none. Its dependencies are its rights.
const DEPENDENCIES: [(&str, &[&str]); 14] = [
    ("rapport-sandbox", &["rapport-model", "rapport-telemetry"]),
    ("rapport-store", &["rapport-model", "rapport-telemetry"]),
    ("rapport-egress", &["rapport-model"]),
    ("rapport-config", &["rapport-model"]),
    ("rapport-http", &["rapport-model", "rapport-config", "rapport-store", "rapport-telemetry"]),
    // The only one that may use the sandbox and the way out together.
    (
        "rapport-connections",
        &["rapport-model", "rapport-config", "rapport-sandbox", "rapport-egress", "rapport-store", "rapport-telemetry"],
    ),
    // It writes events, and reads no profile.
    (
        "rapport-inbound",
        &[
            "rapport-model",
            "rapport-config",
            "rapport-http",
            "rapport-sandbox",
            "rapport-store",
            "rapport-connections",
            "rapport-telemetry",
        ],
    ),
    // It sends, and receives nothing.
    ("rapport-outbound", &["rapport-model", "rapport-store", "rapport-connections", "rapport-telemetry"]),
    // It needs the table alone.
    ("rapport-projections", &["rapport-model", "rapport-store", "rapport-telemetry"]),
    // It calls no connector.
    (
        "rapport-api",
        &[
            "rapport-model",
            "rapport-config",
            "rapport-http",
            "rapport-store",
            "rapport-projections",
            "rapport-telemetry",
        ],
    ),
    ("rapport-lambda", HOST),
    ("rapport-cli", CLI),
    ("rapport-hostile", &["rapport-sdk"]),
    ("rapport-courier", &["rapport-sdk"]),
];
/// The binaries wire the parts together, so they may name all.
const HOST: &[&str] = &[
    "rapport-model",
    "rapport-sandbox",
    "rapport-store",
    "rapport-egress",
    "rapport-telemetry",
    "rapport-config",
    "rapport-http",
    "rapport-connections",
    "rapport-inbound",
    "rapport-outbound",
    "rapport-projections",
    "rapport-api",
];
/// The kit runs the SDK's conformance suite on built connectors.
const CLI: &[&str] = &[
    "rapport-model",
    "rapport-sandbox",
    "rapport-store",
    "rapport-egress",
    "rapport-telemetry",
    "rapport-config",
    "rapport-http",
    "rapport-connections",
    "rapport-inbound",
    "rapport-outbound",
    "rapport-projections",
    "rapport-api",
    "rapport-sdk",
];
/// Where connectors of one family have what they share: a folder of `plugins/` without a connector.toml.
const FAMILIES: &[&str] = &["rapport-meta"];

/// What a connector may use.
const CONNECTOR: &[&str] = &["rapport-sdk", "rapport-meta"];

#[test]
fn dependencies_point_one_way() {
    let mut mistakes = Vec::new();
    let mut packages = 0;
    for package in packages_of_the_workspace() {
        let name = package["name"].as_str().unwrap();
        let folder = package["manifest_path"].as_str().unwrap();
        if name == "rapport-tests" {
            continue;
        }
        packages += 1;
        let listed = DEPENDENCIES.iter().find(|(crate_name, _)| *crate_name == name);
        let is_plugin = folder.contains("/plugins/") && name != "rapport-sdk";
        let allowed = match listed {
            Some((_, allowed)) => *allowed,
            None if FAMILIES.contains(&name) => &["rapport-sdk"],
            None if is_plugin => CONNECTOR,
            None => &[],
        };
        let ours =
            package["dependencies"].as_array().unwrap().iter().filter(|dependency| dependency["path"].is_string());
        for dependency in ours.map(|dependency| dependency["name"].as_str().unwrap()) {
            if !allowed.contains(&dependency) {
                mistakes.push(format!("{name} → {dependency}; it may use {allowed:?} of ours"));
            }
        }
    }
    assert!(packages >= 9, "{packages}");
    report(&mistakes);
}

/// Names that belong to one provider, wherever they stand in a line.
const PROVIDERS: [&str; 19] = [
    "whatsapp",
    "wamid",
    "wa_id",
    "messenger",
    "instagram",
    "facebook",
    "twilio",
    "telnyx",
    "vonage",
    "sinch",
    "sendgrid",
    "mailgun",
    "mailchimp",
    "hubspot",
    "salesforce",
    "zendesk",
    "telegram",
    "viber",
    "shopify",
];
/// Names that are also parts of other words.
const PROVIDERS_AS_WORDS: [&str; 5] = ["meta", "slack", "stripe", "intercom", "postmark"];

/// Lines of the host that name a provider: examples of a configuration, which names a folder of plugins/.
const PROVIDERS_ALLOWED: [(&str, &str); 2] = [
    ("host/cli/src/dev.rs", "connector = \"whatsapp\""),
    ("host/config/src/config.rs", "such as `connector = \\\"whatsapp\\\"`"),
];

#[test]
fn the_host_knows_no_provider() {
    let mut mistakes = Vec::new();
    for source in sources().iter().filter(|source| source.is_in(&["host/"]) && !source.is_of_tests()) {
        for (number, line) in source.code() {
            let lower = line.to_lowercase();
            let is_word = |name: &str| lower.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name);
            let named = PROVIDERS.iter().find(|name| lower.contains(*name));
            let named = named.or(PROVIDERS_AS_WORDS.iter().find(|name| is_word(name)));
            let allowed = |(path, text): &(&str, &str)| source.path == *path && line.contains(text);
            if let Some(provider) = named
                && !PROVIDERS_ALLOWED.iter().any(allowed)
            {
                mistakes.push(format!("{}:{number}: `{provider}`: {}", source.path, line.trim()));
            }
        }
    }
    report(&mistakes);
}

#[test]
fn every_plugin_has_the_same_files() {
    let mut mistakes = Vec::new();
    let mut plugins = 0;
    for folder in folders_in("plugins") {
        let name = format!("rapport-{}", folder.file_name().unwrap().display());
        if name == "rapport-sdk" || FAMILIES.contains(&name.as_str()) {
            continue;
        }
        plugins += 1;
        for name in ["connector.toml", "README.md", "src/lib.rs", "src/settings.rs", "src/inbound.rs"] {
            if !folder.join(name).is_file() {
                mistakes.push(format!("{}: `{name}` is missing", folder.display()));
            }
        }
        mistakes.extend(fixtures_that_stand_alone(&folder.join("fixtures/inbound")));
    }
    assert!(plugins >= 5, "{plugins}");
    report(&mistakes);
}

/// What a crate shares stands in modules with names. If modules imported it from the crate's entry module, each of them would
/// depend on all.
#[test]
fn an_entry_module_of_the_host_lists_modules_and_defines_nothing() {
    let items = ["struct ", "enum ", "fn ", "async fn ", "trait ", "impl ", "impl<", "const ", "static ", "type "];
    let mut mistakes = Vec::new();
    let entries = |source: &&Source| {
        source.path.split('/').count() == 4 && source.is_in(&["host/"]) && source.path.ends_with("/src/lib.rs")
    };
    for source in sources().iter().filter(entries) {
        for (number, line) in source.code() {
            let item = line.trim_start_matches("pub(crate) ").trim_start_matches("pub ");
            if items.iter().any(|begin| item.starts_with(begin)) {
                mistakes.push(format!("{}:{number}: {line}; fix: a module of its own", source.path));
            }
        }
    }
    report(&mistakes);
}

/// Who imports `inbound` of a connector makes a circle: what readers share is in `settings.rs`, `scene.rs` or their own file.
#[test]
fn nobody_takes_their_settings_from_a_connector_s_inbound() {
    let is_taken = |line: &str| line.contains("inbound::Settings") || line.contains("inbound::Scene");
    let mut mistakes = Vec::new();
    for source in sources().iter().filter(|source| source.is_in(&["plugins/"])) {
        let lines = source.code().filter(|(_, line)| is_taken(line));
        mistakes.extend(lines.map(|(number, line)| format!("{}:{number}: {line}", source.path)));
    }
    report(&mistakes);
}

/// `.http` files without their `.events.json`, and the other way round; or that there are none.
fn fixtures_that_stand_alone(folder: &Path) -> Vec<String> {
    let mut cases: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let (folders, files): (Vec<_>, Vec<_>) = files_in(folder).into_iter().partition(|path| path.is_dir());
    for path in files.into_iter().chain(folders.iter().flat_map(|folder| files_in(folder))) {
        let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
        for end in [".http", ".events.json"] {
            if let Some(case) = name.strip_suffix(end) {
                cases.entry(case.to_owned()).or_default().insert(end);
            }
        }
    }
    if cases.is_empty() {
        return vec![format!("{}: no fixture", folder.display())];
    }
    let alone = cases.into_iter().filter(|(_, ends)| ends.len() < 2);
    alone.map(|(case, ends)| format!("{}: `{case}` has only {ends:?}", folder.display())).collect()
}

#[test]
fn files_are_short() {
    let mut mistakes = Vec::new();
    for source in sources().iter().filter(|source| !source.is_of_tests()) {
        let lines = source.text.lines().count();
        if lines > FILE_LINES_MAX {
            mistakes.push(format!("{}: {lines} lines; at most {FILE_LINES_MAX}", source.path));
        }
    }
    report(&mistakes);
}

#[test]
fn functions_are_short() {
    let mut mistakes = Vec::new();
    let mut functions = 0;
    for source in sources().iter().filter(|source| !source.is_of_tests()) {
        for (name, number, lines) in functions_of(source) {
            functions += 1;
            if lines > FUNCTION_LINES_MAX {
                mistakes.push(format!("{}:{number}: `{name}` has {lines} lines", source.path));
            }
        }
    }
    assert!(functions > 300, "{functions}");
    report(&mistakes);
}

/// The functions of a formatted file: name, first line, number of lines. One ends at the first line that is as deep as
/// its beginning and begins with a closing brace.
fn functions_of(source: &Source) -> Vec<(String, usize, usize)> {
    let lines: Vec<(usize, &str)> = source.code().collect();
    let mut functions = Vec::new();
    for (index, (number, line)) in lines.iter().enumerate() {
        let code = line.trim_start();
        let indent = &line[..line.len() - code.len()];
        let Some(name) = function_name(code) else { continue };
        let is_last = |(_, line): &&(usize, &str)| {
            line.strip_prefix(indent).is_some_and(|rest| rest.starts_with('}')) || line.ends_with(';') && *line == code
        };
        let one_line = line.ends_with('}') || line.ends_with(';');
        let end = if one_line { Some(&lines[index]) } else { lines[index + 1..].iter().find(is_last) };
        if let Some((end, _)) = end {
            functions.push((name, *number, end - number + 1));
        }
    }
    functions
}

fn function_name(code: &str) -> Option<String> {
    let (before, after) = code.split_once("fn ")?;
    let is_modifier = |word: &str| {
        matches!(word, "pub" | "async" | "const" | "unsafe" | "extern")
            || word.starts_with("pub(")
            || word.starts_with('"')
    };
    let name: String = after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (before.split_whitespace().all(is_modifier) && !name.is_empty()).then_some(name)
}

#[test]
fn nothing_is_left_for_later() {
    // In pieces, so that this file does not name them.
    let left: Vec<String> = [("todo", "!("), ("unimplemented", "!("), ("dbg", "!("), ("#[ig", "nore"), ("FIX", "ME")]
        .iter()
        .map(|(a, b)| format!("{a}{b}"))
        .collect();
    let mut mistakes = Vec::new();
    for source in &sources() {
        for (line, number) in source.text.lines().zip(1..) {
            // A test that another test starts in a process of its own says so; any other would never run.
            let is_started = line.contains("= \"run by `");
            let found = left.iter().find(|left| line.contains(*left));
            if let Some(found) = found.filter(|_| !is_started) {
                mistakes.push(format!("{}:{number}: `{found}`", source.path));
            }
        }
    }
    report(&mistakes);
}

#[test]
fn every_crate_says_what_it_is() {
    let mut mistakes = Vec::new();
    let mut crates = 0;
    for package in packages_of_the_workspace() {
        for target in package["targets"].as_array().unwrap() {
            let path = Path::new(target["src_path"].as_str().unwrap());
            if !path.ends_with("src/lib.rs") {
                continue;
            }
            crates += 1;
            let charter = fs::read_to_string(path).unwrap();
            let sentence = charter.lines().next().and_then(|line| line.strip_prefix("//! "));
            if sentence.is_none_or(|sentence| sentence.len() < 20) {
                mistakes.push(format!("{}: its first line is not a charter", path.display()));
            }
        }
    }
    assert!(crates >= 9, "{crates}");
    report(&mistakes);
}

/// What only some folders may do: the words that do it, and where they may stand.
const DOORS: [(&str, &[&str], &[&str]); 7] = [
    (
        "reads the environment",
        &["env::var", "env::vars"],
        &["host/cli/", "host/lambda/", "tests/", "plugins/sdk/src/testing"],
    ),
    (
        "opens a socket",
        &["TcpListener", "TcpStream", "UdpSocket", "UnixStream", "UnixListener"],
        &["host/egress/", "host/store/src/embedded.rs", "host/cli/", "host/lambda/", "tests/"],
    ),
    (
        "calls other hosts",
        &["HttpConnector", "HttpsConnector", "client::legacy", "TcpSocket"],
        &["host/egress/", "host/store/src/http_client.rs", "host/store/src/embedded.rs", "host/cli/", "tests/"],
    ),
    ("writes events of providers", &["put_events("], &["host/inbound/", "host/store/", "tests/"]),
    (
        "writes events of messages that we sent",
        &["put_sent("],
        &["host/outbound/", "host/projections/src/settlement.rs", "host/store/", "tests/"],
    ),
    ("writes events of commands", &["table.put_command("], &["host/api/src/sending/", "host/store/", "tests/"]),
    ("knows wasmtime", &["wasmtime::"], &["host/sandbox/", "tests/"]),
];

#[test]
fn what_is_foreign_comes_in_by_its_door() {
    let mut mistakes = Vec::new();
    for (what, words, doors) in DOORS {
        for source in sources().iter().filter(|source| !source.is_in(doors)) {
            for (line, number) in source.text.lines().zip(1..) {
                let code = line.split("//").next().unwrap_or_default();
                if words.iter().any(|word| code.contains(word)) {
                    mistakes.push(format!("{}:{number}: {what}, which only {doors:?} do", source.path));
                }
            }
        }
    }
    report(&mistakes);
}

/// A table of sentences that were bettered is worth something only while the tree has the better ones.
#[test]
fn the_examples_of_the_style_are_in_the_tree() {
    let read = |path: &str| fs::read_to_string(repository().join(path)).map(|text| in_one_line(&text));
    let style = fs::read_to_string(repository().join("STYLE.md")).unwrap();
    let (_, table) = style.split_once("| File | Before | After |").unwrap();
    let (mut mistakes, mut rows) = (Vec::new(), 0);
    for row in table.lines().skip(2).take_while(|line| line.starts_with('|')) {
        let [file, before, after] = row.trim_matches('|').split(" | ").collect::<Vec<_>>()[..] else {
            panic!("expected three cells: {row}")
        };
        rows += 1;
        match read(file.trim().trim_matches('`')) {
            Err(error) => mistakes.push(format!("STYLE.md: {}: {error}", file.trim())),
            Ok(text) if text.contains(before.trim()) => mistakes.push(format!("{}: has `{before}`", file.trim())),
            Ok(text) if text.contains(after.trim()) => {}
            Ok(_) => mistakes.push(format!("{}: lacks `{}`", file.trim(), after.trim())),
        }
    }
    assert!(rows >= 10, "{rows}");
    report(&mistakes);
}

/// A file's words with one space between them, without the marks of a comment or a string that goes on.
fn in_one_line(text: &str) -> String {
    let marks = |line: &str| {
        let line = line.trim_start().trim_start_matches("///").trim_start_matches("//!");
        line.trim_end_matches('\\').to_owned()
    };
    text.lines().map(marks).collect::<Vec<_>>().join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Rule 3 of STYLE.md: the verb is negated. "There is no …" and "is no longer" are plain.
#[test]
fn a_sentence_of_the_program_negates_its_verb() {
    let mut mistakes = Vec::new();
    for source in &sources() {
        for (line, number) in source.text.lines().zip(1..) {
            let code = line.split("// ").next().unwrap_or_default();
            if code.trim_start().starts_with("//") {
                continue;
            }
            let words: Vec<&str> = code.split(|c: char| !c.is_alphanumeric() && !"'_-".contains(c)).collect();
            let negates_the_noun = |three: &[&str]| {
                let [before, verb, no, noun] = three else { return false };
                matches!(*verb, "is" | "are")
                    && *no == "no"
                    && noun.starts_with(|c: char| c.is_ascii_lowercase())
                    && !matches!(*noun, "longer" | "more")
                    && !before.eq_ignore_ascii_case("there")
            };
            if words.windows(4).any(negates_the_noun) {
                mistakes.push(format!("{}:{number}: {}; fix: `is not a …`", source.path, line.trim()));
            }
        }
    }
    report(&mistakes);
}

/// Macros of tracing that write a line or open a span.
const LINES_OF_A_LOG: [&str; 12] = [
    "trace",
    "debug",
    "info",
    "warn",
    "error",
    "event",
    "span",
    "trace_span",
    "debug_span",
    "info_span",
    "warn_span",
    "error_span",
];

/// A line that is not on the list of `host/telemetry` has no id, no documentation and no metric.
#[test]
fn every_line_of_the_log_is_on_the_list() {
    let mut mistakes = Vec::new();
    let sources = sources();
    let host = sources.iter().filter(|source| source.is_in(&["host/"]) && !source.is_in(&["host/telemetry/"]));
    for source in host.clone().filter(|source| !source.is_of_tests()) {
        for (number, line) in source.code() {
            let code = line.split("//").next().unwrap_or_default();
            let called =
                code.split("!(").map(|before| before.rsplit(|c: char| !c.is_alphanumeric() && c != '_').next());
            let found =
                called.flatten().find(|name| LINES_OF_A_LOG.contains(name) && code.contains(&format!("{name}!(")));
            let is_attribute = code.trim_start().starts_with("#[") && code.contains("instrument");
            let found = found.or(is_attribute.then_some("instrument"));
            if let Some(name) = found {
                let fix = "add an event to host/telemetry/src/log_events.rs, and emit that";
                mistakes
                    .push(format!("{}:{number}: `{name}` writes a line that is on no list; fix: {fix}", source.path));
            }
        }
    }
    for event in rapport_telemetry::ALL {
        let begins = format!("{} {{", event.type_name);
        if !host.clone().any(|source| source.code().any(|(_, line)| line.contains(&begins))) {
            mistakes.push(format!(
                "host/telemetry/src/log_events.rs: nobody emits `{}`; fix: take it off",
                event.type_name
            ));
        }
    }
    report(&mistakes);
}

#[test]
fn a_function_s_end_is_found() {
    let text = "impl A {\n    pub(crate) async fn long(\n        a: B,\n    ) -> C {\n        if x {\n        }\n    }\n\n    fn short() {}\n}\n";
    let source = Source { path: String::new(), text: text.to_owned() };
    assert_eq!(functions_of(&source), [("long".to_owned(), 2, 6), ("short".to_owned(), 9, 1)]);
}

fn report(mistakes: &[String]) {
    assert!(mistakes.is_empty(), "\n{}\n", mistakes.join("\n"));
}

/// Code that a test writes, from the contract.
const GENERATED: &str = "plugins/sdk/src/bindings/";

/// Every Rust file of the workspace that a person writes.
fn sources() -> Vec<Source> {
    let top = repository();
    let mut sources = Vec::new();
    let mut folders: Vec<PathBuf> = ["host", "plugins", "tests"].map(|folder| top.join(folder)).into();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(&top).unwrap().to_str().unwrap().to_owned();
                if !path.starts_with(GENERATED) {
                    sources.push(Source { path, text });
                }
            }
        }
    }
    assert!(sources.len() > 100, "{}", sources.len());
    sources
}

fn folders_in(name: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(repository().join(name)).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_dir()).collect()
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).map_or_else(|_| Vec::new(), |entries| entries.map(|entry| entry.unwrap().path()).collect())
}

fn packages_of_the_workspace() -> Vec<Value> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--offline", "--no-deps", "--format-version", "1"])
        .current_dir(repository())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}
