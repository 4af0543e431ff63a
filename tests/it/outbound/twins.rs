//! Every mutant of the model is caught in the code, too. Most have a twin there: a [`Mistake`] of the same name, which a test of
//! the code makes and notices. The others are conditions of pure functions, or of parts that the model only stands for: each names
//! the test of the code that holds it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

use rapport_connections::{Asked, NotRun};
use rapport_model::event::{Body, Control, Controller, Event};
use rapport_model::identity::named;
use rapport_model::sending::intent::Intent;
use rapport_model::sending::lock::{Ask, Holder, Lock};
use rapport_model::sending::{Accepted, IntentId, Next, Operation, Outcome, Turn, sent};
use rapport_outbound::connectors::{Away, Leaving, Work};
use rapport_outbound::{Connectors, Limits, Outbound, Reply, Versions, Worker};
use rapport_projections::settlement::settle;
use rapport_store::blobs::Blobs;
use rapport_store::events::{Logged, NewEvent};
use rapport_store::outbox::intents::Conversation;
use rapport_store::outbox::lock::Marked;
use rapport_store::{Mistake, Table, Written};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::interleaved::{Unheard, answer, intents, request};
use super::model::mutants::Mutant::{self, *};
use crate::connectors::repository;
use crate::people::erasure::said;
use crate::support::engine::{Engine, table_of};
use crate::support::{Data, NOW, Service, fold_all, gateway, hostile};

/// Mutants without a twin, and the tests that hold their conditions in the code.
const HELD_BY: &[(Mutant, &str)] = &[
    (NewDeadlineInsteadOfWritten, "a_lost_answer_changes_nothing"),
    (NoDeadlineMargin, "a_request_has_what_is_left_until_the_deadline_that_is_written"),
    (StopKeepsMarker, "a_release_without_a_request_gives_the_turn_back"),
    (SocketOutlivesWorker, "each_request_has_a_connection_of_its_own_that_is_closed_when_it_ends"),
    (
        TwoNonRepeatablesInAStep,
        "a_connector_whose_upload_is_the_message_itself_fails_after_one_request_and_never_over_a_person",
    ),
    (RejectionIgnoresAttempt, "who_changes_what_somebody_else_has_changed_looks_again"),
    (RecordIgnoresAttempt, "a_new_connector_starts_over_only_what_has_started_nothing"),
    (LateAnswerRevives, "a_late_answer_ends_an_unknown_intent_and_never_sets_it_going_again"),
    (ReclaimWithoutStepCheck, "a_marker_past_its_deadline_ends_its_intent_or_starts_it_again"),
    (RestartForgetsStart, "a_marker_past_its_deadline_ends_its_intent_or_starts_it_again"),
    (RestartRewritesStart, "a_marker_past_its_deadline_ends_its_intent_or_starts_it_again"),
    // The code reads the lock, and has no place for the newest five events.
    (NewestFiveInsteadOfLock, "a_foreign_message_takes_the_conversation_once_before_it_is_answered"),
    (StartedIsRefused, "a_marker_past_its_deadline_ends_its_intent_or_starts_it_again"),
    (EndsWithoutTheLock, "a_cancel_is_refused_while_a_request_of_it_is_under_way"),
    (CutIsRefused, "what_stops_between_two_parts_is_cut_and_says_why"),
    (IdDrawnAfterLook, "nothing_is_sent_to_an_address_that_is_erased"),
    (ResendTwice, "an_unknown_message_is_sent_again_once_and_only_by_an_agent"),
    (WakeWithoutNet, "a_lost_wake_of_the_api_is_made_good_by_the_fold_and_one_of_the_fold_by_a_note"),
    (WakeComesBackEarly, "a_turn_for_which_there_is_no_time_has_a_new_wake_and_nothing_leaves"),
    (WakeDeletedFirst, "one_bad_wake_does_not_stop_the_batch"),
    (NoLookAfterRelease, "intents_leave_in_the_order_in_which_they_are_due_and_parts_in_theirs"),
    (NoRefillAtStart, "a_process_that_starts_finds_what_is_unfinished_and_then_hears_wakes"),
    (RefillOnce, "nothing_is_sent_twice_whatever_the_network_and_the_machines_do"),
    (WaitingBlocks, "what_was_not_sent_waits_and_is_overtaken_only_after_a_minute"),
    (ExpiryBeforeMarkerOnly, "nothing_is_sent_twice_whatever_the_network_and_the_machines_do"),
    (ExpiryIgnored, "a_put_that_is_repeated_after_its_time_makes_an_expired_intent"),
    (VersionChangeRestartsStarted, "a_new_connector_starts_over_only_what_has_started_nothing"),
    (RestartsWithoutTheLock, "a_cancel_is_refused_while_a_request_of_it_is_under_way"),
    (VersionChangeKeepsHistory, "a_new_connector_starts_over_only_what_has_started_nothing"),
    // The instant of an erasure only grows, so closing again changes nothing.
    (ErasureClosesAgain, "whatever_is_done_to_a_lock_the_item_is_what_the_pure_functions_say"),
    (EraBeforeClosing, "an_erasure_waits_for_a_message_that_is_under_way_and_then_nothing_is_left"),
    (FenceRecomputedAfterErasure, "an_erasure_waits_for_a_message_that_is_under_way_and_then_nothing_is_left"),
    (ClosedRefusesInsteadOfDeletes, "an_erasure_waits_for_a_message_that_is_under_way_and_then_nothing_is_left"),
    (ErasedByAbsence, "an_erasure_waits_for_a_message_that_is_under_way_and_then_nothing_is_left"),
];

