//! The shapes that Amazon Connect sends, with only the fields that are used. Each may be missing, or of another type.
//!
//! Contact records write their fields like `ContactId`. Contact events write them like `contactId`, some and older ones
//! like the records, and mix both in one event; so each is read in either spelling.

use rapport_sdk::{instant, lenient};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// Milliseconds since 1970 of times that stand for none: contact events write `1970-01-01T00:00:00.001Z`.
const PLACEHOLDER_BELOW_MS: u64 = 86_400_000;

/// What AWS wraps around an event.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Envelope<'a> {
    #[serde(deserialize_with = "lenient::id")]
    pub id: Option<String>,
    #[serde(deserialize_with = "lenient::id")]
    pub source: Option<String>,
    #[serde(rename = "detail-type", deserialize_with = "lenient::id")]
    pub detail_type: Option<String>,
    #[serde(deserialize_with = "time")]
    pub time: Option<u64>,
    #[serde(borrow)]
    pub detail: Option<&'a RawValue>,
}

/// A contact: what a contact record is, and what a contact event holds.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
pub struct Record<'a> {
    #[serde(alias = "contactId", deserialize_with = "lenient::id")]
    pub contact_id: Option<String>,
    #[serde(alias = "initialContactId", deserialize_with = "lenient::id")]
    pub initial_contact_id: Option<String>,
    #[serde(alias = "previousContactId", deserialize_with = "lenient::id")]
    pub previous_contact_id: Option<String>,
    #[serde(alias = "nextContactId", deserialize_with = "lenient::id")]
    pub next_contact_id: Option<String>,
    #[serde(alias = "relatedContactId", deserialize_with = "lenient::id")]
    pub related_contact_id: Option<String>,
    /// `VOICE`, `CHAT`, `TASK`, `EMAIL`; events also write `Voice`.
    #[serde(alias = "channel", deserialize_with = "lenient::id")]
    pub channel: Option<String>,
    #[serde(alias = "initiationMethod", deserialize_with = "lenient::id")]
    pub initiation_method: Option<String>,
    #[serde(alias = "disconnectReason", deserialize_with = "lenient::id")]
    pub disconnect_reason: Option<String>,
    #[serde(alias = "answeringMachineDetectionStatus", deserialize_with = "lenient::id")]
    pub answering_machine_detection_status: Option<String>,
    #[serde(rename = "InstanceARN", alias = "InstanceArn", alias = "instanceArn", deserialize_with = "lenient::id")]
    pub instance_arn: Option<String>,
    #[serde(alias = "initiationTimestamp", deserialize_with = "time")]
    pub initiation_timestamp: Option<u64>,
    /// When the customer was connected: at once for a call that came in, when answered for one that went out.
    #[serde(alias = "connectedToSystemTimestamp", deserialize_with = "time")]
    pub connected_to_system_timestamp: Option<u64>,
    #[serde(alias = "connectedToAgentTimestamp", deserialize_with = "time")]
    pub connected_to_agent_timestamp: Option<u64>,
    #[serde(alias = "disconnectTimestamp", deserialize_with = "time")]
    pub disconnect_timestamp: Option<u64>,
    #[serde(alias = "lastUpdateTimestamp", deserialize_with = "lenient::id")]
    pub last_update_timestamp: Option<String>,
    #[serde(alias = "agent", alias = "AgentInfo", alias = "agentInfo", deserialize_with = "lenient::object")]
    pub agent: Option<Agent>,
    #[serde(deserialize_with = "lenient::integer")]
    pub agent_connection_attempts: Option<u64>,
    #[serde(alias = "queue", alias = "QueueInfo", alias = "queueInfo", deserialize_with = "lenient::object")]
    pub queue: Option<Queue>,
    #[serde(alias = "customerEndpoint", deserialize_with = "lenient::object")]
    pub customer_endpoint: Option<Endpoint>,
    #[serde(alias = "systemEndpoint", deserialize_with = "lenient::object")]
    pub system_endpoint: Option<Endpoint>,
    #[serde(alias = "transferredToEndpoint", deserialize_with = "lenient::object")]
    pub transferred_to_endpoint: Option<Endpoint>,
    #[serde(alias = "customerId", deserialize_with = "lenient::id")]
    pub customer_id: Option<String>,
    #[serde(alias = "name", deserialize_with = "lenient::id")]
    pub name: Option<String>,
    #[serde(borrow, alias = "attributes")]
    pub attributes: Option<&'a RawValue>,
    #[serde(borrow, alias = "segmentAttributes")]
    pub segment_attributes: Option<&'a RawValue>,
    #[serde(borrow, alias = "contactDetails")]
    pub contact_details: Option<&'a RawValue>,
    #[serde(borrow, alias = "tags")]
    pub tags: Option<&'a RawValue>,
    #[serde(alias = "recordings", deserialize_with = "lenient::objects")]
    pub recordings: Vec<Recording>,
    /// Until there were several: the first one.
    #[serde(alias = "recording", deserialize_with = "lenient::object")]
    pub recording: Option<Recording>,
    /// Of a contact event.
    #[serde(alias = "eventType", deserialize_with = "lenient::id")]
    pub event_type: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
