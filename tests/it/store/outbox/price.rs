//! What one text costs in write units, as the database counts them (`ReturnConsumedCapacity`): printed line by line.

use rapport_model::Event;
use rapport_model::event::{Author, Body, Contact, Covered, Delivery, DeliveryState};
use rapport_model::exchange::{Answer, Response};
use rapport_model::sending::Accepted;
use rapport_model::sending::intent::{End, Intent, Pin, Report};
use rapport_model::sending::lock::Ask;
use rapport_model::sending::rate::Rate;
use rapport_projections::fold::fold_batch;
use rapport_store::events::{Logged, NewEvent};
use rapport_store::heads::Sequence;
use rapport_store::outbox::claims::Claim;
use rapport_store::outbox::intents::{Changed, StoredIntent};
use rapport_store::outbox::lock::Marked;
use rapport_store::stream::Inserted;

use super::Outbox;
use crate::people::erasure::said;
use crate::support::NOW;

/// Write units of one text with a key, its own fold included; the index of the inbox comes with its own issue and takes one.
const TEXT_UNITS_MAX: f64 = 8.0;
/// A text of so many characters is a usual one.
const TEXT_CHARACTERS: usize = 300;

struct Table {
    outbox: Outbox,
    lines: Vec<(String, f64)>,
}

impl Table {
    /// Counts what was written since the last step.
    fn step(&mut self, name: &str) {
        let reads = ["GetItem", "Query", "BatchGetItem"];
        let writes = self.outbox.engine.take_consumed().into_iter();
        let units = writes.filter(|one| !reads.contains(&one.operation.as_str())).map(|one| one.units).sum();
        self.lines.push((name.to_owned(), units));
    }
}

fn text(characters: usize) -> String {
    let words =
        "Your order 4711 left our house this morning and will be with you on Thursday between nine and eleven. ";
    words.chars().cycle().take(characters).collect()
}

fn event_of(intent: &Intent, outbox: &Outbox, text: &str) -> NewEvent {
    let reference = intent.reference(0).write(outbox.table.tenant_key());
    let mut asked = said(&outbox.table, "x", NOW, &[("whatsapp", "16505551234")], text);
    let Body::Message(message) = &mut asked.event.body else { panic!("it is a message") };
    message.id = "wamid.HBgLMTY1MDU1NTEyMzQVAgARGBI5QTNDQTVCM0Q0Q0Q2RTY3RTcA".into();
    message.author = Author::Agent;
    let event = Event {
        id: reference,
        at: NOW,
        account: "account".into(),
        contact: Contact { identifiers: vec![intent.draft.route.to.clone()], ..Contact::default() },
        body: asked.event.body,
        extensions: Default::default(),
    };
    let key = outbox.table.tenant_key().event_key(NOW, "account", &event.id).unwrap();
    let connector_digest = "0".repeat(64);
    let eid = outbox.of.eid.clone();
    NewEvent { eid, key, event, connection: "wa-eu".into(), connector_digest, received_at: NOW }
}

async fn fold(outbox: &Outbox, new: &NewEvent, number: u64) {
    let Some(Logged::Event(stored)) = outbox.table.logged(&new.eid, &new.key).await.unwrap() else {
        panic!("it is there")
    };
    let inserted = Inserted { sequence: Sequence::new(&number.to_string()), stored: *stored };
    fold_batch(&outbox.table, &[inserted], NOW).await.unwrap();
}

fn sent(intent: &StoredIntent, body: &[u8]) -> Report {
    let answer = Response { status: 200, headers: vec![], body: Answer::Bytes(body.to_vec()) };
    Report {
        attempt: 1,
        step: 0,
        pin: Pin { now: NOW, connector: "0".repeat(64), configuration: "1".repeat(64) },
        exchanges: vec![Ok(answer)],
        is_bound: true,
        accepted: vec![Accepted {
            part: intent.part(),
            id: "wamid.HBgLMTY1MDU1NTEyMzQVAgARGBI5QTNDQTVCM0Q0Q0Q2RTY3RTcA".into(),
        }],
        end: Some(End::Done),
    }
}

