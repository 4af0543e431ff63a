//! The connector as a whole: its fixtures, the rules of every connector, and what is Telegram's own.

use rapport_sdk::prelude::*;
use rapport_sdk::testing::{self, Connection, Fixture};

use crate::Telegram;

const HERE: &str = env!("CARGO_MANIFEST_DIR");
const HEADER: &str = "x-telegram-bot-api-secret-token";

#[test]
fn the_connector_keeps_the_rules_of_the_house() {
    testing::check::<Telegram>(HERE);
}

#[test]
fn only_the_whole_token_opens() {
    let connection = Connection::of_fixtures(HERE);
    let token = connection.secret("secret-token").unwrap().to_owned();
    let with = |values: &[&str]| {
        let mut webhook = fixture("text").webhook;
        webhook.headers.retain(|(name, _)| name != HEADER);
        webhook.headers.extend(values.iter().map(|value| (HEADER.to_owned(), (*value).to_owned())));
        connection.receive::<Telegram>(&webhook).result
    };
    assert!(with(&[&token]).is_ok());
    assert!(with(&["test_token_of_last_month"]).is_ok(), "every version of a secret is tried");
    let (shorter, longer, upper) = (&token[1..], format!("{token} "), token.to_uppercase());
    for wrong in [&[][..], &[""], &[shorter], &[&longer], &[&upper], &[&token, &token], &["guess", &token]] {
        assert!(matches!(with(wrong), Err(Rejection::Unauthenticated(_))), "{wrong:?}");
    }
}

#[test]
fn a_missing_secret_is_named_and_nothing_is_accepted() {
    let outcome = Connection::new("tg-eu", "{}").receive::<Telegram>(&fixture("text").webhook);
    let Err(Rejection::Unauthenticated(reason)) = outcome.result else { panic!("{outcome:?}") };
    assert!(reason.contains("secret `secret-token` is not set on this connection"), "{reason}");
}

#[test]
fn without_a_bot_id_the_account_is_the_connection() {
    let account = |config: &str| {
        let connection = Connection::new("tg-eu", config).with_secret("secret-token", &["test_secret_token-1"]);
        connection.receive::<Telegram>(&fixture("text").webhook).result.map(|receipt| receipt.events[0].account.clone())
    };
    assert_eq!(account("{}").as_deref(), Ok("tg-eu"));
    assert_eq!(account(r#"{"bot-id":"7700000001"}"#).as_deref(), Ok("7700000001"));
    assert!(matches!(account("7"), Err(Rejection::Unsupported(_))));
}

#[test]
fn nobody_is_taken_for_a_group_and_no_two_events_are_one() {
    let connection = Connection::of_fixtures(HERE);
    for fixture in testing::inbound_fixtures(HERE) {
        let Ok(receipt) = connection.receive::<Telegram>(&fixture.webhook).result else { continue };
        for (index, event) in receipt.events.iter().enumerate() {
            let identifiers = &event.contact.identifiers;
            let is_group = identifiers[0].scheme == "telegram.group";
            assert!(is_group || identifiers[0].scheme == "telegram", "{}", fixture.name);
            assert!(!is_group || identifiers.len() == 1, "{}", fixture.name);
            assert!(receipt.events[..index].iter().all(|other| other.id != event.id), "{}", fixture.name);
        }
    }
}

#[test]
fn only_ones_own_card_proves_a_number() {
    let phones = |name: &str| {
        let events = Connection::of_fixtures(HERE).receive::<Telegram>(&fixture(name).webhook).result.unwrap().events;
        let phones = events[0].contact.identifiers.iter().filter(|identifier| identifier.scheme == "phone");
        phones.map(|phone| phone.value.clone()).collect::<Vec<_>>()
    };
    assert_eq!(phones("contact-own"), ["+15550100123"]);
    for other in ["contact-of-somebody", "contact-without-user", "contact-own-in-group", "contact-by-business"] {
        assert!(phones(other).is_empty(), "{other}");
    }
}

#[test]
fn a_log_line_names_no_customer() {
    let connection = Connection::of_fixtures(HERE);
    let mut lines = 0;
    for fixture in testing::inbound_fixtures(HERE) {
        for line in connection.receive::<Telegram>(&fixture.webhook).lines() {
            lines += 1;
            for private in ["5000000", "Ada", "ada_l", "Hello", "oak", "555"] {
                assert!(!line.contains(private), "{}: {line}", fixture.name);
            }
        }
    }
    assert!(lines > 4, "{lines}");
}

fn fixture(name: &str) -> Fixture {
    testing::inbound_fixtures(HERE).into_iter().find(|fixture| fixture.name == name).unwrap()
}

/// A line of `fixtures/published.jsonl`, which `fixtures/PUBLISHED.md` explains.
#[derive(serde::Deserialize)]
struct Described {
    of: String,
    field: String,
    update: serde_json::Value,
}

fn described() -> Vec<Described> {
    let text = std::fs::read_to_string(format!("{HERE}/fixtures/published.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_update_that_the_bot_api_describes_gives_events_or_is_about_no_customer() {
    let connection = Connection::of_fixtures(HERE);
    let about_nobody = ["business_connection", "message_reaction_count", "poll", "managed_bot"];
    let mut played = 0;
    for Described { of, field, update } in described() {
        let body = update.to_string().into_bytes();
        let outcome = connection.receive::<Telegram>(&Webhook { body, ..fixture("text").webhook });
        let receipt = outcome.result.unwrap_or_else(|rejection| panic!("{of}.{field}: {rejection:?}"));
        assert_eq!(receipt.unread, Vec::<String>::new(), "{of}.{field}");
        let is_nobody = of == "Update" && about_nobody.contains(&field.as_str());
        assert_eq!(receipt.events.is_empty(), is_nobody, "{of}.{field}");
        played += 1;
    }
    assert!(played > 120, "{played}");
}

#[test]
fn every_field_that_the_bot_api_describes_has_its_place_here() {
    for Described { of, field, .. } in described() {
        let is_known = match of.as_str() {
            "Update" => crate::update::is_known(&field),
            _ => {
                crate::message::is_kept(&field)
                    || crate::message::READ_OR_SHOWN.contains(&field.as_str())
                    || crate::content::is_known(&field)
                    || crate::attachment::is_file(&field)
            }
        };
        assert!(is_known, "`{of}.{field}` is read by nothing; fix: read it, keep it, or list it as only shown");
    }
}
