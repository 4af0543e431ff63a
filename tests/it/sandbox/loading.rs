//! What is refused before a call, and components that fail while they start.

use std::path::Path;

use rapport_sandbox::{Connector, FailureKind, LoadError, Options, Sandbox, with_manifest};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use super::{good, hostile};
use crate::connectors::{self, repository};

fn load(bytes: &[u8]) -> Result<Connector, LoadError> {
    Sandbox::new(Options::default()).unwrap().load_component(bytes, "test")
}

fn refusal(text: &str) -> String {
    load(&wat::parse_str(text).unwrap()).unwrap_err().to_string()
}

#[test]
fn a_connector_carries_its_manifest_and_its_digest() {
    let connector = hostile();
    assert_eq!(connector.manifest().id, "hostile");
    assert!(connector.manifest().secrets.contains_key("signing-secret"));
    assert_eq!(connector.digest().len(), 64);
}

#[test]
fn the_whatsapp_connector_loads_and_imports_nothing_foreign() {
    let connector = load(connectors::whatsapp()).unwrap();
    assert_eq!(connector.manifest().id, "whatsapp");
}

#[test]
fn a_foreign_import_is_refused_by_name_with_cause_and_fix() {
    let imports = [
        ("wasi:clocks/wall-clock@0.2.6", "std::time"),
        ("wasi:random/random@0.2.6", "HashMap"),
        ("wasi:cli/environment@0.2.6", "std::env"),
        ("wasi:filesystem/types@0.2.6", "std::fs"),
        ("wasi:sockets/tcp@0.2.6", "std::net"),
        ("acme:host/database@1.0.0", "another host"),
    ];
    for (import, cause) in imports {
        let text = format!(r#"(component (import "{import}" (instance)))"#);
        let error = refusal(&text);
        assert!(
            error.contains(&format!("import `{import}`")) && error.contains(cause) && error.contains("fix: "),
            "{error}"
        );
    }
}

#[test]
fn a_component_that_exports_nothing_is_told_what_is_missing() {
    let error = refusal("(component)");
    assert!(error.starts_with("it exports none of `inbound`, `sending` and `polling`"), "{error}");
    assert!(error.contains("; fix: "), "{error}");
}

#[test]
fn another_shape_of_the_contract_is_refused_when_loading() {
    let error = refusal(
        r#"(component (import "rapport:connector/log@0.2.0" (instance (export "write" (func (param "line" u32))))))"#,
    );
    assert!(error.contains("another contract"), "{error}");
}

#[test]
fn a_core_module_and_other_files_are_called_what_they_are() {
    assert!(refusal("(module)").contains("rapport connector build"));
    for bytes in [&b""[..], b"#!/bin/sh", b"\0asm"] {
        assert!(matches!(load(bytes), Err(LoadError::NotWebAssembly)));
    }
    let cut = &connectors::hostile()[..1000];
    assert!(matches!(load(cut), Err(LoadError::Truncated)));
}

#[test]
fn a_wrong_manifest_is_refused_with_the_line_that_would_do() {
    let with = |limits: &str| {
        let text = format!("id = \"x\"\nname = \"X\"\nversion = \"1\"\ncontract = \"0.2\"\n[limits]\n{limits}\n");
        load(&with_manifest(connectors::hostile(), &text).unwrap())
    };
    assert!(with("memory-mib = 999").unwrap_err().to_string().contains("host's maximum is 128"));
    assert!(with("memory = 16").unwrap_err().to_string().contains("`limits.memory`"));
    assert!(with("cpu-ms = 10").is_ok());
}

#[test]
fn a_component_that_fails_while_it_starts_says_so() {
    let trap = good(&starting("unreachable", 1)).unwrap_err();
    assert_eq!(trap.kind, FailureKind::Instantiation);
    let endless = good(&starting("(loop br 0)", 1)).unwrap_err();
    assert_eq!(endless.kind, FailureKind::Deadline);
    // 33 MiB, where 32 are the default.
    let large = good(&starting("nop", 33 * 16)).unwrap_err();
    assert_eq!(large.kind, FailureKind::Memory);
    let runs = good(&starting("nop", 1)).unwrap_err();
    assert_eq!(runs.kind, FailureKind::Trap);
    for failed in [trap, endless, large, runs] {
        assert!(!failed.verified);
    }
}

#[test]
fn a_connector_of_another_contract_is_refused_with_the_fix() {
    let wit = tempfile::tempdir().unwrap();
    let files = std::fs::read_dir(repository().join("wit")).unwrap().map(|file| file.unwrap());
    for file in files.filter(|file| file.path().is_file()) {
        let text = std::fs::read_to_string(file.path()).unwrap();
        std::fs::write(wit.path().join(file.file_name()), text.replace("@0.2.0", "@0.1.2")).unwrap();
    }
    let error = load(&component(wit.path(), "0.1.2", "nop", 1)).err().unwrap().to_string();
    assert!(error.contains("another version of the contract"), "{error}");
    assert!(error.contains("fix: build with this release's SDK"), "{error}");
}

/// A connector that does `start` while it starts, has so many pages of memory, and traps when it is called.
pub(super) fn starting(start: &str, pages: u32) -> Connector {
    load(&component(&repository().join("wit"), "0.2.0", start, pages)).unwrap()
}

/// The same as a component of one version of the contract.
fn component(wit: &Path, version: &str, start: &str, pages: u32) -> Vec<u8> {
    let text = format!(
        r#"(module
            (memory (export "memory") {pages})
            (func $start {start})
            (start $start)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
            (func (export "rapport:connector/inbound@{version}#receive")
                (param i32 i32 i32 i32 i64 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) unreachable))"#
    );
    let mut module = wat::parse_str(text).unwrap();
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(wit).unwrap();
    let world = resolve.select_world(&[package], Some("inbound-connector")).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&module).unwrap().encode().unwrap()
}
