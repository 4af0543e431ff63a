//! The command as its users meet it: help that teaches, and mistakes that are named with their fix.
//!
//! Cargo builds the command for these tests, so `cargo test` always has a fresh one; `tests/it/inbound/durability.rs` runs it, too.

use std::fs;
use std::process::{Command, Output};

use tempfile::TempDir;

fn rapport(arguments: &[&str], folder: &TempDir) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rapport"))
        .args(arguments)
        .current_dir(folder.path())
        .output()
        .expect("the command starts")
}

#[test]
fn the_help_names_what_there_is_to_do() {
    let folder = TempDir::new().unwrap();
    let output = rapport(&["--help"], &folder);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    for command in ["demo", "dev", "connector", "parked"] {
        assert!(text.lines().any(|line| line.trim_start().starts_with(command)), "{text}");
    }
}

#[test]
fn a_mistake_in_the_configuration_is_named_with_its_fix() {
    for (config, expected) in [
        (None, "fix: write one"),
        (Some("public_url = 'https://hooks.example.com'"), "unknown key `public_url`; fix: write `public-url`"),
        (Some("tenant-key = 'hunter2'"), "`env:NAME`, `file:PATH` or `secret:NAME`"),
        (
            Some("tenant-key = 'secret:tenant-key'"),
            "fix: name `env:NAME` or `file:PATH` in the configuration of this machine",
        ),
        (Some("[api]\nkeys = ['file:not-there']"), "not-there"),
        (Some("[api]\nkeys = ['file:weak']"), "API key `default` is shorter than 16 bytes"),
        (Some("[api.keys.crm]\nsecret = 'file:weak'\nmay = ['read']"), "API key `crm` is shorter than 16 bytes"),
        (Some("[api.keys.crm]\nsecret = 'file:weak'\nmay = ['reed']"), "unknown word `reed`; fix: write `read`"),
        (Some("[connections.a]\nconnector = 'not-there'"), "not-there"),
    ] {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("weak"), "hunter2\n").unwrap();
        if let Some(config) = config {
            fs::write(folder.path().join("rapport.toml"), config).unwrap();
        }
        let output = rapport(&["dev", "--listen", "127.0.0.1:0"], &folder);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{config:?}");
        assert!(said.contains(expected), "{config:?}: {said}");
        assert!(!said.contains("hunter2"), "a secret is never repeated");
    }
}
