//! Where endpoints lead to while people are linked, parted, erased and come back: everybody is found, at every step.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

use rapport_model::event::{Attestation, Identifier};
use rapport_model::identity::{Closing, Edge, EdgeId, Evidence, Kind, Named, Pair, Rule, Source, partition};
use rapport_model::{Eid, EndpointKey, TenantKey, Timestamp};
use rapport_projections::rebuild_after_erasure::proceed;
use rapport_store::blobs::Blobs;
use rapport_store::identity::Party;
use rapport_store::{Access, Claim, Entropy, StoreError, Table};
use serde_json::Value;

use crate::support::engine::Engine;
use crate::support::{TABLE, rounds};

/// Ids of endpoints decide who is lower and whose profile stays: each trial has others.
const TRIALS: u64 = 20;
/// Sequences of the property test, usually and in `.ci/run`. Each is some forty steps.
const SEQUENCES: [u64; 2] = [6, 30];

/// w–z, x–y, y–z are linked, x–y is undone; then x is erased. Nobody erased y.
#[tokio::test]
async fn who_was_linked_with_somebody_who_is_erased_is_still_found() {
    for trial in 0..TRIALS {
        let people = People::new(trial, 4).await;
        let [w, x, y, z] = [0, 1, 2, 3];
        people.link(w, z, 10).await;
        people.link(x, y, 11).await;
        people.link(y, z, 12).await;
        people.unlink(x, y, 13).await;
        people.erase(x, 20).await.unwrap();
        people.check(&format!("trial {trial}")).await;
        people.link(w, y, 30).await;
        people.check(&format!("trial {trial}, linked again")).await;
    }
}

/// w–z, x–y, y–z are linked; then x is erased, which is all of them.
#[tokio::test]
async fn an_erasure_of_people_who_were_linked_in_any_order_ends() {
    for trial in 0..TRIALS {
        let people = People::new(trial, 4).await;
        for (at, (a, b)) in (10..).zip([(0, 3), (1, 2), (2, 3)]) {
            people.link(a, b, at).await;
        }
        people.erase(1, 20).await.unwrap();
        people.check(&format!("trial {trial}")).await;
        assert!(people.engine.items().iter().all(|item| item["addr"].is_null()), "trial {trial}: an address is left");
    }
}

/// Links, undone links, erasures and new words of the erased, in any order: after each step everybody who was ever named
/// is found, is with whom the evidence says, and of the erased nothing is left.
#[tokio::test]
async fn no_sequence_of_links_and_erasures_leaves_anybody_without_a_profile() {
    for seed in 0..rounds(SEQUENCES[0], SEQUENCES[1]) {
        let people = People::new(1_000 + seed, 7).await;
        let mut random = Random(seed * 7 + 1);
        let mut erased: BTreeMap<usize, Timestamp> = BTreeMap::new();
        for step in 1..=40 {
            let now = 100 * step;
            let (a, b) = (random.below(7), random.below(7));
            match random.below(10) {
                0..=5 if a != b => {
                    people.link(a, b, now).await;
                    erased.remove(&a);
                    erased.remove(&b);
                }
                6..=7 if a != b => people.unlink(a, b, now).await,
                8 => {
                    let members = people.table.find(&people.parties[a].eid).await.unwrap().members;
                    if people.erase(a, now).await.unwrap() {
                        let gone = (0..7).filter(|n| members.contains(&people.parties[*n].eid));
                        erased.extend(gone.map(|n| (n, now)));
                    }
                }
                _ => people.table.flatten(&people.parties[a].eid).await.unwrap(),
            }
            people.check(&format!("seed {seed}, step {step}")).await;
            for n in erased.keys() {
                let left = people.told(*n);
                assert_eq!(left, [] as [String; 0], "seed {seed}, step {step}: {n} was erased");
            }
        }
    }
}

