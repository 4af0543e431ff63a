#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rapport_fuzz::receive::<rapport_telegram::Telegram>("telegram", bytes));
