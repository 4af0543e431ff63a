//! What WhatsApp takes at most. Characters are Unicode's.
//!
//! Sources: [O] Meta's OpenAPI document v23.0; [D] its documentation of the Cloud API; both read in November 2026.

/// Messages that one operation becomes: the host takes 16 steps, and one of them uploads.
pub const MESSAGES_MAX: usize = 15;
/// Files that one operation uploads, all in one step of the host, which takes 16 requests.
pub const UPLOADS_MAX: usize = 16;

/// Characters of a text [D "Text messages"].
pub const TEXT_CHARACTERS_MAX: usize = 4096;
/// Characters of a caption [O `MediaObject_1`].
pub const CAPTION_CHARACTERS_MAX: usize = 1024;

/// Characters of the text above buttons or a list [O `BodyObject`].
pub const CHOICES_TEXT_CHARACTERS_MAX: usize = 1024;
/// Buttons below a text [O `ActionObject`].
pub const BUTTONS_MAX: usize = 3;
/// Characters of a button's title [O `ActionObject`].
pub const BUTTON_TITLE_CHARACTERS_MAX: usize = 20;
/// Characters of a button's id [O `ActionObject`].
pub const BUTTON_ID_CHARACTERS_MAX: usize = 256;
/// Rows of a list [O `SectionObject`].
pub const ROWS_MAX: usize = 10;
/// Characters of a row's title [O `SectionObject`].
pub const ROW_TITLE_CHARACTERS_MAX: usize = 24;
/// Characters of a row's id [O `SectionObject`].
pub const ROW_ID_CHARACTERS_MAX: usize = 200;
/// Characters on the button that opens a list [O `ActionObject`].
pub const LIST_BUTTON_CHARACTERS_MAX: usize = 20;

/// Bytes of an image [D "Media"].
pub const IMAGE_BYTES_MAX: u64 = 5 * 1024 * 1024;
/// Bytes of a recording [D "Media"].
pub const AUDIO_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Bytes of a video [D "Media"].
pub const VIDEO_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Bytes of a document [D "Media"].
pub const DOCUMENT_BYTES_MAX: u64 = 100 * 1024 * 1024;
/// Bytes of a sticker that moves; one that does not has at most 100 KiB [D "Media"].
pub const STICKER_BYTES_MAX: u64 = 500 * 1024;

/// Characters of the note to who gets a thread [D "Conversation routing"].
pub const METADATA_CHARACTERS_MAX: usize = 2000;
/// Templates of one page: a page of them fits the host's largest answer, also if each is long.
pub const TEMPLATES_A_PAGE: usize = 50;
/// How often a media URL is asked for again when it is no longer valid: it lives five minutes [O `Retrieve Media URL`].
pub const MEDIA_URLS_MAX: usize = 3;
/// Bytes of a URL that Meta gives: the host does not send a longer one.
pub const URL_BYTES_MAX: usize = 4 * 1024;
/// Bytes of a page's cursor: the host does not keep a longer one.
pub const CURSOR_BYTES_MAX: usize = 2 * 1024;
