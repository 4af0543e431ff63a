//! Values that mean nobody, and what becomes of events that name nobody else.
//!
//! Strangers share such a value: a link by it would make them one person, and so would a conversation under it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use ring::digest;
use serde_json::json;

use crate::canonical::text::is_damaged;
use crate::canonical::{Family, Mailbox, VALUE_BYTES_MAX, canonicalise};
use crate::endpoint::EndpointKey;
use crate::event::{Attestation, Body, Covered, Event, Identifier};
use crate::identity::rules::Rules;

/// The scheme of an event that names nobody: its value is the call, the message, the case that it is about.
pub const NOBODY: &str = "nobody";
/// Extension: addresses of the business that a payload named among the customer's. They are no contact.
pub const OWN_ADDRESSES: &str = "rapport.own-addresses";

/// The rows of the table, by where they count.
static TABLE: LazyLock<BTreeMap<&str, BTreeSet<&str>>> = LazyLock::new(|| {
    let mut table: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in include_str!("../../data/nobody.tsv").lines().filter(|line| !line.starts_with('#')) {
        if let Some((place, rest)) = line.split_once('\t') {
            table.entry(place).or_default().insert(rest.split('\t').next().unwrap_or_default());
        }
    }
    table
});

fn is_listed(place: &str, value: &str) -> bool {
    TABLE.get(place).is_some_and(|values| values.contains(value))
}

/// Whether a canonical address means nobody, so that strangers share it.
///
/// Sources are in `data/nobody.tsv`. Besides: zeros and dashes alone, digits that are all alike, a placeholder that
/// nobody filled (`{{user.id}}`), and a value of which a character is lost (U+FFFD): several values become that one.
pub fn means_nobody(key: &EndpointKey) -> bool {
    if is_damaged(&key.value) || key.scope.as_deref().is_some_and(is_damaged) {
        return true;
    }
    let value = key.value.to_lowercase();
    let bare = unwrapped(&value);
    // Full-width letters, and characters that show nothing, make no other word.
    let plain = crate::canonical::text::plain(&key.value);
    if is_listed("any", &value) || is_listed("any", bare) || is_listed("any", &plain) || is_empty_shell(bare) {
        return true;
    }
    match Family::of(&key.scheme) {
        Family::Number => {
            let digits = value.strip_prefix('+').unwrap_or(&value);
            is_listed("number", digits) || is_monotonous(digits)
        }
        Family::Mailbox => Mailbox::parse(&value).is_some_and(|mailbox| {
            let mut domains = mailbox.domain().match_indices('.').map(|(dot, _)| &mailbox.domain()[dot + 1..]);
            is_listed("email", &value)
                || is_listed("local", mailbox.local())
                || is_listed("domain", mailbox.domain())
                || domains.any(|domain| is_listed("domain", domain))
        }),
        Family::Id => false,
    }
}

/// A word without the quotes or brackets around it: `"null"`, `<nil>`, `(none)`.
fn unwrapped(value: &str) -> &str {
    const PAIRS: [(char, char); 6] = [('"', '"'), ('\'', '\''), ('`', '`'), ('<', '>'), ('(', ')'), ('[', ']')];
    let inside = PAIRS.iter().find_map(|(open, close)| value.strip_prefix(*open)?.strip_suffix(*close));
    inside.unwrap_or(value).trim()
}

/// `0000`, `00000000-0000-0000-0000-000000000000`, `---`, `{{user.id}}`, `${id}`.
fn is_empty_shell(value: &str) -> bool {
    let is_filling = |byte: u8| matches!(byte, b'0' | b'-' | b'{' | b'}');
    let is_template = |open: &str, close: &str| value.starts_with(open) && value.ends_with(close);
    value.bytes().all(is_filling)
        || is_template("{{", "}}")
        || is_template("${", "}")
        || is_template("<%", "%>")
        || value.len() > 4 && (is_template("*|", "|*") || is_template("%%", "%%"))
}

