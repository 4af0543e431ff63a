//! `multipart/form-data` (RFC 7578).

use rapport_model::exchange::FormField;

use crate::body::{Around, Segments, content, hex};
use crate::grants::{Denied, denied};
use crate::pieces::Filler;

/// A form and its `Content-Type`. The boundary is made of entropy, so no field can hold it.
pub(crate) fn multipart(
    fields: &[FormField],
    entropy: &[u8; 16],
    filler: &mut Filler<'_>,
) -> Result<(Segments, String), Denied> {
    let boundary = format!("rapport-{}", hex(entropy));
    let mut segments = Segments::default();
    for field in fields {
        let mut head = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"", quoted(&field.name));
        if let Some(file) = &field.file_name {
            head.push_str(&format!("; filename=\"{}\"", quoted(file)));
        }
        if let Some(kind) = &field.content_type {
            if !kind.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
                return denied("the content type of a form's field is not visible ASCII; fix: write a MIME type");
            }
            head.push_str(&format!("\r\nContent-Type: {kind}"));
        }
        head.push_str("\r\n\r\n");
        segments.push(head);
        segments.append(content(&field.content, Around::Plain, filler)?);
        segments.push("\r\n");
    }
    segments.push(format!("--{boundary}--\r\n"));
    Ok((segments, format!("multipart/form-data; boundary={boundary}")))
}

/// As browsers write it (WHATWG HTML, "multipart/form-data encoding algorithm"). Names stay UTF-8.
fn quoted(name: &str) -> String {
    name.replace('\r', "%0D").replace('\n', "%0A").replace('"', "%22")
}
