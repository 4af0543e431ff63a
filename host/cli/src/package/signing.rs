//! The key that signs a package's connectors.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use rapport_sandbox::SigningKey;

use crate::Terminal;
use crate::secrets::{random_hex, write_private};

/// Bytes. The seed of an Ed25519 key. Source: RFC 8032, section 5.1.5.
const SEED_BYTES: usize = 32;

/// The key in a file; if there is no file, one is made that only its owner reads.
///
/// # Errors
/// It is not 64 hexadecimal digits, or cannot be read or written.
pub(super) fn read_or_make(path: &Path, terminal: &Terminal) -> Result<SigningKey> {
    let named = || format!("signing key `{}`", path.display());
    if !path.exists() {
        write_private(path, random_hex(SEED_BYTES)?.as_bytes()).with_context(named)?;
        let path = path.display();
        terminal.step(&format!("made the signing key `{path}`: keep it secret, and use it for the next package, too"));
    }
    let text = fs::read_to_string(path).with_context(named)?;
    match seed(text.trim()) {
        Some(seed) => Ok(SigningKey::from_seed(&seed)),
        None => bail!("{}: expected 64 hexadecimal digits; fix: `openssl rand -hex 32` makes some", named()),
    }
}

fn seed(text: &str) -> Option<[u8; SEED_BYTES]> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2);
    let bytes: Option<Vec<u8>> = pairs.map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?)).collect();
    bytes?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_for_its_owner_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signing.key");
        let terminal = Terminal::of_process();
        let made = read_or_make(&path, &terminal).unwrap().public();
        assert_eq!(read_or_make(&path, &terminal).unwrap().public(), made);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn another_text_is_no_key_and_is_not_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signing.key");
        for text in ["", "secret", &"0".repeat(63), &"g".repeat(64), &"0".repeat(66)] {
            fs::write(&path, text).unwrap();
            let error = read_or_make(&path, &Terminal::of_process()).unwrap_err().to_string();
            assert!(error.contains("64 hexadecimal digits") && !error.contains("gg"), "{error}");
        }
    }
}
