//! The payload of an event item: the normalised event and, with the first event of a webhook, the webhook itself, as one
//! zstd frame, so that what they have in common is stored once. A large webhook is a frame of its own.
//!
//! The event comes first, on a line of its own, so whoever wants the event alone decompresses no further than its end.
//!
//! What is packed can be unpacked, or it is not packed: [`checked`] reads every event back before it is put.

use std::io::{BufRead as _, BufReader, Read as _};

use serde::{Deserialize, Serialize};

use rapport_model::Event;

/// Frames are 2 to 3 % smaller than at zstd's default level 3, which keeps a text of 300 characters in one write unit.
const LEVEL: i32 = 6;

/// The level for what is larger than [`LARGE_BYTES`]: attachments, which no level makes smaller, at a tenth of the time.
const LEVEL_OF_LARGE: i32 = 1;
/// Bytes from which on time counts for more than space.
const LARGE_BYTES: usize = 1 << 20;

/// Bytes. An event's JSON: of 12 MiB, the most that a connector can return, a text is at most this long when JSON writes one
/// byte in three as two. One of control characters, each of which JSON writes as six, may be longer: it is parked.
pub const EVENT_BYTES_MAX: usize = 16 << 20;

/// Bytes. What release 0.1 may have stored: an event of 12 MiB, each byte of which JSON writes as six; a webhook of 41 MiB,
/// the most that a connector can ask for, is less.
const UNPACKED_BYTES_MAX: usize = 80 << 20;

/// Bytes of a frame's content up to which all of it is unpacked at once: that is faster than to stop where the event ends.
const AT_ONCE_BYTES_MAX: usize = 64 << 10;

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

/// An event's JSON, of which it is known that the same event is read of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Checked(Vec<u8>);

/// The JSON of an event, if it can be stored.
///
/// # Errors
/// A sentence that says why not, without anything that the event holds.
pub(crate) fn checked(event: &Event) -> Result<Checked, String> {
    let json = serde_json::to_vec(event).map_err(|error| format!("it cannot be written: {}", place_of(&error)))?;
    if json.len() > EVENT_BYTES_MAX {
        return Err(format!("as JSON it has {} bytes; at most {EVENT_BYTES_MAX} are kept as an event", json.len()));
    }
    let again: Event =
        serde_json::from_slice(&json).map_err(|error| format!("it reads back as {}", place_of(&error)))?;
    // Its line ends at the first line end: JSON writes those of a text as escapes.
    let is_same = again == *event && !json.contains(&b'\n');
    is_same.then_some(Checked(json)).ok_or_else(|| "it does not read back as it was written".to_owned())
}

/// Where reading or writing stopped, and not what was there: it may be personal.
fn place_of(error: &serde_json::Error) -> String {
    let kind = match error.classify() {
        // The one thing about our own JSON that the parser, and no type, refuses.
        serde_json::error::Category::Syntax => "JSON that is nested too deep or of a number that is too large",
        serde_json::error::Category::Data => "data of another form",
        serde_json::error::Category::Eof => "JSON that ends too early",
        serde_json::error::Category::Io => "a failure to read",
    };
    format!("{kind}, at column {}", error.column())
}

/// One frame of an event and perhaps its webhook: the event's JSON on a line of its own, then the webhook.
pub(crate) fn pack(event: &Checked, raw: Option<&RawWebhook>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(event.0.len() + raw.map_or(1, |raw| raw.body.len() + 512));
    bytes.extend_from_slice(&event.0);
    bytes.push(b'\n');
    if let Some(raw) = raw {
        raw.write(&mut bytes);
    }
    compress(&bytes)
}

/// The event of a frame. Of what comes after it nothing is unpacked, but for what is small.
pub(crate) fn unpack_event(frame: &[u8]) -> Result<Event, String> {
    let size = size_of(frame)?;
    let line = if size <= AT_ONCE_BYTES_MAX {
        let mut bytes = decompress(frame)?;
        let end = bytes.iter().position(|byte| *byte == b'\n').ok_or("no line end")?;
        bytes.truncate(end);
        bytes
    } else {
        let decoder = zstd::stream::read::Decoder::with_buffer(frame).map_err(|error| error.to_string())?;
        let mut decoder = BufReader::with_capacity(AT_ONCE_BYTES_MAX, decoder.take(size as u64));
        let mut line = Vec::new();
        decoder.read_until(b'\n', &mut line).map_err(|error| error.to_string())?;
        if line.pop() != Some(b'\n') {
            return Err("no line end".to_owned());
        }
        line
    };
    serde_json::from_slice(&line).map_err(|error| place_of(&error))
}

/// A frame without the webhook that is in it; none: there is none. The event need not be readable.
pub(crate) fn without_webhook(frame: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let mut bytes = decompress(frame)?;
    let end = bytes.iter().position(|byte| *byte == b'\n').ok_or("no line end")? + 1;
    let has_webhook = bytes.len() > end;
    bytes.truncate(end);
    Ok(has_webhook.then(|| compress(&bytes)))
}

/// The webhook of a frame, where there is one; the event before it need not be readable.
pub(crate) fn unpack_raw(frame: &[u8]) -> Result<Option<RawWebhook>, String> {
    let bytes = decompress(frame)?;
    let end = bytes.iter().position(|byte| *byte == b'\n').ok_or("no line end")?;
    let raw = &bytes[end + 1..];
    (!raw.is_empty()).then(|| RawWebhook::read(raw)).transpose()
}

/// A frame of JSON alone.
pub(crate) fn pack_json<T: Serialize>(value: &T) -> Vec<u8> {
    compress(&serde_json::to_vec(value).expect("our own types have string keys, and writing to a vector cannot fail"))
}

/// What a frame of JSON holds.
pub(crate) fn unpack_json<T: serde::de::DeserializeOwned>(frame: &[u8]) -> Result<T, String> {
    serde_json::from_slice(&decompress(frame)?).map_err(|error| place_of(&error))
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

/// How much is in a frame, unpacked.
fn size_of(frame: &[u8]) -> Result<usize, String> {
    let size = zstd::zstd_safe::get_frame_content_size(frame).ok().flatten().ok_or("no zstd frame of known size")?;
    let size = usize::try_from(size).ok().filter(|size| *size <= UNPACKED_BYTES_MAX);
    size.ok_or_else(|| format!("unpacked it would exceed {UNPACKED_BYTES_MAX} bytes"))
}

fn decompress(frame: &[u8]) -> Result<Vec<u8>, String> {
    let size = size_of(frame)?;
    zstd::bulk::decompress(frame, size).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
