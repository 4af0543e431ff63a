//! Blobs in an S3 bucket. Its encryption and who may read it are the bucket's own settings.

use std::sync::Arc;

use super::signed::{Request, Signer};

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

    /// Stores bytes under their own hash: again, if they are there.
    pub(crate) async fn put(&self, key: &str, bytes: &[u8]) -> Result<(), String> {
        let headers = &[("content-type", "application/octet-stream")];
        self.send(Request { service: "s3", method: "PUT", url: &self.url(key), headers, body: bytes, answer_max: None })
            .await
            .map(drop)
    }

    pub(crate) async fn get(&self, key: &str) -> Result<Vec<u8>, String> {
        self.send(Request {
            service: "s3",
            method: "GET",
            url: &self.url(key),
            headers: &[],
            body: b"",
            answer_max: None,
        })
        .await
    }

    /// Also where there is none.
    pub(crate) async fn delete(&self, key: &str) -> Result<(), String> {
        self.send(Request {
            service: "s3",
            method: "DELETE",
            url: &self.url(key),
            headers: &[],
            body: b"",
            answer_max: None,
        })
        .await
        .map(drop)
    }

    fn url(&self, key: &str) -> String {
        format!("{}/{key}", self.folder)
    }

    async fn send(&self, request: Request<'_>) -> Result<Vec<u8>, String> {
        let answer = self.signer.send(&request).await?;
        match answer.status {
            200 | 204 => Ok(answer.body),
            status => Err(format!("S3 answered {status}{}", code(&answer.body))),
        }
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
