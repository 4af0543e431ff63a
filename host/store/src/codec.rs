//! The payload of an event item: the normalised event and, with the first event of a webhook, the webhook itself, as one
//! zstd frame, so that what they have in common is stored once. A large webhook is a frame of its own.

use serde::{Deserialize, Serialize};

use rapport_model::Event;

/// Frames are 2 to 3 % smaller than at zstd's default level 3, which keeps a text of 300 characters in one write unit.
const LEVEL: i32 = 6;

/// The level for what is larger than [`LARGE_BYTES`]: attachments, which no level makes smaller, at a tenth of the time.
const LEVEL_OF_LARGE: i32 = 1;
/// Bytes from which on time counts for more than space.
const LARGE_BYTES: usize = 1 << 20;

/// Bytes. An event of 12 MiB, the most that a connector can return, each byte of which JSON may write as six; a webhook of
/// 41 MiB, the most that a connector can ask for, is less.
const UNPACKED_BYTES_MAX: usize = 80 << 20;

/// A webhook as it was received, kept so that a newer connector can read it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawWebhook {
    pub method: String,
    /// The public URL as the provider called it.
    pub url: String,
    /// Names in lower case, in order of arrival.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Envelope {
    #[serde(rename = "m")]
    method: String,
    #[serde(rename = "u")]
    url: String,
    #[serde(rename = "h")]
    headers: Vec<(String, String)>,
}

impl RawWebhook {
    /// The webhook as bytes: a line of JSON with everything but the body, then the body.
    fn write(&self, out: &mut Vec<u8>) {
        let envelope = Envelope { method: self.method.clone(), url: self.url.clone(), headers: self.headers.clone() };
        serde_json::to_writer(&mut *out, &envelope).expect("strings are JSON, and a vector takes all bytes");
        out.push(b'\n');
        out.extend_from_slice(&self.body);
    }

    fn read(bytes: &[u8]) -> Result<Self, String> {
        let end = bytes.iter().position(|byte| *byte == b'\n').ok_or("no line end")?;
        let Envelope { method, url, headers } =
            serde_json::from_slice(&bytes[..end]).map_err(|error| error.to_string())?;
        Ok(Self { method, url, headers, body: bytes[end + 1..].to_vec() })
    }
}

/// One frame of an event and perhaps its webhook: the event's JSON on a line of its own, then the webhook.
pub(crate) fn pack(event: &Event, raw: Option<&RawWebhook>) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(event).expect("an event's keys are strings and its numbers are finite");
    bytes.push(b'\n');
    if let Some(raw) = raw {
        raw.write(&mut bytes);
    }
    compress(&bytes)
}

/// The inverse of [`pack`].
pub(crate) fn unpack(frame: &[u8]) -> Result<(Event, Option<RawWebhook>), String> {
    let bytes = decompress(frame)?;
    let end = bytes.iter().position(|byte| *byte == b'\n').ok_or("no line end")?;
    let event = serde_json::from_slice(&bytes[..end]).map_err(|error| error.to_string())?;
    let raw = &bytes[end + 1..];
    let raw = (!raw.is_empty()).then(|| RawWebhook::read(raw)).transpose()?;
    Ok((event, raw))
}

pub(crate) fn pack_webhook(raw: &RawWebhook) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(raw.body.len() + 512);
    raw.write(&mut bytes);
    compress(&bytes)
}

pub(crate) fn unpack_webhook(frame: &[u8]) -> Result<RawWebhook, String> {
    RawWebhook::read(&decompress(frame)?)
}

fn compress(bytes: &[u8]) -> Vec<u8> {
    let level = if bytes.len() < LARGE_BYTES { LEVEL } else { LEVEL_OF_LARGE };
    zstd::bulk::compress(bytes, level).expect("compressing to memory fails only without memory")
}

fn decompress(frame: &[u8]) -> Result<Vec<u8>, String> {
    let size = zstd::zstd_safe::get_frame_content_size(frame).ok().flatten().ok_or("no zstd frame of known size")?;
    let size = usize::try_from(size).ok().filter(|size| *size <= UNPACKED_BYTES_MAX);
    let size = size.ok_or_else(|| format!("unpacked it would exceed {UNPACKED_BYTES_MAX} bytes"))?;
    zstd::bulk::decompress(frame, size).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rapport_model::event::{Body, Contact};

    fn event() -> Event {
        Event {
            id: "1".into(),
            at: 1,
            account: "a".into(),
            contact: Contact::default(),
            body: Body::Other("line\nend".into(), serde_json::json!({"text": "two\nlines"})),
            extensions: Default::default(),
        }
    }

    #[test]
    fn what_is_packed_is_unpacked_bytes_and_all() {
        let raw = RawWebhook {
            method: "POST".into(),
            url: "https://x.example/hooks/a?b=\n".into(),
            headers: vec![("a".into(), "1".into()), ("a".into(), "2".into())],
            body: vec![0, 10, 255, 10],
        };
        assert_eq!(unpack(&pack(&event(), Some(&raw))).unwrap(), (event(), Some(raw.clone())));
        assert_eq!(unpack(&pack(&event(), None)).unwrap(), (event(), None));
        assert_eq!(unpack_webhook(&pack_webhook(&raw)).unwrap(), raw);
    }

    #[test]
    fn the_largest_that_a_connector_can_return_is_read_again() {
        // 12 MiB of characters that JSON escapes.
        let text = "\u{1}".repeat(12 << 20);
        let event = Event { body: Body::Other(text, serde_json::Value::Null), ..event() };
        assert_eq!(unpack(&pack(&event, None)).unwrap(), (event, None));
    }

    #[test]
    fn a_damaged_frame_is_an_error_and_no_bomb() {
        let frame = pack(&event(), None);
        for cut in 0..frame.len() {
            assert!(unpack(&frame[..cut]).is_err());
        }
        let bomb = zstd::bulk::compress(&vec![0; UNPACKED_BYTES_MAX + 1], 1).unwrap();
        assert!(decompress(&bomb).unwrap_err().contains("exceed"));
    }
}
