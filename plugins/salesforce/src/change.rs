//! Change events and platform events, as an event relay hands them to EventBridge, and as the streaming APIs do: a
//! `payload` in one of several envelopes.

use rapport_sdk::prelude::*;
use serde_json::value::RawValue;

use crate::fields::{Changed, fields};
use crate::id;
use crate::payload::{Envelope, Header, Message};
use crate::record::{Happened, Record};
use crate::scene::{Scene, foreign};
use crate::story::{self, Change, Origin};
use rapport_sdk::instant;

/// What the source of an event relay begins with; the organization and the channel follow.
const SOURCE: &str = "aws.partner/salesforce.com/";

/// Events of one request, and records of one change.
const BATCH_MAX: usize = 100;

pub fn read(body: &[u8], scene: &Scene) -> Result<Receipt, Rejection> {
    let json = lenient::document(body);
    let (mut events, mut unread) = (Vec::new(), Unread::default());
    let (mut malformed, mut strange) = (0, 0);
    let elements = lenient::batch(&json, BATCH_MAX).map_err(Rejection::Malformed)?;
    let count = elements.len();
    for (index, raw) in elements.into_iter().enumerate() {
        let place = format!("[{index}]");
        match element(raw, scene, &mut |reason| unread.add(&place, reason)) {
            Ok(found) => events.extend(found),
            Err(Rejection::Ignored(_)) => strange += 1,
            Err(_) => {
                malformed += 1;
                unread.add(&place, "it is neither a change event nor a platform event");
            }
        }
    }
    if events.is_empty() && malformed > 0 {
        return Err(Rejection::Malformed(
            "expected `detail.payload` with a `ChangeEventHeader`, or of a platform event, found neither".into(),
        ));
    }
    if strange > 0 && strange == count {
        return Err(foreign());
    }
    Ok(Receipt::events(events).with_unread(unread.into_lines()))
}

/// Says why a part of an element could not be read.
type Tell<'a> = &'a mut dyn FnMut(&str);

fn element(raw: &RawValue, scene: &Scene, tell: Tell<'_>) -> Result<Vec<Event>, Rejection> {
    let malformed = || Rejection::Malformed("it is not an event".into());
    let envelope: Envelope = lenient::read(raw).ok_or_else(malformed)?;
    if let Some(source) = &envelope.source {
        let organization = source.strip_prefix(SOURCE).and_then(|rest| rest.split('/').next());
        if !organization.is_some_and(|organization| scene.is_ours(organization)) {
            return Err(foreign());
        }
    }
    let inner = envelope.detail.or(envelope.data).unwrap_or(raw);
    let message: Message = lenient::read(inner).unwrap_or_default();
    let payload = message.payload.unwrap_or(inner);
    let header = lenient::field(payload, "ChangeEventHeader").and_then(lenient::read::<Header>);
    match header {
        Some(header) => Ok(changes(payload, &header, event_id(&envelope, &message), scene, tell)),
        None if message.payload.is_some() => announced(payload, &envelope, &message, scene, tell).ok_or_else(malformed),
        None => Err(malformed()),
    }
}

/// What the event is known by outside of its payload: Salesforce's id of it, else EventBridge's, else its place in the
/// stream.
fn event_id(envelope: &Envelope, message: &Message) -> Option<String> {
    let ids = message.event.as_ref();
    let uuid = ids.and_then(|ids| ids.uuid.clone()).or_else(|| message.id.clone()).or_else(|| envelope.id.clone());
    uuid.or_else(|| ids.and_then(|ids| ids.replay_id.clone()))
}

