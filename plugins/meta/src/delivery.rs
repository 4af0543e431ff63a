//! The way of one request: the subscription challenge, or a signed delivery of one object.

use rapport_sdk::prelude::*;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::{Batch, Text, challenge, signature};

/// What an app subscribes to.
pub struct Object {
    /// As it stands in `object`.
    pub name: &'static str,
    /// What the app's dashboard calls it.
    pub title: &'static str,
}

/// Answers a challenge, or hands the JSON of a proven delivery to `open`.
///
/// # Errors
/// `Unauthenticated` without exactly one right signature, `Unsupported` for another method, and what `open` finds.
pub fn receive(webhook: &Webhook, open: impl FnOnce(&str) -> Result<Receipt, Rejection>) -> Result<Receipt, Rejection> {
    match webhook.method.as_str() {
        "GET" => Ok(challenge::answer(webhook)),
        "POST" => {
            signature::require(webhook)?;
            open(&lenient::document(&webhook.body))
        }
        other => Err(Rejection::Unsupported(format!("expected GET or POST, found `{other}`"))),
    }
}

/// The settings of the connection, as the connector's `connector.toml` describes them.
///
/// # Errors
/// `Unsupported` where they do not fit.
pub fn settings<T: DeserializeOwned>(cx: &Context) -> Result<T, Rejection> {
    serde_json::from_str(&cx.config)
        .map_err(|error| Rejection::Unsupported(format!("the connection's `config` does not fit: {error}")))
}

/// Envelopes in one array. Meta sends one envelope, and shows it in an array in its documentation of Instagram.
const ENVELOPES_MAX: usize = 100;

/// [`entries`] of an envelope, or of several in an array, of which each that is none of `object` is told.
///
/// # Errors
/// As [`entries`], where no envelope could be opened.
pub fn entries_of_each<'j, E: Deserialize<'j>>(
    json: &'j str,
    object: &Object,
    batch: &mut Batch,
) -> Result<Vec<Option<E>>, Rejection> {
    if !json.trim_start().starts_with('[') {
        return entries(json, object);
    }
    let envelopes = lenient::batch(json, ENVELOPES_MAX).map_err(Rejection::Malformed)?;
    let (mut found, mut refused, mut opened) = (Vec::new(), Vec::new(), 0);
    for (index, raw) in envelopes.into_iter().enumerate() {
        match entries(raw.get(), object) {
            Ok(entries) => {
                opened += 1;
                found.extend(entries);
            }
            Err(rejection) => refused.push((index, rejection)),
        }
    }
    if opened == 0 {
        let nothing = || Rejection::Malformed("expected an envelope with an `object`, found an empty array".into());
        return Err(refused.into_iter().next().map_or_else(nothing, |(_, first)| first));
    }
    for (index, rejection) in refused {
        batch.malformed(&format!("envelopes[{index}]"), reason(&rejection));
    }
    Ok(found)
}

fn reason(rejection: &Rejection) -> &str {
    match rejection {
        Rejection::Unauthenticated(reason)
        | Rejection::Ignored(reason)
        | Rejection::Malformed(reason)
        | Rejection::Unsupported(reason) => reason,
    }
}

/// The elements of `entry` of a delivery of `object`; none in the place of one that is no object, for
/// [`Batch::each_object`](crate::Batch::each_object).
///
/// # Errors
/// `Malformed` for what is no envelope of Meta, `Unsupported` for another object.
pub fn entries<'j, E: Deserialize<'j>>(json: &'j str, object: &Object) -> Result<Vec<Option<E>>, Rejection> {
    let root: Root<E> = lenient::root(json).map_err(Rejection::Malformed)?;
    let Object { name, title } = object;
    match root.object.as_deref() {
        Some(found) if found == *name => {}
        Some(other) => {
            let fix = format!("subscribe this URL to the {title} object only");
            return Err(Rejection::Unsupported(format!("expected `object` `{name}`, found `{other}`; fix: {fix}")));
        }
        None => return Err(Rejection::Malformed("expected an `object`, found none".into())),
    }
    if root.entry.iter().all(Option::is_none) {
        require_empty_entry(json)?;
    }
    Ok(root.entry)
}

