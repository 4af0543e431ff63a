//! What is stored reads back as it was, and what nobody wrote is no panic: an event in JSON, or a frame.
#![no_main]

use rapport_model::Event;
use rapport_store::{RawWebhook, fuzzing};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    fuzzing::unpack(bytes);
    if let Ok(event) = serde_json::from_slice::<Event>(bytes) {
        let webhook =
            RawWebhook { method: "POST".into(), url: String::new(), headers: Vec::new(), body: bytes.to_vec() };
        fuzzing::round_trip(&event, &webhook);
    }
});