#[test]
fn no_mutant_of_the_model_is_forgotten_in_the_code() {
    let twins: BTreeSet<String> = Mistake::ALL.iter().map(|mistake| format!("{mistake:?}")).collect();
    let held: BTreeSet<String> = HELD_BY.iter().map(|(mutant, _)| format!("{mutant:?}")).collect();
    let mutants: BTreeSet<String> = Mutant::ALL.iter().map(|mutant| format!("{mutant:?}")).collect();
    let both: Vec<_> = twins.intersection(&held).collect();
    assert!(both.is_empty(), "{both:?} have a twin; fix: take them out of `HELD_BY`");
    let covered: BTreeSet<String> = twins.union(&held).cloned().collect();
    let forgotten: Vec<_> = mutants.difference(&covered).collect();
    assert!(
        forgotten.is_empty(),
        "{forgotten:?} have neither a twin nor a test; fix: a `Mistake` and a test that makes it"
    );
    let unknown: Vec<_> = covered.difference(&mutants).collect();
    assert!(unknown.is_empty(), "{unknown:?} are in the code and not in the model");

    let sources = sources();
    let tests = |name: &str| sources.iter().any(|(_, text)| text.contains(&format!("fn {name}(")));
    let missing: Vec<_> = HELD_BY.iter().filter(|(_, test)| !tests(test)).collect();
    assert!(missing.is_empty(), "{missing:?}: there is no such test");
    let is_made = |mistake: &str| {
        sources.iter().any(|(path, text)| path.contains("tests/it/") && text.contains(&format!("Mistake::{mistake}")))
    };
    let unmade: Vec<_> = twins.iter().filter(|mistake| !is_made(mistake)).collect();
    assert!(unmade.is_empty(), "{unmade:?} are made by no test");
    println!("{} mutants: {} have a twin, {} are held by a test", mutants.len(), twins.len(), held.len());
}

/// Where tests of sending are, each file with its path.
fn sources() -> Vec<(String, String)> {
    let folders = ["tests/it", "host/model/src/sending"];
    let mut found = Vec::new();
    folders.iter().for_each(|folder| read(&repository().join(folder), &mut found));
    found
}

fn read(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            read(&entry, found);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            found.push((entry.display().to_string(), std::fs::read_to_string(&entry).unwrap()));
        }
    }
}

fn conversation(table: &Table) -> Conversation {
    let key = rapport_model::EndpointKey { scheme: "hostile".into(), scope: None, value: "someone".into() };
    Conversation { eid: table.eid(&key), account: "hostile".into() }
}