/// An element of `changes`. `value` comes before `field`, which says how to read it: it waits unread.
#[derive(Clone, Deserialize, Default)]
#[serde(default)]
pub struct Change<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    pub field: Text<'a>,
    #[serde(borrow)]
    pub value: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(default, bound(deserialize = "E: Deserialize<'de>"))]
struct Root<'a, E> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    object: Text<'a>,
    #[serde(deserialize_with = "lenient::places")]
    entry: Vec<Option<E>>,
}

impl<E> Default for Root<'_, E> {
    fn default() -> Self {
        Root { object: None, entry: Vec::new() }
    }
}

/// `entry` was read leniently. If that left nothing, only an array that is empty is nothing.
fn require_empty_entry(json: &str) -> Result<(), Rejection> {
    #[derive(Deserialize)]
    struct Strict {
        entry: Vec<serde::de::IgnoredAny>,
    }
    match serde_json::from_str::<Strict>(json) {
        Ok(root) if root.entry.is_empty() => Ok(()),
        _ => Err(Rejection::Malformed("expected `entry` to be an array of objects".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Accounts;

    const ACCOUNTS: Accounts = Accounts { element: ("", ""), field: "", noun: "", setting: "" };
    const PAGE: Object = Object { name: "page", title: "Page" };

    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Entry {
        #[serde(deserialize_with = "lenient::id")]
        id: Option<String>,
    }

    fn ids(json: &str) -> Result<Vec<Option<String>>, Rejection> {
        let ids = |entries: Vec<Option<Entry>>| entries.into_iter().map(|entry| entry?.id).collect();
        entries::<Entry>(json, &PAGE).map(ids)
    }

    #[test]
    fn only_the_object_of_the_channel_is_opened() {
        assert_eq!(
            ids(r#"{"entry":[{"id":7},3,{"id":"8"}],"object":"page"}"#),
            Ok(vec![Some("7".into()), None, Some("8".into())])
        );
        assert_eq!(ids(r#"{"object":"page","entry":[]}"#), Ok(vec![]));
        let Err(Rejection::Unsupported(reason)) = ids(r#"{"object":"instagram","entry":[]}"#) else { panic!() };
        assert_eq!(
            reason,
            "expected `object` `page`, found `instagram`; fix: subscribe this URL to the Page object only"
        );
        for no_envelope in ["", "[]", "7", "{}", r#"{"object":"page"}"#, r#"{"object":"page","entry":{}}"#] {
            assert!(matches!(ids(no_envelope), Err(Rejection::Malformed(_))), "{no_envelope}");
        }
    }

    #[test]
    fn an_array_of_envelopes_is_opened_where_it_is_asked_for() {
        let open =
            |json: &str| entries_of_each::<Entry>(json, &PAGE, &mut Batch::new(&ACCOUNTS)).map(|found| found.len());
        let envelope = r#"{"object":"page","entry":[{"id":7}]}"#;
        assert_eq!((open(envelope), open(&format!(" [{envelope},{envelope}]"))), (Ok(1), Ok(2)));
        assert!(matches!(ids(&format!("[{envelope}]")), Err(Rejection::Malformed(_))));
        for no_envelope in ["", "[]", "[7]", "[{}]", "[", "[[]]"] {
            assert!(matches!(open(no_envelope), Err(Rejection::Malformed(_))), "{no_envelope}");
        }
        let other = r#"{"object":"instagram","entry":[]}"#;
        assert!(matches!(open(&format!("[{other}]")), Err(Rejection::Unsupported(_))));
        let mut batch = Batch::new(&ACCOUNTS);
        let found = entries_of_each::<Entry>(&format!("[{other},{envelope},7]"), &PAGE, &mut batch);
        assert_eq!(found.map(|found| found.len()), Ok(1));
        let Err(Rejection::Malformed(reason)) = batch.finish() else { panic!() };
        assert!(reason.contains("found only others: 2; the first: envelopes[0]: expected `object` `page`"), "{reason}");
    }
}
