//! A wake: "look at this conversation". Workers get it from a queue, or from a channel in one process.
//!
//! A wake says nothing that the table does not say. It comes at least once, in any order, and may be lost with its process:
//! then it is made again of what is unfinished.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use rapport_model::{Eid, Timestamp};
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::outbox::intents::Conversation;

/// The form of a wake's body. Another form has another number.
const FORM: u32 = 1;

/// Where wakes go.
pub trait Wakes: Send + Sync {
    /// Wakes a worker for a conversation, not before an instant.
    fn wake<'a>(&'a self, of: &'a Conversation, at: Timestamp) -> Waking<'a>;
}

/// A wake on its way.
pub type Waking<'a> = Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send + 'a>>;

/// The body of a wake in a queue: keyed ids and the business's account, nothing of a person.
#[derive(Debug, Serialize, Deserialize)]
struct Body {
    form: u32,
    eid: String,
    account: String,
}

/// A wake that nobody can read: it was written by another release, or by somebody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable(String);

impl fmt::Display for Unreadable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "the wake is not one of form {FORM}: {}", self.0)
    }
}

impl std::error::Error for Unreadable {}

/// A wake as the body of a message.
pub fn write(of: &Conversation) -> String {
    let body = Body { form: FORM, eid: of.eid.as_str().to_owned(), account: of.account.clone() };
    serde_json::to_string(&body).expect("texts and numbers have a form in JSON")
}

/// The conversation of a wake.
///
/// # Errors
/// [`Unreadable`]: leave it to the dead letters.
pub fn read(body: &str) -> Result<Conversation, Unreadable> {
    // Nothing of the body is repeated: it may be anything.
    let wrong = |what: &str| Unreadable(what.to_owned());
    let body: Body =
        serde_json::from_str(body).map_err(|_| wrong("no JSON object with `form`, `eid` and `account`"))?;
    if body.form != FORM {
        return Err(wrong(&format!("form {}", body.form)));
    }
    let eid = Eid::parse(&body.eid).ok_or_else(|| wrong("`eid` is not an endpoint"))?;
    Ok(Conversation { eid, account: body.account })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wake_comes_back_and_another_form_is_refused() {
        let of = Conversation { eid: Eid::parse("AAAAAAAAAAAAAAAAAAAAAA").unwrap(), account: "shop \"1\"".to_owned() };
        assert_eq!(read(&write(&of)), Ok(of.clone()));
        assert_eq!(write(&of), r#"{"form":1,"eid":"AAAAAAAAAAAAAAAAAAAAAA","account":"shop \"1\""}"#);
        for odd in [
            "",
            "{}",
            r#"{"form":2,"eid":"AAAAAAAAAAAAAAAAAAAAAA","account":"a"}"#,
            r#"{"form":1,"eid":"x","account":"a"}"#,
        ] {
            assert!(read(odd).is_err(), "{odd}");
        }
    }
}
