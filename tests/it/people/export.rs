//! What is known of a person, page by page: nothing twice, nothing left out, whatever happens between two pages.

use std::collections::BTreeSet;

use rapport_model::event::Attestation;
use rapport_model::identity::{Closing, Evidence, Pair, Rule, Source};
use rapport_model::{Eid, Identifier};
use rapport_store::RawWebhook;
use rapport_store::events::NewEvent;
use rapport_store::identity::Party;
use serde_json::{Value, json};

use crate::people::erasure::{identifier, said};
use crate::support::{Data, NOW, Service, fold_all, gateway, wa_eu};

const NUMBER: &[(&str, &str)] = &[("whatsapp", "16505551234"), ("phone", "+16505551234")];
const MAIL: &[(&str, &str)] = &[("email", "ada@example.org"), ("phone", "+16505551234")];
/// More than a page.
const EVENTS: u64 = 430;

#[tokio::test]
async fn an_export_has_everything_in_pages_that_fit_an_answer() {
    let service = Service::start([wa_eu()]).await;
    let table = &service.data.table;
    let who = |n: u64| if n.is_multiple_of(3) { MAIL } else { NUMBER };
    let mut events: Vec<NewEvent> =
        (0..EVENTS).map(|n| said(table, &n.to_string(), NOW - n, who(n), "hello")).collect();
    let claimed = identifier("email", "bob@example.org", Attestation::Customer);
    events[1].event.contact.identifiers.push(claimed);
    // A page ends by its size as well: these are 900 KB each, which is shown whole.
    for said in &mut events[2..8] {
        said.event.extensions.insert("long".into(), json!("x".repeat(900 << 10)));
    }
    let webhook = RawWebhook { method: "POST".into(), url: String::new(), headers: vec![], body: vec![] };
    table.put_events(events, webhook).await.unwrap();
    service.data.put(said(table, "bob", NOW, &[("email", "bob@example.org")], "I am Bob")).await;
    service.settle().await;

    let profile = service.look_up("email", "ada@example.org").await.unwrap();
    let target = format!("/v1/profiles/{}/export", profile["id"].as_str().unwrap());
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = service.read(&format!("{target}?cursor={cursor}")).await;
        assert!(page.to_string().len() < 6 << 20, "a Lambda function may answer 6 MB");
        let next = page["next"].as_str().map(str::to_owned);
        pages.push(page);
        match next {
            Some(next) => cursor = next,
            None => break,
        }
    }
    assert_eq!(pages.len(), 4, "one that ends by size, and three by number");
    let first = &pages[0];
    assert_eq!(first["profile"], profile);
    assert!(pages[1].get("profile").is_none() && pages[1].get("evidence").is_none());
    let evidence = first["evidence"].as_array().unwrap();
    assert_eq!(evidence.len(), 2);
    for reason in evidence {
        assert_eq!(reason["in_force"], true);
        let explanation = reason["explanation"].as_str().unwrap();
        assert!(explanation.ends_with("names both; attestation: provider"), "{explanation}");
        assert!(reason["a"]["value"].is_string() && reason["b"]["value"].is_string(), "{reason}");
    }
    let suggestion = &first["suggestions"].as_array().unwrap()[0];
    assert_eq!(suggestion["record"]["state"], "open");
    assert!(!suggestion.to_string().contains("bob@"), "whose address it is is nobody else's business");
    let exported: Vec<&Value> = pages.iter().flat_map(|page| page["events"].as_array().unwrap()).collect();
    assert_eq!(exported.len() as u64, EVENTS);
    let ids: Vec<String> = exported.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, (0..EVENTS).map(|n| n.to_string()).collect::<Vec<_>>(), "newest first, each once");
    assert_eq!(service.get(&format!("{target}?cursor=nonsense")).await.status, 400);
}

/// Between two pages events arrive, older and newer than the page's end, and an address is taken out and put in again.
#[tokio::test]
async fn pages_of_a_timeline_are_the_sorted_whole_whatever_happens_between_them() {
    for seed in 1..=6u64 {
        let data = Data::new().await;
        let table = &data.table;
        let mut random = seed;
        let mut below = |bound: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % bound
        };
        let third: &[(&str, &str)] = &[("sms", "+16505551234"), ("phone", "+16505551234")];
        let channels = [NUMBER, MAIL, third];
        // Few instants, so that several events share one.
        let mut before: BTreeSet<String> = BTreeSet::new();
        for n in 0..60 {
            let event = said(table, &format!("old{n}"), NOW - below(40), channels[n % 3], "hello");
            before.insert(event.event.id.clone());
            data.put(event).await;
        }
        fold_all(table, &mut data.stream().await).await;
        let gateway = gateway(table.clone(), []);
        let profile = look_up(&gateway).await;
        let pair = pair(table);

        let (mut shown, mut cursor, mut page) = (Vec::new(), None, 0);
        loop {
            let limit = 1 + usize::try_from(below(9)).unwrap();
            let timeline = gateway.people().timeline(&profile, limit, cursor.as_ref()).await.unwrap().unwrap();
            assert!(timeline.items.len() <= limit);
            shown.extend(timeline.items.iter().map(|item| {
                let text = |name: &str| item[name].as_str().unwrap().to_owned();
                (text("sequence"), text("partitionkey"), text("id"))
            }));
            cursor = timeline.next;
            if cursor.is_none() {
                break;
            }
            page += 1;
            let at = NOW - below(60) + 20;
            data.put(said(table, &format!("new{page}"), at, channels[page % 3], "while somebody reads")).await;
            if page == 3 {
                toggle(table, &pair, page).await;
            }
        }
        let mut sorted = shown.clone();
        sorted.sort_by(|a, b| (&b.0, &a.1).cmp(&(&a.0, &b.1)));
        assert_eq!(shown, sorted, "seed {seed}: newest first");
        let ids: Vec<&String> = shown.iter().map(|(_, _, id)| id).collect();
        let unique: BTreeSet<&String> = ids.iter().copied().collect();
        assert_eq!(ids.len(), unique.len(), "seed {seed}: none twice");
        assert!(before.iter().all(|id| unique.contains(id)), "seed {seed}: what was there before is shown");
    }
}

async fn look_up(gateway: &crate::support::Gateway) -> rapport_model::ProfileId {
    gateway.people().look_up("phone", None, "+16505551234").await.unwrap().unwrap().unwrap().id
}

fn pair(table: &rapport_store::Table) -> Pair {
    let eid = |scheme: &str, value: &str| -> Eid {
        let one: Identifier = identifier(scheme, value, Attestation::Provider);
        table.eid(&rapport_model::canonical::canonicalise(&one).unwrap())
    };
    Pair::new(&eid("email", "ada@example.org"), &eid("phone", "+16505551234")).unwrap()
}

/// Takes the mail address out of the profile, and puts it in again.
async fn toggle(table: &rapport_store::Table, pair: &Pair, page: usize) {
    let id = rapport_model::identity::EdgeId { pair: pair.clone(), rule: Rule::SamePayload };
    let closing = Closing { who: "a test".into(), why: "to see".into(), at: NOW };
    table.unlink(&id, &closing).await.unwrap();
    let [a, b]: [Party; 2] = table.parties(pair).await.unwrap();
    let source = Source::Person { who: "a test".into(), why: page.to_string() };
    let evidence = Evidence { rule: Rule::Manual, source, at: NOW, last: NOW, old: None, now: NOW };
    table.prove(&a, &b, &evidence).await.unwrap();
}
