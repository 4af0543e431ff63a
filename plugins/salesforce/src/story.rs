//! What a record becomes: news of a contact, a ticket, a message, or an event in Salesforce's words.

use rapport_sdk::prelude::*;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::record::{Happened, Record};
use crate::scene::Scene;
use crate::subject;
use rapport_sdk::instant;

/// Trait of a field: `com.salesforce.` and its name.
const TRAIT: &str = "com.salesforce.";
/// Extension: how a record changed, or which outbound message told of it.
const CHANGE: &str = "com.salesforce.change";

/// Fields that say when a record was as it is said; of a mail when it was sent.
const TIMES: &[&str] = &["MessageDate", "LastModifiedDate", "SystemModstamp", "CreatedDate"];

/// What both kinds of message say around a record.
pub struct Origin {
    /// The same on every redelivery.
    pub id: String,
    /// Milliseconds; none: the record says it.
    pub at: Option<u64>,
    pub change: Option<Change>,
    /// Which outbound message of the organization it was.
    pub action: Option<String>,
}

/// How a change came about, in Salesforce's words.
pub struct Change {
    pub change_type: Option<String>,
    pub change_origin: Option<String>,
    pub commit_user: Option<String>,
    /// A JSON array.
    pub changed_fields: Option<Json>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Details<'a> {
    object: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    record_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    action_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    change_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    change_origin: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    commit_user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    changed_fields: Option<&'a RawValue>,
}

/// The events of one record; none for one that has no id and names nobody.
pub fn events(record: &Record, origin: &Origin, scene: &Scene) -> Vec<Event> {
    let Some(contact) = subject::contact(record, scene) else {
        return Vec::new();
    };
    let teller = Teller { record, origin, scene, contact };
    let mut events = vec![teller.event("", teller.body())];
    if let Some(replacement) = subject::converted(record, scene) {
        events.push(teller.event("converted", EventBody::IdentifierReplaced(replacement)));
    }
    if subject::is_person_or_company(record) && record.is_set("HasOptedOutOfEmail") {
        let consent = Consent {
            purpose: "marketing".into(),
            state: ConsentState::Withdrawn,
            evidence: Some(rapport_sdk::event::json(&teller.details())),
        };
        events.push(teller.event("opted-out", EventBody::Consent(consent)));
    }
    events
}

struct Teller<'a> {
    record: &'a Record,
    origin: &'a Origin,
    scene: &'a Scene,
    contact: Contact,
}

impl Teller<'_> {
    fn event(&self, suffix: &str, body: EventBody) -> Event {
        let id = if suffix.is_empty() { self.origin.id.clone() } else { format!("{}:{suffix}", self.origin.id) };
        let mut contact = self.contact.clone();
        if matches!(body, EventBody::ContactUpdated) {
            let field = |(name, json): &(String, Json)| (format!("{TRAIT}{name}"), json.clone());
            contact.traits = self.record.fields.iter().map(field).chain(subject::name_parts(self.record)).collect();
        }
        let event = Event::new(id, self.at(), &self.scene.organization, contact, body);
        event.extended(CHANGE, &self.details())
    }

    fn at(&self) -> u64 {
        let said = || TIMES.iter().find_map(|field| instant::parse(&self.record.text(field)?));
        self.origin.at.or_else(said).unwrap_or(0)
    }

    fn body(&self) -> EventBody {
        let record = self.record;
        let is_news = matches!(record.happened, Happened::Stands | Happened::Created | Happened::Updated);
        match record.object.as_str() {
            _ if !is_news => self.other(),
            _ if subject::is_person_or_company(record) => EventBody::ContactUpdated,
            "Case" => self.ticket().map_or_else(|| self.other(), EventBody::Ticket),
            "EmailMessage" => self.mail().map_or_else(|| self.other(), EventBody::Message),
            _ => self.other(),
        }
    }

    /// A case, where the record says how far it has come.
    fn ticket(&self) -> Option<Ticket> {
        let record = self.record;
        let status = record.text("Status");
        let state = match status.as_deref() {
            _ if record.happened == Happened::Created => TicketState::Opened,
            _ if record.is_set("IsClosed") => TicketState::Closed,
            Some(status) => state(status),
            None => return None,
        };
        let url =
            record.instance.as_ref().filter(|_| !record.id.is_empty()).map(|host| format!("{host}/{}", record.id));
        Some(Ticket { id: record.id.clone(), state, subject: record.text("Subject"), url })
    }

    /// A mail of a case. Who wrote it says `Incoming`.
    fn mail(&self) -> Option<Message> {
        let record = self.record;
        let text = record.text("TextBody").map(Part::Text);
        let html = record.text("HtmlBody").map(Part::Html);
        let parts: Vec<Part> = text.into_iter().chain(html).collect();
        if parts.is_empty() || record.id.is_empty() {
            return None;
        }
        let author = if record.is_set("Incoming") { Author::Customer } else { Author::Agent };
        let mut message = Message::new(&record.id, author, parts);
        message.subject = record.text("Subject");
        message.thread = record.reference("ParentId");
        Some(message)
    }

    /// An event that the contract has no case for: `com.salesforce.refund-request`, `com.salesforce.contact-deleted`.
    fn other(&self) -> EventBody {
        let what = match self.record.happened {
            Happened::Deleted => "-deleted",
            Happened::Restored => "-restored",
            Happened::Gap => "-changed-unseen",
            _ => "",
        };
        EventBody::Other((format!("{TRAIT}{}{what}", self.record.kind()), self.record.json()))
    }

    fn details(&self) -> Details<'_> {
        let change = self.origin.change.as_ref();
        Details {
            object: &self.record.object,
            record_id: &self.record.id,
            action_id: self.origin.action.as_deref(),
            change_type: change.and_then(|change| change.change_type.as_deref()),
            change_origin: change.and_then(|change| change.change_origin.as_deref()),
            commit_user: change.and_then(|change| change.commit_user.as_deref()),
            changed_fields: change
                .and_then(|change| change.changed_fields.as_deref())
                .and_then(|json| serde_json::from_str(json).ok()),
        }
    }
}

/// Statuses of a case are the organization's own words; these are Salesforce's, and what most others call them.
fn state(status: &str) -> TicketState {
    match status.trim().to_ascii_lowercase().as_str() {
        "new" => TicketState::Opened,
        "closed" => TicketState::Closed,
        "solved" | "resolved" => TicketState::Solved,
        "reopened" | "re-opened" => TicketState::Reopened,
        // The business waits for the customer.
        "pending" | "waiting on customer" | "waiting for customer" => TicketState::Pending,
        // `Working`, `Escalated`, `On Hold`, …
        _ => TicketState::Other(status.trim().to_owned()),
    }
}