/// What releases before 0.2 wrote: the forward of an erased endpoint's first profile was turned round.
#[tokio::test]
async fn a_way_that_leads_nowhere_is_told_from_contention_and_mended() {
    let mut broken = 0;
    for trial in 0..TRIALS {
        let people = People::new(trial, 4).await;
        for (at, (a, b)) in (10..).zip([(0, 3), (1, 2), (2, 3)]) {
            people.link(a, b, at).await;
        }
        people.unlink(1, 2, 13).await;
        people.turn_round(1).await;
        let lost: Vec<usize> = (0..4).filter(|n| people.is_lost(*n)).collect();
        for n in &lost {
            let told = people.table.find(&people.parties[*n].eid).await;
            assert!(matches!(told, Err(StoreError::Unreachable { .. })), "trial {trial}: {told:?}");
        }
        broken += lost.len();
        let mut place = None;
        let mut mended = 0;
        // Two items a step: a step may end anywhere.
        for _ in 0..1_000 {
            let step = people.table.repair(2, place.as_ref(), 50).await.unwrap();
            assert_eq!(step.left, [], "trial {trial}");
            mended += step.mended.len();
            place = step.next;
            if place.is_none() {
                break;
            }
        }
        assert_eq!((mended, &place), (lost.len(), &None), "trial {trial}");
        people.check(&format!("trial {trial}")).await;
        people.erase(2, 60).await.unwrap();
        people.check(&format!("trial {trial}, erased")).await;
    }
    assert!(broken > TRIALS as usize / 8, "only {broken} were ever broken: this tests nothing");
}

/// An endpoint whose root is gone altogether gets one of its own.
#[tokio::test]
async fn an_endpoint_that_no_profile_has_gets_one() {
    let people = People::new(1, 3).await;
    people.link(0, 1, 10).await;
    let nowhere = people.parties[2].eid.clone();
    people.update(&people.endpoint_pk(2), "SET ptr = :to", people.parties[0].eid.as_str()).await;
    assert!(matches!(people.table.find(&nowhere).await, Err(StoreError::Unreachable { .. })));
    let mut place = None;
    loop {
        let step = people.table.repair(100, place.as_ref(), 50).await.unwrap();
        assert_eq!(step.left, []);
        place = step.next;
        if place.is_none() {
            break;
        }
    }
    people.check("mended").await;
}

/// Some endpoints of a table in memory, under a tenant key of their own.
pub struct People {
    pub engine: Engine,
    pub table: Table,
    pub parties: Vec<Party>,
    named: Vec<Named>,
}

impl People {
    pub async fn new(seed: u64, count: usize) -> Self {
        let engine = Engine::new();
        let table = table(&engine, seed).await;
        let named: Vec<Named> = (0..count).map(|n| named(&table, n)).collect();
        // Of profiles of one age the lower id stays, which the tenant's key decides.
        for (n, named) in named.iter().enumerate() {
            let at = if seed < 1_000 { 1 } else { 1 + Random(seed + n as u64).below(3) as u64 };
            table.put_endpoint(named, at, at).await.unwrap();
        }
        Self { engine, parties: named.iter().map(Party::from).collect(), named, table }
    }

    pub async fn link(&self, a: usize, b: usize, now: Timestamp) {
        for end in [a, b] {
            self.table.put_endpoint(&self.named[end], now, now).await.unwrap();
        }
        let source = Source::Person { who: "ada".into(), why: String::new() };
        let evidence = Evidence { rule: Rule::Manual, source, at: now, last: now, old: None, now };
        self.table.prove(&self.parties[a], &self.parties[b], &evidence).await.unwrap();
    }

    async fn unlink(&self, a: usize, b: usize, now: Timestamp) {
        let pair = Pair::new(&self.parties[a].eid, &self.parties[b].eid).unwrap();
        let closing = Closing { who: "ada".into(), why: String::new(), at: now };
        self.table.unlink(&EdgeId { pair, rule: Rule::Manual }, &closing).await.unwrap();
    }