#[tokio::test]
async fn one_text_costs_at_most_nine_write_units_all_in() {
    let mut outbox = Outbox::new().await;
    outbox.of.account = "account".into();
    // A customer who has written before: the head is there.
    let asked = said(&outbox.table, "1", NOW - 5_000, &[("whatsapp", "16505551234")], "where is it?");
    outbox.of.eid = asked.eid.clone();
    let webhook =
        rapport_store::RawWebhook { method: "POST".into(), url: String::new(), headers: vec![], body: vec![] };
    outbox.table.put_events(vec![asked.clone()], webhook).await.unwrap();
    fold(&outbox, &asked, 1).await;
    outbox.engine.take_consumed();
    let text = text(TEXT_CHARACTERS);
    let intent = outbox.intent(0, &[&text]);
    let of = outbox.of.clone();
    let mut price = Table { outbox, lines: Vec::new() };

    let table = price.outbox.table.clone();
    let claim = Claim {
        intent: intent.id.clone(),
        eid: of.eid.clone(),
        account: of.account.clone(),
        connection: "wa-eu".into(),
        created_at: NOW,
    };
    table.claim_intent(("desk", "order-4711"), text.as_bytes(), &claim).await.unwrap();
    price.step("claim of the idempotency key");
    table.put_intent(&intent).await.unwrap();
    price.step("intent");
    let rate = Rate { tokens: 80, per_ms: 1_000, burst: 80 };
    table.take_tokens(("wa-eu", "messages"), &rate, 1, NOW).await.unwrap();
    price.step("rate, if nobody else took a lease");
    let stored = table.intent(&of.eid, &intent.id).await.unwrap().unwrap();
    let lock = table.lock(&of).await.unwrap();
    let ask = Ask::of(&stored, table.draw_token(), NOW);
    let Marked::Won(marker) = table.put_marker(&of, &lock, &ask).await.unwrap() else { panic!("it may start") };
    price.step("start marker");
    let new = event_of(&stored, &price.outbox, &text);
    table.put_sent(new.clone(), &stored.origin(0, &marker.started)).await.unwrap();
    price.step("event on the timeline");
    let changed = table.change_intent(&stored, |now| now.recorded(&sent(&stored, text.as_bytes()))).await.unwrap();
    assert!(matches!(changed, Changed::Done(_)));
    price.step("record");
    fold(&price.outbox, &new, 2).await;
    price.step("fold of the event: head");

    println!("| write | units |\n|---|---|");
    for (name, units) in &price.lines {
        println!("| {name} | {units} |");
    }
    let sum: f64 = price.lines.iter().map(|(_, units)| units).sum();
    println!("| **one text of {TEXT_CHARACTERS} characters** | **{sum}** |");
    assert!(sum <= TEXT_UNITS_MAX, "{sum}");
    for name in ["intent", "start marker", "claim of the idempotency key", "event on the timeline"] {
        let units = price.lines.iter().find(|(found, _)| found == name).map(|(_, units)| *units);
        assert_eq!(units, Some(1.0), "{name}");
    }
    table.release_marker(&of, &marker.token, true).await.unwrap();
    let release = price.outbox.engine.take_consumed().iter().map(|one| one.units).sum::<f64>();
    println!("a release, where the next start does not replace the marker: {release}");
    assert!(release <= 1.0, "{release}");
}

/// Write units of a report about a message of ours, its fold included: event, head, and how far the message got.
const STATUS_UNITS_MAX: f64 = 3.0;

#[tokio::test]
async fn a_status_costs_at_most_three_write_units_all_in() {
    let mut outbox = Outbox::new().await;
    outbox.of.account = "account".into();
    let asked = said(&outbox.table, "1", NOW - 5_000, &[("whatsapp", "16505551234")], "where is it?");
    outbox.of.eid = asked.eid.clone();
    let webhook =
        || rapport_store::RawWebhook { method: "POST".into(), url: String::new(), headers: vec![], body: vec![] };
    outbox.table.put_events(vec![asked.clone()], webhook()).await.unwrap();
    fold(&outbox, &asked, 1).await;
    let intent = outbox.intent(0, &["on Thursday"]);
    let stored = outbox.put(&intent).await;
    let (table, of) = (outbox.table.clone(), outbox.of.clone());
    let lock = table.lock(&of).await.unwrap();
    let ask = Ask::of(&stored, table.draw_token(), NOW);
    let Marked::Won(marker) = table.put_marker(&of, &lock, &ask).await.unwrap() else { panic!("it may start") };
    let new = event_of(&stored, &outbox, "on Thursday");
    table.put_sent(new.clone(), &stored.origin(0, &marker.started)).await.unwrap();
    table.change_intent(&stored, |now| now.recorded(&sent(&stored, b"{}"))).await.unwrap();
    fold(&outbox, &new, 2).await;
    outbox.engine.take_consumed();

    let mut price = Table { outbox, lines: Vec::new() };
    let reference = stored.reference(0).write(table.tenant_key());
    let id = "wamid.HBgLMTY1MDU1NTEyMzQVAgARGBI5QTNDQTVCM0Q0Q0Q2RTY3RTcA".to_owned();
    let states = [DeliveryState::Sent, DeliveryState::Delivered, DeliveryState::Read];
    for (number, state) in states.into_iter().enumerate() {
        let at = NOW + 1_000 * (number as u64 + 1);
        let mut report = said(&table, "x", at, &[("whatsapp", "16505551234")], "");
        let name = state.name().to_owned();
        let delivery =
            Delivery { reference: Some(reference.clone()), ..Delivery::new(Covered::Message(id.clone()), state) };
        report.event.id = format!("{id}:{name}");
        report.event.body = Body::Delivery(delivery);
        report.key = table.tenant_key().event_key(at, "account", &report.event.id).unwrap();
        table.put_events(vec![report.clone()], webhook()).await.unwrap();
        price.step(&format!("`{name}`: event"));
        fold(&price.outbox, &report, 3 + number as u64).await;
        price.step(&format!("`{name}`: fold: head, and how far the message got"));
    }
    println!("| write | units |\n|---|---|");
    for (name, units) in &price.lines {
        println!("| {name} | {units} |");
    }
    for pair in price.lines.chunks(2) {
        let sum: f64 = pair.iter().map(|(_, units)| units).sum();
        assert!(sum <= STATUS_UNITS_MAX, "{pair:?}");
    }
}
