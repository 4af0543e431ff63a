//! An attacker's hour: thousands of hostile webhooks at every connector, signed and acknowledged, while innocent people
//! write and hostile ones are erased.
//!
//! What is tried: documents that are deep, long, from the future or the past, with many names, with values that no provider
//! sends, with what looks like a stranger's address, and with a stranger's address where anybody may write. What must
//! hold: no webhook is answered 5xx, the fold's work for others stays the same, every page answers, every erasure ends and
//! leaves nothing, and a stranger's profile is as if nothing had happened.
//!
//! 2,000 acknowledged events, some 40 s of CPU. `RAPPORT_ATTACK_EVENTS` says another number: the whole hour, which `.ci/run` makes,
//! is 10,000.
//! `RAPPORT_ATTACK_SEED` says another seed.

mod aftermath;
mod arms;
mod strikes;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use rapport_inbound::feed::{AwsDelivery, FeedError};
use rapport_projections::fold;
use rapport_store::stream::StreamReader;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tower::ServiceExt;

use self::arms::{Arm, Signed};
use crate::support::{API_KEY, Data, Gateway, NOW, Text, gateway_at};

/// Acknowledged events of `cargo test`. `.ci/run` makes 10,000.
const EVENTS: u64 = 2_000;
/// Batches of a round, and elements of each. Ten are of one person: a fold reads and writes a head once for several.
const BATCHES: usize = 6;
const ELEMENTS: usize = 100;
/// Hostile people who begin in a round. They write in the two rounds after it, too.
const PEOPLE: u64 = 8;
/// How many times the work that a stranger's text waits for behind one hostile event may grow, from the first tenth of the
/// rounds to the last: a quadratic fold grows by tens.
const GROWTH_MAX: f64 = 4.0;
/// Bytes of an answer: as many as a Lambda function may answer.
const ANSWER_BYTES_MAX: usize = 6 << 20;
/// Calls that go on with one erasure.
const CALLS_MAX: usize = 60;

/// Innocent people: a WhatsApp number, a Messenger id, a Telegram id.
const STRANGERS: [&str; 3] = ["4915123456789", "7171717171717171", "6000000321"];
/// And one who writes mails.
const STRANGERS_MAIL: &str = "anna.alba@stranger.example";

/// A clock that moves a millisecond with each look.
fn tick() -> u64 {
    static TICKS: AtomicU64 = AtomicU64::new(0);
    NOW + TICKS.fetch_add(1, Ordering::Relaxed)
}

/// Numbers that a seed gives.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound.max(1)
    }

    fn letters(&mut self, count: usize) -> String {
        (0..count).map(|_| char::from(b'a' + self.below(26) as u8)).collect()
    }
}

/// The service: the real router, the real connectors in the sandbox, an embedded DynamoDB. It folds when it is told to.
struct Target {
    data: Arc<Data>,
    gateway: Arc<Gateway>,
    router: Router,
    reader: Mutex<StreamReader>,
}

/// What folding came to.
#[derive(Default)]
struct Folded {
    events: usize,
    unreadable: usize,
    /// Events that were folded before the strangers' and with them, and the work until then.
    ahead: usize,
    work: Duration,
}

impl Target {
    async fn new(arms: &[Arm]) -> Self {
        let data = Data::new().await;
        let connections = arms.iter().map(Arm::configured);
        let gateway = gateway_at(data.table.clone(), connections, tick);
        let reader = Mutex::new(data.stream().await);
        Self { router: gateway.router(), gateway, data, reader }
    }

    async fn ask(&self, request: Request<Body>) -> (u16, String, Vec<u8>) {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let place = response.headers().get("location").map(|place| place.to_str().unwrap().to_owned());
        let body = to_bytes(response.into_body(), ANSWER_BYTES_MAX).await.expect("an answer that fits");
        (status, place.unwrap_or_default(), body.to_vec())
    }

