//! The way of an author: a new connector, its tests, a mistake that they find, and what an operator is told of it.
//!
//! The connector is made outside of the checkout, as a workspace of its own that has the SDK by path. It is built in this
//! workspace's target directory, so that what others have compiled is not compiled again.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

fn rapport(arguments: &[&str]) -> Output {
    let command = Path::new(env!("CARGO_BIN_EXE_rapport"));
    let target = command.parent().and_then(Path::parent).expect("cargo puts it into a profile's folder");
    Command::new(command)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("CARGO_TARGET_DIR", target)
        .output()
        .expect("the command starts")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_new_connector_passes_its_tests_and_a_mistake_in_it_does_not() {
    let parent = TempDir::new().unwrap();
    let folder = parent.path().join("acme-chat");
    let words = folder.to_str().unwrap();

    let made = rapport(&["connector", "new", "acme-chat", "--path", parent.path().to_str().unwrap()]);
    assert!(made.status.success(), "{}", said(&made));
    assert!(said(&made).contains(&format!("rapport connector test {words}")), "{}", said(&made));
    assert!(!rapport(&["connector", "new", "acme-chat", "--path", parent.path().to_str().unwrap()]).status.success());

    let tested = rapport(&["connector", "test", words]);
    let report = said(&tested);
    assert!(tested.status.success(), "{report}");
    for line in ["acme-chat 0.1.0, imports http, types, verify", "tampering", "own tests", "instructions of"] {
        assert!(report.contains(line), "{report}");
    }

    let inspected = rapport(&["connector", "inspect", words, "--json"]);
    let facts: serde_json::Value = serde_json::from_slice(&inspected.stdout).unwrap();
    assert_eq!(facts["manifest"]["id"], "acme-chat");
    assert_eq!(facts["exports"].as_array().map(Vec::len), Some(1), "{facts}");

    let expected = folder.join("fixtures/inbound/text.events.json");
    let other = fs::read_to_string(&expected).unwrap().replace("Hello", "Goodbye");
    fs::write(&expected, &other).unwrap();
    let failed = rapport(&["connector", "test", words]);
    assert_eq!(failed.status.code(), Some(1), "{}", said(&failed));
    for column in ["native", "sandbox"] {
        let line = format!("failed {column}: fixtures: text: line ");
        assert!(said(&failed).contains(&line), "{}", said(&failed));
    }
    assert!(said(&failed).contains("1 of 1 connectors fail: acme-chat"), "{}", said(&failed));

    let blessed = rapport(&["connector", "test", words, "--bless"]);
    assert!(blessed.status.success(), "{}", said(&blessed));
    assert_ne!(fs::read_to_string(&expected).unwrap(), other);
}

#[test]
fn a_connector_that_does_not_compile_is_told_with_what_cargo_says() {
    let parent = TempDir::new().unwrap();
    let made = rapport(&["connector", "new", "broken", "--path", parent.path().to_str().unwrap()]);
    assert!(made.status.success(), "{}", said(&made));
    let folder = parent.path().join("broken");
    fs::write(folder.join("src/payload.rs"), "pub struct Root").unwrap();
    let failed = rapport(&["connector", "test", folder.to_str().unwrap()]);
    assert_eq!(failed.status.code(), Some(1));
    assert!(said(&failed).contains("src/payload.rs"), "{}", said(&failed));
}
