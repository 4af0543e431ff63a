//! What has to hold after an attack.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use aws_sdk_dynamodb::types::AttributeValue;
use rapport_model::Basis;
use rapport_model::canonical::canonicalise;
use rapport_model::event::{Attestation, Identifier};
use serde_json::{Value, json};

use super::{ANSWER_BYTES_MAX, Attack, GROWTH_MAX, Record, STRANGERS, STRANGERS_MAIL, Target, is_doomed, strangers};
use crate::support::Item;
use crate::support::api::escaped;

/// Pages that anything may have before its cursors are taken to run in a circle.
const PAGES_MAX: usize = 3_000;

/// Everything that is claimed of the service, and the figures of the run.
pub async fn check(attack: &Attack, rounds: u64, lags: &[f64]) {
    let record = &attack.record;
    figures(attack, lags).await;
    let tenth = lags.len().div_ceil(10).max(lags.len().min(4));
    let (first, last) = (median(&lags[..tenth]), median(&lags[lags.len() - tenth..]));
    assert!(last <= first * GROWTH_MAX, "{last:.2} ms an event after {first:.2}: {lags:?}");

    strangers_are_untouched(attack, rounds).await;
    let profiles = everybody_is_found(&attack.target, record).await;
    for profile in &profiles {
        pages(&attack.target, &format!("/v1/profiles/{profile}/timeline?limit=200")).await;
        pages(&attack.target, &format!("/v1/profiles/{profile}/export?")).await;
    }
    for list in ["suggestions", "conflicts", "erasure-demands"] {
        pages(&attack.target, &format!("/v1/{list}?")).await;
    }
    for arm in &attack.arms {
        attack.target.data.table.parked(&arm.name).await.unwrap();
    }
    let unfolded = attack.target.data.table.unfolded(1_000, None).await.unwrap();
    println!("{} profiles were read whole; {} endpoints are set aside", profiles.len(), unfolded.items.len());
    for aside in &unfolded.items {
        println!("  {} ({} times): {}", aside.eid, aside.failures, aside.reason);
    }

    let ids: BTreeSet<&str> = record.receipts.iter().map(|receipt| receipt["id"].as_str().unwrap()).collect();
    assert!(ids.len() as u64 > rounds / 2, "people were erased: {}", ids.len());
    for id in &ids {
        let receipt = attack.target.read(&format!("/v1/erasures/{id}")).await;
        assert_eq!(receipt["state"], "completed", "{receipt}");
    }
    nothing_is_left(attack, lags.len()).await;
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

async fn figures(attack: &Attack, lags: &[f64]) {
    let record = &attack.record;
    let mut parked = 0;
    for arm in &attack.arms {
        parked += attack.target.data.table.parked(&arm.name).await.unwrap().len();
    }
    let events = attack.target.data.items().await.iter().filter(|item| crate::support::is_event(item)).count();
    println!(
        "{} events in {} webhooks were acknowledged; {} webhooks had something unread, {parked} are parked now; {events} events \
         are in the table; {} people named, {} erasures",
        record.acknowledged_events,
        record.acknowledged_webhooks,
        record.with_unread,
        record.named.len(),
        record.receipts.len(),
    );
    let mut statuses: BTreeMap<u16, u64> = BTreeMap::new();
    for ((name, status), count) in &record.answers {
        *statuses.entry(*status).or_default() += count;
        if *status != 200 {
            println!("  {name}: {status}: {count}");
        }
    }
    let tenth = lags.len().div_ceil(10).max(lags.len().min(4));
    println!(
        "answers {statuses:?}; lag behind one hostile event: {:.2} ms at first, {:.2} ms at last",
        median(&lags[..tenth]),
        median(&lags[lags.len() - tenth..])
    );
}

/// The strangers' profiles and timelines are as in a service that nobody attacked.
async fn strangers_are_untouched(attack: &Attack, rounds: u64) {
    let arms = &attack.arms;
    let quiet = Target::new(arms).await;
    for round in 0..rounds {
        for (place, signed) in strangers(arms, round) {
            assert_eq!(quiet.deliver(&arms[place], &signed).await, 200);
        }
    }
    quiet.fold().await;
    let [number, messenger, telegram] = STRANGERS;
    let first = |plugin: &str, fixture: &str| {
        let (_, signed) = strangers(arms, 0).into_iter().find(|(place, _)| arms[*place].plugin == plugin).unwrap();
        assert!(!signed.events.is_empty(), "{fixture}");
        signed.events[0]["contact"]["identifiers"][0].clone()
    };
    for (plugin, value) in
        [("whatsapp", number), ("messenger", messenger), ("telegram", telegram), ("email", STRANGERS_MAIL)]
    {
        let named = first(plugin, value);
        assert_eq!(named["value"], value);
        let (attacked, alone) = (whole(&attack.target, &named).await, whole(&quiet, &named).await);
        let (attacked, alone) = (pretty(&attacked), pretty(&alone));
        if attacked != alone {
            let differ = attacked.lines().zip(alone.lines()).find(|(a, b)| a != b);
            panic!("{plugin} {value}: {differ:?}\nattacked: {attacked}\nalone: {alone}");
        }
    }
}

/// A profile and its whole timeline, without what differs from run to run: ids that are drawn, and our clock.
async fn whole(target: &Target, named: &Value) -> Value {
    let mut identifier = named.clone();
    identifier.as_object_mut().unwrap().remove("attestation");
    let (status, _, profile) = target.call("POST", "/v1/profiles/lookup", Some(&identifier)).await;
    assert_eq!(status, 200, "{identifier}: {profile}");
    let id = profile["id"].as_str().unwrap().to_owned();
    let timeline = pages(target, &format!("/v1/profiles/{id}/timeline?limit=200")).await;
    let mut whole = json!({"profile": profile, "timeline": timeline});
    redact(&mut whole, &id);
    whole
}

fn redact(value: &mut Value, id: &str) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                if matches!(name.as_str(), "recordedtime" | "since" | "updated_at") {
                    *value = if value.is_string() { json!("[our clock]") } else { value.clone() };
                }
                redact(value, id);
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(|value| redact(value, id)),
        Value::String(text) => *text = text.replace(id, "[profile]"),
        _ => {}
    }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap()
}

