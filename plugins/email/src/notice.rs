//! What became of one mail for one of its readers, as the provider that sent it reports.

use rapport_sdk::event;
use rapport_sdk::prelude::*;

use crate::address;
use crate::failure::Failure;

/// What a provider's word means here.
#[derive(Clone, Copy, PartialEq)]
pub enum Meaning {
    /// Taken over by the provider, not yet sent.
    Queued,
    Sent,
    Delivered,
    Read,
    /// Will not arrive; of this one the status code may say that a later attempt would.
    Failed,
    /// Has not arrived yet, and the provider goes on trying.
    Delayed,
    /// Reported as spam: a `complained` delivery, and the withdrawal of consent.
    Complained,
    Clicked,
    Unsubscribed,
    Resubscribed,
    /// About no reader.
    Nobody,
}

/// One report. Its id tells two of them apart and is the same on redelivery.
pub struct Notice<'a> {
    pub id: String,
    pub at: u64,
    pub account: &'a str,
    pub recipient: &'a str,
    /// Who says that this is the reader's address: the provider that delivered there, or a mail, which anybody can write.
    pub attestation: Attestation,
    /// The id of the mail that it is about.
    pub message: Option<&'a str>,
    /// The provider's own word for what happened.
    pub word: &'a str,
    /// The report as it came, as JSON.
    pub verbatim: &'a str,
    pub extension: Option<(&'static str, String)>,
}

impl Notice<'_> {
    /// The events of this report; none if it names no reader.
    pub fn events(&self, meaning: Meaning, failure: Option<Failure>) -> Vec<Event> {
        match meaning {
            Meaning::Queued => self.delivery(DeliveryState::Queued),
            Meaning::Sent => self.delivery(DeliveryState::Sent),
            Meaning::Delivered => self.delivery(DeliveryState::Delivered),
            Meaning::Read => self.delivery(DeliveryState::Read),
            Meaning::Failed => self.delivery(failure.unwrap_or_else(|| self.failure()).state()),
            Meaning::Delayed => self.delivery(DeliveryState::Other("delayed".into())),
            Meaning::Complained => {
                let mut events = self.delivery(DeliveryState::Other("complained".into()));
                events.extend(self.event(":consent", self.consent(ConsentState::Withdrawn)));
                events
            }
            Meaning::Clicked => self.only(EventBody::Activity(("link-clicked".into(), self.verbatim.into()))),
            Meaning::Unsubscribed => self.only(self.consent(ConsentState::Withdrawn)),
            Meaning::Resubscribed => self.only(self.consent(ConsentState::Granted)),
            Meaning::Nobody => Vec::new(),
        }
    }

    /// A report whose word is none that is known.
    pub fn unknown(&self) -> Vec<Event> {
        if self.message.is_some() { self.delivery(DeliveryState::Other(self.word.into())) } else { self.as_it_came() }
    }

    pub fn delivery(&self, state: DeliveryState) -> Vec<Event> {
        let covers = match (self.message, &state) {
            (Some(message), _) => Covered::Message(message.into()),
            // A bounce for good that names no mail is about the address: nothing arrives there.
            (None, DeliveryState::Failed(error)) if !error.retryable => Covered::Address,
            (None, _) => return self.as_it_came(),
        };
        self.only(EventBody::Delivery(Delivery::new(covers, state)))
    }

    /// The same of the address, whatever mail it came about: the provider sends nothing there any more, or does again.
    pub fn of_address(&self, state: DeliveryState) -> Option<Event> {
        self.event(":address", EventBody::Delivery(Delivery::new(Covered::Address, state)))
    }

    /// Consent to all mail that is not asked for: providers know one list a sender, or none.
    fn consent(&self, state: ConsentState) -> EventBody {
        EventBody::Consent(Consent { purpose: "marketing".into(), state, evidence: Some(self.verbatim.into()) })
    }

    fn failure(&self) -> Failure<'_> {
        let detail = self.verbatim.to_owned();
        Failure { word: self.word, status: None, diagnostic: None, detail, is_temporary: None }
    }

    /// What the report says of no message in particular.
    fn as_it_came(&self) -> Vec<Event> {
        self.only(EventBody::Other((format!("org.ietf.mail.{}", self.word), self.verbatim.into())))
    }

    fn only(&self, body: EventBody) -> Vec<Event> {
        self.event("", body).into_iter().collect()
    }

    fn event(&self, suffix: &str, body: EventBody) -> Option<Event> {
        let recipient = address::bare(self.recipient)?;
        let contact = Contact::new(vec![Identifier::attested(self.attestation, "email", recipient)]);
        let mut event = Event::new(format!("{}{suffix}", self.id), self.at, self.account, contact, body);
        event.extensions.extend(self.extension.iter().map(|(key, json)| ((*key).to_owned(), json.clone())));
        Some(event)
    }
}

/// The meaning of a word in a provider's table.
pub fn meaning(table: &[(&str, Meaning)], word: &str) -> Option<Meaning> {
    table.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, meaning)| *meaning)
}

/// An extension of the fields that are there; none of them: none.
pub fn extension(key: &'static str, fields: &[(&'static str, Option<&str>)]) -> Option<(&'static str, String)> {
    let found: std::collections::BTreeMap<_, _> =
        fields.iter().filter_map(|(name, value)| Some((*name, value.filter(|value| !value.is_empty())?))).collect();
    (!found.is_empty()).then(|| (key, event::json(&found)))
}
