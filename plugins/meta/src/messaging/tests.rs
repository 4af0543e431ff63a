//! The seam: another channel of the platform is a descriptor. Instagram, in short.

use rapport_sdk::prelude::*;
use serde_json::{Value, json};

use super::{Channel, Connection, Entry, Shape};
use crate::{Accounts, Batch, Object};

const OBJECT: Object = Object { name: "instagram", title: "Instagram" };

const ACCOUNTS: Accounts = Accounts {
    element: ("an element", "elements"),
    field: "recipient.id",
    noun: "an Instagram account",
    setting: "account-ids",
};

const CHANNEL: Channel = Channel {
    scheme: "instagram",
    extensions: "com.instagram",
    inboxes: &["1217981644879628"],
    attachments: &[
        ("story_mention", Shape::Media),
        ("ig_story", Shape::Media),
        ("share", Shape::Captioned),
        ("like_heart", Shape::Text("❤️")),
    ],
};

const ACCOUNT: &str = "17841400000000000";

fn receive(entry: Value) -> Result<Receipt, Rejection> {
    let body = json!({"object": "instagram", "entry": [entry]}).to_string();
    let connection = Connection { channel: &CHANNEL, accounts: None, apps: &[] };
    let mut batch = Batch::new(&ACCOUNTS);
    batch.each_object("entry", &crate::entries::<Entry>(&body, &OBJECT)?, |entry, batch| {
        super::read(entry, &connection, batch);
        batch.each_object("changes", &entry.changes(), |change, batch| {
            assert!(super::read_change(change, entry, &connection, batch));
        });
    });
    batch.finish()
}

/// The only event of an element between a customer and the account.
fn event(mut element: Value) -> Event {
    element["sender"] = json!({"id": "900"});
    element["recipient"] = json!({"id": ACCOUNT});
    element["timestamp"] = json!(1_790_668_800_123_u64);
    let mut events = receive(json!({"id": ACCOUNT, "time": 1, "messaging": [element]})).unwrap().events;
    assert_eq!(events.len(), 1);
    events.remove(0)
}

fn parts(event: Event) -> Vec<Part> {
    match event.body {
        EventBody::Message(message) => message.parts,
        other => panic!("{other:?}"),
    }
}

fn attached(kind: &str, payload: Value) -> Vec<Part> {
    parts(event(json!({"message": {"mid": "m", "attachments": [{"type": kind, "payload": payload}]}})))
}

fn url_of(part: &Part) -> Option<&str> {
    match part {
        Part::Media(Media { source: MediaSource::Url(url), .. }) => Some(url),
        _ => None,
    }
}

#[test]
fn a_customer_is_in_the_scheme_of_the_channel() {
    let event =
        event(json!({"message": {"mid": "m", "text": "Hello", "reply_to": {"story": {"id": "1", "url": "u"}}}}));
    assert_eq!(event.contact.identifiers, [Identifier::provider("instagram", "900").within(ACCOUNT)]);
    assert_eq!(event.extensions, [("com.instagram.story".to_owned(), r#"{"id":"1","url":"u"}"#.to_owned())]);
    assert_eq!(parts(event), [Part::Text("Hello".into())]);
}

#[test]
fn a_channel_has_attachments_of_its_own() {
    assert_eq!(attached("like_heart", Value::Null), [Part::Text("❤️".into())]);
    assert_eq!(url_of(&attached("story_mention", json!({"url": "https://a.test/1"}))[0]), Some("https://a.test/1"));
    assert_eq!(url_of(&attached("share", json!({"url": "https://a.test/2"}))[0]), Some("https://a.test/2"));
    assert_eq!(url_of(&attached("image", json!({"url": "https://a.test/3"}))[0]), Some("https://a.test/3"));
    assert!(
        matches!(&attached("unsupported_type", json!({}))[0], Part::Other((kind, _)) if kind == "unsupported_type")
    );
}

#[test]
fn what_is_unsent_read_or_edited_is_said_of_its_message() {
    let deleted = event(json!({"message": {"mid": "m", "is_deleted": true}}));
    assert_eq!((deleted.id.as_str(), deleted.body), ("m:deleted", EventBody::MessageDeleted("m".into())));
    let read = event(json!({"read": {"mid": "m"}}));
    let EventBody::Delivery(delivery) = read.body else { panic!("{read:?}") };
    assert_eq!(delivery, Delivery::new(Covered::Message("m".into()), DeliveryState::Read));
    let edit = event(json!({"message_edit": {"mid": "m", "text": "Hi", "num_edit": "1"}}));
    assert!(matches!(edit.body, EventBody::MessageEdited(edit) if edit.parts == [Part::Text("Hi".into())]));
}

#[test]
fn the_zeroth_edit_and_a_note_to_oneself_are_nothing_wrong() {
    for element in [
        json!({"timestamp": 1, "message_edit": {"mid": "m", "num_edit": 0}}),
        json!({"sender": {"id": ACCOUNT}, "recipient": {"id": ACCOUNT}, "timestamp": 1,
            "message": {"mid": "m", "text": "x", "is_echo": true, "is_self": true}}),
    ] {
        assert_eq!(receive(json!({"id": ACCOUNT, "messaging": [element]})), Ok(Receipt::events(vec![])));
    }
}

#[test]
fn an_echo_among_messages_is_the_business() {
    let element = json!({"sender": {"id": ACCOUNT}, "recipient": {"id": "900"}, "timestamp": 1_790_668_800_123_u64,
        "message": {"mid": "m", "text": "Hello", "is_echo": true}});
    let receipt = receive(json!({"id": ACCOUNT, "messaging": [element]})).unwrap();
    let event = &receipt.events[0];
    assert_eq!((event.account.as_str(), event.contact.identifiers[0].value.as_str()), (ACCOUNT, "900"));
    assert!(matches!(&event.body, EventBody::Message(message) if message.author == Author::Agent));
}

#[test]
fn a_change_may_be_an_element_in_another_wrapping() {
    let element = json!({"sender": {"id": "900"}, "recipient": {"id": ACCOUNT}, "timestamp": "1790668800",
        "message": {"mid": "m", "text": "Hello"}});
    for value in [element.clone(), json!({"messaging": [element]})] {
        let receipt = receive(json!({"id": "0", "changes": [{"field": "messages", "value": value}]})).unwrap();
        assert_eq!((receipt.events[0].account.as_str(), receipt.events[0].at), (ACCOUNT, 1_790_668_800_000));
    }
}
