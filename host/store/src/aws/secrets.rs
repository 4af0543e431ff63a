//! One secret's text, from Secrets Manager.

use serde::Deserialize;
use serde_json::json;

use super::signed::{Request, Signer, refusal};
use crate::error::StoreError;

const OPERATION: &str = "GetSecretValue";

/// The `SecretString` of a secret's current version.
pub(crate) async fn text(signer: &Signer, url: &str, name: &str) -> Result<String, StoreError> {
    let failed = |detail: String| StoreError::Unavailable { operation: OPERATION, detail };
    let headers = &[("content-type", "application/x-amz-json-1.1"), ("x-amz-target", "secretsmanager.GetSecretValue")];
    let body = json!({"SecretId": name}).to_string();
    let request =
        Request { service: "secretsmanager", method: "POST", url, headers, body: body.as_bytes(), answer_max: None };
    let answer = signer.send(&request).await.map_err(failed)?;
    if answer.status != 200 {
        return Err(failed(refusal(&answer.body).unwrap_or_else(|| format!("status {}", answer.status))));
    }
    // What was not understood is not repeated: it may hold the secret.
    let secret: Option<Secret> = serde_json::from_slice(&answer.body).ok();
    let no_text = "the secret has no text (`SecretString`); fix: put its value as a JSON object";
    secret.and_then(|secret| secret.text).ok_or_else(|| failed(no_text.to_owned()))
}

#[derive(Deserialize)]
struct Secret {
    #[serde(rename = "SecretString")]
    text: Option<String>,
}