/// `10000000000`, `9999999999`: all alike but perhaps the country code. What is shorter may be a short code.
fn is_monotonous(digits: &str) -> bool {
    const DIGITS_MIN: usize = 7;
    let is_number = digits.len() >= DIGITS_MIN && digits.bytes().all(|byte| byte.is_ascii_digit());
    let alike = |digits: &[u8]| digits.windows(2).all(|pair| pair[0] == pair[1]);
    is_number && alike(&digits.as_bytes()[digits.len().min(3)..])
}

/// Gives an event to somebody.
///
/// Addresses of the business itself are no contact: they leave it, and an extension keeps them. If the first of the rest
/// means nobody, the first that means somebody takes its place. If there is none, the event belongs to what it is about,
/// a call or a message by its provider's id, under [`NOBODY`]: what strangers say is never in one conversation, and
/// what is said of one call is. Pure: the same event, by the same rules, is settled alike.
pub fn choose_contact(event: &mut Event, rules: &Rules) {
    if event.contact.identifiers.is_empty() {
        return;
    }
    let account = event.account.clone();
    let attestation = event.contact.identifiers[0].attestation;
    let is_own = |identifier: &Identifier| is_own(identifier, &account, rules);
    let (own, mut others): (Vec<_>, Vec<_>) =
        std::mem::take(&mut event.contact.identifiers).into_iter().partition(is_own);
    if !own.is_empty() {
        let own: Vec<_> = own.iter().map(|own| json!({"scheme": own.scheme, "value": own.value})).collect();
        event.extensions.insert(OWN_ADDRESSES.to_owned(), own.into());
    }
    // One without a canonical form is somebody's address, too: the event is parked for it, and not filed elsewhere.
    let is_somebody = |identifier: &Identifier| {
        canonicalise(identifier).map_or(true, |key| !rules.is_nobody(&key) || key.scheme == NOBODY)
    };
    match others.iter().position(is_somebody) {
        Some(place) => others[..=place].rotate_right(1),
        None => others.insert(0, placeholder_identifier(event, attestation)),
    }
    event.contact.identifiers = others;
}

/// What an event without a person is about, on the word of whoever named nobody.
fn placeholder_identifier(event: &Event, attestation: Attestation) -> Identifier {
    let about = match &event.body {
        Body::Message(message) => &message.id,
        Body::MessageEdited(edit) => &edit.message_id,
        Body::MessageDeleted(message) => message,
        Body::Reaction(reaction) => &reaction.message_id,
        Body::Delivery(delivery) => match &delivery.covers {
            Covered::Message(about) | Covered::Reference(about) => about,
            _ => &event.id,
        },
        Body::Call(call) => &call.id,
        Body::Ticket(ticket) => &ticket.id,
        _ => &event.id,
    };
    let value = match about.len() {
        1..=VALUE_BYTES_MAX => about.clone(),
        // An id of ours for one that is too long to be an address.
        _ => digest::digest(&digest::SHA256, about.as_bytes())
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
    };
    Identifier { scheme: NOBODY.to_owned(), scope: Some(event.account.clone()), value, attestation }
}

/// Whether an address is the business's, as one event can tell: one that is configured, or the account that it came to.
fn is_own(identifier: &Identifier, account: &str, rules: &Rules) -> bool {
    let Ok(key) = canonicalise(identifier) else { return false };
    let account = Identifier { scope: None, value: account.to_owned(), ..identifier.clone() };
    let is_account = || canonicalise(&account).is_ok_and(|account| address_of(&account) == address_of(&key));
    Family::of(&key.scheme) != Family::Id && (rules.is_own(&key) || is_account())
}

