//! What cannot be sent ends as failed and holds up nobody; and what a worker does besides messages.

use rapport_model::event::{Media, MediaSource, Part};
use rapport_model::exchange::Kept;
use rapport_model::sending::intent::{INTERNAL, State};
use rapport_model::sending::{OfMessage, Operation};
use rapport_outbound::operate::{Direct, NotDone};

use super::worker::World;

#[tokio::test]
async fn a_connector_that_crashes_or_asks_for_ever_fails_its_message_alone() {
    let world = World::new("").await;
    let trap = world.put(0, &["trap"]).await;
    let endless = world.put(1, &["endless"]).await;
    let good = world.put(2, &["good"]).await;
    world.pass(10);
    for _ in 0..6 {
        world.turn().await;
    }
    for id in [trap, endless] {
        let State::Failed(why) = world.state(&id).await else { panic!("{:?}", world.state(&id).await) };
        assert_eq!(why.kind, INTERNAL, "{why:?}");
    }
    assert_eq!(world.state(&good).await, State::Sent);
    assert_eq!(world.provider.texts(), ["good"]);
}

#[tokio::test]
async fn a_message_whose_connection_is_gone_fails_and_says_so() {
    let world = World::new("").await;
    let mut intent = world.intent(0, &["x"]);
    intent.birth.connection = "gone".into();
    world.table().put_intent(&intent).await.unwrap();
    world.turn().await;
    let State::Failed(why) = world.state(&intent.id).await else { panic!() };
    assert_eq!(why.kind, "no-connection");
}

#[tokio::test]
async fn a_file_is_uploaded_first_and_a_second_worker_does_not_upload_it_again() {
    let world = World::new("").await;
    let (pk, sk) = world.table().keys_of_kept(&world.of.eid, "test");
    let mut writer = world.table().begin_blob(&pk, &sk).await.unwrap();
    writer.write(b"a picture").await.unwrap();
    let key = writer.finish().await.unwrap();
    let mut intent = world.intent(0, &[]);
    intent.draft.parts = vec![Part::Media(Media {
        source: MediaSource::Blob(key),
        mime_type: Some("image/png".into()),
        file_name: None,
        size: None,
        content_id: None,
    })];
    world.table().put_intent(&intent).await.unwrap();
    world.turn().await;
    assert_eq!(world.state(&intent.id).await, State::Sent);
    assert_eq!(world.provider.requests(), ["POST /v1/media HTTP/1.1", "POST /v1/messages HTTP/1.1"]);
}

#[tokio::test]
async fn media_is_fetched_and_kept_and_a_message_is_marked_as_read_without_an_intent() {
    let world = World::new("").await;
    let source = MediaSource::ProviderId("photo".into());
    let fetch = Operation::FetchMedia { account: "shop".into(), source, message: None };
    let direct = |operation| Direct { connection: "courier", eid: &world.of.eid, work: "test", operation };
    let outcome = world.worker.operate(&direct(fetch)).await.unwrap();
    let Some(Kept { blob, bytes: 3, .. }) = outcome.media else { panic!("{:?}", outcome.media) };
    assert_eq!(world.table().blobs().get(&blob).await.unwrap(), Some(b"png".to_vec()));

    let route = world.intent(0, &[]).draft.route;
    let read = Operation::MarkRead(OfMessage { route: route.clone(), message: "m1".into() });
    world.worker.operate(&direct(read)).await.unwrap();
    let typing = Operation::Typing { route, message: None, on: true };
    let refused = world.worker.operate(&direct(typing)).await.unwrap_err();
    assert!(matches!(refused, NotDone::Failed(_)), "{refused:?}");
    assert_eq!(world.provider.requests(), ["GET /v1/media/photo HTTP/1.1", "POST /v1/read HTTP/1.1"]);
}
