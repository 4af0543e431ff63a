//! `rapport connector try`, as an author uses it: the real command, a connector of `connector new`, and a real server.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use tempfile::TempDir;

const SECRET: &str = "hunter2hunter2";

fn rapport(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let command = Path::new(env!("CARGO_BIN_EXE_rapport"));
    let target = command.parent().and_then(Path::parent).expect("cargo puts it into a profile's folder");
    let output: Output = Command::new(command)
        .args(arguments)
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", target)
        .env("TRY_SECRET", SECRET)
        .output()
        .expect("the command starts");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!said.contains("panicked"), "{said}");
    (output.status.success(), said)
}

/// A provider of one's own: answers each request with the next of these texts, or closes the connection at an empty one.
fn provider(answers: Vec<String>) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let (came, requests) = channel();
    thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().expect("the command connects");
            let _ = came.send(read_request(&mut stream));
            let length = answer.len();
            if !answer.is_empty() {
                write!(
                    stream,
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{answer}"
                )
                .expect("the answer leaves");
            }
        }
    });
    (address, requests)
}

fn read_request(stream: &mut std::net::TcpStream) -> String {
    let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let read = stream.read(&mut buffer).expect("the request comes");
        request.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&request).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |n| n.parse().expect("a length is a number"));
        if read == 0 || body.len() >= length {
            return text;
        }
    }
}

struct Author {
    parent: TempDir,
    folder: PathBuf,
}

impl Author {
    fn new() -> Self {
        let parent = TempDir::new().expect("a folder can be made");
        let (made, said) = rapport(
            Path::new(env!("CARGO_MANIFEST_DIR")),
            &["connector", "new", "tried-chat", "--path", parent.path().to_str().expect("a path of this test is text")],
        );
        assert!(made, "{said}");
        let folder = parent.path().join("tried-chat");
        Self { parent, folder }
    }

    fn tries(&self, arguments: &[&str]) -> (bool, String) {
        let all =
            [&["connector", "try", self.folder.to_str().expect("a path of this test is text")], arguments].concat();
        rapport(self.parent.path(), &all)
    }
}

