//! Makes sure that the compiler has the WebAssembly target.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Progress;

/// What connectors are compiled for: WebAssembly without a system, so that nothing of one can be imported.
pub(super) const TARGET: &str = "wasm32-unknown-unknown";

/// Looks for the target in the compiler that `folder` uses, and lets rustup fetch it where it is not.
pub(super) fn require_target(folder: &Path, progress: &dyn Fn(Progress)) -> Result<()> {
    let sysroot = sysroot(folder)?;
    if sysroot.join("lib/rustlib").join(TARGET).is_dir() {
        return Ok(());
    }
    progress(Progress::InstallingTarget);
    let rustup = Command::new("rustup").args(["target", "add", TARGET]).current_dir(folder).output();
    if rustup.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    bail!(
        "the compiler in `{}` has no target `{TARGET}`, and rustup could not fetch it; \
         fix: `rustup target add {TARGET}` where there is a network; without rustup, your distribution's package of it \
         (Debian: libstd-rust-dev-wasm32, Fedora: rust-std-static-{TARGET})",
        sysroot.display()
    )
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
