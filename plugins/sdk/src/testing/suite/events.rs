//! Every event is one that the host stores: it has a key that is its own, somebody it belongs to, and a time that can be.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Case, Trial};
use crate::testing::connection::Connection;
use crate::testing::report::{Causes, Findings};
use crate::testing::stored;
use crate::{Contact, instant};

/// Milliseconds: 2000-01-01T00:00:00Z. What is earlier is seconds in the place of milliseconds, or a clock that was never
/// set.
const EARLIEST_MS: u64 = 946_684_800_000;
/// Milliseconds that a time may be ahead of the fixtures' clock: a year.
const AHEAD_MS_MAX: u64 = 366 * 24 * 3600 * 1000;
/// Last words of a scheme that name a place where several people write.
const PLACES: [&str; 9] = ["broadcast", "channel", "chatroom", "group", "list", "room", "space", "supergroup", "team"];

pub(super) fn check(trial: &Trial<'_>, findings: &mut Findings) {
    let (mut causes, mut excuses, mut told) = (Causes::default(), Excuses::default(), BTreeMap::new());
    for case in &trial.cases {
        for key in &case.answer.not_json {
            causes.add(
                case.name(),
                format!(
                    "the value of `{key}` is not JSON; fix: `.extended(\"{key}\", &value)` or `.with_trait` writes it"
                ),
            );
        }
        excuses.know(&case.fixture.connection);
        for (position, event) in events(&case.answer.text).into_iter().enumerate() {
            findings.cases += 1;
            let found = stored::refused(&event).or_else(|| links_a_place(&event)).or_else(|| not_reverse_dns(&event));
            if let Some(failure) = found {
                causes.add(case.name(), format!("event {position}: {failure}"));
            }
            if let Some(failure) = odd_time(&event, case.fixture.connection.now())
                && !excuses.excuse(case, ODD_TIMES)
            {
                causes.add(case.name(), format!("event {position}: {failure}"))
            }
            let key = [case.fixture.connection.name(), text(&event["account"]), text(&event["id"])].map(str::to_owned);
            let known: &mut Vec<(&Case<'_>, Value)> = told.entry(key).or_default();
            if known.iter().all(|(_, other)| *other != event) {
                known.push((case, event));
            }
        }
    }
    for (key, known) in told.into_iter().filter(|(_, known)| known.len() > 1) {
        if !excuses.excuse(known[0].0, IDS_REPEAT) {
            let mut names: Vec<&str> = Vec::new();
            for (case, _) in &known {
                if !names.contains(&case.name()) {
                    names.push(case.name());
                }
            }
            names.into_iter().for_each(|name| causes.add(name, same_id(&key[2], known.len())));
        }
    }
    causes.report(findings);
    excuses.report(findings);
}

/// Parts of a domain name and a name behind it: `com.acme.sticker`.
const REVERSE_DNS_LABELS_MIN: usize = 3;

/// The first key of extensions or traits that another connector might use for something else.
fn not_reverse_dns(event: &Value) -> Option<String> {
    let keys =
        |place: &'_ Value| place.as_object().into_iter().flatten().map(|(key, _)| key.clone()).collect::<Vec<_>>();
    let of_contract = |key: &str| [Contact::GIVEN_NAME, Contact::FAMILY_NAME].contains(&key);
    let is_unique = |key: &str| {
        let labels: Vec<&str> = key.split('.').collect();
        labels.len() >= REVERSE_DNS_LABELS_MIN && labels.iter().all(|label| !label.is_empty())
    };
    let (extensions, traits) = (keys(&event["extensions"]), keys(&event["contact"]["traits"]));
    let wrong = |(key, is_trait): &(String, bool)| !(is_unique(key) || *is_trait && of_contract(key));
    let all = extensions.into_iter().map(|key| (key, false)).chain(traits.into_iter().map(|key| (key, true)));
    let (key, is_trait) = { all }.find(wrong)?;
    let what = if is_trait { "trait" } else { "extension" };
    Some(format!("{what} `{key}` is not a reverse-DNS key; fix: write your domain before it, such as `com.acme.{key}`"))
}

/// Keys of connection.json that say why.
const ODD_TIMES: &str = "odd-times";
const IDS_REPEAT: &str = "ids-repeat";

fn same_id(id: &str, count: usize) -> String {
    format!(
        "{count} different events have the id `{id}`, and of two with the same time the host stores the first only; fix: \
         `id` is the provider's, or made from everything that tells two events apart; if the fixtures are variants of one \
         recorded event, say so as `{IDS_REPEAT}` in connection.json"
    )
}

fn odd_time(event: &Value, now: u64) -> Option<String> {
    let at = event["at"].as_u64().filter(|at| *at != 0)?;
    let when = match at {
        ..EARLIEST_MS => "before 2000; is it in seconds?",
        _ if at > now.saturating_add(AHEAD_MS_MAX) => "more than a year after `now`; is it in another unit?",
        _ => return None,
    };
    let day = instant::written(at);
    let day = day.get(..10).unwrap_or(&day);
    Some(format!(
        "`at` is on {day}, {when} fix: milliseconds since 1970, and 0 if the provider gives no time; or say why as \
         `{ODD_TIMES}` in connection.json"
    ))
}

/// Where several people write, nobody who writes there may be linked to the place.
fn links_a_place(event: &Value) -> Option<String> {
    let identifiers = event["contact"]["identifiers"].as_array()?;
    let scheme = text(&identifiers.first()?["scheme"]);
    let (provider, last) = scheme.rsplit_once('.')?;
    if !PLACES.contains(&last) {
        return None;
    }
    let links = |identifier: &&Value| matches!(text(&identifier["attestation"]), "provider" | "signature");
    let member = identifiers[1..].iter().find(links)?;
    let (member, word) = (text(&member["scheme"]), text(&member["attestation"]));
    Some(format!(
        "`{scheme}` is where several people write, and `{member}` beside it is attested `{word}`: the host makes one person \
         of both, and of the next member too; fix: the contact is the group alone, under the scheme `{provider}.group`, and \
         the writer is in the extension `<reverse-dns>.participant`"
    ))
}

fn events(outcome: &str) -> Vec<Value> {
    let outcome: Value = serde_json::from_str(outcome).unwrap_or_default();
    outcome["events"].as_array().cloned().unwrap_or_default()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// What connections say why it is so, and whether it is.
#[derive(Default)]
struct Excuses(BTreeMap<(String, &'static str), (String, bool)>);

impl Excuses {
    fn know(&mut self, connection: &Connection) {
        for (key, why) in [(ODD_TIMES, connection.odd_times()), (IDS_REPEAT, connection.ids_repeat())] {
            if let Some(why) = why {
                self.0.entry((connection.name().to_owned(), key)).or_insert_with(|| (why.to_owned(), false));
            }
        }
    }

    fn excuse(&mut self, case: &Case<'_>, key: &'static str) -> bool {
        let excuse = self.0.get_mut(&(case.fixture.connection.name().to_owned(), key));
        excuse.map(|(_, is_needed)| *is_needed = true).is_some()
    }

    fn report(self, findings: &mut Findings) {
        for ((name, key), (why, is_needed)) in self.0 {
            if is_needed {
                findings.note(format!("connection `{name}` says `{key}`: {why}"))
            } else {
                findings.fail(format!(
                    "connection `{name}` says `{key}`, and no fixture needs it; fix: take it out of connection.json"
                ))
            }
        }
    }
}
