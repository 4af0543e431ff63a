//! The JSON documents of one delivery: one record, an array of them, or several on end, as a Firehose stream joins them
//! with a line break between them or with nothing.

use rapport_sdk::lenient;
use serde_json::value::RawValue;

/// Records of one delivery. Kinesis delivers one; a mebibyte has room for a few hundred real ones.
const RECORDS_MAX: usize = 1_000;

/// Pieces that are no JSON, after which reading ends: each may be searched for its end up to that of the delivery.
const BROKEN_MAX: usize = 16;

/// What a delivery holds.
#[derive(Default)]
pub struct Documents<'a> {
    pub records: Vec<&'a RawValue>,
    /// How many pieces are no JSON.
    pub broken: usize,
}

/// Every document of a text. A piece that is no JSON ends with its line.
///
/// # Errors
/// A sentence, for `Malformed`: more documents than one delivery has.
pub fn split(json: &str) -> Result<Documents<'_>, String> {
    let mut documents = Documents::default();
    let mut rest = json;
    loop {
        let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<&RawValue>();
        while let Some(Ok(document)) = stream.next() {
            if document.get().starts_with('[') {
                documents.records.extend(lenient::batch(document.get(), RECORDS_MAX)?);
            } else {
                documents.records.push(document);
            }
            if documents.records.len() > RECORDS_MAX {
                return Err(format!("expected at most {RECORDS_MAX} records, found more"));
            }
        }
        rest = rest.get(stream.byte_offset()..).unwrap_or_default().trim_start();
        if rest.is_empty() || documents.broken == BROKEN_MAX {
            return Ok(documents);
        }
        documents.broken += 1;
        rest = rest.split_once('\n').map_or("", |(_, next)| next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_found_however_they_are_joined() {
        for (text, records, broken) in [
            ("", 0, 0),
            ("{}", 1, 0),
            ("[{},{}]", 2, 0),
            ("[]", 0, 0),
            ("{}{}", 2, 0),
            ("{}\n{}\n", 2, 0),
            ("{}\r\n\r\n [{}] {}", 3, 0),
            ("{}\n{\"a\":\n{}", 2, 1),
            ("nonsense\n{}", 1, 1),
            ("{}\nnonsense", 1, 1),
            ("7 \"a\" null", 3, 0),
            ("{", 0, 1),
        ] {
            let documents = split(text).unwrap();
            assert_eq!((documents.records.len(), documents.broken), (records, broken), "{text}");
        }
        assert!(split(&"{}".repeat(RECORDS_MAX)).is_ok());
        assert!(split(&"{}".repeat(RECORDS_MAX + 1)).is_err());
        assert!(split(&format!("[{}{{}}]", "{},".repeat(RECORDS_MAX))).is_err());
    }
}