pub struct Agent {
    #[serde(
        rename = "ARN",
        alias = "AgentArn",
        alias = "agentArn",
        alias = "AgentARN",
        deserialize_with = "lenient::id"
    )]
    pub arn: Option<String>,
    #[serde(alias = "username", deserialize_with = "lenient::id")]
    pub username: Option<String>,
    /// Seconds with the customer, without hold.
    #[serde(deserialize_with = "lenient::integer")]
    pub agent_interaction_duration: Option<u64>,
    #[serde(alias = "connectedToAgentTimestamp", deserialize_with = "time")]
    pub connected_to_agent_timestamp: Option<u64>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
pub struct Queue {
    #[serde(
        rename = "ARN",
        alias = "QueueArn",
        alias = "queueArn",
        alias = "QueueARN",
        deserialize_with = "lenient::id"
    )]
    pub arn: Option<String>,
    #[serde(alias = "name", deserialize_with = "lenient::id")]
    pub name: Option<String>,
    #[serde(alias = "enqueueTimestamp", deserialize_with = "time")]
    pub enqueue_timestamp: Option<u64>,
    /// Seconds of waiting.
    #[serde(deserialize_with = "lenient::integer")]
    pub duration: Option<u64>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
pub struct Endpoint {
    /// `TELEPHONE_NUMBER`, `EMAIL_ADDRESS`, `VOIP`, `CONTACT_FLOW`, `CONNECT_PHONENUMBER_ARN`, …
    #[serde(rename = "Type", alias = "type", deserialize_with = "lenient::id")]
    pub kind: Option<String>,
    #[serde(alias = "address", deserialize_with = "lenient::id")]
    pub address: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
pub struct Recording {
    /// Bucket and key in S3, or a Kinesis video stream.
    #[serde(alias = "location", deserialize_with = "lenient::id")]
    pub location: Option<String>,
    /// `AVAILABLE`, `DELETED`.
    #[serde(alias = "status", deserialize_with = "lenient::id")]
    pub status: Option<String>,
    /// `AUDIO`, `VIDEO`, `CHAT`, of the list; …
    #[serde(alias = "mediaStreamType", deserialize_with = "lenient::id")]
    pub media_stream_type: Option<String>,
    /// … of the sole one `AUDIO`.
    #[serde(rename = "Type", deserialize_with = "lenient::id")]
    pub kind: Option<String>,
    /// `S3` or `KINESIS_VIDEO_STREAM`.
    #[serde(alias = "storageType", deserialize_with = "lenient::id")]
    pub storage_type: Option<String>,
    /// `All`, `Agent`, `Customer`, `IVR`, …
    #[serde(alias = "participantType", deserialize_with = "lenient::id")]
    pub participant_type: Option<String>,
}

impl Record<'_> {
    /// The text of a contact attribute; an empty one is none.
    pub fn attribute(&self, name: &str) -> Option<String> {
        text(lenient::field(self.attributes?, name)?)
    }

    /// The text of a segment attribute, which is `{"ValueString": …}`.
    pub fn segment_attribute(&self, name: &str) -> Option<String> {
        let value = lenient::field(self.segment_attributes?, name)?;
        lenient::field(value, "ValueString")
            .or_else(|| lenient::field(value, "valueString"))
            .or(Some(value))
            .and_then(text)
    }

