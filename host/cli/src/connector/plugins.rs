//! Finds connectors by what a person writes: a folder, or the name of one in `plugins/`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The folder that `words` mean: a path from `base`, or a folder of the nearest `plugins/` at or above it, or at or above
/// the working directory.
///
/// # Errors
/// Neither has a connector.toml; the names that there are are said.
pub fn folder(words: &str, base: &Path) -> Result<PathBuf> {
    let path = base.join(words);
    if is_connector(&path) {
        return Ok(path);
    }
    let mut present = plugins_of(base)?;
    present.extend(plugins_of(Path::new("."))?);
    present.sort();
    present.dedup();
    let by_name = present.iter().find(|folder| folder.file_name().is_some_and(|name| name == words));
    if let Some(folder) = by_name {
        return Ok(folder.clone());
    }
    let names: Vec<String> =
        present.iter().filter_map(|folder| folder.file_name()).map(|name| format!("`{}`", name.display())).collect();
    if names.is_empty() {
        bail!("connector `{words}`: no folder with a connector.toml; fix: name a connector's folder")
    } else {
        bail!(
            "connector `{words}`: no folder with a connector.toml; fix: name a folder, or one of {}",
            names.join(", ")
        )
    }
}

/// Every connector of the nearest `plugins/` at or above the working directory, by name.
///
/// # Errors
/// There is none.
pub fn all_plugins() -> Result<Vec<PathBuf>> {
    let here = std::env::current_dir().context("the working directory is gone")?;
    let folders = plugins_of(&here)?;
    if folders.is_empty() {
        bail!("no connector in `plugins/` of `{}` or above; fix: name a connector's folder", here.display());
    }
    Ok(folders)
}

fn plugins_of(base: &Path) -> Result<Vec<PathBuf>> {
    let base = base.canonicalize().with_context(|| format!("`{}`", base.display()))?;
    let Some(plugins) = base.ancestors().map(|folder| folder.join("plugins")).find(|folder| folder.is_dir()) else {
        return Ok(Vec::new());
    };
    let entries = fs::read_dir(&plugins).with_context(|| format!("`{}`", plugins.display()))?;
    let mut folders: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| is_connector(path)).collect();
    folders.sort();
    Ok(folders)
}

fn is_connector(folder: &Path) -> bool {
    folder.join("connector.toml").is_file()
}
