//! Objects in S3 buckets of the account, of this region.

use std::sync::Arc;

use super::bucket::code;
use super::signed::{Request, Signer};
use crate::objects::ObjectError;

/// All buckets: which of them may be read is the role's to say, and the configuration's.
#[derive(Clone)]
pub(crate) struct Buckets {
    signer: Arc<Signer>,
    /// The URL that buckets' names are appended to: in the path, since a name with dots fits no certificate as a host's.
    service: String,
}

impl Buckets {
    pub(crate) fn new(signer: Arc<Signer>, service: String) -> Self {
        Self { signer, service }
    }

    pub(crate) async fn get(&self, bucket: &str, key: &str, max: u64) -> Result<Vec<u8>, ObjectError> {
        let url = format!("{}/{bucket}/{}", self.service, encoded(key));
        let request =
            Request { service: "s3", method: "GET", url: &url, headers: &[], body: b"", answer_max: Some(max) };
        let answer = self.signer.send(&request).await.map_err(ObjectError::Unavailable)?;
        match answer.status {
            200 if answer.bytes > max => Err(ObjectError::TooLarge { bytes: answer.bytes, max }),
            200 => Ok(answer.body),
            404 => Err(ObjectError::Missing),
            403 => Err(ObjectError::Denied),
            status => Err(ObjectError::Unavailable(format!("S3 answered {status}{}", code(&answer.body)))),
        }
    }
}

/// A key as a part of a URL: every byte but the unreserved ones (RFC 3986) and `/` in percent encoding, as S3 signs it.
fn encoded(key: &str) -> String {
    let mut encoded = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                encoded.push(char::from(byte))
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

impl std::fmt::Debug for Buckets {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Buckets").field("service", &self.service).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_encoded_once_and_its_folders_stay() {
        assert_eq!(encoded("in/a b+c%20ü~.eml"), "in/a%20b%2Bc%2520%C3%BC~.eml");
    }
}
