//! Who answered. Typeform itself knows nobody: it hands on what the link said and what was typed. Both are the
//! customer's word, also the hidden fields of a link that the business wrote, because whoever opens it can change them.

use rapport_sdk::prelude::*;

use crate::form::{Form, Given};

/// Hidden fields that say who answers, where the connection says nothing else; where a reply goes comes first.
const HIDDEN: &[(&str, &str)] = &[
    ("email", EMAIL),
    ("phone", PHONE),
    // The business's own id of its user.
    ("user_id", "typeform.user"),
];

/// Hidden fields that are a name, or together one.
const NAMES: &[&[&str]] = &[&["name"], &["full_name"], &["first_name", "last_name"], &["firstname", "lastname"]];

const EMAIL: &str = "email";
const PHONE: &str = "phone";
/// The response itself, where it says nothing of who answers.
const NOBODY: &str = "typeform.response";

/// Bytes of the longest identifier that the host takes. A link can say anything.
const IDENTIFIER_BYTES_MAX: usize = 512;

/// The contact of a response: what the link says, then what was typed, else nobody but the response.
pub fn contact(form: &Form) -> Contact {
    let mut found: Vec<Identifier> = Vec::new();
    let mut add = |scheme: &str, value: String| {
        let is_new = !found.iter().any(|known| known.scheme == scheme && known.value == value);
        if is_new {
            found.push(Identifier::attested(Attestation::Customer, scheme, value));
        }
    };
    for (name, scheme) in hidden_fields(form) {
        let value = form.hidden(&name).and_then(|value| usable(&scheme, value));
        if let Some(value) = value {
            add(&scheme, value);
        }
    }
    for (kind, scheme) in [("email", EMAIL), ("phone_number", PHONE)] {
        // A second address in one form is somebody else's: a friend, a colleague.
        let first = form.answers.iter().find(|answer| answer.kind == kind).and_then(Given::text);
        if let Some(value) = first.and_then(|value| usable(scheme, &value)) {
            add(scheme, value);
        }
    }
    if found.is_empty() {
        found.push(Identifier::provider(NOBODY, &form.token).within(&form.form_id));
    }
    Contact::new(found).named(name(form))
}

fn hidden_fields(form: &Form) -> Vec<(String, String)> {
    let usual = || HIDDEN.iter().map(|(name, scheme)| (name.to_string(), scheme.to_string())).collect();
    let Some(configured) = &form.settings.identifiers else { return usual() };
    let mut fields: Vec<_> = configured.iter().map(|(name, scheme)| (name.clone(), scheme.clone())).collect();
    fields.sort_by_key(|(_, scheme)| match scheme.as_str() {
        EMAIL => 0,
        PHONE => 1,
        _ => 2,
    });
    fields
}

/// A value that can be an address of this scheme.
fn usable(scheme: &str, value: &str) -> Option<String> {
    let trimmed = lenient::trim(value);
    if trimmed.len() >= IDENTIFIER_BYTES_MAX {
        return None;
    }
    match scheme {
        EMAIL => {
            let (local, domain) = trimmed.rsplit_once('@')?;
            let is_address = !local.is_empty() && !domain.is_empty() && !trimmed.contains(char::is_whitespace);
            is_address.then(|| trimmed.to_owned())
        }
        PHONE => {
            let has_digits = trimmed.bytes().filter(u8::is_ascii_digit).count() >= 3;
            // A `+` in a link that was not escaped arrives as a space.
            let is_international = value.starts_with(' ') && trimmed.starts_with(|first: char| first.is_ascii_digit());
            has_digits.then(|| if is_international { format!("+{trimmed}") } else { trimmed.to_owned() })
        }
        _ => (!trimmed.is_empty()).then(|| trimmed.to_owned()),
    }
}

/// The name that a `contact_info` asks for, or that the link says.
fn name(form: &Form) -> Option<String> {
    let typed = |key: &str| {
        form.answers.iter().find(|answer| answer.subfield.as_deref() == Some(key)).and_then(|answer| answer.text())
    };
    joined([typed("first_name"), typed("last_name")].into_iter().flatten().collect())
        .or_else(|| NAMES.iter().find_map(|names| joined(names.iter().filter_map(|name| form.hidden(name)).collect())))
}

fn joined<T: AsRef<str>>(words: Vec<T>) -> Option<String> {
    let words: Vec<&str> = words.iter().map(|word| word.as_ref().trim()).filter(|word| !word.is_empty()).collect();
    (!words.is_empty()).then(|| words.join(" "))
}
