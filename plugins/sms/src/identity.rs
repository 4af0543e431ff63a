//! Who somebody is, and which address of the business they are in touch with.
//!
//! An address is a phone number, a short code or an alphanumeric sender, or has its channel before it: `whatsapp:`,
//! `rcs:`, `messenger:`. Its WhatsApp ids are those of the Cloud API, so the same person is the same identifier however
//! the business receives WhatsApp.
//! Source: Twilio's "Incoming message webhook" and "WhatsApp user identity", read in November 2026.

use std::borrow::Cow;

use rapport_sdk::prelude::*;

use crate::payload::Fields;

const SMS: &str = "sms";
const PHONE: &str = "phone";
const WHATSAPP: &str = "whatsapp";
const WHATSAPP_PARENT: &str = "whatsapp.parent";
const RCS: &str = "rcs";

/// Trait: a name that people change, so it identifies nobody. The same as of WhatsApp's own webhooks.
const USERNAME: &str = "com.whatsapp.username";
/// Trait: the country that the customer's number belongs to, ISO 3166-1. Where the customer is, it does not say.
const NUMBER_COUNTRY: &str = "com.twilio.number-country";

/// Which end of the message the customer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Inbound,
    Outbound,
}

/// How the customer is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Channel {
    Sms,
    Rcs,
    WhatsApp,
    /// Under Twilio's own word for it.
    Other(String),
}

/// Both ends of a message.
pub struct Parties {
    pub account: String,
    pub channel: Channel,
    pub contact: Contact,
}

impl Parties {
    /// From the addresses of a message or status; none if nothing names the customer.
    ///
    /// The account is the business's number, page or agent without the channel, so that a status whose `From` lacks its
    /// prefix still finds its message. Before Twilio has chosen a sender there is only the Messaging Service;
    /// `connection` stands in where not even an account is named.
    pub fn of(fields: &Fields, direction: Direction, connection: &str) -> Option<Self> {
        let (customer, business) = match direction {
            Direction::Inbound => ("From", "To"),
            Direction::Outbound => ("To", "From"),
        };
        let customer = fields.text(customer).and_then(Address::of);
        let business = fields.text(business).and_then(Address::of);
        let channel = channel(fields, &[&customer, &business]);
        let account = business.map(|address| address.bare.into_owned());
        let account = account.or_else(|| fields.any(&["MessagingServiceSid", "AccountSid"]).map(str::to_owned));
        let account = account.unwrap_or_else(|| connection.to_owned());

        let address = customer.as_ref().map(|address| address.bare.as_ref());
        let found = match (&channel, address) {
            (Channel::WhatsApp, address) => whatsapp(fields, address),
            (_, None) => Vec::new(),
            (Channel::Sms | Channel::Rcs, Some(number)) => by_number(number),
            (Channel::Other(scheme), Some(id)) => vec![Identifier::provider(scheme, id).within(account.as_str())],
        };
        let mut identifiers = Vec::with_capacity(found.len());
        for identifier in found {
            if !identifiers.contains(&identifier) {
                identifiers.push(identifier);
            }
        }
        let contact = (!identifiers.is_empty()).then(|| described(Contact::new(identifiers), fields, direction))?;
        Some(Parties { account, channel, contact })
    }

    /// Of the customer's number and the business's, where nothing else is known of them.
    pub fn of_number(customer: &str, account: &str, channel: Channel) -> Self {
        Parties { account: account.to_owned(), channel, contact: Contact::new(by_number(customer)) }
    }
}

/// An address and the channel that it names, if it names one.
#[derive(Debug, PartialEq)]
struct Address<'a> {
    channel: Option<Channel>,
    bare: Cow<'a, str>,
}