/// An address as the business's own are compared: a mailbox without its `+tag`, whichever scheme a number has.
pub(crate) fn address_of(key: &EndpointKey) -> String {
    match (Family::of(&key.scheme), key.value.rsplit_once('@')) {
        (Family::Mailbox, Some((local, domain))) => {
            let untagged = local.split_once('+').map_or(local, |(name, _)| name);
            format!("{}@{domain}", if untagged.is_empty() { local } else { untagged })
        }
        _ => key.value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Call, CallState, Contact};

    fn key(scheme: &str, value: &str) -> EndpointKey {
        let identifier = identifier(scheme, value);
        canonicalise(&identifier).unwrap()
    }

    fn identifier(scheme: &str, value: &str) -> Identifier {
        Identifier { scheme: scheme.into(), scope: None, value: value.into(), attestation: Attestation::Provider }
    }

    fn event(account: &str, identifiers: &[(&str, &str)], body: Body) -> Event {
        let identifiers = identifiers.iter().map(|(scheme, value)| identifier(scheme, value)).collect();
        let contact = Contact { identifiers, ..Contact::default() };
        Event { id: "e1".into(), at: 1, account: account.into(), contact, body, extensions: Default::default() }
    }

    fn settled(account: &str, identifiers: &[(&str, &str)], own: &[&str]) -> Vec<(String, String)> {
        let mut rules = Rules::default();
        rules.own.extend(own.iter().map(|own| (*own).to_owned()));
        let mut event = event(account, identifiers, Body::ContactUpdated);
        choose_contact(&mut event, &rules);
        let again = event.clone();
        choose_contact(&mut event, &rules);
        assert_eq!(event.contact, again.contact, "what is settled stays");
        event.contact.identifiers.into_iter().map(|found| (found.scheme, found.value)).collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(scheme, value)| ((*scheme).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn every_row_of_the_table_has_a_place_a_value_a_meaning_and_a_source() {
        let mut rows = 0;
        for line in include_str!("../../data/nobody.tsv").lines().filter(|line| !line.starts_with('#')) {
            rows += 1;
            let columns: Vec<&str> = line.split('\t').collect();
            assert_eq!(columns.len(), 4, "{line}");
            assert!(matches!(columns[0], "any" | "number" | "email" | "local" | "domain"), "{line}");
            assert!(!columns[1].is_empty() && columns[1] == columns[1].to_lowercase(), "{line}");
            assert!(columns[3].len() > 20, "{line}");
            let named = match columns[0] {
                "any" => vec![("user", columns[1].to_owned()), ("phone", columns[1].to_uppercase())],
                "number" => vec![("phone", format!("+{}", columns[1])), ("sms", columns[1].to_owned())],
                "email" => vec![("email", columns[1].to_uppercase())],
                "local" => vec![("email", format!("{}@shop.example", columns[1]))],
                _ => vec![("email", format!("ann@{}", columns[1])), ("email", format!("ann@a.b.{}", columns[1]))],
            };
            for (scheme, value) in named {
                assert!(means_nobody(&key(scheme, &value)), "{scheme}:{value}");
            }
        }
        assert!(rows > 80, "{rows}");
    }

    #[test]
    fn what_stands_for_nobody_is_known_in_every_dress() {
        for (scheme, value) in [
            ("user", "0000"),
            ("user", "00000000-0000-0000-0000-000000000000"),
            ("user", "Distinct_ID"),
            ("user", "\"null\""),
            ("user", "<nil>"),
            ("user", "[Object Object]"),
            ("user", " NaN\u{200b}"),
            ("user", "{{contact.id}}"),
            ("user", "${user.id}"),
            ("phone", "+10000000000"),
            ("phone", "+19999999999"),
            ("phone", "0000000000"),
            ("phone", "+266696687"),
            ("sms", "Anonymous"),
            ("email", "Anonymous@Anonymous.INVALID"),
            ("email", "Nobody <noemail@shop.example>"),
            ("email", "victim@bank.example\u{fffd}"),
            ("phone", "+1650555\u{fffd}1234"),
            ("user", "ann\u{fffd}"),
        ] {
            assert!(means_nobody(&key(scheme, value)), "{scheme}:{value}");
        }
        for (scheme, value) in [
            ("user", "4711"),
            ("user", "identity"),
            ("user", "00001"),
            ("user", "266696687"),
            ("phone", "+16505551234"),
            ("phone", "11111"),
            ("sms", "24273"),
            ("sms", "ACME"),
            ("email", "ann@example.com"),
            ("email", "test@example.com"),
            ("email", "info@shop.example"),
            ("email", "null.island@shop.example"),
        ] {
            assert!(!means_nobody(&key(scheme, value)), "{scheme}:{value}");
        }
    }

    #[test]
    fn an_event_belongs_to_the_first_who_is_somebody() {
        let ada = ("email", "ada@shop.example");
        assert_eq!(settled("a", &[("chat", "0000"), ada], &[]), pairs(&[ada, ("chat", "0000")]));
        assert_eq!(settled("a", &[ada, ("chat", "0000")], &[]), pairs(&[ada, ("chat", "0000")]));
        let three = [("chat", "null"), ("phone", "+266696687"), ada];
        assert_eq!(settled("a", &three, &[]), pairs(&[ada, ("chat", "null"), ("phone", "+266696687")]));
    }

    #[test]
    fn an_event_of_nobody_belongs_to_what_it_is_about() {
        let call = |id: &str, state| {
            let call = Call {
                id: id.into(),
                state,
                initiator: crate::event::Author::Customer,
                duration: None,
                recording: None,
            };
            let mut event = event("+15005550006", &[("phone", "+266696687")], Body::Call(call));
            choose_contact(&mut event, &Rules::default());
            canonicalise(&event.contact.identifiers[0]).unwrap()
        };
        let first = call("CA1", CallState::Ringing);
        assert_eq!((first.scheme.as_str(), first.value.as_str()), (NOBODY, "CA1"));
        assert_eq!(first, call("CA1", CallState::Ended), "one call is one conversation");
        assert_ne!(first, call("CA2", CallState::Ringing), "strangers share none");
        let mut long = event("a", &[("chat", "null")], Body::ContactUpdated);
        long.id = "x".repeat(1_024);
        choose_contact(&mut long, &Rules::default());
        assert_eq!(long.contact.identifiers[0].value.len(), 64);
        assert!(!Rules::default().may_link(&first));
    }

    #[test]
    fn the_businesss_own_addresses_are_no_contact() {
        let (ada, support) = (("email", "ada@shop.example"), ("email", "Support@Shop.example"));
        assert_eq!(settled("support@shop.example", &[support, ada], &[]), pairs(&[ada]));
        assert_eq!(settled("support@shop.example", &[("email", "support+1@shop.example"), ada], &[]), pairs(&[ada]));
        assert_eq!(settled("x", &[support, ada], &["support@shop.example"]), pairs(&[ada]));
        assert_eq!(
            settled("+5541987654321", &[("sms", "+554187654321"), ("phone", "+1 650 555 1234")], &[])[0].0,
            "phone"
        );
        assert_eq!(settled("support@shop.example", &[support], &[]), pairs(&[(NOBODY, "e1")]));
        // An id of the provider's that is written like the account is not the account.
        assert_eq!(settled("4711", &[("crm.contact", "4711")], &[]), pairs(&[("crm.contact", "4711")]));
        let mut mail = event("support@shop.example", &[support, ada], Body::ContactUpdated);
        choose_contact(&mut mail, &Rules::default());
        assert_eq!(mail.extensions[OWN_ADDRESSES], json!([{"scheme": "email", "value": "Support@Shop.example"}]));
    }

    #[test]
    fn an_address_without_a_form_stays_where_it_is() {
        let long = "x".repeat(VALUE_BYTES_MAX + 1);
        assert_eq!(settled("a", &[("chat", &long), ("email", "ada@shop.example")], &[])[0], ("chat".to_owned(), long));
    }
}
