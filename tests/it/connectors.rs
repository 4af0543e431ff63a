//! The connectors under test, each built once, as `rapport connector build` builds it.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The component of `plugins/whatsapp`.
pub fn whatsapp() -> &'static [u8] {
    static COMPONENT: OnceLock<Vec<u8>> = OnceLock::new();
    COMPONENT.get_or_init(|| build(&repository().join("plugins/whatsapp")))
}

/// The component of `tests/connectors/hostile`, which misbehaves as its configuration says.
pub fn hostile() -> &'static [u8] {
    static COMPONENT: OnceLock<Vec<u8>> = OnceLock::new();
    COMPONENT.get_or_init(|| build(&repository().join("tests/connectors/hostile")))
}

/// The component of `tests/connectors/courier`, which sends to a provider that no one has.
pub fn courier() -> &'static [u8] {
    static COMPONENT: OnceLock<Vec<u8>> = OnceLock::new();
    COMPONENT.get_or_init(|| build(&repository().join("tests/connectors/courier")))
}

/// The folder of every connector in `plugins/`, with its component.
pub fn plugins() -> &'static [(PathBuf, Vec<u8>)] {
    static COMPONENTS: OnceLock<Vec<(PathBuf, Vec<u8>)>> = OnceLock::new();
    COMPONENTS.get_or_init(|| {
        let entries = std::fs::read_dir(repository().join("plugins")).unwrap().map(|entry| entry.unwrap().path());
        let mut folders: Vec<PathBuf> = entries.filter(|path| path.join("connector.toml").is_file()).collect();
        folders.sort();
        folders.into_iter().map(|folder| (folder.clone(), build(&folder))).collect()
    })
}

/// The top folder of this repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are one folder below it").to_owned()
}

fn build(folder: &Path) -> Vec<u8> {
    match rapport_cli::connector::build(folder, &|_| ()) {
        Ok(built) => built.bytes,
        Err(error) => panic!("{error:?}"),
    }
}