impl<'a> Address<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let is_channel = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphabetic());
        let (channel, rest) = match text.split_once(':') {
            Some((word, rest)) if is_channel(word.trim()) => (Some(Channel::named(word.trim())), rest),
            _ => (None, text),
        };
        let digits = lenient::trim(rest);
        // A plus that somebody did not escape came as a space; and WhatsApp's numbers are known without one.
        let lost_its_plus = rest.starts_with(' ') || channel == Some(Channel::WhatsApp);
        let bare =
            if lost_its_plus && is_digits(digits) { Cow::Owned(format!("+{digits}")) } else { Cow::Borrowed(digits) };
        (!digits.is_empty()).then_some(Address { channel, bare })
    }
}

impl Channel {
    fn named(word: &str) -> Self {
        match word.to_ascii_lowercase().as_str() {
            SMS | "mms" | "tel" => Channel::Sms,
            RCS => Channel::Rcs,
            WHATSAPP => Channel::WhatsApp,
            other => Channel::Other(other.to_owned()),
        }
    }
}

/// By the prefix of either address. On WhatsApp and in statuses it may be missing, and other fields tell.
fn channel(fields: &Fields, addresses: &[&Option<Address>]) -> Channel {
    let named = addresses.iter().find_map(|address| address.as_ref()?.channel.clone());
    let prefix = || fields.id("ChannelPrefix").map(|word| Channel::named(word.trim_end_matches(':')));
    let known_to_whatsapp = || fields.id("WaId").map(|_| Channel::WhatsApp);
    named.or_else(prefix).or_else(known_to_whatsapp).unwrap_or(Channel::Sms)
}

/// Short codes and alphanumeric senders are addresses too, but no phone numbers.
///
/// The provider's signature says that the network delivered it. Who sent it the network does not check: a sender's number
/// is what the sending side writes. RCS does check, but falls back to SMS, and a status does not say which it was; so both
/// are one network, and what goes out has the same word as what comes in.
fn by_number(number: &str) -> Vec<Identifier> {
    let mut identifiers = vec![Identifier::attested(Attestation::Claimed, SMS, number)];
    if is_e164(number) {
        identifiers.push(Identifier::attested(Attestation::Claimed, PHONE, number));
    }
    identifiers
}

/// The address, which is where a reply goes, then the ids beside it. `ExternalUserId` has the channel before it, too.
fn whatsapp(fields: &Fields, address: Option<&str>) -> Vec<Identifier> {
    let mut identifiers = Vec::new();
    if let Some(address) = address {
        match by_form(address) {
            Some(known) => identifiers.extend(known),
            None => identifiers.push(Identifier::provider(WHATSAPP, address)),
        }
    }
    for name in ["WaId", "ExternalUserId", "ParentExternalUserId"] {
        let id = fields.id(name).map(|id| lenient::trim(id.split_once(':').map_or(id, |(_, id)| id)));
        identifiers.extend(id.and_then(by_form).unwrap_or_default());
    }
    identifiers
}

/// What a WhatsApp id is, by its shape: digits, or `^[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}$`; none if it is neither.
fn by_form(id: &str) -> Option<Vec<Identifier>> {
    let digits = id.trim_start_matches('+');
    if is_digits(digits) {
        return Some(vec![Identifier::provider(WHATSAPP, digits), Identifier::provider(PHONE, format!("+{digits}"))]);
    }
    let (country, rest) = id.split_once('.')?;
    let (scheme, user) = match rest.strip_prefix("ENT.") {
        Some(user) => (WHATSAPP_PARENT, user),
        None => (WHATSAPP, rest),
    };
    let is_country = country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase());
    let is_user = (1..=128).contains(&user.len()) && user.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (is_country && is_user).then(|| vec![Identifier::provider(scheme, id)])
}