/// What the lock says right after a webhook was answered 200, by a service that makes a mistake.
async fn lock_after(mistake: Option<Mistake>, more: Value) -> Lock {
    let data = Data::new().await;
    let table = mistake.map_or_else(|| data.table.clone(), |mistake| data.table.clone().with_mistake(mistake));
    let of = conversation(&table);
    let gateway = gateway(table, [hostile("shop", json!({"by-body": true}))]);
    let service = Service::of(gateway, Arc::clone(&data)).await;
    let mut body = json!({"behaviour": "good", "id": "m-1", "at": NOW - 5_000, "from": "someone", "text": "hello"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    assert_eq!(service.deliver_to("shop", &body).await.status, 200);
    data.table.lock(&of).await.unwrap()
}

#[tokio::test]
async fn a_webhook_that_leaves_the_lock_to_the_fold_is_noticed() {
    let foreign = json!({"author": "agent"});
    assert_eq!(lock_after(None, foreign.clone()).await.holder, Holder::Agent(None));
    assert_eq!(lock_after(Some(Mistake::DoorLeavesItToTheFold), foreign).await.holder, Holder::Nobody);
    let stop = json!({"behaviour": "stop", "when": "after", "purpose": "marketing"});
    assert!(lock_after(None, stop.clone()).await.is_stopped("marketing"));
    assert!(!lock_after(Some(Mistake::DoorLeavesItToTheFold), stop).await.is_stopped("marketing"));
}

#[tokio::test]
async fn an_echo_of_ours_that_counts_as_a_message_is_noticed() {
    let data = Data::new().await;
    let intent = IntentId::new(NOW, 7).unwrap();
    let eid = conversation(&data.table).eid;
    let ours = rapport_model::sending::reference::Reference { eid, intent, part: 0 }.write(data.table.tenant_key());
    let echo = json!({"author": "agent", "reference": ours});
    assert_eq!(lock_after(None, echo.clone()).await, Lock::default());
    assert_eq!(lock_after(Some(Mistake::EchoAsMessage), echo).await.holder, Holder::Agent(None));
}

#[tokio::test]
async fn a_command_that_is_answered_before_the_lock_has_moved_is_noticed() {
    for (mistake, holder) in [(None, "agent"), (Some(Mistake::TakeoverOnlyAsEvent), "nobody")] {
        let data = Data::new().await;
        let table = mistake.map_or_else(|| data.table.clone(), |mistake| data.table.clone().with_mistake(mistake));
        let of = conversation(&table);
        let gateway = gateway(table, [hostile("shop", json!({"by-body": true}))]);
        let service = Service::of(gateway, data).await;
        let hello = json!({"behaviour": "good", "id": "m-1", "at": NOW - 5_000, "from": "someone", "text": "hello"});
        assert_eq!(service.deliver_to("shop", &hello).await.status, 200);
        service.settle().await;
        let taken = service.post(&format!("/v1/conversations/{}/take", of.eid), &Value::Null).await;
        assert_eq!((taken.status, &taken.json()["holder"]["role"]), (200, &json!(holder)), "{taken:?}");
    }
}

#[tokio::test]
async fn a_fold_that_leaves_control_where_a_dead_server_left_it_is_noticed() {
    for (mistake, holder) in [(None, Holder::Agent(None)), (Some(Mistake::FoldLeavesControl), Holder::Nobody)] {
        let data = Data::new().await;
        let table = mistake.map_or_else(|| data.table.clone(), |mistake| data.table.clone().with_mistake(mistake));
        let ada = [("whatsapp", "16505551234")];
        data.put(said(&table, "1", NOW - 5_000, &ada, "hello")).await;
        // The event of a command whose server died before it wrote the lock.
        let mut command = said(&table, "2", NOW, &ada, "");
        command.event = Event { body: Body::Control(Control::held_by(Controller::Agent)), ..command.event };
        command.connector_digest = String::new();
        let of = Conversation { eid: command.eid.clone(), account: command.event.account.clone() };
        data.put(command).await;
        fold_all(&table, &mut data.stream().await).await;
        assert_eq!(table.lock(&of).await.unwrap().holder, holder, "{mistake:?}");
    }
}

#[tokio::test]
async fn a_report_that_makes_an_erased_endpoint_known_again_is_noticed() {
    let data = Data::new().await;
    let table = &data.table;
    let hello = said(table, "1", NOW - 5_000, &[("whatsapp", "16505551234")], "hello");
    let contact = hello.event.contact.clone();
    data.put(hello.clone()).await;
    fold_all(table, &mut data.stream().await).await;
    let mut erasure = table.begin_erasure(&hello.eid, None, NOW).await.unwrap().unwrap();
    rapport_projections::rebuild_after_erasure::proceed(table, &mut erasure, &[], NOW).await.unwrap();
    assert!(erasure.completed_at.is_some());
    let endpoint = named(table.tenant_key(), table.rules(), &contact).remove(0);
    let later = (NOW + 60_000, NOW + 60_000);
    assert_eq!(table.note_endpoint(&endpoint, later.0, later.1).await.unwrap(), Written::No);
    let careless = table.clone().with_mistake(Mistake::StatusRevivesEndpoint);
    assert_eq!(careless.note_endpoint(&endpoint, later.0, later.1).await.unwrap(), Written::Yes);
}

/// An outbox of its own: a table in memory, and the four messages of the interleavings.
async fn outbox(mistake: Option<Mistake>) -> (Table, Vec<Intent>, TempDir) {
    let (engine, folder) = (Engine::new(), TempDir::new().unwrap());
    let table = table_of(&engine, "main".to_owned(), Blobs::in_folder(folder.path())).await;
    let intents = intents(&table, &conversation(&table).eid);
    (mistake.map_or(table.clone(), |mistake| table.with_mistake(mistake)), intents, folder)
}

#[tokio::test]
async fn a_fold_that_does_not_settle_by_our_own_event_is_noticed() {
    for (mistake, state) in [(None, "sent"), (Some(Mistake::OwnEventSettlesNothing), "pending")] {
        let (table, intents, _folder) = outbox(mistake).await;
        let intent = &intents[3];
        let of = Conversation { eid: intent.birth.eid.clone(), account: intent.birth.account.clone() };
        table.put_intent(intent).await.unwrap();
        let stored = table.intent(&of.eid, &intent.id).await.unwrap().unwrap();
        let ask = Ask::of(&stored, table.draw_token(), NOW);
        let lock = table.lock(&of).await.unwrap();
        let Marked::Won(marker) = table.put_marker(&of, &lock, &ask).await.unwrap() else { panic!("it may start") };
        // Its worker puts the event, and dies before the record.
        let (key, event) = sent::event(&stored, 0..1, Some("m1"), &marker.started, table.tenant_key()).unwrap();
        let (eid, connection) = (of.eid.clone(), "courier".to_owned());
        let new =
            NewEvent { eid, key: key.clone(), event, connection, connector_digest: String::new(), received_at: NOW };
        table.put_sent(new, &stored.origin(0, &marker.started)).await.unwrap();
        let Some(Logged::Event(own)) = table.logged(&of.eid, &key).await.unwrap() else { panic!("it is there") };
        settle(&table, &own, NOW).await.unwrap();
        assert_eq!(table.intent(&of.eid, &intent.id).await.unwrap().unwrap().state.word(), state, "{mistake:?}");
    }
}

/// A connector of one request for each part. While it is asked for the first time, an older message is put.
struct Overtaken {
    table: Table,
    older: Mutex<Option<Intent>>,
    left: Mutex<Vec<String>>,
}

impl Connectors for Overtaken {
    fn versions(&self, _: &str) -> Result<Versions, Away> {
        Ok(Versions { connector: "c".into(), configuration: "k".into() })
    }

    fn limits(&self, _: &str) -> Limits {
        rapport_outbound::connectors::LIMITS
    }

    fn run<'a>(&'a self, _: &'a str, asked: Asked) -> Work<'a, Result<Turn, NotRun>> {
        Box::pin(async move {
            let older = self.older.lock().unwrap().take();
            if let Some(older) = older {
                self.table.put_intent(&older).await.unwrap();
            }
            let Operation::Send(message) = &asked.operation else { panic!("{:?}", asked.operation) };
            if asked.history.is_empty() {
                let next = Next::Perform(vec![request(&message.reference)]);
                return Ok(Turn { so_far: Outcome::default(), next });
            }
            let accepted = vec![Accepted { part: 0, id: "m1".into() }];
            Ok(Turn { so_far: Outcome { accepted, ..Outcome::default() }, next: Next::Done })
        })
    }

    fn perform<'a>(&'a self, leaving: Leaving<'a>) -> Work<'a, Reply> {
        self.left.lock().unwrap().push(leaving.work.to_owned());
        Box::pin(async { answer(200) })
    }
}

#[tokio::test]
async fn a_worker_that_does_not_look_for_older_messages_under_its_marker_is_noticed() {
    for (mistake, is_in_order) in [(None, true), (Some(Mistake::RereadLooksAtItselfOnly), false)] {
        let (table, intents, _folder) = outbox(mistake).await;
        let notice = &intents[3];
        let older = Intent { id: IntentId::new(NOW - 5, 5).unwrap(), ..notice.clone() };
        table.put_intent(notice).await.unwrap();
        let (older_id, of) = (older.id.clone(), conversation(&table));
        let of = Conversation { account: notice.birth.account.clone(), ..of };
        let connectors =
            Arc::new(Overtaken { table: table.clone(), older: Mutex::new(Some(older)), left: Mutex::default() });
        let outbound = Outbound::new(table, Arc::clone(&connectors) as _, Arc::new(Unheard), || NOW + 10);
        Worker::new(Arc::new(outbound)).turn(&of).await.unwrap();
        let left = connectors.left.lock().unwrap().clone();
        let mut expected = vec![older_id.as_str().to_owned(), notice.id.as_str().to_owned()];
        if !is_in_order {
            expected.reverse();
        }
        assert_eq!(left, expected, "{mistake:?}");
    }
}
