//! Outbound messages: up to 100 notifications in a SOAP envelope, which Salesforce wants acknowledged in SOAP. The
//! acknowledgement goes with the receipt, so the host sends it only when the events are durable.
//!
//! `SessionId`, a key to the organization's API, is read over and kept nowhere.

use rapport_sdk::prelude::*;

use crate::record::{FIELDS_MAX, Happened, Record};
use crate::scene::{Scene, foreign};
use crate::story::{self, Origin};
use crate::xml::{Reader, Refusal, Token, local};

/// Notifications of one message. Source: Salesforce's "Understanding Outbound Messaging".
const NOTIFICATIONS_MAX: usize = 100;

/// What Salesforce takes for an acknowledgement. Anything else makes it try again for 24 hours.
const ACKNOWLEDGED: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
    <soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\"><soapenv:Body>\
    <notificationsResponse xmlns=\"http://soap.sforce.com/2005/09/outbound\"><Ack>true</Ack></notificationsResponse>\
    </soapenv:Body></soapenv:Envelope>\n";

/// `notifications`, as far as it is used.
#[derive(Default)]
struct Message {
    organization_id: Option<String>,
    action_id: Option<String>,
    enterprise_url: Option<String>,
    notifications: Vec<Notification>,
    left_out: usize,
}

#[derive(Default)]
struct Notification {
    id: Option<String>,
    object: Option<String>,
    fields: Vec<(String, Json)>,
}

pub fn read(body: &[u8], scene: &Scene) -> Result<Receipt, Rejection> {
    // XML does not allow U+0000. What has it all the same is read, and is never what it is without it.
    let text = lenient::without_nul(String::from_utf8_lossy(body));
    let message = message(&text).map_err(|refusal| {
        Rejection::Malformed(format!("expected the XML of an outbound message, found another document: {refusal}"))
    })?;
    let Some(organization) = &message.organization_id else {
        return Err(Rejection::Malformed("expected an `OrganizationId`, found none".into()));
    };
    if !scene.is_ours(organization) {
        return Err(foreign());
    }
    let instance = message.enterprise_url.as_deref().and_then(instance);
    let (mut events, mut unread) = (Vec::new(), Unread::default());
    for (index, mut notification) in message.notifications.into_iter().enumerate() {
        if notification.fields.len() > FIELDS_MAX {
            notification.fields.truncate(FIELDS_MAX);
            unread.add(&format!("Notification[{index}]"), &format!("it has more than {FIELDS_MAX} fields"));
        }
        match notification.record(instance.clone()) {
            Some((id, record)) => {
                let origin = Origin { id, at: None, change: None, action: message.action_id.clone() };
                let found = story::events(&record, &origin, scene);
                if found.is_empty() {
                    unread
                        .add(&format!("Notification[{index}]"), "its `sObject` has no id of a record and names nobody");
                }
                events.extend(found);
            }
            None => unread.add(&format!("Notification[{index}]"), "it has no `Id`, no `sObject` or no type"),
        }
    }
    if message.left_out > 0 {
        let reason = format!("{} are beyond the {NOTIFICATIONS_MAX} that Salesforce documents", message.left_out);
        unread.add("Notification", &reason);
    }
    // Also where nothing could be read: the host keeps it, and Salesforce would only send the same again for a day.
    let response = Receipt::respond(200, "text/xml; charset=utf-8", ACKNOWLEDGED);
    Ok(Receipt { events, ..response }.with_unread(unread.into_lines()))
}

impl Notification {
    /// The notification's id and its record; the record's own id may be missing.
    fn record(self, instance: Option<String>) -> Option<(String, Record)> {
        let object = self.object.filter(|object| !object.is_empty())?;
        let mut record =
            Record { object, id: String::new(), happened: Happened::Stands, fields: self.fields, instance };
        record.id = record.reference("Id").unwrap_or_default();
        Some((self.id?, record))
    }
}

/// `https://na1.salesforce.com/services/Soap/c/…` is of the instance `https://na1.salesforce.com`.
fn instance(url: &str) -> Option<String> {
    let host = url.strip_prefix("https://")?.split('/').next()?;
    let is_host = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
    is_host.then(|| format!("https://{host}"))
}