fn described(contact: Contact, fields: &Fields, direction: Direction) -> Contact {
    if direction == Direction::Outbound {
        return contact;
    }
    let mut contact = contact.named(fields.id("ProfileName"));
    if let Some(username) = fields.any(&["ProfileUsername", "Username"]) {
        contact = contact.with_trait(USERNAME, username.trim_start_matches('@'));
    }
    match fields.id("FromCountry") {
        Some(country) => contact.with_trait(NUMBER_COUNTRY, country),
        None => contact,
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A plus and 7 to 15 digits (ITU-T E.164).
fn is_e164(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|digits| is_digits(digits) && (7..=15).contains(&digits.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Account, then scheme, scope and value of each identifier.
    fn inbound(form: &str) -> Option<(String, Vec<String>)> {
        let fields = Fields::of_form(form::pairs(form));
        let parties = Parties::of(&fields, Direction::Inbound, "sms-eu")?;
        let spelled = |id: &Identifier| match &id.scope {
            Some(scope) => format!("{}@{scope}={}", id.scheme, id.value),
            None => format!("{}={}", id.scheme, id.value),
        };
        Some((parties.account, parties.contact.identifiers.iter().map(spelled).collect()))
    }

    #[test]
    fn an_address_is_known_by_its_channel_and_its_shape() {
        let wa_ids = ["whatsapp=16505551234", "phone=+16505551234"];
        let cases: &[(&str, &[&str])] = &[
            ("From=%2B16505551234", &["sms=+16505551234", "phone=+16505551234"]),
            ("From=+16505551234", &["sms=+16505551234", "phone=+16505551234"]),
            ("From=24273", &["sms=24273"]),
            ("From=ACME", &["sms=ACME"]),
            ("From=rcs:%2B16505551234", &["sms=+16505551234", "phone=+16505551234"]),
            ("From=whatsapp:%2B16505551234", &wa_ids),
            ("From=whatsapp:+16505551234", &wa_ids),
            ("From=WhatsApp:16505551234", &wa_ids),
            ("From=%2B16505551234&WaId=16505551234", &wa_ids),
            ("From=%2B16505551234&To=whatsapp:%2B1", &wa_ids),
            ("From=%2B16505551234&ChannelPrefix=whatsapp", &wa_ids),
            ("WaId=16505551234", &wa_ids),
            ("From=whatsapp:US.1349", &["whatsapp=US.1349"]),
            ("From=whatsapp:US.ENT.1349", &["whatsapp.parent=US.ENT.1349"]),
            ("From=whatsapp:whoever", &["whatsapp=whoever"]),
            ("From=whatsapp:US.1&ExternalUserId=whatsapp:US.1", &["whatsapp=US.1"]),
            ("From=whatsapp:%2B1650&ExternalUserId=whatsapp:foo_bar", &["whatsapp=1650", "phone=+1650"]),
            (
                "From=whatsapp:%2B1650&ExternalUserId=whatsapp:US.1&ParentExternalUserId=whatsapp:US.ENT.2",
                &["whatsapp=1650", "phone=+1650", "whatsapp=US.1", "whatsapp.parent=US.ENT.2"],
            ),
            ("From=messenger:777&To=messenger:888", &["messenger@888=777"]),
        ];
        for (form, expected) in cases {
            assert_eq!(inbound(form).unwrap().1, *expected, "{form}");
        }
        for nobody in ["", "From=", "From=whatsapp:", "From=%20", "ExternalUserId=whatsapp:US.1"] {
            assert_eq!(inbound(nobody), None, "{nobody}");
        }
    }

    #[test]
    fn the_account_is_the_business_side_without_its_channel() {
        for (form, account) in [
            ("To=%2B14155238886", "+14155238886"),
            ("To=whatsapp:%2B14155238886", "+14155238886"),
            ("To=whatsapp:14155238886", "+14155238886"),
            ("To=24273", "24273"),
            ("To=messenger:888", "888"),
            ("To=rcs:acme_agent", "acme_agent"),
            ("MessagingServiceSid=MG1&AccountSid=AC1", "MG1"),
            ("AccountSid=AC1", "AC1"),
            ("X=1", "sms-eu"),
        ] {
            assert_eq!(inbound(&format!("From=1&{form}")).unwrap().0, account, "{form}");
        }
    }
}