    /// The instance, by whichever ARN or tag names it.
    pub fn instance(&self) -> Option<String> {
        let agent = || self.agent.as_ref()?.arn.as_deref();
        let queue = || self.queue.as_ref()?.arn.as_deref();
        let of_arn = |arn: Option<&str>| arn.and_then(instance_of).map(str::to_owned);
        let tag = || text(lenient::field(self.tags?, "aws:connect:instanceId")?);
        of_arn(self.instance_arn.as_deref()).or_else(|| of_arn(agent())).or_else(|| of_arn(queue())).or_else(tag)
    }

    /// The contact that a chain of transfers began with.
    pub fn first_id(&self) -> Option<&str> {
        self.initial_contact_id.as_deref().or(self.contact_id.as_deref())
    }
}

/// `<id>` of `arn:aws:connect:<region>:<account>:instance/<id>/agent/…`.
fn instance_of(arn: &str) -> Option<&str> {
    let (_, rest) = arn.split_once("instance/")?;
    rest.split('/').next().filter(|id| !id.is_empty())
}

fn text(raw: &RawValue) -> Option<String> {
    let text: lenient::Id = lenient::read(raw)?;
    Some(lenient::trim(&text.0).to_owned()).filter(|text| !text.is_empty())
}

/// Milliseconds since 1970 of RFC 3339, or of a number of seconds or milliseconds.
fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let raw = <Option<&'de RawValue>>::deserialize(deserializer)?;
    let written = || instant::parse(&text(raw?)?);
    let number = || lenient::time(raw?).ok()?;
    Ok(written().or_else(number).filter(|at| *at >= PLACEHOLDER_BELOW_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_in_either_spelling() {
        for json in [
            r#"{"ContactId":"c","Channel":"VOICE","AgentInfo":{"AgentArn":"a/instance/i/agent/1"}}"#,
            r#"{"contactId":"c","channel":"VOICE","agentInfo":{"agentArn":"a/instance/i/agent/1"}}"#,
        ] {
            let contact: Record = serde_json::from_str(json).unwrap();
            assert_eq!((contact.contact_id.as_deref(), contact.instance().as_deref()), (Some("c"), Some("i")));
        }
    }

    #[test]
    fn a_time_is_read_however_it_is_written_and_a_placeholder_is_none() {
        for (json, expected) in [
            (r#""2022-04-08T15:01:22Z""#, Some(1_649_430_082_000)),
            (r#""2022-04-08T15:01:22.123Z""#, Some(1_649_430_082_123)),
            ("1649430082", Some(1_649_430_082_000)),
            ("1649430082123", Some(1_649_430_082_123)),
            (r#""1970-01-01T00:00:00.001Z""#, None),
            ("null", None),
            ("[]", None),
            (r#""soon""#, None),
        ] {
            let json = format!(r#"{{"DisconnectTimestamp":{json}}}"#);
            let contact: Record = serde_json::from_str(&json).unwrap();
            assert_eq!(contact.disconnect_timestamp, expected, "{json}");
        }
    }

    #[test]
    fn an_instance_is_named_by_its_arn_a_part_of_it_or_a_tag() {
        for (json, expected) in [
            (r#"{"InstanceARN":"arn:aws:connect:eu-west-1:1:instance/i-1"}"#, Some("i-1")),
            (r#"{"instanceArn":"arn:aws::connect:eu-west-1:1:instance/i-1"}"#, Some("i-1")),
            (r#"{"Queue":{"ARN":"arn:aws:connect:eu-west-1:1:instance/i-1/queue/q"}}"#, Some("i-1")),
            (r#"{"Tags":{"aws:connect:instanceId":"i-1"}}"#, Some("i-1")),
            (r#"{"InstanceARN":"arn:aws:connect:eu-west-1:1:instance/"}"#, None),
            (r#"{"InstanceARN":7,"Tags":[]}"#, None),
        ] {
            let contact: Record = serde_json::from_str(json).unwrap();
            assert_eq!(contact.instance().as_deref(), expected, "{json}");
        }
    }
}