fn message(text: &str) -> Result<Message, Refusal> {
    let mut reader = Reader::new(text);
    let mut message = Message::default();
    let mut path: Vec<&str> = Vec::new();
    while let Some(token) = reader.next()? {
        match token {
            Token::Start { name: "Notification", .. } if path.last() == Some(&"notifications") => {
                let notification = notification(&mut reader)?;
                if message.notifications.len() < NOTIFICATIONS_MAX {
                    message.notifications.push(notification)
                } else {
                    message.left_out += 1
                }
            }
            Token::Start { name, .. } if path.last() == Some(&"notifications") => {
                let value = content(&mut reader)?;
                match name {
                    "OrganizationId" => message.organization_id = message.organization_id.or(value),
                    "ActionId" => message.action_id = message.action_id.or(value),
                    "EnterpriseUrl" => message.enterprise_url = message.enterprise_url.or(value),
                    _ => {}
                }
            }
            Token::Start { name, .. } => path.push(name),
            Token::End => drop(path.pop()),
            Token::Text(_) => {}
        }
    }
    Ok(message)
}

/// Reads up to the end of a `Notification` that has begun.
fn notification(reader: &mut Reader) -> Result<Notification, Refusal> {
    let mut found = Notification::default();
    while let Some(token) = reader.next()? {
        match token {
            Token::Start { name: "Id", .. } => found.id = found.id.or(content(reader)?),
            Token::Start { name: "sObject", attributes } => {
                let kind =
                    attributes.iter().find(|(name, _)| *name == "type").map(|(_, value)| local(value).to_owned());
                found.object = kind;
                fields(reader, "", &mut found.fields)?;
            }
            Token::Start { .. } => drop(content(reader)?),
            Token::End => return Ok(found),
            Token::Text(_) => {}
        }
    }
    Err("it ends too early")
}

/// Reads the fields of an element that has begun. One that has fields of its own gives them its name and a dot.
fn fields<'a>(reader: &mut Reader<'a>, prefix: &str, found: &mut Vec<(String, Json)>) -> Result<(), Refusal> {
    while let Some(token) = reader.next()? {
        match token {
            Token::Start { name, attributes } => {
                let is_nil =
                    attributes.iter().any(|(name, value)| *name == "nil" && matches!(value.as_ref(), "true" | "1"));
                field(reader, format!("{prefix}{name}"), is_nil.then(|| "null".to_owned()), found)?;
            }
            Token::End => return Ok(()),
            Token::Text(_) => {}
        }
    }
    Err("it ends too early")
}

/// Reads one field that has begun. Of two with one name the first counts.
fn field(reader: &mut Reader, name: String, nil: Option<Json>, found: &mut Vec<(String, Json)>) -> Result<(), Refusal> {
    let mut text = String::new();
    let mut has_fields = false;
    while let Some(token) = reader.next()? {
        match token {
            Token::Text(part) => text.push_str(&part),
            Token::Start { name: inner, .. } => {
                has_fields = true;
                field(reader, format!("{name}.{inner}"), None, found)?;
            }
            Token::End => {
                // One more, to tell of it.
                let is_new = found.len() <= FIELDS_MAX && !found.iter().any(|(known, _)| *known == name);
                if is_new && !has_fields {
                    found.push((name, nil.unwrap_or_else(|| rapport_sdk::event::json(&text))));
                }
                return Ok(());
            }
        }
    }
    Err("it ends too early")
}

/// The text of an element that has begun, up to its end; an empty one is none.
fn content(reader: &mut Reader) -> Result<Option<String>, Refusal> {
    let mut text = String::new();
    let mut depth = 1;
    while let Some(token) = reader.next()? {
        match token {
            Token::Start { .. } => depth += 1,
            Token::Text(part) if depth == 1 => text.push_str(&part),
            Token::Text(_) => {}
            Token::End => depth -= 1,
        }
        if depth == 0 {
            let text = lenient::trim(&text);
            return Ok((!text.is_empty()).then(|| text.to_owned()));
        }
    }
    Err("it ends too early")
}