    /// Erases a person; no: there is nobody to erase.
    pub async fn erase(&self, n: usize, now: Timestamp) -> Result<bool, StoreError> {
        let eid = &self.parties[n].eid;
        let Some(mut erasure) = self.table.begin_erasure(eid, None, now).await? else { return Ok(false) };
        proceed(&self.table, &mut erasure, &[], now).await?;
        assert!(erasure.completed_at.is_some());
        Ok(true)
    }

    /// Everybody is found, with whom the evidence says.
    pub async fn check(&self, when: &str) {
        let items = self.engine.items();
        let edge = |item: &Value| item["edge"]["S"].as_str().map(|text| serde_json::from_str(text).unwrap());
        let edges: Vec<Edge> = items.iter().filter_map(edge).collect();
        let kinds: BTreeMap<Eid, Kind> =
            self.parties.iter().map(|party| (party.eid.clone(), party.kind.clone())).collect();
        for component in partition(&kinds, &edges, self.table.rules()).components {
            for eid in &component {
                let found = self.table.find(eid).await;
                let n = self.parties.iter().position(|party| party.eid == *eid).unwrap();
                let found = found.unwrap_or_else(|error| panic!("{when}: {n} is lost: {error}"));
                assert_eq!(found.members, component, "{when}: {n}");
            }
        }
    }

    /// What an endpoint's partition still tells.
    pub fn told(&self, n: usize) -> Vec<String> {
        let pk = self.endpoint_pk(n);
        let is_told = |item: &&Value| {
            item["pk"]["S"] == *pk && (item["sk"]["S"] != "@" || !item["addr"].is_null() || !item["seen"].is_null())
        };
        self.engine.items().iter().filter(is_told).map(Value::to_string).collect()
    }

    fn endpoint_pk(&self, n: usize) -> String {
        format!("main#E#{}", self.parties[n].eid)
    }

    /// As the release before did at the end of an endpoint's erasure.
    async fn turn_round(&self, n: usize) {
        let root = self.table.find(&self.parties[n].eid).await.unwrap();
        self.update(&format!("main#P#p{}", self.parties[n].eid), "SET fwd = :to REMOVE chg", root.pid.as_str()).await;
    }

    async fn update(&self, pk: &str, update: &str, to: &str) {
        use aws_sdk_dynamodb::types::AttributeValue::S;
        let (to, condition) = if pk.contains("#P#") {
            (to.to_owned(), "attribute_exists(fwd)")
        } else {
            (format!("p{to}"), "attribute_exists(pk)")
        };
        let update = self.engine.client().update_item().table_name(TABLE).update_expression(update);
        let update = update.key("pk", S(pk.to_owned())).key("sk", S("@".to_owned()));
        let _ = update.condition_expression(condition).expression_attribute_values(":to", S(to)).send().await;
    }

