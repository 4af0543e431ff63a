//! A notification and the object that it names, as one body: `multipart/form-data` (RFC 7578).

use ring::digest::{SHA256, digest};

/// The field that holds the notification.
const MESSAGE: &str = "message";
/// The field that holds the object.
const OBJECT: &str = "object";

/// The form's `content-type` and its bytes: the same for the same two, so that a delivery repeated is the same webhook.
pub(super) fn form(message: &[u8], object: &[u8]) -> (String, Vec<u8>) {
    let boundary = boundary(message, object);
    let mut body = Vec::with_capacity(message.len() + object.len() + 512);
    for (name, content_type, bytes) in
        [(MESSAGE, "application/json", message), (OBJECT, "application/octet-stream", object)]
    {
        let head = format!(
            "--{boundary}\r\ncontent-disposition: form-data; name=\"{name}\"\r\ncontent-type: {content_type}\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), body)
}

/// A boundary made from a hash of both, so that the author of one of them cannot have put it inside.
fn boundary(message: &[u8], object: &[u8]) -> String {
    let digests = [digest(&SHA256, message), digest(&SHA256, object)].map(|digest| digest.as_ref().to_vec());
    let both = digest(&SHA256, &digests.concat());
    both.as_ref()[..24].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_stand_in_the_form_byte_for_byte() {
        let object = b"\x00\r\n--\xff\r\n";
        let (content_type, body) = form(b"{}", object);
        let boundary = content_type.strip_prefix("multipart/form-data; boundary=").unwrap();
        let mark = format!("--{boundary}");
        let start = body.windows(object.len()).position(|window| window == object).unwrap();
        assert_eq!(&body[start + object.len()..], format!("\r\n{mark}--\r\n").as_bytes());
        assert!(body.starts_with(format!("{mark}\r\ncontent-disposition: form-data; name=\"message\"\r\n").as_bytes()));
        assert_eq!(form(b"{}", object), (content_type, body), "the same again");
        assert_ne!(form(b"{} ", object).0, form(b"{}", object).0);
    }
}
