//! Files: which of WhatsApp's types they are, and their way there, by link or by upload.

use std::collections::BTreeMap;

use rapport_sdk::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::limits::{
    AUDIO_BYTES_MAX, CAPTION_CHARACTERS_MAX, DOCUMENT_BYTES_MAX, IMAGE_BYTES_MAX, STICKER_BYTES_MAX, UPLOADS_MAX,
    VIDEO_BYTES_MAX,
};
use super::way::{TOKEN, Way};

/// One of WhatsApp's types of files.
#[derive(Debug)]
pub struct Kind {
    /// Meta's word.
    pub word: &'static str,
    /// The MIME types that it takes; none: all others.
    types: &'static [&'static str],
    bytes_max: u64,
    pub has_caption: bool,
}

/// Source: Meta's "Media", read in November 2026. Meta refuses other images, videos and recordings; those that it
/// has to fetch by a link only after it has taken the message. So they are refused here.
const KINDS: [Kind; 5] = [
    Kind { word: "image", types: &["image/jpeg", "image/png"], bytes_max: IMAGE_BYTES_MAX, has_caption: true },
    Kind { word: "sticker", types: &["image/webp"], bytes_max: STICKER_BYTES_MAX, has_caption: false },
    Kind { word: "video", types: &["video/mp4", "video/3gpp"], bytes_max: VIDEO_BYTES_MAX, has_caption: true },
    Kind {
        word: "audio",
        types: &["audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"],
        bytes_max: AUDIO_BYTES_MAX,
        has_caption: false,
    },
    Kind { word: "document", types: &[], bytes_max: DOCUMENT_BYTES_MAX, has_caption: true },
];
/// What is shown or played, so that it is not a document.
const SHOWN: [&str; 3] = ["image/", "video/", "audio/"];

/// Meta's ids of the files that were uploaded, by the number of their part.
pub type Ids = BTreeMap<usize, String>;

/// The type of a file.
///
/// # Errors
/// If it has no MIME type, one that WhatsApp does not take, or too many bytes.
pub fn kind(media: &Media, at: usize) -> Result<&'static Kind, Failure> {
    let Some(mime) = media.mime_type.as_deref() else {
        let why = format!("parts[{at}]: a file needs a MIME type; fix: `mime_type`, such as `application/pdf`");
        return Err(Failure::UnsupportedContent(why));
    };
    let plain = mime.split(';').next().unwrap_or(mime).trim().to_ascii_lowercase();
    let named = KINDS.iter().find(|kind| kind.types.contains(&plain.as_str()));
    let is_shown = SHOWN.iter().any(|start| plain.starts_with(start));
    let Some(kind) = named.or_else(|| KINDS.last().filter(|_| !is_shown)) else {
        let takes: Vec<&str> = KINDS.iter().flat_map(|kind| kind.types).copied().collect();
        let why =
            format!("parts[{at}]: WhatsApp does not take `{plain}`; fix: convert it to one of {}", takes.join(", "));
        return Err(Failure::UnsupportedContent(why));
    };
    let is_too_large = media.size.is_some_and(|bytes| bytes > kind.bytes_max);
    if is_too_large { Err(Failure::TooLarge(kind.bytes_max)) } else { Ok(kind) }
}

/// Whether a text is short enough to be the caption of this file.
pub fn takes_caption(kind: &Kind, text: &str) -> bool {
    kind.has_caption && !text.trim().is_empty() && text.chars().count() <= CAPTION_CHARACTERS_MAX
}

/// Meta's object for a file: its link or its id, and the name of a document.
pub fn object(media: &Media, kind: &Kind, at: usize, ids: &Ids) -> Map<String, Value> {
    let (field, value) = match &media.source {
        MediaSource::Url(url) => ("link", url.as_str()),
        MediaSource::ProviderId(id) => ("id", id.as_str()),
        MediaSource::Blob(_) => ("id", ids.get(&at).map_or("", String::as_str)),
    };
    let mut object = Map::new();
    object.insert(field.into(), value.into());
    if let Some(name) = media.file_name.as_deref().filter(|_| kind.word == "document") {
        object.insert("filename".into(), name.into());
    }
    object
}

/// Uploads what is in the host's blob store, all in one step. Twice is as good as once: each upload makes an id of its own,
/// which nobody sees and Meta forgets after 30 days.
pub fn upload(message: &Outgoing, way: &Way, steps: &mut Steps<'_>) -> Result<Ids, Stop> {
    let blobs = message.parts.iter().enumerate().filter_map(|(at, part)| match part {
        Part::Media(Media { source: MediaSource::Blob(key), mime_type, file_name, .. }) => {
            Some((at, key, mime_type.as_deref()?, file_name.as_deref()))
        }
        _ => None,
    });
    let blobs: Vec<_> = blobs.collect();
    if blobs.is_empty() {
        return Ok(Ids::new());
    }
    way.require_graph("a file cannot be uploaded", "send it by its link")?;
    if blobs.len() > UPLOADS_MAX {
        let why = format!(
            "{} files, at most {UPLOADS_MAX} are uploaded for one message; fix: send two messages",
            blobs.len()
        );
        return Err(Failure::UnsupportedContent(why).into());
    }
    let account = &message.route.account;
    way.require(account)?;
    let request = |key: &str, mime: &str, name: Option<&str>| {
        let file = FormField::blob("file", key).file(in_one_line(name.unwrap_or("file")), mime);
        let fields = vec![FormField::text("messaging_product", "whatsapp"), FormField::text("type", mime), file];
        Request::post(way.graph()).segment(account).path("/media").bearer(TOKEN).multipart(fields).repeatable()
    };
    let requests = blobs.iter().map(|(_, key, mime, name)| request(key, mime, *name)).collect();
    let mut ids = Ids::new();
    for (answer, (at, ..)) in steps.together(requests)?.into_iter().zip(&blobs) {
        let uploaded: Uploaded = way.success(answer)?.json()?;
        ids.insert(*at, uploaded.id);
    }
    Ok(ids)
}

/// A name that can stand in a header: the person who made the file chose it.
fn in_one_line(name: &str) -> String {
    name.chars().map(|character| if character.is_control() { '_' } else { character }).collect()
}

#[derive(Deserialize)]
struct Uploaded {
    id: String,
}
