//! Whose a record is. Its own id is Salesforce's word. What stands in it proves nothing of a person, so every address is
//! imported and links nobody.

use rapport_sdk::prelude::*;

use crate::record::{Happened, Record};
use crate::scene::Scene;

const CONTACT: &str = "salesforce.contact";
const LEAD: &str = "salesforce.lead";
const ACCOUNT: &str = "salesforce.account";
/// A case whose record does not say whose it is, as that of a change of its status.
const CASE: &str = "salesforce.case";
/// Any other record that names no person.
const RECORD: &str = "salesforce.record";

/// Fields of a person that are addresses, from the object reference of `Contact`, `Lead`, `Account` and `Case`.
const EMAILS: &[&str] = &["Email", "PersonEmail", "SuppliedEmail", "ContactEmail", "Email__c"];
const PHONES: &[&str] = &[
    "MobilePhone",
    "Phone",
    "HomePhone",
    "OtherPhone",
    "PersonMobilePhone",
    "PersonHomePhone",
    "SuppliedPhone",
    "ContactPhone",
    "ContactMobile",
    "Phone__c",
];

/// Fields that refer to a person, or to a company, in the order in which they are believed.
const REFERENCES: &[(&str, &str)] = &[
    ("ContactId", CONTACT),
    ("PersonContactId", CONTACT),
    ("Contact__c", CONTACT),
    ("LeadId", LEAD),
    ("Lead__c", LEAD),
    // Of tasks and events: a contact (003) or a lead (00Q).
    ("WhoId", CONTACT),
    ("AccountId", ACCOUNT),
    ("Account__c", ACCOUNT),
    // Of mails and comments: the case that they belong to.
    ("ParentId", CASE),
    ("CaseId", CASE),
    ("Case__c", CASE),
];

/// Bytes of the longest identifier that the host takes. A custom field can be longer.
const IDENTIFIER_BYTES_MAX: usize = 512;

/// Key prefixes of ids. Source: Salesforce's "Standard field record ID prefix decoder".
const PREFIXES: &[(&str, &str)] = &[("003", CONTACT), ("00Q", LEAD), ("001", ACCOUNT), ("500", CASE)];

/// The contact of a record; none where it says no id of any kind.
pub fn contact(record: &Record, scene: &Scene) -> Option<Contact> {
    if record.object == "EmailMessage"
        && let Some(contact) = correspondent(record, scene)
    {
        return Some(contact);
    }
    let own = own_scheme(record);
    let mut found: Vec<Identifier> = Vec::new();
    if own == Some(ACCOUNT) && !record.is_set("IsPersonAccount") {
        // A company's address and telephone are nobody's.
        found.extend(address(ACCOUNT, &record.id, scene));
    } else {
        let person = record.reference("PersonContactId").map(|id| (CONTACT, id));
        let own = own.map(|scheme| (scheme, record.id.clone()));
        let (scheme, id) = person.or(own).or_else(|| referred(record)).unwrap_or((RECORD, String::new()));
        found.extend(address(scheme, &id, scene));
        add(&mut found, "email", EMAILS, record);
        add(&mut found, "phone", PHONES, record);
    }
    if found.is_empty() {
        found.extend(address(if record.object == "Case" { CASE } else { RECORD }, &record.id, scene));
    }
    (!found.is_empty()).then(|| Contact::new(found).named(name(record)))
}

/// The customer of a mail: who wrote one that came in, the first whom one that went out is to.
fn correspondent(record: &Record, scene: &Scene) -> Option<Contact> {
    let is_incoming = record.is_set("Incoming");
    let field = record.text(if is_incoming { "FromAddress" } else { "ToAddress" })?;
    let email = field.split([';', ',']).map(str::trim).find(|address| is_email(address))?.to_owned();
    let mut found = vec![Identifier::attested(Attestation::Imported, "email", email)];
    found.extend(record.reference("ParentId").and_then(|id| address(CASE, &id, scene)));
    Some(Contact::new(found).named(record.text("FromName").filter(|_| is_incoming)))
}

fn is_email(text: &str) -> bool {
    text.contains('@') && text.len() <= IDENTIFIER_BYTES_MAX
}

/// The address of a lead that became a contact, and of the contact. Salesforce itself says that they are one.
pub fn converted(record: &Record, scene: &Scene) -> Option<Replacement> {
    let new = record.reference("ConvertedContactId").filter(|_| own_scheme(record) == Some(LEAD))?;
    let provider = |scheme: &str, id: &str| Identifier::provider(scheme, id).within(&scene.organization);
    Some(Replacement { old: provider(LEAD, &record.id), new: provider(CONTACT, &new) })
}

/// Whether a record is of a person or a company, by its object.
pub fn is_person_or_company(record: &Record) -> bool {
    matches!(record.object.as_str(), "Contact" | "Lead" | "Account")
}

fn own_scheme(record: &Record) -> Option<&'static str> {
    match record.object.as_str() {
        _ if record.id.is_empty() => None,
        "Contact" => Some(CONTACT),
        "Lead" => Some(LEAD),
        "Account" => Some(ACCOUNT),
        _ => None,
    }
}

fn referred(record: &Record) -> Option<(&'static str, String)> {
    REFERENCES.iter().find_map(|(field, scheme)| {
        let id = record.reference(field)?;
        let by_prefix = PREFIXES.iter().find(|(prefix, _)| id.starts_with(prefix)).map(|(_, scheme)| *scheme);
        Some((by_prefix.unwrap_or(scheme), id))
    })
}

fn address(scheme: &str, id: &str, scene: &Scene) -> Option<Identifier> {
    (!id.is_empty()).then(|| Identifier::provider(scheme, id).within(&scene.organization))
}

fn add(found: &mut Vec<Identifier>, scheme: &str, fields: &[&str], record: &Record) {
    for value in fields.iter().filter_map(|field| record.text(field)) {
        let is_new = !found.iter().any(|known| known.scheme == scheme && known.value == value);
        if is_new && value.len() <= IDENTIFIER_BYTES_MAX {
            found.push(Identifier::attested(Attestation::Imported, scheme, value));
        }
    }
}

/// A person's name, or a company's; the name of a case or of a custom record is none of the customer. Of a record of which
/// a part is said, one part of the name is no name.
fn name(record: &Record) -> Option<String> {
    let has = |name: &str| record.fields.iter().any(|(found, _)| found == name);
    let is_whole = !matches!(record.happened, Happened::Updated | Happened::Stands)
        || NAME_PARTS.iter().all(|(part, _)| has(part));
    let words: Vec<String> = NAME_PARTS.iter().filter_map(|(field, _)| record.text(field)).collect();
    match record.object.as_str() {
        "Contact" | "Lead" | "Account" if !words.is_empty() && is_whole => Some(words.join(" ")),
        "Contact" | "Lead" | "Account" => record.text("Name"),
        "Case" => record.text("SuppliedName"),
        _ => None,
    }
}

/// Fields that are parts of a person's name, in the order in which they are shown, and the traits that they are.
const NAME_PARTS: [(&str, &str); 2] = [("FirstName", Contact::GIVEN_NAME), ("LastName", Contact::FAMILY_NAME)];

/// The parts of the name that the record says.
pub fn name_parts(record: &Record) -> impl Iterator<Item = (String, Json)> {
    let said = |field: &str| record.fields.iter().find(|(name, _)| name == field).map(|(_, json)| json.clone());
    NAME_PARTS.iter().filter_map(move |(field, part)| Some(((*part).to_owned(), said(field)?)))
}
