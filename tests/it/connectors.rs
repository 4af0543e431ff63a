//! The connectors under test, each built once, as `rapport connector build` builds it.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The component of `plugins/whatsapp`.
pub fn whatsapp() -> &'static [u8] {
    static COMPONENT: OnceLock<Vec<u8>> = OnceLock::new();
    COMPONENT.get_or_init(|| build("plugins/whatsapp"))
}

/// The component of `tests/connectors/hostile`, which misbehaves as its configuration says.
pub fn hostile() -> &'static [u8] {
    static COMPONENT: OnceLock<Vec<u8>> = OnceLock::new();
    COMPONENT.get_or_init(|| build("tests/connectors/hostile"))
}

/// The top folder of this repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are one folder below it").to_owned()
}

fn build(folder: &str) -> Vec<u8> {
    match rapport_cli::connector::build(&repository().join(folder), &|_| ()) {
        Ok(built) => built.bytes,
        Err(error) => panic!("{error:?}"),
    }
}
