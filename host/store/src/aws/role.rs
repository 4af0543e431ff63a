//! Keys of another role, from STS: the role that signs what connectors send to AWS has nothing else to do with the deployment.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rapport_model::secret::Secret;
use tokio::sync::Mutex;

use super::signed::{Request, Signer};
use crate::error::StoreError;

const OPERATION: &str = "AssumeRole";
/// Seconds for which keys are asked. A role that is assumed by a role gives them for an hour at most.
const KEYS_S: u64 = 3_600;
/// How old keys may be: a request that is signed with them has half an hour to arrive.
const KEPT: Duration = Duration::from_secs(1_800);
/// How CloudTrail names the session.
const SESSION: &str = "rapport-send";

/// Temporary keys.
#[derive(Clone, Debug)]
pub struct RoleKeys {
    pub access_key_id: String,
    pub secret_access_key: Secret,
    pub session_token: Secret,
}

/// A role, and its keys while they are good.
pub struct Role {
    signer: Arc<Signer>,
    /// Where STS answers.
    service: String,
    arn: String,
    keys: Mutex<Option<(RoleKeys, Instant)>>,
}

impl Role {
    pub(super) fn new(signer: Arc<Signer>, service: String, arn: String) -> Self {
        Self { signer, service, arn, keys: Mutex::default() }
    }

    /// The role's keys: those at hand, or new ones. Nobody asks for them before a request needs them.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], with what the service says.
    pub async fn keys(&self) -> Result<RoleKeys, StoreError> {
        let mut place = self.keys.lock().await;
        if let Some((keys, asked_at)) = &*place
            && asked_at.elapsed() < KEPT
        {
            return Ok(keys.clone());
        }
        let keys = self.assume().await?;
        *place = Some((keys.clone(), Instant::now()));
        Ok(keys)
    }

    async fn assume(&self) -> Result<RoleKeys, StoreError> {
        let failed = |detail: String| StoreError::Unavailable { operation: OPERATION, detail };
        let body = form(&self.arn);
        let headers = &[("content-type", "application/x-www-form-urlencoded")];
        let (url, body) = (self.service.as_str(), body.as_bytes());
        let request = Request { service: "sts", method: "POST", url, headers, body, answer_max: None };
        let answer = self.signer.send(&request).await.map_err(failed)?;
        let text = String::from_utf8_lossy(&answer.body);
        if answer.status != 200 {
            let said = [element(&text, "Code"), element(&text, "Message")].into_iter().flatten().collect::<Vec<_>>();
            let fix = "fix: let the role of the sending function assume it, and write the role's ARN as infra/template.yaml does";
            return Err(failed(format!("status {}, {}; {fix}", answer.status, said.join(": "))));
        }
        // What was not understood is not repeated: it may hold the keys.
        keys_of(&text).ok_or_else(|| failed("the answer has no keys".to_owned()))
    }
}

/// The query of `AssumeRole` (STS API, version 2011-06-15).
fn form(arn: &str) -> String {
    let arn = arn.replace('%', "%25").replace('+', "%2B").replace('=', "%3D").replace('&', "%26");
    let arn = arn.replace(':', "%3A").replace('/', "%2F").replace(',', "%2C").replace('@', "%40");
    format!("Action=AssumeRole&Version=2011-06-15&DurationSeconds={KEYS_S}&RoleArn={arn}&RoleSessionName={SESSION}")
}

fn keys_of(answer: &str) -> Option<RoleKeys> {
    let secret = |name| element(answer, name).map(|text| Secret::new(text.as_bytes()));
    Some(RoleKeys {
        access_key_id: element(answer, "AccessKeyId")?.to_owned(),
        secret_access_key: secret("SecretAccessKey")?,
        session_token: secret("SessionToken")?,
    })
}

/// The text of the first element of this name. Keys and tokens are base64, and nothing in them is escaped.
fn element<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = answer.split_once(&format!("<{name}>"))?;
    Some(rest.split_once(&format!("</{name}>"))?.0.trim())
}

impl std::fmt::Debug for Role {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Role").field("arn", &self.arn).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_from_the_answer_of_sts_and_do_not_print() {
        let answer = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
            <AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/a/rapport-send</Arn></AssumedRoleUser><Credentials>\
            <AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>s3cr+/et</SecretAccessKey><SessionToken>\n t0k=en \n</SessionToken>\
            <Expiration>2026-12-01T03:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>";
        let keys = keys_of(answer).unwrap();
        assert_eq!(keys.access_key_id, "ASIA1");
        assert_eq!((keys.secret_access_key.reveal(), keys.session_token.reveal()), (&b"s3cr+/et"[..], &b"t0k=en"[..]));
        assert!(!format!("{keys:?}").contains("s3cr"), "{keys:?}");
        assert!(keys_of("<AccessKeyId>a</AccessKeyId>").is_none());
        assert!(
            form("arn:aws:iam::1:role/a+b")
                .ends_with("RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fa%2Bb&RoleSessionName=rapport-send")
        );
    }
}
