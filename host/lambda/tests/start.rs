//! The binary itself, where it ends before it has asked for an event.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

const CONFIG: &str = r#"
tenant-key = "secret:tenant-key"
[connections.a]
connector = "acme"
secrets = { signing = "secret:signing" }
"#;
const PACKAGE: &str =
    r#"{"format": 1, "rapport": "0.1.0", "engine": "e", "arch": "x86_64", "signer": "00", "connectors": {}}"#;

/// Starts it with the package in `root`, but for one variable; gives the only line of its log.
fn refusal(root: &Path, change: (&str, &str)) -> String {
    let keys = "00".repeat(32);
    let all = [
        ("_HANDLER", "webhook"),
        ("LAMBDA_TASK_ROOT", root.to_str().expect("a folder of a test is UTF-8")),
        ("RAPPORT_TRUSTED_KEYS", &keys),
        ("RAPPORT_TABLE", "t"),
        ("RAPPORT_BLOBS_BUCKET", "b"),
        ("RAPPORT_SECRETS", "s"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "a"),
        ("AWS_SECRET_ACCESS_KEY", "a"),
        ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1"),
        ("AWS_LAMBDA_FUNCTION_NAME", "f"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
    ];
    let run = Command::new(env!("CARGO_BIN_EXE_bootstrap")).env_clear().envs(all).env(change.0, change.1).output();
    let run = run.expect("it starts");
    assert!(!run.status.success());
    let lines = String::from_utf8(run.stderr).expect("the log is text");
    let line: Value = serde_json::from_str(lines.trim()).unwrap_or_else(|error| panic!("{error}: {lines}"));
    assert_eq!((&line["level"], &line["message"]), (&"ERROR".into(), &"the function cannot start".into()));
    line["error"].as_str().expect("it says why").to_owned()
}

#[test]
fn a_deployment_that_cannot_work_ends_with_one_line_that_says_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("the folder is writable");
    let refuse = || refusal(folder.path(), ("", ""));

    assert!(
        refusal(folder.path(), ("RAPPORT_TABLE", "")).starts_with("environment variable `RAPPORT_TABLE` is not set")
    );
    assert!(refuse().starts_with("`rapport.toml`: No such file"), "{}", refuse());
    write("rapport.toml", &CONFIG.replace("secret:signing", "env:SIGNING"));
    assert!(refuse().contains("secret `signing` is a reference to this machine's environment"), "{}", refuse());
    write("rapport.toml", &CONFIG.replace("tenant-key", "tenantkey"));
    assert!(refuse().contains("unknown key `tenantkey`; fix: write `tenant-key`"), "{}", refuse());
    write("rapport.toml", CONFIG);
    assert!(refuse().starts_with("`package.json`: No such file"), "{}", refuse());
    write("package.json", &PACKAGE.replace("\"format\": 1", "\"format\": 2"));
    assert!(refuse().contains("format 2"), "{}", refuse());
    write("package.json", PACKAGE);
    assert!(refuse().starts_with("connection `a`: connector `acme` is not in the package; fix: "), "{}", refuse());
}

#[test]
fn no_compiler_is_inside() {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "-p", "rapport-lambda", "-e", "normal", "--prefix", "none"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    let tree = String::from_utf8(tree.stdout).expect("crates have names of text");
    assert!(tree.contains("wasmtime v"), "{tree}");
    for never in ["cranelift-codegen", "winch", "aws-lc-sys", "dynoxide", "rusqlite", "openssl-sys"] {
        let found: Vec<_> = tree.lines().filter(|line| line.contains(never)).collect();
        assert!(found.is_empty(), "{found:?}");
    }
}
