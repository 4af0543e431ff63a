//! A server that answers as a fixture was answered.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, bail};
use rapport_model::exchange::{Answer, Exchange, Response};
use serde::Deserialize;
use serde_json::Value;

use crate::loopback::{Loopback, Reply};

/// What is answered when the case has no further answer.
const NOTHING_RECORDED: u16 = 501;

/// Serves exchanges in the contract's JSON, one a request. One without a response closes the connection.
///
/// # Errors
/// One of them holds a file, which is not recorded.
pub(super) async fn serve(exchanges: Vec<Value>) -> Result<Loopback> {
    let mut replies = VecDeque::with_capacity(exchanges.len());
    for exchange in &exchanges {
        replies.push_back(match Exchange::deserialize(exchange)? {
            Err(_) => None,
            Ok(Response { body: Answer::Kept(_), .. }) => {
                bail!("a recorded answer is a file, whose bytes are not recorded")
            }
            Ok(Response { status, headers, body: Answer::Bytes(body) }) => Some(Reply { status, headers, body }),
        });
    }
    let replies = Mutex::new(replies);
    let nothing =
        || Reply { status: NOTHING_RECORDED, headers: Vec::new(), body: b"nothing more is recorded".to_vec() };
    Loopback::serve(move |_| {
        let next = replies.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        next.unwrap_or_else(|| Some(nothing()))
    })
    .await
}
