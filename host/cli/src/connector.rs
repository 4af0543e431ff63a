//! Works on connectors: makes, builds, tests and inspects them.
//!
//! One folder, one `connector.toml`, one Rust crate. It is compiled for `wasm32-unknown-unknown`, where the standard
//! library has no clock, file or network to import, then made a component that carries its manifest.

pub mod inspect;
pub mod interface;
pub(crate) mod nested_cargo;
pub mod new;
mod plugins;
pub mod send;
pub mod sign;
pub mod test;
pub(crate) mod toolchain;
pub mod try_out;

use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, bail};
use rapport_sandbox::{Manifest, with_manifest};
use wit_component::ComponentEncoder;

use crate::service::toml_line;

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
    /// Cargo compiles the connector of this id. It does not when nothing changed.
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
    let manifest = parse_manifest(&text, folder)?;

    toolchain::require_target(toolchain::WASM, folder, progress)?;
    let compiled = nested_cargo::compile(folder, &|| progress(Progress::Compiling(manifest.id.clone())))?;
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

pub(crate) fn read_manifest(folder: &Path) -> Result<String> {
    let path = folder.join("connector.toml");
    match fs::read_to_string(&path) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            bail!("`{}` has no connector.toml; fix: name a connector's folder, or write one", folder.display())
        }
        Err(error) => Err(error).with_context(|| format!("`{}`", path.display())),
    }
}

/// A manifest; where it is no TOML, with the line.
pub(crate) fn parse_manifest(text: &str, folder: &Path) -> Result<Manifest> {
    let path = folder.join("connector.toml");
    if let Err(error) = toml::from_str::<toml::Table>(text) {
        let line = toml_line(text, &error);
        let written = text.lines().nth(line - 1).unwrap_or_default();
        bail!("`{}`: line {line} is not TOML: {}: `{}`", path.display(), error.message(), written.trim());
    }
    Manifest::parse(text).with_context(|| format!("`{}`", folder.display()))
}

/// What a module imports that was compiled for a browser.
const BROWSER: &[u8] = b"__wbindgen_";

fn encode(module: &[u8], manifest: &str) -> Result<Vec<u8>> {
    if module.windows(BROWSER.len()).any(|window| window == BROWSER) {
        let id = Manifest::parse(manifest).map(|manifest| manifest.id).unwrap_or_default();
        bail!(
            "a dependency wants a browser (it imports `__wbindgen_…`); usually `chrono`, `uuid` or `getrandom` with their \
             default features; fix: `default-features = false`, because a connector has neither clock nor randomness; \
             `cargo tree -p rapport-{id} --target {} -i wasm-bindgen` names it",
            toolchain::WASM
        );
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_that_is_no_toml_is_told_with_its_line() {
        let text = "id = \"acme\"\nname = \"Acme\"\n\n[limits\ncpu-ms = 7\n";
        let error = format!("{:#}", parse_manifest(text, Path::new("plugins/acme")).unwrap_err());
        assert!(error.starts_with("`plugins/acme/connector.toml`: line 4 is not TOML: "), "{error}");
        assert!(error.ends_with(": `[limits`"), "{error}");
    }

    #[test]
    fn a_module_for_a_browser_is_told_with_the_usual_dependencies() {
        let manifest = "id = \"acme\"\nname = \"Acme\"\nversion = \"1\"\ncontract = \"0.2\"\n";
        let error = encode(b"\0asm\x01\0\0\0 __wbindgen_placeholder__", manifest).unwrap_err().to_string();
        for expected in ["wants a browser", "`getrandom`", "cargo tree -p rapport-acme --target wasm32-unknown-unknown"]
        {
            assert!(error.contains(expected), "{error}");
        }
    }
}
