//! Runs cargo on a connector's crate.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::new;
use super::toolchain::WASM;

/// A connector's crate, compiled.
pub(super) struct Compiled {
    /// The core module.
    pub(super) module: PathBuf,
    /// Where cargo was told to put its files: `connectors` in the workspace's target directory.
    pub(super) directory: PathBuf,
}

/// How a connector is compiled, whatever profile its workspace has. Measured with one of 434 KiB: without `fat` and one
/// codegen unit it has 496 KiB; `s` instead of `3` makes 410 KiB of it, and a batch of eleven events 14 % slower. Without
/// unwinding a panic is a trap; symbols would serve no one, because traps are not traced.
const PROFILE: [(&str, &str); 6] = [
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "3"),
    ("CARGO_PROFILE_RELEASE_LTO", "fat"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1"),
    ("CARGO_PROFILE_RELEASE_PANIC", "abort"),
    ("CARGO_PROFILE_RELEASE_STRIP", "symbols"),
    ("CARGO_PROFILE_RELEASE_DEBUG", "false"),
];

/// A stack of 64 KiB instead of 1 MiB: the data after it then lies in the pages that a sandbox keeps, which is a third
/// of a call. For this target only, so that build scripts are compiled as ever.
const FLAGS: (&str, &str) = ("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", "-C link-arg=-zstack-size=65536");

/// What an outer cargo, or a user's own settings for native code, would change in this build.
const DISTURBING: [&str; 8] = [
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_BUILD_BUILD_DIR",
    "CARGO_MAKEFLAGS",
    "MAKEFLAGS",
    "RUSTC_WORKSPACE_WRAPPER",
];

/// Compiles the crate in `folder`. Cargo says nothing unless it fails; `compiling` is called once if there is something to
/// compile.
///
/// # Errors
/// What cargo said, or that the crate has no library of the right kind.
pub(super) fn compile(folder: &Path, compiling: &dyn Fn()) -> Result<Compiled> {
    let manifest_path = folder.join("Cargo.toml");
    let manifest_path = manifest_path.canonicalize().with_context(|| format!("`{}`", manifest_path.display()))?;
    // Of its own: an outer `cargo run` holds the lock of the usual one until this ends.
    let directory = target_directory(&manifest_path)?.join("connectors");

    let mut cargo = cargo(folder);
    cargo
        .args(["build", "--lib", "--release", "--target", WASM, "--message-format", "json-render-diagnostics"])
        .args([Path::new("--manifest-path"), &manifest_path, Path::new("--target-dir"), &directory])
        .env(FLAGS.0, FLAGS.1)
        .envs(PROFILE);
    let messages = run_watched(cargo, compiling)?;
    match module_in(&messages, &manifest_path) {
        Some(module) => Ok(Compiled { module, directory }),
        None => bail!(
            "`{}` has no WebAssembly library; fix: `crate-type = [\"cdylib\", \"rlib\"]` under `[lib]`",
            manifest_path.display()
        ),
    }
}

/// What came of a crate's tests.
pub(super) struct Tested {
    /// What cargo and the tests wrote.
    pub(super) said: String,
}

/// Runs the tests of the crate in `folder`, with these environment variables, natively.
///
/// # Errors
/// Cargo does not run. A test that fails is none.
pub(super) fn test(folder: &Path, variables: &[(&str, &OsStr)]) -> Result<Tested> {
    let manifest_path = folder.join("Cargo.toml");
    let manifest_path = manifest_path.canonicalize().with_context(|| format!("`{}`", manifest_path.display()))?;
    let directory = target_directory(&manifest_path)?.join("connectors");
    let mut cargo = cargo(folder);
    cargo
        .args([OsStr::new("test"), OsStr::new("--manifest-path"), manifest_path.as_os_str()])
        .args([OsStr::new("--target-dir"), directory.as_os_str()])
        // What an outer run of tests was told is not for this one.
        .env_remove("BLESS")
        .envs(variables.iter().copied());
    let Output { stdout, stderr, .. } = cargo.output().context("`cargo` does not run")?;
    let said = format!("{}{}", String::from_utf8_lossy(&stderr), String::from_utf8_lossy(&stdout));
    Ok(Tested { said })
}

