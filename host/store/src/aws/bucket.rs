//! Blobs in an S3 bucket. Its encryption and who may read it are the bucket's own settings.

use std::sync::Arc;

use super::signed::{Answer, Request, Signer};

/// One tenant's folder of one bucket.
#[derive(Clone)]
pub(crate) struct Bucket {
    signer: Arc<Signer>,
    /// The URL that keys are appended to.
    folder: String,
}

impl Bucket {
    pub(crate) fn new(signer: Arc<Signer>, folder: String) -> Self {
        Self { signer, folder }
    }

    /// Stores bytes under a name of their own: again, if they are there.
    pub(crate) async fn put(&self, key: &str, bytes: &[u8]) -> Result<(), String> {
        let headers = &[("content-type", "application/octet-stream")];
        let url = self.url(key);
        let request = Request { service: "s3", method: "PUT", url: &url, headers, body: bytes, answer_max: None };
        done(self.signer.send(&request).await?).map(drop)
    }

    /// None: there is no such object. S3 says so only to a role that may list the bucket: to others it says 403, which
    /// is an error, since it is also what a missing permission looks like, and then the object may be there.
    pub(crate) async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, String> {
        let url = self.url(key);
        let request = Request { service: "s3", method: "GET", url: &url, headers: &[], body: b"", answer_max: None };
        let answer = self.signer.send(&request).await?;
        match answer.status {
            404 if code(&answer.body).ends_with("NoSuchKey") => Ok(None),
            403 => Err(format!(
                "S3 answered 403{}; fix: the role needs s3:GetObject on it, and s3:ListBucket on the bucket to be told \
                 that an object is not there",
                code(&answer.body)
            )),
            _ => done(answer).map(Some),
        }
    }

    /// How many bytes an object has. None: there is no such object; as of [`get`](Self::get).
    pub(crate) async fn size(&self, key: &str) -> Result<Option<u64>, String> {
        let url = self.url(key);
        // The answer announces a body that it has not.
        let request =
            Request { service: "s3", method: "HEAD", url: &url, headers: &[], body: b"", answer_max: Some(0) };
        let answer = self.signer.send(&request).await?;
        match answer.status {
            200 => Ok(Some(answer.bytes)),
            404 => Ok(None),
            status => Err(format!("S3 answered {status}")),
        }
    }

    pub(crate) async fn part(&self, key: &str, from: u64, bytes: u64) -> Result<Vec<u8>, String> {
        if bytes == 0 {
            return Ok(Vec::new());
        }
        let (url, range) = (self.url(key), format!("bytes={from}-{}", from.saturating_add(bytes - 1)));
        let headers = &[("range", range.as_str())];
        let answer_max = Some(bytes);
        let request = Request { service: "s3", method: "GET", url: &url, headers, body: b"", answer_max };
        done(self.signer.send(&request).await?)
    }

    /// Also where there is none.
    pub(crate) async fn delete(&self, key: &str) -> Result<(), String> {
        let url = self.url(key);
        let request = Request { service: "s3", method: "DELETE", url: &url, headers: &[], body: b"", answer_max: None };
        done(self.signer.send(&request).await?).map(drop)
    }

    fn url(&self, key: &str) -> String {
        format!("{}/{key}", self.folder)
    }
}

fn done(answer: Answer) -> Result<Vec<u8>, String> {
    match answer.status {
        200 | 204 | 206 => Ok(answer.body),
        status => Err(format!("S3 answered {status}{}", code(&answer.body))),
    }
}

/// The `<Code>` of S3's error document, where there is one.
pub(super) fn code(body: &[u8]) -> String {
    let body = String::from_utf8_lossy(body);
    let code = body.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
    code.map(|(code, _)| format!(", {code}")).unwrap_or_default()
}

impl std::fmt::Debug for Bucket {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Bucket").field("folder", &self.folder).finish_non_exhaustive()
    }
}
