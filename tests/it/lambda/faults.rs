//! Functions whose way to the table fails: throttled, reset, answers lost after the write was done. The provider delivers
//! until it is answered 200, and then nothing is missing and nothing is there twice.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rapport_model::canonical::canonicalise;
use rapport_model::event::{Attestation, Identifier};
use rapport_store::Table;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::deployment::{Ran, World};
use crate::support::events::{Door, text_webhook};
use crate::support::faults::{Faults, Weather};
use crate::support::mapping::Mapping;
use crate::support::{Data, Text, eventually_within, fold_all, gateway};

const CUSTOMERS: usize = 8;
const TEXTS_OF_EACH: usize = 8;
/// No course of events is so bad.
const DELIVERIES_MAX: usize = 50;
/// Functions that take webhooks at the same time.
const FUNCTIONS: usize = 3;
/// Another seed is another course of events.
const SEED: u64 = 20_261_122;

/// What a function that takes webhooks meets: one request for each.
const OF_WEBHOOKS: Weather = Weather { per_mille: 250, throttled: 12 };
/// The fold makes some ten requests for a new customer.
const OF_THE_FOLD: Weather = Weather { per_mille: 100, throttled: 5 };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_fails_on_the_way_to_the_table_nothing_is_lost_and_nothing_doubled() {
    let world = World::new().await;
    let table = world.data.embedded.address();
    let texts: Arc<Vec<Text>> = Arc::new(texts());
    let mut faults = vec![Faults::between(table, OF_THE_FOLD, SEED).await];
    let fold = start(&world, "fold", &faults[0]).await;
    let mut background = JoinSet::new();
    background.spawn(Mapping::of(table).await.run(fold));

    let (next, mut providers) = (Arc::new(AtomicUsize::new(0)), JoinSet::new());
    for n in 1..=FUNCTIONS as u64 {
        let way = Faults::between(table, OF_WEBHOOKS, SEED + n).await;
        let function = start(&world, "webhook", &way).await;
        faults.push(way);
        let (texts, next, table) = (Arc::clone(&texts), Arc::clone(&next), world.data.table.clone());
        providers.spawn(async move {
            let mut answers = BTreeMap::new();
            while let Some(text) = texts.get(next.fetch_add(1, Ordering::Relaxed)) {
                deliver(&function, &table, text, &mut answers).await;
            }
            answers
        });
    }
    let answers = providers.join_all().await;
    let sum = |status: u16| answers.iter().filter_map(|answers| answers.get(&status)).sum::<u64>();
    println!("answers: {answers:?}");
    assert!(sum(503) > 0, "a course of events on which nothing was delivered again");
    assert_eq!(sum(200) as usize, texts.len() * 2);

    assert_eq!(world.events().await, texts.len(), "each is in the table, once");
    for customer in customers() {
        let counted = async || (world.messages_of(&customer).await == TEXTS_OF_EACH as u64).then_some(());
        // What met an error for too long is set aside, and taken up again after waits that double.
        eventually_within(Duration::from_secs(180), "each is folded, and once", counted).await;
    }
    let (found, expected) = (profiles(&world.data.table).await, profiles(&undisturbed(&texts).await.table).await);
    for (customer, expected) in expected {
        assert_eq!(found[&customer], expected);
    }
    let fired: Vec<_> = faults.iter().map(Faults::fired).collect();
    println!("faults: {fired:?}");
    assert_eq!(fired.iter().flat_map(|fired| fired.keys()).collect::<BTreeSet<_>>().len(), 7, "each kind happened");
}

/// Delivers until it is taken, and once more: the provider may not have heard it.
async fn deliver(function: &Ran, table: &Table, text: &Text, answers: &mut BTreeMap<u16, u64>) {
    let mut taken = 0;
    for _ in 0..DELIVERIES_MAX {
        let answer = function.ask(&text_webhook(text).through(Door::HttpApi)).await;
        *answers.entry(answer.status).or_default() += 1;
        match answer.status {
            200 => assert!(is_stored(table, text).await, "answered 200 and lost: {text:?}"),
            503 => continue,
            _ => panic!("{answer:?}"),
        }
        taken += 1;
        if taken == 2 {
            return;
        }
    }
    panic!("not taken twice in {DELIVERIES_MAX} deliveries: {text:?}");
}

async fn is_stored(table: &Table, text: &Text) -> bool {
    let named = Identifier {
        scheme: "whatsapp".to_owned(),
        scope: None,
        value: text.from.clone(),
        attestation: Attestation::Provider,
    };
    let eid = table.eid(&canonicalise(&named).unwrap());
    let stored = table.newest_events(&eid, Bound::Unbounded, TEXTS_OF_EACH).await.unwrap();
    stored.into_iter().any(|stored| stored.event.id == text.id)
}

/// Who each customer is and what they said, as the API shows it.
async fn profiles(table: &Table) -> BTreeMap<String, Value> {
    let gateway = gateway(table.clone(), []);
    let mut profiles = BTreeMap::new();
    for customer in customers() {
        let profile = gateway.people().look_up("whatsapp", None, &customer).await.unwrap().unwrap().unwrap();
        let timeline = gateway.people().timeline(&profile.id, 200, None).await.unwrap().unwrap();
        let (profile, timeline) = (serde_json::to_value(profile).unwrap(), serde_json::to_value(timeline).unwrap());
        // Not when each arrived.
        let events: Vec<_> =
            timeline["items"].as_array().unwrap().iter().map(|event| (&event["id"], &event["data"])).collect();
        profiles.insert(customer, json!({"profile": profile, "events": events}));
    }
    profiles
}

/// The same webhooks where nothing fails.
async fn undisturbed(texts: &[Text]) -> Arc<Data> {
    let world = World::new().await;
    world.put_texts(texts.iter().cloned()).await;
    fold_all(&world.data.table, &mut world.data.stream().await).await;
    Arc::clone(&world.data)
}

async fn start(world: &World, handler: &str, way: &Faults) -> Ran {
    let table = format!("http://{}", way.address);
    world.start_with(handler, &[("AWS_ENDPOINT_URL_DYNAMODB", &table)]).await
}

/// One text of each customer after the other.
fn texts() -> Vec<Text> {
    let all = (0..TEXTS_OF_EACH).flat_map(|n| customers().map(move |customer| Text::new(&customer, n as u64)));
    all.collect()
}

fn customers() -> impl Iterator<Item = String> {
    (0..CUSTOMERS).map(|n| format!("1650555{n:04}"))
}
