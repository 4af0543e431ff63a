//! Where requests go, and how their answers are read: Meta's Graph API, or AWS End User Messaging Social.

use rapport_sdk::prelude::*;
use serde_json::{Map, Value, json};

use super::recipient::Recipient;
use super::taken::{self, Taken};
use super::{aws_refusal, refusal};
use crate::settings::{Aws, Settings};

/// Meta's host.
const GRAPH: &str = "https://graph.facebook.com";
/// The secret of the manifest: a token of a system user.
pub const TOKEN: &str = "access-token";
/// What AWS signs requests for.
const SERVICE: &str = "social-messaging";

/// The way that a connection sends by.
pub struct Way {
    pub settings: Settings,
}

impl Way {
    /// # Errors
    /// If the connection's settings do not fit.
    pub fn of(cx: &Context) -> Result<Self, Failure> {
        let misfit = |error| Failure::Other(format!("the connection's `config` does not fit: {error}"));
        Ok(Self { settings: serde_json::from_str(&cx.config).map_err(misfit)? })
    }

    /// Refuses an account that is not of this connection: its token may be able to send in another number's name.
    ///
    /// # Errors
    /// With the name of the setting.
    pub fn require(&self, account: &str) -> Result<(), Failure> {
        if self.settings.takes(account) {
            return Ok(());
        }
        let why = format!("phone-number id `{account}` is not of this connection; fix: add it to `phone-number-ids`");
        Err(Failure::Other(why))
    }

    /// The URL of Meta's API with the version: `https://graph.facebook.com/v25.0`.
    pub fn graph(&self) -> String {
        format!("{GRAPH}/{}", self.settings.graph_version())
    }

    /// A request that makes a number say something: a message, a reaction, a read mark.
    ///
    /// # Errors
    /// If AWS's id of the number is not set.
    pub fn says(&self, account: &str, body: &Value) -> Result<Request, Failure> {
        self.require(account)?;
        match &self.settings.aws {
            None => Ok(Request::post(self.graph()).segment(account).path("/messages").bearer(TOKEN).json(body)),
            Some(aws) => self.says_by_aws(aws, account, body),
        }
    }

    /// Source: `SendWhatsAppMessage` in botocore's model of the service.
    fn says_by_aws(&self, aws: &Aws, account: &str, body: &Value) -> Result<Request, Failure> {
        let Some(number) = aws.phone_numbers.get(account) else {
            return Err(Failure::Other(format!(
                "AWS's id of phone-number id `{account}` is not set; fix: `aws.phone-numbers` with `{account} = \
                 \"phone-number-id-…\"`"
            )));
        };
        let body = json!({
            "originationPhoneNumberId": number,
            "message": base64::encode(body.to_string().as_bytes()),
            "metaApiVersion": self.settings.graph_version(),
        });
        let url = format!("https://{SERVICE}.{}.amazonaws.com/v1/whatsapp/send", aws.region);
        Ok(Request::post(url).aws(SERVICE, &aws.region).json(&body))
    }

    /// A GET from AWS's service.
    pub fn aws_get(aws: &Aws, path: &str) -> Request {
        Request::get(format!("https://{SERVICE}.{}.amazonaws.com{path}", aws.region)).aws(SERVICE, &aws.region)
    }

    /// Says that something is not possible by way of AWS.
    ///
    /// # Errors
    /// If the connection sends by AWS.
    pub fn require_graph(&self, what: &str, fix: &str) -> Result<(), Failure> {
        match self.settings.aws {
            None => Ok(()),
            Some(_) => Err(Failure::UnsupportedContent(format!("{what} by way of AWS; fix: {fix}"))),
        }
    }

    /// What was taken, of an answer to a message.
    ///
    /// # Errors
    /// The failure that the answer means.
    pub fn taken(&self, answer: &Answered<'_>, is_text: bool) -> Result<Taken, Failure> {
        if !answer.is_success() {
            return Err(self.failure(answer, is_text));
        }
        match self.settings.aws {
            None => taken::by_graph(answer),
            Some(_) => taken::by_aws(answer),
        }
    }

    /// Requires an answer of 2xx.
    ///
    /// # Errors
    /// The failure that the answer means.
    pub fn success<'h>(&self, answer: Answered<'h>) -> Result<Answered<'h>, Failure> {
        if answer.is_success() { Ok(answer) } else { Err(self.failure(&answer, false)) }
    }

    fn failure(&self, answer: &Answered<'_>, is_text: bool) -> Failure {
        match self.settings.aws {
            None => refusal::failure(answer, is_text),
            Some(_) => aws_refusal::failure(answer),
        }
    }
}

/// What every message begins with.
pub fn message(to: &Recipient) -> Map<String, Value> {
    let mut message = Map::new();
    message.insert("messaging_product".into(), "whatsapp".into());
    message.insert("recipient_type".into(), "individual".into());
    to.write(&mut message);
    message
}

/// Adds what is said: its type, and the field of that name.
pub fn with_content(mut message: Map<String, Value>, kind: &str, content: Value) -> Value {
    message.insert("type".into(), kind.into());
    message.insert(kind.into(), content);
    Value::Object(message)
}
