//! `rapport dev` as a user runs it: the real process.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// A running `rapport dev`. It ends when this is dropped.
pub struct Dev {
    pub address: SocketAddr,
    child: Child,
    /// Kept open: a process that cannot write its lines ends.
    _output: Lines<BufReader<ChildStdout>>,
}

impl Dev {
    /// Starts it with `rapport.toml` and the data in `data/` of a folder, and waits until it listens.
    pub async fn start(folder: &Path) -> Self {
        let mut child = Command::new(binary())
            .args(["dev", "--listen", "127.0.0.1:0", "--config"])
            .arg(folder.join("rapport.toml"))
            .arg("--data")
            .arg(folder.join("data"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        while let Some(line) = lines.next_line().await.unwrap() {
            if let Some((_, address)) = line.split_once("listens on http://") {
                return Self { address: address.trim().parse().unwrap(), child, _output: lines };
            }
        }
        panic!("`rapport dev` ended: {:?}", child.wait().await);
    }

    /// Ends it as no signal handler sees.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }
}

/// The command beside these tests, as `cargo test` of the whole workspace makes it.
fn binary() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let path = tests.parent().and_then(Path::parent).unwrap().join("rapport");
    assert!(path.exists(), "`{}` is not there; fix: `cargo build -p rapport-cli` makes it", path.display());
    path
}
