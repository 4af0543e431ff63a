//! Makes sure that the compiler has a target.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Progress;

/// What connectors are compiled for: WebAssembly without a system, so that nothing of one can be imported.
pub(crate) const WASM: &str = "wasm32-unknown-unknown";

/// Looks for the target in the compiler that `folder` uses, and lets rustup fetch it where it is not.
///
/// # Errors
/// It is neither there nor to be had.
pub(crate) fn require_target(target: &'static str, folder: &Path, progress: &dyn Fn(Progress)) -> Result<()> {
    if has_target(target, folder)? {
        return Ok(());
    }
    let sysroot = sysroot(folder)?;
    progress(Progress::InstallingTarget(target));
    let rustup = Command::new("rustup").args(["target", "add", target]).current_dir(folder).output();
    if rustup.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    bail!(
        "the compiler in `{}` has no target `{target}`, and rustup could not fetch it; \
         fix: `rustup target add {target}` where there is a network; without rustup, your distribution's package of it{}",
        sysroot.display(),
        match target {
            WASM => " (Debian: libstd-rust-dev-wasm32, Fedora: rust-std-static-wasm32-unknown-unknown)",
            _ => "",
        }
    )
}

/// Whether the compiler that `folder` uses has the target.
///
/// # Errors
/// There is no compiler.
pub(crate) fn has_target(target: &str, folder: &Path) -> Result<bool> {
    Ok(sysroot(folder)?.join("lib/rustlib").join(target).is_dir())
}

fn sysroot(folder: &Path) -> Result<PathBuf> {
    // Cargo takes the compiler from this variable, so the question goes to the same one.
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(compiler)
        .args(["--print", "sysroot"])
        .current_dir(folder)
        .output()
        .context("`rustc` does not run; fix: install Rust from https://rustup.rs or your distribution")?;
    let path = String::from_utf8(output.stdout).context("the compiler's path is not UTF-8")?;
    Ok(PathBuf::from(path.trim()))
}
