//! Limits of requests and of what is read of their answers.

/// Milliseconds for one `GET`, from looking the name up to the last byte. A provider waits 10 to 15 s for the answer to
/// a webhook, and may have two of these in it.
pub const REQUEST_MS_MAX: u64 = 3_000;
/// Bytes of a response that a connector gets, and that an intent keeps of each exchange: an answer to a send has 1 KiB, and
/// a connector runs again on all of them.
pub const RESPONSE_BYTES_MAX: usize = 64 * 1024;
/// Milliseconds for a request that must not be repeated. It has to end before the start marker does, which is 20 s.
pub const SEND_MS_MAX: u64 = 15_000;
/// Milliseconds for a request that may be repeated: the largest file, at 2 MB a second.
pub const TRANSFER_MS_MAX: u64 = 60_000;
/// Milliseconds until a connection stands: name, TCP and TLS. A lost SYN is repeated after 1 s and after 3 s.
pub const CONNECT_MS_MAX: u64 = 5_000;
/// Addresses of one name that are tried.
pub const ADDRESSES_MAX: usize = 4;
/// Bytes of a request's body. The largest file of any channel has 100 MB, and a form around it has less than 1 MiB.
pub const REQUEST_BYTES_MAX: u64 = 101 << 20;
/// Header fields of a request that a connector gives. Providers' interfaces use fewer than 10.
pub const REQUEST_FIELDS_MAX: usize = 64;
/// Bytes of a request's head. Usual servers refuse more.
pub const REQUEST_HEAD_BYTES_MAX: usize = 8 << 10;
/// Header fields of a response. More are not read.
pub const RESPONSE_FIELDS_MAX: usize = 100;
/// Bytes of a response's head. More are not read.
pub const RESPONSE_HEAD_BYTES_MAX: usize = 64 << 10;
/// Header fields of a response that a connector gets.
pub const SHOWN_FIELDS_MAX: usize = 32;
/// Bytes of a header field's value that a connector gets: as many as a URL may have. Longer ones are left out.
pub const SHOWN_FIELD_BYTES_MAX: usize = rapport_model::hosts::URL_BYTES_MAX;
/// Bytes of a body that goes to the blob store. The largest file of any channel has 100 MB.
pub const KEPT_BYTES_MAX: u64 = 100 << 20;
/// Bytes of blobs that are read before a connection is made, so that a blob store that fails fails before anything leaves.
/// Larger ones are read while they are sent.
pub const READ_AHEAD_BYTES_MAX: u64 = 8 << 20;
/// Bytes of a blob that are read at once. A multiple of 3, because base64 makes four characters of three bytes.
pub const BLOB_CHUNK_BYTES: u64 = 3 << 18;

const _: () = assert!(BLOB_CHUNK_BYTES.is_multiple_of(3));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mask::MASKED_BYTES_MIN;
    use crate::token::TOKEN_MS_MAX;

    #[test]
    fn the_page_has_every_limit() {
        let page = include_str!("../README.md");
        for (name, value) in [
            ("SEND_MS_MAX", SEND_MS_MAX),
            ("TRANSFER_MS_MAX", TRANSFER_MS_MAX),
            ("CONNECT_MS_MAX", CONNECT_MS_MAX),
            ("TOKEN_MS_MAX", TOKEN_MS_MAX),
            ("REQUEST_BYTES_MAX", REQUEST_BYTES_MAX),
            ("REQUEST_HEAD_BYTES_MAX", REQUEST_HEAD_BYTES_MAX as u64),
            ("REQUEST_FIELDS_MAX", REQUEST_FIELDS_MAX as u64),
            ("RESPONSE_BYTES_MAX", RESPONSE_BYTES_MAX as u64),
            ("KEPT_BYTES_MAX", KEPT_BYTES_MAX),
            ("RESPONSE_HEAD_BYTES_MAX", RESPONSE_HEAD_BYTES_MAX as u64),
            ("RESPONSE_FIELDS_MAX", RESPONSE_FIELDS_MAX as u64),
            ("SHOWN_FIELDS_MAX", SHOWN_FIELDS_MAX as u64),
            ("SHOWN_FIELD_BYTES_MAX", SHOWN_FIELD_BYTES_MAX as u64),
            ("READ_AHEAD_BYTES_MAX", READ_AHEAD_BYTES_MAX),
            ("BLOB_CHUNK_BYTES", BLOB_CHUNK_BYTES),
            ("ADDRESSES_MAX", ADDRESSES_MAX as u64),
            ("MASKED_BYTES_MIN", MASKED_BYTES_MIN as u64),
        ] {
            let line = page.lines().find(|line| line.starts_with(&format!("| `{name}` | ")));
            let written: String = line.unwrap_or_default().split('|').nth(2).unwrap_or_default().replace(',', "");
            assert_eq!(written.split_whitespace().next(), Some(value.to_string().as_str()), "{name}");
        }
    }
}