#[test]
fn a_new_connector_is_tried_without_anything_else_against_a_server_and_from_a_configuration() {
    let author = Author::new();
    let (done, said) = author.tries(&["--operation", "text"]);
    assert!(done, "{said}");
    for line in [
        "send, answered as the case was recorded",
        "1  POST https://api.tried-chat.example/v1/messages  (once: it is not repeatable)",
        "   authorization: Bearer [access-token]",
        "   → 200, after ",
        "done\n",
    ] {
        assert!(said.contains(line), "`{line}`: {said}");
    }

    // The provider gives the token back, as some do in what they log.
    let (address, requests) = provider(vec![format!("{{\"id\":\"m-77\",\"seen\":\"Bearer {SECRET}\"}}")]);
    let url = format!("http://{address}");
    let secret = format!("access-token={SECRET}");
    let (done, said) = author.tries(&["--operation", "text", "--base-url", &url, "--secret", &secret, "--to", "u-99"]);
    assert!(done && said.contains(&format!("send to {url}, in the provider's place")), "{said}");
    assert!(
        said.contains("\"id\": \"m-77\"") && said.contains("\"part\": 0"),
        "what came and what was achieved: {said}"
    );
    assert!(!said.contains(SECRET), "{said}");
    let request = requests.recv().unwrap();
    assert!(request.starts_with("POST /v1/messages HTTP/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("authorization: Bearer {SECRET}\r\n")), "the provider gets it: {request}");
    assert!(request.contains("host: api.tried-chat.example\r\n") && request.contains("\"u-99\""), "{request}");

    let config = author.parent.path().join("rapport.toml");
    let (address, requests) = provider(vec!["{\"id\":\"m-1\"}".to_owned(), "{\"id\":\"m-2\"}".to_owned()]);
    fs::write(
        &config,
        format!(
            "[connections.chat-eu]\nconnector = 'tried-chat'\nsecrets = {{ access-token = ['env:TRY_SECRET'] }}\n\
             [connections.chat-eu.sending]\nbase-url = 'http://{address}'\n"
        ),
    )
    .unwrap();
    let operation = author.folder.join("fixtures/outbound/two-parts.operation.json");
    let arguments = ["connector", "try", "--connection", "chat-eu", "--operation", operation.to_str().unwrap()];
    let (done, said) = rapport(author.parent.path(), &arguments);
    assert!(done && said.contains("2  POST https://") && said.contains("\"id\": \"m-2\""), "{said}");
    assert_eq!(requests.iter().filter(|request| request.contains(SECRET)).count(), 2);

    let component =
        Path::new(env!("CARGO_BIN_EXE_rapport")).ancestors().nth(2).unwrap().join("connectors/tried-chat.wasm");
    let (address, _requests) = provider(vec!["{\"id\":\"m-1\"}".to_owned()]);
    let url = format!("http://{address}");
    let arguments = [
        "connector",
        "try",
        component.to_str().unwrap(),
        "--operation",
        "tried-chat/fixtures/outbound/text.operation.json",
    ];
    let (done, said) =
        rapport(author.parent.path(), &[&arguments[..], &["--base-url", &url, "--secret", &secret]].concat());
    assert!(done, "{said}");
}

#[test]
fn what_goes_wrong_is_told_with_its_fix_and_nothing_is_repeated() {
    let author = Author::new();
    let (address, requests) = provider(vec![String::new()]);
    let url = format!("http://{address}");
    let (done, said) = author.tries(&["--operation", "text", "--base-url", &url]);
    assert!(!done && said.contains("→ no answer after") && said.contains("undetermined: "), "{said}");
    assert!(said.contains("fix: ask the provider before you send it again"), "{said}");
    assert_eq!(requests.iter().count(), 1, "once");

    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = format!("http://{free}");
    let bare = author.parent.path().join("alone.operation.json");
    fs::copy(author.folder.join("fixtures/outbound/text.operation.json"), &bare).unwrap();
    for (arguments, expected) in [
        (
            &["--operation", "text", "--base-url", &nobody][..],
            "nobody listens there; nothing left. Fix: start the server",
        ),
        (
            &["--operation", "text", "--base-url", "http://api.test"],
            "`--base-url`: expected plain HTTP to this machine",
        ),
        (&["--operation", "text", "--base-url", &nobody, "--live"], "cannot be used with '--live'"),
        (&["--operation", "txt"], "there is no such file or case; fix: name a file, or one of `answer-lost`, "),
        (&["--operation", "text", "--secret", "hunter2"], "`--secret` takes NAME=VALUE; fix: "),
        (&["--operation", "text", "--secret", "acces-token=hunter2"], "secret `acces-token` is not one of connector"),
        (
            &["--operation", "text", "--live"],
            "secret `access-token` is not set; fix: set it under `secrets` of the connection. Here: `--secret NAME=VALUE`",
        ),
        (&["--operation", "text", "--settings", "{\"colour\": 1}"], "unknown key `colour` in `config`; fix: "),
        (
            &["--operation", bare.to_str().unwrap()],
            "alone.exchanges.json` does not exist; fix: `--base-url http://127.0.0.1:9000`",
        ),
        (&["--operation", "tried-chat/connector.toml"], "connector.toml`: expected value"),
        (&["--operation", "token-refused"], "fix: check the secret, its rights and the account"),
        (&["--operation", "media"], "unsupported-content: "),
    ] {
        let (done, said) = author.tries(arguments);
        assert!(!done && said.contains(expected), "{arguments:?}: {said}");
        assert!(!said.contains("hunter2"), "a secret is never repeated: {said}");
    }
    let (done, said) =
        rapport(author.parent.path(), &["connector", "try", "--connection", "chat", "--operation", "text"]);
    assert!(!done && said.contains("`rapport.toml` does not exist; fix: "), "{said}");
    let (done, said) = rapport(author.parent.path(), &["connector", "try", "--operation", "text"]);
    assert!(!done && said.contains("required"), "{said}");
}
