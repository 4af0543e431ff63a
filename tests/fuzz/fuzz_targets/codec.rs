//! What is stored reads back as it was.
#![no_main]

use rapport_model::Event;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(event) = serde_json::from_slice::<Event>(bytes) {
        let text = serde_json::to_vec(&event).expect("an event has a form in JSON");
        let again: Event = serde_json::from_slice(&text).expect("what was written is read");
        assert_eq!(again, event);
    }
});
