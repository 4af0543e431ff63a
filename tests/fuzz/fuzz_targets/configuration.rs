//! What an operator or an author of a connector writes: an error or a value, never a panic.
#![no_main]

use rapport_config::Config;
use rapport_sandbox::Manifest;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Err(error) = Config::parse(text) {
        assert!(!error.to_string().is_empty());
    }
    if let Err(error) = Manifest::parse(text) {
        assert!(!error.to_string().is_empty());
    }
});
