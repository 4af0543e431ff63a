//! Two spellings of an address, a line each after its scheme: each canonical form is its own, and two are equal only if
//! they are the same mailbox or line.
#![no_main]

use rapport_model::canonical::canonicalise;
use rapport_model::event::{Attestation, Identifier};

libfuzzer_sys::fuzz_target!(|input: &str| {
    let mut lines = input.splitn(3, '\n');
    let scheme = lines.next().unwrap_or_default();
    let of = |value: &str| {
        let identifier =
            Identifier { scheme: scheme.into(), scope: None, value: value.into(), attestation: Attestation::Provider };
        canonicalise(&identifier).ok()
    };
    for text in lines {
        if let Some(key) = of(text) {
            assert_eq!(of(&key.value).as_ref(), Some(&key), "the canonical form of `{text}` is its own");
        }
    }
});
