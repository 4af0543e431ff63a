//! Finds connectors by what a person writes: a folder, or the name of one in `plugins/`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rapport_model::spelling::nearest;

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
        present.iter().filter_map(|folder| folder.file_name()).map(|name| name.display().to_string()).collect();
    bail!("connector `{words}`: {}", not_found(words, &path, &names))
}

/// Why nothing is found by these words, and the fix.
fn not_found(words: &str, path: &Path, names: &[String]) -> String {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    if path.extension().is_some_and(|extension| extension == "wasm") {
        return format!(
            "`{}` does not exist; fix: `rapport connector build` makes components and prints their paths",
            path.display()
        );
    }
    match (nearest(words, &names), names.is_empty()) {
        (Some(nearest), _) => format!("no folder with a connector.toml; fix: write `{nearest}`"),
        (None, false) => {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            format!("no folder with a connector.toml; fix: name a folder, or one of {}", names.join(", "))
        }
        (None, true) => {
            "no folder with a connector.toml, and no checkout of Rapport here or above; fix: name a connector's \
                         folder by its path"
                .to_owned()
        }
    }
}

/// Every connector of the nearest `plugins/` at or above the working directory, by name.
///
/// # Errors
/// There is none.
pub fn all_plugins() -> Result<Vec<PathBuf>> {
    let here = std::env::current_dir().context("the working directory does not exist any more")?;
    let folders = plugins_of(&here)?;
    if folders.is_empty() {
        bail!(
            "`{}` is not in a checkout of Rapport: no `plugins/` with connectors here or above; fix: name a connector's folder",
            here.display()
        );
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_found_is_told_with_the_nearest_name_or_what_makes_it() {
        let names = ["email".to_owned(), "chat".to_owned()];
        let told = |words: &str, names: &[String]| not_found(words, Path::new(words), names);
        assert_eq!(told("chta", &names), "no folder with a connector.toml; fix: write `chat`");
        assert!(told("acme", &names).ends_with("fix: name a folder, or one of `email`, `chat`"));
        assert!(told("acme", &[]).ends_with("fix: name a connector's folder by its path"));
        let component = told("target/connectors/chat.wasm", &names);
        assert!(component.starts_with("`target/connectors/chat.wasm` does not exist; fix: `rapport connector build`"));
    }
}
