//! A file that came with a mail. Its bytes are in the stored webhook; an event says where.

use std::borrow::Cow;

use rapport_sdk::prelude::*;

use crate::mail;

/// Longest type of a file: RFC 6838 allows 127 characters on each side of the `/`.
pub const MIME_TYPE_BYTES_MAX: usize = 255;

pub struct Attachment<'a> {
    /// Where the bytes are: `part:<n>` of the MIME message, `field:<name>` of the form, `attachment:<n>` of the JSON.
    pub source: MediaSource,
    pub mime_type: Option<String>,
    pub file_name: Option<String>,
    pub content_id: Option<String>,
    pub size: Option<u64>,
    /// The bytes, where they may be part of a report; nothing for the others.
    pub content: Cow<'a, [u8]>,
    /// Whether that is only the beginning of them.
    pub is_cut: bool,
}

impl Attachment<'_> {
    pub fn part(self) -> Part {
        Part::Media(Media {
            source: self.source,
            mime_type: self.mime_type,
            file_name: self.file_name,
            size: self.size,
            content_id: self.content_id,
        })
    }

    pub fn is(&self, mime_types: &[&str]) -> bool {
        self.mime_type.as_deref().is_some_and(|found| mime_types.contains(&found))
    }
}

/// Whether a part of this type may tell what became of another mail.
pub fn is_of_report(mime_type: Option<&str>) -> bool {
    mime_type.is_some_and(|mime_type| mime_type.starts_with("message/") || mime_type.starts_with("text/rfc822"))
}

/// `type/subtype` in lower case, without parameters, before which some programs forget the `;`; none if it is nothing
/// of the kind.
pub fn mime_type(content_type: &str) -> Option<String> {
    let is_end = |character: char| character == ';' || character.is_whitespace();
    let essence = content_type.trim_start().split(is_end).next().unwrap_or_default().to_ascii_lowercase();
    let is_one = essence.split_once('/').is_some_and(|(kind, subtype)| !kind.is_empty() && !subtype.is_empty());
    (is_one && essence.len() <= MIME_TYPE_BYTES_MAX).then_some(essence)
}

/// A file name without a path, which some programs send along, and with its encoded words decoded.
pub fn file_name(name: &str) -> Option<String> {
    let name = mail::decoded(name);
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default().trim();
    (!last.is_empty()).then(|| last.to_owned())
}

/// The id by which the HTML body shows an inline part.
pub fn content_id(id: &str) -> Option<String> {
    let id = mail::bare_id(id);
    (!id.is_empty()).then_some(id)
}
