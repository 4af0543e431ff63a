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
    for command in ["demo", "dev", "doctor", "connector", "parked"] {
        assert!(text.lines().any(|line| line.trim_start().starts_with(command)), "{text}");
    }
}

#[test]
fn a_mistake_in_the_configuration_is_named_with_its_fix() {
    for (config, expected) in [
        (None, "fix: write one"),
        (Some("public_url = 'https://hooks.example.com'"), "unknown key `public_url`; fix: write `public-url`"),
        (Some("[api]\n\ntenant-key = 'hunter2"), "line 3 is not TOML"),
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
        (Some("tenant-key = '$TENANT'"), "fix: write `env:NAME`, the variable's name without `$`"),
        (Some("tenant-key = 'file:not-there'"), "fix: write the secret into that file, or name another"),
        (
            Some("[connections.a]\nconnector = 'acne'"),
            "connection `a`: connector `acne`: no folder with a connector.toml; fix: write `acme`",
        ),
        (
            Some("[connections.a]\nconnector = 'acme.wasm'"),
            "does not exist; fix: `rapport connector build` makes components",
        ),
        (Some("[connections.wa]\nconector = 'x'"), "unknown key `connections.wa.conector`; fix: write `connector`"),
    ] {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("weak"), "hunter2\n").unwrap();
        fs::create_dir_all(folder.path().join("plugins/acme")).unwrap();
        fs::write(folder.path().join("plugins/acme/connector.toml"), "").unwrap();
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

#[test]
fn a_mistake_in_the_arguments_is_told_with_its_cause_before_the_fix() {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("rapport.toml", "[connections.a]\nconnector = 'acme'\n");
    write("file", "");
    write("not.json", "hello");
    fs::create_dir(folder.path().join("folder")).unwrap();
    for (arguments, expected) in [
        (&["dev", "--config", "nothere.toml"][..], "`nothere.toml` does not exist; fix: write one"),
        (&["dev", "--config", "folder"], "`folder` is a folder, expected a file; fix: `--config folder/rapport.toml`"),
        (
            &["dev", "--listen", "0", "--data", "file"],
            "`file` is a file, expected a folder; fix: name a folder with --data",
        ),
        (&["parked", "list", "--data", "file"], "`file` is a file, expected a folder; fix: name a folder with --data"),
        (&["dev", "--listen", "rapport.example"], "expected ADDRESS:PORT, such as `127.0.0.1:8080`"),
        (&["feed", "a", "not.json"], "connection `a` takes nothing from AWS; fix: add `feed = { from = [\"…\"] }`"),
        (&["connector", "test"], "is not in a checkout of Rapport"),
        (
            &["connector", "test", "acme"],
            "no checkout of Rapport here or above; fix: name a connector's folder by its path",
        ),
        (&["connector", "new", "acme"], "is not in a checkout of Rapport; fix: add `--path FOLDER`"),
    ] {
        let output = rapport(arguments, &folder);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(expected), "{arguments:?}: {said}");
    }
    write("rapport.toml", "[connections.a]\nconnector = 'acme'\nfeed = { from = ['x'] }\n");
    let said = String::from_utf8(rapport(&["feed", "a", "not.json"], &folder).stderr).unwrap();
    assert!(said.contains("`not.json`: it is not JSON: ") && said.contains("fix: give what AWS delivers"), "{said}");
}

#[test]
fn the_doctor_names_each_fix_and_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let plugins = folder.path().join("plugins/acme");
    fs::create_dir_all(&plugins).unwrap();
    let manifest =
        "id = 'acme'\nname = 'Acme'\nversion = '1'\ncontract = '0.2'\n[secrets]\nsigning-secret = 'Signs.'\n";
    fs::write(plugins.join("connector.toml"), manifest).unwrap();
    let config = |text: &str| fs::write(folder.path().join("rapport.toml"), text).unwrap();
    let doctor = || {
        let output = rapport(&["doctor", "--listen", "127.0.0.1:0"], &folder);
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    let (ok, said) = doctor();
    assert!(!ok && said.contains("no  configuration") && said.contains("fix: write one"), "{said}");

    config(
        "[api.keys.crm]\nsecret = 'file:not-there'\nmay = ['read']\n[connections.a]\nconnector = 'acme'\n\
         [connections.b]\nconnector = 'acne'\n",
    );
    let (ok, said) = doctor();
    let expected = [
        "no  secrets        API key `crm`",
        "no  secrets        connection `a`: secret `signing-secret` is not set",
        "no  connectors     connection `b`: connector `acne`: no folder with a connector.toml",
        "ok  data folder    `data` is not there; `rapport dev` makes it",
    ];
    assert!(!ok && expected.iter().all(|expected| said.contains(expected)), "{said}");
    assert!(said.lines().count() < 20, "it is one screen: {said}");

    fs::write(folder.path().join("key"), "a-key-of-sixteen-bytes").unwrap();
    config(
        "[api.keys.crm]\nsecret = 'file:key'\nmay = ['read']\n[connections.a]\nconnector = 'acme'\n\
         secrets = { signing-secret = 'file:key' }\n",
    );
    let (ok, said) = doctor();
    assert!(ok && said.contains("ok  secrets        2 are set") && said.contains("ok  connectors     acme"), "{said}");
    assert!(!folder.path().join("data").exists() && !said.contains("a-key-of-sixteen"), "{said}");
}
