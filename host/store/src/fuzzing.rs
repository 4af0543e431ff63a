//! What a fuzzer has to reach (`tests/fuzz`), and nobody else.

use rapport_model::Event;

use crate::RawWebhook;
use crate::codec::{checked, pack, unpack_event, unpack_raw, without_webhook};

/// Packs an event with a webhook and reads both back.
///
/// # Panics
/// When an event that may be stored does not come back as it was.
pub fn round_trip(event: &Event, webhook: &RawWebhook) {
    let Ok(json) = checked(event) else { return };
    let frame = pack(&json, Some(webhook));
    assert_eq!(unpack_event(&frame).as_ref(), Ok(event));
    assert_eq!(unpack_raw(&frame).as_ref(), Ok(&Some(webhook.clone())));
    let alone = without_webhook(&frame).expect("our own frame").expect("it has a webhook");
    assert_eq!(unpack_event(&alone).as_ref(), Ok(event));
    assert_eq!(unpack_raw(&alone), Ok(None));
}

/// Reads a frame that nobody wrote: a value or an error.
pub fn unpack(frame: &[u8]) {
    let _ = (unpack_event(frame), unpack_raw(frame), without_webhook(frame));
}
