//! The kit's own trial: connectors that are each wrong in one way, and the one check that has to say so.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::*;
use crate::prelude::*;
use crate::testing::connection::Connection;
use crate::testing::{Native, Usage, parse_request, watch};

const SECRET: &str = "a-secret-of-tests";
const TEXT: &str =
    r#"{"id":"m-1","at":1790668800000,"from":"+16505551234","name":"Ada Lovelace","text":"Good morning"}"#;
const SHORT: &str = r#"{"id":"m-2","at":1790668800000,"from":"+16505551234","text":"ok"}"#;

/// A connector as it should be.
struct Good;

impl Inbound for Good {
    fn receive(_: &Context, webhook: &Webhook) -> Result<Receipt, Rejection> {
        verified(webhook)?;
        events(&webhook.body, "account")
    }
}

fn verified(webhook: &Webhook) -> Result<(), Rejection> {
    if webhook.is_fed() {
        return Ok(());
    }
    let tag = hex::decode(webhook.header_once("x-signature")?).unwrap_or_default();
    verify::require_mac(MacAlgorithm::HmacSha256, "key", &webhook.body, &tag)
}

fn events(body: &[u8], account: &str) -> Result<Receipt, Rejection> {
    let json: Value = serde_json::from_str(&lenient::document(body))
        .map_err(|error| Rejection::Malformed(format!("expected JSON: {error}")))?;
    let Some(elements) = json.as_array() else {
        return event(&json, account).map(|event| Receipt::events(vec![event]));
    };
    let (mut events, mut unread) = (Vec::new(), Unread::default());
    for (index, element) in elements.iter().enumerate() {
        match event(element, account) {
            Ok(event) => events.push(event),
            Err(_) => unread.add(&format!("[{index}]"), "it has no `id`, `at` or `from`"),
        }
    }
    unread.receipt(events)
}

fn event(json: &Value, account: &str) -> Result<Event, Rejection> {
    let text = |name: &str| json[name].as_str().map(str::to_owned);
    let (Some(id), Some(at), Some(from)) = (text("id"), json["at"].as_u64(), text("from")) else {
        log::warn("an element has no `id`, `at` or `from`");
        return Err(Rejection::Malformed("expected `id`, `at` and `from`".into()));
    };
    let contact = Contact::new(vec![Identifier::provider("phone", from)]).named(text("name"));
    let parts = vec![Part::Text(text("text").unwrap_or_default())];
    let message = Message::new(id.clone(), Author::Customer, parts);
    log::info(&format!("took message {id}"));
    Ok(Event::new(id, at, account, contact, EventBody::Message(message)))
}

