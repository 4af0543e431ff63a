//! The queue of wakes: SQS, asked over its JSON protocol 1.0.
//!
//! A wake says "look at this conversation", and a worker that looks twice finds nothing to do the second time. So a wake is sent
//! again whenever it is not sure that it arrived.

use std::sync::Arc;
use std::time::Duration;

use rapport_model::Timestamp;
use ring::digest::{SHA256, digest};
use serde_json::json;

use super::signed::{Request, Signer, refusal};
use crate::error::StoreError;
use crate::outbox::intents::Conversation;
use crate::outbox::wake::{self, Wakes, Waking};

const OPERATION: &str = "SendMessage";
/// Seconds for which the queue holds back a wake that is for later. SQS takes 900 at most. A wake that comes too early costs one
/// look, and the worker then makes a note for the minute.
pub const DELAY_S_MAX: u64 = 600;
/// Milliseconds that a wake may take. Whoever sends it has something else that repeats it, and does not wait for a queue that is
/// away: two attempts.
const WAKE_MS_MAX: u64 = 5_000;
/// Bytes of a hash that name the group of a message: enough that two accounts of a business never share one by accident.
const GROUP_BYTES: usize = 16;

/// The near end of the queue.
#[derive(Clone)]
pub struct Queue {
    signer: Arc<Signer>,
    /// Where SQS answers.
    service: String,
    /// The queue's own URL, which names it.
    queue: String,
    now: fn() -> Timestamp,
}

impl Queue {
    pub(super) fn new(signer: Arc<Signer>, service: String, queue: String, now: fn() -> Timestamp) -> Self {
        Self { signer, service, queue, now }
    }

    async fn send(&self, of: &Conversation, at: Timestamp) -> Result<(), StoreError> {
        let failed = |detail: String| StoreError::Unavailable { operation: OPERATION, detail };
        let body = self.message(of, at).to_string();
        let headers = &[("content-type", "application/x-amz-json-1.0"), ("x-amz-target", "AmazonSQS.SendMessage")];
        let (url, body) = (self.service.as_str(), body.as_bytes());
        let request = Request { service: "sqs", method: "POST", url, headers, body, answer_max: None };
        let answer = tokio::time::timeout(Duration::from_millis(WAKE_MS_MAX), self.signer.send(&request)).await;
        let answer = answer.unwrap_or_else(|_| Err(format!("no answer within {WAKE_MS_MAX} ms"))).map_err(failed)?;
        match answer.status {
            200 => Ok(()),
            status => Err(failed(refusal(&answer.body).unwrap_or_else(|| format!("status {status}")))),
        }
    }

    fn message(&self, of: &Conversation, at: Timestamp) -> serde_json::Value {
        let delay_s = at.saturating_sub((self.now)()).div_ceil(1_000).min(DELAY_S_MAX);
        json!({
            "QueueUrl": self.queue,
            "MessageBody": wake::write(of),
            "DelaySeconds": delay_s,
            "MessageGroupId": group_of(&of.account),
        })
    }
}

/// The group of an account's wakes: SQS gives a group that waits for a slow provider less than the others. It takes letters, digits
/// and punctuation only, so it is a hash.
fn group_of(account: &str) -> String {
    digest(&SHA256, account.as_bytes()).as_ref()[..GROUP_BYTES].iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Wakes for Queue {
    fn wake<'a>(&'a self, of: &'a Conversation, at: Timestamp) -> Waking<'a> {
        Box::pin(self.send(of, at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::{AccessKey, Account, Aws, Endpoints};
    use rapport_model::Eid;

    fn queue() -> Queue {
        let access_key = AccessKey { id: "a".into(), secret: "b".into(), session_token: None };
        let account = Account { region: "eu-west-1".into(), access_key, endpoints: Endpoints::default() };
        Aws::new(account).queue("https://sqs.eu-west-1.amazonaws.com/1/wakes".into(), || 1_000_000)
    }

    #[test]
    fn a_wake_names_its_conversation_and_waits_until_it_is_due_but_no_longer_than_a_queue_holds_it() {
        let queue = queue();
        assert_eq!(queue.service, "https://sqs.eu-west-1.amazonaws.com/");
        let of = Conversation { eid: Eid::parse("AAAAAAAAAAAAAAAAAAAAAA").unwrap(), account: "shop \"1\"".to_owned() };
        let delay = |at| queue.message(&of, at)["DelaySeconds"].as_u64().unwrap();
        assert_eq!((delay(0), delay(1_000_000), delay(1_000_001), delay(1_002_000)), (0, 0, 1, 2));
        assert_eq!((delay(1_600_000), delay(1_600_001), delay(u64::MAX)), (600, 600, 600));
        let message = queue.message(&of, 0);
        assert_eq!(wake::read(message["MessageBody"].as_str().unwrap()), Ok(of.clone()));
        let group = message["MessageGroupId"].as_str().unwrap();
        assert!(group.len() == 32 && group.bytes().all(|byte| byte.is_ascii_hexdigit()), "{group}");
        let other = Conversation { account: "shop 2".into(), ..of.clone() };
        assert_ne!(queue.message(&other, 0)["MessageGroupId"], group);
    }
}