    /// A call of the API: status, place, body.
    async fn call(&self, method: &str, target: &str, body: Option<&Value>) -> (u16, String, Value) {
        let request =
            Request::builder().method(method).uri(target).header("authorization", format!("Bearer {API_KEY}"));
        let request = match body {
            Some(body) => request.header("content-type", "application/json").body(Body::from(body.to_string())),
            None => request.body(Body::empty()),
        };
        let (status, place, body) = self.ask(request.unwrap()).await;
        (status, place, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    /// The JSON of a GET that must succeed.
    async fn read(&self, target: &str) -> Value {
        let (status, _, body) = self.call("GET", target, None).await;
        assert_eq!(status, 200, "{target}: {body}");
        body
    }

    /// Sends a webhook as its provider or AWS does. The status of the answer; of a delivery what the answer would be.
    async fn deliver(&self, arm: &Arm, signed: &Signed) -> u16 {
        let webhook = &signed.webhook;
        if webhook.is_fed() {
            let delivery = AwsDelivery {
                origin: webhook.url.clone(),
                through: webhook.url.clone(),
                headers: webhook.headers.clone(),
                body: webhook.body.clone(),
            };
            return match self.gateway.feed_to(&arm.name, &delivery, "attack").await {
                Ok(_) => 200,
                Err(FeedError::TooLarge { .. }) => 413,
                Err(error) => panic!("{}: {error}", arm.name),
            };
        }
        let mut request = Request::builder().method("POST").uri(arm.target(webhook));
        for (name, value) in arm.headers(webhook) {
            request = request.header(name, value.as_bytes());
        }
        let (status, _, body) = self.ask(request.body(Body::from(webhook.body.clone())).unwrap()).await;
        let body = String::from_utf8_lossy(&body);
        assert!(status < 500, "{}: {status}: {body}: {}", arm.name, String::from_utf8_lossy(&webhook.body));
        status
    }

    /// Folds until the stream has no more, and says how long it took until the strangers' events were folded.
    async fn fold(&self) -> Folded {
        let mut reader = self.reader.lock().await;
        let table = &self.data.table;
        let started = worked();
        let mut folded = Folded::default();
        loop {
            let batches = reader.next().await.unwrap();
            if batches.is_empty() {
                return folded;
            }
            for mut batch in batches {
                folded.unreadable += batch.unreadable.len();
                fold::unreadable(table, &batch.unreadable, tick()).await.unwrap();
                let (waits, _) = fold::waiting(table, std::mem::take(&mut batch.waiting), tick()).await;
                assert!(waits.is_none() && !batch.is_cut, "nothing is away: {waits:?}");
                fold::fold_batch(table, &batch.events, tick()).await.expect("the fold goes on");
                folded.events += batch.events.len();
                let is_strangers = |value: &str| STRANGERS.contains(&value) || value == STRANGERS_MAIL;
                let first = |event: &rapport_model::Event| is_strangers(&event.contact.identifiers[0].value);
                if batch.events.iter().any(|inserted| first(&inserted.stored.event)) {
                    (folded.ahead, folded.work) = (folded.events, worked().saturating_sub(started));
                }
                // The reader's place is an item, too: it would see it written for ever.
                if !batch.events.is_empty() {
                    reader.handled(&batch).await.unwrap();
                }
            }
        }
    }

    /// Forgets whoever has this identifier, however many calls it takes. The receipt; none: nobody has it (yet).
    async fn erase(&self, identifier: &Value) -> Option<Value> {
        let (mut status, mut place, mut receipt) =
            self.call("POST", "/v1/erasures", Some(&json!({"identifier": identifier, "by": "the attack"}))).await;
        for _ in 0..CALLS_MAX {
            match status {
                200 => break,
                404 => return None,
                202 | 409 if !place.is_empty() => (status, _, receipt) = self.call("POST", &place.clone(), None).await,
                409 => {
                    let again = json!({"identifier": identifier, "by": "the attack"});
                    (status, place, receipt) = self.call("POST", "/v1/erasures", Some(&again)).await;
                }
                _ => panic!("{identifier}: {status}: {receipt}"),
            }
        }
        assert_eq!((status, &receipt["state"]), (200, &json!("completed")), "{identifier}: {receipt}");
        // Of what only may be the person's somebody has to decide. All of it is hostile here.
        while receipt["parked"]["undecided"].as_array().is_some_and(|undecided| !undecided.is_empty()) {
            let target = format!("/v1/erasures/{}/parked", receipt["id"].as_str().unwrap());
            let decision = json!({"delete": receipt["parked"]["undecided"]});
            (status, _, receipt) = self.call("POST", &target, Some(&decision)).await;
            assert_eq!(status, 200, "{receipt}");
        }
        Some(receipt)
    }
}

/// What was sent, and whom it named.
#[derive(Default)]
struct Record {
    /// Answers by connection and status.
    answers: BTreeMap<(String, u16), u64>,
    acknowledged_events: u64,
    acknowledged_webhooks: u64,
    /// Webhooks of which no event was made, or not all.
    with_unread: u64,
    /// What JSON says of everybody who was ever named: scheme, scope, value.
    named: BTreeSet<(String, String, String)>,
    /// Identifiers of each hostile person that have the code of that person in them.
    people: BTreeMap<u64, BTreeSet<(String, String, String)>>,
    /// People whose address an event of somebody else has, as a mail to several: that event stays, with what it says.
    told_of: BTreeSet<u64>,
    /// Webhooks of people who are to be erased, which come again afterwards: the number of their arm with each.
    again: Vec<(usize, Signed)>,
    receipts: Vec<Value>,
}

impl Record {
    fn note(&mut self, arm: &Arm, signed: &Signed, status: u16) {
        *self.answers.entry((arm.name.clone(), status)).or_default() += 1;
        if status == 200 {
            self.acknowledged_events += signed.events.len() as u64;
            self.acknowledged_webhooks += 1;
            self.with_unread += u64::from(!signed.is_whole);
        }
    }

    /// Everybody whom these events name, before they are sent: who is erased meanwhile is among them.
    fn name(&mut self, events: &[Value], people: &BTreeSet<u64>) {
        for event in events {
            let whole = event.to_string();
            let own = event["contact"]["identifiers"].to_string();
            let others = people.iter().filter(|person| {
                let code = strikes::code(**person);
                whole.contains(&code) && !own.contains(&code)
            });
            self.told_of.extend(others);
            for identifier in event["contact"]["identifiers"].as_array().into_iter().flatten() {
                let text = |name: &str| identifier[name].as_str().unwrap_or_default().to_owned();
                let named = (text("scheme"), text("scope"), text("value"));
                for person in people {
                    let code = strikes::code(*person);
                    if named.2.ends_with(&code) || named.2.contains(&format!("h{code}x")) {
                        self.people.entry(*person).or_default().insert(named.clone());
                    }
                }
                self.named.insert(named);
            }
        }
    }

    /// A person's identifier as a request has it.
    fn identifier(named: &(String, String, String)) -> Value {
        let (scheme, scope, value) = named;
        if scope.is_empty() {
            json!({"scheme": scheme, "value": value})
        } else {
            json!({"scheme": scheme, "scope": scope, "value": value})
        }
    }
}

/// Whether a hostile person is erased while they write.
fn is_doomed(person: u64) -> bool {
    person.is_multiple_of(PEOPLE)
}

/// Everything of one run.
struct Attack {
    arms: Vec<Arm>,
    target: Target,
    record: Record,
    random: Random,
    serial: u64,
}

impl Attack {
    /// A batch of one of the connectors that take batches, each fourth element hostile in itself.
    fn batch(&mut self, round: u64, number: usize) -> Option<(usize, Signed)> {
        let with_batches: Vec<usize> = (0..self.arms.len()).filter(|n| !self.arms[*n].batches.is_empty()).collect();
        let place = with_batches[(round as usize * BATCHES + number) % with_batches.len()];
        let arm = &self.arms[place];
        let (fixture, pointer) = &arm.batches[self.random.below(arm.batches.len() as u64) as usize];
        let fixture = &arm.fixtures[*fixture];
        let mut document = strikes::document(&fixture.webhook.body).unwrap();
        let mut people = BTreeSet::new();
        let (random, serial) = (&mut self.random, &mut self.serial);
        strikes::multiply(&mut document, pointer, ELEMENTS, &arm.kept, &mut |n| {
            let person = person(round, (n / 10) as u64 + number as u64, random);
            people.insert(person);
            *serial += 1;
            (person, *serial)
        });
        for element in document.pointer_mut(pointer).unwrap().as_array_mut().unwrap() {
            if random.below(4) == 0 {
                strikes::strike(element, &arm.kept, random);
            }
        }
        let signed = arm.sign(fixture, strikes::written(&document))?;
        self.record.name(&signed.events, &people);
        Some((place, signed))
    }

    /// One webhook of a connector: another person's, and mostly hostile in itself.
    fn single(&mut self, round: u64, place: usize) -> Option<(usize, Signed)> {
        let arm = &self.arms[place];
        let fixture = &arm.fixtures[self.random.below(arm.fixtures.len() as u64) as usize];
        self.serial += 1;
        let number = self.random.below(PEOPLE);
        let person = person(round, number, &mut self.random);
        let body = match strikes::document(&fixture.webhook.body) {
            Some(mut document) => {
                strikes::become_another(&mut document, "", person, self.serial, &arm.kept);
                for _ in 0..self.random.below(3) {
                    strikes::strike(&mut document, &arm.kept, &mut self.random);
                }
                strikes::written(&document)
            }
            None => {
                let kind = fixture.webhook.header("content-type").unwrap_or_default();
                let ids = (person, self.serial);
                strikes::struck_text(&fixture.webhook.body, kind, ids, &arm.kept, &mut self.random)
            }
        };
        let signed = arm.sign(fixture, body)?;
        self.record.name(&signed.events, &BTreeSet::from([person]));
        Some((place, signed))
    }

    async fn deliver(&mut self, (place, signed): (usize, Signed), round: u64) {
        let status = self.target.deliver(&self.arms[place], &signed).await;
        self.record.note(&self.arms[place], &signed, status);
        // Few come again: those that nothing of was parked, which would be parked again.
        let is_of_doomed = round.is_multiple_of(5) && signed.is_whole && signed.webhook.body.len() < 50_000;
        if is_of_doomed && status == 200 {
            self.record.again.push((place, signed));
        }
    }

    /// One round: half of it is folded before anybody is erased, half of it while people are.
    async fn round(&mut self, round: u64) -> Folded {
        let mut first: Vec<_> = (0..BATCHES / 2).filter_map(|number| self.batch(round, number)).collect();
        first.extend((0..self.arms.len()).step_by(2).filter_map(|place| self.single(round, place)));
        for webhook in first {
            self.deliver(webhook, round).await;
        }
        for (place, signed) in strangers(&self.arms, round) {
            assert_eq!(self.target.deliver(&self.arms[place], &signed).await, 200);
        }
        let folded = self.target.fold().await;

        let mut second: Vec<_> = (BATCHES / 2..BATCHES).filter_map(|number| self.batch(round, number)).collect();
        second.extend((1..self.arms.len()).step_by(2).filter_map(|place| self.single(round, place)));
        // Who began two rounds ago writes for the last time now: some of it is not folded when they are erased.
        let doomed = self.doomed(round.checked_sub(2));
        let some = doomed.len().min(2);
        let (target, arms) = (&self.target, &self.arms);
        let answers = Mutex::new(Vec::new());
        let delivering = async {
            for (place, signed) in &second {
                let status = target.deliver(&arms[*place], signed).await;
                answers.lock().await.push(status);
            }
        };
        let erasing = async {
            let mut receipts = Vec::new();
            for identifier in &doomed[..some] {
                receipts.extend(target.erase(identifier).await);
            }
            receipts
        };
        let ((), while_folded, receipts) = tokio::join!(delivering, target.fold(), erasing);
        assert_eq!(while_folded.unreadable, 0, "everything that was acknowledged can be read");
        self.record.receipts.extend(receipts);
        for ((place, signed), status) in second.iter().zip(answers.into_inner()) {
            self.record.note(&self.arms[*place], signed, status);
        }
        // Nobody writes as them any more. What was delivered while they were erased is folded: now all of it has to go.
        self.forget(round.checked_sub(2)).await;
        folded
    }

    /// Erases those who began in a round, by every identifier that they ever had.
    async fn forget(&mut self, began: Option<u64>) {
        self.target.fold().await;
        for identifier in self.doomed(began) {
            self.record.receipts.extend(self.target.erase(&identifier).await);
        }
    }

    /// All identifiers of those who are erased, of those who began in a round.
    fn doomed(&self, began: Option<u64>) -> Vec<Value> {
        let Some(began) = began else { return Vec::new() };
        let people = (began * PEOPLE..(began + 1) * PEOPLE).filter(|person| is_doomed(*person));
        let identifiers = people.flat_map(|person| self.record.people.get(&person).into_iter().flatten());
        identifiers.map(Record::identifier).collect()
    }
}

/// A hostile person of those who began in this round or in the two before it.
fn person(round: u64, number: u64, random: &mut Random) -> u64 {
    round.saturating_sub(random.below(3)) * PEOPLE + number % PEOPLE
}

/// What the strangers write in a round.
fn strangers(arms: &[Arm], round: u64) -> Vec<(usize, Signed)> {
    let of = |plugin: &str, fixture: &str, change: &dyn Fn(&mut Value)| {
        let mut arms = arms.iter().enumerate().filter(|(_, arm)| arm.plugin == plugin);
        let found = arms.find_map(|(place, arm)| {
            let fixture = arm.fixtures.iter().find(|one| one.name == fixture)?;
            let mut document = strikes::document(&fixture.webhook.body)?;
            change(&mut document);
            Some((place, arm.sign(fixture, document.to_string().into_bytes())?))
        });
        found.unwrap_or_else(|| panic!("no `{fixture}` of {plugin}"))
    };
    let seconds = NOW / 1000 - 10_000 + round;
    let [number, messenger, telegram] = STRANGERS;
    vec![
        of("whatsapp", "text", &|document| {
            let text = Text { at: seconds, ..Text::new(number, round) };
            *document = serde_json::from_slice(&text.webhook()).unwrap();
        }),
        of("messenger", "text", &|document| {
            let message = &mut document["entry"][0]["messaging"][0];
            message["sender"]["id"] = json!(messenger);
            message["timestamp"] = json!(seconds * 1000);
            message["message"] = json!({"mid": format!("m_stranger-{round}"), "text": format!("hello {round}")});
        }),
        of("telegram", "text", &|document| {
            document["update_id"] = json!(900_000_000 + round);
            let message = &mut document["message"];
            message["message_id"] = json!(40_000 + round);
            message["date"] = json!(seconds);
            message["text"] = json!(format!("hello {round}"));
            for side in ["from", "chat"] {
                message[side]["id"] = json!(telegram.parse::<u64>().unwrap());
                message[side]["username"] = json!("an_innocent_stranger");
            }
        }),
        of("email", "postmark/attachments", &|document| {
            document["From"] = json!(STRANGERS_MAIL);
            document["FromFull"] = json!({"Email": STRANGERS_MAIL, "Name": "Anna Alba"});
            document["FromName"] = json!("Anna Alba");
            document["MessageID"] = json!(format!("00000000-66eb-11e1-8e72-{round:012}"));
            document["Headers"] =
                json!([{"Name": "Message-ID", "Value": format!("<stranger-{round}@stranger.example>")}]);
            document["Attachments"] = json!([]);
        }),
    ]
}

/// CPU time of this thread, which folds alone; where the system does not say it, the time.
fn worked() -> Duration {
    static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);
    let nanoseconds = || std::fs::read_to_string("/proc/thread-self/schedstat").ok()?.split(' ').next()?.parse().ok();
    nanoseconds().map_or_else(|| STARTED.elapsed(), Duration::from_nanos)
}

fn number_of(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).map_or(usual, |text| text.parse().expect("a number"))
}

