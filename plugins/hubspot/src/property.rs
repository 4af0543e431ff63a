//! What a property of a contact says: always a trait, of some also an address, a language, a time zone or a consent.

use rapport_sdk::prelude::*;
use rapport_sdk::time_zone;
use serde_json::value::RawValue;

use crate::change::Change;
use crate::payload::element;

#[derive(Clone, Copy)]
enum Meaning {
    Email,
    Phone,
    Locale,
    TimeZone,
    OptOut,
    LegalBasis,
    /// A part of the name, which comes alone.
    NamePart(&'static str),
}

/// HubSpot's own contact properties that mean more than a trait, October 2026.
const PROPERTIES: &[(&str, Meaning)] = &[
    ("email", Meaning::Email),
    ("work_email", Meaning::Email),
    // Separated by `;`.
    ("hs_additional_emails", Meaning::Email),
    ("phone", Meaning::Phone),
    ("mobilephone", Meaning::Phone),
    ("hs_whatsapp_phone_number", Meaning::Phone),
    // `phone` and `mobilephone` in E.164, as HubSpot understood them.
    ("hs_calculated_phone_number", Meaning::Phone),
    ("hs_calculated_mobile_number", Meaning::Phone),
    ("firstname", Meaning::NamePart(Contact::GIVEN_NAME)),
    ("lastname", Meaning::NamePart(Contact::FAMILY_NAME)),
    // `en-gb`
    ("hs_language", Meaning::Locale),
    // `europe_slash_berlin`
    ("hs_timezone", Meaning::TimeZone),
    // Unsubscribed from all e-mail.
    ("hs_email_optout", Meaning::OptOut),
    // Why the contact's data may be processed, separated by `;`.
    ("hs_legal_basis", Meaning::LegalBasis),
];

/// Followed by the id of a subscription type: opted out of that e-mail.
const OPT_OUT_OF_ONE: &str = "hs_email_optout_";

/// The legal basis that is a consent; the others are HubSpot's or the business's own reasons.
const CONSENT: &str = "Freely given consent from contact";

/// One event has room for 32 identifiers, of which the record is one.
const ADDRESSES_MAX: usize = 31;

/// Adds what the property says to `contact`, and says what kind of event that is.
pub fn read(change: &Change, mut contact: Contact) -> (Contact, EventBody) {
    let name = change.found.property_name.as_deref();
    let (Some(name), Some(value)) = (name, change.found.property_value) else {
        return (contact, EventBody::ContactUpdated);
    };
    let meaning = PROPERTIES.iter().find(|(known, _)| *known == name).map(|(_, meaning)| *meaning);
    let text = lenient::read::<lenient::Id>(value).map(|text| text.0);
    let text = text.as_deref().map(lenient::trim);
    let key = format!("com.hubspot.{name}");
    // An address that was taken out comes as an empty text.
    let is_address = matches!(meaning, Some(Meaning::Email | Meaning::Phone));
    let is_emptied = is_address && value.get().trim_matches('"').trim().is_empty();
    contact = contact.with_trait(&key, if is_emptied { RawValue::NULL } else { value });
    match (meaning, text) {
        (Some(Meaning::Email), Some(text)) => add(&mut contact, "email", text, |part| part.contains('@')),
        (Some(Meaning::Phone), Some(text)) => {
            add(&mut contact, "phone", text, |part| part.bytes().any(|byte| byte.is_ascii_digit()));
        }
        (Some(Meaning::Locale), Some(text)) => contact.locale = locale(text),
        (Some(Meaning::TimeZone), Some(text)) => contact.time_zone = time_zone(text),
        (Some(Meaning::NamePart(part)), text) => {
            contact = contact.with_trait(part, &text.filter(|text| !text.is_empty()))
        }
        _ => {}
    }
    let body = consent(change, name, meaning, value).map_or(EventBody::ContactUpdated, EventBody::Consent);
    (contact, body)
}

/// Adds each address of a list separated by `;`. A CRM's record proves nobody's identity.
fn add(contact: &mut Contact, scheme: &str, list: &str, is_address: impl Fn(&str) -> bool) {
    let parts = list.split(';').map(lenient::trim).filter(|part| is_address(part)).take(ADDRESSES_MAX);
    contact.identifiers.extend(parts.map(|part| Identifier::attested(Attestation::Imported, scheme, part)));
}

/// The consent that a property states, where that is clear.
///
/// `hs_email_optout` that is not true says nothing: it is so on import, without anybody's word.
fn consent(change: &Change, name: &str, meaning: Option<Meaning>, value: &RawValue) -> Option<Consent> {
    let text = value.get().trim_matches('"');
    let (purpose, state) = match (meaning, name.strip_prefix(OPT_OUT_OF_ONE)) {
        (Some(Meaning::OptOut), _) if is_true(text) => ("marketing".to_owned(), ConsentState::Withdrawn),
        (None, Some(id)) if is_true(text) && is_number(id) => {
            (format!("com.hubspot.subscription.{id}"), ConsentState::Withdrawn)
        }
        (Some(Meaning::LegalBasis), _) if text.split(';').any(|basis| basis.trim() == CONSENT) => {
            ("processing".to_owned(), ConsentState::Granted)
        }
        _ => return None,
    };
    Some(Consent { purpose, state, evidence: Some(element(change.raw)) })
}

fn is_true(text: &str) -> bool {
    text.trim().eq_ignore_ascii_case("true")
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `en-gb`, `pt_BR`: a language of two or three letters and up to three subtags, as BCP 47; none if it is anything else.
fn locale(text: &str) -> Option<String> {
    let locale = text.replace('_', "-");
    let (language, subtags) =
        locale.split_once('-').map_or((locale.as_str(), None), |(first, rest)| (first, Some(rest)));
    let is_language = matches!(language.len(), 2 | 3) && language.bytes().all(|byte| byte.is_ascii_alphabetic());
    let is_subtag = |tag: &str| matches!(tag.len(), 2..=8) && tag.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let has_subtags = subtags.is_none_or(|tags| tags.split('-').count() <= 3 && tags.split('-').all(is_subtag));
    (is_language && has_subtags).then_some(locale)
}

/// `Europe/Berlin`, or HubSpot's `europe_slash_berlin` for it; none if there is no such zone.
///
/// What a name has besides letters stands spelled out in HubSpot's values: `etc_slash_gmt_plus_1`,
/// `america_slash_port_dash_au_dash_prince`.
fn time_zone(text: &str) -> Option<String> {
    const SPELLED_OUT: &[(&str, &str)] =
        &[("_slash_", "/"), ("_plus_", "+"), ("_minus_", "-"), ("_dash_", "-"), ("_hyphen_", "-")];
    let text = text.to_ascii_lowercase();
    let text = SPELLED_OUT.iter().fold(text, |text, (word, sign)| text.replace(word, sign));
    time_zone::iana(&text).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_one_only_in_the_form_of_bcp_47() {
        for (text, expected) in [("en", "en"), ("pt_BR", "pt-BR"), ("zh-hant-tw", "zh-hant-tw"), ("es-419", "es-419")] {
            assert_eq!(locale(text).as_deref(), Some(expected));
        }
        for text in ["", "e", "English", "en-", "-en", "en gb", "12", "en-a-b-c-d"] {
            assert_eq!(locale(text), None, "{text}");
        }
    }

    #[test]
    fn a_time_zone_is_read_in_either_spelling() {
        let cases = [
            ("europe_slash_berlin", "Europe/Berlin"),
            ("america_slash_new_york", "America/New_York"),
            ("america_slash_argentina_slash_buenos_aires", "America/Argentina/Buenos_Aires"),
            ("us_slash_eastern", "US/Eastern"),
            ("america_slash_port_of_spain", "America/Port_of_Spain"),
            ("Europe/Berlin", "Europe/Berlin"),
            ("utc", "UTC"),
            ("antarctica_slash_mcmurdo", "Antarctica/McMurdo"),
            ("america_slash_port_dash_au_dash_prince", "America/Port-au-Prince"),
            ("america_slash_port_au_prince", "America/Port-au-Prince"),
            ("africa_slash_dar_es_salaam", "Africa/Dar_es_Salaam"),
            ("america_slash_north_dakota_slash_new_salem", "America/North_Dakota/New_Salem"),
            ("asia_slash_ust_hyphen_nera", "Asia/Ust-Nera"),
            ("america_slash_knox_in", "America/Knox_IN"),
            ("etc_slash_gmt_plus_3", "Etc/GMT+3"),
            ("etc_slash_gmt_minus_14", "Etc/GMT-14"),
            ("CET", "CET"),
        ];
        for (text, expected) in cases {
            assert_eq!(time_zone(text).as_deref(), Some(expected));
        }
        for text in ["", "Berlin", "europe_slash_atlantis", "etc_slash_gmt_plus_99", "a b/c", "Öst/West", "_slash_"] {
            assert_eq!(time_zone(text), None, "{text}");
        }
    }
}