/// Whoever was ever named is found, or is nobody any more: no question is answered 5xx. The profiles.
async fn everybody_is_found(target: &Target, record: &Record) -> BTreeSet<String> {
    let mut profiles = BTreeSet::new();
    let mut answers: BTreeMap<u16, u64> = BTreeMap::new();
    for named in &record.named {
        let (status, _, body) = target.call("POST", "/v1/profiles/lookup", Some(&Record::identifier(named))).await;
        // An identifier of 100 KB is longer than any request.
        assert!(matches!(status, 200 | 400 | 404 | 413), "{:.300}: {status}: {body}", named.2);
        *answers.entry(status).or_default() += 1;
        profiles.extend(body["id"].as_str().filter(|_| status == 200).map(str::to_owned));
    }
    println!("lookups: {answers:?}");
    profiles
}

/// Everything in all pages; each answers, fits an answer, and comes once.
async fn pages(target: &Target, first: &str) -> Vec<Value> {
    let (mut all, mut seen) = (Vec::new(), BTreeSet::new());
    let mut cursor = String::new();
    for _ in 0..PAGES_MAX {
        let page = target.read(&format!("{first}&cursor={cursor}").replace("?&", "?")).await;
        assert!(page.to_string().len() < ANSWER_BYTES_MAX, "{first}");
        let items = page.get("items").or(page.get("events"));
        all.extend(items.and_then(Value::as_array).cloned().unwrap_or_default());
        match page["next"].as_str() {
            None => return all,
            Some(next) => cursor = escaped(next),
        }
        assert!(seen.insert(cursor.clone()), "{first}: a cursor comes twice");
    }
    panic!("{first}: more than {PAGES_MAX} pages")
}