/// One event for each record of a change.
fn changes(payload: &RawValue, header: &Header, id: Option<String>, scene: &Scene, tell: Tell<'_>) -> Vec<Event> {
    let happened = match header.change_type.as_deref().unwrap_or_default() {
        "CREATE" => Happened::Created,
        "DELETE" => Happened::Deleted,
        "UNDELETE" => Happened::Restored,
        gap if gap.starts_with("GAP") => Happened::Gap,
        _ => Happened::Updated,
    };
    let object = header.entity_name.clone().unwrap_or_default();
    let ids = header.record_ids.map(ids).unwrap_or_default();
    // An overflow names no records, only the prefix of the object with a wild card.
    let is_overflow = happened == Happened::Gap;
    let is_known = |found: &&String| id::is_id(found) && !found.starts_with("000");
    let known: Vec<&String> = ids.iter().flatten().filter(is_known).collect();
    if !is_overflow && known.len() < ids.len() {
        tell("`recordIds` has an element that is not an id of a record");
    }
    if known.len() > BATCH_MAX {
        tell(&format!("`recordIds` has more than {BATCH_MAX} records"));
    }
    if known.is_empty() || object.is_empty() {
        if is_overflow && !object.is_empty() {
            log::warn("skipped a change that names no record; fix: fetch what was changed from Salesforce")
        } else {
            tell("its `ChangeEventHeader` has no `entityName` or no `recordIds`")
        }
        return Vec::new();
    }
    let fields = fields(payload, happened, &Changed::of(header), tell);
    let key = key(header, id);
    let mut events = Vec::new();
    for record_id in known.into_iter().take(BATCH_MAX) {
        let canonical = id::canonical(record_id);
        let origin = Origin {
            id: format!("{key}:{canonical}"),
            at: header.commit_timestamp,
            change: Some(Change {
                change_type: header.change_type.clone(),
                change_origin: header.change_origin.clone(),
                commit_user: header.commit_user.clone(),
                changed_fields: header.changed_fields.map(|raw| raw.get().to_owned()),
            }),
            action: None,
        };
        let record = Record { object: object.clone(), id: canonical, happened, fields: fields.clone(), instance: None };
        events.extend(story::events(&record, &origin, scene));
    }
    events
}

/// The ids in an array, or the one that stands in its place; none in the place of what is no id.
fn ids(raw: &RawValue) -> Vec<Option<String>> {
    let elements = if raw.get().starts_with('[') {
        serde_json::from_str::<Vec<&RawValue>>(raw.get()).unwrap_or_default()
    } else {
        vec![raw]
    };
    elements.into_iter().map(|raw| lenient::read::<lenient::Id>(raw).map(|id| id.0)).collect()
}

/// A change is known by its transaction and its place in it; both survive a redelivery, unlike a replay id. Where neither
/// that nor a commit is said, only the event's id tells two changes of one record apart.
fn key(header: &Header, id: Option<String>) -> String {
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    let (number, at) = (text(&header.commit_number), header.commit_timestamp.unwrap_or_default());
    match (&header.transaction_key, id) {
        (Some(transaction), _) => format!("{transaction}:{}", text(&header.sequence_number)),
        (None, Some(id)) if number.is_empty() && at == 0 => id,
        (None, _) => format!("{number}:{at}:{}", text(&header.change_type)),
    }
}

/// A platform event: the fields of `Order_Placed__e`, and nothing of a record.
fn announced(
    payload: &RawValue,
    envelope: &Envelope,
    message: &Message,
    scene: &Scene,
    tell: Tell<'_>,
) -> Option<Vec<Event>> {
    let channel = || envelope.channel.as_deref().and_then(|channel| channel.rsplit('/').next()).map(str::to_owned);
    let object = envelope.detail_type.clone().or_else(channel)?;
    let fields = fields(payload, Happened::Announced, &Changed::default(), tell);
    let id = event_id(envelope, message)?;
    let record = Record { object, id: String::new(), happened: Happened::Announced, fields, instance: None };
    let at = envelope.time.as_deref().and_then(instant::parse);
    let origin = Origin { id, at, change: None, action: None };
    let events = story::events(&record, &origin, scene);
    if events.is_empty() {
        log::info("skipped a platform event that names nobody");
    }
    Some(events)
}