/// The workspace's target directory.
pub(crate) fn target_directory(manifest_path: &Path) -> Result<PathBuf> {
    let mut cargo = cargo(manifest_path.parent().unwrap_or(manifest_path));
    cargo.args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"]).arg(manifest_path);
    let metadata: Value = serde_json::from_slice(&run(cargo)?).context("`cargo metadata` wrote no JSON")?;
    let directory = metadata["target_directory"].as_str().context("`cargo metadata` names no target directory")?;
    Ok(PathBuf::from(directory))
}

/// The module that cargo made, or found fresh, of the crate itself.
fn module_in(messages: &[u8], manifest_path: &Path) -> Option<PathBuf> {
    let artifacts = messages.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    let ours = |message: &Value| {
        message["reason"] == "compiler-artifact"
            && message["manifest_path"].as_str().is_some_and(|path| Path::new(path) == manifest_path)
    };
    let files = artifacts.filter(ours).flat_map(|message| message["filenames"].as_array().cloned().unwrap_or_default());
    files
        .filter_map(|file| file.as_str().map(PathBuf::from))
        .find(|file| file.extension().is_some_and(|end| end == "wasm"))
}

/// A cargo that works in `folder` and hears nothing of an outer one.
pub(crate) fn cargo(folder: &Path) -> Command {
    // The cargo that runs this command, where one does: then both are of one toolchain.
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut cargo = Command::new(program);
    cargo.current_dir(folder);
    for name in DISTURBING {
        cargo.env_remove(name);
    }
    cargo
}

/// What a cargo wrote to its standard output.
///
/// # Errors
/// What it wrote to the other one.
pub(crate) fn run(mut cargo: Command) -> Result<Vec<u8>> {
    let Output { status, stdout, stderr } = cargo.output().context("`cargo` does not run")?;
    if status.success() {
        return Ok(stdout);
    }
    bail!("{}", failure(status.code(), &String::from_utf8_lossy(&stderr)))
}

/// What cargo said, and the fix if the SDK's release does not exist.
fn failure(status: Option<i32>, said: &str) -> String {
    let status = status.map_or_else(|| "ended by a signal".to_owned(), |code| format!("exit status {code}"));
    let fix = if said.contains("failed to find tag") { format!("\nfix: {}", new::SDK_BY_PATH) } else { String::new() };
    format!("cargo failed ({status}); its message follows\n{}{fix}", said.trim_end())
}

/// [`run`], where `compiling` is called when cargo begins to compile something.
fn run_watched(mut cargo: Command, compiling: &dyn Fn()) -> Result<Vec<u8>> {
    let mut child = cargo.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context("`cargo` does not run")?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let reader = std::thread::spawn(move || {
        let mut messages = Vec::new();
        stdout.map_or(Ok(0), |mut stdout| stdout.read_to_end(&mut messages)).map(|_| messages)
    });
    let (mut said, mut is_told) = (String::new(), false);
    for line in stderr.into_iter().flat_map(|stderr| BufReader::new(stderr).split(b'\n')) {
        let line = String::from_utf8_lossy(&line.context("`cargo` cannot be read")?).into_owned();
        if !is_told && line.trim_start().starts_with("Compiling ") {
            is_told = true;
            compiling();
        }
        said.push_str(&line);
        said.push('\n');
    }
    let messages = reader.join().ok().context("`cargo` cannot be read")?.context("`cargo` cannot be read")?;
    let status = child.wait().context("`cargo` does not end")?;
    if status.success() {
        return Ok(messages);
    }
    bail!("{}", failure(status.code(), &said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_of_the_sdk_that_does_not_exist_is_told_with_its_fix() {
        let said = failure(Some(101), "error: failed to load source\n\nCaused by:\n  failed to find tag `v0.1.0`\n");
        assert!(
            said.starts_with("cargo failed (exit status 101); its message follows\nerror: failed to load"),
            "{said}"
        );
        assert!(said.contains("`v0.1.0`\nfix: write `rapport-sdk = { path = "), "{said}");
        assert!(!failure(Some(101), "error: expected `;`").contains("fix"));
    }
}