#[tokio::test]
async fn an_attackers_hour_stops_nobody_blinds_nobody_and_touches_no_stranger() {
    let events = number_of("RAPPORT_ATTACK_EVENTS", EVENTS);
    let arms = Arm::all();
    let attacked: BTreeSet<&str> = arms.iter().map(|arm| arm.plugin.as_str()).collect();
    let all: Vec<_> = crate::connectors::plugins().iter().map(|(folder, _)| folder.file_name().unwrap()).collect();
    assert_eq!(attacked.len(), all.len(), "every connector is attacked: {attacked:?} of {all:?}");
    let random = Random(number_of("RAPPORT_ATTACK_SEED", 1));
    let mut attack = Attack { target: Target::new(&arms).await, arms, record: Record::default(), random, serial: 0 };
    let mut lags: Vec<f64> = Vec::new();
    let mut round = 0;
    while attack.record.acknowledged_events < events {
        let folded = attack.round(round).await;
        assert!(folded.ahead > 0, "the strangers' texts were folded");
        assert_eq!(folded.unreadable, 0, "everything that was acknowledged can be read");
        lags.push(folded.work.as_secs_f64() * 1e3 / folded.ahead as f64);
        round += 1;
    }
    for began in round.saturating_sub(2)..round {
        attack.forget(Some(began)).await;
    }
    // What the erased wrote comes again, as providers do it.
    let again = std::mem::take(&mut attack.record.again);
    for (place, signed) in &again {
        assert_eq!(attack.target.deliver(&attack.arms[*place], signed).await, 200);
    }
    attack.target.fold().await;
    aftermath::check(&attack, round, &lags).await;
}
