//! What is said in public: `comments`, `live_comments` and `mentions`, which come as `changes` only.

use rapport_meta::messaging::{Connection, Entry};
use rapport_meta::{Batch, Change, verbatim};
use rapport_sdk::prelude::*;
use serde_json::value::RawValue;

use crate::payload::Public;

/// Extensions of a comment: the field that it came in, and what it is about.
const FIELD: &str = "com.instagram.field";
const MEDIA: &str = "com.instagram.media";

type Reader = fn(&Public, &RawValue, &Scene, &mut Batch);

/// The fields of the reference that are said in public, November 2026.
const FIELDS: &[(&str, Reader)] = &[
    // Under a post, a reel or an advertisement of the business.
    ("comments", comment),
    // During a broadcast of the business.
    ("live_comments", comment),
    // The business is named in somebody's caption, or in a comment under somebody's post.
    ("mentions", mention),
];

struct Scene<'s> {
    field: &'s str,
    account: &'s str,
    /// When Meta put the entry together.
    at: Option<u64>,
}

/// Reads a change that is said in public. False for any other, of which nothing was read.
pub fn read(change: &Change, entry: &Entry, connection: &Connection, batch: &mut Batch) -> bool {
    let name = change.field.as_deref().unwrap_or_default();
    let Some((field, read)) = FIELDS.iter().find(|(field, _)| *field == name) else { return false };
    let Some(account) = entry.id.as_deref() else {
        batch.malformed("changes", "its entry has no `id`");
        return true;
    };
    if !connection.takes(account) {
        batch.count_foreign();
        return true;
    }
    batch.count_ours();
    match change.value.and_then(|raw| Some((lenient::read::<Public>(raw)?, raw))) {
        Some((public, raw)) => {
            let at = public.timestamp.or(entry.time).filter(|at| *at > 0);
            read(&public, raw, &Scene { field, account, at }, batch);
        }
        None => batch.malformed("changes", "its `value` is not an object"),
    }
    true
}

/// A comment is a message in the thread of what it is about.
fn comment(public: &Public, raw: &RawValue, scene: &Scene, batch: &mut Batch) {
    let Some(id) = public.comment() else { return batch.malformed("changes", "its comment has no `id`") };
    if public.is_of(scene.account) {
        return log::debug("skipped a comment of the business, because it does not say whom it answers");
    }
    let Some(contact) = contact(public, scene.account) else {
        return batch.malformed("changes", "its comment names nobody");
    };
    let part = match public.text.as_deref().filter(|text| !text.is_empty()) {
        Some(text) => Part::Text(text.into()),
        None => Part::Other(("comment".into(), verbatim(raw))),
    };
    let mut message = Message::new(id, Author::Customer, vec![part]);
    message.in_reply_to = public.parent_id.as_deref().map(str::to_owned);
    message.thread = public.media();
    let at = scene.at.unwrap_or_default();
    let mut event =
        Event::new(id, at, scene.account, contact, EventBody::Message(message)).extended(FIELD, scene.field);
    if let Some(media) = public.media {
        event.extensions.push((MEDIA.into(), verbatim(media)));
    }
    batch.push(event);
}

/// Meta says where the business is mentioned, and neither by whom nor how.
fn mention(public: &Public, raw: &RawValue, scene: &Scene, batch: &mut Batch) {
    if public.is_of(scene.account) {
        return log::debug("skipped a mention by the business itself");
    }
    let place = public.comment().map(str::to_owned).or_else(|| public.media());
    let (Some(place), Some(contact)) = (place, contact(public, scene.account)) else {
        return batch.malformed("changes", "its mention has neither `comment_id` nor `media_id`");
    };
    let body = EventBody::Activity(("mention".into(), verbatim(raw)));
    batch.push(Event::new(format!("mention:{place}"), scene.at.unwrap_or_default(), scene.account, contact, body));
}

/// Its author, or if none is named the comment or the post, where an answer goes.
fn contact(public: &Public, account: &str) -> Option<Contact> {
    let author = public.from.as_ref().and_then(|from| from.id.as_deref()).map(|id| ("instagram", id.to_owned()));
    let comment = || public.comment().map(|id| ("instagram.comment", id.to_owned()));
    let media = || public.media().map(|id| ("instagram.media", id));
    let (scheme, value) = author.or_else(comment).or_else(media)?;
    let name = public.from.as_ref().and_then(|from| from.username.as_deref());
    Some(Contact::new(vec![Identifier::provider(scheme, value).within(account)]).named(name))
}

impl Public<'_> {
    fn comment(&self) -> Option<&str> {
        self.id.as_deref().or(self.comment_id.as_deref())
    }

    fn media(&self) -> Option<String> {
        let named = self.media.and_then(|media| lenient::field(media, "id")).and_then(lenient::read::<lenient::Id>);
        self.media_id.as_deref().map(str::to_owned).or(named.map(|id| id.0))
    }

    /// By the account's own id. The other one, `self_ig_scoped_id`, comes with it, but also in test deliveries of
    /// customers, so it decides only where there is no id.
    fn is_of(&self, account: &str) -> bool {
        let is_own = |from: &crate::payload::From| match from.id.as_deref() {
            Some(id) => id == account,
            None => from.self_ig_scoped_id.is_some(),
        };
        self.from.as_ref().is_some_and(is_own)
    }
}