    /// Whether an endpoint's pointer and forwards lead to a root without it.
    fn is_lost(&self, n: usize) -> bool {
        let eid = self.parties[n].eid.as_str();
        let text = |item: &Option<Value>, name: &str| item.as_ref()?[name]["S"].as_str().map(str::to_owned);
        let at = self.engine.item(&self.endpoint_pk(n), "@");
        let mut pid = text(&at, "ptr").unwrap_or_else(|| format!("p{eid}"));
        loop {
            let root = self.engine.item(&format!("main#P#{pid}"), "@");
            match text(&root, "fwd") {
                Some(into) => pid = into,
                None => {
                    let Some(root) = root else { return pid != format!("p{eid}") };
                    let members: BTreeSet<&str> =
                        root["mem"]["SS"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
                    return !members.iter().any(|member| member.starts_with(eid));
                }
            }
        }
    }
}

fn named(table: &Table, n: usize) -> Named {
    let scheme = if n < 2 { "sms" } else { "chat" }.to_owned();
    let value = format!("person-{n}");
    let key = EndpointKey { scheme: scheme.clone(), scope: None, value: value.clone() };
    let identifier = Identifier { scheme, scope: None, value, attestation: Attestation::Agent };
    Named { eid: table.eid(&key), key, identifier, basis: rapport_model::Basis::Proven }
}

async fn table(engine: &Engine, seed: u64) -> Table {
    let drawn = AtomicU64::new(1 + seed);
    let streams = aws_sdk_dynamodbstreams::Config::builder()
        .behavior_version(aws_sdk_dynamodbstreams::config::BehaviorVersion::latest())
        .region(aws_sdk_dynamodbstreams::config::Region::from_static("local"))
        .http_client(engine.clone())
        .build();
    let mut tenant_key = [7; 32];
    tenant_key[..8].copy_from_slice(&seed.to_be_bytes());
    let access = Access {
        dynamodb: engine.client(),
        streams: aws_sdk_dynamodbstreams::Client::from_conf(streams),
        table: TABLE.to_owned(),
        tenant: "main".to_owned(),
        tenant_key: TenantKey::new(&tenant_key).unwrap(),
        blobs: Blobs::in_folder(std::env::temp_dir()),
        // No wait; ids differ. See `interleavings`.
        entropy: Entropy::of(move || u128::from(drawn.fetch_add(1, Ordering::Relaxed)) * 250 * 1024 * 0x1_0000_0001),
    };
    Table::attach(access, None, Claim::IfFree).await.unwrap()
}

/// A small generator (SplitMix64, Steele 2014), so that a seed in a failure repeats it.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }
}

/// So much hangs together that no transaction holds it: that is told from contention, and says what to do.
#[tokio::test]
async fn what_hangs_together_too_much_to_be_changed_is_refused_with_the_way_out() {
    let people = People::new(2, 46).await;
    people.link(0, 1, 10).await;
    // More evidence leads beyond the profile than is read for one change; since it is recorded, none comes to that by itself.
    let root = people.table.find(&people.parties[0].eid).await.unwrap();
    let beyond = (2..46).map(|n| Pair::new(&people.parties[0].eid, &people.parties[n].eid).unwrap());
    let beyond: Vec<String> = beyond.map(|pair| EdgeId { pair, rule: Rule::SamePayload }.to_string()).collect();
    people.engine.damage(&format!("main#P#{}", root.pid), "@", "sup", &serde_json::json!({"SS": beyond}));
    let pair = Pair::new(&people.parties[0].eid, &people.parties[1].eid).unwrap();
    let closing = Closing { who: "ada".into(), why: String::new(), at: 20 };
    let refused = people.table.unlink(&EdgeId { pair, rule: Rule::Manual }, &closing).await.unwrap_err();
    assert!(matches!(refused, StoreError::Entangled { .. }) && !refused.is_passing(), "{refused}");
    let problem = rapport_http::Problem::from(refused);
    assert_eq!((problem.status, problem.detail.contains("; fix: ")), (409, true), "{problem:?}");
}

/// A person with as many addresses as one may have, linked in a star: call by call, and nothing is left.
#[tokio::test]
async fn a_person_of_ninety_addresses_is_erased() {
    let people = People::new(3, 90).await;
    for n in 1..90 {
        people.link(0, n, 10).await;
    }
    assert_eq!(people.table.find(&people.parties[0].eid).await.unwrap().members.len(), 90);
    let eid = &people.parties[42].eid;
    let mut calls = 0;
    let mut erasure = people.table.begin_erasure(eid, None, 20).await.unwrap().unwrap();
    while erasure.completed_at.is_none() {
        proceed(&people.table, &mut erasure, &[], 20).await.unwrap();
        calls += 1;
    }
    assert!((2..10).contains(&calls), "{calls} calls: none may take longer than an HTTP API waits");
    assert_eq!(erasure.endpoints, 90);
    people.check("erased").await;
    for n in 0..90 {
        assert_eq!(people.told(n), [] as [String; 0], "{n}");
    }
}
