//! Who gets a message: a phone number in `to`, or a business-scoped user id in `recipient`.

use rapport_sdk::prelude::*;
use serde_json::{Map, Value};

use crate::identity::{Form, GROUP, PARENT, PHONE, USER};

/// The field of a request that names the customer, and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    field: &'static str,
    pub value: String,
}

impl Recipient {
    /// # Errors
    /// `InvalidRecipient` for an address that WhatsApp does not have.
    pub fn of(to: &Identifier) -> Result<Self, Failure> {
        let value = to.value.trim();
        let form = Form::of(value.trim_start_matches('+'));
        match (to.scheme.as_str(), form) {
            // Meta reads a number with its `+` as an international one, and without it may put the business's own country
            // code before it.
            (PHONE | USER, Form::Number) => {
                Ok(Self { field: "to", value: format!("+{}", value.trim_start_matches('+')) })
            }
            (PHONE, _) => {
                Err(invalid("expected a phone number in digits with its country code, such as `+15551234567`"))
            }
            (USER, Form::User) | (USER | PARENT, Form::Parent) => {
                Ok(Self { field: "recipient", value: value.to_owned() })
            }
            (USER | PARENT, _) => Err(invalid("expected a business-scoped user id, such as `US.13491208655302741918`")),
            (GROUP, _) => Err(invalid("this connector does not send to groups; fix: send to the person")),
            (other, _) => Err(invalid(&format!("expected `{PHONE}` or `{USER}`, found `{other}`"))),
        }
    }

    /// Writes it into a request.
    pub fn write(&self, request: &mut Map<String, Value>) {
        request.insert(self.field.into(), self.value.as_str().into());
    }
}

fn invalid(why: &str) -> Failure {
    Failure::InvalidRecipient(why.to_owned())
}
