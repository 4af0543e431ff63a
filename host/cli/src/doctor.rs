//! `rapport doctor`: whether this machine has what `rapport dev` and `rapport connector` need. It changes nothing.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};
use clap::Args;
use rapport_connections::lacking;
use rapport_sandbox::Manifest;

use crate::connector::{self, toolchain};
use crate::service::{Settings, is_served, listen_address};
use crate::terminal::Tone;
use crate::{Terminal, secrets};

#[derive(Args)]
pub struct Arguments {
    /// The configuration of `rapport dev`
    #[arg(long, value_name = "FILE", default_value = "rapport.toml")]
    config: PathBuf,
    /// The data folder of `rapport dev`
    #[arg(long, value_name = "FOLDER", default_value = "data")]
    data: PathBuf,
    /// Where `rapport dev` listens; only whether it is free is looked at
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080", value_parser = listen_address)]
    listen: SocketAddr,
}

/// What was looked at, and what is to be said of it.
type Finding = (&'static str, Result<String>);

/// Looks at everything, and prints a line for each.
///
/// # Errors
/// Something is missing or wrong.
pub fn run(arguments: &Arguments, terminal: &Terminal) -> Result<()> {
    let mut findings = vec![("toolchain", compiler()), ("wasm target", target())];
    match Settings::read(&arguments.config) {
        Ok(settings) => findings.extend(configured(&settings)),
        Err(error) => findings.push(("configuration", Err(error))),
    }
    findings.push(("data folder", data(&arguments.data)));
    findings.push(("address", address(arguments)));
    let mut wrong = 0;
    for (what, found) in &findings {
        let (tone, mark, text) = match found {
            Ok(text) => (Tone::Good, "ok", text.clone()),
            Err(error) => (Tone::Bad, "no", format!("{error:#}")),
        };
        wrong += usize::from(found.is_err());
        println!("  {}  {what:<14} {text}", terminal.paint(tone, mark));
    }
    match wrong {
        0 => Ok(()),
        wrong => bail!("{wrong} of {} are not as they should be", findings.len()),
    }
}

/// The oldest compiler that this release is tried with.
const RUST_VERSION: &str = env!("CARGO_PKG_RUST_VERSION");

fn compiler() -> Result<String> {
    const FIX: &str = "fix: install Rust from https://rustup.rs or your distribution";
    let said = |program: &str| -> Result<String> {
        let Ok(output) = Command::new(program).arg("--version").output() else {
            bail!("`{program}` does not run; {FIX}")
        };
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let (rustc, cargo) = (said("rustc")?, said("cargo")?);
    let version = rustc.split(' ').nth(1).unwrap_or_default();
    if numbers(version) < numbers(RUST_VERSION) {
        bail!("rustc {version}, expected {RUST_VERSION} or later; fix: `rustup update`")
    } else {
        Ok(format!("rustc {version}, {}", cargo.split(" (").next().unwrap_or_default()))
    }
}

/// The numbers of a version, for a comparison.
fn numbers(version: &str) -> Vec<u64> {
    let digits = |part: &str| part.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0);
    version.split('.').map(digits).collect()
}

fn target() -> Result<String> {
    let name = toolchain::WASM;
    if toolchain::has_target(name, Path::new("."))? {
        Ok(name.to_owned())
    } else {
        bail!("`{name}` is missing; fix: `rustup target add {name}`, or your distribution's package of it")
    }
}

fn configured(settings: &Settings) -> Vec<Finding> {
    let Settings { config, base, .. } = settings;
    let mut findings = Vec::new();
    let warnings = config.warnings();
    findings.push(match warnings.first() {
        Some(warning) => ("configuration", Err(anyhow::anyhow!("{warning}"))),
        None => ("configuration", Ok(counted(config.connections.len(), "connection"))),
    });
    if config.api_keys.is_empty() {
        let fix = "fix: `[api.keys.NAME]` with `secret = \"env:…\"` and `may = [\"read\"]`";
        findings.push(("API keys", Err(anyhow::anyhow!("none, so `/v1` is closed to everybody; {fix}"))));
    }
    let (mut set, before) = (0, findings.len());
    for (what, reference) in config.secret_refs() {
        match secrets::resolve(reference, &what, base) {
            Ok(_) => set += 1,
            Err(error) => findings.push(("secrets", Err(error))),
        }
    }
    let (mut connectors, mut wrong) = (Vec::new(), Vec::new());
    for (name, written) in &config.connections {
        match manifest(&written.connector, base) {
            Ok(manifest) => {
                findings
                    .extend(lacking(name, &manifest, written).map(|error| ("secrets", Err(anyhow::anyhow!(error)))));
                if !connectors.contains(&manifest.id) {
                    connectors.push(manifest.id);
                }
            }
            Err(error) => wrong.push(("connectors", Err(error.context(format!("connection `{name}`"))))),
        }
    }
    if findings.len() == before {
        findings.push(("secrets", Ok(if set == 1 { "1 is set".to_owned() } else { format!("{set} are set") })));
    }
    if wrong.is_empty() {
        wrong.push(("connectors", Ok(connectors.join(", "))));
    }
    findings.extend(wrong);
    findings
}

/// `1 connection`, `2 connections`.
fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// The manifest of a connector, which is not built.
fn manifest(words: &str, base: &Path) -> Result<Manifest> {
    let path = base.join(words);
    if path.is_file() {
        let manifest = Manifest::from_component(&fs::read(&path)?)?;
        return Ok(manifest.unwrap_or_else(|| Manifest::without(words)));
    }
    let folder = connector::folder(words, base)?;
    connector::parse_manifest(&connector::read_manifest(&folder)?, &folder)
}

fn data(folder: &Path) -> Result<String> {
    let name = folder.display();
    let Ok(metadata) = fs::metadata(folder) else {
        let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        return if fs::metadata(parent).is_ok_and(|parent| parent.is_dir() && !parent.permissions().readonly()) {
            Ok(format!("`{name}` is not there; `rapport dev` makes it"))
        } else {
            bail!("`{name}` cannot be made; fix: name a folder with --data that you may write")
        };
    };
    if !metadata.is_dir() || metadata.permissions().readonly() {
        bail!("`{name}` is not a folder that can be written; fix: name another with --data");
    }
    Ok(if is_served(folder) { format!("`{name}`, served by a running `rapport dev`") } else { format!("`{name}`") })
}

fn address(arguments: &Arguments) -> Result<String> {
    let address = arguments.listen;
    match TcpListener::bind(address) {
        Ok(_) => Ok(format!("{address} is free")),
        Err(_) if is_served(&arguments.data) => {
            Ok(format!("{address} is in use, probably by the running `rapport dev`"))
        }
        Err(error) => bail!("{address}: {error}; fix: stop what listens there, or give another with --listen"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        assert!(numbers("1.100.0") > numbers("1.95") && numbers("1.95.0-nightly") >= numbers("1.95"));
        assert!(numbers("1.94.2") < numbers(RUST_VERSION));
        assert!(compiler().is_ok());
    }
}
