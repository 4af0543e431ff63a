//! Mail by Amazon SES: signed with a certificate that the host fetches, and confirmed before it comes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rapport_egress::Egress;
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};

use crate::connectors::repository;
use crate::support::tls::{Server, response};
use crate::support::{Data, Service, connection, gateway_at};

const HOST: &str = "sns.eu-west-1.amazonaws.com";
const CERTIFICATE: &str = "/SimpleNotificationService-0123456789abcdef.pem";
/// The clock of the fixtures: 2026-01-01T00:00:00Z.
const FIXTURES_NOW: u64 = 1_767_225_600_000;

/// The notification service, the webhook service that trusts it, and whether the first is up.
struct World {
    sns: Server,
    service: Service,
    is_up: Arc<AtomicBool>,
}

/// A connection without any secret: all it verifies with is fetched.
async fn world() -> World {
    let certificate = certificate();
    let is_up = Arc::new(AtomicBool::new(true));
    let up = Arc::clone(&is_up);
    let sns = Server::start(HOST, move |target| match target {
        _ if !up.load(Ordering::Relaxed) => response("500 Internal Server Error", b""),
        CERTIFICATE => response("200 OK", certificate.as_bytes()),
        _ if target.starts_with("/?Action=ConfirmSubscription&") => {
            response("200 OK", b"<ConfirmSubscriptionResponse/>")
        }
        _ => response("404 Not Found", b""),
    })
    .await;
    let config = json!({"provider": "ses", "topic-arns": ["arn:aws:sns:eu-west-1:123456789012:mail"]});
    let mail = connection("mail", "email", &config, &[]);
    let data = Data::new().await;
    let mut gateway = Arc::into_inner(gateway_at(data.table.clone(), [mail], || FIXTURES_NOW)).unwrap();
    let inbound = Arc::get_mut(&mut gateway.inbound).unwrap();
    Arc::get_mut(&mut inbound.host).unwrap().egress = Egress::new(sns.network.clone());
    let service = Service::of(Arc::new(gateway), data).await;
    World { sns, service, is_up }
}

/// A certificate of the key that the fixtures are signed with.
fn certificate() -> String {
    let folder = repository().join("plugins/email/fixtures/inbound/ses/connection.json");
    let connection: Value = serde_json::from_str(&std::fs::read_to_string(folder).unwrap()).unwrap();
    let key = connection["private-keys"][format!("https://{HOST}{CERTIFICATE}")].as_str().unwrap();
    let key = KeyPair::from_pem(key).unwrap();
    CertificateParams::new(vec![HOST.to_owned()]).unwrap().self_signed(&key).unwrap().pem()
}

impl World {
    async fn deliver(&self, fixture: &str) -> u16 {
        let folder = repository().join("plugins/email/fixtures/inbound/ses");
        let request = std::fs::read(folder.join(format!("{fixture}.http"))).unwrap();
        let webhook = rapport_sdk::testing::parse_request(&request).unwrap();
        let headers: Vec<(&str, &str)> = webhook
            .headers
            .iter()
            .filter(|(name, _)| name.starts_with("x-amz-sns") || name == "content-type")
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        self.service.send("POST", "/hooks/mail", &headers, &webhook.body).await.status
    }

    fn confirmations(&self) -> usize {
        self.sns.asked().iter().filter(|target| target.contains("ConfirmSubscription")).count()
    }

    fn certificates(&self) -> usize {
        self.sns.asked().iter().filter(|target| *target == CERTIFICATE).count()
    }
}

#[tokio::test]
async fn a_signing_certificate_is_fetched_once_and_then_known() {
    let world = world().await;
    for _ in 0..3 {
        assert_eq!(world.deliver("text").await, 200);
    }
    assert_eq!(world.sns.asked(), [CERTIFICATE]);
    world.service.settle().await;
    let profile = world.service.look_up("email", "ada@example.com").await.expect("the mail's sender has a profile");
    assert_eq!(world.service.timeline(&profile, 50).await.len(), 1);
}

#[tokio::test]
async fn a_certificate_that_is_not_to_be_had_leaves_nothing_and_the_redelivery_is_stored() {
    let world = world().await;
    let before = world.service.data.items().await;
    world.is_up.store(false, Ordering::Relaxed);
    assert_eq!(world.deliver("text").await, 503, "the provider has to come back");
    assert_eq!(world.service.data.items().await, before);
    assert_eq!(world.deliver("text").await, 503);
    assert_eq!(world.certificates(), 1, "a failure is remembered for a while");
}

#[tokio::test]
async fn a_certificate_from_elsewhere_is_not_fetched() {
    let world = world().await;
    assert_eq!(world.deliver("certificate-elsewhere").await, 401);
    assert_eq!(world.sns.asked(), [""; 0]);
}

#[tokio::test]
async fn a_subscription_to_an_allowed_topic_is_confirmed_before_the_answer() {
    let world = world().await;
    assert_eq!(world.deliver("subscription").await, 200);
    assert_eq!(world.confirmations(), 1);
    let asked = world.sns.asked().pop().unwrap();
    assert!(asked.contains("TopicArn=arn:aws:sns:eu-west-1:123456789012:mail&Token="), "{asked}");
    assert_eq!(world.deliver("text").await, 200);
    assert_eq!(world.confirmations(), 1, "mail asks for no confirmation");
}

#[tokio::test]
async fn a_subscription_of_others_or_with_a_url_elsewhere_is_not_confirmed() {
    let world = world().await;
    for fixture in ["subscription-of-others", "subscription-elsewhere", "subscription-ended"] {
        let status = world.deliver(fixture).await;
        assert!(matches!(status, 200 | 401), "{fixture}: {status}");
        assert_eq!(world.confirmations(), 0, "{fixture}");
    }
}

#[tokio::test]
async fn a_confirmation_that_fails_is_503_so_that_the_provider_asks_again() {
    let world = world().await;
    assert_eq!(world.deliver("text").await, 200);
    world.is_up.store(false, Ordering::Relaxed);
    assert_eq!(world.deliver("subscription").await, 503);
    world.is_up.store(true, Ordering::Relaxed);
    assert_eq!(world.deliver("subscription").await, 200);
    assert_eq!(world.confirmations(), 2);
}
