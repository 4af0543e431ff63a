//! `[sending]` of a manifest: what the host has to know of a provider before it asks the connector for a request.
//!
//! ```toml
//! [sending]
//! rate = { tokens = 80, per-ms = 1000, burst = 80 }   # messages of a connection
//! pair-ms = 6000                                      # from one message to a customer to the next
//!
//! [[sending.windows]]
//! hours = 24                                          # since the customer's last message
//! authors = ["agent", "automation"]                   # without it: all
//! after = ["template"]                                # parts that may be sent later; without it: none
//! ```

use rapport_model::event::Author;
use rapport_model::sending::policy::Window;
use rapport_model::sending::rate::Rate;
use toml::{Table, Value};

use super::{refuse_unknown, take_table, wrong};
use crate::error::ManifestError;

/// Messages in a second, and at once: no provider gives one account more.
const TOKENS_MAX: u64 = 10_000;
/// Milliseconds. A rate of messages is told by the second, the minute or the day.
const PER_MS_MAX: u64 = 24 * 3_600_000;
/// Milliseconds. With a longer pause between two messages nobody can have a conversation.
const PAIR_MS_MAX: u64 = 60_000;
/// Hours: 30 days, which is longer than every window of a provider.
const HOURS_MAX: u64 = 30 * 24;

/// What a provider takes, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sending {
    /// `rate`: messages of a connection; `None`: the host's default.
    pub rate: Option<Rate>,
    /// `pair-ms`: milliseconds from one message to a customer to the next; 0: the provider has no such limit.
    pub pair_ms: u64,
    /// `[[sending.windows]]`: until when a customer may be answered; empty: at any time.
    pub windows: Vec<Window>,
}

const KEYS: [&str; 3] = ["rate", "pair-ms", "windows"];
const RATE_KEYS: [&str; 3] = ["tokens", "per-ms", "burst"];
const WINDOW_KEYS: [&str; 3] = ["hours", "authors", "after"];
/// The contract's kinds of parts that a business sends.
const PARTS: [&str; 8] = ["text", "html", "media", "place", "contact-card", "choices", "template", "other"];
const AUTHORS: [(&str, Author); 2] = [("agent", Author::Agent), ("automation", Author::Automation)];

pub(super) fn sending(mut table: Table) -> Result<Sending, ManifestError> {
    let rate = take_table(&mut table, "rate")?;
    let sending = Sending {
        rate: (!rate.is_empty()).then(|| self::rate(rate)).transpose()?,
        pair_ms: number(&mut table, "sending.", "pair-ms", PAIR_MS_MAX)?.unwrap_or_default(),
        windows: windows(table.remove("windows"))?,
    };
    refuse_unknown(&table, "sending.", &KEYS)?;
    Ok(sending)
}

fn rate(mut table: Table) -> Result<Rate, ManifestError> {
    let mut of = |key: &str, max: u64| {
        let found = number(&mut table, "sending.rate.", key, max)?;
        found.ok_or_else(|| missing("sending.rate", "`tokens`, `per-ms` and `burst`"))
    };
    let [tokens, per_ms, burst] = RATE_KEYS;
    let few = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
    let rate = Rate {
        tokens: few(of(tokens, TOKENS_MAX)?),
        per_ms: of(per_ms, PER_MS_MAX)?,
        burst: few(of(burst, TOKENS_MAX)?),
    };
    refuse_unknown(&table, "sending.rate.", &RATE_KEYS)?;
    Ok(rate)
}

fn windows(value: Option<Value>) -> Result<Vec<Window>, ManifestError> {
    match value {
        None => Ok(Vec::new()),
        Some(Value::Array(windows)) => windows.into_iter().map(window).collect(),
        Some(other) => Err(wrong("sending.windows", "a list of tables", &other)),
    }
}

