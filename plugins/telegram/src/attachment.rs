//! The files of a message. They are on Telegram's servers and are fetched by `file_id`; the URL that Telegram gives for
//! one holds the bot's token, so it is never kept.

use rapport_sdk::prelude::*;
use serde::Serialize;

use crate::payload::{Fields, File, verbatim};

/// What a medium is, beyond where it is.
#[derive(Serialize)]
pub struct Medium {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_unique_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    emoji: Option<String>,
}

/// The fields of `Message` that are files, in the order of the Bot API, November 2026, with the type that a file of this
/// kind has where none is said: Telegram re-encodes it itself.
const FILES: &[(&str, Option<&str>)] = &[
    // A film without sound, or a GIF. It comes as a document, too.
    ("animation", Some("video/mp4")),
    ("audio", None),
    ("document", None),
    // A photo with the seconds around it.
    ("live_photo", None),
    // In several sizes.
    ("photo", Some("image/jpeg")),
    ("sticker", Some("image/webp")),
    ("video", None),
    // A round film.
    ("video_note", Some("video/mp4")),
    ("voice", Some("audio/ogg")),
];

/// The media of a message; what cannot be read as a file is kept raw.
pub fn read(fields: &Fields) -> (Vec<Part>, Vec<Medium>) {
    let (mut parts, mut media) = (Vec::new(), Vec::new());
    for (name, default) in FILES {
        let Some(raw) = fields.get(name).filter(|_| !is_double(name, fields)) else { continue };
        let file = if *name == "photo" { largest(fields) } else { fields.read::<File>(name) };
        match file.and_then(|file| Some((file.file_id.clone()?, file))) {
            Some((id, file)) => {
                media.push(Medium {
                    r#type: name,
                    file_unique_id: file.file_unique_id.clone(),
                    emoji: file.emoji.clone(),
                });
                parts.push(Part::Media(medium(id, file, *default)));
            }
            None => parts.push(Part::Other(((*name).to_owned(), verbatim(raw)))),
        }
    }
    (parts, media)
}

/// For older bots an animation is a document as well, and a live photo a photo.
fn is_double(name: &str, fields: &Fields) -> bool {
    let beside = |other: &str| fields.get(other).is_some();
    (name == "document" && beside("animation")) || (name == "photo" && beside("live_photo"))
}

fn medium(id: String, file: File, default: Option<&str>) -> Media {
    let of_sticker = match (file.is_animated, file.is_video) {
        (true, _) => Some("application/x-tgsticker"),
        (_, true) => Some("video/webm"),
        _ => default,
    };
    Media {
        source: MediaSource::ProviderId(id),
        mime_type: file.mime_type.or_else(|| of_sticker.map(str::to_owned)),
        file_name: file.file_name,
        size: file.file_size,
        content_id: None,
    }
}

/// A photo comes in sizes, the largest one last as a rule.
fn largest(fields: &Fields) -> Option<File> {
    let sizes = fields.list("photo").into_iter().filter_map(lenient::read::<File>);
    let area =
        |file: &File| (file.width.unwrap_or_default().saturating_mul(file.height.unwrap_or_default()), file.file_size);
    sizes.filter(|file| file.file_id.is_some()).max_by_key(area)
}

/// Whether a field of `Message` is a file.
#[cfg(test)]
pub fn is_file(name: &str) -> bool {
    FILES.iter().any(|(file, _)| *file == name)
}