/// Of the erased there is nothing: no item of their endpoints but what marks the erasure, and their addresses nowhere.
async fn nothing_is_left(attack: &Attack, rounds: usize) {
    let table = &attack.target.data.table;
    let items = attack.target.data.items().await;
    let mut gone: BTreeSet<String> = BTreeSet::new();
    let mut partitions: BTreeMap<String, String> = BTreeMap::new();
    let mut told: BTreeSet<String> = BTreeSet::new();
    for (person, named) in attack.record.people.iter().filter(|(person, _)| is_doomed(**person)).flat_map(erased) {
        let (scheme, scope, value) = named.clone();
        let scope = (!scope.is_empty()).then_some(scope);
        let identifier = Identifier { scheme, scope, value: value.clone(), attestation: Attestation::Provider };
        let Ok(key) = canonicalise(&identifier) else { continue };
        for basis in Basis::ALL {
            let eid = table.tenant_key().eid_of(&key, basis);
            partitions.insert(format!("main#E#{eid}"), value.clone());
        }
        if attack.record.told_of.contains(&person) {
            told.extend([value.clone(), key.value.clone()]);
        }
        gone.extend([value, key.value]);
    }
    println!("{} addresses of erased people are looked for in {} items", gone.len(), items.len());
    assert!(gone.len() > rounds, "{}", gone.len());
    let key = |item: &Item, name: &str| item[name].as_s().unwrap().clone();
    let mut left: Vec<String> = Vec::new();
    for item in &items {
        let (pk, sk) = (key(item, "pk"), key(item, "sk"));
        // The lock stays, so that nothing that was made before starts afterwards. It has keyed ids only.
        let stays = sk == "@" || ["F#", "Y#"].iter().any(|kind| sk.starts_with(kind));
        if let Some(value) = partitions.get(&pk).filter(|_| !stays) {
            left.push(format!("{pk} {sk} of {value}: {:.1500}", readable(item)));
        }
        let text = readable(item);
        // Other people's events, and the traits and delivery states that they gave, keep what they say.
        let is_said = ["V#", "A#", "T#"].iter().any(|kind| sk.starts_with(kind));
        let stays = |value: &String| is_said && told.contains(value) && !partitions.contains_key(&pk);
        let found = gone.iter().filter(|value| text.contains(value.as_str()) && !stays(value));
        left.extend(found.map(|value| format!("{value} in {pk} {sk}")));
    }
    for path in walk(&attack.target.data.blobs()) {
        let bytes = fs::read(&path).unwrap();
        let text = String::from_utf8_lossy(&unpacked(&bytes)).into_owned();
        // So do the webhooks that brought them, as a mail to several people.
        let found = gone.iter().filter(|value| text.contains(value.as_str()) && !told.contains(*value));
        left.extend(found.map(|value| format!("{value} in {}", path.display())));
    }
    assert!(left.is_empty(), "{} places: {:#?}", left.len(), &left[..left.len().min(30)]);
}

fn erased<'a>(
    (person, named): (&'a u64, &'a BTreeSet<(String, String, String)>),
) -> impl Iterator<Item = (u64, &'a (String, String, String))> {
    named.iter().map(|named| (*person, named))
}

/// All texts of an item, with its payloads unpacked.
fn readable(item: &Item) -> String {
    let mut text = String::new();
    for value in item.values() {
        match value {
            AttributeValue::S(one) => text.push_str(one),
            AttributeValue::B(frame) => text.push_str(&String::from_utf8_lossy(&unpacked(frame.as_ref()))),
            AttributeValue::Ss(all) => all.iter().for_each(|one| text.push_str(one)),
            _ => {}
        }
        text.push('\n');
    }
    text
}

fn unpacked(bytes: &[u8]) -> Vec<u8> {
    zstd::bulk::decompress(bytes, 64 << 20).unwrap_or_else(|_| bytes.to_vec())
}

/// Every file below a folder.
fn walk(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let entries = entries.map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}
