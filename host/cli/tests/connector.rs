//! The way of an author: a new connector, its tests, a mistake that they find, and what an operator is told of it.
//!
//! The connector is made outside of the checkout, as a workspace of its own that has the SDK by path. It is built in this
//! workspace's target directory, so that what others have compiled is not compiled again.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

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
    for line in [
        "acme-chat 0.1.0, imports http, types, verify",
        "tampering",
        "own tests",
        "outbound requests",
        "outbound budgets",
        "instructions of a step of outbound of",
    ] {
        assert!(report.contains(line), "{report}");
    }

    let inspected = rapport(&["connector", "inspect", words, "--json"]);
    let facts: serde_json::Value = serde_json::from_slice(&inspected.stdout).unwrap();
    assert_eq!(facts["manifest"]["id"], "acme-chat");
    let both = ["rapport:connector/inbound@0.2.0", "rapport:connector/sending@0.2.0"];
    assert_eq!(facts["exports"], serde_json::json!(both), "it receives and sends");

    let expected = folder.join("fixtures/inbound/text.events.json");
    let other = fs::read_to_string(&expected).unwrap().replace("Hello", "Goodbye");
    fs::write(&expected, &other).unwrap();
    let failed = rapport(&["connector", "test", words]);
    assert_eq!(failed.status.code(), Some(1), "{}", said(&failed));
    let line =
        "failed both: fixtures: text: `events[0].message.parts[0].text`: expected `\"Goodbye\"`, found `\"Hello\"`";
    assert!(said(&failed).contains(line), "{}", said(&failed));
    assert!(said(&failed).contains("1 of 1 connectors fail: acme-chat"), "{}", said(&failed));

    let connection = folder.join("fixtures/connection.json");
    let request = folder.join("fixtures/inbound/text.http");
    let manifest = folder.join("connector.toml");
    for (file, from, to, expected) in [
        (&connection, "\"secrets\"", "\"secretz\"", "connection.json`: unknown field `secretz`, expected one of"),
        (&request, "\n\n", "\n", "text.http`: expected an empty line between the header fields and the body"),
        (&expected, "[", "", "fixtures: text: its `.events.json` is not JSON: "),
        (
            &manifest,
            "api = [\"api.acme-chat.example\"]",
            "api = [\"api.elsewhere.example\"]",
            "the connector's manifest does not allow the host `api.acme-chat.example`; fix: add it to `[hosts] api`",
        ),
        (&manifest, "use = \"bearer\", ", "use = \"basic\", ", "secret `access-token` is bound to "),
    ] {
        let right = fs::read_to_string(file).unwrap();
        fs::write(file, right.replacen(from, to, 1)).unwrap();
        let failed = rapport(&["connector", "test", words]);
        let said = said(&failed);
        assert!(failed.status.code() == Some(1) && said.contains(expected) && !said.contains("panicked"), "{said}");
        fs::write(file, right).unwrap();
    }

    let blessed = rapport(&["connector", "test", words, "--bless"]);
    assert!(blessed.status.success(), "{}", said(&blessed));
    assert_ne!(fs::read_to_string(&expected).unwrap(), other);
    let line = "written text  1 message by acme-chat u-7 at 2026-09-29T08:00:00Z";
    assert!(said(&blessed).contains(line), "{}", said(&blessed));
}

/// `rapport dev` on a free port; ended with the test.
struct Dev(Child);

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_fixture_is_signed_and_sent_to_a_running_service() {
    let parent = TempDir::new().unwrap();
    let made = rapport(&["connector", "new", "signed-chat", "--path", parent.path().to_str().unwrap()]);
    assert!(made.status.success(), "{}", said(&made));
    let folder = parent.path().join("signed-chat");
    let words = folder.to_str().unwrap();
    let fixture = folder.join("fixtures/inbound/text.http");
    let original = fs::read_to_string(&fixture).unwrap();
    let (_, signature) = original.split_once("-signature: ").unwrap();
    let signature = signature.lines().next().unwrap();

    for wrong in ["{sign}", &"0".repeat(64)] {
        fs::write(&fixture, original.replace(signature, wrong)).unwrap();
        let failed = said(&rapport(&["connector", "test", words]));
        assert!(
            failed.contains("failed both: fixtures: text: expected 1 event, found `unauthenticated`: "),
            "{failed}"
        );
        assert!(failed.contains(&format!("fix: `rapport connector sign {words}` signs the fixtures")), "{failed}");
        let refused = said(&rapport(&["connector", "test", words, "--bless"]));
        assert!(refused.contains("text: was 1 event, is now `unauthenticated`"), "{refused}");
        let signed = said(&rapport(&["connector", "sign", words]));
        assert!(signed.contains("signed text\n") && signed.contains("signed already"), "{signed}");
        assert_eq!(fs::read_to_string(&fixture).unwrap(), original);
    }

    let config = parent.path().join("rapport.toml");
    fs::write(parent.path().join("secret"), "test-signing-secret").unwrap();
    fs::write(
        &config,
        "[connections.chat-eu]\nconnector = 'signed-chat'\nsecrets = { signing-secret = ['file:secret'] }\n\
         [connections.chat-us]\nconnector = 'signed-chat'\n",
    )
    .unwrap();
    let target = Path::new(env!("CARGO_BIN_EXE_rapport")).parent().and_then(Path::parent).unwrap();
    let mut dev = Dev(Command::new(env!("CARGO_BIN_EXE_rapport"))
        .args(["dev", "--listen", "127.0.0.1:0", "--config", config.to_str().unwrap()])
        .args(["--data", parent.path().join("data").to_str().unwrap()])
        .env("CARGO_TARGET_DIR", target)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap());
    let mut lines = BufReader::new(dev.0.stdout.take().unwrap()).lines();
    let origin = lines.next().unwrap().unwrap().replace("rapport listens on ", "");
    let to = format!("{origin}/hooks/chat-eu");
    let sent = rapport(&["connector", "send", words, "text", "--to", &to]);
    assert!(sent.status.success() && said(&sent).contains("200"), "{}", said(&sent));
    let forged = rapport(&["connector", "send", words, "signature-wrong", "--to", &to]);
    assert!(forged.status.success() && said(&forged).contains("401"), "{}", said(&forged));
    let nowhere = rapport(&["connector", "send", words, "text", "--to", &format!("{origin}/hooks/other")]);
    assert!(said(&nowhere).contains("`rapport dev` prints the URLs that there are"), "{}", said(&nowhere));

    dev.0.kill().unwrap();
    let mut warned = String::new();
    dev.0.stderr.take().unwrap().read_to_string(&mut warned).unwrap();
    assert!(warned.contains("connection `chat-us`: secret `signing-secret` is not set"), "{warned}");
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