fn window(value: Value) -> Result<Window, ManifestError> {
    let Value::Table(mut table) = value else { return Err(wrong("sending.windows", "a list of tables", &value)) };
    let hours = number(&mut table, "sending.windows.", "hours", HOURS_MAX)?;
    let hours = hours.ok_or_else(|| missing("sending.windows", "`hours` since the customer's last message"))?;
    let author = |word: &str| AUTHORS.iter().find(|(known, _)| *known == word).map(|(_, author)| *author);
    let part = |word: &str| PARTS.contains(&word).then(|| word.to_owned());
    let window = Window {
        within_ms: hours * 3_600_000,
        authors: words(&mut table, "authors", "`agent` and `automation`", author)?,
        after: words(&mut table, "after", "kinds of parts, such as `template`", part)?,
    };
    refuse_unknown(&table, "sending.windows.", &WINDOW_KEYS)?;
    Ok(window)
}

fn words<T>(table: &mut Table, key: &str, of: &str, read: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, ManifestError> {
    let Some(value) = table.remove(key) else { return Ok(Vec::new()) };
    let found = value.as_array().and_then(|words| words.iter().map(|word| read(word.as_str()?)).collect());
    found.ok_or_else(|| wrong(&format!("sending.windows.{key}"), &format!("a list of {of}"), &value))
}

/// A whole number from 1 to `max`.
fn number(table: &mut Table, prefix: &str, key: &str, max: u64) -> Result<Option<u64>, ManifestError> {
    let Some(value) = table.remove(key) else { return Ok(None) };
    let found = value.as_integer().and_then(|found| u64::try_from(found).ok());
    match found.filter(|found| (1..=max).contains(found)) {
        Some(found) => Ok(Some(found)),
        None => Err(wrong(&format!("{prefix}{key}"), &format!("a whole number from 1 to {max}"), &value)),
    }
}

fn missing(key: &str, expected: &str) -> ManifestError {
    wrong(key, expected, &Value::Table(Table::new()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Manifest;

    fn parse(text: &str) -> Result<Sending, String> {
        let start = "id = 'acme'\nname = 'Acme'\nversion = '1.0.0'\ncontract = '0.2'\n[sending]\n";
        Manifest::parse(&format!("{start}{text}")).map(|manifest| manifest.sending).map_err(|error| error.to_string())
    }

    #[test]
    fn a_provider_says_how_fast_and_for_how_long() {
        assert_eq!(parse("").unwrap(), Sending::default());
        let found = parse(
            "rate = { tokens = 80, per-ms = 1000, burst = 40 }\npair-ms = 6000\n[[sending.windows]]\nhours = 24\nafter = \
             ['template']\n[[sending.windows]]\nhours = 168\nauthors = ['agent']",
        );
        let found = found.unwrap();
        assert_eq!(found.rate, Some(Rate { tokens: 80, per_ms: 1_000, burst: 40 }));
        assert_eq!(found.pair_ms, 6_000);
        let [all, human] = &found.windows[..] else { panic!("{found:?}") };
        assert_eq!((all.within_ms, &all.after[..]), (86_400_000, &["template".to_owned()][..]));
        assert!(all.holds_for(Author::Agent) && all.holds_for(Author::Automation));
        assert!(human.holds_for(Author::Agent) && !human.holds_for(Author::Automation));
    }

    #[test]
    fn what_does_not_fit_is_named_with_what_there_is() {
        for (text, expected) in [
            ("rate = { tokens = 80 }", "`sending.rate`: expected `tokens`, `per-ms` and `burst`"),
            (
                "rate = { tokens = 0, per-ms = 1, burst = 1 }",
                "`sending.rate.tokens`: expected a whole number from 1 to 10000",
            ),
            ("pair-ms = 70000", "`sending.pair-ms`: expected a whole number from 1 to 60000"),
            ("windows = 24", "`sending.windows`: expected a list of tables"),
            ("windows = [{}]", "`sending.windows`: expected `hours`"),
            (
                "windows = [{ hours = 1, authors = ['customer'] }]",
                "`sending.windows.authors`: expected a list of `agent`",
            ),
            (
                "windows = [{ hours = 1, after = ['song'] }]",
                "`sending.windows.after`: expected a list of kinds of parts",
            ),
            ("windows = [{ hours = 1, before = [] }]", "unknown key `sending.windows.before`"),
            ("rates = 1", "unknown key `sending.rates`; fix: "),
        ] {
            let refusal = parse(text).unwrap_err();
            assert!(refusal.starts_with(&format!("connector.toml: {expected}")), "{text}: {refusal}");
        }
    }
}
