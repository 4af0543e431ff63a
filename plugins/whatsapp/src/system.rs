//! What WhatsApp itself says in a chat: a number, a user id or a device changed.

use rapport_meta::{Batch, Text, verbatim};
use rapport_sdk::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::identity::{Form, PARENT, Person, USER};
use crate::message::Incoming;
use crate::scene::Scene;

/// `system` of a message. Which of the ids are there depends on the type and on whether the user has a username.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload<'a> {
    #[serde(borrow, rename = "type", deserialize_with = "lenient::id")]
    kind: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    body: Text<'a>,
    /// The new number.
    #[serde(borrow, deserialize_with = "lenient::id")]
    wa_id: Text<'a>,
    /// What `wa_id` was called before 2022.
    #[serde(borrow, deserialize_with = "lenient::id")]
    new_wa_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    user_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    parent_user_id: Text<'a>,
    /// The number before the change.
    #[serde(borrow, deserialize_with = "lenient::id")]
    customer: Text<'a>,
    /// Another name of `customer` that was seen.
    #[serde(borrow, deserialize_with = "lenient::id")]
    previous_wa_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    previous_user_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    previous_parent_user_id: Text<'a>,
}

impl Payload<'_> {
    fn new_ids(&self) -> Person<'_> {
        Person::new(&[&self.user_id, &self.parent_user_id, &self.wa_id, &self.new_wa_id])
    }
}

/// Reads a message of type `system`.
pub fn read(incoming: &Incoming, scene: &Scene, batch: &mut Batch) {
    let raw = lenient::field(incoming.raw, "system").unwrap_or(RawValue::NULL);
    let payload: Payload = lenient::read(raw).unwrap_or_default();
    let kind = payload.kind.as_deref().unwrap_or_default();
    let is_replacement = matches!(kind, "user_changed_number" | "user_changed_user_id");
    if is_replacement && !incoming.side.is_group() {
        let old = previous(&payload, incoming);
        let new = payload.new_ids();
        if replaced(&Change { id: incoming.id, at: incoming.at, old, new }, scene, batch) {
            return;
        }
    }
    let contact = incoming.side.contact(scene.account);
    let subject = Person::new(&[&payload.user_id, &payload.customer, &payload.wa_id]);
    let Some(contact) = contact.or_else(|| subject.contact()) else {
        return batch.malformed("messages", "it is a `system` message about nobody");
    };
    // The user's encryption keys changed: a new device, or another person with the same number.
    let name = if kind == "customer_identity_changed" { "identity-changed" } else { "system" };
    let body = EventBody::Other((name.into(), verbatim(raw)));
    batch.push(incoming.side.mark(Event::new(incoming.id, incoming.at, scene.account, contact, body)));
}

/// Reads an element of `user_id_update`, a field of early documentation: `{user_id: {previous, current}, …}`.
pub fn read_update(raw: &RawValue, scene: &Scene, batch: &mut Batch) {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Pair<'a> {
        #[serde(borrow, deserialize_with = "lenient::id")]
        previous: Text<'a>,
        #[serde(borrow, deserialize_with = "lenient::id")]
        current: Text<'a>,
    }
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Update<'a> {
        #[serde(deserialize_with = "lenient::time")]
        timestamp: Option<u64>,
        #[serde(borrow, deserialize_with = "lenient::id")]
        wa_id: Text<'a>,
        #[serde(borrow, deserialize_with = "lenient::object")]
        user_id: Option<Pair<'a>>,
        #[serde(borrow, deserialize_with = "lenient::object")]
        parent_user_id: Option<Pair<'a>>,
    }
    let update: Update = lenient::read(raw).unwrap_or_default();
    let (user, parent) = (update.user_id.unwrap_or_default(), update.parent_user_id.unwrap_or_default());
    let old = Person::new(&[&user.previous, &parent.previous]);
    let new = Person::new(&[&user.current, &parent.current, &update.wa_id]);
    let (Some(key), Some(at)) = (old.key(), update.timestamp) else {
        return batch.malformed("user_id_update", "it has no previous id or no `timestamp`");
    };
    let id = format!("user-id:{key}:{at}");
    if !replaced(&Change { id: &id, at, old, new }, scene, batch) {
        batch.malformed("user_id_update", "it has no current id");
    }
}

/// One user before and after.
struct Change<'a> {
    id: &'a str,
    at: u64,
    old: Person<'a>,
    new: Person<'a>,
}

/// One event for each address that was replaced: a profile may be known by any of them. False if none was.
fn replaced(change: &Change, scene: &Scene, batch: &mut Batch) -> bool {
    let (old, new) = (&change.old, &change.new);
    let Some(contact) = new.pair(scene).contact() else { return false };
    let same_form = [
        ("", USER, old.user_id.zip(new.user_id)),
        (":wa_id", USER, old.wa_id.zip(new.wa_id)),
        (":parent", PARENT, old.parent_user_id.zip(new.parent_user_id)),
    ];
    let mut pairs: Vec<_> =
        same_form.into_iter().filter_map(|(suffix, scheme, pair)| Some((suffix, scheme, pair?))).collect();
    if pairs.is_empty() {
        let (Some(from), Some(to)) = (old.user_id.or(old.wa_id), new.user_id.or(new.wa_id)) else { return false };
        pairs.push(("", USER, (from, to)));
    }
    pairs.retain(|(_, _, (from, to))| from != to);
    for (index, (suffix, scheme, (from, to))) in pairs.iter().enumerate() {
        // The first keeps the message's own id, so that the usual single replacement looks like any other event.
        let id = if index == 0 { change.id.to_owned() } else { format!("{}{suffix}", change.id) };
        let replacement =
            Replacement { old: Identifier::provider(scheme, *from), new: Identifier::provider(scheme, *to) };
        let body = EventBody::IdentifierReplaced(replacement);
        batch.push(Event::new(id, change.at, scene.account, contact.clone(), body));
    }
    !pairs.is_empty()
}

/// Who the user was: what `system` says, then the sentence in its `body`, then the sender where it is not the new id.
fn previous<'a>(payload: &'a Payload, incoming: &'a Incoming) -> Person<'a> {
    let mut old = Person::new(&[&payload.previous_user_id, &payload.previous_parent_user_id, &payload.previous_wa_id]);
    let new = payload.new_ids();
    let is_new = |id: &str| [new.user_id, new.parent_user_id, new.wa_id].contains(&Some(id));
    let envelope = incoming.envelope;
    let candidates = [
        sentence_subject(payload.body.as_deref().unwrap_or_default()),
        envelope.from_user_id.as_deref(),
        envelope.from_parent_user_id.as_deref(),
        envelope.from.as_deref(),
        payload.customer.as_deref(),
    ];
    for candidate in candidates.into_iter().flatten() {
        if !is_new(candidate) {
            old.learn(Some(candidate));
        }
    }
    old
}

/// The old id in `User Ada changed from ‎16505551234 to ‎16505555678`: the last but one id of the sentence, whose
/// directional marks are no part of it.
fn sentence_subject(body: &str) -> Option<&str> {
    const DIGITS_MIN: usize = 7;
    let is_id = |word: &&str| match Form::of(word) {
        Form::User | Form::Parent => true,
        Form::Number => word.len() >= DIGITS_MIN,
        Form::Unknown => false,
    };
    let words = body.split(|character: char| !character.is_ascii_alphanumeric() && character != '.');
    let mut ids = words.map(|word| word.trim_matches('.')).filter(is_id);
    let (mut old, mut new) = (ids.next()?, ids.next()?);
    for id in ids {
        (old, new) = (new, id);
    }
    (old != new).then_some(old)
}
