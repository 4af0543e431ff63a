//! Works on connectors: makes, builds, tests and inspects them.
//!
//! One folder, one `connector.toml`, one Rust crate. It is compiled for `wasm32-unknown-unknown`, where the standard
//! library has no clock, file or network to import, then made a component that carries its manifest.

pub mod inspect;
pub mod interface;
pub(crate) mod nested_cargo;
pub mod new;
mod plugins;
pub mod test;
pub(crate) mod toolchain;

use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, bail};
use rapport_sandbox::{Manifest, with_manifest};
use wit_component::ComponentEncoder;

pub use plugins::{all_plugins, folder};

/// A connector that was built.
#[derive(Clone, Debug)]
pub struct Built {
    /// The component's file: `<target>/connectors/<id>.wasm`.
    pub component: PathBuf,
    /// What is in that file.
    pub bytes: Vec<u8>,
    /// The manifest that it carries.
    pub manifest: Manifest,
}

/// What a build is doing, for whoever waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The compiler cannot compile for this target yet; rustup fetches what it lacks.
    InstallingTarget(&'static str),
    /// Cargo compiles the connector of this id, or finds that nothing changed.
    Compiling(String),
    /// The component of this id is written, and has this many bytes.
    Written(String, usize),
    /// The component of this id is what it was.
    Unchanged(String),
}

/// Builds the connector in a folder.
///
/// Cargo decides what is fresh, so a second call costs little. Several processes may build at once: cargo takes turns,
/// and the component's file is replaced in one step.
///
/// # Errors
/// The manifest is wrong, the target is missing and cannot be fetched, the crate does not compile, or what it compiles
/// to is not a connector.
pub fn build(folder: &Path, progress: &dyn Fn(Progress)) -> Result<Built> {
    let text = read_manifest(folder)?;
    let manifest = Manifest::parse(&text).with_context(|| format!("`{}`", folder.display()))?;

    toolchain::require_target(toolchain::WASM, folder, progress)?;
    progress(Progress::Compiling(manifest.id.clone()));
    let compiled = nested_cargo::compile(folder)?;
    let module = fs::read(&compiled.module).with_context(|| format!("`{}`", compiled.module.display()))?;

    let bytes = encode(&module, &text).with_context(|| format!("connector `{}`", manifest.id))?;
    let component = compiled.directory.join(format!("{}.wasm", manifest.id));
    progress(match replace(&component, &bytes)? {
        Write::Done => Progress::Written(manifest.id.clone(), bytes.len()),
        Write::NotNeeded => Progress::Unchanged(manifest.id.clone()),
    });
    Ok(Built { component, bytes, manifest })
}

/// A connector as a configuration names it.
#[derive(Clone, Debug)]
pub struct Component {
    /// WebAssembly.
    pub bytes: Vec<u8>,
    /// What it is called where it has no manifest.
    pub id: String,
    /// Its crate; none: the component itself was named.
    pub folder: Option<PathBuf>,
}

/// The connector in the words of a configuration: a component's path from `base`, a folder's, or the name of a folder of
/// plugins/. What has a folder is built.
///
/// # Errors
/// There is none, or it cannot be read or built.
pub fn component(words: &str, base: &Path, progress: &dyn Fn(Progress)) -> Result<Component> {
    let path = base.join(words);
    if path.is_file() {
        let id = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("connector").to_owned();
        let bytes = fs::read(&path).with_context(|| format!("`{}`", path.display()))?;
        return Ok(Component { bytes, id, folder: None });
    }
    let folder = folder(words, base)?;
    let built = build(&folder, progress)?;
    Ok(Component { bytes: built.bytes, id: built.manifest.id, folder: Some(folder) })
}

fn read_manifest(folder: &Path) -> Result<String> {
    let path = folder.join("connector.toml");
    match fs::read_to_string(&path) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            bail!("`{}` has no connector.toml; fix: name a connector's folder, or write one", folder.display())
        }
        Err(error) => Err(error).with_context(|| format!("`{}`", path.display())),
    }
}

fn encode(module: &[u8], manifest: &str) -> Result<Vec<u8>> {
    let component = ComponentEncoder::default()
        .module(module)
        .context("the crate exports no connector; fix: `rapport_sdk::export!(YourType: inbound);` in its lib.rs")?
        .validate(true)
        .encode()
        .context("what it compiles to is not a component of the contract")?;
    Ok(with_manifest(&component, manifest)?)
}

/// A number with a comma at every third digit.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| str::from_utf8(group).expect("digits are ASCII")).collect();
    groups.join(",")
}

pub(crate) enum Write {
    Done,
    NotNeeded,
}

/// Writes a whole file in one step, so that no reader sees half of it; an equal one keeps its time.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<Write> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    if fs::read(path).is_ok_and(|present| present == bytes) {
        return Ok(Write::NotNeeded);
    }
    let unique = format!("{}.{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let temporary = path.with_extension(format!("{unique}.tmp"));
    fs::write(&temporary, bytes)
        .and_then(|()| fs::rename(&temporary, path))
        .with_context(|| format!("`{}`", path.display()))?;
    Ok(Write::Done)
}