/// Defines a connector by the body of its `receive`.
macro_rules! connector {
    ($(#[$doc:meta])* $name:ident($cx:pat, $webhook:ident) $body:block) => {
        $(#[$doc])*
        struct $name;

        impl Inbound for $name {
            fn receive($cx: &Context, $webhook: &Webhook) -> Result<Receipt, Rejection> $body
        }
    };
}

mod excuses;
mod mistakes;
mod sentences;

connector! {
    /// Has the provider's signature checked over the beginning of the body only.
    HalfVerified(_, webhook) {
        let tag = hex::decode(webhook.header("x-beginning").unwrap_or_default()).unwrap_or_default();
        verify::require_mac(MacAlgorithm::HmacSha256, "key", &webhook.body[..webhook.body.len().min(40)], &tag)?;
        events(&webhook.body, "account")
    }
}

connector! {
    /// Asks `verify`, and does not mind the answer.
    Credulous(_, webhook) {
        let _ = verified(webhook);
        events(&webhook.body, "account")
    }
}

connector! {
    /// Never asks `verify`.
    Unverified(_, webhook) { events(&webhook.body, "account") }
}

connector! {
    /// Takes a header field for AWS's word.
    Fed(_, webhook) {
        if webhook.header("x-amz-sns-topic-arn").is_none() {
            verified(webhook)?;
        }
        events(&webhook.body, "account")
    }
}

connector! {
    /// Takes the account from whichever header field comes first.
    FirstHeader(_, webhook) {
        verified(webhook)?;
        events(&webhook.body, webhook.headers.first().map_or("", |(_, value)| value.split(' ').next().unwrap_or_default()))
    }
}

connector! {
    /// Makes an event's id of the host's randomness.
    Random(cx, webhook) {
        verified(webhook)?;
        events(&webhook.body, &hex::encode(&cx.entropy))
    }
}

connector! {
    /// Puts the host's clock into an event.
    Clock(cx, webhook) {
        verified(webhook)?;
        events(&webhook.body, &cx.now.to_string())
    }
}

connector! {
    /// Trusts that what is signed has a body.
    TrapsSigned(_, webhook) {
        verified(webhook)?;
        assert!(webhook.body[0] == b'{', "a webhook is an object");
        events(&webhook.body, "account")
    }
}

connector! {
    /// Reads what is signed up to a character that is not in it.
    Loops(_, webhook) {
        verified(webhook)?;
        let mut end = 0;
        while webhook.body.get(end) != Some(&b'}') {
            end = (end + 1).min(webhook.body.len());
            if end == webhook.body.len() {
                // It never ends, and leaves the processor to the other tests.
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        }
        events(&webhook.body, "account")
    }
}

connector! {
    /// Trusts that a signature has a prefix, before anything is verified.
    TrapsUnsigned(_, webhook) {
        let tag = hex::decode(&webhook.header_once("x-prefixed")?[7..]).unwrap_or_default();
        verify::require_mac(MacAlgorithm::HmacSha256, "key", &webhook.body, &tag)?;
        events(&webhook.body, "account")
    }
}

connector! {
    /// Refuses what its provider does not send today.
    Strict(_, webhook) {
        verified(webhook)?;
        let is_known = |name: &String| ["id", "at", "from", "name", "text"].contains(&name.as_str());
        match serde_json::from_slice::<Value>(&webhook.body) {
            Ok(Value::Object(fields)) if fields.keys().all(is_known) => events(&webhook.body, "account"),
            _ => Err(Rejection::Malformed("expected the fields of today".into())),
        }
    }
}

connector! {
    /// Skips what it cannot read.
    Forgetful(_, webhook) {
        verified(webhook)?;
        events(&webhook.body, "account").map(|receipt| Receipt::events(receipt.events))
    }
}

connector! {
    /// Refuses a batch for one element.
    AllOrNothing(_, webhook) {
        verified(webhook)?;
        let receipt = events(&webhook.body, "account")?;
        if receipt.unread.is_empty() {
            Ok(receipt)
        } else {
            Err(Rejection::Malformed("expected a batch without a mistake".into()))
        }
    }
}

connector! {
    /// Logs who wrote.
    Talkative(_, webhook) {
        verified(webhook)?;
        let receipt = events(&webhook.body, "account")?;
        for event in &receipt.events {
            log::info(&format!("a message of {}", event.contact.identifiers[0].value));
        }
        Ok(receipt)
    }
}

connector! {
    /// Means something else than its fixtures say.
    Changed(_, webhook) {
        verified(webhook)?;
        events(&webhook.body, "another account")
    }
}

/// A connector that uses more than it may.
struct Hungry(Native<Good>);

impl Subject for Hungry {
    fn receive(&self, connection: &Connection, webhook: &Webhook, moment: Moment) -> Answer {
        let usage = Usage { fuel: Some(20_000_000), peak_memory_bytes: Some(1 << 20) };
        Answer { usage, ..self.0.receive(connection, webhook, moment) }
    }
}

connector! {
    /// Has every event the id of every other one.
    OneId(_, webhook) {
        verified(webhook)?;
        events(&webhook.body, "account").map(|mut receipt| {
            receipt.events.iter_mut().for_each(|event| event.id = "constant".into());
            receipt
        })
    }
}

connector! {
    /// Makes events that the host parks.
    Unstorable(_, webhook) {
        verified(webhook)?;
        events(&webhook.body, "")
    }
}

connector! {
    /// Takes a scheme from the provider's words, and seconds for milliseconds.
    Careless(_, webhook) {
        verified(webhook)?;
        events(&webhook.body, "account").map(|mut receipt| {
            receipt.events[0].contact.identifiers[0].scheme = "KIT User".into();
            receipt.events[0].at /= 1_000;
            receipt
        })
    }
}

connector! {
    /// Attests a room and a member of it.
    Room(_, webhook) {
        verified(webhook)?;
        events(&webhook.body, "account").map(|mut receipt| {
            receipt.events[0].contact.identifiers.insert(0, Identifier::provider("kit.room", "r-1"));
            receipt
        })
    }
}

/// What the check `name` says of a connector whose fixtures say what it makes of them.
fn told(subject: &dyn Subject, name: &str) -> Vec<String> {
    trial(subject).checks.into_iter().find(|findings| findings.check == name).unwrap().failures
}

connector! {
    /// Its provider signs the time at the end of the body, and it asks whether that is fresh.
    Fresh(cx, webhook) {
        verified(webhook)?;
        let text = str::from_utf8(&webhook.body).unwrap_or_default();
        let Some((_, signed)) = text.rsplit_once('@') else { return events(&webhook.body, "account") };
        let signed = verify::milliseconds(signed).unwrap_or_default();
        verify::require_fresh("the time", signed, cx.now, verify::Window::FIVE_MINUTES, None)?;
        Ok(Receipt::events(Vec::new()))
    }
}

connector! {
    /// Takes every U+FFFD and U+0000 out of the body.
    LeavesOut(_, webhook) {
        verified(webhook)?;
        let body = lenient::document(&webhook.body).replace("\\ufffd", "");
        events(body.as_bytes(), "account")
    }
}

/// The checks that fail, for a connector whose fixtures say what it makes of them.
fn failed(subject: &dyn Subject) -> Vec<String> {
    let checks = trial(subject).checks.into_iter();
    checks.filter(|findings| !findings.is_clean()).map(|findings| findings.check).collect()
}

fn trial(subject: &dyn Subject) -> Report {
    let folder = Folder::new();
    let fixtures = folder.fixtures();
    run(subject, &fixtures, &options(Expectations::Bless));
    run(subject, &fixtures, &options(Expectations::Verbatim))
}

fn options(expectations: Expectations) -> Options {
    let effort = Effort { tampered_max: 4_000, retyped_max: 200, hostile_fixtures_max: 2, random_bodies: 9 };
    Options { effort, expectations, budgets: Some(Budgets::of_limits(50, 16, 1_024).with_component(1, 1)) }
}

fn connection(more: &str) -> Connection {
    serde_json::from_str(&format!(
        r#"{{"connection":"kit","config":{{}},"secrets":{{"key":["{SECRET}"]}},"signs-no-time":"a kit's"{more}}}"#
    ))
    .unwrap()
}

/// A temporary folder for `*.events.json`.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("rapport-kit-{}-{count}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn fixtures(&self) -> Vec<Fixture> {
        [("short", SHORT), ("text", TEXT)].map(|(name, body)| self.fixture(name, body)).into()
    }

    /// Two of them in one request.
    fn batch(&self) -> Fixture {
        self.fixture("batch", &format!("[{SHORT},{TEXT}]"))
    }

    /// What AWS delivered.
    fn fed(&self) -> Fixture {
        let request = format!(
            "POST arn:aws:sqs:eu-west-1:111122223333:feed HTTP/1.1\ncontent-type: application/json\n\
             x-amz-sns-topic-arn: arn:aws:sns:eu-west-1:111122223333:kit\n\n{TEXT}"
        );
        let webhook = parse_request(request.as_bytes()).unwrap();
        assert!(webhook.is_fed());
        let expected = self.0.join("fed.events.json");
        Fixture { name: "fed".to_owned(), webhook, connection: connection(""), expected }
    }

    fn fixture(&self, name: &str, body: &str) -> Fixture {
        let tag = |data: &str| hex::encode(&crate::testing::sign(MacAlgorithm::HmacSha256, SECRET, data.as_bytes()));
        let (whole, beginning) = (tag(body), tag(&body[..40]));
        let request = format!(
            "POST /hooks/kit HTTP/1.1\nhost: kit.test\ncontent-type: application/json\nx-signature: {whole}\n\
             x-prefixed: sha256={whole}\nx-beginning: {beginning}\n\n{body}"
        );
        let webhook = parse_request(request.as_bytes()).unwrap();
        let expected = self.0.join(format!("{name}.events.json"));
        Fixture { name: name.to_owned(), webhook, connection: connection(""), expected }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
