//! An event as a CloudEvent 1.0 in JSON, the form in which it leaves Rapport.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::endpoint::{Eid, EventKey};
use crate::event::{Event, Timestamp};
use crate::profile::rfc3339;

/// What may stand in a path segment as it is (RFC 3986 `pchar`, without the sub-delimiters that some parsers mind).
const SEGMENT: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'@').remove(b':');

/// Where an event stands: its connection, its endpoint and its key.
#[derive(Clone, Copy, Debug)]
pub struct EventAddress<'a> {
    pub connection: &'a str,
    pub eid: &'a Eid,
    pub key: &'a EventKey,
    /// Whether whoever is behind the first identifier proved to have it.
    pub verified: bool,
    /// When Rapport received it.
    pub received_at: Timestamp,
}

/// The CloudEvent of an event.
///
/// `source` + `id` name it once in the world; `time` is the provider's; `partitionkey` and `sequence` are the
/// CloudEvents extensions of those names, `recordedtime` is ours. `verified` is false where nothing proves that who is said
/// to have done it has the address: a form, an SMS, a mail without authentication.
pub fn cloud_event(address: EventAddress<'_>, event: &Event) -> Value {
    let segment = |text| utf8_percent_encode(text, SEGMENT);
    let body = event.body.name();
    let mut data = serde_json::to_value(event).unwrap_or_default();
    if let Some(data) = data.as_object_mut() {
        data.retain(|name, _| !matches!(name.as_str(), "id" | "at" | "account"));
    }
    json!({
        "specversion": "1.0",
        "id": event.id,
        "source": format!("/connections/{}/accounts/{}", segment(address.connection), segment(&event.account)),
        "type": format!("rapport.{body}.v1"),
        "time": rfc3339(event.at),
        "recordedtime": rfc3339(address.received_at),
        "partitionkey": address.eid,
        "sequence": address.key,
        "verified": address.verified,
        "datacontenttype": "application/json",
        "data": data,
    })
}

/// The CloudEvent that stands in the place of one that cannot be read: `rapport.unreadable.v1`.
///
/// Its `id` is its place in the log, since the provider's is not known; `data` says how many bytes are stored with it, 0 if
/// that is not known, and why it cannot be read: `corrupt` or `missing-blob`.
pub fn unreadable_event(address: EventAddress<'_>, bytes: u64, reason: &str) -> Value {
    let connection = utf8_percent_encode(address.connection, SEGMENT);
    json!({
        "specversion": "1.0",
        "id": address.key,
        "source": format!("/connections/{connection}"),
        "type": "rapport.unreadable.v1",
        "time": rfc3339(address.key.at()),
        "recordedtime": rfc3339(address.received_at),
        "partitionkey": address.eid,
        "sequence": address.key,
        "verified": address.verified,
        "datacontenttype": "application/json",
        "data": {"bytes": bytes, "reason": reason},
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Attestation, Author, Body, Contact, Identifier, Message, Part};

    fn test_key() -> crate::TenantKey {
        crate::TenantKey::new(&[1; 32]).unwrap()
    }

    #[test]
    fn a_message_is_a_cloud_event() {
        let event = Event {
            id: "wamid.1".into(),
            at: 1_700_000_000_000,
            account: "a b/c".into(),
            contact: Contact {
                identifiers: vec![Identifier {
                    scheme: "whatsapp".into(),
                    scope: None,
                    value: "16505551234".into(),
                    attestation: Attestation::Provider,
                }],
                ..Contact::default()
            },
            body: Body::Message(Message::new(
                "wamid.1",
                Author::Customer,
                vec![Part::Text("hi".into()), Part::Other("order".into(), json!({"a": 1}))],
            )),
            extensions: Default::default(),
        };
        let key = test_key().event_key(event.at, &event.account, &event.id).unwrap();
        let eid = Eid::parse("abcdefghijklmnopqrstuv").unwrap();
        let address =
            EventAddress { connection: "wa-eu", eid: &eid, key: &key, verified: true, received_at: 1_700_000_000_500 };
        let cloud = cloud_event(address, &event);
        assert_eq!(cloud["type"], "rapport.message.v1");
        assert_eq!(cloud["source"], "/connections/wa-eu/accounts/a%20b%2Fc");
        assert_eq!(cloud["time"], "2023-11-14T22:13:20Z");
        let data = json!({
            "contact": {
                "identifiers": [
                    {"scheme": "whatsapp", "scope": null, "value": "16505551234", "attestation": "provider"}
                ],
                "display_name": null, "locale": null, "time_zone": null, "traits": {},
            },
            "message": {
                "id": "wamid.1", "author": "customer", "subject": null,
                "parts": [{"text": "hi"}, {"other": ["order", {"a": 1}]}],
                "in_reply_to": null, "thread": null, "referral": null, "forwarded": false,
            },
            "extensions": {},
        });
        assert_eq!(cloud["data"], data);
    }

    #[test]
    fn every_body_survives_its_json() {
        for body in [
            Body::ContactUpdated,
            Body::ContactErased,
            Body::MessageDeleted("m".into()),
            Body::Activity("viewed".into(), json!({"sku": 1})),
            Body::Other("x".into(), json!(null)),
        ] {
            let event = Event {
                id: "1".into(),
                at: 1,
                account: "a".into(),
                contact: Contact::default(),
                body,
                extensions: Default::default(),
            };
            let text = serde_json::to_string(&event).unwrap();
            assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event, "{text}");
        }
    }
}
