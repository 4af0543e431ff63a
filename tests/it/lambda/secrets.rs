//! Secrets that change while a function lives, by a clock that the test moves.

use std::cell::Cell;
use std::time::{Duration, Instant};

use rapport_inbound::receive::Incoming;
use rapport_lambda::environment::Environment;
use rapport_lambda::service::{SECRETS_KEPT, Service};
use rapport_store::RawWebhook;
use serde_json::{Value, json};

use crate::support::deployment::{World, secrets};
use crate::support::events::{Sent, signed};
use crate::support::{API_KEY, Text, app_secret};

const NEW: &str = "the app secret after its rotation";
const NEWEST: &str = "the app secret after another one";
/// More requests than an outage of a test has.
const ALL: u32 = 1_000;

#[tokio::test]
async fn a_rotated_secret_is_known_when_the_old_ones_are_old_and_those_stay_good() {
    let world = World::new().await;
    let service = service(&world, "webhook");
    assert_eq!(statuses(&service, &world).await, [200, 401, 401]);
    let asked = || world.services.asked().len();
    assert_eq!(asked(), 1);

    world.services.put_secret(&with_app_secrets(&[NEW, app_secret()]));
    pass(SECRETS_KEPT - Duration::from_secs(1));
    assert_eq!((statuses(&service, &world).await, asked()), (vec![200, 401, 401], 1), "not asked for at every event");
    pass(Duration::from_secs(1));
    assert_eq!((statuses(&service, &world).await, asked()), (vec![200, 200, 401], 2), "asked for once");

    world.services.put_secret(&with_app_secrets(&[NEWEST, NEW]));
    world.services.fail(ALL);
    pass(SECRETS_KEPT);
    assert_eq!(statuses(&service, &world).await, [200, 200, 401], "Secrets Manager is away: as before");
    world.services.fail(0);
    let before = asked();
    assert_eq!((statuses(&service, &world).await, asked()), (vec![200, 200, 401], before), "not asked at every event");

    pass(SECRETS_KEPT);
    assert_eq!(statuses(&service, &world).await, [401, 200, 200], "what was taken out is no longer good");
}

#[tokio::test]
async fn a_rotation_that_is_no_secret_any_more_keeps_the_old_ones() {
    let world = World::new().await;
    let service = service(&world, "api");
    let opens = async |key: &str| service.running().await.unwrap().api.keys.find(key.as_bytes()).is_some();
    assert!(opens(API_KEY).await);
    for broken in [
        json!("not an object"),
        json!({}),
        json!({"api-key": ""}),
        json!({"api-key": 7}),
        json!({"api-key": "too short"}),
    ] {
        world.services.put_secret(&broken);
        pass(SECRETS_KEPT);
        assert!(opens(API_KEY).await, "{broken}");
    }
    let mut rotated = secrets();
    rotated["api-key"] = json!(["another key of it", API_KEY]);
    // Another tenant key would be another table: it is taken when a function starts, and never after.
    rotated["tenant-key"] = json!("another tenant key");
    world.services.put_secret(&rotated);
    let name = async || service.running().await.unwrap().inbound.table.tenant_key().message_key("account", "message");
    let before = name().await;
    pass(SECRETS_KEPT);
    assert!(opens(API_KEY).await && opens("another key of it").await && !opens("too short").await);
    assert_eq!(name().await, before);
}

/// What `bootstrap` makes of its environment, but for the clock.
fn service(world: &World, handler: &str) -> Service {
    let mut environment = world.environment(handler, &[]);
    for name in ["RUNTIME_API", "FUNCTION_NAME", "FUNCTION_VERSION", "FUNCTION_MEMORY_SIZE"] {
        environment.push((format!("AWS_LAMBDA_{name}"), "128".to_owned()));
    }
    let get = |wanted: &str| environment.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
    Service::new(Environment::of(&get).unwrap(), now).unwrap()
}

/// What a webhook is answered that the old, the new and the newest app secret signed.
async fn statuses(service: &Service, world: &World) -> Vec<u16> {
    let mut statuses = Vec::new();
    for secret in [app_secret(), NEW, NEWEST] {
        let before = world.events().await;
        let Sent { method, headers, body, .. } = signed(&Text::new("16505551234", before as u64).webhook(), secret);
        let webhook = RawWebhook { method, url: String::new(), headers, body };
        let incoming = Incoming { connection: "wa-eu".to_owned(), token: None, webhook, request_id: String::new() };
        let status = match service.running().await.unwrap().inbound.receive(incoming).await {
            Ok(response) => response.status,
            Err(refusal) => refusal.status(),
        };
        assert_eq!(world.events().await - before, usize::from(status == 200), "{status}");
        statuses.push(status);
    }
    statuses
}

fn with_app_secrets(versions: &[&str]) -> Value {
    let mut all = secrets();
    all["wa-app"] = json!(versions);
    all
}

thread_local! {
    /// The time of a test, which has a thread of its own.
    static NOW: Cell<Instant> = Cell::new(Instant::now());
}

fn pass(time: Duration) {
    NOW.set(NOW.get() + time);
}

fn now() -> Instant {
    NOW.get()
}
